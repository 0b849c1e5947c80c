use std::collections::BTreeSet;

use dot11::{MacAddr, Ssid};
use proptest::prelude::*;
use store::event::{ChatSetting, DailyHours, GroupId, Pattern, Role};
use store::state::NameError;

use super::*;
use crate::chat::button::Button;
use crate::chat::model::chart::{ChartPeriod, ChartSubject};
use crate::chat::model::doorbell::DoorbellRequest;
use crate::chat::model::pagination::ListBy;
use crate::chat::model::phone::NamedDevice;
use crate::chat::model::settings::{SettingsPage, SettingsRequest};
use crate::chat::model::watch_target::WatchTarget;

fn check(text: &str, expected: Request) {
    assert_eq!(Request::parse(text), expected, "{text}");
}

fn watch(ssid: &[u8], reason: Option<&str>) -> Request {
    let target = WatchTarget::Network(Ssid::new(ssid));
    Request::Watch { target, reason: reason.map(str::to_owned) }
}

#[test]
fn text_without_a_slash_is_a_lookup() {
    check(" a4:83:E7:4e:39:15\n", Request::Lookup("a4:83:E7:4e:39:15".into()));
    check("Alice's phone", Request::Lookup("Alice's phone".into()));
    check(" \n ", Request::Empty);
    check("/", Request::UnknownCommand(String::new()));
    check("/Wacth x", Request::UnknownCommand("wacth".into()));
}

#[test]
fn watch_takes_words_quotes_and_hex() {
    check("/watch RNM0", watch(b"RNM0", None));
    check("/WATCH@probewatch_bot RNM0  the neighbours \n van", watch(b"RNM0", Some("the neighbours van")));
    check("/watch \"My Network\" mine", watch(b"My Network", Some("mine")));
    check("/watch “My Network” mine", watch(b"My Network", Some("mine")));
    check(r#"/watch "a \"b\" \\ c\d""#, watch(br#"a "b" \ c\d"#, None));
    check("/watch ‘Alice's net’ mine", watch("Alice's net".as_bytes(), Some("mine")));
    check("/watch 'tis mine", watch(b"'tis", Some("mine")));
    check("/watch hex:fffe00", watch(b"\xff\xfe\x00", None));
    check("/watch 📶", watch("📶".as_bytes(), None));
    check("/unwatch My Network", Request::Unwatch(WatchTarget::Network(Ssid::from("My Network"))));
    check("/unwatch \"My Network\"", Request::Unwatch(WatchTarget::Network(Ssid::from("My Network"))));
}

#[test]
fn a_word_may_be_a_pattern_and_quotes_are_exact() {
    let pattern = |text: &str| WatchTarget::Pattern(Pattern::new(text));
    check("/watch Depot* vans", Request::Watch { target: pattern("Depot*"), reason: Some("vans".into()) });
    check("/unwatch D?pot", Request::Unwatch(pattern("D?pot")));
    check("/watch \"Depot*\"", watch(b"Depot*", None));
    check("/watch ‘Depot*’", watch(b"Depot*", None));
    check("/watch hex:2a", watch(b"*", None));
    check(r"/watch Depot\*", watch(b"Depot*", None));
}

#[test]
fn alert_preferences_name_their_devices() {
    check(
        "/follow Alice's phone 30",
        Request::AlertPreference(AlertPreference::Follow("Alice's phone 30".into())),
    );
    check("/mute", Request::AlertPreference(AlertPreference::Mute(std::time::Duration::from_secs(3600))));
    check("/unmute", Request::AlertPreference(AlertPreference::Unmute));
    check("/ignore a483e74e3915", Request::AlertPreference(AlertPreference::Ignore("a483e74e3915".into())));
}

#[test]
fn a_name_is_not_the_identifier_of_a_phone() {
    let address: MacAddr = "a4:83:e7:4e:39:15".parse().unwrap();
    for name in ["phone 3f2a", "Phone  3F2A", "3f2a", "1234", "phone cafe"] {
        let command = Command::named("name").unwrap();
        let why = NameError::Phone(name.split_whitespace().collect::<Vec<_>>().join(" "));
        let error = UsageError::Name(why);
        check(&format!("/name {address} {name}"), Request::UsageError { command, error });
    }
    for name in ["Edda", "Cafe", "phone", "phone 3f2", "my phone 3f2a", "3f2a5"] {
        let (device, name) = (NamedDevice::Address(address), name.to_owned());
        check(&format!("/name {address} {name}"), Request::Name { device, name });
    }
}

#[test]
fn doorbell_takes_a_signal_and_a_time() {
    let on = |min_dbm, seconds: Option<u64>| {
        let stay = seconds.map(std::time::Duration::from_secs);
        Request::Doorbell(DoorbellRequest::On { min_dbm, stay, only_in_quiet_hours: false })
    };
    check("/doorbell", Request::Doorbell(DoorbellRequest::Show));
    check("/doorbell off", Request::Doorbell(DoorbellRequest::Off));
    check("/doorbell on", on(None, None));
    check("/doorbell ON −70 5m", on(Some(-70), Some(300)));
    check("/doorbell on 1m -55dBm", on(Some(-55), Some(60)));
    let quiet =
        |min_dbm| Request::Doorbell(DoorbellRequest::On { min_dbm, stay: None, only_in_quiet_hours: true });
    check("/doorbell on quiet", quiet(None));
    check("/doorbell on Quiet -55", quiet(Some(-55)));
    for (wrong, word) in [
        ("/doorbell on -5", "-5"),
        ("/doorbell on 65", "65"),
        ("/doorbell on --65", "--65"),
        ("/doorbell on 2h", "2h"),
        ("/doorbell on -65 -70", "-70"),
        ("/doorbell on quiet quiet", "quiet"),
        ("/doorbell quiet", "quiet"),
        ("/doorbell off now", "now"),
        ("/doorbell maybe", "maybe"),
    ] {
        let command = Command::named("doorbell").unwrap();
        let error = UsageError::InvalidDoorbell(word.to_owned());
        check(wrong, Request::UsageError { command, error });
    }
}

#[test]
fn settings_take_a_setting_and_a_value() {
    let hours = |from, to| ChatSetting::QuietHours(DailyHours::from_minutes(from, to));
    for (text, request) in [
        ("/settings", SettingsRequest::Show(SettingsPage::All)),
        ("/settings Quiet", SettingsRequest::Show(SettingsPage::QuietHours)),
        ("/settings zone", SettingsRequest::Show(SettingsPage::TimeZone)),
        ("/settings quiet 22:30-07:00", SettingsRequest::Choose(hours(1350, 420))),
        ("/settings quiet 22:30 – 7:00", SettingsRequest::Choose(hours(1350, 420))),
        ("/settings quiet 23 to 7", SettingsRequest::Choose(hours(1380, 420))),
        ("/settings quiet 22.30-7", SettingsRequest::Choose(hours(1350, 420))),
        ("/settings quiet OFF", SettingsRequest::Choose(ChatSetting::QuietHours(None))),
        ("/settings gather 30s", SettingsRequest::Choose(ChatSetting::GatherSeconds(30))),
        ("/settings gather 5 min", SettingsRequest::Choose(ChatSetting::GatherSeconds(300))),
        ("/settings gather 1h", SettingsRequest::Choose(ChatSetting::GatherSeconds(3600))),
        ("/settings gather off", SettingsRequest::Choose(ChatSetting::GatherSeconds(0))),
        ("/settings doorbell off", SettingsRequest::Doorbell(DoorbellRequest::Off)),
        ("/settings zone New York", SettingsRequest::FindZone("New York".to_owned())),
    ] {
        check(text, Request::Settings(request));
    }
    assert_eq!(Request::parse("/settings doorbell quiet"), {
        let (min_dbm, stay) = (None, None);
        let doorbell = DoorbellRequest::On { min_dbm, stay, only_in_quiet_hours: true };
        Request::Settings(SettingsRequest::Doorbell(doorbell))
    });
    for text in [
        "/settings mute",
        "/settings quiet 7-7",
        "/settings quiet 24-7",
        "/settings quiet 7",
        "/settings quiet 1-2-3",
        "/settings quiet -",
        "/settings gather 2h",
        "/settings gather 5",
        "/settings gather -1s",
        "/settings gather 99999999999s",
        "/settings doorbell maybe",
    ] {
        assert!(matches!(Request::parse(text), Request::UsageError { .. }), "{text}");
    }
}

#[test]
fn lists_take_a_page_or_minutes() {
    check("/devices", Request::Devices(ListBy::Device, 0));
    check("/devices 3", Request::Devices(ListBy::Device, 2));
    check("/devices addresses", Request::Devices(ListBy::Address, 0));
    check("/devices Addresses  3", Request::Devices(ListBy::Address, 2));
    check("/networks 1", Request::Networks(0));
    check("/top 4294967295", Request::Top(u32::MAX - 1));
    check("/nearby", Request::Nearby(10));
    check("/nearby 90", Request::Nearby(90));
    check("/strangers", Request::Strangers(ChartPeriod::Day));
    check("/strangers 7D", Request::Strangers(ChartPeriod::Week));
    check("/nearby 5 min", Request::Nearby(5));
    check("/ssid My Network", Request::Network("My Network".into()));
    check("/ssid Depot*", Request::Network("Depot*".into()));
    check("/ssid hex:fffe00", Request::Network(Ssid::new(b"\xff\xfe\x00")));
}

#[test]
fn chart_takes_a_device_or_a_network() {
    let device = |name: &str| ChartSubject::Device(name.to_owned());
    let network = |ssid: &str| ChartSubject::Network(ssid.into());
    let invalid_period = |word: &str| Request::UsageError {
        command: Command::named("chart").unwrap(),
        error: UsageError::InvalidPeriod(word.to_owned()),
    };
    check("/chart Alice's phone", Request::Chart(device("Alice's phone"), ChartPeriod::Day));
    check("/chart Alice's phone 7D", Request::Chart(device("Alice's phone"), ChartPeriod::Week));
    check("/chart a4:83:e7:4e:39:15  30d", Request::Chart(device("a4:83:e7:4e:39:15"), ChartPeriod::Month));
    check("/chart 7d", Request::Chart(device("7d"), ChartPeriod::Day));
    check("/chart ssid My Network 24h", Request::Chart(network("My Network"), ChartPeriod::Day));
    check("/chart SSID \"7d\" 7d", Request::Chart(network("7d"), ChartPeriod::Week));
    check("/chart ssid 7d", Request::Chart(network("7d"), ChartPeriod::Day));
    check("/chart ssid 5d", Request::Chart(network("5d"), ChartPeriod::Day));
    check("/chart ssid \"Cafe 5d\"", Request::Chart(network("Cafe 5d"), ChartPeriod::Day));
    check("/chart ssid Cafe 5d 7d", Request::Chart(network("Cafe 5d"), ChartPeriod::Week));
    check("/chart ssid Cafe 5D", invalid_period("5D"));
    check("/chart ssid \"Cafe\" 90min", invalid_period("90min"));
    check("/chart ssid Cafe 5", Request::Chart(network("Cafe 5"), ChartPeriod::Day));
    check("/export Networks", Request::ExportNetworks);
    check("/export van", Request::ExportDevice("van".to_owned()));
}

#[test]
fn rejects_invalid_arguments() {
    for text in [
        "/watch",
        "/watch \"\" x",
        "/watch \"open",
        "/watch *",
        "/watch ?*",
        "/watch *aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "/follow",
        "/ignore",
        "/mute never",
        "/watch \"open\\",
        "/watch hex:f",
        "/watch hex:",
        "/watch 123456789012345678901234567890123",
        "/unwatch",
        "/unwatch \"a\" b",
        "/name",
        "/name a4:83:e7:4e:39:15",
        "/name a4:83:e7:4e:39:15 /x",
        "/name a4:83:e7:4e:39:15 a483e74e3915",
        "/name phone a4:83:e7:4e:39:15",
        "/unname",
        "/unname phone",
        "/unname phone 3f2",
        "/name phone 3f2a",
        "/name phone",
        "/devices addresses 0",
        "/devices addresses x",
        "/devices 0",
        "/devices -1",
        "/top x",
        "/nearby 0",
        "/nearby min",
        "/nearby 10081",
        "/ssid",
        "/chart",
        "/chart ssid",
        "/export",
        "/invite admin",
    ] {
        assert!(matches!(Request::parse(text), Request::UsageError { .. }), "{text}");
    }
}

#[test]
fn name_takes_the_rest_of_the_line() {
    let address = NamedDevice::Address("a4:83:e7:4e:39:15".parse().unwrap());
    for text in ["/name a483e74e3915  Alice's   phone", "/name A4-83-E7-4E-39-15 \"Alice's phone\""] {
        check(text, Request::Name { device: address, name: "Alice's phone".into() });
    }
    check("/unname a483.e74e.3915", Request::Unname(address));
    let phone = NamedDevice::Phone(GroupId(0x3f2a));
    for text in
        ["/name phone 3f2a Alice's  phone", "/name Phone  3F2A \"Alice's phone\"", "/name 3f2a Alice's phone"]
    {
        check(text, Request::Name { device: phone, name: "Alice's phone".into() });
    }
    check("/unname phone 3f2a", Request::Unname(phone));
    check("/unname 3f2a", Request::Unname(phone));
}

#[track_caller]
fn check_mute(arguments: &str, minutes: Option<u64>) {
    let length = arguments::mute_length(arguments).ok().map(|length| length.as_secs() / 60);
    assert_eq!(length, minutes, "{arguments}");
}

#[test]
fn mute_takes_a_length() {
    for (arguments, minutes) in [
        ("", Some(60)),
        ("2h", Some(120)),
        ("30m", Some(30)),
        ("30 min", Some(30)),
        ("1d", Some(1440)),
        ("30d", Some(43_200)),
        ("31d", None),
        ("2w", Some(20_160)),
        ("1 week", Some(10_080)),
        ("1 month", Some(43_200)),
        ("5 weeks", None),
        ("0m", None),
        ("2", None),
        ("h", None),
        ("-1h", None),
        ("2h 30m", None),
        ("99999999999h", None),
        ("4294967295d", None),
        ("for ever", None),
    ] {
        check_mute(arguments, minutes);
    }
}

proptest! {
    #[test]
    fn every_ssid_has_an_argument_that_is_read_as_its_bytes(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 1..=32),
            r#"[ -~“”„«»é👻\u{a0}\u{202e}]{1,16}"#.prop_map(String::into_bytes)
                .prop_filter("a text that fits", |bytes| bytes.len() <= 32),
        ]
    ) {
        let ssid = Ssid::new(&bytes);
        let argument = ssid_argument(&ssid);
        let watch = |reason: Option<&str>| Request::Watch {
            target: WatchTarget::Network(ssid.clone()),
            reason: reason.map(str::to_owned),
        };
        prop_assert_eq!(Request::parse(&format!("/watch {argument}")), watch(None));
        prop_assert_eq!(Request::parse(&format!("/watch {argument} it is mine")), watch(Some("it is mine")));
        let unwatch = Request::Unwatch(WatchTarget::Network(ssid.clone()));
        prop_assert_eq!(Request::parse(&format!("/unwatch {argument}")), unwatch);
        prop_assert_eq!(Request::parse(&format!("/ssid {argument}")), Request::Network(ssid));
        let copied = Button::copying("Copy", format!("/watch {argument}"));
        prop_assert!(copied.is_some());
    }
}

#[test]
fn an_ssid_is_quoted_only_where_needed() {
    for (ssid, argument) in [
        ("Depot", "Depot"),
        ("My network", r#""My network""#),
        ("Depot*", r#""Depot*""#),
        (r#"a "b" \c"#, r#""a \"b\" \\c""#),
        ("“x”", r#""\“x\”""#),
        (" x ", r#"" x ""#),
        ("hex:00", r#""hex:00""#),
        ("a\nb", "hex:610a62"),
        ("a\u{a0}b", "hex:61c2a062"),
        ("\u{202e}b", "hex:e280ae62"),
    ] {
        assert_eq!(ssid_argument(&Ssid::from(ssid)), argument);
    }
    assert_eq!(ssid_argument(&Ssid::new(&[0xff, 0xfe])), "hex:fffe");
}

#[test]
fn owners_invite_members_or_owners() {
    check("/invite", Request::Invite(Role::Member));
    check("/invite owner", Request::Invite(Role::Owner));
    check("/chats", Request::Chats);
}

#[test]
fn start_may_bring_a_code() {
    check("/start", Request::Start { code: None });
    check("/START@bot  0123 ", Request::Start { code: Some("0123".into()) });
    assert_eq!(request_of_stranger("/start 0123"), Some(Request::Start { code: Some("0123".into()) }));
    assert_eq!(request_of_stranger("/status"), None);
    assert_eq!(request_of_stranger("0123"), None);
}

#[test]
fn the_table_holds_each_command_once_with_a_help_line() {
    let names: BTreeSet<&str> = COMMANDS.iter().map(|command| command.name).collect();
    assert_eq!(names.len(), COMMANDS.len());
    for command in &COMMANDS {
        // Bot API, `BotCommand`.
        assert!((1..=32).contains(&command.name.len()), "{command:?}");
        assert!(command.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{command:?}");
        assert!((1..=256).contains(&command.help.chars().count()), "{command:?}");
        assert!(CommandGroup::ALL.contains(&command.group), "{command:?}");
        let for_owners = command.role == RequiredRole::Owner;
        assert_eq!(command.group == CommandGroup::Owners, for_owners, "{command:?}");
        assert_eq!(commands_for_role(false).any(|known| known == command), !for_owners, "{command:?}");
    }
    assert_eq!(commands_for_role(true).count(), COMMANDS.len());
}
