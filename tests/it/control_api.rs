//! The control socket speaks HTTP/1.1 with JSON. `curl` and other clients get what the commands print. Errors are
//! objects with a fitting status code, and no client blocks another.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::commands::{ALICE, RANDOM, TIME, stderr, stdout};
use crate::support::bot_api::BotApi;
use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, pcap_bytes, push_pcap_record};
use crate::support::service::{self, Config, Service};
use crate::support::{process, require, wait, wait_until};

/// A service that captures what a test writes to its standard input.
struct Fixture {
    _api: BotApi,
    service: Service,
    input: ChildStdin,
    written: u64,
}

impl Fixture {
    fn start() -> Self {
        let api = BotApi::start();
        // Without an owner the log would have an invitation.
        let config = Config::new(&api).sources(&["-"]).set("telegram", "owners", "[1001]");
        let mut service = Service::start_with(&api, config.device(ALICE, "Alice"));
        let mut input = service.take_stdin();
        input.write_all(&pcap_bytes(DLT_IEEE802_11_RADIO, &[])).unwrap();
        service.wait_for_log_event("webhook_registered", &[]);
        Self { _api: api, service, input, written: 0 }
    }

    fn transmit(&mut self, source: &str, ssid: &str) {
        let sequence = (self.written % 4096) as u16;
        let frame = ProbeRequestFrame::new(source).ssid(ssid).signal(-40).sequence(sequence).build();
        let mut record = Vec::new();
        push_pcap_record(&mut record, TIME + self.written * 1_000_000, &frame);
        self.input.write_all(&record).unwrap();
        self.written += 1;
    }

    fn wait_until_recorded(&self) {
        wait_until("the probes to be recorded", || {
            let (_, _, status) = self.json("GET", "/v1/status", "");
            (status["probes"].as_u64()? >= self.written).then_some(())
        });
    }

    fn socket(&self) -> PathBuf {
        self.service.data_dir().join("control.sock")
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// The service's complete answer to these bytes.
    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // The service may answer and close before it has read everything.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Response {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        Response::parse(&self.exchange(format!("{head}{body}").as_bytes()))
    }

    fn json(&self, method: &str, path: &str, body: &str) -> (u16, BTreeMap<String, String>, Value) {
        let Response { status, headers, body } = self.request(method, path, "", body);
        assert_eq!(headers["content-type"], "application/json", "{path}: {body}");
        (status, headers, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        let config = self.service.config_path();
        service::probewatch(&[arguments, &["-c", config.to_str().unwrap()]].concat())
    }
}

#[derive(Debug)]
struct Response {
    status: u16,
    headers: BTreeMap<String, String>,
    /// The decoded body. A chunked body must be complete.
    body: String,
}

impl Response {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let is_chunked = headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked");
        let body = if is_chunked { dechunk(body) } else { body.to_owned() };
        Self { status, headers, body }
    }
}

fn dechunk(mut body: &str) -> String {
    let mut whole = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n").expect("the length of a chunk");
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return whole + rest.trim_end();
        }
        whole += &rest[..length];
        body = &rest[length + 2..];
    }
}

#[test]
fn curl_gets_the_documented_responses() {
    if !require::curl_present() {
        return;
    }
    let mut fixture = Fixture::start();
    fixture.transmit(ALICE, "RNM0");
    fixture.transmit(RANDOM, "");
    fixture.wait_until_recorded();
    let socket = fixture.socket();
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--fail-with-body", "--unix-socket"])
            .arg(&socket)
            .args(arguments);
        let output = process::output(&mut command);
        (output.status.success(), stdout(&output))
    };
    let (found, device) = curl(&["http://localhost/v1/lookup?q=Alice"]);
    assert!(found, "{device}");
    assert_eq!(serde_json::from_str::<Value>(&device).unwrap()["addresses"][0], ALICE);
    assert_eq!(device, stdout(&fixture.run(&["lookup", "--json", "Alice"])));
    let (found, none) = curl(&["http://localhost/v1/lookup?q=nobody"]);
    assert!(!found);
    assert_eq!(none, "{\"query\":\"nobody\",\"found\":false}\n");
    let text = ["--get", "http://localhost/v1/lookup", "--data-urlencode", "q=ali", "--data", "format=text"];
    let (found, card) = curl(&text);
    assert!(found && card.contains("Wi-Fi probe stats for Alice"), "{card}");
    let (said, reply) = curl(&["http://localhost/v1/chat", "--data-raw", "/name 02:00:00:00:00:01 Van"]);
    assert!(said && reply.contains("is now called Van"), "{reply}");
    assert!(curl(&["http://localhost/v1/lookup?q=van"]).1.contains("\"found\":false"), "never captured");
    let (healthy, health) = curl(&["http://localhost/v1/health"]);
    assert_eq!((healthy, health.as_str()), (true, "{\"healthy\":true}\n"));
    assert!(curl(&["http://localhost/v1/status?format=text&zone=Asia/Tokyo"]).1.contains("probewatch"));
    let (exported, events) = curl(&["http://localhost/v1/export/events"]);
    assert!(exported);
    assert_eq!(events, stdout(&fixture.run(&["export", "events"])));
    let (exported, table) = curl(&["http://localhost/v1/export/devices?format=csv&device=Alice"]);
    assert!(exported && table.lines().count() == 2 && table.contains(ALICE), "{table}");
    let (exported, none) = curl(&["http://localhost/v1/export/events?to=2019-01-01T00:00:00Z"]);
    assert_eq!((exported, none.as_str()), (true, ""));
    let (exported, snapshot) = curl(&["http://localhost/v1/export/state"]);
    assert!(exported && snapshot.starts_with("{\"snapshot\":"), "{snapshot}");
    let (checked, lines) = curl(&["http://localhost/v1/check"]);
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert!(checked && last["passed"] == true, "{lines}");
    let (_, bot) = curl(&["http://localhost/v1/bot"]);
    assert!(serde_json::from_str::<Value>(&bot).unwrap().is_object(), "{bot}");
    let (_, ownership) = curl(&["http://localhost/v1/ownership"]);
    assert!(serde_json::from_str::<Value>(&ownership).unwrap()["state"].is_string(), "{ownership}");
}

#[test]
fn errors_are_objects_with_a_status_code() {
    let fixture = Fixture::start();
    for (method, path, expected, part) in [
        ("GET", "/", 404, "no such path"),
        ("GET", "/v1/nothing", 404, "no such path"),
        ("GET", "/v1/export/everything", 404, "no such export"),
        ("GET", "/v1/export/events?device=nobody", 404, "no device is called"),
        ("GET", "/v1/chat", 405, "method"),
        ("POST", "/v1/lookup?q=Alice", 405, "method"),
        ("DELETE", "/v1/status", 405, "method"),
        ("GET", "/v1/lookup", 400, "\"q\" is missing"),
        ("GET", "/v1/lookup?q=", 400, "\"q\" is empty"),
        ("GET", "/v1/lookup?q=+%20", 400, "\"q\" is empty"),
        ("GET", "/v1/lookup?q=a&q=b", 400, "more than once"),
        ("GET", "/v1/lookup?q=a&querry=b", 400, "no parameter \"querry\""),
        ("GET", "/v1/lookup?q=a&format=xml", 400, "json or text"),
        ("GET", "/v1/status?zone=Mars/Olympus", 400, "time zone"),
        ("GET", "/v1/export/events?from=yesterday", 400, "2026-11-22T18:30:00Z"),
        (
            "GET",
            "/v1/export/events?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z",
            400,
            "\"from\" is later than \"to\"",
        ),
        (
            "GET",
            "/v1/export/devices?from=2026-11-01T00:00:00Z&to=2026-11-01T00:00:00%2B01:00",
            400,
            "\"from\" is later than \"to\"",
        ),
        ("GET", "/v1/export/state?device=Alice", 400, "no parameter \"device\""),
        ("POST", "/v1/chat", 400, "empty"),
    ] {
        let (status, headers, body) = fixture.json(method, path, "");
        assert_eq!(status, expected, "{method} {path}: {body}");
        assert!(body["error"].as_str().unwrap().contains(part), "{method} {path}: {body}");
        assert_eq!(headers.contains_key("allow"), expected == 405, "{method} {path}: {headers:?}");
    }
    let (status, _, body) = fixture.json("POST", "/v1/chat", &"x".repeat((16 << 10) + 1));
    assert_eq!((status, body["remedy"].as_str()), (413, Some("send less at a time")));
    assert!(body["error"].as_str().unwrap().contains("16 KiB"), "{body}");
}

#[test]
fn the_fields_of_answers_are_documented() {
    let mut fixture = Fixture::start();
    fixture.transmit(ALICE, "RNM0");
    fixture.transmit(RANDOM, "");
    fixture.wait_until_recorded();
    let check = |endpoint: &str, query: &str, parts: &[&str]| {
        let documented = include_str!("../../docs/control-api.md");
        let heading = format!("GET /v1/{endpoint}\n");
        let section = documented.split("\n## ").find(|section| section.starts_with(&heading)).unwrap();
        let (status, _, body) = fixture.json("GET", &format!("/v1/{endpoint}{query}"), "");
        assert_eq!(status, 200, "{body}");
        for object in parts.iter().map(|part| body.pointer(part).unwrap()) {
            for field in object.as_object().unwrap().keys() {
                assert!(section.contains(&format!("`{field}`")), "{endpoint}: {field}");
            }
        }
    };
    check("status", "", &["", "/devices", "/log", "/sensors/0"]);
    check("lookup", &format!("?q={ALICE}"), &["", "/signal_dbm"]);
    check("lookup", &format!("?q={RANDOM}"), &["", "/phone", "/phone/addresses/0"]);
}

#[test]
fn parameters_are_percent_decoded() {
    let fixture = Fixture::start();
    for (query, expected) in [
        ("Zo%C3%AB+%26%20Max", "Zoë & Max"),
        ("%3Cb%3E%0A%00", "<b>\n\0"),
        ("a%ffb", "a\u{fffd}b"),
        ("100%", "100%"),
    ] {
        let (status, _, body) = fixture.json("GET", &format!("/v1/lookup?q={query}"), "");
        assert_eq!((status, body["query"].as_str()), (404, Some(expected.trim())), "{query}");
    }
}

#[test]
fn web_pages_and_other_hosts_are_refused() {
    let fixture = Fixture::start();
    let origin = fixture.request("GET", "/v1/status", "Origin: http://localhost\r\n", "");
    assert_eq!(origin.status, 403, "{origin:?}");
    assert!(origin.body.contains("Origin"), "{origin:?}");
    let ask = |host: &str| {
        let request = format!("GET /v1/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Response::parse(&fixture.exchange(request.as_bytes()))
    };
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", ""] {
        assert_eq!(ask(host).status, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "192.0.2.1"] {
        let refused = ask(host);
        assert_eq!(refused.status, 421, "{host}");
        assert!(refused.body.contains("http://localhost/v1/"), "{refused:?}");
    }
}

#[test]
fn requests_that_are_not_http_are_refused() {
    let fixture = Fixture::start();
    for request in [&b"\r\n\r\nhello\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"]
    {
        let answer = fixture.exchange(&[request, b"\r\n\r\n"].concat());
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    }
    let long = format!("GET /v1/lookup?q={} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(1 << 20));
    let answer = String::from_utf8_lossy(&fixture.exchange(long.as_bytes())).into_owned();
    // Its answer may be lost, since the rest is not read.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(fixture.run(&["status"]).status.success());
}

#[test]
fn mismatched_versions_are_reported() {
    let fixture = Fixture::start();
    let request = b"{\"version\":\"0.0.1\",\"zone\":\"UTC\",\"command\":\"check\"}\n";
    let answer = String::from_utf8(fixture.exchange(request)).unwrap();
    let (head, error) = answer.split_once('\n').unwrap();
    let head: Value = serde_json::from_str(head).unwrap();
    assert_eq!((&head["frame"], &head["bytes"]), (&"failed".into(), &error.len().into()));
    assert!(error.contains("older probewatch than the service"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let old = b"{\"frame\":\"failed\",\"bytes\":10}\nno request";
    let refused = ask_fake_service(folder.path(), vec![old.to_vec()], &["status"]);
    assert!(refused.contains("an older one, which does not support HTTP; restart the service"), "{refused}");
    let other = about("99.0.0");
    let refused = ask_fake_service(folder.path(), vec![other], &["status"]);
    assert!(refused.contains("the service that runs is probewatch 99.0.0; restart the service"), "{refused}");
}

#[test]
fn a_connection_beyond_the_limit_gets_an_error() {
    let fixture = Fixture::start();
    // The first 16 connections stay open for 10 s, and the next 16 wait.
    let idle: Vec<UnixStream> = (0..32).map(|_| fixture.connect()).collect();
    let (status, headers, body) = fixture.json("GET", "/v1/health", "");
    assert_eq!((status, headers["retry-after"].as_str()), (503, "1"), "{body}");
    assert_eq!(body["error"], "the service answers 16 others already");
    assert_eq!(body["remedy"], "try again when one of them has ended");
    drop(idle);
}

#[test]
fn a_connection_that_is_closed_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let refused = ask_fake_service(folder.path(), vec![Vec::new()], &["status"]);
    assert!(refused.contains("closed the connection without an answer; it is stopping, or"), "{refused}");
}

#[test]
fn an_incomplete_export_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("events.ndjson");
    let begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{}\r\n\r\n".to_vec();
    for target in ["-", output.to_str().unwrap()] {
        let answers = vec![about(env!("CARGO_PKG_VERSION")), about(env!("CARGO_PKG_VERSION")), begun.clone()];
        let refused = ask_fake_service(folder.path(), answers, &["export", "events", "-o", target]);
        assert!(refused.contains("the response ended early"), "{refused}");
        assert!(!output.exists(), "a file is complete or does not exist");
    }
}

fn about(version: &str) -> Vec<u8> {
    let body = format!("{{\"name\":\"probewatch\",\"version\":\"{version}\",\"copying\":false}}");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The error of a command while a fake service in `data_dir` gives these answers to any request. The client opens a
/// connection to check whether a service runs, and another for its request.
fn ask_fake_service(data_dir: &Path, answers: Vec<Vec<u8>>, command: &[&str]) -> String {
    let socket = data_dir.join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let serving = thread::spawn(move || {
        let mut answers = answers.into_iter();
        let mut first = answers.next();
        while let Some(answer) = first.take() {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(&answer).unwrap();
            first = answers.next();
            if answers.len() == 0
                && let Some(last) = first.take()
            {
                // The second request on the second connection, whose first request has been answered.
                let _ = (stream.read(&mut request), stream.write_all(&last));
            }
        }
    });
    let arguments = [command, &["--data-dir", data_dir.to_str().unwrap()]].concat();
    let output = service::probewatch(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    wait::join(serving, "the client's requests");
    std::fs::remove_file(socket).unwrap();
    stderr(&output)
}

#[test]
fn a_stalled_export_blocks_nobody() {
    let mut fixture = Fixture::start();
    for number in 0..6000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        fixture.transmit(&format!("02:00:00:{a:02x}:{b:02x}:{c:02x}"), "Depot");
    }
    fixture.wait_until_recorded();
    let mut stalled: Vec<UnixStream> = (0..4)
        .map(|_| {
            let mut stream = fixture.connect();
            stream.write_all(b"GET /v1/export/state HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let mut first = [0; 64];
            stream.read_exact(&mut first).unwrap();
            assert!(first.starts_with(b"HTTP/1.1 200 OK"));
            stream
        })
        .collect();
    for command in [&["export"][..], &["check"], &["export", "events"], &["lookup", "02:00:00:00:00:01"]] {
        let output = fixture.run(command);
        assert!(output.status.success(), "{command:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("is running"), "no copy is held: {}", stderr(&output));
    }
    let mut rest = Vec::new();
    let stream = stalled.first_mut().unwrap();
    while !rest.ends_with(b"0\r\n\r\n") {
        let mut some = [0; 1 << 16];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "the export is complete");
        rest.extend_from_slice(&some[..count]);
    }
    assert!(rest.len() > 500_000, "more than buffers hold: {}", rest.len());
}

#[test]
fn warnings_of_an_export_come_as_a_trailer() {
    let mut fixture = Fixture::start();
    fixture.transmit(ALICE, "RNM0");
    fixture.wait_until_recorded();
    let outcome = |answer: &[u8]| {
        let text = String::from_utf8_lossy(answer).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("probewatch-outcome: "));
        line.map(|json| serde_json::from_str::<Value>(json).unwrap())
    };
    let request = |headers: &str| {
        format!("GET /v1/export/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
    };
    let whole = outcome(&fixture.exchange(request("TE: trailers\r\n").as_bytes())).unwrap();
    assert_eq!(whole, serde_json::json!({"damaged": 0, "warnings": [], "more_warnings": 0}));
    assert_eq!(
        outcome(&fixture.exchange(request("").as_bytes())),
        None,
        "only for clients that accept trailers"
    );
}
