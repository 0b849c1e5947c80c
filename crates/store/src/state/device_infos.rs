//! What each address last said about its device.
//!
//! The table is bounded. If there are too many rows, a quarter of them leaves: first those of random addresses, then
//! those of other unnamed ones, each the longest silent first. So a flood of invented names displaces itself.

use super::eviction::is_evictable;
use super::model::State;
use crate::event::{EvictionScope, Probe, Timestamp};
use dot11::{DeviceInfo, MacAddr};

/// Addresses of which it is kept what they say.
pub const DEVICE_INFO_LIMIT: usize = 8192;

impl State {
    /// What this address last said about its device, and when.
    pub fn device_info(&self, address: MacAddr) -> Option<(Timestamp, &DeviceInfo)> {
        self.device_infos.get(&address).map(|(time, info)| (*time, info))
    }

    /// Folds in what a probe says about its device.
    pub(super) fn fold_device_info(&mut self, probe: &Probe) {
        let Some(info) = &probe.device_info else { return };
        let address = probe.source;
        if self.device_info(address).is_some_and(|(time, _)| time > probe.time) {
            return;
        }
        self.device_infos.insert(address, (probe.time, (**info).clone()));
        if self.device_infos.len() > DEVICE_INFO_LIMIT {
            self.evict_device_infos();
        }
    }

    fn evict_device_infos(&mut self) {
        let rank = |address: &MacAddr, (time, _): &(Timestamp, DeviceInfo)| {
            let is_known = self.name_of(*address).is_some()
                || !is_evictable(EvictionScope::Unnamed, *address, &self.names, &self.follows);
            Some((is_known, !address.is_random(), *time))
        };
        for address in self.device_infos.lowest_quarter(rank) {
            self.device_infos.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind, NamedBy, Offset};
    use dot11::{RequestedSsid, ShortText};

    fn says(address: MacAddr, second: i64, name: &str) -> Event {
        let info = DeviceInfo { device_name: ShortText::new(name.as_bytes()), ..DeviceInfo::default() };
        let probe = Probe::example(address, RequestedSsid::Wildcard, second * 1_000_000);
        Event::from(Probe { device_info: Some(Box::new(info)), ..probe })
    }

    fn fold(state: &mut State, event: &Event) {
        state.fold(state.next_offset(), event);
    }

    fn name(state: &State, address: MacAddr) -> Option<String> {
        state.device_info(address).and_then(|(_, info)| Some(info.device_name.as_ref()?.as_str().to_owned()))
    }

    fn random(number: u16) -> MacAddr {
        let [high, low] = number.to_be_bytes();
        MacAddr::new([0x02, 0, 0, 0, high, low])
    }

    const TV: MacAddr = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);

    #[test]
    fn the_latest_counts() {
        let mut state = State::default();
        fold(&mut state, &says(TV, 2, "second"));
        fold(&mut state, &says(TV, 1, "first"));
        assert_eq!(name(&state, TV).as_deref(), Some("second"));
        fold(&mut state, &says(TV, 3, "third"));
        fold(&mut state, &Event::from(Probe::example(TV, RequestedSsid::Wildcard, 4_000_000)));
        assert_eq!(name(&state, TV).as_deref(), Some("third"));
        assert_eq!(name(&state, random(1)), None);
    }

    #[test]
    fn a_flood_displaces_itself() {
        let mut state = State::default();
        fold(&mut state, &says(TV, 0, "TV"));
        fold(&mut state, &says(random(0), 0, "phone"));
        let by = NamedBy::Chat;
        let named = EventKind::Name { address: random(0), name: "Zoë".to_owned(), by };
        fold(&mut state, &Event::new(Timestamp::from_micros(0), named));
        for number in 1..=30_000 {
            fold(&mut state, &says(random(number), number.into(), "invented"));
            assert!(state.device_infos.len() <= DEVICE_INFO_LIMIT);
        }
        assert_eq!(name(&state, TV).as_deref(), Some("TV"));
        assert_eq!(name(&state, random(0)).as_deref(), Some("phone"));
        assert_eq!(name(&state, random(1)), None);
        assert_eq!(name(&state, random(30_000)).as_deref(), Some("invented"));
    }

    #[test]
    fn an_evicted_address_takes_it_along() {
        let mut state = State::default();
        fold(&mut state, &says(random(1), 1, "old"));
        fold(&mut state, &says(random(2), 5, "new"));
        let last_seen_before = Timestamp::from_micros(3_000_000);
        let evict = EventKind::Evict { addresses: EvictionScope::Random, last_seen_before };
        fold(&mut state, &Event::new(Timestamp::from_micros(6_000_000), evict));
        while state.continue_eviction() {}
        assert_eq!((name(&state, random(1)), name(&state, random(2)).as_deref()), (None, Some("new")));
        assert_eq!(state.next_offset(), Offset(3));
    }

    #[test]
    fn a_snapshot_keeps_it() {
        let mut state = State::default();
        fold(&mut state, &says(TV, 1, "TV \u{202e}\n"));
        let mut snapshot = Vec::new();
        state.image().write_to(Timestamp::from_micros(0), &mut snapshot).unwrap();
        let loaded = State::from_snapshot(snapshot.as_slice()).unwrap();
        assert!(loaded == state);
        assert_eq!(name(&loaded, TV).as_deref(), Some("TV \u{202e}"));
    }

    #[test]
    fn up_to_the_limit_all_stay_and_then_the_longest_silent_quarter_leaves() {
        let mut state = State::default();
        let limit = DEVICE_INFO_LIMIT as u16;
        for number in 0..limit {
            fold(&mut state, &says(random(number), number.into(), "phone"));
        }
        assert_eq!(state.device_infos.len(), DEVICE_INFO_LIMIT);
        fold(&mut state, &says(random(limit), limit.into(), "phone"));
        let is_there = |number| name(&state, random(number)).is_some();
        assert!(!is_there(limit / 4 - 1) && is_there(limit / 4) && is_there(limit));
    }
}
