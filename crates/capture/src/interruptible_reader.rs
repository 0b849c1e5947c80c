//! Bytes of a capture file, through a window that moves over it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU8,
    Ordering::{Acquire, Release},
};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Wake;
use super::file::ReadError;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// The most that a pipe can hold, as Linux lets anyone set it.
const PIPE_BYTES: usize = 1 << 20;

/// The bytes between what has been taken and what has been read.
pub(super) struct Window {
    input: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Window {
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, bytes: Vec::new(), start: 0, end: 0 }
    }

    /// The next `count` bytes without taking them; fewer only where the input ends.
    pub fn peek(&mut self, count: usize) -> Result<&[u8], ReadError> {
        if self.end - self.start < count {
            self.fill(count).map_err(ReadError::Io)?;
        }
        let end = self.end.min(self.start + count);
        Ok(self.bytes.get(self.start..end).unwrap_or_default())
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&[u8], ReadError> {
        if self.peek(count)?.len() < count {
            return Err(ReadError::Cut);
        }
        let start = self.start;
        self.start += count;
        Ok(self.bytes.get(start..self.start).unwrap_or_default())
    }

    /// Makes room for `count` bytes and reads until they are there, or the input ends.
    fn fill(&mut self, count: usize) -> io::Result<()> {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.bytes.len() < count {
            self.bytes.resize(count.next_multiple_of(CHUNK), 0);
        }
        while self.end < count {
            let room = self.bytes.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room) {
                Ok(0) => break,
                Ok(more) => self.end += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("start", &self.start).field("end", &self.end).finish_non_exhaustive()
    }
}

/// Opens a file, or a named pipe, whose writer need not be there yet, and which is read so that a waiting reader
/// can be woken.
pub(super) fn open(path: &Path) -> io::Result<(Window, Wake)> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok((Window::new(Box::new(file)), Arc::new(|| {})))
    } else {
        breakable(file.into())
    }
}

/// Opens standard input.
pub(super) fn stdin() -> io::Result<(Window, Wake)> {
    breakable(io::stdin().as_fd().try_clone_to_owned()?)
}

fn breakable(input: OwnedFd) -> io::Result<(Window, Wake)> {
    let (window, breaker) = pipe(input)?;
    Ok((window, Arc::new(move || breaker.stop())))
}

/// Reads a pipe or the like, so that a wait for its next bytes can be broken.
pub(super) fn pipe(input: OwnedFd) -> io::Result<(Window, Arc<Breaker>)> {
    let event = eventfd(0, EventfdFlags::CLOEXEC)?;
    let breaker = Arc::new(Breaker { event, end: AtomicU8::new(OPEN) });
    let pipe = Pipe { input: input.into(), breaker: Arc::clone(&breaker), rest: PIPE_BYTES };
    Ok((Window::new(Box::new(pipe)), breaker))
}

/// What has been asked of a [`Breaker`].
const OPEN: u8 = 0;
const FINISHED: u8 = 1;
const STOPPED: u8 = 2;

/// Ends the reading of a pipe from another thread.
#[derive(Debug)]
pub(super) struct Breaker {
    /// Can be read once an end was asked for.
    event: OwnedFd,
    end: AtomicU8,
}

impl Breaker {
    /// Nothing more is read.
    pub fn stop(&self) {
        self.ask(STOPPED);
    }

    /// What stands in the pipe is read, and nothing that comes later, though it may be open for writing.
    pub fn finish(&self) {
        self.ask(FINISHED);
    }

    fn ask(&self, end: u8) {
        self.end.fetch_max(end, Release);
        // It fails only where it was told before, more often than a counter of 64 bits counts.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }
}

struct Pipe {
    input: File,
    breaker: Arc<Breaker>,
    /// What is read at most once it is finished.
    rest: usize,
}

impl Pipe {
    /// Waits until there is something to read, or the wait is broken; whether there is.
    fn wait(&self) -> io::Result<bool> {
        let mut sides = [&self.input.as_fd(), &self.breaker.event.as_fd()]
            .map(|side| PollFd::from_borrowed_fd(*side, PollFlags::IN));
        loop {
            match poll(&mut sides, None) {
                Ok(_) => return Ok(sides.first().is_some_and(|input| !input.revents().is_empty())),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let has_more = self.wait()?;
            let end = self.breaker.end.load(Acquire);
            if end == STOPPED || (end == FINISHED && !has_more) {
                return Ok(0);
            }
            if !has_more {
                continue;
            }
            let most = if end == FINISHED { buffer.len().min(self.rest) } else { buffer.len() };
            match self.input.read(buffer.get_mut(..most).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) if end == FINISHED => {
                    self.rest -= count;
                    return Ok(count);
                }
                outcome => return outcome,
            }
        }
    }
}
