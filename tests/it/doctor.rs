//! `doctor` lists what is broken and how to fix it, with and without a running service. Its exit status is 1 if
//! something is broken. It never prints the token.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::commands::{ALICE, TIME, stderr, stdout};
use crate::support::DEADLINE;
use crate::support::bot_api::{BotApi, Fault};
use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, write_pcap};
use crate::support::require;
use crate::support::service::{Config, Service, probewatch, probewatch_as_nobody, toml_string};
use crate::support::tap_radio::TapRadio;
use crate::support::wait::Wait;

fn frame() -> Vec<u8> {
    ProbeRequestFrame::new(ALICE).ssid("RNM0").signal(-40).build()
}

/// Runs `doctor` with this configuration. Returns its list without the clock and the permissions, which differ between
/// machines.
fn list(config: &str) -> (String, Output) {
    let output = probewatch(&["doctor", "-c", config]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(i32::from(text.contains('✗'))), "{text}{}", stderr(&output));
    let mut is_left_out = false;
    let lines = text.lines().filter(|line| {
        let is_its_own = line.contains(" Clock: ") || line.contains(" Capabilities: ");
        is_left_out = is_its_own || is_left_out && line.starts_with("    →");
        !is_left_out
    });
    let list: Vec<&str> = lines.collect();
    (list.join("\n"), output)
}

/// Compares the list with its snapshot after masking what differs between machines and runs.
fn assert_list(name: &str, api: &BotApi, list: &str, folder: &str) {
    assert!(
        !list.contains(api.token()) && !list.contains("/telegram/0") && list.contains("Configuration"),
        "{list}"
    );
    insta::with_settings!({filters => vec![
        (escape_regex(folder).as_str(), "[folder]"),
        (r"process \d+", "process [id]"),
        (r"\d+ MiB", "[n] MiB"),
    ]}, {
        insta::assert_snapshot!(name, list);
    });
}

fn escape_regex(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_alphanumeric() { vec![c] } else { vec!['\\', c] }).collect()
}

/// A folder with a capture file.
fn folder_with_capture() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("street.pcap");
    write_pcap(&capture, DLT_IEEE802_11_RADIO, &[(TIME, frame())]).unwrap();
    (folder, capture.to_str().unwrap().to_owned())
}

/// Writes the configuration into the folder and returns its path.
fn written(folder: &tempfile::TempDir, config: &Config) -> String {
    let path = folder.path().join("config.toml");
    let data = toml_string(folder.path().join("data").to_str().unwrap());
    let config = config.clone();
    let text = if config.to_toml().contains("data_dir") { config } else { config.set("", "data_dir", &data) };
    fs::write(&path, text.to_toml()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_sound_setup_passes_every_check() {
    let (folder, capture) = folder_with_capture();
    let api = BotApi::start();
    let service = Service::start_with(&api, Config::new(&api).sources(&[&capture]));
    service.wait_for_log_event("source_finished", &[]);
    service.wait_for_log_event("webhook_registered", &[]);
    let config = service.config_path();
    let (beside, _) = list(config.to_str().unwrap());
    assert!(!beside.contains('✗'), "{beside}");
    let beside = beside.replace(folder.path().to_str().unwrap(), "[captures]");
    assert_list(
        "whole_with_the_service",
        &api,
        &beside,
        service.data_dir().parent().unwrap().to_str().unwrap(),
    );

    let alone = written(&folder, &Config::new(&api).polling().sources(&[&capture]));
    // The list mentions the webhook of the other service, which is not an error.
    let (alone, _) = list(&alone);
    assert!(!alone.contains('✗'), "{alone}");
    assert_list("whole_without_a_service", &api, &alone, folder.path().to_str().unwrap());
}

#[test]
fn failed_checks_come_with_a_remedy() {
    let api = BotApi::start();
    let (folder, capture) = folder_with_capture();
    let here = folder.path().to_str().unwrap();
    let config = Config::new(&api)
        .sources(&["nosuch0", "/nonexistent.pcap"])
        .set("telegram", "token", &toml_string("1:wrong"))
        .set("", "data_dir", &toml_string(&format!("{capture}/data")));
    let (broken, output) = list(&written(&folder, &config));
    assert_eq!(output.status.code(), Some(1));
    assert!(!broken.contains("1:wrong"), "{broken}");
    assert_list("broken", &api, &broken, here);

    let config = folder.path().join("config.toml");
    fs::write(&config, "[telegram]\ntokn = \"1:secret\"\n").unwrap();
    let (unreadable, output) = list(config.to_str().unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(!unreadable.contains("secret"), "{unreadable}");
    assert_list("broken_configuration", &api, &unreadable, here);

    api.set_down(true);
    let (down, _) = list(&written(&folder, &Config::new(&api).sources(&[&capture])));
    assert!(down.contains("✗ Telegram token: 127.0.0.1 could not be asked: could not connect"), "{down}");
}

#[test]
fn webhook_errors_are_explained() {
    let (_folder, capture) = folder_with_capture();
    let api = BotApi::start();
    let service = Service::start_with(&api, Config::new(&api).sources(&[&capture]));
    service.wait_for_log_event("webhook_registered", &[]);
    service.wait_for_log_event("source_finished", &[]);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    api.answer_with(
        "getWebhookInfo",
        json!({
            "pending_update_count": 7,
            "last_error_date": now,
            "last_error_message": "Wrong response from the webhook: 502 Bad Gateway",
        }),
    );
    let output = probewatch(&["doctor", "--json", "-c", service.config_path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let webhook = findings.iter().find(|finding| finding["check"] == "Webhook").unwrap();
    assert_eq!(webhook["outcome"], "broken");
    let says = webhook["says"].as_str().unwrap();
    assert!(
        says.contains("502 Bad Gateway; 7 updates are waiting") && says.contains("bot.example.org"),
        "{says}"
    );
    assert!(webhook["remedy"].as_str().unwrap().contains("the proxy does not reach probewatch"), "{webhook}");
    assert!(!stdout(&output).contains(&api.webhook().path()[10..]), "the path is a secret");
    api.answer_with("getWebhookInfo", json!({"url": "https://other.example/x"}));
    let (list, _) = list(service.config_path().to_str().unwrap());
    assert!(list.contains("✗ Webhook: Telegram posts to another address, on other.example"), "{list}");
}

#[test]
fn the_service_checks_a_token_that_only_it_can_read() {
    let (folder, capture) = folder_with_capture();
    let api = BotApi::start();
    fs::write(folder.path().join("telegram-token"), api.token()).unwrap();
    let config = Config::new(&api).unset("telegram", "token").sources(&[&capture]);
    let config = config.env("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap());
    let service = Service::start_with(&api, config);
    service.wait_for_log_event("webhook_registered", &[]);
    service.wait_for_log_event("source_finished", &[]);
    let config = service.config_path();
    let (found, _) = list(config.to_str().unwrap());
    assert!(found.contains("✓ Telegram token: Telegram knows the bot as @probewatch_test_bot"), "{found}");
    assert!(found.contains("✓ Webhook: Telegram posts to bot.example.org"), "{found}");
    assert!(!found.contains(api.token()), "{found}");
    api.fail_next("getWebhookInfo", 1, Fault::ServerError(500));
    let (unknown, output) = list(config.to_str().unwrap());
    assert!(unknown.contains("✗ Webhook: could not be checked: "), "{unknown}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_command_source_is_started_if_no_service_runs() {
    let api = BotApi::start();
    let (folder, capture) = folder_with_capture();
    let ended = folder.path().join("ended");
    let commands = [
        ("attic", format!("trap 'touch {}; exit' TERM; cat {capture}; sleep 1000 & wait", ended.display())),
        ("cellar", "echo 'no route to cellar; give up' >&2; exit 255".to_owned()),
        ("garden", "sleep 1000".to_owned()),
    ];
    let sources = commands.map(|(name, command)| {
        format!("{{ name = {}, command = {} }}", toml_string(name), toml_string(&command))
    });
    let config = Config::new(&api).polling().set("capture", "sources", &format!("[{}]", sources.join(", ")));
    let (found, _) = list(&written(&folder, &config));
    assert!(
        found.contains("✓ Source attic: delivers 802.11 frames (radiotap); this check ran the command"),
        "{found}"
    );
    assert!(ended.exists(), "the command was ended");
    assert!(found.contains("✗ Source cellar: the command "), "{found}");
    assert!(found.contains("ended (exit status: 255); it says: no route to cellar; give up\n"), "{found}");
    assert!(found.contains("✗ Source garden: the command wrote nothing in 5 s"), "{found}");
}

#[test]
fn other_users_get_a_sudo_remedy() {
    let api = BotApi::start();
    let (folder, capture) = folder_with_capture();
    let config = written(&folder, &Config::new(&api).sources(&[&capture]));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    let Some(output) = probewatch_as_nobody(&["doctor", "-c", &config], folder.path()) else { return };
    let found = stdout(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(found.contains("permission denied\n    → run this command with sudo"), "{found}");
}

#[test]
fn an_interface_without_frames_is_reported() {
    if !require::tap_allowed() {
        return;
    }
    let radio = TapRadio::unique("pwdoc").unwrap();
    let ethernet = TapRadio::unique_ethernet("pwdoc").unwrap();
    let api = BotApi::start();
    let folder = tempfile::tempdir().unwrap();
    let config = written(&folder, &Config::new(&api).polling().sources(&[radio.name(), ethernet.name()]));
    let (silent, output) = list(&config);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        silent.contains(&format!(
            "✗ Source {}: opened (radiotap), but delivered no frame in 5 s",
            radio.name()
        )),
        "{silent}"
    );
    assert!(
        silent.contains(&format!(
            "✗ Source {0}: {0} is not a Wi-Fi interface: it delivers EN10MB",
            ethernet.name()
        )) && silent.contains("→ name a Wi-Fi interface instead: `iw dev` lists them"),
        "{silent}"
    );
    let is_received = AtomicBool::new(false);
    let list = std::thread::scope(|scope| {
        scope.spawn(|| {
            // A beacon: any frame counts, whether it is a probe request or not.
            let mut beacon = frame();
            let header = usize::from(u16::from_le_bytes([beacon[2], beacon[3]]));
            beacon[header] = 8 << 4;
            let wait = Wait::start(DEADLINE, "doctor to end");
            while !is_received.load(Ordering::Relaxed) && wait.left().is_some() {
                radio.transmit(&beacon);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let (list, _) = list(&config);
        is_received.store(true, Ordering::Relaxed);
        list
    });
    assert!(
        list.contains(&format!("✓ Source {}: delivers 802.11 frames (radiotap)", radio.name())),
        "{list}"
    );
}
