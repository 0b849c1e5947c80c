//! A command whose standard output is a capture file, as of `ssh root@ap tcpdump -i mon0 -U -w -`.
//!
//! - `sh -c` runs it, in a process group of its own, which is ended as a whole: none of a pipeline stays. Who is
//!   told to end and does not is killed after [`LAST_WORDS`].
//! - It is to give frames for ever, so that its end is a failure, whatever its exit status, and also where
//!   something that it has started goes on and holds its output open. What stands in the pipe is read before.
//! - Its standard input is empty. Of this program's environment it has all but the configuration's variables,
//!   since the bot's token may be among them, and what systemd gave to this program alone.
//! - It has the rights of this program: under systemd those in the unit's AmbientCapabilities, which every program
//!   begins with that a service starts. It inherits no capture.
//! - What it writes to standard error is told line by line, as `stderr_log.rs` says.

mod stderr_log;

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::file::CaptureFile;
use super::interruptible_reader::{self, Breaker, Window};
use super::{CaptureError, ReadOutcome, StopHandle};
use dot11::LinkType;

/// How long a command may take to end once it has closed its output, or was told to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// How the variables begin that configure this program.
const OWN_VARIABLES: &str = "PROBEWATCH";

/// How a service talks with systemd, and where its secrets lie.
const SYSTEMD_VARIABLES: [&str; 4] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY"];

/// A command that runs, read up to its first frame.
#[derive(Debug)]
pub(super) struct CommandOutput {
    file: CaptureFile,
    process: Process,
    stop: StopHandle,
}

impl CommandOutput {
    /// Starts a command, and waits for its first bytes. Errors call it `name`; `stop` ends it, also while
    /// that waits.
    pub fn open(
        command: &str,
        name: &str,
        stop: &StopHandle,
        tell: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let start = || -> io::Result<(Process, Window)> {
            let mut process = Process::start(command, name)?;
            let (output, errors) = (process.child.stdout.take(), process.child.stderr.take());
            if let Some(errors) = errors {
                let forward = move || stderr_log::forward_lines(errors, tell);
                thread::Builder::new().name("command-errors".into()).spawn(forward)?;
            }
            let output = output.ok_or(io::ErrorKind::BrokenPipe)?;
            let (window, breaker) = interruptible_reader::pipe(output.into())?;
            let (group, reader) = (Arc::clone(&process.group), Arc::clone(&breaker));
            thread::Builder::new().name("command-end".into()).spawn(move || group.follow(&reader))?;
            let group = Arc::clone(&process.group);
            stop.wake_with(Arc::new(move || {
                group.signal(Signal::TERM);
                breaker.stop();
            }));
            Ok((process, window))
        };
        let failed = |error| CaptureError::Command { command: name.to_owned(), error };
        let (mut process, mut window) = start().map_err(failed)?;
        // What ends before it has said what it gives has failed before it began.
        if window.peek(4).is_ok_and(|first| first.len() < 4) && !stop.is_stopped() {
            return Err(process.ended());
        }
        let file = CaptureFile::new(format!("the output of {name}"), window)?;
        Ok(Self { file, process, stop: stop.clone() })
    }

    pub fn link_type(&self) -> LinkType {
        self.file.link_type()
    }

    /// The next frame. There is no end, only a failure.
    pub fn next(&mut self) -> Result<ReadOutcome<'_>, CaptureError> {
        match self.file.next() {
            // It ends with this value, and is not asked how.
            Ok(ReadOutcome::End) | Err(CaptureError::Cut { .. }) if self.stop.is_stopped() => {
                Ok(ReadOutcome::End)
            }
            Ok(ReadOutcome::End) | Err(CaptureError::Cut { .. }) => Err(self.process.ended()),
            outcome => outcome,
        }
    }
}

/// The command and its process group, which end with this value. What leaves the group, as through setsid(1), goes
/// on; it is not heard any more, and under systemd ends with the service.
#[derive(Debug)]
struct Process {
    name: String,
    child: Child,
    group: Arc<Group>,
}

impl Process {
    fn start(command: &str, name: &str) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).process_group(0);
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (variable, _) in env::vars_os() {
            if is_kept_back(&variable) {
                shell.env_remove(variable);
            }
        }
        let child = shell.spawn()?;
        let id = Pid::from_child(&child);
        Ok(Self { name: name.to_owned(), child, group: Arc::new(Group { id: Mutex::new(Some(id)) }) })
    }

    /// Says how the command ended, once it has closed its output.
    fn ended(&mut self) -> CaptureError {
        let by_itself = self.group.ends_within(LAST_WORDS);
        let how = match self.end() {
            Ok(status) if by_itself => status,
            Ok(_) => "it closed its output and went on, and was stopped".to_owned(),
            Err(error) => error.to_string(),
        };
        CaptureError::CommandEnded { command: self.name.clone(), how }
    }

    /// Ends what is left of it; its exit status.
    fn end(&mut self) -> io::Result<String> {
        self.group.signal(Signal::TERM);
        self.group.ends_within(LAST_WORDS);
        self.group.end(|| self.child.wait()).map(|status| status.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.end();
    }
}

/// Whether a command does not get this variable.
fn is_kept_back(variable: &OsStr) -> bool {
    let variable = variable.to_string_lossy();
    variable.to_uppercase().starts_with(OWN_VARIABLES) || SYSTEMD_VARIABLES.contains(&&*variable)
}

/// A group of processes, by the id of its first, until that is given back to the system.
#[derive(Debug)]
struct Group {
    id: Mutex<Option<Pid>>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(id) = *self.id.lock().unwrap_or_else(PoisonError::into_inner) {
            // A group that has ended needs none.
            let _ = kill_process_group(id, signal);
        }
    }

    /// Waits for the end of its first process, and ends the others then, and `output`, whoever holds that.
    fn follow(&self, output: &Breaker) {
        let Some(id) = *self.id.lock().unwrap_or_else(PoisonError::into_inner) else { return };
        let end = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(id), end), Err(Errno::INTR)) {}
        self.signal(Signal::TERM);
        thread::sleep(LAST_WORDS);
        self.signal(Signal::KILL);
        output.finish();
    }

    /// Whether its first process ends within this time.
    fn ends_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let Some(id) = *self.id.lock().unwrap_or_else(PoisonError::into_inner) else { return true };
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if !matches!(waitid(WaitId::Pid(id), look), Ok(None)) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(LOOK);
        }
    }

    /// Kills all of it and gives its id back, which `wait` does.
    fn end<T>(&self, wait: impl FnOnce() -> T) -> T {
        let mut id = self.id.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = id.take() {
            let _ = kill_process_group(id, Signal::KILL);
        }
        wait()
    }
}
