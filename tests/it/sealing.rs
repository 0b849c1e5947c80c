//! Segments are sealed in the background. A stop waits for the one at hand alone, and the next start goes on with the
//! rest.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use store::event::Offset;
use store::event_log::{self, Rotation, encode_line};

use crate::support::bot_api::BotApi;
use crate::support::held_disk::HeldDisk;
use crate::support::log::{HOUR, event};
use crate::support::service::{Config, Service, probewatch};
use crate::support::wait_until;

const ROTATION: Rotation = Rotation { bytes: 64 << 20, age: HOUR };

/// Writes a log of unsealed segments with an event each, as a process leaves that could not seal them.
fn write_segments(events: &Path, count: u64) {
    fs::create_dir_all(events).unwrap();
    for number in 0..count {
        let mut line = Vec::new();
        encode_line(Offset(number), &event(number), &mut line).unwrap();
        fs::write(events.join(format!("{number:020}.ndjson")), line).unwrap();
    }
}

/// Segments that are not sealed, the open one among them.
fn unsealed(events: &Path) -> usize {
    let names = fs::read_dir(events).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().ends_with(".ndjson")).count()
}

#[test]
fn the_end_of_a_writer_waits_for_one_segment_and_the_next_seals_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    write_segments(folder.path(), 50);
    let disk = HeldDisk::default();
    let log = event_log::recover_on(Arc::new(disk.clone()), folder.path()).unwrap();
    disk.hold();
    let mut writer = log.into_writer(ROTATION).unwrap();
    // The first segment waits for the disk, if its turn has come.
    writer.stop_sealing();
    disk.release();
    drop(writer);
    let left = unsealed(folder.path());
    assert!(left >= 49, "{left} of 50 are left");

    let mut writer = event_log::recover(folder.path()).unwrap().into_writer(ROTATION).unwrap();
    writer.stop_sealing();
    wait_until("all but the open segment to be sealed", || {
        writer.sync().unwrap();
        (unsealed(folder.path()) == 1).then_some(())
    });
    drop(writer);
    let log = event_log::recover(folder.path()).unwrap();
    assert_eq!(log.read_from(Offset(0)).filter_map(Result::ok).count(), 50);
}

#[test]
fn a_service_with_thousands_of_unsealed_segments_stops_and_loses_none() {
    let api = BotApi::start();
    let mut service = Service::start_with(&api, Config::new(&api).sources(&["-"]));
    service.wait_for_log_event("webhook_registered", &[]);
    assert!(service.terminate().success());
    let events = service.data_dir().join("events");
    fs::remove_dir_all(service.data_dir()).unwrap();
    write_segments(&events, 3000);
    service.restart();
    service.wait_for_log_event("webhook_registered", &[]);
    assert!(service.terminate().success());
    let before = unsealed(&events);
    if before > 1 {
        service.restart();
        wait_until("the sealing to go on", || (unsealed(&events) < before).then_some(()));
        assert!(service.terminate().success());
    }
    let config = service.config_path();
    let check = probewatch(&["check", "-c", config.to_str().unwrap()]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}
