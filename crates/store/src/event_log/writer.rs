//! Appends events, and keeps each in memory until it is on the disk.

use std::collections::BTreeSet;
use std::io::{self, SeekFrom};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tracing::warn;

use super::codec::encode_line;
use super::corruption::Corruption;
use super::error::{Interference, LogError};
use super::log_dir::LogDir;
use super::reader::Events;
use super::recovery::RecoveredLog;
use super::repair::{self, FoundBy};
use super::segment::Segment;
use super::segment_index::{SealedSegment, SegmentIndex};
use super::stop_flag::StopFlag;
use super::thinning::{SegmentThinner, ThinnedSegment};
use super::vfs::{FileMetadata, OpenMode, VfsFile};
use crate::event::{Event, Offset};

/// Bytes of events that may wait in memory. Above that, appending fails until [`Writer::sync`] or [`Writer::resume`]
/// succeeds.
const UNSYNCED_LIMIT: usize = 32 << 20;

/// How long the end of a writer waits for segments that are being sealed.
const LAST_SEALING_TIME: Duration = Duration::from_secs(1);

/// Too many events wait in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many events wait for the disk")]
pub struct LogFull;

/// When [`Writer::sync`] seals the segment and begins a new one. A segment without events is never sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// At this size of its text in bytes.
    pub bytes: u64,
    /// At this age of its first event.
    pub age: Duration,
}

/// The one writer of a log.
///
/// [`Writer::append`] keeps an event in memory. [`Writer::write`] passes it to the system: it then survives the death of
/// the process. [`Writer::sync`] brings it to the disk: it then survives a power cut.
///
/// An open segment that was removed, replaced or shortened, or a sealed one that was removed, fails the next sync, like a disk
/// that fails.
#[derive(Debug)]
pub struct Writer {
    dir: LogDir,
    rotation: Rotation,
    /// All segments except the open one.
    index: SegmentIndex,
    segment: Segment,
    file: Box<dyn VfsFile>,
    age: Age,
    /// The lines after the synced ones, of which the first `written_bytes` bytes were written.
    unsynced: Vec<u8>,
    written_bytes: usize,
    synced_bytes: u64,
    /// The offset after the events that were synced.
    synced: Offset,
    /// The offset after the events that were written.
    written: Offset,
    /// The offset after the events that were appended.
    next: Offset,
    failed: bool,
    corruption: Vec<Corruption>,
    /// Events that were synced and are gone, see [`Writer::take_lost`].
    lost: u64,
    /// Synced events are gone, so sealed segments may be too.
    is_index_outdated: bool,
    /// When the folder was last changed, as of the last check that the sealed segments are there.
    checked_folder: Option<SystemTime>,
    /// The next segment could not be created, which was logged.
    is_overgrown: bool,
    sealer: Option<Sealer>,
    /// Segments are left to seal once the sealer has ended.
    is_sealing_due: bool,
}

/// The thread that seals segments, one after the other.
#[derive(Debug)]
struct Sealer {
    thread: JoinHandle<Vec<Segment>>,
    /// Makes it end after the segment at hand.
    stop: StopFlag,
    /// Makes it end at once; the segment at hand stays as it was.
    abort: StopFlag,
    /// Closed at its end.
    ended: Receiver<()>,
}

/// The age of a segment by the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Age {
    before: Duration,
    since: Instant,
}

impl Age {
    fn new() -> Self {
        Self { before: Duration::ZERO, since: Instant::now() }
    }

    /// The age of a file from an earlier process. The times of its events do not tell it: a capture file may be years
    /// old. If the clock was set meanwhile, the segment is sealed a little early, or at most one maximum age late.
    fn of_file(file: &FileMetadata) -> Self {
        let created = file.created.unwrap_or(file.modified);
        Self { before: SystemTime::now().duration_since(created).unwrap_or_default(), since: Instant::now() }
    }

    fn get(self) -> Duration {
        self.before.saturating_add(self.since.elapsed())
    }
}

impl RecoveredLog {
    /// The writer that appends after the last event.
    ///
    /// # Errors
    /// [`LogError`] if the last segment cannot be opened or a new one cannot be created.
    pub fn into_writer(self, rotation: Rotation) -> Result<Writer, LogError> {
        let Self { dir, mut index, end, next, salvaged: _ } = self;
        // After a gap a new segment begins.
        let last = index.segments.pop_if(|last| !last.sealed && (next == end || last.bytes == 0));
        let (segment, file) = match last {
            Some(last) if next == end => {
                let file = dir.open(&last.path, OpenMode::Append)?;
                (last, file)
            }
            unused => {
                if let Some(unused) = unused {
                    dir.remove_segment(unused.base)?;
                }
                dir.create_segment(next)?
            }
        };
        let metadata = dir.metadata(&segment.path)?;
        let mut writer = Writer {
            dir,
            rotation,
            index,
            synced_bytes: segment.bytes,
            segment,
            file,
            age: Age::of_file(&metadata),
            unsynced: Vec::new(),
            written_bytes: 0,
            synced: next,
            written: next,
            next,
            failed: false,
            corruption: Vec::new(),
            lost: 0,
            is_index_outdated: false,
            checked_folder: None,
            is_overgrown: false,
            sealer: None,
            is_sealing_due: false,
        };
        writer.start_sealing();
        Ok(writer)
    }
}

impl Writer {
    /// Appends `event` in memory and returns its offset.
    ///
    /// # Errors
    /// [`LogFull`] if too much waits for a disk that does not accept it.
    pub fn append(&mut self, event: &Event) -> Result<Offset, LogFull> {
        if self.unsynced.len() >= UNSYNCED_LIMIT {
            return Err(LogFull);
        }
        let offset = self.next;
        encode_line(offset, event, &mut self.unsynced).map_err(|_| LogFull)?;
        self.next = event.end(offset);
        Ok(offset)
    }

    /// The events from `offset` on that were written. Read them before more are appended. Waits for segments that are
    /// being sealed.
    pub fn read_from(&mut self, offset: Offset) -> Events {
        self.finish_sealing();
        let mut segments = self.index.segments.clone();
        let bytes = self.synced_bytes + self.written_bytes as u64;
        segments.push(Segment { bytes, ..self.segment.clone() });
        Events::new(&self.dir, &segments, offset, self.written)
    }

    /// Bytes of events that are not synced yet.
    pub fn unsynced_bytes(&self) -> usize {
        self.unsynced.len()
    }

    /// Whether the last write or fsync failed. Then [`Writer::resume`] must succeed first.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The corruption that [`Writer::resume`] has found since the last call. The events that it took had been
    /// acknowledged. Now there is an [`EventKind::Lost`](crate::event::EventKind::Lost) in their place.
    pub fn take_corruption(&mut self) -> Vec<Corruption> {
        std::mem::take(&mut self.corruption)
    }

    /// How many events are gone that had been synced, as found since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Passes all appended events to the system.
    ///
    /// # Errors
    /// [`LogError`]; nothing is lost, and nothing more is written until [`Writer::resume`] succeeds.
    pub fn write(&mut self) -> Result<(), LogError> {
        if self.failed {
            return self.resume();
        }
        let waiting = self.unsynced.get(self.written_bytes..).unwrap_or_default();
        if waiting.is_empty() {
            return Ok(());
        }
        let outcome = self.file.write_all(waiting).map_err(LogError::new("append to", &self.segment.path));
        self.failed = outcome.is_err();
        outcome?;
        self.written_bytes = self.unsynced.len();
        self.written = self.next;
        Ok(())
    }

    /// Brings all appended events to the disk, and begins a new segment if this one is full or old.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.write()?;
        let synced = self.sync_segment().and_then(|()| self.check_sealed());
        self.failed = synced.is_err();
        synced?;
        if !self.unsynced.is_empty() {
            self.note_synced();
        }
        self.note_sealed();
        if self.is_sealing_due && self.sealer.is_none() {
            self.start_sealing();
        }
        if self.is_rotation_due() {
            // All events are on the disk, so a failure here does not fail the sync.
            match self.begin_segment() {
                Ok(()) => self.is_overgrown = false,
                Err(error) if !std::mem::replace(&mut self.is_overgrown, true) => {
                    let path = self.segment.path.display();
                    warn!(%path, %error, "could not begin a new segment; this one keeps growing");
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn sync_segment(&mut self) -> Result<(), LogError> {
        let path = &self.segment.path;
        if !self.unsynced.is_empty() {
            self.file.sync_data().map_err(LogError::new("fsync", path))?;
        }
        // What was written may be in a file that is no longer here.
        let expected = self.synced_bytes + self.unsynced.len() as u64;
        let why = match self.bytes_in_place()? {
            Ok(bytes) if bytes == expected => return Ok(()),
            Ok(_) => Interference::Changed,
            Err(why) => why,
        };
        Err(LogError::interference("keep events in", path, why))
    }

    /// Makes sure that no other segment was removed, if the folder has changed since the last time.
    fn check_sealed(&mut self) -> Result<(), LogError> {
        let modified = self.dir.modified()?;
        if modified.is_none() || modified == self.checked_folder {
            return Ok(());
        }
        let listed = self.dir.list_bases()?;
        for Segment { base, path, .. } in &self.index.segments {
            // While the folder was listed, it may have been sealed.
            if !listed.contains(base) && !self.dir.has_segment(*base)? {
                self.is_index_outdated = true;
                return Err(LogError::interference("keep events in", path, Interference::SegmentsRemoved));
            }
        }
        self.checked_folder = modified;
        Ok(())
    }

    /// The length of the segment's file, or why that is not the file that the writer opened.
    fn bytes_in_place(&self) -> Result<Result<u64, Interference>, LogError> {
        let path = &self.segment.path;
        let open = self.file.id().map_err(LogError::new("read the metadata of", path))?;
        Ok(match self.dir.metadata_if_exists(path)? {
            None => Err(Interference::Removed),
            Some(named) if named.id != open => Err(Interference::Replaced),
            Some(named) => Ok(named.bytes),
        })
    }

    /// Whether events that were synced may be gone: somebody removed, replaced or shortened the segment, or the disk lost
    /// its end. [`Writer::resume`] then repairs the log. Before that, the caller can save what follows from them.
    ///
    /// # Errors
    /// [`LogError`] if the file cannot be examined.
    pub fn has_lost_events(&self) -> Result<bool, LogError> {
        let path = &self.segment.path;
        match self.bytes_in_place()? {
            // A write that failed may have left more.
            Ok(bytes)
                if bytes >= self.synced_bytes + self.written_bytes as u64 && !self.is_index_outdated =>
            {
                let mut file = self.dir.open(path, OpenMode::Read)?;
                let is_whole = ends_with_line(&mut *file, self.synced_bytes);
                Ok(!is_whole.map_err(LogError::new("check", path))?)
            }
            _ => Ok(true),
        }
    }

    /// Makes the next write fail until [`Writer::resume`] succeeds: another process may have taken the log.
    pub fn suspend(&mut self) {
        self.failed = true;
    }

    fn note_synced(&mut self) {
        if self.synced_bytes == 0 {
            self.age = Age::new();
        }
        self.synced_bytes += self.unsynced.len() as u64;
        self.unsynced.clear();
        self.unsynced.shrink_to(UNSYNCED_LIMIT / 8);
        self.written_bytes = 0;
        (self.synced, self.written) = (self.next, self.next);
    }

    /// Resumes after a failure. It makes the directory again if that is gone, reopens the segment and makes sure that
    /// all synced events are there. It cuts the segment after them, since what follows is in doubt, and writes again
    /// everything that waits. Events count as synced once fsync succeeds and they read back as written.
    ///
    /// An [`EventKind::Lost`](crate::event::EventKind::Lost) replaces synced events that are gone; see
    /// [`Writer::take_corruption`].
    ///
    /// # Errors
    /// As [`Writer::write`], while the disk fails.
    pub fn resume(&mut self) -> Result<(), LogError> {
        self.failed = true;
        self.dir.recreate()?;
        self.check_synced()?;
        self.refresh_index()?;
        let path = &self.segment.path;
        let mut file = self.dir.open(path, OpenMode::Append)?;
        // If the file was gone, its name is new.
        self.dir.sync()?;
        (self.written_bytes, self.written) = (0, self.synced);
        file.set_length(self.synced_bytes).map_err(LogError::new("shorten", path))?;
        file.write_all(&self.unsynced).map_err(LogError::new("append to", path))?;
        file.sync_all().map_err(LogError::new("fsync", path))?;
        check_tail(&mut *file, self.synced_bytes, &self.unsynced)
            .map_err(LogError::new("read back", path))?;
        self.file = file;
        self.note_synced();
        self.failed = false;
        Ok(())
    }

    /// Makes sure that the segment has all synced events, or a `Lost` event in place of those that are gone.
    fn check_synced(&mut self) -> Result<(), LogError> {
        let path = &self.segment.path;
        // An earlier attempt may have ended in the middle of this.
        if let Some(bytes) = self.dir.replacement_bytes(path)? {
            self.synced_bytes = bytes;
            self.index.add_quarantined(self.dir.replace_segment(path)?);
            return Ok(());
        }
        // Another log may be continued here, but not mixed with this one.
        // (An empty segment is one that could not be begun.)
        let is_newer = |one: &Segment| one.base > self.segment.base && (one.sealed || one.bytes > 0);
        if self.dir.list_segments()?.iter().any(is_newer) {
            return Err(LogError::interference("continue", path, Interference::NewerLog));
        }
        // The sealed segments may be gone with it.
        let is_other = self.bytes_in_place()?.is_err();
        self.is_index_outdated |= is_other;
        let mut file = self.dir.open(path, OpenMode::Append)?;
        let is_whole = ends_with_line(&mut *file, self.synced_bytes).map_err(LogError::new("check", path))?;
        drop(file);
        if is_whole && (!is_other || self.synced_bytes == 0) {
            return Ok(());
        }
        let synced = Segment { bytes: self.synced_bytes, ..self.segment.clone() };
        if let Some(repaired) = repair::prepare(&self.dir, &synced, self.synced, FoundBy::Writer)? {
            self.lost += repaired.lost_count();
            self.corruption.push(repaired.corruption);
            self.dir.stage_replacement(path)?;
            self.synced_bytes = repaired.bytes;
            self.index.add_quarantined(self.dir.replace_segment(path)?);
        }
        Ok(())
    }

    /// Learns which of the sealed segments still exist.
    fn refresh_index(&mut self) -> Result<(), LogError> {
        if !self.is_index_outdated {
            return Ok(());
        }
        self.pause_sealing();
        let known: Vec<SealedSegment> = self.index.sealed_segments(self.segment.base).collect();
        let mut listing = self.dir.clean_up_and_list()?;
        listing.segments.retain(|segment| segment.base < self.segment.base);
        self.index = SegmentIndex::new(listing);
        let is_gone = |known: &&SealedSegment| self.index.segments.iter().all(|left| left.base != known.base);
        self.lost += known.iter().filter(is_gone).map(|known| known.end.0 - known.base.0).sum::<u64>();
        self.is_index_outdated = false;
        Ok(())
    }

    /// The segment that begins at `base`, to be thinned; `None` if there is none that is sealed.
    pub fn thinner(&self, base: Offset) -> Option<SegmentThinner> {
        let number = self.index.segments.iter().position(|one| one.base == base && one.sealed)?;
        let segment = self.index.segments.get(number)?.clone();
        let until = self.index.segments.get(number + 1).map_or(self.segment.base, |next| next.base);
        Some(SegmentThinner { dir: self.dir.clone(), segment, until })
    }

    /// Notes that a segment was thinned.
    pub fn note_thinned(&mut self, thinned: ThinnedSegment) {
        self.index.replace(thinned.segment);
    }

    fn is_rotation_due(&self) -> bool {
        let is_full = self.synced_bytes >= self.rotation.bytes;
        self.synced_bytes > 0 && (is_full || self.age.get() >= self.rotation.age)
    }

    fn begin_segment(&mut self) -> Result<(), LogError> {
        let (segment, file) = self.dir.create_segment(self.next)?;
        let full = Segment { bytes: self.synced_bytes, modified: SystemTime::now(), ..self.segment.clone() };
        self.index.segments.push(full);
        (self.segment, self.file, self.synced_bytes) = (segment, file, 0);
        self.start_sealing();
        Ok(())
    }

    /// Seals full segments on another thread. One that cannot be sealed stays open and is tried again with the next.
    fn start_sealing(&mut self) {
        self.is_sealing_due = self.sealer.is_some();
        if self.is_sealing_due {
            return;
        }
        let open: Vec<Segment> = self.index.segments.iter().filter(|one| !one.sealed).cloned().collect();
        if open.is_empty() {
            return;
        }
        let dir = self.dir.clone();
        let (stop, abort) = (StopFlag::default(), StopFlag::default());
        let (is_stopped, is_aborted) = (stop.clone(), abort.clone());
        let (end, ended) = mpsc::channel();
        let work = move || {
            let _end: Sender<()> = end;
            let seal = |segment: &Segment| match dir.seal(segment, &is_aborted) {
                Ok(sealed) => Some(sealed),
                Err(_) if is_aborted.is_set() => None,
                Err(error) => {
                    warn!(%error, "could not seal a segment; it stays uncompressed");
                    None
                }
            };
            open.iter().take_while(|_| !is_stopped.is_set()).filter_map(seal).collect()
        };
        match std::thread::Builder::new().name("seal".to_owned()).spawn(work) {
            Ok(thread) => self.sealer = Some(Sealer { thread, stop, abort, ended }),
            Err(error) => warn!(%error, "could not start the thread that seals segments"),
        }
    }

    /// Lets the thread that seals end after the segment at hand. The next sync goes on with the rest.
    pub fn stop_sealing(&mut self) {
        if let Some(sealer) = &self.sealer {
            sealer.stop.set();
            self.is_sealing_due = true;
        }
    }

    /// Lets the thread that seals end at once: the segment at hand stays as it was. The next start goes on with it.
    pub fn abort_sealing(&mut self) {
        self.stop_sealing();
        if let Some(sealer) = &self.sealer {
            sealer.abort.set();
        }
    }

    /// Waits until all full segments are sealed, or could not be.
    fn finish_sealing(&mut self) {
        self.wait_for_sealer();
        while self.is_sealing_due {
            self.start_sealing();
            self.wait_for_sealer();
        }
    }

    /// Ends the sealing after the segment at hand, so that the files can be changed.
    fn pause_sealing(&mut self) {
        self.stop_sealing();
        self.wait_for_sealer();
    }

    fn wait_for_sealer(&mut self) {
        match self.sealer.take().map(|sealer| sealer.thread.join()) {
            Some(Ok(sealed)) => sealed.into_iter().for_each(|segment| self.index.replace(segment)),
            Some(Err(_)) => warn!("the thread that seals segments panicked"),
            None => {}
        }
    }

    /// The segments that get no more events, oldest first. The last may still be being sealed.
    pub fn sealed_segments(&mut self) -> impl Iterator<Item = SealedSegment> {
        self.note_sealed();
        self.index.sealed_segments(self.segment.base)
    }

    /// The size of the log on disk in bytes, without access to the disk.
    pub fn total_bytes(&mut self) -> u64 {
        self.note_sealed();
        self.index.bytes() + self.synced_bytes + self.written_bytes as u64
    }

    fn note_sealed(&mut self) {
        if self.sealer.as_ref().is_some_and(|sealer| sealer.thread.is_finished()) {
            self.wait_for_sealer();
        }
    }

    /// Removes the segments that have only events before `offset`, oldest first, with their quarantined files. The open
    /// segment stays. Returns how many were removed.
    ///
    /// # Errors
    /// [`LogError`]; segments that were not removed yet stay.
    pub fn remove_before(&mut self, offset: Offset) -> Result<usize, LogError> {
        let end = self.segment.base;
        let count = self.index.count_before(offset, end);
        if count > 0 {
            self.pause_sealing();
            self.index.remove_first(&self.dir, count, end)?;
        }
        Ok(count)
    }

    /// As [`RecoveredLog::repair`], for segments that get no more events.
    ///
    /// # Errors
    /// [`LogError`]; segments that were not repaired yet stay as they were, or the next start completes their repair.
    pub fn repair(&mut self, segments: &BTreeSet<Offset>) -> Result<BTreeSet<Offset>, LogError> {
        let end = self.segment.base;
        let segments = segments.iter().copied().filter(|base| *base < end).collect::<BTreeSet<_>>();
        if segments.is_empty() {
            return Ok(BTreeSet::new());
        }
        self.pause_sealing();
        let mut all = self.index.segments.clone();
        all.push(self.segment.clone());
        let repaired = repair::repair(&self.dir, &all, end, &segments);
        let mut listing = self.dir.clean_up_and_list()?;
        listing.segments.retain(|segment| segment.base < end);
        self.index = SegmentIndex::new(listing);
        repaired
    }
}

/// Whether the file has at least `bytes` bytes, and the last of them ends a line.
fn ends_with_line(file: &mut dyn VfsFile, bytes: u64) -> io::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(true) };
    if file.length()? < bytes {
        return Ok(false);
    }
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}

/// Fails unless exactly `expected` follows the first `bytes` bytes.
fn check_tail(file: &mut dyn VfsFile, bytes: u64, expected: &[u8]) -> io::Result<()> {
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
    /// Gives the sealing some time. The next start goes on with the rest.
    fn drop(&mut self) {
        let end = Instant::now() + LAST_SEALING_TIME;
        while let Some(sealer) = &self.sealer {
            let is_stopped = sealer.stop.is_set();
            let left = end.saturating_duration_since(Instant::now());
            // It sends nothing: this is its end, or a timeout.
            if sealer.ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                self.abort_sealing();
                return self.wait_for_sealer();
            }
            self.wait_for_sealer();
            if self.is_sealing_due && !is_stopped {
                self.start_sealing();
            }
        }
    }
}
