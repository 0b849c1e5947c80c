//! MAC addresses: six octets, shown in lower case with colons; every usual notation is read. An address whose U/L bit
//! is set counts as random.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::hex::hex_digits;

/// A 48-bit MAC address (IEEE 802-2014 §8.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MacAddr([u8; 6]);

/// One number hashes faster than a slice, and each frame looks its sender up several times.
impl Hash for MacAddr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f] = self.0;
        state.write_u64(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    }
}

impl MacAddr {
    /// The broadcast address.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address with these octets, in transmission order.
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// The six octets, in transmission order.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The address with colons, in ASCII.
    #[inline]
    pub fn to_ascii(self) -> [u8; 17] {
        let mut text = *b"00:00:00:00:00:00";
        for (pair, octet) in text.chunks_mut(3).zip(self.0) {
            for (byte, digit) in pair.iter_mut().zip(hex_digits(octet)) {
                *byte = digit;
            }
        }
        text
    }

    /// Whether the U/L bit (0x02 of the first octet) is set. Phones set it in the random addresses from which they send
    /// probe requests; such an address has no vendor.
    pub const fn is_random(self) -> bool {
        self.0[0] & 0x02 != 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.to_ascii()).unwrap_or_default())
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no MAC address in any of the usual notations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a MAC address: expected six octets such as a4:83:e7:4e:39:15")]
pub struct ParseMacError;

impl FromStr for MacAddr {
    type Err = ParseMacError;

    /// Reads `a4:83:e7:4e:39:15`, `A4-83-E7-4E-39-15`, `a4.83.e7.4e.39.15`, `a483.e74e.3915` and
    /// `a483e74e3915`, in either case.
    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let group_digits = match (text.len(), text.as_bytes().iter().find(|b| !b.is_ascii_hexdigit())) {
            (12, None) => 12,
            (17, Some(b':' | b'-' | b'.')) => 2,
            (14, Some(b'.')) => 4,
            _ => return Err(ParseMacError),
        };
        let separator = text.chars().find(|c| !c.is_ascii_hexdigit());
        let groups: Vec<&str> = match separator {
            Some(separator) => text.split(separator).collect(),
            None => vec![text],
        };
        if groups.len() * group_digits != 12
            || groups
                .iter()
                .any(|group| group.len() != group_digits || !group.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(ParseMacError);
        }
        let number = u64::from_str_radix(&groups.concat(), 16).map_err(|_| ParseMacError)?;
        let [_, _, octets @ ..] = number.to_be_bytes();
        Ok(Self(octets))
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 6]>::deserialize(deserializer).map(Self);
        }
        struct MacAddrVisitor;
        impl de::Visitor<'_> for MacAddrVisitor {
            type Value = MacAddr;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a MAC address such as a4:83:e7:4e:39:15")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MacAddr, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(MacAddrVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_usual_notation() {
        let mac = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
        for text in
            ["a4:83:e7:4e:39:15", "A4:83:E7:4E:39:15", "A4-83-e7-4E-39-15", "a483.e74e.3915", "A483E74E3915"]
        {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        assert_eq!(mac.to_string(), "a4:83:e7:4e:39:15");
    }

    #[test]
    fn rejects_invalid_addresses() {
        for text in [
            "",
            "a4",
            "a4:83:e7:4e:39",
            "a4:83:e7:4e:39:1",
            "a4:83:e7:4e:39:155",
            "a4:83-e7:4e:39:15",
            "g4:83:e7:4e:39:15",
            "a483e74e391",
            "a483.e74e:3915",
            "+483e74e3915",
            "a4:83:e7:4e:3é:1",
            "a4:83:e7:4e:39:15 ",
            "::::::::::::::::a",
            "deadbeefcafe00",
            "a483e.74e.3915",
            "a48:3:e7:4e:39:15",
            "a483.e74e.391.",
        ] {
            assert_eq!(text.parse::<MacAddr>(), Err(ParseMacError), "{text}");
        }
    }

    #[test]
    fn recognises_random_addresses() {
        assert!(!"a4:83:e7:4e:39:15".parse::<MacAddr>().unwrap().is_random());
        assert!("da:a1:19:00:00:01".parse::<MacAddr>().unwrap().is_random());
    }
}
