//! Names of devices.

use dot11::MacAddr;

use store::event::{GroupId, GroupingMode};

use super::phones::caveat;
use super::usage_error::sentence;
use crate::chat::callbacks::Callback;
use crate::chat::commands::UsageError;
use crate::chat::message::Reply;
use crate::chat::model::phone::{NamedDevice, phone_in_text, phone_label};
use crate::text::format::pluralize;
use crate::text::{Text, foreign};

/// The placeholder of the input field for a name.
pub(in crate::chat) const NAME_FIELD: &str = "Name";

const QUESTION: [&str; 2] = ["✏️ Reply with a name for ", "."];

/// The question of earlier versions: it stays in people's chats, and a reply to it still names the device.
const OLD_QUESTION: [&str; 2] = ["✏️ What is ", " to be called? Reply to this message with its name."];

/// Asks for a device's name. A reply to this message names the device: the text carries its address, or its phone.
pub(in crate::chat) fn name_question(device: NamedDevice) -> Text {
    let [before, behind] = QUESTION;
    let text = Text::plain(before);
    let text = match device {
        NamedDevice::Address(address) => text.code(address),
        NamedDevice::Phone(phone) => text.code(phone_label(phone)),
    };
    text.append(behind)
}

/// Why a name is invalid, and the question again.
pub(in crate::chat) fn name_refused(device: NamedDevice, error: &UsageError) -> Text {
    Text::plain(format_args!("❌ {}\n", sentence(error))).append_text(name_question(device))
}

/// The device that this question is about.
pub(in crate::chat) fn asked_to_name(question: &str) -> Option<NamedDevice> {
    let question = question.trim().lines().last()?;
    [QUESTION, OLD_QUESTION].iter().find_map(|[before, behind]| {
        let device = question.strip_prefix(before)?.strip_suffix(behind)?;
        let address = device.parse().ok().map(NamedDevice::Address);
        address.or_else(|| phone_in_text(device, false).map(NamedDevice::Phone))
    })
}

pub(in crate::chat) fn named(address: MacAddr, name: &str, others: usize) -> Text {
    let text = Text::plain("✏️ ").code(address).append(format_args!(" is now called {}.", foreign(name)));
    match others {
        0 => text,
        count => text.append(format_args!(
            "\nIt is counted as one device with {} of that name.",
            pluralize(count as u64, "other address", "other addresses")
        )),
    }
}

/// As [`named`], of a phone.
pub(in crate::chat) fn named_phone(
    phone: GroupId,
    name: &str,
    others: usize,
    (mode, is_distinguishable): (GroupingMode, bool),
) -> Text {
    let text = Text::plain(format_args!("✏️ {} is now called {}.", capitalized(phone), foreign(name)));
    let text = match others {
        0 => text,
        count => text.append(format_args!(
            "\nIt is counted as one device with {} of that name.",
            pluralize(count as u64, "other address", "other addresses")
        )),
    };
    text.append_text(caveat(mode, is_distinguishable))
}

/// The reply to a name which the chat follows or ignores with other addresses, with buttons to have this one covered
/// too.
pub(in crate::chat) fn with_offers(text: Text, address: MacAddr, follow: bool, ignore: bool) -> Reply {
    let text = match (follow, ignore) {
        (false, false) => return text.into(),
        (true, false) => text.append("\nThis chat follows the others of that name, but not yet this one."),
        (false, true) => text.append("\nThis chat ignores the others of that name, but not yet this one."),
        (true, true) => {
            text.append("\nThis chat follows and ignores the others of that name, but not yet this one.")
        }
    };
    let follow = follow.then(|| Callback::Follow(address).button("🚶 Also follow this one"));
    let ignore = ignore.then(|| Callback::Ignore(address).button("🙈 Also ignore this one"));
    let buttons = [follow, ignore].into_iter().flatten().flatten().map(|button| vec![button]).collect();
    Reply { text, buttons, ..Reply::default() }
}

pub(in crate::chat) fn unnamed_phone(phone: GroupId) -> Text {
    Text::plain(format_args!("✏️ {} no longer has a name.", capitalized(phone)))
}

pub(in crate::chat) fn phone_had_no_name(phone: GroupId) -> Text {
    Text::plain(format_args!("❌ {} has no name. Use /name to give it one.", capitalized(phone)))
}

pub(in crate::chat) fn no_such_phone(phone: GroupId) -> Text {
    Text::plain(format_args!(
        "❌ I know no {}, or no longer. Use /devices to list the phones that I know.",
        phone_label(phone)
    ))
}

fn capitalized(phone: GroupId) -> String {
    format!("Phone {phone}")
}

pub(in crate::chat) fn unnamed(address: MacAddr, left: Option<&str>) -> Text {
    let text = Text::plain("✏️ ").code(address);
    match left {
        Some(name) => text.append(format_args!(" has its earlier name again: {}.", foreign(name))),
        None => text.append(" no longer has a name."),
    }
}

pub(in crate::chat) fn had_no_name(address: MacAddr) -> Text {
    Text::plain("❌ ").code(address).append(" has no name. Use /name to give it one.")
}

pub(in crate::chat) fn named_by_configuration(address: MacAddr, name: &str) -> Text {
    Text::plain("❌ ").code(address).append(format_args!(
        " gets its name {} from [devices] in the configuration. Remove it there, or use /name to change it.",
        foreign(name)
    ))
}

pub(in crate::chat) fn named_by_import(address: MacAddr, name: &str) -> Text {
    Text::plain("❌ ").code(address).append(format_args!(
        " gets its name {} from an imported file. Use /name to change it.",
        foreign(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_carries_the_device() {
        let address: MacAddr = "a4:83:e7:4e:39:15".parse().unwrap();
        for device in [NamedDevice::Address(address), NamedDevice::Phone(GroupId(0x3f))] {
            assert_eq!(asked_to_name(&name_question(device).to_string()), Some(device));
            let refused = name_refused(device, &UsageError::MissingAddress).to_string();
            assert_eq!(asked_to_name(&refused), Some(device));
        }
        let old = format!("✏️ What is {address} to be called? Reply to this message with its name.");
        assert_eq!(asked_to_name(&old), Some(NamedDevice::Address(address)));
        for text in [
            "",
            "✏️ What is ",
            "✏️ Reply with a name for x.",
            "✏️ What is x to be called? Reply to this message with its name.",
            "a4:83:e7:4e:39:15",
        ] {
            assert_eq!(asked_to_name(text), None, "{text}");
        }
    }
}
