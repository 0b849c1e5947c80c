//! The link types that carry 802.11 frames.

use std::fmt;

/// The link-layer header types that carry 802.11 frames. Their numbers in libpcap (DLT) and in capture files (LINKTYPE)
/// are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// The 802.11 frame without a header (105).
    Ieee80211,
    /// A radiotap header, then the frame (127); Linux delivers it in monitor mode.
    Radiotap,
    /// A Per-Packet Information header, then a packet of the type that it names (192).
    Ppi,
    /// A Prism monitoring header, then the frame (119).
    Prism,
    /// An AVS header, then the frame (163).
    Avs,
}

impl LinkType {
    /// The link type with this number; `None` if it does not carry 802.11 frames.
    pub const fn from_dlt(dlt: i32) -> Option<Self> {
        Some(match dlt {
            105 => Self::Ieee80211,
            127 => Self::Radiotap,
            192 => Self::Ppi,
            119 => Self::Prism,
            163 => Self::Avs,
            _ => return None,
        })
    }

    /// The number of this link type.
    pub const fn dlt(self) -> i32 {
        match self {
            Self::Ieee80211 => 105,
            Self::Radiotap => 127,
            Self::Ppi => 192,
            Self::Prism => 119,
            Self::Avs => 163,
        }
    }

    /// The usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ieee80211 => "802.11",
            Self::Radiotap => "radiotap",
            Self::Ppi => "PPI",
            Self::Prism => "Prism",
            Self::Avs => "AVS",
        }
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_one_link_type() {
        let known: Vec<i32> = (-1..=400)
            .filter(|dlt| LinkType::from_dlt(*dlt).is_some_and(|link| link.dlt() == *dlt))
            .collect();
        assert_eq!(known, [105, 119, 127, 163, 192]);
        assert_eq!((-1..=400).filter_map(LinkType::from_dlt).count(), known.len());
    }

    #[test]
    fn a_link_type_is_shown_by_its_name() {
        let all = [LinkType::Ieee80211, LinkType::Radiotap, LinkType::Ppi, LinkType::Prism, LinkType::Avs];
        assert_eq!(all.map(|link| link.to_string()), ["802.11", "radiotap", "PPI", "Prism", "AVS"]);
        assert_eq!(format!("{:>5}", LinkType::Ppi), "  PPI");
    }
}
