//! The integration tests: one crate, one binary, a file per promise.

mod alerting;
mod bot;
mod commands;
mod damage;
mod decode;
mod decoder_vs_tshark;
mod flood;
mod full_disk;
mod kill;
mod live_capture;
mod log_damage;
mod log_faults;
mod lookups;
mod no_allocations;
mod recording;
mod replay_vs_tshark;
mod retention;
mod snapshots;
mod store_damage;
mod stored;
mod support;
mod support_works;
mod telegram_away;
mod walls;
