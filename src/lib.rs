//! probewatch hears Wi-Fi probe requests, keeps every one as an event, knows each device's history,
//! answers in Telegram, and speaks up when a watched network is asked for.

pub mod chat;
pub mod config;
pub mod dot11;
pub mod event;
pub mod event_log;
pub mod http;
pub mod recorder;
pub mod state;
pub mod telegram;
