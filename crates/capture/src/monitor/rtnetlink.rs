//! rtnetlink: lists network interfaces ("links") and default routes; sets links up or down, and their alias.
//!
//! The numbers are those of `linux/rtnetlink.h`, `linux/if_link.h` and `linux/if.h`.

use dot11::MacAddr;
use netlink_sys::protocols::NETLINK_ROUTE;

use super::netlink::{NetlinkError, NetlinkRequest, NetlinkSocket, attribute, string_value, u32_value};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_GETROUTE: u16 = 26;

const IFF_UP: u32 = 1;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_INFO_KIND: u16 = 1;
/// The length in bytes of: family, type, index, flags, change mask.
const LINK_HEADER_LENGTH: usize = 16;

const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RT_TABLE_MAIN: u32 = 254;
const RTN_UNICAST: u8 = 1;
/// `RTNH_F_DEAD` and `RTNH_F_LINKDOWN`: the cable is out.
const NEXT_HOP_IS_DEAD: u32 = 1 | 16;
/// The length in bytes of: family, lengths of destination and source, TOS, table, protocol, scope, type, flags.
const ROUTE_HEADER_LENGTH: usize = 12;
/// The length in bytes of: length, flags, hops, index.
const NEXT_HOP_LENGTH: usize = 8;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// A network interface of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub index: u32,
    pub name: String,
    pub is_up: bool,
    /// The kind of software device, such as `tun` or `bridge`.
    pub kind: Option<String>,
    /// A text that was set on it and stays until the device is removed.
    pub alias: Option<String>,
    /// The address that the hardware has, or else the current one, which may be random. Kernels before 5.6 do not
    /// tell the first.
    pub address: Option<MacAddr>,
}

impl Link {
    pub fn parse(message: &[u8]) -> Option<Self> {
        let attributes = message.get(LINK_HEADER_LENGTH..)?;
        let info = attribute(attributes, IFLA_LINKINFO);
        Some(Self {
            index: u32_value(message.get(4..)?)?,
            name: string_value(attribute(attributes, IFLA_IFNAME)?),
            is_up: u32_value(message.get(8..)?)? & IFF_UP != 0,
            kind: info.and_then(|info| attribute(info, IFLA_INFO_KIND)).map(string_value),
            alias: attribute(attributes, IFLA_IFALIAS).map(string_value),
            address: [IFLA_PERM_ADDRESS, IFLA_ADDRESS]
                .into_iter()
                .find_map(|kind| attribute(attributes, kind).and_then(mac_address)),
        })
    }

    /// Whether its traffic leaves over another interface of this machine, or nowhere.
    fn is_tunnel(&self) -> bool {
        const TUNNELS: [&str; 17] = [
            "tun",
            "wireguard",
            "ovpn",
            "ipip",
            "ip6tnl",
            "sit",
            "gre",
            "gretap",
            "ip6gre",
            "ip6gretap",
            "vti",
            "vti6",
            "xfrm",
            "vxlan",
            "geneve",
            "dummy",
            "ifb",
        ];
        self.kind.as_ref().is_some_and(|kind| TUNNELS.contains(&kind.as_str()))
    }
}

/// A MAC address; `None` if the value has another length, or is all zeros, which stands for none.
fn mac_address(value: &[u8]) -> Option<MacAddr> {
    <[u8; 6]>::try_from(value).ok().filter(|bytes| *bytes != [0; 6]).map(MacAddr::new)
}

/// A version of the Internet Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A default route in the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DefaultRoute {
    pub version: IpVersion,
    /// The indexes of its output interfaces that have a carrier.
    pub outputs: Vec<u32>,
}

impl DefaultRoute {
    /// Parses a message about a route; `None` if it is no unicast default route in the main table.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let &[family, destination_length, _, _, table, _, _, kind, ..] = message else { return None };
        let attributes = message.get(ROUTE_HEADER_LENGTH..)?;
        let table = attribute(attributes, RTA_TABLE).and_then(u32_value).unwrap_or(table.into());
        let version = match family {
            AF_INET => IpVersion::V4,
            AF_INET6 => IpVersion::V6,
            _ => return None,
        };
        if destination_length != 0 || table != RT_TABLE_MAIN || kind != RTN_UNICAST {
            return None;
        }
        let flags = u32_value(message.get(8..)?)?;
        let mut outputs = Vec::new();
        if let Some(index) = attribute(attributes, RTA_OIF).and_then(u32_value)
            && flags & NEXT_HOP_IS_DEAD == 0
        {
            outputs.push(index);
        }
        outputs.extend(next_hops(attribute(attributes, RTA_MULTIPATH).unwrap_or_default()));
        Some(Self { version, outputs })
    }
}

fn next_hops(mut bytes: &[u8]) -> Vec<u32> {
    let mut outputs = Vec::new();
    while let Some((&[low, high, flags, _, a, b, c, d], _)) = bytes.split_first_chunk::<NEXT_HOP_LENGTH>() {
        if u32::from(flags) & NEXT_HOP_IS_DEAD == 0 {
            outputs.push(u32::from_ne_bytes([a, b, c, d]));
        }
        let length = usize::from(u16::from_ne_bytes([low, high])).max(NEXT_HOP_LENGTH);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    outputs
}

/// The IP version, if any, for which this interface is the only way to the internet.
///
/// A tunnel does not count as another way: its traffic leaves over an interface that is not a tunnel.
pub(super) fn only_uplink(index: u32, links: &[Link], routes: &[DefaultRoute]) -> Option<IpVersion> {
    let is_tunnel = |index: u32| links.iter().any(|link| link.index == index && link.is_tunnel());
    [IpVersion::V4, IpVersion::V6].into_iter().find(|version| {
        let outputs =
            || routes.iter().filter(|route| route.version == *version).flat_map(|route| &route.outputs);
        let is_uplink = outputs().any(|output| *output == index);
        is_uplink && outputs().all(|output| *output == index || is_tunnel(*output))
    })
}

pub(super) fn get_links() -> NetlinkRequest {
    NetlinkRequest::dump(RTM_GETLINK, &link_header(0, 0, 0))
}

pub(super) fn set_link_up(index: u32, up: bool) -> NetlinkRequest {
    NetlinkRequest::new(RTM_NEWLINK, &link_header(index, if up { IFF_UP } else { 0 }, IFF_UP))
}

/// Sets a link's alias; an empty one removes it.
pub(super) fn set_link_alias(index: u32, alias: &str) -> NetlinkRequest {
    // Without a NUL: the kernel keeps the value byte for byte.
    NetlinkRequest::new(RTM_NEWLINK, &link_header(index, 0, 0)).with(IFLA_IFALIAS, alias.as_bytes())
}

pub(super) fn get_routes(version: IpVersion) -> NetlinkRequest {
    let mut header = [0; ROUTE_HEADER_LENGTH];
    header[0] = match version {
        IpVersion::V4 => AF_INET,
        IpVersion::V6 => AF_INET6,
    };
    NetlinkRequest::dump(RTM_GETROUTE, &header)
}

fn link_header(index: u32, flags: u32, change: u32) -> [u8; LINK_HEADER_LENGTH] {
    let mut header = [0; LINK_HEADER_LENGTH];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..].copy_from_slice(&change.to_ne_bytes());
    header
}

/// A socket to links and routes.
pub(super) struct Rtnetlink {
    socket: NetlinkSocket,
}

impl Rtnetlink {
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self { socket: NetlinkSocket::open(NETLINK_ROUTE)? })
    }

    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let reply = self.socket.request(&get_links())?;
        Ok(reply.iter().filter_map(|body| Link::parse(&body.bytes)).collect())
    }

    pub fn default_routes(&mut self) -> Result<Vec<DefaultRoute>, NetlinkError> {
        let mut routes = Vec::new();
        for version in [IpVersion::V4, IpVersion::V6] {
            let reply = self.socket.request(&get_routes(version))?;
            routes.extend(reply.iter().filter_map(|body| DefaultRoute::parse(&body.bytes)));
        }
        Ok(routes)
    }

    pub fn set_up(&mut self, index: u32, up: bool) -> Result<(), NetlinkError> {
        self.socket.request(&set_link_up(index, up)).map(drop)
    }

    pub fn set_alias(&mut self, index: u32, alias: &str) -> Result<(), NetlinkError> {
        self.socket.request(&set_link_alias(index, alias)).map(drop)
    }
}
