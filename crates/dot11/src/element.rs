//! Information elements: an octet of element ID, an octet of length, then the body (IEEE 802.11-2020 §9.4.2.1).

/// A complete element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The element ID.
    pub id: u8,
    /// The 0 to 255 bytes after the length octet.
    pub body: &'a [u8],
}

impl Element<'_> {
    /// SSID, §9.4.2.2.
    pub const SSID: u8 = 0;
    /// Supported Rates and BSS Membership Selectors, §9.4.2.3.
    pub const SUPPORTED_RATES: u8 = 1;
    /// DSSS Parameter Set, §9.4.2.4: the channel that the frame was sent on.
    pub const DS_PARAMETER_SET: u8 = 3;
    /// HT Capabilities, §9.4.2.55.
    pub const HT_CAPABILITIES: u8 = 45;
    /// Extended Supported Rates and BSS Membership Selectors, §9.4.2.12.
    pub const EXTENDED_RATES: u8 = 50;
    /// Supported Operating Classes, §9.4.2.53.
    pub const OPERATING_CLASSES: u8 = 59;
    /// SSID List, §9.4.2.72.
    pub const SSID_LIST: u8 = 84;
    /// Interworking, §9.4.2.91.
    pub const INTERWORKING: u8 = 107;
    /// Extended Capabilities, §9.4.2.26.
    pub const EXTENDED_CAPABILITIES: u8 = 127;
    /// VHT Capabilities, §9.4.2.157.
    pub const VHT_CAPABILITIES: u8 = 191;
    /// Vendor Specific, §9.4.2.25: OUI and type, then the vendor's data.
    pub const VENDOR: u8 = 221;
    /// Element ID Extension: the first octet of the body is the real ID.
    pub const EXTENSION: u8 = 255;
    /// The extension of HE Capabilities, IEEE 802.11ax-2021 §9.4.2.248.
    pub const HE_CAPABILITIES: u8 = 35;
    /// The extension of Short SSID List, IEEE 802.11ax-2021 §9.4.2.261.
    pub const SHORT_SSID_LIST: u8 = 58;
    /// The extension of HE 6 GHz Band Capabilities, IEEE 802.11ax-2021 §9.4.2.263.
    pub const HE_6_GHZ_CAPABILITIES: u8 = 59;
    /// The extension of EHT Capabilities, IEEE 802.11be-2024 §9.4.2.323.
    pub const EHT_CAPABILITIES: u8 = 108;
}

impl Element<'_> {
    /// The OUI of a vendor specific element.
    pub fn vendor_oui(&self) -> Option<[u8; 3]> {
        if self.id == Self::VENDOR { self.body.first_chunk().copied() } else { None }
    }

    /// The extension of an element that has one.
    pub fn extension(&self) -> Option<u8> {
        if self.id == Self::EXTENSION { self.body.first().copied() } else { None }
    }
}

/// Iterates over the complete elements of a frame's body. It ends before an element that the end of the body cuts; see
/// [`Elements::rest`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// The elements in `body`.
    #[inline]
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// The bytes not iterated over yet; after the last complete element, the cut element or nothing.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        let [id, length, after @ ..] = self.rest else { return None };
        let (body, rest) = after.split_at_checked(usize::from(*length))?;
        self.rest = rest;
        Some(Element { id: *id, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yields_complete_elements_and_keeps_the_rest() {
        for (body, ids, rest) in [
            (b"".as_slice(), &[][..], b"".as_slice()),
            (b"\x00", &[], b"\x00"),
            (b"\x00\x00", &[0], b""),
            (b"\x00\x01a\x01\x00\x03\x01\x06", &[0, 1, 3], b""),
            (b"\x00\x01a\x01\x02b", &[0], b"\x01\x02b"),
            (b"\xff\xff", &[], b"\xff\xff"),
        ] {
            let mut elements = Elements::new(body);
            assert_eq!(elements.by_ref().map(|element| element.id).collect::<Vec<_>>(), ids);
            assert_eq!(elements.rest(), rest);
        }
    }

    #[test]
    fn only_vendors_elements_have_an_oui_and_only_extended_ones_an_extension() {
        for (id, body, oui, extension) in [
            (Element::VENDOR, &[1, 2, 3, 4][..], Some([1, 2, 3]), None),
            (Element::VENDOR, &[1, 2, 3], Some([1, 2, 3]), None),
            (Element::VENDOR, &[1, 2], None, None),
            (Element::EXTENSION, &[35, 2, 3], None, Some(35)),
            (Element::EXTENSION, &[], None, None),
            (Element::SSID, &[1, 2, 3], None, None),
        ] {
            let element = Element { id, body };
            assert_eq!((element.vendor_oui(), element.extension()), (oui, extension), "{element:?}");
        }
    }
}
