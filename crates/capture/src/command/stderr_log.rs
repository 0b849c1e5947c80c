//! What a command writes to standard error, told line by line.
//!
//! Of each minute the first [`LINES_A_MINUTE`] lines are told. That there are more is told once in each, then how
//! many there were, and, at the end, the last, which mostly says why. All of it is read, so that the command never
//! waits for that.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

/// How many lines of a minute are told.
const LINES_A_MINUTE: u32 = 30;

const MINUTE: Duration = Duration::from_secs(60);

/// What is longer is told as several lines.
const LINE_BYTES: u64 = 1024;

/// Reads to the end, and tells what is due.
pub(super) fn forward_lines(errors: impl Read, mut tell: impl FnMut(&str)) {
    let mut errors = BufReader::new(errors);
    let mut pace = Pace::new(Instant::now());
    let mut line = Vec::new();
    loop {
        line.clear();
        match errors.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                let shown: String = text.trim_end().chars().filter(|c| !c.is_control()).collect();
                if !shown.is_empty() {
                    pace.line(shown, Instant::now(), &mut tell);
                }
            }
        }
    }
    pace.end(&mut tell);
}

/// Which lines are told.
struct Pace {
    minute: Instant,
    told: u32,
    left_out: u64,
    /// The last line that was left out.
    last: Option<String>,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { minute: now, told: 0, left_out: 0, last: None }
    }

    /// Tells what is due with a line that comes at `now`.
    fn line(&mut self, line: String, now: Instant, tell: &mut impl FnMut(&str)) {
        if now.saturating_duration_since(self.minute) >= MINUTE {
            if self.left_out > 0 {
                tell(&format!("({} more, which were not shown)", self.left_out));
            }
            *self = Self::new(now);
        }
        if self.told < LINES_A_MINUTE {
            self.told += 1;
            return tell(&line);
        }
        if self.left_out == 0 {
            tell(&format!("(more, which is not shown: {LINES_A_MINUTE} lines of each minute are)"));
        }
        self.left_out += 1;
        self.last = Some(line);
    }

    /// Tells what is due once no line comes any more.
    fn end(self, tell: &mut impl FnMut(&str)) {
        if let Some(last) = self.last {
            tell(&last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talkative_command_is_heard_again_each_minute_and_at_its_end() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut told: Vec<String> = Vec::new();
        let mut tell = |line: &str| told.push(line.to_owned());
        for number in 0..40 {
            pace.line(number.to_string(), start + Duration::from_secs(1), &mut tell);
        }
        pace.line("next".to_owned(), start + MINUTE, &mut tell);
        for number in 0..40 {
            pace.line(number.to_string(), start + MINUTE, &mut tell);
        }
        pace.end(&mut tell);
        let more = "(more, which is not shown: 30 lines of each minute are)";
        let first = (0..30).map(|number| number.to_string());
        let second = (0..29).map(|number| number.to_string());
        let expected: Vec<String> = first
            .chain([more.to_owned(), "(10 more, which were not shown)".to_owned(), "next".to_owned()])
            .chain(second)
            .chain([more.to_owned(), "39".to_owned()])
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn lines_are_told_without_what_a_terminal_would_do() {
        let mut told = Vec::new();
        forward_lines(&b"one\n\n\x1b[2Jtwo\r\nend"[..], |line| told.push(line.to_owned()));
        assert_eq!(told, ["one", "[2Jtwo", "end"]);
    }
}
