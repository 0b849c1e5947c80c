//! Promise: nothing that is on the air is lost, a watched network is told of at once, and a service that has run
//! for long takes no more than one that was just started. These are no tests but the measurements behind the
//! figures in `benches/README.md`, on a radio without hardware that tcpdump and tshark capture at the same time.
//!
//! - Frames are written to a TAP device by a thread of real-time priority, as a radio's interrupt comes before any
//!   program ([`traffic`]). The kernel brings a frame to all who capture within the write, so that the work of
//!   filtering and copying is the writer's: what is counted for each program is what it does itself.
//! - All that is counted of a program is with its children: tshark has dumpcap capture for it ([`usage`]).
//! - Everything is printed as it stands in `benches/README.md`. A line that begins with `verdict:` holds a figure
//!   against the wanted one, and a part ends in failure where one of its own does not hold.

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

/// How long the service may take to write down what it has heard.
const CATCH_UP: Duration = Duration::from_secs(60);

/// What the service says of itself that is no frame and no probe which got lost.
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
    /// `None` after a skip was told.
    fn start(change: impl FnOnce(Config) -> Config) -> Option<Self> {
        if !require::tcpdump_present() || !require::tshark_present() {
            return None;
        }
        let monitored = |config: Config| config.set("monitoring", "listen", "\"127.0.0.1:0\"");
        let testbed =
            Testbed::start(Mode::Webhook, |config| change(as_the_unit_starts_it(monitored(config))))?;
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

    /// A counter of the interface's own.
    fn interface_counter(&self, counter: &str) -> u64 {
        let path = format!("/sys/class/net/{}/statistics/{counter}", self.testbed.radio.name());
        fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }
}

/// With the environment that the systemd unit gives it.
fn as_the_unit_starts_it(config: Config) -> Config {
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

    /// So many were lost, for this reason of [`LOSSES`].
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

/// What was measured and what is wanted of it.
#[derive(Default)]
struct Verdicts {
    failed: Vec<String>,
}

impl Verdicts {
    fn add(&mut self, holds: bool, what: String) {
        println!("verdict: {} {what}", if holds { "holds:" } else { "DOES NOT HOLD:" });
        if !holds {
            self.failed.push(what);
        }
    }

    fn end(self) {
        assert!(self.failed.is_empty(), "{:#?}", self.failed);
    }
}

/// What was measured on, and how busy that was.
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

/// The value at so many in a hundred; the longest at 100.
fn percentile(sorted: &[Duration], share: usize) -> Duration {
    sorted[(sorted.len() * share).div_ceil(100) - 1]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

fn mebibytes(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}
