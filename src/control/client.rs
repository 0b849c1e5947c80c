//! The side of who asks the service.

use std::fmt::Display;
use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::frame::Frame;
use super::request::LIMIT;
use super::{Command, Request, socket};
use crate::event::Offset;

/// How long a service may take to say that it answers, or to answer where that takes no time.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No service listens.
    #[error("no service answers there")]
    NobodyListens,
    /// The socket is somebody else's.
    #[error("the service that runs there answers only its own user and root: run this command with sudo")]
    NotPermitted,
    /// The service was asked, and is silent.
    #[error(
        "the service that runs there says nothing for {} s: it was stopped, or hangs, as on a disk that does not \
         answer; look into its log, and restart it",
        RESPONSE_TIMEOUT.as_secs()
    )]
    Silent,
    /// The service answers too many others; when it can be asked again.
    #[error("{0}")]
    Busy(String),
    /// The service said why.
    #[error("{0}")]
    Failed(String),
    /// The request is longer than any that is read.
    #[error("this is longer than the service takes, {} KiB: ask for less at a time", LIMIT >> 10)]
    TooLong,
    /// The service ended, or is none.
    #[error("the service broke off its answer: {0}")]
    BrokenOff(io::Error),
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::BrokenOff(error)
    }
}

impl ClientError {
    fn of_reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::BrokenOff(error),
        }
    }
}

/// Where a person sees what is no output.
pub trait Screen {
    /// Something is wrong.
    fn tell(&mut self, what: &dyn Display);
    /// The command is at this event, of so many.
    fn progress(&mut self, at: Offset, end: Offset);
}

/// An answer that has begun.
pub struct Answer {
    frames: BufReader<UnixStream>,
    first: Option<Frame>,
    /// Whether it has to come at once.
    is_brief: bool,
}

impl Answer {
    /// Asks the service in `data_dir`, and waits until it has something to print. `lines` follow the request of a
    /// chat.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ask(
        data_dir: &Path,
        request: &Request,
        lines: impl Read + Send + 'static,
        screen: &mut dyn Screen,
    ) -> Result<Self, ClientError> {
        let mut stream = socket::connect(data_dir).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused => {
                ClientError::NobodyListens
            }
            io::ErrorKind::PermissionDenied => ClientError::NotPermitted,
            _ => ClientError::BrokenOff(error),
        })?;
        let line = request.to_line()?;
        stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
        stream.set_write_timeout(Some(RESPONSE_TIMEOUT))?;
        // One that answers too many others says so without reading.
        let asked = stream.write_all(&line);
        if matches!(request.command, Command::Chat { .. }) {
            hand_over(stream.try_clone()?, lines);
        }
        let is_brief = request.command.is_brief();
        let mut answer = Self { frames: BufReader::new(stream), first: None, is_brief };
        match (answer.next(screen), asked) {
            (Ok(first), _) => answer.first = Some(first),
            (Err(why @ (ClientError::Failed(_) | ClientError::Busy(_))), _) => return Err(why),
            (Err(error), asked) => return asked.map_err(ClientError::from).and(Err(error)),
        }
        Ok(answer)
    }

    /// Writes what the command prints to `out`; its exit status.
    ///
    /// # Errors
    /// What writing gives. Where the answer is broken off, an error of another kind.
    pub fn print(mut self, out: &mut dyn Write, screen: &mut dyn Screen) -> io::Result<u8> {
        loop {
            let frame = match self.first.take() {
                Some(first) => first,
                None => self.next(screen).map_err(io::Error::other)?,
            };
            match frame {
                Frame::Output(bytes) => {
                    out.write_all(&bytes)?;
                    out.flush()?;
                }
                Frame::Exit(status) => return Ok(status),
                Frame::Begun | Frame::Told(_) | Frame::Progress(..) | Frame::Busy(_) | Frame::Failed(_) => {}
            }
        }
    }

    /// The next output, or the end.
    fn next(&mut self, screen: &mut dyn Screen) -> Result<Frame, ClientError> {
        loop {
            match Frame::read(&mut self.frames).map_err(ClientError::of_reading)? {
                Frame::Begun if !self.is_brief => {
                    // A person may think for long, and so may a check.
                    let stream = self.frames.get_ref();
                    stream.set_read_timeout(None)?;
                    stream.set_write_timeout(None)?;
                }
                Frame::Begun => {}
                Frame::Busy(why) => return Err(ClientError::Busy(why)),
                Frame::Told(what) => screen.tell(&what),
                Frame::Progress(at, end) => screen.progress(at, end),
                Frame::Failed(why) => return Err(ClientError::Failed(why)),
                frame @ (Frame::Output(_) | Frame::Exit(_)) => return Ok(frame),
            }
        }
    }
}

/// Hands a person's lines to the service as they come, and tells when there are no more. The thread may wait for a
/// line when the program ends, which does not wait for it.
fn hand_over(mut stream: UnixStream, mut lines: impl Read + Send + 'static) {
    let copying = move || {
        // Where the service is gone, its answer is broken off, which is told.
        let _ = io::copy(&mut lines, &mut stream);
        let _ = stream.shutdown(Shutdown::Write);
    };
    if let Err(error) = thread::Builder::new().name("lines".to_owned()).spawn(copying) {
        tracing::warn!("could not start a thread that reads the lines: {error}");
    }
}
