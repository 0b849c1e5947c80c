//! Phones: what is known of them, and which addresses belong to them.
//!
//! A group of random addresses is a guess. Each text says so, and none counts more phones than are known.

use chrono_tz::Tz;
use dot11::MacAddr;
use store::event::{GroupId, GroupingMode, Timestamp};
use store::state::{JoinReason, OUT_OF_RANGE};

use super::card_part::{SHOWN_OPEN, open_or_details};
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::phone::{PhoneReport, phone_label};
use crate::text::Text;
use crate::text::document::{Column, Document, List, Table};
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

/// The facts of a card about the visits.
pub(super) fn visits(facts: Table, phone: &PhoneReport, now: Timestamp, zone: Tz) -> Table {
    let facts = match now.abs_diff(phone.last) <= OUT_OF_RANGE {
        true => facts.fact("In range since", time_and_age(phone.visit, now, zone)),
        false if phone.visit == phone.last => facts.fact("Last visit", time_and_age(phone.last, now, zone)),
        false => {
            let visit = Text::plain("from ")
                .append_text(shown_time(phone.visit, zone))
                .append(" to ")
                .append_text(time_of_event(phone.last, now, zone));
            facts.fact("Last visit", visit)
        }
    };
    match phone.visit_count {
        0 | 1 => facts,
        count => facts.fact("Visits that I recognised", Text::plain(count)),
    }
}

/// The part of a card about the addresses, and how many phones they are.
pub(super) fn addresses(phone: &PhoneReport, is_named: bool) -> Document {
    let summary = Text::plain(format_args!("Random addresses: {}, newest first", phone.address_count));
    let items = phone
        .addresses
        .iter()
        .map(|(address, why)| Text::default().code(address).append(format_args!(" ({})", reason(*why))));
    let further = phone.address_count.saturating_sub(phone.addresses.len() as u64);
    let list = List::of(items).and_further(further).classic_limit(ADDRESSES_SHOWN);
    let is_long = phone.addresses.len() > SHOWN_OPEN;
    open_or_details(summary, Document::default().list(list), is_long)
        .paragraph(Text::plain(how_many(phone, is_named)))
}

/// The part of a card about phones that share a name.
pub(super) fn namesakes(phones: &[PhoneReport], now: Timestamp) -> Document {
    let items = phones.iter().map(|phone| {
        let addresses = pluralize(phone.address_count, "random address", "random addresses");
        Text::default()
            .code(phone_label(phone.id))
            .append(format_args!(": {addresses}, last seen "))
            .append_text(age(phone.last, now))
    });
    let list = List::of(items).classic_limit(PHONES_SHOWN);
    let is_long = phones.len() > SHOWN_OPEN;
    open_or_details(Text::plain("Phones of this name:"), Document::default().list(list), is_long)
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
    let question = Text::plain(format_args!(
        "✂️ Which of these addresses of {} belongs to another device?",
        phone_label(phone)
    ));
    let columns = [Column::text("Address"), Column::text("Why it belongs to it"), Column::text("Last seen")];
    let table = addresses.iter().fold(Table::new(columns), |table, (address, why, last)| {
        let address = Text::default().code(address);
        let line = address.clone().append(format_args!(": {}", reason(*why)));
        let (line, last) = match last.map(|last| age(last, now)) {
            Some(last) => (line.append(", seen ").append_text(last.clone()), last),
            None => (line, Text::default()),
        };
        table.row_as([address, Text::plain(reason(*why)), last], line)
    });
    let buttons = addresses.iter().filter_map(|(address, ..)| {
        Some(vec![Callback::SplitPhone(phone, *address).button(format!("✂️ {address}"))?.danger()])
    });
    let document = Document::default().paragraph(question).table(table);
    Reply { buttons: buttons.collect(), ..Reply::from(document) }
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
