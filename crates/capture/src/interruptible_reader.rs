//! Reads files, pipes and standard input so that another thread can end a wait for the next bytes.

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

use crate::peek_reader::PeekReader;
use crate::stop_handle::Wake;

/// The most that a pipe holds: the limit that Linux sets for unprivileged users (`/proc/sys/fs/pipe-max-size`).
const PIPE_BYTES: usize = 1 << 20;

/// Opens a file or a named pipe. Opening a pipe does not wait for a writer; reading does, and can be interrupted.
pub(crate) fn open(path: &Path) -> io::Result<(PeekReader, Wake)> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok((PeekReader::of_file(file), Arc::new(|| {})))
    } else {
        stoppable(file.into())
    }
}

/// Opens standard input.
pub(crate) fn stdin() -> io::Result<(PeekReader, Wake)> {
    stoppable(io::stdin().as_fd().try_clone_to_owned()?)
}

fn stoppable(input: OwnedFd) -> io::Result<(PeekReader, Wake)> {
    let (reader, interrupter) = interruptible(input)?;
    Ok((reader, Arc::new(move || interrupter.stop())))
}

/// Reads a pipe or the like; the [`Interrupter`] ends a wait for its next bytes.
pub(crate) fn interruptible(input: OwnedFd) -> io::Result<(PeekReader, Arc<Interrupter>)> {
    let event = eventfd(0, EventfdFlags::CLOEXEC)?;
    let interrupter = Arc::new(Interrupter { event, state: AtomicU8::new(OPEN) });
    let pipe =
        InterruptiblePipe { input: input.into(), interrupter: Arc::clone(&interrupter), left: PIPE_BYTES };
    Ok((PeekReader::new(Box::new(pipe)), interrupter))
}

/// The states of an [`Interrupter`], which only grow.
const OPEN: u8 = 0;
const FINISHING: u8 = 1;
const STOPPED: u8 = 2;

/// Ends the reading of a pipe from another thread.
#[derive(Debug)]
pub(crate) struct Interrupter {
    /// Readable once the state has changed.
    event: OwnedFd,
    state: AtomicU8,
}

impl Interrupter {
    /// Ends reading at once.
    pub fn stop(&self) {
        self.advance_to(STOPPED);
    }

    /// Ends reading after the bytes that the pipe holds now, even if a writer keeps it open.
    pub fn finish(&self) {
        self.advance_to(FINISHING);
    }

    fn advance_to(&self, state: u8) {
        self.state.fetch_max(state, Release);
        // Fails only if the eventfd's 64-bit counter is full, and then the event is readable already.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }
}

struct InterruptiblePipe {
    input: File,
    interrupter: Arc<Interrupter>,
    /// How many bytes may still be read while finishing.
    left: usize,
}

impl InterruptiblePipe {
    /// Waits until the input is readable or the wait is interrupted; returns whether the input is readable.
    fn wait(&self) -> io::Result<bool> {
        let mut polled = [&self.input.as_fd(), &self.interrupter.event.as_fd()]
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
        loop {
            match poll(&mut polled, None) {
                Ok(_) => return Ok(polled.first().is_some_and(|input| !input.revents().is_empty())),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for InterruptiblePipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let is_readable = self.wait()?;
            let state = self.interrupter.state.load(Acquire);
            if state == STOPPED || (state == FINISHING && !is_readable) {
                return Ok(0);
            }
            if !is_readable {
                continue;
            }
            let limit = if state == FINISHING { buffer.len().min(self.left) } else { buffer.len() };
            match self.input.read(buffer.get_mut(..limit).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) if state == FINISHING => {
                    self.left -= count;
                    return Ok(count);
                }
                outcome => return outcome,
            }
        }
    }
}
