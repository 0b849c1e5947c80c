//! Events: everything that changes state. What the fold depends on (a reason, the decision about an alert) travels in
//! the event.
//!
//! # JSON form
//! It is public: the log keeps it, and `probewatch decode` and exports print it.
//! - `type` is the first field and `time` the second. A [`Signature`](EventKind::Signature), a
//!   [`Lost`](EventKind::Lost) and an [`Omitted`](EventKind::Omitted) have no time.
//! - A field that the radio did not report is `null`.
//! - An SSID that is UTF-8 is in `ssid`, any other as hex digits in `ssid_hex`. In a probe, `""` is the wildcard and
//!   `null` a frame without an SSID element.
//! - A probe has `device_info` if its frame says something about the device ([`DeviceInfo`](dot11::DeviceInfo)). Its
//!   fields are absent if the frame does not have them.
//! - A probe has `ssid_list` and `short_ssids` if its frame asks for further networks, by name or by their Short SSIDs
//!   alone; each once.
//! - A probe has `not_before` if its sensor's clock was behind, as on a board without a battery after a start. Its
//!   `time` is then wrong; the frame was captured no earlier than `not_before`.
//!
//! [`push_event_fields`] writes the form and [`EventDecoder`] reads it, also as earlier versions wrote it.

mod alert;
mod chat_setting;
mod decode;
mod encode;
mod fields;
mod group_id;
mod ids;
mod listed_networks;
mod model;
mod pairing;
mod pattern;
mod probe;
mod proposed_change;
mod timestamp;

pub use alert::{AlertDecision, AlertOutcome, DeviceKey, LeaveDecision, StrangerReason};
pub use chat_setting::{ChatSetting, DailyHours, ParseDailyHoursError};
pub use decode::EventDecoder;
pub use encode::{push_event_fields, push_probe_fields};
pub(crate) use fields::{hex_bytes, optional_ssid_fields, ssid_fields};
pub use group_id::{GroupId, ParseGroupIdError};
pub use ids::{ChatId, MessageId, Offset};
pub use listed_networks::{ListedNetworks, SsidList};
pub use model::{Event, EventKind, EvictionScope, GroupingMode, NamedBy, Person, PhoneEvidence};
pub use pairing::{CodeHash, Role};
pub use pattern::Pattern;
pub use probe::Probe;
pub use proposed_change::ProposedChange;
pub use timestamp::Timestamp;

#[cfg(test)]
pub(crate) mod test_probes;
#[cfg(test)]
mod tests;
