//! What a button stands for, in the 64 bytes that the Bot API leaves for it.
//!
//! # Format
//! A word, and what it needs behind it, parted by colons: an address as 12 hex digits, an SSID in
//! base64url, a page as a number from 0. A network whose SSID does not fit gets no button.
//!
//! Whoever can write to the bot can send any bytes, and buttons of earlier versions stay in chats for years:
//! what cannot be read is an old button.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::commands::Command;
use super::message::Button;
use super::model::chart::ChartPeriod;
use crate::dot11::{MacAddr, Ssid, hex};

/// The most bytes that the Bot API takes (`InlineKeyboardButton.callback_data`).
const DATA_LIMIT: usize = 64;

/// What a button does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends a device's card.
    Card(MacAddr),
    /// Draws when a device was heard.
    ChartDevice(MacAddr, ChartPeriod),
    /// Draws when a network was asked for.
    ChartNetwork(Ssid, ChartPeriod),
    /// Sends a device's newest probes.
    NewestProbes(MacAddr),
    /// Shows a page of a device's probes.
    Probes(MacAddr, u32),
    /// Asks for a device's name.
    Name(MacAddr),
    /// Has the chat be told when a device is there.
    Follow(MacAddr),
    /// Watches a network.
    Watch(Ssid),
    /// Watches a network that stands on this page of all networks.
    WatchListed(Ssid, u32),
    /// Shows a page of what the chat watches, follows and ignores.
    Watches(u32),
    /// Shows a page of all devices.
    Devices(u32),
    /// Shows a page of the devices of the last so many minutes.
    Nearby(u32, u32),
    /// Shows a page of the devices with most probes.
    Top(u32),
    /// Shows a page of all networks.
    Networks(u32),
    /// Shows a page of those who asked for a network.
    Network(Ssid, u32),
}

impl Action {
    /// The button that does this, where it fits on one.
    pub fn button(&self, label: impl Into<String>) -> Option<Button> {
        let data = self.encode();
        (data.len() <= DATA_LIMIT).then(|| Button { label: label.into(), data })
    }

    fn encode(&self) -> String {
        let digits = |address: &MacAddr| hex(&address.octets());
        let base64 = |ssid: &Ssid| BASE64_URL_SAFE_NO_PAD.encode(ssid.as_bytes());
        match self {
            Self::Card(address) => format!("card:{}", digits(address)),
            Self::ChartDevice(address, period) => format!("chart:{}:{period}", digits(address)),
            Self::ChartNetwork(ssid, period) => format!("charts:{}:{period}", base64(ssid)),
            Self::NewestProbes(address) => format!("probes:{}", digits(address)),
            Self::Probes(address, page) => format!("probes:{}:{page}", digits(address)),
            Self::Name(address) => format!("name:{}", digits(address)),
            Self::Follow(address) => format!("follow:{}", digits(address)),
            Self::Watch(ssid) => format!("watch:{}", base64(ssid)),
            Self::WatchListed(ssid, page) => format!("watch:{}:{page}", base64(ssid)),
            Self::Watches(page) => format!("watches:{page}"),
            Self::Devices(page) => format!("devices:{page}"),
            Self::Nearby(minutes, page) => format!("nearby:{minutes}:{page}"),
            Self::Top(page) => format!("top:{page}"),
            Self::Networks(page) => format!("networks:{page}"),
            Self::Network(ssid, page) => format!("ssid:{}:{page}", base64(ssid)),
        }
    }

    /// What a button with this data does; `None` where no button of this version has it.
    pub fn decode(data: &str) -> Option<Self> {
        let fields: Vec<&str> = data.splitn(4, ':').collect();
        Some(match *fields.as_slice() {
            ["card", address] => Self::Card(read_address(address)?),
            ["chart", address, period] => Self::ChartDevice(read_address(address)?, period.parse().ok()?),
            ["charts", ssid, period] => Self::ChartNetwork(read_ssid(ssid)?, period.parse().ok()?),
            ["probes", address] => Self::NewestProbes(read_address(address)?),
            ["probes", address, page] => Self::Probes(read_address(address)?, read_number(page)?),
            ["name", address] => Self::Name(read_address(address)?),
            ["follow", address] => Self::Follow(read_address(address)?),
            ["watch", ssid] => Self::Watch(read_ssid(ssid)?),
            ["watch", ssid, page] => Self::WatchListed(read_ssid(ssid)?, read_number(page)?),
            ["watches", page] => Self::Watches(read_number(page)?),
            ["devices", page] => Self::Devices(read_number(page)?),
            ["nearby", minutes, page] => Self::Nearby(read_number(minutes)?, read_number(page)?),
            ["top", page] => Self::Top(read_number(page)?),
            ["networks", page] => Self::Networks(read_number(page)?),
            ["ssid", ssid, page] => Self::Network(read_ssid(ssid)?, read_number(page)?),
            _ => return None,
        })
    }

    /// The command that does the same, and the page as people count them, where a person without buttons
    /// would want to write it.
    pub(super) fn command(&self) -> Option<(Command, u64)> {
        let (command, page) = match self {
            Self::Devices(page) => (Command::Devices, page),
            Self::Top(page) => (Command::Top, page),
            Self::Networks(page) => (Command::Networks, page),
            Self::Watches(page) => (Command::Watches, page),
            _ => return None,
        };
        Some((command, u64::from(*page) + 1))
    }
}

fn read_address(digits: &str) -> Option<MacAddr> {
    digits.parse().ok().filter(|_| digits.len() == 12)
}

fn read_ssid(base64: &str) -> Option<Ssid> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(base64).ok()?;
    (!bytes.is_empty()).then(|| Ssid::new(&bytes))
}

fn read_number(digits: &str) -> Option<u32> {
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn action() -> impl Strategy<Value = Action> {
        let address = || any::<[u8; 6]>().prop_map(MacAddr::new);
        let ssid = || prop::collection::vec(any::<u8>(), 1..=40).prop_map(|bytes| Ssid::new(&bytes));
        let period = || prop::sample::select(ChartPeriod::ALL.to_vec());
        let number = any::<u32>;
        prop_oneof![
            address().prop_map(Action::Card),
            (address(), period()).prop_map(|(address, period)| Action::ChartDevice(address, period)),
            (ssid(), period()).prop_map(|(ssid, period)| Action::ChartNetwork(ssid, period)),
            address().prop_map(Action::NewestProbes),
            (address(), number()).prop_map(|(address, page)| Action::Probes(address, page)),
            address().prop_map(Action::Name),
            address().prop_map(Action::Follow),
            ssid().prop_map(Action::Watch),
            (ssid(), number()).prop_map(|(ssid, page)| Action::WatchListed(ssid, page)),
            number().prop_map(Action::Watches),
            number().prop_map(Action::Devices),
            (number(), number()).prop_map(|(minutes, page)| Action::Nearby(minutes, page)),
            number().prop_map(Action::Top),
            number().prop_map(Action::Networks),
            (ssid(), number()).prop_map(|(ssid, page)| Action::Network(ssid, page)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_on_a_button_is_what_it_does(action in action()) {
            let data = action.encode();
            prop_assert_eq!(Action::decode(&data), Some(action.clone()));
            if let Some(button) = action.button("label") {
                prop_assert!((1..=DATA_LIMIT).contains(&button.data.len()));
            }
        }

        #[test]
        fn anything_can_be_pressed(data in any::<String>()) {
            let _ = Action::decode(&data);
        }

        #[test]
        fn anything_like_a_button_can_be_pressed(
            data in "(card|chart|charts|probes|name|watch|watches|devices|nearby|ssid):[0-9a-f:_=+-]{0,60}",
        ) {
            let _ = Action::decode(&data);
        }
    }

    #[test]
    fn an_ssid_of_the_standards_length_fits() {
        for length in [1, 32, 33, 255] {
            let ssid = Ssid::new(&vec![0xff; length]);
            let actions = [
                Action::Watch(ssid.clone()),
                Action::WatchListed(ssid.clone(), 999),
                Action::Network(ssid.clone(), 9999),
                Action::ChartNetwork(ssid, ChartPeriod::Month),
            ];
            for action in actions {
                assert_eq!(action.button("x").is_some(), length <= 33, "{action:?}");
            }
        }
    }

    #[test]
    fn what_is_no_button_of_ours_does_nothing() {
        for data in [
            "",
            ":",
            "card",
            "card:",
            "card:a4:83:e7:4e:39:15",
            "devices:-1",
            "devices:4294967296",
            "watch:",
            "watch:=",
            "chart:a483e74e3915:1y",
            "top:1:2",
            "frobnicate:1",
        ] {
            assert_eq!(Action::decode(data), None, "{data}");
        }
    }
}
