//! A captured frame with its radio header, and what reading the next one can return. The bytes are not copied.

use dot11::LinkType;

use crate::error::ReadError;

/// The longest frame in bytes, as in libpcap; a record that claims more is damaged.
pub(crate) const MAX_FRAME_BYTES: u32 = 262_144;

/// A captured frame with its radio header, in place in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// `None` if the frame's interface does not deliver 802.11.
    pub link_type: Option<LinkType>,
    /// Microseconds since the Unix epoch.
    pub time_us: i64,
    /// The length in bytes before the snaplen cut it.
    pub original_length: usize,
    /// Whether the file describes its frames as ending with their FCS.
    pub has_fcs: bool,
    /// The length in bytes of the record in a capture file.
    pub stored_bytes: u64,
    pub bytes: &'a [u8],
}

/// The next record of a capture file; `None` at its end.
pub(crate) type NextRecord<'a> = Result<Option<Record<'a>>, ReadError>;

/// What waiting for the next record yields.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadOutcome<'a> {
    Record(Record<'a>),
    /// No record within the wait; the source goes on.
    Idle,
    /// The source has ended.
    End,
}
