//! What a message asks for.

use super::history::Subject;
use super::period::Period;
use super::text::printable;
use super::wish::Wish;
use crate::dot11::{MacAddr, Ssid, unhex};
use crate::event::Pattern;
use crate::state::check_name;

/// The longest SSID, in bytes (IEEE 802.11-2020 §9.4.2.2).
const SSID_BYTES: usize = 32;

/// The longest pattern, in characters.
const PATTERN_LENGTH: usize = 64;

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
pub const COMMANDS: [Command; 21] = [
    command("devices", "[page]", "all devices, newest first"),
    command("nearby", "[minutes]", "who was heard lately, strongest first"),
    command("top", "[page]", "the devices with most probes"),
    command("ssid", "SSID", "who asked for a network"),
    command("networks", "[page]", "the networks that are asked for most"),
    command("chart", "DEVICE [24h|7d|30d]", "a picture of when; also /chart ssid SSID"),
    command("export", "DEVICE", "its probes as a table; /export networks for all networks"),
    command("watch", "SSID [reason]", "be told when someone asks for a network; Depot* is all that begin so"),
    command("unwatch", "SSID", "stop watching a network"),
    command("watches", "", "list the watched networks, and followed and ignored devices"),
    command("follow", "DEVICE [minutes]", "be told when a device arrives and leaves"),
    command("unfollow", "DEVICE", "stop following a device"),
    command("mute", "[30m, 2h, 1d]", "no alerts for a while"),
    command("unmute", "", "alerts again"),
    command("ignore", "DEVICE", "no alerts about a device"),
    command("unignore", "DEVICE", "alerts about it again"),
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
pub const GROUPS: [(&str, &[&str]); 5] = [
    ("Look around", &["devices", "nearby", "top", "ssid", "networks", "chart", "export"]),
    ("Be told", &["watch", "unwatch", "watches", "follow", "unfollow"]),
    ("Peace and quiet", &["mute", "unmute", "ignore", "unignore"]),
    ("Names", &["name", "unname"]),
    ("This bot", &["status", "help", "start"]),
];

/// What a watch is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A network.
    Network(Ssid),
    /// All networks of a pattern.
    Pattern(Pattern),
}

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
        /// The network, or which of them.
        wanted: Wanted,
        /// Why.
        reason: Option<String>,
    },
    /// `/unwatch`
    Unwatch(Wanted),
    /// `/watches`
    Watches,
    /// `/follow`, `/mute`, `/ignore` and their opposites.
    Wish(Wish),
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
            "unwatch" => wanted_alone(arguments).map(Self::Unwatch),
            "watches" => Ok(Self::Watches),
            "name" => device_name(arguments),
            "unname" => address(arguments).map(Self::Unname),
            "status" => Ok(Self::Status),
            "start" => Ok(Self::Start),
            name => match Wish::parse(name, arguments) {
                Some(wish) => wish.map(Self::Wish),
                None => Ok(Self::Help),
            },
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
    let (wanted, reason) = wanted_first(arguments)?;
    let reason: String =
        reason.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON_LENGTH).collect();
    Ok(Request::Watch { wanted, reason: Some(reason).filter(|reason| !reason.is_empty()) })
}

fn wanted_alone(arguments: &str) -> Result<Wanted, String> {
    alone(arguments, word_wanted, Wanted::Network)
}

/// An SSID, in which nothing makes a pattern.
fn ssid_alone(arguments: &str) -> Result<Ssid, String> {
    alone(arguments, |word| checked_ssid(word.as_bytes()), |ssid| ssid)
}

fn alone<T>(
    arguments: &str,
    of_word: impl Fn(&str) -> Result<T, String>,
    of_ssid: impl Fn(Ssid) -> T,
) -> Result<T, String> {
    match first(arguments, of_word, &of_ssid)? {
        (wanted, "") => Ok(wanted),
        // Nothing may follow, so spaces need no quotes here.
        _ if !is_quote(arguments.chars().next()) => checked_ssid(arguments.as_bytes()).map(of_ssid),
        (_, rest) => Err(format!("I do not know what “{}” after the SSID means.", printable(rest))),
    }
}

/// What is wanted at the beginning, a word or in quotes, and what follows it. A word may be a pattern; what
/// stands in quotes is taken as it is.
fn wanted_first(arguments: &str) -> Result<(Wanted, &str), String> {
    first(arguments, word_wanted, Wanted::Network)
}

/// What stands at the beginning, a word or an SSID in quotes or digits, and what follows it.
fn first<T>(
    arguments: &str,
    of_word: impl Fn(&str) -> Result<T, String>,
    of_ssid: impl Fn(Ssid) -> T,
) -> Result<(T, &str), String> {
    if arguments.is_empty() {
        return Err("The SSID is missing.".to_owned());
    }
    let exactly = |bytes: &[u8]| checked_ssid(bytes).map(of_ssid);
    if is_quote(arguments.chars().next()) {
        let (bytes, rest) = quoted(arguments).ok_or("The closing quote is missing.")?;
        return Ok((exactly(&bytes)?, rest.trim()));
    }
    if let Some((ssid, rest)) = in_single_quotes(arguments) {
        return Ok((exactly(ssid.as_bytes())?, rest.trim()));
    }
    let (word, rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let wanted = match word.strip_prefix("hex:") {
        Some(digits) => exactly(&unhex(digits).ok_or("After hex: I expect pairs of hex digits.")?)?,
        None => of_word(word)?,
    };
    Ok((wanted, rest.trim()))
}

/// A pattern, or an SSID in which `\*` and `\?` stand for themselves.
fn word_wanted(word: &str) -> Result<Wanted, String> {
    let pattern = Pattern::new(word);
    if let Some(ssid) = pattern.as_literal() {
        return checked_ssid(ssid.as_bytes()).map(Wanted::Network);
    }
    if !pattern.has_literal() {
        return Err("That would be every network that anyone asks for. Name at least a character.".to_owned());
    }
    match word.chars().count() {
        0..=PATTERN_LENGTH => Ok(Wanted::Pattern(pattern)),
        length => Err(format!("A pattern has at most {PATTERN_LENGTH} characters; this one has {length}.")),
    }
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
        let wanted = Wanted::Network(Ssid::new(ssid));
        Request::Watch { wanted, reason: reason.map(str::to_owned) }
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
        check("/unwatch My Network", Request::Unwatch(Wanted::Network(Ssid::from("My Network"))));
        check("/unwatch \"My Network\"", Request::Unwatch(Wanted::Network(Ssid::from("My Network"))));
    }

    #[test]
    fn a_word_may_be_a_pattern_and_quotes_are_exact() {
        let pattern = |text: &str| Wanted::Pattern(Pattern::new(text));
        check(
            "/watch Depot* vans",
            Request::Watch { wanted: pattern("Depot*"), reason: Some("vans".into()) },
        );
        check("/unwatch D?pot", Request::Unwatch(pattern("D?pot")));
        check("/watch \"Depot*\"", watch(b"Depot*", None));
        check("/watch ‘Depot*’", watch(b"Depot*", None));
        check("/watch hex:2a", watch(b"*", None));
        check(r"/watch Depot\*", watch(b"Depot*", None));
    }

    #[test]
    fn wishes_name_their_devices() {
        check("/follow Alice's phone 30", Request::Wish(Wish::Follow("Alice's phone 30".into())));
        check("/mute", Request::Wish(Wish::Mute(std::time::Duration::from_secs(3600))));
        check("/unmute", Request::Wish(Wish::Unmute));
        check("/ignore a483e74e3915", Request::Wish(Wish::Ignore("a483e74e3915".into())));
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
        check("/ssid Depot*", Request::Network("Depot*".into()));
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
            "/watch *",
            "/watch ?*",
            "/watch *aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "/follow",
            "/ignore",
            "/mute never",
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
