//! `probewatch decode`: prints a line of JSON for each probe request, and totals on standard error.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use capture::{Capture, CaptureSettings, Counters, Source};
use dot11::Fcs;
use store::event::{Probe, Timestamp, push_probe_fields};

use super::args::FcsArgs;
use super::error::CliError;
use crate::service::is_excluded;
use crate::text::format::pluralize;

/// How many bytes of lines to gather before printing them. Those of standard input, which may be a live capture, are
/// printed one by one.
const PRINT_BYTES: usize = 64 << 10;

pub(super) fn decode(file: &str, fcs: FcsArgs) -> Result<ExitCode, CliError> {
    let source = file_source(file);
    let capture = Capture::open(&source, &CaptureSettings::default())?;
    let counters = capture.counters();
    let sensor: Arc<str> = source.default_name().into();
    let mut output = io::stdout().lock();
    let mut lines = Vec::with_capacity(2 * PRINT_BYTES);
    let print_bytes = if source == Source::Stdin { 0 } else { PRINT_BYTES };
    let mut printed = Ok(());
    let outcome = capture.run(|frame| {
        let found = frame.probe_request.fcs;
        if is_excluded(found, fcs.include_bad_fcs) {
            return ControlFlow::Continue(());
        }
        let time = Timestamp::from_micros(frame.time_us);
        let probe = Probe::new(Arc::clone(&sensor), time, frame.probe_request);
        printed = push_line(&mut lines, &probe, found);
        if printed.is_ok() && lines.len() >= print_bytes {
            printed = output.write_all(&lines).and_then(|()| output.flush());
            lines.clear();
        }
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    printed
        .and_then(|()| output.write_all(&lines))
        .and_then(|()| output.flush())
        .map_err(CliError::io("could not print the probe requests"))?;
    let _ = writeln!(io::stderr(), "{}", totals(&counters));
    warn_of_bad_fcs(&counters, fcs);
    outcome?;
    Ok(ExitCode::SUCCESS)
}

/// Appends the probe in the form of its event, with the state of its FCS.
fn push_line(lines: &mut Vec<u8>, probe: &Probe, fcs: Fcs) -> io::Result<()> {
    lines.push(b'{');
    push_probe_fields(lines, probe)?;
    lines.extend_from_slice(match fcs {
        Fcs::Good => b",\"fcs\":\"good\"}\n",
        Fcs::Bad => b",\"fcs\":\"bad\"}\n",
        Fcs::Absent => b",\"fcs\":\"absent\"}\n",
    });
    Ok(())
}

/// The source of a file argument: standard input or a file, never an interface.
pub(super) fn file_source(file: &str) -> Source {
    if file == "-" { Source::Stdin } else { Source::file(file) }
}

fn totals(counters: &Counters) -> String {
    format!(
        "{}: {} (FCS good {}, bad {}, absent {}), {}, {} undecodable",
        pluralize(counters.frames.load(Relaxed), "frame", "frames"),
        pluralize(counters.probe_requests.load(Relaxed), "probe request", "probe requests"),
        counters.fcs_good.load(Relaxed),
        counters.fcs_bad.load(Relaxed),
        counters.fcs_absent.load(Relaxed),
        pluralize(counters.other_frames.load(Relaxed), "other", "others"),
        counters.undecodable.load(Relaxed),
    )
}

/// Warns if most frames were left out, and says how to include them.
pub(super) fn warn_of_bad_fcs(counters: &Counters, fcs: FcsArgs) {
    let (bad, all) = (counters.fcs_bad.load(Relaxed), counters.probe_requests.load(Relaxed));
    if !fcs.include_bad_fcs && bad > all / 2 {
        let _ = writeln!(
            io::stderr(),
            "{bad} of {all} probe requests have a wrong FCS and were left out; anonymised files never have a \
             right one: add --include-bad-fcs to include them"
        );
    }
}
