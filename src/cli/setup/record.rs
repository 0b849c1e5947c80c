//! The record of what setup changed, from which `setup --undo` reverts it.
//!
//! - A change is in the record, on disk, before it is made. So after an interruption the record may have a change that
//!   was not made, and lacks none.
//! - The record holds files as they were, the token's among them: only root may read it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{getegid, geteuid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::SetupError;
use super::files::{Found, Root};

/// Where the record is.
pub(super) const PATH: &str = "/var/lib/probewatch-setup.json";

const VERSION: u32 = 1;

/// What setup changed, in this order.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// The service has not been restarted since a file that it reads was changed.
    #[serde(default)]
    pub(super) needs_restart: bool,
    changes: Vec<Change>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// A folder was made.
    Folder { path: String },
    /// A file was written.
    File {
        path: String,
        /// What was there before; `None`: no file.
        before: Option<Before>,
        /// The hashes of what setup wrote: the last of them, or before that was written the one before it, is there
        /// unless somebody has changed the file since.
        written: Vec<String>,
    },
    /// An interface was renamed.
    Renamed { from: String, to: String },
    /// A unit was enabled and started.
    Started { unit: String, was_enabled: bool, was_active: bool },
    /// A unit was disabled and stopped.
    Stopped { unit: String, was_enabled: bool, was_active: bool },
}

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    content_base64: String,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Before {
    fn of(found: &Found) -> Self {
        let content_base64 = STANDARD.encode(&found.content);
        Self { content_base64, mode: found.mode, uid: found.uid, gid: found.gid }
    }

    pub(super) fn to_file(&self) -> Result<Found, SetupError> {
        let content = STANDARD.decode(&self.content_base64);
        let content = content.map_err(|error| SetupError::Record { problem: error.to_string() })?;
        Ok(Found { content, mode: self.mode, uid: self.uid, gid: self.gid })
    }
}

/// The hash by which a file's content is known again.
pub(super) fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Default for Record {
    fn default() -> Self {
        Self { version: VERSION, needs_restart: false, changes: Vec::new() }
    }
}

impl Record {
    pub(super) fn load(root: &Root) -> Result<Self, SetupError> {
        let Some(found) = root.read(PATH)? else { return Ok(Self::default()) };
        let record: Self = serde_json::from_slice(&found.content)
            .map_err(|error| SetupError::Record { problem: error.to_string() })?;
        match record.version {
            VERSION => Ok(record),
            other => Err(SetupError::Record { problem: format!("it has the version {other}") }),
        }
    }

    /// Writes the record; removes it if it is empty.
    pub(super) fn save(&self, root: &Root) -> Result<(), SetupError> {
        if self.changes.is_empty() {
            return Ok(root.remove(PATH)?);
        }
        for folder in root.missing_folders(PATH) {
            root.make_folder(&folder)?;
        }
        let content =
            serde_json::to_vec(self).map_err(|error| SetupError::Record { problem: error.to_string() })?;
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        Ok(root.write(PATH, &Found { content, mode: 0o600, uid, gid })?)
    }

    /// The changes, the last first.
    pub(super) fn latest_first(&self) -> Vec<Change> {
        self.changes.iter().rev().cloned().collect()
    }

    pub(super) fn remove(&mut self, change: &Change) {
        self.changes.retain(|known| known != change);
    }

    /// Notes a change other than of a file, once.
    pub(super) fn note(&mut self, change: Change) {
        let is_same = |known: &Change| match (known, &change) {
            (Change::Started { unit, .. }, Change::Started { unit: other, .. })
            | (Change::Stopped { unit, .. }, Change::Stopped { unit: other, .. }) => unit == other,
            _ => *known == change,
        };
        if !self.changes.iter().any(is_same) {
            self.changes.push(change);
        }
    }

    /// Notes that `new` is about to replace what was `found` at this path. What somebody else has written since the
    /// last setup counts as what was there before.
    pub(super) fn note_file(&mut self, path: &str, found: Option<&Found>, new: &[u8]) {
        let found_hash = found.map(|found| hash(&found.content));
        let earlier = self.changes.iter_mut().find_map(|change| match change {
            Change::File { path: known, before, written } if known == path => Some((before, written)),
            _ => None,
        });
        let Some((before, written)) = earlier else {
            let before = found.map(Before::of);
            self.changes.push(Change::File { path: path.to_owned(), before, written: vec![hash(new)] });
            return;
        };
        match found_hash.filter(|found| written.contains(found)) {
            Some(found) => *written = vec![found, hash(new)],
            None => {
                *before = found.map(Before::of);
                *written = vec![hash(new)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str) -> Found {
        Found { content: content.into(), mode: 0o644, uid: 0, gid: 0 }
    }

    fn file(before: Option<&str>, written: &[&str]) -> Change {
        let before = before.map(|before| Before::of(&found(before)));
        let written = written.iter().map(|written| hash(written.as_bytes())).collect();
        Change::File { path: "/etc/x".to_owned(), before, written }
    }

    #[test]
    fn what_was_there_before_the_first_setup_stays_known() {
        let mut record = Record::default();
        record.note_file("/etc/x", Some(&found("mine")), b"one");
        assert_eq!(record.latest_first(), [file(Some("mine"), &["one"])]);
        // Interrupted before it was written, and once more.
        record.note_file("/etc/x", Some(&found("mine")), b"one");
        assert_eq!(record.latest_first(), [file(Some("mine"), &["one"])]);
        record.note_file("/etc/x", Some(&found("one")), b"two");
        assert_eq!(record.latest_first(), [file(Some("mine"), &["one", "two"])]);
        // Interrupted again, and written the next time.
        record.note_file("/etc/x", Some(&found("one")), b"three");
        assert_eq!(record.latest_first(), [file(Some("mine"), &["one", "three"])]);
        // Somebody has changed it.
        record.note_file("/etc/x", Some(&found("edited")), b"four");
        assert_eq!(record.latest_first(), [file(Some("edited"), &["four"])]);
        record.note_file("/etc/x", None, b"five");
        assert_eq!(record.latest_first(), [file(None, &["five"])]);
    }

    #[test]
    fn a_unit_is_as_it_was_before_the_first_setup() {
        let mut record = Record::default();
        let started = |was_active| Change::Started { unit: "a".to_owned(), was_enabled: false, was_active };
        record.note(started(false));
        record.note(started(true));
        assert_eq!(record.latest_first(), [started(false)]);
    }

    #[test]
    fn the_record_survives_on_disk_and_damage_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        let mut record = Record { needs_restart: true, ..Record::default() };
        record.note_file("/etc/x", Some(&found("\u{0}ÿ")), b"one");
        record.save(&root).unwrap();
        let loaded = Record::load(&root).unwrap();
        assert!(loaded.needs_restart);
        let [Change::File { before: Some(before), .. }] = &loaded.latest_first()[..] else { panic!() };
        assert!(before.to_file().unwrap() == found("\u{0}ÿ"));
        for damaged in ["", "{\"version\":", "{\"version\":9,\"changes\":[]}"] {
            std::fs::write(root.path(PATH), damaged).unwrap();
            assert!(matches!(Record::load(&root), Err(SetupError::Record { .. })), "{damaged}");
        }
        record.changes.clear();
        record.save(&root).unwrap();
        assert!(!root.exists(PATH));
    }
}
