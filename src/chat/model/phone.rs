//! Phones: random addresses that are grouped.

use dot11::{MacAddr, Ssid};
use store::event::{DeviceKey, EventKind, GroupId, PhoneEvidence, Timestamp};
use store::state::{Device, Group, JoinReason, State};

/// A phone without a name, as people write it: `phone 3f2a`.
pub(crate) use crate::text::format::phone as phone_label;

/// The word before the identifier of a phone.
pub const PHONE: &str = "phone";

/// Addresses, and networks, that an event keeps as evidence of a phone.
const EVIDENCE: usize = 32;

/// What is known of a phone, besides the statistics of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneReport {
    /// Its identifier.
    pub id: GroupId,
    /// When its latest visit began.
    pub visit: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
    /// Its visits.
    pub visit_count: u64,
    /// The least number of phones that it is.
    pub at_least: u32,
    /// Whether phones of its model can be told apart.
    pub is_distinguishable: bool,
    /// How many addresses it used.
    pub address_count: u64,
    /// Its latest addresses, newest first, and why each belongs to it.
    pub addresses: Vec<(MacAddr, JoinReason)>,
}

/// What a person names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedDevice {
    /// An address, or the phone that it belongs to.
    Address(MacAddr),
    /// A phone.
    Phone(GroupId),
}

impl NamedDevice {
    /// The phone that is meant, if it is known and the address has no name of its own.
    pub fn phone(self, state: &State) -> Option<GroupId> {
        match self {
            Self::Phone(phone) => state.known_phone(phone).map(|_| phone),
            Self::Address(address) if state.names().of(address).is_some() => None,
            Self::Address(address) => state.known_phone_of(address),
        }
    }
}

impl From<NamedDevice> for DeviceKey {
    fn from(device: NamedDevice) -> Self {
        match device {
            NamedDevice::Address(address) => Self::Address(address),
            NamedDevice::Phone(phone) => Self::Phone(phone),
        }
    }
}

/// The name of a phone.
pub fn phone_name(state: &State, phone: GroupId) -> Option<&str> {
    state.grouping().group(phone)?.name.as_deref()
}

/// The phone that people write as `phone 3f2a`, or as `3f2a` if `may_be_bare`.
pub fn phone_in_text(text: &str, may_be_bare: bool) -> Option<GroupId> {
    match text.trim().split_once(char::is_whitespace) {
        Some((word, id)) if word.eq_ignore_ascii_case(PHONE) => id.trim().parse().ok(),
        None if may_be_bare => text.trim().parse().ok(),
        _ => None,
    }
}

/// The latest addresses of a phone, newest first, without those that have a name of their own.
pub fn addresses_of_phone(state: &State, phone: GroupId) -> Vec<(MacAddr, JoinReason)> {
    let Some(group) = state.grouping().group(phone) else { return Vec::new() };
    group.addresses().rev().filter(|(address, _)| state.names().of(*address).is_none()).collect()
}

/// What is known of a phone.
pub fn phone_report(state: &State, id: GroupId) -> Option<PhoneReport> {
    let group = state.grouping().group(id)?;
    Some(PhoneReport {
        id,
        visit: group.visit,
        last: group.last,
        visit_count: group.visit_count,
        at_least: group.phones().any,
        is_distinguishable: state.grouping().continues_counters(group.model),
        address_count: group.address_count,
        addresses: addresses_of_phone(state, id),
    })
}

/// The event that keeps a phone, by this name or without one, with the evidence by which it is found again. `by_member`
/// says who gave the name.
pub fn keep_phone(state: &State, phone: GroupId, name: Option<String>, by_member: bool) -> Option<EventKind> {
    let group = state.known_phone(phone)?;
    let addresses = newest_addresses(group, |_| true);
    let devices = addresses.iter().filter_map(|address| state.device(*address));
    let networks =
        devices.reduce(|device, other| device.merge(&other)).map_or(Vec::new(), |device| networks(&device));
    Some(EventKind::KeepPhone { phone, name, by_member, model: group.model, addresses, networks })
}

/// The event that says that an address is not of the phone, with the evidence by which that is found again.
pub fn split_phone(state: &State, phone: GroupId, address: MacAddr) -> EventKind {
    let others = state.grouping().group(phone).map(|group| PhoneEvidence {
        model: group.model,
        addresses: newest_addresses(group, |other| other != address),
    });
    EventKind::SplitPhone { phone, address, evidence: others.filter(|others| !others.addresses.is_empty()) }
}

/// The newest addresses of a phone, as evidence of it. The newest is last.
fn newest_addresses(group: &Group, is_wanted: impl Fn(MacAddr) -> bool) -> Vec<MacAddr> {
    let newest = group.addresses().rev().map(|(address, _)| address);
    let mut addresses: Vec<MacAddr> = newest.filter(|address| is_wanted(*address)).take(EVIDENCE).collect();
    addresses.reverse();
    addresses
}

/// The networks that a device looked for most.
fn networks(device: &Device) -> Vec<Ssid> {
    let mut ssids: Vec<_> = device.ssids().iter().collect();
    ssids.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    ssids.into_iter().take(EVIDENCE).map(|(ssid, _)| ssid.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_phone_as_people_write_it() {
        for text in ["phone 3f2a", " Phone  3F2A ", "PHONE\t3f2a"] {
            assert_eq!(phone_in_text(text, false), Some(GroupId(0x3f2a)), "{text}");
        }
        assert_eq!(phone_in_text("3f2a", true), Some(GroupId(0x3f2a)));
        assert_eq!(phone_in_text("3f2a", false), None);
        for text in ["", "phone", "phone 3f2", "phone 3f2a x", "van 3f2a", "phones 3f2a", "+f2a"] {
            assert_eq!(phone_in_text(text, true), None, "{text}");
        }
    }
}
