//! A chat's doorbell.

use store::event::{ChatId, EventKind};
use store::state::{Doorbell, State};

use crate::chat::model::doorbell::{DEFAULT_DBM, DEFAULT_STAY, DoorbellRequest};
use crate::chat::views::doorbell as texts;
use crate::chat::{Asker, Chat, Reply, views};

impl Chat {
    pub(in crate::chat) async fn doorbell(&self, asker: Asker<'_>, request: DoorbellRequest) -> Reply {
        self.set_doorbell(asker, request).await.unwrap_or_else(|refused| refused)
    }

    /// Shows or changes the doorbell.
    ///
    /// # Errors
    /// Why it was not changed.
    pub(super) async fn set_doorbell(
        &self,
        asker: Asker<'_>,
        request: DoorbellRequest,
    ) -> Result<Reply, Reply> {
        let chat = asker.chat;
        if chat == ChatId::TERMINAL {
            return Err(texts::not_at_the_terminal().into());
        }
        let quiet_hours = self.settings_of(chat).quiet_hours.value.map(|hours| hours.to_string());
        let quiet_hours = quiet_hours.as_deref();
        let (known, usual, learned) = {
            let state = self.recorder.state();
            let known = state.doorbells().get(chat).cloned();
            (known, usual_signal(&state), state.learned(self.recorder.now()))
        };
        let is_of_others = known.as_ref().is_some_and(|known| asker.is_of_others(known.set_by.as_ref()));
        let (kind, done) = match (request, known) {
            (DoorbellRequest::Show, known) => {
                return Ok(texts::shown(known.as_ref(), quiet_hours, learned).into());
            }
            (DoorbellRequest::Off, None) => return Ok(texts::was_off().into()),
            (DoorbellRequest::Off, Some(_)) => (EventKind::DoorbellOff { chat }, texts::off()),
            (DoorbellRequest::On { only_in_quiet_hours: true, .. }, _) if quiet_hours.is_none() => {
                return Err(texts::no_quiet_hours().into());
            }
            (DoorbellRequest::On { min_dbm, stay, only_in_quiet_hours }, _) => {
                let min_dbm = min_dbm.unwrap_or(usual.unwrap_or(DEFAULT_DBM));
                let stay_seconds = stay.unwrap_or(DEFAULT_STAY).as_secs();
                let doorbell = Doorbell { min_dbm, stay_seconds, only_in_quiet_hours, set_by: None };
                let done = texts::shown(Some(&doorbell), quiet_hours, learned);
                let done = done.append_text(self.mute_note(&self.recorder.state(), chat));
                (EventKind::Doorbell { chat, min_dbm, stay_seconds, only_in_quiet_hours }, done)
            }
        };
        match self.refuse_if(is_of_others, asker).await {
            Some(refused) => Err(refused.into()),
            None => {
                self.change_all(asker, vec![kind]).await?;
                Ok(views::by_whom(done.into(), asker))
            }
        }
    }
}

/// The signal that three of four named devices had at least when they were last seen.
fn usual_signal(state: &State) -> Option<i8> {
    let addresses = state.names().iter().map(|(address, _)| address);
    let signals = addresses.filter_map(|address| Some(state.device(address)?.signal?.last_dbm));
    let mut signals: Vec<i8> = signals.collect();
    signals.sort_unstable();
    signals.get(signals.len() / 4).copied()
}
