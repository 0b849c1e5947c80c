use proptest::prelude::*;

use super::super::test_frame::*;
use super::*;

const LINKS: [LinkType; 5] =
    [LinkType::Ieee80211, LinkType::Radiotap, LinkType::Ppi, LinkType::Prism, LinkType::Avs];

fn decode_bare(frame: &[u8]) -> Result<Option<ProbeRequest<'_>>, DecodeError> {
    decode(LinkType::Ieee80211, frame, frame.len())
}

fn named(ssid: &[u8]) -> RequestedSsid {
    RequestedSsid::from_element(ssid)
}

#[test]
fn reads_every_field() {
    let frame = [radiotap_with_flags(0x10), TestFrame::asking_for(b"RNM0").with_fcs()].concat();
    let probe = decode(LinkType::Radiotap, &frame, frame.len()).unwrap().unwrap();
    assert_eq!(
        probe,
        ProbeRequest {
            source: MacAddr::new(SOURCE),
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

/// What the elements of a frame come to: the SSID, and how many of their bytes count.
#[track_caller]
fn check_elements(frame: TestFrame, ssid: RequestedSsid, whole: usize) {
    let bytes = frame.bytes();
    let probe = decode_bare(&bytes).unwrap().unwrap();
    assert_eq!((probe.ssid, probe.elements.len()), (ssid, whole));
    assert_eq!(probe.sequence, frame.sequence_control >> 4);
}

#[test]
fn elements_come_to_what_the_header_says() {
    use RequestedSsid::{Absent, Wildcard};
    let of = TestFrame::new;
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
fn control_octets_come_to_what_the_header_says() {
    let frame = TestFrame::asking_for(b"abc");
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
    ht_control.ht_control = vec![0x11, 0x22, 0x33, 0x44];
    check_elements(ht_control.clone(), named(b"abc"), 11);
    ht_control.elements.clear();
    ht_control.ht_control.truncate(2);
    check_elements(ht_control, RequestedSsid::Absent, 0);
}

#[test]
fn only_probe_requests_are_probe_requests() {
    let mut bytes = TestFrame::asking_for(b"abc").bytes();
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
fn fcs_is_checked_where_there_is_one() {
    let frame = TestFrame::asking_for(b"abc");
    let (without, good) = (frame.bytes(), frame.with_fcs());
    let mut bad = good.clone();
    bad[27] ^= 1;
    check_fcs_of(0x00, &without, 0, Fcs::Absent, 11);
    check_fcs_of(0x10, &good, 0, Fcs::Good, 11);
    check_fcs_of(0x10, &bad, 0, Fcs::Bad, 11);
    // The check overrules the radio, which is believed where there is nothing to check.
    check_fcs_of(0x50, &good, 0, Fcs::Good, 11);
    check_fcs_of(0x40, &without, 0, Fcs::Bad, 11);
    check_fcs_of(0x50, &good, 1, Fcs::Bad, 11);
    // What the snaplen leaves of an FCS is no element.
    for missing in 1..=4 {
        check_fcs_of(0x10, &good, missing, Fcs::Absent, 11);
    }
    check_fcs_of(0x10, &good, 5, Fcs::Absent, 5);
    // A header alone has no room for an FCS.
    check_fcs_of(0x10, &without[..24], 0, Fcs::Absent, 0);
    check_fcs_of(0x10, &without[..27], 0, Fcs::Absent, 0);
    check_fcs_of(0x10, &TestFrame::new(b"").with_fcs(), 0, Fcs::Good, 0);
}

/// One whole frame of each link type, with an FCS where the header can tell of one.
fn frame_of_each_link() -> [(LinkType, Vec<u8>); 5] {
    let frame = TestFrame::asking_for(b"RNM0");
    let headers = [
        vec![],
        radiotap_with_flags(0x10),
        ppi(0, 105, &[(2, &ppi_common(1, 2437, -42))]),
        prism(false, (0, 6), (0, -42)),
        avs(0x8021_1001, 6, 2, -42),
    ];
    let mut with_fcs = [false, true, true, false, false].into_iter();
    let mut headers = headers.into_iter();
    LINKS.map(|link| {
        let content = if with_fcs.next().unwrap() { frame.with_fcs() } else { frame.bytes() };
        (link, [headers.next().unwrap(), content].concat())
    })
}

#[test]
fn every_truncation_keeps_what_was_whole() {
    for (link, frame) in frame_of_each_link() {
        let whole = decode(link, &frame, frame.len()).unwrap().unwrap();
        let elements_at = whole.elements.as_ptr().addr() - frame.as_ptr().addr();
        for length in 0..frame.len() {
            let cut = &frame[..length];
            // By the snaplen, then on the air.
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
                    // Too short for a Prism header's message code is still no bare frame.
                    Ok(None) => panic!("{link} {length}: not a probe request"),
                    Err(_) => assert!(length < elements_at, "{link} {length}"),
                }
            }
        }
    }
}

#[test]
fn every_bit_flip_under_an_fcs_is_found() {
    let frame = [radiotap_with_flags(0x10), TestFrame::asking_for(b"RNM0").with_fcs()].concat();
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
fn every_bit_flip_decodes_to_something() {
    for (link, frame) in frame_of_each_link() {
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
    fn any_bytes_decode_to_something(
        link in 0..LINKS.len(), bytes: Vec<u8>, more in 0usize..9,
    ) {
        let _ = decode(LINKS[link], &bytes, bytes.len() + more);
        let _ = decode(LINKS[link], &bytes, more);
    }

    #[test]
    fn any_bytes_after_a_good_start_decode_to_something(
        link in 0..LINKS.len(), keep in 0usize..190, bytes: Vec<u8>,
    ) {
        let (link, mut frame) = frame_of_each_link()[link].clone();
        frame.truncate(keep);
        frame.extend(bytes);
        if let Ok(Some(probe)) = decode(link, &frame, frame.len()) {
            prop_assert_eq!(probe.signature, Signature::of(probe.elements));
            prop_assert!(Elements::new(probe.elements).map(|e| e.body.len() + 2).sum::<usize>() == probe.elements.len());
        }
    }

    #[test]
    fn what_is_built_is_decoded(
        source: [u8; 6],
        sequence_control: u16,
        ssid in prop::option::of(prop::collection::vec(any::<u8>(), 0..=255)),
        others in prop::collection::vec((1u8.., prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        fcs: bool,
    ) {
        let mut frame = TestFrame::new(b"");
        frame.source = source;
        frame.sequence_control = sequence_control;
        for (id, body) in &others {
            frame.elements.extend(element(*id, body));
        }
        if let Some(ssid) = &ssid {
            frame.elements.extend(element(0, ssid));
        }
        let content = if fcs { frame.with_fcs() } else { frame.bytes() };
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
