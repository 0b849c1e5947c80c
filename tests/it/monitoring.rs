//! `/healthz` returns 200 only while the service records and captures. Prometheus can parse `/metrics`, whatever the
//! names of the sources.

use std::io::Write;
use std::net::SocketAddr;

use crate::support::bot_api::{BotApi, Fault, Incoming};
use crate::support::exposition::Exposition;
use crate::support::frames::{ProbeRequestFrame, pcap_bytes, write_pcap};
use crate::support::http;
use crate::support::service::{Config, Service, log_field, probewatch, toml_string};
use crate::support::stalled_thread::StalledThread;
use crate::support::wait_until;

/// A file name with characters that end a label, a line and a path component.
const HOSTILE: &str = "a\"b\\c\n} 1 .pcap";

fn frames(ssids: &[&str]) -> Vec<(u64, Vec<u8>)> {
    let frame = |ssid: &&str| ProbeRequestFrame::new("a4:83:e7:4e:39:15").ssid(ssid.as_bytes()).build();
    ssids.iter().map(|ssid| (1_600_000_000_000_000, frame(ssid))).collect()
}

fn address(service: &Service) -> SocketAddr {
    let line = service.wait_for_log_event("monitoring_listening", &[]);
    log_field(&line, "address").parse().unwrap()
}

/// What the image's health check says.
fn is_healthy(service: &Service) -> bool {
    let config = service.config_path();
    let checked = probewatch(&["status", "--quiet", "--config", config.to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&checked.stdout), "");
    checked.status.success()
}

fn metrics(address: SocketAddr) -> Exposition {
    let response = http::get(address, "/metrics").unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    Exposition::parse(&response.text()).unwrap_or_else(|why| panic!("{why}\nin\n{}", response.text()))
}

#[test]
fn health_follows_the_sources_and_the_metrics_count() {
    let api = BotApi::start();
    let folder = tempfile::tempdir().unwrap();
    let files = ["one", "two"].map(|place| folder.path().join(place).join(HOSTILE));
    for file in &files {
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        write_pcap(file, 127, &frames(&["RNM0", ""])).unwrap();
    }
    // Two sources with the same name get distinct labels.
    let [one, two] = files.each_ref().map(|file| toml_string(file.to_str().unwrap()));
    let sources = format!("[\"-\", {one}, {{ file = {two}, name = \"two\" }}]");
    let config =
        Config::new(&api).set("capture", "sources", &sources).set("monitoring", "listen", "\"127.0.0.1:0\"");
    let mut service = Service::start_with(&api, config);
    let monitor = address(&service);
    let health = || http::get(monitor, "/healthz").unwrap();
    wait_until("both files read", || {
        let page = metrics(monitor);
        let frames = |source| page.value("probewatch_frames_total", &[("source", source)]);
        ((frames(HOSTILE), frames("two")) == (2.0, 2.0)).then_some(())
    });
    wait_until("both files at their end", || {
        let health = health();
        (health.status == 503 && health.text() == "no source captures\n").then_some(())
    });

    let mut stdin = service.take_stdin();
    stdin.write_all(&pcap_bytes(127, &frames(&["RNM0"]))).unwrap();
    wait_until("the source to capture", || (health().status == 200).then_some(()));
    assert_eq!(health().text(), "recording and capturing\n");

    let listen = service.listen_address();
    api.webhook();
    assert_eq!(api.post(listen, Incoming::text(1001, "/watch RNM0 why")), 200);
    assert_eq!(api.post(listen, Incoming::text(1001, "a4:83:e7:4e:39:15")), 200);
    stdin.write_all(&pcap_bytes(127, &frames(&["RNM0"]))[24..]).unwrap();
    api.wait_for_message(|message| message.plain.contains("is watched"));
    let page = wait_until("the delivery", || {
        let page = metrics(monitor);
        (page.value("probewatch_alerts_total", &[("outcome", "delivered")]) == 1.0).then_some(page)
    });
    let value = |name: &str, labels: &[(&str, &str)]| page.value(&format!("probewatch_{name}"), labels);
    assert_eq!(value("frames_total", &[("source", HOSTILE)]), 2.0);
    assert_eq!(value("source_restarts_total", &[("source", HOSTILE)]), 0.0);
    assert_eq!(value("frames_total", &[("source", "stdin")]), 2.0);
    assert_eq!(value("source_up", &[("source", "stdin")]), 1.0);
    assert_eq!(value("source_up", &[("source", HOSTILE)]), 0.0);
    assert_eq!(value("last_frame_timestamp_seconds", &[("source", "stdin")]), 1.6e9);
    assert_eq!(value("dropped_frames_total", &[("source", "stdin"), ("cause", "kernel")]), 0.0);
    assert_eq!(value("dropped_probes_total", &[("cause", "queue_full")]), 0.0);
    assert_eq!(value("probes_total", &[("ssid", "named")]), 4.0);
    assert_eq!(value("probes_total", &[("ssid", "wildcard")]), 2.0);
    assert_eq!(value("devices", &[("address", "global")]), 1.0);
    assert_eq!(value("devices", &[("address", "random")]), 0.0);
    assert!(value("events_total", &[]) >= 9.0, "six probes, a signature, a watch and a delivery");
    assert!(value("log_bytes", &[]) > 500.0);
    assert_eq!(value("alerts_total", &[("outcome", "raised")]), 1.0);
    assert_eq!((value("outbox_alerts", &[]), value("outbox_age_seconds", &[])), (0.0, 0.0));
    assert_eq!(value("lookup_duration_seconds_count", &[("of", "device")]), 1.0);
    assert_eq!(value("telegram_request_duration_seconds_count", &[("method", "GetMe")]), 1.0);
    let sent = |method| value("telegram_request_duration_seconds_count", &[("method", method)]);
    assert!(sent("SendMessage") >= 2.0 && sent("SendRichMessage") >= 1.0);

    assert!(is_healthy(&service));
    drop(stdin);
    wait_until("the end of all sources", || (health().status == 503).then_some(()));
    assert!(!is_healthy(&service));
    assert_eq!(http::get(monitor, "/").unwrap().status, 404);
    assert_eq!(http::request(monitor, "POST", "/metrics", &[], b"").unwrap().status, 405);
}

#[test]
fn a_stalled_recorder_is_unhealthy_for_every_check() {
    let api = BotApi::start();
    let config = Config::new(&api).sources(&["-"]).set("monitoring", "listen", "\"127.0.0.1:0\"");
    let mut service = Service::start_with(&api, config);
    let monitor = address(&service);
    let mut radio = service.take_stdin();
    radio.write_all(&pcap_bytes(127, &frames(&["RNM0"]))).unwrap();
    let health = || http::get(monitor, "/healthz").unwrap();
    wait_until("the source to capture", || (health().status == 200).then_some(()));
    assert!(is_healthy(&service));
    let Some(stalled) = StalledThread::stop(service.id(), "recorder") else { return };
    wait_until("the stall to be noticed", || (health().status == 503).then_some(()));
    assert_eq!(health().text(), "the recorder is stalled\n");
    assert!(!is_healthy(&service));
    drop(stalled);
    wait_until("the recorder to go on", || (health().status == 200).then_some(()));
    assert!(is_healthy(&service));
}

#[test]
fn stalled_clients_block_nobody() {
    let api = BotApi::start();
    let config = Config::new(&api).sources(&["-"]).set("monitoring", "listen", "\"127.0.0.1:0\"");
    let service = Service::start_with(&api, config);
    let monitor = address(&service);
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    // More connections than are allowed, with answers larger than the buffers in between.
    let mut stalled = Vec::new();
    for _ in 0..140 {
        let mut stream = http::connect(monitor).unwrap();
        stream.set_nonblocking(true).unwrap();
        // As many requests as the socket accepts. The last one stays incomplete.
        let _ = stream.write(&request);
        stalled.push(stream);
        if stalled.len().is_multiple_of(20) {
            assert_eq!(http::get(monitor, "/healthz").unwrap().status, 503);
        }
    }
    for _ in 0..10 {
        assert_eq!(http::get(monitor, "/healthz").unwrap().status, 503);
    }
}

#[test]
fn refused_requests_are_counted() {
    let api = BotApi::start();
    api.fail_next("setWebhook", 1, Fault::ServerError(500));
    let config = Config::new(&api).sources(&["-"]).set("monitoring", "listen", "\"127.0.0.1:0\"");
    let mut service = Service::start_with(&api, config);
    let monitor = address(&service);
    let errors = |method, reason| {
        let labels = [("method", method), ("reason", reason)];
        metrics(monitor).find("probewatch_telegram_errors_total", &labels)
    };
    wait_until("the failed request", || errors("SetWebhook", "out_of_reach").filter(|count| *count == 1.0));

    let listen = service.listen_address();
    api.webhook();
    assert_eq!(api.post(listen, Incoming::text(1001, "/watch RNM0 why")), 200);
    api.fail_next("sendMessage", 1, Fault::TooManyRequests { retry_after: 3600 });
    service.take_stdin().write_all(&pcap_bytes(127, &frames(&["RNM0"]))).unwrap();
    wait_until("the refusal", || errors("SendMessage", "too_many").filter(|count| *count == 1.0));
    let page = metrics(monitor);
    assert_eq!(page.value("probewatch_outbox_alerts", &[]), 1.0);
    assert!(page.value("probewatch_outbox_age_seconds", &[]) > 1e8, "the frame is of 2020");
    assert_eq!(page.value("probewatch_alerts_total", &[("outcome", "raised")]), 1.0);
    assert_eq!(page.value("probewatch_alerts_total", &[("outcome", "delivered")]), 0.0);
}

#[test]
fn a_wait_that_telegram_asks_for_is_shown_and_is_bounded() {
    let api = BotApi::start();
    let mut service = Service::start_with(&api, Config::new(&api).sources(&["-"]));
    let listen = service.listen_address();
    api.webhook();
    assert_eq!(api.post(listen, Incoming::text(1001, "/watch RNM0 why")), 200);
    let data_dir = service.data_dir();
    let status = || probewatch(&["status", "--data-dir", data_dir.to_str().unwrap()]);
    let is_waiting = |text: &str| text.contains("\n⏳ Telegram asked for ");
    assert!(!is_waiting(&String::from_utf8(status().stdout).unwrap()));
    api.fail_next("sendMessage", 1, Fault::TooManyRequests { retry_after: u32::MAX });
    service.take_stdin().write_all(&pcap_bytes(127, &frames(&["RNM0"]))).unwrap();
    wait_until("the wait in the status", || {
        let text = String::from_utf8(status().stdout).unwrap();
        is_waiting(&text).then_some(text)
    });
    let wanted =
        "Telegram asked for 49710 d 6 h, more than the bot waits: no alerts are sent to a chat for 1 h 0 min";
    // It answers meanwhile.
    let seen = api.sent_count();
    assert_eq!(api.post(listen, Incoming::text(1001, "/status")), 200);
    let reply = api.wait_for_message_after(seen, |message| message.chat_id == 1001);
    assert!(reply.plain.contains(wanted), "{}", reply.plain);
    let output = probewatch(&["doctor", "-c", service.config_path().to_str().unwrap()]);
    let findings = String::from_utf8(output.stdout).unwrap();
    assert!(findings.contains(wanted), "{findings}");
}

#[test]
fn monitoring_is_off_by_default_and_a_taken_address_is_an_error() {
    let api = BotApi::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("\"{}\"", taken.local_addr().unwrap());
    let config = Config::new(&api).sources(&["-"]);
    let mut service = Service::start(config.clone().set("monitoring", "listen", &listen));
    service.wait_for_line("(monitoring.listen)");
    assert!(!service.wait_for_exit().success());

    let service = Service::start_with(&api, config);
    service.listen_address();
    assert!(!service.has_logged("monitoring_listening"));
}
