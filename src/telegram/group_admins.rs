//! Who is an admin of which group, according to Telegram (Bot API, `getChatMember`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use store::event::ChatId;
use teloxide::payloads::GetChatMember;
use teloxide::types::UserId;
use tracing::info;

use super::api::Api;
use super::outgoing::telegram_id;

/// How long an answer holds: somebody who is no admin any more may change what others set for so long.
const LIFETIME: Duration = Duration::from_secs(60);

/// Answers that are kept. If there are more, Telegram is asked again.
const LIMIT: usize = 256;

/// How long Telegram may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The admins of groups.
pub(super) struct GroupAdmins {
    api: Api,
    known: Mutex<KnownAdmins>,
}

/// The part of a `ChatMember` that is read.
#[derive(Deserialize)]
struct ChatMember {
    status: String,
}

impl GroupAdmins {
    pub(super) fn new(api: Api) -> Self {
        Self { api, known: Mutex::default() }
    }

    /// Whether the person is an admin of the group; `None` if Telegram does not say. Without being an admin itself, a
    /// bot may get no answer.
    pub(super) async fn is_admin(&self, group: ChatId, person: ChatId) -> Option<bool> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(is_admin) = known().get(group, person, Instant::now()) {
            return Some(is_admin);
        }
        let request = GetChatMember::new(telegram_id(group), UserId(u64::try_from(person.0).ok()?));
        let is_admin = match tokio::time::timeout(TIMEOUT, self.api.request_as::<_, ChatMember>(&request))
            .await
        {
            Ok(Ok(member)) => matches!(member.status.as_str(), "creator" | "administrator"),
            Ok(Err(error)) => {
                info!(event = "admin_unknown", %group, %person, %error, "Telegram does not say whether somebody is an admin of a group");
                return None;
            }
            Err(_) => {
                info!(event = "admin_unknown", %group, %person, "Telegram did not say in time whether somebody is an admin of a group");
                return None;
            }
        };
        known().insert(group, person, is_admin, Instant::now());
        Some(is_admin)
    }
}

/// The latest answers, and when Telegram gave them.
#[derive(Default)]
struct KnownAdmins(HashMap<(ChatId, ChatId), (Instant, bool)>);

impl KnownAdmins {
    fn get(&self, group: ChatId, person: ChatId, now: Instant) -> Option<bool> {
        let (since, is_admin) = self.0.get(&(group, person))?;
        (now.saturating_duration_since(*since) < LIFETIME).then_some(*is_admin)
    }

    fn insert(&mut self, group: ChatId, person: ChatId, is_admin: bool, now: Instant) {
        self.0.retain(|_, (since, _)| now.saturating_duration_since(*since) < LIFETIME);
        if self.0.len() < LIMIT {
            self.0.insert((group, person), (now, is_admin));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_a_minute_and_few_are_kept() {
        let mut known = KnownAdmins::default();
        let start = Instant::now();
        let (group, after) = (ChatId(-100), |seconds| start + Duration::from_secs(seconds));
        for person in 0..300 {
            known.insert(group, ChatId(person), person % 2 == 0, start);
        }
        assert_eq!(known.0.len(), LIMIT);
        assert_eq!(
            [0, 1, 299].map(|person| known.get(group, ChatId(person), after(59))),
            [Some(true), Some(false), None]
        );
        assert_eq!(known.get(ChatId(-200), ChatId(0), start), None);
        assert_eq!(known.get(group, ChatId(0), after(60)), None);
        known.insert(group, ChatId(299), true, after(60));
        assert_eq!((known.0.len(), known.get(group, ChatId(299), after(61))), (1, Some(true)));
    }
}
