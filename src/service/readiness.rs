//! When the service is ready: once one source is open, and each was tried or had [`FIRST_OPEN_TIMEOUT`] for it.
//!
//! Invariants:
//! - No source delays the service's answers for longer than that, whatever its opening waits for.
//! - While none is open and one may still open, systemd learns what the service waits for, and is asked for more time:
//!   an adapter that is plugged in a day later is captured without a restart.
//! - The start fails only if no source could be opened and none will be without help.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::ServiceError;
use super::sd_notify::{self, Systemd};
use super::source_worker::{SourceWorker, StartupState};
use crate::status::SourceStatus;

/// How long the first try of a source may take before the source counts as one that may still open.
const FIRST_OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// What the sources' startup states come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Not every source was tried yet.
    Trying,
    /// None is open, and one may still open.
    Waiting,
    /// One was opened.
    Ready,
    /// None is open, and none will be.
    Hopeless,
}

impl Verdict {
    /// `timed_out`: sources that were not tried yet are not waited for any longer.
    fn of(starts: &[StartupState], timed_out: bool) -> Self {
        let any = |start| starts.contains(&start);
        match () {
            () if any(StartupState::Untried) && !timed_out => Self::Trying,
            () if any(StartupState::Opened) => Self::Ready,
            () if any(StartupState::Waiting) || any(StartupState::Untried) => Self::Waiting,
            () => Self::Hopeless,
        }
    }
}

/// Follows the startup of the sources.
pub(super) struct Readiness {
    sources: Vec<Arc<SourceWorker>>,
    /// Changes whenever a startup state does.
    changes: watch::Receiver<()>,
    /// [`FIRST_OPEN_TIMEOUT`] is over.
    timed_out: bool,
}

impl Readiness {
    pub(super) fn new(sources: &[Arc<SourceWorker>], changes: watch::Receiver<()>) -> Self {
        Self { sources: sources.to_vec(), changes, timed_out: false }
    }

    /// Waits until each source was tried once, or had [`FIRST_OPEN_TIMEOUT`] for it.
    ///
    /// # Errors
    /// Why the first source failed, if none is worth waiting for.
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

    /// Waits until one source was opened; meanwhile tells `systemd` what the service waits for.
    ///
    /// # Errors
    /// As [`Self::wait_until_all_tried`].
    pub(super) async fn wait_until_one_open(&mut self, systemd: &Systemd) -> Result<(), ServiceError> {
        loop {
            match self.verdict() {
                Verdict::Trying => self.next_change().await,
                Verdict::Waiting => {
                    systemd.extend_startup(&waiting_for(&self.statuses()));
                    // systemd waits only this long for the next message.
                    let _ = timeout(sd_notify::STARTUP_EXTENSION / 3, self.next_change()).await;
                }
                Verdict::Ready => return Ok(()),
                Verdict::Hopeless => return Err(self.error()),
            }
        }
    }

    fn verdict(&mut self) -> Verdict {
        self.changes.mark_unchanged();
        let starts: Vec<StartupState> = self.sources.iter().map(|source| source.startup_state()).collect();
        Verdict::of(&starts, self.timed_out)
    }

    async fn next_change(&mut self) {
        if self.changes.changed().await.is_err() {
            // No source is left that could change anything.
            std::future::pending::<()>().await;
        }
    }

    fn statuses(&self) -> Vec<SourceStatus> {
        self.sources.iter().map(|source| source.status()).collect()
    }

    fn error(&self) -> ServiceError {
        let failed = self.statuses().iter().find_map(SourceStatus::failure);
        failed.map(ServiceError::Source).unwrap_or(ServiceError::Bug("sources"))
    }
}

/// What the first source that failed waits for, or else the first that gives nothing; and how many more there are.
fn waiting_for(statuses: &[SourceStatus]) -> String {
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
    fn one_open_source_is_enough_once_each_was_tried() {
        use StartupState::{Opened, Refused, Untried, Waiting};
        for (starts, expected) in [
            (&[Opened, Untried][..], Verdict::Trying),
            (&[Untried, Refused], Verdict::Trying),
            (&[Opened, Refused, Waiting], Verdict::Ready),
            (&[Refused, Waiting], Verdict::Waiting),
            (&[Refused, Refused], Verdict::Hopeless),
        ] {
            assert_eq!(Verdict::of(starts, false), expected, "{starts:?}");
        }
    }

    #[test]
    fn a_source_not_tried_in_time_may_still_open() {
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
