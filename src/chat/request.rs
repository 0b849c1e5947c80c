//! What a message asks for.

use crate::dot11::{MacAddr, Ssid, unhex};
use crate::state::check_name;

use super::text::printable;

/// The longest SSID, in bytes (IEEE 802.11-2020 §9.4.2.2).
const SSID_BYTES: usize = 32;

/// The longest reason of a watch, in characters; what is longer is cut.
const REASON_LENGTH: usize = 200;

/// A command as the menu and `/help` show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// Its name, without the slash.
    pub name: &'static str,
    /// What follows the name.
    pub arguments: &'static str,
    /// What it does.
    pub purpose: &'static str,
}

const fn command(name: &'static str, arguments: &'static str, purpose: &'static str) -> Command {
    Command { name, arguments, purpose }
}

/// Every command that exists, in the order in which they are shown.
pub const COMMANDS: [Command; 8] = [
    command("watch", "SSID [reason]", "be told when someone asks for a network"),
    command("unwatch", "SSID", "stop watching a network"),
    command("watches", "", "list the watched networks"),
    command("name", "MAC NAME", "give a device a name; one name may cover several addresses"),
    command("unname", "MAC", "take the name away"),
    command("status", "", "how the box is doing"),
    command("help", "", "what can be asked"),
    command("start", "", "begin"),
];

/// The commands for owners, which exist only where there is someone to let in.
pub const OWNER_COMMANDS: [Command; 2] = [
    command("invite", "[owner]", "make a code that lets a chat in"),
    command("chats", "", "list the chats that are served, and remove them"),
];

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A device's statistics, by name, part of a name, or address.
    Lookup(String),
    /// `/watch`
    Watch {
        /// The network.
        ssid: Ssid,
        /// Why.
        reason: Option<String>,
    },
    /// `/unwatch`
    Unwatch(Ssid),
    /// `/watches`
    Watches,
    /// `/name`
    Name {
        /// The address to be named.
        address: MacAddr,
        /// Its name, which serves as one.
        name: String,
    },
    /// `/unname`
    Unname(MacAddr),
    /// `/status`
    Status,
    /// `/help`
    Help,
    /// `/start`
    Start,
    /// Nothing but spaces.
    Nothing,
    /// A command whose arguments do not serve.
    Misused {
        /// The command.
        command: Command,
        /// What is wrong with its arguments.
        why: String,
    },
    /// A command that does not exist, without its slash.
    UnknownCommand(String),
}

impl Request {
    /// Reads a message. A command may carry the bot's name (`/watch@name`).
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let Some(rest) = text.strip_prefix('/') else {
            return if text.is_empty() { Self::Nothing } else { Self::Lookup(text.to_owned()) };
        };
        let (word, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let name = word.split('@').next().unwrap_or_default().to_lowercase();
        let Some(command) = COMMANDS.into_iter().find(|command| command.name == name) else {
            return Self::UnknownCommand(name);
        };
        let arguments = arguments.trim();
        let request = match command.name {
            "watch" => watch(arguments),
            "unwatch" => ssid_alone(arguments).map(Self::Unwatch),
            "watches" => Ok(Self::Watches),
            "name" => device_name(arguments),
            "unname" => address(arguments).map(Self::Unname),
            "status" => Ok(Self::Status),
            "start" => Ok(Self::Start),
            _ => Ok(Self::Help),
        };
        request.unwrap_or_else(|why| Self::Misused { command, why })
    }
}

fn watch(arguments: &str) -> Result<Request, String> {
    let (ssid, reason) = ssid_first(arguments)?;
    let reason: String =
        reason.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON_LENGTH).collect();
    Ok(Request::Watch { ssid, reason: Some(reason).filter(|reason| !reason.is_empty()) })
}

fn ssid_alone(arguments: &str) -> Result<Ssid, String> {
    match ssid_first(arguments)? {
        (ssid, "") => Ok(ssid),
        // Nothing may follow, so spaces need no quotes here.
        _ if !is_quote(arguments.chars().next()) => checked_ssid(arguments.as_bytes()),
        (_, rest) => Err(format!("I do not know what “{}” after the SSID means.", printable(rest))),
    }
}

/// The SSID at the beginning, a word or in quotes, and what follows it.
fn ssid_first(arguments: &str) -> Result<(Ssid, &str), String> {
    if arguments.is_empty() {
        return Err("The SSID is missing.".to_owned());
    }
    let (bytes, rest) = if is_quote(arguments.chars().next()) {
        quoted(arguments).ok_or("The closing quote is missing.")?
    } else if let Some((ssid, rest)) = in_single_quotes(arguments) {
        (ssid.as_bytes().to_vec(), rest)
    } else {
        let (word, rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
        let bytes = match word.strip_prefix("hex:") {
            Some(digits) => unhex(digits).ok_or("After hex: I expect pairs of hex digits.")?,
            None => word.as_bytes().to_vec(),
        };
        (bytes, rest)
    };
    Ok((checked_ssid(&bytes)?, rest.trim()))
}

fn checked_ssid(bytes: &[u8]) -> Result<Ssid, String> {
    match bytes.len() {
        0 => {
            Err("A probe for no network in particular cannot be watched: nearly every phone sends them."
                .into())
        }
        1..=SSID_BYTES => Ok(Ssid::new(bytes)),
        length => Err(format!("An SSID has at most {SSID_BYTES} bytes; this one has {length}.")),
    }
}

/// Keyboards of phones make typographic quotes of straight ones.
fn is_quote(c: Option<char>) -> bool {
    matches!(c, Some('"' | '“' | '”' | '„' | '«' | '»'))
}

/// The text between the quotes at the beginning, in which `\"` and `\\` stand for themselves, and what
/// follows the closing quote.
fn quoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((place, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, escaped)) if escaped == '\\' || is_quote(Some(escaped)) => content.push(escaped),
                Some((_, other)) => content.extend(['\\', other]),
                None => return None,
            },
            _ if is_quote(Some(c)) => {
                return Some((content.into_bytes(), text.get(place + c.len_utf8()..)?));
            }
            _ => content.push(c),
        }
    }
    None
}

/// The text between single quotes at the beginning, where the closing one ends a word: an SSID may well
/// begin with an apostrophe.
fn in_single_quotes(text: &str) -> Option<(&str, &str)> {
    let is_single = |c: char| matches!(c, '\'' | '‘' | '’');
    let content = text.strip_prefix(is_single)?;
    content.match_indices(is_single).find_map(|(end, quote)| {
        let rest = content.get(end + quote.len()..)?;
        let ends_word = rest.is_empty() || rest.starts_with(char::is_whitespace);
        ends_word.then(|| content.get(..end)).flatten().map(|ssid| (ssid, rest))
    })
}

fn address(arguments: &str) -> Result<MacAddr, String> {
    if arguments.is_empty() {
        return Err("The address is missing.".to_owned());
    }
    arguments.parse().map_err(|_| {
        format!("“{}” is no MAC address; one looks like a4:83:e7:4e:39:15.", printable(arguments))
    })
}

fn device_name(arguments: &str) -> Result<Request, String> {
    let (word, name) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let address = address(word)?;
    let name = match quoted(name.trim()) {
        Some((content, "")) if is_quote(name.trim().chars().next()) => {
            String::from_utf8_lossy(&content).into_owned()
        }
        _ => name.to_owned(),
    };
    let name = check_name(&name).map_err(|why| format!("That does not serve as a name: {why}."))?;
    Ok(Request::Name { address, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Request) {
        assert_eq!(Request::parse(text), expected, "{text}");
    }

    fn watch(ssid: &[u8], reason: Option<&str>) -> Request {
        Request::Watch { ssid: Ssid::new(ssid), reason: reason.map(str::to_owned) }
    }

    #[test]
    fn what_is_no_command_is_a_look_up() {
        check(" a4:83:E7:4e:39:15\n", Request::Lookup("a4:83:E7:4e:39:15".into()));
        check("Alice's phone", Request::Lookup("Alice's phone".into()));
        check(" \n ", Request::Nothing);
        check("/", Request::UnknownCommand(String::new()));
        check("/Wacth x", Request::UnknownCommand("wacth".into()));
    }

    #[test]
    fn watch_takes_words_quotes_and_hex() {
        check("/watch RNM0", watch(b"RNM0", None));
        check(
            "/WATCH@probewatch_bot RNM0  the neighbours \n van",
            watch(b"RNM0", Some("the neighbours van")),
        );
        check("/watch \"My Network\" mine", watch(b"My Network", Some("mine")));
        check("/watch “My Network” mine", watch(b"My Network", Some("mine")));
        check(r#"/watch "a \"b\" \\ c\d""#, watch(br#"a "b" \ c\d"#, None));
        check("/watch ‘Alice's net’ mine", watch("Alice's net".as_bytes(), Some("mine")));
        check("/watch 'tis mine", watch(b"'tis", Some("mine")));
        check("/watch hex:fffe00", watch(b"\xff\xfe\x00", None));
        check("/watch 📶", watch("📶".as_bytes(), None));
        check("/unwatch My Network", Request::Unwatch(Ssid::from("My Network")));
        check("/unwatch \"My Network\"", Request::Unwatch(Ssid::from("My Network")));
    }

    #[test]
    fn misuse_is_told() {
        for text in [
            "/watch",
            "/watch \"\" x",
            "/watch \"open",
            "/watch \"open\\",
            "/watch hex:f",
            "/watch hex:",
            "/watch 123456789012345678901234567890123",
            "/unwatch",
            "/unwatch \"a\" b",
            "/name",
            "/name a4:83:e7:4e:39:15",
            "/name a4:83:e7:4e:39:15 /x",
            "/name a4:83:e7:4e:39:15 a483e74e3915",
            "/name phone a4:83:e7:4e:39:15",
            "/unname",
            "/unname phone",
        ] {
            assert!(matches!(Request::parse(text), Request::Misused { .. }), "{text}");
        }
    }

    #[test]
    fn name_takes_the_rest_of_the_line() {
        let address = "a4:83:e7:4e:39:15".parse().unwrap();
        for text in ["/name a483e74e3915  Alice's   phone", "/name A4-83-E7-4E-39-15 \"Alice's phone\""] {
            check(text, Request::Name { address, name: "Alice's phone".into() });
        }
        check("/unname a483.e74e.3915", Request::Unname(address));
    }
}
