//! Somebody removes, replaces or shortens the data directory under the running service. It notices that like a failing
//! disk: health is 503, changes are refused, and the chat is told. Nothing that it has confirmed is forgotten: it
//! writes its state again as soon as there can be a directory.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};

use serde_json::Value;
use store::event::{Event, EventKind, NamedBy, Timestamp};

use crate::support::bot_api::{BotApi, Incoming, SentMessage};
use crate::support::frames::{ProbeRequestFrame, pcap_bytes};
use crate::support::process;
use crate::support::recorder::{Input, Running, events, open_offline, settings};
use crate::support::service::{Config, Service, log_field, probewatch};
use crate::support::testbed::is_notice;
use crate::support::{http, wait_until};

const VISITOR: &str = "00:23:a7:19:5c:02";

struct Bed {
    api: BotApi,
    service: Service,
    /// Open, so that the service captures.
    radio: ChildStdin,
}

impl Bed {
    fn start() -> Self {
        let api = BotApi::start();
        let config = Config::new(&api)
            .sources(&["-"])
            .set("monitoring", "listen", "\"127.0.0.1:0\"")
            .set("record", "fsync_milliseconds", "50")
            .set("record", "checkpoint_seconds", "1");
        let mut service = Service::start_with(&api, config);
        let radio = Self::capture(&mut service);
        api.webhook();
        service.wait_for_log_event("webhook_registered", &[]);
        Self { api, service, radio }
    }

    fn capture(service: &mut Service) -> ChildStdin {
        let mut radio = service.take_stdin();
        let frame = ProbeRequestFrame::new(VISITOR).ssid("RNM0").build();
        radio.write_all(&pcap_bytes(127, &[(1_600_000_000_000_000, frame)])).unwrap();
        service.wait_until_capturing("stdin");
        radio
    }

    fn data(&self) -> PathBuf {
        self.service.data_dir()
    }

    fn segment(&self) -> PathBuf {
        self.data().join("events").join(format!("{:020}.ndjson", 0))
    }

    fn health(&self) -> (u16, String) {
        let line = self.service.wait_for_log_event("monitoring_listening", &[]);
        let address: SocketAddr = log_field(&line, "address").parse().unwrap();
        let response = http::get(address, "/healthz").unwrap();
        (response.status, response.text())
    }

    fn ask(&self, text: &str) -> String {
        let seen = self.api.sent_count();
        assert_eq!(self.api.post(self.service.listen_address(), Incoming::text(1001, text)), 200);
        self.api.wait_for_message_after(seen, |message| !is_notice(message)).plain
    }

    /// Asks for a change until the bot confirms it.
    fn change(&self, text: &str) {
        wait_until(&format!("the confirmation of {text}"), || {
            (!self.ask(text).starts_with('❌')).then_some(())
        });
    }

    /// Starts the service again, after killing it if it still runs.
    fn restart(&mut self) {
        let starts = self.api.webhook_history().len() + 1;
        self.service.restart();
        self.radio = Self::capture(&mut self.service);
        self.api.webhook_number(starts);
        self.service.wait_for_log_event("webhook_registered", &[]);
    }

    fn check(&self) {
        let config = self.service.config_path();
        let output = probewatch(&["check", "-c", config.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    fn status(&self) -> Value {
        let config = self.service.config_path();
        let output = probewatch(&["status", "--json", "-c", config.to_str().unwrap()]);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn shorten(segment: &Path, lines: usize) {
    let text = fs::read_to_string(segment).unwrap();
    let kept: String = text.split_inclusive('\n').take(lines).collect();
    assert!(kept.len() < text.len());
    fs::File::options().write(true).open(segment).unwrap().set_len(kept.len() as u64).unwrap();
}

/// Attacks a service, and checks that it forgets neither what it confirmed before nor what it confirms after.
fn survives(attack: impl FnOnce(&Bed)) {
    let mut bed = Bed::start();
    bed.change("/watch Depot before");
    bed.change(&format!("/name {VISITOR} Zoë"));
    attack(&bed);
    bed.change("/watch Harbour after");
    bed.service.wait_for_log_event("state_rescued", &[]);
    // The command line still finds the service.
    bed.check();
    assert!(bed.status()["lost_events"].as_u64() > Some(0));
    wait_until("health after the recovery", || (bed.health().0 == 200).then_some(()));

    bed.restart();
    assert!(bed.status()["lost_events"].as_u64() > Some(0), "the count outlives a restart");
    for entry in fs::read_dir(bed.data().join("events")).unwrap().map(Result::unwrap) {
        let is_aside = entry.file_name().to_string_lossy().contains("damaged");
        assert!(!is_aside || entry.metadata().unwrap().len() > 0, "{entry:?} is kept and empty");
    }
    let watches = bed.ask("/watches");
    assert!(watches.contains("Depot") && watches.contains("Harbour"), "{watches}");
    assert!(bed.ask("Zoë").contains(VISITOR));
    bed.check();
    assert!(bed.service.terminate().success());
    // Nor does a rebuild forget it.
    fs::remove_dir_all(bed.data().join("state")).unwrap();
    bed.restart();
    assert!(bed.ask("Zoë").contains(VISITOR));
    bed.check();
    bed.api.assert_clean();
}

#[test]
fn the_data_directory_is_removed() {
    survives(|bed| fs::remove_dir_all(bed.data()).unwrap());
}

#[test]
fn the_data_directory_is_replaced_by_an_older_copy() {
    survives(|bed| {
        let older = bed.data().with_file_name("older");
        let copied = process::output(Command::new("cp").arg("-a").arg(bed.data()).arg(&older));
        assert!(copied.status.success(), "{copied:?}");
        bed.change("/watch Island between");
        fs::rename(bed.data(), bed.data().with_file_name("aside")).unwrap();
        fs::rename(older, bed.data()).unwrap();
    });
}

#[test]
fn the_open_segment_is_removed() {
    survives(|bed| fs::remove_file(bed.segment()).unwrap());
}

#[test]
fn the_open_segment_is_shortened() {
    survives(|bed| shorten(&bed.segment(), 1));
}

#[test]
fn while_there_can_be_no_directory_nothing_is_confirmed() {
    let bed = Bed::start();
    bed.change("/watch Depot before");
    wait_until("health", || (bed.health().0 == 200).then_some(()));
    fs::rename(bed.data(), bed.data().with_file_name("aside")).unwrap();
    fs::write(bed.data(), "a file where the directory was").unwrap();
    // It notices without anything to write.
    let health = wait_until("the failure", || Some(bed.health()).filter(|(status, _)| *status == 503));
    assert!(health.1.starts_with("writing to the log fails: "), "{}", health.1);
    let shown = bed.ask("/status");
    assert!(shown.contains("Writing to disk fails") && !shown.contains("ree some space"), "{shown}");
    let stopped = bed.api.wait_for_message(is_notice).plain;
    assert!(stopped.starts_with("⚠️ Recording has stopped"), "{stopped}");
    assert!(!stopped.contains("ree some space"), "{stopped}");
    for _ in 0..3 {
        let refused = bed.ask("/watch Harbour after");
        assert!(refused.starts_with("❌ That could not be saved: "), "{refused}");
    }
    assert!(bed.ask("/watches").contains("Depot"), "it answers meanwhile");
    fs::remove_file(bed.data()).unwrap();
    let resumed = bed.api.wait_for_message(|message| is_notice(message) && message.plain != stopped).plain;
    assert!(resumed.contains("gone from the log"), "{resumed}");
    bed.change("/watch Harbour after");
    bed.api.assert_clean();
}

#[test]
fn the_lock_is_taken_by_another_service_after_its_file_was_removed() {
    let bed = Bed::start();
    bed.change("/watch Depot before");
    let lock = bed.data().join("lock");
    fs::remove_file(&lock).unwrap();
    wait_until("the lock made again", || lock.exists().then_some(()));
    let owner =
        wait_until("who has it", || Some(fs::read_to_string(&lock).unwrap()).filter(|text| !text.is_empty()));
    assert_eq!(owner.lines().next(), Some(bed.service.id().to_string().as_str()));
    // Another program that is faster keeps it, and the service keeps out.
    let other = bed.data().with_file_name("lock of another");
    let held = fs::File::create(&other).unwrap();
    held.lock().unwrap();
    fs::rename(&other, &lock).unwrap();
    let health = wait_until("the failure", || Some(bed.health()).filter(|(status, _)| *status == 503));
    assert!(health.1.contains("is in use by another probewatch"), "{}", health.1);
    assert!(bed.ask("/watch Harbour after").starts_with('❌'));
    drop(held);
    bed.change("/watch Harbour after");
    bed.check();
}

#[test]
fn a_log_that_ends_before_the_state_at_the_start_costs_no_state() {
    let mut bed = Bed::start();
    bed.change("/watch Depot before");
    bed.change(&format!("/name {VISITOR} Zoë"));
    assert!(bed.service.terminate().success());
    shorten(&bed.segment(), 2);
    bed.restart();
    bed.service.wait_for_log_event("log_tail_lost", &[("from", "2")]);
    bed.api.wait_for_message(is_report_of_start);
    assert!(bed.ask("/watches").contains("Depot"));
    assert!(bed.ask("Zoë").contains(VISITOR));
    assert!(bed.status()["lost_events"].as_u64() > Some(0));
    bed.check();
    assert!(bed.service.terminate().success());
    bed.check();
}

/// Whether this says that the log had lost its end when the service started.
fn is_report_of_start(message: &SentMessage) -> bool {
    is_notice(message)
        && message.plain.contains("when the service started, the log ended before the saved state")
}

#[test]
fn the_log_was_removed_while_no_service_ran() {
    let mut bed = Bed::start();
    bed.change("/watch Depot before");
    assert!(bed.service.terminate().success());
    fs::remove_dir_all(bed.data().join("events")).unwrap();
    bed.restart();
    bed.api.wait_for_message(is_report_of_start);
    assert!(bed.ask("/watches").contains("Depot"));
    let lost = bed.status()["lost_events"].as_u64();
    assert!(lost > Some(0));
    assert!(bed.service.terminate().success());
    // It is told once, and stays counted.
    bed.restart();
    bed.change("/watch Harbour after");
    assert_eq!(bed.status()["lost_events"].as_u64(), lost);
    assert_eq!(bed.api.sent().iter().filter(|message| is_report_of_start(message)).count(), 1);
    bed.check();
    bed.api.assert_clean();
}

/// What another process has confirmed stays as it is, and the state of this one is saved beside it.
#[test]
fn another_process_takes_over_the_data_directory() {
    let mut bed = Bed::start();
    bed.change("/watch Depot before");
    let other = bed.data().with_file_name("other");
    let running = Running::start(settings(&other));
    let (address, name) = (VISITOR.parse().unwrap(), "Zoë".to_owned());
    let confirmed = EventKind::Name { address, name, by: NamedBy::Chat };
    running.record(&Input::Change(Event::new(Timestamp::now(), confirmed)));
    running.stop();
    let before = events(&other);
    rename_exchange(&other, &bed.data());
    assert!(!bed.service.wait_for_exit().success());
    assert_eq!(events(&bed.data()), before);
    let left = bed.service.wait_for_log_event("data_dir_taken_over", &[]);
    assert!(left.contains("was taken over by another probewatch") && left.contains("saved-state-"), "{left}");
    let saved = fs::read_dir(bed.data()).unwrap().map(|entry| entry.unwrap().path());
    let saved = saved.into_iter().find(|path| path.to_string_lossy().contains("saved-state-")).unwrap();
    let state = open_offline(&saved).state(&mut |_| {}).unwrap();
    assert_eq!(state.watches().len(), 1);
    // The next start goes on with what the other has confirmed.
    bed.restart();
    assert!(bed.ask("Zoë").contains(VISITOR));
    bed.check();
}

/// Gives each of the two the other's name, in one step.
fn rename_exchange(one: &Path, other: &Path) {
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    rustix::fs::renameat_with(rustix::fs::CWD, one, rustix::fs::CWD, other, flags).unwrap();
}
