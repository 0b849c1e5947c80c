//! How long recording pauses while the state of a million devices is copied.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dot11::{MacAddr, RequestedSsid};
use store::recorder::{CapturedProbe, RecorderSettings};

use crate::support::recorder::{Running, one_segment, probe, settings};

/// The longest pause of the recorder's loop while `work` ran and 20,000 probes per second arrived.
fn longest_pause(running: &Running, work: impl FnOnce() + Send) -> Duration {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            work();
            is_done.store(true, Ordering::Relaxed);
        });
        scope.spawn(|| {
            let start = Instant::now();
            for number in 0.. {
                if is_done.load(Ordering::Relaxed) {
                    break;
                }
                let due = start + Duration::from_micros(50) * number;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                running.handle.try_record(one_of_a_million(number));
            }
        });
        let (mut longest, mut iterations, mut last_change) = (Duration::ZERO, 0, Instant::now());
        while !is_done.load(Ordering::Relaxed) {
            if running.handle.iterations() != iterations {
                (iterations, last_change) = (running.handle.iterations(), Instant::now());
            }
            longest = longest.max(last_change.elapsed());
            std::thread::sleep(Duration::from_micros(100));
        }
        longest
    })
}

fn one_of_a_million(number: u32) -> CapturedProbe {
    let [a, b, c, d] = (number % 1_000_000).wrapping_mul(0x9e37_79b1).to_be_bytes();
    let ssid = RequestedSsid::from_element(b"Depot");
    CapturedProbe { probe: probe(MacAddr::new([2, 0, a, b, c, d]), ssid, i64::from(number)), elements: None }
}

pub fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let hour = Duration::from_secs(3600);
    let running = Running::start(RecorderSettings {
        rotation: one_segment(),
        fsync_interval: hour,
        checkpoint_interval: hour,
        ..settings(folder.path())
    });
    for number in 0..1_000_000 {
        running.handle.record(one_of_a_million(number)).unwrap();
    }
    running.sync();
    for _ in 0..3 {
        let whole = longest_pause(&running, || drop(running.handle.state().image()));
        let parts = longest_pause(&running, || drop(running.handle.image()));
        let none = longest_pause(&running, || std::thread::sleep(Duration::from_millis(500)));
        println!("all at once {whole:?}, in parts {parts:?}, without a copy {none:?}");
    }
    println!("{} dropped", running.handle.losses().queue_full.load(Ordering::Relaxed));
    running.stop();
}
