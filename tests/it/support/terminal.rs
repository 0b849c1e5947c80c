//! A program on a pseudo-terminal, with somebody who reads and types.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::process;
use super::wait::wait_until;

/// A program whose standard streams and controlling terminal are a pseudo-terminal. It is killed on drop.
pub struct Terminal {
    master: File,
    child: Child,
    shown: Arc<Mutex<String>>,
    /// How much of what was shown was expected so far, in bytes.
    seen: usize,
}

impl Terminal {
    pub fn start(mut command: Command) -> Self {
        let (master, slave) = open_pair().expect("a pseudo-terminal");
        let stream = || Stdio::from(slave.try_clone().expect("a descriptor"));
        command.stdin(stream()).stdout(stream()).stderr(stream());
        // SAFETY: plain system calls, which are safe between fork and exec.
        unsafe {
            command.pre_exec(|| {
                // A test that runs in the background may have been told to ignore Ctrl-C.
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY as _, 0) < 0 {
                    return Err(io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("the program starts");
        drop((command, slave));
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut reader, into) = (master.try_clone().expect("a descriptor"), Arc::clone(&shown));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            let mut all = Vec::new();
            // Once the last program has closed the terminal, reading fails.
            while let Ok(count) = reader.read(&mut bytes)
                && count > 0
            {
                all.extend_from_slice(&bytes[..count]);
                *into.lock().unwrap_or_else(PoisonError::into_inner) =
                    String::from_utf8_lossy(&all).into_owned();
            }
        });
        Self { master, child, shown, seen: 0 }
    }

    /// All that was shown so far.
    pub fn shown(&self) -> String {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until this is shown, after what was expected before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let (shown, seen) = (Arc::clone(&self.shown), self.seen);
        let what = format!("the terminal to show {text:?}");
        self.seen = wait_until(&what, || {
            let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let at = shown.get(seen..).and_then(|rest| rest.find(text));
            if at.is_none() && self.child.try_wait().expect("a status").is_some() {
                panic!("the program ended before it showed {text:?}; it showed:\n{shown}");
            }
            at.map(|at| seen + at + text.len())
        });
    }

    /// Waits for a question, and types an answer with Enter.
    #[track_caller]
    pub fn answer(&mut self, question: &str, answer: &str) {
        self.expect(question);
        self.press(&format!("{answer}\r"));
    }

    pub fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits until the terminal echoes what is typed, or does not.
    pub fn wait_until_echo_is(&self, is_on: bool) {
        wait_until("the terminal's echo to change", || (self.echoes() == is_on).then_some(()));
    }

    pub fn echoes(&self) -> bool {
        // SAFETY: a termios is plain data, and the call fills it.
        unsafe {
            let mut settings: libc::termios = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(self.master.as_raw_fd(), &raw mut settings), 0);
            settings.c_lflag & libc::ECHO != 0
        }
    }

    /// Waits for the end of the program. Returns its status and all that was shown.
    pub fn finish(mut self) -> (ExitStatus, String) {
        let status = process::wait_for_exit(&mut self.child, "the program on the terminal to end");
        let shown = self.shown();
        (status, shown)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the terminal shows:\n{}", self.shown());
        }
    }
}

/// The two ends of a pseudo-terminal of 100 columns.
fn open_pair() -> io::Result<(File, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let mut size = libc::winsize { ws_row: 50, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call fills both numbers, whose descriptors have no other owner.
    unsafe {
        let opened = libc::openpty(
            &raw mut master,
            &raw mut slave,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &raw mut size,
        );
        if opened != 0 {
            return Err(io::Error::last_os_error());
        }
        for descriptor in [master, slave] {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        Ok((File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)))
    }
}
