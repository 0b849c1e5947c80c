//! The netlink messages as bytes, and the error for each refusal.
//!
//! The kernel's replies were recorded in the machine that `tests/hwsim/run --record` boots (Linux 6.1, three simulated
//! radios, the country set to DE); `recorded/` holds complete replies. Requests are compared with those that iw 5.19
//! sent there for the same purpose. Both are little-endian.

use std::io;

use rustix::io::Errno;

use super::channel::HardwareChannel;
use super::host::RfkillBlock;
use super::monitor_interface::{TUNE, first_success};
use super::netlink::{NetlinkError, NetlinkReply, NetlinkRequest, attributes};
use super::nl80211::{self, InterfaceType, WifiInterface, Wiphy};
use super::rtnetlink::{self, DefaultRoute, Link, only_uplink};
use super::*;
use crate::with_remedy;

pub(super) const LINKS: &[u8] = include_bytes!("recorded/links.bin");
pub(super) const INTERFACES: &[u8] = include_bytes!("recorded/interfaces.bin");
pub(super) const WIPHY: &[u8] = include_bytes!("recorded/wiphy.bin");
const FAMILY: &[u8] = include_bytes!("recorded/family.bin");
const NEW_MONITOR: &[u8] = include_bytes!("recorded/new_monitor.bin");
const ROUTES_V4: &[u8] = include_bytes!("recorded/routes_v4.bin");
const ROUTES_V6: &[u8] = include_bytes!("recorded/routes_v6.bin");
/// The kernel returns only the header of the refused request, then the reason.
const REFUSED_CAPPED: &[u8] = include_bytes!("recorded/refused_capped.bin");
/// The kernel returns the whole refused request, as iw asks for it.
const REFUSED_WHOLE: &[u8] = include_bytes!("recorded/refused_whole.bin");

/// The ID of the nl80211 family there.
const NL80211: u16 = 0x20;

/// The messages of a recorded reply.
pub(super) fn bodies(recorded: &[u8]) -> Vec<Vec<u8>> {
    let (reply, outcome) = receive(recorded);
    outcome.unwrap();
    assert!(reply.is_complete());
    reply.into_bodies().into_iter().map(|body| body.bytes).collect()
}

fn receive(recorded: &[u8]) -> (NetlinkReply, Result<(), NetlinkError>) {
    let sequence = recorded.get(8..12).map_or(0, |bytes| u32::from_ne_bytes(bytes.try_into().unwrap()));
    let mut reply = NetlinkReply::default();
    let outcome = reply.add_datagram(recorded, sequence);
    (reply, outcome)
}

pub(super) fn links() -> Vec<Link> {
    bodies(LINKS).iter().filter_map(|body| Link::parse(body)).collect()
}

pub(super) fn interfaces() -> Vec<WifiInterface> {
    bodies(INTERFACES).iter().filter_map(|body| WifiInterface::parse(body)).collect()
}

pub(super) fn wiphy() -> Wiphy {
    let mut wiphy = Wiphy::default();
    for body in bodies(WIPHY) {
        wiphy.merge(&body);
    }
    wiphy
}

pub(super) fn channel(number: u16) -> Channel {
    Channel::try_from(number).unwrap()
}

/// Bytes from hexadecimal digits.
fn bytes(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Checks that `request` is sent as `expected`, apart from the sequence and port numbers, which are 0 there.
fn check_request(request: &NetlinkRequest, expected: &str) {
    let sent = request.to_bytes(0x0102_0304);
    assert_eq!(sent[8..16], [4, 3, 2, 1, 0, 0, 0, 0], "sequence and port");
    let mut unnumbered = sent;
    unnumbered[8..16].fill(0);
    assert_eq!(unnumbered, bytes(expected));
}

#[test]
fn nl80211_requests_are_those_of_iw() {
    check_request(
        &nl80211::get_family("nl80211"),
        "20000000 1000 0500 00000000 00000000  03 01 0000  0c00 0200 6e6c383032313100",
    );
    check_request(&nl80211::get_interfaces(NL80211), "14000000 2000 0103 00000000 00000000  05 00 0000");
    // What iw does for `iw phy phy0 interface add pwmon0 type monitor`, and SOCKET_OWNER.
    check_request(
        &nl80211::new_monitor(NL80211, 0, "pwmon0"),
        "34000000 2000 0500 00000000 00000000  07 00 0000  0800 0100 00000000
         0b00 0400 70776d6f6e3000 00  0800 0500 06000000  0400 cc00",
    );
    check_request(
        &nl80211::del_interface(NL80211, 9),
        "1c000000 2000 0500 00000000 00000000  08 00 0000  0800 0300 09000000",
    );
}

/// iw sends more attributes, or another command.
#[test]
fn nl80211_requests_are_as_documented_in_the_header() {
    // SPLIT_WIPHY_DUMP is a flag.
    check_request(
        &nl80211::get_wiphy(NL80211, 1),
        "20000000 2000 0103 00000000 00000000  01 00 0000  0800 0100 01000000  0400 ae00",
    );
    // IFINDEX, WIPHY_FREQ in MHz, CHANNEL_WIDTH 20_NOHT.
    check_request(
        &nl80211::set_channel(NL80211, 9, channel(6)),
        "2c000000 2000 0500 00000000 00000000  41 00 0000  0800 0300 09000000  0800 2600 85090000
         0800 9f00 00000000",
    );
}

/// What iproute2 6.1 sends for `ip link set lo alias …`; an empty alias is an attribute without a value.
#[test]
fn alias_requests_are_those_of_iproute2() {
    let header = "00 00 0000 01000000 00000000 00000000";
    check_request(
        &rtnetlink::set_link_alias(1, names::DOWN_ALIAS),
        &format!(
            "3c000000 1000 0500 00000000 00000000  {header}
             1c00 1400 74616b656e20646f776e2062792070726f62657761746368"
        ),
    );
    check_request(
        &rtnetlink::set_link_alias(1, ""),
        &format!("24000000 1000 0500 00000000 00000000  {header}  0400 1400"),
    );
    // The kernel sends it with a NUL, and sends none for an interface without an alias.
    let named = "0000 0100 07000000 02100000 00000000  0a00 0300 776c616e3000 0000";
    let link = |attributes: &str| Link::parse(&bytes(&format!("{named} {attributes}"))).unwrap();
    assert_eq!(link("0a00 1400 617474696300 0000").alias.as_deref(), Some("attic"));
    assert_eq!(link("").alias, None);
}

/// As `linux/rtnetlink.h` and rtnetlink(7) document them.
#[test]
fn route_requests_are_as_documented() {
    check_request(
        &rtnetlink::get_links(),
        "20000000 1200 0103 00000000 00000000  00 00 0000 00000000 00000000 00000000",
    );
    // Of the flags, only IFF_UP is changed.
    check_request(
        &rtnetlink::set_link_up(7, true),
        "20000000 1000 0500 00000000 00000000  00 00 0000 07000000 01000000 01000000",
    );
    check_request(
        &rtnetlink::set_link_up(7, false),
        "20000000 1000 0500 00000000 00000000  00 00 0000 07000000 00000000 01000000",
    );
    for (version, family) in [(IpVersion::V4, "02"), (IpVersion::V6, "0a")] {
        let rest = "000000 00000000 00000000";
        check_request(
            &rtnetlink::get_routes(version),
            &format!("1c000000 1a00 0103 00000000 00000000  {family} {rest}"),
        );
    }
}

#[test]
fn parses_recorded_replies_about_interfaces() {
    assert_eq!(bodies(FAMILY).iter().find_map(|body| nl80211::family_id(body)), Some(NL80211));

    let links = links();
    let found: Vec<_> =
        links.iter().map(|link| (link.index, link.name.as_str(), link.is_up, link.kind.as_deref())).collect();
    assert_eq!(
        found,
        [
            (1, "lo", true, None),
            (2, "wlan0", true, None),
            (3, "wlan1", true, None),
            (4, "wlan2", true, None),
            (5, "hwsim0", false, None),
            (6, "dummy0", true, Some("dummy")),
        ]
    );

    let interface =
        |index, name: &str, wiphy, kind| WifiInterface { index, name: name.to_owned(), wiphy, kind };
    assert_eq!(
        interfaces(),
        [
            interface(4, "wlan2", 2, InterfaceType::Other(3)),
            interface(3, "wlan1", 1, InterfaceType::Managed),
            interface(2, "wlan0", 0, InterfaceType::Managed),
        ]
    );
    assert_eq!(
        bodies(NEW_MONITOR).iter().find_map(|body| WifiInterface::parse(body)),
        Some(interface(8, "pwmon0", 0, InterfaceType::Monitor))
    );
}

/// Each message of the dump describes a part, the channels one at a time.
#[test]
fn joins_the_messages_of_a_split_wiphy_dump() {
    assert!(bodies(WIPHY).len() > 50);
    let wiphy = wiphy();
    assert_eq!(wiphy.name, "phy0");
    assert!(wiphy.has_monitor_mode && wiphy.can_add_interfaces);
    let numbers = |band, is_disabled| {
        let is_wanted =
            |known: &&HardwareChannel| known.channel.band() == band && known.is_disabled == is_disabled;
        wiphy.channels.iter().filter(is_wanted).map(|known| known.channel.number()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(Band::Ghz2, false), (1..=13).collect::<Vec<_>>());
    assert_eq!(numbers(Band::Ghz2, true), [14]);
    assert_eq!(
        numbers(Band::Ghz5, false),
        [
            36, 40, 44, 48, 52, 56, 60, 64, 100, 104, 108, 112, 116, 120, 124, 128, 132, 136, 140, 149, 153,
            157, 161, 165, 169, 171, 172, 173
        ]
    );
    assert_eq!(numbers(Band::Ghz6, false), (1..=93).step_by(4).collect::<Vec<_>>());
    assert_eq!(numbers(Band::Ghz6, true), (97..=233).step_by(4).collect::<Vec<_>>());
}

#[test]
fn parses_recorded_routes() {
    let routes =
        |recorded| bodies(recorded).iter().filter_map(|body| DefaultRoute::parse(body)).collect::<Vec<_>>();
    // Over wlan0, dummy0, wlan2, and wlan1, which has no carrier.
    let outputs: Vec<_> = routes(ROUTES_V4).into_iter().map(|route| route.outputs).collect();
    assert_eq!(outputs, [vec![2], vec![6], vec![4], vec![]]);
    assert_eq!(routes(ROUTES_V6), [DefaultRoute { version: IpVersion::V6, outputs: vec![4] }]);

    let (all, links) = ([routes(ROUTES_V4), routes(ROUTES_V6)].concat(), links());
    assert_eq!(only_uplink(2, &links, &all), None);
    assert_eq!(only_uplink(4, &links, &all), Some(IpVersion::V6));
    let without_wlan2: Vec<_> = all.into_iter().filter(|route| route.outputs != [4]).collect();
    assert_eq!(only_uplink(2, &links, &without_wlan2), Some(IpVersion::V4));
}

/// `ip route add default nexthop dev wlan0 nexthop dev wlan1 nexthop dev wlan2`, wlan1 without carrier.
#[test]
fn a_multipath_route_has_several_outputs() {
    let route = bytes(
        "02 00 00 00 fe 03 fd 01 00000000  0800 0f00 fe000000
         1c00 0900  0800 00 00 02000000  0800 10 00 03000000  0800 00 00 04000000",
    );
    let route = DefaultRoute::parse(&route).unwrap();
    assert_eq!((route.version, route.outputs), (IpVersion::V4, vec![2, 4]));
    // A route in the table `local`, to a network, or of the type `unreachable`.
    for other in [
        "02 00 00 00 ff 03 fd 01 00000000  0800 0400 02000000",
        "02 18 00 00 fe 03 fd 01 00000000  0800 0400 02000000",
        "0a 00 00 00 fe 03 00 07 00000000  0800 0400 01000000",
    ] {
        assert_eq!(DefaultRoute::parse(&bytes(other)), None);
    }
}

#[test]
fn a_refusal_has_the_kernels_reason() {
    for recorded in [REFUSED_CAPPED, REFUSED_WHOLE] {
        let refusal = receive(recorded).1.unwrap_err();
        assert_eq!(refusal.errno(), Some(Errno::INVAL));
        assert_eq!(refusal.to_string(), "Invalid argument (os error 22) (Channel is disabled)");
    }
    // An older kernel returns the header and no reason.
    let refusal =
        bytes("24000000 0200 0001 07000000 00000000  f0ffffff 20000000 1000 0500 07000000 00000000");
    let refusal = receive(&refusal).1.unwrap_err();
    assert_eq!(refusal.to_string(), "Device or resource busy (os error 16)");
    // A failed dump reports the error at its end.
    let refusal = bytes("14000000 0300 0200 07000000 00000000  edffffff");
    assert_eq!(receive(&refusal).1.unwrap_err().errno(), Some(Errno::NODEV));
}

#[test]
fn replies_to_other_requests_are_ignored() {
    let mut reply = NetlinkReply::default();
    reply.add_datagram(REFUSED_CAPPED, 77).unwrap();
    assert!(!reply.is_complete() && reply.into_bodies().is_empty());
}

#[test]
fn detects_an_inconsistent_dump() {
    let mut recorded = INTERFACES.to_vec();
    assert!(!receive(&recorded).0.is_inconsistent());
    recorded[6] |= 0x10; // NLM_F_DUMP_INTR
    assert!(receive(&recorded).0.is_inconsistent());
}

#[test]
fn malformed_replies_never_panic() {
    let read = |recorded: &[u8]| {
        let (reply, _) = receive(recorded);
        for body in reply.into_bodies() {
            let mut wiphy = Wiphy::default();
            wiphy.merge(&body.bytes);
            let _ = (
                WifiInterface::parse(&body.bytes),
                Link::parse(&body.bytes),
                DefaultRoute::parse(&body.bytes),
            );
            let _ = nl80211::family_id(&body.bytes);
            assert!(attributes(&body.bytes).count() <= body.bytes.len());
        }
    };
    let mut random = fastrand::Rng::with_seed(7);
    for recorded in
        [LINKS, FAMILY, INTERFACES, NEW_MONITOR, ROUTES_V4, ROUTES_V6, REFUSED_CAPPED, REFUSED_WHOLE]
    {
        for length in 0..recorded.len() {
            read(&recorded[..length]);
        }
    }
    for _ in 0..2000 {
        for recorded in [&WIPHY[..2000], INTERFACES, ROUTES_V4, REFUSED_CAPPED, REFUSED_WHOLE] {
            let mut broken = recorded.to_vec();
            for _ in 0..random.usize(1..8) {
                let at = random.usize(..broken.len());
                broken[at] = random.u8(..);
            }
            read(&broken);
        }
    }
    assert!(matches!(receive(&INTERFACES[..100]).1, Err(NetlinkError::Malformed(_))));
}

/// Needs no Wi-Fi and no rights: nothing is changed.
#[test]
fn leaves_interfaces_without_wifi_alone_and_reports_missing_ones() {
    assert!(Monitor::set_up("lo", &MonitorSettings::default()).unwrap().is_none());
    let error = Monitor::set_up("no-such-wlan", &MonitorSettings::default()).unwrap_err();
    assert!(matches!(error, MonitorError::NoSuchInterface { .. }), "{error}");
}

#[test]
fn first_success_stops_at_the_first_success() {
    let mut tried = 0;
    let mut attempts = |outcomes: &[Result<(), u8>]| {
        tried = 0;
        let outcome = first_success(outcomes.iter().inspect(|_| tried += 1).copied());
        (outcome, tried)
    };
    assert_eq!(attempts(&[Err(1), Ok(()), Err(2)]), (Ok(()), 2));
    assert_eq!(attempts(&[Err(1), Err(2)]), (Err(2), 2));
    assert_eq!(attempts(&[]), (Ok(()), 0));
}

#[test]
fn each_refusal_of_the_kernel_has_its_error() {
    let error_of = |errno| {
        let refused = NetlinkError::Refused { errno, explanation: Some("so it is".to_owned()) };
        MonitorError::new("bring up", "wlan0", &refused)
    };
    assert!(matches!(error_of(Errno::PERM), MonitorError::NotPermitted { .. }));
    assert!(matches!(error_of(Errno::RFKILL), MonitorError::SoftBlocked { .. }));
    assert!(matches!(error_of(Errno::BUSY), MonitorError::Busy { .. }));
    assert!(matches!(error_of(Errno::NODEV), MonitorError::Gone { .. }));
    let unknown = error_of(Errno::INVAL);
    assert_eq!(
        with_remedy(&unknown, unknown.remedy()),
        "cannot bring up wlan0: Invalid argument (os error 22) (so it is); the kernel's log (dmesg) may say more"
    );
    let late = NetlinkError::Io(io::ErrorKind::TimedOut.into());
    let late = MonitorError::new("bring up", "wlan0", &late).to_string();
    assert!(late.starts_with("cannot bring up wlan0: netlink: timed out"), "{late}");
}

#[test]
fn a_blocked_radio_is_not_reported_as_busy() {
    let error_of = |errno, block| {
        let refused = NetlinkError::Refused { errno, explanation: None };
        MonitorError::new(TUNE, "pwmon0", &refused).with_rfkill_block("pwmon0", block)
    };
    for errno in [Errno::BUSY, Errno::RFKILL] {
        assert!(matches!(error_of(errno, Some(RfkillBlock::Soft)), MonitorError::SoftBlocked { .. }));
        assert!(matches!(error_of(errno, Some(RfkillBlock::Hard)), MonitorError::HardBlocked { .. }));
    }
    assert!(matches!(error_of(Errno::BUSY, None), MonitorError::Busy { .. }));
    assert!(matches!(error_of(Errno::NODEV, Some(RfkillBlock::Soft)), MonitorError::Gone { .. }));
}

#[test]
fn errors_have_remedies() {
    let interface = || "wlan0".to_owned();
    let held = |daemon| MonitorError::InUse { interface: interface(), daemon };
    let channels = || vec![channel(14), channel(5955)];
    let errors = [
        MonitorError::NoSuchInterface { interface: interface() },
        MonitorError::NotPermitted { interface: interface() },
        MonitorError::HardBlocked { interface: interface() },
        MonitorError::SoftBlocked { interface: interface() },
        held(NetworkDaemon::NetworkManager),
        held(NetworkDaemon::WpaSupplicant),
        held(NetworkDaemon::Iwd),
        MonitorError::NoMonitorMode { interface: interface() },
        MonitorError::CannotAdd { interface: interface() },
        MonitorError::NotManaged { interface: interface() },
        MonitorError::OnlyUplink { interface: interface(), version: IpVersion::V4 },
        MonitorError::NoSuchChannel { interface: interface(), channels: channels() },
        MonitorError::ChannelDisabled { interface: interface(), channels: channels() },
        MonitorError::NoChannel { interface: interface(), bands: vec![Band::Ghz5, Band::Ghz6] },
        MonitorError::AlreadyMonitored { interface: interface(), monitor: "mon0".to_owned() },
        MonitorError::RadioShared { interface: interface(), other: "wlan0_ap".to_owned() },
        MonitorError::Busy { interface: "pwmon0".to_owned(), doing: TUNE },
        MonitorError::Gone { interface: "pwmon0".to_owned(), doing: TUNE },
    ];
    let texts: Vec<String> = errors.iter().map(|error| with_remedy(error, error.remedy())).collect();
    insta::assert_snapshot!(texts.join("\n"), @r"
    cannot listen with wlan0: there is no such interface; `ip link` lists the interfaces
    cannot put wlan0 into monitor mode: not permitted; run probewatch with sudo, give it the right once: sudo setcap cap_net_raw,cap_net_admin+eip $(command -v probewatch), or, in a systemd unit: AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN
    the radio of wlan0 is switched off by hardware; turn it on with the machine's Wi-Fi switch or key, or in its firmware settings: `rfkill list` shows it as hard blocked
    the radio of wlan0 is switched off; turn it on: sudo rfkill unblock wifi
    NetworkManager uses wlan0; make it release the interface: nmcli device set wlan0 managed no, and for good: unmanaged-devices=interface-name:wlan0 under [keyfile] in /etc/NetworkManager/conf.d/probewatch.conf, which sudo probewatch setup writes
    wpa_supplicant uses wlan0; make it release the interface: sudo systemctl stop wpa_supplicant@wlan0, or sudo wpa_cli -i wlan0 terminate
    iwd uses wlan0; make it release the interface: sudo systemctl stop iwd, or start it as iwd --nointerfaces wlan0
    the driver of wlan0 has no monitor mode; use an adapter whose driver has monitor mode
    the driver of wlan0 cannot add a monitor interface to its radio; put wlan0 itself into monitor mode: ip link set wlan0 down; iw dev wlan0 set type monitor; ip link set wlan0 up
    wlan0 is neither managed nor in monitor mode: it may be an access point or a mesh point; stop the program that set this mode (hostapd, for example) and run: ip link set wlan0 down; iw dev wlan0 set type managed
    wlan0 is this machine's only way to the internet over IPv4; connect the machine another way, or set force = true to let it go offline
    wlan0 cannot tune to these channels: 14 (2484 MHz), 1 (5955 MHz); leave them out: `iw phy` lists the channels that it has
    the regulatory domain disables these channels for wlan0: 14 (2484 MHz), 1 (5955 MHz); set the country that the machine is in (for example `sudo iw reg set DE`), or leave them out
    wlan0 has no channel that may be used in 5 GHz, 6 GHz; choose another band: `iw phy` lists the channels that it has
    the radio of wlan0 already has a monitor interface, mon0; if another probewatch added it, stop that one; otherwise capture on mon0 or remove it: sudo iw dev mon0 del
    cannot change the channel of wlan0: wlan0_ap is up on the same radio; take it down: sudo ip link set wlan0_ap down
    cannot change the channel of pwmon0: the radio is busy; another interface of the radio is up, or NetworkManager or the like brought it up again: `iw dev` lists them; take them down with ip link set … down, and keep NetworkManager away: nmcli device set … managed no
    cannot change the channel of pwmon0: it is gone; check whether the adapter was pulled out or the interface removed
    ");
}
