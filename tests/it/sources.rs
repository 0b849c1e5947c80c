//! Each source is captured independently. A failed source, such as a command that ends or an interface that disappears,
//! is restarted and counted while the others continue.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use store::event::{Event, EventKind, Probe};

use crate::support::bot_api::BotApi;
use crate::support::frames::{
    DLT_IEEE802_11_RADIO, ProbeRequestFrame, pcap_bytes, push_pcap_record, write_pcap,
};
use crate::support::http;
use crate::support::process;
use crate::support::recorder::{events, fold};
use crate::support::require;
use crate::support::service::{Config, Service, log_event, log_field, toml_string};
use crate::support::tap_radio::TapRadio;
use crate::support::testbed::{CHAT, Mode, Testbed};
use crate::support::wait_until;

const ATTIC: &str = "a4:83:e7:4e:39:15";
const STREET: &str = "a4:83:e7:4e:39:16";

fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

fn frame(source: &str) -> Vec<u8> {
    ProbeRequestFrame::new(source).ssid("RNM0").build()
}

/// A script that a command source runs, in a folder with its input and output files.
struct Script {
    folder: tempfile::TempDir,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run"), format!("cd {}\n{text}\n", folder.path().display())).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A capture file of one frame.
    fn capture(&self, name: &str, time_us: u64, source: &str) {
        write_pcap(&self.path(name), DLT_IEEE802_11_RADIO, &[(time_us, frame(source))]).unwrap();
    }

    /// Writes one record of a capture file, without the file's header.
    fn record(&self, name: &str, time_us: u64, source: &str) {
        let mut record = Vec::new();
        push_pcap_record(&mut record, time_us, &frame(source));
        // By renaming, so that a script that waits for the file sees all of it.
        fs::write(self.path("unfinished"), record).unwrap();
        fs::rename(self.path("unfinished"), self.path(name)).unwrap();
    }

    /// The entry of `capture.sources`.
    fn source(&self, name: &str) -> String {
        let command = toml_string(&format!("sh {}", self.path("run").display()));
        format!("{{ command = {command}, name = {} }}", toml_string(name))
    }

    /// Like [`Self::source`], with the script as the leader of the process group.
    fn first_of_group(&self, name: &str) -> String {
        self.source(name).replacen("\"sh ", "\"exec sh ", 1)
    }

    /// The process ID that the script has written into this file.
    fn id(&self, file: &str) -> String {
        wait_until("the id of a process", || {
            let id = fs::read_to_string(self.path(file)).ok().filter(|id| id.ends_with('\n'));
            id.map(|id| id.trim().to_owned())
        })
    }

    /// Waits until the process whose ID this file contains has ended.
    fn wait_until_ended(&self, file: &str) {
        let id = self.id(file);
        wait_until("the end of the command's process", || has_ended(&id).then_some(()));
    }
}

/// Whether a process has ended. It may still be a zombie.
fn has_ended(id: &str) -> bool {
    let stat = Path::new("/proc").join(id).join("stat");
    fs::read_to_string(stat).map_or(true, |stat| stat.contains(") Z "))
}

fn sources(config: Config, sources: &[&str]) -> Config {
    config.set("capture", "sources", &format!("[{}]", sources.join(", ")))
}

/// Waits until the service logs this event for the source, with an error that contains this.
fn wait_for_failure(service: &Service, event: &str, source: &str, error: &str) {
    let line = service.wait_for_log_event(event, &[("source", source)]);
    assert!(line.contains(error), "{line}");
}

/// Checks that no part of the service exceeded its time to stop.
fn assert_stopped_in_time(service: &Service) {
    let late =
        ["source_stop_timeout", "bot_stop_timeout", "drain_timeout"].map(|event| log_event(event, &[]));
    let is_late = |line: &String| late.iter().any(|event| line.contains(event)) || line.contains("in time");
    assert!(!service.log_lines().iter().any(is_late), "{:#?}", service.log_lines());
}

fn probes(service: &Service) -> Vec<Probe> {
    let probe = |event: Event| match event.kind {
        EventKind::Probe(probe) => Some(probe),
        _ => None,
    };
    events(&service.data_dir()).into_iter().filter_map(|(_, event)| probe(event)).collect()
}

#[test]
fn a_failed_command_is_restarted_and_the_others_continue() {
    let script = Script::new(
        "echo starting >&2
         if [ -e again ]; then echo $$ > id; cat second.pcap; sleep 1000 | sleep 1000
         else : > again; cat first.pcap; exit 3; fi",
    );
    script.capture("first.pcap", now_us(), ATTIC);
    script.capture("second.pcap", now_us(), ATTIC);
    let attic = script.source("attic");
    let street = |config: Config| {
        let radio =
            config.to_toml().lines().find_map(|line| line.strip_prefix("sources = [").map(str::to_owned));
        let radio = radio.unwrap().trim_end_matches(']').to_owned();
        sources(
            config,
            &[&attic, &format!("{{ interface = {radio}, monitor = \"auto\", name = \"street\" }}")],
        )
        .env("PROBEWATCH__TELEGRAM__WEBHOOK__SECRET_TOKEN", "something")
        .set("monitoring", "listen", "\"127.0.0.1:0\"")
    };
    if !require::tap_allowed() {
        return;
    }
    let radio = TapRadio::unique("pwsrc").unwrap();
    let api = BotApi::start();
    let mut service = Service::start_with(&api, street(Config::new(&api).sources(&[radio.name()])));
    service.wait_for_log_event("command_output", &[("source", "attic"), ("line", "\"starting\"")]);
    service.wait_until_capturing("street");
    let failed = service.wait_for_log_event("source_retry", &[("source", "attic"), ("wait_seconds", "1")]);
    assert!(failed.contains("ended (exit status: 3)"), "{failed}");
    radio.transmit(&frame(STREET));
    let seen = service.log_lines().iter().position(|line| *line == failed).unwrap();
    let starting = [("source", "attic"), ("line", "\"starting\"")];
    service.wait_for_log_event_after(seen, "command_output", &starting);
    service.wait_for_log_event_after(seen, "source_opened", &[("source", "attic")]);
    wait_until("the second process", || {
        fs::read_to_string(script.path("id")).ok().filter(|id| id.ends_with('\n'))
    });

    api.webhook_number(1);
    let listen = service.listen_address();
    let status = wait_until("both probes", || {
        let sent = api.sent().len();
        api.post(listen, crate::support::bot_api::Incoming::text(CHAT, "/status"));
        let reply = api.wait_for_message_after(sent, |message| message.plain.contains("Sources")).plain;
        let attic = reply.lines().find(|line| line.starts_with("attic · ")).unwrap_or_default();
        (attic.contains("capturing; restarted 1 time") && attic.ends_with(" · 2")).then_some(reply)
    });
    assert!(status.contains("street · capturing"), "{status}");
    assert!(!status.contains("⏰"), "{status}");
    let line = service.wait_for_log_event("monitoring_listening", &[]);
    let page = http::get(log_field(&line, "address").parse().unwrap(), "/metrics").unwrap().text();
    for (source, restarts) in [("attic", 1), ("street", 0)] {
        let series = format!("\nprobewatch_source_restarts_total{{source=\"{source}\"}} {restarts}\n");
        assert!(page.contains(&series), "{series} in {page}");
    }
    assert!(service.terminate().success());
    script.wait_until_ended("id");
    let mut received: Vec<_> = probes(&service)
        .into_iter()
        .map(|probe| (probe.sensor.to_string(), probe.source.to_string()))
        .collect();
    received.sort();
    let expected = [("attic", ATTIC), ("attic", ATTIC), ("street", STREET)];
    assert_eq!(received, expected.map(|(sensor, source)| (sensor.to_owned(), source.to_owned())));
}

#[test]
fn a_silent_command_ends_with_the_service() {
    let script = Script::new("echo $$ > id; env > environment; sleep 1000 | sleep 1000");
    let api = BotApi::start();
    let secret = "PROBEWATCH__TELEGRAM__WEBHOOK__SECRET_TOKEN";
    let folder = script.path("").display().to_string();
    let config = sources(Config::new(&api), &[&script.source("attic")])
        .env(secret, "something")
        .env("NOTIFY_SOCKET", &format!("{folder}notify"))
        .env("WATCHDOG_USEC", "60000000")
        .env("CREDENTIALS_DIRECTORY", &folder);
    let mut service = Service::start_with(&api, config);
    service.listen_address();
    wait_until("the command", || {
        fs::read_to_string(script.path("environment")).ok().filter(|text| text.contains("PATH="))
    });
    assert!(service.terminate().success());
    script.wait_until_ended("id");
    assert_stopped_in_time(&service);
    let environment = fs::read_to_string(script.path("environment")).unwrap();
    for secret in ["PROBEWATCH", "NOTIFY_SOCKET", "WATCHDOG", "CREDENTIALS"] {
        assert!(!environment.contains(secret), "{environment}");
    }
}

#[test]
fn a_command_has_ended_even_if_another_process_holds_its_output() {
    let child = Script::new("cat frame.pcap; sleep 1000 & echo $! > id; exit 5");
    // The other process has left the process group.
    let stray = Script::new(
        "cat frame.pcap
         setsid sh -c 'echo $$ > id; exec sleep 1000' &
         while [ ! -s id ]; do sleep 0.01; done; exit 6",
    );
    for script in [&child, &stray] {
        script.capture("frame.pcap", now_us(), ATTIC);
    }
    let api = BotApi::start();
    let config = sources(Config::new(&api), &[&child.source("child"), &stray.source("stray")]);
    let mut service = Service::start_with(&api, config);
    wait_for_failure(&service, "source_retry", "child", "the command sh ended (exit status: 5)");
    child.wait_until_ended("id");
    wait_for_failure(&service, "source_retry", "stray", "the command sh ended (exit status: 6)");
    assert!(service.terminate().success());
    let received: HashSet<String> = probes(&service).iter().map(|probe| probe.sensor.to_string()).collect();
    assert_eq!(received.len(), 2, "the frames before the end count: {received:?}");
    assert!(process::output(Command::new("kill").arg(stray.id("id"))).status.success());
}

#[test]
fn no_command_outlives_the_service() {
    let text = "trap '' TERM; cat frame.pcap; echo $$ > id; while :; do sleep 1000; done";
    let scripts = [Script::new(text), Script::new(text)];
    for script in &scripts {
        script.capture("frame.pcap", now_us(), ATTIC);
    }
    let entries = [scripts[0].first_of_group("one"), scripts[1].first_of_group("other")];
    let api = BotApi::start();
    let config = sources(Config::new(&api), &[&entries[0], &entries[1]]);
    let mut service = Service::start_with(&api, config);
    let ids = scripts.each_ref().map(|script| script.id("id"));
    service.wait_until_capturing("one");
    service.wait_until_capturing("other");
    assert!(service.terminate().success());
    assert!(ids.iter().all(|id| has_ended(id)), "{ids:?}");
    assert_stopped_in_time(&service);
}

#[test]
fn a_named_pipe_waits_for_one_writer_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames");
    assert!(process::output(Command::new("mkfifo").arg(&path)).status.success());
    let api = BotApi::start();
    let mut service = Service::start_with(&api, Config::new(&api).sources(&[path.to_str().unwrap()]));
    for source in [ATTIC, STREET] {
        let seen = service.log_lines().len();
        // Opening the pipe waits for the reader.
        fs::write(&path, pcap_bytes(DLT_IEEE802_11_RADIO, &[(now_us(), frame(source))])).unwrap();
        service.wait_for_log_event_after(seen, "source_waiting", &[("source", "frames")]);
    }
    assert!(!service.has_logged("source_retry"));
    // No process writes.
    assert!(service.terminate().success());
    assert_stopped_in_time(&service);
    let received: Vec<_> = probes(&service).iter().map(|probe| probe.source.to_string()).collect();
    assert_eq!(received, [ATTIC, STREET]);
}

/// A terminal without input, like the serial port of a silent sniffer.
#[test]
fn a_silent_source_does_not_delay_the_bot() {
    let api = BotApi::start();
    let mut service = Service::start_with(&api, Config::new(&api).sources(&["/dev/ptmx"]));
    service.wait_for_log_event("telegram_connected", &[]);
    assert!(service.log_lines().iter().all(|line| !line.contains("ptmx")), "{:#?}", service.log_lines());
    assert!(service.terminate().success());
}

#[test]
fn a_command_without_a_capture_is_reported() {
    let script = Script::new("echo no capture at all; sleep 1000");
    let api = BotApi::start();
    let mut service = Service::start_with(&api, sources(Config::new(&api), &[&script.source("attic")]));
    let line = service.wait_for_log_event("source_retry", &[("source", "attic")]);
    assert!(line.contains("no capture file"), "{line}");
    assert!(line.contains("error=cannot read the output of sh: "), "{line}");
    assert!(service.terminate().success());
}

#[test]
fn an_interface_that_returns_is_captured_again() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    let name = testbed.radio.name().to_owned();
    testbed.transmit(STREET, "RNM0");
    testbed.ask_until("/status", " · 1\n");
    let gone = TapRadio::unique("pwsrc").unwrap();
    drop(std::mem::replace(&mut testbed.radio, gone));
    testbed.service.wait_for_log_event("source_retry", &[("source", &name)]);
    let seen = testbed.service.log_lines().len();
    testbed.radio = TapRadio::open(&name).unwrap();
    testbed.service.wait_for_log_event_after(seen, "source_opened", &[("source", &name)]);
    testbed.transmit(STREET, "RNM0");
    testbed.ask_until("/status", "; restarted ");
}

#[test]
fn a_source_that_is_missing_at_the_start_is_opened_later() {
    if !require::tap_allowed() {
        return;
    }
    let (radio, late) = (TapRadio::unique("pwsrc").unwrap(), TapRadio::unique("pwlat").unwrap());
    let name = late.name().to_owned();
    drop(late);
    let api = BotApi::start();
    let service = Service::start_with(&api, Config::new(&api).sources(&[&name, radio.name(), "./late.pcap"]));
    service.wait_until_capturing(radio.name());
    let missing = service.wait_for_log_event("source_retry", &[("source", &name), ("wait_seconds", "1")]);
    assert!(missing.contains("there is no such interface; `ip link` lists the interfaces"), "{missing}");
    wait_for_failure(&service, "source_retry", "late.pcap", "cannot read ./late.pcap");
    let _late = TapRadio::open(&name).unwrap();
    service.wait_until_capturing(&name);
}

#[test]
fn probes_under_a_slow_clock_are_marked() {
    let script = Script::new(
        "echo $$ > id; cat behind.pcap
         while [ ! -e record ]; do sleep 0.01; done
         cat record; exec sleep 1000",
    );
    // Seventeen minutes after the epoch, as on a board without a battery-backed clock.
    script.capture("behind.pcap", 1_000_000_000, ATTIC);
    let api = BotApi::start();
    let started = now_us();
    let mut service = Service::start_with(&api, sources(Config::new(&api), &[&script.source("attic")]));
    let behind = [("source", "attic"), ("frame_time", "1970-01-01T00:16:40.000000Z")];
    service.wait_for_log_event("source_clock_behind", &behind);
    api.webhook_number(1);
    let ask = |wanted: &str, is_wanted: bool| {
        wait_until(wanted, || {
            let sent = api.sent().len();
            api.post(service.listen_address(), crate::support::bot_api::Incoming::text(CHAT, "/status"));
            let reply = api.wait_for_message_after(sent, |message| message.plain.contains("Sources")).plain;
            (reply.contains(wanted) == is_wanted).then_some(())
        });
    };
    ask("⏰ its clock is behind", true);
    script.record("record", now_us(), ATTIC);
    service.wait_for_log_event("source_clock_right", &[("source", "attic")]);
    ask("⏰", false);
    ask("Probes: 2", true);
    assert!(service.terminate().success());

    let probes = probes(&service);
    let least = probes[0].not_before.unwrap().as_micros().cast_unsigned();
    assert_eq!(probes[0].time.as_micros(), 1_000_000_000);
    // The names from the configuration are events too.
    assert!(least.abs_diff(started) < Duration::from_secs(60).as_micros() as u64, "{least} {started}");
    assert_eq!(probes[1].not_before, None);
    let device = fold(&events(&service.data_dir())).device(probes[0].source).unwrap();
    // Another event may have been written between reading the clock and the probe.
    let first = device.first_probe;
    assert!((probes[0].not_before.unwrap()..=probes[1].time).contains(&first), "{first}");
    assert_eq!(device.last_probe, probes[1].time);
}

#[test]
fn the_kernels_buffers_of_many_interfaces_take_no_more_than_their_share() {
    if !require::tap_allowed() {
        return;
    }
    let radios: Vec<TapRadio> = (0..24).map(|_| TapRadio::unique("pwbuf").unwrap()).collect();
    let api = BotApi::start();
    let names: Vec<&str> = radios.iter().map(TapRadio::name).collect();
    let service = Service::start_with(&api, Config::new(&api).sources(&names));
    for name in &names {
        service.wait_until_capturing(name);
    }
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", service.id())).unwrap();
    let bytes = |line: &str| {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        u64::from_str_radix(to, 16).unwrap() - u64::from_str_radix(from, 16).unwrap()
    };
    let buffers: Vec<u64> = maps.lines().filter(|line| line.contains("socket:[")).map(bytes).collect();
    assert!(buffers.len() >= radios.len(), "{maps}");
    let all: u64 = buffers.iter().sum();
    // libpcap rounds up to whole slots and pages.
    assert!(all <= 72 << 20, "{} MiB for {} interfaces", all >> 20, radios.len());
}
