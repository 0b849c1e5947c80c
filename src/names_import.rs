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
mod join;
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
pub use join::{Imported, join};
pub use kea::{EARLIER_FILES, is_kea};
pub use lines::neighbours;
use store::state::{NameError, check_name};

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

    pub(super) const ALICE: &str = "a4:83:e7:4e:39:15";
    pub(super) const VAN: &str = "00:23:a7:19:5c:03";

    pub(super) fn facts(text: &str) -> Facts {
        Facts::read(Path::new("file"), text.as_bytes()).unwrap()
    }

    /// The names in a file, with whether they are of leases, in the order of their addresses.
    #[track_caller]
    pub(super) fn check_file(path: &str, text: &str, expected: &[(&str, &str, bool)]) {
        let facts = Facts::read(Path::new(path), text.as_bytes()).unwrap();
        check_names(join(&[&facts], &Facts::default(), &[]), expected, text);
    }

    #[track_caller]
    pub(super) fn check_names(imported: Imported, expected: &[(&str, &str, bool)], text: &str) {
        assert_eq!(imported.left_out, 0);
        let names = imported.names.iter();
        let names: Vec<(String, &str, bool)> =
            names.map(|(address, name)| (address.to_string(), name.name.as_str(), name.is_lease())).collect();
        let names: Vec<_> = names.iter().map(|(address, name, is)| (address.as_str(), *name, *is)).collect();
        assert_eq!(names, expected, "{text}");
    }

    pub(super) fn found_in(path: &str, text: &str) -> Vec<Finding> {
        Facts::read(Path::new(path), text.as_bytes()).unwrap().findings
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
            check_file("file", text, &[(VAN, "van", false)]);
            let found = facts(text).findings;
            let [Finding::PhoneLike(skipped)] = found.as_slice() else { panic!("{found:?}") };
            assert!(skipped.to_lowercase().ends_with("3f2a"), "{skipped}");
        }
        assert_eq!(facts(&format!("{ALICE} Edda\n")).findings, []);
    }

    #[test]
    fn words_for_no_name_name_nothing_in_any_format() {
        for text in [
            format!("{ALICE} unknown\n{VAN} (none)\n"),
            format!("0 {ALICE} 10.0.0.1 unknown *\n0 {VAN} 10.0.0.2 - *\n"),
            format!("{ALICE},Unbekannt\n{VAN},Unbekannt\n"),
            format!("{ALICE} 10.0.0.1\n10.0.0.1 unknown\n"),
        ] {
            check_file("file", &text, &[]);
        }
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
