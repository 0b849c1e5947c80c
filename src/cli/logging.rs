//! The log on standard error.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Libraries that log addresses with the bot's token below the level WARN.
const LIBRARIES_WITH_SECRETS: [&str; 7] =
    ["reqwest", "hyper", "hyper_util", "h2", "rustls", "teloxide_core", "sled"];

/// Starts logging to standard error. `RUST_LOG` chooses levels: `debug`, or `info,probewatch::telegram=trace`.
pub(super) fn start() {
    let chosen = env::var("RUST_LOG").ok().and_then(|levels| levels.parse().ok());
    let levels = chosen.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let levels = levels.with_targets(LIBRARIES_WITH_SECRETS.map(|library| (library, LevelFilter::WARN)));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry().with(lines.with_filter(levels)).init();
}
