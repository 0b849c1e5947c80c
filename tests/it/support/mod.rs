//! Support for the integration tests: a Bot API server, a radio without hardware, a frame builder, the service under
//! test, tshark as the oracle, and requirements on the machine.
//!
//! Every wait has a condition and a deadline ([`wait`]); nothing sleeps and hopes. A missed deadline panics with what
//! was there instead.

#![allow(dead_code)]

pub mod allocations;
pub mod bad_sector;
pub mod bot_api;
pub mod exposition;
pub mod faulty_disk;
pub mod frames;
pub mod held_disk;
pub mod http;
pub mod jumping_clock;
pub mod log;
pub mod ndjson;
pub mod notify_socket;
pub mod preload;
pub mod process;
pub mod recorder;
pub mod require;
pub mod rich_form;
pub mod service;
pub mod stalled_thread;
pub mod statistics;
pub mod tap_radio;
pub mod terminal;
pub mod testbed;
pub mod traffic;
pub mod transcript;
pub mod tshark;
pub mod wait;

pub use wait::{DEADLINE, wait_at_most, wait_until};
