//! Why the devices of a range of time are strangers.

use std::collections::HashMap;

use store::event::{DeviceKey, GroupId, StrangerReason, Timestamp};
use store::state::{State, new_since};

use super::time_range::TimeRange;

/// The strangers of a range of time.
pub struct StrangerReasons {
    /// Devices with a fixed address that were first seen at this time or later are strange.
    new_since: Timestamp,
    /// The phones whose latest visit is in the range and strange.
    phones: HashMap<GroupId, StrangerReason>,
}

impl StrangerReasons {
    /// The strangers of this range, as far as the state can judge them.
    pub fn of(state: &State, range: TimeRange) -> Self {
        let phones = state.strange_phones(range.from).into_iter();
        let phones = phones
            .filter(|stranger| stranger.first < range.to)
            .filter_map(|stranger| Some((stranger.phone?, stranger.reason)));
        Self { new_since: new_since(range.from, range.to), phones: phones.collect() }
    }

    /// Why a device that was in range is a stranger; `None` if it is none.
    pub fn get(&self, state: &State, device: &DeviceKey) -> Option<StrangerReason> {
        match device {
            DeviceKey::Name(_) => None,
            DeviceKey::Phone(phone) => self.phones.get(phone).copied(),
            DeviceKey::Address(address) => state.address_reason(*address, self.new_since),
        }
    }
}

/// The reason as a word for programs.
pub fn code(reason: StrangerReason) -> &'static str {
    match reason {
        StrangerReason::NeverSeen => "never_seen",
        StrangerReason::NewModel => "new_model",
        StrangerReason::UnusualModel { .. } => "unusual_model",
        StrangerReason::OneMoreThanUsual { .. } => "one_more_than_usual",
    }
}
