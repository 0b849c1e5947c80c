//! A folder that looks like a machine, with programs that record how they are called.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::bot_api::BotApi;
use crate::support::process;
use crate::support::service::probewatch_command;

/// What systemctl and the others do here: they note the call, and keep which units are enabled and active as files.
/// `serve` beside the files makes them run the service.
const PROGRAM: &str = r#"#!/bin/sh
name=${0##*/}
echo "$name $*" >> "$MACHINE/calls"
if [ -e "$MACHINE/kill-at" ] && [ "$(wc -l < "$MACHINE/calls")" -ge "$(cat "$MACHINE/kill-at")" ]; then
  kill -9 $PPID
fi
if [ -e "$MACHINE/fail-$name" ] || [ -e "$MACHINE/fail-$name-$1" ]; then
  echo "$name fails here" >&2
  exit 1
fi
for unit; do :; done
now=
[ "$2" != --now ] || now=1
start() {
  touch "$MACHINE/active.$unit"
  [ "$unit" = probewatch.service ] && [ -e "$MACHINE/serve" ] || return 0
  CREDENTIALS_DIRECTORY="$MACHINE/root/etc/probewatch" PROBEWATCH__DATA_DIR="$MACHINE/data" \
    setsid "$PROBEWATCH" run -c "$MACHINE/root/etc/probewatch/config.toml" > /dev/null 2> "$MACHINE/log" < /dev/null &
  echo $! > "$MACHINE/pid"
}
stop() {
  rm -f "$MACHINE/active.$unit"
  [ "$unit" = probewatch.service ] && [ -e "$MACHINE/pid" ] || return 0
  kill "$(cat "$MACHINE/pid")"
  # Ended, even if nobody waits for it.
  while readlink "/proc/$(cat "$MACHINE/pid")/exe" > /dev/null 2>&1; do sleep 0.05; done
  rm "$MACHINE/pid"
}
case "$name $1" in
  "systemctl is-active") [ -e "$MACHINE/active.$unit" ] ;;
  "systemctl is-enabled") [ -e "$MACHINE/enabled.$unit" ] ;;
  "systemctl enable") touch "$MACHINE/enabled.$unit" ;;
  "systemctl disable") rm -f "$MACHINE/enabled.$unit"; [ -z "$now" ] || stop ;;
  "systemctl start") start ;;
  "systemctl restart") stop; start ;;
  "systemctl stop") stop ;;
  "systemctl show") cat "$MACHINE/shown" 2> /dev/null || echo ActiveState=active ;;
  "journalctl -q") echo "probewatch: the log says why" ;;
  "ip link")
    [ "$5" != name ] || mv "$MACHINE/root/sys/class/net/$4" "$MACHINE/root/sys/class/net/$6" ;;
  "timedatectl show") echo Europe/Vienna ;;
esac
"#;

const PROGRAMS: [&str; 8] =
    ["systemctl", "journalctl", "udevadm", "networkctl", "ip", "nmcli", "timedatectl", "dhcpcd"];

pub const CONFIG: &str = "/etc/probewatch/config.toml";
pub const TOKEN: &str = "/etc/probewatch/telegram-token";
pub const RECORD: &str = "/var/lib/probewatch-setup.json";
pub const NETWORK_MANAGER: &str = "/etc/NetworkManager/conf.d/probewatch.conf";
pub const NETWORKD: &str = "/etc/systemd/network/10-probewatch.network";
pub const LINK: &str = "/etc/systemd/network/10-probewatch.link";
pub const SECOND_LINK: &str = "/etc/systemd/network/10-probewatch-2.link";

/// The machine. The service that it runs is stopped on drop.
pub struct Machine {
    folder: tempfile::TempDir,
    pub api: BotApi,
}

impl Machine {
    /// Debian with systemd and NetworkManager, a built-in adapter that is the way to the internet, and the adapter
    /// wlan1.
    pub fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap(), api: BotApi::start() };
        for folder in [
            "etc/NetworkManager/conf.d",
            "etc/systemd/network",
            "run/systemd/system",
            "sys/class/net/wlan0",
            "sys/class/net/wlan1",
            "var/lib",
            "usr/share/zoneinfo",
        ] {
            fs::create_dir_all(machine.root().join(folder)).unwrap();
        }
        symlink("/usr/share/zoneinfo/Europe/Berlin", machine.root().join("etc/localtime")).unwrap();
        let programs = machine.folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        let script = programs.join("program");
        fs::write(&script, PROGRAM).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        for program in PROGRAMS {
            symlink("program", programs.join(program)).unwrap();
        }
        machine.write("token", machine.api.token());
        machine.set_adapters(&json!([
            {
                "name": "wlan0", "index": 2, "address": "b8:27:eb:00:00:01", "driver": "brcmfmac",
                "has_monitor_mode": false, "is_only_uplink": true, "has_default_route": true,
                "bands": ["2.4 GHz", "5 GHz"], "holder": "NetworkManager"
            },
            {
                "name": "wlan1", "index": 3, "address": "00:c0:ca:12:34:56", "driver": "mt76x0u",
                "bands": ["2.4 GHz", "5 GHz"], "holder": "NetworkManager"
            },
        ]));
        machine
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub fn set_adapters(&self, adapters: &Value) {
        self.write("adapters.json", &adapters.to_string());
    }

    /// Writes a file beside the machine's own.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    pub fn has(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }

    pub fn write_in_root(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.path(path)).unwrap().permissions().mode() & 0o7777
    }

    /// The calls of other programs since the last time, in order, without questions.
    pub fn take_calls(&self) -> Vec<String> {
        let path = self.folder.path().join("calls");
        let calls = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        let asks = ["is-active", "is-enabled", " cat ", " show", "timedatectl", "journalctl"];
        let calls = calls.lines().filter(|call| !asks.iter().any(|ask| call.contains(ask)));
        calls.map(str::to_owned).collect()
    }

    /// `probewatch setup` on this machine, with these arguments.
    pub fn setup_command(&self, arguments: &[&str]) -> Command {
        let mut command = probewatch_command(&["setup", "--root"]);
        command.arg(self.root()).arg("--adapters").arg(self.folder.path().join("adapters.json"));
        command.args(["--wait", if self.has("serve") { "60" } else { "0" }]).args(arguments);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()));
        command.env("MACHINE", self.folder.path()).env("PROBEWATCH", env!("CARGO_BIN_EXE_probewatch"));
        command.env("PROBEWATCH__TELEGRAM__API_URL", self.api.url());
        command.env("PROBEWATCH__DATA_DIR", self.folder.path().join("data"));
        command.env_remove("TZ").env("TERM", "xterm-256color").env("RUST_LOG", "off");
        command
    }

    pub fn setup(&self, arguments: &[&str]) -> Output {
        process::output(&mut self.setup_command(arguments))
    }

    /// `setup --yes` with the token in a file.
    pub fn set_up(&self, further: &[&str]) -> Output {
        let token = self.folder.path().join("token");
        let arguments = [&["--yes", "--token-file", token.to_str().unwrap()], further].concat();
        self.setup(&arguments)
    }

    /// All files, folders and links with their modes and contents.
    pub fn files(&self) -> BTreeMap<PathBuf, (u32, String)> {
        let mut found = BTreeMap::new();
        collect(&self.root(), &self.root(), &mut found);
        found
    }

    /// Which units are enabled and active.
    pub fn units(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().file_name());
        let names = files.map(|name| name.to_string_lossy().into_owned());
        let mut units: Vec<String> =
            names.filter(|name| name.starts_with("active.") || name.starts_with("enabled.")).collect();
        units.sort();
        units
    }
}

fn collect(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, (u32, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let facts = fs::symlink_metadata(&path).unwrap();
        let content = if facts.is_file() {
            String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
        } else if facts.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            collect(&path, root, found);
            String::new()
        };
        let name = path.strip_prefix(root).unwrap().to_owned();
        found.insert(name, (facts.permissions().mode(), content));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.folder.path().join("pid"))
            && let Ok(pid) = pid.trim().parse::<libc::pid_t>()
        {
            // SAFETY: a plain system call. The service ends and is reaped by init.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("the service's log:\n{log}");
        }
    }
}
