//! Pings systemd's watchdog while no part of the service is stalled.
//!
//! Invariants:
//! - While a loop has not run for half of the watchdog's interval, no ping is sent. If that lasts, systemd restarts the
//!   service.
//! - A part that waits for something is not stalled; one that ended by a bug always is.
//! - The watchdog's own thread waits for no part.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{error, info};

use super::sd_notify::Systemd;

/// A part's sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// How many times its loop has run.
    Iterations(u64),
    /// It waits for something that may take long.
    Idle,
    /// It ended by a bug.
    Broken,
}

/// A part of the service that must not stall.
pub struct WatchedPart {
    name: String,
    heartbeat: Box<dyn Fn() -> Heartbeat + Send>,
    iterations: Option<u64>,
    last_heartbeat: Instant,
}

impl WatchedPart {
    /// A part of this name. `heartbeat` must return without waiting for the part.
    pub fn new(name: impl Into<String>, heartbeat: impl Fn() -> Heartbeat + Send + 'static) -> Self {
        Self {
            name: name.into(),
            heartbeat: Box::new(heartbeat),
            iterations: None,
            last_heartbeat: Instant::now(),
        }
    }

    /// Whether its last heartbeat is older than `limit` at `now`.
    fn is_stalled(&mut self, now: Instant, limit: Duration) -> bool {
        let iterations = match (self.heartbeat)() {
            Heartbeat::Iterations(count) => Some(count),
            Heartbeat::Idle => None,
            Heartbeat::Broken => return true,
        };
        if iterations.is_none() || iterations != self.iterations {
            (self.iterations, self.last_heartbeat) = (iterations, now);
        }
        now.saturating_duration_since(self.last_heartbeat) > limit
    }
}

/// Pings the watchdog until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    _running: Option<Sender<()>>,
}

impl Watchdog {
    /// Starts to ping the watchdog of `systemd`, if it has one, while none of `parts` is stalled.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(systemd: &Systemd, mut parts: Vec<WatchedPart>) -> io::Result<Self> {
        let Some(interval) = systemd.watchdog() else { return Ok(Self { _running: None }) };
        let (running, stopped) = mpsc::channel();
        let systemd = systemd.clone();
        thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || ping_loop(&systemd, interval, &mut parts, &stopped))?;
        Ok(Self { _running: Some(running) })
    }
}

fn ping_loop(systemd: &Systemd, interval: Duration, parts: &mut [WatchedPart], stopped: &Receiver<()>) {
    let mut stalled = Vec::new();
    loop {
        let were_stalled =
            std::mem::replace(&mut stalled, stalled_parts(parts, Instant::now(), interval / 2));
        if stalled.is_empty() {
            systemd.ping_watchdog();
        }
        if stalled != were_stalled {
            report(systemd, &stalled);
        }
        if stopped.recv_timeout(interval / 4) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// The names of the stalled parts.
pub(super) fn stalled_parts(parts: &mut [WatchedPart], now: Instant, limit: Duration) -> Vec<String> {
    let stalled = parts.iter_mut().filter_map(|part| part.is_stalled(now, limit).then(|| part.name.clone()));
    stalled.collect()
}

fn report(systemd: &Systemd, stalled: &[String]) {
    if stalled.is_empty() {
        info!(event = "stall_ended", "no part is stalled any more");
        systemd.status("no part is stalled any more");
    } else {
        let stalled = stalled.join(", ");
        error!(event = "stalled", parts = %stalled, "parts of the service are stalled; systemd restarts it if that lasts");
        systemd.status(&format!("stalled: {stalled}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const STALL_LIMIT: Duration = Duration::from_secs(30);

    /// Of two parts that give these heartbeats at these seconds, the names of the stalled ones.
    #[track_caller]
    fn check(heartbeats: &[(u64, Heartbeat, Heartbeat, &[&str])]) {
        let now = Arc::new(Mutex::new((Heartbeat::Idle, Heartbeat::Idle)));
        let (one, other) = (Arc::clone(&now), Arc::clone(&now));
        let mut parts = [
            WatchedPart::new("recorder", move || one.lock().unwrap().0),
            WatchedPart::new("mon0", move || other.lock().unwrap().1),
        ];
        let start = Instant::now();
        for (seconds, recorder, mon0, expected) in heartbeats {
            *now.lock().unwrap() = (*recorder, *mon0);
            let stalled = stalled_parts(&mut parts, start + Duration::from_secs(*seconds), STALL_LIMIT);
            assert_eq!(stalled, *expected, "after {seconds} s");
        }
    }

    #[test]
    fn a_loop_that_does_not_run_is_stalled_until_it_does() {
        use Heartbeat::Iterations;
        check(&[
            (0, Iterations(1), Iterations(1), &[]),
            (20, Iterations(2), Iterations(1), &[]),
            (31, Iterations(3), Iterations(1), &["mon0"]),
            (50, Iterations(3), Iterations(2), &[]),
            (62, Iterations(3), Iterations(3), &["recorder"]),
            (93, Iterations(3), Iterations(3), &["recorder", "mon0"]),
            // A capture that was opened again counts from zero.
            (94, Iterations(4), Iterations(0), &[]),
        ]);
    }

    #[test]
    fn an_idle_part_is_not_stalled_and_a_broken_one_is() {
        use Heartbeat::{Broken, Idle, Iterations};
        check(&[
            (0, Iterations(1), Idle, &[]),
            (100, Iterations(2), Idle, &[]),
            // Waiting resets the clock, even if the count is the same as before.
            (101, Iterations(3), Iterations(7), &[]),
            (120, Iterations(4), Idle, &[]),
            (140, Iterations(5), Iterations(7), &[]),
            (141, Iterations(6), Broken, &["mon0"]),
        ]);
    }
}
