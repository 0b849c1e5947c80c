//! A guess at what a device is, from what its frames contain: vendor elements, capabilities, and what it says about
//! itself.
//!
//! - A vendor element names the maker of a device only if the OUI belongs to a company that makes devices, and even then
//!   a driver may have added it: so "probably". Chip makers' elements say which chip is in a device, not who made it.
//! - `00:50:f2` says nothing about the maker, although it is Microsoft's: WPA, WMM and Wi-Fi Protected Setup use it
//!   (Wi-Fi Alliance), and nearly every device sends it.
//! - Capabilities are lower bounds: devices leave elements out.
//! - What a device says about itself is its own word, and is shown as such.

use std::fmt::Write;

use dot11::{Bands, Capabilities, DeviceInfo, Element, Elements, MacAddr, ShortText, WifiGeneration};
use store::state::State;

use crate::vendor::{self, Vendor};

/// Addresses whose latest frames are looked at.
const ADDRESSES_CONSIDERED: usize = 64;

/// The Wi-Fi Alliance's first OUI, registered to Microsoft.
const WIFI_ALLIANCE_LEGACY: [u8; 3] = [0x00, 0x50, 0xf2];

/// Companies that put their OUI into the frames of devices that they make: how their names begin in the registry, and
/// what people call them.
const DEVICE_MAKERS: [(&str, &str); 15] = [
    ("Apple", "Apple"),
    ("Samsung Electronics", "Samsung"),
    ("Google", "Google"),
    ("Microsoft", "Microsoft"),
    ("Amazon Technologies", "Amazon"),
    ("Huawei", "Huawei"),
    ("Honor Device", "Honor"),
    ("Xiaomi", "Xiaomi"),
    ("Beijing Xiaomi", "Xiaomi"),
    ("Guangdong Oppo", "Oppo"),
    ("vivo Mobile", "vivo"),
    ("Motorola Mobility", "Motorola"),
    ("Sony", "Sony"),
    ("LG Electronics", "LG"),
    ("Nintendo", "Nintendo"),
];

/// Companies that make Wi-Fi chips, whose drivers put their OUI into the frames of other companies' devices. Epigram is
/// now Broadcom's, Atheros Qualcomm's and Ralink MediaTek's.
const CHIP_MAKERS: [(&str, &str); 11] = [
    ("Broadcom", "Broadcom"),
    ("Epigram", "Broadcom"),
    ("Qualcomm", "Qualcomm"),
    ("Atheros", "Qualcomm"),
    ("MediaTek", "MediaTek"),
    ("Ralink", "MediaTek"),
    ("Realtek", "Realtek"),
    ("Intel", "Intel"),
    ("Marvell", "Marvell"),
    ("Espressif", "Espressif"),
    ("Texas Instruments", "Texas Instruments"),
];

/// What is known of a device besides its addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Evidence<'a> {
    device_maker: Option<&'static str>,
    chip_maker: Option<&'static str>,
    capabilities: Capabilities,
    info: Option<&'a DeviceInfo>,
}

/// A line about the device with these addresses, such as "Probably an Apple device, Wi-Fi 6 or newer"; `None` if nothing
/// is known. With many addresses the first of them count, so the newest should come first.
pub fn hint(state: &State, addresses: impl IntoIterator<Item = MacAddr>) -> Option<String> {
    let addresses: Vec<MacAddr> = addresses.into_iter().take(ADDRESSES_CONSIDERED).collect();
    let mut evidence = Evidence {
        info: addresses
            .iter()
            .filter_map(|address| state.device_info(*address))
            .max_by_key(|(time, _)| *time)
            .map(|(_, info)| info),
        ..Evidence::default()
    };
    let mut signatures: Vec<_> =
        addresses.iter().filter_map(|address| state.device(*address)?.signature).collect();
    signatures.sort_unstable();
    signatures.dedup();
    for elements in signatures.into_iter().filter_map(|signature| state.elements(signature)) {
        evidence.add_elements(elements);
    }
    // The card shows the vendor of an address already.
    let vendors = addresses.iter().filter_map(|address| vendor::lookup(*address).name());
    if vendors.into_iter().any(|name| common_name(&DEVICE_MAKERS, name) == evidence.device_maker) {
        evidence.device_maker = None;
    }
    evidence.describe()
}

impl Evidence<'_> {
    fn add_elements(&mut self, elements: &[u8]) {
        self.capabilities = self.capabilities.or(Capabilities::of(elements));
        for oui in Elements::new(elements).filter_map(|element: Element<'_>| element.vendor_oui()) {
            let name = oui_holder(oui);
            let known = |makers| name.and_then(|name| common_name(makers, name));
            self.device_maker = self.device_maker.or_else(|| known(&DEVICE_MAKERS));
            self.chip_maker = self.chip_maker.or_else(|| known(&CHIP_MAKERS));
        }
    }

    fn describe(&self) -> Option<String> {
        let guess = match (self.device_maker, self.chip_maker) {
            (Some(maker), _) => Some(format!("Probably {} device", with_article(maker))),
            (None, Some(chip)) => Some(format!("Probably a device with {} chip", with_article(chip))),
            (None, None) => None,
        };
        let generation = self.capabilities.generation.map(generation);
        let parts = [guess, generation, bands(self.capabilities.bands)];
        let guess = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let says = self.info.and_then(says);
        let sentences = [Some(guess).filter(|guess| !guess.is_empty()), says];
        let line = sentences.into_iter().flatten().collect::<Vec<_>>().join(". ");
        (!line.is_empty()).then_some(line)
    }
}

/// The company that the OUI of a vendor element belongs to.
fn oui_holder(oui: [u8; 3]) -> Option<&'static str> {
    let [a, b, c] = oui;
    match vendor::lookup(MacAddr::new([a, b, c, 0, 0, 0])) {
        Vendor::Known(name) if oui != WIFI_ALLIANCE_LEGACY => Some(name),
        _ => None,
    }
}

/// What people call the company whose name in the registry is `name`, if it is one of these.
fn common_name(makers: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    makers.iter().find(|(start, _)| name.starts_with(start)).map(|(_, called)| *called)
}

fn with_article(word: &str) -> String {
    let begins_with_vowel = word.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) || word == "LG";
    format!("{} {word}", if begins_with_vowel { "an" } else { "a" })
}

fn generation(generation: WifiGeneration) -> String {
    format!("Wi-Fi {} or newer", generation as u8)
}

/// The bands, if they say more than that the device uses Wi-Fi: nearly all use 2.4 GHz.
fn bands(bands: Bands) -> Option<String> {
    let Bands { ghz_2_4, ghz_5, ghz_6 } = bands;
    let names = [(ghz_2_4, "2.4"), (ghz_5, "5"), (ghz_6, "6")].into_iter().filter(|(is_used, _)| *is_used);
    let names: Vec<&str> = names.map(|(_, name)| name).collect();
    match names.as_slice() {
        [] | ["2.4"] => None,
        [one] => Some(format!("{one} GHz")),
        [others @ .., last] => Some(format!("{} and {last} GHz", others.join(", "))),
    }
}

/// What the device says about itself, in a sentence without its full stop.
fn says(info: &DeviceInfo) -> Option<String> {
    let DeviceInfo { manufacturer, model_name, model_number, device_name, p2p_name, uuid, device_type } =
        info;
    let kind = device_type.and_then(|device_type| device_type.category()).map(with_article);
    let names = distinct([p2p_name, device_name]).map(quoted);
    let what: Vec<String> = kind.into_iter().chain(names).collect();
    let mut says = match what.as_slice() {
        [] => "a device".to_owned(),
        what => what.join(" "),
    };
    for model in distinct([model_name, model_number]) {
        // Writing to a String cannot fail.
        let _ = write!(says, ", model {}", quoted(model));
    }
    if let Some(manufacturer) = manufacturer {
        let _ = write!(says, ", by {}", quoted(manufacturer));
    }
    if let Some(uuid) = uuid {
        let _ = write!(says, ", UUID {uuid}");
    }
    (says != "a device").then(|| format!("Says it is {says}"))
}

/// The text in quotation marks that it cannot close.
fn quoted(text: &ShortText) -> String {
    format!("“{}”", text.to_string().replace(['“', '”'], "\""))
}

/// Those that are there, each once.
fn distinct(texts: [&Option<ShortText>; 2]) -> impl Iterator<Item = &ShortText> {
    let [first, second] = texts.map(Option::as_ref);
    first.into_iter().chain(second.filter(move |second| Some(*second) != first))
}

#[cfg(test)]
mod tests {
    use dot11::builder::element;
    use dot11::{DeviceType, RequestedSsid, Signature, Uuid};
    use store::event::{Event, EventKind, Probe};

    use super::*;

    const APPLE: (u8, &[u8]) = (221, &[0x00, 0x17, 0xf2, 10, 0, 1]);
    const SAMSUNG: (u8, &[u8]) = (221, &[0x00, 0x00, 0xf0, 0x22]);
    const BROADCOM: (u8, &[u8]) = (221, &[0x00, 0x10, 0x18, 2, 0]);
    const QUALCOMM: (u8, &[u8]) = (221, &[0x8c, 0xfd, 0xf0, 1]);
    const WMM: (u8, &[u8]) = (221, &[0x00, 0x50, 0xf2, 2, 0]);
    const P2P: (u8, &[u8]) = (221, &[0x50, 0x6f, 0x9a, 9]);
    const HT: (u8, &[u8]) = (45, &[0x2d, 0x01]);
    const HE: (u8, &[u8]) = (255, &[35]);
    const OPERATING_CLASSES: (u8, &[u8]) = (59, &[81, 81, 115, 131]);

    const RANDOM: MacAddr = MacAddr::new([0xda, 0xa1, 0x19, 0, 0, 1]);

    /// The state after one frame of this address for each list of elements.
    fn state(address: MacAddr, frames: &[&[(u8, &[u8])]], info: Option<DeviceInfo>) -> State {
        let mut state = State::default();
        let mut fold = |event: &Event| state.fold(state.next_offset(), event);
        for list in frames {
            let elements: Vec<u8> = list.iter().flat_map(|(id, body)| element(*id, body)).collect();
            let signature = Signature::of(&elements);
            fold(&Event::without_time(EventKind::Signature { signature, elements }));
            let probe = Probe::example(address, RequestedSsid::Wildcard, 1);
            fold(&Event::from(Probe { signature, device_info: info.clone().map(Box::new), ..probe }));
        }
        state
    }

    #[track_caller]
    fn check(address: MacAddr, elements: &[(u8, &[u8])], info: Option<DeviceInfo>, expected: Option<&str>) {
        let state = state(address, &[elements], info);
        assert_eq!(hint(&state, [address]).as_deref(), expected);
    }

    fn info(texts: [&str; 5], device_type: Option<[u8; 8]>) -> Option<DeviceInfo> {
        let [manufacturer, model_name, model_number, device_name, p2p_name] =
            texts.map(|text| ShortText::new(text.as_bytes()));
        let device_type = device_type.map(DeviceType);
        Some(DeviceInfo {
            manufacturer,
            model_name,
            model_number,
            device_name,
            p2p_name,
            uuid: None,
            device_type,
        })
    }

    #[test]
    fn vendor_elements_name_the_maker_with_a_probably() {
        check(RANDOM, &[HT, BROADCOM, APPLE], None, Some("Probably an Apple device, Wi-Fi 4 or newer"));
        check(RANDOM, &[SAMSUNG, QUALCOMM, HE], None, Some("Probably a Samsung device, Wi-Fi 6 or newer"));
    }

    #[test]
    fn chip_makers_are_no_device_makers() {
        check(RANDOM, &[BROADCOM], None, Some("Probably a device with a Broadcom chip"));
        check(
            RANDOM,
            &[HT, QUALCOMM],
            None,
            Some("Probably a device with a Qualcomm chip, Wi-Fi 4 or newer"),
        );
    }

    #[test]
    fn elements_of_the_wifi_alliance_name_no_maker() {
        check(RANDOM, &[WMM, P2P], None, None);
        check(RANDOM, &[], None, None);
    }

    #[test]
    fn bands_are_named_if_they_say_something() {
        let expected = "Wi-Fi 4 or newer, 2.4, 5 and 6 GHz";
        check(RANDOM, &[HT, OPERATING_CLASSES], None, Some(expected));
        check(RANDOM, &[(59, &[115])], None, Some("5 GHz"));
        check(RANDOM, &[(59, &[81])], None, None);
    }

    #[test]
    fn the_vendor_of_the_address_is_not_repeated() {
        let of_apple = "a4:83:e7:4e:39:15".parse().unwrap();
        check(of_apple, &[APPLE, HT], None, Some("Wi-Fi 4 or newer"));
        let of_intel = "00:1b:21:00:00:01".parse().unwrap();
        check(of_intel, &[APPLE, HT], None, Some("Probably an Apple device, Wi-Fi 4 or newer"));
    }

    #[test]
    fn what_a_device_says_is_its_own_word() {
        const SMARTPHONE: [u8; 8] = [0, 10, 0, 0x50, 0xf2, 4, 0, 5];
        for (texts, device_type, expected) in [
            (
                ["samsung", "SM-G991B", "SM-G991B", "Zoë's phone", ""],
                Some(SMARTPHONE),
                "Says it is a phone “Zoë's phone”, model “SM-G991B”, by “samsung”",
            ),
            (["", "", "", "TV", "[TV] Samsung 7 Series"], None, "Says it is “[TV] Samsung 7 Series” “TV”"),
            (["", "", "", "TV", "TV"], None, "Says it is “TV”"),
            (["LG", "", "", "", ""], None, "Says it is a device, by “LG”"),
            (
                ["x”. Probably an Apple device", "", "", "", ""],
                None,
                "Says it is a device, by “x\". Probably an Apple device”",
            ),
            (["", "", "", "a\u{202e}\n\"<b>", ""], None, "Says it is “a\\u{202e}\\n\"<b>”"),
        ] {
            check(RANDOM, &[], info(texts, device_type), Some(expected));
        }
        check(RANDOM, &[HT], info(["", "", "", "TV", ""], None), Some("Wi-Fi 4 or newer. Says it is “TV”"));
        let uuid = Some(Uuid([7; 16]));
        let only_uuid = DeviceInfo { uuid, ..DeviceInfo::default() };
        let expected = "Says it is a device, UUID 07070707-0707-0707-0707-070707070707";
        check(RANDOM, &[], Some(only_uuid), Some(expected));
        let unknown_type = DeviceInfo { device_type: Some(DeviceType([1; 8])), ..DeviceInfo::default() };
        check(RANDOM, &[], Some(unknown_type), None);
    }

    #[test]
    fn addresses_of_one_device_are_taken_together() {
        let other = MacAddr::new([0xda, 0xa1, 0x19, 0, 0, 2]);
        let mut state = state(RANDOM, &[&[HT, APPLE]], None);
        let elements = element(HE.0, HE.1);
        let signature = Signature::of(&elements);
        state.fold(state.next_offset(), &Event::without_time(EventKind::Signature { signature, elements }));
        let probe = Probe { signature, ..Probe::example(other, RequestedSsid::Wildcard, 2) };
        state.fold(state.next_offset(), &Event::from(probe));
        let expected = "Probably an Apple device, Wi-Fi 6 or newer";
        assert_eq!(hint(&state, [other, RANDOM]).as_deref(), Some(expected));
        assert_eq!(hint(&state, []), None);
    }
}
