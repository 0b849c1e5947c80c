//! The commands that exist. What they are for stands in [`crate::chat::views`].

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is called as it is written")]
pub enum Command {
    Devices,
    Nearby,
    Top,
    Ssid,
    Networks,
    Chart,
    Export,
    Watch,
    Unwatch,
    Watches,
    Follow,
    Unfollow,
    Mute,
    Unmute,
    Ignore,
    Unignore,
    Name,
    Unname,
    Status,
    Help,
    Start,
    Invite,
    Chats,
}

impl Command {
    /// Those for everybody, in the order in which the menu shows them.
    pub const ALL: [Self; 21] = [
        Self::Devices,
        Self::Nearby,
        Self::Top,
        Self::Ssid,
        Self::Networks,
        Self::Chart,
        Self::Export,
        Self::Watch,
        Self::Unwatch,
        Self::Watches,
        Self::Follow,
        Self::Unfollow,
        Self::Mute,
        Self::Unmute,
        Self::Ignore,
        Self::Unignore,
        Self::Name,
        Self::Unname,
        Self::Status,
        Self::Help,
        Self::Start,
    ];

    /// Those for owners in a Telegram chat, where there is someone to let in.
    pub const OWNERS: [Self; 2] = [Self::Invite, Self::Chats];

    /// The command as it is written behind the slash.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Nearby => "nearby",
            Self::Top => "top",
            Self::Ssid => "ssid",
            Self::Networks => "networks",
            Self::Chart => "chart",
            Self::Export => "export",
            Self::Watch => "watch",
            Self::Unwatch => "unwatch",
            Self::Watches => "watches",
            Self::Follow => "follow",
            Self::Unfollow => "unfollow",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Ignore => "ignore",
            Self::Unignore => "unignore",
            Self::Name => "name",
            Self::Unname => "unname",
            Self::Status => "status",
            Self::Help => "help",
            Self::Start => "start",
            Self::Invite => "invite",
            Self::Chats => "chats",
        }
    }

    /// The command of this name, for whomever it is.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain(Self::OWNERS);
        all.find(|command| command.name().eq_ignore_ascii_case(name))
    }
}
