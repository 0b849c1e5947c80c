//! The names of the log's files.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::vfs::FileMetadata;
use crate::event::Offset;

const OPEN: &str = ".ndjson";
const SEALED: &str = ".ndjson.zst";
/// After a segment's name: the file is being written and may not be whole.
const TEMPORARY: &str = ".tmp";
/// After a segment's name: the file is whole and about to replace the segment.
const REPLACEMENT: &str = ".mended";
/// After a segment's name, perhaps followed by a number: the segment as it was before its repair.
const QUARANTINED: &str = ".damaged";

/// Digits of an offset in a name.
const DIGITS: usize = 20;

/// A file of consecutive events.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// The offset of the first event.
    pub(super) base: Offset,
    pub(super) path: PathBuf,
    pub(super) sealed: bool,
    /// The file's length; an open segment is read up to here.
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
}

impl Segment {
    pub(super) fn new(base: Offset, path: PathBuf, sealed: bool, file: FileMetadata) -> Self {
        Self { base, path, sealed, bytes: file.bytes, modified: file.modified }
    }

    /// When its newest event was recorded, as far as known. An open segment is being written, or was a moment ago:
    /// its file's time may come from a clock that is behind.
    pub(super) fn modified(&self) -> SystemTime {
        if self.sealed { self.modified } else { SystemTime::now() }
    }

    /// The path of the segment while it is open.
    pub(super) fn open_path(dir: &Path, base: Offset) -> PathBuf {
        dir.join(format!("{:0DIGITS$}{OPEN}", base.0))
    }

    /// The path of the segment once it is sealed.
    pub(super) fn sealed_path(dir: &Path, base: Offset) -> PathBuf {
        dir.join(format!("{:0DIGITS$}{SEALED}", base.0))
    }
}

/// A corrupt segment that a repair moved out of the way.
#[derive(Debug, Clone)]
pub(super) struct QuarantinedFile {
    pub(super) base: Offset,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// What a file of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Segment { sealed: bool },
    Temporary,
    Replacement,
    Quarantined,
}

/// The offset in a file's name, and the kind of file; `None` if it is no file of the log.
pub(super) fn parse_name(path: &Path) -> Option<(Offset, FileKind)> {
    let name = path.file_name()?.to_str()?;
    let (digits, rest) = name.split_at_checked(DIGITS)?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let base = digits.parse().ok().filter(|base| *base <= Offset::MAX.0)?;
    let (sealed, suffix) = match rest.strip_prefix(SEALED) {
        Some(suffix) => (true, suffix),
        None => (false, rest.strip_prefix(OPEN)?),
    };
    let kind = match suffix {
        "" => FileKind::Segment { sealed },
        TEMPORARY => FileKind::Temporary,
        REPLACEMENT => FileKind::Replacement,
        _ if suffix.starts_with(QUARANTINED) => FileKind::Quarantined,
        _ => return None,
    };
    Some((Offset(base), kind))
}

/// Where the segment at `path` is written before it is whole.
pub(super) fn temporary_path(path: &Path) -> PathBuf {
    with_suffix(path, TEMPORARY)
}

/// Where a whole file waits that replaces the segment at `path`.
pub(super) fn replacement_path(path: &Path) -> PathBuf {
    with_suffix(path, REPLACEMENT)
}

/// The segment that the file at `replacement` replaces.
pub(super) fn segment_of_replacement(replacement: &Path) -> PathBuf {
    replacement.with_extension("")
}

/// The paths to which the segment at `path` can be moved in quarantine.
pub(super) fn quarantine_paths(path: &Path) -> impl Iterator<Item = PathBuf> {
    let numbered = (2_u64..).map(|number| format!("{QUARANTINED}-{number}"));
    std::iter::once(QUARANTINED.to_owned()).chain(numbered).map(|suffix| with_suffix(path, &suffix))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_give_offset_and_kind() {
        for (name, expected) in [
            ("00000000000000000042.ndjson", Some(FileKind::Segment { sealed: false })),
            ("00000000000000000042.ndjson.zst", Some(FileKind::Segment { sealed: true })),
            ("00000000000000000042.ndjson.tmp", Some(FileKind::Temporary)),
            ("00000000000000000042.ndjson.zst.tmp", Some(FileKind::Temporary)),
            ("00000000000000000042.ndjson.zst.mended", Some(FileKind::Replacement)),
            ("00000000000000000042.ndjson.damaged", Some(FileKind::Quarantined)),
            ("00000000000000000042.ndjson.zst.damaged-2", Some(FileKind::Quarantined)),
            ("00000000000000000042.ndjson.bak", None),
            ("00000000000000000042.json", None),
            ("0000000000000000042.ndjson", None),
            ("+0000000000000000042.ndjson", None),
            ("18446744073709551615.ndjson", None),
            ("README", None),
            ("", None),
        ] {
            let found = parse_name(&Path::new("events").join(name));
            assert_eq!(found, expected.map(|kind| (Offset(42), kind)), "{name}");
        }
        let path = Segment::sealed_path(Path::new("events"), Offset(42));
        assert_eq!(segment_of_replacement(&replacement_path(&path)), path);
        for name in quarantine_paths(&path).take(2).chain([temporary_path(&path), replacement_path(&path)]) {
            assert!(parse_name(&name).is_some_and(|(base, _)| base == Offset(42)), "{name:?}");
        }
    }
}
