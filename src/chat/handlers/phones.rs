//! Which addresses belong to a phone, according to a person.

use dot11::MacAddr;
use store::event::{Event, GroupId};

use crate::chat::model::phone::{addresses_of_phone, split_phone};
use crate::chat::{Chat, Reply, views};

/// Addresses to choose from.
const MAX_CHOICES: usize = 8;

impl Chat {
    /// Asks which of the phone's newest addresses is of another device.
    pub(in crate::chat) fn choose_other_device(&self, address: MacAddr) -> Reply {
        let state = self.recorder.state();
        let Some(phone) = state.grouping().phone_of(address) else {
            return views::phones::no_longer_grouped(address).into();
        };
        let addresses = addresses_of_phone(&state, phone);
        if addresses.len() < 2 {
            return views::phones::has_one_address(phone).into();
        }
        let newest = addresses.into_iter().take(MAX_CHOICES);
        let choices: Vec<_> = newest
            .map(|(address, reason)| (address, reason, state.device(address).map(|device| device.last_probe)))
            .collect();
        views::phones::choice(phone, &choices, self.recorder.now())
    }

    /// Takes an address out of a phone, for good.
    pub(in crate::chat) async fn split_phone(
        &self,
        phone: GroupId,
        address: MacAddr,
        update: Option<u32>,
    ) -> Reply {
        if self.recorder.state().grouping().phone_of(address) != Some(phone) {
            return views::phones::not_of_phone(phone, address).into();
        }
        if !self.recorder.state().grouping().can_split(phone, address) {
            return views::phones::too_many_splits(phone, address).into();
        }
        let split = split_phone(&self.recorder.state(), phone, address);
        let event = Event::new(self.recorder.now(), split);
        if let Err(failed) = self.change_all(vec![event], update).await {
            return failed.into();
        }
        let now = self.recorder.state().grouping().phone_of(address);
        views::phones::split(phone, address, now)
    }
}
