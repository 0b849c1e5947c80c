//! Radiotap headers, with whatever comes behind them, and with a frame that every header must leave
//! whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probewatch_fuzz::check_frame;
use probewatch_fuzz::dot11::{Fcs, LinkType, decode};

/// A probe request for "RNM0" and its FCS.
const FRAME: &[u8; 34] = b"\x40\0\0\0\xff\xff\xff\xff\xff\xff\xa4\x83\xe7\x4e\x39\x15\
    \xff\xff\xff\xff\xff\xff\x70\xab\0\x04RNM0\xbe\xbe\x1f\x6d";

fuzz_target!(|captured: &[u8]| {
    check_frame(LinkType::Radiotap, captured);

    // The same bytes as a header that is as long as it says.
    let Ok(length) = u16::try_from(captured.len()) else { return };
    let mut whole = captured.to_vec();
    let Some(field) = whole.get_mut(2..4) else { return };
    field.copy_from_slice(&length.to_le_bytes());
    whole.extend_from_slice(FRAME);
    match decode(LinkType::Radiotap, &whole, whole.len()) {
        Ok(Some(found)) => {
            assert_eq!(found.source.octets(), [0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
            assert_eq!(found.ssid.named().map(|ssid| ssid.as_bytes()), Some(b"RNM0".as_slice()));
            assert_eq!(found.sequence, 2743);
            // With an FCS announced, it is right; with none, it is a cut element.
            assert_eq!(found.elements, b"\0\x04RNM0");
            assert!(found.fcs != Fcs::Good || captured.len() >= 9);
        }
        other => assert!(length < 8, "{other:?}"),
    }
});
