use std::collections::BTreeSet;

use super::*;
use crate::monitor::channel::Band;
use crate::monitor::host::{NetworkDaemon, RfkillBlock};
use crate::monitor::rtnetlink::{DefaultRoute, IpVersion};
use crate::monitor::tests::{channel, interfaces, links, wiphy};

/// wlan0 as recorded: managed, up, and one of two ways to the internet.
fn state() -> SystemState {
    let interfaces = interfaces();
    let interface = interfaces.iter().find(|interface| interface.name == "wlan0").cloned().unwrap();
    let route = |outputs| DefaultRoute { version: IpVersion::V4, outputs: vec![outputs] };
    SystemState {
        interface,
        interfaces,
        wiphy: wiphy(),
        links: links(),
        routes: vec![route(2), route(4)],
        block: None,
        daemon: None,
    }
}

fn settings() -> MonitorSettings {
    MonitorSettings { channels: vec![channel(6), channel(1)], ..MonitorSettings::default() }
}

/// The refusal for wlan0 after `change`.
fn refusal(change: impl FnOnce(&mut SystemState)) -> MonitorError {
    let mut state = state();
    change(&mut state);
    plan(&state, &settings()).unwrap_err()
}

fn link(index: u32, name: &str, is_up: bool) -> Link {
    Link { index, name: name.to_owned(), is_up, kind: None, alias: None, address: None }
}

/// Adds another interface to the radio of wlan0.
fn add_sibling(state: &mut SystemState, name: &str, kind: InterfaceType, is_up: bool) {
    state.interfaces.push(WifiInterface {
        index: 20,
        name: name.to_owned(),
        wiphy: state.interface.wiphy,
        kind,
    });
    state.links.push(link(20, name, is_up));
}

#[test]
fn adds_a_monitor_interface_beside_a_managed_one() {
    let channels = settings().channels;
    let add_monitor =
        |name: &str, managed| Plan::AddMonitor { name: name.to_owned(), managed, channels: channels.clone() };
    let mut state = state();
    assert_eq!(
        plan(&state, &settings()).unwrap(),
        add_monitor("pwmon0", ManagedState::Up { can_be_marked: true })
    );
    for link in &mut state.links {
        link.is_up = false;
    }
    assert_eq!(plan(&state, &settings()).unwrap(), add_monitor("pwmon0", ManagedState::Down));
    // Another interface of the radio does not matter while it is down, nor does another radio's monitor interface.
    add_sibling(&mut state, "wlan0_ap", InterfaceType::Other(3), false);
    state.links.push(link(21, "pwmon0", true));
    state.interfaces.push(WifiInterface {
        index: 21,
        name: "pwmon0".to_owned(),
        wiphy: 1,
        kind: InterfaceType::Monitor,
    });
    assert_eq!(plan(&state, &settings()).unwrap(), add_monitor("pwmon1", ManagedState::Down));
}

#[test]
fn the_mark_shows_that_a_killed_process_took_the_interface_down() {
    let managed = |is_up: bool, alias: &str| {
        let mut state = state();
        let link = state.links.iter_mut().find(|link| link.name == "wlan0").unwrap();
        (link.is_up, link.alias) = (is_up, Some(alias.to_owned()));
        let Plan::AddMonitor { managed, .. } = plan(&state, &settings()).unwrap() else { panic!() };
        managed
    };
    assert_eq!(managed(false, DOWN_ALIAS), ManagedState::LeftDown);
    assert_eq!(managed(true, DOWN_ALIAS), ManagedState::Up { can_be_marked: true });
    // An alias that another program set is not the mark.
    assert_eq!(managed(false, "attic"), ManagedState::Down);
    assert_eq!(managed(true, "attic"), ManagedState::Up { can_be_marked: false });
}

#[test]
fn monitor_names_fit_the_kernels_limit() {
    let links: Vec<Link> = (0..1200).map(|number| link(number, &format!("pwmon{number}"), false)).collect();
    let name = unused_name(&links);
    assert_eq!(name, "pwmon1200");
    assert!(name.len() <= 15);
}

#[test]
fn uses_an_interface_in_monitor_mode_as_it_is() {
    let mut state = state();
    state.interface.kind = InterfaceType::Monitor;
    // Neither the program that manages it nor other interfaces of the radio matter.
    state.daemon = Some(NetworkDaemon::NetworkManager);
    state.wiphy.can_add_interfaces = false;
    add_sibling(&mut state, "wlan0_sta", InterfaceType::Managed, true);
    let as_is = |bring_up| Plan::UseAsIs { bring_up, channels: settings().channels };
    assert_eq!(plan(&state, &settings()).unwrap(), as_is(false));
    state.links.clear();
    assert_eq!(plan(&state, &settings()).unwrap(), as_is(true));
    state.block = Some(RfkillBlock::Soft);
    assert!(matches!(plan(&state, &settings()), Err(MonitorError::SoftBlocked { .. })));
}

#[test]
fn uses_all_channels_of_the_bands_by_default() {
    let settings = MonitorSettings { bands: BTreeSet::from([Band::Ghz2]), ..MonitorSettings::default() };
    let Plan::AddMonitor { channels, .. } = plan(&state(), &settings).unwrap() else { panic!() };
    // 14 is disabled in DE.
    assert_eq!(channels, (1..=13).map(channel).collect::<Vec<_>>());
}

#[test]
fn each_obstacle_has_its_error() {
    assert!(matches!(
        refusal(|state| state.block = Some(RfkillBlock::Hard)),
        MonitorError::HardBlocked { .. }
    ));
    assert!(matches!(
        refusal(|state| state.block = Some(RfkillBlock::Soft)),
        MonitorError::SoftBlocked { .. }
    ));
    let access_point = InterfaceType::Other(3);
    assert!(matches!(refusal(|state| state.interface.kind = access_point), MonitorError::NotManaged { .. }));
    assert!(matches!(
        refusal(|state| state.wiphy.has_monitor_mode = false),
        MonitorError::NoMonitorMode { .. }
    ));
    assert!(matches!(
        refusal(|state| state.wiphy.can_add_interfaces = false),
        MonitorError::CannotAdd { .. }
    ));
    for daemon in [NetworkDaemon::NetworkManager, NetworkDaemon::WpaSupplicant, NetworkDaemon::Iwd] {
        let error = refusal(|state| state.daemon = Some(daemon));
        assert!(matches!(error, MonitorError::InUse { daemon: found, .. } if found == daemon));
    }
    let error = refusal(|state| add_sibling(state, "mon0", InterfaceType::Monitor, false));
    assert!(matches!(error, MonitorError::AlreadyMonitored { monitor, .. } if monitor == "mon0"));
    let error = refusal(|state| add_sibling(state, "wlan0_ap", access_point, true));
    assert!(matches!(error, MonitorError::RadioShared { other, .. } if other == "wlan0_ap"));
}

#[test]
fn each_unusable_channel_has_its_error() {
    let with = |settings: MonitorSettings| plan(&state(), &settings).unwrap_err();
    let asked = |numbers: &[u16]| MonitorSettings {
        channels: numbers.iter().copied().map(channel).collect(),
        ..MonitorSettings::default()
    };
    let error = with(asked(&[1, 5935]));
    assert!(matches!(error, MonitorError::NoSuchChannel { channels, .. } if channels == [channel(5935)]));
    let error = with(asked(&[1, 14]));
    assert!(matches!(error, MonitorError::ChannelDisabled { channels, .. } if channels == [channel(14)]));
    let mut without_6_ghz = state();
    without_6_ghz.wiphy.channels.retain(|known| known.channel.band() != Band::Ghz6);
    let settings = MonitorSettings { bands: BTreeSet::from([Band::Ghz6]), ..MonitorSettings::default() };
    let error = plan(&without_6_ghz, &settings).unwrap_err();
    assert!(matches!(error, MonitorError::NoChannel { bands, .. } if bands == [Band::Ghz6]));
}

/// This refusal precedes NetworkManager's, whose remedy would cut the machine off the network.
#[test]
fn takes_the_only_uplink_only_by_force() {
    let mut state = state();
    state.routes.truncate(1);
    state.daemon = Some(NetworkDaemon::NetworkManager);
    let error = plan(&state, &settings()).unwrap_err();
    assert!(matches!(error, MonitorError::OnlyUplink { version: IpVersion::V4, .. }));
    state.wiphy.can_add_interfaces = false;
    let error = plan(&state, &settings()).unwrap_err();
    assert!(
        matches!(error, MonitorError::OnlyUplink { .. }),
        "the remedy must not be to change it by hand: {error}"
    );
    state.wiphy.can_add_interfaces = true;
    let forced = MonitorSettings { force: true, ..settings() };
    assert!(matches!(plan(&state, &forced), Err(MonitorError::InUse { .. })));
    state.daemon = None;
    assert!(matches!(plan(&state, &forced), Ok(Plan::AddMonitor { .. })));
}

/// Otherwise the remedy would be to take that other interface down.
#[test]
fn spares_an_only_uplink_on_the_same_radio() {
    let mut state = state();
    add_sibling(&mut state, "wlan0_home", InterfaceType::Managed, true);
    state.routes = vec![DefaultRoute { version: IpVersion::V6, outputs: vec![20] }];
    let error = plan(&state, &settings()).unwrap_err();
    assert!(matches!(error, MonitorError::OnlyUplink { interface, .. } if interface == "wlan0_home"));
    let forced = MonitorSettings { force: true, ..settings() };
    assert!(matches!(plan(&state, &forced), Err(MonitorError::RadioShared { .. })));
}

#[test]
fn uplinks_count_per_ip_version_and_tunnels_do_not() {
    let route = |version, outputs: &[u32]| DefaultRoute { version, outputs: outputs.to_vec() };
    let (v4, v6) = (IpVersion::V4, IpVersion::V6);
    let check = |routes: &[DefaultRoute], expected| {
        let kind = Some("wireguard".to_owned());
        let tunnel = Link { kind, ..link(9, "wg0", true) };
        assert_eq!(only_uplink(2, &[links(), vec![tunnel]].concat(), routes), expected, "{routes:?}");
    };
    check(&[], None);
    check(&[route(v4, &[4])], None);
    check(&[route(v4, &[2])], Some(v4));
    check(&[route(v4, &[2, 4])], None);
    check(&[route(v4, &[2]), route(v6, &[4])], Some(v4));
    check(&[route(v4, &[4]), route(v6, &[2])], Some(v6));
    check(&[route(v4, &[2]), route(v4, &[9])], Some(v4));
    // A route that lost its carrier has no outputs.
    check(&[route(v4, &[2]), route(v4, &[])], Some(v4));
    check(&[route(v4, &[])], None);
}
