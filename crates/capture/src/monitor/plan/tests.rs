use std::collections::BTreeSet;

use super::*;
use crate::monitor::channel::Band;
use crate::monitor::rtnetlink::IpVersion;
use crate::monitor::tests::{channel, interfaces, links, wiphy};

/// wlan0 as it was recorded: managed, up, and one way to the internet of two.
fn seen() -> Seen {
    let interfaces = interfaces();
    let interface = interfaces.iter().find(|interface| interface.name == "wlan0").cloned().unwrap();
    let route = |out_by| DefaultRoute { version: IpVersion::V4, out_by: vec![out_by] };
    Seen {
        interface,
        interfaces,
        wiphy: wiphy(),
        links: links(),
        routes: vec![route(2), route(4)],
        block: None,
        daemon: None,
    }
}

fn settings() -> Settings {
    Settings { channels: vec![channel(6), channel(1)], ..Settings::default() }
}

/// The refusal of wlan0 after `change`.
fn refusal(change: impl FnOnce(&mut Seen)) -> MonitorError {
    let mut seen = seen();
    change(&mut seen);
    plan(&seen, &settings()).unwrap_err()
}

fn link(index: u32, name: &str, is_up: bool) -> Link {
    Link { index, name: name.to_owned(), is_up, kind: None, alias: None }
}

/// Gives the radio of wlan0 another interface.
fn add(seen: &mut Seen, name: &str, kind: InterfaceType, is_up: bool) {
    seen.interfaces.push(Interface { index: 20, name: name.to_owned(), wiphy: seen.interface.wiphy, kind });
    seen.links.push(link(20, name, is_up));
}

#[test]
fn a_managed_interface_gets_a_monitor_interface_beside_it() {
    let channels = settings().channels;
    let beside =
        |name: &str, managed| Plan::AddBeside { name: name.to_owned(), managed, channels: channels.clone() };
    let mut seen = seen();
    assert_eq!(plan(&seen, &settings()).unwrap(), beside("pwmon0", Managed::Up { can_be_marked: true }));
    for link in &mut seen.links {
        link.is_up = false;
    }
    assert_eq!(plan(&seen, &settings()).unwrap(), beside("pwmon0", Managed::Down));
    // Another interface of the radio that is down is in nobody's way, nor is another radio's monitor.
    add(&mut seen, "wlan0_ap", InterfaceType::Other(3), false);
    seen.links.push(link(21, "pwmon0", true));
    seen.interfaces.push(Interface {
        index: 21,
        name: "pwmon0".to_owned(),
        wiphy: 1,
        kind: InterfaceType::Monitor,
    });
    assert_eq!(plan(&seen, &settings()).unwrap(), beside("pwmon1", Managed::Down));
}

#[test]
fn the_mark_tells_what_a_process_that_was_killed_left_down() {
    let managed = |is_up: bool, alias: &str| {
        let mut seen = seen();
        let link = seen.links.iter_mut().find(|link| link.name == "wlan0").unwrap();
        (link.is_up, link.alias) = (is_up, Some(alias.to_owned()));
        let Plan::AddBeside { managed, .. } = plan(&seen, &settings()).unwrap() else { panic!() };
        managed
    };
    assert_eq!(managed(false, MARK), Managed::LeftDown);
    assert_eq!(managed(true, MARK), Managed::Up { can_be_marked: true });
    // What others wrote there is theirs.
    assert_eq!(managed(false, "attic"), Managed::Down);
    assert_eq!(managed(true, "attic"), Managed::Up { can_be_marked: false });
}

#[test]
fn names_fit_into_an_interface_name() {
    let links: Vec<Link> = (0..1200).map(|number| link(number, &format!("pwmon{number}"), false)).collect();
    let name = free_name(&links);
    assert_eq!(name, "pwmon1200");
    assert!(name.len() <= 15);
}

#[test]
fn an_interface_in_monitor_mode_is_used_as_it_is() {
    let mut seen = seen();
    seen.interface.kind = InterfaceType::Monitor;
    // Neither who is online by others nor who else is on the radio matters.
    seen.daemon = Some(NetworkDaemon::NetworkManager);
    seen.wiphy.can_add_interfaces = false;
    add(&mut seen, "wlan0_sta", InterfaceType::Managed, true);
    let as_is = |bring_up| Plan::UseAsIs { bring_up, channels: settings().channels };
    assert_eq!(plan(&seen, &settings()).unwrap(), as_is(false));
    seen.links.clear();
    assert_eq!(plan(&seen, &settings()).unwrap(), as_is(true));
    seen.block = Some(Block::Soft);
    assert!(matches!(plan(&seen, &settings()), Err(MonitorError::SoftBlocked { .. })));
}

#[test]
fn without_channels_all_of_the_bands_are_taken() {
    let settings = Settings { bands: BTreeSet::from([Band::Ghz2]), ..Settings::default() };
    let Plan::AddBeside { channels, .. } = plan(&seen(), &settings).unwrap() else { panic!() };
    // 14 is disabled in DE.
    assert_eq!(channels, (1..=13).map(channel).collect::<Vec<_>>());
}

#[test]
fn what_cannot_work_is_told_apart() {
    assert!(matches!(refusal(|seen| seen.block = Some(Block::Hard)), MonitorError::HardBlocked { .. }));
    assert!(matches!(refusal(|seen| seen.block = Some(Block::Soft)), MonitorError::SoftBlocked { .. }));
    let access_point = InterfaceType::Other(3);
    assert!(matches!(refusal(|seen| seen.interface.kind = access_point), MonitorError::NotManaged { .. }));
    assert!(matches!(
        refusal(|seen| seen.wiphy.has_monitor_mode = false),
        MonitorError::NoMonitorMode { .. }
    ));
    assert!(matches!(refusal(|seen| seen.wiphy.can_add_interfaces = false), MonitorError::CannotAdd { .. }));
    for daemon in [NetworkDaemon::NetworkManager, NetworkDaemon::WpaSupplicant, NetworkDaemon::Iwd] {
        let error = refusal(|seen| seen.daemon = Some(daemon));
        assert!(matches!(error, MonitorError::InUse { daemon: told, .. } if told == daemon));
    }
    let error = refusal(|seen| add(seen, "mon0", InterfaceType::Monitor, false));
    assert!(matches!(error, MonitorError::AlreadyMonitored { monitor, .. } if monitor == "mon0"));
    let error = refusal(|seen| add(seen, "wlan0_ap", access_point, true));
    assert!(matches!(error, MonitorError::RadioShared { other, .. } if other == "wlan0_ap"));
}

#[test]
fn channels_that_cannot_be_used_are_told_apart() {
    let with = |settings: Settings| plan(&seen(), &settings).unwrap_err();
    let asked = |numbers: &[u16]| Settings {
        channels: numbers.iter().copied().map(channel).collect(),
        ..Settings::default()
    };
    let error = with(asked(&[1, 5935]));
    assert!(matches!(error, MonitorError::NoSuchChannel { channels, .. } if channels == [channel(5935)]));
    let error = with(asked(&[1, 14]));
    assert!(matches!(error, MonitorError::ChannelDisabled { channels, .. } if channels == [channel(14)]));
    let mut without_6_ghz = seen();
    without_6_ghz.wiphy.channels.retain(|known| known.channel.band() != Band::Ghz6);
    let settings = Settings { bands: BTreeSet::from([Band::Ghz6]), ..Settings::default() };
    let error = plan(&without_6_ghz, &settings).unwrap_err();
    assert!(matches!(error, MonitorError::NoChannel { bands, .. } if bands == [Band::Ghz6]));
}

/// Told before who holds the interface: to take it from NetworkManager would cut the machine off.
#[test]
fn the_only_way_to_the_internet_is_taken_only_by_force() {
    let mut seen = seen();
    seen.routes.truncate(1);
    seen.daemon = Some(NetworkDaemon::NetworkManager);
    let error = plan(&seen, &settings()).unwrap_err();
    assert!(matches!(error, MonitorError::OnlyUplink { version: IpVersion::V4, .. }));
    seen.wiphy.can_add_interfaces = false;
    let error = plan(&seen, &settings()).unwrap_err();
    assert!(
        matches!(error, MonitorError::OnlyUplink { .. }),
        "it is not told to be changed by hand: {error}"
    );
    seen.wiphy.can_add_interfaces = true;
    let forced = Settings { force: true, ..settings() };
    assert!(matches!(plan(&seen, &forced), Err(MonitorError::InUse { .. })));
    seen.daemon = None;
    assert!(matches!(plan(&seen, &forced), Ok(Plan::AddBeside { .. })));
}

/// Else the remedy would be to take that other one down.
#[test]
fn nor_is_the_only_way_that_another_interface_of_the_radio_is() {
    let mut seen = seen();
    add(&mut seen, "wlan0_home", InterfaceType::Managed, true);
    seen.routes = vec![DefaultRoute { version: IpVersion::V6, out_by: vec![20] }];
    let error = plan(&seen, &settings()).unwrap_err();
    assert!(matches!(error, MonitorError::OnlyUplink { interface, .. } if interface == "wlan0_home"));
    let forced = Settings { force: true, ..settings() };
    assert!(matches!(plan(&seen, &forced), Err(MonitorError::RadioShared { .. })));
}

#[test]
fn a_way_counts_for_its_ip_version_and_not_through_a_tunnel() {
    let way = |version, out_by: &[u32]| DefaultRoute { version, out_by: out_by.to_vec() };
    let (v4, v6) = (IpVersion::V4, IpVersion::V6);
    let check = |routes: &[DefaultRoute], expected| {
        let kind = Some("wireguard".to_owned());
        let tunnel = Link { kind, ..link(9, "wg0", true) };
        assert_eq!(only_way(2, &[links(), vec![tunnel]].concat(), routes), expected, "{routes:?}");
    };
    check(&[], None);
    check(&[way(v4, &[4])], None);
    check(&[way(v4, &[2])], Some(v4));
    check(&[way(v4, &[2, 4])], None);
    check(&[way(v4, &[2]), way(v6, &[4])], Some(v4));
    check(&[way(v4, &[4]), way(v6, &[2])], Some(v6));
    check(&[way(v4, &[2]), way(v4, &[9])], Some(v4));
    // A way that has lost its carrier leads out by nothing.
    check(&[way(v4, &[2]), way(v4, &[])], Some(v4));
    check(&[way(v4, &[])], None);
}
