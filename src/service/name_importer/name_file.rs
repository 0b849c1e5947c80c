//! A file of names that is polled for changes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tracing::warn;
use twox_hash::XxHash3_64;

use crate::names_import::{EARLIER_FILES, FILE_LIMIT, Facts, Finding, Unreadable, is_kea};

/// Polls after which a constantly changing file is read anyway.
const SETTLE_POLLS_LIMIT: u32 = 10;

/// Why a file gives no names at the moment.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("it is not a regular file")]
    Kind,
    #[error("{0}")]
    Text(#[from] Unreadable),
}

/// What a poll of a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileChange {
    /// It has not changed, or cannot be read.
    Unchanged,
    /// It has changed, and may still be written: it counts once it is twice the same.
    Settling,
    /// Its new content counts from now on.
    Updated,
}

/// A file of names.
#[derive(Debug)]
pub(super) struct NameFile {
    path: PathBuf,
    /// The hash and the facts of the last content that could be read.
    current: Option<(u64, Facts)>,
    /// The hash of the new content, and for how many polls it has differed from the current one.
    settling: Option<(u64, u32)>,
    /// The last warning about a file that gives no names.
    warning: Option<String>,
    /// The findings in its content that were logged, one of each kind.
    findings: Vec<Finding>,
}

impl NameFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, current: None, settling: None, warning: None, findings: Vec::new() }
    }

    /// What it says; `None` if it could not be read yet.
    pub(super) fn facts(&self) -> Option<&Facts> {
        self.current.as_ref().map(|(_, facts)| facts)
    }

    /// Reads it. Its length and its time do not reveal every change: two writes within a clock tick, or NFS, leave them
    /// as they were.
    pub(super) fn poll(&mut self) -> FileChange {
        match read(&self.path) {
            Ok(bytes) => self.examine(&bytes),
            Err(error) => {
                self.settling = None;
                self.warn(format!("could not be read: {error}; its earlier names stay until it can"));
                FileChange::Unchanged
            }
        }
    }

    fn examine(&mut self, bytes: &[u8]) -> FileChange {
        let hash = XxHash3_64::oneshot(bytes);
        if self.current.as_ref().is_some_and(|(current, _)| *current == hash) {
            (self.settling, self.warning) = (None, None);
            return FileChange::Unchanged;
        }
        let (before, polls) = self.settling.map_or((None, 0), |(hash, polls)| (Some(hash), polls));
        if before != Some(hash) && polls < SETTLE_POLLS_LIMIT {
            self.settling = Some((hash, polls + 1));
            return FileChange::Settling;
        }
        self.settling = None;
        match Facts::read(&self.path, bytes) {
            Ok(facts) => {
                self.warning = None;
                self.log_findings(&facts.findings);
                self.current = Some((hash, facts));
                FileChange::Updated
            }
            Err(error) => {
                let remedy = error.remedy().map_or(String::new(), |remedy| format!("; {remedy}"));
                self.warn(format!("contains no names: {error}{remedy}; its earlier names stay"));
                FileChange::Unchanged
            }
        }
    }

    /// Logs one finding of each kind once, until the file is free of that kind.
    fn log_findings(&mut self, findings: &[Finding]) {
        let kind = std::mem::discriminant::<Finding>;
        self.findings.retain(|logged| findings.iter().any(|found| kind(found) == kind(logged)));
        for finding in findings {
            if self.findings.iter().any(|logged| kind(logged) == kind(finding)) {
                continue;
            }
            let path = self.path.display();
            let (finding, code) = (finding.clone(), finding.code());
            warn!(event = "name_file", finding = code, %path, "{path} {finding}; {}", finding.remedy());
            self.findings.push(finding);
        }
    }

    /// Logs a warning once.
    fn warn(&mut self, warning: String) {
        if self.warning.as_ref() != Some(&warning) {
            warn!(event = "name_file", path = %self.path.display(), "{} {warning}", self.path.display());
            self.warning = Some(warning);
        }
    }
}

/// The content of the file, up to a byte more than [`FILE_LIMIT`]; before it that of the files to which Kea's clean-up
/// moves rows.
fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let bytes = read_one(path)?;
    if !is_kea(&bytes) {
        return Ok(bytes);
    }
    let mut all = Vec::new();
    for endings in EARLIER_FILES {
        for ending in endings {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            match read_one(Path::new(&name)) {
                Ok(earlier) => all.extend(earlier),
                Err(FileError::Read(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if !all.is_empty() {
            break;
        }
    }
    all.extend(bytes);
    Ok(all)
}

fn read_one(path: &Path) -> Result<Vec<u8>, FileError> {
    // Opening a pipe would wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::Kind);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::names_import::join;

    fn names(file: &NameFile) -> Vec<String> {
        let imported = join(&[file.facts().unwrap()], &Facts::default(), &[]);
        imported.names.into_values().map(|name| name.name).collect()
    }

    fn polls(file: &mut NameFile, expected: &[FileChange]) {
        let changes: Vec<FileChange> = expected.iter().map(|_| file.poll()).collect();
        assert_eq!(changes, expected);
    }

    #[test]
    fn a_change_counts_once_it_is_complete_whatever_the_file_time() {
        use FileChange::*;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ethers");
        let write = |path: &Path, text: &str| {
            fs::write(path, text).unwrap();
            File::options().append(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        };
        write(&path, "a4:83:e7:4e:39:15 Bob\n");
        let mut file = NameFile::new(path.clone());
        polls(&mut file, &[Settling, Updated, Unchanged]);
        // The same length and time.
        write(&path, "a4:83:e7:4e:39:15 Ann\n");
        polls(&mut file, &[Settling, Updated, Unchanged]);
        assert_eq!(names(&file), ["Ann"]);
        // Half written.
        write(&path, "a4:83:e7:4e:39:15 Al");
        polls(&mut file, &[Settling]);
        write(&path, "a4:83:e7:4e:39:15 Alice\n00:23:a7:19:5c:03 Van\n");
        polls(&mut file, &[Settling]);
        assert_eq!(names(&file), ["Ann"]);
        polls(&mut file, &[Updated, Unchanged]);
        assert_eq!(names(&file), ["Van", "Alice"]);
        // Replaced by another file.
        let other = folder.path().join("new");
        write(&other, "a4:83:e7:4e:39:15 Alice\n00:23:a7:19:5c:03 Bus\n");
        fs::rename(&other, &path).unwrap();
        polls(&mut file, &[Settling, Updated, Unchanged]);
        assert_eq!(names(&file), ["Bus", "Alice"]);
        // A file that changes all the time counts, too.
        for number in 0..SETTLE_POLLS_LIMIT {
            write(&path, &format!("a4:83:e7:4e:39:15 Alice{number}\n"));
            polls(&mut file, &[Settling]);
        }
        write(&path, "a4:83:e7:4e:39:15 Zoë\n");
        polls(&mut file, &[Updated]);
    }

    #[test]
    fn kea_moves_earlier_rows_to_other_files() {
        use FileChange::*;
        let folder = tempfile::tempdir().unwrap();
        let write = |ending: &str, rows: &str| {
            let header =
                "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n";
            fs::write(folder.path().join(format!("leases4.csv{ending}")), format!("{header}{rows}")).unwrap();
        };
        let row =
            |ip: u8, name: &str| format!("10.0.0.{ip},a4:83:e7:10:00:{ip:02x},,3600,1,1,0,0,{name},0\n");
        write(".2", &[row(1, "ann"), row(2, "bob")].concat());
        write(".1", &row(2, "ben"));
        write("", &row(3, "cat"));
        let mut file = NameFile::new(folder.path().join("leases4.csv"));
        polls(&mut file, &[Settling, Updated]);
        assert_eq!(names(&file), ["ann", "ben", "cat"]);
        write(".completed", &row(1, "amy"));
        polls(&mut file, &[Settling, Updated, Unchanged]);
        assert_eq!(names(&file), ["amy", "cat"]);
    }

    #[test]
    fn a_finding_is_logged_once() {
        use FileChange::*;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        let mut file = NameFile::new(path.clone());
        for text in ["what\n", "is\nthis\n"] {
            fs::write(&path, text).unwrap();
            polls(&mut file, &[Settling, Updated]);
            assert!(
                matches!(file.findings.as_slice(), [Finding::NotUnderstood { text, .. }] if text == "what")
            );
        }
        fs::write(&path, "10.0.0.1 van\n").unwrap();
        polls(&mut file, &[Settling, Updated]);
        assert_eq!(file.findings, []);
    }

    #[test]
    fn a_file_that_cannot_be_read_counts_as_it_was() {
        use FileChange::*;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ethers");
        let mut file = NameFile::new(path.clone());
        polls(&mut file, &[Unchanged]);
        assert_eq!(file.facts(), None);
        fs::write(&path, "a4:83:e7:4e:39:15 Alice\n").unwrap();
        polls(&mut file, &[Settling, Updated]);
        fs::write(&path, b"\xff\xfea\0").unwrap();
        polls(&mut file, &[Settling, Unchanged]);
        assert!(file.warning.as_ref().unwrap().contains("UTF-16; save it in UTF-8;"), "{:?}", file.warning);
        File::options().write(true).open(&path).unwrap().set_len(FILE_LIMIT as u64 + 7).unwrap();
        polls(&mut file, &[Settling, Unchanged]);
        assert!(file.warning.as_ref().unwrap().contains("4 MiB"), "{:?}", file.warning);
        fs::remove_file(&path).unwrap();
        polls(&mut file, &[Unchanged]);
        fs::create_dir(&path).unwrap();
        polls(&mut file, &[Unchanged]);
        assert!(file.warning.as_ref().unwrap().contains("not a regular file"), "{:?}", file.warning);
        assert_eq!(names(&file), ["Alice"]);
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "a4:83:e7:4e:39:15 Alice\n").unwrap();
        polls(&mut file, &[Unchanged]);
        assert_eq!(file.warning, None);
    }
}
