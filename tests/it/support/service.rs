//! The program under test as a process: the service with its configuration and log, and one-shot commands.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::DEADLINE;
use super::bot_api::BotApi;
use super::process;
use super::wait::{self, Wait};

/// The contents of `config.toml`, and how the service is started.
#[derive(Debug, Clone)]
pub struct Config {
    /// The tables in order, the top level first, each with its keys and TOML values.
    tables: Vec<(String, Vec<(String, String)>)>,
    environment: Vec<(String, String)>,
    command: Vec<String>,
}

impl Config {
    /// Webhook mode with this server; access for chat 1001; no source.
    pub fn new(api: &BotApi) -> Self {
        let empty = Self {
            tables: vec![(String::new(), Vec::new())],
            environment: Vec::new(),
            command: vec![env!("CARGO_BIN_EXE_probewatch").to_owned()],
        };
        empty
            .set("", "time_zone", &toml_string("Europe/Berlin"))
            .set("capture", "sources", "[]")
            .set("telegram", "token", &toml_string(api.token()))
            .set("telegram", "chats", "[1001]")
            .set("telegram", "mode", &toml_string("webhook"))
            .set("telegram", "api_url", &toml_string(&api.url()))
            .set("telegram.webhook", "url", &toml_string("https://bot.example.org"))
            .set("telegram.webhook", "listen", &toml_string("127.0.0.1:0"))
            .set("alerts", "cooldown_seconds", "600")
            // One message per alert, which most tests expect.
            .set("alerts", "gather_seconds", "0")
            .set("record", "fsync_milliseconds", "1000")
            .set("record", "checkpoint_seconds", "10")
            .set("devices", &toml_string("a4:83:e7:4e:39:15"), &toml_string("Alice's phone"))
    }

    /// Sets the sources: interface names, paths of files, `-`.
    pub fn sources(self, sources: &[&str]) -> Self {
        let list: Vec<String> = sources.iter().map(|source| toml_string(source)).collect();
        self.set("capture", "sources", &format!("[{}]", list.join(", ")))
    }

    pub fn chats(self, chats: &[i64]) -> Self {
        self.set("telegram", "chats", &format!("{chats:?}"))
    }

    /// Long polling in place of the webhook.
    pub fn polling(self) -> Self {
        self.set("telegram", "mode", &toml_string("polling")).without_table("telegram.webhook")
    }

    pub fn cooldown_seconds(self, seconds: u64) -> Self {
        self.set("alerts", "cooldown_seconds", &seconds.to_string())
    }

    /// Adds a line to the `[devices]` table.
    pub fn device(self, mac: &str, name: &str) -> Self {
        self.set("devices", &toml_string(mac), &toml_string(name))
    }

    /// Sets a key of a table (`""`: the top level) to a TOML value.
    pub fn set(mut self, table: &str, key: &str, toml: &str) -> Self {
        if !self.tables.iter().any(|(name, _)| name == table) {
            self.tables.push((table.to_owned(), Vec::new()));
        }
        for (_, entries) in self.tables.iter_mut().filter(|(name, _)| name == table) {
            entries.retain(|(known, _)| known != key);
            entries.push((key.to_owned(), toml.to_owned()));
        }
        self
    }

    pub fn unset(mut self, table: &str, key: &str) -> Self {
        for (_, entries) in self.tables.iter_mut().filter(|(name, _)| name == table) {
            entries.retain(|(known, _)| known != key);
        }
        self
    }

    pub fn without_table(mut self, table: &str) -> Self {
        self.tables.retain(|(name, _)| name.is_empty() || name != table);
        self
    }

    /// An environment variable of the service.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another program in place of probewatch; `run -c FILE` is appended.
    pub fn command(mut self, command: &[&str]) -> Self {
        self.command = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (table, entries) in &self.tables {
            if !table.is_empty() {
                text.push_str(&format!("\n[{table}]\n"));
            }
            for (key, value) in entries {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }
}

/// A TOML string (JSON's escapes are among TOML's).
pub fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[derive(Default)]
struct Log {
    lines: Vec<String>,
    /// Where the lines of the current run begin.
    run_start: usize,
    ended: bool,
}

#[derive(Default)]
struct SharedLog {
    log: Mutex<Log>,
    changed: Condvar,
}

impl SharedLog {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn tail(&self) -> String {
        let log = self.lock();
        log.lines[log.lines.len().saturating_sub(60)..].join("\n")
    }
}

struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    reader: JoinHandle<()>,
}

/// The service in a temporary folder. Dropping this value kills the process and removes the folder.
pub struct Service {
    folder: tempfile::TempDir,
    config: Config,
    log: Arc<SharedLog>,
    running: Option<Running>,
}

impl Service {
    /// Writes the configuration and starts `probewatch run -c config.toml`. Does not wait until it is ready.
    pub fn start(config: Config) -> Self {
        let folder = tempfile::Builder::new().prefix("probewatch-it-").tempdir().expect("a temporary folder");
        let mut service = Self { folder, config, log: Arc::default(), running: None };
        service.spawn();
        service
    }

    /// Like [`Self::start`], and a failed wait of the server shows the service's log.
    pub fn start_with(api: &BotApi, config: Config) -> Self {
        let service = Self::start(config);
        let log = Arc::clone(&service.log);
        api.show_on_failure(move || log.tail());
        service
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// The process ID. Panics if the service does not run.
    pub fn id(&self) -> u32 {
        self.running.as_ref().expect("the service runs").child.id()
    }

    /// The service's standard input. Dropping it ends the input.
    pub fn take_stdin(&mut self) -> ChildStdin {
        let running = self.running.as_mut().expect("the service runs");
        running.stdin.take().expect("standard input was not taken before")
    }

    /// The log lines of the current (or last) run so far.
    pub fn log_lines(&self) -> Vec<String> {
        let log = self.log.lock();
        log.lines[log.run_start..].to_vec()
    }

    /// Waits for a line of the current run's log that contains this. Panics at the deadline, or if the service ends
    /// without such a line.
    pub fn wait_for_line(&self, wanted: &str) -> String {
        self.wait_for_line_after(0, wanted)
    }

    /// Like [`Self::wait_for_line`], after the first `seen` lines of the run.
    pub fn wait_for_line_after(&self, seen: usize, wanted: &str) -> String {
        self.wait_for_line_or_end(seen, wanted).unwrap_or_else(|| {
            panic!("no line with {wanted:?} before the service ended; its log:\n{}", self.log.tail())
        })
    }

    /// Like [`Self::wait_for_line_after`]; `None` if the service ends without such a line.
    pub fn wait_for_line_or_end(&self, seen: usize, wanted: &str) -> Option<String> {
        let wait = Wait::start(DEADLINE, &format!("a line with {wanted:?} in the service's log"));
        let mut log = self.log.lock();
        loop {
            let found = log.lines.iter().skip(log.run_start + seen).find(|line| line.contains(wanted));
            if found.is_some() || log.ended {
                return found.cloned();
            }
            let Some(left) = wait.left() else {
                drop(log);
                wait.fail(&self.log.tail());
            };
            let waited = self.log.changed.wait_timeout(log, left);
            log = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Waits for a log line of this `event` whose next fields are these, in order, and returns it.
    pub fn wait_for_log_event(&self, event: &str, fields: &[(&str, &str)]) -> String {
        self.wait_for_line(&log_event(event, fields))
    }

    /// Like [`Self::wait_for_log_event`], after the first `seen` lines of the run.
    pub fn wait_for_log_event_after(&self, seen: usize, event: &str, fields: &[(&str, &str)]) -> String {
        self.wait_for_line_after(seen, &log_event(event, fields))
    }

    /// Whether the current run has logged this `event` so far.
    pub fn has_logged(&self, event: &str) -> bool {
        self.log_lines().iter().any(|line| line.contains(&log_event(event, &[])))
    }

    /// Whether such a line is logged within this time after the first `seen` lines of the run.
    pub fn has_line_after(&self, seen: usize, wanted: &str, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut log = self.log.lock();
        loop {
            if log.lines.iter().skip(log.run_start + seen).any(|line| line.contains(wanted)) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.log.changed.wait_timeout(log, left);
            log = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Waits until the webhook listener is up, and returns its address.
    pub fn listen_address(&self) -> SocketAddr {
        address_in(&self.wait_for_log_event(LISTENING, &[]))
    }

    /// Like [`Self::listen_address`]; `None` if the service ends before.
    pub fn listen_address_or_end(&self) -> Option<SocketAddr> {
        self.wait_for_line_or_end(0, &log_event(LISTENING, &[])).map(|line| address_in(&line))
    }

    /// Waits until this source is open.
    pub fn wait_until_capturing(&self, source: &str) {
        self.wait_for_log_event("source_opened", &[("source", source)]);
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
            // A second panic would end the process.
            if !thread::panicking() {
                wait::join(running.reader, "the end of the service's log");
            }
        }
    }

    /// Asks the process to stop (SIGTERM), waits until it is gone, and returns its exit status.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.wait_for_exit()
    }

    pub fn signal(&self, signal: libc::c_int) {
        let id = libc::pid_t::try_from(self.id()).expect("a process id");
        // SAFETY: a plain system call; the child is not reaped yet, so the id is still its own.
        let sent = unsafe { libc::kill(id, signal) };
        assert_eq!(sent, 0, "the signal is sent: {}", io::Error::last_os_error());
    }

    /// Waits until the process ends by itself, and returns its exit status.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let mut running = self.running.take().expect("the service runs");
        let wait = Wait::start(DEADLINE, "the service to end");
        let status = process::exit_within(&mut running.child, wait.left().unwrap_or_default());
        wait::join(running.reader, "the end of the service's log");
        status.unwrap_or_else(|| wait.fail(&self.log.tail()))
    }

    /// Starts the service again in the same folder, after killing it if it still runs.
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
    }

    /// Like [`Self::restart`], with a changed configuration.
    pub fn restart_with(&mut self, change: impl FnOnce(Config) -> Config) {
        self.config = change(self.config.clone());
        self.restart();
    }

    fn spawn(&mut self) {
        let data_dir = self.data_dir();
        let data_dir = toml_string(data_dir.to_str().expect("a path in UTF-8"));
        let mut toml = self.config.to_toml();
        if !toml.starts_with("data_dir = ") && !toml.contains("\ndata_dir = ") {
            toml.insert_str(0, &format!("data_dir = {data_dir}\n"));
        }
        fs::write(self.config_path(), toml).expect("the configuration is written");
        let (program, arguments) = self.config.command.split_first().expect("a command");
        let mut command = clean_command(Path::new(program));
        command.args(arguments).args(["run", "-c"]).arg(self.config_path());
        command.current_dir(self.folder.path());
        command.envs(self.config.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the service starts");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let stdin = child.stdin.take();
        {
            let mut log = self.log.lock();
            log.run_start = log.lines.len();
            log.ended = false;
        }
        let log = Arc::clone(&self.log);
        let reader = thread::spawn(move || collect(stderr, &log));
        self.running = Some(Running { child, stdin, reader });
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("the service's log:\n{}", self.log.tail());
        }
    }
}

const LISTENING: &str = "webhook_listening";

fn address_in(line: &str) -> SocketAddr {
    log_field(line, "address").parse().unwrap_or_else(|_| panic!("no address in the line {line:?}"))
}

/// The part of a log line that names this `event` and its first fields, in the order in which the program logs them.
pub fn log_event(event: &str, fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!(" {name}={value}"));
    std::iter::once(format!("event={event:?}")).chain(fields).collect()
}

/// The value of a log line's field, up to the next space. Panics if the line has no such field.
pub fn log_field<'a>(line: &'a str, name: &str) -> &'a str {
    let value =
        line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no field {name} in {line:?}")).1;
    value.split(' ').next().unwrap_or_default()
}

fn collect(stderr: impl Read, log: &SharedLog) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while stderr.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        log.lock().lines.push(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
        log.changed.notify_all();
        line.clear();
    }
    log.lock().ended = true;
    log.changed.notify_all();
}

/// Runs `probewatch` with these arguments and no input.
pub fn probewatch(arguments: &[&str]) -> Output {
    probewatch_with_input(arguments, b"")
}

/// Runs `probewatch` with these arguments and this input.
pub fn probewatch_with_input(arguments: &[&str], input: &[u8]) -> Output {
    run(probewatch_command(arguments), input)
}

/// A command that runs `probewatch` with these arguments.
pub fn probewatch_command(arguments: &[&str]) -> Command {
    let mut command = clean_command(Path::new(env!("CARGO_BIN_EXE_probewatch")));
    command.args(arguments);
    command
}

/// Runs `probewatch` with these arguments as the user nobody, from a copy in `folder`, since that user may not have
/// access to the build's folder. `None` if this process may not change its user.
pub fn probewatch_as_nobody(arguments: &[&str], folder: &Path) -> Option<Output> {
    // SAFETY: a plain system call.
    if unsafe { libc::geteuid() } != 0 {
        super::require::skip("only root can be another user");
        return None;
    }
    let copy = folder.join("probewatch-of-nobody");
    if !copy.exists() {
        // Copied by another process. If this process wrote the copy, a child that another test starts meanwhile would
        // inherit the descriptor, and the kernel executes no file that is open for writing.
        let copied = process::output(Command::new("cp").arg(env!("CARGO_BIN_EXE_probewatch")).arg(&copy));
        assert!(copied.status.success(), "{copied:?}");
    }
    let mut command = clean_command(Path::new("setpriv"));
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy).args(arguments);
    command.env("RUST_LOG", "off");
    Some(run(command, b""))
}

/// Runs a command to its end.
#[track_caller]
pub fn run(mut command: Command, input: &[u8]) -> Output {
    process::output_of(&mut command, input)
}

/// A command without the environment variables that configure probewatch.
pub fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_ascii_uppercase().starts_with("PROBEWATCH") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").env_remove("CREDENTIALS_DIRECTORY").env("NO_COLOR", "1");
    command
}
