//! What is true now: a fold of the log, `state' = fold(state, event)`.
//!
//! The fold is pure: no clock, no configuration, no I/O. All of it is held in memory: names, watches,
//! alerts and signatures are few, devices are many and packed ([`devices`]). That their number stays
//! bounded is up to who appends [`EventKind::Evict`]; [`State::choose_eviction`] says when and whom. The
//! [`StateStore`] keeps what the next start begins with.

mod alerts;
mod chats;
mod cow_snapshot;
mod decide;
mod device;
mod device_row;
mod devices;
mod differences;
mod dirty_map;
mod eviction;
mod fold;
mod follows;
mod hour_histogram;
mod mutes;
mod names;
mod networks;
mod overflow;
mod snapshot;
mod store;
mod table;
mod watches;

use serde::{Deserialize, Serialize};

pub use alerts::{ALERTS_PER_MINUTE, Alert, Alerts, COOLDOWN_LIMIT, OUTBOX_LIMIT, Presence, WatchMatch};
pub use chats::{ANSWERED_LIMIT, Chats, INVITATION_LIMIT, Invitation, PAIRED_LIMIT, Pairing};
pub use cow_snapshot::{CowSnapshot, CowSnapshotLost};
pub use decide::AlertPolicy;
pub use device::{Device, SSIDS_PER_ADDRESS, Signal};
pub use device_row::{DeviceRow, DeviceSummary, SsidQuery};
use devices::{Devices, SHARDS};
pub use differences::{Difference, Differences};
use dirty_map::DirtyMap;
use eviction::Forgetting;
pub use follows::{Follow, Follows};
pub use hour_histogram::HourHistogram;
pub use mutes::{Ignored, Mute, Mutes};
pub use names::{AddressName, MAX_NAME_CHARS, NameError, Names, check_name, fold_case};
pub use networks::{NETWORK_LIMIT, Network, Networks};
pub use overflow::{OVERFLOW_NETWORK_LIMIT, Overflow};
pub use snapshot::{DeviceJson, SnapshotError, StateImage};
pub use store::{StateStore, StateStoreError};
use table::{PackedRow, Table};
pub use watches::{Watch, Watches};

#[cfg(doc)]
use crate::event::Event;
use crate::event::{Offset, Timestamp};
use dot11::{MacAddr, Signature};

/// Parts in which [`State::devices_of_shard`] gives all devices.
pub const DEVICE_SHARDS: usize = SHARDS;

/// What devices may take in memory before some are to be forgotten, in bytes: over a million of them.
pub const DEVICES_MEMORY_LIMIT: usize = 144 << 20;

/// Devices that are saved at once; sled holds all of them in memory meanwhile.
const MAX_DIRTY_DEVICES: usize = 131_072;

/// What one of them takes then, roughly.
const DIRTY_ROW_BYTES: usize = 64;

/// Signatures whose elements are kept; a flood of invented ones ends here.
const SIGNATURE_LIMIT: usize = 16_384;

/// Counts over all devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Probe requests.
    pub probes: u64,
    /// Those of them that asked for any network.
    pub wildcard_probes: u64,
    /// Addresses in the state.
    pub addresses: u64,
    /// Those of them that are random.
    pub random_addresses: u64,
    /// Addresses that left the state because they were not heard for long.
    pub forgotten_addresses: u64,
    /// The capture time of the latest probe.
    pub last_probe: Option<Timestamp>,
    /// The time of the newest event. Snapshots of older versions have none.
    #[serde(default)]
    pub last_event: Option<Timestamp>,
    /// What the latest probe was marked with where its clock was behind: that the time was this at least.
    #[serde(default)]
    pub last_mark: Option<Timestamp>,
    /// Events that the log lost by damage.
    pub lost_events: u64,
}

/// The fold of all events before [`State::next_offset`].
#[derive(Debug, Clone, Default)]
pub struct State {
    devices: Devices,
    networks: Networks,
    names: Names,
    watches: Watches,
    follows: Follows,
    mutes: Mutes,
    alerts: Alerts,
    chats: Chats,
    /// The elements behind each signature.
    signatures: DirtyMap<Signature, Vec<u8>>,
    totals: Totals,
    next: Offset,
    /// The offset up to which the store has every change.
    saved: Offset,
    /// An [`EventKind::Evict`] that is not carried out to its end.
    forgetting: Option<Forgetting>,
}

/// The letter of [`Devices`] in the store.
const DEVICES: u8 = b'd';

/// Every kind of row of a state with the letter that it has in the store, to look at or, with `mut`, to
/// change. Whoever adds a table meets this list.
macro_rules! tables {
    ($state:expr $(, $mut:tt)?) => {{
        let State {
            devices,
            networks,
            names,
            watches,
            follows,
            mutes,
            alerts,
            chats,
            signatures,
            totals: _,
            next: _,
            saved: _,
            forgetting: _,
        } = $state;
        let Alerts { outbox, overflow, cooldowns, latest, by_age: _ } = alerts;
        let Chats { migrated, answered, invitations, paired } = chats;
        let Mutes { mutes, ignored } = mutes;
        [
            (DEVICES, devices),
            (b'k', networks),
            (b'n', &$($mut)? names.rows),
            (b'w', &$($mut)? watches.rows),
            (b'p', &$($mut)? watches.patterns),
            (b'f', &$($mut)? follows.rows),
            (b'm', mutes),
            (b'i', ignored),
            (b'o', outbox),
            (b'v', overflow),
            (b'c', cooldowns),
            (b'l', latest),
            (b'g', migrated),
            (b'a', answered),
            (b'e', invitations),
            (b'r', paired),
            (b's', signatures),
        ]
    }};
}

impl State {
    /// The offset of the first event that is not folded in.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// Counts over all devices.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The newest time that any event had.
    pub fn newest_time(&self) -> Option<Timestamp> {
        self.totals.last_event.max(self.totals.last_probe)
    }

    /// The names of devices.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The watched networks.
    pub fn watches(&self) -> &Watches {
        &self.watches
    }

    /// The networks that were asked for by name.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// The followed devices.
    pub fn follows(&self) -> &Follows {
        &self.follows
    }

    /// What chats do not want to hear.
    pub fn mutes(&self) -> &Mutes {
        &self.mutes
    }

    /// The outbox and what belongs to it.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// The chats that let themselves in, and what Telegram said of chats and updates.
    pub fn chats(&self) -> &Chats {
        &self.chats
    }

    /// The statistics of one address.
    pub fn device(&self, address: MacAddr) -> Option<Device> {
        self.devices.get(address)
    }

    /// The devices of one of the [`DEVICE_SHARDS`], in no order. Whoever looks at all devices of a state that
    /// is being written to lets go of it between the parts; a device stays in its part.
    pub fn devices_of_shard(&self, part: usize) -> impl Iterator<Item = DeviceRow<'_>> {
        self.devices.shard(part)
    }

    /// Every address that has statistics, in order.
    pub fn addresses(&self) -> Vec<MacAddr> {
        self.devices.addresses()
    }

    /// Whether the elements behind `signature` are still to be kept.
    pub fn wants_elements(&self, signature: Signature) -> bool {
        self.signatures.len() < SIGNATURE_LIMIT && self.signatures.get(&signature).is_none()
    }

    /// Whether so many devices changed that they should go to the store before more do.
    pub fn is_save_due(&self) -> bool {
        self.devices.changed() >= MAX_DIRTY_DEVICES
    }

    /// Whether anything was folded in since the store was last saved to.
    pub fn has_changes(&self) -> bool {
        self.next != self.saved
    }

    /// Takes note that the store has every change up to now.
    pub fn forget_changes(&mut self) {
        self.saved = self.next;
        for (_, table) in self.tables_mut() {
            table.forget_changes();
        }
    }

    fn tables(&self) -> [(u8, &dyn Table); 17] {
        tables!(self)
    }

    fn tables_mut(&mut self) -> [(u8, &mut dyn Table); 17] {
        tables!(self, mut)
    }

    /// Hands over every row.
    fn for_rows(&self, mut take: impl FnMut(PackedRow<'_>)) {
        for (kind, table) in self.tables() {
            table.rows(kind, &mut take);
        }
    }

    /// Hands over every row that changed since [`State::forget_changes`].
    fn for_changes(&self, mut take: impl FnMut(PackedRow<'_>)) {
        for (kind, table) in self.tables() {
            table.changes(kind, &mut take);
        }
    }

    fn is_current(&self, row: &PackedRow<'_>) -> bool {
        let mut tables = self.tables().into_iter();
        let table = tables.find(|(kind, _)| *kind == row.kind);
        table.is_some_and(|(_, table)| table.row(row.key).as_deref() == row.row)
    }

    /// What all rows take in the store, in bytes, roughly.
    fn row_bytes(&self) -> usize {
        self.tables().iter().map(|(_, table)| table.bytes()).sum()
    }

    /// What the rows that changed take in the store, in bytes, roughly.
    fn changed_bytes(&self) -> usize {
        self.devices.changed() * DIRTY_ROW_BYTES
    }

    /// Takes in rows that were handed over once.
    fn load_rows(&mut self, mut rows: &[u8]) -> Result<(), postcard::Error> {
        let mut tables = self.tables_mut();
        while !rows.is_empty() {
            let row = PackedRow::take_from(&mut rows)?;
            let table = tables.iter_mut().find(|(kind, _)| *kind == row.kind);
            let (_, table) = table.ok_or(postcard::Error::DeserializeBadEncoding)?;
            table.load(row.key, row.row)?;
        }
        Ok(())
    }

    /// Makes a state of the rows that were loaded: the fold of all events before `next`.
    fn loaded(&mut self, next: Offset, totals: Totals) {
        (self.next, self.saved, self.totals) = (next, next, totals);
        self.alerts.index();
    }
}

/// Two states are equal where they say the same.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.next == other.next
            && self.totals == other.totals
            && self.devices == other.devices
            && self.networks == other.networks
            && self.names == other.names
            && self.watches == other.watches
            && self.follows == other.follows
            && self.mutes == other.mutes
            && self.alerts == other.alerts
            && self.chats == other.chats
            && self.signatures == other.signatures
    }
}
