//! Sends the notices of incidents, which modules such as `disk_notifier` watch for.
//!
//! If an earlier run told a chat that an incident started, the chat is told that it is over only once that is certain:
//! at the start nobody knows yet.

use std::collections::HashMap;
use std::time::Duration;

use store::event::ChatId;
use store::recorder::RecorderHandle;
use tokio::time::Instant;

use super::incident_state::{IncidentState, NextNotice};
use super::quiet_hours::LocalQuietHours;
use super::sender::Sender;
use super::sent_warnings::SentWarnings;
use crate::text::Text;

/// How often to check, after a restart, whether an incident is over.
const CERTAINTY_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// What those who watch for incidents have in common.
pub(super) struct Notifier {
    pub(super) sender: Sender,
    pub(super) recorder: RecorderHandle,
    pub(super) quiet_hours: LocalQuietHours,
    pub(super) warnings: SentWarnings,
}

/// An incident, and what each chat knows of it. `T` is what is kept from the start notice for the one that follows.
#[derive(Debug)]
pub(super) struct Incident<T> {
    /// What its warnings are kept by.
    name: String,
    /// What counts as kept if an earlier run sent the start notice.
    resumed: T,
    chats: HashMap<ChatId, IncidentState<T>>,
}

impl<T> Incident<T> {
    pub(super) fn new(name: impl Into<String>, resumed: T) -> Self {
        Self { name: name.into(), resumed, chats: HashMap::new() }
    }
}

/// What holds of an incident now.
pub(super) struct Current<T, S> {
    /// The text of a start notice, if the incident is active.
    pub(super) active: Option<S>,
    /// Whether it is certain that an incident of an earlier run is over if it is not active.
    pub(super) is_certain: bool,
    /// What a start notice keeps.
    pub(super) kept: T,
}

impl Notifier {
    /// Whether no notices are sent now.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet_hours.contains(self.recorder.now())
    }

    /// Sends the chat the notice of the incident that is due, if one is; silently that it is `over`.
    ///
    /// Returns when to call again: at once after a notice, since another may be due. `None` if nothing is due before
    /// the incident changes.
    pub(super) async fn notify<T: Copy, S: FnOnce() -> Text>(
        &self,
        chat: ChatId,
        Incident { name, resumed, chats }: &mut Incident<T>,
        current: Current<T, S>,
        over: impl FnOnce(T) -> Text,
    ) -> Option<Instant> {
        let state = chats.entry(chat).or_insert_with(|| self.warnings.state(name, chat, *resumed));
        if state.is_resumed() && !current.is_certain {
            return Some(Instant::now() + CERTAINTY_POLL_INTERVAL);
        }
        let notice = state.next(current.active.is_some(), Instant::now());
        let (text, silent) = match (notice, current.active) {
            (NextNotice::Started, Some(text)) => (text(), false),
            (NextNotice::Resolved(kept), _) => (over(kept), true),
            (NextNotice::NotBefore(at), _) => return Some(at),
            (NextNotice::Started, None) | (NextNotice::Nothing, _) => return None,
        };
        self.warnings.announce(name, chat, &notice).await;
        let outcome = self.sender.notify(chat, &text, silent).await;
        state.record_outcome(notice, current.kept, outcome, chat, Instant::now());
        self.warnings.record(name, chat, state).await;
        Some(Instant::now())
    }
}
