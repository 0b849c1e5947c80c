//! Runs programs to their end. Each has a deadline: a program that does not end in time is killed, and the test fails
//! with its output.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::mem;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::DEADLINE;
use super::wait::{self, Wait};

/// Runs a command without input.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    output_of(command, b"")
}

/// Runs a command with this input.
#[track_caller]
pub fn output_of(command: &mut Command, input: &[u8]) -> Output {
    let what = format!("{command:?} to end");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let input = input.to_vec();
    // The command may end without reading its input.
    thread::spawn(move || drop(stdin.write_all(&input)));
    finish(child, &what)
}

/// Waits for the end of a child, and collects its standard output and error if they are pipes.
#[track_caller]
pub fn finish(mut child: Child, what: &str) -> Output {
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let wait = Wait::start(DEADLINE, what);
    let status = exit_within(&mut child, wait.left().unwrap_or_default());
    let read = |bytes: Option<Receiver<Vec<u8>>>| {
        bytes.map_or_else(Vec::new, |bytes| wait::receive(&bytes, "the output of a program that has ended"))
    };
    let (stdout, stderr) = (read(stdout), read(stderr));
    let Some(status) = status else {
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        wait.fail(&format!("stdout:\n{stdout}\nstderr:\n{stderr}"));
    };
    Output { status, stdout, stderr }
}

/// Waits for the end of a child.
#[track_caller]
pub fn wait_for_exit(child: &mut Child, what: &str) -> ExitStatus {
    let wait = Wait::start(DEADLINE, what);
    exit_within(child, wait.left().unwrap_or_default()).unwrap_or_else(|| wait.fail(""))
}

/// The exit status of a child. Kills it and returns `None` if it does not end within this time.
pub fn exit_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    if let Some(status) = child.try_wait().expect("the child's status") {
        return Some(status);
    }
    let id = libc::c_long::from(child.id());
    // SAFETY: plain system calls; the child is not reaped yet, so the id is its own, and the new descriptor has no
    // other owner.
    let ended = unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, id, 0);
        assert!(descriptor >= 0, "pidfd_open: {}", io::Error::last_os_error());
        let descriptor = descriptor as libc::c_int;
        let _owned = OwnedFd::from_raw_fd(descriptor);
        let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        libc::poll(&raw mut poll, 1, limit.as_millis() as libc::c_int) > 0
    };
    if !ended {
        let _ = child.kill();
    }
    let status = child.wait().expect("the child is waited for");
    ended.then_some(status)
}

/// The lines of a stream, with their line breaks, as they arrive. After the receiver is dropped, the next line closes
/// the stream.
pub fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|length| length > 0)
            && sender.send(mem::take(&mut line)).is_ok()
        {}
    });
    lines
}

fn read_all(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, bytes) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    bytes
}

/// The child processes of this process, with their command lines.
pub fn children() -> Vec<(libc::pid_t, String)> {
    let own_id = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<libc::pid_t>().ok());
    ids.filter(|id| parent_of(*id) == Some(own_id))
        .map(|id| {
            let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            (id, String::from_utf8_lossy(&command).replace('\0', " ").trim_end().to_owned())
        })
        .collect()
}

fn parent_of(id: libc::pid_t) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name in brackets, which may contain anything, follow the state and the parent.
    stat.rsplit(')').next()?.split_ascii_whitespace().nth(1)?.parse().ok()
}
