//! `replay` records the same probe requests as tshark. Each real capture is replayed, and each source address looked
//! up with the binary. The replies equal statistics computed from tshark's fields without the project's code.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::require;
use crate::support::service::probewatch;
use crate::support::tshark::{self, Aggregate, FcsStatus, Row};

/// The number of addresses in one call, far below the limit of a command line.
const QUERIES: usize = 2000;

fn captures() -> Vec<PathBuf> {
    let Some(folder) = require::captures_dir() else { return Vec::new() };
    if !require::tshark_present() {
        return Vec::new();
    }
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.join("real")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 20, "the captures are there: {files:?}");
    files
}

/// Replays the file into a new data directory and compares every device with its rows.
fn check(file: &Path, rows: &[&Row], flags: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    // Each random address is looked up on its own.
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "[grouping]\nmode = \"off\"").unwrap();
    let config = config.to_str().unwrap();
    let file_name = file.to_str().unwrap();
    let mut arguments = vec!["replay", file_name, "-c", config, "--data-dir", data_dir];
    arguments.extend(flags);
    let output = probewatch(&arguments);
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{file_name}: {}", String::from_utf8_lossy(&output.stderr));

    let expected = tshark::aggregate(rows.iter().copied());
    let ssids: std::collections::BTreeSet<&Vec<u8>> =
        expected.values().flat_map(|device| device.ssids.keys()).collect();
    let count = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let wanted = [(rows.len(), "probe"), (expected.len(), "device"), (ssids.len(), "SSID")]
        .map(|(number, noun)| count(number, noun))
        .join(", ");
    assert!(summary.contains(&wanted), "{file_name}: {summary}, expected {wanted}");

    let addresses: Vec<&String> = expected.keys().collect();
    for addresses in addresses.chunks(QUERIES) {
        let mut arguments = vec!["lookup", "--json", "--data-dir", data_dir];
        arguments.extend(addresses.iter().map(|address| address.as_str()));
        let output = probewatch(&arguments);
        assert!(output.status.success(), "{file_name}: {}", String::from_utf8_lossy(&output.stderr));
        let answers = String::from_utf8(output.stdout).unwrap();
        let answers: Vec<&str> = answers.lines().collect();
        assert_eq!(answers.len(), addresses.len(), "{file_name}");
        for (address, answer) in addresses.iter().zip(answers) {
            let mut answer: Value = serde_json::from_str(answer).unwrap();
            sort_ssids(&mut answer);
            // A guess, which tshark does not make.
            let hint = answer.as_object_mut().unwrap().remove("hint").expect("every answer has a hint");
            assert!(hint.is_null() || hint.is_string(), "{hint}");
            let mut wanted = as_json(address, &expected[*address]);
            sort_ssids(&mut wanted);
            // Both use the file's order for two signals of the same microsecond.
            assert_eq!(answer, wanted, "{file_name} {flags:?}");
        }
    }
}

fn sort_ssids(answer: &mut Value) {
    answer["ssids"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
}

fn as_json(address: &str, device: &Aggregate) -> Value {
    let signal = device
        .last_signal_dbm
        .map(|last| json!({"last": last, "min": device.min_signal_dbm, "max": device.max_signal_dbm}));
    let ssids: Vec<Value> = device
        .ssids
        .keys()
        .map(|ssid| match std::str::from_utf8(ssid) {
            Ok(text) => json!(text),
            Err(_) => json!({"hex": ssid.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
        })
        .collect();
    json!({
        "query": address,
        "name": null,
        "addresses": [address],
        "probe_count": device.count,
        "wildcard_count": device.wildcard_count,
        "first_probe": rfc3339(device.first_us),
        "last_probe": rfc3339(device.last_us),
        "unique_ssids": device.ssids.len(),
        "ssids": ssids,
        "signal_dbm": signal,
    })
}

fn rfc3339(micros: u64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(micros.try_into().unwrap()).unwrap();
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[test]
fn every_device_of_every_real_capture_matches_tshark() {
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    for file in captures() {
        let rows = tshark::probe_requests(&file);
        let all: Vec<&Row> = rows.iter().collect();
        check(&file, &all, &["--include-bad-fcs"]);
        let good: Vec<&Row> = rows.iter().filter(|row| row.fcs != Some(FcsStatus::Bad)).collect();
        if good.len() < all.len() {
            check(&file, &good, &[]);
        }
        *compared.entry("all").or_default() += all.len();
        *compared.entry("good").or_default() += good.len();
    }
    // If the captures are present, they contain this many probe requests; 1,186 have a bad FCS.
    assert!(compared.is_empty() || (compared["all"], compared["good"]) == (89_003, 87_817), "{compared:?}");
}
