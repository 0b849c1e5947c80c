//! When the service is ready: once each source was tried, or had [`FIRST_OPEN_TIMEOUT`] for it, and one of them is open.
//!
//! What must hold:
//! - No source keeps the service from answering for longer than that, whatever its opening waits for.
//! - As long as none is open and one may still come, systemd is told what is waited for and why, and asked for more
//!   time: an adapter that is plugged in a day later is heard without a restart.
//! - The start fails only where no source could be opened and none will be by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::ServiceError;
use super::sd_notify::{self, Systemd};
use super::source_worker::{SourceWorker, StartupState};
use crate::status::SourceStatus;

/// How long the first try of a source may take before it counts as one that may come.
const FIRST_OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// What the sources' starts come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Not every source has been tried.
    Trying,
    /// None is open, and one may come.
    Waiting,
    /// One was opened.
    Ready,
    /// None is open, and none will be.
    Hopeless,
}

impl Verdict {
    /// What they come to; `timed_out` where none is to be waited for any longer that has not been tried.
    fn of(starts: &[StartupState], timed_out: bool) -> Self {
        let any = |start| starts.contains(&start);
        match () {
            () if any(StartupState::Untried) && !timed_out => Self::Trying,
            () if any(StartupState::Opened) => Self::Ready,
            () if any(StartupState::Awaited) || any(StartupState::Untried) => Self::Waiting,
            () => Self::Hopeless,
        }
    }
}

/// Follows the start of the sources.
pub(super) struct Readiness {
    sensors: Vec<Arc<SourceWorker>>,
    /// Hears whenever one of them has come further.
    starts: watch::Receiver<()>,
    /// Each source had [`FIRST_OPEN_TIMEOUT`] to be tried.
    timed_out: bool,
}

impl Readiness {
    pub(super) fn new(sensors: &[Arc<SourceWorker>], starts: watch::Receiver<()>) -> Self {
        Self { sensors: sensors.to_vec(), starts, timed_out: false }
    }

    /// Waits until each source was tried once, or had [`FIRST_OPEN_TIMEOUT`] for it.
    ///
    /// # Errors
    /// Where none of them is worth waiting for; why the first is not.
    pub(super) async fn wait_until_all_tried(&mut self) -> Result<(), ServiceError> {
        let end = Instant::now() + FIRST_OPEN_TIMEOUT;
        loop {
            match self.verdict() {
                Verdict::Trying => self.timed_out = timeout_at(end, self.next_change()).await.is_err(),
                Verdict::Waiting | Verdict::Ready => return Ok(()),
                Verdict::Hopeless => return Err(self.error()),
            }
        }
    }

    /// Waits until one source was opened, and tells `systemd` meanwhile what is waited for.
    ///
    /// # Errors
    /// As [`Self::wait_until_all_tried`].
    pub(super) async fn wait_until_one_open(&mut self, systemd: &Systemd) -> Result<(), ServiceError> {
        loop {
            match self.verdict() {
                Verdict::Trying => self.next_change().await,
                Verdict::Waiting => {
                    systemd.extend_startup(&waited_for(&self.statuses()));
                    // At its end it is told again, since systemd waits only so long for the next word.
                    let _ = timeout(sd_notify::STARTUP_EXTENSION / 3, self.next_change()).await;
                }
                Verdict::Ready => return Ok(()),
                Verdict::Hopeless => return Err(self.error()),
            }
        }
    }

    fn verdict(&mut self) -> Verdict {
        self.starts.mark_unchanged();
        let starts: Vec<StartupState> = self.sensors.iter().map(|sensor| sensor.startup_state()).collect();
        Verdict::of(&starts, self.timed_out)
    }

    async fn next_change(&mut self) {
        if self.starts.changed().await.is_err() {
            // No source is left that could change anything.
            std::future::pending::<()>().await;
        }
    }

    fn statuses(&self) -> Vec<SourceStatus> {
        self.sensors.iter().map(|sensor| sensor.status()).collect()
    }

    fn error(&self) -> ServiceError {
        let failed = self.statuses().iter().find_map(SourceStatus::failure);
        failed.map(ServiceError::Source).unwrap_or(ServiceError::Bug("sources"))
    }
}

/// What keeps the first source that has failed, or else the first that gives nothing; and how many more there are.
fn waited_for(statuses: &[SourceStatus]) -> String {
    let failed = statuses
        .iter()
        .find_map(|status| status.failure().map(|failure| format!("waiting for {}: {failure}", status.name)));
    let opening = || statuses.first().map(|status| format!("waiting for the first bytes of {}", status.name));
    let first = failed.or_else(opening).unwrap_or_default();
    match statuses.len() {
        0 | 1 => first,
        more => format!("{first} (and for {} more)", more - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_with_one_source_once_each_was_tried() {
        use StartupState::{Awaited, Opened, Refused, Untried};
        for (starts, expected) in [
            (&[Opened, Untried][..], Verdict::Trying),
            (&[Untried, Refused], Verdict::Trying),
            (&[Opened, Refused, Awaited], Verdict::Ready),
            (&[Refused, Awaited], Verdict::Waiting),
            (&[Refused, Refused], Verdict::Hopeless),
        ] {
            assert_eq!(Verdict::of(starts, false), expected, "{starts:?}");
        }
    }

    #[test]
    fn a_source_that_is_not_tried_in_time_counts_as_one_that_may_come() {
        use StartupState::{Opened, Refused, Untried};
        for (starts, expected) in [
            (&[Opened, Untried][..], Verdict::Ready),
            (&[Refused, Untried], Verdict::Waiting),
            (&[Refused, Refused], Verdict::Hopeless),
        ] {
            assert_eq!(Verdict::of(starts, true), expected, "{starts:?}");
        }
    }
}
