//! What inline mode offers: the card of a device, to be sent in any chat.

use chrono_tz::Tz;
use store::event::Timestamp;

use super::card::device_reply;
use crate::chat::message::{InlineCard, Reply};
use crate::chat::model::lookup::{DeviceReport, LookupResult};
use crate::text::format::{age, pluralize};
use crate::text::printable;

/// The longest title, in characters.
const TITLE_LENGTH: usize = 64;

/// The card of a device, with a title and a line that a person sees before it is sent. It has no buttons, since they would
/// act in a chat that may have no access.
pub(in crate::chat) fn inline_card(report: Box<DeviceReport>, now: Timestamp, zone: Tz) -> InlineCard {
    let title = printable(&report.title()).chars().take(TITLE_LENGTH).collect();
    let device = &report.device;
    let signal = device.signal.map(|signal| format!(", {} dBm", signal.last_dbm)).unwrap_or_default();
    let seen = age(device.last_probe, now);
    let probes = pluralize(device.probe_count, "probe", "probes");
    let description = format!("Last seen {seen}{signal}, {probes}");
    let card = device_reply(&LookupResult::Device(report), now, zone);
    InlineCard { title, description, card: Reply { buttons: Vec::new(), ..card } }
}
