//! The service notifies systemd that it is ready once the log is recovered and a source is open, however long that
//! takes. It pings the watchdog only while the recorder and each capture make progress.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use dot11::RequestedSsid;
use probewatch::service::{Heartbeat, Systemd, Watchdog, WatchedPart};
use store::recorder::RecorderSettings;

use crate::support::bot_api::{BotApi, Incoming};
use crate::support::frames::{DLT_IEEE802_11_RADIO, pcap_bytes};
use crate::support::held_disk::HeldDisk;
use crate::support::http;
use crate::support::notify_socket::NotifySocket;
use crate::support::recorder::{Input, Running, addresses, probe, settings};
use crate::support::require;
use crate::support::service::{Config, Service, log_field};
use crate::support::tap_radio::TapRadio;

fn config(api: &BotApi, socket: &NotifySocket) -> Config {
    Config::new(api).env("NOTIFY_SOCKET", socket.path().to_str().unwrap())
}

#[test]
fn the_service_is_ready_once_a_source_is_open_and_ends_with_its_sources() {
    let (api, socket) = (BotApi::start(), NotifySocket::bind());
    // The variables are for another process's watchdog.
    let config = config(&api, &socket).env("WATCHDOG_USEC", "1000000").env("WATCHDOG_PID", "1");
    let mut service = Service::start_with(&api, config.sources(&["-"]));
    let waiting = "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=waiting for the first bytes of stdin";
    let mut start = socket.wait_for("STATUS=waiting for the first bytes of stdin");
    assert_eq!(start, ["EXTEND_TIMEOUT_USEC=30000000\nSTATUS=recovering the log", waiting]);
    service.take_stdin().write_all(&pcap_bytes(DLT_IEEE802_11_RADIO, &[])).unwrap();
    start.extend(socket.wait_for("READY=1"));
    assert_eq!(start.last().unwrap(), "READY=1\nSTATUS=recording");
    assert!(start[1..start.len() - 1].iter().all(|message| message == waiting), "{start:?}");
    assert!(service.terminate().success());
    assert_eq!(socket.rest(), ["STOPPING=1\nSTATUS=stopping"]);
}

#[test]
fn the_service_ends_if_no_source_can_ever_be_opened() {
    let (api, socket) = (BotApi::start(), NotifySocket::bind());
    let config = config(&api, &socket).sources(&["./there-is-none.pcap"]);
    let mut service = Service::start_with(&api, config);
    assert!(!service.wait_for_exit().success());
    assert!(service.log_lines().iter().any(|line| line.contains("cannot read ./there-is-none.pcap")));
    let messages = socket.rest();
    assert!(
        !messages.is_empty() && !messages.iter().any(|message| message.contains("READY=1")),
        "{messages:?}"
    );
    assert!(!messages.iter().any(|message| message.contains("waiting for")), "{messages:?}");
    // Standard input cannot be reopened.
    service.restart_with(|config| config.sources(&["-"]));
    socket.wait_for("STATUS=waiting for the first bytes of stdin");
    service.take_stdin().write_all(b"no capture at all").unwrap();
    assert_eq!(service.wait_for_exit().code(), Some(1));
    assert!(!socket.rest().iter().any(|message| message.contains("READY=1")));
}

#[test]
fn the_service_waits_for_a_missing_adapter() {
    if !require::tap_allowed() {
        return;
    }
    let late = TapRadio::unique("pwlat").unwrap();
    let name = late.name().to_owned();
    drop(late);
    let (api, socket) = (BotApi::start(), NotifySocket::bind());
    let config = config(&api, &socket).env("WATCHDOG_USEC", "4000000").sources(&[&name]);
    let config = config.set("monitoring", "listen", "\"127.0.0.1:0\"");
    let mut service = Service::start_with(&api, config);
    let why = format!("STATUS=waiting for {name}: cannot listen with {name}: there is no such interface");
    let mut messages = socket.wait_for(&why);
    messages.extend(socket.wait_for("WATCHDOG=1"));
    // The extension is requested again and again, as systemd requires.
    messages.extend(socket.wait_for(&why));
    assert!(messages.iter().all(|message| !message.contains("READY=1")), "{messages:?}");
    let line = service.wait_for_log_event("monitoring_listening", &[]);
    let health = http::get(log_field(&line, "address").parse().unwrap(), "/healthz").unwrap();
    assert_eq!(health.status, 503);
    assert!(health.text().contains("there is no such interface"), "{}", health.text());
    api.webhook();
    api.post(service.listen_address(), Incoming::text(1001, "/status"));
    api.wait_for_message(|message| message.plain.contains("there is no such interface"));

    let _late = TapRadio::open(&name).unwrap();
    socket.wait_for("READY=1");
    assert!(service.terminate().success());
}

#[test]
fn a_service_that_only_waits_pings_the_watchdog() {
    let (api, socket) = (BotApi::start(), NotifySocket::bind());
    let config = config(&api, &socket).env("WATCHDOG_USEC", "4000000");
    let mut service = Service::start_with(&api, config.sources(&["-"]));
    let mut stdin = service.take_stdin();
    stdin.write_all(&pcap_bytes(DLT_IEEE802_11_RADIO, &[])).unwrap();
    let mut messages = socket.wait_for("READY=1");
    // More than half of the watchdog's timeout, after which a stalled loop would be detected.
    for _ in 0..4 {
        messages.extend(socket.wait_for("WATCHDOG=1"));
    }
    assert!(!messages.iter().any(|message| message.contains("stalled")), "{messages:?}");
}

#[test]
fn a_stalled_recorder_is_not_reported_alive() {
    let socket = NotifySocket::bind();
    let disk = HeldDisk::default();
    let folder = tempfile::tempdir().unwrap();
    let recorder = Running::start(RecorderSettings {
        vfs: Arc::new(disk.clone()),
        ..settings(&folder.path().join("data"))
    });
    let interval = Duration::from_secs(4);
    let systemd = Systemd::new(socket.sender(), Some(interval));
    let handle = recorder.handle.clone();
    let part = WatchedPart::new("the recorder", move || Heartbeat::Iterations(handle.iterations()));
    let watchdog = Watchdog::start(&systemd, vec![part]).unwrap();
    socket.wait_for("WATCHDOG=1");

    disk.hold();
    recorder.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Absent, 1)));
    let messages = socket.wait_for("STATUS=stalled: the recorder");
    assert!(messages.iter().any(|message| message == "WATCHDOG=1"), "it is pinged at first: {messages:?}");
    assert!(!socket.has_within(interval, "WATCHDOG=1"), "it was pinged although the recorder is stalled");

    disk.release();
    socket.wait_for("WATCHDOG=1");
    drop(watchdog);
    recorder.stop();
}

#[test]
fn a_missing_notify_socket_is_harmless() {
    let api = BotApi::start();
    let config = Config::new(&api).env("NOTIFY_SOCKET", "/there/is/none").sources(&["-"]);
    let mut service = Service::start_with(&api, config);
    service.wait_for_log_event("systemd_notify_failed", &[]);
    service.listen_address();
    assert!(service.terminate().success());
}

#[test]
fn a_crash_leaves_no_core_dump() {
    let api = BotApi::start();
    let without_limit = "ulimit -c unlimited; exec \"$@\"";
    let command = ["sh", "-c", without_limit, "sh", env!("CARGO_BIN_EXE_probewatch")];
    let mut service = Service::start_with(&api, Config::new(&api).sources(&["-"]).command(&command));
    service.wait_for_log_event("webhook_registered", &[]);
    service.signal(libc::SIGABRT);
    let status = service.wait_for_exit();
    assert_eq!((status.signal(), status.core_dumped()), (Some(libc::SIGABRT), false));
    assert!(include_str!("../../systemd/probewatch.service").contains("\nLimitCORE=0\n"));
}
