//! A command whose standard output is a capture file, such as `ssh root@ap tcpdump -i mon0 -U -w -`.
//!
//! - `sh -c` runs it in a process group of its own, and the whole group is ended with it: nothing of a pipeline stays
//!   behind. A process that does not end on SIGTERM is killed after [`EXIT_TIMEOUT`].
//! - The command is expected to deliver frames forever. Its end is a failure whatever its exit status, even if
//!   another process that it started goes on and holds its output open. The bytes already in the pipe are read first.
//! - Its standard input is empty. It inherits this program's environment except the configuration's variables, which
//!   may hold the bot's token, and the variables that systemd sets for this program alone.
//! - It has the rights of this program: under systemd those in the unit's AmbientCapabilities, with which every
//!   program starts that a service runs. It inherits no capture.
//! - What it writes to standard error is passed on line by line, as `stderr_log.rs` describes.

mod stderr_log;

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dot11::LinkType;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::error::CaptureError;
use crate::file::CaptureFile;
use crate::interruptible_reader::{self, Interrupter};
use crate::peek_reader::PeekReader;
use crate::record::ReadOutcome;
use crate::stop_handle::StopHandle;

/// How long a command may take to exit after it has closed its output or received SIGTERM.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a wait for its exit checks for it.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The prefix of the variables that configure this program.
const OWN_VARIABLE_PREFIX: &str = "PROBEWATCH";

/// The variables through which a service talks to systemd, and that point to its secrets.
const SYSTEMD_VARIABLES: [&str; 4] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY"];

/// The output of a running command, read up to its first frame.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    file: CaptureFile,
    process: Process,
    stop: StopHandle,
}

impl CommandOutput {
    /// Starts a command and waits for its first bytes. Errors call it `name`. `stop` ends the command and the wait.
    pub fn open(
        command: &str,
        name: &str,
        stop: &StopHandle,
        on_stderr_line: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let start = || -> io::Result<(Process, PeekReader)> {
            let mut process = Process::start(command, name)?;
            let (stdout, stderr) = (process.child.stdout.take(), process.child.stderr.take());
            if let Some(stderr) = stderr {
                let forward = move || stderr_log::forward_lines(stderr, on_stderr_line);
                thread::Builder::new().name("command-stderr".into()).spawn(forward)?;
            }
            let stdout = stdout.ok_or(io::ErrorKind::BrokenPipe)?;
            let (reader, interrupter) = interruptible_reader::interruptible(stdout.into())?;
            let (group, output) = (Arc::clone(&process.group), Arc::clone(&interrupter));
            let end_group = move || group.end_with_leader(&output);
            thread::Builder::new().name("command-exit".into()).spawn(end_group)?;
            let group = Arc::clone(&process.group);
            stop.wake_with(Arc::new(move || {
                group.signal(Signal::TERM);
                interrupter.stop();
            }));
            Ok((process, reader))
        };
        let failed = |error| CaptureError::Command { command: name.to_owned(), error };
        let (mut process, mut reader) = start().map_err(failed)?;
        // The output ended before the file format was known.
        if reader.peek(4).is_ok_and(|first| first.len() < 4) && !stop.is_stopped() {
            return Err(process.exit_error());
        }
        let file = CaptureFile::new(format!("the output of {name}"), reader)?;
        Ok(Self { file, process, stop: stop.clone() })
    }

    pub fn link_type(&self) -> LinkType {
        self.file.link_type()
    }

    /// The next frame. Without `stop` there is no end, only a failure.
    pub fn next(&mut self) -> Result<ReadOutcome<'_>, CaptureError> {
        match self.file.next() {
            Ok(ReadOutcome::End) | Err(CaptureError::Truncated { .. }) if self.stop.is_stopped() => {
                Ok(ReadOutcome::End)
            }
            Ok(ReadOutcome::End) | Err(CaptureError::Truncated { .. }) => Err(self.process.exit_error()),
            outcome => outcome,
        }
    }
}

/// The command and its process group; dropping it ends both. A process that leaves the group, as through setsid(1),
/// goes on with nobody reading its output; under systemd it ends with the service.
#[derive(Debug)]
struct Process {
    name: String,
    child: Child,
    group: Arc<ProcessGroup>,
}

impl Process {
    fn start(command: &str, name: &str) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).process_group(0);
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (variable, _) in env::vars_os() {
            if is_withheld(&variable) {
                shell.env_remove(variable);
            }
        }
        let child = shell.spawn()?;
        let id = Pid::from_child(&child);
        Ok(Self {
            name: name.to_owned(),
            child,
            group: Arc::new(ProcessGroup { leader: Mutex::new(Some(id)) }),
        })
    }

    /// Waits for the command to exit after it has closed its output; the error says how it ended.
    fn exit_error(&mut self) -> CaptureError {
        let exited = self.group.leader_exits_within(EXIT_TIMEOUT);
        let how = match self.end() {
            Ok(status) if exited => status,
            Ok(_) => "it closed its output but did not exit, and was stopped".to_owned(),
            Err(error) => error.to_string(),
        };
        CaptureError::CommandEnded { command: self.name.clone(), how }
    }

    /// Ends the processes that are left; returns the command's exit status.
    fn end(&mut self) -> io::Result<String> {
        self.group.signal(Signal::TERM);
        self.group.leader_exits_within(EXIT_TIMEOUT);
        self.group.kill_and_reap(|| self.child.wait()).map(|status| status.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to report a failure to.
        let _ = self.end();
    }
}

/// Whether the command does not inherit this variable.
fn is_withheld(variable: &OsStr) -> bool {
    let variable = variable.to_string_lossy();
    variable.to_uppercase().starts_with(OWN_VARIABLE_PREFIX) || SYSTEMD_VARIABLES.contains(&&*variable)
}

/// A process group, identified by its leader's process ID until the leader is reaped and the ID may be reused.
#[derive(Debug)]
struct ProcessGroup {
    leader: Mutex<Option<Pid>>,
}

impl ProcessGroup {
    fn signal(&self, signal: Signal) {
        if let Some(id) = *self.leader.lock().unwrap_or_else(PoisonError::into_inner) {
            // Fails if the group has ended already.
            let _ = kill_process_group(id, signal);
        }
    }

    /// Waits until the leader exits, then ends the other processes and the reading of `output`, whichever process
    /// still holds it open.
    fn end_with_leader(&self, output: &Interrupter) {
        let Some(id) = *self.leader.lock().unwrap_or_else(PoisonError::into_inner) else { return };
        let exit = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(id), exit), Err(Errno::INTR)) {}
        self.signal(Signal::TERM);
        thread::sleep(EXIT_TIMEOUT);
        self.signal(Signal::KILL);
        output.finish();
    }

    /// Waits for at most `limit`; returns whether the leader has exited.
    fn leader_exits_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let Some(id) = *self.leader.lock().unwrap_or_else(PoisonError::into_inner) else { return true };
            let exit = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if !matches!(waitid(WaitId::Pid(id), exit), Ok(None)) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Kills the group and reaps its leader with `wait`, after which the ID is no longer used.
    fn kill_and_reap<T>(&self, wait: impl FnOnce() -> T) -> T {
        let mut leader = self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = leader.take() {
            let _ = kill_process_group(id, Signal::KILL);
        }
        wait()
    }
}
