//! What the integration tests stand on: a Bot API server, a radio without hardware, a frame builder,
//! the service under test, the oracle, and what a test may ask of the machine.
//!
//! Nothing here sleeps to wait for something: every wait is a condition with a deadline, and a missed
//! deadline panics with what was seen instead.

#![allow(dead_code)]

pub mod allocations;
pub mod bot_api;
pub mod exposition;
pub mod faulty_disk;
pub mod fed;
pub mod frames;
pub mod held_disk;
pub mod home;
pub mod http;
pub mod log;
pub mod ndjson;
pub mod notify_socket;
pub mod recorder;
pub mod require;
pub mod service;
pub mod tap_radio;
pub mod transcript;
pub mod tshark;

use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How often something is looked at that does not tell by itself that it has changed.
const LOOK: Duration = Duration::from_millis(3);

/// Waits until this gives something. Panics at the deadline.
pub fn wait_until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_at_most(DEADLINE, what, look)
}

/// As [`wait_until`], with a deadline of its own.
pub fn wait_at_most<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited for {what} in vain");
        std::thread::sleep(LOOK);
    }
}
