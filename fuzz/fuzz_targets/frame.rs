//! Frames without a radio header.

#![no_main]

use dot11::LinkType;
use libfuzzer_sys::fuzz_target;
use probewatch_fuzz::check_frame;

fuzz_target!(|captured: &[u8]| check_frame(LinkType::Ieee80211, captured));
