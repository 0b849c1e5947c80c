//! Names of devices that other programs know, read from their files: leases of dnsmasq and OpenWrt, ethers,
//! hosts, CSV. What a file is, its lines tell; those that name no device are passed over.
//!
//! # Lines
//! - A lease: `1767225600 a4:83:e7:4e:39:15 192.168.1.7 alice-phone *`, where a name `*` is none.
//! - Of ethers: an address and a name, or an IP address whose name a line of hosts gives.
//! - Of hosts: an IP address and names, of which the first counts.
//! - Of a CSV file: fields with commas or semicolons, of which the first that is a MAC address and the first
//!   other that is neither number, IP address nor empty belong together.
//!
//! What stands behind `#` is a comment.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::dot11::MacAddr;
use crate::state::check_name;

/// Names that are read of one file; a larger one ends here.
pub const NAMES_LIMIT: usize = 4096;

/// A name as a file gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedName {
    /// The name, which serves as one.
    pub name: String,
    /// Whether it comes from a lease: that it is gone from the file then says nothing but that the lease is
    /// over.
    pub is_lease: bool,
}

/// The names that a file gives.
pub fn parse(text: &str) -> BTreeMap<MacAddr, ImportedName> {
    let lines = || text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let hosts: BTreeMap<IpAddr, &str> = lines().filter_map(host).collect();
    let mut names = BTreeMap::new();
    for line in lines() {
        let Some((address, name, is_lease)) = named(line, &hosts) else { continue };
        let Ok(name) = check_name(name) else { continue };
        if names.len() >= NAMES_LIMIT && !names.contains_key(&address) {
            break;
        }
        names.insert(address, ImportedName { name, is_lease });
    }
    names
}

fn host(line: &str) -> Option<(IpAddr, &str)> {
    let mut words = line.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?))
}

/// The address and the name on a line, and whether it is a lease.
fn named<'a>(line: &'a str, hosts: &BTreeMap<IpAddr, &'a str>) -> Option<(MacAddr, &'a str, bool)> {
    if line.contains([',', ';']) {
        return csv(line).map(|(address, name)| (address, name, false));
    }
    let mut words = line.split_whitespace();
    let first = words.next()?;
    if let Some(address) = mac(first) {
        // A name in a file of its own kind may have spaces.
        let name = line.get(first.len()..)?.trim();
        let name = match name.parse() {
            Ok(ip) => *hosts.get(&ip)?,
            Err(_) => name,
        };
        return Some((address, name, false));
    }
    first.parse::<u64>().ok()?;
    let address = mac(words.next()?)?;
    let _ip: IpAddr = words.next()?.parse().ok()?;
    words.next().filter(|name| *name != "*").map(|name| (address, name, true))
}

fn csv(line: &str) -> Option<(MacAddr, &str)> {
    let fields = || line.split([',', ';']).map(|field| field.trim().trim_matches('"').trim());
    let address = fields().find_map(mac)?;
    let is_name = |field: &&str| {
        !field.is_empty()
            && mac(field).is_none()
            && field.parse::<IpAddr>().is_err()
            && field.parse::<f64>().is_err()
    };
    Some((address, fields().find(is_name)?))
}

/// A MAC address with its marks: twelve digits alone may be anything.
fn mac(word: &str) -> Option<MacAddr> {
    word.contains([':', '-', '.']).then(|| word.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str, bool)]) {
        let names = parse(text);
        let names: Vec<(String, &str, bool)> = names
            .iter()
            .map(|(address, name)| (address.to_string(), name.name.as_str(), name.is_lease))
            .collect();
        let names: Vec<(&str, &str, bool)> =
            names.iter().map(|(address, name, is_lease)| (address.as_str(), *name, *is_lease)).collect();
        assert_eq!(names, expected, "{text}");
    }

    const ALICE: &str = "a4:83:e7:4e:39:15";

    #[test]
    fn leases_of_dnsmasq_and_openwrt() {
        check(
            "1767225600 a4:83:e7:4e:39:15 192.168.1.7 alice-phone 01:a4:83:e7:4e:39:15\n\
             1767225601 00:23:a7:19:5c:02 192.168.1.8 * *\n\
             0 00:23:a7:19:5c:03 fd00::8 van ff:00\n\
             duid 00:01:00:01:2c:aa:bb:cc:a4:83:e7:4e:39:15\n",
            &[("00:23:a7:19:5c:03", "van", true), (ALICE, "alice-phone", true)],
        );
    }

    #[test]
    fn ethers_with_names_and_with_the_addresses_of_hosts() {
        check(
            "# the house\n127.0.0.1 localhost\n192.168.1.7\talice.lan alice # her phone\n\
             A4-83-E7-4E-39-15 192.168.1.7\n0:23:a7:19:5c:2 van\n00:23:a7:19:5c:03 Delivery van # blue\n\
             00:23:a7:19:5c:04 192.168.1.99\n",
            &[("00:23:a7:19:5c:03", "Delivery van", false), (ALICE, "alice.lan", false)],
        );
    }

    #[test]
    fn csv_with_its_columns_in_any_order() {
        check("mac,name,room\na4:83:e7:4e:39:15,\"Alice's phone\",1\n", &[(ALICE, "Alice's phone", false)]);
        check("7;192.168.1.7;Kitchen tablet;a4:83:e7:4e:39:15\n", &[(ALICE, "Kitchen tablet", false)]);
        check("a4:83:e7:4e:39:15,\n,,\n", &[]);
    }

    #[test]
    fn what_does_not_serve_as_a_name_is_passed_over() {
        check(&format!("{ALICE} /x\n{ALICE}\n{ALICE} 00:23:a7:19:5c:03\n{ALICE} {}\n", "x".repeat(65)), &[]);
        let many: String = (0..5000)
            .map(|number| format!("00:23:a7:19:{:02x}:{:02x} x\n", number / 256, number % 256))
            .collect();
        assert_eq!(parse(&many).len(), NAMES_LIMIT);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "([0-9a-f:.,;#* \"\n]|.){0,200}") {
            let _ = parse(&text);
        }
    }
}
