//! probewatch captures Wi-Fi probe requests, records each as an event, keeps the history of each device, answers
//! questions in Telegram, and sends an alert when a device looks for a watched network.
//!
//! `docs/architecture.md` shows how the parts work together, and lists the modules in the order in which they may use each
//! other. Three crates do not depend on the rest, and the modules use them directly: [`dot11`], [`capture`] and
//! [`store`].

#![forbid(unsafe_code)]

pub mod api;
pub mod chart;
pub mod chat;
pub mod chat_settings;
pub mod cli;
pub mod config;
pub mod control;
pub mod device_counts;
pub mod http;
pub mod log_writer;
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
