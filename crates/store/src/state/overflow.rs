//! Alerts that are not sent one by one, because they were too many or waited too long: the chat gets their number.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::clock_step::ClockStep;
use crate::event::{DeviceKey, Timestamp};
use dot11::{MacAddr, Ssid};

/// Networks counted for one chat, at most. It bounds a flood of invented ones.
pub const OVERFLOW_NETWORK_LIMIT: usize = 1_000;

/// Known devices that are remembered for one chat, at most.
pub const OVERFLOW_DEVICE_LIMIT: usize = 100;

/// The alerts not yet reported to the chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overflow {
    count: u64,
    networks: BTreeSet<Ssid>,
    /// The known devices among them, each with its latest address.
    #[serde(default, with = "device_list")]
    devices: BTreeMap<DeviceKey, MacAddr>,
    /// The time of the oldest of them, if it is known.
    #[serde(default)]
    since: Option<Timestamp>,
}

impl Overflow {
    /// The number of alerts.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The number of networks, at most [`OVERFLOW_NETWORK_LIMIT`]; a count at the limit means "at least".
    pub fn networks(&self) -> u64 {
        // Networks of alerts that were reported already are not removed one by one.
        self.count.min(self.networks.len() as u64)
    }

    /// An address of each known device among them. There are at most [`OVERFLOW_DEVICE_LIMIT`].
    pub fn devices(&self) -> impl ExactSizeIterator<Item = MacAddr> {
        self.devices.values().copied()
    }

    /// The time of the oldest of them, if it is known.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Adds an alert of this time, with its network if it is about one, and its device if that is known.
    pub(super) fn add(&mut self, time: Timestamp, ssid: Option<&Ssid>, known: Option<(&DeviceKey, MacAddr)>) {
        self.count += 1;
        self.note_time(Some(time));
        if let Some(ssid) = ssid {
            self.add_network(ssid.clone());
        }
        if let Some((device, address)) = known {
            self.add_device(device.clone(), address);
        }
    }

    fn note_time(&mut self, time: Option<Timestamp>) {
        self.since = self.since.into_iter().chain(time).min();
    }

    /// The time became another one.
    pub(super) fn move_times(&mut self, step: ClockStep) {
        self.since = self.since.map(|since| step.moved(since));
    }

    /// All alerts of both.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.merge(other.clone());
        all
    }

    /// Adds everything of `other`.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.note_time(other.since);
        other.networks.into_iter().for_each(|ssid| self.add_network(ssid));
        other.devices.into_iter().for_each(|(device, address)| self.add_device(device, address));
    }

    fn add_device(&mut self, device: DeviceKey, address: MacAddr) {
        if self.devices.len() < OVERFLOW_DEVICE_LIMIT || self.devices.contains_key(&device) {
            self.devices.insert(device, address);
        }
    }

    /// The same after the device `before` became `now`; `None` if that changes nothing.
    pub(super) fn renamed(&self, before: &DeviceKey, now: &DeviceKey) -> Option<Self> {
        let mut renamed = self.clone();
        let address = renamed.devices.remove(before)?;
        renamed.add_device(now.clone(), address);
        Some(renamed)
    }

    fn add_network(&mut self, ssid: Ssid) {
        if self.networks.len() < OVERFLOW_NETWORK_LIMIT {
            self.networks.insert(ssid);
        }
    }

    /// The `count` alerts that are reported.
    pub(super) fn reported(&self, count: u64) -> Self {
        Self { count: count.min(self.count), ..self.clone() }
    }

    /// The rest after `count` alerts were reported; `None` if nothing is left.
    pub(super) fn after_reporting(&self, count: u64) -> Option<Self> {
        let left = self.count.saturating_sub(count);
        (left > 0).then(|| Self { count: left, ..self.clone() })
    }
}

/// The known devices as a list of pairs: a device is no key in JSON.
mod device_list {
    use super::{BTreeMap, Deserialize, DeviceKey, MacAddr, Serialize};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        devices: &BTreeMap<DeviceKey, MacAddr>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        devices.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<DeviceKey, MacAddr>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time() -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn overflow(networks: std::ops::Range<usize>) -> Overflow {
        let mut overflow = Overflow::default();
        for number in networks {
            overflow.add(time(), Some(&Ssid::from(format!("net {number}").as_str())), None);
        }
        overflow
    }

    #[track_caller]
    fn check(overflow: &Overflow, count: u64, networks: u64) {
        assert_eq!((overflow.count(), overflow.networks()), (count, networks));
    }

    #[test]
    fn counts_alerts_and_a_bounded_number_of_networks() {
        let mut one = overflow(0..3);
        one.add(time(), Some(&Ssid::from("net 1")), None);
        check(&one, 4, 3);
        one.merge(overflow(2..6));
        check(&one, 8, 6);
        one.merge(overflow(0..5_000));
        check(&one, 5_008, OVERFLOW_NETWORK_LIMIT as u64);
    }

    #[test]
    fn remembers_a_bounded_number_of_known_devices_by_their_present_names() {
        let name = |number: usize| DeviceKey::Name(format!("{number:03}"));
        let address = MacAddr::new([2, 0, 0, 0, 0, 1]);
        let mut all = Overflow::default();
        for number in 0..OVERFLOW_DEVICE_LIMIT + 5 {
            all.add(time(), None, Some((&name(number), address)));
            all.add(time(), None, Some((&name(0), address)));
        }
        assert_eq!(all.devices().len(), OVERFLOW_DEVICE_LIMIT);
        assert_eq!(all.renamed(&name(500), &name(501)), None);
        let renamed = all.renamed(&name(0), &name(1)).unwrap();
        assert_eq!((renamed.devices().len(), renamed.count()), (OVERFLOW_DEVICE_LIMIT - 1, all.count()));
    }

    #[test]
    fn forgets_the_networks_with_the_last_alert() {
        let all = overflow(0..5);
        let rest = all.after_reporting(3).unwrap();
        check(&rest, 2, 2);
        assert_eq!(rest.after_reporting(2), None);
        assert_eq!(rest.after_reporting(9), None);
    }

    #[test]
    fn two_overflows_count_together_since_the_earlier() {
        let mut other = overflow(2..4);
        other.since = Some(Timestamp::from_micros(-5));
        let one = overflow(0..3);
        for merged in [one.merged(&other), other.merged(&one)] {
            check(&merged, 5, 4);
            assert_eq!(merged.since(), Some(Timestamp::from_micros(-5)));
        }
        check(&one, 3, 3);
    }
}
