//! AVS headers and the frames behind them.

#![no_main]

use dot11::LinkType;
use libfuzzer_sys::fuzz_target;
use probewatch_fuzz::check_frame;
<<<<<<< HEAD
=======
use dot11::LinkType;
>>>>>>> f2392b5 (Build the project's own crates anew for the run in place, and the fuzz targets against the workspace)

fuzz_target!(|captured: &[u8]| check_frame(LinkType::Avs, captured));
