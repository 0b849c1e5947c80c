//! Tells each chat once when a source of frames fails or falls silent, and once, silently, when it is captured from
//! again ([`Notifier`]). During quiet hours both notices wait.
//!
//! Invariants:
//! - A problem that was reported before a restart is over once the source gives a frame, or was read to its end.
//! - Silence is a problem only for a source that has given frames, in this run or, according to the event log, in an
//!   earlier one: it may be normal that no device is near. A file that was read to its end has no problem.
//! - A source has [`OPEN_TIMEOUT`] to open after the start, because an adapter, the network or an access point may
//!   come up later than this program. So has a source that waits for its first bytes; a command that hangs never
//!   sends any.

use std::collections::HashMap;
use std::time::Duration;

use store::recorder::History;
use tokio::time::Instant;

use super::notifier::{Current, Incident, Notifier};
use crate::chat::Chat;
use crate::chat::views::notices::{self, SourceProblem};
use crate::status::{SourceState, SourceStatus};

/// How often to check the sources.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How long a source that has never been open may fail, or send nothing, before that is a problem.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the radio must have been stuck on one channel: a scan by another program takes a few seconds.
const HOPPING_TIMEOUT: Duration = Duration::from_secs(10);

/// What this notifier has observed of a source, and the notices about it.
struct ObservedSource {
    first_check: Instant,
    frames: u64,
    /// When the number of frames last changed.
    last_frame: Instant,
    /// Whether the event log has frames of the source from an earlier run; `None` until it was searched.
    in_log: Option<bool>,
    has_been_open: bool,
    /// Since when it waits for its first bytes.
    opening_since: Option<Instant>,
    /// Since when its radio is stuck on one channel.
    stuck_since: Option<Instant>,
    /// Whether its latest problem is, or was, that.
    was_stuck: bool,
    /// A start notice keeps whether the source had been open.
    incident: Incident<bool>,
}

impl ObservedSource {
    fn new(name: &str, now: Instant) -> Self {
        Self {
            first_check: now,
            frames: 0,
            last_frame: now,
            in_log: None,
            has_been_open: false,
            opening_since: None,
            stuck_since: None,
            was_stuck: false,
            incident: Incident::new(format!("source:{name}"), true),
        }
    }

    /// Whether the event log must be searched: the source is open, has been silent for `silence`, and has given no
    /// frame in this run.
    fn needs_log_search(&self, status: &SourceStatus, silence: Option<Duration>, now: Instant) -> bool {
        let gave_nothing =
            (status.frames, self.frames) == (0, 0) && status.condition == SourceState::Capturing;
        let is_due = silence.is_some_and(|silence| now - self.last_frame >= silence);
        gave_nothing && is_due && self.in_log.is_none()
    }

    /// Takes `status` into account, and returns the source's problem at `now`, if any. A source that gives no frame
    /// for `silence` has one.
    fn update(
        &mut self,
        status: &SourceStatus,
        silence: Option<Duration>,
        now: Instant,
    ) -> Option<SourceProblem> {
        if status.frames != self.frames {
            (self.frames, self.last_frame) = (status.frames, now);
        }
        self.has_been_open |=
            status.frames > 0 || matches!(status.condition, SourceState::Capturing | SourceState::Ended);
        self.opening_since =
            (status.condition == SourceState::Opening).then(|| self.opening_since.unwrap_or(now));
        self.stuck_since = status.hopping_failure.is_some().then(|| self.stuck_since.unwrap_or(now));
        let problem = self.problem(status, silence, now);
        if let Some(problem) = &problem {
            self.was_stuck = matches!(problem, SourceProblem::Hopping(_));
        }
        problem
    }

    fn problem(
        &self,
        status: &SourceStatus,
        silence: Option<Duration>,
        now: Instant,
    ) -> Option<SourceProblem> {
        let may_still_open = !self.has_been_open && now - self.first_check < OPEN_TIMEOUT;
        let silent_for = now - self.last_frame;
        let gave_frames = self.frames > 0 || self.in_log == Some(true);
        match &status.condition {
            SourceState::Failed(_) if may_still_open => None,
            SourceState::Failed(_) => status.failure().map(SourceProblem::Failed),
            SourceState::Crashed => Some(SourceProblem::Crashed),
            SourceState::Capturing
                if self.stuck_since.is_some_and(|since| now - since >= HOPPING_TIMEOUT) =>
            {
                let failure = status.hopping_failure.as_ref();
                failure.map(|failure| SourceProblem::Hopping(failure.to_string()))
            }
            SourceState::Capturing => {
                let is_silent = gave_frames && silence.is_some_and(|silence| silent_for >= silence);
                is_silent.then_some(SourceProblem::Silent(silent_for))
            }
            SourceState::Opening => {
                let is_late = self.opening_since.is_some_and(|since| now - since >= OPEN_TIMEOUT);
                is_late.then_some(SourceProblem::Unopened)
            }
            SourceState::Ended => None,
        }
    }
}

/// Whether the event log has frames of the source with this name; false if it cannot be read.
async fn is_in_log(history: &History, name: &str) -> bool {
    let (history, name) = (history.clone(), name.to_owned());
    let search = tokio::task::spawn_blocking(move || history.has_probe_from(&name)).await;
    search.is_ok_and(|found| found.unwrap_or(false))
}

/// Notifies the chats for ever.
pub(super) async fn run(notifier: &Notifier, chat: Chat, silence: Option<Duration>) {
    let history = notifier.recorder.history();
    // By their index in the configuration.
    let mut sources: HashMap<usize, ObservedSource> = HashMap::new();
    loop {
        // Reading a source's status may block.
        let reader = chat.clone();
        let statuses = tokio::task::spawn_blocking(move || reader.source_statuses()).await;
        for (index, status) in statuses.unwrap_or_default().iter().enumerate() {
            let now = Instant::now();
            let source = sources.entry(index).or_insert_with(|| ObservedSource::new(&status.name, now));
            if source.needs_log_search(status, silence, now) {
                source.in_log = Some(is_in_log(history, &status.name).await);
            }
            let problem = source.update(status, silence, now);
            notify(notifier, source, status, problem.as_ref()).await;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Sends each chat the notice that is due about the source.
async fn notify(
    notifier: &Notifier,
    source: &mut ObservedSource,
    status: &SourceStatus,
    problem: Option<&SourceProblem>,
) {
    let name = &status.name;
    for chat in notifier.awake_chats() {
        let current = Current {
            active: problem.map(|problem| || notices::source_problem(name, problem)),
            is_certain: source.frames > 0 || status.condition == SourceState::Ended,
            kept: source.has_been_open,
        };
        let over = |had_been_open| match source.was_stuck {
            true => notices::hopping_recovered(name),
            false => notices::source_recovered(name, had_been_open),
        };
        notifier.notify(chat, &mut source.incident, current, over).await;
    }
}

#[cfg(test)]
mod tests {
    use store::event::Timestamp;

    use super::*;
    use crate::status::HoppingFailure;

    const SILENCE: Duration = Duration::from_secs(600);

    fn status(frames: u64, condition: SourceState) -> SourceStatus {
        SourceStatus { frames, ..SourceStatus::example("mon0", condition) }
    }

    #[test]
    fn silence_is_a_problem_only_after_frames() {
        let start = Instant::now();
        let mut source = ObservedSource::new("mon0", start);
        let mut update = |frames, minutes: u64| {
            let now = start + Duration::from_secs(60 * minutes);
            source.update(&status(frames, SourceState::Capturing), Some(SILENCE), now)
        };
        assert_eq!(update(0, 60), None);
        assert_eq!(update(7, 61), None);
        assert_eq!(update(7, 70), None);
        assert_eq!(update(7, 71), Some(SourceProblem::Silent(SILENCE)));
        assert_eq!(update(8, 90), None);
        assert_eq!(source.update(&status(8, SourceState::Capturing), None, start + SILENCE * 100), None);
    }

    #[test]
    fn silence_since_the_start_is_a_problem_if_the_log_has_frames_of_the_source() {
        let start = Instant::now();
        for in_log in [false, true] {
            let mut source = ObservedSource::new("mon0", start);
            let silent = status(0, SourceState::Capturing);
            let early = start + SILENCE / 2;
            assert!(!source.needs_log_search(&silent, Some(SILENCE), early));
            assert!(!source.needs_log_search(&silent, None, start + SILENCE));
            assert!(!source.needs_log_search(
                &status(1, SourceState::Capturing),
                Some(SILENCE),
                start + SILENCE
            ));
            assert!(source.needs_log_search(&silent, Some(SILENCE), start + SILENCE));
            source.in_log = Some(in_log);
            assert!(!source.needs_log_search(&silent, Some(SILENCE), start + SILENCE));
            assert_eq!(source.update(&silent, Some(SILENCE), early), None);
            let problem = source.update(&silent, Some(SILENCE), start + SILENCE);
            assert_eq!(problem, in_log.then_some(SourceProblem::Silent(SILENCE)));
        }
    }

    #[test]
    fn a_source_has_a_minute_to_open() {
        let start = Instant::now();
        let failed = || SourceState::Failed("it is gone".to_owned());
        let late = SourceProblem::Failed("it is gone".to_owned());
        for (condition, problem) in
            [(SourceState::Opening, SourceProblem::Unopened), (failed(), late.clone())]
        {
            let mut source = ObservedSource::new("mon0", start);
            let mut update = |condition: &SourceState, seconds| {
                let now = start + Duration::from_secs(seconds);
                source.update(&status(0, condition.clone()), Some(SILENCE), now)
            };
            assert_eq!(update(&condition, 0), None);
            assert_eq!(update(&condition, 59), None);
            assert_eq!(update(&condition, 60), Some(problem));
            assert_eq!(update(&SourceState::Capturing, 62), None);
            // A named pipe whose writer closed it has another minute; a source that was open fails at once.
            assert_eq!(update(&SourceState::Opening, 64), None);
            assert_eq!(update(&SourceState::Opening, 123), None);
            assert_eq!(update(&SourceState::Opening, 124), Some(SourceProblem::Unopened));
            assert_eq!(update(&failed(), 126), Some(late.clone()));
        }
    }

    #[test]
    fn a_radio_that_is_stuck_on_one_channel_is_a_problem_after_a_while() {
        let start = Instant::now();
        let mut source = ObservedSource::new("mon0", start);
        let stuck = SourceStatus {
            hopping_failure: Some(HoppingFailure {
                since: Timestamp::from_micros(0),
                why: "wlan0 is up".to_owned(),
                remedy: Some("take it down".to_owned()),
            }),
            ..status(7, SourceState::Capturing)
        };
        let hops = status(7, SourceState::Capturing);
        let mut update = |status, seconds| {
            let problem = source.update(status, None, start + Duration::from_secs(seconds));
            (problem, source.was_stuck)
        };
        assert_eq!(update(&stuck, 0), (None, false));
        assert_eq!(update(&stuck, 9), (None, false));
        let problem = SourceProblem::Hopping("wlan0 is up; take it down".to_owned());
        assert_eq!(update(&stuck, 10), (Some(problem), true));
        assert_eq!(update(&hops, 12), (None, true));
        assert_eq!(update(&stuck, 14), (None, true));
        let failed = status(7, SourceState::Failed("it is gone".to_owned()));
        assert_eq!(update(&failed, 16), (Some(SourceProblem::Failed("it is gone".to_owned())), false));
    }

    #[test]
    fn a_failure_is_a_problem_and_an_end_is_none() {
        let start = Instant::now();
        let mut source = ObservedSource::new("mon0", start);
        let failed = status(7, SourceState::Failed("the interface is gone".to_owned()));
        let why = "the interface is gone".to_owned();
        assert_eq!(source.update(&failed, None, start), Some(SourceProblem::Failed(why)));
        assert_eq!(
            source.update(&status(7, SourceState::Crashed), None, start),
            Some(SourceProblem::Crashed)
        );
        assert_eq!(source.update(&status(7, SourceState::Ended), Some(SILENCE), start + SILENCE * 2), None);
    }
}
