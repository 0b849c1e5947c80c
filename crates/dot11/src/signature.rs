//! A hash of the part of a probe request that a device model does not vary.
//!
//! The canonical form of a frame's elements is, for each whole element in the order of the frame:
//!
//! | element | bytes |
//! |---|---|
//! | supported rates (1), HT capabilities (45), extended rates (50), extended capabilities (127), VHT capabilities (191) | ID, length, body |
//! | vendor specific (221) | ID, `n`, the first `n` bytes of the body, `n` = min(4, length): OUI and type |
//! | extension (255) | ID, `n`, the first `n` bytes of the body, `n` = min(1, length): the real ID |
//! | any other | ID |
//!
//! The signature is the XXH3-64 hash of that form with seed 0. A form of more than 512 bytes is cut into pieces of 512
//! bytes; the hash of each piece is the seed of the next. The empty form has a signature, too.
//!
//! The content of an SSID, a DS channel or a vendor's element does not change the signature; which elements there are,
//! and in which order, does. Signatures are part of stored events: a change here changes every signature and fails the
//! test vectors below.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use twox_hash::XxHash3_64;

use crate::element::{Element, Elements};

/// A 64-bit signature, written as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signature(u64);

impl Signature {
    /// The signature of these elements; an element that the end cuts does not count.
    pub fn of(elements: &[u8]) -> Self {
        let mut form = CanonicalForm { piece: [0; PIECE_BYTES], used: 0, seed: 0 };
        for element in Elements::new(elements) {
            let kept = match element.id {
                Element::SUPPORTED_RATES
                | Element::HT_CAPABILITIES
                | Element::EXTENDED_RATES
                | Element::EXTENDED_CAPABILITIES
                | Element::VHT_CAPABILITIES => element.body,
                Element::VENDOR => element.body.get(..4).unwrap_or(element.body),
                Element::EXTENSION => element.body.get(..1).unwrap_or(element.body),
                id => {
                    form.push(&[id]);
                    continue;
                }
            };
            // A body has at most 255 bytes.
            form.push(&[element.id, kept.len() as u8]);
            form.push(kept);
        }
        Self(form.hash())
    }

    /// The signature with this number.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The signature as a number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

const PIECE_BYTES: usize = 512;

struct CanonicalForm {
    piece: [u8; PIECE_BYTES],
    used: usize,
    seed: u64,
}

impl CanonicalForm {
    #[inline]
    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.used == PIECE_BYTES {
                self.seed = self.hash();
                self.used = 0;
            }
            let free = self.piece.get_mut(self.used..).unwrap_or_default();
            let count = bytes.len().min(free.len());
            let (now, later) = bytes.split_at_checked(count).unwrap_or_default();
            for (to, from) in free.iter_mut().zip(now) {
                *to = *from;
            }
            self.used += count;
            bytes = later;
        }
    }

    fn hash(&self) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed, self.piece.get(..self.used).unwrap_or_default())
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signature: expected 16 hex digits such as 9f1c06d2ab47e310")]
pub struct ParseSignatureError;

impl FromStr for Signature {
    type Err = ParseSignatureError;

    /// Reads 16 hex digits of either case.
    fn from_str(text: &str) -> Result<Self, ParseSignatureError> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseSignatureError);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| ParseSignatureError)
    }
}

impl Serialize for Signature {
    /// 16 hex digits; a `u64` in binary formats.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self);
        }
        struct SignatureVisitor;
        impl de::Visitor<'_> for SignatureVisitor {
            type Value = Signature;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a signature of 16 hex digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Signature, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(SignatureVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures must not change between machines and releases. These were computed by another implementation, a few
    /// lines of Python over `xxhash.xxh3_64_intdigest`.
    #[test]
    fn matches_the_test_vectors() {
        for (elements, signature) in [
            (&b""[..], "2d06800538d394c2"),
            (b"\x00\x04RNM0", "c44bdff4074eecdb"),
            (b"\x00\x00\x01\x04\x02\x04\x0b\x16\x32\x02\x0c\x12\x03\x01\x06", "f1f1e902d438efc3"),
            (b"\x00\x00\x2d\x02\x01\x02\x7f\x01\x04\xbf\x01\x05\xdd\x05\x00\x50\xf2\x08\x01\xff\x02\x23\x01", "4f92fa975fb842a6"),
        ] {
            assert_eq!(Signature::of(elements).to_string(), signature, "{elements:02x?}");
        }
        let long = [[0xbf, 255].as_slice(), &[7; 255]].concat().repeat(5);
        assert_eq!(Signature::of(&long).to_string(), "9dd8ab90368cb6b6");
    }

    #[track_caller]
    fn check(same: bool, a: &[u8], b: &[u8]) {
        assert_eq!(Signature::of(a) == Signature::of(b), same, "{a:02x?} {b:02x?}");
    }

    #[test]
    fn depends_on_the_model_only() {
        // SSID, DS channel, a vendor's body, an extension's body, other elements' bodies.
        check(true, b"\0\x01a", b"\0\x02bc");
        check(true, b"\0\0\x03\x01\x06", b"\0\x01x\x03\x01\x0b");
        check(true, b"\xdd\x05\0\x50\xf2\x08a", b"\xdd\x06\0\x50\xf2\x08bc");
        check(true, b"\xff\x02\x23a", b"\xff\x02\x23b");
        check(true, b"\x3b\x01a", b"\x3b\x01b");
        // A cut element.
        check(true, b"\0\0", b"\0\0\x01\x04\x02");
        // Rates, capabilities, order, presence, a vendor's OUI and type, an extension's ID.
        for id in [1, 45, 50, 127, 191] {
            check(false, &[id, 1, 1], &[id, 1, 2]);
            check(false, &[id, 1, 0], &[id, 2, 0, 0]);
        }
        check(false, b"\0\0\x03\x01\x06", b"\x03\x01\x06\0\0");
        check(false, b"\0\0", b"");
        check(false, b"\xdd\x04\0\x50\xf2\x08", b"\xdd\x04\0\x50\xf2\x04");
        check(false, b"\xff\x01\x23", b"\xff\x01\x24");
        check(false, b"\xff\x01\x23", b"\xff\0\x23\0");
    }

    #[test]
    fn round_trips_as_text_json_and_binary() {
        let signature = Signature::from_u64(0x0f1c_06d2_ab47_e310);
        assert_eq!(signature.to_string(), "0f1c06d2ab47e310");
        assert_eq!("0F1c06d2ab47e310".parse(), Ok(signature));
        for text in ["", "f1c06d2ab47e310", "0f1c06d2ab47e3100", "+f1c06d2ab47e310", "0f1c06d2ab47e31é"] {
            assert_eq!(text.parse::<Signature>(), Err(ParseSignatureError));
        }
        let json = serde_json::to_string(&signature).unwrap();
        assert_eq!(json, "\"0f1c06d2ab47e310\"");
        assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature);
        let binary = postcard::to_allocvec(&signature).unwrap();
        assert_eq!(binary, postcard::to_allocvec(&signature.as_u64()).unwrap());
        assert_eq!(postcard::from_bytes::<Signature>(&binary).unwrap(), signature);
    }
}
