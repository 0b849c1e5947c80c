//! Every command, in one table: its name, arguments, help line, the role it requires and the request it makes. The
//! dispatcher, `/help`, the bot's menu, usage errors and role checks all come from it.

mod arguments;
mod quotes;
mod request;
#[cfg(test)]
mod tests;
mod usage_error;

use super::model::alert_preference::AlertPreference;
use crate::suggest;
pub(in crate::chat) use arguments::{
    ADDRESSES, DOORBELL_DBM, LONGEST_MUTE, NEARBY_LIMIT, PATTERN_LENGTH, SSID_BYTES, quiet_hours,
    watch_target_alone,
};
use arguments::{
    between, chart, count, device, device_name, devices, export, minutes, mute_length, named_device, page,
    ssid_alone, watch,
};
pub(in crate::chat) use quotes::ssid_argument;
pub use request::Request;
pub use usage_error::UsageError;

/// How similar to an unknown command one must be to be suggested for it.
const LEAST_SIMILARITY: f64 = 0.8;

/// A command.
#[derive(Debug)]
pub struct Command {
    /// What is written behind the slash.
    pub name: &'static str,
    /// What follows the name; optional parts are in brackets.
    pub arguments: &'static str,
    /// Who may use it.
    pub role: RequiredRole,
    /// Under which heading `/help` lists it.
    pub group: CommandGroup,
    /// What it does, for `/help` and the menu.
    pub help: &'static str,
    /// Reads its arguments.
    pub(in crate::chat) request: fn(&str) -> Result<Request, UsageError>,
}

/// A name belongs to one command.
impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Command {}

/// Who may use a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequiredRole {
    /// Strangers too: it may bring an invitation code.
    Anyone,
    /// Every chat that has access.
    Member,
    /// An owner of the bot, in a private chat; there are none at the terminal.
    Owner,
}

/// The headings of `/help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandGroup {
    /// Looking things up.
    Lookups,
    /// What raises alerts.
    Alerts,
    /// Which alerts are sent.
    Notifications,
    /// Names of devices.
    Names,
    /// The bot itself.
    Bot,
    /// For owners.
    Owners,
}

impl CommandGroup {
    /// All, in the order of `/help`.
    pub const ALL: [Self; 6] =
        [Self::Lookups, Self::Alerts, Self::Notifications, Self::Names, Self::Bot, Self::Owners];

    /// The heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Lookups => "Devices and networks",
            Self::Alerts => "Alerts",
            Self::Notifications => "Notifications",
            Self::Names => "Names",
            Self::Bot => "This bot",
            Self::Owners => "For owners",
        }
    }
}

const fn member(
    group: CommandGroup,
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    request: fn(&str) -> Result<Request, UsageError>,
) -> Command {
    Command { name, arguments, role: RequiredRole::Member, group, help, request }
}

/// Every command, in the order of the menu.
pub static COMMANDS: [Command; 31] = {
    use CommandGroup::{Alerts, Bot, Lookups, Names, Notifications, Owners};
    [
        member(
            Lookups,
            "devices",
            "[addresses] [page]",
            "all devices, or all addresses, last seen first",
            devices,
        ),
        member(
            Lookups,
            "nearby",
            "[minutes]",
            "devices seen recently, strongest signal first",
            |arguments| minutes(arguments).map(Request::Nearby),
        ),
        member(Lookups, "top", "[page]", "devices with the most probes", |arguments| {
            page(arguments).map(Request::Top)
        }),
        member(Lookups, "ssid", "SSID", "devices that look for a network", |arguments| {
            ssid_alone(arguments).map(Request::Network)
        }),
        member(Lookups, "networks", "[page]", "most requested networks", |arguments| {
            page(arguments).map(Request::Networks)
        }),
        member(Lookups, "strangers", "[24h|7d]", "unusual visitors, and why they are unusual", |arguments| {
            arguments::recent_period(arguments).map(Request::Strangers)
        }),
        member(
            Lookups,
            "chart",
            "DEVICE or ssid SSID [24h|7d|30d]",
            "a chart of the probes of a device or for a network",
            chart,
        ),
        member(Lookups, "between", "FROM TO", "who was here between two times, strangers first", between),
        member(Lookups, "count", "[24h|7d|30d]", "a chart of how many devices were here in each hour", count),
        member(
            Lookups,
            "export",
            "DEVICE or networks",
            "a table (CSV) of a device's probes or of all networks",
            export,
        ),
        member(
            Alerts,
            "watch",
            "SSID [reason]",
            "alert when a device looks for a network; Depot* means every name that starts with Depot",
            watch,
        ),
        member(Alerts, "unwatch", "SSID", "stop watching a network", |arguments| {
            arguments::watch_target_alone(arguments).map(Request::Unwatch)
        }),
        member(Alerts, "watches", "[page]", "what this chat watches, follows and ignores", |arguments| {
            page(arguments).map(Request::Watches)
        }),
        member(Alerts, "follow", "DEVICE [minutes]", "alert when a device arrives or leaves", |arguments| {
            preference(arguments, AlertPreference::Follow)
        }),
        member(Alerts, "unfollow", "DEVICE", "stop following a device", |arguments| {
            preference(arguments, AlertPreference::Unfollow)
        }),
        member(
            Alerts,
            "doorbell",
            "[on [-65] [3m] [quiet] or off]",
            "alert when a stranger stays near",
            |arguments| arguments::doorbell(arguments).map(Request::Doorbell),
        ),
        member(Notifications, "mute", "[30m|2h|1d]", "no alerts for a while", |arguments| {
            mute_length(arguments).map(|length| Request::AlertPreference(AlertPreference::Mute(length)))
        }),
        member(Notifications, "unmute", "", "alerts again", |_| {
            Ok(Request::AlertPreference(AlertPreference::Unmute))
        }),
        member(Notifications, "ignore", "DEVICE", "no alerts about a device", |arguments| {
            preference(arguments, AlertPreference::Ignore)
        }),
        member(Notifications, "unignore", "DEVICE", "alerts about a device again", |arguments| {
            preference(arguments, AlertPreference::Unignore)
        }),
        member(
            Notifications,
            "settings",
            "[quiet 22:30-07:00 or gather 5m or doorbell on or zone CITY]",
            "quiet hours, gathering of alerts, doorbell and time zone of this chat",
            |arguments| arguments::settings(arguments).map(Request::Settings),
        ),
        member(
            Names,
            "name",
            "MAC NAME or phone ID NAME",
            "name a device; several addresses can share a name",
            device_name,
        ),
        member(Names, "unname", "MAC or phone ID", "remove a name", |arguments| {
            named_device(arguments).map(Request::Unname)
        }),
        member(Bot, "status", "", "system status", |_| Ok(Request::Status)),
        member(
            Bot,
            "clock",
            "[right]",
            "whether the clock is in doubt; confirm that it is right",
            |arguments| {
                arguments::one_of(arguments, &["right"])
                    .map(|word| Request::Clock { is_right: word.is_some() })
            },
        ),
        member(
            Bot,
            "history",
            "[keep or delete]",
            "how far back the log goes; keep old events, or let them be deleted",
            |arguments| {
                let word = arguments::one_of(arguments, &["keep", "delete"])?;
                Ok(Request::History { keep: word.map(|word| word == "keep") })
            },
        ),
        member(Bot, "help", "", "all commands", |_| Ok(Request::Help)),
        Command {
            role: RequiredRole::Anyone,
            ..member(Bot, "start", "", "what this bot does", |code| {
                Ok(Request::Start { code: Some(code.to_owned()).filter(|code| !code.is_empty()) })
            })
        },
        Command {
            role: RequiredRole::Owner,
            ..member(Owners, "invite", "[owner]", "invite another chat, or another owner", |arguments| {
                arguments::role(arguments).map(Request::Invite)
            })
        },
        Command {
            role: RequiredRole::Owner,
            ..member(Owners, "proposals", "", "names that members proposed, to accept or refuse", |_| {
                Ok(Request::Proposals)
            })
        },
        Command {
            role: RequiredRole::Owner,
            ..member(Owners, "chats", "", "list the chats that have access, and remove some", |_| {
                Ok(Request::Chats)
            })
        },
    ]
};

fn preference(arguments: &str, preference: fn(String) -> AlertPreference) -> Result<Request, UsageError> {
    device(arguments).map(|device| Request::AlertPreference(preference(device)))
}

impl Command {
    /// The command of this name, in upper or lower case.
    pub fn named(name: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.name.eq_ignore_ascii_case(name))
    }
}

/// The commands for everybody with access and, where they are meant for one, those for an owner.
pub fn commands_for_role(to_owner: bool) -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(move |command| to_owner || command.role < RequiredRole::Owner)
}

/// For whom a menu of commands is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who has no access. The menu tells nothing of what the bot does.
    Strangers,
    /// A member's private chat.
    Member,
    /// An owner's private chat.
    Owner,
    /// A group with access.
    Group,
}

/// What a stranger reads beside `/start`.
const STRANGERS_START: &str = "use an invitation";

/// The commands in a menu, each with its help line.
pub fn menu(audience: Audience) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_shown = move |command: &&Command| match audience {
        Audience::Strangers => command.role == RequiredRole::Anyone,
        Audience::Member => command.role < RequiredRole::Owner,
        Audience::Owner => true,
        Audience::Group => command.role == RequiredRole::Member,
    };
    let help = move |command: &Command| match audience {
        Audience::Strangers => STRANGERS_START,
        _ => command.help,
    };
    COMMANDS.iter().filter(is_shown).map(move |command| (command.name, help(command)))
}

/// The word behind the slash at the beginning of a message, without the bot's name (`/watch@name`), and what
/// follows it.
fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim().strip_prefix('/')?;
    let (word, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Some((word.split('@').next().unwrap_or_default(), arguments.trim()))
}

/// The command that a message is, if any.
pub fn command_in_message(text: &str) -> Option<&'static Command> {
    Command::named(split(text)?.0)
}

/// The command for everybody that an unknown one may mean.
pub(in crate::chat) fn nearest(name: &str) -> Option<&'static Command> {
    let known = commands_for_role(false).map(|command| command.name);
    let similar = suggest::similar_by(known, LEAST_SIMILARITY, |known| suggest::similarity(known, name));
    similar.first().and_then(|nearest| Command::named(nearest))
}

/// What a stranger's message asks for, if it is a command that anyone may use.
pub fn request_of_stranger(text: &str) -> Option<Request> {
    command_in_message(text)
        .filter(|command| command.role == RequiredRole::Anyone)
        .map(|_| Request::parse(text))
}
