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

use super::notify::Systemd;

/// What a part gives as a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// How often its loop has turned.
    Turns(u64),
    /// It waits for what may not come for long.
    Waits,
    /// It has ended in a way that it never should.
    Broken,
}

/// A part of the service that has to move.
pub struct Part {
    name: String,
    beat: Box<dyn Fn() -> Beat + Send>,
    turns: Option<u64>,
    moved: Instant,
}

impl Part {
    /// The part of this name, whose sign of life `beat` reads without waiting for it.
    pub fn new(name: impl Into<String>, beat: impl Fn() -> Beat + Send + 'static) -> Self {
        Self { name: name.into(), beat: Box::new(beat), turns: None, moved: Instant::now() }
    }

    /// Whether it has not moved for longer than `patience` at `now`.
    fn is_stuck(&mut self, now: Instant, patience: Duration) -> bool {
        let turns = match (self.beat)() {
            Beat::Turns(turns) => Some(turns),
            Beat::Waits => None,
            Beat::Broken => return true,
        };
        if turns.is_none() || turns != self.turns {
            (self.turns, self.moved) = (turns, now);
        }
        now.saturating_duration_since(self.moved) > patience
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
    pub fn start(systemd: &Systemd, mut parts: Vec<Part>) -> io::Result<Self> {
        let Some(interval) = systemd.watchdog() else { return Ok(Self { _running: None }) };
        let (running, stopped) = mpsc::channel();
        let systemd = systemd.clone();
        thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || feed(&systemd, interval, &mut parts, &stopped))?;
        Ok(Self { _running: Some(running) })
    }
}

fn feed(systemd: &Systemd, interval: Duration, parts: &mut [Part], stopped: &Receiver<()>) {
    let mut stuck = Vec::new();
    loop {
        let was_stuck = std::mem::replace(&mut stuck, stuck_parts(parts, Instant::now(), interval / 2));
        if stuck.is_empty() {
            systemd.moves();
        }
        if stuck != was_stuck {
            tell(systemd, &stuck);
        }
        if stopped.recv_timeout(interval / 4) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// The names of the parts that do not move.
pub(super) fn stuck_parts(parts: &mut [Part], now: Instant, patience: Duration) -> Vec<String> {
    let stuck = parts.iter_mut().filter_map(|part| part.is_stuck(now, patience).then(|| part.name.clone()));
    stuck.collect()
}

fn tell(systemd: &Systemd, stuck: &[String]) {
    if stuck.is_empty() {
        info!("all parts move again");
        systemd.status("all parts move again");
    } else {
        let stuck = stuck.join(", ");
        error!("these do not move any more: {stuck}; systemd starts the service anew if that lasts");
        systemd.status(&format!("these do not move any more: {stuck}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// The names of those that are stuck, of two parts that give these beats at these seconds.
    #[track_caller]
    fn check(beats: &[(u64, Beat, Beat, &[&str])]) {
        let now = Arc::new(Mutex::new((Beat::Waits, Beat::Waits)));
        let (one, other) = (Arc::clone(&now), Arc::clone(&now));
        let mut parts = [
            Part::new("recorder", move || one.lock().unwrap().0),
            Part::new("mon0", move || other.lock().unwrap().1),
        ];
        let start = Instant::now();
        for (seconds, recorder, mon0, expected) in beats {
            *now.lock().unwrap() = (*recorder, *mon0);
            let stuck = stuck_parts(&mut parts, start + Duration::from_secs(*seconds), PATIENCE);
            assert_eq!(stuck, *expected, "after {seconds} s");
        }
    }

    #[test]
    fn a_loop_that_does_not_turn_is_stuck_until_it_does() {
        use Beat::Turns;
        check(&[
            (0, Turns(1), Turns(1), &[]),
            (20, Turns(2), Turns(1), &[]),
            (31, Turns(3), Turns(1), &["mon0"]),
            (50, Turns(3), Turns(2), &[]),
            (62, Turns(3), Turns(3), &["recorder"]),
            (93, Turns(3), Turns(3), &["recorder", "mon0"]),
            // A capture that was opened anew counts from the start.
            (94, Turns(4), Turns(0), &[]),
        ]);
    }

    #[test]
    fn who_waits_moves_and_who_is_broken_does_not() {
        use Beat::{Broken, Turns, Waits};
        check(&[
            (0, Turns(1), Waits, &[]),
            (100, Turns(2), Waits, &[]),
            // It is not held against it that it had turned as often before it waited.
            (101, Turns(3), Turns(7), &[]),
            (120, Turns(4), Waits, &[]),
            (140, Turns(5), Turns(7), &[]),
            (141, Turns(6), Broken, &["mon0"]),
        ]);
    }
}
