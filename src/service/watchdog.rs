//! Feeds systemd's watchdog, as long as every part that has to move does.
//!
//! What must hold:
//! - A loop that has not turned for half of the watchdog's time ends the feeding, until it turns again. systemd
//!   starts the service anew where that takes too long.
//! - A part that rightly waits for something counts as moving; one that has ended by a bug never does.
//! - It looks from a thread of its own, which waits for none of the parts.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{error, info};

use super::sd_notify::Systemd;

/// What a part gives as a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// How often its loop has turned.
    Iterations(u64),
    /// It waits for what may not come for long.
    Idle,
    /// It has ended in a way that it never should.
    Broken,
}

/// A part of the service that has to move.
pub struct WatchedPart {
    name: String,
    heartbeat: Box<dyn Fn() -> Heartbeat + Send>,
    iterations: Option<u64>,
    moved_at: Instant,
}

impl WatchedPart {
    /// The part of this name, whose sign of life `heartbeat` reads without waiting for it.
    pub fn new(name: impl Into<String>, heartbeat: impl Fn() -> Heartbeat + Send + 'static) -> Self {
        Self { name: name.into(), heartbeat: Box::new(heartbeat), iterations: None, moved_at: Instant::now() }
    }

    /// Whether it has not moved_at for longer than `limit` at `now`.
    fn is_stalled(&mut self, now: Instant, limit: Duration) -> bool {
        let iterations = match (self.heartbeat)() {
            Heartbeat::Iterations(count) => Some(count),
            Heartbeat::Idle => None,
            Heartbeat::Broken => return true,
        };
        if iterations.is_none() || iterations != self.iterations {
            (self.iterations, self.moved_at) = (iterations, now);
        }
        now.saturating_duration_since(self.moved_at) > limit
    }
}

/// Feeds the watchdog until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    _running: Option<Sender<()>>,
}

impl Watchdog {
    /// Starts to feed the watchdog of `systemd` while all `parts` move; where there is none, does nothing.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(systemd: &Systemd, mut parts: Vec<WatchedPart>) -> io::Result<Self> {
        let Some(interval) = systemd.watchdog() else { return Ok(Self { _running: None }) };
        let (running, stopped) = mpsc::channel();
        let systemd = systemd.clone();
        thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || feed(&systemd, interval, &mut parts, &stopped))?;
        Ok(Self { _running: Some(running) })
    }
}

fn feed(systemd: &Systemd, interval: Duration, parts: &mut [WatchedPart], stopped: &Receiver<()>) {
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

/// The names of the parts that do not move.
pub(super) fn stalled_parts(parts: &mut [WatchedPart], now: Instant, limit: Duration) -> Vec<String> {
    let stalled = parts.iter_mut().filter_map(|part| part.is_stalled(now, limit).then(|| part.name.clone()));
    stalled.collect()
}

fn report(systemd: &Systemd, stalled: &[String]) {
    if stalled.is_empty() {
        info!("all parts move again");
        systemd.status("all parts move again");
    } else {
        let stalled = stalled.join(", ");
        error!("these do not move any more: {stalled}; systemd starts the service anew if that lasts");
        systemd.status(&format!("these do not move any more: {stalled}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const STALL_LIMIT: Duration = Duration::from_secs(30);

    /// The names of those that are stalled, of two parts that give these heartbeats at these seconds.
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
    fn a_loop_that_does_not_turn_is_stalled_until_it_does() {
        use Heartbeat::Iterations;
        check(&[
            (0, Iterations(1), Iterations(1), &[]),
            (20, Iterations(2), Iterations(1), &[]),
            (31, Iterations(3), Iterations(1), &["mon0"]),
            (50, Iterations(3), Iterations(2), &[]),
            (62, Iterations(3), Iterations(3), &["recorder"]),
            (93, Iterations(3), Iterations(3), &["recorder", "mon0"]),
            // A capture that was opened anew counts from the start.
            (94, Iterations(4), Iterations(0), &[]),
        ]);
    }

    #[test]
    fn who_waits_moves_and_who_is_broken_does_not() {
        use Heartbeat::{Broken, Idle, Iterations};
        check(&[
            (0, Iterations(1), Idle, &[]),
            (100, Iterations(2), Idle, &[]),
            // It is not held against it that it had turned as often before it waited.
            (101, Iterations(3), Iterations(7), &[]),
            (120, Iterations(4), Idle, &[]),
            (140, Iterations(5), Iterations(7), &[]),
            (141, Iterations(6), Broken, &["mon0"]),
        ]);
    }
}
