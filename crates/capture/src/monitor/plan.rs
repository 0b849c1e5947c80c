//! What to do with an interface, decided over what was seen of it; nothing is read or changed here.

use std::iter;

use super::Settings;
use super::channel::{Channel, ChannelProblem, select};
use super::error::MonitorError;
use super::host::{Block, NetworkDaemon};
use super::nl80211::{Interface, InterfaceType, Wiphy};
use super::rtnetlink::{DefaultRoute, Link, only_way};

/// What the monitor interfaces that are made here are called, with a number after it.
pub(super) const NAME_PREFIX: &str = "pwmon";

/// What a managed interface bears while it is down for our sake, for `ip link` to show, and for the next
/// start to find after a `kill -9`.
pub(super) const MARK: &str = "taken down by probewatch";

/// What was seen of an interface and its machine.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub interface: Interface,
    /// Of all radios.
    pub interfaces: Vec<Interface>,
    pub wiphy: Wiphy,
    pub links: Vec<Link>,
    pub routes: Vec<DefaultRoute>,
    pub block: Option<Block>,
    pub daemon: Option<NetworkDaemon>,
}

/// How an interface becomes one that is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// It is in monitor mode, and is only brought up if it is not.
    UseAsIs { bring_up: bool, channels: Vec<Channel> },
    /// A monitor interface of this name is added. An interface that is up holds the channel, so the
    /// managed one is taken down if it is up.
    AddBeside { name: String, managed: Managed, channels: Vec<Channel> },
}

/// How the managed interface is found, which is how it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Managed {
    /// Up; it can be marked unless it bears a text of somebody else's.
    Up { can_be_marked: bool },
    /// Down, as a process that could not tidy up has left it: before, it was up.
    LeftDown,
    /// Down, which is its own affair.
    Down,
}

impl Plan {
    /// Whether the interface is not to be used just as it is.
    pub fn changes_anything(&self) -> bool {
        !matches!(self, Self::UseAsIs { bring_up: false, .. })
    }
}

/// Decides what to do.
///
/// That the machine would go offline is told before what else is in the way of an interface that there is: the
/// remedies for that, to take it or another of its radio away or down, would take the machine offline.
pub(super) fn plan(seen: &Seen, settings: &Settings) -> Result<Plan, MonitorError> {
    let interface = || seen.interface.name.clone();
    if let Some(block) = seen.block {
        return Err(MonitorError::blocked(&seen.interface.name, block));
    }
    match seen.interface.kind {
        InterfaceType::Managed => {}
        InterfaceType::Monitor => {
            let bring_up = !is_up(seen.interface.index, &seen.links);
            return Ok(Plan::UseAsIs { bring_up, channels: channels(seen, settings)? });
        }
        InterfaceType::Other(_) => return Err(MonitorError::NotManaged { interface: interface() }),
    }
    if !seen.wiphy.has_monitor_mode {
        return Err(MonitorError::NoMonitorMode { interface: interface() });
    }
    let channels = channels(seen, settings)?;
    let only_way = |one: &Interface| {
        let version = only_way(one.index, &seen.links, &seen.routes)?;
        Some(MonitorError::OnlyUplink { interface: one.name.clone(), version })
    };
    let mut of_radio = iter::once(&seen.interface).chain(siblings(&seen.interface, &seen.interfaces));
    if !settings.force
        && let Some(refusal) = of_radio.find_map(only_way)
    {
        return Err(refusal);
    }
    if !seen.wiphy.can_add_interfaces {
        return Err(MonitorError::CannotAdd { interface: interface() });
    }
    if let Some(daemon) = seen.daemon {
        return Err(MonitorError::InUse { interface: interface(), daemon });
    }
    for other in siblings(&seen.interface, &seen.interfaces) {
        let interface = interface();
        if other.kind == InterfaceType::Monitor {
            return Err(MonitorError::AlreadyMonitored { interface, monitor: other.name.clone() });
        }
        if is_up(other.index, &seen.links) {
            return Err(MonitorError::RadioShared { interface, other: other.name.clone() });
        }
    }
    let managed = managed(seen.interface.index, &seen.links);
    Ok(Plan::AddBeside { name: free_name(&seen.links), managed, channels })
}

/// The other interfaces of the same radio.
pub(super) fn siblings<'a>(
    interface: &'a Interface,
    all: &'a [Interface],
) -> impl Iterator<Item = &'a Interface> {
    all.iter().filter(|other| other.wiphy == interface.wiphy && other.index != interface.index)
}

fn channels(seen: &Seen, settings: &Settings) -> Result<Vec<Channel>, MonitorError> {
    let interface = seen.interface.name.clone();
    select(&seen.wiphy.channels, &settings.channels, &settings.bands).map_err(|problem| match problem {
        ChannelProblem::Missing(channels) => MonitorError::NoSuchChannel { interface, channels },
        ChannelProblem::Disabled(channels) => MonitorError::ChannelDisabled { interface, channels },
        ChannelProblem::NoneLeft => {
            MonitorError::NoChannel { interface, bands: settings.bands.iter().copied().collect() }
        }
    })
}

fn is_up(index: u32, links: &[Link]) -> bool {
    links.iter().any(|link| link.index == index && link.is_up)
}

fn managed(index: u32, links: &[Link]) -> Managed {
    let alias = links.iter().find(|link| link.index == index).and_then(|link| link.alias.as_deref());
    let is_marked = alias == Some(MARK);
    match is_up(index, links) {
        true => Managed::Up { can_be_marked: alias.is_none() || is_marked },
        false if is_marked => Managed::LeftDown,
        false => Managed::Down,
    }
}

fn free_name(links: &[Link]) -> String {
    let is_free = |name: &String| !links.iter().any(|link| link.name == *name);
    // One name more than there are links that could have taken them.
    let names = (0..=links.len()).map(|number| format!("{NAME_PREFIX}{number}"));
    names.into_iter().find(is_free).unwrap_or_else(|| NAME_PREFIX.to_owned())
}

#[cfg(all(test, target_endian = "little"))]
mod tests;
