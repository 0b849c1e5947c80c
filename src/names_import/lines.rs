//! Files with one entry a line. Each line shows by itself what it is:
//! - a lease: `1767225600 a4:83:e7:4e:39:15 192.168.1.7 alice-phone *`; the name `*` stands for none;
//! - ethers(5): a MAC address and a name, or an IP address that a line of hosts names;
//! - hosts(5): an IP address and names, the canonical one first.
//!
//! `#` starts a comment.

use std::net::IpAddr;

use dot11::MacAddr;

use super::{Facts, LocatedBy, Location, Origin, mac};

/// The flag of a complete entry in the kernel's table (`ATF_COM`): the address has answered.
const COMPLETE: u32 = 2;

/// The facts in the lines of `text`.
pub(super) fn read(text: &str) -> Facts {
    let mut facts = Facts::default();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if let Some(address) = mac(first) {
            // A name in ethers may have spaces.
            ether(address, line.get(first.len()..).unwrap_or_default().trim(), &mut facts);
        } else if let Ok(ip) = first.parse() {
            host(ip, words.next().unwrap_or_default(), &mut facts);
        } else if first.parse::<u64>().is_ok() {
            // A line that is no lease is skipped.
            let _ = lease(words, &mut facts);
        }
    }
    facts
}

fn ether(address: MacAddr, rest: &str, facts: &mut Facts) {
    let name = rest.split('\t').next().unwrap_or_default();
    if let Ok(ip) = name.trim().parse() {
        facts.locations.push(Location { ip, address, by: LocatedBy::Ethers });
    } else if let Some(name) = facts.parse_name(name) {
        facts.add_name(address, name, Origin::Person);
    }
}

fn host(ip: IpAddr, name: &str, facts: &mut Facts) {
    if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() {
        return;
    }
    if let Some(name) = facts.parse_name(name) {
        facts.hosts.entry(ip).or_insert(name);
    }
}

fn lease<'a>(mut words: impl Iterator<Item = &'a str>, facts: &mut Facts) -> Option<()> {
    let address = mac(words.next()?)?;
    let ip = words.next()?.parse().ok()?;
    facts.locations.push(Location { ip, address, by: LocatedBy::Lease });
    let name = facts.parse_name(words.next()?)?;
    facts.add_name(address, name, Origin::Lease);
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
