//! `/clock` and `/history`: what an owner decides about the machine's clock and about old events.

use store::event::{ChatId, Event, EventKind};

use crate::chat::commands::Command;
use crate::chat::{Chat, views};
use crate::text::Text;

impl Chat {
    /// Whether the clock is in doubt; with `is_right`, that it is right.
    pub(super) async fn clock(&self, chat: ChatId, is_right: bool) -> Text {
        if !is_right {
            return views::maintenance::clock(
                self.recorder.clock_doubt().as_ref(),
                self.recorder.now(),
                self.zone,
            );
        }
        if let Some(refusal) = self.refuse_to_members("clock", chat) {
            return refusal;
        }
        match self.recorder.trust_clock().await {
            Ok(()) => views::maintenance::clock_trusted(self.recorder.now(), self.zone),
            Err(error) => views::change_failed(&error),
        }
    }

    /// How far back the log goes; with `keep`, whether old events are kept from now on.
    pub(super) async fn log_history(&self, chat: ChatId, keep: Option<bool>, update: Option<u32>) -> Text {
        let Some(keep) = keep else {
            let keeps = self.recorder.state().totals().keeps_log;
            return views::maintenance::history(&self.status().await, keeps, self.recorder.now(), self.zone);
        };
        if let Some(refusal) = self.refuse_to_members("history", chat) {
            return refusal;
        }
        let event = Event::new(self.recorder.now(), EventKind::KeepLog { keep });
        self.change(event, update, views::maintenance::history_decided(keep)).await
    }

    /// Why the chat may not decide this: the bot has an owner, and it is not one. At the terminal it may.
    fn refuse_to_members(&self, command: &str, chat: ChatId) -> Option<Text> {
        let is_member = self.access().is_some_and(|access| access.has_owner() && !access.is_owner(chat));
        Command::named(command).filter(|_| is_member).map(views::access::for_owners_only)
    }
}
