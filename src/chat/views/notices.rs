//! What a chat is told that did not ask: that recording has stopped or runs again, and how the sources of
//! frames do.

use std::time::Duration;

use crate::text::format::{counted, reason};
use crate::text::{Text, printable};

/// The notice that nothing can be written any more.
pub fn recording_stopped(why: &str) -> Text {
    Text::plain(format_args!(
        "⚠️ Recording has stopped: nothing can be written to disk ({}). What is heard meanwhile is kept in \
         memory as far as it goes. Make room, or mend the disk.",
        reason(why)
    ))
}

/// The notice that all is written again; `lost` probes were more than memory held.
pub fn recording_resumed(lost: u64) -> Text {
    match lost {
        0 => Text::plain("✅ Recording runs again. Nothing was lost."),
        lost => {
            let probes = counted(lost, "probe was", "probes were");
            Text::plain(format_args!("✅ Recording runs again. {probes} lost meanwhile."))
        }
    }
}

/// What is wrong with a source of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It failed, for this reason.
    Failed(String),
    /// It was begun and gives nothing, not even the head of a capture file.
    Unopened,
    /// It gives no frames any more, for so long.
    Silent(Duration),
    /// Hearing it ended by a fault of this program.
    Broken,
}

/// A source of frames has trouble.
pub fn source_trouble(source: &str, trouble: &Trouble) -> Text {
    let text = Text::plain(format_args!("⚠️ {}: ", printable(source)));
    match trouble {
        Trouble::Failed(why) => text.then(sentence(why)),
        Trouble::Unopened => text.then(
            "nothing has come from it for a minute, not even the beginning of a capture. Look whether what is to \
             write it runs, and what the log says of it.",
        ),
        Trouble::Silent(silence) => text.then(format_args!(
            "no frame for {} min. Look whether the radio is still there, and in monitor mode.",
            silence.as_secs() / 60
        )),
        Trouble::Broken => text.then("hearing it ended by a fault of this program. Restart the service."),
    }
}

/// What a source says of itself, with the full stop that it may lack.
fn sentence(why: &str) -> String {
    let shown = printable(why);
    if shown.ends_with(['.', '?', '!', '…']) { shown } else { shown + "." }
}

/// A source of frames that had trouble is heard, again where it was before.
pub fn source_recovered(source: &str, was_open: bool) -> Text {
    let again = if was_open { " again" } else { "" };
    Text::plain(format_args!("✅ {} is heard{again}.", printable(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_a_whole_sentence() {
        let failed = |why: &str| Trouble::Failed(why.to_owned());
        for (trouble, shown) in [
            (failed("it is down; bring it up"), "⚠️ mon0: it is down; bring it up."),
            (
                Trouble::Unopened,
                "⚠️ mon0: nothing has come from it for a minute, not even the beginning of a capture. Look whether \
                 what is to write it runs, and what the log says of it.",
            ),
            (failed("is it still there?"), "⚠️ mon0: is it still there?"),
            (
                Trouble::Silent(Duration::from_secs(660)),
                "⚠️ mon0: no frame for 11 min. Look whether the radio is still there, and in monitor mode.",
            ),
        ] {
            assert_eq!(source_trouble("mon0", &trouble).to_string(), shown);
        }
        assert_eq!(source_recovered("mon0", true).to_string(), "✅ mon0 is heard again.");
        assert_eq!(source_recovered("mon0", false).to_string(), "✅ mon0 is heard.");
    }
}
