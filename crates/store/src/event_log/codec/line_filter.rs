//! Reads single fields of a line without decoding it, which is several times as fast.
//!
//! The searched bytes include a key in its quotes. They cannot occur inside of a string, where quotes are escaped.

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::Range;

use memchr::memmem::Finder;

use crate::event::Timestamp;
use dot11::{MacAddr, Ssid, hex};

const TIME: &[u8] = b",\"time\":\"";
const SOURCE: &[u8] = b"\"source\":\"";
const SSID_LIST: &[u8] = b",\"ssid_list\":";
const NOT_BEFORE: &[u8] = b",\"not_before\":";

/// Selects lines by a byte search. It accepts every line that [`encode_line`](super::encode_line) writes for a wanted
/// probe. It may accept others too, so the decoded event has the last word.
#[derive(Debug)]
pub struct LineFilter {
    condition: Condition,
    times: Option<TimeCondition>,
}

#[derive(Debug)]
struct TimeCondition {
    range: Range<Timestamp>,
    time: Finder<'static>,
    not_before: Finder<'static>,
    /// The earliest time of the lines so far.
    earliest: Cell<Timestamp>,
}

impl TimeCondition {
    fn record_any_time(&self) {
        self.earliest.set(Timestamp::from_micros(i64::MIN));
    }

    /// Whether the line may be of a probe that was captured in the range, by its corrected time.
    fn accepts(&self, line: &[u8]) -> bool {
        let value = value_after(&self.time, line).and_then(<[u8]>::first_chunk);
        match value.and_then(Timestamp::from_rfc3339) {
            Some(time) => {
                self.earliest.set(self.earliest.get().min(time));
                // The corrected time may be later.
                time < self.range.end && (time >= self.range.start || self.not_before.find(line).is_some())
            }
            None => {
                // A time of another form may be any.
                if value.is_some() {
                    self.record_any_time();
                }
                true
            }
        }
    }
}

#[derive(Debug)]
enum Condition {
    Any,
    /// The line has one of these addresses as `source`.
    Source {
        key: Box<Finder<'static>>,
        addresses: HashSet<[u8; 17]>,
    },
    /// The line contains one of these.
    AnyOf(Vec<Finder<'static>>),
}

impl LineFilter {
    /// Accepts every line.
    pub fn any() -> Self {
        Self::with(Condition::Any)
    }

    /// Accepts the probes that were sent from one of `addresses`.
    pub fn source(addresses: &[MacAddr]) -> Self {
        let addresses = addresses.iter().map(|address| address.to_ascii()).collect();
        Self::with(Condition::Source { key: Box::new(Finder::new(SOURCE)), addresses })
    }

    /// Accepts the probes that request `ssid`, and those with a list of SSIDs, which may be any.
    pub fn ssid(ssid: &Ssid) -> Self {
        let field = match ssid.as_utf8() {
            Some(text) => format!("\"ssid\":{}", to_json(text)),
            None => format!("\"ssid_hex\":\"{}\"", hex(ssid.as_bytes())),
        };
        Self::any_of(&[field.as_bytes(), SSID_LIST])
    }

    /// Accepts the probes that `sensor` captured.
    pub fn sensor(sensor: &str) -> Self {
        Self::any_of(&[format!("\"sensor\":{}", to_json(sensor)).as_bytes()])
    }

    fn any_of(parts: &[&[u8]]) -> Self {
        Self::with(Condition::AnyOf(parts.iter().map(|part| Finder::new(part).into_owned()).collect()))
    }

    fn with(condition: Condition) -> Self {
        Self { condition, times: None }
    }

    /// Of the lines that it accepts, those of probes that were captured in this range.
    #[must_use]
    pub fn within(self, range: Range<Timestamp>) -> Self {
        let times = TimeCondition {
            range,
            time: Finder::new(TIME),
            not_before: Finder::new(NOT_BEFORE),
            earliest: Cell::new(Timestamp::MAX),
        };
        Self { times: Some(times), ..self }
    }

    /// Records that there are lines that it did not see.
    pub fn record_unread_lines(&self) {
        if let Some(times) = &self.times {
            times.record_any_time();
        }
    }

    /// No line since the last call is of a probe that was captured before this time; `None` without a range.
    pub fn take_earliest(&self) -> Option<Timestamp> {
        Some(self.times.as_ref()?.earliest.replace(Timestamp::MAX))
    }

    /// Whether the line may be a wanted one.
    pub fn accepts(&self, line: &[u8]) -> bool {
        if self.times.as_ref().is_some_and(|times| !times.accepts(line)) {
            return false;
        }
        match &self.condition {
            Condition::Any => true,
            Condition::AnyOf(parts) => parts.iter().any(|part| part.find(line).is_some()),
            Condition::Source { key, addresses } => value_after(key, line)
                .and_then(<[u8]>::first_chunk)
                .is_some_and(|text| addresses.contains(text)),
        }
    }
}

/// Reads the `not_before` of probes.
pub(in super::super) struct NotBeforeReader(Finder<'static>);

impl NotBeforeReader {
    pub(in super::super) fn new() -> Self {
        Self(Finder::new(NOT_BEFORE))
    }

    /// The line's `not_before`, if it has one that can be read.
    pub(in super::super) fn read(&self, line: &[u8]) -> Option<Timestamp> {
        let value = value_after(&self.0, line)?;
        serde_json::Deserializer::from_slice(value).into_iter().next()?.ok()
    }
}

/// What follows the first `key` in the line.
fn value_after<'a>(key: &Finder<'_>, line: &'a [u8]) -> Option<&'a [u8]> {
    let start = key.find(line)?;
    line.get(start + key.needle().len()..)
}

fn to_json(text: &str) -> String {
    // Serializing a string cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::test_probes::probe;
    use crate::event::{Event, Offset, Probe};
    use crate::event_log::encode_line;

    fn line(probe: &Probe) -> Vec<u8> {
        let mut line = Vec::new();
        encode_line(Offset(17), &Event::from(probe.clone()), &mut line).unwrap();
        line
    }

    fn filters_of(probe: &Probe) -> Vec<LineFilter> {
        let mut filters =
            vec![LineFilter::any(), LineFilter::source(&[probe.source]), LineFilter::sensor(&probe.sensor)];
        filters.extend(probe.names().map(|ssid| LineFilter::ssid(&ssid)));
        filters
    }

    proptest! {
        #[test]
        fn filters_accept_every_wanted_line(probe in probe()) {
            for filter in filters_of(&probe) {
                prop_assert!(filter.accepts(&line(&probe)), "{filter:?}");
            }
        }

        #[test]
        fn the_filter_by_source_accepts_nothing_else(probe in probe(), addresses in any::<Vec<[u8; 6]>>()) {
            let addresses: Vec<_> = addresses.into_iter().map(MacAddr::new).collect();
            let accepted = LineFilter::source(&addresses).accepts(&line(&probe));
            prop_assert_eq!(accepted, addresses.contains(&probe.source));
        }

        #[test]
        fn the_range_of_time_accepts_what_was_captured_in_it(probe in probe(), before in -3..3_i64, length in 0..3_i64) {
            let captured = probe.corrected_time().as_micros();
            let [start, end] = [captured - before, captured - before + length].map(Timestamp::from_micros);
            let accepted = LineFilter::any().within(start..end).accepts(&line(&probe));
            prop_assert!(accepted || !(start..end).contains(&probe.corrected_time()));
            if probe.not_before.is_none() {
                prop_assert_eq!(accepted, (start..end).contains(&probe.time));
            }
            let filter = LineFilter::any().within(start..end);
            filter.accepts(&line(&probe));
            prop_assert!(filter.take_earliest().unwrap() <= probe.corrected_time());
            prop_assert_eq!(filter.take_earliest(), Some(Timestamp::MAX));
        }

        #[test]
        fn not_before_reads_as_decoded(probe in probe()) {
            prop_assert_eq!(NotBeforeReader::new().read(&line(&probe)), probe.not_before);
        }
    }

    #[test]
    fn text_cannot_pass_for_a_field() {
        let source = MacAddr::new([2, 0, 0, 0, 0, 1]);
        let ssid = format!(
            r#"","source":"{}","ssid":"Depot","not_before":"2026-11-22T00:00:00Z"#,
            MacAddr::new([2; 6])
        );
        let probe = Probe::example(source, dot11::RequestedSsid::from_element(ssid.as_bytes()), 0);
        let line = line(&probe);
        assert!(!LineFilter::source(&[MacAddr::new([2; 6])]).accepts(&line));
        assert!(LineFilter::source(&[source]).accepts(&line));
        assert!(!LineFilter::ssid(&Ssid::from("Depot")).accepts(&line));
        assert!(NotBeforeReader::new().read(&line).is_none());
    }

    #[test]
    fn a_damaged_time_is_not_read() {
        for value in ["", "5", "\"", "\"2026\"", "\"2026-11-22T00:00:00"] {
            assert!(
                NotBeforeReader::new().read(format!("{{\"a\":1,\"not_before\":{value}").as_bytes()).is_none()
            );
        }
    }
}
