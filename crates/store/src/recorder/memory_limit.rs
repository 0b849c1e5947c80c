//! Evicts devices when they take too much memory.

use crate::event::{Event, EventKind, Offset, Timestamp};
use crate::state::State;

/// Events before the next attempt if no device could leave: that many add a few MiB of devices.
const EVICTION_RETRY_EVENTS: u64 = 16_384;

/// Decides when devices leave because they take too much memory.
#[derive(Debug, Default)]
pub(super) struct MemoryLimit {
    /// The offset of the next attempt, after one in which no device could leave.
    next_attempt: Offset,
}

impl MemoryLimit {
    /// The eviction that is due now, if devices take more than `limit` bytes.
    pub(super) fn evict(&mut self, state: &State, limit: usize, now: Timestamp) -> Option<Event> {
        let next = state.next_offset();
        if next < self.next_attempt || !state.exceeds_memory_limit(limit) {
            return None;
        }
        let chosen = state.choose_eviction(limit);
        if chosen.is_none() {
            self.next_attempt = Offset(next.0.saturating_add(EVICTION_RETRY_EVENTS));
        }
        let (addresses, last_seen_before) = chosen?;
        Some(Event::new(now, EventKind::Evict { addresses, last_seen_before }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{NamedBy, Probe};
    use dot11::{MacAddr, RequestedSsid};

    const LIMIT: usize = 100_000;

    /// Many devices, the first of them with names.
    struct Devices {
        state: State,
        addresses: u32,
    }

    impl Devices {
        fn fold(&mut self, event: &Event) {
            self.state.fold(self.state.next_offset(), event);
        }

        fn record_probe(&mut self, second: i64) -> MacAddr {
            let [a, b, c, d] = self.addresses.to_be_bytes();
            self.addresses += 1;
            let source = MacAddr::new([0x02, 0, a, b, c, d]);
            self.fold(&Event::from(Probe::example(source, RequestedSsid::Wildcard, second * 1_000_000)));
            source
        }

        fn all_named() -> Self {
            let mut devices = Self { state: State::default(), addresses: 0 };
            for second in 0..1_000 {
                let address = devices.record_probe(second);
                let time = Timestamp::from_micros(0);
                devices.fold(&Event::new(
                    time,
                    EventKind::Name { address, name: "Zoë".to_owned(), by: NamedBy::Chat },
                ));
            }
            assert!(devices.state.exceeds_memory_limit(LIMIT));
            devices
        }

        fn evicts(&mut self, memory_limit: &mut MemoryLimit) -> bool {
            let event = memory_limit.evict(&self.state, LIMIT, Timestamp::from_micros(0));
            event.inspect(|event| self.fold(event)).is_some()
        }
    }

    #[test]
    fn tries_again_after_many_events_if_no_device_may_leave() {
        let (mut devices, mut memory_limit) = (Devices::all_named(), MemoryLimit::default());
        assert!(!devices.evicts(&mut memory_limit));
        let next_attempt = devices.state.next_offset().0 + EVICTION_RETRY_EVENTS;
        let mut second = 1_000;
        while devices.state.next_offset().0 < next_attempt {
            assert!(!devices.evicts(&mut memory_limit), "at event {}", devices.state.next_offset());
            devices.record_probe(second);
            second += 1;
        }
        assert!(MemoryLimit::default().evict(&devices.state, LIMIT, Timestamp::from_micros(0)).is_some());
        assert!(devices.evicts(&mut memory_limit), "devices may leave, and it is time");
        assert!(devices.evicts(&mut memory_limit), "while some may leave, there is no wait");
    }

    #[test]
    fn appends_no_event_if_no_device_would_leave() {
        let mut devices = Devices { state: State::default(), addresses: 0 };
        while !devices.state.exceeds_memory_limit(LIMIT) {
            devices.record_probe(7);
        }
        assert_eq!(devices.state.choose_eviction(LIMIT), None, "all have the same last probe");
        assert!(!devices.evicts(&mut MemoryLimit::default()));
    }
}
