//! Combines the facts of all files and of the kernel to names of devices.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dot11::MacAddr;
use store::state::{MAX_NAME_CHARS, check_name, fold_case};

use super::{Facts, ImportedName, LocatedBy, Location, NAMES_LIMIT, Origin};

/// The names from all files together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// By address.
    pub names: BTreeMap<MacAddr, ImportedName>,
    /// How many are left out beyond [`NAMES_LIMIT`]. Names that a person wrote come first.
    pub left_out: usize,
}

/// The names from `files`, the most important first, with the kernel's `neighbours`. The addresses in `expired` keep
/// the names of their expired leases, as far as the limit allows.
pub fn join(files: &[&Facts], neighbours: &Facts, expired: &[(MacAddr, &str)]) -> Imported {
    let owners = owners(files, neighbours);
    let mut names = BTreeMap::new();
    for file in files {
        for (address, name) in &file.names {
            names.entry(*address).or_insert_with(|| name.clone());
        }
        for (ip, name) in &file.hosts {
            let Some((by, addresses)) = owners.get(ip) else { continue };
            for address in addresses {
                names
                    .entry(*address)
                    .or_insert_with(|| ImportedName { name: name.clone(), origin: by.origin() });
            }
        }
    }
    let left_out = truncate(&mut names);
    for &(address, name) in expired {
        // An old log may have a name that is none any more.
        let name = check_name(without_suffix(name, address));
        if let (true, Ok(name)) = (names.len() < NAMES_LIMIT, name) {
            names.entry(address).or_insert(ImportedName { name, origin: Origin::Lease });
        }
    }
    disambiguate(&mut names);
    Imported { names, left_out }
}

/// The MAC addresses of each IP address, from the most reliable source only.
fn owners(files: &[&Facts], neighbours: &Facts) -> BTreeMap<IpAddr, (LocatedBy, Vec<MacAddr>)> {
    let all = files.iter().copied().chain([neighbours]).flat_map(|file| &file.locations);
    let mut locations: Vec<&Location> = all.collect();
    locations.sort_by_key(|location| location.by);
    let mut owners = BTreeMap::new();
    for Location { ip, address, by } in locations {
        let (best, addresses) = owners.entry(*ip).or_insert_with(|| (*by, Vec::new()));
        if best == by {
            addresses.push(*address);
        }
    }
    owners
}

/// Keeps [`NAMES_LIMIT`] names; returns how many were removed.
fn truncate(names: &mut BTreeMap<MacAddr, ImportedName>) -> usize {
    let mut order: Vec<(bool, MacAddr)> =
        names.iter().map(|(address, name)| (name.is_lease(), *address)).collect();
    order.sort_unstable();
    let surplus = order.split_off(order.len().min(NAMES_LIMIT));
    for (_, address) in &surplus {
        names.remove(address);
    }
    surplus.len()
}

/// Gives leases with the same name different ones.
fn disambiguate(names: &mut BTreeMap<MacAddr, ImportedName>) {
    let shared = count_uses(names);
    let is_shared = |name: &str| shared.get(&fold_case(name)).is_some_and(|uses| *uses > 1);
    let mut renamed: BTreeMap<MacAddr, String> = BTreeMap::new();
    for (address, name) in names.iter_mut().filter(|(_, name)| name.is_lease() && is_shared(&name.name)) {
        let short = with_suffix(&name.name, &short_suffix(*address));
        renamed.insert(*address, std::mem::replace(&mut name.name, short));
    }
    // If that is another's name, too, the whole address is added.
    let shared = count_uses(names);
    for (address, was) in renamed {
        let Some(name) = names.get_mut(&address) else { continue };
        if shared.get(&fold_case(&name.name)).is_some_and(|uses| *uses > 1) {
            name.name = with_suffix(&was, &long_suffix(address));
        }
    }
}

/// How many addresses have each name, ignoring case.
fn count_uses(names: &BTreeMap<MacAddr, ImportedName>) -> BTreeMap<String, usize> {
    let mut uses = BTreeMap::new();
    for name in names.values() {
        *uses.entry(fold_case(&name.name)).or_default() += 1;
    }
    uses
}

fn short_suffix(address: MacAddr) -> String {
    let [.., fifth, sixth] = address.octets();
    format!(" ({fifth:02x}:{sixth:02x})")
}

fn long_suffix(address: MacAddr) -> String {
    format!(" ({address})")
}

/// The name as the lease had it.
fn without_suffix(name: &str, address: MacAddr) -> &str {
    let long = name.strip_suffix(&long_suffix(address));
    long.or_else(|| name.strip_suffix(&short_suffix(address))).unwrap_or(name)
}

fn with_suffix(name: &str, suffix: &str) -> String {
    let kept: String = name.chars().take(MAX_NAME_CHARS.saturating_sub(suffix.len())).collect();
    format!("{}{suffix}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::neighbours;
    use super::super::tests::{ALICE, VAN, check_names, facts};
    use super::*;

    fn joined(texts: &[&str], neighbours: &Facts) -> Imported {
        let files: Vec<Facts> = texts.iter().map(|text| facts(text)).collect();
        join(&files.iter().collect::<Vec<_>>(), neighbours, &[])
    }

    #[track_caller]
    fn check(texts: &[&str], expected: &[(&str, &str, bool)]) {
        check_with("", texts, expected);
    }

    #[track_caller]
    fn check_with(arp: &str, texts: &[&str], expected: &[(&str, &str, bool)]) {
        check_names(joined(texts, &neighbours(arp)), expected, &texts.concat());
    }

    #[test]
    fn hosts_name_the_addresses_of_ethers_in_another_file() {
        let ethers = "# the house\nA4-83-E7-4E-39-15 192.168.1.7\n00:23:a7:19:5c:3 Delivery van # blue\n\
                      00:23:a7:19:5c:04 192.168.1.99\n";
        let hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n\
                     192.168.1.7\talice.lan alice # her phone\n192.168.1.7 another\n";
        let expected = [(VAN, "Delivery van", false), (ALICE, "alice.lan", false)];
        check(&[ethers, hosts], &expected);
        check(&[hosts, ethers], &expected);
        check(&[&format!("{hosts}{ethers}")], &expected);
        check(&[hosts], &[]);
    }

    #[test]
    fn hosts_name_the_addresses_of_leases_and_of_the_kernels_neighbours() {
        let arp = "IP address       HW type     Flags       HW address            Mask     Device\n\
                   192.168.1.7      0x1         0x2         a4:83:e7:4e:39:15     *        br-lan\n\
                   192.168.1.8      0x1         0x0         00:00:00:00:00:00     *        br-lan\n\
                   192.168.1.9      0x1         0x2         00:23:a7:19:5c:04     *        br-lan\n";
        let hosts = "192.168.1.7 alice\n192.168.1.8 van\n192.168.1.9 lamp\n";
        let lease = "1767225600 00:23:a7:19:5c:03 192.168.1.8 * *\n";
        check_with(arp, &[hosts], &[("00:23:a7:19:5c:04", "lamp", true), (ALICE, "alice", true)]);
        check_with(
            arp,
            &[lease, hosts],
            &[(VAN, "van", true), ("00:23:a7:19:5c:04", "lamp", true), (ALICE, "alice", true)],
        );
        // An entry in ethers outranks a lease or neighbour with the same IP address.
        let ethers = &format!("{VAN} 192.168.1.7");
        check_with(arp, &[ethers, hosts], &[(VAN, "alice", false), ("00:23:a7:19:5c:04", "lamp", true)]);
    }

    #[test]
    fn the_first_file_and_the_first_line_count() {
        let lease = &format!("0 {ALICE} 192.168.1.7 iPhone *\n");
        let csv = &format!("{ALICE},Alice's phone\n{ALICE},Bob's phone\n");
        check(&[lease, csv], &[(ALICE, "iPhone", true)]);
        check(&[csv, lease], &[(ALICE, "Alice's phone", false)]);
        check(&["192.168.1.7 alice.lan", lease], &[(ALICE, "alice.lan", true)]);
    }

    #[test]
    fn leases_with_the_same_name_get_suffixes() {
        let leases = "0 a4:83:e7:4e:39:15 10.0.0.1 iPhone *\n0 a4:83:e7:00:5c:03 10.0.0.2 iphone *\n\
                      0 a4:83:e7:00:00:01 10.0.0.3 Pixel-8 *\n0 a4:83:e7:00:00:02 10.0.0.4 localhost *\n\
                      0 a4:83:e7:00:00:02 10.0.0.4 LOCALHOST *\n";
        check(
            &[leases],
            &[
                ("a4:83:e7:00:00:01", "Pixel-8", true),
                ("a4:83:e7:00:5c:03", "iphone (5c:03)", true),
                (ALICE, "iPhone (39:15)", true),
            ],
        );
        // Leases of one device for IPv4 and IPv6 count once.
        check(&["0 a4:83:e7:4e:39:15 10.0.0.1 x *\n0 a4:83:e7:4e:39:15 fd00::1 x *"], &[(ALICE, "x", true)]);
        let same_end = "0 a4:83:e7:4e:39:15 10.0.0.1 iPhone *\n0 a4:83:e7:00:39:15 10.0.0.2 iPhone *\n";
        check(
            &[same_end],
            &[
                ("a4:83:e7:00:39:15", "iPhone (a4:83:e7:00:39:15)", true),
                (ALICE, "iPhone (a4:83:e7:4e:39:15)", true),
            ],
        );
        let long = "x".repeat(MAX_NAME_CHARS);
        let imported =
            joined(&[&leases.replace("iPhone", &long).replace("iphone", &long)], &Facts::default());
        assert_eq!(imported.left_out, 0);
        let names: Vec<String> = imported.names.into_values().map(|name| name.name).collect();
        assert!(names.iter().all(|name| check_name(name).as_deref() == Ok(name)), "{names:?}");
    }

    #[test]
    fn an_expired_lease_gets_another_name_than_a_new_one() {
        let (alice, van) = (ALICE.parse().unwrap(), VAN.parse().unwrap());
        let lease = facts("0 a4:83:e7:4e:39:15 10.0.0.1 iPhone *\n");
        let names = |lease: &Facts, expired: &[(MacAddr, &str)]| -> Vec<String> {
            join(&[lease], &Facts::default(), expired).names.into_values().map(|name| name.name).collect()
        };
        // Even if it had a suffix already.
        for was in ["iPhone", "iPhone (5c:03)", "iPhone (00:23:a7:19:5c:03)"] {
            assert_eq!(names(&lease, &[(van, was), (alice, "x")]), ["iPhone (5c:03)", "iPhone (39:15)"]);
        }
        assert_eq!(names(&Facts::default(), &[(van, "iPhone (5c:03)")]), ["iPhone"]);
        assert_eq!(names(&lease, &[(van, "iPhone (39:15)")]), ["iPhone (39:15)", "iPhone"]);
        assert_eq!(names(&lease, &[(van, "3f2a")]), ["iPhone"]);
    }

    #[test]
    fn a_name_written_twice_is_one_device() {
        let ethers = format!("{ALICE} bike\n{VAN} bike\n");
        let written = [(VAN, "bike", false), (ALICE, "bike", false)];
        check(&[&ethers], &written);
        check(&[&ethers.replace(' ', ",")], &written);
        // A guest's device of the same name is another device.
        check(
            &[&ethers, "0 a4:83:e7:00:00:01 10.0.0.3 Bike *"],
            &[written[0], ("a4:83:e7:00:00:01", "Bike (00:01)", true), written[1]],
        );
    }

    #[test]
    fn a_name_in_several_tables_is_one_device() {
        let tablet = ("a4:83:e7:10:00:34", "Tablet", false);
        let one = format!("mac,ip,name\n{ALICE},,Lamp\n");
        let other = format!("mac,state,name\n{VAN},x,lamp\na4:83:e7:10:00:34,x,Tablet\n");
        check(&[&one, &other], &[(VAN, "lamp", false), tablet, (ALICE, "Lamp", false)]);
        check(&[&one, &one], &[(ALICE, "Lamp", false)]);
        // The first file counts.
        let van = format!("{VAN} van");
        check(&[&one, &van, &other], &[(VAN, "van", false), tablet, (ALICE, "Lamp", false)]);
        // Addresses of one table that share a name are strangers, whatever another table says.
        let shared = format!("mac,state,name\n{VAN},x,Lamp\na4:83:e7:10:00:34,x,lamp\n");
        check(&[&one, &shared], &[(ALICE, "Lamp", false)]);
    }

    #[test]
    fn names_are_limited_and_written_ones_precede_leases() {
        let address = |number: usize| format!("00:23:a7:19:{:02x}:{:02x}", number / 256, number % 256);
        let leases: String =
            (0..NAMES_LIMIT).map(|number| format!("0 {} 10.0.0.1 x{number} *\n", address(number))).collect();
        let ethers = "a4:83:e7:4e:39:15 Alice\na4:83:e7:4e:39:16 Bob\n";
        let imported =
            join(&[&facts(&leases), &facts(ethers)], &Facts::default(), &[(MacAddr::new([2; 6]), "Zoë")]);
        assert_eq!((imported.names.len(), imported.left_out), (NAMES_LIMIT, 2));
        assert_eq!(imported.names.values().filter(|name| !name.is_lease()).count(), 2);
    }
}
