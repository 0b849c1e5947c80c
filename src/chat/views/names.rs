//! What is said of the names of devices.

use super::usage_error::sentence;
use crate::chat::commands::UsageError;
use crate::dot11::MacAddr;
use crate::text::format::counted;
use crate::text::{Text, printable};

/// What stands in the empty field for a device's name.
pub(in crate::chat) const NAME_FIELD: &str = "Name";

const QUESTION: [&str; 2] = ["✏️ What is ", " to be called? Reply to this message with its name."];

/// Asks for a device's name. The reply to it is all that is needed to give it.
pub(in crate::chat) fn name_question(address: MacAddr) -> Text {
    let [before, behind] = QUESTION;
    Text::plain(before).code(address).then(behind)
}

/// Why a name does not serve, and the question again.
pub(in crate::chat) fn name_refused(address: MacAddr, error: &UsageError) -> Text {
    Text::plain(format_args!("❌ {}\n", sentence(error))).join(name_question(address))
}

/// The device whose name this text asks for.
pub(in crate::chat) fn asked_to_name(question: &str) -> Option<MacAddr> {
    let [before, behind] = QUESTION;
    question.trim().lines().last()?.strip_prefix(before)?.strip_suffix(behind)?.parse().ok()
}

pub(in crate::chat) fn named(address: MacAddr, name: &str, others: usize) -> Text {
    let text = Text::plain("✏️ ").code(address).then(format_args!(" is now called {}.", printable(name)));
    match others {
        0 => text,
        count => text.then(format_args!(
            "\nIts statistics are counted together with {} of that name.",
            counted(count as u64, "other address", "other addresses")
        )),
    }
}

pub(in crate::chat) fn unnamed(address: MacAddr, left: Option<&str>) -> Text {
    let text = Text::plain("✏️ ").code(address);
    match left {
        Some(name) => text.then(format_args!(" goes by its earlier name again: {}.", printable(name))),
        None => text.then(" has no name any more."),
    }
}

pub(in crate::chat) fn had_no_name(address: MacAddr) -> Text {
    Text::plain("❌ ").code(address).then(" has no name. /name gives it one.")
}

pub(in crate::chat) fn named_by_configuration(address: MacAddr, name: &str) -> Text {
    Text::plain("❌ ").code(address).then(format_args!(
        " is called {} by the configuration's [devices]. Take the name away there, or give another with /name.",
        printable(name)
    ))
}

pub(in crate::chat) fn named_by_import(address: MacAddr, name: &str) -> Text {
    Text::plain("❌ ").code(address).then(format_args!(
        " is called {} by an imported file. Give it another name with /name.",
        printable(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_says_who_is_meant() {
        let address = "a4:83:e7:4e:39:15".parse().unwrap();
        assert_eq!(asked_to_name(&name_question(address).to_string()), Some(address));
        let refused = name_refused(address, &UsageError::MissingAddress).to_string();
        assert_eq!(asked_to_name(&refused), Some(address));
        for text in [
            "",
            "✏️ What is ",
            "✏️ What is x to be called? Reply to this message with its name.",
            "a4:83:e7:4e:39:15",
        ] {
            assert_eq!(asked_to_name(text), None, "{text}");
        }
    }
}
