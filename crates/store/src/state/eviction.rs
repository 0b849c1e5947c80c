//! Chooses and removes the devices that leave the state, which keeps it bounded.

use super::follows::Follows;
use super::model::{PendingEviction, State};
use super::names::Names;
#[cfg(doc)]
use crate::event::EventKind;
use crate::event::{DeviceKey, EvictionScope, Timestamp};
use dot11::MacAddr;

/// Devices that are sampled to estimate which sent no probe for longest.
const EVICTION_SAMPLE: usize = 2048;

impl State {
    /// Carries out the next part of the last [`EventKind::Evict`]; returns whether more is left. The whole can
    /// take as long as thousands of events, so call this in a loop that releases the lock on the state, until it
    /// returns `false`. [`State::fold`] completes the rest.
    pub fn continue_eviction(&mut self) -> bool {
        let Some(PendingEviction { addresses, last_seen_before, next_shard }) = &mut self.eviction else {
            return false;
        };
        let gone = self.devices.evict_from_shard(*next_shard, |address, last_probe| {
            last_probe < *last_seen_before && is_evictable(*addresses, address, &self.names, &self.follows)
        });
        *next_shard += 1;
        match gone {
            Some(gone) => {
                let random = gone.iter().filter(|address| address.is_random()).count() as u64;
                for address in &gone {
                    self.device_infos.remove(address);
                }
                self.totals.addresses -= gone.len() as u64;
                self.totals.forgotten_addresses += gone.len() as u64;
                self.totals.random_addresses -= random;
            }
            None => {
                let last_seen_before = *last_seen_before;
                self.eviction = None;
                let follows = &self.follows;
                self.grouping.forget_before(last_seen_before, |phone| follows.has(&DeviceKey::Phone(phone)));
            }
        }
        self.eviction.is_some()
    }

    /// Whether an [`EventKind::Evict`] is half carried out, see [`State::continue_eviction`].
    pub fn is_evicting(&self) -> bool {
        self.eviction.is_some()
    }

    /// Whether devices take more than `limit` bytes of memory.
    pub fn exceeds_memory_limit(&self, limit: usize) -> bool {
        self.devices.bytes() > limit
    }

    /// If devices take more than `limit` bytes of memory: which of them should leave, and the time before which
    /// their last probe was. That is a quarter of the random ones, or of all unnamed ones if few are random.
    /// `None` also if no device would leave.
    pub fn choose_eviction(&self, limit: usize) -> Option<(EvictionScope, Timestamp)> {
        if !self.exceeds_memory_limit(limit) {
            return None;
        }
        let sample = self.devices.sample(EVICTION_SAMPLE);
        let oldest_quarter = |addresses| {
            let evictable = sample
                .iter()
                .filter(|(address, _)| is_evictable(addresses, *address, &self.names, &self.follows));
            let mut last_probes: Vec<Timestamp> = evictable.map(|(_, last_probe)| *last_probe).collect();
            last_probes.sort_unstable();
            if last_probes.len() * 2 < sample.len() {
                return None;
            }
            // Devices with the same last probe leave together.
            let (oldest, rest) = (last_probes.first()?, last_probes.get(last_probes.len() / 4..)?);
            rest.iter().find(|last_probe| *last_probe > oldest).map(|before| (addresses, *before))
        };
        oldest_quarter(EvictionScope::Random).or_else(|| oldest_quarter(EvictionScope::Unnamed))
    }

    /// The last probe of the evictable address that was silent for longest. Reads all addresses.
    pub fn oldest_evictable(&self, addresses: EvictionScope) -> Option<Timestamp> {
        let evictable = self
            .devices
            .last_probes()
            .filter(|(address, _)| is_evictable(addresses, *address, &self.names, &self.follows));
        evictable.map(|(_, last_probe)| last_probe).min()
    }
}

pub(super) fn is_evictable(which: EvictionScope, address: MacAddr, names: &Names, follows: &Follows) -> bool {
    let is_meant = match which {
        EvictionScope::Random => address.is_random(),
        EvictionScope::Unnamed => true,
    };
    is_meant && !names.protects_from_eviction(address) && !follows.has(&DeviceKey::Address(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ChatId, Event, EventKind, NamedBy, Probe};
    use dot11::RequestedSsid;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn address(is_random: bool, number: u8) -> MacAddr {
        MacAddr::new([if is_random { 2 } else { 0 }, 1, 2, 3, 4, number])
    }

    fn see(state: &mut State, address: MacAddr, second: i64) {
        let probe = Probe::example(address, RequestedSsid::Wildcard, second * 1_000_000);
        state.fold(state.next_offset(), &Event::from(probe));
    }

    /// So many random addresses and others, each seen once, a second apart.
    fn state(random: u8, fixed: u8) -> State {
        let mut state = State::default();
        (0..random).for_each(|number| see(&mut state, address(true, number), number.into()));
        (0..fixed).for_each(|number| see(&mut state, address(false, number), number.into()));
        state
    }

    #[test]
    fn a_quarter_leaves_of_the_random_addresses_if_they_are_half_of_all() {
        let random = |second| Some((EvictionScope::Random, at(second)));
        let unnamed = |second| Some((EvictionScope::Unnamed, at(second)));
        for (state, chosen) in [
            (state(100, 0), random(25)),
            (state(50, 50), random(12)),
            (state(50, 51), unnamed(12)),
            (state(0, 40), unnamed(10)),
            (state(0, 0), None),
        ] {
            assert_eq!(state.choose_eviction(0), chosen);
            assert_eq!(state.choose_eviction(usize::MAX), None);
        }
    }

    #[test]
    fn addresses_that_were_seen_last_at_the_same_time_leave_together_or_not_at_all() {
        let mut same = State::default();
        (0..8).for_each(|number| see(&mut same, address(true, number), 5));
        assert_eq!(same.choose_eviction(0), None);
        (8..12).for_each(|number| see(&mut same, address(true, number), 6));
        assert_eq!(same.choose_eviction(0), Some((EvictionScope::Random, at(6))));
    }

    #[test]
    fn what_a_person_relies_on_does_not_leave() {
        let mut state = state(4, 2);
        let (name, by) = ("Anna".to_owned(), NamedBy::Chat);
        let kind = EventKind::Name { address: address(true, 0), name, by };
        state.fold(state.next_offset(), &Event::new(at(9), kind));
        let (chat, device) = (ChatId(1), DeviceKey::Address(address(true, 1)));
        let follow = EventKind::Follow { chat, device, silence_seconds: 60, members: Vec::new() };
        state.fold(state.next_offset(), &Event::new(at(9), follow));
        assert_eq!(state.oldest_evictable(EvictionScope::Random), Some(at(2)));
        assert_eq!(state.oldest_evictable(EvictionScope::Unnamed), Some(at(0)));
        let evict = EventKind::Evict { addresses: EvictionScope::Unnamed, last_seen_before: at(3) };
        state.fold(state.next_offset(), &Event::new(at(9), evict));
        assert!(state.is_evicting());
        while state.continue_eviction() {}
        assert!(!state.is_evicting() && !state.continue_eviction());
        let left = [(true, 0), (true, 1), (true, 2), (true, 3), (false, 0), (false, 1)]
            .map(|(is_random, number)| state.probe_count(address(is_random, number)).is_some());
        assert_eq!(left, [true, true, false, true, false, false]);
        let totals = state.totals();
        assert_eq!((totals.addresses, totals.random_addresses, totals.forgotten_addresses), (3, 3, 3));
    }
}
