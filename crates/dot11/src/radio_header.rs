//! Parses the header in front of a frame, whatever its format.

use crate::error::DecodeError;
use crate::link_type::LinkType;
use crate::radio_info::RadioInfo;
use crate::{ppi, prism, radiotap};

/// Parses the header that `link_type` puts in front of a frame; `None` if something other than 802.11 follows it.
#[inline]
pub(crate) fn parse(link_type: LinkType, captured: &[u8]) -> Result<Option<RadioInfo>, DecodeError> {
    match link_type {
        LinkType::Ieee80211 => Ok(Some(RadioInfo::default())),
        LinkType::Radiotap => radiotap::parse(captured).map(Some),
        LinkType::Ppi => ppi::parse(captured),
        LinkType::Prism => prism::parse_prism(captured).map(Some),
        LinkType::Avs => prism::parse_avs(captured).map(Some),
    }
}
