//! `/clock` and `/history`: what an owner decides about the machine's clock and about old events.

use store::event::EventKind;

use crate::chat::commands::Command;
use crate::chat::{Asker, Chat, Reply, views};
use crate::text::Text;

impl Chat {
    /// Whether the clock is in doubt; with `is_right`, that it is right.
    pub(super) async fn clock(&self, asker: Asker<'_>, is_right: bool) -> Text {
        if !is_right {
            return views::maintenance::clock(
                self.recorder.clock_doubt().as_ref(),
                self.recorder.now(),
                self.zone,
            );
        }
        if let Some(refusal) = self.refuse_to_members("clock", asker) {
            return refusal;
        }
        match self.recorder.trust_clock().await {
            Ok(()) => views::maintenance::clock_trusted(self.recorder.now(), self.zone),
            Err(error) => views::change_failed(&error),
        }
    }

    /// How far back the log goes; with `keep`, whether old events are kept from now on.
    pub(super) async fn log_history(&self, asker: Asker<'_>, keep: Option<bool>) -> Reply {
        let Some(keep) = keep else {
            let keeps = self.recorder.state().totals().keeps_log;
            return views::maintenance::history(&self.status().await, keeps, self.recorder.now(), self.zone)
                .into();
        };
        if let Some(refusal) = self.refuse_to_members("history", asker) {
            return refusal.into();
        }
        self.change(asker, vec![EventKind::KeepLog { keep }], views::maintenance::history_decided(keep)).await
    }

    /// Why the asker may not decide this: only an owner may.
    fn refuse_to_members(&self, command: &str, asker: Asker<'_>) -> Option<Text> {
        let is_member = !self.is_by_owner(asker);
        Command::named(command).filter(|_| is_member).map(views::access::for_owners_only)
    }
}
