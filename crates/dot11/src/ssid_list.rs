//! Further networks that a probe request asks for: the SSID List (IEEE 802.11-2020 §9.4.2.72, element 84), and the
//! Short SSID List (IEEE 802.11ax-2021 §9.4.2.261, extension 58).
//!
//! An SSID List is a sequence of SSID elements. A Short SSID is the CRC-32 of an SSID (IEEE 802.11-2020 §9.4.2.170.3),
//! in little-endian order: a name has one, but several names may share it.
//!
//! Decisions:
//!
//! | case | outcome |
//! |---|---|
//! | an SSID in the list of length 0, of NULs, or of more than 32 bytes | as in an SSID element |
//! | an element in the list that is no SSID | left out |
//! | an element in the list that the list's end cuts | left out with all that follows in the list |
//! | several lists | read one after the other |
//! | more than [`LISTED_SSIDS`] SSIDs, or [`LISTED_SHORT_SSIDS`] Short SSIDs | the first count: no one element holds more |
//! | a list of Short SSIDs whose length is no multiple of four | the whole ones count |

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::element::{Element, Elements};
use crate::hex::unhex;
use crate::ssid::Ssid;

/// The most SSIDs that an SSID List can have: each takes two bytes at least.
pub const LISTED_SSIDS: usize = 127;

/// The most Short SSIDs that a list can have.
pub const LISTED_SHORT_SSIDS: usize = 63;

/// The bytes of the SSIDs in the SSID Lists of `elements`, at most [`LISTED_SSIDS`], without allocating.
pub fn listed_ssids(elements: &[u8]) -> impl Iterator<Item = &[u8]> {
    Elements::new(elements)
        .filter(|element| element.id == Element::SSID_LIST)
        .flat_map(|list| Elements::new(list.body))
        .filter(|element| element.id == Element::SSID)
        .map(|ssid| ssid.body)
        .take(LISTED_SSIDS)
}

/// The Short SSIDs in the lists of `elements`, at most [`LISTED_SHORT_SSIDS`], without allocating.
pub fn listed_short_ssids(elements: &[u8]) -> impl Iterator<Item = ShortSsid> {
    Elements::new(elements)
        .filter(|element| element.extension() == Some(Element::SHORT_SSID_LIST))
        .flat_map(|list| list.body.get(1..).unwrap_or_default().as_chunks::<4>().0)
        .map(|octets| ShortSsid(u32::from_le_bytes(*octets)))
        .take(LISTED_SHORT_SSIDS)
}

/// The CRC-32 of an SSID, written as eight hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShortSsid(u32);

impl ShortSsid {
    /// The Short SSID of this SSID.
    pub fn of(ssid: &Ssid) -> Self {
        Self(crc32fast::hash(ssid.as_bytes()))
    }

    /// The Short SSID with this number.
    pub const fn from_u32(number: u32) -> Self {
        Self(number)
    }

    /// The Short SSID as a number.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ShortSsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for ShortSsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ShortSsid {
    /// Eight hex digits; a `u32` in binary formats.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u32(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for ShortSsid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u32::deserialize(deserializer).map(Self);
        }
        let digits = String::deserialize(deserializer)?;
        let octets = unhex(&digits).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        octets
            .map(|octets| Self(u32::from_be_bytes(octets)))
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&digits), &"eight hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::builder::element;

    #[track_caller]
    fn check(elements: &[u8], ssids: &[&[u8]], short_ssids: &[u32]) {
        assert_eq!(listed_ssids(elements).collect::<Vec<_>>(), ssids);
        assert_eq!(listed_short_ssids(elements).map(ShortSsid::as_u32).collect::<Vec<_>>(), short_ssids);
    }

    #[test]
    fn reads_the_ssids_of_lists() {
        check(b"", &[], &[]);
        check(&element(84, b""), &[], &[]);
        check(&element(84, b"\0\x04RNM0\0\x05Depot"), &[b"RNM0", b"Depot"], &[]);
        check(&element(84, b"\0\0\0\x02\0\0\0\x01a\0\x01a"), &[b"", b"\0\0", b"a", b"a"], &[]);
        // No SSIDs among them; cut ones; one in an element of its own.
        check(&element(84, b"\x01\x02ab\0\x01c\xdd\0\0\x01d"), &[b"c", b"d"], &[]);
        check(&element(84, b"\0\x01a\0\x05bcd"), &[b"a"], &[]);
        check(&element(84, b"\0\x01a\0"), &[b"a"], &[]);
        check(&element(84, b"\0\xff"), &[], &[]);
        check(b"\x54\x09\0\x01a", &[], &[]);
        check(b"\0\x05First", &[], &[]);
        let long = [&b"\0\xfd"[..], &[b'x'; 253]].concat();
        check(&element(84, &long), &[&[b'x'; 253]], &[]);
        // Lists in a list are none.
        check(&element(84, b"\x54\x03\0\x01a\0\x01b"), &[b"b"], &[]);
    }

    #[test]
    fn the_number_of_ssids_is_bounded() {
        let full = [&element(84, &[0; 254])[..], &element(84, b"\0\x01a")].concat();
        assert_eq!(listed_ssids(&full).count(), LISTED_SSIDS);
        let full: Vec<u8> = element(255, &[&[58][..], &[7; 252]].concat()).repeat(3);
        assert_eq!(listed_short_ssids(&full).count(), LISTED_SHORT_SSIDS);
    }

    #[test]
    fn reads_short_ssids() {
        assert_eq!(ShortSsid::of(&Ssid::from("123456789")).to_string(), "cbf43926");
        let list = |body: &[u8]| element(255, &[&[58][..], body].concat());
        check(&list(b""), &[], &[]);
        check(&list(b"\x26\x39\xf4\xcb"), &[], &[0xcbf4_3926]);
        check(&list(b"\x26\x39\xf4\xcb\x01\0\0\0\x02\0\0"), &[], &[0xcbf4_3926, 1]);
        check(&[list(b"\x01\0\0\0"), list(b"\x02\0\0\0")].concat(), &[], &[1, 2]);
        check(&element(255, b""), &[], &[]);
        check(&element(255, b"\x3b\x01\0\0\0"), &[], &[]);
        let short = ShortSsid::from_u32(0x0f1c_06d2);
        assert_eq!(serde_json::to_string(&short).unwrap(), "\"0f1c06d2\"");
        assert_eq!(serde_json::from_str::<ShortSsid>("\"0F1c06d2\"").unwrap(), short);
        for wrong in ["\"\"", "\"0f1c06\"", "\"0f1c06d2ab\"", "\"zzzzzzzz\"", "5"] {
            assert!(serde_json::from_str::<ShortSsid>(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, list in prop::collection::vec(any::<u8>(), 0..255)) {
            for elements in [bytes.clone(), element(84, &list), element(255, &list)] {
                let length: usize = listed_ssids(&elements).map(<[u8]>::len).sum();
                prop_assert!(length <= elements.len());
                prop_assert!(4 * listed_short_ssids(&elements).count() <= elements.len());
            }
        }
    }
}
