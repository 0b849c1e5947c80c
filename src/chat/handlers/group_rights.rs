//! Who may change what others set in a group: its admins, and owners of the bot.

use store::event::{ChatId, Person};
use store::state::State;

use crate::chat::{Asker, Chat, views};
use crate::text::Text;

impl Chat {
    /// Why the asker may not change what others set in a group, if it is that. Its admins may, and owners of the bot.
    pub(super) async fn refuse_if(&self, is_of_others: bool, asker: Asker<'_>) -> Option<Text> {
        if !is_of_others || self.is_by_owner(asker) {
            return None;
        }
        match asker.person {
            // An admin wrote as the group.
            Some(person) if person.id == asker.chat => None,
            Some(person) if person.id.0 > 0 => {
                match self.access()?.is_group_admin(asker.chat, person.id).await {
                    Some(true) => None,
                    Some(false) => Some(views::access::for_admins_only()),
                    None => Some(views::access::admins_unknown()),
                }
            }
            _ => Some(views::access::for_admins_only()),
        }
    }

    /// Why the asker may not end mutes or ignores of a group that these people set, if they may not. Beside admins and
    /// owners everybody whom the group's alerts are for may end what a plain member set: it keeps those alerts from
    /// them.
    pub(super) async fn refuse_to_end(&self, set_by: &[Option<Person>], asker: Asker<'_>) -> Option<Text> {
        let of_others: Vec<_> = set_by.iter().filter(|by| asker.is_of_others(by.as_ref())).collect();
        let refused = self.refuse_if(!of_others.is_empty(), asker).await?;
        let is_alerted = alert_setters(&self.recorder.state(), asker.chat)
            .any(|set_by| set_by.is_some() && !asker.is_of_others(set_by));
        if !is_alerted {
            return Some(refused);
        }
        for by in of_others {
            if !self.is_plain_member(by.as_ref(), asker.chat).await {
                return Some(refused);
            }
        }
        None
    }

    /// Whether it is certain that this is neither an admin of the group nor an owner of the bot.
    async fn is_plain_member(&self, person: Option<&Person>, group: ChatId) -> bool {
        let (Some(person), Some(access)) = (person, self.access()) else { return false };
        let is_person = person.id.0 > 0 && !access.is_owner(person.id);
        is_person && access.is_group_admin(group, person.id).await == Some(false)
    }
}

/// Whether somebody else than the asker set what alerts this group, or maybe did.
pub(super) fn others_are_alerted(state: &State, asker: Asker<'_>) -> bool {
    alert_setters(state, asker.chat).any(|set_by| asker.is_of_others(set_by))
}

/// Who set what alerts the chat, as far as that is known.
fn alert_setters(state: &State, chat: ChatId) -> impl Iterator<Item = Option<&Person>> {
    let watches = state.watches().iter().map(|(_, by, watch)| (by, &watch.set_by));
    let patterns = state.watches().patterns().map(|(_, by, watch)| (by, &watch.set_by));
    let follows = state.follows().iter().map(|(by, follow)| (by, &follow.value.set_by));
    let doorbell = state.doorbells().get(chat).map(|doorbell| (chat, &doorbell.set_by));
    let all = watches.chain(patterns).chain(follows).chain(doorbell);
    all.filter(move |(by, _)| [chat, ChatId::TERMINAL].contains(by)).map(|(_, set_by)| set_by.as_ref())
}
