//! What the server remembers, shared between its threads and the test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;

use super::{Call, Fault, SentMessage, Version, Webhook};

/// A fault that waits for its calls.
pub struct PlannedFault {
    /// Whether it is for this call.
    pub is_meant: Box<dyn Fn(&Call) -> bool + Send>,
    pub left: usize,
    pub fault: Fault,
}

/// Everything that the server knows.
#[derive(Default)]
pub struct State {
    pub version: Version,
    /// How often requests had a method, field or tag that the version does not know.
    pub unknown: BTreeMap<String, usize>,
    pub calls: Vec<Call>,
    pub sent: Vec<SentMessage>,
    pub violations: Vec<String>,
    pub faults: Vec<PlannedFault>,
    /// How often the faults were cleared. A hanging request ends when this changes.
    pub clearings: u64,
    pub canned: BTreeMap<String, Value>,
    /// Every webhook that was set, in order.
    pub webhooks: Vec<Webhook>,
    pub webhook: Option<Webhook>,
    /// The command menus by their scopes; the default one has an empty key.
    pub menus: BTreeMap<String, Value>,
    /// Deleted messages, by chat and message ID.
    pub deleted: BTreeSet<(i64, i64)>,
    /// Groups and channels that the bot has left.
    pub left: BTreeSet<i64>,
    /// Admins, by group.
    pub admins: BTreeSet<(i64, i64)>,
    /// Closed topics of forums, by chat; `None` is General.
    pub closed_topics: BTreeSet<(i64, Option<i64>)>,
    /// Button presses without an answer so far.
    pub presses: BTreeSet<String>,
    /// Inline queries without an answer so far.
    pub inline_queries: BTreeSet<String>,
    /// Whether BotFather's switch for inline mode is on.
    pub has_inline_mode: bool,
    pub pending: Vec<Value>,
    pub allowed_updates: Vec<String>,
    pub last_update_id: i64,
    pub last_message_id: i64,
    /// The newest getUpdates. An older one that still waits gets 409.
    pub newest_poll: u64,
    pub down: bool,
}

/// The state that the server's threads share with the test.
pub struct Shared {
    pub state: Mutex<State>,
    pub changed: Condvar,
}

impl Shared {
    /// The state, also if a thread panicked while it held the lock: no change leaves it half done.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn wait<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, timeout);
        waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
    }
}
