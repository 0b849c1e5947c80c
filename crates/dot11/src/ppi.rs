//! Per-Packet Information headers (PPI Packet Header Specification 1.0.7): version, flags, a length, the link type of
//! what follows, then fields of a type, a length and a value, in little-endian order.
//!
//! Decisions:
//!
//! - The field 802.11-Common (type 2, exactly 20 bytes) holds signal, frequency and whether an FCS follows. A signal
//!   that no receiver measures ([`measured_dbm`]) means unknown, as does a frequency of 0.
//! - If it holds no signal, that of the first antenna with one in 802.11n MAC+PHY (type 4, exactly 48 bytes) is used.
//!   The channel in that field is the extension channel, not that of the frame.
//! - The first of two fields of a type counts.
//! - Fields are aligned to four bytes if the header's flag says so. A field that the header's end cuts ends the fields;
//!   the fields before it and the frame are kept.
//! - A radiotap header may follow (link type 127); its values overrule those of PPI. A link type other than that and bare
//!   802.11 (105) is no 802.11.

use crate::bytes::{array, u16_le, u32_le};
use crate::error::DecodeError;
use crate::link_type::LinkType;
use crate::radio_info::RadioInfo;
use crate::radiotap;
use crate::signal::measured_dbm;

const COMMON: u16 = 2;
const N_MAC_PHY: u16 = 4;

/// The header's flag: each field starts at a multiple of four bytes.
const ALIGNED: u8 = 0x01;
/// Where 802.11n MAC+PHY has the signal of each antenna, with its noise between them.
const ANTENNA_SIGNALS: [usize; 4] = [24, 26, 28, 30];

/// 802.11-Common's flags: the frame ends with its FCS.
const FLAG_FCS: u16 = 0x0001;
/// 802.11-Common's flags: the frame failed the FCS check.
const FLAG_BAD_FCS: u16 = 0x0004;

/// Parses the header at the start of a captured frame; `None` if something other than 802.11 follows it.
pub(crate) fn parse(captured: &[u8]) -> Result<Option<RadioInfo>, DecodeError> {
    let error = DecodeError::RadioHeader(LinkType::Ppi);
    let [_version, flags, length @ ..] = array::<4>(captured, 0).ok_or(error)?;
    let length = usize::from(u16::from_le_bytes(length));
    let header = captured.get(..length).filter(|header| header.len() >= 8).ok_or(error)?;
    let inner_link_type = u32_le(header, 4).and_then(|dlt| LinkType::from_dlt(i32::try_from(dlt).ok()?));

    let mut radio = parse_fields(header, flags & ALIGNED != 0);
    match inner_link_type {
        Some(LinkType::Ieee80211) => {}
        Some(LinkType::Radiotap) => {
            let inner = captured.get(length..).ok_or(error).and_then(radiotap::parse)?;
            radio = RadioInfo {
                header_length: length + inner.header_length,
                signal_dbm: inner.signal_dbm.or(radio.signal_dbm),
                fcs_follows: inner.fcs_follows.or(radio.fcs_follows),
                frequency_mhz: inner.frequency_mhz.or(radio.frequency_mhz),
                ..inner
            };
        }
        _ => return Ok(None),
    }
    Ok(Some(radio))
}

fn parse_fields(header: &[u8], aligned: bool) -> RadioInfo {
    let mut radio = RadioInfo { header_length: header.len(), ..RadioInfo::default() };
    let mut common = None;
    let mut antenna_dbm = None;
    let mut at: usize = 8;
    while let (Some(kind), Some(size)) = (u16_le(header, at), u16_le(header, at + 2)) {
        let Some(field) = header.get(at + 4..at + 4 + usize::from(size)) else { break };
        match (kind, size) {
            (COMMON, 20) => _ = common.get_or_insert(field),
            (N_MAC_PHY, 48) => {
                let first_with_signal = || ANTENNA_SIGNALS.into_iter().find_map(|at| dbm(field, at));
                antenna_dbm = antenna_dbm.or_else(first_with_signal);
            }
            _ => {}
        }
        at += 4 + usize::from(size);
        if aligned {
            at = at.next_multiple_of(4);
        }
    }
    if let Some(common) = common {
        let flags = u16_le(common, 8).unwrap_or(0);
        radio.fcs_follows = Some(flags & FLAG_FCS != 0);
        radio.fcs_failed = flags & FLAG_BAD_FCS != 0;
        radio.frequency_mhz = u16_le(common, 12).filter(|mhz| *mhz != 0);
        radio.signal_dbm = dbm(common, 18);
    }
    radio.signal_dbm = radio.signal_dbm.or(antenna_dbm);
    radio
}

fn dbm(field: &[u8], at: usize) -> Option<i8> {
    measured_dbm(field.get(at)?.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{RadiotapHeader, ppi, ppi_common};

    /// What the header says about an FCS only counts if it is expected to say something.
    #[track_caller]
    fn check(header: &[u8], expected: RadioInfo) {
        let radio = parse(header).map(|radio| {
            let fcs_follows = |radio: &RadioInfo| expected.fcs_follows.and(radio.fcs_follows);
            radio.map(|radio| RadioInfo { fcs_follows: fcs_follows(&radio), ..radio })
        });
        assert_eq!(radio, Ok(Some(expected)), "{header:02x?}");
    }

    fn mac_phy(dbm: i8) -> Vec<u8> {
        let mut field = vec![0; 48];
        field[20..22].copy_from_slice(&5180u16.to_le_bytes());
        field[24] = dbm.cast_unsigned();
        field
    }

    #[test]
    fn parses_common_and_802_11n() {
        let expected = |header_length, signal_dbm, frequency_mhz| RadioInfo {
            header_length,
            signal_dbm,
            frequency_mhz,
            ..RadioInfo::default()
        };
        let common = ppi_common(0, 2437, -42);
        let silent = ppi_common(0, 0, -128);
        check(&ppi(0, 105, &[]), expected(8, None, None));
        check(&ppi(0, 105, &[(2, &common)]), expected(32, Some(-42), Some(2437)));
        check(&ppi(0, 105, &[(2, &silent)]), expected(32, None, None));
        check(&ppi(0, 105, &[(2, &common), (2, &silent)]), expected(56, Some(-42), Some(2437)));
        check(&ppi(0, 105, &[(4, &mac_phy(-33))]), expected(60, Some(-33), None));
        check(&ppi(0, 105, &[(4, &mac_phy(-33)), (2, &common)]), expected(84, Some(-42), Some(2437)));
        for invented in [0, 127, -127, 10] {
            let silent = ppi_common(0, 2437, invented);
            check(&ppi(0, 105, &[(2, &silent)]), expected(32, None, Some(2437)));
            check(&ppi(0, 105, &[(2, &silent), (4, &mac_phy(-33))]), expected(84, Some(-33), Some(2437)));
            let mut second = mac_phy(invented);
            second[26] = 0xd6;
            second[28] = 0xe0;
            check(&ppi(0, 105, &[(4, &second)]), expected(60, Some(-42), None));
        }
        check(&ppi(0, 105, &[(2, &common[..19])]), expected(31, None, None));
        check(&ppi(1, 105, &[(9, b"abc"), (2, &common)]), expected(40, Some(-42), Some(2437)));
        check(&ppi(0, 105, &[(9, b"abc"), (2, &common)]), expected(39, Some(-42), Some(2437)));
    }

    #[test]
    fn parses_the_fcs_flags() {
        for (flags, fcs_follows, fcs_failed) in
            [(0, false, false), (1, true, false), (4, false, true), (5, true, true), (2, false, false)]
        {
            let header = ppi(0, 105, &[(2, &ppi_common(flags, 0, 0))]);
            let fcs_follows = Some(fcs_follows);
            check(&header, RadioInfo { header_length: 32, fcs_follows, fcs_failed, ..RadioInfo::default() });
        }
        assert_eq!(parse(&ppi(0, 105, &[])).unwrap().unwrap().fcs_follows, None);
    }

    #[test]
    fn parses_the_radiotap_header_inside() {
        let common = ppi_common(0, 5180, -1);
        let inner = RadiotapHeader {
            fcs_follows: true,
            frequency_mhz: Some(2437),
            signal_dbm: Some(-42),
            ..RadiotapHeader::default()
        };
        let frame = [ppi(0, 127, &[(2, &common)]), inner.to_bytes()].concat();
        let expected = RadioInfo {
            header_length: 47,
            signal_dbm: Some(-42),
            frequency_mhz: Some(2437),
            fcs_follows: Some(true),
            fcs_failed: false,
        };
        check(&frame, expected);
        assert!(parse(&frame[..40]).is_err());
        // What it does not say is taken from the PPI header.
        let silent = [ppi(0, 127, &[(2, &common)]), RadiotapHeader::default().to_bytes()].concat();
        let radio = parse(&silent).unwrap().unwrap();
        assert_eq!((radio.signal_dbm, radio.frequency_mhz), (Some(-1), Some(5180)));
        let invented = RadiotapHeader { signal_dbm: Some(127), ..RadiotapHeader::default() };
        let frame = [ppi(0, 127, &[(2, &common)]), invented.to_bytes()].concat();
        assert_eq!(parse(&frame).unwrap().unwrap().signal_dbm, Some(-1));
    }

    #[test]
    fn rejects_other_link_types_and_broken_headers() {
        for other in [1, 192, u32::MAX] {
            assert_eq!(parse(&ppi(0, other, &[])), Ok(None));
        }
        let header = ppi(0, 105, &[(2, &ppi_common(0, 2437, -42))]);
        for length in 0..header.len() {
            assert!(parse(&header[..length]).is_err());
        }
        assert!(parse(&[0, 0, 7, 0, 105, 0, 0, 0]).is_err());
        // A field that says it is longer than the header.
        let mut overrun = header;
        overrun[10] = 21;
        check(&overrun, RadioInfo { header_length: 32, ..RadioInfo::default() });
    }
}
