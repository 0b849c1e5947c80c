//! The error of file operations on the log.

use std::io;
use std::path::{Path, PathBuf};

/// A file or directory of the log could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {path}: {source}")]
pub struct LogError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What somebody else did to the log: no error of the system.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interference {
    #[error("the log was removed")]
    Removed,
    #[error("the log was replaced")]
    Replaced,
    #[error("something else wrote to the log, or shortened it")]
    Changed,
    #[error("parts of the log were removed")]
    SegmentsRemoved,
    #[error("the folder holds a newer log")]
    NewerLog,
    #[error("{0}")]
    InUse(String),
}

impl LogError {
    pub(super) fn interference(action: &'static str, path: &Path, what: Interference) -> Self {
        Self::new(action, path)(io::Error::other(what))
    }

    /// Adds to an error of the system what was being done to which file.
    pub(crate) fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }

    /// The error of the system.
    pub fn io(&self) -> &io::Error {
        &self.source
    }

    pub(crate) fn into_io(self) -> io::Error {
        self.source
    }

    /// What an operator can do about it.
    pub fn remedy(&self) -> &'static str {
        let interference = self.source.get_ref().and_then(|source| source.downcast_ref::<Interference>());
        match (interference, self.source.kind()) {
            (Some(Interference::InUse(_)), _) => "stop the other program that uses the data directory",
            (Some(Interference::NewerLog), _) => {
                "stop the service, move the newer files away, and start it again"
            }
            (Some(_), _) => {
                "let nothing else change the data directory; the service saves its state there again"
            }
            (None, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                "free some space on the disk"
            }
            (None, io::ErrorKind::PermissionDenied) => "check who owns the data directory",
            (None, io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists) => {
                "move away the file in place of the data directory"
            }
            (None, io::ErrorKind::ReadOnlyFilesystem) => "check why the disk can only be read",
            (None, _) => "check the disk and who owns the data directory",
        }
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_remedy() {
        let remedy = |source| LogError::new("append to", Path::new("x"))(source).remedy();
        let by_hand = |what| LogError::interference("append to", Path::new("x"), what).remedy();
        let kind = |kind: io::ErrorKind| remedy(io::Error::from(kind));
        for (remedy, part) in [
            (kind(io::ErrorKind::StorageFull), "free some space"),
            (kind(io::ErrorKind::PermissionDenied), "who owns"),
            (kind(io::ErrorKind::ReadOnlyFilesystem), "only be read"),
            (remedy(io::Error::other("a broken disk")), "check the disk"),
            (by_hand(Interference::Removed), "let nothing else change"),
            (by_hand(Interference::InUse("it is in use".to_owned())), "stop the other program"),
        ] {
            assert!(remedy.contains(part), "{remedy}");
        }
        let is_not_found =
            |kind: io::ErrorKind| LogError::new("open", Path::new("x"))(kind.into()).is_not_found();
        assert!(is_not_found(io::ErrorKind::NotFound) && !is_not_found(io::ErrorKind::PermissionDenied));
    }
}
