//! The Wi-Fi adapters of the machine, and what each can do. Nothing is changed.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;

use dot11::MacAddr;

use super::channel::Band;
use super::host::{Host, NetworkDaemon, RfkillBlock};
use super::names::MONITOR_NAME_PREFIX;
use super::nl80211::{InterfaceType, Nl80211, WifiInterface, Wiphy};
use super::rtnetlink::{DefaultRoute, IpVersion, Link, Rtnetlink, only_uplink};

/// A Wi-Fi interface, and what can be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// The interface's name, such as `wlan1`.
    pub name: String,
    /// The interface's index.
    pub index: u32,
    /// The address that the hardware has.
    pub address: Option<MacAddr>,
    /// The name of its driver, such as `mt76x0u`.
    pub driver: Option<String>,
    /// What the interface does now.
    pub mode: AdapterMode,
    /// Whether the driver has monitor mode.
    pub has_monitor_mode: bool,
    /// Whether the driver can add a monitor interface.
    pub can_add_interfaces: bool,
    /// The bands in which it has channels that may be used, lowest first.
    pub bands: Vec<Band>,
    /// The version of IP for which its radio is the machine's only way to the internet.
    pub only_uplink: Option<IpVersion>,
    /// Whether a default route leads over it.
    pub has_default_route: bool,
    /// Whether and how the radio is switched off.
    pub block: Option<RfkillBlock>,
    /// The program that uses it, as far as it can be found.
    pub holder: Option<Holder>,
    /// Whether a running probewatch captures with its radio.
    pub is_captured: bool,
}

/// What an interface does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterMode {
    /// It can join networks.
    Managed,
    /// It is in monitor mode.
    Monitor,
    /// It is an access point, a mesh point or the like.
    Other,
}

/// A program that uses an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// One that manages interfaces.
    Daemon(NetworkDaemon),
    /// Another one, by its name.
    Program(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(daemon) => daemon.fmt(f),
            Self::Program(name) => f.write_str(name),
        }
    }
}

/// What was read of the machine.
struct Machine {
    interfaces: Vec<WifiInterface>,
    links: Vec<Link>,
    routes: Vec<DefaultRoute>,
}

/// The adapters of this machine in the order of their names, without the monitor interfaces that a running probewatch
/// has added. The files of the machine are read below `root`, usually `/`.
///
/// # Errors
/// If the kernel does not answer.
pub fn adapters(root: &Path) -> io::Result<Vec<Adapter>> {
    let Some(mut nl80211) = Nl80211::open().map_err(io::Error::other)? else { return Ok(Vec::new()) };
    let mut rtnetlink = Rtnetlink::open().map_err(io::Error::other)?;
    let machine = Machine {
        interfaces: nl80211.interfaces().map_err(io::Error::other)?,
        links: rtnetlink.links().map_err(io::Error::other)?,
        routes: rtnetlink.default_routes().map_err(io::Error::other)?,
    };
    let host = Host::at(root);
    let mut adapters = Vec::new();
    for interface in machine.interfaces.iter().filter(|interface| !is_own_monitor(interface)) {
        let wiphy = nl80211.wiphy(interface.wiphy).map_err(io::Error::other)?;
        adapters.push(machine.adapter(interface, &wiphy, &host));
    }
    adapters.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(adapters)
}

/// The program that manages an interface, as far as it can be found in the files below `root`.
pub fn daemon_using(root: &Path, interface: &str, index: u32) -> Option<NetworkDaemon> {
    Host::at(root).daemon_using(interface, index)
}

fn is_own_monitor(interface: &WifiInterface) -> bool {
    interface.kind == InterfaceType::Monitor && interface.name.starts_with(MONITOR_NAME_PREFIX)
}

impl Machine {
    fn adapter(&self, interface: &WifiInterface, wiphy: &Wiphy, host: &Host) -> Adapter {
        let (name, index) = (interface.name.clone(), interface.index);
        let of_radio = || self.interfaces.iter().filter(|other| other.wiphy == interface.wiphy);
        let has_route = |interface: &WifiInterface| {
            self.routes.iter().any(|route| route.outputs.contains(&interface.index))
        };
        let is_other = matches!(interface.kind, InterfaceType::Other(_));
        let holder = host.daemon_using(&name, index).map(Holder::Daemon);
        let usable = wiphy.channels.iter().filter(|known| !known.is_disabled);
        let bands: BTreeSet<Band> = usable.map(|known| known.channel.band()).collect();
        Adapter {
            address: self.links.iter().find(|link| link.index == index).and_then(|link| link.address),
            driver: host.driver(&name),
            mode: match interface.kind {
                InterfaceType::Managed => AdapterMode::Managed,
                InterfaceType::Monitor => AdapterMode::Monitor,
                InterfaceType::Other(_) => AdapterMode::Other,
            },
            has_monitor_mode: wiphy.has_monitor_mode,
            can_add_interfaces: wiphy.can_add_interfaces,
            bands: bands.into_iter().collect(),
            only_uplink: of_radio().find_map(|one| only_uplink(one.index, &self.links, &self.routes)),
            has_default_route: of_radio().any(has_route),
            block: host.rfkill_block(&wiphy.name),
            holder: holder.or_else(|| host.program_using(&name, is_other).map(Holder::Program)),
            is_captured: of_radio().any(is_own_monitor),
            name,
            index,
        }
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;
    use crate::monitor::tests::{interfaces, links, wiphy};

    fn machine() -> Machine {
        let route = |outputs| DefaultRoute { version: IpVersion::V4, outputs: vec![outputs] };
        Machine { interfaces: interfaces(), links: links(), routes: vec![route(2), route(4)] }
    }

    fn wlan0(machine: &Machine) -> Adapter {
        let folder = tempfile::tempdir().unwrap();
        let interface = machine.interfaces.iter().find(|interface| interface.name == "wlan0").unwrap();
        machine.adapter(interface, &wiphy(), &Host::at(folder.path()))
    }

    #[test]
    fn an_adapter_has_the_recorded_abilities() {
        let adapter = wlan0(&machine());
        assert_eq!(adapter.address, Some("02:00:00:00:00:00".parse().unwrap()));
        assert_eq!((adapter.mode, adapter.bands), (AdapterMode::Managed, Band::ALL.to_vec()));
        assert!(adapter.has_monitor_mode && adapter.can_add_interfaces && adapter.has_default_route);
        assert_eq!((adapter.only_uplink, adapter.block, adapter.holder), (None, None, None));
        assert!(!adapter.is_captured);
    }

    #[test]
    fn routes_and_monitor_interfaces_of_the_same_radio_count() {
        let mut machine = machine();
        machine.routes.pop();
        let mut monitor = machine.interfaces.iter().find(|other| other.name == "wlan0").unwrap().clone();
        (monitor.index, monitor.name, monitor.kind) = (20, "pwmon0".to_owned(), InterfaceType::Monitor);
        assert!(is_own_monitor(&monitor));
        machine.interfaces.push(monitor);
        let adapter = wlan0(&machine);
        assert_eq!(adapter.only_uplink, Some(IpVersion::V4));
        assert!(adapter.is_captured);
        machine.routes.clear();
        assert!(!wlan0(&machine).has_default_route);
    }

    #[test]
    fn disabled_channels_make_no_band() {
        let machine = machine();
        let mut wiphy = wiphy();
        for known in &mut wiphy.channels {
            known.is_disabled = known.channel.band() != Band::Ghz2;
        }
        let folder = tempfile::tempdir().unwrap();
        let adapter = machine.adapter(&machine.interfaces[0], &wiphy, &Host::at(folder.path()));
        assert_eq!(adapter.bands, [Band::Ghz2]);
    }
}
