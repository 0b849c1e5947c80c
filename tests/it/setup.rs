//! `setup` takes a machine from the installed program to the first frame and the owner's link: on a terminal and by
//! flags. A second run changes nothing, `--undo` restores every file, and neither an interruption nor hostile files
//! break anything. It never shows the token.

mod machine;
mod resistance;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::commands::{ALICE, stderr, stdout};
use crate::support::bot_api::Fault;
use crate::support::frames::ProbeRequestFrame;
use crate::support::process;
use crate::support::require;
use crate::support::tap_radio::TapRadio;
use crate::support::terminal::Terminal;
use machine::{CONFIG, LINK, Machine, NETWORK_MANAGER, NETWORKD, RECORD, SECOND_LINK, TOKEN};

const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Fails unless it succeeded and showed no token; returns what it said.
#[track_caller]
fn succeeded(machine: &Machine, output: &Output) -> String {
    let said = stdout(output);
    assert!(output.status.success(), "{said}\n{}", stderr(output));
    assert!(!said.contains(machine.api.token()) && stderr(output).is_empty(), "{said}\n{}", stderr(output));
    said
}

/// Fails unless it failed with this message; returns it.
#[track_caller]
fn failed(machine: &Machine, output: &Output, message: &str) -> String {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{}\n{said}", stdout(output));
    assert!(said.contains(message), "{}\n{said}", stdout(output));
    assert!(!said.contains(machine.api.token()), "{said}");
    said
}

#[test]
fn flags_set_a_machine_up_and_undo_restores_it() {
    let machine = Machine::new();
    let before = machine.files();
    let said = succeeded(&machine, &machine.set_up(&[]));
    assert!(
        said.contains("wlan0 (b8:27:eb:00:00:01, brcmfmac): no monitor mode; 2.4 GHz, 5 GHz; the only way"),
        "{said}"
    );
    assert!(said.contains("The token is that of @probewatch_test_bot."), "{said}");

    let changed: Vec<_> = EXAMPLE
        .lines()
        .map(str::to_owned)
        .zip(machine.read(CONFIG).lines().map(str::to_owned))
        .filter(|(old, new)| old != new)
        .map(|(_, new)| new)
        .collect();
    assert_eq!(changed, ["time_zone = \"Europe/Berlin\"", "sources = [\"probe0\"]"]);
    assert_eq!((machine.mode(CONFIG), machine.mode(TOKEN), machine.mode(RECORD)), (0o644, 0o600, 0o600));
    assert_eq!((machine.mode("/etc/probewatch"), machine.mode(LINK)), (0o755, 0o644));
    assert_eq!(machine.read(TOKEN), format!("{}\n", machine.api.token()));
    assert!(machine.read(NETWORK_MANAGER).ends_with("[keyfile]\nunmanaged-devices+=mac:00:c0:ca:12:34:56\n"));
    assert!(
        machine
            .read(LINK)
            .ends_with("[Match]\nMACAddress=00:c0:ca:12:34:56\nOriginalName=wlan*\n[Link]\nName=probe0\n")
    );
    assert!(machine.path("/sys/class/net/probe0").exists());
    assert_eq!(machine.units(), ["active.probewatch.service", "enabled.probewatch.service"]);
    assert_eq!(
        machine.take_calls(),
        [
            "udevadm control --reload",
            "ip link set dev wlan1 down",
            "ip link set dev wlan1 name probe0",
            "systemctl daemon-reload",
            "systemctl enable probewatch.service",
            "systemctl reset-failed probewatch.service",
            "systemctl start --no-block probewatch.service"
        ]
    );

    // The adapter has its new name, and NetworkManager has let go of it.
    machine.set_adapters(&json!([{ "name": "probe0", "address": "00:c0:ca:12:34:56", "is_captured": true }]));
    let after = machine.files();
    for further in [&[][..], &["--adapter", "00:c0:ca:12:34:56", "--time-zone", "berlin"]] {
        let said = succeeded(&machine, &machine.set_up(further));
        assert!(said.contains("Everything was set up already: nothing was changed."), "{said}");
        assert_eq!(machine.files(), after);
        assert_eq!(machine.take_calls(), ["systemctl daemon-reload"]);
    }
    // The token that is there will do.
    succeeded(&machine, &machine.setup(&["--yes"]));
    assert_eq!(machine.files(), after);

    machine.take_calls();
    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    assert_eq!(machine.files(), before);
    assert!(machine.units().is_empty(), "{:?}", machine.units());
    assert_eq!(
        machine.take_calls(),
        [
            "systemctl stop probewatch.service",
            "systemctl disable probewatch.service",
            "ip link set dev probe0 down",
            "ip link set dev probe0 name wlan1",
            "udevadm control --reload"
        ]
    );
    let said = succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    assert!(said.contains("Nothing to undo"), "{said}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let machine = Machine::new();
    let before = machine.files();
    for arguments in [&["--dry-run"][..], &["--dry-run", "--yes"], &["--dry-run", "--undo"]] {
        let said = succeeded(&machine, &machine.setup(arguments));
        assert!(said.contains("--dry-run") || said.contains("Nothing to undo"), "{said}");
        assert_eq!(machine.files(), before);
        assert!(machine.take_calls().is_empty());
    }
}

/// The adapter is a TAP device with the link type of a radio.
#[test]
fn somebody_on_a_terminal_gets_to_the_first_frame_and_the_link() {
    if !require::tap_allowed() {
        return;
    }
    let radio = TapRadio::unique("pwset").unwrap();
    let machine = Machine::new();
    machine.write("serve", "");
    machine.set_adapters(&json!([
        { "name": "wlan0", "has_monitor_mode": false, "is_only_uplink": true },
        { "name": radio.name(), "address": "00:c0:ca:12:34:56" },
    ]));
    let before = machine.files();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let frame = ProbeRequestFrame::new(ALICE).ssid("RNM0").signal(-40).build();
            while !is_done.load(Ordering::Relaxed) {
                radio.transmit(&frame);
                thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let mut terminal = Terminal::start(machine.setup_command(&[]));
        terminal.expect("1. wlan0");
        terminal.expect("cannot be used: its driver has no monitor mode");
        terminal.answer(&format!("Which one is to listen, by number or name [{}]: ", radio.name()), "wlan0");
        terminal.expect("wlan0 cannot be used");
        terminal.answer("Which one is to listen", "2");
        terminal.expect("The bot's token");
        terminal.wait_until_echo_is(false);
        terminal.press("not a token\r");
        terminal.expect("That is no token");
        terminal.expect("The bot's token");
        terminal.wait_until_echo_is(false);
        terminal.press("1:wrong\r");
        terminal.expect("Telegram does not know this token");
        terminal.expect("The bot's token");
        terminal.wait_until_echo_is(false);
        // As terminals paste.
        terminal.press(&format!("\u{1b}[200~{}\u{1b}[201~\r", machine.api.token()));
        terminal.expect("The token is that of @probewatch_test_bot.");
        terminal.wait_until_echo_is(true);
        terminal.answer("The time zone, such as Europe/Berlin [Europe/Berlin]: ", "Europe/Berlni");
        terminal.expect("did you mean \"Europe/Berlin\"?");
        terminal.answer("The time zone", "vienna");
        terminal.expect("Times are shown in Europe/Vienna.");
        terminal.expect("NetworkManager leaves the adapter alone for good");
        terminal.answer("Do it [Y/n]: ", "perhaps");
        terminal.answer("Please answer y or n.", "n");
        terminal.expect("Left as it is.");
        terminal.expect("5 of 8");
        terminal.expect("its name stays");
        terminal.expect("write /etc/probewatch/config.toml");
        terminal.expect("write /etc/probewatch/telegram-token");
        terminal.answer("Do it [Y/n]: ", "");
        terminal.expect("start the service");
        terminal.answer("Do it [Y/n]: ", "y");
        terminal.expect("the first probe request is recorded");
        terminal.expect("https://t.me/probewatch_test_bot?start=");
        // Black on white.
        terminal.expect("\u{1b}[38;5;16;48;5;231m    ");
        terminal.expect("█▀▀▀▀▀█");
        let (status, shown) = terminal.finish();
        is_done.store(true, Ordering::Relaxed);
        assert!(status.success(), "{shown}");
        assert!(!shown.contains(machine.api.token()) && !shown.contains("1:wrong"), "{shown}");
    });
    assert!(machine.read(CONFIG).contains(&format!("sources = [\"{}\"]", radio.name())));
    assert!(!machine.path(NETWORK_MANAGER).exists(), "declined");

    // What was declined is offered again; the rest is done.
    let said = succeeded(&machine, &machine.set_up(&[]));
    assert!(
        said.contains("NetworkManager leaves the adapter alone") && said.contains("first probe request"),
        "{said}"
    );
    assert!(said.contains("https://t.me/probewatch_test_bot?start=") && !said.contains('█'), "{said}");
    let files = machine.files();
    assert!(succeeded(&machine, &machine.set_up(&[])).contains("nothing was changed"));
    assert_eq!(machine.files(), files);

    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    assert_eq!(machine.files(), before);
    assert!(!machine.has("pid"), "the service was stopped");
}

#[test]
fn each_step_can_be_declined() {
    let machine = Machine::new();
    let before = machine.files();
    let token = machine.write("token", machine.api.token());
    let mut terminal = Terminal::start(machine.setup_command(&["--token-file", token.to_str().unwrap()]));
    terminal.answer("Which one is to listen", "");
    terminal.answer("The time zone", "");
    for step in ["leaves the adapter alone", "rename wlan1 to probe0", "write /etc/probewatch/config.toml"] {
        terminal.expect(step);
        terminal.answer("Do it", "n");
    }
    terminal.expect("Not started");
    let (status, shown) = terminal.finish();
    assert!(status.success() && shown.contains("nothing was changed"), "{shown}");
    // The name that was declined is not configured.
    assert!(shown.contains("wlan1 is a source"), "{shown}");
    assert_eq!(machine.files(), before);
}

#[test]
fn without_a_terminal_it_says_which_flags_are_missing() {
    let machine = Machine::new();
    let before = machine.files();
    let said = failed(&machine, &machine.setup(&[]), "there is none: nothing was changed");
    assert!(said.contains("probewatch setup --yes --token-file FILE"), "{said}");
    failed(&machine, &machine.setup(&["--undo"]), "probewatch setup --undo --yes");
    failed(&machine, &machine.setup(&["--yes"]), "the bot's token is missing");
    failed(&machine, &machine.set_up(&["--adapter", "wlan0"]), "wlan0 cannot be used: its driver");
    failed(&machine, &machine.set_up(&["--adapter", "wlan7"]), "there is wlan0, wlan1");
    failed(&machine, &machine.set_up(&["--time-zone", "Erope/Berlin"]), "did you mean \"Europe/Berlin\"?");
    machine.set_adapters(&json!([]));
    failed(&machine, &machine.set_up(&[]), "no Wi-Fi adapter was found");
    machine.set_adapters(&json!([{ "name": "wlan0", "is_only_uplink": true }]));
    failed(&machine, &machine.set_up(&[]), "none of the Wi-Fi adapters can be used");
    assert_eq!(machine.files(), before);
    assert!(machine.take_calls().is_empty());
}

#[test]
fn a_token_that_telegram_does_not_confirm_is_not_written() {
    let machine = Machine::new();
    let before = machine.files();
    for (token, message) in [
        ("", "holds no bot token"),
        ("here it is: 1:abc", "holds no bot token"),
        ("1:wrong", "Telegram does not know the token"),
    ] {
        machine.write("token", token);
        let said = failed(&machine, &machine.set_up(&[]), message);
        assert!(!said.contains("abc") && !said.contains("1:wrong"), "{said}");
    }
    machine.write("token", machine.api.token());
    failed(
        &machine,
        &machine.setup(&["--yes", "--token-file", "/there/is/none"]),
        "could not read the token",
    );
    for (fault, message) in [
        (Fault::ServerError(502), "could not be asked"),
        (Fault::Close, "could not be asked"),
        (Fault::Hang, "did not answer in time"),
        (Fault::Redirect { status: 302, location: "http://127.0.0.1:9/".to_owned() }, "redirects"),
    ] {
        machine.api.fail_next("getMe", 1, fault);
        failed(&machine, &machine.set_up(&[]), message);
        machine.api.clear_faults();
    }
    machine.api.set_down(true);
    failed(&machine, &machine.set_up(&[]), "check that this machine reaches 127.0.0.1");
    assert_eq!(machine.files(), before);

    // One that is there stays while Telegram is out of reach.
    machine.api.set_down(false);
    succeeded(&machine, &machine.set_up(&[]));
    machine.api.set_down(true);
    let said = succeeded(&machine, &machine.setup(&["--yes"]));
    assert!(said.contains("The token stays as it is."), "{said}");
    machine.api.set_down(false);
}

#[test]
fn an_unreachable_server_is_tried_again_on_a_terminal() {
    let machine = Machine::new();
    let token = machine.write("token", machine.api.token());
    machine.api.fail_next("getMe", 2, Fault::Close);
    let arguments = ["--adapter", "wlan1", "--token-file", token.to_str().unwrap()];
    let mut terminal = Terminal::start(machine.setup_command(&arguments));
    terminal.expect("could not be asked");
    terminal.answer("Try again [Y/n]: ", "");
    terminal.answer("Try again [Y/n]: ", "y");
    terminal.expect("The token is that of @probewatch_test_bot.");
    // The end of the input.
    terminal.expect("The time zone");
    terminal.press("\u{4}");
    terminal.expect("the input ended");
    assert!(!terminal.finish().0.success());
}

#[test]
fn the_token_comes_from_standard_input_or_the_environment() {
    let machine = Machine::new();
    let mut command = machine.setup_command(&["--yes", "--token-file", "-"]);
    let output = process::output_of(&mut command, format!("\u{feff}{}\r\n", machine.api.token()).as_bytes());
    succeeded(&machine, &output);
    assert_eq!(machine.read(TOKEN), format!("{}\n", machine.api.token()));
    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    let mut command = machine.setup_command(&["--yes"]);
    succeeded(&machine, &process::output(command.env("PROBEWATCH__TELEGRAM__TOKEN", machine.api.token())));
    assert_eq!(machine.read(TOKEN), format!("{}\n", machine.api.token()));
}

#[test]
fn an_existing_configuration_keeps_all_else() {
    let machine = Machine::new();
    let existing = "\u{feff}# of the street\r\ndata_dir = \"/srv/p\" # a disk\r\n\r\n[capture] # radios\r\n\
        sources = [\r\n  { interface = \"wlan1\", name = \"street\" }, # north\r\n  \"mon0\", # attic\r\n]\r\n\
        [alerts]\r\ncooldown_seconds = 30\r\n";
    machine.write_in_root(CONFIG, existing);
    machine.write_in_root(TOKEN, "old token");
    fs::set_permissions(machine.path(CONFIG), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(machine.path(TOKEN), fs::Permissions::from_mode(0o644)).unwrap();
    let before = machine.files();
    let said = succeeded(&machine, &machine.set_up(&["--time-zone", "Asia/Tokyo"]));
    assert!(said.contains("all else in it stays; every user may read it, as the service must"), "{said}");
    let expected = existing
        .replace("# a disk\r\n", "# a disk\r\ntime_zone = \"Asia/Tokyo\"\r\n")
        .replace("interface = \"wlan1\"", "interface = \"probe0\"");
    assert_eq!(machine.read(CONFIG), expected);
    assert_eq!((machine.mode(CONFIG), machine.mode(TOKEN)), (0o644, 0o600));
    // What is configured stays.
    succeeded(&machine, &machine.setup(&["--yes"]));
    assert_eq!(machine.read(CONFIG), expected);
    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    assert_eq!(machine.files(), before);
}

#[test]
fn a_token_in_the_configuration_stays_private_and_counts() {
    let machine = Machine::new();
    machine.write_in_root(CONFIG, &format!("[telegram]\ntoken = \"{}\"\n", machine.api.token()));
    fs::set_permissions(machine.path(CONFIG), fs::Permissions::from_mode(0o640)).unwrap();
    let other = machine.write("other", "1:other");
    let arguments = ["--yes", "--token-file", other.to_str().unwrap()];
    failed(&machine, &machine.setup(&arguments), "another token (`telegram.token`)");
    succeeded(&machine, &machine.setup(&["--yes"]));
    assert_eq!(machine.mode(CONFIG), 0o640);
    assert_eq!(machine.read(TOKEN), format!("{}\n", machine.api.token()), "the unit needs it");
}

/// Undo does as root what the record says.
#[test]
fn a_second_adapter_leaves_the_first_its_name() {
    let machine = Machine::new();
    machine.write("active.systemd-networkd.service", "");
    let before = (machine.files(), machine.units());
    succeeded(&machine, &machine.set_up(&[]));
    let first = machine.read(LINK);
    fs::create_dir(machine.path("/sys/class/net/wlan2")).unwrap();
    machine.set_adapters(&json!([
        { "name": "probe0", "address": "00:c0:ca:12:34:56", "is_captured": true },
        { "name": "wlan2", "address": "00:c0:ca:12:34:57" },
    ]));
    for _ in 0..2 {
        succeeded(&machine, &machine.set_up(&["--adapter", "00:c0:ca:12:34:57"]));
        assert_eq!(machine.read(LINK), first);
        assert!(machine.read(SECOND_LINK).contains("MACAddress=00:c0:ca:12:34:57\n"));
        assert!(machine.read(SECOND_LINK).ends_with("Name=probe1\n"));
        assert!(machine.read(NETWORKD).contains("MACAddress=00:c0:ca:12:34:56 00:c0:ca:12:34:57\n"));
        assert!(machine.read(CONFIG).contains("sources = [\"probe0\", \"probe1\"]"));
        machine.set_adapters(&json!([
            { "name": "probe0", "address": "00:c0:ca:12:34:56", "is_captured": true },
            { "name": "probe1", "address": "00:c0:ca:12:34:57" },
        ]));
    }
    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    fs::remove_dir(machine.path("/sys/class/net/wlan2")).unwrap();
    assert_eq!((machine.files(), machine.units()), before);
}

/// Cheap adapters share an address; what is said of it would hold for the other one, too.
#[test]
fn an_adapter_that_shares_its_address_is_called_by_its_name() {
    let machine = Machine::new();
    machine.set_adapters(&json!([
        { "name": "wlan0", "address": "00:c0:ca:12:34:56", "has_default_route": true },
        { "name": "wlan1", "address": "00:c0:ca:12:34:56" },
        { "name": "mon0", "address": "00:c0:ca:12:34:56", "is_monitor": true },
    ]));
    let said = succeeded(&machine, &machine.set_up(&["--adapter", "wlan1"]));
    assert!(said.contains("for want of an address of its own"), "{said}");
    assert!(machine.read(NETWORK_MANAGER).ends_with("unmanaged-devices+=interface-name:wlan1\n"));
    assert!(!machine.path(LINK).exists());
    assert!(machine.read(CONFIG).contains("sources = [\"wlan1\"]"));
}

#[test]
fn a_service_that_systemd_does_not_start_is_a_failure() {
    let machine = Machine::new();
    machine.write("fail-systemctl-start", "");
    let output = machine.set_up(&["--wait", "3600"]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("✗ systemctl start") && said.contains("Not all of it could be done"), "{said}");
    assert!(said.contains("Left out, since the service was not started."), "{said}");
    machine.remove("fail-systemctl-start");
    succeeded(&machine, &machine.set_up(&[]));
}

/// The whole message of @BotFather, say.
#[test]
fn a_wrong_token_in_the_configuration_is_corrected_there() {
    let machine = Machine::new();
    machine.write_in_root(CONFIG, "[telegram]\ntoken = \"1:wrong\"\n");
    let before = machine.files();
    let mut terminal = Terminal::start(machine.setup_command(&["--adapter", "wlan1"]));
    terminal.expect("does not know the token of the configuration (`telegram.token`)");
    terminal.expect("remove that key, and run setup again");
    assert!(!terminal.finish().0.success());
    assert_eq!(machine.files(), before);
}

/// It is asked for with a file of NetworkManager's own in place of its process.
#[test]
fn a_network_manager_that_does_not_let_go_is_reported() {
    let machine = Machine::new();
    machine.write("active.NetworkManager.service", "");
    machine.write_in_root("/run/NetworkManager/devices/3", "[device]\nmanaged=true\n");
    machine.write_in_root("/sys/fs/cgroup/system.slice/NetworkManager.service/cgroup.procs", "");
    let said = succeeded(&machine, &machine.set_up(&[]));
    assert!(said.contains("NetworkManager still uses wlan1"), "{said}");
}

#[test]
fn undo_leaves_what_somebody_has_changed_since() {
    let machine = Machine::new();
    succeeded(&machine, &machine.set_up(&[]));
    let edited = machine.read(CONFIG) + "\n# mine\n";
    fs::write(machine.path(CONFIG), &edited).unwrap();
    let output = machine.setup(&["--undo", "--yes"]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Left as it is: somebody has changed it since."), "{said}");
    assert_eq!(machine.read(CONFIG), edited);
    assert!(!machine.path(TOKEN).exists() && !machine.path(NETWORK_MANAGER).exists());
    // A setup after that takes the edited file for the one to restore.
    succeeded(&machine, &machine.set_up(&["--time-zone", "Asia/Tokyo"]));
    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    assert_eq!(machine.read(CONFIG), edited);
}

#[test]
fn programs_that_fail_are_reported_and_other_holders_are_kept_away() {
    let machine = Machine::new();
    for unit in ["NetworkManager", "systemd-networkd", "wpa_supplicant@wlan1"] {
        machine.write(&format!("active.{unit}.service"), "");
    }
    machine.write("enabled.wpa_supplicant@wlan1.service", "");
    machine.write_in_root("/etc/dhcpcd.conf", "hostname\ninterface eth0\n");
    machine.write("fail-ip", "");
    let before = (machine.files(), machine.units());
    let output = machine.set_up(&[]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("✗ ip link set dev wlan1 down failed: ip says: ip fails here"), "{said}");
    assert!(said.contains("Not all of it could be done"), "{said}");
    assert!(said.contains("Plug the adapter out and in, or reboot: then it is probe0."), "{said}");
    assert!(
        machine.read("/etc/dhcpcd.conf").ends_with("denyinterfaces wlan1 probe0\nhostname\ninterface eth0\n")
    );
    assert!(machine.read(NETWORKD).contains("Unmanaged=yes"));
    let calls = machine.take_calls();
    for call in [
        "systemctl reload NetworkManager.service",
        "networkctl reload",
        "systemctl disable --now wpa_supplicant@wlan1.service",
    ] {
        assert!(calls.iter().any(|made| made == call), "{call}: {calls:?}");
    }
    succeeded(&machine, &machine.setup(&["--undo", "--yes"]));
    assert_eq!((machine.files(), machine.units()), before);
}

#[test]
fn without_systemd_it_says_how_to_start_the_service() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("/run/systemd")).unwrap();
    let said = succeeded(&machine, &machine.set_up(&[]));
    assert!(said.contains("probewatch run -c /etc/probewatch/config.toml"), "{said}");
    assert!(machine.take_calls().iter().all(|call| call.starts_with("ip ")));
}

#[test]
fn a_service_that_does_not_start_is_reported_with_its_log() {
    let machine = Machine::new();
    machine.write("shown", "ActiveState=failed\nNRestarts=3\nResult=exit-code\n");
    let token = machine.write("token", machine.api.token());
    let mut command = machine.setup_command(&["--yes", "--token-file", token.to_str().unwrap()]);
    // The last of two counts.
    command.args(["--wait", "30"]);
    failed(
        &machine,
        &process::output(&mut command),
        "the service does not start: probewatch: the log says why",
    );
}
