//! Standard error as the service's log: lines wait in a queue, and a thread of its own writes them.
//!
//! Invariants:
//! - Logging never blocks and never fails, whatever standard error is: a full disk, a closed pipe, or a pipe that nobody
//!   reads.
//! - A line that finds the queue full, or that cannot be written, is counted. Once writing works again, the log says how
//!   many lines it lacks.
//! - Nothing else may write to [`io::stderr`] while the service runs: that blocks, and `eprintln!` panics on an error.
//!
//! `tracing-appender` has such a queue, but ignores lines that could not be written, limits the number of lines and
//! not their bytes, and prints to standard output when it ends.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use tracing::warn;

/// Bytes that may wait to be written, some thousand lines; as many may be being written.
const QUEUE_BYTES: usize = 1 << 20;

static QUEUE: Queue = Queue::new(QUEUE_BYTES);

/// Starts the thread that writes to standard error. Lines wait until then.
///
/// # Errors
/// If standard error is closed or no thread can be started. Then lines wait until the queue is full, and are lost.
pub fn start() -> io::Result<()> {
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let warn_of_lost = |count| {
        warn!(event = "log_lines_lost", count, "lines are missing here: standard error did not take them");
    };
    let work = move || QUEUE.write_all_to(&mut Patient(stderr), warn_of_lost);
    thread::Builder::new().name("log".to_owned()).spawn(work).map(drop)
}

/// Waits until all lines are written, but no longer than `limit`.
pub fn flush(limit: Duration) {
    QUEUE.wait_until_empty(limit);
}

/// Lines that could not be written since the start.
pub fn lost_lines() -> u64 {
    QUEUE.lost.load(Ordering::Relaxed)
}

/// Puts each write, which must be whole lines, into the queue.
#[derive(Debug, Clone, Copy)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        QUEUE.push(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is waited for if it is non-blocking, as a terminal or socket can be that other programs share.
struct Patient(File);

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines between those who log and the thread that writes.
struct Queue {
    lines: Mutex<Lines>,
    limit: usize,
    changed: Condvar,
    /// Lines that could not be written.
    lost: AtomicU64,
}

struct Lines {
    waiting: Vec<u8>,
    is_writing: bool,
}

impl Queue {
    const fn new(limit: usize) -> Self {
        let lines = Mutex::new(Lines { waiting: Vec::new(), is_writing: false });
        Self { lines, limit, changed: Condvar::new(), lost: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lines: &[u8]) {
        let mut queue = self.lock();
        if queue.waiting.len() + lines.len() > self.limit {
            drop(queue);
            self.note_lost(lines);
        } else {
            queue.waiting.extend_from_slice(lines);
            self.changed.notify_all();
        }
    }

    fn note_lost(&self, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Writes lines to `file` as they come, and does not return. Calls `warn_of_lost` with the number of lines that were
    /// lost, once writing works again.
    fn write_all_to(&self, file: &mut impl Write, warn_of_lost: impl Fn(u64)) {
        let (mut reported, mut is_torn) = (0, false);
        let mut lines = Vec::new();
        loop {
            lines.clear();
            // A burst of lines must not take memory for good.
            lines.shrink_to(self.limit / 16);
            self.take_waiting(&mut lines);
            let written = write_lines(file, &lines, &mut is_torn);
            if written < lines.len() {
                self.note_lost(lines.get(written..).unwrap_or_default());
            } else {
                // After a success and with room in the queue only: the warning itself must not be lost.
                let lost = self.lost.load(Ordering::Relaxed);
                if lost > reported && self.lock().waiting.len() <= self.limit / 2 {
                    warn_of_lost(lost - reported);
                    reported = lost;
                }
            }
            self.lock().is_writing = false;
            self.changed.notify_all();
        }
    }

    /// Swaps the waiting lines with `lines`, which is empty, once there are any.
    fn take_waiting(&self, lines: &mut Vec<u8>) {
        let mut queue = self.lock();
        while queue.waiting.is_empty() {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut queue.waiting, lines);
        queue.is_writing = true;
    }

    fn wait_until_empty(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut queue = self.lock();
        while queue.is_writing || !queue.waiting.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            queue = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Writes lines up to the first error. Returns how many bytes were written. `is_torn` is whether the file ends within a
/// line: then a line feed comes first.
fn write_lines(file: &mut impl Write, lines: &[u8], is_torn: &mut bool) -> usize {
    if *is_torn && file.write_all(b"\n").is_err() {
        return 0;
    }
    *is_torn = false;
    let mut written = 0;
    while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(count) if count > 0 => written += count,
            _ => break,
        }
    }
    *is_torn = lines.get(..written).and_then(<[u8]>::last).is_some_and(|last| *last != b'\n');
    written
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes `room` bytes, and then fails.
    struct SmallFile {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for SmallFile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.content.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_loses_lines_and_counts_them() {
        let queue = Queue::new(10);
        for line in ["12345\n", "one\ntwo\nthree\n", "abcde\n", "ab\n"] {
            queue.push(line.as_bytes());
        }
        assert_eq!(queue.lock().waiting, b"12345\nab\n");
        assert_eq!(queue.lost.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next() {
        let (mut file, mut is_torn) = (SmallFile { content: Vec::new(), room: 6 }, false);
        assert_eq!(write_lines(&mut file, b"one\ntwo\n", &mut is_torn), 6);
        assert!(is_torn);
        assert_eq!(write_lines(&mut file, b"three\n", &mut is_torn), 0);
        assert!(is_torn);
        file.room = 100;
        assert_eq!(write_lines(&mut file, b"four\n", &mut is_torn), 5);
        assert_eq!(write_lines(&mut file, b"five\n", &mut is_torn), 5);
        assert_eq!(String::from_utf8(file.content).unwrap(), "one\ntw\nfour\nfive\n");
    }

    #[test]
    fn lost_lines_are_reported_once_writing_works_again() {
        /// Fails for lines with a cross.
        struct Picky;
        impl Write for Picky {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if bytes.contains(&b'x') { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let queue: &Queue = Box::leak(Box::new(Queue::new(100)));
        let (sender, warnings) = mpsc::channel();
        thread::spawn(move || queue.write_all_to(&mut Picky, |count| sender.send(count).unwrap()));
        for (lines, lost) in [("x\nx\n", None), ("ok\n", Some(2)), ("ok\n", None), ("x\n", None)] {
            queue.push(lines.as_bytes());
            queue.wait_until_empty(Duration::from_secs(60));
            assert_eq!(warnings.try_recv().ok(), lost, "{lines:?}");
        }
        assert_eq!(queue.lost.load(Ordering::Relaxed), 3);
    }
}
