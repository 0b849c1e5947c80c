//! What the files in the log's folder are, by their names.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::disk::FileFacts;
use crate::event::Offset;

const OPEN: &str = ".ndjson";
const SEALED: &str = ".ndjson.zst";
/// Behind the name of a segment: the file is written, and may not be whole.
const UNFINISHED: &str = ".tmp";
/// Behind the name of a segment: whole, and about to take its place.
const MENDED: &str = ".mended";
/// Behind the name of a segment, perhaps with a number: what it was before it was mended.
const DAMAGED: &str = ".damaged";

/// Digits of an offset in a name.
const DIGITS: usize = 20;

/// A file of events in a row.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// The offset of the first event.
    pub(super) base: Offset,
    pub(super) path: PathBuf,
    pub(super) sealed: bool,
    /// Of the file; an open segment is read up to here.
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
}

impl Segment {
    pub(super) fn new(base: Offset, path: PathBuf, sealed: bool, facts: FileFacts) -> Self {
        Self { base, path, sealed, bytes: facts.bytes, modified: facts.modified }
    }

    /// When its newest event was recorded, as near as that is known. An open segment is written now, or was until a
    /// moment ago: what its file says may be of a clock that is behind.
    pub(super) fn modified(&self) -> SystemTime {
        if self.sealed { self.modified } else { SystemTime::now() }
    }

    /// Where the open form of the segment lies.
    pub(super) fn open_path(folder: &Path, base: Offset) -> PathBuf {
        folder.join(format!("{:0DIGITS$}{OPEN}", base.0))
    }

    /// Where its sealed form lies.
    pub(super) fn sealed_path(folder: &Path, base: Offset) -> PathBuf {
        folder.join(format!("{:0DIGITS$}{SEALED}", base.0))
    }
}

/// What was in a segment's place before it was mended.
#[derive(Debug, Clone)]
pub(super) struct SetAside {
    pub(super) base: Offset,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// What a file of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Segment { sealed: bool },
    Unfinished,
    Mended,
    SetAside,
}

/// The offset in a file's name and what the file is, where it is one of the log's.
pub(super) fn kind(path: &Path) -> Option<(Offset, Kind)> {
    let name = path.file_name()?.to_str()?;
    let (digits, rest) = name.split_at_checked(DIGITS)?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let base = digits.parse().ok().filter(|base| *base <= Offset::LAST.0)?;
    let (sealed, suffix) = match rest.strip_prefix(SEALED) {
        Some(suffix) => (true, suffix),
        None => (false, rest.strip_prefix(OPEN)?),
    };
    let kind = match suffix {
        "" => Kind::Segment { sealed },
        UNFINISHED => Kind::Unfinished,
        MENDED => Kind::Mended,
        _ if suffix.starts_with(DAMAGED) => Kind::SetAside,
        _ => return None,
    };
    Some((Offset(base), kind))
}

/// The name under which the segment at `path` is written.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    with_suffix(path, UNFINISHED)
}

/// The name under which what will take the place of the segment at `path` waits.
pub(super) fn mended(path: &Path) -> PathBuf {
    with_suffix(path, MENDED)
}

/// The segment that a file waits to take the place of.
pub(super) fn to_be_replaced(mended: &Path) -> PathBuf {
    mended.with_extension("")
}

/// The names under which the segment at `path` can be set aside.
pub(super) fn names_aside(path: &Path) -> impl Iterator<Item = PathBuf> {
    let numbered = (2_u64..).map(|number| format!("{DAMAGED}-{number}"));
    std::iter::once(DAMAGED.to_owned()).chain(numbered).map(|suffix| with_suffix(path, &suffix))
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
    fn files_are_known_by_their_names() {
        for (name, expected) in [
            ("00000000000000000042.ndjson", Some(Kind::Segment { sealed: false })),
            ("00000000000000000042.ndjson.zst", Some(Kind::Segment { sealed: true })),
            ("00000000000000000042.ndjson.tmp", Some(Kind::Unfinished)),
            ("00000000000000000042.ndjson.zst.tmp", Some(Kind::Unfinished)),
            ("00000000000000000042.ndjson.zst.mended", Some(Kind::Mended)),
            ("00000000000000000042.ndjson.damaged", Some(Kind::SetAside)),
            ("00000000000000000042.ndjson.zst.damaged-2", Some(Kind::SetAside)),
            ("00000000000000000042.ndjson.bak", None),
            ("00000000000000000042.json", None),
            ("0000000000000000042.ndjson", None),
            ("+0000000000000000042.ndjson", None),
            ("18446744073709551615.ndjson", None),
            ("README", None),
            ("", None),
        ] {
            let found = kind(&Path::new("events").join(name));
            assert_eq!(found, expected.map(|kind| (Offset(42), kind)), "{name}");
        }
        let path = Segment::sealed_path(Path::new("events"), Offset(42));
        assert_eq!(to_be_replaced(&mended(&path)), path);
        for name in names_aside(&path).take(2).chain([unfinished(&path), mended(&path)]) {
            assert!(kind(&name).is_some_and(|(base, _)| base == Offset(42)), "{name:?}");
        }
    }
}
