//! The commands: what they are for, and how they are written.

use crate::chat::request::{COMMANDS, Command, GROUPS, OWNER_COMMANDS};
use crate::chat::text::{Text, printable};

pub(in crate::chat) fn start() -> Text {
    Text::default()
        .bold("📡 probewatch")
        .then("\nI hear which Wi-Fi networks the devices around ask for. Send me a device's name or MAC address.\n\n")
        .join(help())
}

pub(in crate::chat) fn help() -> Text {
    let text = Text::default()
        .bold("Look up")
        .then("\nSend a device's name, a part of it, or a MAC address such as ")
        .code("a4:83:e7:4e:39:15")
        .then(".");
    let text = GROUPS.iter().fold(text, |text, (title, names)| {
        let commands: Vec<_> = COMMANDS.iter().filter(|command| names.contains(&command.name)).collect();
        let lines =
            commands.iter().map(|command| usage(**command).then(format_args!(": {}", command.purpose)));
        text.then("\n\n").bold(title).list(lines)
    });
    text.then("\n\nAn SSID with spaces goes in quotes: ").code("/watch \"My network\" because")
}

fn usage(command: Command) -> Text {
    let text = Text::plain(format_args!("/{}", command.name));
    if command.arguments.is_empty() { text } else { text.then(" ").code(command.arguments) }
}

pub(in crate::chat) fn misused(command: Command, why: &str) -> Text {
    Text::plain(format_args!("❌ {why}\nUsage: ")).join(usage(command))
}

pub(in crate::chat) fn unknown_command(name: &str, nearest: Option<&str>) -> Text {
    let text = Text::plain(format_args!("❌ There is no command /{}.", printable(name)));
    match nearest {
        Some(nearest) => text.then(format_args!(" Did you mean /{nearest}?")),
        None => text.then(" /help lists those that exist."),
    }
}

/// What owners can do besides, under `/help`.
pub fn owners_help() -> Text {
    Text::plain("\n\n").bold("For owners").list(
        OWNER_COMMANDS
            .iter()
            .map(|command| Text::plain(format_args!("/{}: {}", command.name, command.purpose))),
    )
}
