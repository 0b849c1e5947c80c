//! Tells systemd when the service is ready, that it is alive, and when it stops (sd_notify(3)).
//!
//! Without `NOTIFY_SOCKET` in the environment nothing is sent. A message that systemd does not take is logged once and
//! does no harm.
//!
//! A start may take as long as it makes progress. While the log is read, progress is the CPU time that it takes: a
//! start that waits for a disk that hangs takes none, and systemd ends it. Sources are waited for without an end.
//!
//! The crate `sd-notify` sends to sockets that have a path, as every systemd since 2015 gives them, and not to
//! abstract ones.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use ::sd_notify::NotifyState;
use tracing::warn;

use crate::text::printable;

/// How long each message about a start that makes progress asks systemd to wait.
pub(super) const STARTUP_EXTENSION: Duration = Duration::from_secs(30);

/// The CPU time that a start takes between two messages if it makes progress, in the hundredths of a second in which
/// Linux counts. The messages themselves take far less.
const PROGRESS_TICKS: u64 = 2;

type Send = dyn Fn(&[NotifyState<'_>]) -> io::Result<()> + std::marker::Send + Sync;

/// The service manager, if it started this process. Cloning is cheap.
#[derive(Clone, Default)]
pub struct Systemd {
    send: Option<Arc<Send>>,
    watchdog: Option<Duration>,
    has_failed: Arc<AtomicBool>,
}

impl Systemd {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn from_environment() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none_or(|socket| socket.is_empty()) {
            return Self::default();
        }
        let watchdog = ::sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero());
        Self::new(::sd_notify::notify, watchdog)
    }

    /// Sends its messages with `send`. The service manager expects a sign of life within each `watchdog`.
    pub fn new(
        send: impl Fn(&[NotifyState<'_>]) -> io::Result<()> + std::marker::Send + Sync + 'static,
        watchdog: Option<Duration>,
    ) -> Self {
        Self { send: Some(Arc::new(send)), watchdog, has_failed: Arc::default() }
    }

    /// How often systemd expects a sign of life, if it does.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// While the future lives, and the start makes progress, asks systemd for more time.
    pub async fn keep_extending_startup(&self, status: &str) -> std::convert::Infallible {
        let mut before = None;
        loop {
            let now = cpu_ticks();
            if made_progress(before, now) {
                self.extend_startup(status);
            }
            before = now;
            tokio::time::sleep(STARTUP_EXTENSION / 3).await;
        }
    }

    /// Asks systemd to wait for `STARTUP_EXTENSION` from now on.
    pub fn extend_startup(&self, status: &str) {
        let micros = u32::try_from(STARTUP_EXTENSION.as_micros()).unwrap_or(u32::MAX);
        self.send(&[
            NotifyState::ExtendTimeoutUsec(micros),
            NotifyState::Status(&printable(status).to_string()),
        ]);
    }

    /// The service does what it is for.
    pub fn notify_ready(&self, status: &str) {
        self.send(&[NotifyState::Ready, NotifyState::Status(&printable(status).to_string())]);
    }

    /// The service stops.
    pub fn notify_stopping(&self) {
        self.send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    /// The service is alive.
    pub fn ping_watchdog(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    /// What `systemctl status` shows.
    pub fn status(&self, status: &str) {
        self.send(&[NotifyState::Status(&printable(status).to_string())]);
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(send) = &self.send else { return };
        if let Err(error) = send(states)
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            warn!(event = "systemd_notify_failed", %error, "could not tell systemd how the service is doing");
        }
    }
}

/// Whether CPU time was taken between two counts. If either is unknown, it counts as taken.
fn made_progress(before: Option<u64>, now: Option<u64>) -> bool {
    before.zip(now).is_none_or(|(before, now)| now.saturating_sub(before) >= PROGRESS_TICKS)
}

/// The CPU time that this process has taken: `utime` and `stime` of proc_pid_stat(5), the 14th and 15th.
fn cpu_ticks() -> Option<u64> {
    parse_cpu_ticks(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn parse_cpu_ticks(stat: &str) -> Option<u64> {
    // The second field, the program's name in parentheses, may hold anything.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_makes_progress_while_it_takes_cpu_time() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1200 0 0 0 250 30 0 0 20 0 4 0 100 2000 300";
        assert_eq!(parse_cpu_ticks(stat), Some(280));
        assert!(cpu_ticks().is_some());
        assert!(made_progress(None, Some(280)) && made_progress(Some(280), Some(300)));
        assert!(!made_progress(Some(280), Some(281)), "the disk hangs");
        assert!(made_progress(Some(280), None), "nothing is known");
    }
}
