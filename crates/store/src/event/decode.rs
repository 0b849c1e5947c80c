//! Decodes the JSON form of events.
//!
//! A rebuild of the state mostly decodes probes. It decodes the exact form that
//! [`push_probe_fields`](super::push_probe_fields) writes without a deserializer. Any other form goes to serde, with the
//! same result.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::listed_networks::{ListedNetworks, SsidList};
use super::model::{Event, EventKind, Person};
use super::probe::Probe;
use super::timestamp::Timestamp;
use dot11::{MacAddr, RequestedSsid, ShortSsid, Signature, Ssid, measured_dbm};

/// Decodes events. Consecutive events of one sensor share the allocation of its name.
#[derive(Debug, Default)]
pub struct EventDecoder {
    sensor: Option<Arc<str>>,
}

impl EventDecoder {
    /// Decodes an event from its JSON form.
    ///
    /// # Errors
    /// If the bytes are not the JSON form of an event.
    pub fn decode(&mut self, json: &[u8]) -> Result<Event, serde_json::Error> {
        match self.decode_probe(json) {
            Some(probe) => Ok(Event::from(probe)),
            None => decode_any(json),
        }
    }

    /// The probe, if the bytes are one as [`push_probe_fields`](super::push_probe_fields) writes it.
    fn decode_probe(&mut self, json: &[u8]) -> Option<Probe> {
        let mut cursor = Cursor(json);
        cursor.skip(b"{\"type\":\"probe\",\"time\":\"")?;
        let time = cursor.time()?;
        cursor.skip(b",\"sensor\":")?;
        let sensor = cursor.string()?;
        cursor.skip(b",\"source\":\"")?;
        let source = cursor.address()?;
        cursor.skip(b"\",\"ssid")?;
        let ssid = cursor.ssid()?;
        cursor.skip(b",\"signal_dbm\":")?;
        let signal_dbm = cursor.integer_or_null()?.and_then(measured_dbm);
        cursor.skip(b",\"frequency_mhz\":")?;
        let frequency_mhz = cursor.integer_or_null()?;
        cursor.skip(b",\"sequence\":")?;
        let sequence = cursor.integer()?;
        cursor.skip(b",\"signature\":\"")?;
        let signature = Signature::from_u64(u64::from_be_bytes(cursor.octets()?));
        cursor.skip(b"\"")?;
        let ssids: SsidList = match cursor.skip(b",\"ssid_list\":") {
            Some(()) => cursor.value()?,
            None => SsidList::default(),
        };
        let short_ssids: Vec<ShortSsid> = match cursor.skip(b",\"short_ssids\":") {
            Some(()) => cursor.value()?,
            None => Vec::new(),
        };
        let device_info = match cursor.skip(b",\"device_info\":") {
            Some(()) => Some(Box::new(cursor.value()?)),
            None => None,
        };
        let not_before = match cursor.skip(b",\"not_before\":\"") {
            Some(()) => Some(cursor.time()?),
            None => None,
        };
        let alerts = match cursor.skip(b",\"alerts\":") {
            Some(()) => cursor.value()?,
            None => Vec::new(),
        };
        if !matches!(cursor.0, b"}" | b"}\n") {
            return None;
        }
        let sensor = self.shared_name(&sensor);
        Some(Probe {
            time,
            sensor,
            source,
            ssid,
            listed: ListedNetworks::new(ssids.iter(), short_ssids.into_iter()),
            signal_dbm,
            frequency_mhz,
            sequence,
            signature,
            device_info,
            not_before,
            alerts,
        })
    }

    fn shared_name(&mut self, sensor: &str) -> Arc<str> {
        match &self.sensor {
            Some(last) if **last == *sensor => Arc::clone(last),
            _ => Arc::clone(self.sensor.insert(Arc::from(sensor))),
        }
    }
}

/// Reads an event in any form that serde accepts.
fn decode_any(json: &[u8]) -> Result<Event, serde_json::Error> {
    #[derive(Deserialize)]
    struct OtherFields {
        time: Timestamp,
        #[serde(default)]
        person: Option<Box<Person>>,
    }
    let kind: EventKind = serde_json::from_slice(json)?;
    match kind {
        EventKind::Probe(probe) => Ok(Event::from(probe)),
        EventKind::Signature { .. } | EventKind::Lost { .. } | EventKind::Omitted { .. } => {
            Ok(Event::without_time(kind))
        }
        _ => {
            let OtherFields { time, person } = serde_json::from_slice(json)?;
            Ok(Event { time: Some(time), person, kind })
        }
    }
}

/// The rest of a text that is read from its start. Each method returns `None` if the text does not continue with what
/// [`push_probe_fields`](super::push_probe_fields) writes.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
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

    /// A time and the quote after it.
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
        self.value().map(Cow::Owned)
    }

    /// A value of any form that serde accepts. serde_json does not look at the bytes of strings that `T` ignores, but
    /// [`decode_any`] requires UTF-8 everywhere.
    fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_slice(self.0).into_iter::<T>();
        let value = values.next()?.ok()?;
        let (read, rest) = self.0.split_at_checked(values.byte_offset())?;
        std::str::from_utf8(read).ok()?;
        self.0 = rest;
        Some(value)
    }

    /// What follows `"ssid`.
    fn ssid(&mut self) -> Option<RequestedSsid> {
        if self.skip(b"\":").is_some() {
            return match self.skip(b"null") {
                Some(()) => Some(RequestedSsid::Absent),
                None => self.string().map(|text| RequestedSsid::from_element(text.as_bytes())),
            };
        }
        self.skip(b"_hex\":\"")?;
        // serde handles anything longer than an SSID.
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

    /// An integer of at most five digits, which is enough for every field of a probe. JSON has no leading zeros. A
    /// fraction or exponent fails where the next key is expected.
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

    /// Both decode the same event, or both fail.
    #[track_caller]
    fn agrees_with_serde(line: &[u8]) {
        let decoded = EventDecoder::default().decode(line).ok();
        assert_eq!(decoded, decode_any(line).ok(), "{}", String::from_utf8_lossy(line));
    }

    proptest! {
        #[test]
        fn every_written_probe_is_decoded_without_serde(probe in probe()) {
            let line = line(&probe);
            prop_assert_eq!(EventDecoder::default().decode_probe(&line), Some(probe));
            agrees_with_serde(&line);
        }

        #[test]
        fn changed_lines_decode_as_by_serde(
            probe in probe(),
            changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
        ) {
            let mut line = line(&probe);
            for (at, byte, how) in changes {
                // Digits and punctuation matter most.
                let marks = b"0159+-.:,eEZ\"\\ {}n";
                let byte = if byte < 0x80 { byte } else { marks[usize::from(byte) % marks.len()] };
                let at = at.index(line.len());
                match how {
                    0 => line[at] = byte,
                    1 => line.insert(at, byte),
                    _ => drop(line.remove(at)),
                }
            }
            agrees_with_serde(&line);
        }
    }

    #[test]
    fn other_forms_decode_as_by_serde() {
        let ordinary = r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310"}"#;
        assert!(EventDecoder::default().decode_probe(ordinary.as_bytes()).is_some());
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
            (
                "e310\"",
                "e310\",\"ssid_list\":[\"a\",\"\",{\"hex\":\"ff\"},\"a\"],\"short_ssids\":[\"0f1c06d2\"]",
            ),
            ("e310\"", "e310\",\"ssid_list\":[],\"short_ssids\":[]"),
            ("e310\"", "e310\",\"ssid_list\":null"),
            ("e310\"", "e310\",\"ssid_list\":[1]"),
            ("e310\"", "e310\",\"short_ssids\":[\"0f1c06\"]"),
            ("e310\"", "e310\",\"short_ssids\":[\"0f1c06d2\"],\"ssid_list\":[\"a\"]"),
            ("e310\"", "e310\",\"not_before\":null"),
            ("e310\"", "e310\",\"device_info\":null"),
            ("e310\"", "e310\",\"device_info\":{}"),
            ("e310\"", "e310\",\"device_info\":[]"),
            ("e310\"", "e310\",\"device_info\": {\"model_name\":\"a\",\"more\":[1]}"),
            ("e310\"", "e310\",\"device_info\":{\"model_name\":null}"),
            ("e310\"", "e310\",\"device_info\":{\"uuid\":\"7\"}"),
            ("e310\"", "e310\",\"device_info\":{},\"device_info\":{}"),
            ("e310\"", "e310\",\"device_info\":{}{}"),
            ("e310\"", "e310\",\"not_before\":\"2026-11-22T00:00:00.000000Z\",\"device_info\":{}"),
            (
                "e310\"",
                "e310\",\"device_info\":{},\"not_before\":\"2026-11-22T00:00:00.000000Z\",\"alerts\":[]",
            ),
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
            agrees_with_serde(changed.as_bytes());
        }
        for length in 0..ordinary.len() {
            agrees_with_serde(&ordinary.as_bytes()[..length]);
        }
        for extra in [
            &b"\"device_info\":{\"more\":\"\xc3\xe5\"}"[..],
            b"\"device_info\":{\"model_name\":\"\xc3\xe5\"}",
            b"\"alerts\":[{\"decision\":\"swallow\",\"chat\":1,\"more\":\"\xc3\xe5\"}]",
        ] {
            let fields = ordinary.strip_suffix('}').unwrap().as_bytes();
            agrees_with_serde(&[fields, b",", extra, b"}"].concat());
        }
    }

    #[test]
    fn events_of_a_sensor_share_its_name() {
        let mut decoder = EventDecoder::default();
        let mut sensor = |name: &str| {
            let line = br#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"X","source":"a4:83:e7:4e:39:15","ssid":null,"signal_dbm":null,"frequency_mhz":null,"sequence":0,"signature":"9f1c06d2ab47e310"}"#;
            let line = std::str::from_utf8(line).unwrap().replace("\"X\"", &format!("\"{name}\""));
            match decoder.decode(line.as_bytes()).unwrap().kind {
                EventKind::Probe(probe) => probe.sensor,
                other => panic!("{other:?}"),
            }
        };
        let (one, same, other) = (sensor("mon0"), sensor("mon0"), sensor("mon1"));
        assert!(Arc::ptr_eq(&one, &same));
        assert_eq!((&*same, &*other), ("mon0", "mon1"));
    }
}
