//! Reads and writes files of the machine by their paths from `/`, below a root folder that only tests change.
//!
//! - No symbolic link is followed, neither at a file nor at a folder on the way to it: who made it may not be root.
//! - A file is replaced as a whole: written beside it, synchronized, and renamed. An interruption leaves the old file or
//!   the new one, and perhaps a hidden file beside it, which the next write removes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, fchmod, fchown, flock, fstat, fsync, mkdirat, openat,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};

/// The largest file that is read, in bytes.
const SIZE_LIMIT: u64 = 1 << 20;

/// The file that a setup locks while it runs.
const LOCK: &str = "/run/probewatch-setup.lock";

/// How often the lock is tried to get if the file of another setup goes away at that moment.
const LOCK_ATTEMPTS: usize = 10;

/// What folders get that are made.
const FOLDER_MODE: u32 = 0o755;

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum FileError {
    #[error("{path} is a symbolic link, and setup follows none")]
    Link { path: String },
    #[error("{path} is no {expected}")]
    Kind { path: String, expected: &'static str },
    #[error("{path} has more than {} KiB", SIZE_LIMIT >> 10)]
    TooLarge { path: String },
    #[error("other users own or may write to the folder {path}")]
    Exposed { path: String },
    #[error("could not {action} {path}: {error}")]
    Io { action: &'static str, path: String, error: io::Error },
}

impl FileError {
    /// Whether this user may not do it.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == io::ErrorKind::PermissionDenied)
    }

    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Link { .. } => {
                "put a file or folder in its place, or make these changes by hand: docs/installation.md"
            }
            Self::Kind { .. } | Self::TooLarge { .. } => "move it away, and run setup again",
            Self::Exposed { .. } => "give it to root alone: sudo chown root, and sudo chmod o-w",
            Self::Io { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => "run it with sudo",
            Self::Io { error, .. } if error.kind() == io::ErrorKind::StorageFull => {
                "free disk space, and run setup again"
            }
            Self::Io { .. } => "when that is repaired, run setup again: it goes on where it stopped",
        }
    }
}

/// A file that exists.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) content: Vec<u8>,
    /// Its permissions.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The lock of a setup that runs.
pub(super) struct Lock {
    folder: OwnedFd,
    _file: OwnedFd,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = unlinkat(&self.folder, split(LOCK).1, AtFlags::empty());
    }
}

/// The machine's files.
#[derive(Debug, Clone)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Whether these are the machine's own files.
    pub(super) fn is_machine(&self) -> bool {
        self.0 == Path::new("/")
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Where the file of this path is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.path(path).is_dir()
    }

    /// A lock that only one setup at a time has; `None` if another has it. It ends with the returned value.
    pub(super) fn lock(&self) -> Result<Option<Lock>, FileError> {
        let (folder, name) = split(LOCK);
        let of = |error| failed("lock", LOCK, error);
        let Some(folder) = self.open_folder(folder)? else { return Err(of(Errno::NOENT)) };
        // A file that others cannot open: whoever can open one can lock it.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..LOCK_ATTEMPTS {
            let file = openat(&folder, name, flags, Mode::RUSR | Mode::WUSR).map_err(of)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(of(error)),
            }
            // The one who had it has removed the file meanwhile, unless it is still there.
            let ours = fstat(&file).map_err(of)?;
            let named = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
            if named.is_ok_and(|named| (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)) {
                return Ok(Some(Lock { folder, _file: file }));
            }
        }
        Ok(None)
    }

    /// The file; `None` if there is none.
    pub(super) fn read(&self, path: &str) -> Result<Option<Found>, FileError> {
        let (folder, name) = split(path);
        let Some(folder) = self.open_folder(folder)? else { return Ok(None) };
        // Without waiting for the writer of a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(FileError::Link { path: path.to_owned() }),
            Err(error) => return Err(failed("read", path, error)),
        };
        let unread = |error: io::Error| FileError::Io { action: "read", path: path.to_owned(), error };
        let facts = file.metadata().map_err(unread)?;
        if !facts.is_file() {
            return Err(FileError::Kind { path: path.to_owned(), expected: "file" });
        }
        let mut content = Vec::new();
        file.take(SIZE_LIMIT + 1).read_to_end(&mut content).map_err(unread)?;
        if content.len() as u64 > SIZE_LIMIT {
            return Err(FileError::TooLarge { path: path.to_owned() });
        }
        let mode = facts.permissions().mode() & 0o7777;
        Ok(Some(Found { content, mode, uid: facts.uid(), gid: facts.gid() }))
    }

    /// Replaces the file, or makes it. The folder must exist.
    pub(super) fn write(&self, path: &str, new: &Found) -> Result<(), FileError> {
        let (folder, name) = split(path);
        let Some(folder) = self.open_folder(folder)? else {
            return Err(failed("write", path, Errno::NOENT));
        };
        let temporary = temporary_name(name);
        // What an interrupted setup left.
        let _ = unlinkat(&folder, &temporary, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, &temporary, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| failed("write", path, error))?;
        let written = fill(file, new)
            .and_then(|()| Ok(renameat(&folder, &temporary, &folder, name)?))
            .and_then(|()| Ok(fsync(&folder)?));
        written.map_err(|error| {
            let _ = unlinkat(&folder, &temporary, AtFlags::empty());
            FileError::Io { action: "write", path: path.to_owned(), error }
        })
    }

    /// Removes the file, if there is one.
    pub(super) fn remove(&self, path: &str) -> Result<(), FileError> {
        let (folder, name) = split(path);
        let Some(folder) = self.open_folder(folder)? else { return Ok(()) };
        let _ = unlinkat(&folder, temporary_name(name), AtFlags::empty());
        match unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) => fsync(&folder).map_err(|error| failed("remove", path, error)),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("remove", path, error)),
        }
    }

    /// Removes what an interrupted write of the file left beside it.
    pub(super) fn remove_leftover(&self, path: &str) -> Result<(), FileError> {
        let (folder, name) = split(path);
        if let Some(folder) = self.open_folder(folder)? {
            let _ = unlinkat(&folder, temporary_name(name), AtFlags::empty());
        }
        Ok(())
    }

    /// The folders on the way to the file that do not exist, outermost first.
    pub(super) fn missing_folders(&self, path: &str) -> Vec<String> {
        let folders = Path::new(path).ancestors().skip(1);
        let folders = folders.filter_map(|folder| folder.to_str().map(str::to_owned));
        let mut missing: Vec<String> = folders.take_while(|folder| !self.exists(folder)).collect();
        missing.reverse();
        missing
    }

    /// Makes a folder, unless it is there.
    pub(super) fn make_folder(&self, path: &str) -> Result<(), FileError> {
        let (parent, name) = split(path);
        let Some(parent) = self.open_folder(parent)? else {
            return Err(failed("make", path, Errno::NOENT));
        };
        match mkdirat(&parent, name, Mode::from_raw_mode(FOLDER_MODE)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(()),
            Err(error) => return Err(failed("make", path, error)),
        }
        let folder = open_folder_in(&parent, name, path)?;
        let Some(folder) = folder else { return Err(failed("make", path, Errno::NOENT)) };
        // Whatever the umask.
        fchmod(&folder, Mode::from_raw_mode(FOLDER_MODE))
            .and_then(|()| fsync(&parent))
            .map_err(|error| failed("make", path, error))
    }

    /// Whether the folder was removed, or is not there; it stays if anything is in it.
    pub(super) fn remove_folder(&self, path: &str) -> Result<bool, FileError> {
        let (parent, name) = split(path);
        let Some(parent) = self.open_folder(parent)? else { return Ok(true) };
        match unlinkat(&parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(error) => Err(failed("remove", path, error)),
        }
    }

    /// The folder; `None` if it does not exist.
    fn open_folder(&self, path: &str) -> Result<Option<OwnedFd>, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, &self.0, flags, Mode::empty());
        let mut folder = root.map_err(|error| failed("open", &self.0.display().to_string(), error))?;
        let mut so_far = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            so_far = format!("{so_far}/{name}");
            match open_folder_in(&folder, name, &so_far)? {
                Some(next) => folder = next,
                None => return Ok(None),
            }
        }
        Ok(Some(folder))
    }
}

fn open_folder_in(parent: &OwnedFd, name: &str, path: &str) -> Result<Option<OwnedFd>, FileError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match openat(parent, name, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(None),
        // The kernel says the second of a link, too.
        Err(Errno::LOOP | Errno::NOTDIR) => {
            let facts = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
            let is_link = facts.is_ok_and(|facts| {
                rustix::fs::FileType::from_raw_mode(facts.st_mode) == rustix::fs::FileType::Symlink
            });
            let path = path.to_owned();
            return Err(match is_link {
                true => FileError::Link { path },
                false => FileError::Kind { path, expected: "folder" },
            });
        }
        Err(error) => return Err(failed("open", path, error)),
    };
    let facts = fstat(&folder).map_err(|error| failed("open", path, error))?;
    let is_of_other = facts.st_uid != 0 && facts.st_uid != geteuid().as_raw();
    if is_of_other || facts.st_mode & 0o002 != 0 {
        return Err(FileError::Exposed { path: path.to_owned() });
    }
    Ok(Some(folder))
}

fn fill(file: OwnedFd, new: &Found) -> io::Result<()> {
    let mut file = File::from(file);
    file.write_all(&new.content)?;
    let facts = file.metadata()?;
    if (facts.uid(), facts.gid()) != (new.uid, new.gid) {
        fchown(&file, Some(Uid::from_raw(new.uid)), Some(Gid::from_raw(new.gid)))?;
    }
    fchmod(&file, Mode::from_raw_mode(new.mode))?;
    file.sync_all()
}

/// The name under which a file is written before it gets its own.
fn temporary_name(name: &str) -> String {
    format!(".{name}.probewatch-setup")
}

/// The folder and the name in it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn failed(action: &'static str, path: &str, error: Errno) -> FileError {
    FileError::Io { action, path: path.to_owned(), error: error.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn found(content: &str, mode: u32) -> Found {
        let gid = rustix::process::getegid().as_raw();
        Found { content: content.into(), mode, uid: geteuid().as_raw(), gid }
    }

    fn root() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for made in ["etc", "run"] {
            fs::create_dir(folder.path().join(made)).unwrap();
        }
        let root = Root::new(folder.path());
        (folder, root)
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_with_its_mode() {
        let (folder, root) = root();
        assert_eq!(root.missing_folders("/etc/a/b/file"), ["/etc/a", "/etc/a/b"]);
        for made in root.missing_folders("/etc/a/b/file") {
            root.make_folder(&made).unwrap();
        }
        // What an interrupted write left.
        fs::write(folder.path().join("etc/a/b/.file.probewatch-setup"), "torn").unwrap();
        for (content, mode) in [("one", 0o644), ("another", 0o600)] {
            root.write("/etc/a/b/file", &found(content, mode)).unwrap();
            assert!(root.read("/etc/a/b/file").unwrap() == Some(found(content, mode)));
        }
        assert_eq!(fs::read_dir(folder.path().join("etc/a/b")).unwrap().count(), 1);
        assert!(!root.remove_folder("/etc/a/b").unwrap());
        root.remove("/etc/a/b/file").unwrap();
        root.remove("/etc/a/b/file").unwrap();
        assert!(root.remove_folder("/etc/a/b").unwrap() && root.remove_folder("/etc/a/b").unwrap());
    }

    #[test]
    fn links_are_not_followed() {
        let (folder, root) = root();
        let (etc, strangers) = (folder.path().join("etc"), folder.path().join("strangers"));
        fs::create_dir(&strangers).unwrap();
        fs::write(strangers.join("file"), "theirs").unwrap();
        symlink(strangers.join("file"), etc.join("file")).unwrap();
        symlink(&strangers, etc.join("folder")).unwrap();
        symlink("nowhere", etc.join("dangling")).unwrap();
        for path in ["/etc/file", "/etc/folder/file", "/etc/dangling", "/etc/dangling/file"] {
            assert!(matches!(root.read(path), Err(FileError::Link { .. })), "{path}");
        }
        assert!(matches!(root.write("/etc/folder/new", &found("", 0o600)), Err(FileError::Link { .. })));
        assert!(matches!(root.make_folder("/etc/folder/new"), Err(FileError::Link { .. })));
        assert!(matches!(root.remove("/etc/folder/file"), Err(FileError::Link { .. })));
        assert_eq!(fs::read_to_string(strangers.join("file")).unwrap(), "theirs");
    }

    #[test]
    fn what_is_no_file_or_too_large_is_refused() {
        let (folder, root) = root();
        let etc = folder.path().join("etc");
        fs::create_dir(etc.join("folder")).unwrap();
        fs::write(etc.join("large"), vec![b'#'; (SIZE_LIMIT + 1) as usize]).unwrap();
        assert!(matches!(root.read("/etc/folder"), Err(FileError::Kind { expected: "file", .. })));
        assert!(matches!(root.read("/etc/large/x"), Err(FileError::Kind { expected: "folder", .. })));
        assert!(matches!(root.read("/etc/large"), Err(FileError::TooLarge { .. })));
        assert!(root.read("/etc/none/x").unwrap().is_none());
        fs::set_permissions(etc.join("folder"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(root.read("/etc/folder/x"), Err(FileError::Exposed { .. })));
    }

    #[test]
    fn only_one_setup_has_the_lock() {
        let (_folder, root) = root();
        let lock = root.lock().unwrap();
        assert!(lock.is_some() && root.lock().unwrap().is_none());
        drop(lock);
        assert!(root.lock().unwrap().is_some());
    }
}
