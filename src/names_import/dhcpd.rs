//! Leases of ISC dhcpd (dhcpd.leases(5)), and its `host` declarations (dhcpd.conf(5)). The file only grows until dhcpd
//! writes it anew, so that the last lease of an address counts.
//!
//! A text in quotes has escapes: `\"`, `\\`, `\n`, `\t`, three octal digits, or `\x` and two hexadecimal ones.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dot11::MacAddr;

use super::{Facts, LocatedBy, mac};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Open,
    Close,
    End,
}

/// What a declaration is of.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Lease(IpAddr),
    Host(String),
}

/// What is known of a lease or a host.
#[derive(Debug, Default)]
struct Entry {
    address: Option<MacAddr>,
    name: Option<String>,
    ip: Option<IpAddr>,
    is_over: bool,
}

/// Whether it is a file of dhcpd: a line opens a lease or a host, or has a statement of its own.
pub(super) fn is_dhcpd(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("lease"), Some(ip), Some("{")) => ip.parse::<IpAddr>().is_ok(),
            (Some("host"), Some(_), Some("{")) => true,
            (Some("authoring-byte-order" | "server-duid"), Some(_), None) => true,
            _ => false,
        }
    })
}

/// The facts in the declarations of `text`.
pub(super) fn read(text: &str) -> Facts {
    let mut facts = Facts::default();
    let mut entries: BTreeMap<Key, Entry> = BTreeMap::new();
    // The open blocks, and the entry of the one that is a lease or a host.
    let (mut depth, mut entry): (usize, Option<(usize, Key, Entry)>) = (0, None);
    let mut statement: Vec<String> = Vec::new();
    for (token, line) in tokens(text) {
        match token {
            Token::Word(word) => {
                statement.push(word);
                continue;
            }
            Token::Open => {
                depth += 1;
                match Key::of(&statement).filter(|_| entry.is_none()) {
                    Some(key) => entry = Some((depth, key, Entry::default())),
                    None => check_statement(&statement, depth - 1, line, &mut facts),
                }
            }
            Token::Close => {
                if let Some((_, key, done)) = entry.take_if(|(at, ..)| *at == depth) {
                    entries.insert(key, done);
                }
                depth = depth.saturating_sub(1);
            }
            Token::End => match &mut entry {
                Some((at, _, entry)) if *at == depth => entry.read(&statement),
                Some(_) => {}
                None => check_statement(&statement, depth, line, &mut facts),
            },
        }
        statement.clear();
    }
    for (key, entry) in entries {
        let Some(address) = entry.address.filter(|_| !entry.is_over) else { continue };
        match key {
            Key::Lease(ip) => {
                let name = entry.name.unwrap_or_default();
                facts.add_lease(address, [ip], &name, LocatedBy::Lease);
            }
            Key::Host(host) => {
                let name = entry.name.unwrap_or(host);
                facts.add_lease(address, entry.ip, &name, LocatedBy::Person);
            }
        }
    }
    facts
}

impl Key {
    /// What the declaration with these words is of; `None` if it names no device.
    fn of(declaration: &[String]) -> Option<Self> {
        match declaration {
            [kind, ip] if kind == "lease" => ip.parse().ok().map(Self::Lease),
            [kind, host] if kind == "host" => Some(Self::Host(host.clone())),
            _ => None,
        }
    }
}

impl Entry {
    fn read(&mut self, statement: &[String]) {
        let words: Vec<&str> = statement.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["hardware", "ethernet", address] => self.address = mac(address),
            ["client-hostname", name] | ["option", "host-name", name] => self.name = Some((*name).to_owned()),
            ["fixed-address", ip, ..] => self.ip = ip.trim_end_matches(',').parse().ok(),
            ["binding", "state", state] => self.is_over = *state != "active",
            ["deleted"] | ["abandoned"] => self.is_over = true,
            _ => {}
        }
    }
}

/// Reports a statement at the top level of the file that is none of dhcpd's.
fn check_statement(statement: &[String], depth: usize, line: usize, facts: &mut Facts) {
    let Some(first) = statement.first().filter(|_| depth == 0) else { return };
    // Beside its leases and hosts, it has declarations and parameters of many kinds.
    let is_keyword =
        first.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_keyword {
        facts.not_understood(line, &statement.join(" "));
    }
}

/// The tokens with the numbers of their lines.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let (mut tokens, mut line) = (Vec::new(), 1);
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let single = match c {
            '{' => Some(Token::Open),
            '}' => Some(Token::Close),
            ';' => Some(Token::End),
            _ => None,
        };
        if single.is_some() || c.is_whitespace() || c == '#' || c == '"' {
            tokens.extend(word.take().map(|word| (Token::Word(word), line)));
        }
        match c {
            '"' => {
                let mut bytes = Vec::new();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    line += usize::from(c == '\n');
                    match c {
                        '\\' => bytes.extend(escaped(&mut chars)),
                        _ => bytes.extend(c.to_string().as_bytes()),
                    }
                }
                tokens.push((Token::Word(String::from_utf8_lossy(&bytes).into_owned()), line));
            }
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '\n' => line += 1,
            _ if single.is_none() && !c.is_whitespace() => word.get_or_insert_default().push(c),
            _ => {}
        }
        tokens.extend(single.map(|token| (token, line)));
    }
    tokens.extend(word.map(|word| (Token::Word(word), line)));
    tokens
}

/// The bytes of an escape, after its backslash.
fn escaped(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Vec<u8> {
    let digits = |radix, most, chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        let mut value = None;
        for _ in 0..most {
            let Some(digit) = chars.next_if(|c| c.is_digit(radix)).and_then(|c| c.to_digit(radix)) else {
                break;
            };
            value = Some(value.unwrap_or(0) * radix + digit);
        }
        value.map(|value| vec![(value & 0xff) as u8])
    };
    if let Some(octal) = digits(8, 3, chars) {
        return octal;
    }
    match chars.next() {
        Some('x') => digits(16, 2, chars).unwrap_or_else(|| b"x".to_vec()),
        Some('n') => vec![b'\n'],
        Some('t') => vec![b'\t'],
        Some('r') => vec![b'\r'],
        Some(c) => c.to_string().into_bytes(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_file, found_in};

    const LEASES: &str = "# The format of this file is documented in the dhcpd.leases(5) manual page.\n\
         authoring-byte-order little-endian;\n\n\
         lease 192.168.1.20 {\n  starts 4 2026/11/26 10:00:00;\n  ends 4 2026/11/26 11:00:00;\n\
         \x20 binding state active;\n  next binding state free;\n  rewind binding state free;\n\
         \x20 hardware ethernet a4:83:e7:10:00:10;\n  uid \"\\001\\244\\203\\347\\020\\000};\\\"\";\n\
         \x20 set vendor-class-identifier = \"MSFT 5.0\";\n  client-hostname \"old\";\n}\n\
         lease 192.168.1.20 {\n  binding state active;\n  hardware ethernet a4:83:e7:10:00:10;\n\
         \x20 on expiry { set x = \"y\"; }\n  client-hostname \"Alice\\047s \\\"phone\\\" \\303\\251\";\n}\n\
         lease 192.168.1.21 {\n  binding state active;\n  hardware ethernet a4:83:e7:10:00:11;\n  client-hostname \"bob\";\n}\n\
         lease 192.168.1.21 {\n  binding state free;\n  hardware ethernet a4:83:e7:10:00:11;\n  client-hostname \"bob\";\n}\n\
         server-duid \"\\000\\001\";\n";

    #[test]
    fn the_last_lease_of_an_address_counts() {
        check_file("dhcpd.leases", LEASES, &[("a4:83:e7:10:00:10", "Alice's \"phone\" é", true)]);
        assert_eq!(found_in("dhcpd.leases", LEASES), []);
    }

    #[test]
    fn a_lease_that_is_not_active_names_nothing() {
        for state in ["free", "expired", "released", "abandoned", "backup", "reset"] {
            let lease = format!(
                "lease 10.0.0.1 {{\n binding state {state};\n hardware ethernet a4:83:e7:10:00:10;\n client-hostname \"a\";\n}}\n"
            );
            check_file("a", &lease, &[]);
        }
        // Another device has the address now.
        let two = "lease 10.0.0.1 {\n hardware ethernet a4:83:e7:10:00:10;\n client-hostname \"a\";\n}\n\
             lease 10.0.0.1 {\n hardware ethernet a4:83:e7:10:00:11;\n}\n";
        check_file("a", two, &[]);
    }

    #[test]
    fn hosts_are_named_by_people() {
        let hosts = "option domain-name \"lan\";\nsubnet 10.0.0.0 netmask 255.255.255.0 {\n range 10.0.0.5 10.0.0.9;\n\
             \x20 host van {\n hardware ethernet 00:23:a7:19:5c:03; fixed-address 10.0.0.3;\n }\n}\n\
             host tablet { hardware ethernet a4:83:e7:10:00:34; option host-name \"Kitchen tablet\"; }\n\
             host gone {\n  dynamic;\n  deleted;\n hardware ethernet a4:83:e7:10:00:35;\n}\n";
        check_file(
            "a",
            hosts,
            &[("00:23:a7:19:5c:03", "van", false), ("a4:83:e7:10:00:34", "Kitchen tablet", false)],
        );
        assert_eq!(found_in("a", hosts), []);
    }

    #[test]
    fn broken_files_end_somewhere() {
        for text in [
            "lease 10.0.0.1 {",
            "lease 10.0.0.1 { }}}} \"",
            "lease 10.0.0.1 {\n client-hostname \"a\\",
            "host a {\n \"\\x",
        ] {
            check_file("a", text, &[]);
        }
        let found = found_in("a", "lease 10.0.0.1 {\n}\nWhat is this;\n");
        assert!(
            matches!(found.as_slice(), [super::super::Finding::NotUnderstood { line: 3, .. }]),
            "{found:?}"
        );
    }
}
