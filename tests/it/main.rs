//! The integration tests: one crate, one binary, one file per subject.

// For signals, TAP devices and resource usage: std has no safe calls for them.
#![allow(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod access;
mod alerting;
#[path = "../attack/mod.rs"]
mod attack;
mod bad_sectors;
mod bot_buttons;
mod bot_chats;
mod capture_files;
mod check_memory;
mod clock;
mod clock_jump;
mod command_menus;
mod commands;
mod control_api;
mod day;
mod decode;
mod decoder_vs_tshark;
mod device_info_vs_tshark;
mod doctor;
mod documentation;
mod end_to_end;
mod first_steps;
mod flood;
mod full_disk;
mod group;
mod group_roles;
mod hostile_texts;
mod impossible_times;
mod inline_mode;
mod kill;
mod layering;
mod live_capture;
mod log_damage;
mod log_faults;
mod lookups;
mod lost_data_dir;
mod monitoring;
mod name_without_reply;
mod no_allocations;
mod odd_frames;
mod offline_commands;
mod packaging;
mod phone_counts;
mod phones;
mod preferences;
mod proposals;
mod proxies;
mod recording;
mod recovery;
mod refused_messages;
mod remote_commands;
mod replay_vs_tshark;
mod retention;
mod rich_replies;
mod sealing;
mod server_changes;
mod settings;
mod setup;
mod slow_replies;
mod snapshots;
mod sources;
mod ssid_lists;
mod store_damage;
mod stranger_visits;
mod strangers;
mod support;
mod support_tests;
mod systemd;
mod telegram_outage;
mod thinning;
mod time_zone;
mod times;
mod unusual_updates;
mod unwritable_log;
mod update_conflict;

mod webhook_tls;
mod who_was_here;
