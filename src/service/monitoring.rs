//! `GET /healthz` and `GET /metrics`, on a listener of their own.
//!
//! Invariants:
//! - Health is 200 while the service is healthy ([`Health`]). Otherwise it is 503, with a line for each problem.
//! - Neither needs an answer of the recorder: they work while it is stalled.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

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

use super::health::Health;
use super::source_worker::{DroppedFrames, SourceWorker};
use crate::http;
use crate::log_writer;
use crate::metrics::{self, Kind, MetricsPage, Timings};
use crate::status::{SourceState, SourceStatus};
use crate::telegram::RequestMetrics;

/// What health and metrics are read from.
#[derive(Clone)]
pub(super) struct Monitored {
    pub(super) recorder: RecorderHandle,
    pub(super) sources: Vec<Arc<SourceWorker>>,
    pub(super) lookups: Arc<Timings>,
    pub(super) requests: RequestMetrics,
    pub(super) health: Health,
}

/// Answers on `listener` until `stop`.
pub(super) async fn serve(listener: TcpListener, monitored: Monitored, stop: CancellationToken) {
    match listener.local_addr() {
        Ok(address) => {
            info!(event = "monitoring_listening", %address, "listening for health and metrics requests")
        }
        Err(error) => {
            warn!(event = "monitoring_listening", %error, "listening for health and metrics requests on an unknown address")
        }
    }
    let router =
        Router::new().route("/healthz", get(health)).route("/metrics", get(page)).with_state(monitored);
    http::serve(listener, &[], None, router, stop).await;
}

async fn health(State(monitored): State<Monitored>) -> (StatusCode, String) {
    let problems = monitored.health.problems();
    if problems.is_empty() {
        // It records and alerts nevertheless, and a restart would not help.
        let doubt = monitored.recorder.clock_doubt().map(|doubt| {
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

async fn page(State(monitored): State<Monitored>) -> impl IntoResponse {
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
        Kind::Gauge,
        "probewatch_channel_hopping_up",
        "Whether the source's radio changes its channel, if it should hop over several.",
        &|source| Some(f64::from(u8::from(source.hopping_failure.is_none()))),
    );
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
        .series(&[("ssid", "hidden")], totals.hidden_probes)
        .series(
            &[("ssid", "named")],
            totals.probes.saturating_sub(totals.wildcard_probes + totals.hidden_probes),
        );
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
