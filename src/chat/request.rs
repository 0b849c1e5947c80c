//! What a message asks for.

use crate::dot11::{MacAddr, Ssid, unhex};
use crate::state::check_name;

use super::history::Subject;
use super::period::Period;
use super::text::printable;

/// The longest SSID, in bytes (IEEE 802.11-2020 §9.4.2.2).
const SSID_BYTES: usize = 32;

/// The longest reason of a watch, in characters; what is longer is cut.
const REASON_LENGTH: usize = 200;

/// How far back `/nearby` looks, in minutes, where it is not told, and at most.
const NEARBY_MINUTES: u32 = 10;
const NEARBY_LIMIT: u32 = 10_080;

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
pub const COMMANDS: [Command; 15] = [
    command("devices", "[page]", "all devices, newest first"),
    command("nearby", "[minutes]", "who was heard lately, strongest first"),
    command("top", "[page]", "the devices with most probes"),
    command("ssid", "SSID", "who asked for a network"),
    command("networks", "[page]", "the networks that are asked for most"),
    command("chart", "DEVICE [24h|7d|30d]", "a picture of when; also /chart ssid SSID"),
    command("export", "DEVICE", "its probes as a table; /export networks for all networks"),
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

/// The groups in which `/help` shows the commands.
pub const GROUPS: [(&str, &[&str]); 4] = [
    ("Look around", &["devices", "nearby", "top", "ssid", "networks", "chart", "export"]),
    ("Be told", &["watch", "unwatch", "watches"]),
    ("Names", &["name", "unname"]),
    ("This bot", &["status", "help", "start"]),
];

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A device's statistics, by name, part of a name, or address.
    Lookup(String),
    /// `/devices`, a page from 0.
    Devices(u32),
    /// `/nearby`, so many minutes.
    Nearby(u32),
    /// `/top`, a page from 0.
    Top(u32),
    /// `/ssid`
    Network(Ssid),
    /// `/networks`, a page from 0.
    Networks(u32),
    /// `/chart`
    Chart(Subject, Period),
    /// `/export` of a device.
    ExportDevice(String),
    /// `/export networks`
    ExportNetworks,
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
            "devices" => page(arguments).map(Self::Devices),
            "nearby" => minutes(arguments).map(Self::Nearby),
            "top" => page(arguments).map(Self::Top),
            "ssid" => ssid_alone(arguments).map(Self::Network),
            "networks" => page(arguments).map(Self::Networks),
            "chart" => chart(arguments),
            "export" => export(arguments),
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

    /// Reads the reply to a question for this device's name.
    pub fn name_given(address: MacAddr, text: &str) -> Self {
        let command = COMMANDS.into_iter().find(|command| command.name == "name");
        match (naming(address, text), command) {
            (Ok(request), _) => request,
            (Err(why), Some(command)) => Self::Misused { command, why },
            (Err(_), None) => Self::Help,
        }
    }
}

/// A page as people count them, from 1.
fn page(arguments: &str) -> Result<u32, String> {
    match arguments {
        "" => Ok(0),
        digits => digits
            .parse()
            .ok()
            .and_then(|page: u32| page.checked_sub(1))
            .ok_or_else(|| format!("“{}” is no number of a page; the first is 1.", printable(arguments))),
    }
}

fn minutes(arguments: &str) -> Result<u32, String> {
    let digits = arguments.strip_suffix("min").map_or(arguments, str::trim_end);
    match digits {
        "" if arguments.is_empty() => Ok(NEARBY_MINUTES),
        digits => {
            digits.parse().ok().filter(|minutes| (1..=NEARBY_LIMIT).contains(minutes)).ok_or_else(|| {
                format!("“{}” is no number of minutes from 1 to {NEARBY_LIMIT}.", printable(arguments))
            })
        }
    }
}

fn chart(arguments: &str) -> Result<Request, String> {
    // A last word that is a period is one, unless there is nothing else.
    let last_word = arguments.rsplit_once(char::is_whitespace);
    let (what, period) = match last_word.and_then(|(what, word)| Some((what.trim_end(), word.parse().ok()?)))
    {
        Some((what, period)) if !what.eq_ignore_ascii_case("ssid") => (what, period),
        _ => (arguments, Period::default()),
    };
    let (word, rest) = what.split_once(char::is_whitespace).unwrap_or((what, ""));
    if word.eq_ignore_ascii_case("ssid") {
        return ssid_alone(rest.trim()).map(|ssid| Request::Chart(Subject::Network(ssid), period));
    }
    match what {
        "" => Err("The device is missing.".to_owned()),
        device => Ok(Request::Chart(Subject::Device(device.to_owned()), period)),
    }
}

fn export(arguments: &str) -> Result<Request, String> {
    match arguments {
        "" => Err("What is to be exported is missing: a device, or networks.".to_owned()),
        networks if networks.eq_ignore_ascii_case("networks") => Ok(Request::ExportNetworks),
        device => Ok(Request::ExportDevice(device.to_owned())),
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
    naming(address(word)?, name)
}

fn naming(address: MacAddr, name: &str) -> Result<Request, String> {
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
    fn every_command_stands_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut all = COMMANDS.map(|command| command.name);
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }

    #[test]
    fn lists_take_a_page_or_minutes() {
        check("/devices", Request::Devices(0));
        check("/devices 3", Request::Devices(2));
        check("/networks 1", Request::Networks(0));
        check("/top 4294967295", Request::Top(u32::MAX - 1));
        check("/nearby", Request::Nearby(10));
        check("/nearby 90", Request::Nearby(90));
        check("/nearby 5 min", Request::Nearby(5));
        check("/ssid My Network", Request::Network("My Network".into()));
        check("/ssid hex:fffe00", Request::Network(Ssid::new(b"\xff\xfe\x00")));
    }

    #[test]
    fn charts_are_of_a_device_or_a_network() {
        let device = |name: &str| Subject::Device(name.to_owned());
        let network = |ssid: &str| Subject::Network(ssid.into());
        check("/chart Alice's phone", Request::Chart(device("Alice's phone"), Period::Day));
        check("/chart Alice's phone 7D", Request::Chart(device("Alice's phone"), Period::Week));
        check("/chart a4:83:e7:4e:39:15  30d", Request::Chart(device("a4:83:e7:4e:39:15"), Period::Month));
        check("/chart 7d", Request::Chart(device("7d"), Period::Day));
        check("/chart ssid My Network 24h", Request::Chart(network("My Network"), Period::Day));
        check("/chart SSID \"7d\" 7d", Request::Chart(network("7d"), Period::Week));
        check("/chart ssid 7d", Request::Chart(network("7d"), Period::Day));
        check("/export Networks", Request::ExportNetworks);
        check("/export van", Request::ExportDevice("van".to_owned()));
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
            "/devices 0",
            "/devices -1",
            "/top x",
            "/nearby 0",
            "/nearby min",
            "/nearby 10081",
            "/ssid",
            "/chart",
            "/chart ssid",
            "/export",
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
