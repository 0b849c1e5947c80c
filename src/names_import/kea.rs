//! Leases of Kea's `memfile`: a table to which each change adds a row, so that the last row of an address counts. The
//! clean-up (`kea-lfc`) moves rows to files beside it, which the caller puts before those of the file itself.
//!
//! Kea writes a comma in a text as `&#x2c`, without a semicolon, and likewise other characters that would break a row.

use std::collections::BTreeMap;
use std::net::IpAddr;

use csv::{ReaderBuilder, StringRecord};
use dot11::MacAddr;

use super::{Facts, LocatedBy, mac};

/// How the header of a file begins: of IPv4, and of IPv6.
const HEADERS: [&str; 2] = ["address,hwaddr,", "address,duid,"];

/// The states of a lease that is in use: assigned, and registered (of an IPv6 address that the device chose). Others
/// are declined, expired and released.
const IN_USE: [&str; 3] = ["", "0", "4"];

/// The endings of the files that hold the earlier rows, in the order of the rows. The first list of which a file has
/// rows counts: the second one is of a clean-up that is not complete.
pub const EARLIER_FILES: [&[&str]; 2] = [&[".completed"], &[".2", ".1"]];

/// Whether it is a lease file of Kea.
pub fn is_kea(text: &[u8]) -> bool {
    HEADERS.iter().any(|header| text.starts_with(header.as_bytes()))
}

/// The facts in the rows of `text`.
pub(super) fn read(text: &str) -> Facts {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let headers: Vec<String> =
        reader.headers().map(|row| row.iter().map(str::to_owned).collect()).unwrap_or_default();
    let position = |name: &str| headers.iter().position(|header| header == name);
    let field = |row: &StringRecord, column: Option<usize>| {
        column.and_then(|column| row.get(column)).unwrap_or_default().trim().to_owned()
    };
    let (hwaddr, hostname, state) = (position("hwaddr"), position("hostname"), position("state"));
    let lifetime = position("valid_lifetime");
    let mut leases: BTreeMap<IpAddr, Option<(MacAddr, String)>> = BTreeMap::new();
    let mut facts = Facts::default();
    for row in reader.into_records().map_while(Result::ok) {
        let first = row.get(0).unwrap_or_default();
        let Ok(ip) = first.trim().parse::<IpAddr>() else {
            // Each of the files has its header.
            if first != "address" && !first.is_empty() {
                let line = row.position().map_or(0, |position| position.line());
                facts.not_understood(
                    usize::try_from(line).unwrap_or_default(),
                    &row.iter().collect::<Vec<_>>().join(","),
                );
            }
            continue;
        };
        // A lease that is deleted has a last row with a lifetime of zero.
        let is_in_use = IN_USE.contains(&field(&row, state).as_str()) && field(&row, lifetime) != "0";
        let lease = mac(&field(&row, hwaddr)).filter(|_| is_in_use);
        leases.insert(ip, lease.map(|address| (address, unescaped(&field(&row, hostname)))));
    }
    for (ip, lease) in leases {
        let Some((address, hostname)) = lease else { continue };
        facts.add_lease(address, [ip], hostname.trim_end_matches('.'), LocatedBy::Lease);
    }
    facts
}

/// The text with `&#x` and two hexadecimal digits replaced by their character.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("&#x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (code, part.get(2..)) {
            (Some(code), Some(rest)) => {
                bytes.push(code);
                bytes.extend(rest.as_bytes());
            }
            _ => {
                bytes.extend(b"&#x");
                bytes.extend(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_file, found_in};
    use super::*;

    const V4: &str = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n";

    #[test]
    fn the_last_row_of_an_address_counts() {
        let rows = "192.168.1.20,a4:83:e7:10:00:10,,3600,1,1,0,0,old-name,0,,0\n\
             192.168.1.21,a4:83:e7:10:00:11,01:a4:83:e7:10:00:11,3600,1,1,0,0,bob-tablet,0,,0\n\
             192.168.1.20,a4:83:e7:10:00:10,,3600,2,1,0,0,alice&#x2cphone.example.org.,0,{ \"a\": 1 },0\n\
             192.168.1.22,a4:83:e7:10:00:12,,3600,1,1,0,0,,0,,0\n\
             192.168.1.21,a4:83:e7:10:00:13,,3600,1,1,0,0,carol,0,,0\n";
        let expected =
            [("a4:83:e7:10:00:10", "alice,phone.example.org", true), ("a4:83:e7:10:00:13", "carol", true)];
        check_file("kea-leases4.csv", &format!("{V4}{rows}"), &expected);
        // The files of a clean-up come one after the other, each with its header; any name is recognized.
        check_file("kea-leases4.csv.2", &format!("{V4}{rows}{V4}"), &expected);
        assert_eq!(found_in("kea", &format!("{V4}{rows}{V4}")), []);
    }

    #[test]
    fn leases_that_are_not_in_use_name_nothing() {
        for (lifetime, state) in [("3600", "1"), ("3600", "2"), ("3600", "3"), ("0", "0")] {
            let rows = format!(
                "192.168.1.20,a4:83:e7:10:00:10,,3600,1,1,0,0,alice,0,,0\n\
                 192.168.1.20,a4:83:e7:10:00:10,,{lifetime},1,1,0,0,alice,{state},,0\n"
            );
            check_file("a", &format!("{V4}{rows}"), &[]);
        }
        // A declined lease has no hardware address.
        check_file("a", &format!("{V4}192.168.1.20,,,3600,1,1,0,0,,1,,0\n"), &[]);
        // Kea before version 1 wrote no state.
        let old = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname\n\
             192.168.1.20,a4:83:e7:10:00:10,,3600,1,1,0,0,alice\n";
        check_file("a", old, &[("a4:83:e7:10:00:10", "alice", true)]);
    }

    #[test]
    fn leases_of_ipv6_with_a_hardware_address() {
        let header = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,\
             fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id\n";
        let rows = "fd00::5,00:01:00:01,3600,1,1,0,0,5,128,0,0,alice,a4:83:e7:10:00:10,0,,1,1,0\n\
             fd00::6,00:01:00:02,3600,1,1,0,0,5,128,0,0,bob,,0,,,,0\n";
        check_file("a", &format!("{header}{rows}"), &[("a4:83:e7:10:00:10", "alice", true)]);
    }

    #[test]
    fn escapes_without_digits_stay() {
        for (text, expected) in [
            ("a&#x2cb&#x41", "a,bA"),
            ("&#x", "&#x"),
            ("&#xzz", "&#xzz"),
            ("&#x2", "&#x2"),
            ("é&#x2cé", "é,é"),
        ] {
            assert_eq!(unescaped(text), expected);
        }
    }
}
