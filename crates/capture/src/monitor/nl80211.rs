//! nl80211: lists the interfaces of the Wi-Fi radios and the capabilities of a radio, and changes both.
//!
//! The numbers are those of `linux/nl80211.h` and `linux/genetlink.h`, which never change.

use netlink_sys::protocols::NETLINK_GENERIC;
use rustix::io::Errno;

use super::channel::{Channel, HardwareChannel};
use super::netlink::{
    NetlinkError, NetlinkRequest, NetlinkSocket, attribute, attributes, string_value, u32_value,
};

const CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_VERSION: u8 = 1;

const CMD_GET_WIPHY: u8 = 1;
const CMD_GET_INTERFACE: u8 = 5;
const CMD_NEW_INTERFACE: u8 = 7;
const CMD_DEL_INTERFACE: u8 = 8;
const CMD_SET_CHANNEL: u8 = 65;

const ATTR_WIPHY: u16 = 1;
const ATTR_WIPHY_NAME: u16 = 2;
const ATTR_IFINDEX: u16 = 3;
const ATTR_IFNAME: u16 = 4;
const ATTR_IFTYPE: u16 = 5;
const ATTR_WIPHY_BANDS: u16 = 22;
const ATTR_SUPPORTED_IFTYPES: u16 = 32;
const ATTR_WIPHY_FREQ: u16 = 38;
const ATTR_SUPPORTED_COMMANDS: u16 = 50;
const ATTR_CHANNEL_WIDTH: u16 = 159;
const ATTR_SPLIT_WIPHY_DUMP: u16 = 174;
const ATTR_SOCKET_OWNER: u16 = 204;

const BAND_ATTR_FREQS: u16 = 1;
const FREQUENCY_ATTR_FREQ: u16 = 1;
const FREQUENCY_ATTR_DISABLED: u16 = 2;

const IFTYPE_STATION: u32 = 2;
const IFTYPE_MONITOR: u32 = 6;
const CHAN_WIDTH_20_NOHT: u32 = 0;

/// The length in bytes of the generic netlink header: command, version, two reserved bytes.
const GENERIC_HEADER_LENGTH: usize = 4;

/// The mode of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InterfaceType {
    /// Joins networks as a station; iw calls it managed.
    Managed,
    Monitor,
    /// Another mode by its number in nl80211: access point, mesh point, …
    Other(u32),
}

impl InterfaceType {
    fn from_number(number: u32) -> Self {
        match number {
            IFTYPE_STATION => Self::Managed,
            IFTYPE_MONITOR => Self::Monitor,
            other => Self::Other(other),
        }
    }
}

/// An interface of a Wi-Fi radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WifiInterface {
    pub index: u32,
    pub name: String,
    /// The number of its radio.
    pub wiphy: u32,
    pub kind: InterfaceType,
}

impl WifiInterface {
    /// Parses a message about an interface; `None` if the interface is no network device (P2P).
    pub fn parse(message: &[u8]) -> Option<Self> {
        let message = message.get(GENERIC_HEADER_LENGTH..)?;
        Some(Self {
            index: u32_value(attribute(message, ATTR_IFINDEX)?)?,
            name: string_value(attribute(message, ATTR_IFNAME)?),
            wiphy: u32_value(attribute(message, ATTR_WIPHY)?)?,
            kind: InterfaceType::from_number(u32_value(attribute(message, ATTR_IFTYPE)?)?),
        })
    }
}

/// The capabilities of a radio.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wiphy {
    /// The name, as in `/sys/class/ieee80211`.
    pub name: String,
    /// The driver supports monitor mode.
    pub has_monitor_mode: bool,
    /// The driver can add interfaces.
    pub can_add_interfaces: bool,
    pub channels: Vec<HardwareChannel>,
}

impl Wiphy {
    /// Adds the content of one message of a dump, which describes a radio in parts.
    pub fn merge(&mut self, message: &[u8]) {
        for (kind, value) in attributes(message.get(GENERIC_HEADER_LENGTH..).unwrap_or_default()) {
            match kind {
                ATTR_WIPHY_NAME => self.name = string_value(value),
                ATTR_SUPPORTED_IFTYPES => {
                    // Nested flags; their attribute types are the interface types.
                    self.has_monitor_mode |= attribute(value, IFTYPE_MONITOR as u16).is_some();
                }
                ATTR_SUPPORTED_COMMANDS => {
                    let new_interface = u32::from(CMD_NEW_INTERFACE);
                    self.can_add_interfaces |=
                        attributes(value).any(|(_, command)| u32_value(command) == Some(new_interface));
                }
                ATTR_WIPHY_BANDS => {
                    self.channels.extend(attributes(value).flat_map(|(_, band)| channels(band)))
                }
                _ => {}
            }
        }
    }
}

/// The channels of a band that are [`Channel`]s.
fn channels(band: &[u8]) -> impl Iterator<Item = HardwareChannel> {
    let frequencies = attribute(band, BAND_ATTR_FREQS).unwrap_or_default();
    attributes(frequencies).filter_map(|(_, frequency)| {
        let frequency_mhz = u32_value(attribute(frequency, FREQUENCY_ATTR_FREQ)?)?;
        Some(HardwareChannel {
            channel: Channel::from_frequency_mhz(frequency_mhz.try_into().ok()?)?,
            is_disabled: attribute(frequency, FREQUENCY_ATTR_DISABLED).is_some(),
        })
    })
}

pub(super) fn get_family(name: &str) -> NetlinkRequest {
    NetlinkRequest::new(CTRL, &generic_header(CTRL_CMD_GETFAMILY, CTRL_VERSION))
        .with_string(CTRL_ATTR_FAMILY_NAME, name)
}

pub(super) fn family_id(message: &[u8]) -> Option<u16> {
    let id = attribute(message.get(GENERIC_HEADER_LENGTH..)?, CTRL_ATTR_FAMILY_ID)?;
    Some(u16::from_ne_bytes(id.get(..2)?.try_into().ok()?))
}

pub(super) fn get_interfaces(family: u16) -> NetlinkRequest {
    NetlinkRequest::dump(family, &generic_header(CMD_GET_INTERFACE, 0))
}

/// Requests a radio's capabilities in parts: newer drivers report more than fits into one message.
pub(super) fn get_wiphy(family: u16, wiphy: u32) -> NetlinkRequest {
    NetlinkRequest::dump(family, &generic_header(CMD_GET_WIPHY, 0))
        .with_u32(ATTR_WIPHY, wiphy)
        .with(ATTR_SPLIT_WIPHY_DUMP, &[])
}

/// Requests a monitor interface that the kernel removes when the requesting socket is closed.
pub(super) fn new_monitor(family: u16, wiphy: u32, name: &str) -> NetlinkRequest {
    NetlinkRequest::new(family, &generic_header(CMD_NEW_INTERFACE, 0))
        .with_u32(ATTR_WIPHY, wiphy)
        .with_string(ATTR_IFNAME, name)
        .with_u32(ATTR_IFTYPE, IFTYPE_MONITOR)
        .with(ATTR_SOCKET_OWNER, &[])
}

pub(super) fn del_interface(family: u16, index: u32) -> NetlinkRequest {
    NetlinkRequest::new(family, &generic_header(CMD_DEL_INTERFACE, 0)).with_u32(ATTR_IFINDEX, index)
}

pub(super) fn set_channel(family: u16, index: u32, channel: Channel) -> NetlinkRequest {
    NetlinkRequest::new(family, &generic_header(CMD_SET_CHANNEL, 0))
        .with_u32(ATTR_IFINDEX, index)
        .with_u32(ATTR_WIPHY_FREQ, channel.frequency_mhz().into())
        // Probe requests are sent 20 MHz wide, and channel 14 allows no other width.
        .with_u32(ATTR_CHANNEL_WIDTH, CHAN_WIDTH_20_NOHT)
}

fn generic_header(command: u8, version: u8) -> [u8; GENERIC_HEADER_LENGTH] {
    [command, version, 0, 0]
}

/// A socket to nl80211. The kernel removes the interfaces added through it when it is closed, also by `kill -9`.
pub(super) struct Nl80211 {
    socket: NetlinkSocket,
    family: u16,
}

impl Nl80211 {
    /// Opens a socket; `None` if the kernel has no Wi-Fi support.
    pub fn open() -> Result<Option<Self>, NetlinkError> {
        let mut socket = NetlinkSocket::open(NETLINK_GENERIC)?;
        let reply = match socket.request(&get_family("nl80211")) {
            Err(error) if error.errno() == Some(Errno::NOENT) => return Ok(None),
            reply => reply?,
        };
        let family = reply.iter().find_map(|body| family_id(&body.bytes));
        let family = family.ok_or_else(|| NetlinkError::Malformed("a family without an ID".to_owned()))?;
        Ok(Some(Self { socket, family }))
    }

    /// The interfaces of all radios.
    pub fn interfaces(&mut self) -> Result<Vec<WifiInterface>, NetlinkError> {
        let reply = self.socket.request(&get_interfaces(self.family))?;
        Ok(reply.iter().filter_map(|body| WifiInterface::parse(&body.bytes)).collect())
    }

    /// The capabilities of the radio of this number.
    pub fn wiphy(&mut self, number: u32) -> Result<Wiphy, NetlinkError> {
        let mut wiphy = Wiphy::default();
        for body in self.socket.request(&get_wiphy(self.family, number))? {
            wiphy.merge(&body.bytes);
        }
        Ok(wiphy)
    }

    pub fn new_monitor(&mut self, wiphy: u32, name: &str) -> Result<WifiInterface, NetlinkError> {
        let reply = self.socket.request(&new_monitor(self.family, wiphy, name))?;
        let interface = reply.iter().find_map(|body| WifiInterface::parse(&body.bytes));
        interface.ok_or_else(|| NetlinkError::Malformed("a new interface without an index".to_owned()))
    }

    pub fn del_interface(&mut self, index: u32) -> Result<(), NetlinkError> {
        self.socket.request(&del_interface(self.family, index)).map(drop)
    }

    pub fn set_channel(&mut self, index: u32, channel: Channel) -> Result<(), NetlinkError> {
        self.socket.request(&set_channel(self.family, index, channel)).map(drop)
    }
}
