//! A command whose standard output is a capture file, as of `ssh root@ap tcpdump -i mon0 -U -w -`.
//!
//! - `sh -c` runs it, in a process group of its own, which is ended as a whole: none of a pipeline stays.
//! - It is to give frames for ever, so that its end is a failure, whatever its exit status.
//! - Its standard input is empty. Of this program's environment it has all but the configuration's variables,
//!   since the bot's token may be among them.
//! - What it writes to standard error is told line by line, at most [`TOLD_LINES`] of them; the rest is read
//!   and dropped, so that it never waits for that.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::file::CaptureFile;
use super::input::{self, Window};
use super::{CaptureError, Heard, StopHandle};
use crate::dot11::LinkType;

/// Lines of standard error that are told of one run.
const TOLD_LINES: usize = 100;

/// What is longer is told as several lines.
const LINE_BYTES: u64 = 1024;

/// How long a command may take to end once it has closed its output, or was told to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// How the variables begin that configure this program.
const OWN_VARIABLES: &str = "PROBEWATCH";

/// A command that runs, read up to its first frame.
#[derive(Debug)]
pub(super) struct CommandOutput {
    file: CaptureFile,
    process: Process,
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
                thread::Builder::new().name("command-errors".into()).spawn(move || pass_on(errors, tell))?;
            }
            let output = output.ok_or(io::ErrorKind::BrokenPipe)?;
            let (window, wake) = input::pumped(output)?;
            let group = Arc::clone(&process.group);
            stop.wake_with(Arc::new(move || {
                group.signal(Signal::TERM);
                wake();
            }));
            Ok((process, window))
        };
        let failed = |error| CaptureError::Command { command: name.to_owned(), error };
        let (mut process, mut window) = start().map_err(failed)?;
        // What ends before it has said what it gives has failed before it began.
        if window.peek(4).is_ok_and(|first| first.len() < 4) {
            return Err(process.ended());
        }
        Ok(Self { file: CaptureFile::new(format!("the output of {name}"), window)?, process })
    }

    pub fn link_type(&self) -> LinkType {
        self.file.link_type()
    }

    /// The next frame. There is no end, only a failure.
    pub fn next(&mut self) -> Result<Heard<'_>, CaptureError> {
        match self.file.next() {
            Ok(Heard::End) | Err(CaptureError::Cut { .. }) => Err(self.process.ended()),
            outcome => outcome,
        }
    }
}

/// The command and all that it started, which end with this value.
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
            if variable.to_string_lossy().to_uppercase().starts_with(OWN_VARIABLES) {
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

/// Reads standard error to its end, and tells its first lines.
fn pass_on(errors: ChildStderr, mut tell: impl FnMut(&str)) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    for _ in 0..TOLD_LINES {
        line.clear();
        match errors.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                let shown: String = text.trim_end().chars().filter(|c| !c.is_control()).collect();
                if !shown.is_empty() {
                    tell(&shown);
                }
            }
        }
    }
    tell("it says more, which is not shown");
    let _ = io::copy(&mut errors, &mut io::sink());
}
