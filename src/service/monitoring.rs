//! `GET /healthz` and `GET /metrics`, on a listener of their own.
//!
//! What must hold:
//! - Health is 200 only while what is heard gets onto the disk, every part moves, and there is a source that is
//!   heard and none that has failed; else it is 503, and says why in a line each.
//! - Neither needs the recorder to answer: that it is stalled is told while it is.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ServiceError;
use super::source_worker::{DroppedFrames, SourceWorker};
use super::watchdog::{WatchedPart, stalled_parts};
use crate::event::Timestamp;
use crate::http;
use crate::metrics::{self, Kind, Page, Timings};
use crate::recorder::RecorderHandle;
use crate::status::{SourceState, SourceStatus};
use crate::telegram::RequestMetrics;
use crate::text::printable;

/// How often it is looked whether all parts move, and for how long one may not before that is told.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// What is told about.
#[derive(Clone)]
pub(super) struct Monitored {
    pub(super) recorder: RecorderHandle,
    pub(super) sensors: Vec<Arc<SourceWorker>>,
    pub(super) look_ups: Arc<Timings>,
    pub(super) requests: RequestMetrics,
}

#[derive(Clone)]
struct Monitor {
    monitored: Monitored,
    stalled: Arc<Mutex<Vec<String>>>,
}

pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, ServiceError> {
    TcpListener::bind(address).await.map_err(|source| ServiceError::Listen { address, source })
}

/// Answers on `listener` until `stop`; all `parts` have to move for it to be healthy.
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
        Err(error) => warn!("health and metrics listen on an address that cannot be told: {error}"),
    }
    let monitor = Monitor { monitored, stalled: Arc::default() };
    let router =
        Router::new().route("/healthz", get(health)).route("/metrics", get(page)).with_state(monitor.clone());
    let ends = stop.clone();
    let look = async {
        tokio::select! {
            () = poll_parts(&monitor, parts) => {}
            () = ends.cancelled() => {}
        }
    };
    tokio::join!(http::serve(listener, None, router, stop), look);
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
    let sensors: Vec<SourceStatus> = monitor.monitored.sensors.iter().map(|sensor| sensor.status()).collect();
    let problems = problems(&stalled, monitor.monitored.recorder.disk_error().as_deref(), &sensors);
    if problems.is_empty() {
        (StatusCode::OK, "recording and capturing\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, problems.iter().map(|problem| format!("{problem}\n")).collect())
    }
}

/// Why the service does not do what it is for; empty where it does.
fn problems(stalled: &[String], disk_error: Option<&str>, sensors: &[SourceStatus]) -> Vec<String> {
    let stalled = stalled.iter().map(|part| format!("{} does not move any more", printable(part)));
    let disk = disk_error.map(|why| format!("the disk takes nothing: {}", printable(why)));
    let failed = sensors.iter().filter_map(|sensor| match &sensor.condition {
        SourceState::Failed(_) => {
            let failure = sensor.failure().unwrap_or_default();
            Some(format!("{} failed: {}", printable(&sensor.name), printable(&failure)))
        }
        SourceState::Broken => Some(format!("{} ended unexpectedly", printable(&sensor.name))),
        _ => None,
    });
    let is_heard = sensors.iter().any(|sensor| matches!(sensor.condition, SourceState::Hearing));
    let silent = (!is_heard).then(|| "no source is heard".to_owned());
    stalled.chain(disk).chain(failed).chain(silent).collect()
}

async fn page(State(monitor): State<Monitor>) -> impl IntoResponse {
    let monitored = monitor.monitored;
    let history = monitored.recorder.history().clone();
    let log = tokio::task::spawn_blocking(move || history.size().ok()).await;
    let mut page = Page::default();
    sources(&mut page, &monitored.sensors);
    recording(&mut page, &monitored.recorder, log.ok().flatten().map(|log| log.bytes));
    alerts(&mut page, &monitored.recorder);
    let (name, help) = ("probewatch_lookup_duration_seconds", "How long look-ups took.");
    page.histogram(name, help, "of", &monitored.look_ups);
    telegram(&mut page, &monitored.requests);
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page.into_text())
}

fn sources(page: &mut Page, sensors: &[Arc<SourceWorker>]) {
    let sources: Vec<(SourceStatus, DroppedFrames)> =
        sensors.iter().map(|sensor| (sensor.status(), sensor.drops())).collect();
    let mut family = |kind, name, help, value: &dyn Fn(&SourceStatus) -> Option<f64>| {
        let mut family = page.family(kind, name, help);
        for (source, _) in &sources {
            if let Some(value) = value(source) {
                family.series(&[("source", &source.name)], value);
            }
        }
    };
    let counter = Kind::Counter;
    family(Kind::Gauge, "probewatch_source_up", "Whether the source is heard.", &|source| {
        Some(f64::from(u8::from(source.condition == SourceState::Hearing)))
    });
    family(
        counter,
        "probewatch_source_restarts_total",
        "How often the source was begun again after a failure.",
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
        page.family(counter, "probewatch_dropped_frames_total", "Frames lost before they were heard.");
    for (source, lost) in &sources {
        drops
            .series(&[("source", &source.name), ("cause", "kernel")], lost.kernel)
            .series(&[("source", &source.name), ("cause", "interface")], lost.interface);
    }
}

fn recording(page: &mut Page, recorder: &RecorderHandle, log_bytes: Option<u64>) {
    let losses = recorder.losses();
    page.family(Kind::Counter, "probewatch_dropped_probes_total", "Probe requests that were not recorded.")
        .series(&[("cause", "queue_full")], losses.queue_full.load(Relaxed))
        .series(&[("cause", "disk_failed")], losses.disk_failed.load(Relaxed));
    page.family(Kind::Gauge, "probewatch_disk_up", "Whether the disk takes events.")
        .series(&[], u8::from(recorder.disk_error().is_none()));
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
    page.family(Kind::Counter, "probewatch_lost_events_total", "Events that damage took, over restarts.")
        .series(&[], totals.lost_events);
    let mut log = page.family(Kind::Gauge, "probewatch_log_bytes", "What the log takes on the disk.");
    if let Some(bytes) = log_bytes {
        log.series(&[], bytes);
    }
}

fn alerts(page: &mut Page, recorder: &RecorderHandle) {
    let mut outcomes = page.family(
        Kind::Counter,
        "probewatch_alerts_total",
        "What became of alerts; one that is raised goes into the outbox.",
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
    let age = oldest.map_or(Duration::ZERO, |oldest| Timestamp::now().abs_diff(oldest));
    page.family(
        Kind::Gauge,
        "probewatch_outbox_age_seconds",
        "How old the oldest alert is that waits; 0 where none does.",
    )
    .series(&[], age.as_secs_f64());
}

fn telegram(page: &mut Page, requests: &RequestMetrics) {
    let (name, help) = ("probewatch_telegram_request_duration_seconds", "How long requests took.");
    page.histogram(name, help, "method", requests.timings());
    let (name, help) = ("probewatch_telegram_errors_total", "Requests that Telegram did not take.");
    requests.errors().write(["method", "reason"], &mut page.family(Kind::Counter, name, help));
}

/// Seconds since the Unix epoch.
fn seconds(time: Timestamp) -> f64 {
    time.to_utc().timestamp_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, condition: SourceState) -> SourceStatus {
        let name = name.to_owned();
        SourceStatus {
            name,
            condition,
            remedy: None,
            last_frame: None,
            frames: 0,
            undecodable: 0,
            bad_fcs: 0,
            dropped: 0,
            restarts: 0,
            clock_is_behind: false,
        }
    }

    #[test]
    fn it_is_healthy_only_while_all_is_recorded_and_something_heard() {
        let heard = || status("mon0", SourceState::Hearing);
        assert_eq!(problems(&[], None, &[heard(), status("a.pcap", SourceState::Over)]), [""; 0]);
        assert_eq!(problems(&[], Some("disk full"), &[heard()]), ["the disk takes nothing: disk full"]);
        let failed = status("mon1", SourceState::Failed("it is gone".to_owned()));
        assert_eq!(problems(&[], None, &[heard(), failed.clone()]), ["mon1 failed: it is gone"]);
        assert_eq!(problems(&[], None, &[failed]), ["mon1 failed: it is gone", "no source is heard"]);
        assert_eq!(problems(&[], None, &[status("-", SourceState::Opening)]), ["no source is heard"]);
        let stalled = ["the recorder".to_owned()];
        assert_eq!(problems(&stalled, None, &[heard()]), ["the recorder does not move any more"]);
        let broken = status("mon1", SourceState::Broken);
        assert_eq!(problems(&[], None, &[heard(), broken]), ["mon1 ended unexpectedly"]);
    }
}
