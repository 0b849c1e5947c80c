//! Notices that nobody asked for: about recording and the sources.

use std::time::Duration;

use chrono_tz::Tz;
use store::recorder::{ClockDoubt, PendingDeletion};

use crate::status::{self, UpdateConflict};
use crate::text::format::{pluralize, reason};
use crate::text::{Text, printable};

/// The machine's clock is in doubt.
pub fn clock_doubted(doubt: &ClockDoubt, zone: Tz) -> Text {
    Text::plain("⚠️ ").append_text(status::clock_doubt(doubt, zone))
}

/// It no longer is.
pub fn clock_trusted() -> Text {
    Text::plain("✅ The machine's clock is no longer in doubt.")
}

/// Much of the log will be deleted because of its age.
pub fn deletion_announced(pending: &PendingDeletion, zone: Tz) -> Text {
    Text::plain("⚠️ ").append_text(status::pending_deletion(pending, zone))
}

/// That is done, or was stopped.
pub fn deletion_over() -> Text {
    Text::plain("✅ No more of the log is about to be deleted than usual.")
}

/// Another program takes the bot's messages.
pub fn update_conflict(by: UpdateConflict) -> Text {
    Text::plain(format_args!("⚠️ {}. Alerts come all the same. To do: {}.", by.summary(), by.remedy()))
}

/// It no longer does.
pub fn update_conflict_over() -> Text {
    Text::plain("✅ No other program takes this bot's messages any more.")
}

/// Writing to disk fails.
pub fn recording_stopped(why: &str, remedy: &str) -> Text {
    Text::plain(format_args!(
        "⚠️ Recording has stopped: writing to disk fails ({}). New probes are kept in memory while there is \
         room. To do: {remedy}.",
        reason(why)
    ))
}

/// When the service started, the log had lost its end, with this many events.
pub fn history_lost_at_start(events: u64) -> Text {
    let events = pluralize(events, "event is", "events are");
    Text::plain(format_args!(
        "⚠️ {events} gone from the log: when the service started, the log ended before the saved state. Names, \
         watches and counts are kept."
    ))
}

/// Writing works again. Meanwhile `probes` did not fit into memory, and `history` events are gone from the log.
pub fn recording_resumed(probes: u64, history: u64) -> Text {
    let text = Text::plain("✅ Recording works again.");
    let text = match probes {
        0 if history == 0 => return text.append(" Nothing was lost."),
        0 => text,
        probes => {
            let probes = pluralize(probes, "probe was", "probes were");
            text.append(format_args!(" {probes} lost meanwhile."))
        }
    };
    match history {
        0 => text,
        events => {
            let events = pluralize(events, "event is", "events are");
            text.append(format_args!(
                " {events} gone from the log: somebody removed or changed its files. Names, watches and counts are kept."
            ))
        }
    }
}

/// Writing works after a restart; before that it did not.
pub fn recording_resumed_after_restart() -> Text {
    Text::plain("✅ Recording works again since the restart.")
}

/// A problem with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceProblem {
    /// It failed, for this reason.
    Failed(String),
    /// It was opened and sends nothing, not even a capture header.
    Unopened,
    /// For how long it has sent no frame.
    Silent(Duration),
    /// Its radio stays on one channel, for this reason.
    Hopping(String),
    /// Capturing ended because of a bug in this program.
    Crashed,
}

/// A source has a problem.
pub fn source_problem(source: &str, problem: &SourceProblem) -> Text {
    let text = Text::plain(format_args!("⚠️ {}: ", printable(source)));
    match problem {
        SourceProblem::Failed(why) => text.append(sentence(why)),
        SourceProblem::Unopened => text.append(
            "no data for a minute, not even the header of a capture. Check that the program that writes it is \
             running, and see the log.",
        ),
        SourceProblem::Silent(silence) => text.append(format_args!(
            "no frame for {} min. Check that the radio is still there and in monitor mode.",
            silence.as_secs() / 60
        )),
        SourceProblem::Hopping(why) => text.append(format_args!(
            "the radio stays on one channel and misses what devices send on others. {}",
            sentence(why)
        )),
        SourceProblem::Crashed => text.append("capturing ended because of a bug in probewatch. Restart the service."),
    }
}

/// An error as a sentence, with a full stop if it lacks one.
fn sentence(why: &str) -> String {
    let shown = printable(why);
    if shown.ends_with(['.', '?', '!', '…']) { shown } else { shown + "." }
}

/// A source works, again if `was_open`.
pub fn source_recovered(source: &str, was_open: bool) -> Text {
    let again = if was_open { " again" } else { "" };
    Text::plain(format_args!("✅ {} is capturing{again}.", printable(source)))
}

/// The radio of a source changes its channel again.
pub fn hopping_recovered(source: &str) -> Text {
    Text::plain(format_args!("✅ {} hops over its channels again.", printable(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_whole_sentence() {
        let failed = |why: &str| SourceProblem::Failed(why.to_owned());
        for (problem, shown) in [
            (failed("it is down; bring it up"), "⚠️ mon0: it is down; bring it up."),
            (
                SourceProblem::Unopened,
                "⚠️ mon0: no data for a minute, not even the header of a capture. Check that the program that writes \
                 it is running, and see the log.",
            ),
            (failed("is it still there?"), "⚠️ mon0: is it still there?"),
            (
                SourceProblem::Silent(Duration::from_secs(660)),
                "⚠️ mon0: no frame for 11 min. Check that the radio is still there and in monitor mode.",
            ),
            (
                SourceProblem::Hopping("wlan0 is up on the same radio; take it down".to_owned()),
                "⚠️ mon0: the radio stays on one channel and misses what devices send on others. wlan0 is up on the same \
                 radio; take it down.",
            ),
        ] {
            assert_eq!(source_problem("mon0", &problem).to_string(), shown);
        }
        assert_eq!(source_recovered("mon0", true).to_string(), "✅ mon0 is capturing again.");
        assert_eq!(hopping_recovered("mon0").to_string(), "✅ mon0 hops over its channels again.");
        assert_eq!(source_recovered("mon0", false).to_string(), "✅ mon0 is capturing.");
    }
}
