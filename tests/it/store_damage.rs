//! A damaged sled never gives a wrong state. The tests flip every byte of a small store in turn. Each time, opening the
//! store returns an error, or no checkpoint, or the fold of the log up to its checkpoint. It never ends the process,
//! hangs, or allocates without limit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use dot11::{RequestedSsid, Ssid};
use store::event::{ChatId, Event, EventKind, NamedBy, Offset, Timestamp};
use store::recorder::RecorderSettings;
use store::state::{State, StateStore};

use crate::support::recorder::{CHATS, Input, Running, addresses, copy, events, fold, probe, settings};
use crate::support::{DEADLINE, allocations, wait};

/// More threads than cores, since opening sled waits for the disk.
const WORKERS: usize = 4;

/// The value that each byte is XORed with.
const FLIPS: [u8; 4] = [0x01, 0x10, 0x80, 0xff];

/// One in this many of the zeros at the end of a file is flipped.
const PADDING_STEP: usize = 16 << 10;

/// More than the largest legitimate allocation of any test in this process, in bytes. A damaged length would be far
/// larger.
const LARGEST_ALLOCATION: usize = 256 << 20;

/// Writes a data directory with rows of every kind, in three runs.
fn record(data_dir: &Path) {
    let time = Timestamp::from_micros(0);
    let watch = |chat: ChatId| {
        Event::new(time, EventKind::Watch { chat, ssid: Ssid::from("Depot"), reason: Some("r".into()) })
    };
    let name = Event::new(
        time,
        EventKind::Name { address: addresses()[1], name: "Alice".into(), by: NamedBy::Chat },
    );
    let runs = [
        vec![Input::Change(watch(CHATS[0])), Input::Change(watch(CHATS[1])), Input::Change(name)],
        vec![Input::Change(Event::new(
            time,
            EventKind::Unwatch { chat: CHATS[1], ssid: Ssid::from("Depot") },
        ))],
        vec![],
    ];
    for (run, changes) in runs.iter().enumerate() {
        // One checkpoint per run, at its end.
        let one_checkpoint = RecorderSettings { checkpoint_interval: DEADLINE * 60, ..settings(data_dir) };
        let running = Running::start(one_checkpoint);
        changes.iter().for_each(|change| running.record(change));
        for (number, source) in addresses().into_iter().take(3).enumerate() {
            let ssid = RequestedSsid::Named(Ssid::from(["Depot", "Home"][number % 2]));
            running.record(&Input::Probe(probe(source, ssid, (10 * run + number) as i64 * 1_000_000)));
        }
        running.stop();
    }
}

/// A byte to flip: the file and the position.
#[derive(Debug, Clone)]
struct Flip {
    file: PathBuf,
    at: usize,
    bits: u8,
}

/// The files of a folder and its subfolders, by their relative paths.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_owned())
            }
        }
    }
    found.sort();
    found
}

/// Every byte up to each file's last nonzero one, and some of the zeros after it.
fn flips(store: &Path) -> Vec<Flip> {
    let of_file = |file: PathBuf| {
        let bytes = fs::read(store.join(&file)).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let places = (0..end).chain((end..bytes.len()).step_by(PADDING_STEP));
        let flips = places.flat_map(|at| FLIPS.map(|bits| (at, bits)));
        flips.map(move |(at, bits)| Flip { file: file.clone(), at, bits }).collect::<Vec<_>>()
    };
    files(store).into_iter().flat_map(of_file).collect()
}

/// The outcome of opening a damaged store.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Outcome {
    Refused,
    Empty,
    At(Offset),
    Wrong(Offset),
}

/// Opens the store after the flip; `states` are the folds of the log by their offsets.
fn open_flipped(whole: &Path, flip: &Flip, states: &[State]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    copy(whole, folder.path());
    let path = folder.path().join(&flip.file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[flip.at] ^= flip.bits;
    fs::write(&path, bytes).unwrap();
    match StateStore::open(folder.path()) {
        Err(_) => Outcome::Refused,
        Ok((_, None)) => Outcome::Empty,
        Ok((_, Some(state))) => {
            let at = state.next_offset();
            if states.contains(&state) { Outcome::At(at) } else { Outcome::Wrong(at) }
        }
    }
}

/// Flips every byte of the store in `folder` in turn.
fn check(folder: &Path, states: &[State]) {
    let flips = flips(folder);
    let count = flips.len();
    let next = Arc::new(Mutex::new(flips.into_iter()));
    let (sender, receiver) = mpsc::channel();
    for _ in 0..WORKERS {
        let (next, sender, folder, states) =
            (next.clone(), sender.clone(), folder.to_owned(), states.to_vec());
        // Not joined: a thread that hangs is reported below.
        thread::spawn(move || {
            loop {
                let flip = next.lock().unwrap().next();
                let Some(flip) = flip else { break };
                let outcome = open_flipped(&folder, &flip, &states);
                let _ = sender.send((flip, outcome));
            }
        });
    }
    let mut outcomes = BTreeMap::new();
    for done in 0..count {
        let (flip, outcome) = wait::receive(&receiver, &format!("the outcome of flip {done} of {count}"));
        assert!(!matches!(outcome, Outcome::Wrong(_)), "{outcome:?} after {flip:?}");
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    println!("{count} flips: {outcomes:?}");
    assert!(outcomes.len() > 1, "all flips have the same outcome: {outcomes:?}");
    assert!(allocations::largest() < LARGEST_ALLOCATION, "an allocation of {} bytes", allocations::largest());
}

/// The log's events, and the state after each of them.
fn states(data_dir: &Path) -> (Vec<(Offset, Event)>, Vec<State>) {
    let events = events(data_dir);
    let states = (0..=events.len()).map(|end| fold(&events[..end])).collect();
    (events, states)
}

#[test]
fn no_flipped_byte_of_a_stopped_sled_gives_a_wrong_state() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path());
    let (events, states) = states(folder.path());
    let store = folder.path().join("state");
    let (_, whole) = StateStore::open(&store).unwrap();
    assert!(whole.unwrap() == states[events.len()], "the whole store has it all");
    check(&store, &states);
}

#[test]
fn no_flipped_byte_of_a_killed_sled_gives_a_wrong_state() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path());
    let (events, states) = states(folder.path());
    let (kept, killed) = (folder.path().join("kept"), folder.path().join("killed"));
    {
        let (mut store, _) = StateStore::open(&kept).unwrap();
        let mut state = State::default();
        for part in events.chunks(events.len() / 3) {
            part.iter().for_each(|(offset, event)| state.fold(*offset, event));
            store.save(&state).unwrap();
            state.mark_saved();
        }
        copy(&kept, &killed);
    }
    check(&killed, &states);
}
