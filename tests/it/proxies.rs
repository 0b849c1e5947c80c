//! The configurations for Caddy and nginx in docs/webhook.md work. The real servers run with them, curl posts an update
//! over TLS as Telegram does, and the bot replies.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::bot_api::{BotApi, Incoming};
use crate::support::process;
use crate::support::require;
use crate::support::service::{Config, Service};
use crate::support::wait_until;

const HOST: &str = "bot.example.org";

/// The indented block under this heading of docs/webhook.md.
fn documented_block(heading: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/webhook.md")).unwrap();
    let (_, part) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let lines = part.lines().skip_while(|line| !line.starts_with("    "));
    let block: Vec<_> = lines.map_while(|line| line.strip_prefix("    ")).collect();
    assert!(block.len() > 2, "{heading}: {block:?}");
    block.join("\n")
}

/// A free address for a server, whose configuration must contain it. All other tests use 127.0.0.1.
fn free_address() -> SocketAddr {
    let [a, b] = [(); 2].map(|()| fastrand::u8(1..255));
    (Ipv4Addr::new(127, 1, a, b), 8443).into()
}

/// A proxy, which ends with the test.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    api: BotApi,
    service: Service,
    address: SocketAddr,
}

impl Fixture {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut certificate = Command::new("openssl");
        certificate.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]);
        certificate.args(["-subj", &format!("/CN={HOST}"), "-addext", &format!("subjectAltName=DNS:{HOST}")]);
        certificate.args(["-keyout", "privkey.pem", "-out", "fullchain.pem"]).current_dir(&folder);
        let made = process::output(&mut certificate);
        assert!(made.status.success(), "{made:?}");
        let api = BotApi::start();
        let service = Service::start_with(&api, Config::new(&api).sources(&["-"]));
        service.wait_for_log_event("webhook_registered", &[]);
        Self { folder, api, service, address: free_address() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The documented configuration with the service's address.
    fn documented_block(&self, heading: &str) -> String {
        let block = documented_block(heading);
        assert!(block.contains("127.0.0.1:8080") && block.contains(HOST), "{block}");
        block.replace("127.0.0.1:8080", &self.service.listen_address().to_string())
    }

    /// Waits until the server accepts connections, and posts an update as Telegram would.
    fn converse(&self, mut server: Command) {
        let mut proxy = Proxy(server.current_dir(&self.folder).stdin(Stdio::null()).spawn().unwrap());
        wait_until("the proxy", || {
            assert_eq!(proxy.0.try_wait().unwrap(), None, "the proxy ended");
            TcpStream::connect(self.address).ok()
        });
        let webhook = self.api.webhook();
        let seen = self.api.sent_count();
        let update = self.api.update(Incoming::text(1001, "/help"));
        assert_eq!(
            self.curl(webhook.path(), webhook.secret_token.as_deref().unwrap(), &update.to_string()),
            "200"
        );
        self.api.wait_for_message_after(seen, |message| message.chat_id == 1001);
        assert_eq!(self.curl(webhook.path(), "another", &update.to_string()), "401");
        assert_eq!(self.curl("/telegram/nowhere", "another", "{}"), "404");
        self.api.assert_clean();
    }

    /// Posts over TLS, with verification, and returns the status of the answer.
    fn curl(&self, path: &str, secret: &str, body: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "20", "--output", "/dev/null", "--write-out", "%{http_code}"]);
        curl.args([
            "--cacert",
            "fullchain.pem",
            "--resolve",
            &format!("{HOST}:{}:{}", self.address.port(), self.address.ip()),
        ]);
        curl.args(["--header", "Content-Type: application/json", "--data-binary", body]);
        curl.args(["--header", &format!("X-Telegram-Bot-Api-Secret-Token: {secret}")]);
        curl.arg(format!("https://{HOST}:{}{path}", self.address.port())).env_remove("https_proxy");
        let output = process::output(curl.current_dir(&self.folder));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn openssl_and_curl_present() -> bool {
    require::openssl_present() && require::curl_present()
}

#[test]
fn caddy_forwards_updates() {
    if !openssl_and_curl_present() || !require::runs_with("caddy", "version") {
        return;
    }
    let fixture = Fixture::start();
    // Only the changes that the test needs: a local certificate and an unprivileged port.
    let head = format!("{HOST} {{");
    let block = fixture.documented_block("Caddy");
    assert!(block.starts_with(&head), "{block}");
    let (ip, port) = (fixture.address.ip(), fixture.address.port());
    let site = format!("{HOST}:{port} {{\n    bind {ip}\n    tls fullchain.pem privkey.pem");
    let caddyfile =
        format!("{{\n    admin off\n    auto_https off\n}}\n{}\n", block.replacen(&head, &site, 1));
    fs::write(fixture.path("Caddyfile"), caddyfile).unwrap();
    let mut caddy = Command::new("caddy");
    caddy.args(["run", "--adapter", "caddyfile", "--config", "Caddyfile"]).stderr(Stdio::null());
    for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        caddy.env(variable, fixture.folder.path());
    }
    fixture.converse(caddy);
}

#[test]
fn nginx_forwards_updates() {
    if !openssl_and_curl_present() || !require::runs_with("nginx", "-v") {
        return;
    }
    let fixture = Fixture::start();
    let block = fixture.documented_block("nginx");
    assert!(block.contains("listen 443 ssl;"), "{block}");
    let server = block
        .replace("listen 443 ssl;", &format!("listen {} ssl;", fixture.address))
        .replace("/etc/letsencrypt/live/bot.example.org", &fixture.folder.path().to_string_lossy());
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders: String = folders.map(|kind| format!("{kind}_temp_path {kind};\n")).concat();
    let text = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{folders}{server}\n}}\n"
    );
    fs::write(fixture.path("nginx.conf"), text).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(fixture.folder.path()).args(["-e", "error.log", "-c", "nginx.conf"]);
    fixture.converse(nginx);
}
