//! The files that are installed with the program match it: the completions and man pages that the binary generates, the
//! package's contents, and the container's health check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::bot_api::BotApi;
use crate::support::frames::{ProbeRequestFrame, pcap_bytes};
use crate::support::process;
use crate::support::require;
use crate::support::service::{self, Config, Service, probewatch};
use crate::support::wait_until;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn print(arguments: &[&str]) -> String {
    let output = probewatch(arguments);
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Checks that a tool accepts this file without any output.
fn assert_silent(command: &mut Command, file: &Path) {
    let output = process::output(command.arg(file));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", file.display());
}

#[test]
fn each_shell_completes_every_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = print(&["completions", shell]);
        for command in ["run", "lookup", "export", "completions", "man"] {
            assert!(script.contains(command), "{shell} has {command}");
        }
        let file = folder.path().join(shell);
        fs::write(&file, script).unwrap();
        if shell == "bash" {
            assert_silent(Command::new("bash").arg("-n"), &file);
        }
    }
    assert_eq!(probewatch(&["completions", "no-shell"]).status.code(), Some(2));
}

#[test]
fn the_program_and_each_subcommand_have_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    print(&["man", folder.path().to_str().unwrap()]);
    let page = fs::read_to_string(folder.path().join("probewatch.1")).unwrap();
    assert_eq!(print(&["man"]), page);
    let pages: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|page| page.unwrap().path()).collect();
    for command in ["run", "decode", "export"] {
        let name = format!("probewatch-{command}.1");
        assert!(pages.iter().any(|page| page.ends_with(&name)), "{name}");
        assert!(page.contains(&format!("probewatch\\-{command}(1)")), "{name} is named in probewatch.1");
    }
    if require::groff_present() {
        for page in pages {
            assert_silent(Command::new("groff").args(["-man", "-ww", "-z", "-Tutf8"]), &page);
        }
    }
    let nowhere = probewatch(&["man", "/there/is/none"]);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("could not write /there/is/none"));
}

/// Runs `make` with this goal and setting, with the binary under test instead of the release binary.
fn make(goal: &str, setting: &str) {
    let target = tempfile::tempdir().unwrap();
    fs::create_dir(target.path().join("release")).unwrap();
    let binary = target.path().join("release/probewatch");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_probewatch"), binary).unwrap();
    let mut command = Command::new("make");
    // Not the flags of the `make` that runs these tests.
    command.env_remove("MAKEFLAGS");
    command.args([goal, setting, "PREFIX=/usr"]).env("CARGO_TARGET_DIR", target.path()).current_dir(root());
    let output = process::output(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn make_install_installs_every_file() {
    let folder = tempfile::tempdir().unwrap();
    make("install", &format!("DESTDIR={}", folder.path().display()));
    let usr = folder.path().join("usr");
    let unit = fs::read_to_string(usr.join("lib/systemd/system/probewatch.service")).unwrap();
    assert!(unit.contains("\nExecStart=/usr/bin/probewatch run "), "{unit}");
    for file in [
        "bin/probewatch",
        "share/doc/probewatch/config.example.toml",
        "share/doc/probewatch/README.md",
        "share/doc/probewatch/docs/chat.png",
        "share/man/man1/probewatch.1",
        "share/man/man1/probewatch-run.1",
        "share/bash-completion/completions/probewatch",
        "share/zsh/site-functions/_probewatch",
        "share/fish/vendor_completions.d/probewatch.fish",
    ] {
        assert!(fs::metadata(usr.join(file)).unwrap().len() > 0, "{file}");
    }
}

/// The package's metadata for cargo-deb.
fn deb() -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--no-deps", "--offline", "--format-version=1"]).current_dir(root());
    let metadata: Value = serde_json::from_slice(&process::output(&mut command).stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let program = packages.iter().find(|package| package["name"] == "probewatch").unwrap();
    program["metadata"]["deb"].clone()
}

#[test]
fn the_package_has_every_file_and_asks_nothing() {
    let deb = deb();
    let assets: Vec<[String; 3]> = serde_json::from_value(deb["assets"].clone()).unwrap();
    let to = |destination: &str| {
        let asset = assets.iter().find(|[_, to, _]| to == destination);
        asset.unwrap_or_else(|| panic!("{destination} in {assets:?}"))
    };
    assert_eq!(to("usr/bin/")[2], "755");
    assert!(to("usr/share/man/man1/")[0].ends_with("/*.1"));
    assert!(
        assets.iter().any(|[from, to, _]| from == "config.example.toml" && to.starts_with("usr/share/doc/"))
    );
    // In the paths that the documentation names.
    for from in ["docs/chat.png", "docs/*.md"] {
        let asset = assets.iter().find(|asset| asset[0] == from).unwrap();
        assert_eq!(asset[1], "usr/share/doc/probewatch/docs/");
    }
    let made = tempfile::tempdir().unwrap();
    make("packaging", &format!("PACKAGING={}", made.path().display()));
    for [from, ..] in assets.iter().filter(|[from, ..]| from != "target/release/probewatch") {
        let file = match from.strip_prefix("target/packaging/") {
            Some(file) => made.path().join(file.replace('*', "probewatch")),
            None => root().join(from.replace("*.md", "chat-commands.md")),
        };
        assert!(file.exists(), "{from}");
    }
    let unit = fs::read_to_string(made.path().join("systemd/probewatch.service")).unwrap();
    assert!(unit.contains("\nExecStart=/usr/bin/probewatch run "), "{unit}");
    // The unit has its usual name. It is neither started nor enabled, since it is not configured yet.
    let unit = &deb["systemd-units"];
    assert_eq!(unit["unit-scripts"], "target/packaging/systemd");
    assert_eq!((&unit["enable"], &unit["start"]), (&Value::Bool(false), &Value::Bool(false)));
    let scripts = root().join(deb["maintainer-scripts"].as_str().unwrap());
    let mut names = Vec::new();
    for script in fs::read_dir(scripts).unwrap().map(|script| script.unwrap()) {
        names.push(script.file_name().into_string().unwrap());
        let text = fs::read_to_string(script.path()).unwrap();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("# ")).collect();
        let (own, filled_in) = code.split_at(code.len() - 1);
        assert_eq!(filled_in, ["#DEBHELPER#"]);
        match own {
            ["#!/bin/sh", "set -e"] => {}
            ["#!/bin/sh", "set -e", r#"if [ "$1" = purge ]; then"#, .., "fi"]
                if script.file_name() == "postrm" => {}
            ["#!/bin/sh", "set -e", configure, .., "fi"] if script.file_name() == "postinst" => {
                assert!(configure.contains("= configure ]"));
                let start = own.iter().find(|line| line.contains("start probewatch")).unwrap();
                assert!(start.contains("--no-block try-restart"), "it starts nothing and waits for nothing");
            }
            _ => panic!("only a purge and an upgrade do more than cargo-deb fills in: {own:?}"),
        }
    }
    names.sort();
    assert_eq!(names, ["postinst", "postrm", "prerm"], "neither debconf's questions nor its answers");
}

/// The command of the image's health check.
fn health_check() -> Vec<String> {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap().replace("\\\n", " ");
    let line = dockerfile.lines().find(|line| line.starts_with("HEALTHCHECK ")).unwrap();
    serde_json::from_str(&line[line.find("CMD ").unwrap() + 4..]).unwrap()
}

#[test]
fn the_image_is_healthy_while_the_service_is() {
    let api = BotApi::start();
    let mut service = Service::start_with(&api, Config::new(&api).sources(&["-"]));
    service.wait_for_log_event("webhook_registered", &[]);
    let words = health_check();
    assert_eq!(words[0], "probewatch");
    let config = service.config_path();
    let arguments: Vec<&str> =
        words[1..].iter().map(String::as_str).chain(["-c", config.to_str().unwrap()]).collect();
    let check = || {
        let output = service::run(service::probewatch_command(&arguments), b"");
        assert_eq!(output.stdout, b"");
        output.status.code()
    };
    assert_eq!(check(), Some(1), "no frame has been received yet");
    let mut stdin = service.take_stdin();
    let frame = ProbeRequestFrame::new("a4:83:e7:4e:39:15").build();
    std::io::Write::write_all(&mut stdin, &pcap_bytes(127, &[(1, frame)])).unwrap();
    wait_until("the check to pass", || (check() == Some(0)).then_some(()));
    service.terminate();
    assert_eq!(check(), Some(1), "no service answers");
}

#[test]
fn the_image_is_small_and_runs_as_any_user() {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let (_, image) = dockerfile.rsplit_once("\nFROM ").unwrap();
    assert!(image.starts_with("debian:bookworm-slim\n"), "the last stage is a slim one");
    for wanted in ["COPY --from=build ", "\nUSER probewatch\n", "\nVOLUME /var/lib/probewatch\n"] {
        assert!(image.contains(wanted), "{wanted:?}");
    }
}
