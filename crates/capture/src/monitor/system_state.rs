//! Reads everything that the plan for an interface depends on. It changes nothing.

use std::thread;
use std::time::{Duration, Instant};

use super::host::{Host, NetworkDaemon, RfkillBlock};
use super::names::MONITOR_NAME_PREFIX;
use super::netlink::NetlinkError;
use super::nl80211::{InterfaceType, Nl80211, WifiInterface, Wiphy};
use super::rtnetlink::{DefaultRoute, Link, Rtnetlink};

/// How long the kernel may take to remove the monitor interface of a process that has just ended.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(2);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What was read of an interface, its radio and the machine.
#[derive(Debug, Clone)]
pub(super) struct SystemState {
    pub interface: WifiInterface,
    /// The interfaces of all radios.
    pub interfaces: Vec<WifiInterface>,
    pub wiphy: Wiphy,
    pub links: Vec<Link>,
    pub routes: Vec<DefaultRoute>,
    pub block: Option<RfkillBlock>,
    pub daemon: Option<NetworkDaemon>,
}

impl SystemState {
    /// Reads the state around a link; `None` if nl80211 does not know it.
    pub fn read(
        link: &Link,
        nl80211: &mut Nl80211,
        rtnetlink: &mut Rtnetlink,
        host: &Host,
    ) -> Result<Option<Self>, NetlinkError> {
        let deadline = Instant::now() + REMOVAL_TIMEOUT;
        let (interface, interfaces) = loop {
            let interfaces = nl80211.interfaces()?;
            let Some(interface) = interfaces.iter().find(|known| known.index == link.index).cloned() else {
                return Ok(None);
            };
            if Instant::now() >= deadline || !has_own_monitor(&interface, &interfaces) {
                break (interface, interfaces);
            }
            // The process before this one may have just ended, and the kernel is still removing its interface.
            thread::sleep(POLL_INTERVAL);
        };
        let wiphy = nl80211.wiphy(interface.wiphy)?;
        let block = host.rfkill_block(&wiphy.name);
        let daemon = host.daemon_using(&interface.name, interface.index);
        let (links, routes) = (rtnetlink.links()?, rtnetlink.default_routes()?);
        Ok(Some(Self { interface, interfaces, wiphy, links, routes, block, daemon }))
    }

    /// The other interfaces of the same radio.
    pub fn siblings(&self) -> impl Iterator<Item = &WifiInterface> {
        siblings(&self.interface, &self.interfaces)
    }
}

fn siblings<'a>(
    interface: &'a WifiInterface,
    all: &'a [WifiInterface],
) -> impl Iterator<Item = &'a WifiInterface> {
    all.iter().filter(|other| other.wiphy == interface.wiphy && other.index != interface.index)
}

/// Whether the radio of a managed interface has a monitor interface that this program or another instance added.
fn has_own_monitor(interface: &WifiInterface, interfaces: &[WifiInterface]) -> bool {
    let is_own = |other: &WifiInterface| {
        other.kind == InterfaceType::Monitor && other.name.starts_with(MONITOR_NAME_PREFIX)
    };
    interface.kind == InterfaceType::Managed && siblings(interface, interfaces).any(is_own)
}
