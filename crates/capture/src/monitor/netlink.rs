//! Netlink: sends a request and waits for its reply.
//!
//! - Every request asks for an acknowledgement or is a dump, so every reply has an end.
//! - The kernel replies while the request is sent. A missing reply is an error after [`RESPONSE_TIMEOUT`], never an
//!   endless wait.
//! - Unknown parts of a reply are ignored, because newer kernels add attributes. An attribute that is cut short ends
//!   the reading of its message and nothing else.

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

/// How long a reply may take. Drivers that load firmware to bring an interface up need seconds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

/// More than the kernel puts into one datagram.
const MAX_DATAGRAM_BYTES: usize = 64 << 10;

/// How many times a dump is requested in all if the kernel marks it as inconsistent.
const MAX_DUMP_ATTEMPTS: u32 = 5;

/// `NLMSGERR_ATTR_MSG`: a text that says why the kernel refused.
const ERROR_MESSAGE: u16 = 1;

const HEADER_LENGTH: usize = 16;
const ATTRIBUTE_HEADER_LENGTH: usize = 4;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NetlinkError {
    /// The kernel refused; newer kernels explain why.
    #[error("{}{}", io::Error::from(*errno), explanation.as_ref().map_or(String::new(), |why| format!(" ({why})")))]
    Refused { errno: Errno, explanation: Option<String> },
    /// The socket does not work.
    #[error("netlink: {0}")]
    Io(#[from] io::Error),
    /// The reply cannot be parsed.
    #[error("netlink: the kernel's reply is malformed: {0}")]
    Malformed(String),
}

impl NetlinkError {
    /// The error number with which the kernel refused.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Io(_) | Self::Malformed(_) => None,
        }
    }
}

/// The body of a message of any family, as bytes: its fixed header and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MessageBody {
    kind: u16,
    pub bytes: Vec<u8>,
}

impl NetlinkSerializable for MessageBody {
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

impl NetlinkDeserializable for MessageBody {
    type Error = std::convert::Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self { kind: header.message_type, bytes: payload.to_vec() })
    }
}

/// A request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NetlinkRequest {
    flags: u16,
    body: MessageBody,
}

impl NetlinkRequest {
    /// A request of this message type with the fixed header of its family; the kernel acknowledges it.
    pub fn new(kind: u16, fixed_header: &[u8]) -> Self {
        Self { flags: NLM_F_REQUEST | NLM_F_ACK, body: MessageBody { kind, bytes: fixed_header.to_vec() } }
    }

    /// Like [`Self::new`], for a list of all objects.
    pub fn dump(kind: u16, fixed_header: &[u8]) -> Self {
        Self { flags: NLM_F_REQUEST | NLM_F_DUMP, ..Self::new(kind, fixed_header) }
    }

    /// Appends an attribute.
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let attribute = DefaultNla::new(kind, value.to_vec());
        let start = self.body.bytes.len();
        self.body.bytes.resize(start + attribute.buffer_len(), 0);
        attribute.emit(self.body.bytes.get_mut(start..).unwrap_or_default());
        self
    }

    /// Appends an attribute that is a number.
    pub fn with_u32(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// Appends an attribute that is a NUL-terminated string.
    pub fn with_string(self, kind: u16, text: &str) -> Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.with(kind, &value)
    }

    /// The request as bytes to send.
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

/// The attributes in `bytes`: type without flags, and value.
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

/// A 32-bit number in the machine's byte order, as the kernel writes it.
pub(super) fn u32_value(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

/// A string up to its NUL.
pub(super) fn string_value(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// What has been received in reply to a request so far.
#[derive(Debug, Default)]
pub(super) struct NetlinkReply {
    bodies: Vec<MessageBody>,
    is_complete: bool,
    is_inconsistent: bool,
}

impl NetlinkReply {
    /// Adds the messages of a datagram, except those in reply to another request than `sequence`.
    pub fn add_datagram(&mut self, mut datagram: &[u8], sequence: u32) -> Result<(), NetlinkError> {
        while !datagram.is_empty() && !self.is_complete {
            let length = NetlinkBuffer::new_checked(datagram).map_err(malformed)?.length() as usize;
            let message = NetlinkMessage::<MessageBody>::deserialize(datagram).map_err(malformed)?;
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
            if message.header.sequence_number == sequence {
                self.add_message(message)?;
            }
        }
        Ok(())
    }

    /// Whether the end of the reply has been received.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether the listed objects changed while the kernel listed them.
    pub fn is_inconsistent(&self) -> bool {
        self.is_inconsistent
    }

    /// The messages, without those that only mark the end.
    pub fn into_bodies(self) -> Vec<MessageBody> {
        self.bodies
    }

    fn add_message(&mut self, message: NetlinkMessage<MessageBody>) -> Result<(), NetlinkError> {
        let (header, payload) = message.into_parts();
        self.is_inconsistent |= header.flags & NLM_F_DUMP_INTR != 0;
        match payload {
            NetlinkPayload::InnerMessage(body) => self.bodies.push(body),
            NetlinkPayload::Error(error) if error.raw_code() != 0 => {
                return Err(refused(error.raw_code(), explanation(header.flags, &error)));
            }
            NetlinkPayload::Done(done) if done.code < 0 => return Err(refused(done.code, None)),
            NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => self.is_complete = true,
            _ => {}
        }
        Ok(())
    }
}

fn malformed(error: impl std::fmt::Display) -> NetlinkError {
    NetlinkError::Malformed(error.to_string())
}

fn refused(code: i32, explanation: Option<String>) -> NetlinkError {
    // The range of errno values in the kernel.
    match code.saturating_neg() {
        errno @ 1..=4095 => NetlinkError::Refused { errno: Errno::from_raw_os_error(errno), explanation },
        _ => malformed(format!("error {code}")),
    }
}

/// The kernel's explanation. It follows the header of the refused request, or the whole request.
fn explanation(flags: u16, error: &ErrorMessage) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let request = error.header.as_slice();
    let echoed = if flags & NLM_F_CAPPED != 0 { HEADER_LENGTH } else { u32_value(request)? as usize };
    attribute(request.get(echoed.next_multiple_of(4)..)?, ERROR_MESSAGE).map(string_value)
}

/// A socket to one netlink family of the kernel.
pub(super) struct NetlinkSocket {
    socket: Socket,
    sequence: u32,
}

impl NetlinkSocket {
    /// Opens a socket; `protocol` is a constant of [`netlink_sys::protocols`].
    pub fn open(protocol: isize) -> Result<Self, NetlinkError> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        // Kernels before 4.12 have neither option and explain nothing.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends a request and waits for the end of its reply.
    pub fn request(&mut self, request: &NetlinkRequest) -> Result<Vec<MessageBody>, NetlinkError> {
        for _ in 0..MAX_DUMP_ATTEMPTS {
            let reply = self.request_once(request)?;
            if !reply.is_inconsistent() {
                return Ok(reply.into_bodies());
            }
        }
        Err(malformed("the list changes faster than it can be read"))
    }

    fn request_once(&mut self, request: &NetlinkRequest) -> Result<NetlinkReply, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(&request.to_bytes(self.sequence), 0)?;
        let deadline = Instant::now() + RESPONSE_TIMEOUT;
        let mut reply = NetlinkReply::default();
        let mut datagram = Vec::with_capacity(MAX_DATAGRAM_BYTES);
        while !reply.is_complete() {
            self.wait(deadline)?;
            datagram.clear();
            match self.socket.recv_from(&mut datagram, 0) {
                // The kernel has port number 0; other processes have other numbers.
                Ok((_, sender)) if sender.port_number() == 0 => {
                    reply.add_datagram(&datagram, self.sequence)?
                }
                Ok(_) => {}
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(reply)
    }

    /// Waits until the socket is readable.
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

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
