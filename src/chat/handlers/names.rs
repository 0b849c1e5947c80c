//! Names of devices.

use dot11::MacAddr;
use store::event::{ChatId, DeviceKey, Event, EventKind, GroupId, NamedBy};
use store::state::{State, fold_case};

use crate::chat::model::phone::{NamedDevice, addresses_of_phone, keep_phone, phone_name};
use crate::chat::{Chat, Reply, views};
use crate::text::Text;

impl Chat {
    /// The question for the name of an address, or of the phone that it belongs to.
    pub(in crate::chat) fn name_question(&self, address: MacAddr) -> Text {
        let device = NamedDevice::Address(address);
        let phone = device.phone(&self.recorder.state());
        views::name_question(phone.map_or(device, NamedDevice::Phone))
    }

    pub(in crate::chat) async fn name(
        &self,
        chat: ChatId,
        device: NamedDevice,
        name: String,
        update: Option<u32>,
    ) -> Reply {
        let phone = device.phone(&self.recorder.state());
        match (phone, device) {
            (Some(phone), _) => self.name_phone(chat, phone, name, update).await,
            (None, NamedDevice::Address(address)) => self.name_address(chat, address, name, update).await,
            (None, NamedDevice::Phone(phone)) => views::no_such_phone(phone).into(),
        }
    }

    async fn name_address(&self, chat: ChatId, address: MacAddr, name: String, update: Option<u32>) -> Reply {
        let done = {
            let state = self.recorder.state();
            let namesakes = state.addresses_of(&name);
            let others = namesakes.iter().filter(|other| **other != address).count();
            let text = views::named(address, &name, others);
            with_offers(text, &state, chat, &name, &DeviceKey::Address(address))
        };
        let event = Event::new(self.recorder.now(), EventKind::Name { address, name, by: NamedBy::Chat });
        self.change_all(vec![event], update).await.map_or_else(Reply::from, |()| done)
    }

    async fn name_phone(&self, chat: ChatId, phone: GroupId, name: String, update: Option<u32>) -> Reply {
        let (kept, done) = {
            let state = self.recorder.state();
            let namesakes = state.addresses_of(&name);
            let others =
                namesakes.iter().filter(|other| state.grouping().phone_of(**other) != Some(phone)).count();
            let grouping = state.grouping();
            let model = grouping.group(phone).map(|group| group.model);
            let is_distinguishable = model.is_some_and(|model| grouping.continues_counters(model));
            let text = views::named_phone(phone, &name, others, (grouping.mode(), is_distinguishable));
            let done = with_offers(text, &state, chat, &name, &DeviceKey::Phone(phone));
            (keep_phone(&state, phone, Some(name)), done)
        };
        let Some(kind) = kept else { return views::no_such_phone(phone).into() };
        let event = Event::new(self.recorder.now(), kind);
        self.change_all(vec![event], update).await.map_or_else(Reply::from, |()| done)
    }

    pub(in crate::chat) async fn unname(&self, device: NamedDevice, update: Option<u32>) -> Text {
        let phone = device.phone(&self.recorder.state());
        match (phone, device) {
            (Some(phone), _) => self.unname_phone(phone, update).await,
            (None, NamedDevice::Address(address)) => self.unname_address(address, update).await,
            (None, NamedDevice::Phone(phone)) => views::no_such_phone(phone),
        }
    }

    async fn unname_phone(&self, phone: GroupId, update: Option<u32>) -> Text {
        let kept = {
            let state = self.recorder.state();
            match (phone_name(&state, phone), keep_phone(&state, phone, None)) {
                (_, None) => return views::no_such_phone(phone),
                (None, _) => return views::phone_had_no_name(phone),
                (Some(_), Some(kept)) => kept,
            }
        };
        let done = views::unnamed_phone(phone);
        self.change(Event::new(self.recorder.now(), kept), update, done).await
    }

    async fn unname_address(&self, address: MacAddr, update: Option<u32>) -> Text {
        let name = self.recorder.state().names().get(address).cloned().unwrap_or_default();
        match (name.chat, name.config) {
            (Some(_), configured) => {
                let done = views::unnamed(address, configured.or(name.import).as_deref());
                let event = Event::new(self.recorder.now(), EventKind::Unname { address, by: NamedBy::Chat });
                self.change(event, update, done).await
            }
            (None, Some(name)) => views::named_by_configuration(address, &name),
            (None, None) => match name.import {
                Some(name) => views::named_by_import(address, &name),
                None => views::had_no_name(address),
            },
        }
    }
}

/// The reply to a name. What the chat follows or ignores by that name does not cover the newly named `member`: where it
/// may, a button offers it.
fn with_offers(text: Text, state: &State, chat: ChatId, name: &str, member: &DeviceKey) -> Reply {
    let address = match member {
        DeviceKey::Address(address) => Some(*address),
        DeviceKey::Phone(phone) => addresses_of_phone(state, *phone).first().map(|(address, _)| *address),
        DeviceKey::Name(_) => None,
    };
    let Some(address) = address else { return text.into() };
    let namesakes = state.members_of(&DeviceKey::Name(fold_case(name)));
    let (follows, ignored) = (state.follows(), state.mutes().ignored());
    let follow =
        follows.of(&namesakes).iter().any(|(by, _)| *by == chat) && follows.get(member, chat).is_none();
    let ignore =
        ignored.of(&namesakes).iter().any(|(by, _)| *by == chat) && ignored.get(member, chat).is_none();
    views::with_offers(text, address, follow, ignore)
}
