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

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> MacAddr {
        MacAddr::new([number; 6])
    }

    /// Two addresses are not of the phone 1, one is not of the phone 2 either.
    fn splits() -> Splits {
        let mut splits = Splits::default();
        for (number, phone) in [(0, 1), (0xff, 1), (0, 2)] {
            splits.insert(address(number), GroupId(phone), Timestamp::from_micros(phone.into()));
        }
        splits
    }

    fn all(splits: &Splits) -> Vec<(u16, Vec<MacAddr>)> {
        let addresses = |phone| splits.addresses(GroupId(phone)).collect::<Vec<_>>();
        (0..5).map(|phone| (phone, addresses(phone))).filter(|(_, found)| !found.is_empty()).collect()
    }

    #[test]
    fn what_was_said_is_found_by_address_and_by_phone() {
        let splits = splits();
        assert_eq!(all(&splits), [(1, vec![address(0), address(0xff)]), (2, vec![address(0)])]);
        assert!(splits.phones(address(0)).eq([GroupId(1), GroupId(2)]));
        assert!(splits.phones(address(0xff)).eq([GroupId(1)]));
        assert_eq!((splits.phones(address(7)).count(), splits.len()), (0, 3));
        assert!(splits.contains(address(0), GroupId(2)) && !splits.contains(address(0xff), GroupId(2)));
    }

    #[test]
    fn what_was_said_of_one_phone_goes_to_another_with_its_time() {
        let mut splits = splits();
        splits.copy(address(0xff), GroupId(1), GroupId(3));
        splits.copy(address(7), GroupId(1), GroupId(3));
        assert_eq!(splits.rows.get(&(address(0xff), GroupId(3))), Some(&Timestamp::from_micros(1)));
        splits.rename(GroupId(1), GroupId(4));
        let expected =
            [(2, vec![address(0)]), (3, vec![address(0xff)]), (4, vec![address(0), address(0xff)])];
        assert_eq!(all(&splits), expected);
        assert_eq!(splits.rows.get(&(address(0), GroupId(4))), Some(&Timestamp::from_micros(1)));
        let mut indexed = splits.clone();
        indexed.index();
        assert_eq!(indexed, splits);
    }
}
