//! Names of devices.

use dot11::MacAddr;

use super::usage_error::sentence;
use crate::chat::commands::UsageError;
use crate::text::format::pluralize;
use crate::text::{Text, printable};

/// The placeholder of the input field for a name.
pub(in crate::chat) const NAME_FIELD: &str = "Name";

const QUESTION: [&str; 2] = ["✏️ Reply with a name for ", "."];

/// The question of earlier versions: it stays in people's chats, and a reply to it still names the device.
const OLD_QUESTION: [&str; 2] = ["✏️ What is ", " to be called? Reply to this message with its name."];

/// Asks for a device's name. A reply to this message names the device: the text carries its address.
pub(in crate::chat) fn name_question(address: MacAddr) -> Text {
    let [before, behind] = QUESTION;
    Text::plain(before).code(address).append(behind)
}

/// Why a name is invalid, and the question again.
pub(in crate::chat) fn name_refused(address: MacAddr, error: &UsageError) -> Text {
    Text::plain(format_args!("❌ {}\n", sentence(error))).append_text(name_question(address))
}

/// The device that this question is about.
pub(in crate::chat) fn asked_to_name(question: &str) -> Option<MacAddr> {
    let question = question.trim().lines().last()?;
    [QUESTION, OLD_QUESTION]
        .iter()
        .find_map(|[before, behind]| question.strip_prefix(before)?.strip_suffix(behind)?.parse().ok())
}

pub(in crate::chat) fn named(address: MacAddr, name: &str, others: usize) -> Text {
    let text = Text::plain("✏️ ").code(address).append(format_args!(" is now called {}.", printable(name)));
    match others {
        0 => text,
        count => text.append(format_args!(
            "\nIt is counted as one device with {} of that name.",
            pluralize(count as u64, "other address", "other addresses")
        )),
    }
}

pub(in crate::chat) fn unnamed(address: MacAddr, left: Option<&str>) -> Text {
    let text = Text::plain("✏️ ").code(address);
    match left {
        Some(name) => text.append(format_args!(" has its earlier name again: {}.", printable(name))),
        None => text.append(" no longer has a name."),
    }
}

pub(in crate::chat) fn had_no_name(address: MacAddr) -> Text {
    Text::plain("❌ ").code(address).append(" has no name. Use /name to give it one.")
}

pub(in crate::chat) fn named_by_configuration(address: MacAddr, name: &str) -> Text {
    Text::plain("❌ ").code(address).append(format_args!(
        " gets its name {} from [devices] in the configuration. Remove it there, or use /name to change it.",
        printable(name)
    ))
}

pub(in crate::chat) fn named_by_import(address: MacAddr, name: &str) -> Text {
    Text::plain("❌ ").code(address).append(format_args!(
        " gets its name {} from an imported file. Use /name to change it.",
        printable(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_carries_the_address() {
        let address = "a4:83:e7:4e:39:15".parse().unwrap();
        assert_eq!(asked_to_name(&name_question(address).to_string()), Some(address));
        let refused = name_refused(address, &UsageError::MissingAddress).to_string();
        assert_eq!(asked_to_name(&refused), Some(address));
        let old = format!("✏️ What is {address} to be called? Reply to this message with its name.");
        assert_eq!(asked_to_name(&old), Some(address));
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
