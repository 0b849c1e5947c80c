//! `probewatch export`: the whole state as a snapshot, or events or devices as NDJSON or CSV.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};
use serde::Serialize;

use super::output::write_to;
use super::period::{Moment, Period};
use super::progress::Progress;
use super::{Cli, CliError, Place, report};
use crate::chat::lookup::{Found, which_device};
use crate::chat::table::{DeviceTable, EventTable};
use crate::dot11::MacAddr;
use crate::event::{Event, Timestamp};
use crate::event_log::{Recovered, format_line};
use crate::recorder::Stored;
use crate::state::{Device, DeviceForm, State};

#[derive(Args)]
pub(super) struct Choice {
    /// What is written
    #[arg(value_enum, default_value_t = What::State)]
    what: What,
    /// The form of events or devices [default: ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only this device, by its name, a part of it, or its address; more than once for several
    #[arg(long = "device", value_name = "DEVICE")]
    devices: Vec<String>,
    /// Only from this time on: a date, a local time such as "2026-11-22 18:30", or RFC 3339
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Only before this time; a date stands for the end of that day
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// The file to write, compressed where its name ends in .zst, or - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The whole state, for `probewatch import`
    State,
    /// The events of the log; as CSV the probe requests among them
    Events,
    /// The statistics of each address; between times those that may have been heard there
    Devices,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An object of JSON a line; events as the log has them
    Ndjson,
    /// A table for spreadsheets
    Csv,
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
            && (self.period.is_endless() || event.time().is_some_and(|time| self.period.has(time)))
    }
}

pub(super) fn export(choice: &Choice) -> Result<ExitCode, CliError> {
    let is_filtered = !choice.devices.is_empty() || choice.from.is_some() || choice.to.is_some();
    if choice.what == What::State && (is_filtered || choice.format.is_some()) {
        let message = "--format, --device, --from and --to are for `export events` and `export devices`; \
                       the state is written whole, in the one form that `import` reads";
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let (config, stored) = choice.place.stored()?;
    let format = choice.format.unwrap_or(Format::Ndjson);
    // The events of all devices are the same whatever the state is.
    let needs_state = choice.what != What::Events || format == Format::Csv || !choice.devices.is_empty();
    let state = if needs_state { state(&stored)? } else { State::default() };
    let filter = Filter {
        addresses: addresses(&state, &choice.devices)?,
        period: Period::new(choice.from, choice.to, config.time_zone),
    };
    let mut damaged = 0;
    write_to(&choice.output, |out| match (choice.what, format) {
        (What::State, _) => state.image().write_to(Timestamp::now(), out),
        (What::Events, format) => {
            damaged = write_events(stored.log(), &filter, &state, format, out)?;
            Ok(())
        }
        (What::Devices, Format::Ndjson) => write_device_lines(&state, &filter, out),
        (What::Devices, Format::Csv) => write_device_table(&state, &filter, out),
    })?;
    Ok(if damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn state(stored: &Stored) -> Result<State, CliError> {
    let mut progress = Progress::new("reading", stored.log().next_offset());
    Ok(stored.state(&mut |offset| progress.at(offset))?)
}

fn addresses(state: &State, devices: &[String]) -> Result<Option<BTreeSet<MacAddr>>, CliError> {
    let mut all = BTreeSet::new();
    for query in devices {
        match which_device(state, query.trim()) {
            Ok((_, addresses)) => all.extend(addresses),
            Err(Found::Ambiguous(names)) => {
                let names = names.join(", ");
                return Err(CliError::NoSuchDevice(format!("several devices match {query:?}: {names}")));
            }
            Err(_) => {
                let why = format!("no device is called {query:?}: give an address or a name from /name");
                return Err(CliError::NoSuchDevice(why));
            }
        }
    }
    Ok(Some(all).filter(|_| !devices.is_empty()))
}

/// Writes the wanted events, and tells of damage between them; how much of it there was.
fn write_events(
    log: &Recovered,
    filter: &Filter,
    state: &State,
    format: Format,
    out: &mut dyn Write,
) -> io::Result<u64> {
    let mut damaged = 0;
    let events = log.read_from(log.first_offset()).filter_map(|entry| match entry {
        Ok((offset, event)) => Some((offset, event)).filter(|(_, event)| filter.takes_event(event)),
        Err(damage) => {
            report(&damage);
            damaged += 1;
            None
        }
    });
    match format {
        Format::Ndjson => {
            let mut line = Vec::new();
            for (offset, event) in events {
                line.clear();
                format_line(offset, &event, &mut line)?;
                out.write_all(&line)?;
            }
        }
        Format::Csv => {
            let mut table = EventTable::new(out)?;
            for (offset, event) in events {
                if let Event::Probe(probe) = &event {
                    table.push(offset, probe, state.names().of(probe.source))?;
                }
            }
            table.finish().map(drop)?;
        }
    }
    Ok(damaged)
}

/// The wanted devices, one at a time, in the order of their addresses.
fn devices(state: &State, filter: &Filter) -> impl Iterator<Item = (MacAddr, Device, Option<String>)> {
    let wanted = state.addresses().into_iter().filter(|address| filter.takes_address(*address));
    wanted
        .filter_map(|address| Some((address, state.device(address)?)))
        .filter(|(_, device)| filter.period.touches(device.first_probe, device.last_probe))
        .map(|(address, device)| (address, device, state.names().of(address).map(str::to_owned)))
}

fn write_device_lines(state: &State, filter: &Filter, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line {
        address: MacAddr,
        name: Option<String>,
        random: bool,
        #[serde(flatten)]
        statistics: DeviceForm,
    }
    for (address, device, name) in devices(state, filter) {
        let random = address.is_random();
        let line = Line { address, name, random, statistics: device.into() };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn write_device_table(state: &State, filter: &Filter, out: &mut dyn Write) -> io::Result<()> {
    let mut table = DeviceTable::new(out)?;
    for (address, device, name) in devices(state, filter) {
        table.push(address, &device, name.as_deref())?;
    }
    table.finish().map(drop)
}
