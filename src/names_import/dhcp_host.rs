//! The fixed leases of dnsmasq (`dhcp-host` in dnsmasq(8)), which people write: lines of its configuration, such as
//! Pi-hole's `04-pihole-static-dhcp.conf`, and the list `hosts` of Pi-hole's `pihole.toml`.

use std::net::IpAddr;

use toml::de::DeTable;

use super::lines;
use super::{Facts, LocatedBy, mac};

/// How a line of dnsmasq's configuration begins.
pub(super) const OPTION: &str = "dhcp-host=";

/// One `dhcp-host`: `[hwaddr…][,id:…][,set:…][,tag:…][,address…][,name][,lease time][,ignore]`.
pub(super) fn dhcp_host(text: &str, facts: &mut Facts) {
    let (mut addresses, mut ips, mut name) = (Vec::new(), Vec::new(), None);
    for word in text.split(',').map(str::trim) {
        // An address may follow the hexadecimal number of its hardware type.
        let without_type =
            word.split_once('-').filter(|(kind, _)| kind.len() <= 2).map_or(word, |(_, rest)| rest);
        let ip = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
        if let Some(address) = mac(word).or_else(|| mac(without_type)) {
            addresses.push(address);
        } else if let Ok(ip) = ip.parse::<IpAddr>() {
            ips.push(ip);
        } else if is_name(word) && name.is_none() {
            name = facts.parse_name(word);
        }
    }
    for address in addresses {
        let name = name.as_deref().unwrap_or_default();
        facts.add_lease(address, ips.iter().copied(), name, LocatedBy::Person);
    }
}

/// Whether a word is neither a tag, an identifier, a pattern of addresses nor a lease time.
fn is_name(word: &str) -> bool {
    let is_time = word == "infinite" || {
        let digits = word.strip_suffix(['s', 'm', 'h', 'd', 'w']).unwrap_or(word);
        digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    !word.is_empty() && !is_time && word != "ignore" && !word.contains([':', '*', '['])
}

/// Whether it is a TOML file with the tables of Pi-hole.
pub(super) fn is_pihole(text: &str) -> bool {
    let without_comment = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    text.lines().any(|line| matches!(without_comment(line).as_str(), "[dhcp]" | "[dns]"))
}

/// The facts in a `pihole.toml`: `hosts` of `[dhcp]` has fixed leases, that of `[dns]` lines as in hosts(5).
pub(super) fn read_pihole(text: &str) -> Facts {
    let mut facts = Facts::default();
    let file = match DeTable::parse(text) {
        Ok(file) => file.into_inner(),
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let index = before.matches('\n').count();
            facts.not_understood(index + 1, text.lines().nth(index).unwrap_or_default());
            return facts;
        }
    };
    let hosts = |table: &str| {
        let list = file.get(table).and_then(|table| table.get_ref().get("hosts")?.get_ref().as_array());
        list.into_iter().flatten().filter_map(|text| text.get_ref().as_str())
    };
    for line in hosts("dns") {
        let _ = lines::host_line(line, &mut facts);
    }
    for lease in hosts("dhcp") {
        dhcp_host(lease, &mut facts);
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::super::tests::{check_file, found_in};

    #[test]
    fn fixed_leases_of_dnsmasq() {
        let file = "# Pi-hole's\ndhcp-host=A4:83:E7:10:00:10,192.168.1.20,alice-phone\n\
             dhcp-host=00:23:a7:19:5c:03,00:23:a7:19:5c:04,set:red,van,192.168.1.21,infinite\n\
             dhcp-host=06-a4:83:e7:10:00:11,id:*,bob,12h # his\ndhcp-host=a4:83:e7:10:00:12,192.168.1.22\n\
             dhcp-host=a4:83:e7:*:*:*,set:apple\ndhcp-host=carol,192.168.1.23\n\
             dhcp-host=a4:83:e7:10:00:13,[fd00::5],dave,45m\ndomain=lan\nbogus-priv\n";
        check_file(
            "04-pihole-static-dhcp.conf",
            file,
            &[
                ("00:23:a7:19:5c:03", "van", false),
                ("00:23:a7:19:5c:04", "van", false),
                ("a4:83:e7:10:00:10", "alice-phone", false),
                ("a4:83:e7:10:00:11", "bob", false),
                ("a4:83:e7:10:00:13", "dave", false),
            ],
        );
        assert_eq!(found_in("a.conf", file), []);
    }

    #[test]
    fn the_lists_of_pihole() {
        let file = "# Pi-hole configuration file (v6.0)\n[files]\n  hosts = [ \"a4:83:e7:10:00:19,no\" ]\n\n[dns]\n\
             \x20 # hosts = [ \"192.168.1.20 no\" ]\n  hosts = [\n    \"192.168.1.20 alice.lan alice\" # hers\n\
             \x20 ] ### CHANGED, default = []\n\n[dhcp]\n  active = true\n  leaseTime = \"24h\"\n  hosts = [\n\
             \x20   \"a4:83:e7:10:00:10,192.168.1.20\",\n    'a4:83:e7:10:00:11,192.168.1.21,bob'\n  ]\n  hosts2 = []\n";
        let expected = [("a4:83:e7:10:00:10", "alice.lan", false), ("a4:83:e7:10:00:11", "bob", false)];
        check_file("pihole.toml", file, &expected);
        assert_eq!(found_in("pihole.toml", file), []);
        check_file(
            "a",
            "[dhcp]\nhosts = [\"a4:83:e7:10:00:10,al\\\"ice#1\",\"\"]\n",
            &[("a4:83:e7:10:00:10", "al\"ice#1", false)],
        );
        let broken = "[dhcp]\nhosts = [ \"a4:83:e7:10:00:10,alice\"\n";
        check_file("a", broken, &[]);
        assert!(matches!(found_in("a", broken).as_slice(), [Finding::NotUnderstood { .. }]));
    }
}
