//! A check of the running service does not take the memory of a second state within the service: another process folds
//! the log. That one has the rows of devices in files, so that its memory does not grow with their number either.

use std::fs;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::Path;
use std::process::Stdio;

use dot11::{MacAddr, RequestedSsid};
use store::event::{Event, Offset};
use store::event_log::encode_line;

use crate::support::bot_api::BotApi;
use crate::support::process;
use crate::support::recorder::{Running, probe, settings};
use crate::support::service::{Config, Service, probewatch, probewatch_command};

/// In the service, a copy of them would take 3 MiB, and another state 8 MiB.
const ADDRESSES: u32 = 50_000;

/// Of it, 1.5 MiB are for compressing the copy.
const LIMIT_KIB: u64 = 4 << 10;

/// The process that checks takes no more, whatever the number of addresses.
const PROCESS_LIMIT_KIB: u64 = 56 << 10;

/// What so many more addresses may add: their six bytes each and what they fill of the tables that are bounded, such as
/// that of the phones.
const MORE_LIMIT_KIB: u64 = 16 << 10;

/// Writes a log with a probe of each of so many addresses.
fn write_log(events: &Path, addresses: u32) {
    fs::create_dir_all(events).unwrap();
    let file = fs::File::create(events.join(format!("{:020}.ndjson", 0))).unwrap();
    let mut file = BufWriter::new(file);
    let mut line = Vec::new();
    for number in 0..addresses {
        let [a, b, c, d] = number.to_be_bytes();
        let source = MacAddr::new([2, 0, a, b, c, d]);
        let event = Event::from(probe(source, RequestedSsid::Wildcard, i64::from(number) * 1_000_000));
        line.clear();
        encode_line(Offset(number.into()), &event, &mut line).unwrap();
        file.write_all(&line).unwrap();
    }
    file.flush().unwrap();
}

/// A field of the process's `/proc/…/status`, in KiB; `None` if it has ended.
fn memory_of(process: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn memory_kib(service: &Service, field: &str) -> u64 {
    memory_of(service.id(), field).unwrap()
}

/// The peak of the process that checks a log of so many addresses, in KiB.
fn peak_of_check(addresses: u32) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    write_log(&folder.path().join("events"), addresses);
    let running = Running::start(settings(folder.path()));
    let mut image = tempfile::tempfile().unwrap();
    running.handle.write_image(running.runtime.handle(), &mut image).unwrap();
    running.stop();
    image.rewind().unwrap();
    let mut command = probewatch_command(&["check-image", folder.path().to_str().unwrap()]);
    let mut process = command.stdin(image).stdout(Stdio::piped()).spawn().unwrap();
    let mut peak = 0;
    // A process that has ended has no memory until it is waited for.
    while let Some(kib) = memory_of(process.id(), "VmHWM") {
        peak = peak.max(kib);
        std::thread::yield_now();
    }
    assert!(process::wait_for_exit(&mut process, "the check").success());
    let mut answer = String::new();
    process.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("\"passed\":true") && answer.contains(&format!(", {addresses} devices")),
        "{answer}"
    );
    assert_eq!(
        fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with(".check") })
            .count(),
        0
    );
    peak
}

#[test]
fn the_process_that_checks_takes_little_memory_however_many_addresses_there_are() {
    let [few, many] = [30_000, 150_000].map(peak_of_check);
    assert!(many < PROCESS_LIMIT_KIB && many < few + MORE_LIMIT_KIB, "{few} KiB, then {many} KiB");
}

#[test]
fn a_check_takes_little_memory_of_the_service() {
    let api = BotApi::start();
    let mut service = Service::start_with(&api, Config::new(&api).sources(&["-"]));
    service.wait_for_log_event("webhook_registered", &[]);
    assert!(service.terminate().success());
    fs::remove_dir_all(service.data_dir()).unwrap();
    write_log(&service.data_dir().join("events"), ADDRESSES);
    let config = service.config_path().to_str().unwrap().to_owned();
    // The service then begins with the saved state: its peak is hardly above what it takes.
    assert!(probewatch(&["rebuild", "-c", &config]).status.success());
    service.restart();
    service.wait_for_log_event("webhook_registered", &[]);
    let (resident, before) = (memory_kib(&service, "VmRSS"), memory_kib(&service, "VmHWM"));

    let check = probewatch(&["check", "-c", &config]);
    let report = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success(), "{report}{}", String::from_utf8_lossy(&check.stderr));
    assert!(report.contains(", 50000 devices"), "{report}");
    let after = memory_kib(&service, "VmHWM");
    assert!(after < resident + LIMIT_KIB, "{resident} KiB were resident, at the peak {before}, then {after}");
    assert!(service.terminate().success());
}

#[test]
fn an_image_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = probewatch_command(&["check-image", folder.path().to_str().unwrap()]);
    let checked = process::output_of(&mut command, b"no image");
    let answer = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(answer.starts_with("{\"error\":\"could not copy the state: "), "{answer}");
}
