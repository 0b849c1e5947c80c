//! What systemd is told while the service runs: when it is ready, that it still moves, that it stops.
//!
//! The protocol is sd_notify(3)'s: a datagram of `KEY=value` lines to the socket that the environment names.
//! Without such a socket nothing is told. A message that systemd does not take is logged once and harms nothing
//! here.
//!
//! A start may take as long as it goes on. Of reading the log that is told by the processor time that it takes: one
//! that waits for a disk that hangs takes none, and is ended by systemd. Sources are waited for as long as it takes.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::warn;

use crate::text::printable;

/// For how long each message of a start that goes on asks systemd to wait.
pub(super) const STARTUP_EXTENSION: Duration = Duration::from_secs(30);

/// What a start that goes on takes of the processor between two looks, in the hundredths of a second in which Linux
/// counts; far more than looking does.
const PROGRESS_TICKS: u64 = 2;

/// The way to systemd, where it started this process. Clones are the same way.
#[derive(Debug, Clone, Default)]
pub struct Systemd {
    socket: Option<Arc<Socket>>,
    watchdog: Option<Duration>,
}

#[derive(Debug)]
struct Socket {
    socket: UnixDatagram,
    address: SocketAddr,
    has_failed: AtomicBool,
}

impl Systemd {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn from_environment() -> Self {
        let Some(socket) = env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else {
            return Self::default();
        };
        let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_for_us = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| is_for_us && *micros > 0);
        Self::at(&socket, watchdog.map(Duration::from_micros)).unwrap_or_else(|error| {
            warn!("systemd cannot be told anything, its socket {} is of no use: {error}", socket.display());
            Self::default()
        })
    }

    /// Tells what it is told to the socket at `path`, where a `@` in front stands for an abstract one. What
    /// listens there has to hear from the watchdog within each `watchdog`.
    ///
    /// # Errors
    /// Where this is no address of a socket, or there are no sockets left.
    pub fn at(path: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(path)?,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no absolute path")),
        };
        let socket = Socket { socket: UnixDatagram::unbound()?, address, has_failed: AtomicBool::new(false) };
        Ok(Self { socket: Some(Arc::new(socket)), watchdog })
    }

    /// How often systemd has to hear that all moves, where it wants to.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells for as long as the future lives that the start goes on, while it does, so that it may take its time.
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

    /// Tells that the start goes on, which may take [`STARTUP_EXTENSION`] until this is told again.
    pub fn extend_startup(&self, status: &str) {
        self.send(&format!(
            "EXTEND_TIMEOUT_USEC={}\nSTATUS={}",
            STARTUP_EXTENSION.as_micros(),
            printable(status)
        ));
    }

    /// Tells that the service does what it is for.
    pub fn notify_ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", printable(status)));
    }

    /// Tells that the service stops.
    pub fn notify_stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }

    /// Tells that all moves.
    pub fn ping_watchdog(&self) {
        self.send("WATCHDOG=1");
    }

    /// Tells a person who looks at the service what it is doing.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", printable(status)));
    }

    fn send(&self, message: &str) {
        let Some(Socket { socket, address, has_failed }) = self.socket.as_deref() else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address)
            && !has_failed.swap(true, Ordering::Relaxed)
        {
            warn!(event = "systemd_notify_failed", %error, "could not tell systemd how the service is doing");
        }
    }
}

/// Whether something was done between two counts; also where either cannot be had.
fn made_progress(before: Option<u64>, now: Option<u64>) -> bool {
    before.zip(now).is_none_or(|(before, now)| now.saturating_sub(before) >= PROGRESS_TICKS)
}

/// The processor time that this process has taken: `utime` and `stime` of proc_pid_stat(5), the 14th and 15th.
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
    fn a_start_goes_on_while_it_takes_processor_time() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1200 0 0 0 250 30 0 0 20 0 4 0 100 2000 300";
        assert_eq!(parse_cpu_ticks(stat), Some(280));
        assert!(cpu_ticks().is_some());
        assert!(made_progress(None, Some(280)) && made_progress(Some(280), Some(300)));
        assert!(!made_progress(Some(280), Some(281)), "the disk hangs");
        assert!(made_progress(Some(280), None), "nothing is known");
    }
}
