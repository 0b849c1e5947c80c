//! Which addresses belong to a phone, according to a person.

use dot11::MacAddr;
use store::event::{EventKind, GroupId, ProposedChange};

use crate::chat::message::Asker;
use crate::chat::model::phone::{addresses_of_phone, split_phone};
use crate::chat::{Chat, Reply, views};
use crate::text::Text;

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

    /// Takes an address out of a phone, for good. That changes what others follow and ignore, so only owners do it.
    pub(in crate::chat) async fn split_phone(
        &self,
        asker: Asker<'_>,
        phone: GroupId,
        address: MacAddr,
    ) -> Reply {
        if !self.is_by_owner(asker) {
            return self.propose(asker, ProposedChange::Split { phone, address }).await;
        }
        let kind = match self.splitting(phone, address) {
            Ok((kind, _)) => kind,
            Err(why) => return why.into(),
        };
        if let Err(failed) = self.change_all(asker, vec![kind]).await {
            return failed.into();
        }
        let now = self.recorder.state().grouping().phone_of(address);
        views::by_whom(views::phones::split(phone, address, now), asker)
    }

    /// The event that takes an address out of a phone, and the reply to it.
    ///
    /// # Errors
    /// The text that says why not.
    pub(super) fn splitting(&self, phone: GroupId, address: MacAddr) -> Result<(EventKind, Reply), Text> {
        let state = self.recorder.state();
        if state.grouping().phone_of(address) != Some(phone) {
            return Err(views::phones::not_of_phone(phone, address));
        }
        if state.grouping().group(phone).is_some_and(|group| group.addresses().count() < 2) {
            return Err(views::phones::has_one_address(phone));
        }
        if !state.grouping().can_split(phone, address) {
            return Err(views::phones::too_many_splits(phone, address));
        }
        Ok((split_phone(&state, phone, address), views::phones::split(phone, address, None)))
    }
}
