//! Names of devices.

use dot11::MacAddr;
use store::event::{Event, EventKind, GroupId, NamedBy, Timestamp};

use crate::chat::model::phone::{NamedDevice, keep_phone, phone_name};
use crate::chat::{Chat, views};
use crate::text::Text;

impl Chat {
    /// The question for the name of an address, or of the phone that it belongs to.
    pub(in crate::chat) fn name_question(&self, address: MacAddr) -> Text {
        let device = NamedDevice::Address(address);
        let phone = device.phone(&self.recorder.state());
        views::name_question(phone.map_or(device, NamedDevice::Phone))
    }

    pub(in crate::chat) async fn name(&self, device: NamedDevice, name: String, update: Option<u32>) -> Text {
        let phone = device.phone(&self.recorder.state());
        match (phone, device) {
            (Some(phone), _) => self.name_phone(phone, name, update).await,
            (None, NamedDevice::Address(address)) => self.name_address(address, name, update).await,
            (None, NamedDevice::Phone(phone)) => views::no_such_phone(phone),
        }
    }

    async fn name_address(&self, address: MacAddr, name: String, update: Option<u32>) -> Text {
        let namesakes = self.recorder.state().addresses_of(&name);
        let others = namesakes.iter().filter(|other| **other != address).count();
        let done = views::named(address, &name, others);
        let event = Event::new(Timestamp::now(), EventKind::Name { address, name, by: NamedBy::Chat });
        self.change(event, update, done).await
    }

    async fn name_phone(&self, phone: GroupId, name: String, update: Option<u32>) -> Text {
        let (kept, done) = {
            let state = self.recorder.state();
            let namesakes = state.addresses_of(&name);
            let others =
                namesakes.iter().filter(|other| state.grouping().phone_of(**other) != Some(phone)).count();
            let grouping = state.grouping();
            let model = grouping.group(phone).map(|group| group.model);
            let is_distinguishable = model.is_some_and(|model| grouping.continues_counters(model));
            let done = views::named_phone(phone, &name, others, (grouping.mode(), is_distinguishable));
            (keep_phone(&state, phone, Some(name)), done)
        };
        match kept {
            Some(kind) => self.change(Event::new(Timestamp::now(), kind), update, done).await,
            None => views::no_such_phone(phone),
        }
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
        self.change(Event::new(Timestamp::now(), kept), update, done).await
    }

    async fn unname_address(&self, address: MacAddr, update: Option<u32>) -> Text {
        let name = self.recorder.state().names().get(address).cloned().unwrap_or_default();
        match (name.chat, name.config) {
            (Some(_), configured) => {
                let done = views::unnamed(address, configured.or(name.import).as_deref());
                let event = Event::new(Timestamp::now(), EventKind::Unname { address, by: NamedBy::Chat });
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
