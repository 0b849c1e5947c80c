//! Shows how far a long read is: a line on standard error, redrawn in place on a terminal and repeated
//! every few seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use store::event::Offset;

const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
const LINE_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Progress {
    action: &'static str,
    end: Offset,
    line: ProgressLine,
}

impl Progress {
    /// For an `action` on the events before `end`, such as `reading`.
    pub(super) fn new(action: &'static str, end: Offset) -> Self {
        Self { action, end, line: ProgressLine::new() }
    }

    pub(super) fn at(&mut self, offset: Offset) {
        let (action, end) = (self.action, self.end);
        self.line.show(|| {
            let percent = offset.0 * 100 / end.0.max(1);
            format!("{action}: event {offset} of {end} ({percent} %)")
        });
    }
}

/// The progress through a file; shown on a terminal only.
pub(super) struct FileProgress {
    name: String,
    bytes: u64,
    line: Option<ProgressLine>,
}

impl FileProgress {
    /// For the file of this name and size; a size of 0 is unknown, and nothing is shown.
    pub(super) fn new(name: String, bytes: u64) -> Self {
        let is_shown = bytes > 0 && io::stderr().is_terminal();
        Self { name, bytes, line: is_shown.then(ProgressLine::new) }
    }

    pub(super) fn at(&mut self, byte: u64) {
        let (name, bytes) = (&self.name, self.bytes);
        let Some(line) = &mut self.line else { return };
        line.show(|| {
            format!("{name}: {} of {} MiB ({} %)", byte >> 20, bytes >> 20, (byte * 100 / bytes).min(100))
        });
    }
}

/// A line that is cleared when it is dropped.
struct ProgressLine {
    is_terminal: bool,
    shown_at: Instant,
}

impl ProgressLine {
    fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), shown_at: Instant::now() }
    }

    fn show(&mut self, text: impl FnOnce() -> String) {
        let interval = if self.is_terminal { REDRAW_INTERVAL } else { LINE_INTERVAL };
        if self.shown_at.elapsed() < interval {
            return;
        }
        self.shown_at = Instant::now();
        // A closed standard error is no reason to stop.
        let _ = match self.is_terminal {
            true => write!(io::stderr(), "\r{}\x1b[K", text()),
            false => writeln!(io::stderr(), "{}", text()),
        };
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
