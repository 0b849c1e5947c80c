//! Names of devices. One name may stand for several addresses.

use serde::{Deserialize, Serialize};

use super::rows::Rows;
use crate::dot11::MacAddr;
use crate::event::NamedBy;

/// The longest name of a device, in characters.
pub const NAME_LENGTH: usize = 64;

/// A text does not serve as a name of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing but spaces.
    #[error("the name is empty")]
    Empty,
    /// Longer than [`NAME_LENGTH`].
    #[error("the name is longer than 64 characters")]
    TooLong,
    /// It would be taken for an address.
    #[error("the name reads as a MAC address")]
    Address,
    /// It would be taken for a command.
    #[error("the name begins with a slash, as a command does")]
    Command,
}

/// The name that `text` stands for, on one line and without spaces around it.
///
/// # Errors
/// [`NameError`] where it could not be told from an address or a command, or not be shown.
pub fn check_name(text: &str) -> Result<String, NameError> {
    let name = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let name = name.collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.chars().count() > NAME_LENGTH {
        Err(NameError::TooLong)
    } else if name.parse::<MacAddr>().is_ok() {
        Err(NameError::Address)
    } else if name.starts_with('/') {
        Err(NameError::Command)
    } else {
        Ok(name)
    }
}

/// What an address is called, by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressName {
    /// The name that a person gave it.
    pub chat: Option<String>,
    /// The name that it has in the configuration.
    pub config: Option<String>,
    /// The name that a file of another program gives it.
    #[serde(default)]
    pub import: Option<String>,
}

impl AddressName {
    /// The name that counts: a person's before the configuration's, and that before an imported one.
    pub fn effective(&self) -> Option<&str> {
        self.chat.as_deref().or(self.config.as_deref()).or(self.import.as_deref())
    }

    fn by(&mut self, by: NamedBy) -> &mut Option<String> {
        match by {
            NamedBy::Chat => &mut self.chat,
            NamedBy::Config => &mut self.config,
            NamedBy::Import => &mut self.import,
        }
    }
}

/// The names of all addresses that have one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Names {
    pub(super) rows: Rows<MacAddr, AddressName>,
}

/// The form in which names are compared: case does not matter.
pub fn fold_case(name: &str) -> String {
    name.to_lowercase()
}

impl Names {
    pub(super) fn set(&mut self, address: MacAddr, name: &str, by: NamedBy) {
        *self.rows.entry(address).by(by) = Some(name.to_owned());
    }

    pub(super) fn clear(&mut self, address: MacAddr, by: NamedBy) {
        let Some(mut name) = self.rows.remove(&address) else { return };
        *name.by(by) = None;
        if name != AddressName::default() {
            self.rows.insert(address, name);
        }
    }

    /// Everything that is known of the address's name.
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

    /// Every address that a file names, with that name.
    pub fn imported(&self) -> impl Iterator<Item = (MacAddr, &str)> {
        self.rows.iter().filter_map(|(address, name)| Some((*address, name.import.as_deref()?)))
    }

    /// The addresses that share this name, whatever its case.
    pub fn addresses_of(&self, name: &str) -> Vec<MacAddr> {
        let wanted = fold_case(name);
        self.iter().filter(|(_, name)| fold_case(name) == wanted).map(|(address, _)| address).collect()
    }
}
