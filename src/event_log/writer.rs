//! Appends events, and keeps each in memory until the disk has it.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::thread::JoinHandle;

use tracing::warn;

use super::segment::{self, Segment};
use super::{Events, LogError, format_line};
use crate::event::{Event, Offset};

/// What may wait in memory for the disk: above this, an append is refused until a [`Writer::sync`] or a
/// [`Writer::repair`] has made room.
const UNSYNCED_LIMIT: usize = 32 << 20;

/// The event does not fit behind those that wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many events wait for the disk")]
pub struct LogFull;

/// The one writer of a log.
///
/// An event is first in memory ([`Writer::append`]), then with the system ([`Writer::write`]: a killed
/// process does not lose it), then on disk ([`Writer::sync`]: a power cut does not).
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    segment: Segment,
    file: File,
    /// The lines behind `synced_bytes`, of which the first `written` bytes are with the system.
    unsynced: Vec<u8>,
    written: usize,
    synced_bytes: u64,
    next: Offset,
    segment_bytes: u64,
    failed: bool,
    /// No segment could be made to follow this one, which was told.
    is_overgrown: bool,
    sealer: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn open(
        folder: PathBuf,
        segments: &[Segment],
        end: Offset,
        next: Offset,
        segment_bytes: u64,
    ) -> Result<Self, LogError> {
        let (segment, left_open) = match segments.split_last() {
            Some((last, before)) if !last.sealed && end == next => (last.clone(), before),
            _ => (Segment::open(&folder, next), segments),
        };
        let file = segment::open_to_append(&segment)?;
        let synced_bytes = file.metadata().map_err(LogError::new("look at", &segment.path))?.len();
        // What an earlier process wrote and did not fsync is acknowledged from here on.
        file.sync_all().map_err(LogError::new("fsync", &segment.path))?;
        let mut writer = Self {
            folder,
            segment,
            file,
            unsynced: Vec::new(),
            written: 0,
            synced_bytes,
            next,
            segment_bytes,
            failed: false,
            is_overgrown: false,
            sealer: None,
        };
        writer.seal(left_open.iter().filter(|segment| !segment.sealed).cloned().collect());
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
        format_line(offset, event, &mut self.unsynced).map_err(|_| LogFull)?;
        self.next = offset.next();
        Ok(offset)
    }

    /// The events from `offset` on that are with the system.
    ///
    /// # Errors
    /// [`LogError`] where the folder cannot be listed.
    pub fn read_from(&mut self, offset: Offset) -> Result<Events, LogError> {
        self.wait_for_sealer();
        Ok(Events::new(&segment::list(&self.folder)?, offset))
    }

    /// Bytes of events that no fsync has taken yet.
    pub fn unsynced_bytes(&self) -> usize {
        self.unsynced.len()
    }

    /// Whether the last write or fsync failed, so that only [`Writer::repair`] can go on.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Hands all that was appended to the system.
    ///
    /// # Errors
    /// [`LogError`]; nothing is lost, and nothing more is written until [`Writer::repair`] succeeds.
    pub fn write(&mut self) -> Result<(), LogError> {
        if self.failed {
            return self.repair();
        }
        let waiting = self.unsynced.get(self.written..).unwrap_or_default();
        if waiting.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(waiting).map_err(LogError::new("append to", &self.segment.path));
        self.failed = written.is_err();
        written?;
        self.written = self.unsynced.len();
        Ok(())
    }

    /// Brings all that was appended onto the disk, and begins a new segment where this one is full.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.write()?;
        if !self.unsynced.is_empty() {
            let synced = self.file.sync_data().map_err(LogError::new("fsync", &self.segment.path));
            self.failed = synced.is_err();
            synced?;
            self.synced_bytes += self.unsynced.len() as u64;
            self.unsynced.clear();
            self.unsynced.shrink_to(UNSYNCED_LIMIT / 8);
            self.written = 0;
        }
        if self.synced_bytes >= self.segment_bytes {
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

    /// Goes on after a failure: opens the segment anew, cuts it behind the last fsynced byte, since what
    /// lies there is in doubt, and writes again all that waits.
    ///
    /// # Errors
    /// As [`Writer::write`], as long as the disk takes nothing.
    pub fn repair(&mut self) -> Result<(), LogError> {
        let path = &self.segment.path;
        self.file = segment::open_to_append(&self.segment)?;
        self.file.set_len(self.synced_bytes).map_err(LogError::new("shorten", path))?;
        self.file.write_all(&self.unsynced).map_err(LogError::new("append to", path))?;
        self.file.sync_all().map_err(LogError::new("fsync", path))?;
        self.synced_bytes += self.unsynced.len() as u64;
        self.unsynced.clear();
        self.written = 0;
        self.failed = false;
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), LogError> {
        let segment = Segment::open(&self.folder, self.next);
        self.file = segment::open_to_append(&segment)?;
        self.synced_bytes = 0;
        let full = std::mem::replace(&mut self.segment, segment);
        self.seal(vec![full]);
        Ok(())
    }

    /// Compresses full segments beside the writing. One that cannot be compressed stays as it is and is
    /// tried again at the next start.
    fn seal(&mut self, segments: Vec<Segment>) {
        if segments.is_empty() {
            return;
        }
        self.wait_for_sealer();
        let work = move || {
            for segment in segments {
                if let Err(error) = segment::seal(&segment) {
                    warn!("{error}; the segment stays uncompressed until the next start");
                }
            }
        };
        match std::thread::Builder::new().name("seal".to_owned()).spawn(work) {
            Ok(sealer) => self.sealer = Some(sealer),
            Err(error) => warn!("could not start a thread to compress the log: {error}"),
        }
    }

    fn wait_for_sealer(&mut self) {
        if let Some(sealer) = self.sealer.take()
            && sealer.join().is_err()
        {
            warn!("compressing the log ended unexpectedly");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.wait_for_sealer();
    }
}
