//! Files with one entry a line. Each line shows by itself what it is:
//! - a lease of dnsmasq: `1767225600 a4:83:e7:4e:39:15 192.168.1.7 alice-phone *`; the name `*` stands for none;
//! - a lease of odhcpd: `# br-lan a483e7100010 ipv4 alice-phone 1767225600 3e8 32 192.168.1.20/32`, with `-` for no
//!   name; a lease of IPv6 has a DUID instead, which need not hold an address;
//! - a fixed lease of dnsmasq's configuration: `dhcp-host=a4:83:e7:4e:39:15,192.168.1.7,alice-phone`;
//! - ethers(5): a MAC address and a name, or an IP address that a line of hosts names;
//! - hosts(5): an IP address and names, the canonical one first.
//!
//! `#` starts any other comment.

use std::net::IpAddr;

use dot11::MacAddr;

use super::dhcp_host::{OPTION, dhcp_host};
use super::{Facts, LocatedBy, Location, Origin, is_individual, mac};

/// Before the name that a device gives itself, if odhcpd finds that no host can have it.
const BROKEN_NAME: &str = "broken\\x20";

/// The flag of a complete entry in the kernel's table (`ATF_COM`): the address has answered.
const COMPLETE: u32 = 2;

/// Whether a line has a fixed lease of dnsmasq.
pub(super) fn has_dhcp_hosts(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with(OPTION))
}

/// The facts in the lines of `text`.
pub(super) fn read(text: &str) -> Facts {
    let mut facts = Facts::default();
    let is_configuration = has_dhcp_hosts(text);
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(comment) = line.strip_prefix('#') {
            // Most comments are no leases.
            let _ = odhcpd_lease(comment, &mut facts);
            continue;
        }
        let content = line.split('#').next().unwrap_or_default().trim();
        let mut words = content.split_whitespace();
        let Some(first) = words.next() else { continue };
        let is_understood = if let Some(address) = mac(first) {
            // A name in ethers may have spaces.
            ether(address, content.get(first.len()..).unwrap_or_default().trim(), &mut facts);
            true
        } else if let Some(option) = content.strip_prefix(OPTION) {
            dhcp_host(option, &mut facts);
            true
        } else if is_configuration {
            // The other options of dnsmasq.
            first.starts_with(|c: char| c.is_ascii_lowercase())
        } else if first.parse::<u64>().is_ok() {
            lease(words, &mut facts).is_some()
        } else {
            first == "duid" || host_line(content, &mut facts)
        };
        if !is_understood {
            facts.not_understood(number, line);
        }
    }
    facts
}

/// A line of hosts. Returns whether it is one.
pub(super) fn host_line(line: &str, facts: &mut Facts) -> bool {
    let mut words = line.split_whitespace();
    // A local address may name its interface: `fe80::1%lo0`.
    let address = words.next().and_then(|first| first.split('%').next());
    let Some(ip) = address.and_then(|address| address.parse().ok()) else { return false };
    host(ip, words.next().unwrap_or_default(), facts);
    true
}

fn ether(address: MacAddr, rest: &str, facts: &mut Facts) {
    let name = rest.split('\t').next().unwrap_or_default();
    if let Ok(ip) = name.trim().parse() {
        facts.locations.push(Location { ip, address, by: LocatedBy::Person });
    } else if let Some(name) = facts.parse_name(name) {
        facts.add_name(address, name, Origin::Written);
    }
}

/// Names an IP address.
pub(super) fn host(ip: IpAddr, name: &str, facts: &mut Facts) {
    if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() {
        return;
    }
    if let Some(name) = facts.parse_name(name) {
        facts.hosts.entry(ip).or_insert(name);
    }
}

/// The rest of a lease of dnsmasq; `None` if it is none.
fn lease<'a>(mut words: impl Iterator<Item = &'a str>, facts: &mut Facts) -> Option<()> {
    let owner = words.next()?;
    let ip = words.next()?.parse().ok()?;
    // A lease of IPv6 has the number of an association there, not an address.
    if let Some(address) = mac(owner) {
        facts.add_lease(address, [ip], words.next().unwrap_or_default(), LocatedBy::Lease);
    }
    Some(())
}

/// A lease in a comment of odhcpd; `None` if it is none. The device chose its name, which might have spaces.
fn odhcpd_lease(comment: &str, facts: &mut Facts) -> Option<()> {
    let words: Vec<&str> = comment.split_whitespace().collect();
    let [_, hardware, "ipv4", name @ .., expiry, _, "32", network] = words.as_slice() else { return None };
    let is_hardware = hardware.len() == 12 && !hardware.contains([':', '-', '.']);
    let address = hardware.parse().ok().filter(|address| is_hardware && is_individual(*address))?;
    let ip = network.strip_suffix("/32")?.parse().ok()?;
    let expiry: i64 = expiry.parse().ok()?;
    if expiry != 0 {
        let name = name.join(" ");
        let name = name.strip_prefix(BROKEN_NAME).unwrap_or(&name);
        facts.add_lease(address, [ip], name, LocatedBy::Lease);
    }
    Some(())
}

/// The facts in the kernel's table of neighbours (`/proc/net/arp`, proc_net(5)).
pub fn neighbours(text: &str) -> Facts {
    let location = |line: &str| {
        let mut words = line.split_whitespace();
        let ip = words.next()?.parse().ok()?;
        let flags = u32::from_str_radix(words.nth(1)?.strip_prefix("0x")?, 16).ok()?;
        let address = mac(words.next()?)?;
        (flags & COMPLETE != 0).then_some(Location { ip, address, by: LocatedBy::Kernel })
    };
    Facts { locations: text.lines().filter_map(location).collect(), ..Facts::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str, bool)]) {
        let facts = read(text);
        let names: Vec<(String, &str, bool)> = facts
            .names
            .iter()
            .map(|(address, name)| (address.to_string(), name.name.as_str(), name.is_lease()))
            .collect();
        let names: Vec<_> = names.iter().map(|(address, name, is)| (address.as_str(), *name, *is)).collect();
        assert_eq!(names, expected, "{text}");
    }

    const ALICE: &str = "a4:83:e7:4e:39:15";

    #[test]
    fn leases_of_dnsmasq_and_openwrt() {
        check(
            "1767225600 a4:83:e7:4e:39:15 192.168.1.7 alice-phone 01:a4:83:e7:4e:39:15\r\n\
             1767225601 00:23:a7:19:5c:02 192.168.1.8 * *\n\
             0 00:23:a7:19:5c:03 fd00::8 van ff:00\n\
             duid 00:01:00:01:2c:aa:bb:cc:a4:83:e7:4e:39:15\n\
             1767225602 15483215 fd00::7 alice-phone 00:01:00:01\n",
            &[(ALICE, "alice-phone", true), ("00:23:a7:19:5c:03", "van", true)],
        );
    }

    #[test]
    fn leases_of_odhcpd() {
        let file = "# br-lan a483e7100010 ipv4 alice-phone 4102444800 3e8 32 192.168.1.20/32\n\
             192.168.1.20\talice-phone.lan\talice-phone\n\
             # br-lan a483e7100012 ipv4 - 4102444800 3e9 32 192.168.1.22/32\n\
             # br-lan a483e7100013 ipv4 broken\\x20Bob's_phone -1 3ea 32 192.168.1.23/32\n\
             # br-lan a483e7100014 ipv4 gone 0 3eb 32 192.168.1.24/32\n\
             # br-lan 0003000120b5a483e7100011 1 bob-tablet 4102444800 5 128 fd00::5/128\n\
             fd00::5\tbob-tablet.lan\tbob-tablet\n# a comment of eight words, ipv4 32 or not\n";
        check(
            file,
            &[("a4:83:e7:10:00:10", "alice-phone", true), ("a4:83:e7:10:00:13", "Bob's_phone", true)],
        );
        assert_eq!(read(file).findings, []);
    }

    #[test]
    fn the_first_line_that_is_not_understood_is_kept() {
        use super::super::Finding;
        let not_understood =
            |line, text: &str, others| Finding::NotUnderstood { line, text: text.into(), others };
        let file =
            "# x\n127.0.0.1 localhost\nfe80::1%lo0 localhost\nduid 00:01\n1 15483215 fd00::7 x 00:01\n\n";
        assert_eq!(read(file).findings, []);
        let found = read(&format!("{file}config host 'x' # y\n  option mac\n1767225600 x\nnext\n")).findings;
        assert_eq!(found, [not_understood(7, "config host 'x' # y", 3)]);
    }

    #[test]
    fn ethers_with_octets_of_one_digit_and_names_with_spaces() {
        check(
            "0:23:a7:19:5c:2 van\nA4-83-E7-4E-39-15\tAlice's phone\tkitchen # blue\n",
            &[("00:23:a7:19:5c:02", "van", false), (ALICE, "Alice's phone", false)],
        );
    }

    #[test]
    fn lines_without_a_device_are_skipped() {
        check(&format!("{ALICE} /x\n{ALICE}\n{ALICE} 00:23:a7:19:5c:03\n{ALICE} {}\n", "x".repeat(65)), &[]);
        check("ff:ff:ff:ff:ff:ff x\n00:00:00:00:00:00 x\n01:00:5e:00:00:fb x\n", &[]);
        check(&format!("{ALICE} localhost\n0 {ALICE} 10.0.0.1 localhost *\n+a:1:1:1:1:1 x\n"), &[]);
    }
}
