//! Reads the JSON form of events.
//!
//! A rebuild of the state mostly reads probes. The exact form that [`push_probe_fields`](super::push_probe_fields) writes is read
//! without a deserializer. Any other form goes to serde, with the same result.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::{Event, EventKind, Probe, Timestamp};
use dot11::{MacAddr, RequestedSsid, Signature, Ssid};

/// Reads events, one after the other. Those of one sensor share its name.
#[derive(Debug, Default)]
pub struct EventDecoder {
    sensor: Option<Arc<str>>,
}

impl EventDecoder {
    /// Reads an event from its JSON form.
    ///
    /// # Errors
    /// If the bytes are not the JSON form of an event.
    pub fn read(&mut self, json: &[u8]) -> Result<Event, serde_json::Error> {
        match self.read_probe(json) {
            Some(probe) => Ok(Event::from(probe)),
            None => read_any(json),
        }
    }

    /// The probe, if the bytes are one as [`push_probe_fields`](super::push_probe_fields) writes it.
    fn read_probe(&mut self, json: &[u8]) -> Option<Probe> {
        let mut form = Form(json);
        form.skip(b"{\"type\":\"probe\",\"time\":\"")?;
        let time = form.time()?;
        form.skip(b",\"sensor\":")?;
        let sensor = form.string()?;
        form.skip(b",\"source\":\"")?;
        let source = form.address()?;
        form.skip(b"\",\"ssid")?;
        let ssid = form.ssid()?;
        form.skip(b",\"signal_dbm\":")?;
        let signal_dbm = form.integer_or_null()?;
        form.skip(b",\"frequency_mhz\":")?;
        let frequency_mhz = form.integer_or_null()?;
        form.skip(b",\"sequence\":")?;
        let sequence = form.integer()?;
        form.skip(b",\"signature\":\"")?;
        let signature = Signature::from_u64(u64::from_be_bytes(form.octets()?));
        form.skip(b"\"")?;
        let not_before = match form.skip(b",\"not_before\":\"") {
            Some(()) => Some(form.time()?),
            None => None,
        };
        let rest = form.0.strip_suffix(b"\n").unwrap_or(form.0).strip_suffix(b"}")?;
        let alerts = match rest.strip_prefix(b",\"alerts\":") {
            Some(alerts) => serde_json::from_slice(alerts).ok()?,
            None if rest.is_empty() => Vec::new(),
            None => return None,
        };
        let sensor = self.shared(&sensor);
        Some(Probe {
            time,
            sensor,
            source,
            ssid,
            signal_dbm,
            frequency_mhz,
            sequence,
            signature,
            not_before,
            alerts,
        })
    }

    fn shared(&mut self, sensor: &str) -> Arc<str> {
        match &self.sensor {
            Some(last) if **last == *sensor => Arc::clone(last),
            _ => Arc::clone(self.sensor.insert(Arc::from(sensor))),
        }
    }
}

/// Reads an event in any form that serde accepts.
fn read_any(json: &[u8]) -> Result<Event, serde_json::Error> {
    #[derive(Deserialize)]
    struct TimeField {
        time: Timestamp,
    }
    let kind: EventKind = serde_json::from_slice(json)?;
    match kind {
        EventKind::Probe(probe) => Ok(Event::from(probe)),
        EventKind::Signature { .. } | EventKind::Lost { .. } => Ok(Event::without_time(kind)),
        _ => serde_json::from_slice(json).map(|TimeField { time }| Event::new(time, kind)),
    }
}

/// What is left of a text that is read from its beginning on. Each part of it is `None` where it does not
/// stand there as it would be written.
struct Form<'a>(&'a [u8]);

impl<'a> Form<'a> {
    #[inline]
    fn skip(&mut self, literal: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    #[inline]
    fn take<const LENGTH: usize>(&mut self) -> Option<&'a [u8; LENGTH]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    /// A time and the quote behind it.
    #[inline]
    fn time(&mut self) -> Option<Timestamp> {
        let time = Timestamp::from_rfc3339(self.take()?)?;
        self.skip(b"\"")?;
        Some(time)
    }

    /// A string in its quotes.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let inside = self.0.strip_prefix(b"\"")?;
        let length = inside.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'))?;
        let (text, rest) = inside.split_at_checked(length)?;
        if let Some(rest) = rest.strip_prefix(b"\"") {
            self.0 = rest;
            return std::str::from_utf8(text).ok().map(Cow::Borrowed);
        }
        let mut strings = serde_json::Deserializer::from_slice(self.0).into_iter::<String>();
        let text = strings.next()?.ok()?;
        self.0 = self.0.get(strings.byte_offset()..)?;
        Some(Cow::Owned(text))
    }

    /// What stands behind `"ssid`.
    fn ssid(&mut self) -> Option<RequestedSsid> {
        if self.skip(b"\":").is_some() {
            return match self.skip(b"null") {
                Some(()) => Some(RequestedSsid::Absent),
                None => self.string().map(|text| RequestedSsid::from_element(text.as_bytes())),
            };
        }
        self.skip(b"_hex\":\"")?;
        // What is longer than any SSID can be is left to serde.
        let (mut bytes, mut length) = ([0; 255], 0);
        while self.skip(b"\"").is_none() {
            let [octet] = self.octets()?;
            *bytes.get_mut(length)? = octet;
            length += 1;
        }
        bytes.get(..length).map(|bytes| RequestedSsid::Named(Ssid::new(bytes)))
    }

    fn address(&mut self) -> Option<MacAddr> {
        let mut octets = [0; 6];
        let [first, others @ ..] = &mut octets;
        [*first] = self.octets()?;
        for octet in others {
            self.skip(b":")?;
            [*octet] = self.octets()?;
        }
        Some(MacAddr::new(octets))
    }

    /// Octets of two hex digits each.
    #[inline]
    fn octets<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let mut octets = [0; COUNT];
        for octet in &mut octets {
            let [high, low] = self.take()?;
            *octet = hex_value(*high)? << 4 | hex_value(*low)?;
        }
        Some(octets)
    }

    #[inline]
    fn integer_or_null<T: TryFrom<i32>>(&mut self) -> Option<Option<T>> {
        match self.skip(b"null") {
            Some(()) => Some(None),
            None => self.integer().map(Some),
        }
    }

    /// An integer of at most five digits, which no field of a probe exceeds. JSON knows no leading zeros,
    /// and what goes on as a fraction or a power is found out by what is expected next.
    #[inline]
    fn integer<T: TryFrom<i32>>(&mut self) -> Option<T> {
        let is_negative = self.skip(b"-").is_some();
        let mut number = 0;
        let mut digits = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            number = number * 10 + i32::from(*digit - b'0');
            digits += 1;
            self.0 = rest;
            if digits > 5 || number == 0 && (is_negative || rest.first().is_some_and(u8::is_ascii_digit)) {
                return None;
            }
        }
        let number = if is_negative { -number } else { number };
        if digits == 0 { None } else { T::try_from(number).ok() }
    }
}

#[inline]
fn hex_value(digit: u8) -> Option<u8> {
    const NONE: u8 = 0xff;
    const VALUES: [u8; 256] = {
        let mut values = [NONE; 256];
        let mut value: u8 = 0;
        while value < 16 {
            let digit = b"0123456789abcdef"[value as usize];
            values[digit as usize] = value;
            values[digit.to_ascii_uppercase() as usize] = value;
            value += 1;
        }
        values
    };
    VALUES.get(usize::from(digit)).copied().filter(|value| *value != NONE)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::event::push_probe_fields;
    use crate::event::test_probes::probe;

    fn line(probe: &Probe) -> Vec<u8> {
        let mut line = b"{".to_vec();
        push_probe_fields(&mut line, probe).unwrap();
        line.extend_from_slice(b"}\n");
        line
    }

    /// Both read the same, or neither reads anything.
    #[track_caller]
    fn reads_as_with_serde(line: &[u8]) {
        let read = EventDecoder::default().read(line).ok();
        assert_eq!(read, read_any(line).ok(), "{}", String::from_utf8_lossy(line));
    }

    proptest! {
        #[test]
        fn every_probe_is_read_without_serde(probe in probe()) {
            let line = line(&probe);
            prop_assert_eq!(EventDecoder::default().read_probe(&line), Some(probe));
            reads_as_with_serde(&line);
        }

        #[test]
        fn what_was_changed_reads_as_with_serde(
            probe in probe(),
            changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
        ) {
            let mut line = line(&probe);
            for (at, byte, how) in changes {
                // Digits and marks are what a line hinges on.
                let marks = b"0159+-.:,eEZ\"\\ {}n";
                let byte = if byte < 0x80 { byte } else { marks[usize::from(byte) % marks.len()] };
                let at = at.index(line.len());
                match how {
                    0 => line[at] = byte,
                    1 => line.insert(at, byte),
                    _ => drop(line.remove(at)),
                }
            }
            reads_as_with_serde(&line);
        }
    }

    #[test]
    fn what_is_written_otherwise_reads_as_with_serde() {
        let ordinary = r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310"}"#;
        assert!(EventDecoder::default().read_probe(ordinary.as_bytes()).is_some());
        for (from, to) in [
            ("04-18", "02-30"),
            ("04-18", "02-29"),
            ("2020-04-18", "2021-02-29"),
            ("2020-04-18", "1900-02-29"),
            ("04-18", "13-18"),
            ("04-18", "00-18"),
            ("04-18", "04-00"),
            ("04-18", "04-31"),
            ("T17:", "T24:"),
            ("04:27", "60:27"),
            ("04:27", "59:60"),
            ("T17", "t17"),
            ("Z\"", "z\""),
            ("Z\"", "+\""),
            (".123456Z", "Z"),
            (".123456Z", ".12345678+01:00"),
            ("-42", "-0"),
            ("-42", "-042"),
            ("-42", "-128"),
            ("-42", "-129"),
            ("-42", "128"),
            ("-42", "-"),
            ("-42", "null"),
            ("-42", "1e1"),
            ("-42", "1.0"),
            ("2437", "65536"),
            ("2437", "100000"),
            ("2437", "00"),
            ("2743", "null"),
            ("2743", "-1"),
            ("2743", " 2743"),
            ("RNM0", "\\u00e9\\ud83d\\ude00\\n"),
            ("RNM0", "\\ud83d"),
            ("RNM0", "a\tb"),
            ("RNM0", "\\"),
            ("\"RNM0\"", "5"),
            ("ssid\":\"RNM0", "ssid_hex\":\"FFfe00"),
            ("ssid\":\"RNM0", "ssid_hex\":\""),
            ("ssid\":\"RNM0", "ssid_hex\":\"fff"),
            ("ssid\":\"RNM0", "ssid_hex\":\"zz"),
            ("\"ssid\":\"RNM0\",", ""),
            ("mon0", ""),
            ("mon0", "\\\"\\u0000"),
            ("a4:83", "A4:83"),
            ("a4:83", "a4-83"),
            ("9f1c", "9F1C"),
            ("9f1c", "9f1"),
            ("e310\"", "e310\",\"not_before\":\"2026-11-22T00:00:00.000000Z\""),
            ("e310\"", "e310\",\"not_before\":\"2026-11-22T00:00:00Z\""),
            ("e310\"", "e310\",\"not_before\":null"),
            ("e310\"", "e310\",\"not_before\":\"\""),
            ("e310\"", "e310\",\"alerts\":[],\"not_before\":\"2026-11-22T00:00:00.000000Z\""),
            ("e310\"", "e310\",\"alerts\":[]"),
            ("e310\"", "e310\",\"alerts\":null"),
            ("e310\"", "e310\",\"alerts\":[{\"decision\":\"swallow\",\"chat\":1}],\"more\":[]"),
            ("e310\"}", "e310\"}}"),
            ("e310\"}", "e310\"} \r\n"),
            ("e310\"}", "e310\"\u{b}}"),
            ("e310\"}", "e310\"}\u{c}"),
            ("e310\"", "e310\",\"more\":1"),
        ] {
            let changed = ordinary.replacen(from, to, 1);
            assert_ne!(changed, ordinary);
            reads_as_with_serde(changed.as_bytes());
        }
        for length in 0..ordinary.len() {
            reads_as_with_serde(&ordinary.as_bytes()[..length]);
        }
    }

    #[test]
    fn a_sensor_has_one_name_in_memory() {
        let mut reader = EventDecoder::default();
        let mut sensor = |name: &str| {
            let line = br#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"X","source":"a4:83:e7:4e:39:15","ssid":null,"signal_dbm":null,"frequency_mhz":null,"sequence":0,"signature":"9f1c06d2ab47e310"}"#;
            let line = std::str::from_utf8(line).unwrap().replace("\"X\"", &format!("\"{name}\""));
            match reader.read(line.as_bytes()).unwrap().kind {
                EventKind::Probe(probe) => probe.sensor,
                other => panic!("{other:?}"),
            }
        };
        let (one, same, other) = (sensor("mon0"), sensor("mon0"), sensor("mon1"));
        assert!(Arc::ptr_eq(&one, &same));
        assert_eq!((&*same, &*other), ("mon0", "mon1"));
    }
}
