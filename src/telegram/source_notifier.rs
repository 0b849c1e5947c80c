//! Tells each chat once that a source of frames has failed or gives none any more, and once, silently, that
//! it is heard again; each as [`IncidentState`] has it. It is known in memory only: after a restart the trouble is told
//! anew where it is still there, and that it is over where it was told of in this run. In the quiet hours both
//! wait for their end.
//!
//! That nothing comes is told only of a source that gave frames before, in this run or, as the log says, in one
//! before: where nobody is near, that is no trouble from the start. A file that is at its end has none.
//!
//! A source has [`TIME_TO_OPEN`] from the start, since at boot an adapter, the network or an access point may come
//! later than this program; so has one whose first bytes are waited for, which a command that hangs never gives.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::incident_state::{IncidentState, NextNotice};
use super::quiet_hours::LocalQuietHours;
use super::sender::Sender;
use crate::chat::Chat;
use crate::chat::views::notices::{self, Trouble};
use crate::event::ChatId;
use crate::recorder::History;
use crate::status::{SourceState, SourceStatus};

/// How often the sources are looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How long a source that was not open yet may fail or give nothing before that is told.
const TIME_TO_OPEN: Duration = Duration::from_secs(60);

/// What is known of a source, and what the chats were told of it.
struct Source {
    frames: u64,
    /// When there was a frame last, as far as that was seen.
    last_frame: Instant,
    /// Whether the log knows frames of it from before this run; not known before somebody has looked.
    was_heard: Option<bool>,
    /// Since when it is looked at.
    begun: Instant,
    /// Whether it was seen open.
    was_open: bool,
    /// Since when its first bytes are waited for.
    opening: Option<Instant>,
    /// With whether it had been open when its trouble was told.
    told: HashMap<ChatId, IncidentState<bool>>,
}

impl Source {
    fn new(now: Instant) -> Self {
        Self {
            frames: 0,
            last_frame: now,
            was_heard: None,
            begun: now,
            was_open: false,
            opening: None,
            told: HashMap::new(),
        }
    }

    /// Whether it is silent from the start and for so long after `silence` that the log must say whether it was
    /// heard before.
    fn must_be_looked_up(&self, status: &SourceStatus, silence: Option<Duration>, now: Instant) -> bool {
        let is_silent = (status.frames, self.frames) == (0, 0) && status.condition == SourceState::Hearing;
        let is_due = silence.is_some_and(|silence| now - self.last_frame >= silence);
        is_silent && is_due && self.was_heard.is_none()
    }

    /// What is wrong with it at `now`, where it is silent for too long after `silence`.
    fn trouble(&mut self, status: &SourceStatus, silence: Option<Duration>, now: Instant) -> Option<Trouble> {
        if status.frames != self.frames {
            (self.frames, self.last_frame) = (status.frames, now);
        }
        self.was_open |=
            status.frames > 0 || matches!(status.condition, SourceState::Hearing | SourceState::Over);
        self.opening = (status.condition == SourceState::Opening).then(|| self.opening.unwrap_or(now));
        let opening_for = self.opening.map_or(Duration::ZERO, |since| now - since);
        let may_open = !self.was_open && now - self.begun < TIME_TO_OPEN;
        let quiet_for = now - self.last_frame;
        let had_frames = self.frames > 0 || self.was_heard == Some(true);
        match &status.condition {
            SourceState::Failed(_) if may_open => None,
            SourceState::Failed(_) => status.failure().map(Trouble::Failed),
            SourceState::Broken => Some(Trouble::Broken),
            SourceState::Hearing if had_frames && silence.is_some_and(|silence| quiet_for >= silence) => {
                Some(Trouble::Silent(quiet_for))
            }
            SourceState::Opening if opening_for >= TIME_TO_OPEN => Some(Trouble::Unopened),
            SourceState::Opening | SourceState::Hearing | SourceState::Over => None,
        }
    }
}

/// Whether the log knows the sensor of this name; where it cannot be read, it does not.
async fn was_heard(history: &History, name: &str) -> bool {
    let (history, name) = (history.clone(), name.to_owned());
    let looked = tokio::task::spawn_blocking(move || history.has_heard(&name)).await;
    looked.is_ok_and(|heard| heard.unwrap_or(false))
}

/// Tells the chats until `stop`.
pub(super) async fn run(
    sender: Sender,
    chat: Chat,
    history: History,
    silence: Option<Duration>,
    quiet: LocalQuietHours,
    stop: CancellationToken,
) {
    // By their places.
    let mut sources: HashMap<usize, Source> = HashMap::new();
    loop {
        // A source may take its time, for which nothing else waits.
        let asked = chat.clone();
        let statuses = tokio::select! {
            statuses = tokio::task::spawn_blocking(move || asked.source_statuses()) => statuses.unwrap_or_default(),
            () = stop.cancelled() => return,
        };
        for (place, status) in statuses.iter().enumerate() {
            let now = Instant::now();
            let source = sources.entry(place).or_insert_with(|| Source::new(now));
            if source.must_be_looked_up(status, silence, now) {
                source.was_heard = Some(was_heard(&history, &status.name).await);
            }
            let trouble = source.trouble(status, silence, now);
            if quiet.look_again(now).is_some() {
                continue;
            }
            let was_open = source.was_open;
            for chat in sender.served() {
                let told = source.told.entry(chat).or_default();
                let due = told.next(trouble.is_some(), now);
                let (text, silent) = match (due, &trouble) {
                    (NextNotice::Started, Some(why)) => (notices::source_trouble(&status.name, why), false),
                    (NextNotice::Resolved(was_open), _) => {
                        (notices::source_recovered(&status.name, was_open), true)
                    }
                    _ => continue,
                };
                let outcome = tokio::select! {
                    outcome = sender.notice(chat, &text, silent) => outcome,
                    () = stop.cancelled() => return,
                };
                told.record_outcome(due, was_open, outcome, chat, Instant::now());
            }
        }
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(600);

    fn status(frames: u64, condition: SourceState) -> SourceStatus {
        let (name, last_frame) = ("mon0".to_owned(), None);
        let (undecodable, bad_fcs, dropped, restarts) = (0, 0, 0, 0);
        let clock_is_behind = false;
        SourceStatus {
            name,
            condition,
            remedy: None,
            last_frame,
            frames,
            undecodable,
            bad_fcs,
            dropped,
            restarts,
            clock_is_behind,
        }
    }

    #[test]
    fn silence_is_trouble_only_after_frames() {
        let start = Instant::now();
        let mut source = Source::new(start);
        let mut trouble = |frames, minutes: u64| {
            let now = start + Duration::from_secs(60 * minutes);
            source.trouble(&status(frames, SourceState::Hearing), Some(SILENCE), now)
        };
        assert_eq!(trouble(0, 60), None);
        assert_eq!(trouble(7, 61), None);
        assert_eq!(trouble(7, 70), None);
        assert_eq!(trouble(7, 71), Some(Trouble::Silent(SILENCE)));
        assert_eq!(trouble(8, 90), None);
        assert_eq!(source.trouble(&status(8, SourceState::Hearing), None, start + SILENCE * 100), None);
    }

    #[test]
    fn a_source_that_is_deaf_since_the_start_is_trouble_where_the_log_knows_it() {
        let start = Instant::now();
        for was_heard in [false, true] {
            let mut source = Source::new(start);
            let silent = status(0, SourceState::Hearing);
            let early = start + SILENCE / 2;
            assert!(!source.must_be_looked_up(&silent, Some(SILENCE), early));
            assert!(!source.must_be_looked_up(&silent, None, start + SILENCE));
            assert!(!source.must_be_looked_up(
                &status(1, SourceState::Hearing),
                Some(SILENCE),
                start + SILENCE
            ));
            assert!(source.must_be_looked_up(&silent, Some(SILENCE), start + SILENCE));
            source.was_heard = Some(was_heard);
            assert!(!source.must_be_looked_up(&silent, Some(SILENCE), start + SILENCE));
            assert_eq!(source.trouble(&silent, Some(SILENCE), early), None);
            let trouble = source.trouble(&silent, Some(SILENCE), start + SILENCE);
            assert_eq!(trouble, was_heard.then_some(Trouble::Silent(SILENCE)));
        }
    }

    #[test]
    fn a_source_has_a_minute_to_open() {
        let start = Instant::now();
        let failed = || SourceState::Failed("it is gone".to_owned());
        let late = Trouble::Failed("it is gone".to_owned());
        for (condition, trouble) in [(SourceState::Opening, Trouble::Unopened), (failed(), late.clone())] {
            let mut source = Source::new(start);
            let mut look = |condition: &SourceState, seconds| {
                let now = start + Duration::from_secs(seconds);
                source.trouble(&status(0, condition.clone()), Some(SILENCE), now)
            };
            assert_eq!(look(&condition, 0), None);
            assert_eq!(look(&condition, 59), None);
            assert_eq!(look(&condition, 60), Some(trouble));
            assert_eq!(look(&SourceState::Hearing, 62), None);
            // A named pipe whose writer went has another minute, and what was open fails at once.
            assert_eq!(look(&SourceState::Opening, 64), None);
            assert_eq!(look(&SourceState::Opening, 123), None);
            assert_eq!(look(&SourceState::Opening, 124), Some(Trouble::Unopened));
            assert_eq!(look(&failed(), 126), Some(late.clone()));
        }
    }

    #[test]
    fn a_failure_is_trouble_and_an_end_is_none() {
        let start = Instant::now();
        let mut source = Source::new(start);
        let failed = status(7, SourceState::Failed("the interface is gone".to_owned()));
        let why = "the interface is gone".to_owned();
        assert_eq!(source.trouble(&failed, None, start), Some(Trouble::Failed(why)));
        assert_eq!(source.trouble(&status(7, SourceState::Broken), None, start), Some(Trouble::Broken));
        assert_eq!(source.trouble(&status(7, SourceState::Over), Some(SILENCE), start + SILENCE * 2), None);
    }
}
