//! Prism and AVS headers, which the first Linux drivers with monitor mode wrote.
//!
//! A Prism header has 144 bytes in the byte order of the capturing machine: a message code, a length, an interface name
//! of 16 bytes, then ten items of an identifier, a status (0: present), a length and a value. An AVS header is
//! big-endian: a magic number, its length, and fields at fixed offsets. Neither says whether an FCS follows.
//!
//! Decisions:
//!
//! - A capture of link type Prism may hold AVS headers, recognised by their magic number, or bare frames, which start
//!   with neither.
//! - A Prism header is 144 bytes long whatever its length field says (libpcap assumes the same).
//! - Prism does not define the unit of its RSSI. A negative number can only be dBm and is used, if a receiver can have
//!   measured it ([`measured_dbm`]); any other is ignored. (Wireshark takes every number for dBm.)
//! - AVS gives the unit of its signal; only dBm that a receiver can have measured is used.
//! - A channel number is converted to the frequency in the 2.4 or 5 GHz band: these headers are older than the 6 GHz
//!   band, which reuses the numbers. (Wireshark shows no frequency for Prism, and for AVS only if the band fits the
//!   modulation.) AVS may also hold MHz or kHz.
//! - An AVS header of a newer version is skipped by its length; its fields are not read.

use crate::bytes::{array, u32_be, u32_le};
use crate::error::DecodeError;
use crate::link_type::LinkType;
use crate::radio_info::RadioInfo;
use crate::signal::measured_dbm;

const PRISM_HEADER_BYTES: usize = 144;
/// The offset of the items, after message code, length and interface name.
const PRISM_ITEMS_OFFSET: usize = 24;
/// Item identifiers of linux-wlan-ng, and of later drivers.
const PRISM_CHANNEL: [u32; 2] = [0x0003_0044, 0x0004_3044];
const PRISM_RSSI: [u32; 2] = [0x0004_0044, 0x0004_4044];
const PRISM_MESSAGES: [u32; 2] = [0x0000_0044, 0x0000_0041];

/// The AVS magic number without its last nibble, the version.
const AVS_MAGIC: u32 = 0x8021_1000;
const AVS_SSI_DBM: u32 = 2;

/// Parses the header at the start of a frame captured with link type Prism.
pub(crate) fn parse_prism(captured: &[u8]) -> Result<RadioInfo, DecodeError> {
    if is_avs(captured) {
        return parse_avs(captured);
    }
    let error = DecodeError::RadioHeader(LinkType::Prism);
    let code: [u8; 4] = array(captured, 0).ok_or(error)?;
    let read_u32 = match code {
        code if PRISM_MESSAGES.contains(&u32::from_le_bytes(code)) => u32_le,
        code if PRISM_MESSAGES.contains(&u32::from_be_bytes(code)) => u32_be,
        _ => return Ok(RadioInfo::default()),
    };
    let header = captured.get(..PRISM_HEADER_BYTES).ok_or(error)?;
    let mut radio = RadioInfo { header_length: PRISM_HEADER_BYTES, ..RadioInfo::default() };
    for item in header.get(PRISM_ITEMS_OFFSET..).unwrap_or_default().chunks_exact(12) {
        let (Some(identifier), Some([0, 0]), Some(value)) =
            (read_u32(item, 0), array(item, 4), read_u32(item, 8))
        else {
            continue;
        };
        if PRISM_CHANNEL.contains(&identifier) {
            radio.frequency_mhz = channel_mhz(value);
        } else if PRISM_RSSI.contains(&identifier) {
            radio.signal_dbm = dbm(value);
        }
    }
    Ok(radio)
}

/// Parses the header at the start of a frame captured with link type AVS.
pub(crate) fn parse_avs(captured: &[u8]) -> Result<RadioInfo, DecodeError> {
    let error = DecodeError::RadioHeader(LinkType::Avs);
    if !is_avs(captured) {
        return Err(error);
    }
    let length = u32_be(captured, 4).and_then(|length| usize::try_from(length).ok()).ok_or(error)?;
    let header = captured.get(..length).filter(|header| header.len() >= 8).ok_or(error)?;
    let mut radio = RadioInfo { header_length: length, ..RadioInfo::default() };
    if !matches!(u32_be(header, 0), Some(magic) if magic - AVS_MAGIC <= 2) {
        return Ok(radio);
    }
    radio.frequency_mhz = u32_be(header, 28).and_then(|channel| match channel {
        0..256 => channel_mhz(channel),
        256..10_000 => u16::try_from(channel).ok(),
        _ => u16::try_from(channel / 1000).ok(),
    });
    if u32_be(header, 44) == Some(AVS_SSI_DBM) {
        radio.signal_dbm = u32_be(header, 48).and_then(dbm);
    }
    Ok(radio)
}

/// A value as dBm, if a receiver can have measured it.
fn dbm(value: u32) -> Option<i8> {
    measured_dbm(i8::try_from(value.cast_signed()).ok()?)
}

fn is_avs(captured: &[u8]) -> bool {
    u32_be(captured, 0).is_some_and(|magic| magic & !0xf == AVS_MAGIC)
}

/// The centre frequency of a channel number (IEEE 802.11-2020 Annex E).
fn channel_mhz(channel: u32) -> Option<u16> {
    let channel = u16::try_from(channel).ok()?;
    match channel {
        1..=13 => Some(2407 + 5 * channel),
        14 => Some(2484),
        34..=177 => Some(5000 + 5 * channel),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{avs, prism};

    #[track_caller]
    fn check(radio: Result<RadioInfo, DecodeError>, length: usize, dbm: Option<i8>, mhz: Option<u16>) {
        let expected =
            RadioInfo { header_length: length, signal_dbm: dbm, frequency_mhz: mhz, ..RadioInfo::default() };
        assert_eq!(radio, Ok(expected));
    }

    #[test]
    fn parses_prism_headers() {
        for big_endian in [false, true] {
            let read = |channel, rssi| parse_prism(&prism(big_endian, channel, rssi));
            check(read((0, 6), (0, -42)), 144, Some(-42), Some(2437));
            check(read((1, 6), (1, -42)), 144, None, None);
            check(read((0, 36), (0, 0)), 144, None, Some(5180));
            check(read((0, 2437), (0, 57)), 144, None, None);
            for invented in [-300, -256, -128, -120, 127, 128, i32::MIN, i32::MAX] {
                check(read((0, 14), (0, invented)), 144, None, Some(2484));
            }
        }
        // The item identifiers of later drivers.
        let mut renumbered = prism(false, (0, 6), (0, -42));
        for item in 0..10u8 {
            renumbered[24 + 12 * usize::from(item)..][..4]
                .copy_from_slice(&(0x40044 + 0x1000 * (u32::from(item) + 1)).to_le_bytes());
        }
        check(parse_prism(&renumbered), 144, Some(-42), Some(2437));
    }

    #[test]
    fn prism_captures_may_hold_other_headers() {
        check(parse_prism(&avs(0x8021_1001, 6, 2, -42)), 64, Some(-42), Some(2437));
        check(parse_prism(&[0x40, 0, 0, 0, 0xff]), 0, None, None);
        let header = prism(false, (0, 6), (0, -42));
        for length in 0..header.len() {
            assert!(parse_prism(&header[..length]).is_err());
        }
    }

    #[test]
    fn parses_avs_headers() {
        let read = |channel, ssi_type, signal| parse_avs(&avs(0x8021_1001, channel, ssi_type, signal));
        check(read(6, 2, -42), 64, Some(-42), Some(2437));
        check(read(36, 1, 50), 64, None, Some(5180));
        check(read(0, 0, -42), 64, None, None);
        check(read(200, 2, -300), 64, None, None);
        for invented in [0, 5, 127, -128, -120] {
            check(read(2437, 2, invented), 64, None, Some(2437));
        }
        check(read(5_180_000, 2, -110), 64, Some(-110), Some(5180));
        check(read(u32::MAX, 3, 0), 64, None, None);
        check(parse_avs(&avs(0x8021_1002, 6, 2, -42)), 64, Some(-42), Some(2437));
        check(parse_avs(&avs(0x8021_1003, 6, 2, -42)), 64, None, None);
        assert!(parse_avs(&avs(0x8021_2001, 6, 2, -42)).is_err());
        let header = avs(0x8021_1001, 6, 2, -42);
        for length in 0..header.len() {
            assert!(parse_avs(&header[..length]).is_err());
        }
        // Any possible length is accepted.
        let mut short = header;
        short[7] = 40;
        check(parse_avs(&short), 40, None, Some(2437));
    }
}
