//! Probe requests (IEEE 802.11-2020 §9.3.3.9): a management frame's header of 24 bytes, then
//! information elements.
//!
//! What counts as one: protocol version 0, type management (0), subtype 4. Anything else, probe
//! responses first of all, is "not a probe request" and no error. A frame whose control octets say
//! probe request and whose header is cut is an error.
//!
//! Decisions, each with a test below; where Wireshark differs, that is said:
//!
//! | where | outcome |
//! |---|---|
//! | an SSID element of more than 32 bytes | kept as heard, up to 255 bytes (Wireshark shows the first 32) |
//! | several SSID elements | the first counts, also where it is the wildcard |
//! | an SSID element of length 0 | the wildcard |
//! | an SSID of NULs | a name like any other |
//! | no SSID element, or only one that is cut | no SSID |
//! | another element of length 0 | an element like any other |
//! | an element cut by the frame's end or the snaplen | left out, with all that follows; what was whole before it counts |
//! | order bit | an HT Control field of four bytes precedes the elements (§9.2.4.1.10), whether it makes sense or not |
//! | protected bit | the body is ciphertext: no SSID, no elements |
//! | more-fragments bit | the body is one part of several: no SSID, no elements |
//! | fragment number other than 0 | decoded like any other; not part of the sequence number (Wireshark joins it with the parts before, where it has them) |
//! | retry, power management, more data, to DS, from DS | have no bearing |
//! | FCS in the capture | checked, and never taken for elements; the check overrules what the radio says |
//! | FCS cut off by the snaplen | absent |
//! | protected, in parts, or cut by the snaplen | the signature is that of the elements that are there |
//! | FCS announced, and no room for it after the header | absent |
//! | no FCS in the capture, but the radio says that it was wrong | bad (Wireshark says nothing) |
//!
//! Fcs::Bad frames are decoded like good ones: whoever asks decides what they are worth.

use super::bytes::array;
use super::{Element, Elements, LinkType, MacAddr, RequestedSsid, Signature, radio};

/// Whether the frame check sequence (IEEE 802.11-2020 §9.2.4.8) was captured, and is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fcs {
    /// None was captured: the radio has checked and removed it, or nobody knows.
    Absent,
    /// It fits the frame.
    Good,
    /// It does not fit the frame, whose bytes, the addresses too, may be anything.
    Bad,
}

/// What a probe request says, and how it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRequest<'a> {
    /// The transmitter (address 2).
    pub source: MacAddr,
    /// The network that is asked for.
    pub ssid: RequestedSsid,
    /// The signal in dBm, where the radio reported it; of several antennas, the first.
    pub signal_dbm: Option<i8>,
    /// The centre frequency of the channel in MHz, where the radio reported it.
    pub frequency_mhz: Option<u16>,
    /// The sequence number, 0 to 4095, without the fragment number.
    pub sequence: u16,
    /// What the elements say of the device's model.
    pub signature: Signature,
    /// Whether the frame is as it was sent.
    pub fcs: Fcs,
    /// The whole information elements as heard.
    pub elements: &'a [u8],
}

/// Why a captured frame cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The header in front of the frame is cut, or its length cannot be right.
    #[error("the {0} header is cut short, or its length is wrong")]
    RadioHeader(LinkType),
    /// The frame is shorter than its own header.
    #[error("the 802.11 header is cut short")]
    FrameHeader,
}

const HEADER: usize = 24;
const FCS: usize = 4;
const HT_CONTROL: usize = 4;

/// The first octet of frame control: version 0, type 0, subtype 4 (§9.2.4.1).
const PROBE_REQUEST: u8 = 0x40;
/// The second octet of frame control.
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;

/// Decodes what was captured of a frame, the header that `link` puts in front of it included.
/// `original_length` is the length in bytes that all of it had on the air, of which a snaplen may
/// have cut some; it tells where the FCS is.
///
/// `Ok(None)` is a frame that is not a probe request.
///
/// # Errors
///
/// Where the frame is too short to tell, or its radio header is wrong.
#[inline]
pub fn decode(
    link: LinkType,
    captured: &[u8],
    original_length: usize,
) -> Result<Option<ProbeRequest<'_>>, DecodeError> {
    let Some(radio) = radio::read(link, captured)? else { return Ok(None) };
    let frame = captured.get(radio.length..).ok_or(DecodeError::FrameHeader)?;
    let [control, flags] = array(frame, 0).ok_or(DecodeError::FrameHeader)?;
    if control != PROBE_REQUEST {
        return Ok(None);
    }
    let header: &[u8; HEADER] = frame.first_chunk().ok_or(DecodeError::FrameHeader)?;
    let source = array(header, 10).map(MacAddr::new).ok_or(DecodeError::FrameHeader)?;

    let length = original_length.max(captured.len()) - radio.length;
    let (body_end, fcs) = if radio.fcs_follows && length >= HEADER + FCS {
        (length - FCS, check_fcs(frame, length))
    } else {
        (length, None)
    };
    let fcs = fcs.unwrap_or(if radio.fcs_failed { Fcs::Bad } else { Fcs::Absent });

    let body_start = HEADER + if flags & ORDER != 0 { HT_CONTROL } else { 0 };
    let body = match frame.get(body_start..body_end.min(frame.len())) {
        Some(body) if flags & (PROTECTED | MORE_FRAGMENTS) == 0 => body,
        _ => &[],
    };
    let mut walk = Elements::new(body);
    let ssid = walk.by_ref().find(|element| element.id == Element::SSID);
    walk.by_ref().for_each(drop);
    let elements = body.get(..body.len() - walk.rest().len()).unwrap_or_default();

    Ok(Some(ProbeRequest {
        source,
        ssid: ssid.map_or(RequestedSsid::Absent, |element| RequestedSsid::from_element(element.body)),
        signal_dbm: radio.signal_dbm,
        frequency_mhz: radio.frequency_mhz,
        sequence: u16::from_le_bytes([header[22], header[23]]) >> 4,
        signature: Signature::of(elements),
        fcs,
        elements,
    }))
}

/// Checks the FCS at the end of a frame of `length` bytes; `None` where the capture lacks some of it.
fn check_fcs(frame: &[u8], length: usize) -> Option<Fcs> {
    let (content, fcs) = frame.get(..length)?.split_last_chunk::<FCS>()?;
    let good = crc32fast::hash(content) == u32::from_le_bytes(*fcs);
    Some(if good { Fcs::Good } else { Fcs::Bad })
}

#[cfg(test)]
mod tests;
