//! The chat on a terminal or a pipe: each line is a message.

use std::io::{self, BufRead, Write};

use store::event::ChatId;

use super::callbacks::Callback;
use super::{Chat, Progress, Reply, UserMessage, views};

/// The longest line that is one message, in bytes; Telegram's messages are shorter.
const LINE_LIMIT: u64 = 16_384;

/// Prints the reply to each line of `input` on `output` until the input ends. Shows `prompt` before each line.
///
/// # Errors
/// Errors of reading, answering and writing.
pub fn run(
    mut input: impl BufRead,
    mut output: impl Write,
    prompt: Option<&str>,
    mut answer: impl FnMut(&str) -> io::Result<String>,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        if let Some(prompt) = prompt {
            write!(output, "{prompt}")?;
            output.flush()?;
        }
        line.clear();
        if io::Read::take(&mut input, LINE_LIMIT).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let message = String::from_utf8_lossy(&line);
        if message.trim().is_empty() {
            continue;
        }
        writeln!(output, "{}", answer(&message)?)?;
        output.flush()?;
    }
}

/// The reply to a message at the terminal, as lines.
pub async fn answer(chat: &Chat, message: &str) -> String {
    let message =
        UserMessage { chat: ChatId::TERMINAL, person: None, text: message, in_reply_to: None, update: None };
    let answer = chat.answer(message, &Progress::ignored()).await;
    format!("{}\n{}", answer.text, trailing_lines(&answer))
}

/// Notes in place of files, and commands in place of the buttons that turn pages. A terminal copies by itself.
fn trailing_lines(answer: &Reply) -> String {
    let file = answer.file.as_ref().map(views::file_note);
    let turning = answer.buttons.iter().flatten().filter_map(|button| {
        let (command, mode, page) = Callback::decode(button.data()?)?.command()?;
        Some(format!("{} {}", button.label, views::page_command(command, mode, page)))
    });
    let turning = Some(turning.collect::<Vec<_>>().join("   ")).filter(|pages| !pages.is_empty());
    file.into_iter().chain(turning).map(|line| line + "\n").collect()
}
