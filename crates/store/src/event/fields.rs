//! The JSON form of SSIDs and bytes, for serde's `with`.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use dot11::{Ssid, hex, unhex};

/// The fields `ssid` and `ssid_hex`, of which one is left out.
pub(super) type SsidFields<'a> = (Option<Option<Cow<'a, str>>>, Option<String>);

pub(super) fn ssid_form(ssid: &Ssid) -> SsidFields<'_> {
    match ssid.as_utf8() {
        Some(text) => (Some(Some(Cow::Borrowed(text))), None),
        None => (None, Some(ssid.to_hex())),
    }
}

pub(super) fn from_hex<E: de::Error>(digits: &str) -> Result<Ssid, E> {
    unhex(digits)
        .map(|bytes| Ssid::new(&bytes))
        .ok_or_else(|| E::invalid_value(de::Unexpected::Str(digits), &"hex digits"))
}

/// Bytes as hex digits.
pub(crate) mod hex_bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let digits = Cow::<str>::deserialize(deserializer)?;
        unhex(&digits).ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&digits), &"hex digits"))
    }
}

/// SSIDs as a list of hex digits.
pub(crate) mod hex_list {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(ssids: &[Ssid], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ssids.iter().map(Ssid::to_hex))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Ssid>, D::Error> {
        let list = Vec::<Cow<'_, str>>::deserialize(deserializer)?;
        list.iter().map(|digits| from_hex(digits)).collect()
    }
}

/// An SSID as the field `ssid` or `ssid_hex` of the object into which it is flattened.
pub(crate) mod ssid_fields {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(ssid: &Ssid, serializer: S) -> Result<S::Ok, S::Error> {
        let (ssid, ssid_hex) = ssid_form(ssid);
        optional_ssid_fields::Form { ssid: ssid.flatten(), ssid_hex }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ssid, D::Error> {
        optional_ssid_fields::deserialize(deserializer)?
            .ok_or_else(|| de::Error::custom("one of `ssid` and `ssid_hex` is needed"))
    }
}

/// As [`ssid_fields`], with neither of the fields if there is no SSID.
pub(crate) mod optional_ssid_fields {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Form<'a> {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) ssid: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) ssid_hex: Option<String>,
    }

    pub(crate) fn serialize<S: Serializer>(ssid: &Option<Ssid>, serializer: S) -> Result<S::Ok, S::Error> {
        match ssid {
            Some(ssid) => ssid_fields::serialize(ssid, serializer),
            None => Form { ssid: None, ssid_hex: None }.serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ssid>, D::Error> {
        match Form::deserialize(deserializer)? {
            Form { ssid: None, ssid_hex: None } => Ok(None),
            Form { ssid: Some(text), ssid_hex: None } => Ok(Some(Ssid::from(text.as_ref()))),
            Form { ssid: None, ssid_hex: Some(digits) } => from_hex(&digits).map(Some),
            _ => Err(de::Error::custom("both `ssid` and `ssid_hex` are given")),
        }
    }
}
