//! A recorder in the test's own process, and checks of its data directory.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dot11::{MacAddr, RequestedSsid, Signature};
use store::event::{ChatId, Event, Offset, Probe, Timestamp};
use store::event_log::{self, LockError, OsVfs, Rotation};
use store::recorder::Retention;
use store::recorder::{
    CapturedProbe, OfflineDataDir, Recorder, RecorderError, RecorderHandle, RecorderSettings,
};
use store::state::{AlertPolicy, DEVICES_MEMORY_LIMIT, State};
use tokio::runtime::Runtime;

use super::{wait, wait_until};

pub const CHATS: [ChatId; 2] = [ChatId(1001), ChatId(-100_200)];

pub fn settings(data_dir: &Path) -> RecorderSettings {
    wait::watch_test();
    RecorderSettings {
        data_dir: data_dir.to_owned(),
        vfs: Arc::new(OsVfs),
        fsync_interval: Duration::from_millis(5),
        checkpoint_interval: Duration::from_millis(20),
        // Small, so that every test seals segments.
        rotation: Rotation { bytes: 4096, age: Duration::from_secs(3600) },
        alerts: AlertPolicy {
            chats: CHATS.to_vec(),
            cooldown: Duration::from_secs(60),
            max_age: Duration::MAX,
            capturing_since: None,
            quiet_hours: None,
        },
        retention: Retention::default(),
        devices_memory_limit: DEVICES_MEMORY_LIMIT,
        built: Timestamp::from_micros(0),
    }
}

/// A segment size that no test fills.
pub fn one_segment() -> Rotation {
    Rotation { bytes: 1 << 30, age: Duration::from_secs(3600) }
}

/// A recorder on its own thread, as in the service.
pub struct Running {
    pub handle: RecorderHandle,
    pub thread: std::thread::JoinHandle<Result<(), RecorderError>>,
    pub runtime: Runtime,
}

/// Opens the recorder. Retries while a child process that another test is starting still holds the inherited lock.
pub fn open(settings: &RecorderSettings) -> (Recorder, RecorderHandle) {
    once_unlocked(|| Recorder::open(settings.clone()))
}

/// As [`open`], for a data directory that no recorder runs on.
pub fn open_offline(data_dir: &Path) -> OfflineDataDir {
    wait::watch_test();
    once_unlocked(|| OfflineDataDir::open(data_dir))
}

fn once_unlocked<T>(open: impl Fn() -> Result<T, RecorderError>) -> T {
    wait_until("the lock of the data directory", || match open() {
        Err(RecorderError::Lock(LockError::Held { .. })) => None,
        opened => Some(opened.unwrap()),
    })
}

impl Running {
    pub fn start(settings: RecorderSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let (recorder, handle) = open(&settings);
        let on = runtime.handle().clone();
        let thread = std::thread::spawn(move || recorder.run(&on));
        Self { handle, thread, runtime }
    }

    pub fn record(&self, input: &Input) {
        match input.clone() {
            Input::Probe(probe) => {
                let elements = Some(Box::from(&b"\x00\x00"[..]));
                self.handle.record(CapturedProbe { probe, elements }).unwrap();
            }
            Input::Change(event) => {
                wait::block_on(&self.runtime, "a change to be on disk", self.handle.change(event)).unwrap()
            }
        }
    }

    pub fn sync(&self) {
        wait::block_on(&self.runtime, "the log to be on disk", self.handle.sync()).unwrap();
    }

    pub fn stop(self) {
        wait::block_on(&self.runtime, "the recorder to stop", self.handle.stop());
        wait::join(self.thread, "the recorder's thread to end").unwrap();
    }
}

#[derive(Debug, Clone)]
pub enum Input {
    Probe(Probe),
    Change(Event),
}

pub fn addresses() -> Vec<MacAddr> {
    (0..6).map(|last| MacAddr::new([0xda, 0xa1, 0x19, 0, 0, last])).collect()
}

pub fn probe(source: MacAddr, ssid: RequestedSsid, micros: i64) -> Probe {
    let (sensor, signature) = (Arc::from("test"), Signature::from_u64(1));
    Probe { sensor, signature, ..Probe::example(source, ssid, micros) }
}

/// The events of the log in `data_dir`, which must be undamaged.
pub fn events(data_dir: &Path) -> Vec<(Offset, Event)> {
    let log = event_log::recover(&data_dir.join("events")).unwrap();
    log.read_from(Offset::default()).map(|entry| entry.unwrap()).collect()
}

pub fn fold(events: &[(Offset, Event)]) -> State {
    wait::watch_test();
    let mut state = State::default();
    for (offset, event) in events {
        state.fold(*offset, event);
    }
    while state.continue_eviction() {}
    state
}

/// Checks that two states are equal, table by table.
#[track_caller]
pub fn assert_same(one: &State, other: &State) {
    assert_eq!(one.next_offset(), other.next_offset());
    assert_eq!(one.totals(), other.totals());
    assert_eq!(one.names(), other.names());
    assert_eq!(one.watches(), other.watches());
    assert_eq!(one.alerts(), other.alerts());
    assert_eq!(one.follows(), other.follows());
    assert_eq!(one.mutes(), other.mutes());
    assert_eq!(one.chats(), other.chats());
    assert_eq!(one.addresses(), other.addresses());
    for address in one.addresses() {
        assert_eq!(one.device(address), other.device(address), "{address}");
    }
    assert!(one == other, "and of what cannot be seen from outside");
}

/// Copies the files as a killed process would leave them: as they are at one moment.
pub fn copy(from: &Path, to: &Path) {
    // If files were added or removed meanwhile, for example by sealing, the copy is inconsistent: copy again.
    wait_until("a moment at which no file comes or goes", || {
        let is_copied = copy_at_once(from, to);
        if !is_copied {
            fs::remove_dir_all(to).unwrap();
        }
        is_copied.then_some(())
    });
}

/// Copies all files. Returns whether the list of files stayed the same meanwhile.
fn copy_at_once(from: &Path, to: &Path) -> bool {
    fs::create_dir_all(to).unwrap();
    let before = names(from);
    let is_copied = |name: &OsString| {
        let (source, target) = (from.join(name), to.join(name));
        if source.is_dir() { copy_at_once(&source, &target) } else { fs::copy(source, target).is_ok() }
    };
    before.iter().all(is_copied) && before == names(from)
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}
