//! Decodes captured 802.11 probe requests and the radio headers in front of them: bytes in, values out. No I/O, no
//! clock, and no allocation per frame (except for an SSID of more than 32 bytes, which no device may send).
//!
//! ```
//! use dot11::{Fcs, LinkType, RequestedSsid, decode};
//!
//! // A probe request for the network "Home" as Linux captures it in monitor mode.
//! let captured = [
//!     // The radiotap header: length 15; flags, channel and signal are present.
//!     &[0, 0, 15, 0, 0x2a, 0, 0, 0, 0, 0, 0x85, 0x09, 0xa0, 0, 0xd6][..],
//!     // Frame Control, duration, destination, source, BSSID, sequence number 2743.
//!     &[0x40, 0, 0, 0],
//!     &[0xff; 6],
//!     &[0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15],
//!     &[0xff; 6],
//!     &[0x70, 0xab],
//!     // The elements: SSID and Supported Rates.
//!     b"\x00\x04Home\x01\x04\x02\x04\x0b\x16",
//! ]
//! .concat();
//!
//! let probe_request = decode(LinkType::Radiotap, &captured, captured.len())?.expect("it is a probe request");
//! assert_eq!(probe_request.source.to_string(), "a4:83:e7:4e:39:15");
//! assert_eq!(probe_request.ssid, RequestedSsid::Named("Home".into()));
//! assert_eq!(probe_request.signal_dbm, Some(-42));
//! assert_eq!(probe_request.frequency_mhz, Some(2437));
//! assert_eq!(probe_request.sequence, 2743);
//! assert_eq!(probe_request.fcs, Fcs::Absent);
//! # Ok::<(), dot11::DecodeError>(())
//! ```
//!
//! Real frames are truncated, damaged or hostile, and the standards leave cases open. Each module's header lists what
//! it decides:
//!
//! | module | decides | source |
//! |---|---|---|
//! | `probe_request.rs` | what counts as a probe request; its SSID, elements and FCS | IEEE 802.11-2020 §9.3.3.9, §9.2.4 |
//! | `element.rs` | where an element ends | IEEE 802.11-2020 §9.4.2.1 |
//! | `ssid.rs` | how the bytes of an SSID are kept and shown | IEEE 802.11-2020 §9.4.2.2 |
//! | `ssid_list.rs` | which further networks a frame asks for | IEEE 802.11-2020 §9.4.2.72, §9.4.2.170.3; 802.11ax |
//! | `signature.rs` | which elements identify a device model | this crate |
//! | `model_key.rs` | what probe requests of one model have in common | this crate, measured on labelled captures |
//! | `device_info/mod.rs` | what a device says about itself: manufacturer, model, name | Wi-Fi Simple Configuration 2.0.8, Wi-Fi Direct 1.9 |
//! | `capabilities.rs` | the least Wi-Fi generation of a device, and its bands | IEEE 802.11-2020, 802.11ax, 802.11be |
//! | `mac.rs` | which notations of an address are read, which addresses are random | IEEE 802-2014 §8.2 |
//! | `signal.rs` | which signal levels mean that none is known | IEEE 802.11-2020 §15; thermal noise |
//! | `radiotap.rs` | namespaces, fields that come twice, unknown fields | radiotap.org |
//! | `ppi.rs` | which of several fields counts | PPI Packet Header Specification 1.0.7 |
//! | `prism.rs` | byte order and units of Prism and AVS headers | linux-wlan-ng; Wireshark and libpcap |
//!
//! [`decode`] is the entry point. [`builder`] makes frames for tests and demonstrations.

#![deny(clippy::indexing_slicing)]

pub mod builder;
mod bytes;
mod capabilities;
mod device_info;
mod element;
mod emoji;
mod error;
mod hex;
mod link_type;
mod mac;
mod model_key;
mod ppi;
mod printable;
mod prism;
mod probe_request;
mod radio_header;
mod radio_info;
mod radiotap;
mod signal;
mod signature;
mod ssid;
mod ssid_list;

pub use capabilities::{Bands, Capabilities, WifiGeneration};
pub use device_info::{DeviceInfo, DeviceType, ParseDeviceInfoError, ShortText, Uuid};
pub use element::{Element, Elements};
pub use error::DecodeError;
pub use hex::{hex, hex_digits, unhex};
pub use link_type::LinkType;
pub use mac::{MacAddr, ParseMacError};
pub use model_key::ModelKey;
pub use printable::write_printable;
pub use probe_request::{Fcs, ProbeRequest, decode, decode_from_file};
pub use signal::measured_dbm;
pub use signature::{ParseSignatureError, Signature};
pub use ssid::{RequestedSsid, Ssid};
pub use ssid_list::{LISTED_SHORT_SSIDS, LISTED_SSIDS, ShortSsid, listed_short_ssids, listed_ssids};
