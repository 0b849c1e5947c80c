//! A snapshot: the whole state in a form that anyone can read, one JSON object a line.
//!
//! # Format
//! - The first line is `{"snapshot":N,"format":3,"time":…}`. N is the offset of the first event that is not in the
//!   snapshot, `time` says when it was taken.
//! - Then follows a line for each row. Its first field, `row`, says what it is.
//! - The last line is `{"end":N}` with the number of rows: a truncated snapshot has none.
//! - Times, addresses and SSIDs are written as in events.
//! - Formats 1 and 2 are read as well. Format 2 had no phones and models; format 1 had no hours of devices, no networks,
//!   no patterns, no follows, mutes and ignores either.
//!
//! # Invariants
//! - A snapshot is lossless: the state that is read from it equals the one that was written, and folds every later
//!   event in the same way.
//! - Equal states give the same lines, apart from `time`.
//! - Devices are unpacked one at a time.

mod format;
mod image;
mod packed_image;
mod row;

pub use format::SnapshotError;
pub use image::StateImage;
pub use packed_image::PackedImage;
pub(super) use packed_image::write_packed_end;
pub use row::DeviceJson;
pub(super) use row::SnapshotRow;
