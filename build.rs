//! Tells the program when it was built (`BUILT_SECONDS` in `src/lib.rs`). It runs again only when sources change, which
//! are compiled again anyway.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    let fixed = env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.trim().parse::<i64>().ok());
    let now =
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    println!("cargo::rustc-env=PROBEWATCH_BUILT_SECONDS={}", fixed.unwrap_or_else(now));
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=crates");
}
