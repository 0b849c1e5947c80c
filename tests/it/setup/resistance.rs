//! What interruptions, full disks, other users and hostile files do to `setup`: nothing that undo does not revert, and
//! nothing for them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use serde_json::json;

use super::machine::{CONFIG, LINK, Machine, NETWORK_MANAGER, RECORD, TOKEN};
use super::{failed, succeeded};
use crate::commands::stderr;
use crate::support::process;
use crate::support::service::probewatch_as_nobody;
use crate::support::terminal::Terminal;

#[test]
fn ctrl_c_at_the_token_leaves_the_terminal_as_it_was() {
    let machine = Machine::new();
    let before = machine.files();
    let mut terminal = Terminal::start(machine.setup_command(&["--adapter", "wlan1"]));
    terminal.expect("The bot's token");
    terminal.wait_until_echo_is(false);
    terminal.press("12:half\u{3}");
    terminal.expect("interrupted");
    terminal.wait_until_echo_is(true);
    let (status, shown) = terminal.finish();
    assert!(!status.success() && !shown.contains("half"), "{shown}");
    assert_eq!(machine.files(), before);
}

#[test]
fn hostile_and_broken_files_are_refused_before_anything_is_changed() {
    type Damage = fn(&Machine);
    let damages: [(&str, Damage); 15] = [
        ("`telegram.token` is no bot token", |machine| {
            machine.write_in_root(CONFIG, "[telegram]\ntoken = \"\\\"secret\"\n");
        }),
        ("could not read the token from /there/is/none (`telegram.token_file`)", |machine| {
            machine.write_in_root(CONFIG, "[telegram]\ntoken_file = \"/there/is/none\"\n");
        }),
        ("/dev/null (`telegram.token_file`) holds no bot token", |machine| {
            machine.write_in_root(CONFIG, "[telegram]\ntoken_file = \"/dev/null\"\n");
        }),
        ("config.toml is a symbolic link", |machine| {
            let theirs = machine.write("theirs", "");
            fs::create_dir(machine.path("/etc/probewatch")).unwrap();
            symlink(theirs, machine.path(CONFIG)).unwrap();
        }),
        ("telegram-token is a symbolic link", |machine| {
            fs::create_dir(machine.path("/etc/probewatch")).unwrap();
            symlink("/etc/passwd", machine.path(TOKEN)).unwrap();
        }),
        ("/etc/probewatch is a symbolic link", |machine| {
            symlink("/tmp", machine.path("/etc/probewatch")).unwrap();
        }),
        ("own or may write to the folder /etc/probewatch", |machine| {
            fs::create_dir(machine.path("/etc/probewatch")).unwrap();
            fs::set_permissions(machine.path("/etc/probewatch"), fs::Permissions::from_mode(0o777)).unwrap();
        }),
        ("config.toml is no file", |machine| fs::create_dir_all(machine.path(CONFIG)).unwrap()),
        ("/etc/probewatch is no folder", |machine| machine.write_in_root("/etc/probewatch", "")),
        ("config.toml: ", |machine| machine.write_in_root(CONFIG, "[capture]\nsources = [\"secret")),
        ("unknown key `capture.sorces`", |machine| machine.write_in_root(CONFIG, "[capture]\nsorces = []\n")),
        ("is no text in UTF-8", |machine| {
            machine.write_in_root(CONFIG, "");
            fs::write(machine.path(CONFIG), b"# \xff\n").unwrap();
        }),
        ("probewatch.conf is a symbolic link", |machine| {
            symlink("/etc/passwd", machine.path(NETWORK_MANAGER)).unwrap();
        }),
        ("the record of earlier changes", |machine| machine.write_in_root(RECORD, "{\"version\":1,\"chan")),
        ("probewatch-setup.json is a symbolic link", |machine| {
            symlink("/etc/passwd", machine.path(RECORD)).unwrap();
        }),
    ];
    for (message, damage) in damages {
        let machine = Machine::new();
        damage(&machine);
        let before = machine.files();
        let said = failed(&machine, &machine.set_up(&[]), message);
        assert!(!said.contains("\"secret"), "{said}");
        assert_eq!(machine.files(), before, "{message}");
        assert_eq!(machine.units(), [""; 0], "{message}");
    }
}

#[test]
fn a_record_that_setup_has_not_written_is_not_followed() {
    let machine = Machine::new();
    machine.write_in_root("/etc/shadow", "root");
    succeeded(&machine, &machine.set_up(&[]));
    let record = machine.read(RECORD);
    let hash = "4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2";
    let refused = |message: &str| {
        let before = (machine.files(), machine.units());
        for arguments in [&["--undo", "--yes"][..], &["--yes"]] {
            failed(&machine, &machine.setup(arguments), message);
        }
        assert_eq!((machine.files(), machine.units()), before);
    };
    for (change, named) in [
        (json!({ "file": { "path": "/etc/shadow", "before": null, "written": [hash] } }), "/etc/shadow"),
        (
            json!({ "file": { "path": "/etc/probewatch/../shadow", "before": null, "written": [hash] } }),
            "shadow",
        ),
        (json!({ "folder": { "path": "/usr/share/zoneinfo" } }), "/usr/share/zoneinfo"),
        (
            json!({ "stopped": { "unit": "evil.service", "was_enabled": true, "was_active": true } }),
            "evil.service",
        ),
        (json!({ "renamed": { "from": "../x\u{1b}[2J", "to": "probe0" } }), "../x\\u{1b}"),
    ] {
        machine.write_in_root(RECORD, &json!({ "version": 1, "changes": [change] }).to_string());
        refused(
            &format!("setup does not change \"{named}").replace("\"shadow", "\"/etc/probewatch/../shadow"),
        );
    }
    machine.write_in_root(RECORD, &record);
    fs::set_permissions(machine.path(RECORD), fs::Permissions::from_mode(0o666)).unwrap();
    refused("others than root own it or may write to it");
    fs::set_permissions(machine.path(RECORD), fs::Permissions::from_mode(0o600)).unwrap();
    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    assert!(!machine.path(TOKEN).exists());
}

#[test]
fn the_token_file_becomes_roots() {
    let machine = Machine::new();
    machine.write_in_root(TOKEN, machine.api.token());
    fs::set_permissions(machine.path(TOKEN), fs::Permissions::from_mode(0o600)).unwrap();
    // Only root can give a file away.
    if chown(machine.path(TOKEN), Some(65534), None).is_err() {
        return;
    }
    succeeded(&machine, &machine.set_up(&[]));
    assert_eq!(fs::metadata(machine.path(TOKEN)).unwrap().uid(), 0);
    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    assert_eq!(fs::metadata(machine.path(TOKEN)).unwrap().uid(), 65534);
}

#[test]
fn what_is_pasted_around_the_token_is_neither_shown_nor_an_answer() {
    let machine = Machine::new();
    let mut terminal = Terminal::start(machine.setup_command(&["--adapter", "wlan1"]));
    terminal.expect("The bot's token");
    terminal.wait_until_echo_is(false);
    terminal.press(&format!(
        "\r\nUse this token to access the HTTP API:\r\n{}\r\nEurope/Vienna\r\n",
        machine.api.token()
    ));
    terminal.expect("The token is that of @probewatch_test_bot.");
    terminal.answer("The time zone", "tokyo");
    terminal.expect("Times are shown in Asia/Tokyo.");
    terminal.expect("Do it");
    terminal.press("\u{3}");
    let (_, shown) = terminal.finish();
    assert!(!shown.contains(machine.api.token()) && !shown.contains("Vienna"), "{shown}");
}

#[test]
fn others_can_see_what_it_would_do_and_keep_nobody_from_it() {
    let machine = Machine::new();
    let etc = fs::File::open(machine.path("/etc")).unwrap();
    etc.lock().unwrap();
    succeeded(&machine, &machine.set_up(&[]));
    assert!(!machine.path("/run/probewatch-setup.lock").exists());
    fs::set_permissions(machine.root().parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let command = machine.setup_command(&["--dry-run"]);
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let Some(output) = probewatch_as_nobody(&arguments, folder.path()) else { return };
    let said = succeeded(&machine, &output);
    assert!(said.contains("There is a token, which only root may read."), "{said}");
}

#[test]
fn a_full_disk_leaves_nothing_half_done() {
    let machine = Machine::new();
    let before = machine.files();
    let token = machine.write("token", machine.api.token());
    let inner = machine.setup_command(&["--yes", "--token-file", token.to_str().unwrap()]);
    // Every write to a file fails.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]).arg(inner.get_program());
    command.args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    failed(&machine, &process::output(&mut command), "could not write /var/lib/probewatch-setup.json");
    assert_eq!(machine.files(), before);
    succeeded(&machine, &machine.set_up(&[]));
}

#[test]
fn killed_at_any_call_it_goes_on_and_can_be_undone() {
    let whole = Machine::new();
    let before = whole.files();
    succeeded(&whole, &whole.set_up(&[]));
    let without_record = |machine: &Machine| {
        let mut files = machine.files();
        // It differs by what was noted before the kill.
        files.remove(std::path::Path::new(RECORD.trim_start_matches('/')));
        files
    };
    let after = without_record(&whole);
    let mut kills = 0;
    for at in 1.. {
        let machine = Machine::new();
        machine.write("kill-at", &at.to_string());
        let was_killed = machine.set_up(&[]).status.code().is_none();
        machine.remove("kill-at");
        if !was_killed {
            break;
        }
        kills += 1;
        // The kernel knows the adapter by its new name if that was as far as it came.
        if machine.path("/sys/class/net/probe0").exists() {
            machine.set_adapters(&json!([{ "name": "probe0", "address": "00:c0:ca:12:34:56" }]));
        }
        if at % 2 == 0 {
            succeeded(&machine, &machine.set_up(&[]));
            let again = without_record(&machine);
            let changed: Vec<_> =
                after.iter().filter(|(path, file)| again.get(*path) != Some(file)).collect();
            assert!(changed.is_empty() && again.len() == after.len(), "{at}: {changed:?}");
            assert_eq!(machine.units(), whole.units(), "{at}");
        }
        succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
        assert_eq!(machine.files(), before, "{at}");
        assert!(machine.units().is_empty(), "{at}: {:?}", machine.units());
    }
    assert!(kills > 8, "it was killed {kills} times");
}

#[test]
fn undo_removes_what_an_interrupted_write_has_left() {
    let machine = Machine::new();
    let before = machine.files();
    succeeded(&machine, &machine.set_up(&[]));
    for path in [CONFIG, TOKEN, RECORD, LINK] {
        let (folder, name) = path.rsplit_once('/').unwrap();
        machine.write_in_root(&format!("{folder}/.{name}.probewatch-setup"), "torn");
    }
    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    assert_eq!(machine.files(), before);
}

#[test]
fn a_second_setup_at_a_time_is_refused() {
    let machine = Machine::new();
    let mut terminal = Terminal::start(machine.setup_command(&[]));
    terminal.expect("Which one is to listen");
    failed(&machine, &machine.set_up(&[]), "another setup is running");
    drop(terminal);
    succeeded(&machine, &machine.set_up(&[]));
}

#[test]
fn other_users_are_sent_to_sudo() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for arguments in [&["setup", "--yes"][..], &["setup", "--undo", "--yes"]] {
        let Some(output) = probewatch_as_nobody(arguments, folder.path()) else { return };
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("run sudo probewatch setup"), "{}", stderr(&output));
    }
}
