//! Segments as files: their names, their folder, and how one is sealed.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::LogError;
use crate::event::Offset;

const OPEN: &str = ".ndjson";
const SEALED: &str = ".ndjson.zst";
const UNFINISHED: &str = ".ndjson.zst.tmp";

/// zstd's own default: several times smaller than the text at a small part of a core.
const LEVEL: i32 = 3;

#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) base: Offset,
    pub(super) path: PathBuf,
    pub(super) sealed: bool,
}

impl Segment {
    pub(super) fn open(folder: &Path, base: Offset) -> Self {
        Self { base, path: folder.join(format!("{:020}{OPEN}", base.0)), sealed: false }
    }

    fn from_path(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (digits, sealed) = match name.strip_suffix(SEALED) {
            Some(digits) => (digits, true),
            None => (name.strip_suffix(OPEN)?, false),
        };
        let base = (digits.len() == 20).then(|| digits.parse().ok()).flatten()?;
        Some(Self { base: Offset(base), path, sealed })
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.path.with_file_name(format!("{:020}{suffix}", self.base.0))
    }
}

/// Makes the folder with its parents so that a crash cannot lose its name.
pub(super) fn create_folder(folder: &Path) -> Result<(), LogError> {
    if !folder.is_dir() {
        fs::create_dir_all(folder).map_err(LogError::new("create the folder", folder))?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
    }
    Ok(())
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), LogError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(LogError::new("fsync the folder", folder))
}

/// The segments in the order of their offsets, each once. What an interrupted seal left behind is
/// removed: its unfinished file, or the open form of a segment that is sealed already. Not to be called
/// while a seal runs.
pub(super) fn list(folder: &Path) -> Result<Vec<Segment>, LogError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(LogError::new("list the folder", folder))? {
        let path = entry.map_err(LogError::new("list the folder", folder))?.path();
        if path.to_str().is_some_and(|path| path.ends_with(UNFINISHED)) {
            remove(&path)?;
        } else {
            segments.extend(Segment::from_path(path));
        }
    }
    segments.sort_by_key(|segment| (segment.base, !segment.sealed));
    let mut once: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        match once.last() {
            Some(sealed) if sealed.base == segment.base => remove(&segment.path)?,
            _ => once.push(segment),
        }
    }
    Ok(once)
}

pub(super) fn remove(path: &Path) -> Result<(), LogError> {
    fs::remove_file(path).map_err(LogError::new("remove", path))
}

/// Opens a segment to append to it; a new one's name cannot be lost by a crash any more, or else the
/// file is removed again.
pub(super) fn open_to_append(segment: &Segment) -> Result<File, LogError> {
    let path = &segment.path;
    let is_new = !path.exists();
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    let file = file.map_err(LogError::new("create", path))?;
    sync_parent(path).inspect_err(|_| {
        // A segment that is not used would hide the events that go into the one before it.
        if is_new && let Err(error) = remove(path) {
            warn!("{error}");
        }
    })?;
    Ok(file)
}

fn sync_parent(path: &Path) -> Result<(), LogError> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Compresses a segment that is written to its end. The open form goes only when the sealed one is on
/// disk under its name.
pub(super) fn seal(segment: &Segment) -> Result<(), LogError> {
    let unfinished = segment.beside(UNFINISHED);
    compress(&segment.path, &unfinished).map_err(LogError::new("compress", &segment.path))?;
    let sealed = segment.beside(SEALED);
    fs::rename(&unfinished, &sealed).map_err(LogError::new("rename", &unfinished))?;
    sync_parent(&sealed)?;
    remove(&segment.path)
}

fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(BufWriter::new(File::create(to)?), LEVEL)?;
    encoder.include_checksum(true)?;
    io::copy(&mut BufReader::new(File::open(from)?), &mut encoder)?;
    encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}
