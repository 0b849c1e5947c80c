//! The commands: what they are for, and how they are written.

use crate::chat::commands::Command;
use crate::text::{Text, printable};

/// The groups in which `/help` shows the commands.
const GROUPS: [(&str, &[Command]); 5] = [
    (
        "Look around",
        &[
            Command::Devices,
            Command::Nearby,
            Command::Top,
            Command::Ssid,
            Command::Networks,
            Command::Chart,
            Command::Export,
        ],
    ),
    ("Be told", &[Command::Watch, Command::Unwatch, Command::Watches, Command::Follow, Command::Unfollow]),
    ("Peace and quiet", &[Command::Mute, Command::Unmute, Command::Ignore, Command::Unignore]),
    ("Names", &[Command::Name, Command::Unname]),
    ("This bot", &[Command::Status, Command::Help, Command::Start]),
];

/// What the command does, as the menu has it.
pub const fn purpose(command: Command) -> &'static str {
    match command {
        Command::Devices => "all devices, newest first",
        Command::Nearby => "devices heard lately, strongest first",
        Command::Top => "devices with most probes first",
        Command::Ssid => "who asked for a network",
        Command::Networks => "networks, most asked for first",
        Command::Chart => "a picture of when a device was heard, or a network asked for",
        Command::Export => "a table of a device's probes, or of all networks",
        Command::Watch => "an alert when someone asks for a network; Depot* means all that begin so",
        Command::Unwatch => "stop watching a network",
        Command::Watches => "what is watched, followed and ignored",
        Command::Follow => "an alert when a device arrives or leaves",
        Command::Unfollow => "stop following a device",
        Command::Mute => "no alerts for a while",
        Command::Unmute => "alerts again",
        Command::Ignore => "no alerts about a device",
        Command::Unignore => "alerts about a device again",
        Command::Name => "give a device a name; several addresses may share one",
        Command::Unname => "take the name away",
        Command::Status => "how the box is doing",
        Command::Help => "all commands",
        Command::Start => "what this bot does",
        Command::Invite => "a code that lets a chat in",
        Command::Chats => "the chats that are let in, and a way to remove them",
    }
}

/// What follows the command's name; what may be left out stands in brackets.
const fn arguments(command: Command) -> &'static str {
    match command {
        Command::Devices | Command::Top | Command::Networks | Command::Watches => "[page]",
        Command::Nearby => "[minutes]",
        Command::Ssid | Command::Unwatch => "SSID",
        Command::Chart => "DEVICE or ssid SSID [24h|7d|30d]",
        Command::Export => "DEVICE or networks",
        Command::Unfollow | Command::Ignore | Command::Unignore => "DEVICE",
        Command::Watch => "SSID [reason]",
        Command::Follow => "DEVICE [minutes]",
        Command::Mute => "[30m|2h|1d]",
        Command::Name => "MAC NAME",
        Command::Unname => "MAC",
        Command::Invite => "[owner]",
        Command::Unmute | Command::Status | Command::Help | Command::Start | Command::Chats => "",
    }
}

pub(in crate::chat) fn start() -> Text {
    Text::default()
        .bold("📡 probewatch")
        .then("\nI hear which Wi-Fi networks the devices around ask for, and remember it.\n\n")
        .join(help())
}

pub(in crate::chat) fn help() -> Text {
    let text = Text::default()
        .bold("Look up")
        .then("\nSend me a device: its name, a part of it, or a MAC address such as ")
        .code("a4:83:e7:4e:39:15")
        .then(".");
    let text = GROUPS.iter().fold(text, |text, (title, commands)| group(text, title, commands));
    text.then("\n\nAn SSID with spaces goes in quotes: ").code("/watch \"My network\" it is mine")
}

/// What owners can do besides, under `/help`.
pub fn owners_help() -> Text {
    group(Text::default(), "For owners", &Command::OWNERS)
}

fn group(text: Text, title: &str, commands: &[Command]) -> Text {
    let lines = commands.iter().map(|command| usage(*command).then(format_args!(": {}", purpose(*command))));
    text.then("\n\n").bold(title).list(lines)
}

pub(super) fn usage(command: Command) -> Text {
    let text = Text::plain(format_args!("/{}", command.name()));
    match arguments(command) {
        "" => text,
        arguments => text.then(" ").code(arguments),
    }
}

pub(in crate::chat) fn unknown_command(name: &str, nearest: Option<Command>) -> Text {
    let text = Text::plain(format_args!("❌ There is no command /{}.", printable(name)));
    match nearest {
        Some(nearest) => text.then(format_args!(" Did you mean /{}?", nearest.name())),
        None => text.then(" /help lists all."),
    }
}

/// The command that turns to a page, as people count them.
pub(in crate::chat) fn turn_to(command: Command, page: u64) -> String {
    format!("/{} {page}", command.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_in_one_group() {
        let mut grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, commands)| *commands).map(|command| command.name()).collect();
        let mut all = Command::ALL.map(Command::name);
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }
}
