//! The oracle: the probe requests that tshark finds in a capture, and their statistics, computed without the project's
//! code.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::process;

const FIELDS: [&str; 8] = [
    "frame.time_epoch",
    "wlan.sa",
    "wlan.ssid",
    "wlan.tag.number",
    "radiotap.dbm_antsignal",
    "wlan_radio.frequency",
    "wlan.seq",
    "wlan.fcs.status",
];

/// tshark's result of the FCS check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FcsStatus {
    Bad,
    Good,
    Unverified,
}

/// One probe request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub time_us: u64,
    /// In lower case, with colons.
    pub source: String,
    /// `None` if the frame has no SSID element, empty for the wildcard.
    pub ssid: Option<Vec<u8>>,
    /// The frame's own signal: the first of several.
    pub signal_dbm: Option<i8>,
    pub frequency_mhz: Option<u16>,
    pub sequence: Option<u16>,
    /// `None` if no FCS was captured.
    pub fcs: Option<FcsStatus>,
}

/// Every probe request of a capture file, in the file's order, including frames with a bad FCS.
pub fn probe_requests(path: &Path) -> Vec<Row> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-o", "wlan.check_checksum:TRUE", "-Y", "wlan.fc.type_subtype==4"]);
    command.args(["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,", "-r"]).arg(path);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = process::output(&mut command);
    // For a truncated file tshark fails after the complete rows, which count.
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || complaint.contains("cut short"),
        "tshark -r {}: {}\n{complaint}",
        path.display(),
        output.status
    );
    let text = String::from_utf8(output.stdout).expect("tshark writes these fields in ASCII");
    text.lines().map(parse_row).collect()
}

/// The statistics of one source address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aggregate {
    pub count: u64,
    pub wildcard_count: u64,
    /// Frames without any SSID element.
    pub absent_count: u64,
    pub first_us: u64,
    pub last_us: u64,
    /// Named SSIDs with the number of probes for each.
    pub ssids: BTreeMap<Vec<u8>, u64>,
    /// The signal of the latest probe that has one; among equal times, of the later in the file.
    pub last_signal_dbm: Option<i8>,
    pub min_signal_dbm: Option<i8>,
    pub max_signal_dbm: Option<i8>,
}

/// The statistics per source address. The caller selects the rows that count, for example those with a good FCS.
pub fn aggregate<'a>(rows: impl IntoIterator<Item = &'a Row>) -> BTreeMap<String, Aggregate> {
    let mut sources: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        sources.entry(row.source.clone()).or_default().push(row);
    }
    sources.into_iter().map(|(source, rows)| (source, aggregate_one(rows))).collect()
}

fn aggregate_one(mut rows: Vec<&Row>) -> Aggregate {
    rows.sort_by_key(|row| row.time_us); // stable: equal times stay in the file's order
    let signals: Vec<i8> = rows.iter().filter_map(|row| row.signal_dbm).collect();
    let mut ssids = BTreeMap::new();
    for ssid in rows.iter().filter_map(|row| row.ssid.clone()).filter(|ssid| !ssid.is_empty()) {
        *ssids.entry(ssid).or_insert(0) += 1;
    }
    let count = |wanted: fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).count() as u64;
    Aggregate {
        count: rows.len() as u64,
        wildcard_count: count(|row| row.ssid.as_deref() == Some(&[])),
        absent_count: count(|row| row.ssid.is_none()),
        first_us: rows.first().map_or(0, |row| row.time_us),
        last_us: rows.last().map_or(0, |row| row.time_us),
        ssids,
        last_signal_dbm: signals.last().copied(),
        min_signal_dbm: signals.iter().min().copied(),
        max_signal_dbm: signals.iter().max().copied(),
    }
}

fn parse_row(line: &str) -> Row {
    let columns: Vec<&str> = line.split('\t').collect();
    let [time, source, ssid, tags, signal, frequency, sequence, fcs] = columns[..] else {
        panic!("a line of tshark with {} columns: {line:?}", columns.len());
    };
    fn first<T: std::str::FromStr>(values: &str) -> Option<T> {
        let value = values.split(',').next().unwrap_or_default();
        let parsed = value.parse().ok();
        assert!(parsed.is_some() || value.is_empty(), "a value of tshark: {value:?}");
        parsed
    }
    Row {
        time_us: microseconds(time),
        source: source.split(',').next().unwrap_or_default().to_owned(),
        ssid: ssid_of(ssid, tags),
        signal_dbm: first(signal),
        frequency_mhz: first(frequency),
        sequence: first(sequence),
        fcs: match fcs {
            "" => None,
            "0" => Some(FcsStatus::Bad),
            "1" => Some(FcsStatus::Good),
            "2" => Some(FcsStatus::Unverified),
            other => panic!("an FCS status of tshark: {other:?}"),
        },
    }
}

/// tshark 4.0 writes `<MISSING>` for the wildcard. Other versions write an empty value, as for a frame without an SSID
/// element; the list of elements distinguishes the two.
fn ssid_of(ssids: &str, tags: &str) -> Option<Vec<u8>> {
    let ssid = ssids.split(',').next().unwrap_or_default();
    if ssid == "<MISSING>" || ssid.is_empty() {
        return tags.split(',').any(|tag| tag == "0").then(Vec::new);
    }
    let digits: Vec<u8> = ssid.bytes().filter(|&byte| byte != b':').collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    Some(bytes.unwrap_or_else(|| panic!("an SSID of tshark: {ssid:?}")))
}

/// Converts `1587229467.123456000` to microseconds exactly, without nanoseconds.
fn microseconds(time: &str) -> u64 {
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let parsed = seconds.parse::<u64>().ok().zip(fraction.parse::<u64>().ok());
    let (seconds, fraction) = parsed.unwrap_or_else(|| panic!("a time of tshark: {time:?}"));
    seconds * 1_000_000 + fraction
}
