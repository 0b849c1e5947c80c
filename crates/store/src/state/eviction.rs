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
