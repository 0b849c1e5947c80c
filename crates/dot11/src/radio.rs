//! What the header in front of a frame says about how it was heard, whatever the header's format.

use super::{DecodeError, LinkType, ppi, prism, radiotap};

/// What was read from a radio header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Radio {
    /// Where the 802.11 frame starts, in bytes from the start of what was captured.
    pub length: usize,
    /// The signal, as the radio gave it for the whole frame.
    pub signal_dbm: Option<i8>,
    /// The centre of the channel; never 0.
    pub frequency_mhz: Option<u16>,
    /// The last four bytes of the frame are its FCS.
    pub fcs_follows: bool,
    /// The radio found the FCS wrong.
    pub fcs_failed: bool,
}

/// Reads the header that `link` puts in front of a frame, or `None` where it says that something
/// other than 802.11 follows.
#[inline]
pub(super) fn read(link: LinkType, captured: &[u8]) -> Result<Option<Radio>, DecodeError> {
    match link {
        LinkType::Ieee80211 => Ok(Some(Radio::default())),
        LinkType::Radiotap => radiotap::read(captured).map(Some),
        LinkType::Ppi => ppi::read(captured),
        LinkType::Prism => prism::read_prism(captured).map(Some),
        LinkType::Avs => prism::read_avs(captured).map(Some),
    }
}
