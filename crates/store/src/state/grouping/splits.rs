//! Which addresses are not of which phones, because a person said so.

use std::collections::BTreeSet;

use crate::event::{GroupId, Timestamp};
use crate::state::dirty_map::DirtyMap;
use dot11::MacAddr;

/// Which addresses are not of which phones, and when somebody said so.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::state) struct Splits {
    pub(in crate::state) rows: DirtyMap<(MacAddr, GroupId), Timestamp>,
    /// The addresses that are not of each phone, from `rows`.
    of_phone: BTreeSet<(GroupId, MacAddr)>,
}

impl Splits {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn contains(&self, address: MacAddr, phone: GroupId) -> bool {
        self.rows.get(&(address, phone)).is_some()
    }

    /// The phones that this address is not of.
    pub(super) fn phones(&self, address: MacAddr) -> impl Iterator<Item = GroupId> {
        let of_address = (address, GroupId(u16::MIN))..=(address, GroupId(u16::MAX));
        self.rows.range(of_address).map(|((_, phone), _)| *phone)
    }

    /// The addresses that are not of this phone.
    pub(super) fn addresses(&self, phone: GroupId) -> impl Iterator<Item = MacAddr> {
        let of_phone = (phone, MacAddr::new([0; 6]))..=(phone, MacAddr::new([0xff; 6]));
        self.of_phone.range(of_phone).map(|(_, address)| *address)
    }

    pub(super) fn insert(&mut self, address: MacAddr, phone: GroupId, time: Timestamp) {
        self.of_phone.insert((phone, address));
        self.rows.insert((address, phone), time);
    }

    /// What somebody said of the phone `from` holds for `to` as well.
    pub(super) fn copy(&mut self, address: MacAddr, from: GroupId, to: GroupId) {
        if let Some(time) = self.rows.get(&(address, from)).copied() {
            self.insert(address, to, time);
        }
    }

    /// Gives a phone another identifier.
    pub(super) fn rename(&mut self, from: GroupId, to: GroupId) {
        for address in self.addresses(from).collect::<Vec<_>>() {
            self.copy(address, from, to);
            self.of_phone.remove(&(from, address));
            self.rows.remove(&(address, from));
        }
    }

    /// Completes the index after all rows were loaded.
    pub(super) fn index(&mut self) {
        self.of_phone = self.rows.iter().map(|((address, phone), _)| (*phone, *address)).collect();
    }
}
