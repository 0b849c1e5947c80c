//! Leases in JSON:
//! - systemd-networkd's DHCP server (`/var/lib/systemd/network/dhcp-server-lease/…`): `Leases` with `HardwareAddress`,
//!   a list of octets, and `Hostname`; before version 257 only `ClientId`, which holds the type 1 and the address;
//! - AdGuard Home: `data/leases.json` with `leases`, whose `static` ones a person made; before, `data/leases.db`, a
//!   list with addresses in Base64, where the expiry 1 stands for a static lease.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dot11::MacAddr;
use serde_json::Value;

use super::{Facts, LocatedBy, is_individual, mac};

/// The hardware type of Ethernet and Wi-Fi (RFC 1700), also the first octet of a client identifier with such an
/// address.
const ETHERNET: u64 = 1;

/// Keys of lists of leases.
const LISTS: [&str; 4] = ["Leases", "StaticLeases", "leases", "static_leases"];

/// A lease.
struct Lease {
    address: Option<MacAddr>,
    ip: Option<IpAddr>,
    name: Option<String>,
    is_static: bool,
}

/// The facts in `text`, if it is JSON.
pub(super) fn read(text: &str) -> Option<Facts> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let lists: Vec<(&str, &Vec<Value>)> = match &value {
        Value::Array(list) => vec![("", list)],
        _ => LISTS.iter().filter_map(|key| Some((*key, value.get(key)?.as_array()?))).collect(),
    };
    let mut facts = Facts::default();
    let is_networkd = value.get("BootID").is_some();
    let is_empty =
        is_networkd || value.get("leases").is_some_and(Value::is_null) || value == Value::Array(Vec::new());
    if lists.is_empty() && !is_empty {
        facts.not_understood(1, text.trim_start().lines().next().unwrap_or_default());
    }
    for (key, list) in lists {
        for entry in list {
            let lease = Lease::of(entry);
            let Some(address) = lease.address else {
                if lease.ip.is_none() {
                    facts.not_understood(1, &entry.to_string());
                }
                continue;
            };
            let is_static = lease.is_static || key == "static_leases";
            let by = if is_static { LocatedBy::Person } else { LocatedBy::Lease };
            facts.add_lease(address, lease.ip, &lease.name.unwrap_or_default(), by);
        }
    }
    Some(facts)
}

impl Lease {
    fn of(entry: &Value) -> Self {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let octets = |key: &str| -> Option<Vec<u8>> {
            let list = entry.get(key)?.as_array()?;
            list.iter().map(|octet| u8::try_from(octet.as_u64()?).ok()).collect()
        };
        let base64 = |key: &str| BASE64_STANDARD.decode(text(key)?).ok();
        let is_ethernet =
            entry.get("HardwareAddressType").and_then(Value::as_u64).is_none_or(|kind| kind == ETHERNET);
        let address = octets("HardwareAddress")
            .filter(|_| is_ethernet)
            .or_else(|| octets("ClientId")?.strip_prefix(&[ETHERNET as u8]).map(<[u8]>::to_vec))
            .and_then(mac_of_octets)
            .or_else(|| mac(text("mac")?))
            .or_else(|| mac_of_octets(base64("mac")?));
        let ip = octets("Address")
            .and_then(ip_of_octets)
            .or_else(|| text("ip")?.parse().ok())
            .or_else(|| ip_of_octets(base64("ip")?));
        let name = text("Hostname").or(text("hostname")).or(text("host"));
        let is_static = entry.get("static").and_then(Value::as_bool).unwrap_or_default()
            || entry.get("exp").and_then(Value::as_u64) == Some(1);
        Self { address, ip, name: name.map(str::to_owned), is_static }
    }
}

fn mac_of_octets(octets: Vec<u8>) -> Option<MacAddr> {
    let octets: [u8; 6] = octets.try_into().ok()?;
    Some(MacAddr::new(octets)).filter(|address| is_individual(*address))
}

fn ip_of_octets(octets: Vec<u8>) -> Option<IpAddr> {
    let ipv4 = |octets: [u8; 4]| IpAddr::from(Ipv4Addr::from(octets));
    let ipv6 = |octets: [u8; 16]| IpAddr::from(Ipv6Addr::from(octets)).to_canonical();
    octets.as_slice().try_into().map(ipv4).or_else(|_| octets.as_slice().try_into().map(ipv6)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_file, found_in};

    #[test]
    fn leases_of_systemd_networkd() {
        let file = r#"{"BootID":"d7f5041316de4f1f992a8a2822218a71","Address":[192,168,1,1],"PrefixLength":24,"Leases":[
            {"ClientId":[1,164,131,231,16,0,16],"Address":[192,168,1,20],"AddressString":"192.168.1.20",
             "Hostname":"alice-phone","HardwareAddressType":1,"HardwareAddressLength":6,
             "HardwareAddress":[164,131,231,16,0,16],"ExpirationUSec":1,"ExpirationRealtimeUSec":2},
            {"ClientId":[1,164,131,231,16,0,17],"Address":[192,168,1,21],"Hostname":"bob"},
            {"ClientId":[255,164,131,231,16,0,18,0,1],"Address":[192,168,1,22],"Hostname":"carol"},
            {"ClientId":[1,164,131,231,16,0,19],"Address":[192,168,1,23],"HardwareAddress":[164,131,231,16,0,19]}]}"#;
        check_file(
            "eth0",
            file,
            &[("a4:83:e7:10:00:10", "alice-phone", true), ("a4:83:e7:10:00:11", "bob", true)],
        );
        assert_eq!(found_in("eth0", file), []);
        check_file("eth0", r#"{"BootID":"d7","Address":[192,168,1,1],"PrefixLength":24}"#, &[]);
    }

    #[test]
    fn leases_of_adguard_home() {
        let file = r#"{"version":1,"leases":[
            {"expires":"2026-12-01T10:00:00Z","ip":"192.168.1.20","hostname":"alice-phone","mac":"a4:83:e7:10:00:10","static":false},
            {"expires":"","ip":"192.168.1.21","hostname":"van","mac":"00:23:a7:19:5c:03","static":true},
            {"expires":"","ip":"192.168.1.22","hostname":"","mac":"a4:83:e7:10:00:12","static":false}]}"#;
        check_file(
            "leases.json",
            file,
            &[("00:23:a7:19:5c:03", "van", false), ("a4:83:e7:10:00:10", "alice-phone", true)],
        );
        let old = r#"[{"mac":"pIPnEAAQ","ip":"wKgBFA==","host":"alice-phone","exp":1767225600},
            {"mac":"ACOnGVwD","ip":"wKgBFQ==","host":"van","exp":1}]"#;
        check_file(
            "leases.db",
            old,
            &[("00:23:a7:19:5c:03", "van", false), ("a4:83:e7:10:00:10", "alice-phone", true)],
        );
        for empty in [r#"{"version":1,"leases":[]}"#, r#"{"version":1,"leases":null}"#, "[]"] {
            assert_eq!(found_in("leases.json", empty), []);
        }
    }

    #[test]
    fn other_json_is_not_understood() {
        use super::super::Finding::NotUnderstood;
        for text in [r#"{"Dhcp4":{}}"#, "[7]", r#"{"leases":[{"name":"x"}]}"#, r#"{"leases": [{"#] {
            let found = found_in("a", text);
            assert!(matches!(found.as_slice(), [NotUnderstood { line: 1, .. }]), "{text}: {found:?}");
        }
    }
}
