//! The integration tests: one crate, one binary, a file per promise.

mod access;
mod bot;
mod bot_buttons;
mod bot_chats;
mod bot_work;
mod commands;
mod damage;
mod decode;
mod decoder_vs_tshark;
mod full_disk;
mod live_capture;
mod log_damage;
mod log_faults;
mod lookups;
mod no_allocations;
mod recording;
mod replay_vs_tshark;
mod retention;
mod snapshots;
mod stored;
mod support;
mod support_works;
mod telegram_away;
mod walls;
