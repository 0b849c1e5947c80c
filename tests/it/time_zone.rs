//! Without `time_zone`, times are in the zone of `TZ`, as those of date(1) are, in all commands; and a person can see
//! which zone it is and where it comes from.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::commands::{ALICE, TIME, stderr, stdout};
use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, write_pcap};
use crate::support::process;
use crate::support::service::{probewatch_command, toml_string};

/// A folder with a configuration that names no zone, and a capture file.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let frame = ProbeRequestFrame::new(ALICE).ssid("Depot").signal(-40).build();
        write_pcap(&folder.path().join("street.pcap"), DLT_IEEE802_11_RADIO, &[(TIME, frame)]).unwrap();
        let data = toml_string(folder.path().join("data").to_str().unwrap());
        fs::write(folder.path().join("config.toml"), format!("data_dir = {data}\n")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a command with this value of `TZ` and this input.
    fn run(&self, zone: &str, command: &[&str], input: &str) -> Output {
        let config = self.path("config.toml");
        let arguments = [command, &["-c", &config]].concat();
        process::output_of(probewatch_command(&arguments).env("TZ", zone), input.as_bytes())
    }

    /// The check of the time zone by `doctor`.
    fn check(&self, zone: &str) -> Value {
        let list: Value = serde_json::from_slice(&self.run(zone, &["doctor", "--json"], "").stdout).unwrap();
        let is_zone = |finding: &&Value| finding["check"] == "Time zone";
        list.as_array().unwrap().iter().find(is_zone).unwrap().clone()
    }
}

#[test]
fn times_are_in_the_zone_of_the_environment() {
    let folder = Folder::new();
    let capture = folder.path("street.pcap");
    assert!(folder.run("UTC", &["replay", &capture], "").status.success());
    let seen = |zone: &str| {
        let output = folder.run(zone, &["chat"], &format!("{ALICE}\n"));
        assert!(!stderr(&output).contains("TZ="), "{zone}: {}", stderr(&output));
        stdout(&output)
    };
    let berlin = seen("Europe/Berlin");
    assert!(berlin.contains(" CET") || berlin.contains(" CEST"), "{berlin}");
    let rule = "CET-1CEST,M3.5.0,M10.5.0/3";
    for zone in [":Europe/Berlin", rule, "/usr/share/zoneinfo/Europe/Berlin"] {
        assert_eq!(seen(zone), berlin, "{zone}");
    }
    assert!(seen("").contains(" UTC"));
    let status = stdout(&folder.run("Asia/Tokyo", &["status"], ""));
    assert!(status.contains("Asia/Tokyo") && status.contains("TZ"), "{status}");
}

#[test]
fn an_unknown_zone_is_reported() {
    let folder = Folder::new();
    let known = folder.check("Europe/Berlin");
    assert_eq!((&known["outcome"], &known["remedy"]), (&Value::from("fine"), &Value::Null), "{known}");
    assert!(known["says"].as_str().unwrap().starts_with("Europe/Berlin, "), "{known}");
    let unknown = folder.check("Europe/Berlim");
    assert_eq!(unknown["outcome"], "unknown", "{unknown}");
    assert!(unknown["says"].as_str().unwrap().contains("Europe/Berlim"), "{unknown}");
    assert!(unknown["remedy"].is_string(), "{unknown}");
    let output = folder.run("Europe/Berlim", &["replay", &folder.path("street.pcap")], "");
    assert!(output.status.success() && stderr(&output).contains("Europe/Berlim"), "{}", stderr(&output));
}
