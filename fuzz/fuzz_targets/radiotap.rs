//! Radiotap headers with arbitrary bytes behind them, and with a frame that must be decoded whatever the header.

#![no_main]

use dot11::{Fcs, LinkType, decode};
use libfuzzer_sys::fuzz_target;
use probewatch_fuzz::check_frame;

/// A probe request for "RNM0" and its FCS.
const FRAME: &[u8; 34] = b"\x40\0\0\0\xff\xff\xff\xff\xff\xff\xa4\x83\xe7\x4e\x39\x15\
    \xff\xff\xff\xff\xff\xff\x70\xab\0\x04RNM0\xbe\xbe\x1f\x6d";

fuzz_target!(|captured: &[u8]| {
    check_frame(LinkType::Radiotap, captured);

    // The same bytes as a header of matching length.
    let Ok(length) = u16::try_from(captured.len()) else { return };
    let mut frame = captured.to_vec();
    let Some(field) = frame.get_mut(2..4) else { return };
    field.copy_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(FRAME);
    match decode(LinkType::Radiotap, &frame, frame.len()) {
        Ok(Some(found)) => {
            assert_eq!(found.source.octets(), [0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
            assert_eq!(found.ssid.named().map(|ssid| ssid.as_bytes()), Some(b"RNM0".as_slice()));
            assert_eq!(found.sequence, 2743);
            // It is the right FCS, also if the header does not announce one.
            assert_eq!(found.elements, b"\0\x04RNM0");
            assert_eq!(found.fcs, Fcs::Good);
        }
        other => assert!(length < 8, "{other:?}"),
    }
});
