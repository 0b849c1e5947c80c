use proptest::prelude::*;

use super::*;
use crate::builder::{FrameBuilder, RadiotapHeader, avs, element, ppi, ppi_common, prism};

const SOURCE: MacAddr = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);

const LINK_TYPES: [LinkType; 5] =
    [LinkType::Ieee80211, LinkType::Radiotap, LinkType::Ppi, LinkType::Prism, LinkType::Avs];

fn decode_bare(frame: &[u8]) -> Result<Option<ProbeRequest<'_>>, DecodeError> {
    decode(LinkType::Ieee80211, frame, frame.len())
}

/// A probe request with these elements.
fn with_elements(elements: &[u8]) -> FrameBuilder {
    FrameBuilder::new(SOURCE).sequence_number(2743).raw_elements(elements)
}

/// A probe request for this SSID, with the rates that every probe request has.
fn looking_for(ssid: &[u8]) -> FrameBuilder {
    with_elements(&[]).ssid(ssid).element(1, b"\x02\x04\x0b\x16")
}

/// A radiotap header with 2437 MHz, -42 dBm and these bits of its flags: 0x10 for an FCS, 0x40 for a wrong one.
fn radiotap_with_flags(flags: u8) -> Vec<u8> {
    let header = RadiotapHeader {
        fcs_follows: flags & 0x10 != 0,
        fcs_failed: flags & 0x40 != 0,
        frequency_mhz: Some(2437),
        signal_dbm: Some(-42),
    };
    header.to_bytes()
}

fn named(ssid: &[u8]) -> RequestedSsid {
    RequestedSsid::from_element(ssid)
}

#[test]
fn decodes_every_field() {
    let frame = [radiotap_with_flags(0x10), looking_for(b"RNM0").to_bytes_with_fcs()].concat();
    let probe = decode(LinkType::Radiotap, &frame, frame.len()).unwrap().unwrap();
    assert_eq!(
        probe,
        ProbeRequest {
            source: SOURCE,
            ssid: named(b"RNM0"),
            signal_dbm: Some(-42),
            frequency_mhz: Some(2437),
            sequence: 2743,
            signature: Signature::of(b"\x00\x04RNM0\x01\x04\x02\x04\x0b\x16"),
            fcs: Fcs::Good,
            elements: b"\x00\x04RNM0\x01\x04\x02\x04\x0b\x16",
        }
    );
}

/// Checks the SSID of a frame, and how many bytes of its elements count.
#[track_caller]
fn check_elements(frame: FrameBuilder, ssid: RequestedSsid, whole: usize) {
    let bytes = frame.to_bytes();
    let probe = decode_bare(&bytes).unwrap().unwrap();
    assert_eq!((probe.ssid, probe.elements.len()), (ssid, whole));
    assert_eq!(probe.sequence, frame.sequence_control >> 4);
}

#[test]
fn decodes_elements_as_decided() {
    use RequestedSsid::{Absent, Wildcard};
    let of = with_elements;
    for length in 0..=255 {
        let ssid = vec![b'a'; length];
        check_elements(of(&element(0, &ssid)), named(&ssid), length + 2);
    }
    check_elements(of(b"\0\x03abc\0\x03xyz"), named(b"abc"), 10);
    check_elements(of(b"\0\0\0\x03xyz"), Wildcard, 7);
    check_elements(of(b"\0\x02\0\0"), named(b"\0\0"), 4);
    check_elements(of(b""), Absent, 0);
    check_elements(of(b"\x01\x01\x02"), Absent, 3);
    check_elements(of(b"\x01\x01\x02\0\x03abc"), named(b"abc"), 8);
    check_elements(of(b"\x01\x01\x02\0\x05abc"), Absent, 3);
    check_elements(of(b"\x01\x01\x02\0"), Absent, 3);
    check_elements(of(b"\0\x03abc\xdd\xffxyz"), named(b"abc"), 5);
    check_elements(of(b"\0\x03abc\0\x05xy"), named(b"abc"), 5);
    check_elements(of(b"\0\0\x01"), Wildcard, 2);
    check_elements(of(b"\0\x03abc\x01\0\x32\0\xdd\0"), named(b"abc"), 11);
}

#[test]
fn decodes_control_octets_as_decided() {
    let frame = looking_for(b"abc");
    for harmless in [0x01, 0x02, 0x03, 0x08, 0x10, 0x20, 0x3b] {
        check_elements(frame.clone().flags(harmless), named(b"abc"), 11);
    }
    for hidden in [PROTECTED, MORE_FRAGMENTS, PROTECTED | MORE_FRAGMENTS] {
        check_elements(frame.clone().flags(hidden), RequestedSsid::Absent, 0);
    }
    let mut fragment = frame.clone();
    fragment.sequence_control |= 3;
    check_elements(fragment, named(b"abc"), 11);

    let mut ht_control = frame.clone().flags(ORDER);
    ht_control.before_elements = vec![0x11, 0x22, 0x33, 0x44];
    check_elements(ht_control.clone(), named(b"abc"), 11);
    ht_control.elements.clear();
    ht_control.before_elements.truncate(2);
    check_elements(ht_control, RequestedSsid::Absent, 0);
}

#[test]
fn other_frames_are_not_probe_requests() {
    let mut bytes = looking_for(b"abc").to_bytes();
    for control in 0..=255 {
        bytes[0] = control;
        assert_eq!(decode_bare(&bytes).unwrap().is_some(), control == PROBE_REQUEST, "{control:#x}");
    }
    // An acknowledgement is whole with 10 bytes.
    assert_eq!(decode_bare(&[0xd4, 0, 0, 0, 1, 2, 3, 4, 5, 6]), Ok(None));
}

#[track_caller]
fn check_fcs_of(flags: u8, frame: &[u8], missing: usize, fcs: Fcs, elements: usize) {
    let frame = [&radiotap_with_flags(flags), frame].concat();
    let captured = &frame[..frame.len() - missing];
    let probe = decode(LinkType::Radiotap, captured, frame.len()).unwrap().unwrap();
    assert_eq!((probe.fcs, probe.elements.len()), (fcs, elements), "flags {flags:#x}, {missing} cut");
}

#[test]
fn checks_the_fcs_if_it_was_captured() {
    let frame = looking_for(b"abc");
    let (without, good) = (frame.to_bytes(), frame.to_bytes_with_fcs());
    let mut bad = good.clone();
    bad[27] ^= 1;
    check_fcs_of(0x00, &without, 0, Fcs::Absent, 11);
    check_fcs_of(0x10, &good, 0, Fcs::Good, 11);
    check_fcs_of(0x10, &bad, 0, Fcs::Bad, 11);
    // The check overrules the radio; without an FCS to check, the radio decides.
    check_fcs_of(0x50, &good, 0, Fcs::Good, 11);
    check_fcs_of(0x40, &without, 0, Fcs::Bad, 11);
    check_fcs_of(0x50, &good, 1, Fcs::Bad, 11);
    // The rest of an FCS that the snaplen cut does not count as an element.
    for missing in 1..=4 {
        check_fcs_of(0x10, &good, missing, Fcs::Absent, 11);
    }
    check_fcs_of(0x10, &good, 5, Fcs::Absent, 5);
    // A header alone has no bytes for an FCS.
    check_fcs_of(0x10, &without[..24], 0, Fcs::Absent, 0);
    check_fcs_of(0x10, &without[..27], 0, Fcs::Absent, 0);
    check_fcs_of(0x10, &with_elements(b"").to_bytes_with_fcs(), 0, Fcs::Good, 0);
}

/// Frames of each link type with an FCS that their headers do not announce, and without one.
#[test]
fn an_fcs_that_nothing_announces_is_found() {
    let headers = [
        (LinkType::Ieee80211, vec![]),
        (LinkType::Radiotap, radiotap_with_flags(0)),
        (LinkType::Radiotap, crate::builder::radiotap(&[0x20], &[0xd6])),
        (LinkType::Ppi, ppi(0, 105, &[(2, &ppi_common(0, 2437, -42))])),
        (LinkType::Ppi, ppi(0, 105, &[])),
        (LinkType::Prism, prism(false, (0, 6), (0, -42))),
        (LinkType::Prism, vec![]),
        (LinkType::Avs, avs(0x8021_1001, 6, 2, -42)),
    ];
    let frame = looking_for(b"abc");
    for (link, header) in headers {
        let with = [&header[..], &frame.to_bytes_with_fcs()].concat();
        let without = [&header[..], &frame.to_bytes()].concat();
        let mut damaged = with.clone();
        *damaged.last_mut().unwrap() ^= 1;
        // The file may announce it, or say nothing; a header that says there is none goes before the file.
        for file_announces in [false, true] {
            let found = |captured: &[u8], length| {
                let probe = decode_from_file(link, captured, length, file_announces).unwrap().unwrap();
                (probe.fcs, probe.elements.to_vec(), probe.signature)
            };
            let (fcs, elements, signature) = found(&with, with.len());
            assert_eq!((fcs, &elements[..]), (Fcs::Good, &frame.elements[..]), "{link}");
            let says_none = link != LinkType::Prism && matches!(header.len(), 15 | 32);
            let announced = file_announces && !says_none;
            let (fcs, elements, _) = found(&damaged, damaged.len());
            assert_eq!(fcs, if announced { Fcs::Bad } else { Fcs::Absent }, "{link}");
            assert!(elements.starts_with(&frame.elements), "{link}");
            if !announced {
                let expected = (Fcs::Absent, frame.elements.clone(), signature);
                assert_eq!(found(&without, without.len()), expected, "{link}");
            }
            for missing in 1..=4 {
                let cut = &with[..with.len() - missing];
                assert_eq!(
                    found(cut, with.len()),
                    (Fcs::Absent, frame.elements.clone(), signature),
                    "{missing}"
                );
            }
        }
    }
}

/// Whatever the four bytes are: without the check, one of 256 is an element of length 0 and more.
#[test]
fn an_unannounced_fcs_never_becomes_an_element() {
    let signature = decode_bare(&looking_for(b"abc").to_bytes()).unwrap().unwrap().signature;
    for sequence in 0..4096 {
        let frame = looking_for(b"abc").sequence_number(sequence).to_bytes_with_fcs();
        for captured in frame.len() - 4..=frame.len() {
            let probe = decode(LinkType::Ieee80211, &frame[..captured], frame.len()).unwrap().unwrap();
            assert_eq!((probe.elements.len(), probe.signature), (11, signature), "{sequence} {captured}");
        }
    }
}

#[test]
fn an_unannounced_fcs_needs_a_whole_header() {
    let header = &looking_for(b"").to_bytes()[..24];
    let with_fcs = [header, &crc32fast::hash(header).to_le_bytes()].concat();
    assert_eq!(decode_bare(&with_fcs).unwrap().unwrap().fcs, Fcs::Good);
    let short = [&header[..20], &crc32fast::hash(&header[..20]).to_le_bytes()].concat();
    let probe = decode_bare(&short).unwrap().unwrap();
    assert_eq!((probe.fcs, probe.elements.len()), (Fcs::Absent, 0));
}

/// A complete frame of each link type, with an FCS if the header can announce one.
fn frame_of_each_link_type() -> [(LinkType, Vec<u8>); 5] {
    let frame = looking_for(b"RNM0");
    let headers = [
        vec![],
        radiotap_with_flags(0x10),
        ppi(0, 105, &[(2, &ppi_common(1, 2437, -42))]),
        prism(false, (0, 6), (0, -42)),
        avs(0x8021_1001, 6, 2, -42),
    ];
    let mut with_fcs = [false, true, true, false, false].into_iter();
    let mut headers = headers.into_iter();
    LINK_TYPES.map(|link| {
        let content = if with_fcs.next().unwrap() { frame.to_bytes_with_fcs() } else { frame.to_bytes() };
        (link, [headers.next().unwrap(), content].concat())
    })
}

#[test]
fn a_truncated_frame_keeps_its_complete_part() {
    for (link, frame) in frame_of_each_link_type() {
        let whole = decode(link, &frame, frame.len()).unwrap().unwrap();
        let elements_at = whole.elements.as_ptr().addr() - frame.as_ptr().addr();
        for length in 0..frame.len() {
            let cut = &frame[..length];
            // Cut by the snaplen, then on the air.
            for original_length in [frame.len(), length] {
                match decode(link, cut, original_length) {
                    Ok(Some(probe)) => {
                        assert!(length >= elements_at, "{link} {length}");
                        assert_eq!(probe.source, whole.source);
                        if length >= elements_at + 6 + 4
                            || original_length == frame.len() && length >= elements_at + 6
                        {
                            assert_eq!(probe.ssid, whole.ssid, "{link} {length} of {original_length}");
                        }
                    }
                    // Not even a frame shorter than a Prism header's message code is taken for a bare frame.
                    Ok(None) => panic!("{link} {length}: not a probe request"),
                    Err(_) => assert!(length < elements_at, "{link} {length}"),
                }
            }
        }
    }
}

#[test]
fn the_fcs_detects_every_bit_flip() {
    let frame = [radiotap_with_flags(0x10), looking_for(b"RNM0").to_bytes_with_fcs()].concat();
    for bit in 15 * 8..frame.len() * 8 {
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Some(probe) = decode(LinkType::Radiotap, &flipped, flipped.len()).unwrap() {
            assert_eq!(probe.fcs, Fcs::Bad, "bit {bit}");
        } else {
            assert!(bit / 8 == 15, "bit {bit}");
        }
    }
}

#[test]
fn no_bit_flip_panics() {
    for (link, frame) in frame_of_each_link_type() {
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(link, &flipped, flipped.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_panic(
        link in 0..LINK_TYPES.len(), bytes: Vec<u8>, more in 0usize..9,
    ) {
        let _ = decode(LINK_TYPES[link], &bytes, bytes.len() + more);
        let _ = decode(LINK_TYPES[link], &bytes, more);
    }

    #[test]
    fn no_bytes_after_a_valid_start_panic(
        link in 0..LINK_TYPES.len(), keep in 0usize..190, bytes: Vec<u8>,
    ) {
        let (link, mut frame) = frame_of_each_link_type()[link].clone();
        frame.truncate(keep);
        frame.extend(bytes);
        if let Ok(Some(probe)) = decode(link, &frame, frame.len()) {
            prop_assert_eq!(probe.signature, Signature::of(probe.elements));
            prop_assert!(Elements::new(probe.elements).map(|e| e.body.len() + 2).sum::<usize>() == probe.elements.len());
        }
    }

    #[test]
    fn decodes_built_frames(
        source: [u8; 6],
        sequence_control: u16,
        ssid in prop::option::of(prop::collection::vec(any::<u8>(), 0..=255)),
        others in prop::collection::vec((1u8.., prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        fcs: bool,
    ) {
        let mut frame = with_elements(b"");
        frame.source = MacAddr::new(source);
        frame.sequence_control = sequence_control;
        for (id, body) in &others {
            frame.elements.extend(element(*id, body));
        }
        if let Some(ssid) = &ssid {
            frame.elements.extend(element(0, ssid));
        }
        let content = if fcs { frame.to_bytes_with_fcs() } else { frame.to_bytes() };
        let captured = [radiotap_with_flags(if fcs { 0x10 } else { 0 }), content].concat();
        let probe = decode(LinkType::Radiotap, &captured, captured.len()).unwrap().unwrap();
        prop_assert_eq!(probe, ProbeRequest {
            source: MacAddr::new(source),
            ssid: ssid.map_or(RequestedSsid::Absent, |ssid| named(&ssid)),
            signal_dbm: Some(-42),
            frequency_mhz: Some(2437),
            sequence: sequence_control >> 4,
            signature: Signature::of(&frame.elements),
            fcs: if fcs { Fcs::Good } else { Fcs::Absent },
            elements: &frame.elements,
        });
    }
}
