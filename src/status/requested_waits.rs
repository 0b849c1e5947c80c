//! Waits that Telegram asks for, as the status shows them. The bot records them; nothing depends on them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use store::event::{ChatId, Timestamp};

/// What the bot waits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsWith {
    /// Asking for updates, or connecting.
    Updates,
    /// Alerts to this chat.
    Alerts(ChatId),
    /// Replies to this chat.
    Replies(ChatId),
}

/// A wait that Telegram asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedWait {
    /// What the bot waits with.
    pub with: WaitsWith,
    /// When it tries again.
    pub until: Timestamp,
    /// How long it waits, in seconds.
    pub wait_seconds: u64,
    /// How long Telegram asked it to wait, in seconds. The bot waits at most a minute with updates and an hour with
    /// messages.
    pub asked_seconds: u64,
}

/// The waits that are not over, at most one for each [`WaitsWith`].
#[derive(Debug, Clone, Default)]
pub struct RequestedWaits(Arc<Mutex<BTreeMap<WaitsWith, Wait>>>);

#[derive(Debug, Clone, Copy)]
struct Wait {
    end: Instant,
    length: Duration,
    asked: Duration,
}

impl RequestedWaits {
    /// Records that the bot waits for `wait` after a failure, for which Telegram `asked` or did not.
    pub fn record(&self, with: WaitsWith, asked: Option<Duration>, wait: Duration) {
        let mut waits = self.lock();
        let Some(asked) = asked else {
            waits.remove(&with);
            return;
        };
        waits.insert(with, Wait { end: Instant::now() + wait, length: wait, asked });
    }

    /// Records that Telegram accepts requests again.
    pub fn clear(&self, with: WaitsWith) {
        self.lock().remove(&with);
    }

    /// The waits that are not over at `now`.
    pub fn current(&self, now: Timestamp) -> Vec<RequestedWait> {
        let shown = |(with, wait): (&WaitsWith, &Wait)| {
            let left = wait.end.checked_duration_since(Instant::now())?;
            let (wait_seconds, asked_seconds) = (wait.length.as_secs(), wait.asked.as_secs());
            Some(RequestedWait { with: *with, until: now.saturating_add(left), wait_seconds, asked_seconds })
        };
        self.lock().iter().filter_map(shown).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WaitsWith, Wait>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
