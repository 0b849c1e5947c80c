//! The service: waits until it receives, and shows how its bot gets an owner.

use std::thread;
use std::time::{Duration, Instant};

use capture::Source;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use rustix::termios::tcgetwinsize;
use serde::Deserialize;

use super::changes::{Machine, UNIT};
use super::error::SetupError;
use super::programs;
use crate::config::Config;
use crate::control::{Client, ClientError};
use crate::status::{OwnershipState, SourceState, SourceStatus};

const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How often systemd is asked whether the service has failed.
const UNIT_INTERVAL: Duration = Duration::from_secs(2);

/// How long the bot may take to reach Telegram and offer itself.
const OWNERSHIP_LIMIT: Duration = Duration::from_secs(30);

/// The part of the status that is read.
#[derive(Deserialize)]
struct Running {
    sensors: Vec<SourceStatus>,
}

/// What a wait for the first frame has seen.
enum Reception {
    /// The source has received a frame.
    Receives,
    /// Not yet: what it does instead.
    Waits(String),
}

/// Waits until the source on this interface has received a frame. Returns whether it has within the limit.
pub(super) fn wait_for_frame(
    machine: &Machine,
    config: &Config,
    interface: &str,
    limit: Duration,
) -> Result<bool, SetupError> {
    let source = config
        .capture
        .sources
        .iter()
        .find(|source| source.origin == Source::Interface(interface.to_owned()))
        .map_or(interface, |source| source.name.as_str());
    let begun = Instant::now();
    let mut asked_systemd = begun;
    let mut progress = machine.dialogue.progress();
    loop {
        let doing = match reception(config, source) {
            Ok(Reception::Receives) => return Ok(true),
            Ok(Reception::Waits(doing)) => doing,
            Err(ClientError::NotRunning) => "the service is starting".to_owned(),
            Err(error) => error.to_string(),
        };
        progress.show(&doing);
        if asked_systemd.elapsed() >= UNIT_INTERVAL {
            asked_systemd = Instant::now();
            check_unit(machine)?;
        }
        if begun.elapsed() >= limit {
            drop(progress);
            machine.dialogue.say(&format!("  Until now: {doing}."))?;
            return Ok(false);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn reception(config: &Config, source: &str) -> Result<Reception, ClientError> {
    let client = Client::connect(&config.data_dir, config.time_zone)?;
    let running: Running = client.status_value()?;
    let Some(status) = running.sensors.iter().find(|status| status.name == source) else {
        return Ok(Reception::Waits(format!("the running service does not capture {source} yet")));
    };
    Ok(match (&status.condition, status.frames) {
        (_, 1..) => Reception::Receives,
        (SourceState::Capturing, 0) => {
            Reception::Waits(format!("{source} listens; no device has searched for a network yet"))
        }
        (SourceState::Opening, 0) => Reception::Waits(format!("{source} is being opened")),
        _ => Reception::Waits(status.failure().unwrap_or_else(|| format!("{source} has ended"))),
    })
}

/// Fails if systemd has given up on the service, or it ends again and again.
fn check_unit(machine: &Machine) -> Result<(), SetupError> {
    if !machine.has_systemd() {
        return Ok(());
    }
    let shown = programs::run("systemctl", &["show", "--property=ActiveState,NRestarts,Result", UNIT]).stdout;
    let value = |key: &str| {
        shown.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default().trim()
    };
    let restarts = value("NRestarts").parse::<u32>().unwrap_or(0);
    let has_failed =
        value("ActiveState") == "failed" || restarts > 0 && !["", "success"].contains(&value("Result"));
    if !has_failed {
        return Ok(());
    }
    let log = programs::run("journalctl", &["-q", "-u", UNIT, "-n", "20", "-o", "cat", "--no-pager"]).stdout;
    let said = log.lines().rev().find(|line| line.starts_with("probewatch: "));
    let why = said.or_else(|| log.lines().last()).map_or_else(String::new, |line| format!(": {line}"));
    Err(SetupError::Service {
        problem: format!("the service does not start{why}"),
        remedy: "journalctl -u probewatch shows its log, and sudo probewatch doctor says what is wrong",
    })
}

/// Whether somebody owns the bot, once it has reached Telegram. Waits for that up to `limit`.
pub(super) fn ownership(
    machine: &Machine,
    config: &Config,
    limit: Duration,
) -> Result<OwnershipState, SetupError> {
    let begun = Instant::now();
    let mut progress = machine.dialogue.progress();
    loop {
        let state = Client::connect(&config.data_dir, config.time_zone).and_then(|client| client.ownership());
        match state {
            Ok(state) if state != OwnershipState::Unknown => return Ok(state),
            _ if begun.elapsed() >= OWNERSHIP_LIMIT.min(limit) => return Ok(OwnershipState::Unknown),
            _ => progress.show("the bot connects to Telegram"),
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Shows the link as a text and, if the terminal has room, as a QR code.
pub(super) fn show_link(machine: &Machine, link: &str) -> Result<(), SetupError> {
    machine.dialogue.say(&format!(
        "  Open this link and press Start: the first person who does owns the bot.\n\n  {link}\n"
    ))?;
    let Some(lines) = qr_code(link) else { return Ok(()) };
    let width = lines.first().map_or(0, |line| line.chars().count());
    let columns = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if !machine.dialogue.shows_colours() || (1..width + 2).contains(&columns) {
        return Ok(());
    }
    machine.dialogue.say("\n  Or point the phone's camera here:\n")?;
    // Black on white whatever the terminal's colours: not every camera reads a code whose colours are swapped.
    let shown: String = lines.iter().map(|line| format!("  \x1b[38;5;16;48;5;231m{line}\x1b[0m\n")).collect();
    machine.dialogue.print(&format!("{shown}\n"))
}

/// The lines of a QR code with its margin, two rows of modules in each; dark modules are drawn.
fn qr_code(link: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    let text = code.render::<Dense1x2>().quiet_zone(true).build();
    Some(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules of a code that is drawn, row by row; `true` is dark.
    fn modules(lines: &[String]) -> Vec<Vec<bool>> {
        let halves = |line: &String| {
            let row = |is_dark: fn(char) -> bool| line.chars().map(is_dark).collect::<Vec<_>>();
            [row(|c| matches!(c, '█' | '▀')), row(|c| matches!(c, '█' | '▄'))]
        };
        lines.iter().flat_map(halves).collect()
    }

    #[test]
    fn the_code_has_its_margin_and_finder_patterns() {
        let lines =
            qr_code("https://t.me/probewatch_test_bot?start=0123456789abcdef0123456789abcdef").unwrap();
        let modules = modules(&lines);
        let size = modules[0].len();
        assert!(modules.iter().all(|row| row.len() == size) && modules.len().abs_diff(size) <= 1);
        let margin = 4;
        assert!(modules[..margin].iter().flatten().all(|dark| !dark), "light margin");
        let finder = ["#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"];
        for (top, left) in [(margin, margin), (margin, size - margin - 7), (size - margin - 7, margin)] {
            for (row, pattern) in finder.iter().enumerate() {
                let drawn: String = modules[top + row][left..left + 7]
                    .iter()
                    .map(|dark| if *dark { '#' } else { '.' })
                    .collect();
                assert_eq!(drawn, *pattern);
            }
        }
        assert!(size <= 60, "it fits on a terminal: {size}");
    }
}
