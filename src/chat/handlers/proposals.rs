//! Who may change names. Those who may not propose changes to the owners.

use store::event::{ChatId, DeviceKey, EventKind, NamedBy, Offset, ProposedChange};
use store::state::fold_case;

use super::notify;
use crate::chat::message::Asker;
use crate::chat::model::phone::{NamedDevice, phone_name};
use crate::chat::views::proposals::{self as texts, Answer};
use crate::chat::{Chat, PressReply, Reply, views};
use crate::text::Text;

impl Chat {
    /// Whether an owner asks, in their own chat or in a group. At the terminal, and while nobody owns the bot,
    /// everybody is one.
    pub(super) fn is_by_owner(&self, asker: Asker<'_>) -> bool {
        let Some(access) = self.access() else { return true };
        !access.has_owner()
            || access.is_owner(asker.chat)
            || asker.person.is_some_and(|person| access.is_owner(person.id))
    }

    /// As whom the asker gives a device this name; `None` if they can only propose it. A member who may name devices
    /// does so where nothing has a name yet: whoever else gave one keeps it, and no device takes the name of another.
    pub(super) fn names_as(&self, asker: Asker<'_>, device: NamedDevice, name: &str) -> Option<NamedBy> {
        if self.is_by_owner(asker) {
            return Some(NamedBy::Chat);
        }
        let state = self.recorder.state();
        let has_name = match (device.phone(&state), device) {
            (Some(phone), _) => phone_name(&state, phone).is_some(),
            (None, NamedDevice::Address(address)) => state.names().of(address).is_some(),
            (None, NamedDevice::Phone(_)) => false,
        };
        let is_taken = !state.members_of(&DeviceKey::Name(fold_case(name))).is_empty();
        let may_name = self.access().is_some_and(|access| access.members_may_name());
        (may_name && !has_name && !is_taken).then_some(NamedBy::Member)
    }

    /// Asks the owners for a change, if it is possible.
    pub(super) async fn propose(&self, asker: Asker<'_>, change: ProposedChange) -> Reply {
        let (chat, time) = (asker.chat, self.recorder.now());
        if let Err(why) = self.prepare(chat, &change) {
            return why.into();
        }
        {
            let state = self.recorder.state();
            if state.proposals().find(chat, &change, time).is_some() {
                return texts::already_proposed().into();
            }
            if !state.proposals().room(chat, time) {
                return texts::too_many().into();
            }
        }
        let proposed = EventKind::NameProposed { chat, change: change.clone() };
        if let Err(failed) = self.change_all(asker, vec![proposed]).await {
            return failed.into();
        }
        // Others may have proposed something in between.
        let is_open = self.recorder.state().proposals().find(chat, &change, time).is_some();
        let (true, Some(access)) = (is_open, self.access()) else {
            return texts::too_many().into();
        };
        access.ask_about_proposals();
        texts::proposed(&change).into()
    }

    /// The open proposals.
    pub(super) fn proposals(&self) -> Reply {
        let state = self.recorder.state();
        let open: Vec<_> = state.proposals().open(self.recorder.now()).collect();
        texts::list(&open, &state)
    }

    /// An owner's answer to a proposal. Of several answers the first counts.
    pub(super) async fn answer_proposal(
        &self,
        asker: Asker<'_>,
        (proposal, accepted): (Offset, bool),
    ) -> PressReply {
        let _naming = self.naming.lock().await;
        let (owner, time) = (asker.chat, self.recorder.now());
        let Some(open) = self.recorder.state().proposals().get(proposal, time).cloned() else {
            return notify(texts::IS_OVER);
        };
        let prepared = accepted.then(|| self.prepare(owner, &open.change));
        let (change, reply, answer) = match prepared {
            None => (None, texts::refused(&open).into(), Answer::Refused),
            Some(Ok((change, done))) => (Some(change), done, Answer::Accepted),
            Some(Err(why)) => (None, why.into(), Answer::Impossible),
        };
        let accepted = change.is_some();
        let answered = EventKind::ProposalAnswered { proposal, by: owner, accepted };
        if let Err(failed) = self.change_all(asker, change.into_iter().chain([answered]).collect()).await {
            return PressReply::Send(failed.into());
        }
        if let Some(access) = self.access() {
            access.tell(open.chat, texts::answered(&open.change, answer));
        }
        PressReply::Edit(reply)
    }

    /// The event that makes a change for an owner in this chat, and the reply to it.
    fn prepare(&self, chat: ChatId, change: &ProposedChange) -> Result<(EventKind, Reply), Text> {
        let named = |device: &DeviceKey| match device {
            DeviceKey::Address(address) => Ok(NamedDevice::Address(*address)),
            DeviceKey::Phone(phone) => Ok(NamedDevice::Phone(*phone)),
            DeviceKey::Name(name) => Err(views::subscriptions::no_such_device(name)),
        };
        match change {
            ProposedChange::Name { device, name } => {
                self.naming(chat, named(device)?, name.clone(), NamedBy::Chat)
            }
            ProposedChange::Unname { device } => {
                self.unnaming(named(device)?).map(|(kind, done)| (kind, done.into()))
            }
            ProposedChange::Split { phone, address } => self.splitting(*phone, *address),
        }
    }
}
