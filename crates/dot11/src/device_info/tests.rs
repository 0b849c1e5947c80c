//! Hand-made elements, and any bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::builder::element;

fn wsc_attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat()
}

fn vendor_element(oui_and_type: [u8; 4], content: &[u8]) -> Vec<u8> {
    element(Element::VENDOR, &[&oui_and_type, content].concat())
}

fn wsc_element(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let attributes: Vec<u8> =
        attributes.iter().flat_map(|(kind, value)| wsc_attribute(*kind, value)).collect();
    vendor_element(WSC, &attributes)
}

/// A P2P element with a capability attribute and a device info attribute.
fn p2p_element(device_type: [u8; 8], secondary_types: &[[u8; 8]], name: &[u8]) -> Vec<u8> {
    let info = [
        &[0xda, 0xa1, 0x19, 0, 0, 1, 0x01, 0x88][..],
        &device_type,
        &[secondary_types.len() as u8],
        secondary_types.as_flattened(),
        &wsc_attribute(wsc::DEVICE_NAME, name),
    ]
    .concat();
    let info = [&[P2P_DEVICE_INFO][..], &(info.len() as u16).to_le_bytes(), &info].concat();
    vendor_element(P2P, &[&[2, 2, 0, 0x25, 0], &info[..]].concat())
}

fn text(text: &str) -> Option<ShortText> {
    ShortText::new(text.as_bytes())
}

const UUID: [u8; 16] = [0x22, 0x21, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const SMARTPHONE: [u8; 8] = [0, 10, 0, 0x50, 0xf2, 4, 0, 5];
const TV: [u8; 8] = [0, 7, 0, 0x50, 0xf2, 4, 0, 1];

#[test]
fn reads_every_attribute_of_wsc() {
    let elements = wsc_element(&[
        (0x104a, &[0x10]),
        (wsc::UUID_E, &UUID),
        (wsc::PRIMARY_DEVICE_TYPE, &SMARTPHONE),
        (wsc::MANUFACTURER, b"samsung"),
        (wsc::MODEL_NAME, b"SM-G991B"),
        (wsc::MODEL_NUMBER, b"SM-G991B/DS"),
        (wsc::DEVICE_NAME, "Zoë's Galaxy".as_bytes()),
    ]);
    let info = DeviceInfo::of(&elements).unwrap();
    let expected = DeviceInfo {
        manufacturer: text("samsung"),
        model_name: text("SM-G991B"),
        model_number: text("SM-G991B/DS"),
        device_name: text("Zoë's Galaxy"),
        p2p_name: None,
        uuid: Some(Uuid(UUID)),
        device_type: Some(DeviceType(SMARTPHONE)),
    };
    assert_eq!(info, expected);
    assert_eq!(info.device_type.unwrap().category(), Some("phone"));
}

#[test]
fn reads_the_device_info_of_wifi_direct() {
    for secondary_types in [&[][..], &[SMARTPHONE], &[SMARTPHONE; 3]] {
        let info = DeviceInfo::of(&p2p_element(TV, secondary_types, b"[TV] Samsung 7 Series")).unwrap();
        let expected = DeviceInfo {
            p2p_name: text("[TV] Samsung 7 Series"),
            device_type: Some(DeviceType(TV)),
            ..DeviceInfo::default()
        };
        assert_eq!(info, expected);
    }
}

#[test]
fn elements_of_one_kind_are_one_list() {
    let attributes =
        [wsc_attribute(wsc::MANUFACTURER, b"Samsung Electronics"), wsc_attribute(wsc::DEVICE_NAME, b"TV")]
            .concat();
    for at in 0..=attributes.len() {
        let (first, second) = attributes.split_at(at);
        let elements =
            [vendor_element(WSC, first), element(0, b"Home"), vendor_element(WSC, second)].concat();
        let info = DeviceInfo::of(&elements).unwrap();
        assert_eq!((info.manufacturer, info.device_name), (text("Samsung Electronics"), text("TV")), "{at}");
    }
}

#[test]
fn the_first_of_equal_attributes_counts() {
    let elements =
        wsc_element(&[(wsc::DEVICE_NAME, b""), (wsc::DEVICE_NAME, b"first"), (wsc::DEVICE_NAME, b"second")]);
    assert_eq!(DeviceInfo::of(&elements).unwrap().device_name, text("first"));
    let elements = [wsc_element(&[(wsc::PRIMARY_DEVICE_TYPE, &TV)]), p2p_element(SMARTPHONE, &[], b"x")];
    assert_eq!(DeviceInfo::of(&elements.concat()).unwrap().device_type, Some(DeviceType(TV)));
}

#[test]
fn a_truncated_attribute_does_not_count() {
    let whole = [wsc_attribute(wsc::MODEL_NAME, b"one"), wsc_attribute(wsc::DEVICE_NAME, b"two")].concat();
    for length in 0..whole.len() {
        let info = DeviceInfo::of(&vendor_element(WSC, &whole[..length]));
        let model_name = if length < 7 { None } else { text("one") };
        assert_eq!(info.and_then(|info| info.model_name), model_name, "{length} bytes");
    }
    let whole = p2p_element(TV, &[SMARTPHONE], b"TV");
    for length in 2..whole.len() {
        let info = DeviceInfo::of(&element(Element::VENDOR, &whole[2..length]));
        assert_eq!(info.and_then(|info| info.p2p_name), None, "{length} bytes");
    }
}

#[test]
fn padding_and_zeros_say_nothing() {
    for elements in [
        vec![],
        vendor_element(WSC, &[]),
        vendor_element(P2P, &[]),
        wsc_element(&[
            (wsc::MANUFACTURER, b" "),
            (wsc::MODEL_NAME, b"\0\0"),
            (wsc::DEVICE_NAME, b""),
            (wsc::UUID_E, &[0; 16]),
            (wsc::PRIMARY_DEVICE_TYPE, &[0; 8]),
        ]),
        wsc_element(&[(wsc::UUID_E, &[1; 15]), (wsc::PRIMARY_DEVICE_TYPE, &[1; 9])]),
        // WMM, and an element of another vendor.
        vendor_element([0x00, 0x50, 0xf2, 2], &wsc_attribute(wsc::DEVICE_NAME, b"x")),
        vendor_element([0x00, 0x17, 0xf2, 4], &wsc_attribute(wsc::DEVICE_NAME, b"x")),
    ] {
        assert_eq!(DeviceInfo::of(&elements), None, "{elements:02x?}");
    }
    let padded = wsc_element(&[(wsc::DEVICE_NAME, b"  TV \0\0\0")]);
    assert_eq!(DeviceInfo::of(&padded).unwrap().device_name, text("TV"));
}

#[test]
fn long_and_invalid_text_is_bounded_and_printable() {
    for (bytes, shown) in [
        (&[b'a'; 200][..], "a".repeat(64)),
        (&[0xff; 200], "\u{fffd}".repeat(21)),
        ("é".repeat(40).as_bytes(), "é".repeat(32)),
        ("aé".repeat(40).as_bytes(), format!("{}a", "aé".repeat(21))),
        (b"a\nb\x1b[31m\\", "a\\nb\\u{1b}[31m\\\\".to_owned()),
        ("\u{202e}abc".as_bytes(), "\\u{202e}abc".to_owned()),
    ] {
        assert_eq!(ShortText::new(bytes).unwrap().to_string(), shown);
    }
}

#[test]
fn other_categories_have_no_word() {
    assert_eq!(DeviceType(TV).category(), Some("TV"));
    for octets in [[0, 10, 0, 0x50, 0xf3, 4, 0, 5], [0, 255, 0, 0x50, 0xf2, 4, 0, 1], [1; 8]] {
        assert_eq!(DeviceType(octets).category(), None);
    }
    // Windows writes the type 0.
    assert_eq!(DeviceType([0, 1, 0, 0x50, 0xf2, 0, 0, 0]).category(), Some("computer"));
}

#[test]
fn json_has_only_what_is_there() {
    let elements = [
        wsc_element(&[
            (wsc::UUID_E, &UUID),
            (wsc::MANUFACTURER, b"a\"b"),
            (wsc::PRIMARY_DEVICE_TYPE, &SMARTPHONE),
        ]),
        p2p_element(TV, &[], b"[TV]"),
    ];
    let info = DeviceInfo::of(&elements.concat()).unwrap();
    let json = r#"{"manufacturer":"a\"b","p2p_name":"[TV]","uuid":"22210203-0405-0607-0809-0a0b0c0d0e0f","device_type":"10-0050F204-5"}"#;
    assert_eq!(serde_json::to_string(&info).unwrap(), json);
    assert_eq!(serde_json::from_str::<DeviceInfo>(json).unwrap(), info);
    assert_eq!(serde_json::from_str::<DeviceInfo>("{}").unwrap(), DeviceInfo::default());
    for json in [r#"{"uuid":"22"}"#, r#"{"uuid":5}"#, r#"{"device_type":"10-5"}"#, r#"{"model_name":5}"#, "5"]
    {
        assert!(serde_json::from_str::<DeviceInfo>(json).is_err(), "{json}");
    }
    let long = format!(r#"{{"model_name":"{}"}}"#, "é".repeat(50));
    assert_eq!(serde_json::from_str::<DeviceInfo>(&long).unwrap().model_name, text(&"é".repeat(32)));
}

/// Bytes that often are attributes of interest.
fn content() -> impl Strategy<Value = Vec<u8>> {
    const KINDS: [u16; 7] = [0x1011, 0x1021, 0x1023, 0x1024, 0x1047, 0x1054, 0x104a];
    let attribute = (prop::sample::select(&KINDS[..]), vec(any::<u8>(), 0..100))
        .prop_map(|(kind, value)| wsc_attribute(kind, &value));
    prop_oneof![vec(any::<u8>(), 0..250), vec(attribute, 0..4).prop_map(|attributes| attributes.concat())]
}

fn elements() -> impl Strategy<Value = Vec<u8>> {
    let vendor = prop_oneof![Just(WSC), Just(P2P), any::<[u8; 4]>()];
    let element = (vendor, content()).prop_map(|(vendor, content)| vendor_element(vendor, &content));
    let p2p = (any::<[u8; 8]>(), vec(any::<[u8; 8]>(), 0..4), vec(any::<u8>(), 0..80))
        .prop_map(|(device_type, secondary, name)| p2p_element(device_type, &secondary, &name));
    let some = prop_oneof![element, p2p, vec(any::<u8>(), 0..20)];
    vec(some, 0..4).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes_decode_within_bounds(elements in elements()) {
        if let Some(info) = DeviceInfo::of(&elements) {
            prop_assert_ne!(&info, &DeviceInfo::default());
            let texts = [&info.manufacturer, &info.model_name, &info.model_number, &info.device_name, &info.p2p_name];
            for text in texts.into_iter().flatten() {
                prop_assert!((1..=ShortText::MAX_BYTES).contains(&text.as_str().len()));
                prop_assert!(!text.to_string().chars().any(char::is_control));
                prop_assert_eq!(ShortText::new(text.as_str().as_bytes()), Some(text.clone()));
            }
            let json = serde_json::to_string(&info).unwrap();
            prop_assert_eq!(&serde_json::from_str::<DeviceInfo>(&json).unwrap(), &info);
            let packed = postcard::to_allocvec(&info).unwrap();
            prop_assert!(packed.len() < 400);
            prop_assert_eq!(&postcard::from_bytes::<DeviceInfo>(&packed).unwrap(), &info);
        }
        let _ = crate::Capabilities::of(&elements);
    }
}

#[test]
fn a_category_of_the_wifi_alliance_has_a_word() {
    let category = |category: u8, subcategory| {
        DeviceType([0, category, 0x00, 0x50, 0xf2, 0x04, 0, subcategory]).category()
    };
    let words: Vec<_> = (0..=13).map(|number| category(number, 0)).collect();
    let expected = [
        None,
        Some("computer"),
        Some("input device"),
        Some("printer"),
        Some("camera"),
        Some("storage device"),
        Some("network device"),
        Some("display"),
        Some("multimedia device"),
        Some("games console"),
        Some("phone"),
        Some("audio device"),
        Some("docking station"),
        None,
    ];
    assert_eq!(words, expected);
    assert_eq!((category(7, 1), category(7, 2)), (Some("TV"), Some("display")));
    // Somebody else's categories.
    assert_eq!(DeviceType([0, 10, 0x00, 0x50, 0xf3, 0x04, 0, 0]).category(), None);
    assert_eq!(DeviceType([1, 10, 0x00, 0x50, 0xf2, 0x04, 0, 0]).category(), None);
}
