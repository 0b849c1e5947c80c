//! Bytes in, values out: decodes captured 802.11 frames. No I/O, no clock, and no allocation per
//! frame.
//!
//! [`decode`] is the way in. What it decides where a frame can be read in more than one way stands
//! in the header of `probe_request.rs`, and for the radio headers in `radiotap.rs`, `ppi.rs` and
//! `prism.rs`.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod bytes;
mod element;
mod link;
mod mac;
mod ppi;
mod prism;
mod probe_request;
mod radio;
mod radiotap;
mod signature;
mod ssid;
#[doc(hidden)]
pub mod test_frame;

pub use element::{Element, Elements};
pub use link::LinkType;
pub use mac::{MacAddr, ParseMacError};
pub use probe_request::{DecodeError, Fcs, ProbeRequest, decode};
pub use signature::{ParseSignatureError, Signature};
pub use ssid::{RequestedSsid, Ssid, hex, hex_digits, unhex, write_printable};
