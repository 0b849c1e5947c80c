//! systemd's end of sd_notify(3): a socket that receives a service's messages.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use probewatch::service::NotifyState;

use super::DEADLINE;
use super::wait::Wait;

/// A socket in a temporary folder. It receives messages from the start.
pub struct NotifySocket {
    folder: tempfile::TempDir,
    messages: Receiver<String>,
}

impl NotifySocket {
    pub fn bind() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let (sender, messages) = mpsc::channel();
        // Received at once, since the kernel queues few messages and then blocks the sender.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes) {
                let message = String::from_utf8(bytes[..length].to_vec()).unwrap().trim_end().to_owned();
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Self { folder, messages }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("notify")
    }

    /// A function that sends messages to this socket.
    pub fn sender(&self) -> impl Fn(&[NotifyState<'_>]) -> std::io::Result<()> + Send + Sync + 'static {
        let path = self.path();
        move |states| {
            let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
            UnixDatagram::unbound()?.send_to(lines.join("\n").as_bytes(), &path).map(drop)
        }
    }

    /// The messages up to the first with a line that begins so. Panics at the deadline.
    pub fn wait_for(&self, start_of_line: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let wait = Wait::start(DEADLINE, &format!("the message {start_of_line:?} to systemd"));
        if !self.take(wait.left().unwrap_or_default(), start_of_line, &mut seen) {
            wait.fail(&format!("{seen:?}"));
        }
        seen
    }

    /// Whether a line that begins so arrives within this time.
    pub fn has_within(&self, limit: Duration, start_of_line: &str) -> bool {
        self.take(limit, start_of_line, &mut Vec::new())
    }

    /// All messages that were sent before this call and not returned yet.
    pub fn rest(&self) -> Vec<String> {
        send_to(&self.path(), "END-OF-THE-TEST");
        let mut messages = self.wait_for("END-OF-THE-TEST");
        messages.pop();
        messages
    }

    fn take(&self, limit: Duration, start_of_line: &str, seen: &mut Vec<String>) -> bool {
        let deadline = Instant::now() + limit;
        while let Ok(message) = self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            let is_found = message.lines().any(|line| line.starts_with(start_of_line));
            seen.push(message);
            if is_found {
                return true;
            }
        }
        false
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        // Wakes the thread, which ends since the receiver is gone.
        drop(std::mem::replace(&mut self.messages, mpsc::channel().1));
        send_to(&self.path(), "");
    }
}

fn send_to(path: &Path, message: &str) {
    UnixDatagram::unbound().unwrap().send_to(message.as_bytes(), path).unwrap();
}
