//! A file of names, as it is looked at again and again.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tracing::warn;
use twox_hash::XxHash3_64;

use crate::names_import::{FILE_LIMIT, Facts, Unreadable};

/// After how many looks a file is taken though it is never twice the same.
const SETTLE_POLLS_LIMIT: u32 = 10;

/// Why a file gives no names at the moment.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("it is no regular file")]
    Kind,
    #[error("{0}")]
    Text(#[from] Unreadable),
}

/// Where a look at a file leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileChange {
    /// It is as it was, or cannot be read at the moment.
    Unchanged,
    /// It has changed, and may be in the middle of being written: it is taken once it is twice the same.
    Settling,
    /// What it says was taken.
    Updated,
}

/// A file of names.
#[derive(Debug)]
pub(super) struct NameFile {
    path: PathBuf,
    /// What it said when it could last be read, and the hash of that.
    taken: Option<(u64, Facts)>,
    /// The hash of what stands in it now, and how many looks it has been another than what was taken.
    settling: Option<(u64, u32)>,
    /// What was told of it last.
    told: Option<String>,
}

impl NameFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, taken: None, settling: None, told: None }
    }

    /// What it says; `None` where it could not be read yet.
    pub(super) fn facts(&self) -> Option<&Facts> {
        self.taken.as_ref().map(|(_, facts)| facts)
    }

    /// Reads it. It is small, and neither its length nor its time tells each change: two writes within a
    /// clock tick, or NFS, leave them as they were.
    pub(super) fn poll(&mut self) -> FileChange {
        match read(&self.path) {
            Ok(bytes) => self.examine(&bytes),
            Err(error) => {
                self.settling = None;
                self.tell(format!(
                    "could not be read for names: {error}; what it said before holds until it can"
                ));
                FileChange::Unchanged
            }
        }
    }

    fn examine(&mut self, bytes: &[u8]) -> FileChange {
        let hash = XxHash3_64::oneshot(bytes);
        if self.taken.as_ref().is_some_and(|(taken, _)| *taken == hash) {
            (self.settling, self.told) = (None, None);
            return FileChange::Unchanged;
        }
        let (before, looks) = self.settling.map_or((None, 0), |(hash, looks)| (Some(hash), looks));
        if before != Some(hash) && looks < SETTLE_POLLS_LIMIT {
            self.settling = Some((hash, looks + 1));
            return FileChange::Settling;
        }
        self.settling = None;
        match Facts::read(&self.path, bytes) {
            Ok(facts) => {
                match facts.is_lossy {
                    true => {
                        self.tell("is not in UTF-8: letters that cannot be read are shown as \u{fffd}".into())
                    }
                    false => self.told = None,
                }
                self.taken = Some((hash, facts));
                FileChange::Updated
            }
            Err(error) => {
                self.tell(format!("gives no names: {error}; what it said before holds"));
                FileChange::Unchanged
            }
        }
    }

    /// Says so once.
    fn tell(&mut self, what: String) {
        if self.told.as_ref() != Some(&what) {
            warn!("{} {what}", self.path.display());
            self.told = Some(what);
        }
    }
}

/// What stands in the file, up to a byte more than is read of one.
fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    // Whoever opened a pipe would wait for its other end.
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
        let looks: Vec<FileChange> = expected.iter().map(|_| file.poll()).collect();
        assert_eq!(looks, expected);
    }

    #[test]
    fn a_change_is_taken_once_it_is_whole_whatever_the_files_time_says() {
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
        // As long, and of the same time.
        write(&path, "a4:83:e7:4e:39:15 Ann\n");
        polls(&mut file, &[Settling, Updated, Unchanged]);
        assert_eq!(names(&file), ["Ann"]);
        // In the middle of being written.
        write(&path, "a4:83:e7:4e:39:15 Al");
        polls(&mut file, &[Settling]);
        write(&path, "a4:83:e7:4e:39:15 Alice\n00:23:a7:19:5c:03 Van\n");
        polls(&mut file, &[Settling]);
        assert_eq!(names(&file), ["Ann"]);
        polls(&mut file, &[Updated, Unchanged]);
        assert_eq!(names(&file), ["Van", "Alice"]);
        // Another file in its place.
        let other = folder.path().join("new");
        write(&other, "a4:83:e7:4e:39:15 Alice\n00:23:a7:19:5c:03 Bus\n");
        fs::rename(&other, &path).unwrap();
        polls(&mut file, &[Settling, Updated, Unchanged]);
        assert_eq!(names(&file), ["Bus", "Alice"]);
        // One that is never at rest is taken all the same.
        for number in 0..SETTLE_POLLS_LIMIT {
            write(&path, &format!("a4:83:e7:4e:39:15 Alice{number}\n"));
            polls(&mut file, &[Settling]);
        }
        write(&path, "a4:83:e7:4e:39:15 Zoë\n");
        polls(&mut file, &[Updated]);
    }

    #[test]
    fn what_cannot_be_read_keeps_what_it_said() {
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
        assert!(file.told.as_ref().unwrap().contains("UTF-16"), "{:?}", file.told);
        File::options().write(true).open(&path).unwrap().set_len(FILE_LIMIT as u64 + 7).unwrap();
        polls(&mut file, &[Settling, Unchanged]);
        assert!(file.told.as_ref().unwrap().contains("4 MiB"), "{:?}", file.told);
        fs::remove_file(&path).unwrap();
        polls(&mut file, &[Unchanged]);
        fs::create_dir(&path).unwrap();
        polls(&mut file, &[Unchanged]);
        assert!(file.told.as_ref().unwrap().contains("no regular file"), "{:?}", file.told);
        assert_eq!(names(&file), ["Alice"]);
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "a4:83:e7:4e:39:15 Alice\n").unwrap();
        polls(&mut file, &[Unchanged]);
        assert_eq!(file.told, None);
    }
}
