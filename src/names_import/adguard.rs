//! The clients in AdGuard Home's configuration (`AdGuardHome.yaml`), to which people give names: `clients.persistent`,
//! and before version 0.107 the list `clients`. A client has a `name` and `ids`, which are addresses of devices, IP
//! addresses or other identifiers. `static_leases` with `mac`, `ip` and `hostname` are read, too.
//!
//! The file is YAML as AdGuard Home writes it: a block with two or four spaces for each level, and lists in lines of
//! their own or in brackets. Only its lists of clients are read, so a reader of all of YAML would be of little use.

use super::lines;
use super::{Facts, LocatedBy, mac};

/// Lists whose entries name devices, by the keys that lead to them.
const LISTS: [&[&str]; 4] = [
    &["clients", "persistent"],
    &["clients"],
    &["dhcp", "static_leases"],
    &["dhcp", "dhcpv4", "static_leases"],
];

/// Whether it is a configuration of AdGuard Home.
pub(super) fn is_adguard(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.trim_end() == key);
    has("clients:")
        && (has("dns:") || has("dhcp:") || text.lines().any(|line| line.starts_with("schema_version:")))
        || has("clients:") && has("  persistent:")
}

/// An entry of a list.
#[derive(Debug, Default)]
struct Entry {
    name: Option<String>,
    ids: Vec<String>,
    ip: Option<String>,
}

/// A line within an entry.
struct Line<'a> {
    text: &'a str,
    column: usize,
    is_item: bool,
}

/// The facts in the lists of `text`.
pub(super) fn read(text: &str) -> Facts {
    let mut facts = Facts::default();
    // The keys that lead to a line, with their indentations; the list that is read, with that of its dashes.
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut list: Option<(usize, Entry)> = None;
    for line in text.lines() {
        let content = line.trim_start_matches(' ');
        if content.trim().is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len() - content.len();
        // A dash may be as far left as the key of its list.
        let is_dash = content == "-" || content.starts_with("- ");
        if list.as_ref().is_some_and(|(at, _)| indent < *at || indent == *at && !is_dash) {
            list.take().into_iter().for_each(|(_, entry)| entry.add(&mut facts));
        }
        path.retain(|(at, _)| *at < indent || *at == indent && is_dash);
        if is_dash
            && list.is_none()
            && LISTS.iter().any(|keys| path.iter().map(|(_, key)| key).eq(keys.iter()))
        {
            list = Some((indent, Entry::default()));
        }
        let Some((at, entry)) = &mut list else {
            if let Some((key, _)) = content.split_once(':') {
                path.push((indent, key.trim()));
            }
            continue;
        };
        let mut rest = content;
        let mut column = indent;
        if is_dash && indent == *at {
            std::mem::take(entry).add(&mut facts);
            path.retain(|(at, _)| *at <= indent);
            rest = content[1..].trim_start();
            column = indent + (content.len() - rest.len());
        }
        let line = Line { text: rest, column, is_item: is_dash && indent > *at };
        entry.read(line, *at + 2, &mut path);
    }
    list.into_iter().for_each(|(_, entry)| entry.add(&mut facts));
    facts
}

impl Entry {
    /// Reads a line: a key of the entry itself, which begins in `own_column`, or an item of its list of identifiers.
    fn read<'a>(&mut self, line: Line<'a>, own_column: usize, path: &mut Vec<(usize, &'a str)>) {
        let Line { text, column, is_item } = line;
        if is_item {
            if path.last() == Some(&(own_column, "ids")) {
                self.ids.push(scalar(&text[1..]));
            }
            return;
        }
        let Some((key, value)) = text.split_once(':') else { return };
        path.push((column, key.trim()));
        if column != own_column {
            return;
        }
        let value = value.trim();
        match key.trim() {
            "name" | "hostname" => self.name = Some(scalar(value)),
            "mac" => self.ids.push(scalar(value)),
            "ip" => self.ip = Some(scalar(value)),
            "ids" => {
                let inner = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
                self.ids.extend(inner.unwrap_or_default().split(',').map(scalar).filter(|id| !id.is_empty()));
            }
            _ => {}
        }
    }

    fn add(self, facts: &mut Facts) {
        let Some(name) = self.name.and_then(|name| facts.parse_name(&name)) else { return };
        for id in self.ids {
            if let Some(address) = mac(&id) {
                let ip = self.ip.as_ref().and_then(|ip| ip.parse().ok());
                facts.add_lease(address, ip, &name, LocatedBy::Person);
            } else if let Ok(ip) = id.parse() {
                lines::host(ip, &name, facts);
            }
        }
    }
}

/// A text, with or without quotes, and without a comment.
fn scalar(text: &str) -> String {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('\'') {
        return rest.rsplit_once('\'').map_or(rest, |(inner, _)| inner).replace("''", "'");
    }
    if let Some(rest) = text.strip_prefix('"') {
        let inner = rest.rsplit_once('"').map_or(rest, |(inner, _)| inner);
        // JSON has the same escapes, except for some that no name needs.
        return serde_json::from_str(&format!("\"{inner}\"")).unwrap_or_else(|_| inner.to_owned());
    }
    text.split(" #").next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_file, found_in};

    #[test]
    fn clients_of_adguard_home() {
        let file = "http:\n  address: 0.0.0.0:80\ndns:\n  bind_hosts:\n    - 0.0.0.0\nclients:\n  runtime_sources:\n\
             \x20   whois: true\n  persistent:\n    - safe_search:\n        enabled: false\n        name: no\n\
             \x20     blocked_services:\n        schedule:\n          time_zone: UTC\n        ids:\n          - a4:83:e7:10:00:19\n\
             \x20     name: Alice's phone\n      ids:\n        - a4:83:e7:10:00:10\n        - \"52:54:00:12:34:56\"\n\
             \x20       - 192.168.1.20\n        - alice-id\n      tags: []\n      upstreams: []\n\
             \x20   - name: 'Bob''s # 1'\n      ids: [ \"a4:83:e7:10:00:11\", 10.0.0.0/8 ]\n\
             \x20   - name: \"(unknown)\"\n      ids:\n        - a4:83:e7:10:00:12\n\
             log:\n  name: x\n  ids:\n    - a4:83:e7:10:00:13\nschema_version: 29\n";
        let expected = [
            ("52:54:00:12:34:56", "Alice's phone", false),
            ("a4:83:e7:10:00:10", "Alice's phone", false),
            ("a4:83:e7:10:00:11", "Bob's # 1", false),
        ];
        check_file("AdGuardHome.yaml", file, &expected);
        assert_eq!(found_in("AdGuardHome.yaml", file), []);
    }

    /// Before version 0.107 the list stood at the top, and dashes as far left as their key.
    #[test]
    fn clients_of_older_versions() {
        let file = "dns:\n  port: 53\nclients:\n- name: Van\n  tags: []\n  ids:\n  - 00:23:a7:19:5c:03\n  use_global_settings: true\n\
             - name: Tablet\n  ids:\n  - a4:83:e7:10:00:34\nlog_file: \"\"\ndhcp:\n  dhcpv4:\n    static_leases:\n\
             \x20     - mac: a4:83:e7:10:00:35\n        ip: 192.168.1.7\n        hostname: lamp\n";
        let expected = [
            ("00:23:a7:19:5c:03", "Van", false),
            ("a4:83:e7:10:00:34", "Tablet", false),
            ("a4:83:e7:10:00:35", "lamp", false),
        ];
        check_file("AdGuardHome.yaml", file, &expected);
    }
}
