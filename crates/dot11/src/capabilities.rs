//! What the elements of a probe request say about the abilities of its sender. All of it is a lower bound: devices
//! leave elements out, above all on 2.4 GHz.
//!
//! | evidence | says |
//! |---|---|
//! | HT Capabilities (45), VHT Capabilities (191), the extensions HE Capabilities (35) and EHT Capabilities (108) | Wi-Fi 4, 5, 6, 7 or newer |
//! | a DSSS rate (1, 2, 5.5 or 11 Mbit/s), a DSSS channel of at most 14, the global operating classes 81 to 84 | 2.4 GHz |
//! | VHT Capabilities without such a rate or channel, the global operating classes 115 to 129 | 5 GHz |
//! | the extension HE 6 GHz Band Capabilities (59), the global operating classes 131 to 137 | 6 GHz |
//!
//! VHT is not defined for 2.4 GHz (IEEE 802.11-2020 §21), but some chips send it there. The operating classes are those
//! of table E-4 in IEEE 802.11-2020 and IEEE 802.11ax-2021; those of a country have smaller numbers, whose meaning
//! depends on the country.

use crate::element::{Element, Elements};

/// A generation of Wi-Fi by the Wi-Fi Alliance's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WifiGeneration {
    /// IEEE 802.11n.
    Four = 4,
    /// IEEE 802.11ac.
    Five = 5,
    /// IEEE 802.11ax.
    Six = 6,
    /// IEEE 802.11be.
    Seven = 7,
}

/// Bands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Bands {
    /// 2.4 GHz.
    pub ghz_2_4: bool,
    /// 5 GHz.
    pub ghz_5: bool,
    /// 6 GHz.
    pub ghz_6: bool,
}

/// What a device can do at least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// The least generation; `None` before Wi-Fi 4.
    pub generation: Option<WifiGeneration>,
    /// The bands that it is known to use.
    pub bands: Bands,
}

impl Capabilities {
    /// The capabilities that these elements show.
    pub fn of(elements: &[u8]) -> Self {
        let mut found = Self::default();
        let mut has_vht = false;
        let mut is_on_2_4 = false;
        for element in Elements::new(elements) {
            found.generation = found.generation.max(generation(element));
            match element.id {
                Element::SUPPORTED_RATES | Element::EXTENDED_RATES => {
                    is_on_2_4 |= element.body.iter().any(|rate| is_dsss(*rate));
                }
                Element::DS_PARAMETER_SET => is_on_2_4 |= matches!(element.body, [1..=14, ..]),
                Element::OPERATING_CLASSES => found.bands = found.bands.or(operating_classes(element.body)),
                Element::VHT_CAPABILITIES => has_vht = true,
                _ => found.bands.ghz_6 |= element.extension() == Some(Element::HE_6_GHZ_CAPABILITIES),
            }
        }
        found.bands.ghz_2_4 |= is_on_2_4;
        found.bands.ghz_5 |= has_vht && !is_on_2_4;
        found
    }

    /// What a device can do that sent frames of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { generation: self.generation.max(other.generation), bands: self.bands.or(other.bands) }
    }
}

impl Bands {
    /// The bands of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            ghz_2_4: self.ghz_2_4 | other.ghz_2_4,
            ghz_5: self.ghz_5 | other.ghz_5,
            ghz_6: self.ghz_6 | other.ghz_6,
        }
    }
}

fn generation(element: Element<'_>) -> Option<WifiGeneration> {
    match (element.id, element.extension()) {
        (Element::HT_CAPABILITIES, _) => Some(WifiGeneration::Four),
        (Element::VHT_CAPABILITIES, _) => Some(WifiGeneration::Five),
        (_, Some(Element::HE_CAPABILITIES)) => Some(WifiGeneration::Six),
        (_, Some(Element::EHT_CAPABILITIES)) => Some(WifiGeneration::Seven),
        _ => None,
    }
}

/// Whether a rate in units of 500 kbit/s is one of DSSS, which only 2.4 GHz has (§9.4.2.3). The highest bit marks a basic
/// rate.
fn is_dsss(rate: u8) -> bool {
    matches!(rate & 0x7f, 2 | 4 | 11 | 22)
}

/// The bands of a Supported Operating Classes element: the current class, then the list of all, which ends before a zero
/// or the delimiter 130.
fn operating_classes(body: &[u8]) -> Bands {
    let classes = body.iter().take_while(|class| !matches!(class, 0 | 130));
    classes.fold(Bands::default(), |bands, class| match class {
        81..=84 => Bands { ghz_2_4: true, ..bands },
        115..=129 => Bands { ghz_5: true, ..bands },
        131..=137 => Bands { ghz_6: true, ..bands },
        _ => bands,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::element;

    const CCK_RATES: (u8, &[u8]) = (1, &[0x82, 0x84, 0x0b, 0x16]);
    const OFDM_RATES: (u8, &[u8]) = (1, &[0x0c, 0x12, 0x18, 0x24]);
    const HT: (u8, &[u8]) = (45, &[0x2d, 0x01]);
    const VHT: (u8, &[u8]) = (191, &[0x32, 0x70]);
    const HE: (u8, &[u8]) = (255, &[35, 1]);
    const HE_6_GHZ: (u8, &[u8]) = (255, &[59, 1]);
    const EHT: (u8, &[u8]) = (255, &[108, 1]);

    #[track_caller]
    fn check(list: &[(u8, &[u8])], generation: Option<WifiGeneration>, bands: [bool; 3]) {
        let elements: Vec<u8> = list.iter().flat_map(|(id, body)| element(*id, body)).collect();
        let [ghz_2_4, ghz_5, ghz_6] = bands;
        let bands = Bands { ghz_2_4, ghz_5, ghz_6 };
        assert_eq!(Capabilities::of(&elements), Capabilities { generation, bands }, "{list:02x?}");
    }

    #[test]
    fn the_newest_capabilities_count() {
        check(&[], None, [false; 3]);
        check(&[CCK_RATES], None, [true, false, false]);
        check(&[CCK_RATES, HT], Some(WifiGeneration::Four), [true, false, false]);
        check(&[OFDM_RATES, HT, VHT], Some(WifiGeneration::Five), [false, true, false]);
        check(&[CCK_RATES, HE, HT], Some(WifiGeneration::Six), [true, false, false]);
        check(&[OFDM_RATES, HE, HE_6_GHZ, EHT], Some(WifiGeneration::Seven), [false, false, true]);
        check(&[(255, &[])], None, [false; 3]);
    }

    #[test]
    fn vht_on_2_4_ghz_is_no_sign_of_5_ghz() {
        check(&[CCK_RATES, VHT], Some(WifiGeneration::Five), [true, false, false]);
        check(&[(3, &[6]), VHT], Some(WifiGeneration::Five), [true, false, false]);
        check(&[(3, &[36]), VHT], Some(WifiGeneration::Five), [false, true, false]);
        check(&[(3, &[]), OFDM_RATES], None, [false; 3]);
    }

    #[test]
    fn only_global_operating_classes_tell_bands() {
        check(&[(59, &[81, 81, 115, 131])], None, [true, true, true]);
        check(&[(59, &[84])], None, [true, false, false]);
        check(&[(59, &[12, 1, 2, 3])], None, [false; 3]);
        check(&[(59, &[81, 0, 115])], None, [true, false, false]);
        check(&[(59, &[81, 130, 115])], None, [true, false, false]);
        check(&[(59, &[])], None, [false; 3]);
    }

    #[test]
    fn a_device_can_do_what_any_of_its_frames_shows() {
        let of = |elements: &[(u8, &[u8])]| {
            let bytes: Vec<u8> = elements.iter().flat_map(|(id, body)| element(*id, body)).collect();
            Capabilities::of(&bytes)
        };
        let (on_2_4, on_5) = (of(&[CCK_RATES, HT]), of(&[OFDM_RATES, HT, VHT]));
        assert!(on_2_4.bands != on_5.bands && on_2_4.generation < on_5.generation);
        let both = Capabilities { generation: on_5.generation, bands: on_2_4.bands.or(on_5.bands) };
        assert_eq!((on_2_4.or(on_5), on_5.or(on_2_4)), (both, both));
        let all = Bands { ghz_2_4: true, ghz_5: true, ghz_6: true };
        let none = Bands::default();
        for one in
            [Bands { ghz_2_4: true, ..none }, Bands { ghz_5: true, ..none }, Bands { ghz_6: true, ..none }]
        {
            assert_eq!((one.or(one), one.or(none), none.or(one), one.or(all)), (one, one, one, all));
        }
    }
}
