//! Names of devices.

use dot11::MacAddr;
use store::event::{Event, EventKind, NamedBy, Timestamp};

use crate::chat::{Chat, views};
use crate::text::Text;

impl Chat {
    pub(in crate::chat) async fn name(&self, address: MacAddr, name: String, update: Option<u32>) -> Text {
        let namesakes = self.recorder.state().names().addresses_of(&name);
        let others = namesakes.iter().filter(|other| **other != address).count();
        let done = views::named(address, &name, others);
        let event = Event::new(Timestamp::now(), EventKind::Name { address, name, by: NamedBy::Chat });
        self.change(event, update, done).await
    }

    pub(in crate::chat) async fn unname(&self, address: MacAddr, update: Option<u32>) -> Text {
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
