//! The device that a chat wants to follow or ignore, or does.

use dot11::MacAddr;
use store::event::{ChatId, DeviceKey, Person};
use store::state::{State, Subscription, Subscriptions, fold_case};

use crate::chat::model::lookup::which_device;
use crate::chat::model::phone::{phone_in_text, phone_label, phone_name};
use crate::chat::views::subscriptions as texts;

/// A device that a chat wants to follow or ignore.
pub(super) struct Meant<'a, V> {
    pub(super) device: DeviceKey,
    /// What it is now.
    pub(super) members: Vec<DeviceKey>,
    pub(super) shown: String,
    /// What the chat set for it, or for a part of it.
    pub(super) known: Vec<&'a Subscription<V>>,
}

impl<'a, V> Meant<'a, V> {
    pub(super) fn new(state: &State, device: DeviceKey, chat: ChatId, set: &'a Subscriptions<V>) -> Self {
        let members = state.members_of(&device);
        let of_chat = set.of(&members).into_iter().filter(|(by, _)| *by == chat);
        let known = of_chat.map(|(_, subscription)| subscription).collect();
        Self { shown: shown_device(state, &device), device, members, known }
    }

    /// Whether one subscription covers all that the device is.
    pub(super) fn is_covered(&self) -> bool {
        let covers = |one: &&Subscription<V>| self.members.iter().all(|member| one.members.contains(member));
        self.known.iter().any(covers)
    }
}

/// What an event must say of a device: its members, unless it is one.
pub(super) fn evidence(device: &DeviceKey, members: Vec<DeviceKey>) -> Vec<DeviceKey> {
    if *members == [device.clone()] { Vec::new() } else { members }
}

/// Who set a preference about a device that holds for a chat.
pub(super) enum PreferenceOwner {
    Nobody,
    /// The terminal, for all chats; it can only be undone there.
    TerminalOnly,
    /// The chat, and maybe the terminal too.
    Chat {
        /// A member of each of the chat's subscriptions.
        subscriptions: Vec<DeviceKey>,
        /// Who set each of them, as far as that is known.
        set_by: Vec<Option<Person>>,
        remaining: bool,
    },
}

/// Who set what holds for the device that the query means, and what that is called.
pub(super) fn found_subscription<V>(
    state: &State,
    set: &Subscriptions<V>,
    (chat, query): (ChatId, &str),
    set_by: impl Fn(&V) -> &Option<Person>,
) -> (PreferenceOwner, String) {
    let found = which_device(state, query).ok().and_then(|found| found.key());
    let Some(device) = found.or_else(|| phone_in_text(query, false).map(DeviceKey::Phone)) else {
        return (PreferenceOwner::Nobody, query.to_owned());
    };
    let mut members = state.members_of(&device);
    // What was set for an address holds, also if the address belongs to a phone or shares a name.
    members.extend(query.parse().ok().map(DeviceKey::Address));
    let meant = set.of(&members);
    let of = |by: ChatId| meant.iter().filter(move |(chat, _)| *chat == by).map(|(_, one)| &one.members);
    let from_terminal = chat != ChatId::TERMINAL && of(ChatId::TERMINAL).next().is_some();
    let subscriptions: Vec<DeviceKey> = of(chat).filter_map(|members| members.first().cloned()).collect();
    let shown = |by| shown_members(state, of(by).flatten());
    let of_chat = meant.iter().filter(|(by, _)| *by == chat);
    let set_by = of_chat.map(|(_, one)| set_by(&one.value).clone()).collect();
    match (subscriptions.is_empty(), from_terminal) {
        (false, remaining) => (PreferenceOwner::Chat { subscriptions, set_by, remaining }, shown(chat)),
        (true, true) => (PreferenceOwner::TerminalOnly, shown(ChatId::TERMINAL)),
        (true, false) => (PreferenceOwner::Nobody, query.to_owned()),
    }
}

/// The device's name or address.
pub(super) fn shown_device(state: &State, device: &DeviceKey) -> String {
    match device {
        DeviceKey::Address(address) => address.to_string(),
        DeviceKey::Name(name) => {
            let first: Option<MacAddr> = state.addresses_of(name).first().copied();
            first.and_then(|first| state.name_of(first)).unwrap_or(name).to_owned()
        }
        DeviceKey::Phone(phone) => phone_label(*phone),
    }
}

/// What the members of a subscription are called now: one name, if nobody gave them several.
pub(super) fn shown_members<'a>(state: &State, members: impl IntoIterator<Item = &'a DeviceKey>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for member in members {
        let one = match member {
            DeviceKey::Address(address) => state.name_of(*address).map(str::to_owned),
            DeviceKey::Phone(phone) => phone_name(state, *phone).map(str::to_owned),
            DeviceKey::Name(_) => None,
        };
        let one = one.unwrap_or_else(|| shown_device(state, member));
        if !shown.iter().any(|known| fold_case(known) == fold_case(&one)) {
            shown.push(one);
        }
    }
    texts::listed(&shown)
}
