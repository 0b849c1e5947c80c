//! Each subcommand does what its help says, in its output for people and in its JSON.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, write_pcap};
use crate::support::process;
use crate::support::service::{clean_command, probewatch, probewatch_with_input};

pub const ALICE: &str = "a4:83:e7:4e:39:15";
pub const RANDOM: &str = "da:a1:19:00:00:01";
/// 2020-04-18T17:04:27.123456Z
pub const TIME: u64 = 1_587_229_467_123_456;

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A data directory with a replayed capture, and a configuration for it.
pub struct Data {
    folder: tempfile::TempDir,
}

impl Data {
    pub fn new(frames: &[(u64, Vec<u8>)]) -> Self {
        let data = Self { folder: tempfile::tempdir().unwrap() };
        let capture = data.folder.path().join("street.pcap");
        write_pcap(&capture, DLT_IEEE802_11_RADIO, frames).unwrap();
        let config = format!(
            "data_dir = {:?}\ntime_zone = \"Europe/Berlin\"\n[capture]\nsources = [\"-\"]\n",
            data.folder.path().join("data").to_str().unwrap()
        );
        std::fs::write(data.config(), config).unwrap();
        let output =
            probewatch(&["replay", capture.to_str().unwrap(), "-c", data.path("config.toml").as_str()]);
        assert!(output.status.success(), "{}", stderr(&output));
        data
    }

    pub fn street() -> Self {
        let frame = |source: &str, sequence| ProbeRequestFrame::new(source).sequence(sequence);
        Self::new(&[
            (TIME + 1_000_000, frame(ALICE, 2).ssid("RNM0").signal(-40).build()),
            (TIME, frame(ALICE, 1).wildcard().signal(-70).build()),
            (TIME + 2_000_000, frame(ALICE, 3).ssid(b"\xff\xfe\x00").signal(-50).build()),
            (TIME + 3_000_000, frame(ALICE, 4).ssid("<b>\u{202e}\n").without_signal().build()),
            (TIME + 4_000_000, frame(ALICE, 5).without_ssid().without_signal().build()),
            (TIME + 5_000_000, frame(RANDOM, 6).wildcard().build()),
            (TIME + 6_000_000, frame(RANDOM, 7).response_to(ALICE).ssid("Not asked for").build()),
        ])
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn config(&self) -> std::path::PathBuf {
        self.folder.path().join("config.toml")
    }

    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        let config = self.path("config.toml");
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-c", config.as_str()]).collect();
        probewatch_with_input(&arguments, input.as_bytes())
    }

    pub fn json(&self, query: &str) -> (Value, Option<i32>) {
        let output = self.run(&["lookup", "--json", query], "");
        (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
    }
}

#[test]
fn lookup_json_has_the_documented_fields() {
    let data = Data::street();
    let expected = json!({
        "query": "A483E74E3915",
        "name": null,
        "addresses": [ALICE],
        "probe_count": 5,
        "wildcard_count": 1,
        "first_probe": "2020-04-18T17:04:27.123456Z",
        "last_probe": "2020-04-18T17:04:31.123456Z",
        "hint": "Wi-Fi 4 or newer",
        "unique_ssids": 3,
        "ssids": ["<b>\u{202e}\n", "RNM0", {"hex": "fffe00"}],
        "signal_dbm": {"last": -50, "min": -70, "max": -40},
    });
    assert_eq!(data.json("A483E74E3915"), (expected, Some(0)));
    let nothing = json!({"query": "00:11:22:33:44:55", "found": false});
    assert_eq!(data.json("00:11:22:33:44:55"), (nothing, Some(1)));
    assert_eq!(data.json("nobody"), (json!({"query": "nobody", "found": false}), Some(1)));
    let (random, _) = data.json(RANDOM);
    assert_eq!((&random["probe_count"], &random["ssids"]), (&json!(1), &json!([])));
}

/// A TV's probe request: Wi-Fi Protected Setup with its names, and an element of Samsung.
fn tv_frame() -> Vec<u8> {
    let attribute = |kind: u16, value: &[u8]| {
        [&kind.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat()
    };
    let setup = [
        &[0x00, 0x50, 0xf2, 4][..],
        &attribute(0x1054, &[0, 7, 0, 0x50, 0xf2, 4, 0, 1]),
        &attribute(0x1021, b"Samsung Electronics"),
        &attribute(0x1011, "[TV] <b>\u{202e}\n\"Zoë\"".as_bytes()),
    ]
    .concat();
    let frame = ProbeRequestFrame::new(RANDOM).wildcard();
    frame.element(221, &setup).element(221, [0x00, 0x00, 0xf0, 0x22]).build()
}

#[test]
fn a_card_shows_what_a_device_says_about_itself() {
    let data = Data::new(&[(TIME, tv_frame())]);
    let hint = "Probably a Samsung device, Wi-Fi 4 or newer. Says it is a TV “[TV] <b>\\u{202e}\\n\"Zoë\"”, by “Samsung Electronics”";
    assert_eq!(data.json(RANDOM).0["hint"], hint);
    let card = stdout(&data.run(&["lookup", RANDOM], ""));
    assert!(card.contains(&format!("\nHint: {hint}\n")), "{card}");
    let decoded = stdout(&probewatch(&["decode", &data.path("street.pcap")]));
    let line: Value = serde_json::from_str(decoded.lines().next().unwrap()).unwrap();
    let expected = json!({
        "manufacturer": "Samsung Electronics", "device_name": "[TV] <b>\u{202e}\n\"Zoë\"", "device_type": "7-0050F204-1",
    });
    assert_eq!(line["device_info"], expected);
    // The state that is rebuilt from the log has it too.
    assert!(data.run(&["rebuild"], "").status.success());
    assert_eq!(data.json(RANDOM).0["hint"], hint);
}

#[test]
fn one_name_may_cover_several_addresses() {
    let data = Data::street();
    let output = data.run(&["chat"], &format!("/name {ALICE} Alice\n/name {RANDOM} ALICE\n"));
    assert!(output.status.success(), "{}", stderr(&output));
    let (alice, code) = data.json("alice");
    assert_eq!(code, Some(0));
    assert_eq!(alice["probe_count"], 6);
    assert_eq!(alice["wildcard_count"], 2);
    assert_eq!(alice["last_probe"], "2020-04-18T17:04:32.123456Z");
    assert_eq!(alice["addresses"], json!([ALICE, RANDOM]));
    assert_eq!(data.json(RANDOM).0["probe_count"], 6, "an address of the name is the same device");
    data.run(&["chat"], "/name 001122334455 Alina\n");
    let (several, code) = data.json("ali");
    assert_eq!(
        (several, code),
        (json!({"query": "ali", "found": false, "candidates": ["Alice", "Alina"]}), Some(1))
    );
}

/// A snapshot of a whole conversation.
#[test]
fn a_conversation_on_the_terminal() {
    let data = Data::street();
    let messages = [
        "/start",
        "/help",
        ALICE,
        "a4-83-e7-4e-39",
        RANDOM,
        "/watches",
        "/watch",
        "/watch \"My \\\"home\\\" net\" because I say so",
        "/watch hex:fffe00",
        "/watch RNM0 first\n/watch RNM0 second",
        "/watch \"\"",
        "/watch 123456789012345678901234567890123",
        "/unwatch nothing of the kind",
        "/unwatch hex:fffe00",
        "/name",
        "/name phone 1",
        "/name a483e74e3915 Alice's   <phone>",
        "/name da:a1:19:00:00:01 alice's <PHONE>",
        "/name 00:11:22:33:44:55 Alina",
        "alice's",
        "ali",
        "alicia",
        "Alina",
        "/unname 00:11:22:33:44:55",
        "/unname 00:11:22:33:44:55",
        "/wacth x",
        "/frobnicate",
        "\u{1b}[31mred\u{7}",
    ];
    let output = data.run(&["chat"], &(messages.join("\n") + "\n"));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    let filters = vec![
        (r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d CES?T", "since [time]"),
        (r"\d+ (days|weeks|months|years) ago", "[days] ago"),
    ];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(text);
    });
}

/// Lists, page by page if they do not fit.
#[test]
fn lists_on_the_terminal() {
    let frame = |source: &str, ssid: &str| ProbeRequestFrame::new(source).ssid(ssid).build();
    let mut frames = vec![
        (TIME, ProbeRequestFrame::new(ALICE).ssid("RNM0").signal(-40).build()),
        (TIME + 1_000_000, ProbeRequestFrame::new(ALICE).ssid(b"\xff\xfe\x00").signal(-60).build()),
        (TIME + 2_000_000, ProbeRequestFrame::new(RANDOM).wildcard().build()),
    ];
    for number in 0..12_u64 {
        let source = format!("00:11:22:33:44:{number:02x}");
        frames.push((TIME + 3_000_000 + number, frame(&source, "RNM0")));
        frames.push((TIME + 4_000_000 + number, frame(&source, &format!("<net> {number}"))));
    }
    let data = Data::new(&frames);
    let messages = [
        "/name 00:11:22:33:44:00 The <twins>",
        "/name 00:11:22:33:44:01 the <TWINS>",
        "/watch \"<net> 3\"",
        "/devices",
        "/devices 2",
        "/devices 9",
        "/devices x",
        "/top",
        "/nearby",
        "/nearby 1",
        "/networks",
        "/networks 2",
        "/ssid RNM0",
        "/ssid <net> 7",
        "/ssid hex:fffe00",
        "/ssid nobody's",
        "/chart twins",
        "/chart ssid RNM0 7d",
        "/chart nobody 30d",
        "/export the <twins>",
        "/export networks",
        "/export",
    ];
    let output = data.run(&["chat"], &(messages.join("\n") + "\n"));
    assert!(output.status.success(), "{}", stderr(&output));
    let filters = vec![
        (r"\d+ (days|weeks|months|years) ago", "[days] ago"),
        (r"picture of \d+ bytes", "picture of [n] bytes"),
    ];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(stdout(&output));
    });
}

#[test]
fn the_terminal_refuses_commands_about_access() {
    let data = Data::street();
    let text = stdout(&data.run(&["chat"], "/invite\n/chats\n"));
    for refusal in ["/invite works only in Telegram.", "/chats works only in Telegram."] {
        assert!(text.contains(refusal), "{refusal:?} is missing in {text}");
    }
}

#[test]
fn status_counts_recorded_data() {
    let data = Data::street();
    let text = stdout(&data.run(&["chat"], "/status\n"));
    for line in [
        "Probes: 6 (2 for any network)",
        "Addresses: 2 (1 random)",
        "\nLast probe: ",
        " years ago (2020-04-18 19:04:32 CEST)",
        "Watched networks: 0",
        "Alerts waiting for Telegram: 0",
        "\nOn disk: ",
        "\nSince: ",
        " years ago (2020-04-18 19:04:28 CEST)",
        "\nVendor registry: ",
        " old (of 20",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_replay_raises_no_alert_and_repeated_replays_add_up() {
    let data = Data::street();
    data.run(&["chat"], "/watch RNM0\n");
    let output = data.run(&["replay", &data.path("street.pcap"), &data.path("street.pcap")], "");
    assert!(stdout(&output).contains("Replayed 2 files: 14 frames, 12 probes, 2 devices, 3 SSIDs in "));
    assert_eq!(data.json(ALICE).0["probe_count"], 15);
    assert!(stdout(&data.run(&["chat"], "/status\n")).contains("Alerts waiting for Telegram: 0"));
}

#[test]
fn replay_continues_after_a_bad_file() {
    let data = Data::street();
    let (good, bad) = (data.path("street.pcap"), data.path("config.toml"));
    let missing = data.path("missing.pcap");
    let output = data.run(&["replay", &bad, &good, &missing], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(data.json(ALICE).0["probe_count"], 10);
    for file in [&bad, &missing] {
        assert!(stderr(&output).contains(file), "{}", stderr(&output));
    }
    assert!(stdout(&output).starts_with("Replayed 1 of 3 files: 7 frames, "), "{}", stdout(&output));
    let (empty, cut) = (data.path("empty.pcap"), data.path("cut.pcap"));
    std::fs::write(&empty, "").unwrap();
    std::fs::write(&cut, &std::fs::read(&good).unwrap()[..20]).unwrap();
    for file in [missing, bad, empty, cut, data.path("")] {
        let none = data.run(&["replay", &file], "");
        assert_eq!((none.status.code(), stdout(&none)), (Some(1), String::new()), "{file}");
        assert!(stderr(&none).contains(&file), "{}", stderr(&none));
    }
}

#[test]
fn counts_of_one_are_in_the_singular() {
    let data = Data::new(&[(TIME, ProbeRequestFrame::new(ALICE).ssid("RNM0").build())]);
    let check = |command: &[&str], expected: &str| {
        let output = data.run(command, "");
        assert!(stdout(&output).contains(expected), "{}", stdout(&output));
    };
    check(&["check"], ", 1 device\n");
    check(&["rebuild"], ", 1 device in ");
    let file = data.path("street.pcap");
    check(&["replay", &file], "Replayed 1 file: 1 frame, 1 probe, 1 device, 1 SSID in ");
}

#[test]
fn the_log_has_the_documented_form() {
    let data = Data::street();
    let log = std::fs::read_to_string(data.path("data/events/00000000000000000000.ndjson")).unwrap();
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().zip(0..).all(|(event, offset)| event["offset"] == offset));
    assert_eq!(events[0]["type"], "signature");
    let probes: Vec<&Value> = events.iter().filter(|event| event["type"] == "probe").collect();
    assert_eq!(probes.len(), 6);
    assert_eq!(probes[0]["sensor"], "street.pcap");
    assert_eq!(probes[1]["ssid"], "");
    assert_eq!((&probes[2]["ssid_hex"], probes[2].get("ssid")), (&json!("fffe00"), None));
    assert_eq!(probes[4]["ssid"], Value::Null);
    assert_eq!(probes[4]["signal_dbm"], Value::Null);
    assert_eq!((&probes[0]["frequency_mhz"], &probes[0]["sequence"]), (&json!(2437), &json!(2)));
}

#[test]
fn the_demo_records_and_answers() {
    let started = std::time::Instant::now();
    let output = probewatch(&["demo"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    for part in [
        "📡 Wi-Fi probe stats for a4:83:e7:4e:39:15\n",
        "📡 Wi-Fi probe stats for Kitchen tablet\n",
        "> /nearby 60\n",
        "> /strangers\n",
        "> /watch \"ParcelDepot 7\"",
        "looked for SSID \"ParcelDepot 7\"\nThis SSID is watched because: the parcels are here",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.matches('📣').count(), 1, "the cool-down holds: {text}");
    // Ten seconds on an idle machine; this limit is for a machine under load.
    assert!(started.elapsed().as_secs() < 60);
}

#[test]
fn the_demo_ends_if_standard_input_is_closed() {
    let mut shell = clean_command(Path::new("sh"));
    shell.args(["-c", "exec \"$0\" demo <&-", env!("CARGO_BIN_EXE_probewatch")]);
    let output = process::output(&mut shell);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("End of the demo"), "{}", stdout(&output));
}

#[test]
fn errors_name_the_failure_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let config = config.to_str().unwrap();
    let check = |toml: &str, arguments: &[&str], parts: &[&str]| {
        std::fs::write(config, toml).unwrap();
        let output = probewatch(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        for part in parts {
            assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
        }
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    };
    let run = ["run", "-c", config];
    let data_dir = folder.path().join("data");
    let data_dir = data_dir.to_str().unwrap();
    check("", &run, &["capture.sources"]);
    check("time_zone = \"Mars\"", &run, &[config, "`time_zone`", "Europe/Berlin", "; correct line 1; "]);
    check(
        "[telegram]\ntokn = \"1:a\"",
        &run,
        &[config, "`telegram.tokn`", "`telegram.token`", "(correct line 2)"],
    );
    check("", &["run", "-c", "/nonexistent.toml"], &["/nonexistent.toml", "name another with --config"]);
    check("[capture]\nsources = 7", &run, &[config, "capture.sources"]);
    check("data_dir = ", &run, &[config, "line 1"]);
    let missing = format!("data_dir = {data_dir:?}\n[capture]\nsources = [\"./nosuch.pcap\"]");
    check(&missing, &run, &["cannot read ./nosuch.pcap", "No such file"]);
    check("", &["lookup", "x", "--data-dir", "/nonexistent"], &["/nonexistent", "probewatch replay"]);
    check("", &["decode", "/nonexistent"], &["/nonexistent"]);
    check("", &["lookup", "x", "-c", "/nonexistent.toml"], &["/nonexistent.toml"]);
    check("", &["chat", "--data-dir", "/proc/nope"], &["/proc/nope"]);
    assert_eq!(probewatch(&["frobnicate"]).status.code(), Some(2));
    assert!(!Path::new("/nonexistent").exists());
}

#[test]
fn files_and_standard_input_serve_as_sources() {
    let data = Data::street();
    let bytes = std::fs::read(data.path("street.pcap")).unwrap();
    let (config, data_dir) = (data.path("config.toml"), data.path("relative/../other"));
    let arguments = ["replay", "-", "--data-dir", &data_dir, "-c", &config];
    let output = probewatch_with_input(&arguments, &bytes);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("7 frames, 6 probes, 2 devices"), "{}", stdout(&output));
    let output = probewatch(&["lookup", ALICE, "nobody", "--data-dir", &data_dir]);
    assert_eq!(output.status.code(), Some(1), "one of two was not found");
    let text = stdout(&output);
    assert!(text.starts_with("📡 Wi-Fi probe stats for a4:83:e7:4e:39:15\n"), "{text}");
    assert!(text.contains("🛎 No device matches nobody"), "{text}");
}

#[test]
fn a_second_process_is_refused_with_the_id_of_the_first() {
    let data = Data::street();
    let data_dir = data.path("data");
    let lock = std::fs::File::options().write(true).open(data.path("data/lock")).unwrap();
    lock.lock().unwrap();
    let output = probewatch(&["lookup", ALICE, "--data-dir", &data_dir]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&data_dir) && stderr(&output).contains("in use by another probewatch"));
    // A service that cannot start must not log that it was asked to stop. Each waits ten seconds for the lock.
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let output = data.run(&["run"], "");
                assert_eq!(output.status.code(), Some(1));
                assert!(stderr(&output).contains("in use by another probewatch"), "{}", stderr(&output));
            });
        }
    });
}
