//! The service's process, with a script instead of the service.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use crate::support::bot_api::BotApi;
use crate::support::service::{self, Config, Service};

/// Logs its arguments and then its input. Ends with status 3 at the end of the input.
const SCRIPT: &str = r#"
echo "INFO listening event=\"webhook_listening\" address=127.0.0.1:43211 path=hidden" >&2
echo "INFO capturing from a source event=\"source_opened\" source=tap0" >&2
echo "args $1 $2 $3 env ${RUST_LOG-unset} ${EXTRA-unset} runs $(cat runs 2>/dev/null)" >&2
echo again >> runs
while read -r line; do echo "read $line" >&2; done
echo "end of input" >&2
exit 3
"#;

fn script(api: &BotApi) -> Config {
    Config::new(api).command(&["/bin/sh", "-c", SCRIPT, "sh"])
}

#[test]
fn the_log_is_read_as_it_is_written() {
    let api = BotApi::start();
    let mut service = Service::start_with(&api, script(&api).env("EXTRA", "e"));
    assert_eq!(service.listen_address().to_string(), "127.0.0.1:43211");
    service.wait_until_capturing("tap0");
    let line = service.wait_for_line("args ");
    let config = service.config_path();
    assert_eq!(line, format!("args run -c {} env unset e runs ", config.display()));
    let mut stdin = service.take_stdin();
    stdin.write_all(b"one\ntwo\n").expect("a pipe");
    service.wait_for_line("read two");
    let missing = catch_unwind(AssertUnwindSafe(|| {
        drop(stdin);
        service.wait_for_line("read three");
    }));
    let message = *missing.expect_err("no such line").downcast::<String>().expect("a message");
    assert!(message.contains("the service ended") && message.contains("end of input"), "{message}");
    assert_eq!(service.wait_for_exit().code(), Some(3));
}

#[test]
fn a_restart_has_the_same_folder_and_a_fresh_log() {
    let api = BotApi::start();
    let mut service = Service::start(script(&api));
    service.wait_for_line("runs ");
    service.wait_for_line("args");
    // The script writes this file after its line, so it exists once input is read.
    service.take_stdin().write_all(b"x\n").expect("a pipe");
    service.wait_for_line("read x");
    let first = service.id();
    service.kill();
    service.restart();
    assert_ne!(service.id(), first);
    assert!(service.wait_for_line("args").ends_with("runs again"));
    assert!(!service.log_lines().iter().any(|line| line == "read x"));
    service.restart_with(|config| config.env("EXTRA", "changed"));
    assert!(service.wait_for_line("args").contains("changed"));
}

#[test]
fn terminate_stops_the_service() {
    let api = BotApi::start();
    let mut service = Service::start(script(&api));
    service.wait_for_line("args");
    let status = service.terminate();
    assert_eq!((status.code(), status.signal()), (None, Some(libc::SIGTERM)));
}

#[test]
fn the_configuration_file_has_the_given_keys() {
    let api = BotApi::start();
    let config = Config::new(&api)
        .sources(&["mon0", "/tmp/a \"b\".pcap"])
        .chats(&[1, -1002])
        .cooldown_seconds(5)
        .device("00:11:22:33:44:55", "Bob")
        .set("record", "fsync_milliseconds", "50")
        .unset("record", "checkpoint_seconds")
        .set("new.table", "key", "true")
        .polling();
    let (token, url) = (api.token(), api.url());
    assert_eq!(
        config.to_toml(),
        format!(
            r#"time_zone = "Europe/Berlin"

[capture]
sources = ["mon0", "/tmp/a \"b\".pcap"]

[telegram]
token = "{token}"
api_url = "{url}"
chats = [1, -1002]
mode = "polling"

[alerts]
gather_seconds = 0
cooldown_seconds = 5

[record]
fsync_milliseconds = 50

[devices]
"a4:83:e7:4e:39:15" = "Alice's phone"
"00:11:22:33:44:55" = "Bob"

[new.table]
key = true
"#
        )
    );
}

#[test]
fn a_command_runs_to_its_end() {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "cat; echo e >&2; exit 4"]);
    let input = "x".repeat(1 << 20);
    let output = service::run(command, input.as_bytes());
    assert_eq!(
        (output.status.code(), output.stdout.len(), output.stderr.as_slice()),
        (Some(4), 1 << 20, &b"e\n"[..])
    );
}
