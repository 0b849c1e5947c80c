//! Who owns the bot: whether somebody does, and otherwise the link by which somebody becomes the owner.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Whether the bot has an owner.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum OwnershipState {
    /// The bot has not reached Telegram yet, or there is none.
    #[default]
    Unknown,
    /// It has an owner.
    Owned,
    /// It has none: who opens the link first owns it.
    Offered {
        /// The link. Whoever has it can become the owner.
        link: String,
    },
}

/// Without the link, which is a secret.
impl fmt::Debug for OwnershipState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown",
            Self::Owned => "Owned",
            Self::Offered { .. } => "Offered",
        })
    }
}

/// The state of now. The bot sets it.
#[derive(Debug, Clone, Default)]
pub struct Ownership(Arc<Mutex<OwnershipState>>);

impl Ownership {
    /// Replaces the state.
    pub fn set(&self, state: OwnershipState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// The state.
    pub fn get(&self) -> OwnershipState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
