//! The service records every frame, alerts at once, and does not grow while it runs. These measurements give the
//! figures in `benches/README.md`, on a radio without hardware that tcpdump and tshark capture at the same time.
//!
//! - A thread of real-time priority writes the frames to a TAP device, since a radio's interrupt too comes before any
//!   program ([`traffic`]). Within that write the kernel filters each frame and copies it to every capture. That work
//!   counts for the writer, not for the programs.
//! - The usage of a program includes its child processes: tshark captures through dumpcap ([`usage`]).
//! - The tables are printed in the form that `benches/README.md` has. A line that begins with `verdict:` compares a
//!   figure with its target. A run fails if it misses one of its targets.

pub mod alert_latency;
pub mod burst;
pub mod cost;
mod other_programs;
pub mod soak;
mod traffic;
mod usage;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::support::exposition::Exposition;
use crate::support::require;
use crate::support::service::{Config, log_field};
use crate::support::testbed::{Mode, Testbed};
use crate::support::{http, wait_at_most};
use usage::Usage;

/// How long the service may take to record the frames that it has received.
const CATCH_UP: Duration = Duration::from_secs(60);

/// The metrics that count lost frames and probes, with the value of their label `cause`.
const LOSSES: [(&str, &str); 4] = [
    ("probewatch_dropped_frames_total", "kernel"),
    ("probewatch_dropped_frames_total", "interface"),
    ("probewatch_dropped_probes_total", "queue_full"),
    ("probewatch_dropped_probes_total", "disk_failed"),
];

/// The running service with its radio, its bot and its metrics.
struct Live {
    testbed: Testbed,
    monitor: SocketAddr,
}

impl Live {
    /// Returns `None`, and reports the skip, if tcpdump or tshark is missing.
    fn start(change: impl FnOnce(Config) -> Config) -> Option<Self> {
        if !require::tcpdump_present() || !require::tshark_present() {
            return None;
        }
        let monitored = |config: Config| config.set("monitoring", "listen", "\"127.0.0.1:0\"");
        let testbed =
            Testbed::start(Mode::Webhook, |config| change(with_unit_environment(monitored(config))))?;
        let line = testbed.service.wait_for_log_event("monitoring_listening", &[]);
        let monitor = log_field(&line, "address").parse().unwrap();
        Some(Self { testbed, monitor })
    }

    fn usage(&self) -> Usage {
        Usage::of(self.testbed.service.id())
    }

    fn metrics(&self) -> Metrics {
        let page = http::get(self.monitor, "/metrics").unwrap();
        Metrics {
            page: Exposition::parse(&page.text()).unwrap(),
            source: self.testbed.radio.name().to_owned(),
        }
    }

    /// Waits until each of these frames is recorded or was counted as lost.
    fn wait_until_recorded(&self, frames: u64) -> Metrics {
        wait_at_most(CATCH_UP, "every frame to be recorded or lost", || {
            let metrics = self.metrics();
            (metrics.probes() + metrics.lost() >= frames).then_some(metrics)
        })
    }

    /// One of the kernel's statistics of the interface.
    fn interface_counter(&self, counter: &str) -> u64 {
        let path = format!("/sys/class/net/{}/statistics/{counter}", self.testbed.radio.name());
        fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }
}

/// Adds the environment that the systemd unit sets.
fn with_unit_environment(config: Config) -> Config {
    let unit =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/probewatch.service")).unwrap();
    let variables =
        unit.lines().filter_map(|line| line.strip_prefix("Environment=")).flat_map(str::split_whitespace);
    variables
        .filter_map(|variable| variable.split_once('='))
        .fold(config, |config, (name, value)| config.env(name, value))
}

/// A page of the service's metrics.
struct Metrics {
    page: Exposition,
    source: String,
}

impl Metrics {
    /// Probe requests in the state.
    fn probes(&self) -> u64 {
        let count = |ssid| self.page.value("probewatch_probes_total", &[("ssid", ssid)]) as u64;
        count("wildcard") + count("named")
    }

    /// How many were lost by this cause of [`LOSSES`].
    fn lost_by(&self, (name, cause): (&str, &str)) -> u64 {
        let cause = ("cause", cause);
        let value = match name {
            "probewatch_dropped_frames_total" => self.page.value(name, &[cause, ("source", &self.source)]),
            _ => self.page.value(name, &[cause]),
        };
        value as u64
    }

    fn lost(&self) -> u64 {
        LOSSES.into_iter().map(|loss| self.lost_by(loss)).sum()
    }

    fn plain(&self, name: &str) -> u64 {
        self.page.value(name, &[]) as u64
    }
}

/// Compares figures with their targets.
#[derive(Default)]
struct Verdicts {
    failed: Vec<String>,
}

impl Verdicts {
    fn add(&mut self, is_met: bool, what: String) {
        println!("verdict: {} {what}", if is_met { "met:" } else { "MISSED:" });
        if !is_met {
            self.failed.push(what);
        }
    }

    fn end(self) {
        assert!(self.failed.is_empty(), "{:#?}", self.failed);
    }
}

/// Prints the machine, the versions of the programs and the load.
fn print_machine() {
    let first_line = |program: &str| {
        let output = Command::new(program).arg("--version").output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let models: Vec<&str> = processors.lines().filter(|line| line.starts_with("model name")).collect();
    let model = models.first().and_then(|line| line.split(": ").nth(1)).unwrap_or("processors");
    println!(
        "\n{}; {} × {model}; Linux {}; {}; {}; load before: {}",
        chrono::Local::now().format("%-d %B %Y, %H:%M"),
        models.len(),
        read("/proc/sys/kernel/osrelease").trim(),
        first_line("tcpdump"),
        first_line("tshark"),
        read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "),
    );
}

/// The percentile `percent`; the maximum for 100.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

fn mebibytes(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}
