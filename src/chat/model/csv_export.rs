//! Events, devices and networks as CSV, for spreadsheets.
//!
//! # Invariants
//! - Columns never change; new ones are added at the end.
//! - An SSID is text, with unprintable bytes escaped. The wildcard, a hidden network's SSID of NULs and a missing SSID
//!   are an empty cell; NDJSON distinguishes them. Several SSIDs of one frame are joined by semicolons.
//! - A text that somebody else chose (an SSID, a name, a sensor) is never a formula. A spreadsheet takes a cell that
//!   starts with `=`, `+`, `-`, `@`, a tab or a line break for one, and anybody nearby can send such an SSID: a leading
//!   apostrophe makes it text. Numbers stay numbers: this program writes them, so a signal of -42 is safe.

use std::borrow::Cow;
use std::io::{self, Write};
use std::marker::PhantomData;

use dot11::{MacAddr, Ssid};
use store::event::{Offset, Probe, Timestamp};
use store::state::{Device, Network};

use super::stranger_reasons::code;
use super::visitor::Visitor;

/// The heading of a table of one kind.
pub trait Columns {
    /// The names of its columns.
    const COLUMNS: &[&str];
}

/// A table of rows of the kind `R`. Each kind has a `push` of its own.
pub struct Table<W: Write, R> {
    csv: csv::Writer<W>,
    rows: PhantomData<R>,
}

impl<W: Write, R: Columns> Table<W, R> {
    /// Starts a table in `out` with its heading.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn new(out: W) -> io::Result<Self> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(R::COLUMNS).map_err(io_error)?;
        Ok(Self { csv, rows: PhantomData })
    }

    /// Flushes the row, so that the output learns where it ends.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn end_row(&mut self) -> io::Result<()> {
        self.csv.flush()
    }

    /// Flushes the table and returns the output.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn finish(self) -> io::Result<W> {
        self.csv.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// Probe requests.
pub struct EventColumns;

impl Columns for EventColumns {
    const COLUMNS: &[&str] = &[
        "offset",
        "time",
        "sensor",
        "source",
        "name",
        "ssid",
        "signal_dbm",
        "frequency_mhz",
        "sequence",
        "signature",
    ];
}

/// A table of probe requests.
pub type EventTable<W> = Table<W, EventColumns>;

impl<W: Write> EventTable<W> {
    /// Adds a row.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn push(&mut self, offset: Offset, probe: &Probe, name: Option<&str>) -> io::Result<()> {
        let ssids: Vec<String> = probe.names().map(|ssid| ssid.to_string()).collect();
        let written = self.csv.write_record([
            &offset.to_string(),
            &probe.corrected_time().to_string(),
            &*escape_formulas(&probe.sensor),
            &probe.source.to_string(),
            &*escape_formulas(name.unwrap_or_default()),
            &*escape_formulas(&ssids.join("; ")),
            &number(probe.signal_dbm),
            &number(probe.frequency_mhz),
            &probe.sequence.to_string(),
            &probe.signature.to_string(),
        ]);
        written.map_err(io_error)
    }
}

/// Addresses with their statistics.
pub struct DeviceColumns;

impl Columns for DeviceColumns {
    const COLUMNS: &[&str] = &[
        "address",
        "name",
        "random",
        "probe_count",
        "wildcard_count",
        "first_probe",
        "last_probe",
        "signal_last_dbm",
        "signal_min_dbm",
        "signal_max_dbm",
        "ssid_count",
        "ssids",
    ];
}

/// A table of addresses with their statistics.
pub type DeviceTable<W> = Table<W, DeviceColumns>;

impl<W: Write> DeviceTable<W> {
    /// Adds a row.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn push(&mut self, address: MacAddr, device: &Device, name: Option<&str>) -> io::Result<()> {
        let ssids: Vec<String> = device.ssids().iter().map(|(ssid, _)| ssid.to_string()).collect();
        let written = self.csv.write_record([
            &address.to_string(),
            &*escape_formulas(name.unwrap_or_default()),
            &address.is_random().to_string(),
            &device.probe_count.to_string(),
            &device.wildcard_count.to_string(),
            &device.first_probe.to_string(),
            &device.last_probe.to_string(),
            &number(device.signal.map(|signal| signal.last_dbm)),
            &number(device.signal.map(|signal| signal.min_dbm)),
            &number(device.signal.map(|signal| signal.max_dbm)),
            &ssids.len().to_string(),
            &*escape_formulas(&ssids.join("; ")),
        ]);
        written.map_err(io_error)
    }
}

/// Networks with their probe counts.
pub struct NetworkColumns;

impl Columns for NetworkColumns {
    const COLUMNS: &[&str] = &["ssid", "ssid_hex", "probe_count", "first_probe", "last_probe", "watched"];
}

/// A table of networks with their probe counts.
pub type NetworkTable<W> = Table<W, NetworkColumns>;

impl<W: Write> NetworkTable<W> {
    /// Adds a row.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn push(&mut self, ssid: &Ssid, network: &Network, is_watched: bool) -> io::Result<()> {
        let written = self.csv.write_record([
            &*escape_formulas(&ssid.to_string()),
            &ssid.to_hex(),
            &network.probe_count.to_string(),
            &network.first_probe.to_string(),
            &network.last_probe.to_string(),
            &is_watched.to_string(),
        ]);
        written.map_err(io_error)
    }
}

/// Devices that were in range.
pub struct VisitorColumns;

impl Columns for VisitorColumns {
    const COLUMNS: &[&str] = &[
        "device",
        "stranger",
        "first",
        "last",
        "seconds",
        "intervals",
        "signal_max_dbm",
        "signal_last_dbm",
        "probe_count",
        "at_least",
        "distinguishable",
    ];
}

/// A table of the devices that were in range.
pub type VisitorTable<W> = Table<W, VisitorColumns>;

impl<W: Write> VisitorTable<W> {
    /// Adds a row. An interval is written as in ISO 8601, with a slash.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn push(&mut self, visitor: &Visitor) -> io::Result<()> {
        let presence = &visitor.presence;
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let intervals: Vec<String> = presence
            .intervals
            .iter()
            .map(|interval| format!("{}/{}", interval.start, interval.end))
            .collect();
        let written = self.csv.write_record([
            &*escape_formulas(&visitor.title),
            visitor.reason.map_or("", code),
            &time(presence.first()),
            &time(presence.last()),
            &presence.duration().as_secs().to_string(),
            &intervals.join("; "),
            &number(presence.strongest_dbm),
            &number(presence.last_dbm()),
            &presence.probes.to_string(),
            &presence.at_least().to_string(),
            &visitor.is_distinguishable.to_string(),
        ]);
        written.map_err(io_error)
    }
}

/// The I/O error itself: callers recognise a closed pipe by it.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn number(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// The text with an apostrophe wherever a spreadsheet could see the start of a formula: at its beginning, and after
/// semicolons, where spreadsheets of many countries split a line even within quotes.
fn escape_formulas(text: &str) -> Cow<'_, str> {
    if !text.split(';').any(is_formula) {
        return Cow::Borrowed(text);
    }
    let cells =
        text.split(';').map(|cell| if is_formula(cell) { format!("'{cell}") } else { cell.to_owned() });
    Cow::Owned(cells.collect::<Vec<_>>().join(";"))
}

/// Whether a spreadsheet could take the text for a formula. Some ignore leading spaces and quotes, and accept the
/// full-width signs of East Asian keyboards.
fn is_formula(text: &str) -> bool {
    let start =
        text.trim_start_matches(|c: char| c == '"' || c == '\'' || (c.is_whitespace() && !is_sign(c)));
    start.starts_with(is_sign)
}

fn is_sign(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_formulas() {
        for (text, cell) in [
            ("RNM0", "RNM0"),
            ("", ""),
            ("a=b - c", "a=b - c"),
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("  =1", "'  =1"),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\"=1", "'\"=1"),
            ("'=1", "''=1"),
            ("＝1", "'＝1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠a", "'＠a"),
            ("x;=1+1;y", "x;'=1+1;y"),
            ("Home; -5 net", "Home;' -5 net"),
        ] {
            assert_eq!(escape_formulas(text), cell, "{text:?}");
        }
    }
}
