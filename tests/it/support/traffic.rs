//! Probe requests that a test sends, and the expected statistics of their senders, computed without the project's
//! code.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::frames::ProbeRequestFrame;
use super::service::probewatch;

/// Addresses in one look-up: far below the limit of a command line.
const QUERIES: usize = 2000;

/// A probe request that a test sends.
#[derive(Debug, Clone, PartialEq)]
pub struct SentProbe {
    pub source: [u8; 6],
    /// Empty for the wildcard; `None` for no SSID element.
    pub ssid: Option<Vec<u8>>,
    pub signal_dbm: Option<i8>,
    pub sequence: u16,
    pub time_us: u64,
}

impl SentProbe {
    pub fn frame(&self) -> Vec<u8> {
        self.request().build()
    }

    /// The frame before it is built, so that elements can be added.
    pub fn request(&self) -> ProbeRequestFrame {
        let frame = ProbeRequestFrame::from_octets(self.source).sequence(self.sequence);
        let frame = match &self.ssid {
            Some(ssid) => frame.ssid(ssid),
            None => frame.without_ssid(),
        };
        match self.signal_dbm {
            Some(dbm) => frame.signal(dbm),
            None => frame.without_signal(),
        }
    }

    /// Checks the logged event of this probe.
    pub fn assert_logged(&self, event: &Value) {
        assert_eq!(event["time"], rfc3339(self.time_us), "{event}");
        assert_eq!(event["source"], address(self.source), "{event}");
        assert_eq!(event["sequence"], self.sequence, "{event}");
        assert_eq!(event["signal_dbm"], json!(self.signal_dbm), "{event}");
        match self.ssid.as_deref().map(str::from_utf8) {
            Some(Ok(ssid)) => assert_eq!(event["ssid"], ssid, "{event}"),
            Some(Err(_)) => assert_eq!(event["ssid_hex"], hex(self.ssid.as_ref().unwrap()), "{event}"),
            None => assert!(event["ssid"].is_null() && event.get("ssid_hex").is_none(), "{event}"),
        }
    }
}

/// The expected statistics of each sender.
#[derive(Debug, Default)]
pub struct Tally {
    senders: BTreeMap<[u8; 6], Sender>,
}

#[derive(Debug)]
struct Sender {
    probe_count: u64,
    wildcard_count: u64,
    first_us: u64,
    last_us: u64,
    ssids: BTreeSet<Vec<u8>>,
    signal_dbm: Option<SignalDbm>,
}

#[derive(Debug, Clone, Copy)]
struct SignalDbm {
    last_us: u64,
    last: i8,
    min: i8,
    max: i8,
}

impl Tally {
    pub fn add(&mut self, probe: &SentProbe) {
        let sender = self.senders.entry(probe.source).or_insert_with(|| Sender {
            probe_count: 0,
            wildcard_count: 0,
            first_us: probe.time_us,
            last_us: probe.time_us,
            ssids: BTreeSet::new(),
            signal_dbm: None,
        });
        sender.probe_count += 1;
        sender.first_us = sender.first_us.min(probe.time_us);
        sender.last_us = sender.last_us.max(probe.time_us);
        match &probe.ssid {
            Some(ssid) if ssid.is_empty() => sender.wildcard_count += 1,
            Some(ssid) => {
                sender.ssids.insert(ssid.clone());
            }
            None => {}
        }
        let Some(dbm) = probe.signal_dbm else { return };
        let signal = SignalDbm { last_us: probe.time_us, last: dbm, min: dbm, max: dbm };
        let before = sender.signal_dbm.unwrap_or(signal);
        let newest = if probe.time_us > before.last_us { signal } else { before };
        sender.signal_dbm = Some(SignalDbm { min: before.min.min(dbm), max: before.max.max(dbm), ..newest });
    }

    pub fn senders(&self) -> impl Iterator<Item = [u8; 6]> {
        self.senders.keys().copied()
    }

    /// Compares the statistics with the output of `probewatch lookup --json` with these further arguments. With
    /// `is_live` the program set the times of the frames, which are not compared.
    pub fn assert_looked_up(&self, arguments: &[&str], is_live: bool) {
        let senders: Vec<_> = self.senders.iter().collect();
        for senders in senders.chunks(QUERIES) {
            let addresses: Vec<String> = senders.iter().map(|(source, _)| address(**source)).collect();
            let queries = addresses.iter().map(String::as_str);
            let output = probewatch(
                &["lookup", "--json"]
                    .into_iter()
                    .chain(arguments.iter().copied())
                    .chain(queries)
                    .collect::<Vec<_>>(),
            );
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            let text = String::from_utf8(output.stdout).unwrap();
            let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(answers.len(), senders.len());
            for ((source, sender), answer) in senders.iter().zip(&answers) {
                assert_eq!(answer["addresses"], json!([address(**source)]));
                sender.assert_equal(answer, is_live);
            }
        }
    }
}

impl Sender {
    fn assert_equal(&self, answer: &Value, is_live: bool) {
        assert_eq!(answer["probe_count"], self.probe_count, "{answer}\n{self:?}");
        assert_eq!(answer["wildcard_count"], self.wildcard_count, "{answer}\n{self:?}");
        if !is_live {
            assert_eq!(answer["first_probe"], rfc3339(self.first_us), "{answer}\n{self:?}");
            assert_eq!(answer["last_probe"], rfc3339(self.last_us), "{answer}\n{self:?}");
        }
        let ssids: Vec<Value> = self
            .ssids
            .iter()
            .map(|ssid| match str::from_utf8(ssid) {
                Ok(text) => json!(text),
                Err(_) => json!({"hex": hex(ssid)}),
            })
            .collect();
        assert_eq!(answer["ssids"], json!(ssids), "{answer}\n{self:?}");
        assert_eq!(answer["unique_ssids"], ssids.len(), "{answer}\n{self:?}");
        let signal = self.signal_dbm.map(|dbm| json!({"last": dbm.last, "min": dbm.min, "max": dbm.max}));
        assert_eq!(answer["signal_dbm"], json!(signal), "{answer}\n{self:?}");
    }
}

pub fn address(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}

fn rfc3339(time_us: u64) -> String {
    let time = DateTime::from_timestamp_micros(time_us.cast_signed()).unwrap();
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
