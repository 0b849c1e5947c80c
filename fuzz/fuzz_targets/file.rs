//! Capture files, pcap and pcapng, and the frames in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probewatch_fuzz::check_file;

fuzz_target!(|bytes: &[u8]| check_file(bytes));
