//! Invitation codes: each pairs one chat. Only a code's hash is kept.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use super::fields::hex_bytes;
use dot11::hex;

/// What a chat with access may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look up, watch and name.
    Member,
    /// Also invite and remove chats.
    Owner,
}

/// The hash of an invitation code. Codes are long and random, so a hash does not reveal its code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeHash([u8; 32]);

impl CodeHash {
    /// The hash of `code`.
    pub fn of(code: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"probewatch pairing code\0");
        digest.update(code);
        Self(digest.finalize().into())
    }
}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Serialize for CodeHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hex_bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for CodeHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let octets = hex_bytes::deserialize(deserializer)?;
        octets.try_into().map(Self).map_err(|_| de::Error::custom("a code's hash has 32 octets"))
    }
}
