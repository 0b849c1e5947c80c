//! The frames of an answer, see the head of the room.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use crate::event::Offset;

/// Output that is sent at once, unless it is flushed before.
const OUTPUT_BYTES: usize = 64 << 10;

/// The longest line that says what a frame is, and the longest frame, in bytes.
const HEAD_LIMIT: u64 = 1 << 10;
const BODY_LIMIT: usize = 1 << 20;

/// What a frame is, and how many bytes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
enum Head {
    Begun,
    Output { bytes: usize },
    Told { bytes: usize },
    Progress { at: Offset, end: Offset },
    Exit { status: u8 },
    Busy { bytes: usize },
    Failed { bytes: usize },
}

/// A part of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The request was read, and is being answered.
    Begun,
    /// What the command prints.
    Output(Vec<u8>),
    /// Something that is wrong, and does not end the command.
    Told(String),
    /// Up to which event it is, of how many.
    Progress(Offset, Offset),
    /// The end of a whole answer.
    Exit(u8),
    /// Why there is none now, and may be in a while.
    Busy(String),
    /// Why there is no answer, or not all of it.
    Failed(String),
}

impl Frame {
    /// Reads the next frame.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut line = Vec::new();
        Read::take(&mut *from, HEAD_LIMIT).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut body = |bytes: usize| {
            if bytes > BODY_LIMIT {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
            }
            let mut body = vec![0; bytes];
            from.read_exact(&mut body).map(|()| body)
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(match serde_json::from_slice(&line)? {
            Head::Begun => Self::Begun,
            Head::Output { bytes } => Self::Output(body(bytes)?),
            Head::Told { bytes } => Self::Told(text(body(bytes)?)),
            Head::Progress { at, end } => Self::Progress(at, end),
            Head::Exit { status } => Self::Exit(status),
            Head::Busy { bytes } => Self::Busy(text(body(bytes)?)),
            Head::Failed { bytes } => Self::Failed(text(body(bytes)?)),
        })
    }

    /// Writes the frame, all of it at once.
    pub(super) fn write(&self, mut to: impl Write) -> io::Result<()> {
        let (head, body): (_, &[u8]) = match self {
            Self::Begun => (Head::Begun, &[]),
            Self::Output(output) => (Head::Output { bytes: output.len() }, output),
            Self::Told(text) => (Head::Told { bytes: text.len() }, text.as_bytes()),
            Self::Progress(at, end) => (Head::Progress { at: *at, end: *end }, &[]),
            Self::Exit(status) => (Head::Exit { status: *status }, &[]),
            Self::Busy(why) => (Head::Busy { bytes: why.len() }, why.as_bytes()),
            Self::Failed(why) => (Head::Failed { bytes: why.len() }, why.as_bytes()),
        };
        let mut bytes = serde_json::to_vec(&head)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(body);
        to.write_all(&bytes)
    }
}

/// What is written to it goes out as frames of output; it is to be flushed at the end.
pub(super) struct Output<'a> {
    stream: &'a UnixStream,
    waiting: Vec<u8>,
}

impl<'a> Output<'a> {
    pub(super) fn new(stream: &'a UnixStream) -> Self {
        Self { stream, waiting: Vec::new() }
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.get(..OUTPUT_BYTES).unwrap_or(bytes);
        self.waiting.extend_from_slice(taken);
        if self.waiting.len() >= OUTPUT_BYTES {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        Frame::Output(std::mem::take(&mut self.waiting)).write(self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let frames = [
            Frame::Begun,
            Frame::Busy("16 others are answered".to_owned()),
            Frame::Output(b"{\"frame\":\n\xff\0".to_vec()),
            Frame::Told("line 7 is damaged".to_owned()),
            Frame::Progress(Offset(7), Offset(9)),
            Frame::Failed("the disk is full".to_owned()),
            Frame::Exit(1),
        ];
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes).unwrap());
        let mut rest = bytes.as_slice();
        for frame in frames {
            assert_eq!(Frame::read(&mut rest).unwrap(), frame);
        }
        assert_eq!(Frame::read(&mut rest).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bytes in [
            &b"{\"frame\":\"output\",\"bytes\":4}\nabc"[..],
            b"{\"frame\":\"output\",\"bytes\":99999999}\n",
            b"{\"frame\":\"output\"}\n",
            b"{\"frame\":\"exit\",\"status\":256}\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            &[b' '; 2000],
        ] {
            assert!(Frame::read(&mut &*bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn output_goes_out_when_there_is_much_of_it_or_it_is_flushed() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut output = Output::new(&near);
        output.write_all(&[b'x'; OUTPUT_BYTES - 1]).unwrap();
        output.write_all(b"yz").unwrap();
        output.flush().unwrap();
        output.flush().unwrap();
        drop(near);
        let mut far = io::BufReader::new(far);
        let Frame::Output(first) = Frame::read(&mut far).unwrap() else { panic!() };
        assert_eq!((first.len(), first.last()), (OUTPUT_BYTES + 1, Some(&b'z')));
        assert!(Frame::read(&mut far).is_err(), "there is nothing more");
    }
}
