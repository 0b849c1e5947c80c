//! Whether the service does what it is for. `GET /healthz` and the control socket answer by it alike.
//!
//! Invariants:
//! - It is healthy while writing to the log works, no part is stalled, at least one source captures, none has failed,
//!   and no radio is stuck on one channel.
//! - It needs no answer of any part: it works while they are stalled.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::recorder::RecorderHandle;
use tokio_util::sync::CancellationToken;

use super::source_worker::SourceWorker;
use super::watchdog::{WatchedPart, stalled_parts};
use crate::status::{SourceState, SourceStatus};
use crate::text::printable;

/// How often the parts' heartbeats are read, and after how long without one a part counts as stalled.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// What the health is read from.
#[derive(Clone)]
pub(super) struct Health {
    recorder: RecorderHandle,
    sources: Vec<Arc<SourceWorker>>,
    stalled: Arc<Mutex<Vec<String>>>,
}

impl Health {
    /// Watches `parts` until `stop`.
    pub(super) fn start(
        recorder: RecorderHandle,
        sources: Vec<Arc<SourceWorker>>,
        parts: Vec<WatchedPart>,
        stop: CancellationToken,
    ) -> Self {
        let health = Self { recorder, sources, stalled: Arc::default() };
        let polled = health.clone();
        tokio::spawn(async move { stop.run_until_cancelled(polled.poll(parts)).await });
        health
    }

    async fn poll(&self, mut parts: Vec<WatchedPart>) {
        loop {
            let stalled = stalled_parts(&mut parts, Instant::now(), STALL_LIMIT);
            *self.stalled.lock().unwrap_or_else(PoisonError::into_inner) = stalled;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// What is wrong, a line each; empty if the service is healthy.
    pub(super) fn problems(&self) -> Vec<String> {
        let stalled = self.stalled.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sources: Vec<SourceStatus> = self.sources.iter().map(|source| source.status()).collect();
        let disk_error = self.recorder.disk_error();
        problems(&stalled, disk_error.as_ref().map(|error| &*error.why), &sources)
    }
}

/// What is wrong, a line each; empty if the service is healthy.
fn problems(stalled: &[String], disk_error: Option<&str>, sources: &[SourceStatus]) -> Vec<String> {
    let stalled = stalled.iter().map(|part| format!("{} is stalled", printable(part)));
    let disk = disk_error.map(|why| format!("writing to the log fails: {}", printable(why)));
    let failed = sources.iter().filter_map(|source| match (&source.condition, &source.hopping_failure) {
        (SourceState::Failed(_), _) => {
            let failure = source.failure().unwrap_or_default();
            Some(format!("{} failed: {}", printable(&source.name), printable(&failure)))
        }
        (SourceState::Crashed, _) => Some(format!("{} ended unexpectedly", printable(&source.name))),
        (_, Some(failure)) => {
            let failure = printable(&failure.to_string());
            Some(format!("{} stays on one channel: {failure}", printable(&source.name)))
        }
        _ => None,
    });
    let captures = sources.iter().any(|source| matches!(source.condition, SourceState::Capturing));
    let silent = (!captures).then(|| "no source captures".to_owned());
    stalled.chain(disk).chain(failed).chain(silent).collect()
}

#[cfg(test)]
mod tests {
    use store::event::Timestamp;

    use super::*;
    use crate::status::HoppingFailure;

    #[test]
    fn a_radio_that_is_stuck_on_one_channel_is_a_problem() {
        let stuck = |remedy: Option<&str>| SourceStatus {
            hopping_failure: Some(HoppingFailure {
                since: Timestamp::from_micros(0),
                why: "wlan0 is up on the same radio".to_owned(),
                remedy: remedy.map(str::to_owned),
            }),
            ..SourceStatus::example("mon0", SourceState::Capturing)
        };
        let expected = "mon0 stays on one channel: wlan0 is up on the same radio";
        assert_eq!(problems(&[], None, &[stuck(None)]), [expected]);
        assert_eq!(
            problems(&[], None, &[stuck(Some("take it down"))]),
            [format!("{expected}; take it down")]
        );
    }

    #[test]
    fn health_needs_a_working_log_a_capturing_source_and_no_failure() {
        let capturing = || SourceStatus::example("mon0", SourceState::Capturing);
        assert_eq!(
            problems(&[], None, &[capturing(), SourceStatus::example("a.pcap", SourceState::Ended)]),
            [""; 0]
        );
        assert_eq!(problems(&[], Some("disk full"), &[capturing()]), ["writing to the log fails: disk full"]);
        let failed = SourceStatus::example("mon1", SourceState::Failed("it is gone".to_owned()));
        assert_eq!(problems(&[], None, &[capturing(), failed.clone()]), ["mon1 failed: it is gone"]);
        assert_eq!(problems(&[], None, &[failed]), ["mon1 failed: it is gone", "no source captures"]);
        assert_eq!(
            problems(&[], None, &[SourceStatus::example("-", SourceState::Opening)]),
            ["no source captures"]
        );
        let stalled = ["the recorder".to_owned()];
        assert_eq!(problems(&stalled, None, &[capturing()]), ["the recorder is stalled"]);
        let broken = SourceStatus::example("mon1", SourceState::Crashed);
        assert_eq!(problems(&[], None, &[capturing(), broken]), ["mon1 ended unexpectedly"]);
    }
}
