//! What setup says and asks, on standard output and input.
//!
//! Nothing is shown that a terminal would take for a command, whoever wrote it, and no secret that is typed.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use dot11::write_printable;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::error::SetupError;

/// The longest answer, in bytes.
const ANSWER_LIMIT: u64 = 4 << 10;

/// What the lines within a step begin with.
const INDENT: &str = "  ";

/// How many columns a terminal has that does not say.
const USUAL_COLUMNS: usize = 80;

/// How often the progress of a wait is said where it cannot be redrawn in place.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The conversation with the person who runs setup, or with nobody.
pub(super) struct Dialogue {
    /// Everything is answered with what setup suggests.
    pub(super) yes: bool,
    /// Nothing is to be changed.
    pub(super) dry_run: bool,
    is_terminal: bool,
}

impl Dialogue {
    pub(super) fn new(yes: bool, dry_run: bool) -> Self {
        Self { yes, dry_run, is_terminal: io::stdin().is_terminal() && io::stdout().is_terminal() }
    }

    /// Whether somebody is there to answer.
    pub(super) fn can_ask(&self) -> bool {
        self.is_terminal && !self.yes
    }

    /// Whether standard output is a terminal that moves the cursor and shows colours.
    pub(super) fn shows_colours(&self) -> bool {
        let is_dumb = std::env::var_os("TERM").is_none_or(|name| name.is_empty() || name == "dumb");
        io::stdout().is_terminal() && !is_dumb
    }

    /// Says a text of one or more lines.
    pub(super) fn say(&self, text: &str) -> Result<(), SetupError> {
        let mut shown = String::new();
        for line in text.lines() {
            // Names of devices, answers of servers and the like may contain anything.
            let _ = write_printable(&mut shown, line);
            shown.push('\n');
        }
        self.print(&shown)
    }

    /// Prints a text of this program as it is.
    pub(super) fn print(&self, text: &str) -> Result<(), SetupError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(SetupError::Terminal)
    }

    /// The answer to a question with yes or no.
    pub(super) fn confirm(&self, question: &str, default: bool) -> Result<bool, SetupError> {
        if self.dry_run || !self.can_ask() {
            return Ok(default);
        }
        loop {
            let answer = self.ask(question, Some(if default { "Y/n" } else { "y/N" }))?;
            match answer.to_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => self.say("Please answer y or n.")?,
            }
        }
    }

    /// A line that is typed; empty if the default is taken.
    pub(super) fn ask(&self, question: &str, default: Option<&str>) -> Result<String, SetupError> {
        let default = default.map_or(String::new(), |default| format!(" [{default}]"));
        self.print(&format!("{question}{default}: "))?;
        let mut line = String::new();
        let read = io::stdin().lock().take(ANSWER_LIMIT).read_line(&mut line);
        match read {
            Ok(0) => {
                self.print("\n")?;
                Err(SetupError::InputEnded)
            }
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok("\u{fffd}".to_owned()),
            Err(error) => Err(SetupError::Terminal(error)),
        }
    }

    /// A line that is typed or pasted and not shown.
    pub(super) fn ask_secret(&self, _hidden: &Hidden, question: &str) -> Result<String, SetupError> {
        self.print(&format!("{question}: "))?;
        let typed = read_secret(Typed);
        self.print("\n")?;
        typed
    }

    /// Begins to show how a wait goes.
    pub(super) fn progress(&self) -> ProgressLine {
        ProgressLine { is_terminal: self.shows_colours(), said: None, begun: Instant::now() }
    }
}

/// The progress of a wait: a line that is redrawn on a terminal, and repeated now and then elsewhere.
pub(super) struct ProgressLine {
    is_terminal: bool,
    begun: Instant,
    said: Option<Instant>,
}

impl ProgressLine {
    pub(super) fn show(&mut self, text: &str) {
        let seconds = self.begun.elapsed().as_secs();
        let mut shown = String::new();
        let _ = write_printable(&mut shown, text);
        let mut out = io::stdout().lock();
        // What cannot be shown is no reason to stop.
        let _ = if self.is_terminal {
            let columns = tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
            let line = one_line(&shown, &format!(" ({seconds} s)"), columns);
            write!(out, "\r{line}\x1b[K")
        } else if self.said.is_none_or(|said| said.elapsed() >= LINE_INTERVAL) {
            self.said = Some(Instant::now());
            writeln!(out, "  {shown} ({seconds} s)")
        } else {
            Ok(())
        };
        let _ = out.flush();
    }
}

/// The text and what ends it on one line of a terminal with so many columns, 0 if that is unknown: a line that wraps
/// could not be redrawn in place.
fn one_line(text: &str, end: &str, columns: usize) -> String {
    let columns = if columns == 0 { USUAL_COLUMNS } else { columns };
    // A terminal that has filled its last column may wrap.
    let room = columns.saturating_sub(INDENT.len() + end.chars().count() + 1);
    let text = match text.chars().count() > room {
        true => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    };
    format!("{INDENT}{text}{end}")
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.is_terminal {
            let mut out = io::stdout().lock();
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}

/// The terminal without echo, for as long as this value lives.
///
/// Ctrl-C arrives as a character meanwhile: a process that the terminal ends would leave it without echo. What was
/// typed and not read by the end is dropped, as the rest of a message that was pasted: it answers no other question.
pub(super) struct Hidden(Termios);

impl Hidden {
    pub(super) fn start() -> Result<Self, SetupError> {
        Self::of_input().map_err(SetupError::Terminal)
    }

    fn of_input() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
        hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Standard input without a buffer: what follows the line stays with the terminal.
struct Typed;

impl Read for Typed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(io::stdin(), buffer)?)
    }
}

/// Reads a line of which the terminal edits nothing.
fn read_secret(mut input: impl Read) -> Result<String, SetupError> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const ERASE: [u8; 2] = [8, 127];
    const ERASE_LINE: u8 = 21;
    let mut typed = Vec::new();
    loop {
        let mut byte = [0];
        match input.read_exact(&mut byte) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(SetupError::InputEnded),
            Err(error) => return Err(SetupError::Terminal(error)),
        }
        let [byte] = byte;
        match byte {
            b'\n' | b'\r' => return Ok(String::from_utf8_lossy(&typed).into_owned()),
            INTERRUPT => return Err(SetupError::Interrupted),
            END if typed.is_empty() => return Err(SetupError::InputEnded),
            ERASE_LINE => typed.clear(),
            byte if ERASE.contains(&byte) => drop(typed.pop()),
            byte if typed.len() as u64 >= ANSWER_LIMIT || byte == END => {}
            byte => typed.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_does_not_wrap() {
        let long = "ß".repeat(200);
        for columns in [0, 10, 20, 80, 300] {
            let line = one_line(&long, " (9 s)", columns);
            let width = if columns == 0 { 80 } else { columns };
            assert!(line.chars().count() < width || columns == 10, "{line}");
            assert!(line.ends_with(" (9 s)") && line.contains('…') != (columns == 300), "{line}");
        }
        assert_eq!(one_line("waits", " (9 s)", 80), "  waits (9 s)");
    }

    #[test]
    fn a_secret_is_edited_as_on_a_terminal() {
        let read = |typed: &str| read_secret(typed.as_bytes());
        assert_eq!(read("12:ab\n").unwrap(), "12:ab");
        assert_eq!(read("wrong\u{15}12:abx\u{7f}\r").unwrap(), "12:ab");
        assert_eq!(read("\u{8}a\n").unwrap(), "a");
        assert!(matches!(read("12\u{3}"), Err(SetupError::Interrupted)));
        assert!(matches!(read("\u{4}"), Err(SetupError::InputEnded)));
        assert!(matches!(read("12"), Err(SetupError::InputEnded)));
        assert_eq!(read(&("x".repeat(9999) + "\n")).unwrap().len() as u64, ANSWER_LIMIT);
    }
}
