//! Names of devices. Several addresses may share one name.

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use crate::event::{DeviceKey, GroupId, NamedBy};
use dot11::MacAddr;

/// The longest name of a device, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// A text cannot be the name of a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Only spaces.
    #[error("the name is empty")]
    Empty,
    /// Longer than [`MAX_NAME_CHARS`].
    #[error("the name is longer than 64 characters")]
    TooLong,
    /// It could be mistaken for an address.
    #[error("the name looks like a MAC address")]
    Address,
    /// It could be mistaken for a command.
    #[error("the name begins with a slash, as a command does")]
    Command,
    /// This name could be mistaken for the identifier of a phone.
    #[error("the name looks like the ID of a phone with random addresses")]
    Phone(String),
}

/// The name in `text`: on one line, without repeated or surrounding spaces.
///
/// # Errors
/// [`NameError`] if it is empty, too long, or could be mistaken for an address, a command or a phone.
pub fn check_name(text: &str) -> Result<String, NameError> {
    let name = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let name = name.collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.chars().count() > MAX_NAME_CHARS {
        Err(NameError::TooLong)
    } else if name.parse::<MacAddr>().is_ok() {
        Err(NameError::Address)
    } else if name.starts_with('/') {
        Err(NameError::Command)
    } else if is_like_phone(&name) {
        Err(NameError::Phone(name))
    } else {
        Ok(name)
    }
}

/// Whether a name could be mistaken for the identifier of a phone: `phone 3f2a`, or `3f2a`. Four letters are a word, such
/// as `Edda`.
fn is_like_phone(name: &str) -> bool {
    match name.split_once(' ') {
        Some((word, id)) => word.eq_ignore_ascii_case("phone") && id.parse::<GroupId>().is_ok(),
        None => name.parse::<GroupId>().is_ok() && name.contains(|c: char| c.is_ascii_digit()),
    }
}

/// The names of an address, by their origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressName {
    /// The name that an owner gave it.
    pub chat: Option<String>,
    /// The name in the configuration.
    pub config: Option<String>,
    /// The name that a member gave it.
    #[serde(default)]
    pub member: Option<String>,
    /// The name in an imported file.
    #[serde(default)]
    pub import: Option<String>,
    /// Whether the imported name comes from a DHCP lease, and may outlive it.
    #[serde(default)]
    pub is_lease: bool,
}

impl AddressName {
    /// The name that counts: an owner's goes before the configuration's, that before a member's, and that before an
    /// imported one.
    pub fn effective(&self) -> Option<&str> {
        self.of_owner().or(self.member.as_deref()).or(self.import.as_deref())
    }

    /// The name that an owner or the configuration gave the address.
    pub fn of_owner(&self) -> Option<&str> {
        self.chat.as_deref().or(self.config.as_deref())
    }

    fn set(&mut self, name: Option<String>, by: NamedBy) {
        match by {
            NamedBy::Chat => self.chat = name,
            NamedBy::Config => self.config = name,
            NamedBy::Member => self.member = name,
            NamedBy::Import | NamedBy::Lease => {
                self.is_lease = name.is_some() && by == NamedBy::Lease;
                self.import = name;
            }
        }
    }
}

/// The names of all addresses that have one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Names {
    pub(super) rows: DirtyMap<MacAddr, AddressName>,
}

/// The form in which names are compared: without case.
pub fn fold_case(name: &str) -> String {
    name.to_lowercase()
}

impl Names {
    pub(super) fn set(&mut self, address: MacAddr, name: &str, by: NamedBy) {
        self.rows.entry(address).set(Some(name.to_owned()), by);
    }

    pub(super) fn clear(&mut self, address: MacAddr, by: NamedBy) {
        let Some(mut name) = self.rows.remove(&address) else { return };
        name.set(None, by);
        if name != AddressName::default() {
            self.rows.insert(address, name);
        }
    }

    /// All names of the address.
    pub fn get(&self, address: MacAddr) -> Option<&AddressName> {
        self.rows.get(&address)
    }

    /// The address's name.
    pub fn of(&self, address: MacAddr) -> Option<&str> {
        self.get(address)?.effective()
    }

    /// Every named address with its name, ordered by address.
    pub fn iter(&self) -> impl Iterator<Item = (MacAddr, &str)> {
        self.rows.iter().filter_map(|(address, name)| Some((*address, name.effective()?)))
    }

    /// Every address that the configuration names, with that name.
    pub fn configured(&self) -> impl Iterator<Item = (MacAddr, &str)> {
        self.rows.iter().filter_map(|(address, name)| Some((*address, name.config.as_deref()?)))
    }

    /// Every address that a file names, with that name and whether it comes from a lease.
    pub fn imported(&self) -> impl Iterator<Item = (MacAddr, &str, bool)> {
        self.rows
            .iter()
            .filter_map(|(address, name)| Some((*address, name.import.as_deref()?, name.is_lease)))
    }

    /// Whether the name keeps the address from eviction. An imported name does not keep a random address: phones use
    /// new ones all the time, and each gets a lease.
    pub(super) fn protects_from_eviction(&self, address: MacAddr) -> bool {
        self.get(address)
            .is_some_and(|name| name.of_owner().or(name.member.as_deref()).is_some() || !address.is_random())
    }

    /// The device that this address belongs to, as alerts see it: all addresses of one name are one device.
    pub(super) fn device_key(&self, address: MacAddr) -> DeviceKey {
        match self.of(address) {
            Some(name) => DeviceKey::Name(fold_case(name)),
            None => DeviceKey::Address(address),
        }
    }

    /// The addresses that share this name, whatever its case.
    pub fn addresses_of(&self, name: &str) -> Vec<MacAddr> {
        let wanted = fold_case(name);
        let matches = |name: &str| match name.is_ascii() {
            true => name.eq_ignore_ascii_case(&wanted),
            false => fold_case(name) == wanted,
        };
        self.iter().filter(|(_, name)| matches(name)).map(|(address, _)| address).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VENDORS: MacAddr = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
    const RANDOM: MacAddr = MacAddr::new([0xda, 0xa1, 0x19, 0, 0, 1]);

    #[test]
    fn an_imported_name_keeps_no_random_address() {
        let mut names = Names::default();
        assert!(!names.protects_from_eviction(VENDORS));
        for by in [NamedBy::Import, NamedBy::Lease] {
            names.set(VENDORS, "Phone", by);
            names.set(RANDOM, "Phone", by);
            assert_eq!(
                (names.protects_from_eviction(VENDORS), names.protects_from_eviction(RANDOM)),
                (true, false),
                "{by:?}"
            );
        }
        for by in [NamedBy::Config, NamedBy::Member, NamedBy::Chat] {
            names.set(RANDOM, "Alice's phone", by);
            assert!(names.protects_from_eviction(RANDOM), "{by:?}");
            names.clear(RANDOM, by);
            assert!(!names.protects_from_eviction(RANDOM), "{by:?}");
        }
    }

    #[test]
    fn a_member_overrides_neither_the_configuration_nor_an_owner() {
        let mut names = Names::default();
        let shown = |names: &Names| names.of(VENDORS).map(str::to_owned);
        for (by, expected) in [
            (NamedBy::Import, "Import"),
            (NamedBy::Member, "Member"),
            (NamedBy::Config, "Config"),
            (NamedBy::Member, "Config"),
            (NamedBy::Chat, "Chat"),
            (NamedBy::Member, "Chat"),
            (NamedBy::Config, "Chat"),
        ] {
            names.set(VENDORS, &format!("{by:?}"), by);
            assert_eq!(shown(&names).as_deref(), Some(expected));
        }
        for (by, expected) in [
            (NamedBy::Chat, Some("Config")),
            (NamedBy::Config, Some("Member")),
            (NamedBy::Member, Some("Import")),
            (NamedBy::Import, None),
        ] {
            names.clear(VENDORS, by);
            assert_eq!(shown(&names).as_deref(), expected);
        }
    }

    #[test]
    fn an_address_has_one_imported_name() {
        let mut names = Names::default();
        names.set(VENDORS, "phone", NamedBy::Lease);
        names.set(RANDOM, "PHONE", NamedBy::Lease);
        names.set(VENDORS, "Alice's phone", NamedBy::Import);
        let imported: Vec<_> = names.imported().collect();
        assert_eq!(imported, [(VENDORS, "Alice's phone", false), (RANDOM, "PHONE", true)]);
        names.clear(VENDORS, NamedBy::Import);
        names.clear(RANDOM, NamedBy::Import);
        assert_eq!(names, Names::default());
    }

    #[test]
    fn case_does_not_matter() {
        let mut names = Names::default();
        names.set(VENDORS, "ZOË'S PHONE", NamedBy::Chat);
        names.set(RANDOM, "Van", NamedBy::Chat);
        assert_eq!(names.addresses_of("Zoë's phone"), [VENDORS]);
        assert_eq!(names.addresses_of("vAN"), [RANDOM]);
        assert_eq!(names.addresses_of("Vän"), []);
    }

    #[test]
    fn a_name_is_one_line_and_looks_like_nothing_else() {
        for (text, expected) in [
            ("  Zoë \t\n phone ", Ok("Zoë phone")),
            (&"é".repeat(MAX_NAME_CHARS), Ok(&*"é".repeat(MAX_NAME_CHARS))),
            (&"é".repeat(MAX_NAME_CHARS + 1), Err(NameError::TooLong)),
            (" \u{7} ", Err(NameError::Empty)),
            ("a4:83:e7:4e:39:15", Err(NameError::Address)),
            ("/start", Err(NameError::Command)),
            ("a/b", Ok("a/b")),
            ("3f2a", Err(NameError::Phone("3f2a".to_owned()))),
            ("Phone 3f2a", Err(NameError::Phone("Phone 3f2a".to_owned()))),
            ("phone edda", Err(NameError::Phone("phone edda".to_owned()))),
            ("Edda", Ok("Edda")),
            ("my 3f2a", Ok("my 3f2a")),
            ("phone of Anna", Ok("phone of Anna")),
            ("R2D2", Ok("R2D2")),
        ] {
            assert_eq!(check_name(text), expected.map(str::to_owned), "{text:?}");
        }
    }
}
