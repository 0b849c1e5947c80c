//! Bytes in, values out: decodes captured 802.11 frames. No I/O, no clock, and no allocation per
//! frame.

mod mac;
mod signature;
mod ssid;

pub use mac::{MacAddr, ParseMacError};
pub use signature::Signature;
pub use ssid::{RequestedSsid, Ssid, hex, unhex, write_printable};
