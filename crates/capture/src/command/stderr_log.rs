//! Passes on what a command writes to standard error, line by line and at a limited rate.
//!
//! In each minute the first [`LINES_PER_MINUTE`] lines are passed on, then once a notice that more follow, and after
//! the minute the number of lines left out. At the end the last line is passed on in any case, since it mostly names
//! the cause. Everything is read, so the command never waits for a full pipe.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

const LINES_PER_MINUTE: u32 = 30;

const MINUTE: Duration = Duration::from_secs(60);

/// A longer line is passed on as several lines.
const MAX_LINE_BYTES: u64 = 1024;

/// Reads to the end and passes lines to `on_line`, without control characters.
pub(super) fn forward_lines(stderr: impl Read, mut on_line: impl FnMut(&str)) {
    let mut stderr = BufReader::new(stderr);
    let mut limiter = LineLimiter::new(Instant::now());
    let mut line = Vec::new();
    loop {
        line.clear();
        match stderr.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                let shown: String = text.trim_end().chars().filter(|c| !c.is_control()).collect();
                if !shown.is_empty() {
                    limiter.line(shown, Instant::now(), &mut on_line);
                }
            }
        }
    }
    limiter.end(&mut on_line);
}

/// Decides which lines are passed on.
struct LineLimiter {
    /// When the current minute began.
    minute: Instant,
    passed: u32,
    left_out: u64,
    /// The last line that was left out.
    last: Option<String>,
}

impl LineLimiter {
    fn new(now: Instant) -> Self {
        Self { minute: now, passed: 0, left_out: 0, last: None }
    }

    /// Handles a line that arrives at `now`.
    fn line(&mut self, line: String, now: Instant, on_line: &mut impl FnMut(&str)) {
        if now.saturating_duration_since(self.minute) >= MINUTE {
            if self.left_out > 0 {
                on_line(&format!("({} more lines were left out)", self.left_out));
            }
            *self = Self::new(now);
        }
        if self.passed < LINES_PER_MINUTE {
            self.passed += 1;
            return on_line(&line);
        }
        if self.left_out == 0 {
            on_line(&format!("(more lines follow; only {LINES_PER_MINUTE} per minute are shown)"));
        }
        self.left_out += 1;
        self.last = Some(line);
    }

    /// Handles the end of the lines.
    fn end(self, on_line: &mut impl FnMut(&str)) {
        if let Some(last) = self.last {
            on_line(&last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_limit_resets_each_minute_and_exempts_the_last_line() {
        let start = Instant::now();
        let mut limiter = LineLimiter::new(start);
        let mut passed: Vec<String> = Vec::new();
        let mut on_line = |line: &str| passed.push(line.to_owned());
        for number in 0..40 {
            limiter.line(number.to_string(), start + Duration::from_secs(1), &mut on_line);
        }
        limiter.line("next".to_owned(), start + MINUTE, &mut on_line);
        for number in 0..40 {
            limiter.line(number.to_string(), start + MINUTE, &mut on_line);
        }
        limiter.end(&mut on_line);
        let more = "(more lines follow; only 30 per minute are shown)";
        let first = (0..30).map(|number| number.to_string());
        let second = (0..29).map(|number| number.to_string());
        let expected: Vec<String> = first
            .chain([more.to_owned(), "(10 more lines were left out)".to_owned(), "next".to_owned()])
            .chain(second)
            .chain([more.to_owned(), "39".to_owned()])
            .collect();
        assert_eq!(passed, expected);
    }

    #[test]
    fn lines_are_passed_on_without_control_characters() {
        let mut passed = Vec::new();
        forward_lines(&b"one\n\n\x1b[2Jtwo\r\nend"[..], |line| passed.push(line.to_owned()));
        assert_eq!(passed, ["one", "[2Jtwo", "end"]);
    }
}
