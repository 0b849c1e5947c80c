//! An event log without a recorder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dot11::{RequestedSsid, Ssid};
use store::event::{ChatId, Event, EventKind, Offset, Timestamp};
use store::event_log::{self, LogError, RecoveredLog, Rotation, Writer};

use super::faulty_disk::FaultyDisk;
use super::recorder::{addresses, probe};
use super::wait::watch_test;

pub const HOUR: Duration = Duration::from_secs(3600);

/// The event of this number. Each is different.
pub fn event(number: u64) -> Event {
    let time = Timestamp::from_micros(number.cast_signed());
    match number % 3 {
        0 => Event::from(probe(addresses()[0], RequestedSsid::Wildcard, time.as_micros())),
        1 => {
            Event::new(time, EventKind::Watch { chat: ChatId(7), ssid: Ssid::new(b"\xff\"x"), reason: None })
        }
        _ => Event::new(time, EventKind::Delivered { probe: Offset(number), chat: ChatId(7), message: None }),
    }
}

pub fn folder() -> PathBuf {
    Path::new("data").join("events")
}

pub fn recover(disk: &FaultyDisk) -> Result<RecoveredLog, LogError> {
    watch_test();
    event_log::recover_on(Arc::new(disk.clone()), &folder())
}

pub fn open(disk: &FaultyDisk, rotation: Rotation) -> Result<Writer, LogError> {
    recover(disk)?.into_writer(rotation)
}

/// Appends the events of these numbers and syncs after every third.
pub fn append(writer: &mut Writer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert_eq!(writer.append(&event(number)).unwrap(), Offset(number));
        if number % 3 == 2 {
            writer.sync().unwrap();
        }
    }
    writer.sync().unwrap();
}

/// A log of `count` events in segments of about `segment_bytes`.
pub fn log_of(count: u64, segment_bytes: u64) -> FaultyDisk {
    let disk = FaultyDisk::default();
    append(&mut open(&disk, Rotation { bytes: segment_bytes, age: HOUR }).unwrap(), 0..count);
    disk
}

/// Everything that a reader gets from a log.
#[derive(Debug, PartialEq)]
pub struct Contents {
    pub events: Vec<(Offset, Event)>,
    pub damage: Vec<String>,
    /// The segments that need a repair.
    pub damaged: BTreeSet<Offset>,
    pub next: Offset,
}

pub fn read(log: &RecoveredLog, from: Offset) -> Contents {
    let (mut events, mut damage, mut damaged) = (Vec::new(), Vec::new(), BTreeSet::new());
    for entry in log.read_from(from).prefetch() {
        match entry {
            Ok(event) => events.push(event),
            Err(what) => {
                damage.push(what.to_string());
                damaged.insert(what.segment());
            }
        }
    }
    Contents { events, damage, damaged, next: log.next_offset() }
}

pub fn read_all(disk: &FaultyDisk) -> Contents {
    read(&recover(disk).unwrap(), Offset::default())
}

impl Contents {
    /// Checks that the events cover all offsets without a gap.
    #[track_caller]
    pub fn assert_accounted(&self, first: Offset, what: &str) {
        let end = self.events.iter().fold(first, |expected, (offset, event)| {
            assert_eq!(*offset, expected, "{what}: {self:?}");
            event.end(*offset)
        });
        assert_eq!(end, self.next, "{what}: {self:?}");
    }

    /// The numbers of the events that equal the recorded ones.
    pub fn whole(&self) -> Vec<u64> {
        let is_whole = |(offset, read): &&(Offset, Event)| *read == event(offset.0);
        self.events.iter().filter(is_whole).map(|(offset, _)| offset.0).collect()
    }

    /// The number of events that are reported as lost.
    pub fn lost(&self) -> u64 {
        let lost = |(_, event): &(Offset, Event)| match &event.kind {
            EventKind::Lost { count, .. } => *count,
            _ => 0,
        };
        self.events.iter().map(lost).sum()
    }
}

/// Repairs the damage. Checks that the log reads the same afterwards, without reported damage.
#[track_caller]
pub fn repair(disk: &FaultyDisk, what: &str) -> Contents {
    let mut log = recover(disk).unwrap();
    let before = read(&log, Offset::default());
    let repaired = log.repair(&before.damaged).unwrap();
    assert_eq!(repaired, before.damaged, "{what}");
    let after = read(&log, Offset::default());
    assert_eq!((&after.events, after.next), (&before.events, before.next), "{what}");
    assert!(after.damage.is_empty(), "{what}: {after:?}");
    assert!(log.repair(&before.damaged).unwrap().is_empty(), "{what}: repaired twice");
    assert_eq!(read_all(disk), after, "{what}: another start");
    before
}
