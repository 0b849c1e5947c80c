//! Network names as they are on the air: bytes, of which nothing is promised.
//!
//! The bytes are kept as heard. Text made from them for people goes through [`Ssid`]'s `Display`,
//! which shows what is printable and escapes the rest, so that no SSID can move a cursor, break a
//! line or turn the direction of a text. Markup (HTML, CSV) is the business of who writes markup.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smallvec::SmallVec;

/// The bytes of an SSID: at most 32 by IEEE 802.11-2020 §9.4.2.2, up to 255 where a sender does not
/// care. Up to 32 bytes are held without an allocation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Ssid(SmallVec<[u8; 32]>);

impl Ssid {
    /// The SSID of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// The bytes as heard.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, where the bytes are UTF-8.
    pub fn as_utf8(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The bytes as lower-case hex digits.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

/// `bytes` as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| hex_digits(*byte)).map(char::from).collect()
}

/// The two lower-case hex digits of an octet, in ASCII.
#[inline]
pub fn hex_digits(octet: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [octet >> 4, octet & 0x0f].map(|nibble| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default())
}

/// The bytes that `text` gives as hex digits of either case, or `None` where it is not hex.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

impl From<&str> for Ssid {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

/// Shows the SSID on one line: printable text as it is, anything else as `\n`, `\u{202e}` or `\xff`.
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

/// Writes `text` with all that would not stay in its place on a line escaped: control characters,
/// line and paragraph separators, and characters that turn the direction of text or have no width.
pub fn write_printable(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            '\\' => out.write_str("\\\\")?,
            _ if is_unprintable(c) => write!(out, "{}", c.escape_default())?,
            _ => out.write_char(c)?,
        }
    }
    Ok(())
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || (u32::from(c) & 0xfffe) == 0xfffe
}

impl Serialize for Ssid {
    /// Text where the bytes are UTF-8, else `{"hex": "…"}`; bytes in binary formats.
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

/// Which network a probe request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RequestedSsid {
    /// The frame has no SSID element.
    Absent,
    /// An SSID element of length 0: any network may answer.
    Wildcard,
    /// One network by name; the SSID has at least one byte.
    Named(Ssid),
}

impl RequestedSsid {
    /// The request that an SSID element with this body makes.
    pub fn from_element(body: &[u8]) -> Self {
        if body.is_empty() { Self::Wildcard } else { Self::Named(Ssid::new(body)) }
    }

    /// The network's name, where one is asked for.
    pub fn named(&self) -> Option<&Ssid> {
        match self {
            Self::Named(ssid) => Some(ssid),
            Self::Absent | Self::Wildcard => None,
        }
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
    fn json_form_is_text_or_hex() {
        for (bytes, json) in [(b"RNM0".as_slice(), "\"RNM0\""), (b"\xff\xfe\x00", r#"{"hex":"fffe00"}"#)] {
            let ssid = Ssid::new(bytes);
            assert_eq!(serde_json::to_string(&ssid).unwrap(), json);
            assert_eq!(serde_json::from_str::<Ssid>(json).unwrap(), ssid);
        }
        assert!(serde_json::from_str::<Ssid>(r#"{"hex":"zz"}"#).is_err());
    }
}
