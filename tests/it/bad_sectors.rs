//! A bad sector under the log or a snapshot prevents no start: everything around it is kept, what is lost is told, and
//! recording goes on.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::commands::{Data, TIME, stderr, stdout};
use crate::support::bad_sector::BadSector;
use crate::support::bot_api::BotApi;
use crate::support::frames::ProbeRequestFrame;
use crate::support::recorder::copy;
use crate::support::service::{Config, Service, log_field, probewatch, probewatch_command, run};

const FRAMES: u64 = 300;

/// A data directory of so many devices.
fn recorded() -> Data {
    let frame = |number: u64| {
        let source = format!("a4:83:e7:00:{:02x}:{:02x}", number >> 8, number & 0xff);
        ProbeRequestFrame::new(&source).sequence(number as u16).ssid("Depot").build()
    };
    Data::new(&(0..FRAMES).map(|number| (TIME + number * 1_000_000, frame(number))).collect::<Vec<_>>())
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_str().unwrap().ends_with(suffix)).collect()
}

fn status(config: &str) -> Value {
    let status = probewatch(&["status", "--json", "-c", config]);
    serde_json::from_slice(&status.stdout).unwrap_or_else(|_| panic!("{}", stderr(&status)))
}

#[test]
fn a_service_starts_on_a_bad_sector_of_the_open_segment_and_tells_it() {
    let Some(disk) = BadSector::build() else { return };
    let recorded = recorded();
    let api = BotApi::start();
    let mut service = Service::start_with(&api, Config::new(&api).sources(&["-"]));
    service.wait_for_log_event("webhook_registered", &[]);
    assert!(service.terminate().success());
    let data_dir = service.data_dir();
    fs::remove_dir_all(&data_dir).unwrap();
    copy(Path::new(&recorded.path("data")), &data_dir);
    let segment = files(&data_dir.join("events"), ".ndjson").remove(0);
    let name = segment.file_name().unwrap().to_str().unwrap().to_owned();
    let before = fs::read(&segment).unwrap();
    let middle = before.len() as u64 / 2;
    service.restart_with(|config| {
        disk.environment(&name, middle)
            .into_iter()
            .fold(config, |config, (key, value)| config.env(key, &value))
    });
    let found = service.wait_for_log_event("bad_sector", &[]);
    let lost: u64 = log_field(&found, "lost").parse().unwrap();
    assert!((5..60).contains(&lost), "{found}");
    service.wait_for_log_event("webhook_registered", &[]);
    let config = service.config_path().to_str().unwrap().to_owned();
    let told = status(&config);
    // The state has the effects of what is lost.
    assert_eq!((&told["lost_events"], &told["probes"]), (&lost.into(), &FRAMES.into()), "{told}");
    let text = stdout(&probewatch(&["status", "-c", &config]));
    assert!(text.contains(&format!("Events lost from the log: {lost}")), "{text}");
    let doctor = stdout(&probewatch(&["doctor", "-c", &config]));
    assert!(
        doctor.contains(&format!("! Log: {lost} events were lost; a damaged file was moved to ")),
        "{doctor}"
    );
    assert!(probewatch(&["check", "-c", &config]).status.success());
    assert!(service.terminate().success());
    let aside = files(&data_dir.join("events"), ".damaged").remove(0);
    assert_eq!(fs::read(aside).unwrap(), before);
    // Nothing is left to do.
    service.restart_with(|config| config.env("BAD_SECTOR_FILE", "none"));
    service.wait_for_log_event("webhook_registered", &[]);
    assert_eq!(status(&config)["lost_events"], lost);
    assert!(!service.has_logged("bad_sector"));
    assert!(service.terminate().success());
    assert!(probewatch(&["check", "-c", &config]).status.success());
}

#[test]
fn commands_read_around_bad_sectors_wherever_they_are() {
    let Some(disk) = BadSector::build() else { return };
    let recorded = recorded();
    let whole =
        fs::metadata(files(Path::new(&recorded.path("data/events")), ".ndjson").remove(0)).unwrap().len();
    for (at, has_state) in [(0, true), (whole - 1, true), (0, false), (whole / 2, false), (whole - 1, false)]
    {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        copy(Path::new(&recorded.path("data")), &data_dir);
        if !has_state {
            fs::remove_dir_all(data_dir.join("state")).unwrap();
        }
        let name = files(&data_dir.join("events"), ".ndjson").remove(0);
        let name = name.file_name().unwrap().to_str().unwrap().to_owned();
        let mut command = probewatch_command(&["status", "--json", "--data-dir", data_dir.to_str().unwrap()]);
        command.envs(disk.environment(&name, at));
        let told = run(command, b"");
        assert!(told.status.success(), "{at}: {}", stderr(&told));
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        let probes = told["probes"].as_u64().unwrap();
        match has_state {
            true => assert_eq!(probes, FRAMES, "{at}"),
            false => assert!(probes < FRAMES && probes > FRAMES / 2, "{at}: {told}"),
        }
        assert_eq!(files(&data_dir.join("events"), ".damaged").len(), 1, "{at}");
    }
}
