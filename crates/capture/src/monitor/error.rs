//! Why an interface cannot be put into monitor mode, and the remedy.

use std::borrow::Cow;

use rustix::io::Errno;

use super::channel::{Band, Channel};
use super::host::{Block, NetworkDaemon};
use super::netlink::RequestError;
use super::plan::NAME_PREFIX;
use super::rtnetlink::IpVersion;

/// Why there is no monitor interface, or its channel does not change.
#[derive(Debug, thiserror::Error)]
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
    /// The driver does not know monitor mode.
    #[error("the driver of {interface} has no monitor mode")]
    NoMonitorMode { interface: String },
    /// The driver knows monitor mode, but not two interfaces on a radio.
    #[error("the driver of {interface} cannot add a monitor interface beside it")]
    CannotAdd { interface: String },
    /// The interface is an access point, a mesh point or the like.
    #[error(
        "{interface} is neither managed nor in monitor mode, it serves others as an access point or the like"
    )]
    NotManaged { interface: String },
    /// Without this interface the machine would be offline.
    #[error(
        "{interface} is this machine's only way to the internet over {}",
        match version { IpVersion::V4 => "IPv4", IpVersion::V6 => "IPv6" }
    )]
    OnlyUplink { interface: String, version: IpVersion },
    /// The hardware lacks channels that were asked for.
    #[error("{interface} cannot tune to these channels: {}", list(channels))]
    NoSuchChannel { interface: String, channels: Vec<Channel> },
    /// The law of the country that is set forbids channels that were asked for.
    #[error("the regulatory domain disables these channels for {interface}: {}", list(channels))]
    ChannelDisabled { interface: String, channels: Vec<Channel> },
    /// The hardware has no channel in the bands that were asked for.
    #[error("{interface} has no channel that may be used in {}", list(bands))]
    NoChannel { interface: String, bands: Vec<Band> },
    /// There is a monitor interface on this radio.
    #[error("the radio of {interface} has a monitor interface already, {monitor}")]
    AlreadyMonitored { interface: String, monitor: String },
    /// Another interface of the same radio holds the channel.
    #[error("{other} is up on the radio of {interface}, so that the channel cannot be changed")]
    RadioShared { interface: String, other: String },
    /// The kernel says that the radio is in use.
    #[error("cannot {doing} {interface}: the radio is busy")]
    Busy { interface: String, doing: &'static str },
    /// The interface went away, as when an adapter is pulled out.
    #[error("cannot {doing} {interface}: it is gone")]
    Gone { interface: String, doing: &'static str },
    /// The kernel refused for another reason.
    #[error("cannot {doing} {interface}: {reason}")]
    Refused { interface: String, doing: &'static str, reason: String },
    /// The system gives no thread to hop on.
    #[error("cannot change the channel of {interface} in the background: {error}")]
    Thread { interface: String, error: std::io::Error },
}

impl MonitorError {
    /// What the reader can do about it, where that is known.
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::NoSuchInterface { .. } => "`ip link` lists them",
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
                let steps = daemon.remedy(interface);
                return Some(format!("take it away from there: {steps}").into());
            }
            Self::NoMonitorMode { .. } => "an adapter whose driver has it is needed",
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
                        "stop what does so (hostapd, for one) and run: ip link set {interface} down; iw dev \
                         {interface} set type managed"
                    )
                    .into(),
                );
            }
            Self::OnlyUplink { .. } => "connect it otherwise, or give force = true to go offline",
            Self::NoSuchChannel { .. } => "leave them out, `iw phy` lists those that there are",
            Self::ChannelDisabled { .. } => {
                "set the country that the machine is in (as in `sudo iw reg set DE`), or leave them out"
            }
            Self::NoChannel { .. } => "ask for another band, `iw phy` lists the channels that there are",
            Self::AlreadyMonitored { monitor, .. } => {
                return Some(
                    format!(
                        "if another probewatch made it, stop that one, else capture on {monitor} or remove it: \
                         sudo iw dev {monitor} del"
                    )
                    .into(),
                );
            }
            Self::RadioShared { other, .. } => {
                return Some(format!("take it down: sudo ip link set {other} down").into());
            }
            Self::Busy { .. } => {
                "another interface of it is up, or was brought up again, which NetworkManager and others do: `iw \
                 dev` lists them, take them down with ip link set … down, and tell NetworkManager: nmcli device \
                 set … managed no"
            }
            Self::Gone { .. } => "was the adapter pulled out, or the interface removed?",
            Self::Refused { .. } => "the kernel's log (dmesg) may say more",
            Self::Thread { .. } => return None,
        }))
    }

    /// Whether a probewatch that runs seems to be what is in the way.
    pub fn is_own_monitor_interface(&self) -> bool {
        matches!(self, Self::AlreadyMonitored { monitor, .. } if monitor.starts_with(NAME_PREFIX))
    }

    /// What the kernel's refusal to do something with `interface` means. `doing` comes after "cannot".
    pub(super) fn new(doing: &'static str, interface: &str, error: &RequestError) -> Self {
        let reason = error.to_string();
        let interface = interface.to_owned();
        match error.errno() {
            Some(Errno::PERM | Errno::ACCESS) => Self::NotPermitted { interface },
            // Which of the two is for `or_blocked` to say.
            Some(Errno::RFKILL) => Self::SoftBlocked { interface },
            Some(Errno::BUSY) => Self::Busy { interface, doing },
            Some(Errno::NODEV) => Self::Gone { interface, doing },
            _ => Self::Refused { interface, doing, reason },
        }
    }

    /// The refusal, of which more is known once it was looked whether the radio is switched off: the kernel does not
    /// say by whom, and calls it busy where a channel is to be changed.
    pub(super) fn or_blocked(self, interface: &str, block: Option<Block>) -> Self {
        match (self, block) {
            (Self::SoftBlocked { .. } | Self::Busy { .. }, Some(block)) => Self::blocked(interface, block),
            (error, _) => error,
        }
    }

    /// The refusal of a radio that is switched off.
    pub(super) fn blocked(interface: &str, block: Block) -> Self {
        let interface = interface.to_owned();
        match block {
            Block::Soft => Self::SoftBlocked { interface },
            Block::Hard => Self::HardBlocked { interface },
        }
    }
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
