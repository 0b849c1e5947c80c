//! The devices that chats follow: a chat gets an alert when one arrives, and when it has left.
//!
//! A device is present until it has sent nothing for the chat's silence period. This table holds only what was
//! announced; only the events of an arrival or a departure change it, and a split of its phone. The statistics of the
//! device's addresses have the time of its last probe.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::subscriptions::{Subscription, Subscriptions};
use crate::event::{ChatId, DeviceKey, Person, Timestamp};

/// One chat's follow of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// Since when.
    pub since: Timestamp,
    /// The silence after which the device has left, in seconds.
    pub silence_seconds: u64,
    /// The last announced presence.
    pub is_here: bool,
    /// Who set it, if that is known: the last person who changed it.
    #[serde(default)]
    pub set_by: Option<Person>,
}

impl Follow {
    /// The silence after which the device has left.
    pub fn silence(&self) -> Duration {
        Duration::from_secs(self.silence_seconds)
    }
}

/// All follows.
pub type Follows = Subscriptions<Follow>;

impl Follows {
    /// Marks the device as present for all its followers.
    pub(super) fn mark_arrived(&mut self, members: &[DeviceKey]) {
        self.update(members, |_, one| !one.value.is_here, |follow| follow.is_here = true);
    }

    pub(super) fn mark_left(&mut self, members: &[DeviceKey], chat: ChatId) {
        self.update(members, |by, one| by == chat && one.value.is_here, |follow| follow.is_here = false);
    }

    /// Corrects whether the followed devices that have this member are here at `time`; `last_probe` gives the time of their
    /// last probe.
    pub(super) fn correct(
        &mut self,
        member: &DeviceKey,
        time: Timestamp,
        last_probe: impl Fn(&Subscription<Follow>) -> Option<Timestamp>,
    ) {
        let has_left = |one: &Subscription<Follow>| {
            one.value.is_here && last_probe(one).is_none_or(|last| time.abs_diff(last) >= one.value.silence())
        };
        self.update([member], |_, one| has_left(one), |follow| follow.is_here = false);
    }

    /// Whether alerts of the chat take the device for known: it has a name, or the chat or the terminal follows any of
    /// these members of it.
    pub(super) fn is_known(&self, chat: ChatId, device: &DeviceKey, members: &[DeviceKey]) -> bool {
        let is_followed = |by: ChatId| members.iter().any(|member| self.get(member, by).is_some());
        matches!(device, DeviceKey::Name(_)) || is_followed(chat) || is_followed(ChatId::TERMINAL)
    }
}
