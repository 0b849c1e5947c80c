//! Who leaves the state, so that it stays bounded.

use super::{Follows, Names, State};
#[cfg(doc)]
use crate::event::EventKind;
use crate::event::{EvictionScope, Timestamp};
use dot11::MacAddr;

/// How many devices are looked at to find out which of them were not heard for longest.
const EVICTION_SAMPLE: usize = 2048;

/// An [`EventKind::Evict`] that is carried out shard by shard.
#[derive(Debug, Clone)]
pub(super) struct Forgetting {
    pub(super) addresses: EvictionScope,
    pub(super) last_seen_before: Timestamp,
    pub(super) next_shard: usize,
}

impl State {
    /// Carries out a part of the last [`EventKind::Evict`]; whether there is more of it to do. Whoever lets
    /// others look at the state meanwhile calls this until it is done, before the next event: the whole of
    /// it can take as long as thousands of events.
    pub fn sweep(&mut self) -> bool {
        let Some(Forgetting { addresses, last_seen_before, next_shard }) = &mut self.forgetting else {
            return false;
        };
        let gone = self.devices.sweep(*next_shard, |address, last_probe| {
            last_probe < *last_seen_before && is_forgettable(*addresses, address, &self.names, &self.follows)
        });
        *next_shard += 1;
        match gone {
            Some(gone) => {
                let random = gone.iter().filter(|address| address.is_random()).count() as u64;
                self.totals.addresses -= gone.len() as u64;
                self.totals.forgotten_addresses += gone.len() as u64;
                self.totals.random_addresses -= random;
            }
            None => self.forgetting = None,
        }
        self.forgetting.is_some()
    }

    /// Whether no [`EventKind::Evict`] is half carried out, see [`State::sweep`].
    pub fn is_swept(&self) -> bool {
        self.forgetting.is_none()
    }

    /// Whether devices take more than `limit` bytes of memory.
    pub fn exceeds_memory_limit(&self, limit: usize) -> bool {
        self.devices.bytes() > limit
    }

    /// Where devices take more than `limit` bytes of memory, which of them should leave, and before when
    /// those were last heard: a quarter of the random ones, or of all unnamed ones where few are random.
    /// `None` also where nobody would leave.
    pub fn choose_eviction(&self, limit: usize) -> Option<(EvictionScope, Timestamp)> {
        if !self.exceeds_memory_limit(limit) {
            return None;
        }
        let sample = self.devices.sample(EVICTION_SAMPLE);
        let quarter = |addresses| {
            let of_these = sample
                .iter()
                .filter(|(address, _)| is_forgettable(addresses, *address, &self.names, &self.follows));
            let mut last_probes: Vec<Timestamp> = of_these.map(|(_, last_probe)| *last_probe).collect();
            last_probes.sort_unstable();
            if last_probes.len() * 2 < sample.len() {
                return None;
            }
            // Of many that were heard at once the oldest leave together.
            let (oldest, rest) = (last_probes.first()?, last_probes.get(last_probes.len() / 4..)?);
            rest.iter().find(|last_probe| *last_probe > oldest).map(|before| (addresses, *before))
        };
        quarter(EvictionScope::Random).or_else(|| quarter(EvictionScope::Unnamed))
    }

    /// Whether any address was last heard before `last_seen_before` and may be forgotten. All of them are
    /// looked at.
    pub fn has_evictable(&self, addresses: EvictionScope, last_seen_before: Timestamp) -> bool {
        self.devices.last_probes().any(|(address, last_probe)| {
            last_probe < last_seen_before && is_forgettable(addresses, address, &self.names, &self.follows)
        })
    }
}

fn is_forgettable(which: EvictionScope, address: MacAddr, names: &Names, follows: &Follows) -> bool {
    let is_meant = match which {
        EvictionScope::Random => address.is_random(),
        EvictionScope::Unnamed => true,
    };
    is_meant && !names.keeps(address) && !follows.has_address(address)
}
