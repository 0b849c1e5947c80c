//! Writes the JSON form of events.
//!
//! A probe's is written without a serializer, byte for byte as its `Serialize` gives it, since a line for each frame is
//! most of what `probewatch decode` and the event log write. It allocates nothing but what the buffer grows by, except for
//! alerts, for what a device says about itself, and for lists of networks.

use super::model::{Event, EventKind};
use super::probe::Probe;
use dot11::{RequestedSsid, Signature, Ssid, hex_digits};

/// Appends the fields of an event to `line`: first `type`, then `time`, then `person` if there is one, then the others,
/// without the braces around them, so that the caller can add fields of its own.
///
/// # Errors
/// If the kind cannot be serialized; `line` may then end with a part of the fields.
pub fn push_event_fields(line: &mut Vec<u8>, event: &Event) -> Result<(), serde_json::Error> {
    if let EventKind::Probe(probe) = &event.kind {
        debug_assert_eq!(event.time, Some(probe.corrected_time()));
        return push_probe_fields(line, probe);
    }
    let json = serde_json::to_vec(&event.kind)?;
    let fields = json.strip_prefix(b"{").and_then(|fields| fields.strip_suffix(b"}")).unwrap_or(&json);
    // The first comma follows the type, whose name has none.
    let (kind, others) =
        fields.split_at(fields.iter().position(|byte| *byte == b',').unwrap_or(fields.len()));
    line.extend_from_slice(kind);
    if let Some(time) = event.time {
        line.extend_from_slice(b",\"time\":\"");
        line.extend_from_slice(&time.rfc3339());
        line.push(b'"');
    }
    if let Some(person) = &event.person {
        line.extend_from_slice(b",\"person\":");
        serde_json::to_writer(&mut *line, person)?;
    }
    line.extend_from_slice(others);
    Ok(())
}

/// As [`push_event_fields`], for a probe.
///
/// # Errors
/// If an alert decision or the device's information cannot be serialized; `line` may then end with a part of the fields.
pub fn push_probe_fields(line: &mut Vec<u8>, probe: &Probe) -> Result<(), serde_json::Error> {
    line.extend_from_slice(b"\"type\":\"probe\",\"time\":\"");
    line.extend_from_slice(&probe.time.rfc3339());
    line.extend_from_slice(b"\",\"sensor\":");
    push_string(line, &probe.sensor);
    line.extend_from_slice(b",\"source\":\"");
    line.extend_from_slice(&probe.source.to_ascii());
    match &probe.ssid {
        RequestedSsid::Absent => line.extend_from_slice(b"\",\"ssid\":null"),
        RequestedSsid::Wildcard => line.extend_from_slice(b"\",\"ssid\":\"\""),
        RequestedSsid::Named(ssid) => push_ssid(line, ssid),
    }
    line.extend_from_slice(b",\"signal_dbm\":");
    push_integer(line, probe.signal_dbm);
    line.extend_from_slice(b",\"frequency_mhz\":");
    push_integer(line, probe.frequency_mhz);
    line.extend_from_slice(b",\"sequence\":");
    push_integer(line, Some(probe.sequence));
    line.extend_from_slice(b",\"signature\":\"");
    push_signature(line, probe.signature);
    line.push(b'"');
    if let Some(listed) = &probe.listed {
        if !listed.ssids.is_empty() {
            line.extend_from_slice(b",\"ssid_list\":");
            serde_json::to_writer(&mut *line, &listed.ssids)?;
        }
        if !listed.short_ssids.is_empty() {
            line.extend_from_slice(b",\"short_ssids\":");
            serde_json::to_writer(&mut *line, &listed.short_ssids)?;
        }
    }
    if let Some(info) = &probe.device_info {
        line.extend_from_slice(b",\"device_info\":");
        serde_json::to_writer(&mut *line, info)?;
    }
    if let Some(time) = probe.not_before {
        line.extend_from_slice(b",\"not_before\":\"");
        line.extend_from_slice(&time.rfc3339());
        line.push(b'"');
    }
    if !probe.alerts.is_empty() {
        line.extend_from_slice(b",\"alerts\":");
        serde_json::to_writer(line, &probe.alerts)?;
    }
    Ok(())
}

fn push_ssid(line: &mut Vec<u8>, ssid: &Ssid) {
    match ssid.as_utf8() {
        Some(text) => {
            line.extend_from_slice(b"\",\"ssid\":");
            push_string(line, text);
        }
        None => {
            line.extend_from_slice(b"\",\"ssid_hex\":\"");
            line.extend(ssid.as_bytes().iter().flat_map(|octet| hex_digits(*octet)));
            line.push(b'"');
        }
    }
}

fn push_signature(line: &mut Vec<u8>, signature: Signature) {
    let mut text = [0; 16];
    for (digits, octet) in text.chunks_exact_mut(2).zip(signature.as_u64().to_be_bytes()) {
        digits.copy_from_slice(&hex_digits(octet));
    }
    line.extend_from_slice(&text);
}

fn push_integer(line: &mut Vec<u8>, number: Option<impl itoa::Integer>) {
    match number {
        Some(number) => line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        None => line.extend_from_slice(b"null"),
    }
}

fn push_string(line: &mut Vec<u8>, text: &str) {
    line.push(b'"');
    if text.bytes().any(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')) {
        for byte in text.bytes() {
            push_escaped(line, byte);
        }
    } else {
        line.extend_from_slice(text.as_bytes());
    }
    line.push(b'"');
}

/// A byte of a string, with the escape that serde_json writes.
fn push_escaped(line: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        0..0x20 => {
            line.extend_from_slice(b"\\u00");
            line.extend_from_slice(&hex_digits(byte));
            return;
        }
        _ => return line.push(byte),
    };
    line.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::test_probes::probe;

    proptest! {
        #[test]
        fn a_probe_is_written_as_by_serde(probe in probe()) {
            let mut line = b"{".to_vec();
            push_probe_fields(&mut line, &probe).unwrap();
            line.push(b'}');
            let by_serde = serde_json::to_string(&EventKind::Probe(probe)).unwrap();
            prop_assert_eq!(String::from_utf8(line).unwrap(), by_serde);
        }
    }
}
