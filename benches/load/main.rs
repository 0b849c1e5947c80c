//! Load runs of the real service, behind the figures in `benches/README.md`. The scripts beside that file run them:
//!
//!     cargo bench --bench load -- RUN
//!
//! They use the support of the integration tests. Without the name of a run, they print those that there are.

// For signals, TAP devices, priorities and resource usage, which std has no safe calls for.
#![allow(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
// Of the tests' support, only a part is used here.
#![allow(dead_code, unused_imports)]

mod copy_pause;
#[path = "../../tests/it/flood.rs"]
mod flood;
mod live;
mod reply_latency;
#[path = "../../tests/it/support/mod.rs"]
mod support;

use std::env;
use std::process::ExitCode;

/// A run by its name and what it does.
const RUNS: [(&str, fn()); 7] = [
    // 18,000 random addresses a second, for a minute.
    ("flood", || flood::flood(1_080_000, 18_000)),
    ("reply-latency", reply_latency::measure),
    ("burst", live::burst::measure),
    ("alert-latency", live::alert_latency::measure),
    ("cost", live::cost::measure),
    ("soak", live::soak::measure),
    ("copy-pause", copy_pause::measure),
];

fn main() -> ExitCode {
    // cargo adds `--bench`.
    let wanted: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for name in &wanted {
        let Some((_, run)) = RUNS.iter().find(|(known, _)| known == name) else {
            eprintln!("there is no run {name:?}");
            return ExitCode::FAILURE;
        };
        run();
    }
    if wanted.is_empty() {
        println!("cargo bench --bench load -- {}", RUNS.map(|(name, _)| name).join("|"));
    }
    ExitCode::SUCCESS
}
