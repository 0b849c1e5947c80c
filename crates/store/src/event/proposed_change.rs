//! A change that a chat proposes to the owners.

use dot11::MacAddr;
use serde::{Deserialize, Serialize};

use super::{DeviceKey, GroupId};

/// What a chat asks the owners for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposedChange {
    /// That a device gets a name.
    Name {
        /// An address or a phone.
        device: DeviceKey,
        /// The name.
        name: String,
    },
    /// That a device loses its name.
    Unname {
        /// An address or a phone.
        device: DeviceKey,
    },
    /// That an address is not of a phone.
    Split {
        /// The phone.
        phone: GroupId,
        /// The address.
        address: MacAddr,
    },
}

impl ProposedChange {
    /// The phone that it is about, if it is one.
    pub fn phone(&self) -> Option<GroupId> {
        match self {
            Self::Name { device: DeviceKey::Phone(phone), .. }
            | Self::Unname { device: DeviceKey::Phone(phone) }
            | Self::Split { phone, .. } => Some(*phone),
            Self::Name { .. } | Self::Unname { .. } => None,
        }
    }

    /// Has a change that is about a phone be about this one.
    pub(crate) fn set_phone(&mut self, to: GroupId) {
        match self {
            Self::Name { device: DeviceKey::Phone(phone), .. }
            | Self::Unname { device: DeviceKey::Phone(phone) }
            | Self::Split { phone, .. } => *phone = to,
            Self::Name { .. } | Self::Unname { .. } => {}
        }
    }
}
