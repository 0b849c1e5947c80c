//! The warnings that chats got and that are not resolved yet, kept over restarts: each gets its all-clear.
//!
//! Invariants:
//! - They are in a file of the data directory and not in the log: a warning may be about a log that cannot be written.
//!   The file always has the same size and is written in place, which needs no room on a full disk.
//! - A warning is noted before it is sent, and forgotten if Telegram did not take it. If the service is killed in
//!   between, a chat gets the all-clear alone.
//! - A file that is missing or damaged holds none: then a warning may lack its all-clear, or come twice.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::event::ChatId;
use tracing::warn;

use super::incident_state::{IncidentState, NextNotice};

/// The file, in the data directory.
const FILE: &str = "warnings.json";

/// The size of the file in bytes. What does not fit is not kept.
const FILE_BYTES: usize = 16 << 10;

/// By the incident and the chat that was warned of it.
type Warnings = BTreeSet<(String, ChatId)>;

/// The warnings. Clones share them.
#[derive(Clone)]
pub(super) struct SentWarnings {
    path: Arc<PathBuf>,
    warnings: Arc<Mutex<Warnings>>,
}

impl SentWarnings {
    /// Those of earlier runs. Makes the file, so that there is room for it.
    pub(super) fn open(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE);
        let text = std::fs::read(&path).unwrap_or_default();
        let warnings: Warnings = serde_json::from_slice(text.trim_ascii_end()).unwrap_or_default();
        let opened = Self { path: Arc::new(path), warnings: Arc::new(Mutex::new(warnings)) };
        opened.write();
        opened
    }

    /// What the chat knows of an incident: that it started, with `started`, if an earlier run said so.
    pub(super) fn state<T>(&self, incident: &str, chat: ChatId, started: T) -> IncidentState<T> {
        match self.lock().contains(&(incident.to_owned(), chat)) {
            true => IncidentState::resumed(started),
            false => IncidentState::default(),
        }
    }

    /// Notes that this notice is about to be sent.
    pub(super) async fn announce<T>(&self, incident: &str, chat: ChatId, notice: &NextNotice<T>) {
        if matches!(notice, NextNotice::Started) {
            self.set(incident, chat, true).await;
        }
    }

    /// Notes what the chat knows of an incident now.
    pub(super) async fn record<T>(&self, incident: &str, chat: ChatId, state: &IncidentState<T>) {
        self.set(incident, chat, state.is_started()).await;
    }

    /// A failure is logged.
    async fn set(&self, incident: &str, chat: ChatId, is_started: bool) {
        let key = (incident.to_owned(), chat);
        let is_changed = match is_started {
            true => self.lock().insert(key),
            false => self.lock().remove(&key),
        };
        if is_changed {
            let written = self.clone();
            let _ = tokio::task::spawn_blocking(move || written.write()).await;
        }
    }

    fn write(&self) {
        let warnings = self.lock();
        let outcome = serde_json::to_vec(&*warnings).map_err(io::Error::from).and_then(|mut text| {
            if text.len() > FILE_BYTES {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            text.resize(FILE_BYTES, b' ');
            let mut file = self.file()?;
            file.write_all(&text)?;
            file.sync_data()
        });
        if let Err(error) = outcome {
            warn!(
                event = "warnings_not_kept",
                path = %self.path.display(),
                %error,
                "could not write down which warnings were sent: after a restart they get no all-clear"
            );
        }
    }

    fn file(&self) -> io::Result<File> {
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&*self.path)
    }

    fn lock(&self) -> MutexGuard<'_, Warnings> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_warning_is_known_after_a_restart_until_it_is_resolved() {
        let dir = tempfile::tempdir().unwrap();
        let [chat, other] = [ChatId(1001), ChatId(-5)];
        let restarted = || SentWarnings::open(dir.path());
        let mut state = restarted().state("disk", chat, 7);
        assert!(!state.is_started());
        state.record_outcome(NextNotice::Started, 7, Ok(()), chat, Instant::now());
        restarted().record("disk", chat, &state).await;
        assert_eq!(std::fs::metadata(dir.path().join(FILE)).unwrap().len(), FILE_BYTES as u64);
        assert!(!restarted().state("disk", other, 0).is_started());
        assert!(!restarted().state("source:mon0", chat, 0).is_started());
        let mut state = restarted().state("disk", chat, 9);
        assert!(state.is_resumed());
        assert_eq!(state.next(true, Instant::now()), NextNotice::Nothing);
        assert_eq!(state.next(false, Instant::now()), NextNotice::Resolved(9));
        state.record_outcome(NextNotice::Resolved(9), 0, Ok(()), chat, Instant::now());
        assert!(!state.is_resumed());
        restarted().record("disk", chat, &state).await;
        assert!(!restarted().state("disk", chat, 0).is_started());
        // A damaged file is none.
        std::fs::write(dir.path().join(FILE), b"[[\"disk\",1001],").unwrap();
        assert!(!restarted().state("disk", chat, 0).is_started());
    }
}
