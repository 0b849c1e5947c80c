//! Reads from the machine's file systems whether a radio is switched off, and which program uses an interface.
//!
//! It does not use D-Bus. It recognises the programs by their files and sockets:
//!
//! - NetworkManager keeps a file for every device, `/run/NetworkManager/devices/<index>`, with `managed=true` while it
//!   manages it. It writes the file when a device becomes managed, unmanaged, connected or disconnected. The file is
//!   private to NetworkManager and outlives it, so it only counts while NetworkManager runs.
//! - wpa_supplicant, if NetworkManager has not started it, gets its interface by `-i` or by the name of its systemd
//!   unit, or opens a control socket of the interface's name.
//! - iwd takes every interface.
//!
//! A program runs if `/proc` shows it, or if its systemd unit has a control group, since under
//! `ProtectProc=invisible` `/proc` hides it. A program that leaves none of these traces (no systemd and no `/proc`, or
//! a control socket in a folder closed to this user) is not found. If it brings the interface up again, the kernel
//! reports the radio as busy.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// How a radio is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RfkillBlock {
    /// By software.
    Soft,
    /// By a hardware switch or the firmware.
    Hard,
}

/// A program that manages Wi-Fi interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkDaemon {
    /// NetworkManager.
    NetworkManager,
    /// wpa_supplicant, started without NetworkManager.
    WpaSupplicant,
    /// The iNet wireless daemon.
    Iwd,
}

impl NetworkDaemon {
    /// The commands that make it release the interface.
    pub(super) fn release_commands(self, interface: &str) -> String {
        match self {
            Self::NetworkManager => format!(
                "nmcli device set {interface} managed no, and for good: unmanaged-devices=interface-name:\
                 {interface} under [keyfile] in /etc/NetworkManager/conf.d/probewatch.conf, which sudo probewatch \
                 setup writes"
            ),
            Self::WpaSupplicant => {
                format!(
                    "sudo systemctl stop wpa_supplicant@{interface}, or sudo wpa_cli -i {interface} terminate"
                )
            }
            Self::Iwd => format!("sudo systemctl stop iwd, or start it as iwd --nointerfaces {interface}"),
        }
    }
}

impl fmt::Display for NetworkDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetworkManager => "NetworkManager",
            Self::WpaSupplicant => "wpa_supplicant",
            Self::Iwd => "iwd",
        })
    }
}

/// The machine's file systems, or in tests a folder that looks like them.
#[derive(Debug, Clone)]
pub(super) struct Host {
    root: PathBuf,
}

impl Default for Host {
    fn default() -> Self {
        Self { root: PathBuf::from("/") }
    }
}

impl Host {
    /// The machine whose file systems are below `root`.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Whether and how the radio of this name is switched off.
    pub fn rfkill_block(&self, wiphy: &str) -> Option<RfkillBlock> {
        let radio = self.root.join("sys/class/ieee80211").join(wiphy);
        let switches = fs::read_dir(radio).into_iter().flatten().flatten();
        let switches = switches.filter(|entry| entry.file_name().to_string_lossy().starts_with("rfkill"));
        switches.filter_map(|switch| switch_block(&switch.path())).max()
    }

    /// The program that uses the interface, as far as it can be found.
    pub fn daemon_using(&self, interface: &str, index: u32) -> Option<NetworkDaemon> {
        let programs = self.programs();
        let runs = |name: &str| {
            programs.iter().any(|program| program.name == name) || self.unit_runs(&format!("{name}.service"))
        };
        let device = self.root.join(format!("run/NetworkManager/devices/{index}"));
        if runs("NetworkManager") && fs::read_to_string(device).is_ok_and(|state| is_managed(&state)) {
            Some(NetworkDaemon::NetworkManager)
        } else if self.wpa_supplicant_uses(interface, &programs) {
            Some(NetworkDaemon::WpaSupplicant)
        } else if runs("iwd") {
            Some(NetworkDaemon::Iwd)
        } else {
            None
        }
    }

    /// The name of another program that was started for the interface, such as hostapd or tcpdump.
    pub fn program_using(&self, interface: &str, is_access_point: bool) -> Option<String> {
        // sudo has the arguments of the program that it runs.
        const NOT_USERS: [&str; 2] = ["probewatch", "sudo"];
        let uses = |program: &Program| match program.name.as_str() {
            // Its configuration names the interface.
            "hostapd" => is_access_point || has_interface_argument(&program.arguments, interface),
            "airodump-ng" => program.has_argument(interface),
            _ => has_interface_argument(&program.arguments, interface),
        };
        let mut programs = self.programs().into_iter();
        let found = programs.find(|program| !NOT_USERS.contains(&program.name.as_str()) && uses(program));
        found.map(|program| program.name)
    }

    /// The name of the driver of an interface, if it is a device.
    pub fn driver(&self, interface: &str) -> Option<String> {
        let link = self.root.join("sys/class/net").join(interface).join("device/driver");
        Some(fs::read_link(link).ok()?.file_name()?.to_string_lossy().into_owned())
    }

    fn wpa_supplicant_uses(&self, interface: &str, programs: &[Program]) -> bool {
        let mut supplicants = programs.iter().filter(|program| program.name == "wpa_supplicant").peekable();
        let has_socket = self.root.join("run/wpa_supplicant").join(interface).exists();
        let unit = format!("system-wpa_supplicant.slice/wpa_supplicant@{interface}.service");
        supplicants.peek().is_some() && has_socket
            || supplicants.any(|program| has_interface_argument(&program.arguments, interface))
            || self.unit_runs(&unit)
    }

    fn unit_runs(&self, unit: &str) -> bool {
        self.root.join("sys/fs/cgroup/system.slice").join(unit).is_dir()
    }

    fn programs(&self) -> Vec<Program> {
        let processes = fs::read_dir(self.root.join("proc")).into_iter().flatten().flatten();
        processes.filter_map(|process| Program::read(&process.path())).collect()
    }
}

/// A running program.
struct Program {
    name: String,
    arguments: Vec<u8>,
}

impl Program {
    fn read(process: &Path) -> Option<Self> {
        let name = fs::read_to_string(process.join("comm")).ok()?.trim_end().to_owned();
        let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
        Some(Self { name, arguments })
    }

    fn has_argument(&self, wanted: &str) -> bool {
        self.arguments.split(|byte| *byte == 0).any(|argument| argument == wanted.as_bytes())
    }
}

fn switch_block(switch: &Path) -> Option<RfkillBlock> {
    let is_set =
        |name: &str| fs::read_to_string(switch.join(name)).is_ok_and(|value| value.trim_end() == "1");
    if is_set("hard") { Some(RfkillBlock::Hard) } else { is_set("soft").then_some(RfkillBlock::Soft) }
}

/// Whether NetworkManager's file of a device says that NetworkManager manages it.
fn is_managed(state: &str) -> bool {
    state.lines().any(|line| line.trim() == "managed=true")
}

/// Whether `-i interface` is among the arguments, which are separated by NUL.
fn has_interface_argument(arguments: &[u8], interface: &str) -> bool {
    let arguments: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
    let is_separate = |pair: &[&[u8]]| pair == [b"-i".as_slice(), interface.as_bytes()];
    arguments.windows(2).any(is_separate)
        || arguments.iter().any(|argument| argument.strip_prefix(b"-i") == Some(interface.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these files, given as path and content.
    fn host_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host { root: folder.path().to_owned() };
        (folder, host)
    }

    fn daemon_using(files: &[(&str, &str)]) -> Option<NetworkDaemon> {
        let (_folder, host) = host_with(files);
        host.daemon_using("wlan0", 3)
    }

    const MANAGED: (&str, &str) = (
        "run/NetworkManager/devices/3",
        "# This is private data. Do not parse.\n\n[device]\nmanaged=true\nconnection-uuid=5a38e7\n",
    );

    #[test]
    fn network_manager_uses_the_devices_it_manages_while_it_runs() {
        let runs = ("proc/612/comm", "NetworkManager\n");
        let unit = ("sys/fs/cgroup/system.slice/NetworkManager.service/cgroup.procs", "");
        assert_eq!(daemon_using(&[MANAGED, runs]), Some(NetworkDaemon::NetworkManager));
        assert_eq!(daemon_using(&[MANAGED, unit]), Some(NetworkDaemon::NetworkManager));
        assert_eq!(daemon_using(&[MANAGED]), None);
        assert_eq!(daemon_using(&[runs]), None);
        let unmanaged = (MANAGED.0, "[device]\nmanaged=false\n");
        assert_eq!(daemon_using(&[unmanaged, runs]), None);
        let other_device = ("run/NetworkManager/devices/4", MANAGED.1);
        assert_eq!(daemon_using(&[other_device, runs]), None);
    }

    #[test]
    fn wpa_supplicant_uses_the_interface_it_was_started_with() {
        let runs = ("proc/700/comm", "wpa_supplicant\n");
        for arguments in ["wpa_supplicant\0-B\0-i\0wlan0\0", "wpa_supplicant\0-iwlan0\0-c/etc/wpa.conf\0"] {
            assert_eq!(
                daemon_using(&[runs, ("proc/700/cmdline", arguments)]),
                Some(NetworkDaemon::WpaSupplicant)
            );
        }
        assert_eq!(
            daemon_using(&[runs, ("run/wpa_supplicant/wlan0", "")]),
            Some(NetworkDaemon::WpaSupplicant)
        );
        let unit = "sys/fs/cgroup/system.slice/system-wpa_supplicant.slice/wpa_supplicant@wlan0.service/x";
        assert_eq!(daemon_using(&[(unit, "")]), Some(NetworkDaemon::WpaSupplicant));

        // It waits for NetworkManager, serves another interface, or has left its socket behind.
        assert_eq!(daemon_using(&[runs, ("proc/700/cmdline", "wpa_supplicant\0-u\0-s\0")]), None);
        assert_eq!(daemon_using(&[runs, ("proc/700/cmdline", "wpa_supplicant\0-iwlan01\0")]), None);
        assert_eq!(daemon_using(&[("run/wpa_supplicant/wlan0", "")]), None);
    }

    #[test]
    fn iwd_uses_every_interface() {
        assert_eq!(daemon_using(&[("proc/700/comm", "iwd\n")]), Some(NetworkDaemon::Iwd));
        assert_eq!(daemon_using(&[("proc/700/comm", "init\n")]), None);
    }

    #[test]
    fn other_programs_are_found_by_their_arguments() {
        let using = |name: &str, arguments: &str, is_access_point| {
            let name = format!("{name}\n");
            let (_folder, host) = host_with(&[("proc/9/comm", &name), ("proc/9/cmdline", arguments)]);
            host.program_using("wlan1", is_access_point)
        };
        assert_eq!(using("tcpdump", "tcpdump\0-i\0wlan1\0", false).as_deref(), Some("tcpdump"));
        assert_eq!(using("airodump-ng", "airodump-ng\0wlan1\0", false).as_deref(), Some("airodump-ng"));
        assert_eq!(using("hostapd", "hostapd\0/etc/hostapd.conf\0", true).as_deref(), Some("hostapd"));
        assert_eq!(using("hostapd", "hostapd\0/etc/hostapd.conf\0", false), None);
        assert_eq!(using("tcpdump", "tcpdump\0-i\0wlan10\0", false), None);
        assert_eq!(using("vi", "vi\0wlan1\0", false), None);
        assert_eq!(using("sudo", "sudo\0tcpdump\0-i\0wlan1\0", false), None);
    }

    #[test]
    fn a_hard_block_outranks_a_soft_block() {
        let block = |soft, hard| {
            let files = [
                ("sys/class/ieee80211/phy0/rfkill0/soft", "0\n"),
                ("sys/class/ieee80211/phy0/rfkill0/hard", "0\n"),
                ("sys/class/ieee80211/phy0/rfkill1/soft", soft),
                ("sys/class/ieee80211/phy0/rfkill1/hard", hard),
            ];
            let (_folder, host) = host_with(&files);
            assert_eq!(host.rfkill_block("phy1"), None);
            host.rfkill_block("phy0")
        };
        assert_eq!(block("0\n", "0\n"), None);
        assert_eq!(block("1\n", "0\n"), Some(RfkillBlock::Soft));
        assert_eq!(block("1\n", "1\n"), Some(RfkillBlock::Hard));
        assert_eq!(block("0\n", "1\n"), Some(RfkillBlock::Hard));
    }
}
