//! A check of the running service does not take the memory of a second state within the service: another process folds
//! the log.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use dot11::{MacAddr, RequestedSsid};
use store::event::{Event, Offset};
use store::event_log::encode_line;

use crate::support::bot_api::BotApi;
use crate::support::process;
use crate::support::recorder::probe;
use crate::support::service::{Config, Service, probewatch, probewatch_command};

/// In the service, a copy of them would take 3 MiB, and another state 8 MiB.
const ADDRESSES: u32 = 50_000;

/// Of it, 1.5 MiB are for compressing the copy.
const LIMIT_KIB: u64 = 4 << 10;

/// Writes a log with a probe of each address.
fn write_log(events: &Path) {
    fs::create_dir_all(events).unwrap();
    let file = fs::File::create(events.join(format!("{:020}.ndjson", 0))).unwrap();
    let mut file = BufWriter::new(file);
    let mut line = Vec::new();
    for number in 0..ADDRESSES {
        let [a, b, c, d] = number.to_be_bytes();
        let source = MacAddr::new([2, 0, a, b, c, d]);
        let event = Event::from(probe(source, RequestedSsid::Wildcard, i64::from(number) * 1_000_000));
        line.clear();
        encode_line(Offset(number.into()), &event, &mut line).unwrap();
        file.write_all(&line).unwrap();
    }
    file.flush().unwrap();
}

/// A field of the service's `/proc/…/status`, in KiB.
fn memory_kib(service: &Service, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_check_takes_little_memory_of_the_service() {
    let api = BotApi::start();
    let mut service = Service::start_with(&api, Config::new(&api).sources(&["-"]));
    service.wait_for_log_event("webhook_registered", &[]);
    assert!(service.terminate().success());
    fs::remove_dir_all(service.data_dir()).unwrap();
    write_log(&service.data_dir().join("events"));
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
