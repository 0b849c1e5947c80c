//! Appends events, and keeps each in memory until the disk has it.

use std::collections::BTreeSet;
use std::io::{self, SeekFrom};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, warn};

use super::corruption::Corruption;
use super::log_dir::LogDir;
use super::reader::Events;
use super::repair::{self, FoundBy};
use super::segment::Segment;
use super::segment_index::{SealedSegment, SegmentIndex};
use super::vfs::{FileMetadata, OpenMode, VfsFile};
use super::{LogError, Recovered, codec};
use crate::event::{Event, Offset};

/// What may wait in memory for the disk: above this, an append is refused until a [`Writer::sync`] or a
/// [`Writer::resume`] has made room.
const UNSYNCED_LIMIT: usize = 32 << 20;

/// The event does not fit behind those that wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many events wait for the disk")]
pub struct LogFull;

/// When a segment is sealed and a new one begun, at the next [`Writer::sync`]. One without events never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// At this size of its text.
    pub bytes: u64,
    /// At this age of its first event.
    pub age: Duration,
}

/// The one writer of a log.
///
/// An event is first in memory ([`Writer::append`]), then with the system ([`Writer::write`]: a killed
/// process does not lose it), then on disk ([`Writer::sync`]: a power cut does not).
#[derive(Debug)]
pub struct Writer {
    folder: LogDir,
    rotation: Rotation,
    /// All segments but the one that is written.
    inventory: SegmentIndex,
    segment: Segment,
    file: Box<dyn VfsFile>,
    age: Age,
    /// The lines behind the synced ones, of which the first `written` bytes are with the system.
    unsynced: Vec<u8>,
    written: usize,
    synced_bytes: u64,
    /// The offset behind the events that the disk has, that the system has, and that were appended.
    synced: Offset,
    with_system: Offset,
    next: Offset,
    failed: bool,
    damage: Vec<Corruption>,
    /// No segment could be made to follow this one, which was told.
    is_overgrown: bool,
    sealer: Option<JoinHandle<Vec<Segment>>>,
}

/// How old a segment is, by the clock that nobody sets.
#[derive(Debug, Clone, Copy)]
struct Age {
    before: Duration,
    since: Instant,
}

impl Age {
    fn new() -> Self {
        Self { before: Duration::ZERO, since: Instant::now() }
    }

    /// The age of a file that an earlier process made. The events' own times do not tell it: they are of
    /// when a frame was captured, which for a capture file may be years ago. A clock that was set meanwhile
    /// has the segment be sealed a little early, or at most one age after this start.
    fn of_file(facts: &FileMetadata) -> Self {
        let made = facts.created.unwrap_or(facts.modified);
        Self { before: SystemTime::now().duration_since(made).unwrap_or_default(), since: Instant::now() }
    }

    fn get(self) -> Duration {
        self.before.saturating_add(self.since.elapsed())
    }
}

impl Writer {
    pub(super) fn open(recovered: Recovered, rotation: Rotation) -> Result<Self, LogError> {
        let Recovered { folder, mut inventory, end, next } = recovered;
        // Behind a gap begins a new segment.
        let last = inventory.segments.pop_if(|last| !last.sealed && (next == end || last.bytes == 0));
        let (segment, file) = match last {
            Some(last) if next == end => {
                let file = folder.open(&last.path, OpenMode::Append)?;
                (last, file)
            }
            unused => {
                if let Some(unused) = unused {
                    folder.remove_segment(unused.base)?;
                }
                folder.begin(next)?
            }
        };
        let facts = folder.metadata(&segment.path)?;
        let mut writer = Self {
            folder,
            rotation,
            inventory,
            synced_bytes: segment.bytes,
            segment,
            file,
            age: Age::of_file(&facts),
            unsynced: Vec::new(),
            written: 0,
            synced: next,
            with_system: next,
            next,
            failed: false,
            damage: Vec::new(),
            is_overgrown: false,
            sealer: None,
        };
        writer.seal_what_is_open();
        Ok(writer)
    }

    /// Appends `event` in memory and returns its place.
    ///
    /// # Errors
    /// [`LogFull`] where too much waits for a disk that takes nothing.
    pub fn append(&mut self, event: &Event) -> Result<Offset, LogFull> {
        if self.unsynced.len() >= UNSYNCED_LIMIT {
            return Err(LogFull);
        }
        let offset = self.next;
        codec::encode_line(offset, event, &mut self.unsynced).map_err(|_| LogFull)?;
        self.next = event.end(offset);
        Ok(offset)
    }

    /// The events from `offset` on that are with the system, to be read before more are added. Waits for a
    /// segment that is being sealed.
    pub fn read_from(&mut self, offset: Offset) -> Events {
        self.wait_for_sealer();
        let mut segments = self.inventory.segments.clone();
        let bytes = self.synced_bytes + self.written as u64;
        segments.push(Segment { bytes, ..self.segment.clone() });
        Events::new(&self.folder, &segments, offset, self.with_system)
    }

    /// Bytes of events that no fsync has taken yet.
    pub fn unsynced_bytes(&self) -> usize {
        self.unsynced.len()
    }

    /// Whether the last write or fsync failed, so that only [`Writer::resume`] can go on.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The damage that [`Writer::resume`] found since this was asked last. The events that it took had been
    /// acknowledged; they are an [`EventKind::Lost`](crate::event::EventKind::Lost) in the log now.
    pub fn take_corruption(&mut self) -> Vec<Corruption> {
        std::mem::take(&mut self.damage)
    }

    /// Hands all that was appended to the system.
    ///
    /// # Errors
    /// [`LogError`]; nothing is lost, and nothing more is written until [`Writer::resume`] succeeds.
    pub fn write(&mut self) -> Result<(), LogError> {
        if self.failed {
            return self.resume();
        }
        let waiting = self.unsynced.get(self.written..).unwrap_or_default();
        if waiting.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(waiting).map_err(LogError::new("append to", &self.segment.path));
        self.failed = written.is_err();
        written?;
        self.written = self.unsynced.len();
        self.with_system = self.next;
        Ok(())
    }

    /// Brings all that was appended onto the disk, and begins a new segment where this one is full or old.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.write()?;
        if !self.unsynced.is_empty() {
            let synced = self.file.sync_data().map_err(LogError::new("fsync", &self.segment.path));
            self.failed = synced.is_err();
            synced?;
            self.note_synced();
        }
        if self.is_rotation_due() {
            // All that was appended is on disk, so a failure here is none of the sync.
            match self.begin_segment() {
                Ok(()) => self.is_overgrown = false,
                Err(error) if !std::mem::replace(&mut self.is_overgrown, true) => {
                    warn!("{error}; {} grows on until that is mended", self.segment.path.display());
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn note_synced(&mut self) {
        if self.synced_bytes == 0 {
            self.age = Age::new();
        }
        self.synced_bytes += self.unsynced.len() as u64;
        self.unsynced.clear();
        self.unsynced.shrink_to(UNSYNCED_LIMIT / 8);
        self.written = 0;
        (self.synced, self.with_system) = (self.next, self.next);
    }

    /// Goes on after a failure: opens the segment anew, makes sure that all is there that was fsynced, cuts
    /// it behind that, since what lies there is in doubt, and writes again all that waits. Only once that
    /// is fsynced and reads as it was written, it counts.
    ///
    /// Where something is gone that was fsynced, it becomes an [`EventKind::Lost`](crate::event::EventKind::Lost); see
    /// [`Writer::take_corruption`].
    ///
    /// # Errors
    /// As [`Writer::write`], as long as the disk takes nothing.
    pub fn resume(&mut self) -> Result<(), LogError> {
        self.failed = true;
        self.check_synced()?;
        let path = &self.segment.path;
        let mut file = self.folder.open(path, OpenMode::Append)?;
        // Where the file was gone, its name is new.
        self.folder.sync()?;
        file.set_length(self.synced_bytes).map_err(LogError::new("shorten", path))?;
        file.write_all(&self.unsynced).map_err(LogError::new("append to", path))?;
        file.sync_all().map_err(LogError::new("fsync", path))?;
        is_behind(&mut *file, self.synced_bytes, &self.unsynced).map_err(LogError::new("read back", path))?;
        self.file = file;
        self.note_synced();
        self.failed = false;
        Ok(())
    }

    /// Makes sure that the segment holds what was fsynced, or says what it lost.
    fn check_synced(&mut self) -> Result<(), LogError> {
        let path = &self.segment.path;
        // An earlier try may have ended in the middle of it.
        if let Some(bytes) = self.folder.waiting_to_replace(path)? {
            self.synced_bytes = bytes;
            self.inventory.quarantined(self.folder.finish_mending(path)?);
            return Ok(());
        }
        let mut file = self.folder.open(path, OpenMode::Append)?;
        if ends_whole(&mut *file, self.synced_bytes).map_err(LogError::new("check", path))? {
            return Ok(());
        }
        drop(file);
        let synced = Segment { bytes: self.synced_bytes, ..self.segment.clone() };
        if let Some(mended) = repair::prepare(&self.folder, &synced, self.synced, FoundBy::Writer)? {
            error!("{} lost events that were on disk: {}", path.display(), mended.damage);
            self.damage.push(mended.damage);
            self.folder.await_replacing(path)?;
            self.synced_bytes = mended.bytes;
            self.inventory.quarantined(self.folder.finish_mending(path)?);
        }
        Ok(())
    }

    fn is_rotation_due(&self) -> bool {
        let is_full = self.synced_bytes >= self.rotation.bytes;
        self.synced_bytes > 0 && (is_full || self.age.get() >= self.rotation.age)
    }

    fn begin_segment(&mut self) -> Result<(), LogError> {
        let (segment, file) = self.folder.begin(self.next)?;
        let full = Segment { bytes: self.synced_bytes, modified: SystemTime::now(), ..self.segment.clone() };
        self.inventory.segments.push(full);
        (self.segment, self.file, self.synced_bytes) = (segment, file, 0);
        self.seal_what_is_open();
        Ok(())
    }

    /// Compresses full segments beside the writing. One that cannot be compressed stays as it is and is
    /// tried again with the next.
    fn seal_what_is_open(&mut self) {
        self.wait_for_sealer();
        let open: Vec<Segment> = self.inventory.segments.iter().filter(|one| !one.sealed).cloned().collect();
        if open.is_empty() {
            return;
        }
        let folder = self.folder.clone();
        let work = move || {
            let seal = |segment: &Segment| {
                folder
                    .seal(segment)
                    .inspect_err(|error| warn!("{error}; the segment stays uncompressed"))
                    .ok()
            };
            open.iter().filter_map(seal).collect()
        };
        match std::thread::Builder::new().name("seal".to_owned()).spawn(work) {
            Ok(sealer) => self.sealer = Some(sealer),
            Err(error) => warn!("could not start a thread to compress the log: {error}"),
        }
    }

    fn wait_for_sealer(&mut self) {
        match self.sealer.take().map(JoinHandle::join) {
            Some(Ok(sealed)) => sealed.into_iter().for_each(|segment| self.inventory.replace(segment)),
            Some(Err(_)) => warn!("compressing the log ended unexpectedly"),
            None => {}
        }
    }

    /// The segments that are written to their end, oldest first. The last may still be being sealed.
    pub fn sealed_segments(&mut self) -> impl Iterator<Item = SealedSegment> {
        self.note_sealed();
        self.inventory.sealed_segments(self.segment.base)
    }

    /// What the log takes on disk, in bytes, without looking there.
    pub fn total_bytes(&mut self) -> u64 {
        self.note_sealed();
        self.inventory.bytes() + self.synced_bytes + self.written as u64
    }

    fn note_sealed(&mut self) {
        if self.sealer.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait_for_sealer();
        }
    }

    /// Removes the segments whose events are all before `offset`, oldest first, but never the one that is
    /// written, and returns how many these were. What was set aside when one of them was mended goes with
    /// it.
    ///
    /// # Errors
    /// [`LogError`]; segments that were not removed yet stay.
    pub fn remove_before(&mut self, offset: Offset) -> Result<usize, LogError> {
        let end = self.segment.base;
        let count = self.inventory.count_before(offset, end);
        if count > 0 {
            self.wait_for_sealer();
            self.inventory.remove_first(&self.folder, count, end)?;
        }
        Ok(count)
    }

    /// As [`Recovered::repair`], for segments that are written to their end.
    ///
    /// # Errors
    /// [`LogError`]; what was not mended yet stays as it was, or is gone on with at the next start.
    pub fn repair(&mut self, segments: &BTreeSet<Offset>) -> Result<BTreeSet<Offset>, LogError> {
        let end = self.segment.base;
        let segments = segments.iter().copied().filter(|base| *base < end).collect::<BTreeSet<_>>();
        if segments.is_empty() {
            return Ok(BTreeSet::new());
        }
        self.wait_for_sealer();
        let mut with_end = self.inventory.segments.clone();
        with_end.push(self.segment.clone());
        let mended = repair::repair(&self.folder, &with_end, end, &segments);
        let mut listing = self.folder.list()?;
        listing.segments.retain(|segment| segment.base < end);
        self.inventory = SegmentIndex::new(listing);
        mended
    }
}

/// Whether the file holds `bytes` bytes that end a line.
fn ends_whole(file: &mut dyn VfsFile, bytes: u64) -> io::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(true) };
    if file.length()? < bytes {
        return Ok(false);
    }
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}

/// Reads what lies behind the first `bytes` bytes, and fails unless it is `expected`.
fn is_behind(file: &mut dyn VfsFile, bytes: u64, expected: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(bytes))?;
    let mut found = [0; 1 << 12];
    for expected in expected.chunks(found.len()) {
        let found = found.split_at_mut_checked(expected.len()).map(|(found, _)| found).unwrap_or_default();
        file.read_exact(found)?;
        if found != expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not what was written"));
        }
    }
    match file.read(&mut found)? {
        0 => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "something follows what was written")),
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.wait_for_sealer();
    }
}
