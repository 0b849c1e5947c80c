//! systemd's end of sd_notify(3): a socket that takes what a service tells.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use probewatch::service::NotifyState;

use super::DEADLINE;
use super::wait::Wait;

/// A socket in a folder of its own, which takes messages from the start.
pub struct NotifySocket {
    folder: tempfile::TempDir,
    messages: Receiver<String>,
}

impl NotifySocket {
    pub fn bind() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let (sender, messages) = mpsc::channel();
        // Takes them at once: the kernel keeps few, and whoever tells more waits.
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

    /// Sends messages to it.
    pub fn sender(&self) -> impl Fn(&[NotifyState<'_>]) -> std::io::Result<()> + Send + Sync + 'static {
        let path = self.path();
        move |states| {
            let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
            UnixDatagram::unbound()?.send_to(lines.join("\n").as_bytes(), &path).map(drop)
        }
    }

    /// The messages up to the first that has such a line. Panics at the deadline.
    pub fn wait_for(&self, start_of_line: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let wait = Wait::start(DEADLINE, &format!("the message {start_of_line:?} to systemd"));
        if !self.take(wait.left().unwrap_or_default(), start_of_line, &mut seen) {
            wait.fail(&format!("{seen:?}"));
        }
        seen
    }

    /// Whether such a line comes within this time.
    pub fn has_within(&self, limit: Duration, start_of_line: &str) -> bool {
        self.take(limit, start_of_line, &mut Vec::new())
    }

    /// All messages that were sent before this call and not taken yet.
    pub fn rest(&self) -> Vec<String> {
        tell(&self.path(), "END-OF-THE-TEST");
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
        // Wakes the thread, which then finds nobody to hand it to.
        drop(std::mem::replace(&mut self.messages, mpsc::channel().1));
        tell(&self.path(), "");
    }
}

fn tell(path: &Path, message: &str) {
    UnixDatagram::unbound().unwrap().send_to(message.as_bytes(), path).unwrap();
}
