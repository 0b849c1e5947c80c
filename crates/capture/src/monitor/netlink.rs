//! Netlink: one request out, its answer back, on a thread that waits.
//!
//! - Every request asks for an acknowledgement or is a dump, so that every answer has an end.
//! - The kernel answers while the request is sent; that it does not is an error after [`PATIENCE`],
//!   never a wait for ever.
//! - What an answer holds beyond what is looked for is left unread: newer kernels add attributes, and an
//!   attribute that is cut short ends the reading of its message, nothing else.

use std::io;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    DefaultNla, Emitable, ErrorMessage, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR,
    NLM_F_REQUEST, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable, NlasIterator,
};
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long an answer may take. Drivers that load firmware to bring an interface up need seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than the kernel puts into one datagram.
const LARGEST_DATAGRAM: usize = 64 << 10;

/// How often a dump that the kernel calls inconsistent is asked for again.
const DUMP_ATTEMPTS: u32 = 5;

/// `NLMSGERR_ATTR_MSG`: why the kernel refused, in words.
const ERROR_MESSAGE: u16 = 1;

const HEADER_LENGTH: usize = 16;
const ATTRIBUTE_HEADER_LENGTH: usize = 4;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// The kernel says no, newer ones with a reason.
    #[error("{}{}", io::Error::from(*errno), explanation.as_ref().map_or(String::new(), |why| format!(" ({why})")))]
    Refused { errno: Errno, explanation: Option<String> },
    /// The socket does not work.
    #[error("netlink: {0}")]
    Io(#[from] io::Error),
    /// The answer cannot be read.
    #[error("netlink: the kernel's answer makes no sense: {0}")]
    Garbled(String),
}

impl RequestError {
    /// What the kernel refused with.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Io(_) | Self::Garbled(_) => None,
        }
    }
}

/// The body of a message of any family: its fixed header and its attributes, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    kind: u16,
    pub bytes: Vec<u8>,
}

impl NetlinkSerializable for Body {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.bytes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.bytes);
    }
}

impl NetlinkDeserializable for Body {
    type Error = std::convert::Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self { kind: header.message_type, bytes: payload.to_vec() })
    }
}

/// What is asked of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    flags: u16,
    body: Body,
}

impl Request {
    /// A request of this message type with the fixed header of its family, to be acknowledged.
    pub fn new(kind: u16, fixed: &[u8]) -> Self {
        Self { flags: NLM_F_REQUEST | NLM_F_ACK, body: Body { kind, bytes: fixed.to_vec() } }
    }

    /// As [`Self::new`], for a list of everything there is.
    pub fn dump(kind: u16, fixed: &[u8]) -> Self {
        Self { flags: NLM_F_REQUEST | NLM_F_DUMP, ..Self::new(kind, fixed) }
    }

    /// The request with one attribute more.
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let attribute = DefaultNla::new(kind, value.to_vec());
        let start = self.body.bytes.len();
        self.body.bytes.resize(start + attribute.buffer_len(), 0);
        attribute.emit(self.body.bytes.get_mut(start..).unwrap_or_default());
        self
    }

    /// The request with an attribute that is a number.
    pub fn with_u32(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// The request with an attribute that is a text, which ends in NUL.
    pub fn with_text(self, kind: u16, text: &str) -> Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.with(kind, &value)
    }

    /// The request as it is sent.
    pub fn to_bytes(&self, sequence: u32) -> Vec<u8> {
        let mut header = NetlinkHeader::default();
        header.flags = self.flags;
        header.sequence_number = sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(self.body.clone()));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }
}

/// The attributes in `bytes`: type, without the flags in it, and value.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(|attribute| {
        let attribute = attribute.ok()?;
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        Some((kind, attribute.into_inner().get(ATTRIBUTE_HEADER_LENGTH..length)?))
    })
}

/// The value of the first attribute of this type.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(found, value)| (found == kind).then_some(value))
}

/// A number, as the kernel writes it.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

/// A text up to its NUL.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// What has come back to a request so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    bodies: Vec<Body>,
    is_whole: bool,
    is_inconsistent: bool,
}

impl Answer {
    /// Takes in a datagram; messages that answer another request than `sequence` are left out.
    pub fn take(&mut self, mut datagram: &[u8], sequence: u32) -> Result<(), RequestError> {
        while !datagram.is_empty() && !self.is_whole {
            let length = NetlinkBuffer::new_checked(datagram).map_err(garbled)?.length() as usize;
            let message = NetlinkMessage::<Body>::deserialize(datagram).map_err(garbled)?;
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
            if message.header.sequence_number == sequence {
                self.take_message(message)?;
            }
        }
        Ok(())
    }

    /// Whether its end has come.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether what it lists changed while it was listed.
    pub fn is_inconsistent(&self) -> bool {
        self.is_inconsistent
    }

    /// The messages, without those that only mark the end.
    pub fn into_bodies(self) -> Vec<Body> {
        self.bodies
    }

    fn take_message(&mut self, message: NetlinkMessage<Body>) -> Result<(), RequestError> {
        let (header, payload) = message.into_parts();
        self.is_inconsistent |= header.flags & NLM_F_DUMP_INTR != 0;
        match payload {
            NetlinkPayload::InnerMessage(body) => self.bodies.push(body),
            NetlinkPayload::Error(error) if error.raw_code() != 0 => {
                return Err(refused(error.raw_code(), explanation(header.flags, &error)));
            }
            NetlinkPayload::Done(done) if done.code < 0 => return Err(refused(done.code, None)),
            NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => self.is_whole = true,
            _ => {}
        }
        Ok(())
    }
}

fn garbled(error: impl std::fmt::Display) -> RequestError {
    RequestError::Garbled(error.to_string())
}

fn refused(code: i32, explanation: Option<String>) -> RequestError {
    // The kernel's own bounds; an errno outside of them is none.
    match code.saturating_neg() {
        errno @ 1..=4095 => RequestError::Refused { errno: Errno::from_raw_os_error(errno), explanation },
        _ => garbled(format!("error {code}")),
    }
}

/// The words that come after the header of the refused request, or after all of it.
fn explanation(flags: u16, error: &ErrorMessage) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let request = error.header.as_slice();
    let echoed = if flags & NLM_F_CAPPED != 0 { HEADER_LENGTH } else { number(request)? as usize };
    attribute(request.get(echoed.next_multiple_of(4)..)?, ERROR_MESSAGE).map(text)
}

/// A socket to one part of the kernel.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket; `protocol` is one of netlink-sys's.
    pub fn open(protocol: isize) -> Result<Self, RequestError> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        // Kernels before 4.12 know neither, and explain nothing.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends the request and waits for the end of its answer.
    pub fn ask(&mut self, request: &Request) -> Result<Vec<Body>, RequestError> {
        for _ in 0..DUMP_ATTEMPTS {
            let answer = self.ask_once(request)?;
            if !answer.is_inconsistent() {
                return Ok(answer.into_bodies());
            }
        }
        Err(garbled("the list changes faster than it can be read"))
    }

    fn ask_once(&mut self, request: &Request) -> Result<Answer, RequestError> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(&request.to_bytes(self.sequence), 0)?;
        let deadline = Instant::now() + PATIENCE;
        let mut answer = Answer::default();
        let mut datagram = Vec::with_capacity(LARGEST_DATAGRAM);
        while !answer.is_whole() {
            self.wait(deadline)?;
            datagram.clear();
            match self.socket.recv_from(&mut datagram, 0) {
                // Other processes have other port numbers than the kernel's 0.
                Ok((_, sender)) if sender.port_number() == 0 => answer.take(&datagram, self.sequence)?,
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(answer)
    }

    /// Waits until there is something to read.
    fn wait(&self, deadline: Instant) -> io::Result<()> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let limit = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
            match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&limit)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
