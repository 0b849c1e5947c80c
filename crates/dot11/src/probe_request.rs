//! Probe requests (IEEE 802.11-2020 §9.3.3.9): a management frame's header of 24 bytes, then information elements.
//!
//! A probe request has protocol version 0, type 0 (management) and subtype 4. Any other frame, probe responses above
//! all, is "not a probe request" and no error. A frame whose control octets say probe request but whose header is cut
//! is an error.
//!
//! Decisions, each with a test below, and what Wireshark does if it differs:
//!
//! | case | outcome |
//! |---|---|
//! | an SSID element of more than 32 bytes | kept as received, up to 255 bytes (Wireshark shows the first 32) |
//! | several SSID elements | the first counts, even if it is the wildcard |
//! | an SSID element of length 0 | the wildcard |
//! | an SSID of NULs | kept as received; a hidden network, which is no name |
//! | no SSID element, or only one that is cut | no SSID |
//! | another element of length 0 | an element like any other |
//! | an element cut by the frame's end or the snaplen | left out with all that follows; the complete elements before it count |
//! | order bit | an HT Control field of four bytes precedes the elements (§9.2.4.1.10), whatever its content |
//! | protected bit | the body is ciphertext: no SSID, no elements |
//! | more-fragments bit | the body is one part of several: no SSID, no elements |
//! | fragment number other than 0 | decoded like any other; not part of the sequence number (Wireshark joins it with the parts before, if it has them) |
//! | retry, power management, more data, to DS, from DS | ignored |
//! | FCS in the capture | checked, and never taken for elements; the check overrules the radio |
//! | FCS that neither header nor file announces | the last four bytes of a whole frame are the FCS if they are the CRC-32 of those before (Wireshark takes them for elements) |
//! | FCS announced by the file, and the header says that there is none | as if unannounced |
//! | FCS announced, but none there | bad: nothing tells it from a damaged frame |
//! | FCS cut off by the snaplen | absent; two or three bytes that are left of it are no elements |
//! | protected, in parts, or cut by the snaplen | the signature is that of the available elements |
//! | FCS announced, but the frame has no bytes for it after the header | absent |
//! | no FCS in the capture, but the radio found it wrong | bad (Wireshark shows nothing) |
//!
//! Frames with a bad FCS are decoded like good ones; the caller decides whether to use them.

use crate::bytes::array;
use crate::element::{Element, Elements};
use crate::error::DecodeError;
use crate::link_type::LinkType;
use crate::mac::MacAddr;
use crate::radio_header;
use crate::signature::Signature;
use crate::ssid::RequestedSsid;

/// Whether the frame check sequence (IEEE 802.11-2020 §9.2.4.8) was captured and is correct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fcs {
    /// It was not captured: the radio checked and removed it, or left it unknown.
    Absent,
    /// It matches the frame.
    Good,
    /// It does not match the frame: any of the frame's bytes may be wrong, including the addresses.
    Bad,
}

/// A decoded probe request and how it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRequest<'a> {
    /// The transmitter (address 2).
    pub source: MacAddr,
    /// The network that the device looks for, by the SSID element. [`listed_ssids`](crate::listed_ssids) and
    /// [`listed_short_ssids`](crate::listed_short_ssids) of `elements` give further ones.
    pub ssid: RequestedSsid,
    /// The signal in dBm, if the radio reported it; that of the first antenna if there are several.
    pub signal_dbm: Option<i8>,
    /// The centre frequency of the channel in MHz, if the radio reported it; never 0.
    pub frequency_mhz: Option<u16>,
    /// The sequence number, 0 to 4095, without the fragment number.
    pub sequence: u16,
    /// The hash of the elements that identify the device's model.
    pub signature: Signature,
    /// Whether the frame arrived as it was sent.
    pub fcs: Fcs,
    /// The complete information elements, as received.
    pub elements: &'a [u8],
}

const HEADER_BYTES: usize = 24;
const FCS_BYTES: usize = 4;
const HT_CONTROL_BYTES: usize = 4;

/// The first octet of frame control: version 0, type 0, subtype 4 (§9.2.4.1).
const PROBE_REQUEST: u8 = 0x40;
/// The second octet of frame control.
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;

/// Decodes a captured frame, including the header that `link_type` puts in front of it.
///
/// `original_length` is the length in bytes of header and frame before a snaplen cut them; it gives the position of the FCS.
/// Returns `Ok(None)` for a frame that is not a probe request.
///
/// # Errors
///
/// If the frame is too short to be decoded, or its radio header is wrong.
#[inline]
pub fn decode(
    link_type: LinkType,
    captured: &[u8],
    original_length: usize,
) -> Result<Option<ProbeRequest<'_>>, DecodeError> {
    decode_from_file(link_type, captured, original_length, false)
}

/// As [`decode`], for a frame of a capture file. `file_announces_fcs` says whether the file describes its frames as
/// ending with their FCS; it counts where the frame's own header does not say.
///
/// # Errors
///
/// As [`decode`].
#[inline]
pub fn decode_from_file(
    link_type: LinkType,
    captured: &[u8],
    original_length: usize,
    file_announces_fcs: bool,
) -> Result<Option<ProbeRequest<'_>>, DecodeError> {
    let Some(radio) = radio_header::parse(link_type, captured)? else { return Ok(None) };
    let frame = captured.get(radio.header_length..).ok_or(DecodeError::FrameHeader)?;
    let [control, flags] = array(frame, 0).ok_or(DecodeError::FrameHeader)?;
    if control != PROBE_REQUEST {
        return Ok(None);
    }
    let header: &[u8; HEADER_BYTES] = frame.first_chunk().ok_or(DecodeError::FrameHeader)?;
    let source = array(header, 10).map(MacAddr::new).ok_or(DecodeError::FrameHeader)?;

    let length = original_length.max(captured.len()) - radio.header_length;
    let (body_end, fcs) = find_fcs(frame, length, radio.fcs_follows.unwrap_or(file_announces_fcs));
    let fcs = fcs.unwrap_or(if radio.fcs_failed { Fcs::Bad } else { Fcs::Absent });

    let body_start = HEADER_BYTES + if flags & ORDER != 0 { HT_CONTROL_BYTES } else { 0 };
    let body = match frame.get(body_start..body_end.min(frame.len())) {
        Some(body) if flags & (PROTECTED | MORE_FRAGMENTS) == 0 => body,
        _ => &[],
    };
    let mut remaining = Elements::new(body);
    let ssid = remaining.by_ref().find(|element| element.id == Element::SSID);
    remaining.by_ref().for_each(drop);
    let elements = body.get(..body.len() - remaining.rest().len()).unwrap_or_default();

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

/// Finds the FCS of a frame of `length` bytes, of which `frame` was captured. Returns where the elements end, and what
/// the FCS says, if it was captured completely.
fn find_fcs(frame: &[u8], length: usize, is_announced: bool) -> (usize, Option<Fcs>) {
    let Some(body_end) = length.checked_sub(FCS_BYTES).filter(|end| *end >= HEADER_BYTES) else {
        return (length, None);
    };
    let Some((content, captured)) = frame.split_at_checked(body_end) else {
        return (if is_announced { body_end } else { length }, None);
    };
    let is_whole = captured.len() == FCS_BYTES;
    // One byte is no element, whether it belongs to an FCS or not.
    if !is_announced && captured.len() < 2 || is_announced && !is_whole {
        return (if is_announced { body_end } else { length }, None);
    }
    match crc32fast::hash(content).to_le_bytes().starts_with(captured) {
        true => (body_end, is_whole.then_some(Fcs::Good)),
        false if is_announced => (body_end, Some(Fcs::Bad)),
        false => (length, None),
    }
}

#[cfg(test)]
mod tests;
