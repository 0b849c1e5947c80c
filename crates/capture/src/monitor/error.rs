//! Why an interface cannot be put into monitor mode, and the remedy.

use std::borrow::Cow;

use rustix::io::Errno;

use super::channel::{Band, Channel};
use super::host::{NetworkDaemon, RfkillBlock};
use super::names::MONITOR_NAME_PREFIX;
use super::netlink::NetlinkError;
use super::rtnetlink::IpVersion;

/// Why there is no monitor interface, or its channel does not change. [`MonitorError::remedy`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the parts of the sentence: interfaces, channels, a reason")]
pub enum MonitorError {
    /// The interface does not exist.
    #[error("cannot listen with {interface}: there is no such interface")]
    NoSuchInterface { interface: String },
    /// The process may not change interfaces.
    #[error("cannot put {interface} into monitor mode: not permitted")]
    NotPermitted { interface: String },
    /// A switch or the firmware has turned the radio off.
    #[error("the radio of {interface} is switched off by hardware")]
    HardBlocked { interface: String },
    /// Software has turned the radio off.
    #[error("the radio of {interface} is switched off")]
    SoftBlocked { interface: String },
    /// Another program uses the interface, and would bring it up again.
    #[error("{daemon} uses {interface}")]
    InUse { interface: String, daemon: NetworkDaemon },
    /// The driver does not support monitor mode.
    #[error("the driver of {interface} has no monitor mode")]
    NoMonitorMode { interface: String },
    /// The driver supports monitor mode, but not two interfaces on a radio.
    #[error("the driver of {interface} cannot add a monitor interface to its radio")]
    CannotAdd { interface: String },
    /// The interface is an access point, a mesh point or the like.
    #[error("{interface} is neither managed nor in monitor mode: it may be an access point or a mesh point")]
    NotManaged { interface: String },
    /// The machine would be offline without this interface.
    #[error(
        "{interface} is this machine's only way to the internet over {}",
        match version { IpVersion::V4 => "IPv4", IpVersion::V6 => "IPv6" }
    )]
    OnlyUplink { interface: String, version: IpVersion },
    /// The hardware lacks some of the requested channels.
    #[error("{interface} cannot tune to these channels: {}", list(channels))]
    NoSuchChannel { interface: String, channels: Vec<Channel> },
    /// The configured country's rules forbid some of the requested channels.
    #[error("the regulatory domain disables these channels for {interface}: {}", list(channels))]
    ChannelDisabled { interface: String, channels: Vec<Channel> },
    /// The hardware has no usable channel in the requested bands.
    #[error("{interface} has no channel that may be used in {}", list(bands))]
    NoChannel { interface: String, bands: Vec<Band> },
    /// The radio has a monitor interface already.
    #[error("the radio of {interface} already has a monitor interface, {monitor}")]
    AlreadyMonitored { interface: String, monitor: String },
    /// Another interface of the same radio holds the channel.
    #[error("cannot change the channel of {interface}: {other} is up on the same radio")]
    RadioShared { interface: String, other: String },
    /// The kernel reports the radio as busy.
    #[error("cannot {doing} {interface}: the radio is busy")]
    Busy { interface: String, doing: &'static str },
    /// The interface was removed, for example with its adapter.
    #[error("cannot {doing} {interface}: it is gone")]
    Gone { interface: String, doing: &'static str },
    /// The kernel refused for another reason.
    #[error("cannot {doing} {interface}: {reason}")]
    Refused { interface: String, doing: &'static str, reason: String },
    /// The system grants no thread for channel hopping.
    #[error("cannot change the channel of {interface} in the background: {error}")]
    Thread { interface: String, error: std::io::Error },
}

impl MonitorError {
    /// What to do about it, if that is known.
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::NoSuchInterface { .. } => "`ip link` lists the interfaces",
            Self::NotPermitted { .. } => {
                "run probewatch with sudo, give it the right once: sudo setcap cap_net_raw,cap_net_admin+eip \
                 $(command -v probewatch), or, in a systemd unit: AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN"
            }
            Self::HardBlocked { .. } => {
                "turn it on with the machine's Wi-Fi switch or key, or in its firmware settings: `rfkill list` \
                 shows it as hard blocked"
            }
            Self::SoftBlocked { .. } => "turn it on: sudo rfkill unblock wifi",
            Self::InUse { interface, daemon } => {
                let commands = daemon.release_commands(interface);
                return Some(format!("make it release the interface: {commands}").into());
            }
            Self::NoMonitorMode { .. } => "use an adapter whose driver has monitor mode",
            Self::CannotAdd { interface } => {
                return Some(
                    format!(
                        "put {interface} itself into monitor mode: ip link set {interface} down; iw dev \
                         {interface} set type monitor; ip link set {interface} up"
                    )
                    .into(),
                );
            }
            Self::NotManaged { interface } => {
                return Some(
                    format!(
                        "stop the program that set this mode (hostapd, for example) and run: ip link set {interface} down; iw dev \
                         {interface} set type managed"
                    )
                    .into(),
                );
            }
            Self::OnlyUplink { .. } => {
                "connect the machine another way, or set force = true to let it go offline"
            }
            Self::NoSuchChannel { .. } => "leave them out: `iw phy` lists the channels that it has",
            Self::ChannelDisabled { .. } => {
                "set the country that the machine is in (for example `sudo iw reg set DE`), or leave them out"
            }
            Self::NoChannel { .. } => "choose another band: `iw phy` lists the channels that it has",
            Self::AlreadyMonitored { monitor, .. } => {
                return Some(
                    format!(
                        "if another probewatch added it, stop that one; otherwise capture on {monitor} or remove it: \
                         sudo iw dev {monitor} del"
                    )
                    .into(),
                );
            }
            Self::RadioShared { other, .. } => {
                return Some(format!("take it down: sudo ip link set {other} down").into());
            }
            Self::Busy { .. } => {
                "another interface of the radio is up, or NetworkManager or the like brought it up again: `iw dev` \
                 lists them; take them down with ip link set … down, and keep NetworkManager away: nmcli device \
                 set … managed no"
            }
            Self::Gone { .. } => "check whether the adapter was pulled out or the interface removed",
            Self::Refused { .. } => "the kernel's log (dmesg) may say more",
            Self::Thread { .. } => return None,
        }))
    }

    /// Whether a monitor interface is in the way that a running probewatch seems to have added.
    pub fn is_own_monitor_interface(&self) -> bool {
        matches!(self, Self::AlreadyMonitored { monitor, .. } if monitor.starts_with(MONITOR_NAME_PREFIX))
    }

    /// The meaning of the kernel's refusal to do something with `interface`; `doing` follows "cannot".
    pub(super) fn new(doing: &'static str, interface: &str, error: &NetlinkError) -> Self {
        let reason = error.to_string();
        let interface = interface.to_owned();
        match error.errno() {
            Some(Errno::PERM | Errno::ACCESS) => Self::NotPermitted { interface },
            // `with_rfkill_block` finds out whether it is rather a hard block.
            Some(Errno::RFKILL) => Self::SoftBlocked { interface },
            Some(Errno::BUSY) => Self::Busy { interface, doing },
            Some(Errno::NODEV) => Self::Gone { interface, doing },
            _ => Self::Refused { interface, doing, reason },
        }
    }

    /// Makes the refusal of a radio that is switched off more precise: the kernel does not distinguish a soft from a hard
    /// block, and reports the radio as busy when a channel is to be changed.
    pub(super) fn with_rfkill_block(self, interface: &str, block: Option<RfkillBlock>) -> Self {
        match (self, block) {
            (Self::SoftBlocked { .. } | Self::Busy { .. }, Some(block)) => Self::blocked(interface, block),
            (error, _) => error,
        }
    }

    /// The error for a radio that is switched off.
    pub(super) fn blocked(interface: &str, block: RfkillBlock) -> Self {
        let interface = interface.to_owned();
        match block {
            RfkillBlock::Soft => Self::SoftBlocked { interface },
            RfkillBlock::Hard => Self::HardBlocked { interface },
        }
    }
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
