//! `GET /v1/export/…`, and what `probewatch export` writes: the whole state as a snapshot, or events or devices as
//! NDJSON or CSV.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

use axum::extract::{self, RawQuery, State as ApiState};
use axum::http::HeaderValue;
use axum::response::Response;
use dot11::MacAddr;
use serde::{Deserialize, Serialize};
use store::event::{Event, EventKind, Offset, Timestamp};
use store::event_log::{LogError, encode_line};
use store::state::{DEVICE_SHARDS, Device, DeviceJson, State};
use url::form_urlencoded;

use super::body::{self, BodyWriter};
use super::params::Params;
use super::{Api, ApiError, DataSource, Live};
use crate::chat::model::csv_export::{DeviceTable, EventTable};
use crate::chat::model::lookup::{LookupResult, which_device};

/// The trailer that ends an export: an [`ExportOutcome`] as JSON.
pub(crate) const OUTCOME: &str = "probewatch-outcome";

/// Warnings in an [`ExportOutcome`], and how long each may be: a client need not take longer trailers than this.
const WARNINGS_LIMIT: usize = 20;
const WARNING_CHARS: usize = 256;

/// Devices that are copied while the state is locked.
const DEVICES_PER_LOCK: usize = 64;

/// How a spooled export is compressed: quickly.
const SPOOL_LEVEL: i32 = 1;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The whole state, for `probewatch import`.
    State,
    /// The events of the log; as CSV only its probe requests.
    Events,
    /// The statistics of each address; of a period, those that may have been captured in it.
    Devices,
}

/// The form of events or devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line; events as the log has them.
    Ndjson,
    /// A table for spreadsheets.
    Csv,
}

/// From a moment on, up to and without another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The first moment in it.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub to: Option<Timestamp>,
}

impl Period {
    fn contains(&self, time: Timestamp) -> bool {
        self.overlaps(time, time)
    }

    /// Whether any moment from `first` to `last` may be in it.
    fn overlaps(&self, first: Timestamp, last: Timestamp) -> bool {
        let is_empty = self.from.zip(self.to).is_some_and(|(from, to)| from >= to);
        !is_empty && self.from.is_none_or(|from| last >= from) && self.to.is_none_or(|to| first < to)
    }

    /// Whether it would end before it begins.
    pub fn is_reversed(&self) -> bool {
        self.from.zip(self.to).is_some_and(|(from, to)| from > to)
    }

    /// Whether it is all of time.
    fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }
}

/// What is exported, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// What is written.
    pub what: What,
    /// The form of events and devices.
    pub format: Format,
    /// Only these devices; all if none is named.
    pub devices: Vec<String>,
    /// Only what was captured in this time.
    pub period: Period,
}

impl Selection {
    /// Whether the export reads the state: the events of all devices do not depend on it.
    pub fn needs_state(&self) -> bool {
        self.what != What::Events || self.format == Format::Csv || !self.devices.is_empty()
    }

    /// Whether the export starts with a copy of the whole state.
    pub(crate) fn copies_state(&self) -> bool {
        self.what == What::State
    }

    /// The path and the query string that ask for it.
    pub(crate) fn to_path(&self) -> String {
        let what = match self.what {
            What::State => return "/v1/export/state".to_owned(),
            What::Events => "events",
            What::Devices => "devices",
        };
        let format = match self.format {
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("format", format);
        query.extend_pairs(self.devices.iter().map(|device| ("device", device)));
        for (name, time) in [("from", self.period.from), ("to", self.period.to)] {
            query.extend_pairs(time.map(|time| (name, time.to_string())));
        }
        format!("/v1/export/{what}?{}", query.finish())
    }

    fn from_request(what: &str, query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::parse(query);
        let what = match what {
            "state" => What::State,
            "events" => What::Events,
            "devices" => What::Devices,
            _ => return Err(ApiError::not_found("there is no such export")),
        };
        let (mut format, mut devices, mut period) = (Format::Ndjson, Vec::new(), Period::default());
        if what != What::State {
            let parse = |format: &str| match format {
                "ndjson" => Some(Format::Ndjson),
                "csv" => Some(Format::Csv),
                _ => None,
            };
            format = params.take_parsed("format", "ndjson or csv", parse, format)?;
            devices = params.take_all("device");
            period = Period { from: params.time("from")?, to: params.time("to")? };
            if period.is_reversed() {
                return Err(ApiError::bad_request("the parameter \"from\" is later than \"to\""));
            }
        }
        params.end()?;
        Ok(Self { what, format, devices, period })
    }

    fn content_type(&self) -> &'static str {
        match self.format {
            Format::Ndjson => body::NDJSON,
            Format::Csv => body::CSV,
        }
    }
}

/// How an export went that was written to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportOutcome {
    /// Damaged places of the log in what was exported.
    pub damaged: u64,
    /// What is wrong, the first of it.
    pub warnings: Vec<String>,
    /// How many warnings are left out.
    pub more_warnings: u64,
}

impl ExportOutcome {
    fn warn(&mut self, warning: &dyn Display) {
        if self.warnings.len() < WARNINGS_LIMIT {
            self.warnings.push(warning.to_string().chars().take(WARNING_CHARS).collect());
        } else {
            self.more_warnings += 1;
        }
    }
}

/// Nothing was exported, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No device has this name or address.
    #[error("no device is called {0:?}")]
    NoSuchDevice(String),
    /// Several devices match.
    #[error("several devices match {query:?}: {}", names.join(", "))]
    AmbiguousDevice {
        /// What was asked for.
        query: String,
        /// The names that match.
        names: Vec<String>,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl ExportError {
    /// What the reader can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NoSuchDevice(_) => Some("give an address or a name from /name"),
            Self::AmbiguousDevice { .. } => Some("give the whole name or an address"),
            Self::Log(error) => Some(error.remedy()),
            Self::Write(_) => None,
        }
    }

    /// The same as an I/O error, which keeps its kind.
    pub fn into_io(self) -> io::Error {
        match self {
            Self::Write(error) => error,
            other => io::Error::other(other),
        }
    }
}

impl From<ExportError> for ApiError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::NoSuchDevice(_) | ExportError::AmbiguousDevice { .. } => {
                Self::no_such_device(&error, error.remedy())
            }
            ExportError::Log(_) | ExportError::Write(_) => Self::failed(error),
        }
    }
}

/// Answers with an export. That of the state is spooled first, so that no client can hold the copy; the others
/// read the log and the state as the client takes them.
pub(super) async fn get_export(
    ApiState(api): ApiState<Api>,
    extract::Path(what): extract::Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let selection = Selection::from_request(&what, query.as_deref())?;
    let job = api.start_job()?;
    let content_type = selection.content_type();
    let source = api.source();
    if selection.copies_state() {
        let copy = api.start_copy().await;
        let data_dir = api.services.data_dir;
        return body::stream(content_type, OUTCOME, move |out| {
            let _job = job;
            match spool(&source, &data_dir) {
                Ok(spooled) => {
                    drop(copy);
                    io::copy(&mut zstd::Decoder::new(spooled)?, out)?;
                }
                // A full disk, for example: this client then holds the copy.
                Err(_) => source.image().write_to(Timestamp::now(), &mut *out)?,
            }
            outcome_header(&ExportOutcome::default())
        })
        .await;
    }
    let known = tokio::task::spawn_blocking(move || {
        Filter::new(&source, &selection).map(|filter| (source, selection, filter))
    });
    let (source, selection, filter) = known.await.map_err(|_| ApiError::bug())??;
    body::stream(content_type, OUTCOME, move |out: &mut BodyWriter| {
        let _job = job;
        let export = Export { source: &source, selection: &selection, filter };
        let mut outcome = ExportOutcome::default();
        let damaged =
            export.write(out, &mut |warning| outcome.warn(warning)).map_err(ExportError::into_io)?;
        outcome_header(&ExportOutcome { damaged, ..outcome })
    })
    .await
}

/// Writes the state to a file that has no name, and goes back to its start.
fn spool(source: &Live, data_dir: &Path) -> io::Result<File> {
    let mut encoder = zstd::Encoder::new(tempfile::tempfile_in(data_dir)?, SPOOL_LEVEL)?;
    source.image().write_to(Timestamp::now(), &mut encoder)?;
    let mut file = encoder.finish()?;
    file.rewind()?;
    Ok(file)
}

fn outcome_header(outcome: &ExportOutcome) -> io::Result<Option<HeaderValue>> {
    let json = serde_json::to_string(outcome)?;
    HeaderValue::from_str(&json)
        .or_else(|_| HeaderValue::from_bytes(json.as_bytes()))
        .map(Some)
        .map_err(io::Error::other)
}

/// An export that is ready to be written.
pub struct Export<'a, S> {
    source: &'a S,
    selection: &'a Selection,
    filter: Filter,
}

impl<'a, S: DataSource> Export<'a, S> {
    /// Finds the named devices.
    ///
    /// # Errors
    /// [`ExportError::NoSuchDevice`] or [`ExportError::AmbiguousDevice`].
    pub fn new(source: &'a S, selection: &'a Selection) -> Result<Self, ExportError> {
        Ok(Self { source, selection, filter: Filter::new(source, selection)? })
    }

    /// Writes it, and warns of damage between the events; returns how much of that there was.
    ///
    /// # Errors
    /// [`ExportError`] if it cannot be read or written.
    pub fn write(&self, out: &mut dyn Write, warn: &mut dyn FnMut(&dyn Display)) -> Result<u64, ExportError> {
        match (self.selection.what, self.selection.format) {
            (What::State, _) => {
                self.source.image().write_to(Timestamp::now(), out)?;
            }
            (What::Events, format) => return self.write_events(format, out, warn),
            (What::Devices, Format::Ndjson) => self.write_device_lines(out)?,
            (What::Devices, Format::Csv) => self.write_device_table(out)?,
        }
        Ok(0)
    }

    fn write_events(
        &self,
        format: Format,
        out: &mut dyn Write,
        warn: &mut dyn FnMut(&dyn Display),
    ) -> Result<u64, ExportError> {
        let mut damaged = 0;
        let events = self.source.events(warn)?.filter_map(|entry| match entry {
            Ok((offset, event)) => Some((offset, event)).filter(|(_, event)| self.filter.takes_event(event)),
            Err(damage) => {
                warn(&damage);
                damaged += u64::from(!damage.is_only_removal());
                None
            }
        });
        match format {
            Format::Ndjson => write_event_lines(events, out)?,
            Format::Csv => self.write_event_table(events, out)?,
        }
        Ok(damaged)
    }

    fn write_event_table(
        &self,
        events: impl Iterator<Item = (Offset, Event)>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut table = EventTable::new(out)?;
        for (offset, event) in events {
            if let EventKind::Probe(probe) = &event.kind {
                let name = self.source.with_state(|state| state.name_of(probe.source).map(str::to_owned));
                table.push(offset, probe, name.as_deref())?;
            }
        }
        table.finish().map(drop)
    }

    fn write_device_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct DeviceLine {
            address: MacAddr,
            name: Option<String>,
            random: bool,
            #[serde(flatten)]
            statistics: DeviceJson,
        }
        self.for_devices(|address, device, name| {
            let random = address.is_random();
            let line = DeviceLine { address, name, random, statistics: device.into() };
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")
        })
    }

    fn write_device_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = DeviceTable::new(out)?;
        self.for_devices(|address, device, name| table.push(address, &device, name.as_deref()))?;
        table.finish().map(drop)
    }

    /// Hands over the selected devices in the order of their addresses. The state may change meanwhile.
    fn for_devices(
        &self,
        mut take: impl FnMut(MacAddr, Device, Option<String>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut addresses: Vec<MacAddr> = Vec::new();
        for part in 0..DEVICE_SHARDS {
            self.source.with_state(|state| {
                let rows = state.devices_of_shard(part).map(|row| row.address);
                addresses.extend(rows.filter(|address| self.filter.takes_address(*address)));
            });
        }
        addresses.sort_unstable();
        for some in addresses.chunks(DEVICES_PER_LOCK) {
            let devices: Vec<_> = self.source.with_state(|state| {
                let known = some.iter().filter_map(|&address| Some((address, state.device(address)?)));
                let named = |(address, device)| (address, device, state.name_of(address).map(str::to_owned));
                known.map(named).collect()
            });
            for (address, device, name) in devices {
                if self.filter.period.overlaps(device.first_probe, device.last_probe) {
                    take(address, device, name)?;
                }
            }
        }
        Ok(())
    }
}

fn write_event_lines(events: impl Iterator<Item = (Offset, Event)>, out: &mut dyn Write) -> io::Result<()> {
    let mut line = Vec::new();
    for (offset, event) in events {
        line.clear();
        encode_line(offset, &event, &mut line)?;
        out.write_all(&line)?;
    }
    Ok(())
}

/// Which devices and times are selected.
struct Filter {
    /// `None`: all.
    addresses: Option<BTreeSet<MacAddr>>,
    period: Period,
}

impl Filter {
    fn new(source: &impl DataSource, selection: &Selection) -> Result<Self, ExportError> {
        let addresses = source.with_state(|state| addresses(state, &selection.devices))?;
        Ok(Self { addresses, period: selection.period })
    }

    fn takes_address(&self, address: MacAddr) -> bool {
        self.addresses.as_ref().is_none_or(|addresses| addresses.contains(&address))
    }

    /// An event without an address is left out if devices are selected; one without a time, if a period is.
    fn takes_event(&self, event: &Event) -> bool {
        (self.addresses.is_none() || event.address().is_some_and(|address| self.takes_address(address)))
            && (self.period.is_unbounded() || event.time.is_some_and(|time| self.period.contains(time)))
    }
}

fn addresses(state: &State, devices: &[String]) -> Result<Option<BTreeSet<MacAddr>>, ExportError> {
    let mut all = BTreeSet::new();
    for query in devices {
        match which_device(state, query.trim()) {
            Ok(found) => all.extend(found.addresses),
            Err(LookupResult::Ambiguous(names)) => {
                return Err(ExportError::AmbiguousDevice { query: query.clone(), names });
            }
            Err(_) => return Err(ExportError::NoSuchDevice(query.clone())),
        }
    }
    Ok(Some(all).filter(|_| !devices.is_empty()))
}
