//! What setup says and asks, on standard output and input.
//!
//! Nothing is shown that a terminal would take for a command, whoever wrote it, and no secret that is typed.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use dot11::write_printable;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::error::SetupError;

/// The longest answer, in bytes.
const ANSWER_LIMIT: u64 = 4 << 10;

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

    /// Whether standard output is a terminal.
    pub(super) fn shows_colours(&self) -> bool {
        io::stdout().is_terminal()
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
    pub(super) fn ask_secret(&self, question: &str) -> Result<String, SetupError> {
        let hidden = Hidden::start().map_err(SetupError::Terminal)?;
        self.print(&format!("{question}: "))?;
        let typed = read_secret(&mut io::stdin().lock());
        drop(hidden);
        self.print("\n")?;
        typed
    }

    /// Begins to show how a wait goes.
    pub(super) fn progress(&self) -> ProgressLine {
        ProgressLine { is_terminal: io::stdout().is_terminal(), said: None, begun: Instant::now() }
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
            write!(out, "\r  {shown} ({seconds} s)\x1b[K")
        } else if self.said.is_none_or(|said| said.elapsed() >= LINE_INTERVAL) {
            self.said = Some(Instant::now());
            writeln!(out, "  {shown} ({seconds} s)")
        } else {
            Ok(())
        };
        let _ = out.flush();
    }
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
/// Ctrl-C arrives as a character meanwhile: a process that the terminal ends would leave it without echo.
struct Hidden(Termios);

impl Hidden {
    fn start() -> io::Result<Self> {
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
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Reads a line of which the terminal edits nothing.
fn read_secret(input: &mut impl BufRead) -> Result<String, SetupError> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const ERASE: [u8; 2] = [8, 127];
    const ERASE_LINE: u8 = 21;
    let mut typed = Vec::new();
    for byte in input.bytes() {
        match byte.map_err(SetupError::Terminal)? {
            b'\n' | b'\r' => return Ok(String::from_utf8_lossy(&typed).into_owned()),
            INTERRUPT => return Err(SetupError::Interrupted),
            END if typed.is_empty() => return Err(SetupError::InputEnded),
            ERASE_LINE => typed.clear(),
            byte if ERASE.contains(&byte) => drop(typed.pop()),
            byte if typed.len() as u64 >= ANSWER_LIMIT || byte == END => {}
            byte => typed.push(byte),
        }
    }
    Err(SetupError::InputEnded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_edited_as_on_a_terminal() {
        let read = |typed: &str| read_secret(&mut typed.as_bytes());
        assert_eq!(read("12:ab\n").unwrap(), "12:ab");
        assert_eq!(read("wrong\u{15}12:abx\u{7f}\r").unwrap(), "12:ab");
        assert_eq!(read("\u{8}a\n").unwrap(), "a");
        assert!(matches!(read("12\u{3}"), Err(SetupError::Interrupted)));
        assert!(matches!(read("\u{4}"), Err(SetupError::InputEnded)));
        assert!(matches!(read("12"), Err(SetupError::InputEnded)));
        assert_eq!(read(&("x".repeat(9999) + "\n")).unwrap().len() as u64, ANSWER_LIMIT);
    }
}
