//! The codec for callback data: what each button of the bot does, in the 64 bytes that the Bot API allows.
//!
//! # Format
//! A word and its fields, separated by colons: an address as 12 hex digits, an SSID in base64url, a page as a number
//! from 0, a chat as its ID, a proposal as the offset of its event, a phone as 4 hex digits, a time in seconds since
//! the Unix epoch, a time of day as four digits. A watch is given by its hash, since its SSID may not fit. A network whose SSID does not fit gets no
//! button.
//!
//! # Invariants
//! - Whoever can write to the bot can send any bytes. Data that cannot be decoded belongs to an old button.
//! - Buttons stay in chats for years: data that this version encodes, later ones decode too.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono_tz::Tz;
use dot11::{MacAddr, Ssid, hex};
use store::event::{ChatId, ChatSetting, DailyHours, GroupId, Offset, Timestamp};

use super::button::{Button, ButtonAction};
use super::commands::{ADDRESSES, Command};
use super::model::chart::ChartPeriod;
use super::model::settings::{AskedSetting, DoorbellMode, FirstStep, LONGEST_GATHER, Place, SettingsPage};
use super::model::time_range::{LONGEST_RANGE, TimeRange};
use super::model::watch_target::{WatchTarget, watch_hash};

/// The most bytes that the Bot API takes (`InlineKeyboardButton.callback_data`).
const DATA_LIMIT: usize = 64;

/// How long a button can mute, in minutes.
const MUTE_MINUTES: std::ops::RangeInclusive<u32> = 1..=43_200;

/// What a button does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callback {
    /// Sends a device's card.
    Card(MacAddr),
    /// Draws a chart of a device.
    ChartDevice(MacAddr, ChartPeriod),
    /// Draws a chart of the probes for a network.
    ChartNetwork(Ssid, ChartPeriod),
    /// Sends a device's newest probes.
    NewestProbes(MacAddr),
    /// Shows a page of a device's probes.
    Probes(MacAddr, u32),
    /// Draws a chart of who was in range; like the next one, in whole seconds.
    ChartBetween(TimeRange),
    /// Sends a table of who was in range.
    ExportBetween(TimeRange),
    /// Draws a chart of how many devices were in range.
    Count(ChartPeriod),
    /// Follows a phone that uses random addresses.
    AlertOnReturn(GroupId),
    /// Asks for a device's name.
    Name(MacAddr),
    /// Follows the device with this address.
    Follow(MacAddr),
    /// Stops following it.
    Unfollow(MacAddr),
    /// Ignores it.
    Ignore(MacAddr),
    /// Ignores it no longer.
    Unignore(MacAddr),
    /// Mutes the chat for a number of minutes.
    Mute(u32),
    /// Watches a network.
    Watch(Ssid),
    /// Watches a network that was chosen on this page of all networks.
    WatchListed(Ssid, u32),
    /// Stops the watch with this hash.
    Unwatch(u64),
    /// Shows a page of what the chat watches, follows and ignores.
    Watches(u32),
    /// Asks which address of a phone is of another device. The phone is that of this address.
    ChooseOtherDevice(MacAddr),
    /// Takes an address out of a phone.
    SplitPhone(GroupId, MacAddr),
    /// Shows a page of all devices.
    Devices(u32),
    /// Shows a page of all addresses.
    Addresses(u32),
    /// Shows a page of the devices of the last minutes: `(minutes, page)`.
    Nearby(u32, u32),
    /// Shows a page of the strangers of a period.
    Strangers(ChartPeriod, u32),
    /// Shows a page of the devices with most probes.
    Top(u32),
    /// Shows a page of all networks.
    Networks(u32),
    /// Shows a page of the devices that look for a network.
    Network(Ssid, u32),
    /// Shows a page of the chat's settings.
    Settings(SettingsPage),
    /// Chooses a value of a setting.
    Choose(ChatSetting, Place),
    /// Sets the doorbell.
    Doorbell(DoorbellMode),
    /// Asks for a value in words.
    Ask(AskedSetting, Place),
    /// Goes on with this one of the first steps.
    FirstStep(FirstStep),
    /// Watches a network as the first one.
    FirstWatch(Ssid),
    /// Shows the chats that have access. For owners, like the next two.
    Chats,
    /// Asks whether to remove a chat.
    ConfirmRemoval(ChatId),
    /// Removes a chat.
    RemoveChat(ChatId),
    /// Accepts or refuses the change of a name that the event at this offset proposed. For owners, too.
    Answer(Offset, bool),
}

impl Callback {
    /// Stops this watch.
    pub fn unwatch(target: &WatchTarget) -> Self {
        Self::Unwatch(watch_hash(target))
    }

    /// Whether only an owner may do this.
    pub(in crate::chat) const fn is_for_owners(&self) -> bool {
        matches!(self, Self::Chats | Self::ConfirmRemoval(_) | Self::RemoveChat(_) | Self::Answer(..))
    }

    /// Whether the reply is made from the log, which may take long.
    pub(in crate::chat) const fn is_slow(&self) -> bool {
        matches!(
            self,
            Self::ChartDevice(..)
                | Self::ChartNetwork(..)
                | Self::ChartBetween(_)
                | Self::Count(_)
                | Self::ExportBetween(_)
                | Self::NewestProbes(_)
        )
    }

    /// The button that does this, if the data fits.
    pub fn button(&self, label: impl Into<String>) -> Option<Button> {
        let data = self.encode();
        (data.len() <= DATA_LIMIT).then(|| Button {
            label: label.into(),
            action: ButtonAction::Callback(data),
            style: None,
        })
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
            Self::ChartBetween(range) => format!("between:chart:{}", seconds(range)),
            Self::ExportBetween(range) => format!("between:export:{}", seconds(range)),
            Self::Count(period) => format!("count:{period}"),
            Self::AlertOnReturn(phone) => format!("return:{phone}"),
            Self::Name(address) => format!("name:{}", digits(address)),
            Self::Follow(address) => format!("follow:{}", digits(address)),
            Self::Unfollow(address) => format!("unfollow:{}", digits(address)),
            Self::Ignore(address) => format!("ignore:{}", digits(address)),
            Self::Unignore(address) => format!("unignore:{}", digits(address)),
            Self::Mute(minutes) => format!("mute:{minutes}"),
            Self::Watch(ssid) => format!("watch:{}", base64(ssid)),
            Self::WatchListed(ssid, page) => format!("watch:{}:{page}", base64(ssid)),
            Self::Unwatch(hash) => format!("unwatch:{hash:016x}"),
            Self::Watches(page) => format!("watches:{page}"),
            Self::ChooseOtherDevice(address) => format!("split:{}", digits(address)),
            Self::SplitPhone(phone, address) => format!("split:{phone}:{}", digits(address)),
            Self::Devices(page) => format!("devices:{page}"),
            Self::Addresses(page) => format!("addresses:{page}"),
            Self::Nearby(minutes, page) => format!("nearby:{minutes}:{page}"),
            Self::Strangers(period, page) => format!("strangers:{period}:{page}"),
            Self::Top(page) => format!("top:{page}"),
            Self::Networks(page) => format!("networks:{page}"),
            Self::Network(ssid, page) => format!("ssid:{}:{page}", base64(ssid)),
            Self::Settings(page) => format!("settings:{}", page.code()),
            Self::Choose(setting, place) => format!("{}:{}", place.code(), encode_setting(setting)),
            Self::Doorbell(mode) => format!("doorbell:{}", mode.code()),
            Self::Ask(asked, place) => format!("ask:{}:{}", place.code(), asked.code()),
            Self::FirstStep(step) => format!("first:{}", step.code()),
            Self::FirstWatch(ssid) => format!("first:watch:{}", base64(ssid)),
            Self::Chats => "access:list".to_owned(),
            Self::ConfirmRemoval(chat) => format!("access:ask:{}", chat.0),
            Self::RemoveChat(chat) => format!("access:remove:{}", chat.0),
            Self::Answer(proposal, true) => format!("proposal:accept:{proposal}"),
            Self::Answer(proposal, false) => format!("proposal:refuse:{proposal}"),
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
            ["between", "chart", from, to] => Self::ChartBetween(read_range(from, to)?),
            ["between", "export", from, to] => Self::ExportBetween(read_range(from, to)?),
            ["count", period] => Self::Count(period.parse().ok()?),
            ["return", phone] => Self::AlertOnReturn(phone.parse().ok()?),
            ["name", address] => Self::Name(read_address(address)?),
            ["follow", address] => Self::Follow(read_address(address)?),
            ["unfollow", address] => Self::Unfollow(read_address(address)?),
            ["ignore", address] => Self::Ignore(read_address(address)?),
            ["unignore", address] => Self::Unignore(read_address(address)?),
            ["mute", minutes] => {
                Self::Mute(read_number(minutes).filter(|minutes| MUTE_MINUTES.contains(minutes))?)
            }
            ["watch", ssid] => Self::Watch(read_ssid(ssid)?),
            ["watch", ssid, page] => Self::WatchListed(read_ssid(ssid)?, read_number(page)?),
            ["unwatch", hash] => Self::Unwatch(u64::from_str_radix(hash, 16).ok()?),
            ["watches", page] => Self::Watches(read_number(page)?),
            ["split", address] => Self::ChooseOtherDevice(read_address(address)?),
            ["split", phone, address] => Self::SplitPhone(phone.parse().ok()?, read_address(address)?),
            ["addresses", page] => Self::Addresses(read_number(page)?),
            ["devices", page] => Self::Devices(read_number(page)?),
            ["nearby", minutes, page] => Self::Nearby(read_number(minutes)?, read_number(page)?),
            ["strangers", period, page] => Self::Strangers(period.parse().ok()?, read_number(page)?),
            ["top", page] => Self::Top(read_number(page)?),
            ["networks", page] => Self::Networks(read_number(page)?),
            ["ssid", ssid, page] => Self::Network(read_ssid(ssid)?, read_number(page)?),
            ["settings", page] => Self::Settings(by_code(page, SettingsPage::ALL, SettingsPage::code)?),
            ["doorbell", mode] => Self::Doorbell(by_code(mode, DoorbellMode::ALL, DoorbellMode::code)?),
            ["ask", place, asked] => Self::Ask(
                by_code(asked, AskedSetting::ALL, AskedSetting::code)?,
                by_code(place, Place::ALL, Place::code)?,
            ),
            ["first", step] => Self::FirstStep(by_code(step, FirstStep::ALL, FirstStep::code)?),
            ["first", "watch", ssid] => Self::FirstWatch(read_ssid(ssid)?),
            [place @ ("set" | "first"), setting, value] => {
                Self::Choose(read_setting(setting, value)?, by_code(place, Place::ALL, Place::code)?)
            }
            ["access", "list"] => Self::Chats,
            ["access", "ask", chat] => Self::ConfirmRemoval(read_chat(chat)?),
            ["access", "remove", chat] => Self::RemoveChat(read_chat(chat)?),
            ["proposal", "accept", proposal] => Self::Answer(Offset(proposal.parse().ok()?), true),
            ["proposal", "refuse", proposal] => Self::Answer(Offset(proposal.parse().ok()?), false),
            _ => return None,
        })
    }

    /// The command that shows the same page, what it says of the mode, and the page from 1: for a terminal, which has
    /// no buttons.
    pub(super) fn command(&self) -> Option<(&'static Command, Option<&'static str>, u64)> {
        let (name, mode, page) = match self {
            Self::Devices(page) => ("devices", None, page),
            Self::Addresses(page) => ("devices", Some(ADDRESSES), page),
            Self::Top(page) => ("top", None, page),
            Self::Networks(page) => ("networks", None, page),
            Self::Watches(page) => ("watches", None, page),
            _ => return None,
        };
        Some((Command::named(name)?, mode, u64::from(*page) + 1))
    }
}

fn read_address(digits: &str) -> Option<MacAddr> {
    digits.parse().ok().filter(|_| digits.len() == 12)
}

fn read_ssid(base64: &str) -> Option<Ssid> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(base64).ok()?;
    (!bytes.is_empty()).then(|| Ssid::new(&bytes))
}

fn seconds(range: &TimeRange) -> String {
    let from = range.from.as_micros().div_euclid(1_000_000);
    // Rounded up, so that nothing is left out.
    let to = range.to.as_micros().saturating_add(999_999).div_euclid(1_000_000);
    format!("{from}:{to}")
}

fn read_range(from: &str, to: &str) -> Option<TimeRange> {
    let time =
        |seconds: &str| Some(Timestamp::from_micros(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?));
    let range = TimeRange { from: time(from)?, to: time(to)? };
    (range.from < range.to && range.length() <= LONGEST_RANGE).then_some(range)
}

/// The one of `all` that has this code.
fn by_code<T: Copy, const N: usize>(
    code: &str,
    all: [T; N],
    code_of: impl Fn(T) -> &'static str,
) -> Option<T> {
    all.into_iter().find(|one| code_of(*one) == code)
}

fn encode_setting(setting: &ChatSetting) -> String {
    match setting {
        ChatSetting::QuietHours(None) => "quiet:off".to_owned(),
        ChatSetting::QuietHours(Some(hours)) => {
            let clock = |minutes: u32| format!("{:02}{:02}", minutes / 60, minutes % 60);
            let (from, to) = hours.minutes();
            format!("quiet:{}-{}", clock(from), clock(to))
        }
        ChatSetting::GatherSeconds(seconds) => format!("gather:{seconds}"),
        ChatSetting::TimeZone(name) => format!("zone:{name}"),
    }
}

fn read_setting(setting: &str, value: &str) -> Option<ChatSetting> {
    Some(match (setting, value) {
        ("quiet", "off") => ChatSetting::QuietHours(None),
        ("quiet", hours) => {
            let (from, to) = hours.split_once('-')?;
            let minutes = |clock: &str| {
                let is_clock = clock.len() == 4 && clock.bytes().all(|byte| byte.is_ascii_digit());
                let (hours, minutes) = clock.split_at_checked(2).filter(|_| is_clock)?;
                let minutes = read_number(minutes).filter(|minutes| *minutes < 60)?;
                Some(read_number(hours)?.checked_mul(60)? + minutes)
            };
            ChatSetting::QuietHours(Some(DailyHours::from_minutes(minutes(from)?, minutes(to)?)?))
        }
        ("gather", seconds) => {
            ChatSetting::GatherSeconds(read_number(seconds).filter(|seconds| *seconds <= LONGEST_GATHER)?)
        }
        ("zone", name) => ChatSetting::TimeZone(name.parse::<Tz>().ok()?.name().to_owned()),
        _ => return None,
    })
}

fn read_number(digits: &str) -> Option<u32> {
    digits.parse().ok()
}

fn read_chat(number: &str) -> Option<ChatId> {
    number.parse().ok().map(ChatId)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use store::event::Pattern;

    use super::*;

    fn callback() -> impl Strategy<Value = Callback> {
        let address = || any::<[u8; 6]>().prop_map(MacAddr::new);
        let ssid = || prop::collection::vec(any::<u8>(), 1..=40).prop_map(|bytes| Ssid::new(&bytes));
        let period = || prop::sample::select(ChartPeriod::ALL.to_vec());
        let number = any::<u32>;
        let range = || {
            (-10_000_000_000_i64..10_000_000_000, 1..=604_800_i64).prop_map(|(from, length)| {
                let [from, to] =
                    [from, from + length].map(|seconds| Timestamp::from_micros(seconds * 1_000_000));
                TimeRange { from, to }
            })
        };
        prop_oneof![
            address().prop_map(Callback::Card),
            (address(), period()).prop_map(|(address, period)| Callback::ChartDevice(address, period)),
            (ssid(), period()).prop_map(|(ssid, period)| Callback::ChartNetwork(ssid, period)),
            address().prop_map(Callback::NewestProbes),
            (address(), number()).prop_map(|(address, page)| Callback::Probes(address, page)),
            range().prop_map(Callback::ChartBetween),
            range().prop_map(Callback::ExportBetween),
            period().prop_map(Callback::Count),
            any::<u16>().prop_map(|phone| Callback::AlertOnReturn(GroupId(phone))),
            address().prop_map(Callback::Name),
            address().prop_map(Callback::Follow),
            address().prop_map(Callback::Unfollow),
            address().prop_map(Callback::Ignore),
            address().prop_map(Callback::Unignore),
            MUTE_MINUTES.prop_map(Callback::Mute),
            any::<u64>().prop_map(Callback::Unwatch),
            Just(Callback::Chats),
            any::<i64>().prop_map(|chat| Callback::ConfirmRemoval(ChatId(chat))),
            any::<i64>().prop_map(|chat| Callback::RemoveChat(ChatId(chat))),
            (any::<u64>(), any::<bool>())
                .prop_map(|(proposal, accepted)| Callback::Answer(Offset(proposal), accepted)),
            ssid().prop_map(Callback::Watch),
            (ssid(), number()).prop_map(|(ssid, page)| Callback::WatchListed(ssid, page)),
            number().prop_map(Callback::Watches),
            address().prop_map(Callback::ChooseOtherDevice),
            (any::<u16>(), address())
                .prop_map(|(phone, address)| Callback::SplitPhone(GroupId(phone), address)),
            number().prop_map(Callback::Devices),
            number().prop_map(Callback::Addresses),
            (number(), number()).prop_map(|(minutes, page)| Callback::Nearby(minutes, page)),
            (period(), number()).prop_map(|(period, page)| Callback::Strangers(period, page)),
            number().prop_map(Callback::Top),
            number().prop_map(Callback::Networks),
            prop::sample::select(SettingsPage::ALL.to_vec()).prop_map(Callback::Settings),
            (setting(), place()).prop_map(|(setting, place)| Callback::Choose(setting, place)),
            prop::sample::select(DoorbellMode::ALL.to_vec()).prop_map(Callback::Doorbell),
            (prop::sample::select(AskedSetting::ALL.to_vec()), place())
                .prop_map(|(asked, place)| Callback::Ask(asked, place)),
            prop::sample::select(FirstStep::ALL.to_vec()).prop_map(Callback::FirstStep),
            ssid().prop_map(Callback::FirstWatch),
            (ssid(), number()).prop_map(|(ssid, page)| Callback::Network(ssid, page)),
        ]
    }

    fn place() -> impl Strategy<Value = Place> {
        prop::sample::select(Place::ALL.to_vec())
    }

    fn setting() -> impl Strategy<Value = ChatSetting> {
        let zones = chrono_tz::TZ_VARIANTS.to_vec();
        prop_oneof![
            (0..1440_u32, 0..1440_u32)
                .prop_map(|(from, to)| ChatSetting::QuietHours(DailyHours::from_minutes(from, to))),
            (0..=LONGEST_GATHER).prop_map(ChatSetting::GatherSeconds),
            prop::sample::select(zones).prop_map(|zone| ChatSetting::TimeZone(zone.name().to_owned())),
        ]
    }

    proptest! {
        #[test]
        fn every_setting_fits_on_a_button(setting in setting(), place in place()) {
            prop_assert!(Callback::Choose(setting, place).button("label").is_some());
        }

        #[test]
        fn decodes_what_it_encodes(callback in callback()) {
            let data = callback.encode();
            prop_assert_eq!(Callback::decode(&data), Some(callback.clone()));
            if let Some(button) = callback.button("label") {
                prop_assert_eq!(button.data(), Some(data.as_str()));
                prop_assert!((1..=DATA_LIMIT).contains(&data.len()));
            }
        }

        #[test]
        fn decoding_any_data_never_panics(data in any::<String>()) {
            let _ = Callback::decode(&data);
        }

        #[test]
        fn decoding_damaged_data_never_panics(
            data in "(card|chart|charts|between|count|return|probes|name|watch|watches|devices|addresses|nearby|ssid|split|\
                     access|proposal|settings|set|first|doorbell|ask|mute|ignore|unwatch|unfollow)\
                     :[0-9a-f:_=+-]{0,60}",
        ) {
            let _ = Callback::decode(&data);
        }
    }

    #[test]
    fn buttons_of_alerts_always_fit() {
        let address = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
        let watch = WatchTarget::Network(Ssid::new(&[0xff; 255]));
        for callback in [
            Callback::Mute(60),
            Callback::Name(address),
            Callback::Ignore(address),
            Callback::Follow(address),
            Callback::AlertOnReturn(GroupId(0x3f2a)),
            Callback::Unfollow(address),
            Callback::unwatch(&watch),
            Callback::unwatch(&WatchTarget::Pattern(Pattern::new("*x"))),
        ] {
            let button = callback.button("label").unwrap();
            let data = button.data().unwrap();
            assert!((1..=64).contains(&data.len()));
            assert_eq!(Callback::decode(data), Some(callback));
        }
        assert_ne!(
            watch_hash(&WatchTarget::Network(Ssid::from("x*"))),
            watch_hash(&WatchTarget::Pattern(Pattern::new("x*")))
        );
    }

    /// Data from earlier versions, which old messages still contain.
    #[test]
    fn decodes_data_of_earlier_versions() {
        let address = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
        let depot = || Ssid::from("Depot");
        let [from, to] =
            [1_795_384_800, 1_795_395_600].map(|seconds| Timestamp::from_micros(seconds * 1_000_000));
        let range = TimeRange { from, to };
        for (data, callback) in [
            ("card:a483e74e3915", Callback::Card(address)),
            ("chart:a483e74e3915:7d", Callback::ChartDevice(address, ChartPeriod::Week)),
            ("charts:RGVwb3Q:24h", Callback::ChartNetwork(depot(), ChartPeriod::Day)),
            ("probes:a483e74e3915", Callback::NewestProbes(address)),
            ("probes:a483e74e3915:2", Callback::Probes(address, 2)),
            ("name:a483e74e3915", Callback::Name(address)),
            ("between:chart:1795384800:1795395600", Callback::ChartBetween(range)),
            ("between:export:1795384800:1795395600", Callback::ExportBetween(range)),
            ("count:30d", Callback::Count(ChartPeriod::Month)),
            ("return:3f2a", Callback::AlertOnReturn(GroupId(0x3f2a))),
            ("follow:a483e74e3915", Callback::Follow(address)),
            ("unfollow:a483e74e3915", Callback::Unfollow(address)),
            ("ignore:a483e74e3915", Callback::Ignore(address)),
            ("unignore:a483e74e3915", Callback::Unignore(address)),
            ("mute:60", Callback::Mute(60)),
            ("watch:RGVwb3Q", Callback::Watch(depot())),
            ("watch:RGVwb3Q:3", Callback::WatchListed(depot(), 3)),
            ("unwatch:00000000000000ff", Callback::Unwatch(255)),
            ("watches:1", Callback::Watches(1)),
            ("devices:1", Callback::Devices(1)),
            ("addresses:2", Callback::Addresses(2)),
            ("split:a483e74e3915", Callback::ChooseOtherDevice(address)),
            ("split:003f:a483e74e3915", Callback::SplitPhone(GroupId(0x3f), address)),
            ("nearby:10:0", Callback::Nearby(10, 0)),
            ("strangers:7d:2", Callback::Strangers(ChartPeriod::Week, 2)),
            ("top:4", Callback::Top(4)),
            ("networks:9", Callback::Networks(9)),
            ("ssid:RGVwb3Q:0", Callback::Network(depot(), 0)),
            ("settings:quiet", Callback::Settings(SettingsPage::QuietHours)),
            (
                "set:quiet:2230-0700",
                Callback::Choose(
                    ChatSetting::QuietHours(DailyHours::from_minutes(1350, 420)),
                    Place::Settings,
                ),
            ),
            ("first:quiet:off", Callback::Choose(ChatSetting::QuietHours(None), Place::FirstSteps)),
            ("set:gather:30", Callback::Choose(ChatSetting::GatherSeconds(30), Place::Settings)),
            (
                "first:zone:Europe/Berlin",
                Callback::Choose(ChatSetting::TimeZone("Europe/Berlin".to_owned()), Place::FirstSteps),
            ),
            ("doorbell:quiet", Callback::Doorbell(DoorbellMode::QuietHours)),
            ("ask:set:zone", Callback::Ask(AskedSetting::TimeZone, Place::Settings)),
            ("first:watch", Callback::FirstStep(FirstStep::Watch)),
            ("first:watch:RGVwb3Q", Callback::FirstWatch(depot())),
            ("access:list", Callback::Chats),
            ("access:ask:-1002", Callback::ConfirmRemoval(ChatId(-1002))),
            ("access:remove:2002", Callback::RemoveChat(ChatId(2002))),
        ] {
            assert_eq!(Callback::decode(data), Some(callback), "{data}");
        }
    }

    #[test]
    fn an_ssid_of_the_standards_length_fits() {
        for length in [1, 32, 33, 255] {
            let ssid = Ssid::new(&vec![0xff; length]);
            let callbacks = [
                Callback::Watch(ssid.clone()),
                Callback::WatchListed(ssid.clone(), 999),
                Callback::Network(ssid.clone(), 9999),
                Callback::ChartNetwork(ssid, ChartPeriod::Month),
            ];
            for callback in callbacks {
                assert_eq!(callback.button("x").is_some(), length <= 33, "{callback:?}");
            }
        }
    }

    #[test]
    fn rejects_data_of_unknown_buttons() {
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
            "between:chart:5:5",
            "between:chart:5:9223372036854775807",
            "between:chart:0:604801",
            "between:0:1",
            "count:1h",
            "return:3f2",
            "top:1:2",
            "split:3f:a483e74e3915",
            "split:+03f:a483e74e3915",
            "split:003f",
            "mute:0",
            "mute:43201",
            "unwatch:x",
            "settings:",
            "settings:mute",
            "set:quiet:2400-0700",
            "set:quiet:0760-0800",
            "set:quiet:0700-0700",
            "set:quiet:+700-0800",
            "set:quiet:2230",
            "set:gather:3601",
            "set:zone:Europe/Berlim",
            "set:watch:RGVwb3Q",
            "set:zone",
            "first:",
            "first:watch:",
            "ask:zone",
            "ask:set:gather",
            "doorbell:maybe",
            "access:",
            "access:remove:x",
            "frobnicate:1",
        ] {
            assert_eq!(Callback::decode(data), None, "{data}");
        }
    }
}
