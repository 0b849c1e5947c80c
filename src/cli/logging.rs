//! The log on standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::env;
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::thread;
use std::time::Duration;

use tracing::error;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::log_writer::{self, LogWriter};

/// Libraries that log addresses with the bot's token below the level WARN.
const LIBRARIES_WITH_SECRETS: [&str; 7] =
    ["reqwest", "hyper", "hyper_util", "h2", "rustls", "teloxide_core", "sled"];

/// How long the end of the program waits for a reader of standard error that is slow or has stopped to read.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Writes the last lines of the log when it is dropped, as far as standard error takes them.
pub(super) struct Logging;

impl Drop for Logging {
    fn drop(&mut self) {
        log_writer::flush(FLUSH_LIMIT);
    }
}

/// Starts logging to standard error. `RUST_LOG` chooses levels: `debug`, or `info,probewatch::telegram=trace`.
pub(super) fn start() -> Logging {
    // Without standard error there is nowhere to say so, and the program works all the same.
    let _ = log_writer::start();
    let chosen = env::var("RUST_LOG").ok().and_then(|levels| levels.parse().ok());
    let levels = chosen.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let levels = levels.with_targets(LIBRARIES_WITH_SECRETS.map(|library| (library, LevelFilter::WARN)));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| LogWriter)
        // It would report its own errors with `eprintln!`.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry().with(lines.with_filter(levels)).init();
    // The standard library's hook waits for standard error.
    panic::set_hook(Box::new(log_panic));
    Logging
}

fn log_panic(panic: &PanicHookInfo) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => error!(event = "panicked", thread, %backtrace, "{panic}"),
        _ => error!(event = "panicked", thread, "{panic}"),
    }
}
