//! probewatch hears Wi-Fi probe requests, keeps every one as an event, knows each device's history,
//! answers in Telegram, and speaks up when a watched network is asked for.
//!
//! The rooms, each of which uses only those above it:
//! [`metrics`] counts for who watches over the service, [`dot11`] decodes frames, [`vendor`] knows who makes devices; [`capture`] is where frames come from.
//! [`event`] is what happened, [`chart`] draws when, [`event_log`] keeps it, [`state`] is what follows from it, and [`recorder`] is the one loop that
//! writes both. [`chat`] turns a message into a reply, [`telegram`] carries them over [`http`] or by
//! polling, [`api`] answers over HTTP, [`control`] is its listener for the terminal. [`names_import`] reads the names that others know. [`config`] is read once; [`service`] wires the parts together, and [`cli`] is how a person
//! starts them.

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
