//! Sends the notices of incidents, which modules such as `disk_notifier` watch for.
//!
//! If an earlier run told a chat that an incident started, the chat is told that it is over only once that is certain:
//! at the start nobody knows yet.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use store::event::ChatId;
use store::recorder::RecorderHandle;
use tokio::time::Instant;

use super::CLOCK_CHECK;
use super::incident_state::{IncidentState, NextNotice};
use super::sender::Sender;
use super::sent_warnings::SentWarnings;
use crate::chat_settings::{ConfiguredSettings, EffectiveSettings};
use crate::text::Text;

/// How often to check, after a restart, whether an incident is over.
const CERTAINTY_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// What those who watch for incidents have in common.
pub(super) struct Notifier {
    pub(super) sender: Sender,
    pub(super) recorder: RecorderHandle,
    pub(super) settings: Arc<ConfiguredSettings>,
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
    /// The chats that get notices now, since they have no quiet hours.
    pub(super) fn awake_chats(&self) -> BTreeSet<ChatId> {
        let mut chats = self.sender.chats_to_notify();
        let now = self.recorder.now();
        chats.retain(|chat| !self.settings_of(*chat).is_quiet(now));
        chats
    }

    /// When to look again for chats whose quiet hours are over; `None` if none has any now.
    pub(super) fn next_quiet_check(&self, awake: &BTreeSet<ChatId>) -> Option<Instant> {
        (awake.len() < self.sender.chats_to_notify().len()).then(|| Instant::now() + CLOCK_CHECK)
    }

    /// The zone of the chat's times.
    pub(super) fn zone_of(&self, chat: ChatId) -> Tz {
        self.settings_of(chat).time_zone.value
    }

    fn settings_of(&self, chat: ChatId) -> EffectiveSettings {
        self.settings.of(&self.recorder.state().chat_settings().of(chat))
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
