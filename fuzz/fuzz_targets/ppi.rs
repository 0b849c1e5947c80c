//! PPI headers, and the frames behind them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probewatch_fuzz::check_frame;
use probewatch_fuzz::dot11::LinkType;

fuzz_target!(|captured: &[u8]| check_frame(LinkType::Ppi, captured));
