//! probewatch hears Wi-Fi probe requests, keeps every one as an event, knows each device's history,
//! answers in Telegram, and speaks up when a watched network is asked for.

pub mod capture;
pub mod dot11;
