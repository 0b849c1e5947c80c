//! With `telegram.webhook.tls = "self-signed"` the bot needs no proxy: it generates a certificate, uploads it, and
//! accepts updates over TLS. Other clients of the open port get no response and block no updates.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::commands::{ALICE, TIME, stderr, stdout};
use crate::support::bot_api::{BotApi, Fault, Incoming, Webhook, post_over, tls};
use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, write_pcap};
use crate::support::service::{Config, Service, probewatch, run, toml_string};
use crate::support::{http, require};

const CHAT: i64 = 1001;

/// The service with its Bot API server and its sources.
struct TlsBot {
    service: Service,
    api: BotApi,
    _capture: tempfile::TempDir,
}

impl TlsBot {
    fn start(change: impl FnOnce(Config) -> Config) -> Self {
        Self::start_with(BotApi::start(), change)
    }

    fn start_with(api: BotApi, change: impl FnOnce(Config) -> Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let capture = folder.path().join("street.pcap");
        write_pcap(&capture, DLT_IEEE802_11_RADIO, &[(TIME, ProbeRequestFrame::new(ALICE).build())]).unwrap();
        let config = Config::new(&api).sources(&[capture.to_str().unwrap()]);
        let config = config.set("telegram.webhook", "tls", &toml_string("self-signed")).set(
            "telegram.webhook",
            "url",
            &toml_string("https://bot.example.org:8443"),
        );
        let service = Service::start_with(&api, change(config));
        Self { service, api, _capture: folder }
    }

    /// Posts a message as Telegram would, and waits for the reply.
    fn assert_answers(&self) {
        let sent = self.api.sent_count();
        assert_eq!(self.api.post(self.service.listen_address(), Incoming::text(CHAT, "/help")), 200);
        self.api.wait_for_message_after(sent, |message| message.chat_id == CHAT);
    }

    /// Restarts the service with a changed configuration, and returns the webhook that it sets.
    fn restarted(&mut self, change: impl FnOnce(Config) -> Config) -> Webhook {
        let starts = self.api.webhook_history().len() + 1;
        self.service.restart_with(change);
        self.api.webhook_number(starts)
    }

    fn file(&self) -> std::path::PathBuf {
        self.service.data_dir().join("webhook.pem")
    }
}

#[test]
fn the_certificate_is_uploaded_and_updates_arrive_over_tls() {
    let mut bot = TlsBot::start(|config| config);
    let first = bot.api.webhook();
    assert!(first.certificate.is_some());
    bot.assert_answers();
    assert_eq!(fs::metadata(bot.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let config = bot.service.config_path();
    let doctor = stdout(&probewatch(&["doctor", "-c", config.to_str().unwrap()]));
    assert!(doctor.contains("✓ Webhook: Telegram posts to bot.example.org"), "{doctor}");

    let same = bot.restarted(|config| config);
    assert_eq!(same.certificate, first.certificate);
    bot.assert_answers();

    let moved = bot.restarted(|config| {
        config.set("telegram.webhook", "url", &toml_string("https://203.0.113.7:8443/behind"))
    });
    assert_ne!(moved.certificate, first.certificate);
    bot.service.wait_for_log_event("certificate_unusable", &[]);
    bot.service.wait_for_log_event("certificate_created", &[("host", "203.0.113.7")]);
    bot.assert_answers();

    let whole = fs::read(bot.file()).unwrap();
    fs::write(bot.file(), &whole[..whole.len() / 3]).unwrap();
    let repaired = bot.restarted(|config| config);
    assert_ne!(repaired.certificate, moved.certificate);
    let unusable = bot.service.wait_for_log_event("certificate_unusable", &[]);
    assert!(unusable.contains("the file is damaged"), "{unusable}");
    bot.assert_answers();
    assert_eq!(fs::metadata(bot.file()).unwrap().permissions().mode() & 0o777, 0o600);

    let behind_a_proxy = bot.restarted(|config| config.set("telegram.webhook", "tls", &toml_string("off")));
    assert_eq!(behind_a_proxy.certificate, None, "which makes Telegram forget the one that it had");
    bot.assert_answers();
    let key = String::from_utf8(whole).unwrap();
    let key = key.lines().nth(1).unwrap();
    assert!(bot.service.log_lines().iter().all(|line| !line.contains(key)), "no key in the log");
}

#[test]
fn the_certificate_is_uploaded_again_until_telegram_has_it() {
    let api = BotApi::start();
    api.fail_next("setWebhook", 1, Fault::AcceptThenClose);
    api.fail_next("setWebhook", 1, Fault::ServerError(502));
    let bot = TlsBot::start_with(api, |config| config);
    bot.service.wait_for_log_event("webhook_registered", &[]);
    let uploads = bot.api.wait_for_calls("setWebhook", 3);
    let first = &uploads[0].files["certificate"];
    assert!(
        uploads.iter().all(|call| call.files["certificate"] == *first && call.params == uploads[0].params)
    );
}

#[test]
fn plain_http_gets_no_response() {
    let bot = TlsBot::start(|config| config);
    let webhook = bot.api.webhook();
    let listen = bot.service.listen_address();
    let mut plain = http::connect(listen).unwrap();
    plain.write_all(format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", webhook.path()).as_bytes()).unwrap();
    let mut got = Vec::new();
    let _ = plain.read_to_end(&mut got);
    assert!(!String::from_utf8_lossy(&got).contains("HTTP"), "{got:?}");

    // The tests' server, too, would reject a different certificate.
    let other = Webhook { url: webhook.url.replace("bot.example", "other.example"), ..webhook.clone() };
    let refused = bot.api.try_post(listen, Incoming::text(CHAT, "/help"), &other).unwrap_err();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
    let wrong = bot.api.update(Incoming::text(CHAT, "/help"));
    assert_eq!(bot.api.post_update_with_secret(listen, &wrong, Some("wrong")), 401);
    bot.assert_answers();
}

#[test]
fn idle_connections_block_nobody() {
    // If idle connections kept their slots, the limit of 128 would delay the last of 400 by at least half a minute.
    for (tls_mode, beginning) in [("self-signed", b"\x16\x03\x01".as_slice()), ("off", b"POST /tele")] {
        let bot = TlsBot::start(|config| config.set("telegram.webhook", "tls", &toml_string(tls_mode)));
        let webhook = bot.api.webhook();
        let listen = bot.service.listen_address();
        let stream = http::connect(listen).unwrap();
        let mut telegram: Box<dyn Stream> = match &webhook.certificate {
            Some(pem) => Box::new(tls(stream, pem, webhook.host())),
            None => Box::new(stream),
        };
        let mut post = || {
            let update = bot.api.update(Incoming::text(CHAT, "/help"));
            post_over(&mut telegram, &update, &webhook, webhook.secret_token.as_deref()).unwrap()
        };
        assert_eq!(post(), 200);
        let held: Vec<TcpStream> = (0..400)
            .map(|which| connect_and_send(listen, if which % 2 == 0 { beginning } else { b"" }))
            .collect();
        bot.assert_answers();
        assert_eq!(post(), 200, "the connection that showed the secret is still there");
        let open = held.iter().filter(|stream| is_open(stream)).count();
        assert!(open <= 127, "one of 128 places is Telegram's: {open}");
    }
}

#[test]
fn a_privileged_port_is_reported_with_a_remedy() {
    let free_from = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if free_from.trim().parse::<u16>().unwrap() <= 443 {
        require::skip("every port is free here: net.ipv4.ip_unprivileged_port_start");
        return;
    }
    let without_rights = ["setpriv", "--bounding-set", "-net_bind_service", env!("CARGO_BIN_EXE_probewatch")];
    let mut bot = TlsBot::start(|config| {
        let config = config.command(&without_rights);
        config.set("telegram.webhook", "listen", &toml_string("127.0.0.1:443"))
    });
    bot.service.wait_for_line(
        "could not listen on 127.0.0.1:443 for the webhook: ports below 1024 need the capability",
    );
    assert!(!bot.service.wait_for_exit().success());
}

/// A connection that has sent these bytes so far.
fn connect_and_send(listen: SocketAddr, beginning: &[u8]) -> TcpStream {
    let mut stream = http::connect(listen).unwrap();
    stream.write_all(beginning).unwrap();
    stream
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    stream.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// Telegram checks certificates with OpenSSL.
#[test]
fn openssl_accepts_the_certificate() {
    if !require::openssl_present() {
        return;
    }
    for (host, is_host) in [("bot.example.org", "-verify_hostname"), ("203.0.113.7", "-verify_ip")] {
        let url = toml_string(&format!("https://{host}:8443"));
        let bot = TlsBot::start(|config| config.set("telegram.webhook", "url", &url));
        let pem = bot.service.data_dir().join("trusted.pem");
        fs::write(&pem, bot.api.webhook().certificate.unwrap()).unwrap();
        let pem = pem.to_str().unwrap();
        let listen = bot.service.listen_address().to_string();
        let openssl = |arguments: &[&str]| {
            let mut command = Command::new("openssl");
            command.args(arguments);
            let output = run(command, b"");
            let said = stdout(&output) + &stderr(&output);
            (output.status.success(), said)
        };
        let (verified, said) = openssl(&["verify", "-purpose", "sslserver", "-CAfile", pem, pem]);
        assert!(verified, "{said}");
        for version in ["-tls1_2", "-tls1_3"] {
            let connect = ["s_client", "-connect", &listen, "-brief", "-verify_return_error", version];
            let (trusted, said) = openssl(&[&connect[..], &["-CAfile", pem, is_host, host]].concat());
            assert!(trusted && said.contains("Verification: OK"), "{said}");
            let other = if is_host == "-verify_ip" { "203.0.113.8" } else { "bot.example.com" };
            let (trusted, said) = openssl(&[&connect[..], &["-CAfile", pem, is_host, other]].concat());
            assert!(!trusted && said.contains("mismatch"), "{said}");
        }
    }
}
