//! probewatch captures Wi-Fi probe requests, records each as an event, keeps the history of each device, answers
//! questions in Telegram, and sends an alert when a device looks for a watched network.
//!
//! The modules, of which each uses only those above it:
//! - [`metrics`]: counters and timings for monitoring.
//! - [`dot11`]: decodes frames.
//! - [`vendor`]: the vendor of an address.
//! - [`capture`]: reads frames from interfaces, files and commands.
//! - [`event`]: what can happen.
//! - [`chart`]: draws probes over time.
//! - [`event_log`]: stores the events.
//! - [`state`]: what follows from the events.
//! - [`recorder`]: the one loop that writes the log and the state.
//! - [`chat`]: turns a message into a reply.
//! - [`http`]: the HTTP listener.
//! - [`telegram`]: exchanges messages with Telegram, by webhook or by polling.
//! - [`api`]: the HTTP API.
//! - [`control`]: the control socket, on which the command line reaches the API.
//! - [`names_import`]: reads names of devices from files.
//! - [`config`]: the configuration, read once.
//! - [`service`]: runs all parts together.
//! - [`cli`]: the subcommands.

#![forbid(unsafe_code)]

pub use store::{event, event_log, recorder, state};
pub use {capture, dot11};

pub mod api;
pub mod chart;
pub mod chat;
pub mod cli;
pub mod config;
pub mod control;
pub mod http;
pub mod metrics;
pub mod names_import;
pub mod service;
pub mod status;
pub mod suggest;
pub mod telegram;
pub mod text;
pub mod vendor;

/// When this program was built, in seconds since the Unix epoch: `build.rs` says so, and what
/// `SOURCE_DATE_EPOCH` is where that is set. A clock that shows an earlier time is wrong.
pub const BUILT_SECONDS: i64 = match i64::from_str_radix(env!("PROBEWATCH_BUILT_SECONDS"), 10) {
    Ok(seconds) => seconds,
    Err(_) => 0,
};
