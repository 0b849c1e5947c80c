//! `probewatch decode`: a line of JSON for each probe request, totals on standard error.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::{CliError, FcsChoice};
use crate::capture::{Capture, Counters, Settings, Source};
use crate::dot11::Fcs;
use crate::event::Probe;
use crate::service::{Ear, sensor_name};

/// A probe in the event's form, and what was found of its FCS.
#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    probe: &'a Probe,
    fcs: &'static str,
}

pub(super) fn decode(file: &str, fcs: FcsChoice) -> Result<ExitCode, CliError> {
    let source = file_source(file);
    let capture = Capture::open(&source, &Settings::default())?;
    let counters = capture.counters();
    let mut ear = Ear::new(&sensor_name(&source), fcs.include_bad_fcs);
    let mut output = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut printed = Ok(());
    let outcome = capture.run(|frame| {
        let found = fcs_name(frame.probe_request.fcs);
        let Some(heard) = ear.hear(frame) else { return ControlFlow::Continue(()) };
        printed = print(&mut output, &heard.probe, found);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    printed.and_then(|()| output.flush()).map_err(CliError::io("could not print the probe requests"))?;
    let _ = writeln!(io::stderr(), "{}", totals(&counters));
    warn_of_bad_fcs(&counters, fcs);
    outcome?;
    Ok(ExitCode::SUCCESS)
}

fn print(output: &mut impl Write, probe: &Probe, fcs: &'static str) -> io::Result<()> {
    serde_json::to_writer(&mut *output, &Line { r#type: "probe", probe, fcs })?;
    output.write_all(b"\n")
}

/// The source that a command means by a file: never an interface.
pub(super) fn file_source(file: &str) -> Source {
    if file == "-" { Source::Stdin } else { Source::file(file) }
}

fn fcs_name(fcs: Fcs) -> &'static str {
    match fcs {
        Fcs::Good => "good",
        Fcs::Bad => "bad",
        Fcs::Absent => "absent",
    }
}

fn totals(counters: &Counters) -> String {
    format!(
        "{} frames: {} probe requests (FCS good {}, bad {}, absent {}), {} others, {} that cannot be decoded",
        counters.frames.load(Relaxed),
        counters.probe_requests.load(Relaxed),
        counters.fcs_good.load(Relaxed),
        counters.fcs_bad.load(Relaxed),
        counters.fcs_absent.load(Relaxed),
        counters.other_frames.load(Relaxed),
        counters.undecodable.load(Relaxed),
    )
}

/// Says once that most frames were left out, and what to do where that was not meant.
pub(super) fn warn_of_bad_fcs(counters: &Counters, fcs: FcsChoice) {
    let (bad, all) = (counters.fcs_bad.load(Relaxed), counters.probe_requests.load(Relaxed));
    if !fcs.include_bad_fcs && bad > all / 2 {
        let _ = writeln!(
            io::stderr(),
            "{bad} of {all} probe requests have a wrong FCS and were left out; files that were anonymised \
             have no right one: to take them, add --include-bad-fcs"
        );
    }
}
