//! Standard error that takes nothing neither blocks nor ends the service: a full disk, a closed pipe, a pipe that
//! nobody reads. The lines that are lost are counted. Standard output that takes nothing fails a command with a clear
//! error.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::Value;

use crate::commands::{ALICE, Data, TIME};
use crate::full_disk::SmallDisk;
use crate::support::bot_api::{BotApi, Fault, Incoming};
use crate::support::exposition::Exposition;
use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, write_pcap};
use crate::support::service::{Config, log_event, log_field, probewatch_command, toml_string};
use crate::support::{http, process, wait, wait_until};

/// The service with a standard error of the test's choice.
struct Service {
    api: BotApi,
    folder: tempfile::TempDir,
    child: Child,
}

impl Service {
    fn start(stderr: impl Into<Stdio>) -> Self {
        Self::start_with(stderr, |config| config)
    }

    fn start_with(stderr: impl Into<Stdio>, change: impl FnOnce(Config) -> Config) -> Self {
        let (api, folder) = (BotApi::start(), tempfile::tempdir().unwrap());
        let data_dir = folder.path().join("data");
        let config = Config::new(&api)
            .polling()
            .sources(&["-"])
            .set("", "data_dir", &toml_string(data_dir.to_str().unwrap()))
            .set("monitoring", "listen", "\"127.0.0.1:0\"");
        fs::write(folder.path().join("config.toml"), change(config).to_toml()).unwrap();
        let mut command = probewatch_command(&["run", "-c"]);
        command.arg(folder.path().join("config.toml"));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().unwrap();
        Self { api, folder, child }
    }

    fn status(&self) -> Value {
        let config = self.folder.path().join("config.toml");
        let mut command = probewatch_command(&["status", "--json", "-c", config.to_str().unwrap()]);
        let output = process::output(&mut command);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Waits until the service has lost at least this many lines of its log.
    fn wait_for_lost_lines(&self, count: u64) {
        wait_until("lost lines in the status", || {
            (self.status()["lost_log_lines"].as_u64() >= Some(count)).then_some(())
        });
    }

    /// Has the service log that Telegram failed.
    fn make_it_log(&self) {
        self.api.fail_next("getUpdates", 1, Fault::ServerError(500));
    }

    fn ask(&self, text: &str, wanted: &str) {
        self.api.push(Incoming::text(1001, text));
        self.api.wait_for_message(|message| message.plain.contains(wanted));
    }

    fn terminate(mut self) -> ExitStatus {
        let id = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: a plain system call; the child is not reaped yet, so the id is its own.
        assert_eq!(unsafe { libc::kill(id, libc::SIGTERM) }, 0);
        process::wait_for_exit(&mut self.child, "the end of the service after SIGTERM")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads until a line contains this. Nothing is read after that.
fn read_until(log: PipeReader, wanted: String) -> (String, PipeReader) {
    let (sender, found) = mpsc::channel();
    let what = format!("a line of the log with {wanted}");
    thread::spawn(move || {
        let mut log = BufReader::with_capacity(1, log);
        let mut line = String::new();
        while !line.contains(&wanted) {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the log ended");
        }
        let _ = sender.send((line, log.into_inner()));
    });
    wait::receive(&found, &what)
}

/// Fills the pipe through a descriptor of its own, since being non-blocking is a property of the open file.
fn fill(pipe: &PipeWriter) {
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let mut pipe = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap();
    while pipe.write(b"filler ").is_ok() {}
}

#[test]
fn a_full_device_or_a_closed_pipe_as_standard_error_costs_only_lines() {
    let full: Stdio = File::options().write(true).open("/dev/full").unwrap().into();
    let (closed, pipe) = io::pipe().unwrap();
    drop(closed);
    for stderr in [full, pipe.into()] {
        let service = Service::start(stderr);
        service.wait_for_lost_lines(1);
        service.ask("/status", "Lines missing in the service's own log: ");
        assert!(service.terminate().success());
    }
}

#[test]
fn a_pipe_that_closes_later_costs_only_lines() {
    let (log, pipe) = io::pipe().unwrap();
    let service = Service::start(pipe);
    let (line, log) = read_until(log, log_event("monitoring_listening", &[]));
    let address = log_field(line.trim_end(), "address").parse().unwrap();
    let lost = || {
        let page = http::get(address, "/metrics").unwrap().text();
        Exposition::parse(&page).unwrap().value("probewatch_lost_log_lines_total", &[])
    };
    assert_eq!(lost(), 0.0);
    drop(log);
    service.make_it_log();
    wait_until("lost lines in the metrics", || (lost() > 0.0).then_some(()));
    service.ask("/start", "probewatch");
    assert!(service.terminate().success());
}

#[test]
fn a_pipe_that_nobody_reads_does_not_block_the_service() {
    let (log, pipe) = io::pipe().unwrap();
    let service = Service::start(pipe.try_clone().unwrap());
    let (_, log) = read_until(log, log_event("polling_started", &[]));
    fill(&pipe);
    // The queue would hide that the service waits, if it could.
    for _ in 0..3 {
        service.make_it_log();
        service.ask("/status", "Running for");
    }
    assert!(service.terminate().success(), "it ends although its last lines find no room");
    drop(log);

    // Nor does an error at the start.
    let (log, pipe) = io::pipe().unwrap();
    fill(&pipe);
    let mut service = Service::start_with(pipe, |config| config.set("capture", "sources", "[]"));
    let status = process::wait_for_exit(&mut service.child, "the end of a service without a source");
    assert_eq!(status.code(), Some(1));
    drop(log);
}

#[test]
fn a_full_disk_of_the_log_costs_only_lines_and_the_log_says_how_many() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("service.log");
    let log = || fs::read_to_string(&path).unwrap();
    disk.fill();
    let file = File::options().create(true).append(true).open(&path).unwrap();
    let service = Service::start(file);
    service.wait_for_lost_lines(1);
    assert_eq!(log(), "");
    disk.free();
    service.make_it_log();
    let lost = log_event("log_lines_lost", &[]);
    let line = wait_until("the number of lost lines in the log", || {
        log().lines().find(|line| line.contains(&lost)).map(str::to_owned)
    });
    assert!(log_field(&line, "count").parse::<u64>().unwrap() > 0, "{line}");
    assert!(service.terminate().success());
    assert!(log().contains(&log_event("stopping", &[])), "the last lines are written: {}", log());
}

/// Runs the command with its standard output or error on a full device.
fn run_on_full(
    data: &Data,
    arguments: &[&str],
    stream: impl Fn(&mut std::process::Command, Stdio),
) -> (Option<i32>, String) {
    let config = data.path("config.toml");
    let mut command = probewatch_command(arguments);
    if !["completions", "decode", "group", "man"].contains(&arguments[0]) {
        command.args(["-c", &config]);
    }
    command.stdin(File::open(Path::new(&data.path("input"))).unwrap());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    stream(&mut command, File::options().write(true).open("/dev/full").unwrap().into());
    let output = process::finish(command.spawn().unwrap(), &format!("{arguments:?} to end"));
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_command_says_that_its_output_could_not_be_written() {
    let data = Data::street();
    fs::write(data.path("input"), "/help\n").unwrap();
    let capture = data.path("street.pcap");
    for arguments in [
        &["chat"][..],
        &["check"],
        &["completions", "bash"],
        &["decode", &capture],
        &["doctor"],
        &["doctor", "--json"],
        &["export"],
        &["export", "events"],
        &["group", &capture],
        &["lookup", ALICE],
        &["lookup", "--json", ALICE],
        &["man"],
        &["rebuild"],
        &["replay", &capture],
        &["status"],
        &["status", "--json"],
    ] {
        let (code, stderr) = run_on_full(&data, arguments, |command, full| {
            command.stdout(full);
        });
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        let error = stderr.lines().last().unwrap_or_default();
        let is_clear = error.starts_with("probewatch: ") && error.contains("No space left on device");
        assert!(is_clear, "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
    // Totals and progress on standard error are not what a command is for.
    let street = data.path("more.pcap");
    write_pcap(street.as_ref(), DLT_IEEE802_11_RADIO, &[(TIME, ProbeRequestFrame::new(ALICE).build())])
        .unwrap();
    for arguments in [&["decode", &street][..], &["replay", &street], &["rebuild"]] {
        let (code, _) = run_on_full(&data, arguments, |command, full| {
            command.stderr(full);
        });
        assert_eq!(code, Some(0), "{arguments:?}");
    }
}
