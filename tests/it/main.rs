//! The integration tests: one crate, one binary, a file per promise.

// For signals, TAP devices and resource usage, which std has no safe calls for.
#![allow(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod access;
mod alerting;
mod beside;
mod bot;
mod bot_buttons;
mod bot_chats;
mod bot_work;
mod clock;
mod commands;
mod control_api;
mod damage;
mod day;
mod decode;
mod decoder_vs_tshark;
mod doctor;
mod documentation;
mod flood;
mod full_disk;
mod kill;
mod layering;
mod live_capture;
mod log_damage;
mod log_faults;
mod lookups;
mod monitoring;
mod no_allocations;
mod packaging;
mod proxies;
mod recording;
mod replay_vs_tshark;
mod retention;
mod snapshots;
mod sources;
mod store_damage;
mod stored;
mod support;
mod support_works;
mod systemd;
mod telegram_away;

mod webhook_tls;
mod wishes;
