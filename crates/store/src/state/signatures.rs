//! The elements behind signatures, which say what model sends them.

use super::dirty_map::DirtyMap;
use dot11::{ModelKey, Signature};

/// The model that sends frames of this signature, as far as their elements are known.
pub(super) fn model_key(signatures: &DirtyMap<Signature, Vec<u8>>, signature: Signature) -> ModelKey {
    let elements = signatures.get(&signature);
    elements.map_or_else(|| ModelKey::of_unknown_elements(signature), |elements| ModelKey::of(elements))
}
