//! How many alerts a chat gets within a minute, and how many may wait for it.
//!
//! - Known devices, which have a name or are followed, have an allowance of their own: whatever other devices do, they
//!   cannot use it up.
//! - A known device's address can be forged, so each device has a bound. Half of the allowance is for devices that have not
//!   used it yet.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock_step::ClockStep;
use crate::event::{DeviceKey, Timestamp};

/// Alerts about devices that are not known that may wait for one chat.
pub const OUTBOX_LIMIT: usize = 500;

/// Alerts about devices that are not known that one chat gets within a minute. Telegram itself takes 20 a minute for a
/// group.
pub const ALERTS_PER_MINUTE: usize = 20;

/// Alerts about known devices that may wait for one chat.
pub(super) const WAITING: Allowance = Allowance { in_all: 500, per_device: 50 };

/// Alerts about known devices that one chat gets within a minute. Several are one message.
pub(super) const PER_MINUTE: Allowance = Allowance { in_all: 120, per_device: 5 };

const MINUTE: Duration = Duration::from_secs(60);

/// A number of alerts about known devices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    in_all: usize,
    per_device: usize,
}

impl Allowance {
    /// Whether there is one more for a device that has used `of_device` of the `used` ones.
    pub(super) fn has_room(self, used: usize, of_device: usize) -> bool {
        let limit = if of_device == 0 { self.in_all } else { self.in_all / 2 };
        used < limit && of_device < self.per_device
    }
}

/// When a chat's latest alerts were raised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LatestAlerts {
    /// Those about devices that are not known, at most [`ALERTS_PER_MINUTE`].
    #[serde(rename = "times")]
    others: Vec<Timestamp>,
    /// Those about known devices, at most as many as [`PER_MINUTE`] allows.
    #[serde(default)]
    known: Vec<(DeviceKey, Timestamp)>,
}

impl LatestAlerts {
    /// Whether the chat may get one more alert at `time`: about this known device, or about another one.
    pub(super) fn has_room(&self, known: Option<&DeviceKey>, time: Timestamp) -> bool {
        let is_recent = |alerted: &Timestamp| time.abs_diff(*alerted) < MINUTE;
        let Some(device) = known else {
            return self.others.iter().filter(|alerted| is_recent(alerted)).count() < ALERTS_PER_MINUTE;
        };
        let recent = self.known.iter().filter(|(_, alerted)| is_recent(alerted));
        let (used, of_device) = count(recent.map(|(of, _)| of == device));
        PER_MINUTE.has_room(used, of_device)
    }

    pub(super) fn add(&mut self, known: Option<&DeviceKey>, time: Timestamp) {
        match known {
            Some(device) => self.known.push((device.clone(), time)),
            None => self.others.push(time),
        }
        self.enforce_limits();
    }

    /// The time became another one.
    pub(super) fn move_times(&mut self, step: ClockStep) {
        let known = self.known.iter_mut().map(|(_, time)| time);
        self.others.iter_mut().chain(known).for_each(|time| *time = step.moved(*time));
    }

    /// Adds everything of `other`.
    pub(super) fn merge(&mut self, other: Self) {
        self.others.extend(other.others);
        self.others.sort_unstable();
        self.known.extend(other.known);
        self.known.sort_by_key(|(_, time)| *time);
        self.enforce_limits();
    }

    fn enforce_limits(&mut self) {
        self.others.drain(..self.others.len().saturating_sub(ALERTS_PER_MINUTE));
        self.known.drain(..self.known.len().saturating_sub(PER_MINUTE.in_all));
    }
}

/// How many there are, and of how many this is true.
pub(super) fn count(are_of_device: impl Iterator<Item = bool>) -> (usize, usize) {
    are_of_device.fold((0, 0), |(all, of_device), is| (all + 1, of_device + usize::from(is)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: usize) -> DeviceKey {
        DeviceKey::Name(number.to_string())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_forged_device_leaves_room_for_the_others() {
        let mut latest = LatestAlerts::default();
        for number in 0..12 {
            // Twelve devices, each of which somebody forges.
            let forged = device(number);
            while latest.has_room(Some(&forged), at(0)) {
                latest.add(Some(&forged), at(0));
            }
        }
        assert_eq!(latest.known.len(), 60);
        for number in 12..72 {
            assert!(latest.has_room(Some(&device(number)), at(59)), "{number}");
            latest.add(Some(&device(number)), at(59));
        }
        assert!(!latest.has_room(Some(&device(72)), at(59)), "it is bounded");
        assert!(latest.has_room(None, at(59)));
        assert!(latest.has_room(Some(&device(72)), at(60)));
    }

    #[test]
    fn the_latest_alerts_are_kept_when_chats_merge() {
        let (mut one, mut other) = (LatestAlerts::default(), LatestAlerts::default());
        for second in 0..ALERTS_PER_MINUTE as i64 {
            one.add(None, at(100 + second));
            other.add(None, at(second));
            other.add(Some(&device(1)), at(second));
        }
        one.merge(other);
        assert_eq!(one.others.len(), ALERTS_PER_MINUTE);
        assert_eq!((one.others[0], one.known.len()), (at(100), ALERTS_PER_MINUTE));
    }
}
