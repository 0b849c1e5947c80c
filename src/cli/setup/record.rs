//! The record of what setup changed, from which `setup --undo` reverts it.
//!
//! - A change is in the record, on disk, before it is made. So after an interruption the record may have a change that
//!   was not made, and lacks none.
//! - The record holds files as they were, the token's among them: only root may read it.
//! - Undo does as root what the record says. So a record that others could have written is refused, and one with a change
//!   that setup never makes.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{getegid, geteuid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::changes::{CONFIG, TOKEN, UNIT};
use super::error::SetupError;
use super::files::{Found, Root};
use super::network::{DHCPCD, LINKS, NETWORK_MANAGER, NETWORKD, is_interface_name};

/// Where the record is.
pub(super) const PATH: &str = "/var/lib/probewatch-setup.json";

const VERSION: u32 = 1;

/// The instances of `wpa_supplicant@.service`, which setup stops.
const STOPPED: (&str, &str) = ("wpa_supplicant@", ".service");

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

impl Change {
    /// Whether setup makes changes of this kind.
    fn is_of_setup(&self) -> bool {
        let is_file = |path: &str| files().any(|known| known == path);
        match self {
            Self::Folder { path } => {
                let is_above =
                    |file| Path::new(file).ancestors().skip(1).any(|above| above.to_str() == Some(path));
                path.len() > 1 && files().any(is_above)
            }
            Self::File { path, before, .. } => {
                is_file(path) && before.as_ref().is_none_or(|before| before.mode & !0o777 == 0)
            }
            Self::Renamed { from, to } => is_interface_name(from) && is_interface_name(to),
            Self::Started { unit, .. } => unit == UNIT,
            Self::Stopped { unit, .. } => {
                let name = unit.strip_prefix(STOPPED.0).and_then(|unit| unit.strip_suffix(STOPPED.1));
                name.is_some_and(is_interface_name)
            }
        }
    }

    /// What is changed.
    fn what(&self) -> &str {
        match self {
            Self::Folder { path } | Self::File { path, .. } => path,
            Self::Renamed { from, .. } => from,
            Self::Started { unit, .. } | Self::Stopped { unit, .. } => unit,
        }
    }
}

/// The files that setup writes.
fn files() -> impl Iterator<Item = &'static str> {
    [CONFIG, TOKEN, NETWORK_MANAGER, NETWORKD, DHCPCD].into_iter().chain(LINKS)
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
        let refused = |problem: String| Err(SetupError::Record { problem });
        let is_of_other = found.uid != 0 && found.uid != geteuid().as_raw();
        if is_of_other || found.mode & 0o022 != 0 {
            return refused("others than root own it or may write to it".to_owned());
        }
        let record: Self = serde_json::from_slice(&found.content)
            .map_err(|error| SetupError::Record { problem: error.to_string() })?;
        if record.version != VERSION {
            return refused(format!("it has the version {}", record.version));
        }
        match record.changes.iter().find(|change| !change.is_of_setup()) {
            // What others wrote may hold anything.
            Some(change) => refused(format!("setup does not change {:?}", change.what())),
            None => Ok(record),
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
        record.note_file(CONFIG, Some(&found("\u{0}ÿ")), b"one");
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

    #[test]
    fn a_record_with_what_setup_never_changes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        let whole = |path: &str, before: Option<Before>| Change::File {
            path: path.to_owned(),
            before,
            written: vec![],
        };
        let set_user_id = Before::of(&Found { mode: 0o4755, ..found("") });
        let started =
            |unit: &str| Change::Started { unit: unit.to_owned(), was_enabled: false, was_active: false };
        let stopped =
            |unit: &str| Change::Stopped { unit: unit.to_owned(), was_enabled: true, was_active: true };
        let renamed = |from: &str, to: &str| Change::Renamed { from: from.to_owned(), to: to.to_owned() };
        let made = |path: &str| Change::Folder { path: path.to_owned() };
        let loaded = |change: Change| {
            let record = Record { changes: vec![change], ..Record::default() };
            record.save(&root).unwrap();
            Record::load(&root)
        };
        for change in [
            whole("/etc/shadow", None),
            whole("/etc/probewatch/../shadow", None),
            whole("", None),
            whole(TOKEN, Some(set_user_id)),
            started("sshd.service"),
            stopped("evil.service"),
            stopped("wpa_supplicant@../evil.service"),
            renamed("eth0", "../x"),
            renamed("", "probe0"),
            made("/etc/probewatch/.."),
            made("/"),
            made("/root"),
        ] {
            assert!(matches!(loaded(change.clone()), Err(SetupError::Record { .. })), "{change:?}");
        }
        for change in [
            whole(CONFIG, Some(Before::of(&found("")))),
            whole(LINKS[1], None),
            started(UNIT),
            stopped("wpa_supplicant@wlan1.service"),
            renamed("wlan1", "probe0"),
            made("/etc/probewatch"),
        ] {
            assert!(loaded(change.clone()).is_ok(), "{change:?}");
        }
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(root.path(PATH), std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(Record::load(&root), Err(SetupError::Record { .. })));
    }
}
