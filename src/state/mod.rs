//! What is true now: a fold of the log, `state' = fold(state, event)`.
//!
//! The fold is pure: no clock, no configuration, no I/O. All of it is held in memory: names, watches,
//! alerts and signatures are few, devices are many and packed ([`devices`]). That their number stays
//! bounded is up to who appends [`Event::Forget`]; [`State::whom_to_forget`] says when and whom. The
//! [`Store`] keeps what the next start begins with.

mod alert;
mod chats;
mod decide;
mod device;
mod devices;
mod differences;
mod follow;
mod hours;
mod name;
mod networks;
mod overflow;
mod rows;
mod silence;
mod snapshot;
mod store;
mod table;
mod watch;

use serde::{Deserialize, Serialize};

pub use alert::{ALERTS_A_MINUTE, Alert, Alerts, Asked, COOLDOWN_LIMIT, OUTBOX_LIMIT, Presence};
pub use chats::{ANSWERED_LIMIT, Chats, INVITATION_LIMIT, Invitation, PAIRED_LIMIT, Pairing};
pub use decide::AlertPolicy;
use decide::normal;
pub use device::{Device, SSIDS_PER_ADDRESS, Signal};
pub use devices::{Brief, DeviceRow, SoughtNetwork};
use devices::{Devices, SHARDS};
pub use differences::{Difference, Differences};
pub use follow::{Follow, Follows};
pub use hours::Hours;
pub use name::{AddressName, NAME_LENGTH, NameError, Names, check_name, fold_case};
pub use networks::{NETWORK_LIMIT, Network, Networks};
pub use overflow::{OVERFLOW_NETWORKS, Overflow};
use rows::Rows;
pub use silence::{Ignored, Mute, Silences};
pub use snapshot::{DeviceForm, Image, SnapshotError};
pub use store::{Store, StoreError};
use table::{PackedRow, Table};
pub use watch::{Watch, Watches};

use crate::dot11::{MacAddr, RequestedSsid, Signature};
use crate::event::{AlertDecision, ChatId, DeviceKey, Event, Fate, Forgettable, Offset, Probe, Timestamp};

/// Parts in which [`State::devices_of_part`] gives all devices.
pub const DEVICE_PARTS: usize = SHARDS;

/// What devices may take in memory before some are to be forgotten, in bytes: over a million of them.
pub const DEVICES_LIMIT: usize = 144 << 20;

/// Devices that are saved at once; sled holds all of them in memory meanwhile.
const CHANGED_DEVICES: usize = 131_072;

/// What one of them takes then, roughly.
const CHANGED_ROW_BYTES: usize = 64;

/// How many devices are looked at to find out which of them were not heard for longest.
const FORGET_SAMPLE: usize = 2048;

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
    silences: Silences,
    alerts: Alerts,
    chats: Chats,
    /// The elements behind each signature.
    signatures: Rows<Signature, Vec<u8>>,
    totals: Totals,
    next: Offset,
    /// The offset up to which the store has every change.
    saved: Offset,
    /// An [`Event::Forget`] that is not carried out to its end.
    forgetting: Option<Forgetting>,
}

#[derive(Debug, Clone)]
struct Forgetting {
    addresses: Forgettable,
    heard_before: Timestamp,
    next_shard: usize,
}

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
            silences,
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
        let Silences { mutes, ignored } = silences;
        [
            (b'd', devices),
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
    pub fn silences(&self) -> &Silences {
        &self.silences
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

    /// The devices of one of the [`DEVICE_PARTS`], in no order. Whoever looks at all devices of a state that
    /// is being written to lets go of it between the parts; a device stays in its part.
    pub fn devices_of_part(&self, part: usize) -> impl Iterator<Item = DeviceRow<'_>> {
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

    /// Folds in the event at `offset`.
    pub fn fold(&mut self, offset: Offset, event: &Event) {
        while self.sweep() {}
        match event {
            Event::Probe(probe) => self.fold_probe(offset, probe),
            Event::Signature { signature, elements } => self.signatures.insert(*signature, elements.clone()),
            Event::Watch { time, chat, ssid, reason } => {
                self.watches.set(ssid, self.chats.current(*chat), *time, reason.clone());
            }
            Event::Unwatch { time: _, chat, ssid } => self.watches.remove(ssid, self.chats.current(*chat)),
            Event::WatchPattern { time, chat, pattern, reason } => {
                self.watches.set_pattern(pattern, self.chats.current(*chat), *time, reason.clone());
            }
            Event::UnwatchPattern { time: _, chat, pattern } => {
                self.watches.remove_pattern(pattern, self.chats.current(*chat));
            }
            Event::Follow { time, chat, device, silence_seconds } => {
                self.follow(*time, self.chats.current(*chat), normal(device), *silence_seconds);
            }
            Event::Unfollow { time: _, chat, device } => {
                self.follows.remove(&normal(device), self.chats.current(*chat));
            }
            Event::Left { .. } => self.fold_left(offset, event),
            Event::Mute { time: _, chat, until } => self.silences.mute(self.chats.current(*chat), *until),
            Event::Unmute { time: _, chat } => self.silences.unmute(self.chats.current(*chat)),
            Event::MuteTold { time, chat, count } => {
                self.silences.told(self.chats.current(*chat), *count, *time);
            }
            Event::Ignore { time, chat, device } => {
                self.silences.ignore(normal(device), self.chats.current(*chat), *time);
            }
            Event::Unignore { time: _, chat, device } => {
                self.silences.unignore(&normal(device), self.chats.current(*chat));
            }
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
            Event::Invited { time, code, role, expires, by } => {
                let invitation = Invitation { role: *role, expires: *expires, by: *by };
                self.chats.invite(*time, *code, invitation);
            }
            Event::Paired { time, chat, code, name } => {
                self.chats.pair(*time, self.chats.current(*chat), *code, name.clone());
            }
            Event::ChatRemoved { time: _, chat, by: _ } => self.remove_chat(self.chats.current(*chat)),
            Event::Forget { time: _, addresses, heard_before } => {
                let (addresses, heard_before) = (*addresses, *heard_before);
                self.forgetting = Some(Forgetting { addresses, heard_before, next_shard: 0 });
            }
            Event::Lost { count, why: _ } => self.totals.lost_events += count,
        }
        self.next = event.end(offset);
    }

    fn rename(&mut self, address: MacAddr, change: impl FnOnce(&mut Names)) {
        let before = self.device_key(address);
        change(&mut self.names);
        let now = self.device_key(address);
        if before == now {
            return;
        }
        self.alerts.renamed(&before, &now);
        // What is meant by a name stays with it as long as any address has it.
        let is_gone = match &before {
            DeviceKey::Name(name) => self.names.addresses_of(name).is_empty(),
            DeviceKey::Address(_) => true,
        };
        if is_gone {
            self.follows.rename(&before, &now);
            self.silences.rename(&before, &now);
        }
    }

    /// Has a chat follow a device, which is here where it was heard lately.
    fn follow(&mut self, since: Timestamp, chat: ChatId, device: DeviceKey, silence_seconds: u64) {
        let mut follow = Follow { since, silence_seconds, is_here: false };
        let last = self.last_heard(&device).map(|(_, last)| last);
        follow.is_here = last.is_some_and(|last| since.distance(last) < follow.silence());
        self.follows.set(device, chat, follow);
    }

    /// Repeats what was decided when a device had left.
    fn fold_left(&mut self, offset: Offset, event: &Event) {
        let Event::Left { time, chat, device, source, last_heard, alerts } = event else { return };
        self.follows.left(&normal(device), self.chats.current(*chat));
        for alert in alerts {
            let chat = self.chats.current(alert.chat);
            let presence = Some(Presence::Left { last_heard: *last_heard });
            self.alerts.settle(chat, alert.fate, offset, || Alert {
                presence,
                ..Alert::of_device(*time, *source, None)
            });
            if alert.fate == Fate::Mute {
                self.silences.swallow(chat);
            }
        }
    }

    /// Gives all that is the chat `from`'s to `to`.
    fn migrate(&mut self, from: ChatId, to: ChatId) {
        if from != to {
            self.watches.migrate(from, to);
            self.follows.migrate(from, to);
            self.silences.migrate(from, to);
            self.alerts.migrate(from, to);
            self.chats.migrate(from, to);
        }
    }

    /// Forgets all that is this chat's.
    fn remove_chat(&mut self, chat: ChatId) {
        self.watches.remove_chat(chat);
        self.follows.remove_chat(chat);
        self.silences.remove_chat(chat);
        self.alerts.remove_chat(chat);
        self.chats.remove(chat);
    }

    fn fold_probe(&mut self, offset: Offset, probe: &Probe) {
        self.totals.probes += 1;
        self.totals.wildcard_probes += u64::from(probe.ssid == RequestedSsid::Wildcard);
        self.totals.last_probe = self.totals.last_probe.max(Some(probe.time));
        if self.devices.fold(probe) {
            self.totals.addresses += 1;
            self.totals.random_addresses += u64::from(probe.source.is_random());
        }
        if let Some(ssid) = probe.ssid.named() {
            self.networks.fold(ssid, probe.time);
        }
        if !probe.alerts.is_empty() {
            self.fold_alerts(offset, probe);
        }
    }

    /// Repeats what was decided about a probe.
    fn fold_alerts(&mut self, offset: Offset, probe: &Probe) {
        self.alerts.fold(offset, probe, &self.names);
        for decision in &probe.alerts {
            match decision {
                AlertDecision::Mute { chat } => self.silences.swallow(*chat),
                AlertDecision::Arrive { chat, fate, .. } => {
                    self.follows.arrived(&self.device_key(probe.source));
                    if *fate == Fate::Mute {
                        self.silences.swallow(*chat);
                    }
                }
                _ => {}
            }
        }
    }

    /// Carries out a part of the last [`Event::Forget`]; whether there is more of it to do. Whoever lets
    /// others look at the state meanwhile calls this until it is done, before the next event: the whole of
    /// it can take as long as thousands of events.
    pub fn sweep(&mut self) -> bool {
        let Some(Forgetting { addresses, heard_before, next_shard }) = &mut self.forgetting else {
            return false;
        };
        let gone = self.devices.sweep(*next_shard, |address, last_probe| {
            last_probe < *heard_before && is_forgettable(*addresses, address, &self.names, &self.follows)
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

    /// Where devices take more than `limit` bytes of memory, which of them should leave, and before when
    /// those were last heard: a quarter of the random ones, or of all unnamed ones where few are random.
    pub fn whom_to_forget(&self, limit: usize) -> Option<(Forgettable, Timestamp)> {
        if self.devices.bytes() <= limit {
            return None;
        }
        let sample = self.devices.sample(FORGET_SAMPLE);
        let quarter = |addresses| {
            let of_these = sample
                .iter()
                .filter(|(address, _)| is_forgettable(addresses, *address, &self.names, &self.follows));
            let mut last_probes: Vec<Timestamp> = of_these.map(|(_, last_probe)| *last_probe).collect();
            last_probes.sort_unstable();
            let is_enough = last_probes.len() * 2 >= sample.len();
            last_probes.get(last_probes.len() / 4).map(|before| (addresses, *before)).filter(|_| is_enough)
        };
        quarter(Forgettable::Random).or_else(|| quarter(Forgettable::Unnamed))
    }

    /// Whether any address was last heard before `heard_before` and may be forgotten. All of them are
    /// looked at.
    pub fn has_forgettable(&self, addresses: Forgettable, heard_before: Timestamp) -> bool {
        self.devices.last_probes().any(|(address, last_probe)| {
            last_probe < heard_before && is_forgettable(addresses, address, &self.names, &self.follows)
        })
    }

    /// Whether so many devices changed that they should go to the store before more do.
    pub fn is_save_due(&self) -> bool {
        self.devices.changed() >= CHANGED_DEVICES
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
        self.devices.changed() * CHANGED_ROW_BYTES
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

fn is_forgettable(which: Forgettable, address: MacAddr, names: &Names, follows: &Follows) -> bool {
    let is_meant = match which {
        Forgettable::Random => address.is_random(),
        Forgettable::Unnamed => true,
    };
    is_meant && names.get(address).is_none() && !follows.has_address(address)
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
            && self.silences == other.silences
            && self.alerts == other.alerts
            && self.chats == other.chats
            && self.signatures == other.signatures
    }
}
