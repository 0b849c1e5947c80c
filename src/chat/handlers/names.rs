//! Names of devices.

use dot11::MacAddr;
use store::event::{ChatId, DeviceKey, EventKind, NamedBy, ProposedChange};
use store::state::{AddressName, State, fold_case};

use crate::chat::message::Asker;
use crate::chat::model::phone::{NamedDevice, addresses_of_phone, keep_phone};
use crate::chat::{Chat, Reply, views};
use crate::text::Text;

impl Chat {
    /// The question for the name of an address, or of the phone that it belongs to.
    pub(in crate::chat) fn name_question(&self, address: MacAddr) -> Text {
        let device = NamedDevice::Address(address);
        let phone = device.phone(&self.recorder.state());
        views::name_question(phone.map_or(device, NamedDevice::Phone))
    }

    pub(in crate::chat) async fn name(&self, asker: Asker<'_>, device: NamedDevice, name: String) -> Reply {
        let _naming = self.naming.lock().await;
        let Some(by) = self.names_as(asker, device, &name) else {
            let change = ProposedChange::Name { device: device.into(), name };
            return self.propose(asker, change).await;
        };
        match self.naming(asker.chat, device, name, by) {
            Ok((kind, done)) => self.change(asker, vec![kind], done).await,
            Err(why) => why.into(),
        }
    }

    pub(in crate::chat) async fn unname(&self, asker: Asker<'_>, device: NamedDevice) -> Reply {
        if !self.is_by_owner(asker) {
            return self.propose(asker, ProposedChange::Unname { device: device.into() }).await;
        }
        match self.unnaming(device) {
            Ok((kind, done)) => self.change(asker, vec![kind], done).await,
            Err(why) => why.into(),
        }
    }

    /// The event that names a device, and the reply to it in this chat.
    ///
    /// # Errors
    /// The text that says why not.
    pub(super) fn naming(
        &self,
        chat: ChatId,
        device: NamedDevice,
        name: String,
        by: NamedBy,
    ) -> Result<(EventKind, Reply), Text> {
        let state = self.recorder.state();
        match (device.phone(&state), device) {
            (Some(phone), _) => {
                let group = state.grouping().group(phone).ok_or_else(|| views::no_such_phone(phone))?;
                let namesakes = state.addresses_of(&name);
                let is_other = |address: &&MacAddr| state.grouping().phone_of(**address) != Some(phone);
                let others = namesakes.iter().filter(is_other).count();
                let grouping = state.grouping();
                let is_distinguishable = grouping.continues_counters(group.model);
                let text = views::named_phone(phone, &name, others, (grouping.mode(), is_distinguishable));
                let done = with_offers(text, &state, chat, &name, &DeviceKey::Phone(phone));
                let kept = keep_phone(&state, phone, Some(name), by == NamedBy::Member);
                Ok((kept.ok_or_else(|| views::no_such_phone(phone))?, done))
            }
            (None, NamedDevice::Address(address)) => {
                let namesakes = state.addresses_of(&name);
                let others = namesakes.iter().filter(|other| **other != address).count();
                let text = views::named(address, &name, others);
                let done = with_offers(text, &state, chat, &name, &DeviceKey::Address(address));
                Ok((EventKind::Name { address, name, by }, done))
            }
            (None, NamedDevice::Phone(phone)) => Err(views::no_such_phone(phone)),
        }
    }

    /// The event that removes a device's name, and the reply to it.
    ///
    /// # Errors
    /// The text that says why not.
    pub(super) fn unnaming(&self, device: NamedDevice) -> Result<(EventKind, Text), Text> {
        let state = self.recorder.state();
        let phone = device.phone(&state);
        match (phone, device) {
            (Some(phone), _) => {
                let group = state.grouping().group(phone).ok_or_else(|| views::no_such_phone(phone))?;
                if group.name.is_none() {
                    return Err(views::phone_had_no_name(phone));
                }
                let kept = keep_phone(&state, phone, None, false);
                Ok((kept.ok_or_else(|| views::no_such_phone(phone))?, views::unnamed_phone(phone)))
            }
            (None, NamedDevice::Address(address)) => {
                let mut names = state.names().get(address).cloned().unwrap_or_default();
                let removed = match names.chat.take() {
                    Some(_) => Some(NamedBy::Chat),
                    None if names.config.is_some() => None,
                    None => names.member.take().map(|_| NamedBy::Member),
                };
                if let Some(by) = removed {
                    return Ok((
                        EventKind::Unname { address, by },
                        views::unnamed(address, names.effective()),
                    ));
                }
                Err(match &names {
                    AddressName { config: Some(name), .. } => views::named_by_configuration(address, name),
                    AddressName { import: Some(name), .. } => views::named_by_import(address, name),
                    _ => views::had_no_name(address),
                })
            }
            (None, NamedDevice::Phone(phone)) => Err(views::no_such_phone(phone)),
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
