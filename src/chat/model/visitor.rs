//! The devices that were in range within a range of time, strangers first.

use std::cmp::Reverse;
use std::time::Duration;

use store::event::{ChatId, DeviceKey, StrangerReason, Timestamp};
use store::state::State;

use super::presence::{DevicePresence, LeastDevices, PresenceTable};
use super::stranger_reasons::StrangerReasons;
use super::time_range::TimeRange;

/// A device that was in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The device.
    pub key: DeviceKey,
    /// Its name, its address, or `phone` with its identifier.
    pub title: String,
    /// When it was in range, and its signals.
    pub presence: DevicePresence,
    /// Why it is a stranger, if it is one.
    pub reason: Option<StrangerReason>,
    /// If it has a fixed address, when it was first seen.
    pub first_seen: Option<Timestamp>,
    /// Whether it is one device, and not maybe several phones of one model.
    pub is_distinguishable: bool,
}

/// Who was in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorList {
    /// When.
    pub range: TimeRange,
    /// Strangers first; of each kind those with the strongest signal first.
    pub visitors: Vec<Visitor>,
    /// The least number of devices.
    pub least: LeastDevices,
    /// How long habits had been learned when the range ended.
    pub learned: Duration,
    /// How many addresses its phones used; 0 if that is not known.
    pub grouped_addresses: u64,
    /// Whether there may be more random addresses without a group than are counted.
    pub has_more_ungrouped: bool,
    /// The probes of devices that were left out because there were too many.
    pub omitted_probes: u64,
}

impl VisitorList {
    /// The devices of a table, as the chat sees them: those that it ignores are no strangers. `title` gives what a
    /// device is called.
    pub fn new(
        table: &PresenceTable,
        state: &State,
        chat: ChatId,
        title: impl Fn(&DeviceKey) -> String,
    ) -> Self {
        let range = table.range();
        let reasons = StrangerReasons::of(state, range);
        let visitors = table.devices().map(|(key, presence)| Visitor {
            key: key.clone(),
            title: title(key),
            presence: presence.clone(),
            reason: reasons.get(state, key).filter(|_| !state.ignores(chat, key)),
            first_seen: match key {
                DeviceKey::Address(address) => state.first_seen(*address),
                DeviceKey::Name(_) | DeviceKey::Phone(_) => None,
            },
            is_distinguishable: is_distinguishable(state, key, presence),
        });
        let mut visitors: Vec<Visitor> = visitors.collect();
        visitors.sort_by_key(|visitor| {
            let Visitor { presence, reason, .. } = visitor;
            (reason.is_none(), Reverse(presence.strongest_dbm), presence.first())
        });
        Self {
            range,
            visitors,
            least: table.least_devices(&range),
            learned: state.learned(range.to),
            grouped_addresses: table.grouped_addresses(),
            has_more_ungrouped: table.ungrouped().1,
            omitted_probes: table.omitted_probes(),
        }
    }
}

fn is_distinguishable(state: &State, key: &DeviceKey, presence: &DevicePresence) -> bool {
    match (key, presence.model()) {
        (_, Some(model)) => state.grouping().continues_counters(model),
        (DeviceKey::Phone(_), None) => false,
        (DeviceKey::Name(_) | DeviceKey::Address(_), None) => true,
    }
}
