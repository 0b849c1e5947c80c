//! What is true now: a fold of the log, `state' = fold(state, event)`.
//!
//! The fold is pure: no clock, no configuration, no I/O. Names, watches, alerts and signatures are few
//! and held whole; devices are many and held while they are in use, the rest lies in the [`Store`].
//! [`State::prepare`] brings in the one row that an event needs, so that [`State::fold`] cannot fail.

mod alert;
mod chats;
mod device;
mod name;
mod overflow;
mod rows;
mod store;
mod watch;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use alert::{ALERTS_A_MINUTE, Alert, AlertPolicy, Alerts, COOLDOWN_LIMIT, OUTBOX_LIMIT};
pub use chats::{ANSWERED_LIMIT, Chats};
pub use device::{Device, SSIDS_PER_ADDRESS, Signal};
pub use name::{AddressName, NAME_LENGTH, NameError, Names, check_name, fold_case};
pub use overflow::{OVERFLOW_NETWORKS, Overflow};
use rows::Rows;
pub use store::{Store, StoreError};
pub use watch::{Watch, Watches};

use crate::dot11::{MacAddr, RequestedSsid, Signature};
use crate::event::{AlertDecision, ChatId, Event, Offset, Probe, Timestamp};

/// Devices, and SSIDs that they asked for, held in memory; beyond it those not in use are left to the
/// store.
const HELD_IN_MEMORY: usize = 65_536;

/// Signatures whose elements are kept; a flood of invented ones ends here.
const SIGNATURE_LIMIT: usize = 65_536;

/// Counts over all devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Probe requests.
    pub probes: u64,
    /// Those of them that asked for any network.
    pub wildcard_probes: u64,
    /// Addresses heard.
    pub addresses: u64,
    /// Those of them that are random.
    pub random_addresses: u64,
    /// The capture time of the latest probe.
    pub last_probe: Option<Timestamp>,
    /// Events that the log lost by damage.
    pub lost_events: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct HeldDevice {
    device: Device,
    changed: bool,
    /// Folded into since devices were last left to the store.
    in_use: bool,
}

/// The fold of all events before [`State::next_offset`].
#[derive(Debug, Default)]
pub struct State {
    devices: HashMap<MacAddr, HeldDevice>,
    names: Names,
    watches: Watches,
    alerts: Alerts,
    chats: Chats,
    signatures: Rows<Signature, ()>,
    totals: Totals,
    next: Offset,
    /// What the changed devices weigh.
    changed_weight: usize,
    /// The offset up to which the store has every change.
    saved: Offset,
    rest: Rest,
}

/// Where the devices are that are not in memory.
#[derive(Debug, Default)]
enum Rest {
    /// There are none.
    #[default]
    None,
    Store(Arc<Store>),
    /// In a store that has failed.
    Lost,
}

impl State {
    /// The state before the first event, held in memory only.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// The offset of the first event that is not folded in.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// Counts over all devices.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The names of devices.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The watched networks.
    pub fn watches(&self) -> &Watches {
        &self.watches
    }

    /// The outbox and what belongs to it.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// What Telegram said of chats and updates.
    pub fn chats(&self) -> &Chats {
        &self.chats
    }

    /// The statistics of one address.
    ///
    /// # Errors
    /// [`StoreError`] where the row lies in the store and cannot be read.
    pub fn device(&self, address: MacAddr) -> Result<Option<Cow<'_, Device>>, StoreError> {
        if let Some(held) = self.devices.get(&address) {
            return Ok(Some(Cow::Borrowed(&held.device)));
        }
        match &self.rest {
            Rest::Store(store) => Ok(store.device(address)?.map(Cow::Owned)),
            Rest::None => Ok(None),
            Rest::Lost => Err(StoreError::Lost),
        }
    }

    /// Whether the elements behind `signature` are still to be kept.
    pub fn wants_elements(&self, signature: Signature) -> bool {
        self.signatures.len() < SIGNATURE_LIMIT && self.signatures.get(&signature).is_none()
    }

    /// Who is to be told of `probe`: decided once, before it is folded in.
    pub fn decide_alerts(&self, probe: &Probe, policy: &AlertPolicy) -> Vec<AlertDecision> {
        self.alerts.decide(probe, &self.watches, &self.names, &self.chats, policy)
    }

    /// Brings into memory what `event` is folded into.
    ///
    /// # Errors
    /// [`StoreError`] where the row lies in the store and cannot be read.
    pub fn prepare(&mut self, event: &Event) -> Result<(), StoreError> {
        if let (Event::Probe(probe), Rest::Store(store)) = (event, &self.rest)
            && !self.devices.contains_key(&probe.source)
            && let Some(device) = store.device(probe.source)?
        {
            self.devices.insert(probe.source, HeldDevice { device, changed: false, in_use: true });
        }
        Ok(())
    }

    /// Folds in the event at `offset`, for which [`State::prepare`] was called before.
    pub fn fold(&mut self, offset: Offset, event: &Event) {
        match event {
            Event::Probe(probe) => self.fold_probe(offset, probe),
            Event::Signature { signature, elements: _ } => self.signatures.insert(*signature, ()),
            Event::Watch { time, chat, ssid, reason } => {
                self.watches.set(ssid, self.chats.current(*chat), *time, reason.clone());
            }
            Event::Unwatch { time: _, chat, ssid } => self.watches.remove(ssid, self.chats.current(*chat)),
            Event::Name { time: _, address, name, by } => {
                self.rename(*address, |names| names.set(*address, name, *by));
            }
            Event::Unname { time: _, address, by } => {
                self.rename(*address, |names| names.clear(*address, *by));
            }
            Event::Delivered { time: _, probe, chat }
            | Event::Undeliverable { time: _, probe, chat, reason: _ } => {
                self.alerts.remove(self.chats.current(*chat), *probe);
            }
            Event::OverflowTold { time: _, chat, count } => {
                self.alerts.overflow_told(self.chats.current(*chat), *count);
            }
            Event::AlertExpired { time: _, probe, chat } => {
                self.alerts.expire(self.chats.current(*chat), *probe);
            }
            Event::Answered { time: _, update } => self.chats.answered(offset, *update),
            Event::ChatMigrated { time: _, from, to } => self.migrate(*from, *to),
            Event::Forget { .. } => {}
            Event::Lost { count, why: _ } => self.totals.lost_events += count,
        }
        self.next = event.end(offset);
    }

    fn rename(&mut self, address: MacAddr, change: impl FnOnce(&mut Names)) {
        let before = self.names.of(address).map(str::to_owned);
        change(&mut self.names);
        self.alerts.renamed(address, before.as_deref(), self.names.of(address));
    }

    /// Gives all that is the chat `from`'s to `to`.
    fn migrate(&mut self, from: ChatId, to: ChatId) {
        if from != to {
            self.watches.migrate(from, to);
            self.alerts.migrate(from, to);
            self.chats.migrate(from, to);
        }
    }

    fn fold_probe(&mut self, offset: Offset, probe: &Probe) {
        self.totals.probes += 1;
        self.totals.wildcard_probes += u64::from(probe.ssid == RequestedSsid::Wildcard);
        self.totals.last_probe = self.totals.last_probe.max(Some(probe.time));
        match self.devices.get_mut(&probe.source) {
            Some(held) => {
                let weight_before = if held.changed { held.device.weight() } else { 0 };
                held.device.fold(probe);
                self.changed_weight += held.device.weight() - weight_before;
                held.changed = true;
                held.in_use = true;
            }
            None => {
                if matches!(self.rest, Rest::Lost) && self.changed_weight >= 2 * HELD_IN_MEMORY {
                    // They are in the log, from which all will be made anew.
                    self.devices.clear();
                    self.changed_weight = 0;
                }
                self.totals.addresses += 1;
                self.totals.random_addresses += u64::from(probe.source.is_random());
                let device = Device::first_heard(probe);
                self.changed_weight += device.weight();
                self.devices.insert(probe.source, HeldDevice { device, changed: true, in_use: true });
            }
        }
        self.alerts.fold(offset, probe, &self.names);
    }

    /// Whether so many devices changed that they should go to the store before more do.
    pub fn is_checkpoint_due(&self) -> bool {
        self.changed_weight >= HELD_IN_MEMORY && matches!(self.rest, Rest::Store(_))
    }

    /// The state before the first event, where there is no store for its devices.
    pub fn without_store() -> Self {
        Self { rest: Rest::Lost, ..Self::default() }
    }

    /// Lets go of a store that has failed. Devices are known from here on only as far as they are in
    /// memory, until the state is made anew from the log.
    pub fn lose_store(&mut self) {
        self.rest = Rest::Lost;
    }

    /// Whether anything was folded in since the store was last saved to.
    pub fn has_changes(&self) -> bool {
        self.next != self.saved
    }

    /// Takes note that the store has every change up to now, and leaves devices that are not in use to it.
    pub fn forget_changes(&mut self) {
        self.names.rows.forget_changes();
        self.watches.rows.forget_changes();
        self.alerts.outbox.forget_changes();
        self.alerts.overflow.forget_changes();
        self.alerts.cooldowns.forget_changes();
        self.alerts.latest.forget_changes();
        self.chats.migrated.forget_changes();
        self.chats.answered.forget_changes();
        self.signatures.forget_changes();
        self.changed_weight = 0;
        self.saved = self.next;
        let leave_some = matches!(self.rest, Rest::Store(_)) && self.weight() > HELD_IN_MEMORY;
        self.devices.retain(|_, held| {
            held.changed = false;
            !leave_some || std::mem::take(&mut held.in_use)
        });
        if leave_some && self.weight() > HELD_IN_MEMORY {
            self.devices.clear();
        }
    }

    /// What the devices in memory weigh.
    fn weight(&self) -> usize {
        self.devices.values().map(|held| held.device.weight()).sum()
    }
}

/// Two states are equal where they say the same, wherever their rows lie at the moment. Only states that
/// are wholly in memory compare by their devices.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let same_devices = self.devices.len() == other.devices.len()
            && self.devices.iter().all(|(address, held)| {
                other.devices.get(address).is_some_and(|theirs| theirs.device == held.device)
            });
        same_devices
            && self.next == other.next
            && self.totals == other.totals
            && self.names == other.names
            && self.watches == other.watches
            && self.alerts == other.alerts
            && self.chats == other.chats
            && self.signatures == other.signatures
    }
}
