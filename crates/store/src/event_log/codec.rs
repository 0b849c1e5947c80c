//! One event as a line of a segment.

use crate::event::{self, Event, EventReader, Offset};

const START: &[u8] = b"{\"offset\":";

/// How a line goes on behind its offset that stands for several events.
const LOST: &[u8] = b"{\"type\":\"lost\",";

/// Appends `event` at `offset` to `lines` in the form in which the log keeps it, a line.
///
/// # Errors
/// If the event cannot be serialized; `lines` is as it was.
pub fn encode_line(offset: Offset, event: &Event, lines: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let start = lines.len();
    lines.extend_from_slice(START);
    lines.extend_from_slice(itoa::Buffer::new().format(offset.0).as_bytes());
    lines.push(b',');
    let written = event::push_fields(lines, event);
    match written {
        Ok(()) => lines.extend_from_slice(b"}\n"),
        Err(_) => lines.truncate(start),
    }
    written
}

/// How many lines seem to have run into one.
pub(super) fn count(text: &[u8]) -> u64 {
    text.windows(START.len()).filter(|window| *window == START).count() as u64
}

/// A line whose offset is known, and whose event can be read.
pub(super) struct Line<'a> {
    pub(super) offset: Offset,
    /// From the comma after the offset on.
    body: &'a mut [u8],
}

impl<'a> Line<'a> {
    /// The line of this text, unless it does not begin with an offset.
    pub(super) fn new(text: &'a mut [u8]) -> Option<Self> {
        let rest = text.strip_prefix(START)?;
        let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
        let offset = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let comma = START.len() + digits.len();
        let body = text.get_mut(comma..).filter(|body| body.starts_with(b","))?;
        Some(Self { offset: Offset(offset), body })
    }

    /// Reads the event.
    pub(super) fn event(&mut self, reader: &mut EventReader) -> Result<Event, serde_json::Error> {
        self.with_brace(|body| reader.read(body))
    }

    /// The offset behind the event, whether that can be read or not.
    pub(super) fn end(&mut self, reader: &mut EventReader) -> Offset {
        let offset = self.offset;
        self.with_brace(|body| match body.starts_with(LOST) {
            true => reader.read(body).map_or(offset.next(), |event| event.end(offset)),
            false => offset.next(),
        })
    }

    /// Has the comma be the brace that an event begins with, for as long as that is looked at.
    fn with_brace<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> T {
        self.set_first(b'{');
        let seen = look(self.body);
        self.set_first(b',');
        seen
    }

    fn set_first(&mut self, byte: u8) {
        if let Some(first) = self.body.first_mut() {
            *first = byte;
        }
    }
}
