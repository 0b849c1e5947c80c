//! `probewatch replay`: records capture files, as fast as possible.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use capture::{Capture, CaptureError, CaptureSettings, Source, with_remedy};
use dot11::MacAddr;
use store::recorder::RecorderHandle;
use tokio_util::sync::CancellationToken;

use super::args::{DataDirArgs, FcsArgs};
use super::decode::{file_source, warn_of_bad_fcs};
use super::error::CliError;
use super::progress::FileProgress;
use super::{local, report, runtime};
use crate::service::{FrameTimes, ProbeConverter, RunningRecorder, recorder_settings};
use crate::text::format::pluralize;

/// Frames between two updates of the progress.
const FRAMES_PER_STEP: u64 = 4096;

/// What the files contained.
#[derive(Default)]
struct Summary {
    /// Files that could be read, at least in part.
    files: u64,
    frames: u64,
    probes: u64,
    bad_fcs: u64,
    undecodable: u64,
    impossible_times: u64,
    devices: Distinct<MacAddr>,
    /// Their hashes, to save memory.
    ssids: Distinct<u64>,
    hasher: RandomState,
}

/// Different values. They are sorted now and then: a look-up for each would wait for memory each time.
struct Distinct<T>(Vec<T>);

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Distinct<T> {
    fn add(&mut self, value: T) {
        if self.0.len() == self.0.capacity() {
            // Half of the room is free after this, so that values are sorted a bounded number of times.
            let different = self.count();
            self.0.reserve(different.max(1024));
        }
        self.0.push(value);
    }

    fn count(&mut self) -> usize {
        // The stable sort makes use of the part that is sorted.
        self.0.sort();
        self.0.dedup();
        self.0.len()
    }
}

pub(super) fn replay(files: &[String], data: &DataDirArgs, fcs: FcsArgs) -> Result<ExitCode, CliError> {
    let config = data.config()?;
    local::check_access(&config.data_dir, local::LOCKING)?;
    let mut settings = recorder_settings(&config);
    // Old probes alert nobody.
    settings.alerts.chats.clear();
    let runtime = runtime()?;
    let started = Instant::now();
    let recorder =
        RunningRecorder::start(&config, settings, runtime.handle().clone(), CancellationToken::new())?;
    runtime.block_on(recorder.set_grouping(config.grouping));
    let mut summary = Summary::default();
    let mut failed = false;
    for file in files {
        let source = file_source(file);
        if recorder.handle().disk_error().is_some() {
            break;
        }
        if let Err(error) = replay_file(&source, recorder.handle(), fcs, &mut summary) {
            report(&with_remedy(&error, error.remedy()));
            failed = true;
        }
    }
    let written = match recorder.handle().disk_error() {
        Some(error) => Err(CliError::ReplayStopped(error)),
        None => Ok(()),
    };
    runtime.block_on(recorder.stop())?;
    written?;
    if summary.files > 0 {
        print(&mut summary, files.len() as u64, started.elapsed())
            .map_err(CliError::io("could not print the summary"))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn replay_file(
    source: &Source,
    recorder: &RecorderHandle,
    fcs: FcsArgs,
    summary: &mut Summary,
) -> Result<(), CaptureError> {
    let capture = Capture::open(source, &CaptureSettings::default())?;
    let counters = capture.counters();
    let mut progress = FileProgress::new(source.default_name(), size_of_file(source));
    let mut converter = ProbeConverter::new(&source.default_name(), fcs.include_bad_fcs);
    let mut times = FrameTimes::default();
    let record = |probe| recorder.record(probe).is_ok();
    let outcome = capture.run(|frame| {
        if counters.frames.load(Relaxed).is_multiple_of(FRAMES_PER_STEP) {
            progress.at(counters.bytes.load(Relaxed));
            // A replay can be repeated: it stops when writing fails instead of buffering events in memory.
            if recorder.disk_error().is_some() {
                return ControlFlow::Break(());
            }
        }
        let Some(probe) = converter.convert(frame) else { return ControlFlow::Continue(()) };
        summary.probes += 1;
        summary.devices.add(probe.probe.source);
        for ssid in probe.probe.names() {
            summary.ssids.add(summary.hasher.hash_one(&*ssid));
        }
        match times.take(probe, recorder, record) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    times.rest(record);
    drop(progress);
    summary.impossible_times += times.impossible();
    let frames = counters.frames.load(Relaxed);
    summary.files += u64::from(outcome.is_ok() || frames > 0);
    summary.frames += frames;
    summary.bad_fcs += counters.fcs_bad.load(Relaxed);
    summary.undecodable += counters.undecodable.load(Relaxed);
    warn_of_bad_fcs(&counters, fcs);
    outcome
}

/// The size of a file in bytes; 0 for other sources.
fn size_of_file(source: &Source) -> u64 {
    match source {
        Source::File(path) => fs::metadata(path).map_or(0, |file| file.len()),
        Source::Stdin | Source::Interface(_) | Source::Command(_) => 0,
    }
}

fn print(summary: &mut Summary, files: u64, took: Duration) -> io::Result<()> {
    let rate = summary.probes as f64 / took.as_secs_f64().max(1e-6);
    let all = pluralize(files, "file", "files");
    writeln!(
        io::stdout(),
        "Replayed {}: {}, {}, {}, {} in {:.2} s ({}/s)",
        if summary.files < files { format!("{} of {all}", summary.files) } else { all },
        pluralize(summary.frames, "frame", "frames"),
        pluralize(summary.probes, "probe", "probes"),
        pluralize(summary.devices.count() as u64, "device", "devices"),
        pluralize(summary.ssids.count() as u64, "SSID", "SSIDs"),
        took.as_secs_f64(),
        pluralize(rate.round() as u64, "probe", "probes"),
    )?;
    if summary.bad_fcs + summary.undecodable > 0 {
        writeln!(
            io::stdout(),
            "Of the frames, {} a wrong FCS and {} undecodable",
            pluralize(summary.bad_fcs, "has", "have"),
            pluralize(summary.undecodable, "is", "are"),
        )?;
    }
    if summary.impossible_times > 0 {
        let count = summary.impossible_times;
        let (has, counts) = if count == 1 { ("has", "it counts") } else { ("have", "they count") };
        writeln!(
            io::stdout(),
            "Of the frames, {count} {has} a time in the future or before 2000; {counts} at the time of the frame before, \
             or at an unknown time",
        )?;
    }
    Ok(())
}
