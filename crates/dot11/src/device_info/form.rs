//! The forms of a [`DeviceInfo`] for serde: an object of the fields that are there, and a tuple in binary formats.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DeviceInfo, DeviceType, ShortText, Uuid};

#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manufacturer: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model_name: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model_number: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_name: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p2p_name: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_text")]
    uuid: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_text")]
    device_type: Option<DeviceType>,
}

/// The texts in the order of the fields, then the octets of UUID and device type.
type Packed = ([Option<ShortText>; 5], Option<[u8; 16]>, Option<[u8; 8]>);

impl Serialize for DeviceInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { manufacturer, model_name, model_number, device_name, p2p_name, uuid, device_type } =
            self.clone();
        if serializer.is_human_readable() {
            return Form { manufacturer, model_name, model_number, device_name, p2p_name, uuid, device_type }
                .serialize(serializer);
        }
        let texts = [manufacturer, model_name, model_number, device_name, p2p_name];
        (texts, uuid.map(|uuid| uuid.0), device_type.map(|device_type| device_type.0)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DeviceInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let Form { manufacturer, model_name, model_number, device_name, p2p_name, uuid, device_type } =
                Form::deserialize(deserializer)?;
            return Ok(Self {
                manufacturer,
                model_name,
                model_number,
                device_name,
                p2p_name,
                uuid,
                device_type,
            });
        }
        let (texts, uuid, device_type) = Packed::deserialize(deserializer)?;
        let [manufacturer, model_name, model_number, device_name, p2p_name] = texts;
        let (uuid, device_type) = (uuid.map(Uuid), device_type.map(DeviceType));
        Ok(Self { manufacturer, model_name, model_number, device_name, p2p_name, uuid, device_type })
    }
}

/// A value as its `Display` writes it.
mod as_text {
    use std::borrow::Cow;

    use serde::de::Error;

    use super::*;

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(T::to_string).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<Cow<'_, str>>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
