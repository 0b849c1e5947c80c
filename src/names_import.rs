//! Names of devices from other programs' files: leases of DHCP servers, ethers, hosts, CSV. Each file is recognized by
//! its content and parsed to [`Facts`], and [`join`] combines the facts of all files to names: a line of hosts names an
//! IP address; a line of ethers, a lease or the kernel says which MAC address has it.
//!
//! # Invariants
//! - Any bytes can be parsed; lines without a fact are skipped.
//! - If an address has several names, the first line of the first file counts.
//! - Many phones call themselves `iPhone`. Leases with the same name get the last octets of their address added. A name
//!   that one table of a program has for several addresses is none, for it may be a default. A name that somebody wrote
//!   for several addresses, or that several tables have, is one device with several addresses.
//! - There are never more than [`NAMES_LIMIT`] names.

mod adguard;
mod dhcp_host;
mod dhcpd;
mod finding;
mod json;
mod kea;
mod lines;
mod table;
mod words;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use dot11::MacAddr;
pub use finding::{Finding, Unreadable};
pub use kea::{EARLIER_FILES, is_kea};
pub use lines::neighbours;
use store::state::{MAX_NAME_CHARS, NameError, check_name, fold_case};

/// Names from all files together.
pub const NAMES_LIMIT: usize = 4096;

/// The largest file that is read, in bytes.
pub const FILE_LIMIT: usize = 4 << 20;

/// The longest part of a line that a warning shows, in characters.
const SHOWN_LINE_CHARS: usize = 80;

/// Who chose a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A person, or a program's table. All addresses that have it are one device.
    Written,
    /// A lease or the kernel: if the name is gone from its file, only the lease has expired.
    Lease,
}

/// A name of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedName {
    /// The name, which is a valid one.
    pub name: String,
    /// Who chose it.
    pub origin: Origin,
}

impl ImportedName {
    /// Whether it comes from a lease or the kernel.
    pub fn is_lease(&self) -> bool {
        self.origin == Origin::Lease
    }
}

/// Which MAC address has an IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Location {
    ip: IpAddr,
    address: MacAddr,
    by: LocatedBy,
}

/// Where a location comes from, the most reliable first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LocatedBy {
    /// A person wrote it: in ethers, or as a fixed lease.
    Person,
    Lease,
    Kernel,
}

impl LocatedBy {
    /// Who chose a name of the address.
    fn origin(self) -> Origin {
        match self {
            Self::Person => Origin::Written,
            Self::Lease | Self::Kernel => Origin::Lease,
        }
    }
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    names: Vec<(MacAddr, ImportedName)>,
    locations: Vec<Location>,
    hosts: BTreeMap<IpAddr, String>,
    /// At most one of each kind.
    pub findings: Vec<Finding>,
}

impl Facts {
    /// What the file at `path` with these bytes says.
    ///
    /// # Errors
    /// [`Unreadable`] if it is not text, or too large.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > FILE_LIMIT {
            return Err(Unreadable::TooLarge);
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(Unreadable::Utf16);
        }
        if bytes.contains(&0) {
            return Err(Unreadable::Binary);
        }
        let text = String::from_utf8_lossy(bytes);
        let is_lossy = matches!(text, std::borrow::Cow::Owned(_));
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut facts = Self::of_text(path, text);
        if is_lossy {
            facts.find(Finding::Lossy);
        }
        Ok(facts)
    }

    fn of_text(path: &Path, text: &str) -> Self {
        if let Some(facts) = json::read(text) {
            return facts;
        }
        match () {
            () if is_kea(text.as_bytes()) => kea::read(text),
            () if dhcpd::is_dhcpd(text) => dhcpd::read(text),
            () if dhcp_host::is_pihole(text) => dhcp_host::read_pihole(text),
            () if adguard::is_adguard(text) => adguard::read(text),
            () if lines::has_dhcp_hosts(text) => lines::read(text),
            () if table::is_table(path, text) => table::read(text),
            () => lines::read(text),
        }
    }

    /// Notes a line that is not understood.
    fn not_understood(&mut self, line: usize, text: &str) {
        let others = self.findings.iter_mut().find_map(|finding| match finding {
            Finding::NotUnderstood { others, .. } => Some(others),
            _ => None,
        });
        match others {
            Some(others) => *others += 1,
            None => {
                let text = text.trim().chars().take(SHOWN_LINE_CHARS).collect();
                self.findings.push(Finding::NotUnderstood { line, text, others: 0 });
            }
        }
    }

    /// Keeps the first finding of each kind.
    fn find(&mut self, finding: Finding) {
        let kind = std::mem::discriminant(&finding);
        if !self.findings.iter().any(|found| std::mem::discriminant(found) == kind) {
            self.findings.push(finding);
        }
    }

    fn add_name(&mut self, address: MacAddr, name: String, origin: Origin) {
        self.names.push((address, ImportedName { name, origin }));
    }

    /// A device with its IP addresses, and its name if `text` is one.
    fn add_lease(
        &mut self,
        address: MacAddr,
        ips: impl IntoIterator<Item = IpAddr>,
        text: &str,
        by: LocatedBy,
    ) {
        self.locations.extend(ips.into_iter().map(|ip| Location { ip, address, by }));
        if let Some(name) = self.parse_name(text) {
            self.add_name(address, name, by.origin());
        }
    }

    /// The name in `text`, if it is one.
    fn parse_name(&mut self, text: &str) -> Option<String> {
        match check_name(text) {
            Ok(name) => (!words::is_no_name(&name)).then_some(name),
            Err(NameError::Phone(name)) => {
                self.find(Finding::PhoneLike(name));
                None
            }
            Err(_) => None,
        }
    }

    /// Whether it names IP addresses; the kernel may know their MAC addresses.
    pub fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Whether it may name leases, now or later. An empty file may: a router that was just switched on has no leases.
    pub fn may_have_leases(&self) -> bool {
        self.has_hosts()
            || self.names.iter().any(|(_, name)| name.is_lease())
            || self.locations.iter().any(|location| location.by != LocatedBy::Person)
            || self.names.is_empty() && self.locations.is_empty()
    }
}

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

/// A MAC address with separators: twelve digits alone may be anything. As in ether_aton(3), an octet may lack its
/// leading zero.
fn mac(word: &str) -> Option<MacAddr> {
    let address = word.contains([':', '-', '.']).then(|| word.parse().ok().or_else(|| short_mac(word)));
    address.flatten().filter(|address| is_individual(*address))
}

fn short_mac(word: &str) -> Option<MacAddr> {
    let mut octets = [0; 6];
    let mut groups = word.split(':');
    for octet in &mut octets {
        let group = groups.next().filter(|group| group.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *octet = u8::from_str_radix(group, 16).ok()?;
    }
    groups.next().is_none().then_some(MacAddr::new(octets))
}

/// Neither a group address, such as broadcast, nor the null address.
fn is_individual(address: MacAddr) -> bool {
    let octets = address.octets();
    octets[0] & 1 == 0 && octets != [0; 6]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALICE: &str = "a4:83:e7:4e:39:15";
    const VAN: &str = "00:23:a7:19:5c:03";

    fn facts(text: &str) -> Facts {
        Facts::read(Path::new("file"), text.as_bytes()).unwrap()
    }

    fn joined(texts: &[&str], neighbours: &Facts) -> Vec<(String, String, bool)> {
        let files: Vec<Facts> = texts.iter().map(|text| facts(text)).collect();
        let imported = join(&files.iter().collect::<Vec<_>>(), neighbours, &[]);
        assert_eq!(imported.left_out, 0);
        let names = imported.names.into_iter();
        names.map(|(address, name)| (address.to_string(), name.name.clone(), name.is_lease())).collect()
    }

    /// The names in a file, with whether they are of leases, in the order of their addresses.
    #[track_caller]
    pub(super) fn check_file(path: &str, text: &str, expected: &[(&str, &str, bool)]) {
        let facts = Facts::read(Path::new(path), text.as_bytes()).unwrap();
        let names = join(&[&facts], &Facts::default(), &[]).names;
        let names: Vec<(String, String, bool)> = names
            .into_iter()
            .map(|(address, name)| (address.to_string(), name.name.clone(), name.is_lease()))
            .collect();
        let names: Vec<_> =
            names.iter().map(|(address, name, is)| (address.as_str(), name.as_str(), *is)).collect();
        assert_eq!(names, expected, "{text}");
    }

    pub(super) fn found_in(path: &str, text: &str) -> Vec<Finding> {
        Facts::read(Path::new(path), text.as_bytes()).unwrap().findings
    }

    #[track_caller]
    fn check(texts: &[&str], expected: &[(&str, &str, bool)]) {
        check_with("", texts, expected);
    }

    #[track_caller]
    fn check_with(arp: &str, texts: &[&str], expected: &[(&str, &str, bool)]) {
        let names = joined(texts, &neighbours(arp));
        let names: Vec<_> =
            names.iter().map(|(address, name, is)| (address.as_str(), name.as_str(), *is)).collect();
        assert_eq!(names, expected, "{texts:?}");
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
        let names = joined(&[&leases.replace("iPhone", &long).replace("iphone", &long)], &Facts::default());
        assert!(names.iter().all(|(_, name, _)| check_name(name).as_deref() == Ok(name)), "{names:?}");
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
    fn a_name_that_looks_like_a_phone_is_left_out() {
        for text in [
            &format!("{ALICE} phone 3f2a\n{VAN} van\n"),
            &format!("{ALICE},3F2A\n{VAN},van\n"),
            &format!("mac,name\n{ALICE},Phone  3f2a\n{VAN},van\n"),
            &format!("0 {ALICE} 10.0.0.1 3f2a *\n{VAN} van\n"),
            &format!("10.0.0.1 3f2a\n{ALICE} 10.0.0.1\n{VAN} van\n"),
        ] {
            check(&[text], &[(VAN, "van", false)]);
            let found = facts(text).findings;
            let [Finding::PhoneLike(skipped)] = found.as_slice() else { panic!("{found:?}") };
            assert!(skipped.to_lowercase().ends_with("3f2a"), "{skipped}");
        }
        assert_eq!(facts(&format!("{ALICE} Edda\n")).findings, []);
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
    fn words_for_no_name_name_nothing_in_any_format() {
        for text in [
            format!("{ALICE} unknown\n{VAN} (none)\n"),
            format!("0 {ALICE} 10.0.0.1 unknown *\n0 {VAN} 10.0.0.2 - *\n"),
            format!("{ALICE},Unbekannt\n{VAN},Unbekannt\n"),
            format!("{ALICE} 10.0.0.1\n10.0.0.1 unknown\n"),
        ] {
            check(&[&text], &[]);
        }
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

    #[test]
    fn rejects_binary_data_and_marks_other_encodings() {
        let read = |bytes: &[u8]| Facts::read(Path::new("names.csv"), bytes);
        assert_eq!(read(b"\xff\xfea\0,\0"), Err(Unreadable::Utf16));
        assert_eq!(read(b"a\0b"), Err(Unreadable::Binary));
        assert_eq!(read(&vec![b' '; FILE_LIMIT + 1]), Err(Unreadable::TooLarge));
        let latin = read(b"a4:83:e7:4e:39:15,B\xfcro\n").unwrap();
        assert_eq!(latin.findings, [Finding::Lossy]);
        assert_eq!(latin.names[0].1.name, "B\u{fffd}ro");
        assert_eq!(facts("\u{feff}# x").findings, []);
    }

    #[test]
    fn recognizes_files_that_may_get_leases() {
        for text in ["", "duid 00:01\n", "# nothing\n", "0 a4:83:e7:4e:39:15 10.0.0.1 * *", "10.0.0.1 van"] {
            assert!(facts(text).may_have_leases(), "{text}");
        }
        for text in ["a4:83:e7:4e:39:15 phone", "a4:83:e7:4e:39:15,lamp", "a4:83:e7:4e:39:15 10.0.0.1"] {
            assert!(!facts(text).may_have_leases(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "([0-9a-f:.,;#* \"\n\t]|a4:83:e7:4e:39:1[0-9]|.){0,200}") {
            for name in ["a.csv", "a"] {
                let facts = Facts::read(Path::new(name), text.as_bytes());
                if let Ok(facts) = facts {
                    for name in join(&[&facts], &Facts::default(), &[]).names.values() {
                        prop_assert_eq!(check_name(&name.name), Ok(name.name.clone()));
                    }
                }
            }
        }
    }
}
