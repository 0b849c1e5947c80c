//! The whole state as a snapshot, or events or devices as NDJSON or CSV.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::DataSource;
use crate::chat::model::csv_export::{DeviceTable, EventTable};
use crate::chat::model::lookup::{LookupResult, which_device};
use crate::dot11::MacAddr;
use crate::event::{Event, EventKind, Offset, Timestamp};
use crate::event_log::{LogError, encode_line};
use crate::state::{DEVICE_SHARDS, Device, DeviceJson, State};

/// Devices that are copied while the state is held.
const DEVICES_AT_ONCE: usize = 64;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The whole state, for `probewatch import`
    State,
    /// The events of the log; as CSV the probe requests among them
    Events,
    /// The statistics of each address; between times those that may have been heard there
    Devices,
}

/// The form of events or devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// An object of JSON a line; events as the log has them
    Ndjson,
    /// A table for spreadsheets
    Csv,
}

/// From a moment on, up to and without another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// The first moment in it.
    pub from: Option<Timestamp>,
    /// The first moment behind it.
    pub to: Option<Timestamp>,
}

impl Period {
    /// Whether the moment is in it.
    fn has(&self, time: Timestamp) -> bool {
        self.touches(time, time)
    }

    /// Whether any moment from `first` to `last` may be in it.
    fn touches(&self, first: Timestamp, last: Timestamp) -> bool {
        let is_empty = self.from.zip(self.to).is_some_and(|(from, to)| from >= to);
        !is_empty && self.from.is_none_or(|from| last >= from) && self.to.is_none_or(|to| first < to)
    }

    /// Whether it is all of time.
    fn is_endless(&self) -> bool {
        *self == Self::default()
    }
}

/// What is exported, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What is written.
    pub what: What,
    /// The form of events and devices.
    pub format: Format,
    /// Only these devices; all where none is named.
    pub devices: Vec<String>,
    /// Only what was heard in this time.
    pub period: Period,
}

impl Wanted {
    /// Whether the state is looked at: the events of all devices are the same whatever it is.
    pub fn needs_state(&self) -> bool {
        self.what != What::Events || self.format == Format::Csv || !self.devices.is_empty()
    }
}

/// Nothing was exported, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A device that is asked for cannot be told.
    #[error("{0}")]
    NoSuchDevice(String),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl ExportError {
    /// The same as an error of writing, which keeps its kind.
    pub fn into_io(self) -> io::Error {
        match self {
            Self::Write(error) => error,
            other => io::Error::other(other),
        }
    }
}

/// An export that is ready to be written.
pub struct Export<'a, V> {
    view: &'a V,
    wanted: &'a Wanted,
    filter: Filter,
}

impl<'a, V: DataSource> Export<'a, V> {
    /// Finds the devices that are asked for.
    ///
    /// # Errors
    /// [`ExportError::NoSuchDevice`].
    pub fn new(view: &'a V, wanted: &'a Wanted) -> Result<Self, ExportError> {
        let addresses = view.with_state(|state| addresses(state, &wanted.devices))?;
        Ok(Self { view, wanted, filter: Filter { addresses, period: wanted.period } })
    }

    /// Writes it, and tells of damage between the events; how much of it there was.
    ///
    /// # Errors
    /// [`ExportError`] where it cannot be read or written.
    pub fn write(&self, out: &mut dyn Write, tell: &mut dyn FnMut(&dyn Display)) -> Result<u64, ExportError> {
        match (self.wanted.what, self.wanted.format) {
            (What::State, _) => {
                self.view.image().write_to(Timestamp::now(), out)?;
            }
            (What::Events, format) => return self.write_events(format, out, tell),
            (What::Devices, Format::Ndjson) => self.write_device_lines(out)?,
            (What::Devices, Format::Csv) => self.write_device_table(out)?,
        }
        Ok(0)
    }

    fn write_events(
        &self,
        format: Format,
        out: &mut dyn Write,
        tell: &mut dyn FnMut(&dyn Display),
    ) -> Result<u64, ExportError> {
        let mut damaged = 0;
        let events = self.view.events(tell)?.filter_map(|entry| match entry {
            Ok((offset, event)) => Some((offset, event)).filter(|(_, event)| self.filter.takes_event(event)),
            Err(damage) => {
                tell(&damage);
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
                let name = self.view.with_state(|state| state.names().of(probe.source).map(str::to_owned));
                table.push(offset, probe, name.as_deref())?;
            }
        }
        table.finish().map(drop)
    }

    fn write_device_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            address: MacAddr,
            name: Option<String>,
            random: bool,
            #[serde(flatten)]
            statistics: DeviceJson,
        }
        self.for_devices(|address, device, name| {
            let random = address.is_random();
            let line = Line { address, name, random, statistics: device.into() };
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")
        })
    }

    fn write_device_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = DeviceTable::new(out)?;
        self.for_devices(|address, device, name| table.push(address, &device, name.as_deref()))?;
        table.finish().map(drop)
    }

    /// Hands over the wanted devices in the order of their addresses. The state goes on meanwhile.
    fn for_devices(
        &self,
        mut take: impl FnMut(MacAddr, Device, Option<String>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut addresses: Vec<MacAddr> = Vec::new();
        for part in 0..DEVICE_SHARDS {
            self.view.with_state(|state| {
                let rows = state.devices_of_shard(part).map(|row| row.address);
                addresses.extend(rows.filter(|address| self.filter.takes_address(*address)));
            });
        }
        addresses.sort_unstable();
        for some in addresses.chunks(DEVICES_AT_ONCE) {
            let devices: Vec<_> = self.view.with_state(|state| {
                let known = some.iter().filter_map(|&address| Some((address, state.device(address)?)));
                let named =
                    |(address, device)| (address, device, state.names().of(address).map(str::to_owned));
                known.map(named).collect()
            });
            for (address, device, name) in devices {
                if self.filter.period.touches(device.first_probe, device.last_probe) {
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

/// Which devices and times are wanted.
struct Filter {
    /// `None` where all are.
    addresses: Option<BTreeSet<MacAddr>>,
    period: Period,
}

impl Filter {
    fn takes_address(&self, address: MacAddr) -> bool {
        self.addresses.as_ref().is_none_or(|addresses| addresses.contains(&address))
    }

    /// An event without an address or a time of its own is left out where one is asked for.
    fn takes_event(&self, event: &Event) -> bool {
        (self.addresses.is_none() || event.address().is_some_and(|address| self.takes_address(address)))
            && (self.period.is_endless() || event.time.is_some_and(|time| self.period.has(time)))
    }
}

fn addresses(state: &State, devices: &[String]) -> Result<Option<BTreeSet<MacAddr>>, ExportError> {
    let mut all = BTreeSet::new();
    for query in devices {
        match which_device(state, query.trim()) {
            Ok((_, addresses)) => all.extend(addresses),
            Err(LookupResult::Ambiguous(names)) => {
                let names = names.join(", ");
                return Err(ExportError::NoSuchDevice(format!("several devices match {query:?}: {names}")));
            }
            Err(_) => {
                let why = format!("no device is called {query:?}: give an address or a name from /name");
                return Err(ExportError::NoSuchDevice(why));
            }
        }
    }
    Ok(Some(all).filter(|_| !devices.is_empty()))
}
