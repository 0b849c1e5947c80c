//! `GET /healthz` and `GET /metrics`, on a listener of their own.
//!
//! Invariants:
//! - Health is 200 while writing to the log works, no part is stalled, at least one source captures and none has
//!   failed. Otherwise it is 503, with a line for each problem.
//! - Neither needs an answer of the recorder: they work while it is stalled.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use store::event::Timestamp;
use store::recorder::RecorderHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::source_worker::{DroppedFrames, SourceWorker};
use super::watchdog::{WatchedPart, stalled_parts};
use crate::http;
use crate::log_writer;
use crate::metrics::{self, Kind, MetricsPage, Timings};
use crate::status::{SourceState, SourceStatus};
use crate::telegram::RequestMetrics;
use crate::text::printable;

/// How often the parts' heartbeats are read, and after how long without one a part counts as stalled.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// What health and metrics are read from.
#[derive(Clone)]
pub(super) struct Monitored {
    pub(super) recorder: RecorderHandle,
    pub(super) sources: Vec<Arc<SourceWorker>>,
    pub(super) lookups: Arc<Timings>,
    pub(super) requests: RequestMetrics,
}

#[derive(Clone)]
struct Monitor {
    monitored: Monitored,
    stalled: Arc<Mutex<Vec<String>>>,
}

/// Answers on `listener` until `stop`. A stalled part of `parts` makes the service unhealthy.
pub(super) async fn serve(
    listener: TcpListener,
    monitored: Monitored,
    parts: Vec<WatchedPart>,
    stop: CancellationToken,
) {
    match listener.local_addr() {
        Ok(address) => {
            info!(event = "monitoring_listening", %address, "listening for health and metrics requests")
        }
        Err(error) => {
            warn!(event = "monitoring_listening", %error, "listening for health and metrics requests on an unknown address")
        }
    }
    let monitor = Monitor { monitored, stalled: Arc::default() };
    let router =
        Router::new().route("/healthz", get(health)).route("/metrics", get(page)).with_state(monitor.clone());
    let stopped = stop.clone();
    let polling = async {
        tokio::select! {
            () = poll_parts(&monitor, parts) => {}
            () = stopped.cancelled() => {}
        }
    };
    tokio::join!(http::serve(listener, &[], None, router, stop), polling);
}

async fn poll_parts(monitor: &Monitor, mut parts: Vec<WatchedPart>) {
    loop {
        let stalled = stalled_parts(&mut parts, Instant::now(), STALL_LIMIT);
        *monitor.stalled.lock().unwrap_or_else(PoisonError::into_inner) = stalled;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn health(State(monitor): State<Monitor>) -> (StatusCode, String) {
    let stalled = monitor.stalled.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let sources: Vec<SourceStatus> = monitor.monitored.sources.iter().map(|source| source.status()).collect();
    let disk_error = monitor.monitored.recorder.disk_error();
    let problems = problems(&stalled, disk_error.as_ref().map(|error| &*error.why), &sources);
    if problems.is_empty() {
        // It records and alerts nevertheless, and a restart would not help.
        let doubt = monitor.monitored.recorder.clock_doubt().map(|doubt| {
            format!(
                "the machine's clock is in doubt since {}: it says {}. Set it from the network, or confirm it with \
                 /clock right\n",
                doubt.since, doubt.machine
            )
        });
        (StatusCode::OK, format!("recording and capturing\n{}", doubt.unwrap_or_default()))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, problems.iter().map(|problem| format!("{problem}\n")).collect())
    }
}

/// What is wrong, a line each; empty if the service is healthy.
fn problems(stalled: &[String], disk_error: Option<&str>, sources: &[SourceStatus]) -> Vec<String> {
    let stalled = stalled.iter().map(|part| format!("{} is stalled", printable(part)));
    let disk = disk_error.map(|why| format!("writing to the log fails: {}", printable(why)));
    let failed = sources.iter().filter_map(|source| match &source.condition {
        SourceState::Failed(_) => {
            let failure = source.failure().unwrap_or_default();
            Some(format!("{} failed: {}", printable(&source.name), printable(&failure)))
        }
        SourceState::Crashed => Some(format!("{} ended unexpectedly", printable(&source.name))),
        _ => None,
    });
    let captures = sources.iter().any(|source| matches!(source.condition, SourceState::Capturing));
    let silent = (!captures).then(|| "no source captures".to_owned());
    stalled.chain(disk).chain(failed).chain(silent).collect()
}

async fn page(State(monitor): State<Monitor>) -> impl IntoResponse {
    let monitored = monitor.monitored;
    let history = monitored.recorder.history().clone();
    let log = tokio::task::spawn_blocking(move || history.size().ok()).await;
    let mut page = MetricsPage::default();
    source_metrics(&mut page, &monitored.sources);
    recorder_metrics(&mut page, &monitored.recorder, log.ok().flatten().map(|log| log.bytes));
    alert_metrics(&mut page, &monitored.recorder);
    let (name, help) = ("probewatch_lookup_duration_seconds", "How long look-ups took.");
    page.histogram(name, help, "of", &monitored.lookups);
    telegram_metrics(&mut page, &monitored.requests);
    let (name, help) =
        ("probewatch_lost_log_lines_total", "Lines of the log that standard error did not take.");
    page.family(Kind::Counter, name, help).series(&[], log_writer::lost_lines());
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page.into_text())
}

fn source_metrics(page: &mut MetricsPage, workers: &[Arc<SourceWorker>]) {
    let sources: Vec<(SourceStatus, DroppedFrames)> =
        workers.iter().map(|worker| (worker.status(), worker.dropped_frames())).collect();
    let mut family = |kind, name, help, value: &dyn Fn(&SourceStatus) -> Option<f64>| {
        let mut family = page.family(kind, name, help);
        for (source, _) in &sources {
            if let Some(value) = value(source) {
                family.series(&[("source", &source.name)], value);
            }
        }
    };
    let counter = Kind::Counter;
    family(Kind::Gauge, "probewatch_source_up", "Whether the source captures.", &|source| {
        Some(f64::from(u8::from(source.condition == SourceState::Capturing)))
    });
    family(
        counter,
        "probewatch_source_restarts_total",
        "How often the source was opened again after a failure.",
        &|source| Some(source.restarts as f64),
    );
    family(counter, "probewatch_frames_total", "Frames captured.", &|source| Some(source.frames as f64));
    family(counter, "probewatch_undecodable_frames_total", "Frames that could not be decoded.", &|source| {
        Some(source.undecodable as f64)
    });
    family(
        counter,
        "probewatch_bad_fcs_frames_total",
        "Probe requests that were damaged on the air.",
        &|source| Some(source.bad_fcs as f64),
    );
    family(
        Kind::Gauge,
        "probewatch_last_frame_timestamp_seconds",
        "When the last frame was captured.",
        &|source| source.last_frame.map(seconds),
    );
    let mut drops =
        page.family(counter, "probewatch_dropped_frames_total", "Frames lost before they were captured.");
    for (source, lost) in &sources {
        drops
            .series(&[("source", &source.name), ("cause", "kernel")], lost.kernel)
            .series(&[("source", &source.name), ("cause", "interface")], lost.interface);
    }
}

fn recorder_metrics(page: &mut MetricsPage, recorder: &RecorderHandle, log_bytes: Option<u64>) {
    let losses = recorder.losses();
    page.family(Kind::Counter, "probewatch_dropped_probes_total", "Probe requests that were not recorded.")
        .series(&[("cause", "queue_full")], losses.queue_full.load(Relaxed))
        .series(&[("cause", "disk_failed")], losses.disk_failed.load(Relaxed));
    page.family(Kind::Gauge, "probewatch_disk_up", "Whether writing to the log works.")
        .series(&[], u8::from(recorder.disk_error().is_none()));
    page.family(Kind::Gauge, "probewatch_clock_trusted", "Whether the machine's clock is not in doubt.")
        .series(&[], u8::from(recorder.clock_doubt().is_none()));
    let (totals, events) = {
        let state = recorder.state();
        (state.totals(), state.next_offset().0)
    };
    page.family(Kind::Counter, "probewatch_probes_total", "Probe requests, over restarts.")
        .series(&[("ssid", "wildcard")], totals.wildcard_probes)
        .series(&[("ssid", "named")], totals.probes.saturating_sub(totals.wildcard_probes));
    page.family(Kind::Gauge, "probewatch_devices", "Addresses that are known.")
        .series(&[("address", "random")], totals.random_addresses)
        .series(&[("address", "global")], totals.addresses.saturating_sub(totals.random_addresses));
    page.family(Kind::Counter, "probewatch_events_total", "Events recorded, over restarts.")
        .series(&[], events);
    page.family(Kind::Counter, "probewatch_lost_events_total", "Events lost to damage, over restarts.")
        .series(&[], totals.lost_events);
    page.family(
        Kind::Counter,
        "probewatch_thinned_probes_total",
        "Probe requests of invented addresses that were left out of the log, to make room, over restarts.",
    )
    .series(&[], totals.thinned_probes);
    page.family(
        Kind::Counter,
        "probewatch_forgotten_networks_total",
        "How often it was forgotten who looks for a network, to make room for others.",
    )
    .series(&[], totals.forgotten_networks);
    let mut log = page.family(Kind::Gauge, "probewatch_log_bytes", "The size of the log on disk.");
    if let Some(bytes) = log_bytes {
        log.series(&[], bytes);
    }
}

fn alert_metrics(page: &mut MetricsPage, recorder: &RecorderHandle) {
    let mut outcomes = page.family(
        Kind::Counter,
        "probewatch_alerts_total",
        "Alerts by outcome; one that is raised goes into the outbox.",
    );
    for (outcome, count) in recorder.alert_metrics().outcomes() {
        outcomes.series(&[("outcome", outcome)], count);
    }
    let (waiting, oldest) = {
        let state = recorder.state();
        (state.alerts().waiting(), state.alerts().oldest_waiting())
    };
    page.family(Kind::Gauge, "probewatch_outbox_alerts", "Alerts that wait for Telegram.")
        .series(&[], waiting);
    let age = oldest.map_or(Duration::ZERO, |oldest| recorder.now().abs_diff(oldest));
    page.family(
        Kind::Gauge,
        "probewatch_outbox_age_seconds",
        "The age of the oldest waiting alert; 0 if none waits.",
    )
    .series(&[], age.as_secs_f64());
}

fn telegram_metrics(page: &mut MetricsPage, requests: &RequestMetrics) {
    let (name, help) = ("probewatch_telegram_request_duration_seconds", "How long requests took.");
    page.histogram(name, help, "method", requests.timings());
    let (name, help) = ("probewatch_telegram_errors_total", "Requests that failed.");
    requests.errors().write(["method", "reason"], &mut page.family(Kind::Counter, name, help));
}

/// Seconds since the Unix epoch.
fn seconds(time: Timestamp) -> f64 {
    time.to_utc().timestamp_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_needs_a_working_log_a_capturing_source_and_no_failure() {
        let capturing = || SourceStatus::example("mon0", SourceState::Capturing);
        assert_eq!(
            problems(&[], None, &[capturing(), SourceStatus::example("a.pcap", SourceState::Ended)]),
            [""; 0]
        );
        assert_eq!(problems(&[], Some("disk full"), &[capturing()]), ["writing to the log fails: disk full"]);
        let failed = SourceStatus::example("mon1", SourceState::Failed("it is gone".to_owned()));
        assert_eq!(problems(&[], None, &[capturing(), failed.clone()]), ["mon1 failed: it is gone"]);
        assert_eq!(problems(&[], None, &[failed]), ["mon1 failed: it is gone", "no source captures"]);
        assert_eq!(
            problems(&[], None, &[SourceStatus::example("-", SourceState::Opening)]),
            ["no source captures"]
        );
        let stalled = ["the recorder".to_owned()];
        assert_eq!(problems(&stalled, None, &[capturing()]), ["the recorder is stalled"]);
        let broken = SourceStatus::example("mon1", SourceState::Crashed);
        assert_eq!(problems(&[], None, &[capturing(), broken]), ["mon1 ended unexpectedly"]);
    }
}
