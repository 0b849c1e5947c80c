//! How far the reading of a log is: a bar on a terminal, else a line now and then.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::event::Offset;

const LINE_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Progress {
    what: &'static str,
    end: Offset,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Progress {
    /// For `what` is done to the events before `end`.
    pub(super) fn new(what: &'static str, end: Offset) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(end.0).with_style(style).with_message(what)
        });
        Self { what, end, bar, last_line: Instant::now() }
    }

    pub(super) fn at(&mut self, offset: Offset) {
        match &self.bar {
            Some(bar) => bar.set_position(offset.0),
            None if self.last_line.elapsed() >= LINE_INTERVAL => {
                self.last_line = Instant::now();
                let (what, end) = (self.what, self.end);
                let percent = offset.0 * 100 / end.0.max(1);
                // Where standard error is gone there is nobody to tell.
                let _ = writeln!(io::stderr(), "{what}: event {offset} of {end} ({percent} %)");
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
