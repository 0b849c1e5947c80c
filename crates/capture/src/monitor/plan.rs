//! Decides what to do with an interface from the system state; nothing is read or changed here.

use std::iter;

use super::channel::{Channel, SelectionError, select_channels};
use super::error::MonitorError;
use super::names::{DOWN_ALIAS, MONITOR_NAME_PREFIX};
use super::nl80211::{InterfaceType, WifiInterface};
use super::rtnetlink::{Link, only_uplink};
use super::settings::MonitorSettings;
use super::system_state::SystemState;

/// How an interface becomes one that can be captured on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// The interface is in monitor mode; it is brought up if it is down.
    UseAsIs { bring_up: bool, channels: Vec<Channel> },
    /// A monitor interface of this name is added. The managed interface is taken down if it is up, because an
    /// interface that is up holds the channel.
    AddMonitor { name: String, managed: ManagedState, channels: Vec<Channel> },
}

/// The state of the managed interface before any change, which is restored at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ManagedState {
    /// Up. It can be marked unless it has an alias that another program set.
    Up { can_be_marked: bool },
    /// Down and marked: it was up before a process took it down and was killed.
    LeftDown,
    /// Down for a reason of its own.
    Down,
}

impl Plan {
    /// Whether carrying it out changes anything about the interface.
    pub fn changes_anything(&self) -> bool {
        !matches!(self, Self::UseAsIs { bring_up: false, .. })
    }
}

/// Decides what to do.
///
/// If the machine would go offline, that refusal comes before every other obstacle that an existing interface may
/// have. The remedies for the others (taking this interface, or another one of its radio, away or down) would take
/// the machine offline.
pub(super) fn plan(state: &SystemState, settings: &MonitorSettings) -> Result<Plan, MonitorError> {
    let interface = || state.interface.name.clone();
    if let Some(block) = state.block {
        return Err(MonitorError::blocked(&state.interface.name, block));
    }
    match state.interface.kind {
        InterfaceType::Managed => {}
        InterfaceType::Monitor => {
            let bring_up = !is_up(state.interface.index, &state.links);
            return Ok(Plan::UseAsIs { bring_up, channels: channels(state, settings)? });
        }
        InterfaceType::Other(_) => return Err(MonitorError::NotManaged { interface: interface() }),
    }
    if !state.wiphy.has_monitor_mode {
        return Err(MonitorError::NoMonitorMode { interface: interface() });
    }
    let channels = channels(state, settings)?;
    let offline_refusal = |one: &WifiInterface| {
        let version = only_uplink(one.index, &state.links, &state.routes)?;
        Some(MonitorError::OnlyUplink { interface: one.name.clone(), version })
    };
    let mut of_radio = iter::once(&state.interface).chain(state.siblings());
    if !settings.force
        && let Some(refusal) = of_radio.find_map(offline_refusal)
    {
        return Err(refusal);
    }
    if !state.wiphy.can_add_interfaces {
        return Err(MonitorError::CannotAdd { interface: interface() });
    }
    if let Some(daemon) = state.daemon {
        return Err(MonitorError::InUse { interface: interface(), daemon });
    }
    for other in state.siblings() {
        let interface = interface();
        if other.kind == InterfaceType::Monitor {
            return Err(MonitorError::AlreadyMonitored { interface, monitor: other.name.clone() });
        }
        if is_up(other.index, &state.links) {
            return Err(MonitorError::RadioShared { interface, other: other.name.clone() });
        }
    }
    let managed = managed_state(state.interface.index, &state.links);
    Ok(Plan::AddMonitor { name: unused_name(&state.links), managed, channels })
}

fn channels(state: &SystemState, settings: &MonitorSettings) -> Result<Vec<Channel>, MonitorError> {
    let interface = state.interface.name.clone();
    let selected = select_channels(&state.wiphy.channels, &settings.channels, &settings.bands);
    selected.map_err(|error| match error {
        SelectionError::Missing(channels) => MonitorError::NoSuchChannel { interface, channels },
        SelectionError::Disabled(channels) => MonitorError::ChannelDisabled { interface, channels },
        SelectionError::NoneLeft => {
            MonitorError::NoChannel { interface, bands: settings.bands.iter().copied().collect() }
        }
    })
}

fn is_up(index: u32, links: &[Link]) -> bool {
    links.iter().any(|link| link.index == index && link.is_up)
}

fn managed_state(index: u32, links: &[Link]) -> ManagedState {
    let alias = links.iter().find(|link| link.index == index).and_then(|link| link.alias.as_deref());
    let is_marked = alias == Some(DOWN_ALIAS);
    match is_up(index, links) {
        true => ManagedState::Up { can_be_marked: alias.is_none() || is_marked },
        false if is_marked => ManagedState::LeftDown,
        false => ManagedState::Down,
    }
}

fn unused_name(links: &[Link]) -> String {
    let is_unused = |name: &String| !links.iter().any(|link| link.name == *name);
    // One more name than there are links that could have taken them.
    let mut names = (0..=links.len()).map(|number| format!("{MONITOR_NAME_PREFIX}{number}"));
    names.find(is_unused).unwrap_or_else(|| MONITOR_NAME_PREFIX.to_owned())
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests;
