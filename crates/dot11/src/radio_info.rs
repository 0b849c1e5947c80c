//! What the parsers of all radio headers return.

/// What a radio header says about the frame behind it, whatever the header's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RadioInfo {
    /// The length of the header in bytes: where the 802.11 frame starts.
    pub header_length: usize,
    /// The signal in dBm, as the radio reported it for the whole frame; one that it can have measured
    /// ([`measured_dbm`](crate::measured_dbm)).
    pub signal_dbm: Option<i8>,
    /// The centre frequency of the channel in MHz; never 0.
    pub frequency_mhz: Option<u16>,
    /// Whether the last four bytes of the frame are its FCS; `None` if the header does not say.
    pub fcs_follows: Option<bool>,
    /// The radio found the FCS wrong.
    pub fcs_failed: bool,
}
