//! Every text that a person sees: functions from values to text, and nothing else.

mod card;
mod lists;
mod log;

use std::time::Duration;

use chrono_tz::Tz;

use super::request::{COMMANDS, Command, GROUPS};
use super::text::{Text, printable};
use crate::dot11::MacAddr;
use crate::event::Timestamp;
use crate::recorder::LogSize;
use crate::vendor;

pub use card::found;
pub(super) use card::{asked_to_name, choices, found_buttons, name_question};
pub(super) use lists::{devices, nearby, networks, top, who_asked};
pub(super) use log::{
    chart, chart_buttons, chart_subtitle, exported_networks, exported_probes, log_unreadable, probes, reading,
};

/// How the box is doing.
#[derive(Debug, Clone)]
pub struct Status {
    /// Since the service was started.
    pub uptime: Duration,
    /// Each source of frames.
    pub sensors: Vec<SensorStatus>,
    /// Probe requests recorded, ever.
    pub probes: u64,
    /// Those of them for any network.
    pub wildcard_probes: u64,
    /// Addresses heard, ever.
    pub addresses: u64,
    /// Those of them that are random.
    pub random_addresses: u64,
    /// Addresses that were not heard for long and are not known any more.
    pub forgotten_addresses: u64,
    /// The latest probe's capture time, and how long ago that is.
    pub last_probe: Option<(Timestamp, Duration)>,
    /// Events in the log.
    pub events: u64,
    /// Watched networks.
    pub watches: usize,
    /// Alerts that Telegram has not taken yet.
    pub alerts_waiting: usize,
    /// Probes that were lost inside this program.
    pub lost_probes: u64,
    /// Damaged lines found in the log.
    pub lost_events: u64,
    /// What the log takes on disk.
    pub log: Option<LogSize>,
    /// Why nothing can be written at the moment.
    pub disk_error: Option<String>,
}

/// Whether a source of frames is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It is heard, or about to be.
    Hearing,
    /// It is at its end.
    Over,
    /// It failed, for this reason.
    Failed(String),
}

/// How a source of frames is doing.
#[derive(Debug, Clone)]
pub struct SensorStatus {
    /// The interface or file.
    pub name: String,
    /// What it is doing: hearing, at its end, or why it failed.
    pub state: String,
    /// Whether that is as it should be.
    pub condition: Condition,
    /// Frames captured.
    pub frames: u64,
    /// Frames that could not be decoded.
    pub undecodable: u64,
    /// Probe requests that were left out since their FCS is wrong.
    pub bad_fcs: u64,
    /// Frames that the kernel or the interface dropped.
    pub dropped: u64,
}

/// `time` in the configured zone.
pub(super) fn shown_time(time: Timestamp, zone: Tz) -> String {
    time.to_utc().with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// How long before `now` a time was, in its largest unit.
fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = if time < now { now.distance(time).as_secs() } else { 0 };
    match seconds {
        0..5 => "just now".to_owned(),
        5..100 => format!("{seconds} s ago"),
        100..6_000 => format!("{} min ago", seconds / 60),
        6_000..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// A length of time in its largest two units.
pub(super) fn shown_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

fn shown_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// `count` with the word for one or many of them.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A change that was not made, or not for good.
pub fn change_failed(why: &str) -> Text {
    Text::plain(format_args!("❌ That could not be saved: {}.", printable(why)))
}

/// The notice that nothing can be written any more.
pub fn recording_stopped(why: &str) -> Text {
    Text::plain(format_args!(
        "⚠️ Recording has stopped: nothing can be written to disk ({}). What is heard meanwhile is kept in \
         memory as far as it goes.",
        printable(why)
    ))
}

/// The notice that all is written again; `lost` probes were more than memory held.
pub fn recording_resumed(lost: u64) -> Text {
    match lost {
        0 => Text::plain("✅ Recording runs again. Nothing was lost."),
        lost => {
            let probes = counted(lost, "probe was", "probes were");
            Text::plain(format_args!("✅ Recording runs again. {probes} lost meanwhile."))
        }
    }
}

pub(super) fn too_many_watches(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat watches {limit} networks already, which is the most. /unwatch one first."
    ))
}

pub(super) fn named(address: MacAddr, name: &str, others: usize) -> Text {
    let text = Text::default().code(address).then(format_args!(" is now called {}.", printable(name)));
    match others {
        0 => text,
        count => text.then(format_args!(
            "\nIts statistics are counted together with {} of that name.",
            counted(count as u64, "other address", "other addresses")
        )),
    }
}

pub(super) fn unnamed(address: MacAddr, left: Option<&str>) -> Text {
    let text = Text::default().code(address);
    match left {
        Some(name) => text.then(format_args!(" goes by its earlier name again: {}.", printable(name))),
        None => text.then(" has no name any more."),
    }
}

pub(super) fn had_no_name(address: MacAddr) -> Text {
    Text::default().code(address).then(" has no name.")
}

pub(super) fn named_by_configuration(address: MacAddr, name: &str) -> Text {
    Text::default().code(address).then(format_args!(
        " is called {} by the configuration's [devices]; take the name away there, or give another with /name.",
        printable(name)
    ))
}

pub(super) fn named_by_import(address: MacAddr, name: &str) -> Text {
    Text::default().code(address).then(format_args!(
        " is called {} by an imported file; give another name with /name, which wins.",
        printable(name)
    ))
}

pub(super) fn start() -> Text {
    Text::default()
        .bold("📡 probewatch")
        .then("\nI hear which Wi-Fi networks the devices around ask for. Send me a device's name or MAC address.\n\n")
        .join(help())
}

pub(super) fn help() -> Text {
    let text = Text::default()
        .bold("Look up")
        .then("\nSend a device's name, a part of it, or a MAC address such as ")
        .code("a4:83:e7:4e:39:15")
        .then(".");
    let text = GROUPS.iter().fold(text, |text, (title, names)| {
        let commands: Vec<_> = COMMANDS.iter().filter(|command| names.contains(&command.name)).collect();
        let lines =
            commands.iter().map(|command| usage(**command).then(format_args!(": {}", command.purpose)));
        text.then("\n\n").bold(title).list(lines)
    });
    text.then("\n\nAn SSID with spaces goes in quotes: ").code("/watch \"My network\" because")
}

fn usage(command: Command) -> Text {
    let text = Text::plain(format_args!("/{}", command.name));
    if command.arguments.is_empty() { text } else { text.then(" ").code(command.arguments) }
}

/// What a button that nobody knows any more does.
pub(super) const OLD_BUTTON: &str = "This button is too old. Ask again for a new one.";

/// What stands in the empty field for a device's name.
pub(super) const NAME_FIELD: &str = "Name";

pub(super) fn misused(command: Command, why: &str) -> Text {
    Text::plain(format_args!("❌ {why}\nUsage: ")).join(usage(command))
}

pub(super) fn unknown_command(name: &str, nearest: Option<&str>) -> Text {
    let text = Text::plain(format_args!("❌ There is no command /{}.", printable(name)));
    match nearest {
        Some(nearest) => text.then(format_args!(" Did you mean /{nearest}?")),
        None => text.then(" /help lists those that exist."),
    }
}

pub(super) fn status(status: &Status, zone: Tz) -> Text {
    let mut text = Text::default()
        .bold(format_args!("📟 probewatch {}", env!("CARGO_PKG_VERSION")))
        .then(format_args!("\nRunning for {}", shown_duration(status.uptime)));
    if let Some(why) = &status.disk_error {
        text = text.then(format_args!("\n❌ Nothing can be written at the moment: {}", printable(why)));
    }
    for sensor in &status.sensors {
        text = text.then(format_args!(
            "\n{}: {}, {}",
            printable(&sensor.name),
            printable(&sensor.state),
            counted(sensor.frames, "frame", "frames")
        ));
        if sensor.dropped > 0 {
            text = text.then(format_args!(", {} dropped", sensor.dropped));
        }
        if sensor.bad_fcs > 0 {
            text = text.then(format_args!(", {} damaged on the air", sensor.bad_fcs));
        }
        if sensor.undecodable > 0 {
            text = text.then(format_args!(", {} undecodable", sensor.undecodable));
        }
    }
    text = text.then(match status.last_probe {
        Some((time, age)) => {
            format!("\nLast probe: {} ({} ago)", shown_time(time, zone), shown_duration(age))
        }
        None => "\nNo probe was heard yet".to_owned(),
    });
    text = text
        .then(format_args!("\nProbes: {} ({} for any network)", status.probes, status.wildcard_probes))
        .then(format_args!("\nAddresses: {} ({} random)", status.addresses, status.random_addresses))
        .then(match status.forgotten_addresses {
            0 => String::new(),
            count => format!(", {count} more were not heard for long and are forgotten"),
        })
        .then(format_args!("\nEvents in the log: {}", status.events))
        .then(match status.log {
            Some(LogSize { bytes, oldest: Some(oldest) }) => {
                format!("\nLog on disk: {}, since {}", shown_bytes(bytes), shown_time(oldest, zone))
            }
            Some(LogSize { bytes, oldest: None }) => format!("\nLog on disk: {}", shown_bytes(bytes)),
            None => String::new(),
        })
        .then(format_args!("\nWatched networks: {}", status.watches))
        .then(format_args!("\nAlerts waiting for Telegram: {}", status.alerts_waiting))
        .then(format_args!("\nRegistry of vendors: of {}", vendor::registry_date()));
    if status.lost_probes > 0 {
        text = text.then(format_args!("\n⚠️ Probes lost for want of room: {}", status.lost_probes));
    }
    if status.lost_events > 0 {
        text = text.then(format_args!("\n⚠️ Events that damage has cost the log: {}", status.lost_events));
    }
    text
}
