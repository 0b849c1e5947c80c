//! The directory of the segments. A crash between any two of these file operations leaves files that the next start
//! can tell apart and complete or remove.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::SystemTime;

use tracing::warn;

use super::codec::NotBeforeReader;
use super::error::LogError;
use super::segment::{self, FileKind, QuarantinedFile, Segment};
use super::stop_flag::StopFlag;
use super::vfs::{FileMetadata, OpenMode, Vfs, VfsFile};
use crate::event::{Offset, Timestamp};

/// zstd's default: several times smaller than the text, for a small part of a core.
const COMPRESSION_LEVEL: i32 = 3;

/// Bytes of a new file after which they are fsynced. So no fsync is long: the last one delays no stop, and none of them
/// the writer's own.
const SYNC_BYTES: usize = 4 << 20;

/// The directory of the log. Errors name the file.
#[derive(Debug, Clone)]
pub(super) struct LogDir {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    /// What to add to the machine's clock, in microseconds: not 0 while that is in doubt.
    clock_offset: Arc<AtomicI64>,
}

/// The files of the log, each kind in the order of its offsets.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) segments: Vec<Segment>,
    pub(super) quarantined: Vec<QuarantinedFile>,
}

/// A new file, which is fsynced part by part.
struct SyncedInParts {
    file: Box<dyn VfsFile>,
    unsynced: usize,
}

impl Write for SyncedInParts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unsynced >= SYNC_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Copies a segment's text, unless it is stopped. Returns the newest `not_before` of its probes.
fn copy_lines(text: &mut impl BufRead, to: &mut dyn Write, stop: &StopFlag) -> io::Result<Option<Timestamp>> {
    let not_before = NotBeforeReader::new();
    let (mut line, mut newest) = (Vec::new(), None);
    loop {
        stop.check()?;
        line.clear();
        if text.read_until(b'\n', &mut line)? == 0 {
            return Ok(newest);
        }
        to.write_all(&line)?;
        newest = newest.max(not_before.read(&line));
    }
}

/// Creates `dir` and its parents so that a crash cannot lose its name.
pub(super) fn create_dir(vfs: &dyn Vfs, dir: &Path) -> Result<(), LogError> {
    let parent = parent_of(dir);
    let created = match vfs.create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && parent != dir => {
            create_dir(vfs, parent)?;
            vfs.create_dir(dir)
        }
        created => created,
    };
    match created {
        Ok(()) => sync_dir(vfs, parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(LogError::new("create the folder", dir)(error)),
    }
}

fn sync_dir(vfs: &dyn Vfs, dir: &Path) -> Result<(), LogError> {
    vfs.sync_dir(dir).map_err(LogError::new("fsync the folder", dir))
}

/// The directory that contains `path`; a bare name is in the working directory.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

impl LogDir {
    /// The directory at `path`, which is created if it is missing.
    pub(super) fn create(vfs: Arc<dyn Vfs>, path: &Path) -> Result<Self, LogError> {
        create_dir(&*vfs, path)?;
        // An earlier process may have ended between creating the directory and this.
        sync_dir(&*vfs, parent_of(path))?;
        Ok(Self::existing(vfs, path))
    }

    /// The directory at `path`, unchanged.
    pub(super) fn existing(vfs: Arc<dyn Vfs>, path: &Path) -> Self {
        Self { vfs, path: path.to_owned(), clock_offset: Arc::default() }
    }

    /// What is added to the machine's clock, in microseconds.
    pub(super) fn clock_offset(&self) -> &Arc<AtomicI64> {
        &self.clock_offset
    }

    /// Creates the directory again if it is missing.
    pub(super) fn recreate(&self) -> Result<(), LogError> {
        create_dir(&*self.vfs, &self.path)
    }

    pub(super) fn sync(&self) -> Result<(), LogError> {
        sync_dir(&*self.vfs, &self.path)
    }

    pub(super) fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn VfsFile>, LogError> {
        self.vfs.open(path, mode).map_err(LogError::new("open", path))
    }

    pub(super) fn metadata(&self, path: &Path) -> Result<FileMetadata, LogError> {
        self.vfs.metadata(path).map_err(LogError::new("read the metadata of", path))
    }

    pub(super) fn metadata_if_exists(&self, path: &Path) -> Result<Option<FileMetadata>, LogError> {
        match self.vfs.metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::new("read the metadata of", path)(error)),
        }
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), LogError> {
        self.vfs.rename(from, to).map_err(LogError::new("rename", from))
    }

    /// Removes a file, if it exists.
    pub(super) fn remove(&self, path: &Path) -> Result<(), LogError> {
        match self.vfs.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LogError::new("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes a segment, open or sealed.
    pub(super) fn remove_segment(&self, base: Offset) -> Result<(), LogError> {
        self.remove(&Segment::open_path(&self.path, base))?;
        self.remove(&Segment::sealed_path(&self.path, base))
    }

    /// Lists the files, after completing what an interrupted seal or repair began: temporary files and the open form of
    /// sealed segments are removed, and replacements are put in place. Must not be called while a seal runs.
    pub(super) fn clean_up_and_list(&self) -> Result<Listing, LogError> {
        for path in self.files()? {
            match segment::parse_name(&path) {
                Some((_, FileKind::Temporary)) => self.remove(&path)?,
                Some((_, FileKind::Replacement)) => {
                    self.replace_segment(&segment::segment_of_replacement(&path))?;
                }
                _ => {}
            }
        }
        let mut listing = Listing::default();
        for path in self.files()? {
            let Some((base, kind)) = segment::parse_name(&path) else { continue };
            let metadata = self.metadata(&path)?;
            match kind {
                FileKind::Segment { sealed } => {
                    listing.segments.push(Segment::new(base, path, sealed, metadata));
                }
                FileKind::Quarantined => {
                    listing.quarantined.push(QuarantinedFile { base, path, bytes: metadata.bytes });
                }
                FileKind::Temporary | FileKind::Replacement => {}
            }
        }
        listing.quarantined.sort_by_key(|file| file.base);
        listing.segments.sort_by_key(|segment| (segment.base, !segment.sealed));
        let mut duplicates = Vec::new();
        listing.segments.dedup_by(|open, sealed| {
            let is_duplicate = open.base == sealed.base;
            if is_duplicate {
                duplicates.push(open.path.clone());
            }
            is_duplicate
        });
        duplicates.iter().try_for_each(|path| self.remove(path))?;
        Ok(listing)
    }

    /// Lists the segments and changes nothing, since another process or thread may be writing.
    pub(super) fn list_segments(&self) -> Result<Vec<Segment>, LogError> {
        let mut segments = Vec::new();
        for path in self.files()? {
            if let Some((base, FileKind::Segment { sealed })) = segment::parse_name(&path)
                && let Some(metadata) = self.metadata_if_exists(&path)?
            {
                segments.push(Segment::new(base, path, sealed, metadata));
            }
        }
        segments.sort_by_key(|segment| (segment.base, !segment.sealed));
        segments.dedup_by_key(|segment| segment.base);
        Ok(segments)
    }

    /// When a file was last added or removed; `None` if the directory is missing.
    pub(super) fn modified(&self) -> Result<Option<SystemTime>, LogError> {
        Ok(self.metadata_if_exists(&self.path)?.map(|metadata| metadata.modified))
    }

    /// The offsets of the segments, without access to the files.
    pub(super) fn list_bases(&self) -> Result<BTreeSet<Offset>, LogError> {
        let segments = self.files()?.into_iter().filter_map(|path| match segment::parse_name(&path) {
            Some((base, FileKind::Segment { .. })) => Some(base),
            _ => None,
        });
        Ok(segments.collect())
    }

    /// Whether there is this segment, also while it is being sealed: the sealed form comes before the open one goes.
    pub(super) fn has_segment(&self, base: Offset) -> Result<bool, LogError> {
        let open = self.metadata_if_exists(&Segment::open_path(&self.path, base))?;
        Ok(open.is_some() || self.metadata_if_exists(&self.sealed_path(base))?.is_some())
    }

    fn files(&self) -> Result<Vec<PathBuf>, LogError> {
        self.vfs.list(&self.path).map_err(LogError::new("list the folder", &self.path))
    }

    /// Creates a segment to append to. On success a crash cannot lose its name; on failure its file is removed again.
    pub(super) fn create_segment(&self, base: Offset) -> Result<(Segment, Box<dyn VfsFile>), LogError> {
        let path = Segment::open_path(&self.path, base);
        let file = self.open(&path, OpenMode::Append)?;
        let metadata = self.sync().and_then(|()| self.metadata(&path)).inspect_err(|_| {
            // An unused segment would hide the events that go into the one before it.
            if let Err(error) = self.remove(&path) {
                warn!(%error, "could not delete an unused segment");
            }
        })?;
        Ok((Segment::new(base, path, false, metadata), file))
    }

    /// Compresses a segment that gets no more events. The uncompressed copy is removed once the sealed one is on disk
    /// under its name. If it fails or is stopped, the segment stays as it was.
    ///
    /// The sealed file's modification time tells how old its events are. It is now, or the newest `not_before` of the
    /// events if that is later.
    pub(super) fn seal(&self, open: &Segment, stop: &StopFlag) -> Result<Segment, LogError> {
        let sealed = Segment::sealed_path(&self.path, open.base);
        let mut text = BufReader::new(self.open(&open.path, OpenMode::Read)?);
        let mut not_before = None;
        let written = self.write_temporary(&sealed, true, |file| {
            not_before = copy_lines(&mut text, file, stop).map_err(LogError::new("compress", &open.path))?;
            Ok(())
        });
        if let Err(error) = written {
            // A full disk needs the space. The next start removes it otherwise.
            let _ = self.remove(&segment::temporary_path(&sealed));
            return Err(error);
        }
        let (machine, offset) = (Timestamp::from(SystemTime::now()), self.clock_offset.load(Relaxed));
        let now = Timestamp::from_micros(machine.as_micros().saturating_add(offset));
        let time = not_before.map_or(now, |not_before| not_before.max(now));
        if time != machine {
            self.set_modified(&segment::temporary_path(&sealed), SystemTime::from(time))?;
        }
        self.install(&sealed)?;
        // The next start removes it otherwise.
        if let Err(error) = self.remove(&open.path) {
            warn!(%error, "could not delete the uncompressed copy of a sealed segment");
        }
        Ok(Segment::new(open.base, sealed.clone(), true, self.metadata(&sealed)?))
    }

    pub(super) fn set_modified(&self, path: &Path, time: SystemTime) -> Result<(), LogError> {
        self.vfs.set_modified(path, time).map_err(LogError::new("set the time of", path))
    }

    /// Writes and fsyncs what will be the file at `path`, under its temporary name. Returns its length in bytes.
    /// [`LogDir::install`] or [`LogDir::stage_replacement`] is the next step.
    pub(super) fn write_temporary(
        &self,
        path: &Path,
        sealed: bool,
        write: impl FnOnce(&mut dyn Write) -> Result<(), LogError>,
    ) -> Result<u64, LogError> {
        let temporary = segment::temporary_path(path);
        let failed = || LogError::new("write", &temporary);
        let file = SyncedInParts { file: self.open(&temporary, OpenMode::Truncate)?, unsynced: 0 };
        let mut file = BufWriter::new(file);
        if sealed {
            let mut encoder = zstd::Encoder::new(file, COMPRESSION_LEVEL).map_err(failed())?;
            encoder.include_checksum(true).map_err(failed())?;
            write(&mut encoder)?;
            file = encoder.finish().map_err(failed())?;
        } else {
            write(&mut file)?;
        }
        let SyncedInParts { file, .. } =
            file.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed())?;
        file.sync_all().map_err(LogError::new("fsync", &temporary))?;
        file.length().map_err(failed())
    }

    /// Whether the disk takes and returns something else than the file at `path`: a few bytes under its temporary name.
    pub(super) fn works_beside(&self, path: &Path) -> Result<(), LogError> {
        const BYTES: &[u8] = b"probewatch\n";
        let temporary = segment::temporary_path(path);
        let write = |file: &mut dyn Write| file.write_all(BYTES).map_err(LogError::new("write", &temporary));
        self.write_temporary(path, false, write)?;
        let mut read = Vec::new();
        let mut file = self.open(&temporary, OpenMode::Read)?;
        file.read_to_end(&mut read).map_err(LogError::new("read", &temporary))?;
        self.remove(&temporary)
    }

    /// Renames the temporary file to `path`. A file there is replaced at once.
    pub(super) fn install(&self, path: &Path) -> Result<(), LogError> {
        self.rename(&segment::temporary_path(path), path)?;
        self.sync()
    }

    /// Makes the temporary file the replacement of the segment at `path`. [`LogDir::replace_segment`] is the next step.
    pub(super) fn stage_replacement(&self, path: &Path) -> Result<(), LogError> {
        self.rename(&segment::temporary_path(path), &segment::replacement_path(path))?;
        self.sync()
    }

    /// The length in bytes of the staged replacement of the segment at `path`, if there is one.
    pub(super) fn replacement_bytes(&self, path: &Path) -> Result<Option<u64>, LogError> {
        let metadata = self.metadata_if_exists(&segment::replacement_path(path))?;
        Ok(metadata.map(|metadata| metadata.bytes))
    }

    /// Quarantines the segment at `path`, if it exists, and puts its replacement there.
    pub(super) fn replace_segment(&self, path: &Path) -> Result<Option<QuarantinedFile>, LogError> {
        let mut quarantined = None;
        // One rename after the other: between any two steps the replacement is whole.
        // Of an empty file there is nothing to keep.
        if let Some(FileMetadata { bytes: bytes @ 1.., .. }) = self.metadata_if_exists(path)? {
            for quarantine in segment::quarantine_paths(path) {
                if self.metadata_if_exists(&quarantine)?.is_none() {
                    self.rename(path, &quarantine)?;
                    quarantined = segment::parse_name(path).map(|(base, _)| QuarantinedFile {
                        base,
                        path: quarantine,
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

    /// The segment as it will be once it is sealed.
    pub(super) fn sealed_copy(&self, segment: &Segment) -> Segment {
        Segment { path: self.sealed_path(segment.base), sealed: true, ..segment.clone() }
    }

    /// The path of the segment once it is sealed.
    pub(super) fn sealed_path(&self, base: Offset) -> PathBuf {
        Segment::sealed_path(&self.path, base)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::vfs::OsVfs;
    use super::*;

    #[test]
    fn a_folder_is_created_with_its_parents_and_may_be_there_already() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data/of/the/log");
        for _ in 0..2 {
            create_dir(&OsVfs, &dir).unwrap();
            assert!(dir.is_dir());
        }
        let dir = LogDir::create(Arc::new(OsVfs), &dir).unwrap();
        fs::remove_dir_all(folder.path().join("data")).unwrap();
        dir.recreate().unwrap();
        assert!(dir.path.is_dir());
    }

    #[test]
    fn a_folder_that_cannot_be_created_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = create_dir(&OsVfs, &file.join("log")).unwrap_err();
        assert_eq!(error.io().kind(), io::ErrorKind::NotADirectory);
        assert!(error.to_string().contains("file/log"), "{error}");
    }

    #[test]
    fn the_folder_of_a_bare_name_is_the_working_directory() {
        for (path, parent) in [("log", "."), ("a/log", "a"), ("/log", "/"), ("/", "/")] {
            assert_eq!(parent_of(Path::new(path)), Path::new(parent));
        }
    }

    #[test]
    fn only_a_missing_file_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let dir = LogDir::create(Arc::new(OsVfs), folder.path()).unwrap();
        let path = Segment::open_path(folder.path(), Offset(3));
        assert!(dir.metadata_if_exists(&path).unwrap().is_none());
        dir.remove(&path).unwrap();
        // A link to itself has no metadata, and a folder is not removed as a file.
        std::os::unix::fs::symlink(&path, &path).unwrap();
        assert!(dir.metadata_if_exists(&path).is_err());
        assert!(dir.remove(folder.path()).is_err());
    }

    #[test]
    fn of_a_segment_that_is_there_twice_the_sealed_form_counts() {
        let folder = tempfile::tempdir().unwrap();
        let dir = LogDir::create(Arc::new(OsVfs), folder.path()).unwrap();
        let open = |base| Segment::open_path(folder.path(), Offset(base));
        for path in [open(0), open(5), dir.sealed_path(Offset(0))] {
            fs::write(path, "x").unwrap();
        }
        let bases = |segments: &[Segment]| -> Vec<(u64, bool)> {
            segments.iter().map(|segment| (segment.base.0, segment.sealed)).collect()
        };
        let expected = [(0, true), (5, false)];
        assert_eq!(bases(&dir.list_segments().unwrap()), expected);
        assert!(open(0).exists(), "a listing changes nothing");
        assert_eq!(bases(&dir.clean_up_and_list().unwrap().segments), expected);
        assert!(!open(0).exists());
        assert!(dir.list_bases().unwrap().into_iter().eq([Offset(0), Offset(5)]));
        for (base, is_there) in [(0, true), (5, true), (6, false)] {
            assert_eq!(dir.has_segment(Offset(base)).unwrap(), is_there, "{base}");
        }
    }

    #[test]
    fn a_segment_that_is_replaced_is_quarantined_each_time_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let dir = LogDir::create(Arc::new(OsVfs), folder.path()).unwrap();
        let path = dir.sealed_path(Offset(7));
        let replace = |text: &str| {
            fs::write(segment::temporary_path(&path), text).unwrap();
            dir.stage_replacement(&path).unwrap();
            assert_eq!(dir.replacement_bytes(&path).unwrap(), Some(text.len() as u64));
            let quarantined = dir.replace_segment(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(dir.replacement_bytes(&path).unwrap(), None);
            quarantined.map(|file| (file.base, file.bytes, fs::read_to_string(file.path).unwrap()))
        };
        let of = |text: &str| Some((Offset(7), text.len() as u64, text.to_owned()));
        assert_eq!((replace("first"), replace("")), (None, of("first")));
        assert_eq!(replace("third"), None, "of an empty file there is nothing to keep");
        assert_eq!((replace("4"), replace("5")), (of("third"), of("4")));
        assert_eq!(dir.clean_up_and_list().unwrap().quarantined.len(), 3);
    }
}
