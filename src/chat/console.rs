//! The chat on a terminal, or from a pipe: a line a message.

use std::io::{self, BufRead, Write};

use tokio::runtime::Handle;

use super::callbacks::Callback;
use super::{Chat, Progress, Reply, UserMessage, views};
use crate::event::ChatId;

/// The longest line that is read as one message, in bytes; a Telegram message is shorter.
const LINE_LIMIT: u64 = 16_384;

/// Answers each line of `input` on `output` until the input ends. With `prompt`, one is shown before each
/// line, as a person expects it. Not for async code.
///
/// # Errors
/// What reading or writing gives.
pub fn run(
    chat: &Chat,
    mut input: impl BufRead,
    mut output: impl Write,
    prompt: Option<&str>,
    runtime: &Handle,
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
        let message = UserMessage { chat: ChatId::TERMINAL, text: &message, in_reply_to: None, update: None };
        let answer = runtime.block_on(chat.answer(message, &Progress::ignored()));
        writeln!(output, "{}", answer.text)?;
        write_rest(&answer, &mut output)?;
        writeln!(output)?;
        output.flush()?;
    }
}

/// What a terminal has in place of files and of buttons that turn pages.
fn write_rest(answer: &Reply, output: &mut impl Write) -> io::Result<()> {
    if let Some(file) = &answer.file {
        writeln!(output, "{}", views::file_note(file))?;
    }
    let turning = answer.buttons.iter().flatten().filter_map(|button| {
        let (command, page) = Callback::decode(&button.data)?.command()?;
        Some(format!("{} {}", button.label, views::turn_to(command, page)))
    });
    let turning: Vec<String> = turning.collect();
    if turning.is_empty() { Ok(()) } else { writeln!(output, "{}", turning.join("   ")) }
}
