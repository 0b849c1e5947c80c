//! A captured probe request, and its form for serde. [`push_probe_fields`](super::push_probe_fields) and
//! [`EventDecoder`](super::EventDecoder) are faster.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::alert::AlertDecision;
use super::fields::{from_hex, ssid_form};
use super::listed_networks::{ListedNetworks, SsidList};
use super::timestamp::Timestamp;
use dot11::{DeviceInfo, MacAddr, ProbeRequest, RequestedSsid, ShortSsid, Signature, Ssid, measured_dbm};

/// A probe request as one sensor captured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// When the frame was captured, by the sensor's clock.
    pub time: Timestamp,
    /// The name of the source: an interface or a file.
    pub sensor: Arc<str>,
    /// The sender's address.
    pub source: MacAddr,
    /// The network that the frame's SSID element asks for.
    pub ssid: RequestedSsid,
    /// Those that its lists ask for.
    pub listed: Option<Box<ListedNetworks>>,
    /// The signal at the receiver in dBm, if one is known. In events of earlier versions it may be a level that no
    /// receiver measures ([`measured_dbm`]); such an event is read as one without a signal.
    pub signal_dbm: Option<i8>,
    /// The centre frequency of the channel in MHz.
    pub frequency_mhz: Option<u16>,
    /// The frame's sequence number, 0 to 4095.
    pub sequence: u16,
    /// Identifies the frame's information elements.
    pub signature: Signature,
    /// What the device says about itself, if the frame has it. Devices of one signature differ in it.
    pub device_info: Option<Box<DeviceInfo>>,
    /// A lower bound of the true time, if the sensor's clock was known to be behind.
    pub not_before: Option<Timestamp>,
    /// The decisions about alerts, one or two for each chat that watches the SSID or follows the device.
    pub alerts: Vec<AlertDecision>,
}

impl Probe {
    /// The probe of a frame, without decisions about alerts yet.
    pub fn new(sensor: Arc<str>, time: Timestamp, frame: ProbeRequest<'_>) -> Self {
        Self {
            time,
            sensor,
            source: frame.source,
            ssid: frame.ssid,
            listed: ListedNetworks::of(frame.elements),
            signal_dbm: frame.signal_dbm,
            frequency_mhz: frame.frequency_mhz,
            sequence: frame.sequence,
            signature: frame.signature,
            device_info: DeviceInfo::of(frame.elements).map(Box::new),
            not_before: None,
            alerts: Vec::new(),
        }
    }

    /// A probe for tests.
    #[doc(hidden)]
    pub fn example(source: MacAddr, ssid: RequestedSsid, micros: i64) -> Self {
        Self {
            time: Timestamp::from_micros(micros),
            sensor: Arc::from("mon0"),
            source,
            ssid,
            listed: None,
            signal_dbm: None,
            frequency_mhz: None,
            sequence: 0,
            signature: Signature::from_u64(0),
            device_info: None,
            not_before: None,
            alerts: Vec::new(),
        }
    }

    /// The probe as it counts: at its [`Probe::corrected_time`], and without a signal that no receiver measures.
    pub(crate) fn as_counted(&self) -> Cow<'_, Self> {
        let signal_dbm = self.signal_dbm.and_then(measured_dbm);
        if self.not_before.is_none() && self.signal_dbm == signal_dbm {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self { time: self.corrected_time(), signal_dbm, ..self.clone() })
    }

    /// The names of the networks that it asks for, each once: first that of the SSID element, then those of the list.
    pub fn names(&self) -> impl Iterator<Item = Cow<'_, Ssid>> {
        let own = self.ssid.named();
        let listed = self.listed().filter_map(move |requested| match requested {
            RequestedSsid::Named(ssid) if !ssid.is_hidden() && own != Some(&ssid) => Some(Cow::Owned(ssid)),
            _ => None,
        });
        own.map(Cow::Borrowed).into_iter().chain(listed)
    }

    /// Whether it asks for any network, alone or among others.
    pub fn is_wildcard(&self) -> bool {
        self.ssid == RequestedSsid::Wildcard || self.listed().any(|ssid| ssid == RequestedSsid::Wildcard)
    }

    /// Whether it asks for a hidden network, alone or among others ([`Ssid::is_hidden`]).
    pub fn is_hidden(&self) -> bool {
        self.ssid.is_hidden() || self.listed().any(|ssid| ssid.is_hidden())
    }

    /// The Short SSIDs of networks that it does not name.
    pub fn short_ssids(&self) -> &[ShortSsid] {
        self.listed.as_deref().map_or(&[], |listed| &listed.short_ssids)
    }

    fn listed(&self) -> impl Iterator<Item = RequestedSsid> {
        self.listed.iter().flat_map(|listed| listed.ssids.iter()).map(RequestedSsid::from_element)
    }

    /// When the frame was captured, corrected for a clock that was wrong.
    pub fn corrected_time(&self) -> Timestamp {
        self.not_before.map_or(self.time, |not_before| not_before.max(self.time))
    }
}

#[derive(Serialize, Deserialize)]
struct ProbeForm<'a> {
    time: Timestamp,
    #[serde(borrow)]
    sensor: Cow<'a, str>,
    source: MacAddr,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    ssid: Option<Option<Cow<'a, str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ssid_hex: Option<String>,
    signal_dbm: Option<i8>,
    frequency_mhz: Option<u16>,
    sequence: u16,
    signature: Signature,
    #[serde(default, skip_serializing_if = "SsidList::is_empty")]
    ssid_list: SsidList,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    short_ssids: Vec<ShortSsid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_info: Option<Cow<'a, DeviceInfo>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    alerts: Cow<'a, [AlertDecision]>,
}

impl Serialize for Probe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (ssid, ssid_hex) = match &self.ssid {
            RequestedSsid::Absent => (Some(None), None),
            RequestedSsid::Wildcard => (Some(Some(Cow::Borrowed(""))), None),
            RequestedSsid::Named(ssid) => ssid_form(ssid),
        };
        ProbeForm {
            time: self.time,
            sensor: Cow::Borrowed(&self.sensor),
            source: self.source,
            ssid,
            ssid_hex,
            signal_dbm: self.signal_dbm,
            frequency_mhz: self.frequency_mhz,
            sequence: self.sequence,
            signature: self.signature,
            ssid_list: self.listed.as_ref().map(|listed| listed.ssids.clone()).unwrap_or_default(),
            short_ssids: self.short_ssids().to_vec(),
            device_info: self.device_info.as_deref().map(Cow::Borrowed),
            not_before: self.not_before,
            alerts: Cow::Borrowed(&self.alerts),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Probe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = ProbeForm::deserialize(deserializer)?;
        let ssid = match (form.ssid.flatten(), form.ssid_hex) {
            (None, None) => RequestedSsid::Absent,
            (Some(text), None) => RequestedSsid::from_element(text.as_bytes()),
            (None, Some(digits)) => RequestedSsid::Named(from_hex(&digits)?),
            (Some(_), Some(_)) => return Err(de::Error::custom("both `ssid` and `ssid_hex` are given")),
        };
        Ok(Self {
            time: form.time,
            sensor: Arc::from(form.sensor.as_ref()),
            source: form.source,
            ssid,
            listed: ListedNetworks::new(form.ssid_list.iter(), form.short_ssids.into_iter()),
            signal_dbm: form.signal_dbm.and_then(measured_dbm),
            frequency_mhz: form.frequency_mhz,
            sequence: form.sequence,
            signature: form.signature,
            device_info: form.device_info.map(|info| Box::new(info.into_owned())),
            not_before: form.not_before,
            alerts: form.alerts.into_owned(),
        })
    }
}
