//! The event log: every event, in order, in files that any tool can read. The state is rebuilt from it.
//!
//! # Format
//! `events/` in the data directory holds segments. A segment's name is the offset of its first event in twenty
//! digits.
//! - `….ndjson` is open: the writer appends to it, or it waits to be sealed. Each event is a line that begins with
//!   `{"offset":N,` and ends with `\n` ([`encode_line`]).
//! - `….ndjson.zst` is sealed: the same text as one zstd frame with a content checksum.
//!
//! Offsets grow by one from line to line and from segment to segment. After a [`Lost`](EventKind::Lost) or
//! [`Omitted`](EventKind::Omitted) event they grow by its count. The oldest segments may have been removed.
//!
//! Next to a segment there may be
//! - `….damaged`: what the segment was before a repair,
//! - `….tmp`: a file that may not be whole; the next start removes it,
//! - `….mended`: a whole file that is about to replace the segment; the next start completes that.
//!
//! # Invariants
//! - Only [`RecoveredLog`] yields a [`Writer`]: nobody appends to a log whose end is unknown.
//! - Recovery cuts off a last line without `\n` (torn, or zeros after a power cut) and warns once. That line was never
//!   acknowledged, since an acknowledged event has been fsynced. A line with its `\n` stays, readable or not.
//! - Bad sectors do not keep recovery from finding the end. If the disk does not return a part of the last segment,
//!   time after time, while it returns something else, a repaired copy takes the segment's place at once.
//! - Recovery fsyncs what it found before anything is folded from it.
//! - An event stays in memory until fsync has succeeded. After a failed write or fsync the writer acknowledges nothing
//!   until [`Writer::resume`] has reopened the segment, found all acknowledged events in it, and written, fsynced and
//!   read back those that waited.
//! - If a crash could lose a file's name, the directory is fsynced before anything relies on the name. A file is
//!   removed or renamed only once what replaces it is on disk.
//! - Corruption is reported with file and line. Readers get a [`Lost`](EventKind::Lost) event in place of what it took,
//!   so every offset is accounted for, and they get everything that is whole around it. [`RecoveredLog::repair`] makes
//!   that permanent and quarantines the corrupt file, so corruption is reported once.

mod codec;
mod concurrent_reader;
mod corruption;
mod error;
mod lock;
mod log_dir;
#[cfg(test)]
mod log_tests;
mod prefetch;
mod reader;
#[cfg(test)]
mod recorded;
mod recovery;
mod repair;
mod salvage_reader;
mod segment;
mod segment_index;
mod segment_scanner;
mod snapshots;
mod stop_flag;
#[cfg(test)]
pub(crate) mod test_disk;
mod thinning;
mod vfs;
mod writer;
mod zstd_reader;

pub use codec::{LineFilter, encode_line};
pub use concurrent_reader::{ConcurrentReader, EventsUpTo, ListedSegment};
pub use corruption::Corruption;
pub use error::LogError;
pub use lock::{DataDirLock, LockError};
pub use prefetch::Prefetch;
pub use reader::{Entry, Events};
pub use recovery::{RecoveredLog, recover, recover_on};
pub use segment_index::SealedSegment;
pub use snapshots::{SnapshotFile, SnapshotFileError, Snapshots};
pub use stop_flag::{StopFlag, Stoppable, Stopped};
pub use thinning::{SegmentThinner, ThinnedSegment};
pub use vfs::{FileId, FileMetadata, OpenMode, OsVfs, Vfs, VfsFile};
pub use writer::{LogFull, Rotation, Writer};

#[cfg(doc)]
use crate::event::EventKind;
