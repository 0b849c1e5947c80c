//! Lines of the event log. No other module knows their bytes.
//!
//! A line is `{"offset":N,`, the fields of the event (see [`crate::event`]), `}` and `\n`. [`encode_line`] writes one,
//! [`LogLine`] reads one, and [`LineFilter`] tells without decoding whether a line can be of interest.

mod line_filter;

pub use line_filter::LineFilter;
pub(super) use line_filter::NotBeforeReader;

use crate::event::{Event, EventDecoder, Offset, push_event_fields};

const START: &[u8] = b"{\"offset\":";

/// Prefixes of events that stand for several offsets.
const SEVERAL: [&[u8]; 2] = [b"{\"type\":\"lost\",", b"{\"type\":\"omitted\","];

/// Appends the line of `event` at `offset` to `lines`.
///
/// # Errors
/// If the event cannot be serialized; `lines` is unchanged then.
pub fn encode_line(offset: Offset, event: &Event, lines: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let start = lines.len();
    lines.extend_from_slice(START);
    lines.extend_from_slice(itoa::Buffer::new().format(offset.0).as_bytes());
    lines.push(b',');
    let encoded = push_event_fields(lines, event);
    match encoded {
        Ok(()) => lines.extend_from_slice(b"}\n"),
        Err(_) => lines.truncate(start),
    }
    encoded
}

/// How many lines a text contains that may have lost its line ends.
pub(super) fn count_line_starts(text: &[u8]) -> u64 {
    text.windows(START.len()).filter(|window| *window == START).count() as u64
}

/// A line whose offset is known and whose event can be decoded.
pub(super) struct LogLine<'a> {
    pub(super) offset: Offset,
    /// From the comma after the offset on.
    body: &'a mut [u8],
}

impl<'a> LogLine<'a> {
    /// The line with this text; `None` if it does not begin with an offset.
    pub(super) fn new(text: &'a mut [u8]) -> Option<Self> {
        let rest = text.strip_prefix(START)?;
        let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
        let offset = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let comma = START.len() + digits.len();
        let body = text.get_mut(comma..).filter(|body| body.starts_with(b","))?;
        Some(Self { offset: Offset(offset), body })
    }

    /// Decodes the event.
    pub(super) fn event(&mut self, decoder: &mut EventDecoder) -> Result<Event, serde_json::Error> {
        self.with_brace(|json| decoder.decode(json))
    }

    /// The offset after the event, also if the event cannot be decoded.
    pub(super) fn end(&mut self, decoder: &mut EventDecoder) -> Offset {
        let offset = self.offset;
        self.with_brace(|json| match SEVERAL.iter().any(|prefix| json.starts_with(prefix)) {
            true => decoder.decode(json).map_or(offset.next(), |event| event.end(offset)),
            false => offset.next(),
        })
    }

    /// Calls `read` with the JSON of the event alone: its opening brace takes the place of the comma meanwhile.
    fn with_brace<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> T {
        self.set_first(b'{');
        let result = read(self.body);
        self.set_first(b',');
        result
    }

    fn set_first(&mut self, byte: u8) {
        if let Some(first) = self.body.first_mut() {
            *first = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::test_probes::probe;

    #[test]
    fn a_line_without_an_offset_is_rejected() {
        for text in
            ["", "{}\n", "{\"offset\":}\n", "{\"offset\":-1,}\n", "{\"offset\":1}\n", "{\"offset\": 1,}\n"]
        {
            assert!(LogLine::new(&mut text.as_bytes().to_vec()).is_none(), "{text:?}");
        }
    }

    #[test]
    fn line_starts_are_counted_without_line_ends() {
        assert_eq!(count_line_starts(b""), 0);
        assert_eq!(count_line_starts(b"{\"offset\":1,\"type\":\"pro{\"offset\":2,{\"offset\":\0"), 3);
    }

    proptest! {
        #[test]
        fn any_probe_survives_encoding(probe in probe(), offset in 0..=Offset::MAX.0) {
            let (offset, event) = (Offset(offset), Event::from(probe));
            let mut text = Vec::new();
            encode_line(offset, &event, &mut text).unwrap();
            let before = text.clone();
            let mut line = LogLine::new(&mut text).unwrap();
            let mut decoder = EventDecoder::default();
            prop_assert_eq!(line.offset, offset);
            prop_assert_eq!(line.end(&mut decoder), offset.next());
            prop_assert_eq!(line.event(&mut decoder).unwrap(), event);
            prop_assert_eq!(text, before);
        }
    }
}
