//! Requirements of tests on the machine. A test whose requirement is missing reports a skip and ends. With
//! `PROBEWATCH_REQUIRE_ALL=1` a skip is a failure.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process;

/// Reports why the running test is skipped. The caller returns after it.
pub fn skip(reason: &str) {
    let required = std::env::var_os("PROBEWATCH_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "PROBEWATCH_REQUIRE_ALL=1 allows no skip: {reason}");
    // Not `eprintln!`: the test runner hides the output of passing tests.
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// `../shared/captures`, or `None` after a skip was reported.
pub fn captures_dir() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if path.join("real").is_dir() {
        return Some(path);
    }
    skip("no captures at ../shared/captures");
    None
}

/// Whether a TAP radio can be opened here; if not, a skip was reported.
pub fn tap_allowed() -> bool {
    match super::tap_radio::TapRadio::unique("pwcan") {
        Ok(_) => true,
        Err(error) => {
            skip(&format!("no TAP interface (needs root and /dev/net/tun): {error}"));
            false
        }
    }
}

/// Whether tshark is installed; if not, a skip was reported.
pub fn tshark_present() -> bool {
    runs("tshark")
}

/// Whether tcpdump is installed; if not, a skip was reported.
pub fn tcpdump_present() -> bool {
    runs("tcpdump")
}

/// Whether groff is installed; if not, a skip was reported.
pub fn groff_present() -> bool {
    runs("groff")
}

/// Whether curl is installed; if not, a skip was reported.
pub fn curl_present() -> bool {
    runs("curl")
}

/// Whether openssl is installed; if not, a skip was reported.
pub fn openssl_present() -> bool {
    runs_with("openssl", "version")
}

fn runs(program: &str) -> bool {
    runs_with(program, "--version")
}

/// Whether a program is installed that prints its version with this argument; if not, a skip was reported.
pub fn runs_with(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(mut child) => {
            let status = process::wait_for_exit(&mut child, &format!("{program} {argument} to end"));
            if !status.success() {
                skip(&format!("{program} {argument} ended with {status}"));
            }
            status.success()
        }
        Err(error) => {
            skip(&format!("{program} does not start: {error}"));
            false
        }
    }
}
