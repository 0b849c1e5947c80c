//! `probewatch group`: prints which phone each probe request of capture files came from, as JSON.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::decode::file_source;
use super::error::CliError;
use capture::{Capture, CaptureSettings, Source};
use dot11::{MacAddr, ModelKey, Signature};
use store::event::{Event, EventKind, GroupId, Probe, Timestamp};
use store::state::{JoinReason, State};

/// A line of the output.
#[derive(Serialize)]
struct GroupedProbe {
    time: Timestamp,
    source: MacAddr,
    sequence: u16,
    model: ModelKey,
    /// The phone's four hex digits; the address itself if it is globally unique.
    group: String,
    /// The least number of devices that the group is, around the time of the frame.
    at_least: u32,
    why: JoinReason,
}

/// The probe requests of the files, and the elements of each signature.
#[derive(Default)]
struct Captured {
    probes: Vec<Probe>,
    elements: HashMap<Signature, Vec<u8>>,
}

/// Groups the probe requests of all files, in the order of their times, and prints them in the order of the files.
pub(super) fn group(files: &[String], after: Option<u64>) -> Result<ExitCode, CliError> {
    let mut captured = Captured::default();
    let mut outcome = Ok(());
    for file in files {
        outcome = outcome.and(read(file, &mut captured));
    }
    let lines = lines(&captured, after.map(Duration::from_secs));
    let mut output = BufWriter::new(io::stdout().lock());
    for line in lines {
        serde_json::to_writer(&mut output, &line)
            .map_err(io::Error::from)
            .and_then(|()| output.write_all(b"\n"))
            .map_err(CliError::io("could not print the groups"))?;
    }
    output.flush().map_err(CliError::io("could not print the groups"))?;
    // What could be read of a damaged file is printed all the same.
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Adds the probe requests of a file, with whatever FCS: anonymised files have wrong ones.
fn read(file: &str, Captured { probes, elements }: &mut Captured) -> Result<(), CliError> {
    let source = file_source(file);
    let capture = Capture::open(&source, &CaptureSettings::default())?;
    let sensor: Arc<str> = radio_of(&source).into();
    capture.run(|frame| {
        let request = frame.probe_request;
        elements.entry(request.signature).or_insert_with(|| request.elements.to_vec());
        probes.push(Probe::new(Arc::clone(&sensor), Timestamp::from_micros(frame.time_us), request));
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// What stands for the radio and the clock of a source: each file has its own, also beside another of the same name.
fn radio_of(source: &Source) -> String {
    match source {
        Source::File(path) => fs::canonicalize(path).as_ref().unwrap_or(path).to_string_lossy().into_owned(),
        _ => source.default_name(),
    }
}

/// The line of each probe request, as known that long after it, or at the end.
fn lines(Captured { probes, elements }: &Captured, after: Option<Duration>) -> Vec<GroupedProbe> {
    let mut order: Vec<usize> = (0..probes.len()).collect();
    order.sort_by_key(|index| probes[*index].time);
    let mut state = State::default();
    let mut waiting = VecDeque::new();
    let mut lines: Vec<(usize, GroupedProbe)> = Vec::with_capacity(probes.len());
    for index in order {
        let probe = &probes[index];
        if let Some(after) = after {
            let is_due = |earlier: usize| probes[earlier].time.saturating_add(after) < probe.time;
            let due = waiting.iter().take_while(|(earlier, _)| is_due(*earlier)).count();
            for (earlier, group) in waiting.drain(..due) {
                lines.push((earlier, line(&probes[earlier], group, &state)));
            }
        }
        let signature = probe.signature;
        if state.wants_elements(signature)
            && let Some(elements) = elements.get(&signature).cloned()
        {
            fold(&mut state, &Event::without_time(EventKind::Signature { signature, elements }));
        }
        fold(&mut state, &Event::from(probe.clone()));
        waiting.push_back((index, state.grouping().group_of(probe.source)));
    }
    lines.extend(waiting.into_iter().map(|(index, group)| (index, line(&probes[index], group, &state))));
    lines.sort_by_key(|(index, _)| *index);
    lines.into_iter().map(|(_, line)| line).collect()
}

fn fold(state: &mut State, event: &Event) {
    state.fold(state.next_offset(), event);
}

/// The line of a probe whose address joined `first`. An address that a group has too many of is still of that group.
fn line(probe: &Probe, first: Option<GroupId>, state: &State) -> GroupedProbe {
    let &Probe { time, source, sequence, .. } = probe;
    let grouping = state.grouping();
    let found = grouping.group_of(source).or(first).and_then(|id| Some((id, grouping.group(id)?)));
    let (group, at_least, why) = match found {
        Some((id, group)) => {
            (id.to_string(), group.at_least(time), group.reason(source).unwrap_or(JoinReason::First))
        }
        None => (source.to_string(), 1, JoinReason::First),
    };
    GroupedProbe { time, source, sequence, model: state.model_key(probe.signature), group, at_least, why }
}
