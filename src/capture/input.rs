//! Bytes of a capture file, through a window that moves over it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use super::Wake;
use super::file::ReadError;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

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

/// Opens a file, or a named pipe, which is read so that a waiting reader can be woken.
pub(super) fn open(path: &Path) -> io::Result<(Window, Wake)> {
    let file = File::open(path)?;
    if file.metadata()?.is_file() { Ok((Window::new(Box::new(file)), Arc::new(|| {}))) } else { pumped(file) }
}

/// Opens standard input.
pub(super) fn stdin() -> io::Result<(Window, Wake)> {
    pumped(io::stdin())
}

/// Reads `input` on a thread of its own: a read that waits cannot be woken, a channel can.
pub(super) fn pumped(mut input: impl Read + Send + 'static) -> io::Result<(Window, Wake)> {
    // Few, so that a slow reader of a fast pipe stays bounded.
    let (pump, chunks) = mpsc::sync_channel::<io::Result<Vec<u8>>>(4);
    let waker = pump.clone();
    thread::Builder::new().name("capture-input".into()).spawn(move || {
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = input.read(&mut chunk);
            let (message, more) = match read {
                Ok(count) => {
                    chunk.truncate(count);
                    (Ok(chunk), count > 0)
                }
                Err(error) => {
                    let interrupted = error.kind() == io::ErrorKind::Interrupted;
                    (Err(error), interrupted)
                }
            };
            if pump.send(message).is_err() || !more {
                break;
            }
        }
    })?;
    let reader = Pumped { chunks, chunk: Vec::new(), taken: 0, ended: false };
    Ok((Window::new(Box::new(reader)), Arc::new(move || wake(&waker))))
}

/// Sends the end of the input. Where the channel is full, nobody waits for it.
fn wake(pump: &SyncSender<io::Result<Vec<u8>>>) {
    let _ = pump.try_send(Ok(Vec::new()));
}

struct Pumped {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl Read for Pumped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.chunk.len() && !self.ended {
            self.chunk = self.chunks.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            self.taken = 0;
            self.ended = self.chunk.is_empty();
        }
        let mut rest = self.chunk.get(self.taken..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}
