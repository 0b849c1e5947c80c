//! What a device says about itself in a probe request: its manufacturer, model, name and UUID.
//!
//! Two vendor elements carry such text, both of the Wi-Fi Alliance:
//!
//! | element | OUI and type | form | read |
//! |---|---|---|---|
//! | WSC (Wi-Fi Protected Setup) | `00:50:f2`, 4 | attributes of a type and a length of two octets each, big endian (Wi-Fi Simple Configuration 2.0.8 §12) | Device Name `0x1011`, Manufacturer `0x1021`, Model Name `0x1023`, Model Number `0x1024`, UUID-E `0x1047`, Primary Device Type `0x1054` |
//! | P2P (Wi-Fi Direct) | `50:6f:9a`, 9 | attributes of an ID of one octet and a length of two, little endian (Wi-Fi Direct 1.9 §4.1) | P2P Device Info, 13: primary device type and device name |
//!
//! Decisions, each with a test below:
//!
//! | case | outcome |
//! |---|---|
//! | several elements of one kind | their contents form one list of attributes, as the specifications have it for long lists |
//! | an attribute that comes twice | the first counts |
//! | an attribute that the end cuts | left out with all that follows |
//! | text that is not UTF-8 | U+FFFD in place of each invalid sequence |
//! | text of more than [`ShortText::MAX_BYTES`] bytes | its beginning; the specifications allow 32 bytes, and 64 for the manufacturer |
//! | NULs and spaces around a text; a text of nothing else | left out: drivers pad with them, and hostap writes a space for an empty text |
//! | a UUID or a device type of zeros, or of another length | left out |
//!
//! All of this is the sender's word. Nothing keeps a sender from inventing it.

mod form;
mod short_text;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::bytes::{array, u16_be, u16_le};
use crate::element::{Element, Elements};
use crate::hex::unhex;
pub use short_text::ShortText;

/// What a device says about itself; at least one field is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The manufacturer, as in "Samsung Electronics".
    pub manufacturer: Option<ShortText>,
    /// The model's name.
    pub model_name: Option<ShortText>,
    /// The model's number.
    pub model_number: Option<ShortText>,
    /// The device's name, which its owner may have chosen.
    pub device_name: Option<ShortText>,
    /// The device's name in Wi-Fi Direct, such as `[TV] Samsung 7 Series`.
    pub p2p_name: Option<ShortText>,
    /// The UUID-E. Many devices derive it from their own address, so it stays the same behind random ones.
    pub uuid: Option<Uuid>,
    /// What kind of device it is.
    pub device_type: Option<DeviceType>,
}

/// A UUID (RFC 4122).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// A Primary Device Type (Wi-Fi Simple Configuration 2.0.8 §12): a category of two octets, an OUI with a type,
/// and a subcategory of two octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceType(pub [u8; 8]);

/// OUI and type of the WSC element.
const WSC: [u8; 4] = [0x00, 0x50, 0xf2, 4];
/// OUI and type of the P2P element.
const P2P: [u8; 4] = [0x50, 0x6f, 0x9a, 9];

/// Attributes of the WSC element.
mod wsc {
    pub(super) const DEVICE_NAME: u16 = 0x1011;
    pub(super) const MANUFACTURER: u16 = 0x1021;
    pub(super) const MODEL_NAME: u16 = 0x1023;
    pub(super) const MODEL_NUMBER: u16 = 0x1024;
    pub(super) const UUID_E: u16 = 0x1047;
    pub(super) const PRIMARY_DEVICE_TYPE: u16 = 0x1054;
}

/// The P2P attribute with the device's name (Wi-Fi Direct 1.9 §4.1.15).
const P2P_DEVICE_INFO: u8 = 13;

impl DeviceInfo {
    /// What the frame with these elements says about its sender; `None` if it says nothing. A frame without WSC and P2P
    /// elements costs no allocation.
    pub fn of(elements: &[u8]) -> Option<Self> {
        let mut info = Self::default();
        if let Some(attributes) = content_of(elements, WSC) {
            info.read_wsc(&attributes);
        }
        if let Some(attributes) = content_of(elements, P2P) {
            info.read_p2p(&attributes);
        }
        (info != Self::default()).then_some(info)
    }

    fn read_wsc(&mut self, attributes: &[u8]) {
        for (kind, value) in wsc_attributes(attributes) {
            match kind {
                wsc::DEVICE_NAME => set(&mut self.device_name, || ShortText::new(value)),
                wsc::MANUFACTURER => set(&mut self.manufacturer, || ShortText::new(value)),
                wsc::MODEL_NAME => set(&mut self.model_name, || ShortText::new(value)),
                wsc::MODEL_NUMBER => set(&mut self.model_number, || ShortText::new(value)),
                wsc::UUID_E => set(&mut self.uuid, || non_zero(value).map(Uuid)),
                wsc::PRIMARY_DEVICE_TYPE => set(&mut self.device_type, || non_zero(value).map(DeviceType)),
                _ => {}
            }
        }
    }

    fn read_p2p(&mut self, attributes: &[u8]) {
        let Some(info) = p2p_attribute(attributes, P2P_DEVICE_INFO) else { return };
        // The P2P device address (6 octets), the configuration methods (2), the primary device type (8), the number of
        // secondary device types (1) and these (8 each), then the name as an attribute of WSC.
        set(&mut self.device_type, || non_zero(&array::<8>(info, 8)?).map(DeviceType));
        let secondary_types = info.get(16).map_or(0, |count| usize::from(*count));
        let name = info.get(17 + 8 * secondary_types..).unwrap_or_default();
        let name = wsc_attributes(name).find(|(kind, _)| *kind == wsc::DEVICE_NAME);
        self.p2p_name = name.and_then(|(_, value)| ShortText::new(value));
    }
}

/// Sets a field that is not set yet.
fn set<T>(field: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if field.is_none() {
        *field = value();
    }
}

/// The octets, if they are as many as that and not all zero.
fn non_zero<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    <[u8; N]>::try_from(value).ok().filter(|octets| octets.iter().any(|octet| *octet != 0))
}

/// What follows OUI and type in all vendor elements of this kind together; `None` if there is no such element.
fn content_of(elements: &[u8], oui_and_type: [u8; 4]) -> Option<Cow<'_, [u8]>> {
    let mut contents = Elements::new(elements)
        .filter(|element| element.id == Element::VENDOR)
        .filter_map(|element| element.body.strip_prefix(&oui_and_type));
    let mut all = Cow::Borrowed(contents.next()?);
    for more in contents {
        all.to_mut().extend_from_slice(more);
    }
    Some(all)
}

/// The complete attributes of a WSC element, by type.
fn wsc_attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, length) = (u16_be(rest, 0)?, u16_be(rest, 2)?);
        let (value, behind) = rest.get(4..)?.split_at_checked(usize::from(length))?;
        rest = behind;
        Some((kind, value))
    })
}

/// The first complete attribute of a P2P element with this ID.
fn p2p_attribute(mut rest: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        let (id, length) = (*rest.first()?, u16_le(rest, 1)?);
        let (value, behind) = rest.get(3..)?.split_at_checked(usize::from(length))?;
        if id == wanted {
            return Some(value);
        }
        rest = behind;
    }
}

impl DeviceType {
    /// The category in a word that fits "a …", if it is one of the Wi-Fi Alliance's.
    pub fn category(&self) -> Option<&'static str> {
        let [high, low, 0x00, 0x50, 0xf2, _, _, subcategory] = self.0 else { return None };
        Some(match (u16::from_be_bytes([high, low]), subcategory) {
            (1, _) => "computer",
            (2, _) => "input device",
            (3, _) => "printer",
            (4, _) => "camera",
            (5, _) => "storage device",
            (6, _) => "network device",
            (7, 1) => "TV",
            (7, _) => "display",
            (8, _) => "multimedia device",
            (9, _) => "games console",
            (10, _) => "phone",
            (11, _) => "audio device",
            (12, _) => "docking station",
            _ => return None,
        })
    }
}

/// The usual form, as in `22210203-0405-0607-0809-0a0b0c0d0e0f`.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{octet:02x}")?;
        }
        Ok(())
    }
}

/// The form that hostap writes, as in `10-0050F204-5`.
impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [c, d, octets @ .., s, t] = self.0;
        let [category, subcategory] = [[c, d], [s, t]].map(u16::from_be_bytes);
        write!(f, "{category}-{:08X}-{subcategory}", u32::from_be_bytes(octets))
    }
}

/// The text is not in the form of a UUID or of a device type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID such as 22210203-0405-0607-0809-0a0b0c0d0e0f or a device type such as 10-0050F204-5")]
pub struct ParseDeviceInfoError;

impl FromStr for Uuid {
    type Err = ParseDeviceInfoError;

    /// Reads 32 hex digits of either case, with dashes anywhere or without.
    fn from_str(text: &str) -> Result<Self, ParseDeviceInfoError> {
        let octets = unhex(&text.replace('-', "")).and_then(|octets| octets.try_into().ok());
        octets.map(Self).ok_or(ParseDeviceInfoError)
    }
}

impl FromStr for DeviceType {
    type Err = ParseDeviceInfoError;

    /// Reads the form of [`DeviceType`]'s `Display`.
    fn from_str(text: &str) -> Result<Self, ParseDeviceInfoError> {
        let parsed = || {
            let (category, rest) = text.split_once('-')?;
            let (oui, subcategory) = rest.split_once('-')?;
            let [c, d] = category.parse::<u16>().ok()?.to_be_bytes();
            let [s, t] = subcategory.parse::<u16>().ok()?.to_be_bytes();
            let [o, p, q, r] = u32::from_str_radix(oui, 16).ok()?.to_be_bytes();
            Some(Self([c, d, o, p, q, r, s, t]))
        };
        parsed().ok_or(ParseDeviceInfoError)
    }
}

#[cfg(test)]
mod tests;
