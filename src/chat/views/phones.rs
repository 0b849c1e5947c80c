//! Phones: what is known of them, and which addresses belong to them.
//!
//! A group of random addresses is a guess. Each text says so, and none counts more phones than are known.

use chrono_tz::Tz;
use dot11::MacAddr;
use store::event::{GroupId, GroupingMode, Timestamp};
use store::state::{JoinReason, OUT_OF_RANGE};

use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::phone::{PhoneReport, phone_label};
use crate::text::Text;
use crate::text::format::{age, pluralize, shown_time, time_and_age, time_of_event};

/// Addresses that a card lists.
const ADDRESSES_SHOWN: usize = 10;

/// Phones of one name that a card lists.
const PHONES_SHOWN: usize = 10;

/// Why an address belongs to its phone.
fn reason(reason: JoinReason) -> &'static str {
    match reason {
        JoinReason::First => "the first one",
        JoinReason::SequenceContinued => "its sequence numbers continued",
        JoinReason::SameModel => "same model, nothing tells it apart",
        JoinReason::SequenceAlternated => "its sequence numbers alternated with another phone's",
        JoinReason::OwnNetwork => "a network only it looks for",
        JoinReason::Person => "you said so",
        JoinReason::SameNetwork => "its model fits, and it looks for the same network",
        JoinReason::OtherModel => "a model that this phone sends too, nothing tells it apart",
    }
}

/// The lines of a card about the visits.
pub(super) fn visits(phone: &PhoneReport, now: Timestamp, zone: Tz) -> Text {
    let text = match now.abs_diff(phone.last) <= OUT_OF_RANGE {
        true => Text::plain("\nIn range since: ").append_text(time_and_age(phone.visit, now, zone)),
        false if phone.visit == phone.last => {
            Text::plain("\nLast visit: ").append_text(time_and_age(phone.last, now, zone))
        }
        false => Text::plain("\nLast visit: from ")
            .append_text(shown_time(phone.visit, zone))
            .append(" to ")
            .append_text(time_of_event(phone.last, now, zone)),
    };
    match phone.visit_count {
        0 | 1 => text,
        count => text.append(format_args!("\nVisits that I recognised: {count}")),
    }
}

/// The lines of a card about the addresses, and how many phones they are.
pub(super) fn addresses(phone: &PhoneReport, is_named: bool) -> Text {
    let text = Text::plain(format_args!("\nRandom addresses: {}, newest first", phone.address_count));
    let shown = phone.addresses.iter().take(ADDRESSES_SHOWN);
    let text = shown.fold(text, |text, (address, why)| {
        text.append("\n• ").code(address).append(format_args!(" ({})", reason(*why)))
    });
    let text = match phone.address_count.saturating_sub(ADDRESSES_SHOWN as u64) {
        0 => text,
        more => text.append(format_args!("\n… and {more} more")),
    };
    text.append("\n").append(how_many(phone, is_named))
}

/// The lines of a card about phones that share a name.
pub(super) fn namesakes(phones: &[PhoneReport], now: Timestamp) -> Text {
    let head = Text::plain("\nPhones of this name:");
    phones
        .iter()
        .take(PHONES_SHOWN)
        .fold(head, |text, phone| {
            let addresses = pluralize(phone.address_count, "random address", "random addresses");
            text.append("\n• ")
                .code(phone_label(phone.id))
                .append(format_args!(": {addresses}, last seen "))
                .append_text(age(phone.last, now))
        })
        .append(match phones.len().saturating_sub(PHONES_SHOWN) {
            0 => String::new(),
            more => format!("\n… and {more} more"),
        })
}

/// How many phones a group is, as far as is known.
fn how_many(phone: &PhoneReport, is_named: bool) -> String {
    match phone {
        PhoneReport { at_least: at_least @ 2.., .. } if is_named => {
            format!("At least {at_least} phones of this model share this name: nothing tells them apart.")
        }
        PhoneReport { at_least: at_least @ 2.., .. } => {
            format!("At least {at_least} phones of this model, which cannot be told apart.")
        }
        PhoneReport { address_count: 0 | 1, .. } => {
            "Phones change random addresses; with its next one it may be taken for another phone.".to_owned()
        }
        PhoneReport { is_distinguishable: true, .. } => "Probably one phone, but that is a guess.".to_owned(),
        PhoneReport { is_distinguishable: false, .. } => {
            "One or more phones of this model: nothing tells them apart.".to_owned()
        }
    }
}

/// How well a phone is recognised.
pub(in crate::chat) fn caveat(mode: GroupingMode, is_distinguishable: bool) -> Text {
    let text = Text::plain("\nIt uses random addresses: I recognise it while it is in range. ").append(match mode {
        GroupingMode::Returns => {
            "If it leaves and comes back with another address, I know it only by a network that nobody else looks for."
        }
        GroupingMode::Off | GroupingMode::InRange => {
            "If it leaves and comes back with another address, I may not know it."
        }
    });
    match is_distinguishable {
        true => text,
        false => text.append(" I cannot tell it apart from other phones of its model."),
    }
}

/// Which of these addresses is of another device? Each with why it belongs to the phone, and its last probe.
pub(in crate::chat) fn choice(
    phone: GroupId,
    addresses: &[(MacAddr, JoinReason, Option<Timestamp>)],
    now: Timestamp,
) -> Reply {
    let head = Text::plain(format_args!(
        "✂️ Which of these addresses of {} belongs to another device?",
        phone_label(phone)
    ));
    let text = addresses.iter().fold(head, |text, (address, why, last)| {
        let text = text.append("\n• ").code(address).append(format_args!(": {}", reason(*why)));
        match last {
            Some(last) => text.append(", seen ").append_text(age(*last, now)),
            None => text,
        }
    });
    let buttons = addresses.iter().filter_map(|(address, ..)| {
        Some(vec![Callback::SplitPhone(phone, *address).button(format!("✂️ {address}"))?.danger()])
    });
    Reply { text, buttons: buttons.collect(), ..Reply::default() }
}

/// An address was taken out of a phone. It is of the phone `now`.
pub(in crate::chat) fn split(phone: GroupId, address: MacAddr, now: Option<GroupId>) -> Reply {
    let phone = phone_label(phone);
    let text = Text::plain("✂️ ").code(address).append(format_args!(" no longer belongs to {phone}. "));
    let text = match now {
        Some(now) => text.append(format_args!("It is {} from now on. ", phone_label(now))),
        None => text,
    };
    let text = text.append("I will not group the two again.");
    let card = Callback::Card(address).button("📇 Card");
    Reply { text, buttons: card.map(|card| vec![card]).into_iter().collect(), ..Reply::default() }
}

/// An address cannot be taken out of a phone, because too much was.
pub(in crate::chat) fn too_many_splits(phone: GroupId, address: MacAddr) -> Text {
    let text = Text::plain("✂️ ").code(address).append(format_args!(" stays with {}: ", phone_label(phone)));
    text.append(
        "I keep such decisions for ever, and here there is no room for another. To tell its devices apart, give the \
         addresses that you know names of their own with /name.",
    )
}

pub(in crate::chat) fn has_one_address(phone: GroupId) -> Text {
    Text::plain(format_args!(
        "✂️ I know only one address of {}, so there is nothing to separate.",
        phone_label(phone)
    ))
}

pub(in crate::chat) fn no_longer_grouped(address: MacAddr) -> Text {
    Text::plain("✂️ ").code(address).append(" belongs to no phone that I still know.")
}

pub(in crate::chat) fn not_of_phone(phone: GroupId, address: MacAddr) -> Text {
    Text::plain("✂️ ").code(address).append(format_args!(" does not belong to {}.", phone_label(phone)))
}

/// How many addresses a phone used, as a list shows it.
pub(super) fn used_addresses(count: usize) -> String {
    pluralize(count as u64, "address", "addresses")
}
