//! probewatch captures Wi-Fi probe requests, records each as an event, keeps the history of each device, answers
//! questions in Telegram, and sends an alert when a device looks for a watched network.
//!
//! Three crates do not depend on the rest, and the modules use them directly:
//! - [`dot11`]: decodes frames.
//! - [`capture`]: reads frames from interfaces, files and commands.
//! - [`store`]: the events, their log, the state that follows from them, and the one loop that writes both.
//!
//! The modules, of which each uses only those above it:
//! - [`metrics`]: counters and timings for monitoring.
//! - [`suggest`]: the most similar of several words, for typing errors.
//! - [`vendor`]: the vendor of an address.
//! - [`model_hint`]: a guess at what a device is, from what its frames contain.
//! - [`chart`]: draws probes over time.
//! - [`names_import`]: reads names of devices from files.
//! - [`config`]: the configuration, read once.
//! - [`text`]: formatted text for people.
//! - [`device_counts`]: how many devices there are, as far as is known.
//! - [`status`]: the state of the running parts.
//! - [`chat`]: turns a message into a reply.
//! - [`api`]: the HTTP API.
//! - [`http`]: the HTTP listener.
//! - [`control`]: the control socket, on which the command line reaches the API.
//! - [`telegram`]: exchanges messages with Telegram, by webhook or by polling.
//! - [`service`]: runs all parts together.
//! - [`cli`]: the subcommands.

#![forbid(unsafe_code)]

pub mod api;
pub mod chart;
pub mod chat;
pub mod cli;
pub mod config;
pub mod control;
pub mod device_counts;
pub mod http;
pub mod metrics;
pub mod model_hint;
pub mod names_import;
pub mod service;
pub mod status;
pub mod suggest;
pub mod telegram;
#[cfg(test)]
mod test_limit;
pub mod text;
pub mod vendor;

/// When this program was built, in seconds since the Unix epoch: `build.rs` says so, and what
/// `SOURCE_DATE_EPOCH` is where that is set. A clock that shows an earlier time is wrong.
pub const BUILT_SECONDS: i64 = match i64::from_str_radix(env!("PROBEWATCH_BUILT_SECONDS"), 10) {
    Ok(seconds) => seconds,
    Err(_) => 0,
};
