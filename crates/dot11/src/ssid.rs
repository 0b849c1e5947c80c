//! Network names as they are on the air: arbitrary bytes.
//!
//! The bytes are kept as received. Text for people is made by [`Ssid`]'s `Display`, which escapes everything that is
//! not printable: no SSID can move a cursor, break a line or change the direction of text. Escaping for HTML or CSV is
//! left to the code that writes HTML or CSV.
//!
//! An SSID of NUL bytes only is no network's name: it is what a hidden network shows in place of its name, of the same
//! length or of one byte (Kismet and nzyme read it likewise). It is kept as received, and [`RequestedSsid::named`] has
//! none.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smallvec::SmallVec;

use crate::hex::{hex, unhex};
use crate::printable::write_printable;

/// The bytes of an SSID: at most 32 by IEEE 802.11-2020 §9.4.2.2, up to 255 from a sender that ignores the limit. Up to
/// 32 bytes are held without an allocation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Ssid(SmallVec<[u8; 32]>);

impl Ssid {
    /// The SSID of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// The bytes as received.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if the bytes are UTF-8.
    pub fn as_utf8(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether it stands for the name of a hidden network: it has NUL bytes only, and at least one.
    pub fn is_hidden(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|byte| *byte == 0)
    }

    /// The bytes as lower-case hex digits.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

impl From<&str> for Ssid {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

/// Shows the SSID on one line: printable text as it is, other bytes as `\n`, `\u{202e}` or `\xff`.
impl fmt::Display for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            write_printable(f, chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for Ssid {
    /// Text if the bytes are UTF-8, else `{"hex": "…"}`; bytes in binary formats.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.0);
        }
        match self.as_utf8() {
            Some(text) => serializer.serialize_str(text),
            None => HexSsid { hex: self.to_hex() }.serialize(serializer),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HexSsid {
    hex: String,
}

impl<'de> Deserialize<'de> for Ssid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <&[u8]>::deserialize(deserializer).map(Self::new);
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Hex(HexSsid),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Self::from(text.as_str())),
            Form::Hex(HexSsid { hex }) => unhex(&hex)
                .map(|bytes| Self::new(&bytes))
                .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&hex), &"hex digits")),
        }
    }
}

/// The network that a probe request looks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RequestedSsid {
    /// The frame has no SSID element.
    Absent,
    /// An SSID element of length 0: any network may answer.
    Wildcard,
    /// One network by its name, or a hidden one ([`Ssid::is_hidden`]); the SSID has at least one byte.
    Named(Ssid),
}

impl RequestedSsid {
    /// The meaning of an SSID element with this body.
    pub fn from_element(body: &[u8]) -> Self {
        if body.is_empty() { Self::Wildcard } else { Self::Named(Ssid::new(body)) }
    }

    /// The network's name, if the probe request names one. A hidden network has none.
    pub fn named(&self) -> Option<&Ssid> {
        match self {
            Self::Named(ssid) if !ssid.is_hidden() => Some(ssid),
            Self::Named(_) | Self::Absent | Self::Wildcard => None,
        }
    }

    /// Whether it is a hidden network, whose name it does not say.
    pub fn is_hidden(&self) -> bool {
        matches!(self, Self::Named(ssid) if ssid.is_hidden())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_hostile_bytes_on_one_line() {
        for (bytes, shown) in [
            (b"Cafe <b>".as_slice(), "Cafe <b>"),
            ("Müllers 📶".as_bytes(), "Müllers 📶"),
            (b"\xff\xfe\x00", "\\xff\\xfe\\u{0}"),
            (b"a\nb\x1b[31m\\", "a\\nb\\u{1b}[31m\\\\"),
            ("\u{202e}abc\u{200b}".as_bytes(), "\\u{202e}abc\\u{200b}"),
            (b"", ""),
        ] {
            assert_eq!(Ssid::new(bytes).to_string(), shown);
        }
    }

    #[test]
    fn an_ssid_of_nuls_is_hidden() {
        for length in [1, 9, 32, 33, 255] {
            let requested = RequestedSsid::from_element(&vec![0; length]);
            assert_eq!((requested.named(), requested.is_hidden()), (None, true));
            assert_eq!(requested, RequestedSsid::Named(Ssid::new(&vec![0; length])), "kept as received");
        }
        for name in [&b"\0a"[..], b"a\0", b"\0\0\x01", b" "] {
            let requested = RequestedSsid::from_element(name);
            assert_eq!((requested.named(), requested.is_hidden()), (Some(&Ssid::new(name)), false));
        }
        for none in [RequestedSsid::from_element(b""), RequestedSsid::Absent] {
            assert_eq!((none.named(), none.is_hidden()), (None, false));
        }
    }

    #[test]
    fn json_form_is_text_or_hex() {
        for (bytes, json) in [(b"RNM0".as_slice(), "\"RNM0\""), (b"\xff\xfe\x00", r#"{"hex":"fffe00"}"#)] {
            let ssid = Ssid::new(bytes);
            assert_eq!(serde_json::to_string(&ssid).unwrap(), json);
            assert_eq!(serde_json::from_str::<Ssid>(json).unwrap(), ssid);
        }
        assert!(serde_json::from_str::<Ssid>(r#"{"hex":"zz"}"#).is_err());
    }
}
