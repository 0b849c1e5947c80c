//! Whether a time server (NTP) sets the machine's clock. Then the clock is right, however strange it seems.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use store::recorder::RecorderHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often this is checked while the clock is in doubt.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// How long a command of the system may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);

/// systemd-timesyncd touches it whenever it hears from a time server. It does so at least every 34 minutes.
const TIMESYNCD_FILE: &str = "/run/systemd/timesync/synchronized";
const TIMESYNCD_INTERVAL: Duration = Duration::from_secs(3600);

/// Until `stop`: if the machine's clock is in doubt and a time server sets it, makes the recorder trust it.
pub(super) async fn watch(recorder: RecorderHandle, stop: CancellationToken) {
    loop {
        if recorder.clock_doubt().is_some()
            && let Ok(Some(true)) = tokio::task::spawn_blocking(is_synchronized).await
        {
            info!(
                event = "clock_synchronized",
                "a time server has set this machine's clock, so it is trusted"
            );
            if let Err(error) = recorder.trust_clock().await {
                warn!(%error, "could not write that the clock is trusted");
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_none() {
            return;
        }
    }
}

/// Whether a time server sets the clock; `None` if that is unknown. timedatectl asks the kernel (adjtimex(2)), which
/// knows no more of a time server once somebody has set the clock by hand. Where timedatectl does not work, as in a
/// container, timesyncd's file says it, unless it was touched at another time than this clock's.
pub fn is_synchronized() -> Option<bool> {
    let output = run_command("timedatectl", &["show", "--property=NTPSynchronized", "--value"]);
    match output.as_deref().map(str::trim) {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        _ => is_fresh(Path::new(TIMESYNCD_FILE), SystemTime::now()).then_some(true),
    }
}

/// Whether the file was touched within [`TIMESYNCD_INTERVAL`] before `now`.
fn is_fresh(file: &Path, now: SystemTime) -> bool {
    let touched = fs::metadata(file).and_then(|file| file.modified()).ok();
    let age = touched.and_then(|touched| now.duration_since(touched).ok());
    age.is_some_and(|age| age < TIMESYNCD_INTERVAL)
}

/// The output of a short command, if it succeeds in time.
fn run_command(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let deadline = Instant::now() + COMMAND_TIMEOUT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    io::read_to_string(child.stdout.take()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timesyncds_file_says_nothing_of_a_clock_that_was_set_since() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let touched = file.as_file().metadata().unwrap().modified().unwrap();
        let years = Duration::from_secs(10 * 365 * 86_400);
        assert!(is_fresh(file.path(), touched + Duration::from_secs(1800)));
        assert!(!is_fresh(file.path(), touched + years));
        assert!(!is_fresh(file.path(), touched - years));
        assert!(!is_fresh(Path::new("/does/not/exist"), touched));
    }
}
