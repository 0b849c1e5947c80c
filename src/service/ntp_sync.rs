//! Whether a time server (NTP) sets the machine's clock. Then the clock is right, however early it seems.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::event::Timestamp;
use store::recorder::RecorderHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::source_worker::SourceWorker;

/// How often this is checked while a clock seems to be behind.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// How long a command of the system may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);

/// Until `stop`: if the machine's clock seems to be behind and a time server sets it, makes the recorder trust it.
pub(super) async fn watch(
    sources: Vec<Arc<SourceWorker>>,
    recorder: RecorderHandle,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_some() {
        let known = recorder.time_floor();
        let is_behind = sources.iter().any(|source| source.status().clock_is_behind);
        if !is_behind || known.is_none_or(|known| known <= Timestamp::now()) {
            continue;
        }
        if let Ok(Some(true)) = tokio::task::spawn_blocking(is_synchronized).await {
            info!(
                "a time server has set this machine's clock, so it is trusted; it was ahead when something was \
                 recorded"
            );
            recorder.trust_clock();
        }
    }
}

/// Whether a time server sets the clock; `None` if that is unknown. timesyncd leaves a file, and timedatectl asks the
/// kernel (adjtimex(2)).
pub fn is_synchronized() -> Option<bool> {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Some(true);
    }
    let output = run_command("timedatectl", &["show", "--property=NTPSynchronized", "--value"])?;
    match output.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
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
