//! Help, from the table of commands.

use crate::chat::commands::{self, Command, CommandGroup};
use crate::text::{Text, printable};

pub(in crate::chat) fn start() -> Text {
    Text::default()
        .bold("📡 probewatch")
        .append("\nI record which Wi-Fi networks nearby devices look for.\n\n")
        .append_text(help(false))
}

/// All commands, in a group.
pub(in crate::chat) fn help_in_group() -> Text {
    help(false).append(
        "\n\nIn a group everybody sets alerts. Only its admins and the bot's owners change what others set, or mute the group.",
    )
}

/// All commands, with those for owners if `to_owner`.
pub(in crate::chat) fn help(to_owner: bool) -> Text {
    let text = Text::default()
        .bold("Look up")
        .append("\nSend me a device: its name, part of its name, or its MAC address, such as ")
        .code("a4:83:e7:4e:39:15")
        .append(".");
    let group = |text, group| command_group(text, group, to_owner);
    let (owners, all): (Vec<_>, Vec<_>) =
        CommandGroup::ALL.into_iter().partition(|group| *group == CommandGroup::Owners);
    let text = all.into_iter().fold(text, group);
    let text =
        text.append("\n\nPut an SSID with spaces in quotes: ").code("/watch \"My network\" it is mine");
    owners.into_iter().fold(text, group)
}

fn command_group(text: Text, group: CommandGroup, to_owner: bool) -> Text {
    let commands: Vec<&Command> =
        commands::commands_for_role(to_owner).filter(|command| command.group == group).collect();
    if commands.is_empty() {
        return text;
    }
    let lines = commands.iter().map(|command| usage(command).append(format_args!(": {}", command.help)));
    text.append("\n\n").bold(group.title()).list(lines)
}

pub(super) fn usage(command: &Command) -> Text {
    let text = Text::plain(format_args!("/{}", command.name));
    match command.arguments {
        "" => text,
        arguments => text.append(" ").code(arguments),
    }
}

pub(in crate::chat) fn unknown_command(name: &str, nearest: Option<&Command>) -> Text {
    let text = Text::plain(format_args!("❌ There is no command /{}.", printable(name)));
    match nearest {
        Some(nearest) => text.append(format_args!(" Did you mean /{}?", nearest.name)),
        None => text.append(" /help lists all commands."),
    }
}

/// The command that shows a page, counted from 1.
pub(in crate::chat) fn page_command(command: &Command, mode: Option<&str>, page: u64) -> String {
    match mode {
        Some(mode) => format!("/{} {mode} {page}", command.name),
        None => format!("/{} {page}", command.name),
    }
}
