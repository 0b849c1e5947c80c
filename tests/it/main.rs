//! The integration tests: a file per promise.

mod decoder_vs_tshark;
mod live_capture;

use std::path::PathBuf;

/// Says that a test cannot run here, and why; fails it where everything must run.
fn skip(reason: &str) {
    let required = std::env::var("PROBEWATCH_REQUIRE_ALL").as_deref() == Ok("1");
    assert!(!required, "cannot be skipped: {reason}");
    eprintln!("skipped: {reason}");
}

/// The folder of captures made by others.
fn captures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures")
}
