//! The folder that the segments lie in: what is done to its files, so that a crash at any moment leaves
//! what can be told apart and gone on with at the next start.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tracing::warn;

use super::LogError;
use super::codec::NotBeforeReader;
use super::segment::{self, FileKind, QuarantinedFile, Segment};
use super::vfs::{FileMetadata, OpenMode, Vfs, VfsFile};
use crate::event::{Offset, Timestamp};

/// zstd's own default: several times smaller than the text at a small part of a core.
const LEVEL: i32 = 3;

/// The log's folder on its disk. What fails, fails with the file's name.
#[derive(Debug, Clone)]
pub(super) struct LogDir {
    disk: Arc<dyn Vfs>,
    path: PathBuf,
}

/// The files of the log, each in the order of their offsets.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) segments: Vec<Segment>,
    pub(super) quarantined: Vec<QuarantinedFile>,
}

/// Copies a segment's text; the newest time that its probes know it was at least, if any had to be marked with
/// that.
fn copy_lines(text: &mut impl BufRead, to: &mut dyn Write) -> io::Result<Option<Timestamp>> {
    let not_before = NotBeforeReader::new();
    let (mut line, mut newest) = (Vec::new(), None);
    loop {
        line.clear();
        if text.read_until(b'\n', &mut line)? == 0 {
            return Ok(newest);
        }
        to.write_all(&line)?;
        // A damaged line tells nothing.
        newest = newest.max(not_before.read(&line));
    }
}

/// Makes `folder` with its parents so that a crash cannot lose its name.
pub(super) fn create_dir(disk: &dyn Vfs, folder: &Path) -> Result<(), LogError> {
    let parent = parent_of(folder);
    let created = match disk.create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && parent != folder => {
            create_dir(disk, parent)?;
            disk.create_dir(folder)
        }
        created => created,
    };
    match created {
        Ok(()) => sync_dir(disk, parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(LogError::new("create the folder", folder)(error)),
    }
}

fn sync_dir(disk: &dyn Vfs, folder: &Path) -> Result<(), LogError> {
    disk.sync_dir(folder).map_err(LogError::new("fsync the folder", folder))
}

/// The folder in which a name stands; a bare name stands in the working directory.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

impl LogDir {
    /// The folder at `path`, which is made where it is missing.
    pub(super) fn make(disk: Arc<dyn Vfs>, path: &Path) -> Result<Self, LogError> {
        create_dir(&*disk, path)?;
        // An earlier process may have ended between making the folder and this.
        sync_dir(&*disk, parent_of(path))?;
        Ok(Self { disk, path: path.to_owned() })
    }

    /// The folder at `path`, as it is there.
    pub(super) fn there(disk: Arc<dyn Vfs>, path: &Path) -> Self {
        Self { disk, path: path.to_owned() }
    }

    pub(super) fn sync(&self) -> Result<(), LogError> {
        sync_dir(&*self.disk, &self.path)
    }

    pub(super) fn open(&self, path: &Path, how: OpenMode) -> Result<Box<dyn VfsFile>, LogError> {
        self.disk.open(path, how).map_err(LogError::new("open", path))
    }

    pub(super) fn metadata(&self, path: &Path) -> Result<FileMetadata, LogError> {
        self.disk.metadata(path).map_err(LogError::new("look at", path))
    }

    fn facts_if_there(&self, path: &Path) -> Result<Option<FileMetadata>, LogError> {
        match self.disk.metadata(path) {
            Ok(facts) => Ok(Some(facts)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::new("look at", path)(error)),
        }
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), LogError> {
        self.disk.rename(from, to).map_err(LogError::new("rename", from))
    }

    /// Removes a file, unless it is gone already.
    pub(super) fn remove(&self, path: &Path) -> Result<(), LogError> {
        match self.disk.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LogError::new("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes a segment in whichever form it is there.
    pub(super) fn remove_segment(&self, base: Offset) -> Result<(), LogError> {
        self.remove(&Segment::open_path(&self.path, base))?;
        self.remove(&Segment::sealed_path(&self.path, base))
    }

    /// What is in the folder. What an interrupted seal or mending left behind is brought to its end:
    /// unfinished files and the open form of a segment that is sealed already are removed, and what waits
    /// to take a segment's place takes it. Not to be called while a seal runs.
    pub(super) fn list(&self) -> Result<Listing, LogError> {
        for path in self.files()? {
            match segment::parse_name(&path) {
                Some((_, FileKind::Temporary)) => self.remove(&path)?,
                Some((_, FileKind::Replacement)) => {
                    drop(self.finish_mending(&segment::segment_of_replacement(&path))?)
                }
                _ => {}
            }
        }
        let mut listing = Listing::default();
        for path in self.files()? {
            let Some((base, kind)) = segment::parse_name(&path) else { continue };
            let facts = self.metadata(&path)?;
            match kind {
                FileKind::Segment { sealed } => {
                    listing.segments.push(Segment::new(base, path, sealed, facts))
                }
                FileKind::Quarantined => {
                    listing.quarantined.push(QuarantinedFile { base, path, bytes: facts.bytes })
                }
                FileKind::Temporary | FileKind::Replacement => {}
            }
        }
        listing.quarantined.sort_by_key(|file| file.base);
        listing.segments.sort_by_key(|segment| (segment.base, !segment.sealed));
        let mut twins = Vec::new();
        listing.segments.dedup_by(|open, sealed| {
            let is_twin = open.base == sealed.base;
            if is_twin {
                twins.push(open.path.clone());
            }
            is_twin
        });
        twins.iter().try_for_each(|twin| self.remove(twin))?;
        Ok(listing)
    }

    /// The segments in the folder while someone else writes to it; nothing is brought to an end.
    pub(super) fn look_through(&self) -> Result<Vec<Segment>, LogError> {
        let mut segments = Vec::new();
        for path in self.files()? {
            if let Some((base, FileKind::Segment { sealed })) = segment::parse_name(&path)
                && let Some(facts) = self.facts_if_there(&path)?
            {
                segments.push(Segment::new(base, path, sealed, facts));
            }
        }
        segments.sort_by_key(|segment| (segment.base, !segment.sealed));
        segments.dedup_by_key(|segment| segment.base);
        Ok(segments)
    }

    fn files(&self) -> Result<Vec<PathBuf>, LogError> {
        self.disk.list(&self.path).map_err(LogError::new("list the folder", &self.path))
    }

    /// Begins a segment to append to, whose name cannot be lost by a crash any more; or else its file is
    /// removed again.
    pub(super) fn begin(&self, base: Offset) -> Result<(Segment, Box<dyn VfsFile>), LogError> {
        let path = Segment::open_path(&self.path, base);
        let file = self.open(&path, OpenMode::Append)?;
        let facts = self.sync().and_then(|()| self.metadata(&path)).inspect_err(|_| {
            // A segment that is not used would hide the events that go into the one before it.
            if let Err(error) = self.remove(&path) {
                warn!("{error}");
            }
        })?;
        Ok((Segment::new(base, path, false, facts), file))
    }

    /// Compresses a segment that is written to its end. The open form goes only when the sealed one is on
    /// disk under its name.
    ///
    /// The sealed file says that it was written now; or, where a clock is behind, at the newest time that its
    /// events know it was at least. By that it is told how old they are.
    pub(super) fn seal(&self, open: &Segment) -> Result<Segment, LogError> {
        let sealed = Segment::sealed_path(&self.path, open.base);
        let mut text = BufReader::new(self.open(&open.path, OpenMode::Read)?);
        let mut least = None;
        self.write_whole(&sealed, true, |file| {
            least = copy_lines(&mut text, file).map_err(LogError::new("compress", &open.path))?;
            Ok(())
        })?;
        if let Some(least) = least.map(SystemTime::from).filter(|least| *least > SystemTime::now()) {
            let unfinished = segment::temporary_path(&sealed);
            let set = self.disk.set_modified(&unfinished, least);
            set.map_err(LogError::new("set the time of", &unfinished))?;
        }
        self.put_in_place(&sealed)?;
        // Where it stays, the next start removes it.
        if let Err(error) = self.remove(&open.path) {
            warn!("{error}");
        }
        Ok(Segment::new(open.base, sealed.clone(), true, self.metadata(&sealed)?))
    }

    /// Writes what is to become the segment at `path` under the name for what is unfinished, and has it on
    /// disk. Returns its length in bytes.
    pub(super) fn write_whole(
        &self,
        path: &Path,
        sealed: bool,
        write: impl FnOnce(&mut dyn Write) -> Result<(), LogError>,
    ) -> Result<u64, LogError> {
        let unfinished = segment::temporary_path(path);
        let failed = || LogError::new("write", &unfinished);
        let mut file = BufWriter::new(self.open(&unfinished, OpenMode::Truncate)?);
        if sealed {
            let mut encoder = zstd::Encoder::new(file, LEVEL).map_err(failed())?;
            encoder.include_checksum(true).map_err(failed())?;
            write(&mut encoder)?;
            file = encoder.finish().map_err(failed())?;
        } else {
            write(&mut file)?;
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed())?;
        file.sync_all().map_err(LogError::new("fsync", &unfinished))?;
        file.length().map_err(failed())
    }

    /// The length in bytes of what waits to take the place of the segment at `path`, if anything does.
    pub(super) fn waiting_to_replace(&self, path: &Path) -> Result<Option<u64>, LogError> {
        self.facts_if_there(&segment::replacement_path(path)).map(|facts| facts.map(|facts| facts.bytes))
    }

    /// Puts what waits to take the place of the segment at `path` there, and the segment aside if it is
    /// still there.
    pub(super) fn finish_mending(&self, path: &Path) -> Result<Option<QuarantinedFile>, LogError> {
        let mut quarantined = None;
        // One name after the other: between any two of these steps, what waits is whole.
        if let Some(FileMetadata { bytes, .. }) = self.facts_if_there(path)? {
            for aside in segment::quarantine_paths(path) {
                if self.facts_if_there(&aside)?.is_none() {
                    self.rename(path, &aside)?;
                    quarantined = segment::parse_name(path).map(|(base, _)| QuarantinedFile {
                        base,
                        path: aside,
                        bytes,
                    });
                    break;
                }
            }
            self.sync()?;
        }
        self.rename(&segment::replacement_path(path), path)?;
        self.sync()?;
        Ok(quarantined)
    }

    /// Has the whole file that [`LogDir::write_whole`] wrote wait to take the place of the segment at
    /// `path`.
    pub(super) fn await_replacing(&self, path: &Path) -> Result<(), LogError> {
        self.rename(&segment::temporary_path(path), &segment::replacement_path(path))?;
        self.sync()
    }

    /// Has that file be the segment at `path`, where there is none.
    pub(super) fn put_in_place(&self, path: &Path) -> Result<(), LogError> {
        self.rename(&segment::temporary_path(path), path)?;
        self.sync()
    }

    /// The sealed form of a segment, as it will be once it is sealed.
    pub(super) fn sealed_form(&self, segment: &Segment) -> Segment {
        Segment { path: self.sealed_path(segment.base), sealed: true, ..segment.clone() }
    }

    /// Where the sealed form of a segment lies.
    pub(super) fn sealed_path(&self, base: Offset) -> PathBuf {
        Segment::sealed_path(&self.path, base)
    }
}
