//! The state itself: its tables, and what can be read from them.

use std::io;
use std::path::Path;

use super::alerts::Alerts;
use super::chat_settings::AllChatSettings;
use super::chats::Chats;
use super::device::Device;
use super::device_row::DeviceRow;
use super::devices::Devices;
use super::dirty_map::DirtyMap;
use super::doorbells::Doorbells;
use super::floods::Floods;
use super::follows::Follows;
use super::grouping::{Group, Grouping};
use super::habits::Habits;
use super::mutes::Mutes;
use super::names::{Names, fold_case};
use super::networks::Networks;
use super::proposals::Proposals;
use super::signatures;
use super::spill::Spill;
use super::table::{PackedRow, Table, kind};
use super::totals::Totals;
use super::watches::Watches;
#[cfg(doc)]
use crate::event::EventKind;
use crate::event::{DeviceKey, EvictionScope, GroupId, Offset, Timestamp};
use dot11::{DeviceInfo, MacAddr, ModelKey, Signature};

/// The fold of all events before [`State::next_offset`].
#[derive(Debug, Clone, Default)]
pub struct State {
    pub(super) devices: Devices,
    pub(super) networks: Networks,
    pub(super) names: Names,
    pub(super) proposals: Proposals,
    pub(super) watches: Watches,
    pub(super) follows: Follows,
    pub(super) chat_settings: AllChatSettings,
    pub(super) mutes: Mutes,
    pub(super) alerts: Alerts,
    pub(super) chats: Chats,
    pub(super) grouping: Grouping,
    pub(super) habits: Habits,
    pub(super) doorbells: Doorbells,
    pub(super) floods: Floods,
    /// What addresses last said about their devices, and when.
    pub(super) device_infos: DirtyMap<MacAddr, (Timestamp, DeviceInfo)>,
    /// The elements behind each signature.
    pub(super) signatures: DirtyMap<Signature, Vec<u8>>,
    pub(super) totals: Totals,
    pub(super) next: Offset,
    /// The offset up to which the store has every change.
    saved: Offset,
    /// An [`EventKind::Evict`] that is not carried out to its end.
    pub(super) eviction: Option<PendingEviction>,
}

/// An [`EventKind::Evict`] that is carried out shard by shard.
#[derive(Debug, Clone)]
pub(super) struct PendingEviction {
    pub(super) addresses: EvictionScope,
    pub(super) last_seen_before: Timestamp,
    pub(super) next_shard: usize,
}

/// Every table of a state with its [`kind`], to read or, with `mut`, to change. The destructuring without `..`
/// makes the compiler point here when a field is added.
macro_rules! tables {
    ($state:expr $(, $mut:tt)?) => {{
        let State {
            devices,
            networks,
            names,
            proposals,
            watches,
            follows,
            chat_settings,
            mutes,
            alerts,
            chats,
            grouping,
            habits,
            doorbells,
            floods,
            device_infos,
            signatures,
            totals: _,
            next: _,
            saved: _,
            eviction: _,
        } = $state;
        let Alerts { outbox, overflow, cooldowns, latest } = alerts;
        let Chats { migrated, handled_updates, invitations, paired, blocked } = chats;
        let Mutes { mutes, ignored } = mutes;
        [
            (kind::DEVICE, devices),
            (kind::NETWORK, networks),
            (kind::NAME, &$($mut)? names.rows),
            (kind::PROPOSAL, &$($mut)? proposals.rows),
            (kind::WATCH, &$($mut)? watches.rows),
            (kind::PATTERN, &$($mut)? watches.patterns),
            (kind::FOLLOW, &$($mut)? follows.rows),
            (kind::CHAT_SETTINGS, &$($mut)? chat_settings.rows),
            (kind::MUTE, mutes),
            (kind::IGNORED, &$($mut)? ignored.rows),
            (kind::ALERT, outbox),
            (kind::OVERFLOW, overflow),
            (kind::COOLDOWN, &$($mut)? cooldowns.rows),
            (kind::LATEST_ALERTS, latest),
            (kind::MIGRATED, migrated),
            (kind::HANDLED_UPDATE, handled_updates),
            (kind::INVITATION, invitations),
            (kind::PAIRED, paired),
            (kind::BLOCKED, blocked),
            (kind::SIGNATURE, signatures),
            (kind::GROUP, &$($mut)? grouping.groups),
            (kind::MODEL, &$($mut)? grouping.models),
            (kind::REQUESTER, &$($mut)? grouping.requesters.rows),
            (kind::FORGOTTEN_NETWORKS, &$($mut)? grouping.requesters.forgotten.blocks),
            (kind::SPLIT, &$($mut)? grouping.splits.rows),
            (kind::GROUPING_MODE, &$($mut)? grouping.mode),
            (kind::HABIT, &$($mut)? habits.rows),
            (kind::LEARNING, &$($mut)? habits.learning),
            (kind::DOORBELL, &$($mut)? doorbells.rows),
            (kind::VISITOR, &$($mut)? doorbells.visitors),
            (kind::FLOOD, &$($mut)? floods.watch),
            (kind::FLOOD_MESSAGE, &$($mut)? floods.messages),
            (kind::DEVICE_INFO, device_infos),
        ]
    }};
}

impl State {
    /// A state without events, for a fold that is only compared. It keeps the rows of its devices in hidden files in
    /// this folder: its memory does not grow with them, except by some bytes for each address.
    ///
    /// # Errors
    /// [`io::Error`] if the files cannot be made.
    pub(crate) fn spilled(folder: &Path) -> io::Result<Self> {
        Ok(Self { devices: Devices::spilled(Spill::new(folder)?), ..Self::default() })
    }

    /// The offset of the first event that is not folded in.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// Counts over all devices.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The newest time of any event.
    pub fn newest_time(&self) -> Option<Timestamp> {
        self.totals.last_event.max(self.totals.last_probe)
    }

    /// The names of devices.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The changes of names that chats asked for.
    pub fn proposals(&self) -> &Proposals {
        &self.proposals
    }

    /// The watched networks.
    pub fn watches(&self) -> &Watches {
        &self.watches
    }

    /// The networks that devices looked for by name.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// The followed devices.
    pub fn follows(&self) -> &Follows {
        &self.follows
    }

    /// What chats chose for themselves.
    pub fn chat_settings(&self) -> &AllChatSettings {
        &self.chat_settings
    }

    /// The mutes of chats, and the devices that they ignore.
    pub fn mutes(&self) -> &Mutes {
        &self.mutes
    }

    /// The outbox, the cool-downs and the overflow.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// The paired chats, the invitations, the migrations and the handled updates.
    pub fn chats(&self) -> &Chats {
        &self.chats
    }

    /// The doorbells of chats.
    pub fn doorbells(&self) -> &Doorbells {
        &self.doorbells
    }

    /// The latest flood of invented addresses, and the messages about it.
    pub fn floods(&self) -> &Floods {
        &self.floods
    }

    /// The groups of random addresses.
    pub fn grouping(&self) -> &Grouping {
        &self.grouping
    }

    /// The model that sends frames of this signature, as far as their elements are known.
    pub fn model_key(&self, signature: Signature) -> ModelKey {
        signatures::model_key(&self.signatures, signature)
    }

    /// The elements of the first frame with this signature, if they are known.
    pub fn elements(&self, signature: Signature) -> Option<&[u8]> {
        self.signatures.get(&signature).map(Vec::as_slice)
    }

    /// The statistics of one address.
    pub fn device(&self, address: MacAddr) -> Option<Device> {
        self.devices.get(address)
    }

    /// The devices of one of the [`DEVICE_SHARDS`](super::DEVICE_SHARDS), in no order. A device stays in its shard,
    /// so a reader of all devices can release the lock on the state between shards.
    pub fn devices_of_shard(&self, shard: usize) -> impl Iterator<Item = DeviceRow<'_>> {
        self.devices.shard(shard)
    }

    /// Every address that has statistics, in order.
    pub fn addresses(&self) -> Vec<MacAddr> {
        self.devices.addresses()
    }

    /// The phone, if it has a name or any of its addresses has statistics. Others stay unseen: a phone of which somebody
    /// split an address off stays after its addresses were forgotten, so that the split holds.
    pub fn known_phone(&self, id: GroupId) -> Option<&Group> {
        let group = self.grouping.phone(id)?;
        let is_seen =
            || group.addresses().rev().any(|(address, _)| self.devices.last_probe(address).is_some());
        (group.name.is_some() || is_seen()).then_some(group)
    }

    /// The phone of this address, if it is known.
    pub fn known_phone_of(&self, address: MacAddr) -> Option<GroupId> {
        self.grouping.phone_of(address).filter(|id| self.known_phone(*id).is_some())
    }

    /// Of the device's addresses the one with the latest probe, and the time of that probe.
    pub fn last_seen(&self, device: &DeviceKey) -> Option<(MacAddr, Timestamp)> {
        match device {
            DeviceKey::Name(name) => {
                let seen = |address| Some((address, self.devices.last_probe(address)?));
                self.addresses_of(name).into_iter().filter_map(seen).max_by_key(|(_, last)| *last)
            }
            DeviceKey::Address(address) => Some((*address, self.devices.last_probe(*address)?)),
            DeviceKey::Phone(id) => {
                let group = self.grouping.group(*id)?;
                let (newest, _) = group.addresses().next_back()?;
                Some((newest, group.last))
            }
        }
    }

    /// As [`State::last_seen`], of the members of a subscription.
    pub fn last_seen_of<'a>(
        &self,
        members: impl IntoIterator<Item = &'a DeviceKey>,
    ) -> Option<(MacAddr, Timestamp)> {
        members.into_iter().filter_map(|member| self.last_seen(member)).max_by_key(|(_, last)| *last)
    }

    /// How many probes of this address were seen, as far as is remembered.
    pub fn probe_count(&self, address: MacAddr) -> Option<u64> {
        self.devices.summary(address).map(|summary| summary.probe_count)
    }

    /// When this address was first seen, as far as is remembered.
    pub fn first_seen(&self, address: MacAddr) -> Option<Timestamp> {
        self.devices.span(address).map(|span| span.first)
    }

    /// The device that this address belongs to, as alerts see it.
    pub fn device_key(&self, address: MacAddr) -> DeviceKey {
        self.known_device_key(address, self.grouping.group_of(address))
    }

    /// The device that this address of this group belongs to.
    pub(super) fn known_device_key(&self, address: MacAddr, group: Option<GroupId>) -> DeviceKey {
        device_key(&self.names, &self.grouping, address, group)
    }

    /// What a subscription on this device covers: its addresses that are of no phone of it, and its phones.
    pub fn members_of(&self, device: &DeviceKey) -> Vec<DeviceKey> {
        let DeviceKey::Name(name) = device else { return vec![device.clone()] };
        let addresses = self.names.addresses_of(name).into_iter().map(DeviceKey::Address);
        addresses.chain(self.grouping.named(name).map(|(phone, _)| DeviceKey::Phone(phone))).collect()
    }

    /// By which members a subscription covers this address, which belongs to this group: by itself, and by its phone.
    /// An address that has a name of its own is not of the phone; but a member's name takes it out of no subscription.
    pub(super) fn members_with(&self, address: MacAddr, group: Option<GroupId>) -> Vec<DeviceKey> {
        let name = self.names.get(address);
        let is_own = name.is_some_and(|name| name.of_owner().or(name.import.as_deref()).is_some());
        let phone = group.filter(|id| self.grouping.phone(*id).is_some() && !is_own);
        [DeviceKey::Address(address)].into_iter().chain(phone.map(DeviceKey::Phone)).collect()
    }

    /// By which members a subscription covers a device without a name.
    pub(super) fn members_with_device(&self, device: &DeviceKey) -> Vec<DeviceKey> {
        match device {
            DeviceKey::Address(address) => self.members_with(*address, self.grouping.group_of(*address)),
            DeviceKey::Phone(_) | DeviceKey::Name(_) => vec![device.clone()],
        }
    }

    /// The name of this address, or of the phone that it belongs to.
    pub fn name_of(&self, address: MacAddr) -> Option<&str> {
        self.names
            .of(address)
            .or_else(|| self.grouping.group(self.grouping.group_of(address)?)?.name.as_deref())
    }

    /// The addresses that share this name, whatever its case: those that have it, and those of the phones that have it.
    pub fn addresses_of(&self, name: &str) -> Vec<MacAddr> {
        let mut addresses = self.names.addresses_of(name);
        for (_, phone) in self.grouping.named(name) {
            addresses.extend(phone.addresses().map(|(address, _)| address));
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Whether enough devices changed that the state should be saved now.
    pub fn is_save_due(&self) -> bool {
        self.devices.is_save_due()
    }

    /// Whether any event was folded in since the last save.
    pub fn has_unsaved_changes(&self) -> bool {
        self.next != self.saved
    }

    /// Notes that the store has every change up to now.
    pub fn mark_saved(&mut self) {
        self.saved = self.next;
        for (_, table) in self.tables_mut() {
            table.mark_clean();
        }
    }

    pub(super) fn tables(&self) -> [(u8, &dyn Table); 33] {
        tables!(self)
    }

    pub(super) fn tables_mut(&mut self) -> [(u8, &mut dyn Table); 33] {
        tables!(self, mut)
    }

    /// Passes every row to `take`.
    pub(super) fn for_each_row(&self, mut take: impl FnMut(PackedRow<'_>)) {
        for (kind, table) in self.tables() {
            table.rows(kind, &mut take);
        }
    }

    /// Passes every row that changed since [`State::mark_saved`] to `take`.
    pub(super) fn for_each_dirty_row(&self, mut take: impl FnMut(PackedRow<'_>)) {
        for (kind, table) in self.tables() {
            table.dirty_rows(kind, &mut take);
        }
    }

    /// Whether the state has exactly this row.
    pub(super) fn is_current(&self, row: &PackedRow<'_>) -> bool {
        let mut tables = self.tables().into_iter();
        let table = tables.find(|(kind, _)| *kind == row.kind);
        table.is_some_and(|(_, table)| table.row(row.key).as_deref() == row.row)
    }

    /// Roughly the bytes that all rows take in the store.
    pub(super) fn stored_bytes(&self) -> usize {
        self.tables().iter().map(|(_, table)| table.stored_bytes()).sum()
    }

    /// Roughly the bytes that the changed rows take in the store.
    pub(super) fn dirty_bytes(&self) -> usize {
        self.devices.dirty_bytes()
    }

    /// Loads rows that [`PackedRow::push_to`] packed one after the other.
    pub(super) fn load_rows(&mut self, mut rows: &[u8]) -> Result<(), postcard::Error> {
        let mut tables = self.tables_mut();
        while !rows.is_empty() {
            let row = PackedRow::take_from(&mut rows)?;
            let table = tables.iter_mut().find(|(kind, _)| *kind == row.kind);
            let (_, table) = table.ok_or(postcard::Error::DeserializeBadEncoding)?;
            table.load(row.key, row.row)?;
        }
        Ok(())
    }

    /// Completes a state of which all rows were loaded: the fold of all events before `next`.
    pub(super) fn finish_loading(&mut self, next: Offset, totals: Totals) {
        (self.next, self.saved, self.totals) = (next, next, totals);
        self.alerts.cooldowns.index();
        self.grouping.index();
        let (mut follows, mut ignored) =
            (std::mem::take(&mut self.follows), std::mem::take(&mut self.mutes.ignored));
        follows.finish_loading(|device| self.members_of(device));
        ignored.finish_loading(|device| self.members_of(device));
        (self.follows, self.mutes.ignored) = (follows, ignored);
    }
}

/// [`State::device_key`], while another part of the state changes.
pub(super) fn device_of(names: &Names, grouping: &Grouping) -> impl Fn(MacAddr) -> DeviceKey {
    |address| device_key(names, grouping, address, grouping.group_of(address))
}

/// The device that this address of this group belongs to, as alerts see it.
pub(super) fn device_key(
    names: &Names,
    grouping: &Grouping,
    address: MacAddr,
    group: Option<GroupId>,
) -> DeviceKey {
    let key = names.device_key(address);
    let (DeviceKey::Address(_), Some(id)) = (&key, group) else { return key };
    match grouping.phone(id) {
        Some(Group { name: Some(name), .. }) => DeviceKey::Name(fold_case(name)),
        Some(_) => DeviceKey::Phone(id),
        None => key,
    }
}

/// Equal states have the same rows, whichever of them are saved.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.next == other.next
            && self.totals == other.totals
            && self.devices == other.devices
            && self.networks == other.networks
            && self.names == other.names
            && self.proposals == other.proposals
            && self.watches == other.watches
            && self.follows == other.follows
            && self.chat_settings == other.chat_settings
            && self.mutes == other.mutes
            && self.alerts == other.alerts
            && self.chats == other.chats
            && self.grouping == other.grouping
            && self.habits == other.habits
            && self.doorbells == other.doorbells
            && self.floods == other.floods
            && self.device_infos == other.device_infos
            && self.signatures == other.signatures
    }
}
