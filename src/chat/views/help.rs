//! Help, from the table of commands.

use crate::chat::commands::{self, Command, CommandGroup};
use crate::text::document::{Document, List};
use crate::text::{Text, foreign};

pub(in crate::chat) fn start() -> Document {
    Document::default()
        .title(Text::plain("📡 probewatch"))
        .paragraph(Text::plain("I record which Wi-Fi networks nearby devices look for."))
        .append(help(false))
}

/// All commands, in a group.
pub(in crate::chat) fn help_in_group() -> Document {
    help(false).gap().paragraph(Text::plain(
        "In a group everybody sets alerts. Only its admins and the bot's owners change what others set, or mute the group.",
    ))
}

/// All commands, with those for owners if `to_owner`.
pub(in crate::chat) fn help(to_owner: bool) -> Document {
    let example = Text::plain("Send me a device: its name, part of its name, or its MAC address, such as ")
        .code("a4:83:e7:4e:39:15")
        .append(".");
    let help = Document::default().heading(Text::plain("Look up")).paragraph(example);
    let group = |help, group| with_group(help, group, to_owner);
    let (owners, all): (Vec<_>, Vec<_>) =
        CommandGroup::ALL.into_iter().partition(|group| *group == CommandGroup::Owners);
    let help = all.into_iter().fold(help, group).gap();
    let help = help.paragraph(
        Text::plain("Put an SSID with spaces in quotes: ").code("/watch \"My network\" it is mine"),
    );
    owners.into_iter().fold(help, group)
}

fn with_group(help: Document, group: CommandGroup, to_owner: bool) -> Document {
    let commands = commands::commands_for_role(to_owner).filter(|command| command.group == group);
    let lines = commands.map(|command| usage(command).append(format_args!(": {}", command.help)));
    let list = Document::default().list(List::of(lines).of_commands());
    match list.is_empty() {
        true => help,
        false => help.gap().details(Text::default().bold(group.title()), list),
    }
}

pub(super) fn usage(command: &Command) -> Text {
    let text = Text::plain(format_args!("/{}", command.name));
    match command.arguments {
        "" => text,
        arguments => text.append(" ").code(arguments),
    }
}

pub(in crate::chat) fn unknown_command(name: &str, nearest: Option<&Command>) -> Text {
    let text = Text::plain(format_args!("❌ There is no command /{}.", foreign(name)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_a_part_for_each_group_of_commands() {
        insta::assert_snapshot!(help(true).both_forms());
    }
}
