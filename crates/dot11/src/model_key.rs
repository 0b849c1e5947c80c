//! A hash of what every probe request of one device model has in common, whichever way the device scans.
//!
//! [`Signature`](crate::Signature) distinguishes frames more finely: one phone sends several signatures, because it
//! orders its elements differently on another band or adds some while it is in use. The model key is the XXH3-64 hash, seed 0, of the
//! frame's whole elements as a set, in ascending order, each as ID, length and bytes:
//!
//! | element | bytes |
//! |---|---|
//! | SSID (0), DS parameter set (3), SSID list (84), short SSID list (extension 58) | left out |
//! | supported rates (1), extended rates (50), VHT capabilities (191) | the body |
//! | HT capabilities (45) | the body without the bit *40 MHz intolerant*, §9.4.2.55.2 |
//! | extended capabilities (127) | the body without the bit *DMS*, §9.4.2.26, and without trailing zeros |
//! | vendor specific (221) | the first 4 bytes of the body: OUI and type |
//! | extension (255) | the first byte of the body: the real ID |
//! | any other | none |
//!
//! A frame with VHT capabilities is identified by rates, HT and VHT capabilities; what else it has varies with the way
//! of scanning. So 107, 127, 221 and 255 are left out there.
//!
//! A signature has one model key: both keep the same bytes. Section numbers are IEEE 802.11-2020's.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::element::{Element, Elements};
use crate::signature::Signature;

/// A 64-bit key of a device model, written as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelKey(Signature);

/// Bit 14 of the HT Capability Information field.
const HT_40_MHZ_INTOLERANT: u8 = 0x40;

/// Bit 26 of the Extended Capabilities element.
const EXTENDED_DMS: u8 = 0x04;

impl ModelKey {
    /// The key of the model that sends these elements; an element that the end cuts does not count.
    pub fn of(elements: &[u8]) -> Self {
        let has_vht = Elements::new(elements).any(|element| element.id == Element::VHT_CAPABILITIES);
        let mut set: Vec<(u8, Cow<'_, [u8]>)> =
            Elements::new(elements).filter_map(|element| invariant_part(element, has_vht)).collect();
        set.sort_unstable();
        set.dedup();
        let mut form = Vec::with_capacity(elements.len());
        for (id, bytes) in set {
            // A body has at most 255 bytes.
            form.extend([id, bytes.len() as u8]);
            form.extend_from_slice(&bytes);
        }
        Self(Signature::from_u64(XxHash3_64::oneshot(&form)))
    }

    /// The key for frames whose elements are not known, only their signature.
    pub fn of_unknown_elements(signature: Signature) -> Self {
        Self(signature)
    }
}

/// The part of an element that a model does not vary; `None` if the element does not count.
fn invariant_part(element: Element<'_>, has_vht: bool) -> Option<(u8, Cow<'_, [u8]>)> {
    let Element { id, body } = element;
    let bytes = match id {
        Element::SSID | Element::DS_PARAMETER_SET | Element::SSID_LIST => return None,
        Element::EXTENSION if element.extension() == Some(Element::SHORT_SSID_LIST) => return None,
        Element::INTERWORKING | Element::EXTENDED_CAPABILITIES | Element::VENDOR | Element::EXTENSION
            if has_vht =>
        {
            return None;
        }
        Element::SUPPORTED_RATES | Element::EXTENDED_RATES | Element::VHT_CAPABILITIES => Cow::Borrowed(body),
        Element::HT_CAPABILITIES => without_bits(body, 1, HT_40_MHZ_INTOLERANT),
        Element::EXTENDED_CAPABILITIES => {
            let mut bytes = without_bits(body, 3, EXTENDED_DMS).into_owned();
            let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(length);
            Cow::Owned(bytes)
        }
        Element::VENDOR => Cow::Borrowed(body.get(..4).unwrap_or(body)),
        Element::EXTENSION => Cow::Borrowed(body.get(..1).unwrap_or(body)),
        _ => Cow::Borrowed(&[][..]),
    };
    Some((id, bytes))
}

/// `body` with these bits of the byte at `index` cleared.
fn without_bits(body: &[u8], index: usize, bits: u8) -> Cow<'_, [u8]> {
    let mut bytes = Cow::Borrowed(body);
    if let Some(byte) = bytes.to_mut().get_mut(index) {
        *byte &= !bits;
    }
    bytes
}

impl fmt::Display for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(list: &[(u8, &[u8])]) -> Vec<u8> {
        list.iter().flat_map(|(id, body)| [&[*id, body.len() as u8], *body].concat()).collect()
    }

    fn key(list: &[(u8, &[u8])]) -> ModelKey {
        ModelKey::of(&elements(list))
    }

    const RATES: (u8, &[u8]) = (1, &[2, 4, 11, 22]);
    const HT: (u8, &[u8]) = (45, &[0x2d, 0x01, 0x17, 0xff]);
    const VHT: (u8, &[u8]) = (191, &[0x32, 0x70, 0x80, 0x0f]);

    #[test]
    fn ignores_order_repetition_ssid_and_channel() {
        let one = key(&[(0, b"Home"), RATES, (3, &[6]), HT]);
        assert_eq!(one, key(&[HT, RATES]));
        assert_eq!(one, key(&[HT, HT, RATES, (0, b"")]));
        assert_ne!(one, key(&[RATES]));
        assert_eq!(one, key(&[RATES, HT, (84, b"\0\x01a"), (255, &[58, 1, 2, 3, 4])]));
    }

    #[test]
    fn ignores_40_mhz_intolerance_dms_and_trailing_zeros() {
        assert_eq!(key(&[(45, &[0x2d, 0x01])]), key(&[(45, &[0x2d, 0x41])]));
        assert_ne!(key(&[(45, &[0x2d, 0x01])]), key(&[(45, &[0x2c, 0x01])]));
        assert_eq!(key(&[(127, &[0, 0, 8, 4, 0])]), key(&[(127, &[0, 0, 8])]));
        assert_ne!(key(&[(127, &[0, 0, 8, 1])]), key(&[(127, &[0, 0, 8])]));
    }

    #[test]
    fn keeps_the_type_of_vendor_and_extension_elements_and_the_id_of_others() {
        assert_eq!(key(&[(221, &[0, 0x50, 0xf2, 8, 1])]), key(&[(221, &[0, 0x50, 0xf2, 8, 2])]));
        assert_ne!(key(&[(221, &[0, 0x50, 0xf2, 8])]), key(&[(221, &[0, 0x50, 0xf2, 4])]));
        assert_eq!(key(&[(255, &[35, 1])]), key(&[(255, &[35, 2])]));
        assert_eq!(key(&[(59, &[1])]), key(&[(59, &[2])]));
        assert_ne!(key(&[(59, &[1])]), key(&[]));
    }

    #[test]
    fn a_frame_with_vht_is_identified_by_rates_ht_and_vht() {
        let one = key(&[RATES, HT, VHT]);
        assert_eq!(
            one,
            key(&[RATES, HT, VHT, (107, &[1]), (127, &[4]), (221, &[0, 0x50, 0xf2, 8]), (255, &[35])])
        );
        assert_ne!(one, key(&[RATES, HT, VHT, (59, &[1])]));
        assert_ne!(one, key(&[RATES, VHT]));
    }

    #[test]
    fn a_truncated_element_does_not_count() {
        let whole = elements(&[RATES, HT]);
        assert_eq!(ModelKey::of(&whole[..whole.len() - 1]), key(&[RATES]));
        assert_eq!(ModelKey::of(&[]), ModelKey::of(&[45]));
    }

    #[test]
    fn stored_keys_stay_valid() {
        assert_eq!(key(&[]).to_string(), "2d06800538d394c2");
    }
}
