//! The log stays below its limits. A snapshot contains the state of the pruned segments, so `check` and `rebuild` agree
//! before and after pruning. A disk that fails meanwhile loses nothing that was acknowledged.

use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dot11::{MacAddr, RequestedSsid, Ssid};
use probewatch::api;
use probewatch::api::export::{Export, Format, Period, Selection, What};
use store::event::{Event, EventKind, NamedBy, Offset, Probe, Timestamp};
use store::event_log::{self, Rotation};
use store::recorder::Retention;
use store::recorder::{ProbeFilter, RecorderSettings};
use store::state::State;

use crate::support::faulty_disk::{Fault, FaultyDisk, Operation};
use crate::support::recorder::{Input, Running, addresses, assert_same, fold, open_offline, probe, settings};
use crate::support::{wait, wait_until};

const LIMIT: u64 = 64 << 10;
const SEGMENT: u64 = 8 << 10;

fn keeping(data_dir: &Path, retention: Retention) -> RecorderSettings {
    let rotation = Rotation { bytes: SEGMENT, age: Duration::from_secs(3600) };
    RecorderSettings { rotation, retention, ..settings(data_dir) }
}

fn log_bytes(data_dir: &Path) -> u64 {
    let sizes = fs::read_dir(data_dir.join("events")).unwrap();
    // A segment may have been sealed since the folder was listed.
    sizes.map(|entry| entry.unwrap().metadata().map_or(0, |file| file.len())).sum()
}

fn first_offset(data_dir: &Path) -> Offset {
    event_log::recover(&data_dir.join("events")).unwrap().first_offset()
}

/// The files of the sealed segments, oldest first.
fn sealed(data_dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(data_dir.join("events")).unwrap().map(|entry| entry.unwrap().path());
    let mut sealed: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "zst")).collect();
    sealed.sort();
    assert!(sealed.len() > 5, "{sealed:?}");
    sealed
}

/// Records this many probes. They have many addresses and networks, so that they compress badly.
fn record(running: &Running, from: u64, count: u64) {
    for number in from..from + count {
        let [.., a, b, c, d] = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let source = MacAddr::new([0x02, a, b, c, d, number as u8]);
        let ssid = RequestedSsid::Named(Ssid::from(format!("{a:x}{b:x}{c:x} {d:x}").as_str()));
        running.record(&Input::Probe(probe(source, ssid, number as i64 * 2_000_000)));
        running.record(&Input::Probe(probe(
            addresses()[0],
            RequestedSsid::Wildcard,
            number as i64 * 2_000_000,
        )));
        if number % 16 == 0 {
            running.sync();
        }
    }
    running.sync();
}

/// Checks that the log with its snapshot and sled give the same state, and returns it.
#[track_caller]
fn assert_agreed(data_dir: &Path) -> State {
    let mut stored = open_offline(data_dir);
    let check = stored.check(10, &mut |_| {}).unwrap();
    assert!(check.damage.is_empty(), "{:?}", check.damage);
    assert!(check.checkpoint.is_ok(), "{:?}", check.checkpoint);
    assert_eq!(format!("{:?}", check.differences), format!("{:?}", store::state::Differences::default()));
    let before = stored.state(&mut |_| {}).unwrap();
    let rebuilt = stored.rebuild(&mut |_| {}).unwrap();
    assert_same(&before, &rebuilt);
    rebuilt
}

#[test]
fn a_log_stays_below_its_limit_and_loses_nothing_from_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    let retention = Retention { log_bytes: Some(LIMIT), ..Retention::default() };
    // For comparison, the same without a limit.
    let whole = tempfile::tempdir().unwrap();
    let all = Running::start(keeping(whole.path(), Retention::default()));
    let running = Running::start(keeping(data_dir, retention));
    let name = Event::new(
        Timestamp::from_micros(0),
        EventKind::Name { address: addresses()[0], name: "Alice".into(), by: NamedBy::Chat },
    );
    for recorder in [&all, &running] {
        recorder.record(&Input::Change(name.clone()));
    }
    let mut recorded = 0;
    // Until segments were pruned twice and the second snapshot has replaced the first.
    let snapshots = || -> Vec<_> {
        let listed = fs::read_dir(data_dir.join("snapshots"));
        let names = listed.into_iter().flatten().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().ends_with(".zst")).collect()
    };
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 2 || running.handle.state().next_offset().0 < 4000 {
        record(&all, recorded, 100);
        record(&running, recorded, 100);
        recorded += 100;
        seen.extend(snapshots());
        assert!(recorded < 200_000, "no segment ever goes: {seen:?}");
    }
    running.stop();
    all.stop();
    // Events that were recorded during the last snapshot may exceed the limit for a moment.
    let running = Running::start(keeping(data_dir, retention));
    wait_until("the log to be within its limit", || (log_bytes(data_dir) <= LIMIT).then_some(()));
    running.stop();
    assert!(first_offset(data_dir) > Offset(0));
    assert_eq!(snapshots().len(), 1, "an older snapshot goes with the next");
    let state = assert_agreed(data_dir);
    assert_eq!(state.totals().probes, 2 * recorded);
    assert_same(&state, &assert_agreed(whole.path()));
    // A start without sled continues with the same state.
    fs::remove_dir_all(data_dir.join("state")).unwrap();
    let running = Running::start(keeping(data_dir, retention));
    assert_same(&running.handle.state(), &state);
    running.stop();
}

#[test]
fn only_old_segments_are_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    let running = Running::start(keeping(data_dir, Retention::default()));
    record(&running, 0, 400);
    running.stop();
    let sealed = sealed(data_dir);
    let two_days = SystemTime::now() - Duration::from_secs(2 * 86_400);
    for path in &sealed[..3] {
        fs::File::options().append(true).open(path).unwrap().set_modified(two_days).unwrap();
    }
    let before = assert_agreed(data_dir);
    let retention = Retention { log_age: Some(Duration::from_secs(86_400)), ..Retention::default() };
    Running::start(keeping(data_dir, retention)).stop();
    let gone: Vec<bool> = sealed.iter().map(|path| !path.exists()).collect();
    assert_eq!(gone.iter().filter(|gone| **gone).count(), 3, "{gone:?}");
    assert!(gone[..3].iter().all(|gone| *gone), "the oldest went: {gone:?}");
    assert_same(&assert_agreed(data_dir), &before);
}

#[test]
fn a_failing_disk_loses_nothing_that_was_acknowledged() {
    for (only, errno) in
        [(Operation::Write, libc::EIO), (Operation::Sync, libc::EIO), (Operation::Write, libc::EROFS)]
    {
        for is_short in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let disk = FaultyDisk::default();
            let on_disk = RecorderSettings { vfs: Arc::new(disk.clone()), ..settings(folder.path()) };
            let running = Running::start(on_disk.clone());
            let record_probe = |number: i64| {
                running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, number)));
            };
            (0..50).for_each(record_probe);
            running.sync();
            let operations = disk.operations()..usize::MAX;
            disk.fail(Fault { operations, only: Some(only), errno, is_short });
            (50..100).for_each(record_probe);
            assert!(
                wait::block_on(&running.runtime, "the log to be on disk", running.handle.sync()).is_err()
            );
            let name = Event::new(
                Timestamp::from_micros(0),
                EventKind::Name { address: addresses()[0], name: "Alice".into(), by: NamedBy::Chat },
            );
            assert!(
                wait::block_on(
                    &running.runtime,
                    "a change to be on disk",
                    running.handle.change(name.clone())
                )
                .is_err(),
                "it says so"
            );
            assert_eq!(running.handle.state().totals().probes, 100, "it goes on from memory");
            disk.fail(Fault { operations: 0..0, only: None, errno, is_short: false });
            // Retried every second, without a restart.
            wait::block_on(&running.runtime, "the recorder to fail", async {
                running.handle.subscribe_disk_error().wait_for(Option::is_none).await.unwrap();
            });
            running.record(&Input::Change(name));
            (100..150).for_each(record_probe);
            running.sync();
            let live = running.handle.state().clone();
            assert_eq!(live.totals().probes, 150);
            running.stop();
            let log = event_log::recover_on(Arc::new(disk), &folder.path().join("events")).unwrap();
            let events: Vec<_> = log.read_from(Offset(0)).map(|entry| entry.unwrap()).collect();
            assert_same(&live, &fold(&events));
        }
    }
}

#[test]
fn a_clock_that_was_set_deletes_nothing_and_much_is_announced_first() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    let running = Running::start(keeping(data_dir, Retention::default()));
    record(&running, 0, 400);
    running.stop();
    // All of it was recorded ten years ago. Then the machine's clock was set ten years ahead.
    let ten_years = Duration::from_secs(10 * 365 * 86_400);
    let sealed = sealed(data_dir);
    for path in &sealed {
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - ten_years).unwrap();
    }
    let clock = data_dir.join("clock");
    let mut saved: serde_json::Value = serde_json::from_slice(&fs::read(&clock).unwrap()).unwrap();
    saved["time"] = Timestamp::now().saturating_sub(ten_years).to_string().into();
    fs::write(&clock, saved.to_string()).unwrap();

    let retention = Retention {
        log_age: Some(Duration::from_secs(365 * 86_400)),
        random_addresses: Some(Duration::from_secs(86_400)),
        ..Retention::default()
    };
    let running = Running::start(keeping(data_dir, retention));
    let addresses = running.handle.state().addresses().len();
    let whole = |running: &Running| {
        // Several checks for segments to remove.
        let iterations = running.handle.iterations();
        wait_until("the recorder to go on", || {
            running.sync();
            (running.handle.iterations() > iterations + 20).then_some(())
        });
        assert!(sealed.iter().all(|path| path.exists()));
        assert_eq!(running.handle.state().addresses().len(), addresses);
    };
    assert!(running.handle.clock_doubt().is_some());
    whole(&running);
    assert_eq!(running.handle.pending_deletion(), None);
    // Once the clock is confirmed, ten years are too old. A person has a day to stop that.
    let trust = running.handle.trust_clock();
    wait::block_on(&running.runtime, "the clock to be trusted", trust).unwrap();
    let pending = wait_until("an announcement", || running.handle.pending_deletion());
    assert!(pending.starts > running.handle.now().saturating_add(Duration::from_secs(86_000)));
    assert!(sealed.iter().all(|path| path.exists()));
    let keep = running.handle.change(Event::new(running.handle.now(), EventKind::KeepLog { keep: true }));
    wait::block_on(&running.runtime, "old events to be kept", keep).unwrap();
    wait_until("the end of the announcement", || running.handle.pending_deletion().is_none().then_some(()));
    assert!(sealed.iter().all(|path| path.exists()));
    running.stop();
    assert_agreed(data_dir);
    // The next start knows that somebody stopped it.
    let running = Running::start(keeping(data_dir, retention));
    assert!(running.handle.state().totals().keeps_log);
    running.stop();
    assert!(sealed.iter().all(|path| path.exists()));
}

#[test]
fn a_person_can_keep_old_random_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let retention = Retention { random_addresses: Some(Duration::from_secs(86_400)), ..Retention::default() };
    let decide = |keep| Input::Change(Event::new(Timestamp::now(), EventKind::KeepLog { keep }));
    // The first of them are long too old. A start searches for them.
    let running = Running::start(keeping(folder.path(), Retention::default()));
    record(&running, 0, 20);
    let now = Timestamp::now().as_micros();
    running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, now)));
    running.record(&decide(true));
    running.stop();
    let running = Running::start(keeping(folder.path(), retention));
    running.sync();
    assert_eq!(running.handle.state().addresses().len(), 21);
    running.record(&decide(false));
    wait_until("the old addresses to leave", || {
        running.sync();
        (running.handle.state().addresses().len() == 1).then_some(())
    });
    running.stop();
}

/// The output of an export. Segments are pruned after its first write.
struct WhileSegmentsLeave<'a> {
    written: Vec<u8>,
    leaving: &'a [PathBuf],
}

impl Write for WhileSegmentsLeave<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for path in std::mem::take(&mut self.leaving) {
            fs::remove_file(path)?;
        }
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn segments_pruned_during_an_export_are_not_reported_as_damage() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    let running = Running::start(keeping(data_dir, Retention::default()));
    record(&running, 0, 400);
    running.stop();
    let running = Running::start(keeping(data_dir, Retention::default()));
    let sealed = sealed(data_dir);
    let base = |path: &Path| path.file_name().unwrap().to_str().unwrap()[..20].parse::<u64>().unwrap();
    let end = running.handle.state().next_offset().0;
    let view = api::Live { recorder: running.handle.clone(), runtime: running.runtime.handle().clone() };
    let wanted = Selection {
        what: What::Events,
        format: Format::Ndjson,
        devices: Vec::new(),
        period: Period::default(),
    };
    // The segment that is being read, and two that are not open yet.
    let leaving = [sealed[0].clone(), sealed[1].clone(), sealed[2].clone()];
    let mut out = WhileSegmentsLeave { written: Vec::new(), leaving: &leaving };
    let mut warnings = Vec::new();
    let export = Export::new(&view, &wanted).unwrap();
    let damaged = export.write(&mut out, &mut |what| warnings.push(what.to_string())).unwrap();
    let (from, to) = (base(&sealed[1]), base(&sealed[3]));
    let left = format!(
        "the events from {from} up to {to} were removed while the log was read: they were too old or too many"
    );
    assert_eq!((damaged, warnings), (0, vec![left]));
    let offsets: Vec<u64> = out
        .written
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap()["offset"].as_u64().unwrap())
        .collect();
    assert!(offsets.iter().copied().eq((0..from).chain(to..end)), "{offsets:?}");
    // A segment that is missing from the middle is damage.
    fs::remove_file(&sealed[4]).unwrap();
    let damaged = export.write(&mut Vec::new(), &mut |_| {}).unwrap();
    assert_eq!(damaged, 1);
    running.stop();
}

/// The file's modification time in seconds since the epoch.
fn modified(path: &Path) -> u64 {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn segments_written_under_a_slow_clock_age_by_their_events() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    // The clock is ten days behind the newest event in the log.
    let newest = Timestamp::now().saturating_add(Duration::from_secs(10 * 86_400));
    let running = Running::start(keeping(data_dir, Retention::default()));
    for number in 0..400 {
        let probe = probe(addresses()[0], RequestedSsid::Wildcard, number);
        running.record(&Input::Probe(Probe { not_before: Some(newest), ..probe }));
        running.sync();
    }
    running.stop();
    // The next start seals segments that were left open.
    Running::start(keeping(data_dir, Retention::default())).stop();
    for path in sealed(data_dir) {
        assert_eq!(modified(&path), newest.as_micros().cast_unsigned() / 1_000_000, "{}", path.display());
    }
    let running = Running::start(keeping(data_dir, Retention::default()));
    let sought = ProbeFilter::Addresses(vec![addresses()[0]]);
    let mut found = 0;
    let from = newest.saturating_sub(Duration::from_secs(60));
    let history = running.handle.history();
    history.read(&sought, from..Timestamp::MAX, |_| ControlFlow::Continue(()), |_, _| found += 1).unwrap();
    assert_eq!(found, 400, "a chart of the last minute has them all");
    running.stop();
}

#[test]
fn an_open_segment_is_kept_whatever_its_file_time() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    let running = Running::start(keeping(data_dir, Retention::default()));
    record(&running, 0, 400);
    running.stop();
    // As after a power cut on a board whose clock was behind.
    let oldest = sealed(data_dir).remove(0);
    let open = oldest.with_extension("");
    fs::write(&open, zstd::decode_all(fs::File::open(&oldest).unwrap()).unwrap()).unwrap();
    fs::remove_file(&oldest).unwrap();
    fs::File::options().append(true).open(&open).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let retention = Retention { log_age: Some(Duration::from_secs(86_400)), ..Retention::default() };
    Running::start(keeping(data_dir, retention)).stop();
    assert_eq!(first_offset(data_dir), Offset(0), "it stays");
    assert_agreed(data_dir);
}
