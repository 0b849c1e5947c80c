//! A recorder on a folder of its own, run to its end, and what the next one makes of that folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Runtime;

use super::handle::Input;
use super::*;
use crate::event::{ChatId, DeviceKey, Event, EventKind, GroupingMode, NamedBy, Offset, Probe, Timestamp};
use crate::event_log::{LogError, OsVfs, Rotation, Snapshots};
use crate::state::{AlertPolicy, State, StateStoreError};
use dot11::{MacAddr, RequestedSsid, Signature, Ssid};

const CHAT: ChatId = ChatId(7);
const LIMIT: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

pub(super) fn settings(data_dir: &Path) -> RecorderSettings {
    RecorderSettings {
        data_dir: data_dir.to_owned(),
        vfs: Arc::new(OsVfs),
        fsync_interval: Duration::ZERO,
        checkpoint_interval: Duration::from_secs(3600),
        rotation: Rotation { bytes: 4_000, age: Duration::MAX },
        alerts: AlertPolicy {
            chats: vec![CHAT],
            cooldown: Duration::from_secs(600),
            max_age: DAY,
            capturing_since: None,
            quiet_hours: None,
        },
        retention: Retention::default(),
        devices_memory_limit: usize::MAX,
        built: Timestamp::from_micros(0),
    }
}

pub(super) fn address(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr::new([0x00, 0x11, a, b, c, d])
}

fn network(number: u32) -> Ssid {
    Ssid::from(format!("net {number}").as_str())
}

/// One of the probes of the last minutes: the log is as old as its files, and those are made now.
pub(super) fn probe(number: u32) -> Probe {
    let start = Timestamp::now().saturating_sub(Duration::from_secs(3600));
    let ssid = RequestedSsid::Named(network(number % 10));
    let probe = Probe::example(address(number % 20), ssid, start.as_micros());
    Probe { signature: Signature::from_u64(1 + u64::from(number % 3)), ..probe }
}

pub(super) fn captured(probe: Probe) -> CapturedProbe {
    CapturedProbe { probe, elements: Some(Box::from([0, 0, 1, 1, 2])) }
}

pub(super) struct Running {
    pub(super) runtime: Runtime,
    pub(super) handle: RecorderHandle,
    thread: JoinHandle<Result<(), RecorderError>>,
}

impl Running {
    pub(super) fn start(settings: RecorderSettings) -> Self {
        let runtime = runtime();
        let (recorder, handle) = Recorder::open(settings).unwrap();
        let on = runtime.handle().clone();
        let thread = std::thread::spawn(move || recorder.run(&on));
        Self { runtime, handle, thread }
    }

    pub(super) fn record(&self, probes: impl IntoIterator<Item = Probe>) {
        probes.into_iter().for_each(|probe| self.handle.record(captured(probe)).unwrap());
        self.sync();
    }

    /// Waits for at most a minute.
    pub(super) fn in_time<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(LIMIT, what).await.unwrap() })
    }

    pub(super) fn sync(&self) {
        self.runtime.block_on(self.handle.sync()).unwrap();
    }

    pub(super) fn change(&self, kind: EventKind) {
        let event = Event::new(self.handle.now(), kind);
        self.runtime.block_on(self.handle.change(event)).unwrap();
    }

    /// Says something of everything, so that the state has all kinds of rows that a chat makes.
    pub(super) fn use_everything(&self) {
        let device = DeviceKey::Address(address(3));
        self.change(EventKind::SetGrouping { mode: GroupingMode::Returns });
        self.change(EventKind::Watch { chat: CHAT, ssid: network(1), reason: Some("the van".to_owned()) });
        self.change(EventKind::Name { address: address(1), name: "Zoë".to_owned(), by: NamedBy::Chat });
        let silence_seconds = 900;
        self.change(EventKind::Follow { chat: CHAT, device, silence_seconds, members: Vec::new() });
        self.change(EventKind::Mute { chat: ChatId(8), until: Timestamp::MAX });
        self.change(EventKind::UpdateHandled { update: 5 });
    }

    /// Ends it, and returns the state that it had.
    pub(super) fn stop(self) -> State {
        self.sync();
        let state = self.handle.state().clone();
        self.runtime.block_on(self.handle.stop());
        self.thread.join().unwrap().unwrap();
        assert!(self.runtime.block_on(self.handle.sync()).is_err(), "it has stopped");
        state
    }
}

/// Records 200 probes and what chats say.
pub(super) fn recorded(data_dir: &Path) -> State {
    let running = Running::start(settings(data_dir));
    running.record((0..100).map(probe));
    running.use_everything();
    running.record((100..200).map(probe));
    running.stop()
}

/// The state with which the next recorder begins. Nothing is recorded.
pub(super) fn state_at_start(data_dir: &Path) -> State {
    let (_recorder, handle) = Recorder::open(settings(data_dir)).unwrap();
    handle.state().clone()
}

fn wait_until(what: &str, is_there: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_there() {
        assert!(Instant::now() < end, "waited for {what}");
        std::thread::yield_now();
    }
}

pub(super) fn no_progress() -> impl FnMut(Offset) {
    |_| {}
}

/// Compares the saved state with the log. The last is the damage.
pub(super) fn check(data_dir: &Path) -> CheckReport {
    OfflineDataDir::open(data_dir).unwrap().check(100, &mut no_progress()).unwrap()
}

pub(super) fn segments(data_dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(data_dir.join("events")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_restart_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let before = recorded(dir.path());
    assert_eq!(before.totals().probes, 200);
    assert!(before.alerts().waiting() > 0 && before.follows().iter().count() == 1);
    assert!(before.elements(Signature::from_u64(1)).is_some());
    let report = check(dir.path());
    assert_eq!((report.end, &report.checkpoint), (before.next_offset(), &Ok(before.next_offset())));
    assert_eq!((report.devices, report.damaged, report.differences.count), (20, 0, 0), "{report:?}");
    let mut offline = OfflineDataDir::open(dir.path()).unwrap();
    assert_eq!(offline.state(&mut no_progress()).unwrap(), before);
    assert_eq!(offline.log_size().unwrap().bytes, offline.log().total_bytes());
    assert_eq!(offline.rebuild(&mut no_progress()).unwrap(), before);
    drop(offline);
    assert_eq!(state_at_start(dir.path()), before);
}

#[test]
fn a_check_finds_a_state_that_does_not_follow_from_the_log() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = recorded(dir.path());
    let running = Running::start(settings(other.path()));
    // As many events, with that about the model, but of one network and another address.
    running.record((0..one.next_offset().0 as u32 - 1).map(|_| probe(1_000_001)));
    running.stop();
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    fs::rename(other.path().join("state"), dir.path().join("state")).unwrap();
    let report = check(dir.path());
    assert!(report.differences.count > 20 && report.damaged == 0, "{report:?}");
    assert_eq!(report.differences.count, report.differences.first.len() as u64);
    // A limit bounds what is described, not what is counted.
    let offline = OfflineDataDir::open(dir.path()).unwrap();
    let few = offline.check(3, &mut no_progress()).unwrap().differences;
    assert_eq!((few.count, &few.first[..]), (report.differences.count, &report.differences.first[..3]));
}

#[test]
fn a_log_that_is_too_large_loses_its_oldest_segments_and_the_state_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let before = recorded(dir.path());
    let oldest = segments(dir.path()).remove(0);
    let retention = Retention { log_bytes: Some(1), ..Retention::default() };
    let running = Running::start(RecorderSettings { retention, ..settings(dir.path()) });
    running.record((0..200).map(probe));
    wait_until("the oldest segment to leave", || !oldest.exists());
    let after = running.stop();
    assert_eq!(Snapshots::of(dir.path()).list().unwrap().len(), 1);
    assert_eq!(after.totals().probes, before.totals().probes + 200);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    assert_eq!(state_at_start(dir.path()), after);
    let report = check(dir.path());
    assert_eq!((report.damaged, report.differences.count), (0, 0), "{report:?}");
    let offline = OfflineDataDir::open(dir.path()).unwrap();
    assert!(offline.log().first_offset() > Offset(0));
}

#[test]
fn what_is_too_old_leaves_the_log_unless_a_person_keeps_it() {
    for keep in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        recorded(dir.path());
        let running = Running::start(settings(dir.path()));
        running.change(EventKind::KeepLog { keep });
        running.stop();
        let oldest = segments(dir.path()).remove(0);
        let two_days_ago = SystemTime::now() - 2 * DAY;
        for path in segments(dir.path()) {
            fs::File::options().append(true).open(path).unwrap().set_modified(two_days_ago).unwrap();
        }
        let retention = Retention { log_age: Some(DAY), ..Retention::default() };
        // The end waits for the snapshot that comes before.
        let before = Running::start(RecorderSettings { retention, ..settings(dir.path()) }).stop();
        assert_eq!(oldest.exists(), keep);
        assert_eq!(state_at_start(dir.path()), before);
    }
}

#[test]
fn a_snapshot_is_imported_into_an_empty_folder_only() {
    let (dir, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = recorded(dir.path());
    let mut snapshot = Vec::new();
    before.image().write_to(Timestamp::now(), &mut snapshot).unwrap();
    let import = |text: &[u8]| import(&settings(new.path()), text, Timestamp::now());
    let last_line = snapshot[..snapshot.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    assert!(matches!(import(&snapshot[..=last_line]), Err(ImportError::Snapshot(_))));
    assert_eq!(import(&snapshot).unwrap(), before);
    assert_eq!(state_at_start(new.path()), before);
    let error = import(&snapshot).unwrap_err();
    assert!(matches!(error, ImportError::NotEmpty { .. }) && error.remedy().is_some(), "{error}");
    // What follows has the next offsets.
    let running = Running::start(settings(new.path()));
    running.record([probe(0)]);
    let after = running.stop();
    assert_eq!((after.next_offset(), after.totals().probes), (before.next_offset().next(), 201));
    fs::remove_dir_all(new.path().join("state")).unwrap();
    assert_eq!(state_at_start(new.path()), after);
}

#[test]
fn history_finds_the_probes_of_a_device_and_of_a_network() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(settings(dir.path()));
    let start = Timestamp::now().saturating_sub(Duration::from_secs(3600));
    let at = |second: u32| start.saturating_add(Duration::from_secs(u64::from(second)));
    let all: Vec<Probe> = (0..200).map(|number| Probe { time: at(number), ..probe(number) }).collect();
    all.chunks(20).for_each(|some| running.record(some.iter().cloned()));
    let unsealed =
        || segments(dir.path()).iter().filter(|path| path.extension() != Some("zst".as_ref())).count();
    wait_until("full segments to be sealed", || unsealed() <= 1);
    assert!(segments(dir.path()).len() > 4);
    let history = running.handle.history();
    let everything = Timestamp::from_micros(0)..Timestamp::MAX;
    let read = |filter: &ProbeFilter, range: std::ops::Range<Timestamp>| {
        let (mut found, mut parts) = (Vec::new(), Vec::new());
        let go_on = |part: f64| {
            parts.push(part);
            ControlFlow::Continue(())
        };
        history.read(filter, range, go_on, |_, probe| found.push(probe)).unwrap();
        assert!(parts.is_sorted() && parts[0] == 0.0 && parts.iter().all(|part| *part <= 1.0), "{parts:?}");
        found
    };
    let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<Probe> {
        all.iter().enumerate().filter(|(number, _)| wanted(*number)).map(|(_, probe)| probe.clone()).collect()
    };
    let filters: [(ProbeFilter, &dyn Fn(usize) -> bool); 3] = [
        (ProbeFilter::All, &|_| true),
        (ProbeFilter::Addresses(vec![address(3), address(4)]), &|number| matches!(number % 20, 3 | 4)),
        (ProbeFilter::Network(network(7)), &|number| number % 10 == 7),
    ];
    for (filter, wanted) in filters {
        assert_eq!(read(&filter, everything.clone()), of(wanted), "{filter:?}");
        let part = read(&filter, at(50)..at(150));
        assert_eq!(part, of(&|number| (50..150).contains(&number) && wanted(number)), "{filter:?}");
        // Again, now that it is known which segments are later.
        assert_eq!(read(&filter, at(50)..at(150)), part, "{filter:?}");
        let newest = history.newest(&filter, at(0), 15, || ControlFlow::Continue(())).unwrap();
        let newest: Vec<Probe> = newest.into_iter().map(|(_, probe)| probe).collect();
        assert_eq!(newest, of(wanted).into_iter().rev().take(15).collect::<Vec<_>>(), "{filter:?}");
    }
    assert_eq!(history.newest(&ProbeFilter::All, at(0), 5, || ControlFlow::Break(())).unwrap(), []);
    assert!(history.has_probe_from(&all[0].sensor).unwrap() && !history.has_probe_from("mon7").unwrap());
    let size = history.size().unwrap();
    assert_eq!(size.oldest, Some(at(0)));
    let files = segments(dir.path());
    assert_eq!(size.bytes, files.iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>());
    running.stop();
}

#[test]
fn the_names_of_the_configuration_are_those_that_it_has_now() {
    let dir = tempfile::tempdir().unwrap();
    let names = |names: &[(u32, &str)]| -> BTreeMap<MacAddr, String> {
        names.iter().map(|(number, name)| (address(*number), (*name).to_owned())).collect()
    };
    for (configured, events) in
        [(&[(1, "Anna"), (2, "Bob")][..], 2), (&[(1, "Anna"), (2, "Bob")], 0), (&[(2, "Rob"), (3, "Zoë")], 3)]
    {
        let (mut recorder, handle) = Recorder::open(settings(dir.path())).unwrap();
        let before = handle.state().next_offset();
        recorder.set_configured_names(&names(configured), handle.now()).unwrap();
        assert_eq!(handle.state().next_offset().0 - before.0, events);
        let known: BTreeMap<MacAddr, String> =
            handle.state().names().configured().map(|(address, name)| (address, name.to_owned())).collect();
        assert_eq!(known, names(configured));
    }
}

#[test]
fn alerts_that_waited_too_long_are_only_counted_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(settings(dir.path()));
    running.use_everything();
    running.record([probe(1), Probe { time: running.handle.now(), ..probe(11) }]);
    let before = running.stop();
    assert_eq!((before.alerts().waiting(), before.alerts().overflow(CHAT)), (2, None));
    let mut alerts = settings(dir.path()).alerts;
    alerts.max_age = Duration::from_secs(1800);
    let (_recorder, handle) = Recorder::open(RecorderSettings { alerts, ..settings(dir.path()) }).unwrap();
    let state = handle.state();
    assert_eq!((state.alerts().waiting(), state.alerts().overflow(CHAT).unwrap().count()), (1, 1));
}

#[test]
fn a_followed_device_leaves_once_frames_were_captured_long_enough() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(settings(dir.path()));
    running.record([Probe { time: running.handle.now(), ..probe(3) }]);
    running.use_everything();
    let is_here =
        |running: &Running| running.handle.state().follows().iter().any(|(_, one)| one.value.is_here);
    assert!(is_here(&running));
    let before = running.stop();
    assert_eq!(before.alerts().waiting(), 0);
    // An hour later; that nothing was captured meanwhile proves no absence.
    for (capturing_for, is_gone) in [(0, false), (7200, true)] {
        let (mut recorder, handle) = Recorder::open(settings(dir.path())).unwrap();
        let now = handle.now().saturating_add(Duration::from_secs(3600));
        let since = now.saturating_sub(Duration::from_secs(capturing_for));
        handle.set_capturing_since(move |_| Some(since));
        recorder.update_coverage(now);
        let left = handle.state().departures(now, &recorder.settings.alerts);
        assert_eq!(left.len(), usize::from(is_gone));
    }
}

#[test]
fn a_stop_leaves_out_probes_after_its_limit_and_counts_them() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, handle) = Recorder::open(settings(dir.path())).unwrap();
    for number in 0..600 {
        assert!(handle.try_record(captured(probe(number))).is_none());
    }
    let runtime = runtime();
    handle.discard_probes_after(Duration::ZERO);
    runtime.block_on(handle.stop());
    recorder.run(runtime.handle()).unwrap();
    assert_eq!(handle.losses().queue_full.load(Ordering::Relaxed), 600);
    drop(handle);
    assert_eq!(state_at_start(dir.path()).totals().probes, 0);
}

#[test]
fn a_full_queue_gives_the_probe_back_and_counts_it() {
    let dir = tempfile::tempdir().unwrap();
    let rotation = Rotation { bytes: u64::MAX, age: Duration::MAX };
    let (recorder, handle) = Recorder::open(RecorderSettings { rotation, ..settings(dir.path()) }).unwrap();
    let mut taken = 0;
    while handle.try_record(captured(probe(taken))).is_none() {
        taken += 1;
    }
    assert_eq!((taken, handle.losses().queue_full.load(Ordering::Relaxed)), (32_768, 1));
    drop(handle);
    // It records what is there and ends, since nobody can hand it more.
    recorder.run(runtime().handle()).unwrap();
    assert_eq!(state_at_start(dir.path()).totals().probes, 32_768);
}

#[test]
fn a_data_directory_has_one_user_at_a_time_and_the_other_hears_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (_recorder, handle) = Recorder::open(settings(dir.path())).unwrap();
    let errors = [
        Recorder::open(settings(dir.path())).map(drop).unwrap_err(),
        OfflineDataDir::open(dir.path()).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, RecorderError::Lock(_)), "{error}");
        assert!(error.remedy().unwrap().contains("stop that first"));
    }
    // The floor of the time only rises.
    let later = handle.now().saturating_add(DAY);
    handle.raise_time_floor(later);
    handle.raise_time_floor(Timestamp::from_micros(0));
    assert_eq!(handle.time_floor(), Some(later));
    assert_eq!(handle.clock_doubt(), None);
}

#[test]
fn each_error_says_what_to_do() {
    let disk = LogError::new("write", Path::new("x"))(io::Error::from(io::ErrorKind::StorageFull));
    let full = StateStoreError::NoRoom { needed: 1 };
    assert_eq!(RecorderError::Store(full).remedy(), Some("free some disk space"));
    assert_eq!(RecorderError::Log(disk).remedy(), Some("free some space on the disk"));
    let check = |error: CheckError| error.remedy();
    assert_eq!(check(CheckError::Moving), Some("try again in a minute"));
    assert!(check(CheckError::Copy(io::Error::other("full"))).unwrap().contains("make room"));
    assert_eq!(check(CheckError::Unwritten(ChangeError::Stopped)), None);
    assert_eq!(
        check(CheckError::Unwritten(ChangeError::Disk(String::new()))),
        Some("try again once the disk works")
    );
}

#[test]
fn an_input_has_the_address_of_its_probe() {
    assert_eq!(Input::Probe(captured(probe(3))).source(), Some(address(3)));
    assert_eq!(Input::Stop.source(), None);
}

#[test]
fn a_copy_of_the_state_equals_the_log_while_recording_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(settings(dir.path()));
    running.record((0..100).map(probe));
    running.use_everything();
    let mut file = tempfile::tempfile().unwrap();
    running.handle.write_image(running.runtime.handle(), &mut file).unwrap();
    let image = running.handle.image();
    running.record((100..150).map(probe));
    let report = check_image(dir.path(), &mut file, 10, &mut |_, _| {}).unwrap();
    assert_eq!((report.end, &report.checkpoint), (image.next_offset(), &Ok(image.next_offset())));
    assert_eq!((report.devices, report.damaged, report.differences.count), (20, 0, 0), "{report:?}");
    running.stop();
}

#[test]
fn changes_tell_who_waits_for_alerts_and_what_became_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(settings(dir.path()));
    running.use_everything();
    running.record([probe(1)]);
    running.in_time(running.handle.alert_raised());
    let probe_offset = running.handle.state().alerts().waiting_for(CHAT).next().unwrap().0;
    running.change(EventKind::Delivered { probe: probe_offset, chat: CHAT, message: None });
    assert_eq!(running.handle.state().alerts().waiting(), 0);
    // What a mute kept back can be reported when it ends.
    running.change(EventKind::Unmute { chat: ChatId(8) });
    running.in_time(running.handle.alert_raised());
    let iterations = running.handle.iterations();
    // The first may be answered by the iteration at hand.
    (0..2).for_each(|_| running.sync());
    assert!(running.handle.iterations() > iterations);
    running.stop();
}

/// A flood of invented addresses fills the log; what else was heard stays in it.
#[test]
fn a_log_that_is_full_of_a_flood_loses_the_flood_first() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(settings(dir.path()));
    let start = Timestamp::now().saturating_sub(Duration::from_secs(3600));
    let random = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr::new([0x02, 0x11, a, b, c, d])
    };
    running.use_everything();
    running.record((0..50).map(probe));
    running.change(EventKind::Name { address: random(5), name: "Bob".to_owned(), by: NamedBy::Chat });
    running.record((0..500).map(|number| {
        let time = start.saturating_add(Duration::from_millis(10 * u64::from(number)));
        Probe { time, source: random(number), ssid: RequestedSsid::Wildcard, ..probe(number) }
    }));
    let before = running.stop();
    let size = OfflineDataDir::open(dir.path()).unwrap().log_size().unwrap().bytes;
    let retention = Retention { log_bytes: Some(size - size / 8), ..Retention::default() };
    let running = Running::start(RecorderSettings { retention, ..settings(dir.path()) });
    wait_until("the log to be thinned", || running.handle.state().totals().thinned_probes > 0);
    let after = running.stop();
    let (mut known, mut flood) = (0, 0);
    let history = OfflineDataDir::open(dir.path()).unwrap();
    for (_, event) in history.log().read_from(Offset(0)).map(Result::unwrap) {
        if let EventKind::Probe(probe) = event.kind {
            let is_flood = probe.source.is_random() && probe.source != random(5);
            (known, flood) = (known + u64::from(!is_flood), flood + u64::from(is_flood));
        }
    }
    assert_eq!(known, 51, "no other probe is left out");
    assert_eq!(flood + after.totals().thinned_probes, 499);
    assert_eq!(after.totals().probes, before.totals().probes);
    drop(history);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    assert_eq!(state_at_start(dir.path()), after);
}
