//! The networks that a probe request asks for besides that of its SSID element.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use dot11::{
    Element, Elements, LISTED_SHORT_SSIDS, LISTED_SSIDS, ShortSsid, Ssid, listed_short_ssids, listed_ssids,
};

/// The networks of a probe request's lists, each once. There is at least one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedNetworks {
    /// Their SSIDs.
    pub ssids: SsidList,
    /// The Short SSIDs of those that are asked for by that alone.
    pub short_ssids: Vec<ShortSsid>,
}

impl ListedNetworks {
    /// The networks in the lists of a frame's elements; `None` without any.
    pub fn of(elements: &[u8]) -> Option<Box<Self>> {
        Self::new(listed_ssids(elements), listed_short_ssids(elements))
    }

    /// The first of these, each once; `None` without any.
    pub(super) fn new<'a>(
        ssids: impl Iterator<Item = &'a [u8]>,
        short_ssids: impl Iterator<Item = ShortSsid>,
    ) -> Option<Box<Self>> {
        let mut listed = Self { ssids: SsidList::new(ssids), short_ssids: Vec::new() };
        for short in short_ssids.take(LISTED_SHORT_SSIDS) {
            if !listed.short_ssids.contains(&short) {
                listed.short_ssids.push(short);
            }
        }
        (!listed.ssids.is_empty() || !listed.short_ssids.is_empty()).then(|| Box::new(listed))
    }
}

/// SSIDs as received, each once: as SSID elements one after the other, so that many take no more than in the frame.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SsidList(Box<[u8]>);

impl SsidList {
    /// The first [`LISTED_SSIDS`] of these, each once. An SSID has at most 255 bytes; a longer one is cut.
    fn new<'a>(ssids: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut bytes = Vec::new();
        for ssid in ssids.take(LISTED_SSIDS) {
            let ssid = ssid.get(..255).unwrap_or(ssid);
            if Elements::new(&bytes).all(|known| known.body != ssid) {
                bytes.extend([Element::SSID, ssid.len() as u8]);
                bytes.extend_from_slice(ssid);
            }
        }
        Self(bytes.into())
    }

    /// The bytes of each.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        Elements::new(&self.0).map(|ssid| ssid.body)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SsidList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Ssid::new)).finish()
    }
}

impl Serialize for SsidList {
    /// A list of SSIDs.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Ssid::new))
    }
}

impl<'de> Deserialize<'de> for SsidList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ssids = Vec::<Ssid>::deserialize(deserializer)?;
        Ok(Self::new(ssids.iter().map(Ssid::as_bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dot11::builder::element;

    #[test]
    fn keeps_each_network_once() {
        assert_eq!(ListedNetworks::of(&element(0, b"First")), None);
        let lists = [
            element(84, b"\0\x01a\0\0\0\x01b\0\x01a\0\0\0\x02\0\0"),
            element(255, &[58, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]),
        ]
        .concat();
        let listed = ListedNetworks::of(&lists).unwrap();
        assert_eq!(listed.ssids.iter().collect::<Vec<_>>(), [&b"a"[..], b"", b"b", b"\0\0"]);
        assert_eq!(listed.short_ssids, [1, 2].map(ShortSsid::from_u32));
        let json = serde_json::to_string(&listed.ssids).unwrap();
        assert_eq!(json, r#"["a","","b","\u0000\u0000"]"#);
        assert_eq!(serde_json::from_str::<SsidList>(&json).unwrap(), listed.ssids);
    }
}
