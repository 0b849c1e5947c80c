//! Why a frame cannot be decoded.

use crate::link_type::LinkType;

/// Why a captured frame cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The header in front of the frame is truncated, or its length cannot be right.
    #[error("the {0} header is cut short, or its length is wrong")]
    RadioHeader(LinkType),
    /// The frame is shorter than its own header.
    #[error("the 802.11 header is cut short")]
    FrameHeader,
}
