//! While the service runs, `lookup`, `chat`, `status`, `export` and `check` query it, and print the same as without it.
//! The socket refuses other users, and recording continues.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use serde_json::Value;

use crate::commands::{ALICE, RANDOM, TIME, stderr, stdout};
use crate::support::bot_api::BotApi;
use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, pcap_bytes, push_pcap_record};
use crate::support::service::{self, Config, Service, probewatch_command};
use crate::support::{process, wait, wait_until};

/// A service with standard input as its source.
struct Fixture {
    _api: BotApi,
    service: Service,
    input: Option<std::process::ChildStdin>,
    sequence: u16,
}

impl Fixture {
    fn start() -> Self {
        Self::start_with(|config| config)
    }

    fn start_with(change: impl FnOnce(Config) -> Config) -> Self {
        let api = BotApi::start();
        // Without an owner, the service would offer ownership, which the log would contain.
        let config = Config::new(&api).sources(&["-"]).set("telegram", "owners", "[1001]");
        let config = config.unset("devices", &service::toml_string(ALICE));
        let mut service = Service::start_with(&api, change(config));
        let mut input = service.take_stdin();
        input.write_all(&pcap_bytes(DLT_IEEE802_11_RADIO, &[])).unwrap();
        service.wait_for_log_event("webhook_registered", &[]);
        Self { _api: api, service, input: Some(input), sequence: 0 }
    }

    /// With some devices recorded, one of them named, and a watch.
    fn with_data() -> Self {
        let mut fixture = Self::start();
        fixture.transmit(ALICE, "RNM0");
        fixture.transmit(ALICE, "<b>\u{202e}\n");
        fixture.transmit(RANDOM, "");
        let named =
            fixture.run_with(&["chat"], format!("/name {ALICE} Alice\n/watch RNM0 because\n").as_bytes());
        assert!(named.status.success(), "{}", stderr(&named));
        fixture.wait_for_events(6);
        fixture
    }

    fn transmit(&mut self, source: &str, ssid: &str) {
        self.sequence += 1;
        let frame =
            ProbeRequestFrame::new(source).ssid(ssid).signal(-40).sequence(self.sequence % 4096).build();
        let mut record = Vec::new();
        push_pcap_record(&mut record, TIME + u64::from(self.sequence) * 1_000_000, &frame);
        self.input.as_mut().unwrap().write_all(&record).unwrap();
    }

    fn arguments<'a>(&self, arguments: &[&'a str], config: &'a str) -> Vec<&'a str> {
        arguments.iter().copied().chain(["-c", config]).collect()
    }

    fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let config = self.service.config_path();
        let arguments = self.arguments(arguments, config.to_str().unwrap());
        service::run(probewatch_command(&arguments), input)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
    }

    fn wait_for_events(&self, count: u64) {
        wait_until("the events", || {
            (self.json(&["status", "--json"])["events"].as_u64()? >= count).then_some(())
        });
    }

    fn socket(&self) -> PathBuf {
        self.service.data_dir().join("control.sock")
    }

    /// Ends the service and its input.
    fn stop(&mut self) {
        drop(self.input.take());
        assert!(self.service.terminate().success());
    }
}

/// The output without times and the parts that depend on the process.
fn timeless(output: &Output) -> (Option<i32>, String, String) {
    let lines = stdout(output);
    let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("{\"snapshot\":")).collect();
    (output.status.code(), lines.join("\n").replace("the service's state", "the saved state"), stderr(output))
}

#[test]
fn commands_print_the_same_with_and_without_a_service() {
    let mut fixture = Fixture::with_data();
    let lines = format!("{ALICE}\n/watches\n\n/networks\nnobody\n/unname {RANDOM}\n");
    let commands: [(&[&str], &str); 15] = [
        (&["lookup", ALICE, "ali", "nobody"], ""),
        (&["lookup", "--json", "alice", RANDOM, "00:11:22:33:44:55"], ""),
        (&["chat"], &lines),
        (&["check"], ""),
        (&["export"], ""),
        (&["export", "events"], ""),
        (&["export", "events", "--format", "csv"], ""),
        (&["export", "events", "--device", "Alice", "--from", "2020-04-18"], ""),
        (&["export", "events", "--to", "2020-04-18 19:04:29", "--format", "csv"], ""),
        (&["export", "devices"], ""),
        (&["export", "devices", "--format", "csv", "--device", RANDOM], ""),
        (&["export", "devices", "--to", "2019-01-01"], ""),
        (&["export", "events", "--device", "nobody"], ""),
        (&["export", "state", "--format", "csv"], ""),
        (&["lookup"], ""),
    ];
    let run_all = |fixture: &Fixture| -> Vec<_> {
        commands
            .iter()
            .map(|(command, input)| timeless(&fixture.run_with(command, input.as_bytes())))
            .collect()
    };
    let beside = run_all(&fixture);
    assert_eq!(beside[0].0, Some(1), "one of three was not found");
    assert!(beside[0].1.contains("Wi-Fi probe stats for Alice"), "{}", beside[0].1);
    assert!(beside[2].1.contains("because"), "{}", beside[2].1);
    assert_eq!(
        beside[3],
        (Some(0), "The log and the saved state match: 6 events, 2 devices".to_owned(), String::new())
    );
    assert_eq!((beside[5].0, beside[5].1.lines().count()), (Some(0), 6));
    assert_eq!(beside[12].0, Some(1));
    assert!(beside[12].2.contains("no device is called \"nobody\""), "{}", beside[12].2);
    fixture.stop();
    assert!(!fixture.socket().exists(), "a service that ends takes its socket with it");
    for ((command, _), (beside, without)) in commands.iter().zip(beside.iter().zip(run_all(&fixture))) {
        // Without a service, a look-up starts a recorder, which may only log about the store.
        assert_eq!((beside.0, &beside.1, &beside.2), (without.0, &without.1, &without.2), "{command:?}");
    }
}

#[test]
fn status_reads_the_service_or_the_data_directory() {
    let mut fixture = Fixture::with_data();
    let beside = stdout(&fixture.run(&["status"]));
    for part in ["📟 probewatch ", "Running for ", "• stdin: capturing", "Probes: 3 (1 for any network)"]
    {
        assert!(beside.contains(part), "{part}: {beside}");
    }
    let json = fixture.json(&["status", "--json"]);
    assert_eq!((&json["running"], &json["process"]), (&true.into(), &fixture.service.id().into()));
    assert_eq!(
        (&json["sensors"][0]["name"], &json["sensors"][0]["condition"]),
        (&"stdin".into(), &"hearing".into())
    );
    assert_eq!(
        (&json["probes"], &json["watches"], &json["disk_error"]),
        (&3.into(), &1.into(), &Value::Null)
    );
    let totals = |text: &str| text[text.find("📡 Captured").unwrap()..].trim_end().to_owned();
    fixture.stop();
    let without = fixture.run(&["status"]);
    assert!(without.status.success(), "{}", stderr(&without));
    let without = stdout(&without);
    assert!(without.starts_with("No service runs on "), "{without}");
    assert_eq!(totals(&without), totals(&beside));
    let json = fixture.json(&["status", "--json"]);
    assert_eq!((&json["running"], &json["probes"], json.get("sensors")), (&false.into(), &3.into(), None));
    fs::remove_dir_all(fixture.service.data_dir()).unwrap();
    let nothing = fixture.run(&["status"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(stderr(&nothing).contains("no service runs, and there is no data in "), "{}", stderr(&nothing));
}

#[test]
fn a_change_is_on_disk_before_the_reply() {
    let mut fixture = Fixture::start();
    let output = fixture.run_with(&["chat"], format!("/name {ALICE} Kitchen tablet\n").as_bytes());
    assert!(stdout(&output).contains("is now called Kitchen tablet"), "{}", stdout(&output));
    fixture.service.kill();
    drop(fixture.input.take());
    assert!(stdout(&fixture.run_with(&["chat"], b"/name\nkitchen\n")).contains("Kitchen tablet"));
}

#[test]
fn the_socket_refuses_other_users() {
    let mut fixture = Fixture::start();
    let socket = fs::metadata(fixture.socket()).unwrap();
    // SAFETY: a plain system call.
    let uid = unsafe { libc::geteuid() };
    assert_eq!((socket.mode() & 0o7777, socket.uid()), (0o600, uid));
    let data_dir = fixture.service.data_dir();
    assert!(!data_dir.join("control.tmp").exists());
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let as_nobody = |command: &[&str]| {
        let arguments = [command, &["--data-dir", data_dir.to_str().unwrap()]].concat();
        let folder = data_dir.parent().unwrap();
        open(folder, 0o755);
        let refused = service::probewatch_as_nobody(&arguments, folder)?;
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(1), String::new()), "{command:?}");
        Some(stderr(&refused))
    };
    // The directory refuses other users, whatever the command.
    let commands: [&[&str]; 8] = [
        &["status"],
        &["status", "--quiet"],
        &["lookup", ALICE],
        &["chat"],
        &["export", "events"],
        &["check"],
        &["rebuild"],
        &["replay", "/dev/null"],
    ];
    for command in commands {
        let Some(refused) = as_nobody(command) else { return };
        assert!(refused.contains("belongs to another user; run this command with sudo"), "{refused}");
    }
    // If the directory is open, the socket refuses them.
    open(&data_dir, 0o755);
    let refused = as_nobody(&["status"]).unwrap();
    assert!(refused.contains("answers only its own user and root; run this command with sudo"), "{refused}");
    // If the socket's mode is wrong too, the service checks the peer's user ID.
    open(&fixture.socket(), 0o666);
    let refused = as_nobody(&["status"]).unwrap();
    assert!(refused.contains("answers only its own user and root; run this command with sudo"), "{refused}");
    assert!(fixture.run(&["status"]).status.success());
    fixture.stop();
    for command in commands.into_iter().filter(|command| *command != ["status", "--quiet"]) {
        let refused = as_nobody(command).unwrap();
        assert!(refused.contains("belongs to another user; run this command with sudo"), "{refused}");
    }
}

#[test]
fn stored_files_are_private_whatever_the_umask() {
    let program = probewatch_command(&[]);
    let program = program.get_program().to_str().unwrap().to_owned();
    let under = |program: &str| ["sh", "-c", "umask 0; exec \"$@\"", "sh", program].map(str::to_owned);
    let shell = under(&program);
    let shell: Vec<&str> = shell.iter().map(String::as_str).collect();
    let mut fixture = Fixture::start_with(|config| config.command(&shell));
    fixture.transmit(ALICE, "RNM0");
    fixture.wait_for_events(2);
    let data_dir = fixture.service.data_dir();
    let mut found = vec![data_dir.clone()];
    let mut at = 0;
    while let Some(path) = found.get(at).cloned() {
        at += 1;
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.mode() & 0o777, mode, "{}", path.display());
        if metadata.is_dir() {
            found.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    for name in ["events", "state", "lock", "control.sock"] {
        assert!(found.contains(&data_dir.join(name)), "{found:?}");
    }
}

#[test]
fn a_service_that_does_not_answer_is_reported() {
    let fixture = Fixture::start();
    let signal = |signal: &str| {
        let id = fixture.service.id().to_string();
        assert!(process::output(std::process::Command::new("kill").args([signal, &id])).status.success());
    };
    signal("-STOP");
    for command in [&["status"][..], &["chat"], &["check"]] {
        let silent = fixture.run(command);
        assert_eq!((silent.status.code(), stdout(&silent)), (Some(1), String::new()));
        assert!(stderr(&silent).contains("did not answer within 10 s"), "{}", stderr(&silent));
    }
    signal("-CONT");
    wait_until("the service to answer", || fixture.run(&["status"]).status.success().then_some(()));
}

#[test]
fn idle_chats_block_no_other_command() {
    let fixture = Fixture::with_data();
    let config = fixture.service.config_path();
    let mut chats: Vec<_> = (0..20)
        .map(|_| {
            let mut chat = probewatch_command(&["chat", "-c", config.to_str().unwrap()]);
            chat.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for chat in &mut chats {
        chat.stdin.as_mut().unwrap().write_all(b"alice\n").unwrap();
    }
    for chat in &mut chats {
        let said = process::lines(chat.stdout.take().unwrap());
        assert!(wait::receive(&said, "the answer in a chat").contains("Alice"));
    }
    assert!(fixture.run(&["status"]).status.success());
    assert!(fixture.run(&["lookup", ALICE]).status.success());
    assert!(stdout(&fixture.run_with(&["chat"], b"alice\n")).contains("Alice"));
    for chat in &mut chats {
        drop(chat.stdin.take());
    }
    let ends = chats.into_iter().map(|mut chat| process::wait_for_exit(&mut chat, "a chat to end"));
    assert_eq!(ends.filter(ExitStatus::success).count(), 20);
}

#[test]
fn connections_are_served_concurrently_up_to_a_limit() {
    let fixture = Fixture::with_data();
    let config = fixture.service.config_path();
    let mut chat = probewatch_command(&["chat", "-c", config.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = process::lines(chat.stdout.take().unwrap());
    let mut ask = |line: &str, wanted: &str| {
        chat.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        while !answer.contains(wanted) {
            answer += &wait::receive(&said, &format!("{wanted:?} in the answer"));
        }
    };
    ask("alice\n", "Wi-Fi probe stats for Alice");
    std::thread::scope(|scope| {
        let commands: [&[&str]; 4] = [&["export"], &["export"], &["check"], &["lookup", ALICE]];
        let running: Vec<_> = commands.map(|command| scope.spawn(|| fixture.run(command))).into();
        for outcome in running.into_iter().map(|run| run.join().unwrap()) {
            assert!(outcome.status.success(), "{}", stderr(&outcome));
        }
    });
    // A connection without a request is closed after a while, and makes room for others.
    let mut idle: Vec<UnixStream> = Vec::new();
    let refused = wait_until("a command to be refused", || {
        let output = fixture.run(&["status"]);
        if output.status.success() {
            idle = (0..16).map(|_| UnixStream::connect(fixture.socket()).unwrap()).collect();
            return None;
        }
        Some(output).filter(|output| stderr(output).contains("the service answers 16 others already"))
    });
    assert_eq!(refused.status.code(), Some(1));
    drop(idle);
    wait_until("room for another", || fixture.run(&["status"]).status.success().then_some(()));
    ask("/watches\n", "because");
    drop(chat.stdin.take());
    assert!(process::wait_for_exit(&mut chat, "the chat to end").success());
}

#[test]
fn a_request_that_is_too_long_is_refused() {
    let fixture = Fixture::start();
    let long = fixture.run(&["lookup", &"x".repeat(100_000)]);
    assert_eq!(long.status.code(), Some(1));
    assert!(stderr(&long).contains("exceeds the limit of 64 KiB; ask for less"), "{}", stderr(&long));
    assert!(fixture.run(&["status"]).status.success());
}

#[test]
fn a_stale_socket_is_replaced() {
    let mut fixture = Fixture::with_data();
    fixture.service.kill();
    drop(fixture.input.take());
    assert!(fixture.socket().exists(), "kill -9 leaves it");
    assert!(fixture.run(&["lookup", ALICE]).status.success(), "no process has locked the data directory");
    let lock = fs::File::options().write(true).open(fixture.service.data_dir().join("lock")).unwrap();
    lock.lock().unwrap();
    let held = fixture.run(&["lookup", ALICE]);
    assert_eq!(held.status.code(), Some(1));
    assert!(stderr(&held).contains("in use by another probewatch"), "{}", stderr(&held));
    // A child process that another test is starting holds a copy of this descriptor until it executes its program.
    lock.unlock().unwrap();
    fixture.service.restart();
    fixture.service.wait_for_log_event("webhook_registered", &[]);
    assert_eq!(fixture.json(&["status", "--json"])["running"], true);
    assert!(stdout(&fixture.run(&["lookup", ALICE])).contains("Wi-Fi probe stats for Alice"));
}

#[test]
fn a_start_waits_until_the_data_directory_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    let lock = fs::File::create(data_dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let api = BotApi::start();
    let config = Config::new(&api).sources(&["-"]).set(
        "",
        "data_dir",
        &service::toml_string(data_dir.to_str().unwrap()),
    );
    let mut service = Service::start_with(&api, config);
    service.wait_for_log_event("data_dir_in_use", &[]);
    // A child process that another test is starting holds a copy of this descriptor until it executes its program.
    lock.unlock().unwrap();
    let mut input = service.take_stdin();
    input.write_all(&pcap_bytes(DLT_IEEE802_11_RADIO, &[])).unwrap();
    service.wait_for_log_event("webhook_registered", &[]);

    // A second service does not wait for the first.
    let config = service.config_path();
    let second = service::probewatch(&["run", "-c", config.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1), "{}", stderr(&second));
    assert!(stderr(&second).contains("is in use by another probewatch (process "), "{}", stderr(&second));
    assert!(!stderr(&second).contains("data_dir_in_use"), "{}", stderr(&second));

    // A start does not wait for long.
    service.kill();
    lock.lock().unwrap();
    service.restart();
    service.wait_for_log_event("data_dir_in_use", &[]);
    assert_eq!(service.wait_for_exit().code(), Some(1));
    service.wait_for_line("is in use by another probewatch (process ");
}

#[test]
fn exports_and_checks_are_consistent_while_recording() {
    // Segments are sealed meanwhile.
    let mut fixture = Fixture::start_with(|config| config.set("record", "segment_mebibytes", "1"));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for round in 0..3_u64 {
        for number in 0..3500_u16 {
            fixture.transmit(
                &format!("02:00:00:{round:02x}:{:02x}:{:02x}", number >> 8, number & 0xff),
                "Depot",
            );
        }
        let checked = fixture.run(&["check"]);
        assert_eq!(checked.status.code(), Some(0), "{}{}", stdout(&checked), stderr(&checked));
        let (export, data) = (path(&format!("{round}.ndjson.zst")), path(&format!("data{round}")));
        let exported = fixture.run(&["export", "-o", &export]);
        assert!(exported.status.success(), "{}", stderr(&exported));
        let imported = service::probewatch(&["import", &export, "--data-dir", &data]);
        assert!(imported.status.success(), "{}", stderr(&imported));
        let header = service::probewatch(&["export", "--data-dir", &data]);
        let header: Value =
            serde_json::from_slice(header.stdout.split(|b| *b == b'\n').next().unwrap()).unwrap();
        // The snapshot contains all events before its offset: as many probes, each with its own address.
        let status = service::probewatch(&["status", "--json", "--data-dir", &data]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(status["probes"], status["addresses"], "{status}");
        assert_eq!(header["snapshot"], status["events"]);
        assert!(status["probes"].as_u64().unwrap() <= (round + 1) * 3500);
    }
    fixture.wait_for_events(10_500);
    let events = stdout(&fixture.run(&["export", "events"]));
    let probes = events.lines().filter(|line| line.contains("\"type\":\"probe\"")).count();
    assert_eq!(probes, 10_500, "none was lost");
    let segments = fs::read_dir(fixture.service.data_dir().join("events")).unwrap();
    assert!(segments.count() > 1, "a segment was sealed");
    fixture.stop();
    assert_eq!(stdout(&fixture.run(&["export", "events"])), events);
    assert_eq!(fixture.run(&["check"]).status.code(), Some(0));
}

#[test]
fn check_finds_damage_while_the_service_runs() {
    let mut fixture = Fixture::with_data();
    let segment = fixture.service.data_dir().join("events/00000000000000000000.ndjson");
    let mut log = fs::read(&segment).unwrap();
    log[0] = b'#';
    // In place, since the service continues writing to the same file.
    fs::File::options().write(true).open(&segment).unwrap().write_all(&log[..1]).unwrap();
    let checked = fixture.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    for part in ["line 1 of ", " is damaged", "The log and the service's state differ in"] {
        assert!(stdout(&checked).contains(part), "{part}: {}", stdout(&checked));
    }
    let exported = fixture.run(&["export", "events"]);
    assert_eq!(exported.status.code(), Some(1));
    assert!(stderr(&exported).contains("line 1 of "), "{}", stderr(&exported));
    assert_eq!(stdout(&exported).lines().count(), 6, "with a line for the lost event");
    fixture.transmit(RANDOM, "after that");
    fixture.wait_for_events(7);
}
