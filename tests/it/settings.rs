//! A chat chooses its settings with buttons and commands, at once and for good; what the configuration sets takes
//! precedence. In a group the rights are those of other settings of a group.

use chrono::{TimeDelta, Utc};
use probewatch::text::MESSAGE_LIMIT;

use crate::commands::{Data, stdout};
use crate::support::bot_api::{Incoming, SentMessage};
use crate::support::service::{Config, toml_string};
use crate::support::testbed::{CHAT, Mode, Testbed};

const MEMBER: i64 = 2002;
const GROUP: i64 = -100_300;
const ANN: i64 = 9001;
const BOB: i64 = 9002;
const VAN: &str = "00:23:a7:19:5c:02";

/// A configuration that sets nothing of what chats choose, on a machine in UTC.
fn unset(config: Config) -> Config {
    config
        .chats(&[CHAT, MEMBER, GROUP])
        .set("telegram", "owners", &format!("[{CHAT}]"))
        .cooldown_seconds(0)
        .unset("", "time_zone")
        .unset("alerts", "gather_seconds")
        .env("TZ", "UTC")
}

/// Hours around this moment, as `22:30-07:00`, in UTC.
fn hours_now(from: i64, to: i64) -> String {
    let clock = |hours: i64| (Utc::now() + TimeDelta::hours(hours)).format("%H:%M").to_string();
    format!("{}-{}", clock(from), clock(to))
}

/// The text without times of day in brackets, which pass.
fn without_clock(text: &str) -> String {
    regex::Regex::new(r" \(\d\d:\d\d\)").unwrap().replace_all(text, "").into_owned()
}

fn press(testbed: &Testbed, message: &SentMessage, label: &str) -> SentMessage {
    testbed.bring_and_wait(message.chat_id, Incoming::press(message, message.button(label)))
}

fn in_group(testbed: &Testbed, user: i64, text: &str) -> SentMessage {
    let name = if user == ANN { "Ann" } else { "Bob" };
    testbed.bring_and_wait(GROUP, Incoming::text(GROUP, text).by_user(user, name))
}

#[test]
fn buttons_set_what_a_chat_chooses() {
    for mode in [Mode::Webhook, Mode::Polling] {
        let Some(mut testbed) = Testbed::start(mode, unset) else { return };
        let all = testbed.ask("/settings");
        for line in [
            "Quiet hours: none (default)",
            "Gathering of alerts: 1 minute (default)",
            "Doorbell: off",
            "from the environment, TZ=UTC",
        ] {
            assert!(all.plain.contains(line), "{line}: {}", all.plain);
        }
        let page = press(&testbed, &all, "Quiet hours");
        assert_eq!((page.method.as_str(), page.message_id), ("editMessageText", all.message_id));
        let page = press(&testbed, &page, "22:00–07:00");
        assert!(page.plain.contains("Quiet hours: 22:00–07:00."), "{}", page.plain);
        let page = press(&testbed, &page, "from 21:30");
        let page = press(&testbed, &page, "to 07:30");
        assert!(page.plain.contains("Quiet hours: 21:30–07:30."), "{}", page.plain);
        let page = press(&testbed, &press(&testbed, &page, "« Settings"), "Gathering");
        let page = press(&testbed, &page, "5 min");
        assert!(page.plain.contains(": 5 minutes."), "{}", page.plain);
        let page = press(&testbed, &press(&testbed, &page, "« Settings"), "Doorbell");
        let page = press(&testbed, &page, "In quiet hours");
        assert!(page.plain.contains(": on, during quiet hours."), "{}", page.plain);
        let page = press(&testbed, &press(&testbed, &page, "« Settings"), "Time zone");
        let question = press(&testbed, &page, "Another");
        assert_eq!(question.raw["reply_markup"]["force_reply"], true);
        // A misspelt name has suggestions.
        let similar = testbed.bring_and_wait(CHAT, Incoming::reply(&question, "Asia/Tokio"));
        assert!(similar.plain.starts_with("❌"), "{}", similar.plain);
        let chosen = press(&testbed, &similar, "Asia/Tokyo");
        assert!(chosen.plain.contains("Time zone: Asia/Tokyo ("), "{}", chosen.plain);
        // All of it outlives kill -9.
        if mode == Mode::Polling {
            testbed.api.wait_until_confirmed();
        }
        testbed.kill_and_restart();
        let all = testbed.ask("/settings").plain;
        for line in [
            "Quiet hours: 21:30–07:30\n",
            "Gathering of alerts: 5 minutes\n",
            "Doorbell: on, during quiet hours",
            "Time zone: Asia/Tokyo (",
        ] {
            assert!(all.contains(line), "{line}: {all}");
        }
        assert!(testbed.ask("/mute 1h").plain.contains(" JST"), "texts have the chosen zone");
        assert!(testbed.ask("/status").plain.contains("Time zone: Asia/Tokyo, chosen with /settings"));
        // Another chat has its own.
        let other = testbed.bring_and_wait(MEMBER, Incoming::text(MEMBER, "/settings")).plain;
        assert!(other.contains("Quiet hours: none (default)") && other.contains("UTC ("), "{other}");
        testbed.api.assert_clean();
    }
}

#[test]
fn the_choices_survive_a_rebuild_of_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let set = toml_string(data_dir.to_str().unwrap());
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| unset(config).set("", "data_dir", &set))
    else {
        return;
    };
    testbed.ask("/settings quiet 22:30-07:00");
    testbed.ask("/settings gather off");
    testbed.ask("/settings zone new york");
    let before = without_clock(&testbed.ask("/settings").plain);
    assert!(before.contains("America/New_York"), "{before}");
    testbed.kill_and_restart_after(|| std::fs::remove_dir_all(data_dir.join("state")).unwrap());
    assert_eq!(without_clock(&testbed.ask("/settings").plain), before);
    testbed.api.assert_clean();
}

#[test]
fn chosen_quiet_hours_hold_alerts_back_and_end_at_once() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, unset) else { return };
    // In Tokyo it is nine hours later: these hours are quiet there and not in UTC.
    testbed.ask("/settings zone Tokyo");
    testbed.ask("/watch Depot");
    testbed.bring_and_wait(MEMBER, Incoming::text(MEMBER, "/watch Depot"));
    let quiet = testbed.ask(&format!("/settings quiet {}", hours_now(7, 11)));
    assert!(quiet.plain.starts_with("🌙 Quiet hours: "), "{}", quiet.plain);
    testbed.transmit(VAN, "Depot");
    // The other chat has no quiet hours.
    assert_eq!(testbed.wait_for_alert(1).chat_id, MEMBER);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 1");
    assert_eq!(testbed.alerts().len(), 1);
    testbed.kill_and_restart();
    testbed.ask_until("/status", "Alerts waiting for Telegram: 1");
    // When they end, the alert is sent at once, with the time of the chat's zone.
    testbed.ask("/settings quiet off");
    let alert = testbed.wait_for_alert(2);
    assert_eq!(alert.chat_id, CHAT);
    assert!(alert.plain.contains(" JST"), "{}", alert.plain);
    testbed.api.assert_clean();
}

#[test]
fn gathering_ends_at_once() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, unset) else { return };
    testbed.ask("/watch Depot*");
    testbed.ask("/settings gather 1h");
    for number in 1..=3 {
        testbed.transmit(VAN, &format!("Depot {number}"));
        testbed.wait_for_alert(number);
    }
    testbed.transmit(VAN, "Depot 4");
    testbed.ask_until("/status", "Alerts waiting for Telegram: 1");
    assert_eq!(testbed.alerts().len(), 3);
    testbed.ask("/settings gather off");
    assert!(testbed.wait_for_alert(4).plain.contains("Depot 4"));
    testbed.api.assert_clean();
}

#[test]
fn the_configuration_takes_precedence() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, unset) else { return };
    testbed.ask("/watch Depot");
    let quiet = format!("/settings quiet {}", hours_now(-2, 2));
    testbed.ask(&quiet);
    let page = press(&testbed, &testbed.ask("/settings"), "Quiet hours");
    let old = page.button("23:00–07:00");
    testbed.transmit(VAN, "Depot");
    testbed.ask_until("/status", "Alerts waiting for Telegram: 1");
    // Now the file and the environment set what the chats chose.
    testbed.service.kill();
    let hours = hours_now(5, 6);
    testbed.service.restart_with(|config| {
        config
            .set("alerts", "quiet", &toml_string(&hours))
            .env("PROBEWATCH__ALERTS__GATHER_SECONDS", "30")
            .set("", "time_zone", &toml_string("Europe/Berlin"))
    });
    testbed.wait_until_ready(2);
    testbed.wait_for_alert(1);
    let all = testbed.ask("/settings");
    let shown_hours = hours.replace('-', "–");
    assert!(all.plain.contains(&format!("Quiet hours: {shown_hours}, set in /")), "{}", all.plain);
    assert!(all.plain.contains("config.toml, line "), "{}", all.plain);
    assert!(
        all.plain.contains("30 seconds, set in the environment variable PROBEWATCH__ALERTS__GATHER_SECONDS"),
        "{}",
        all.plain
    );
    // A member does not see where.
    let of_member = testbed.bring_and_wait(MEMBER, Incoming::text(MEMBER, "/settings"));
    assert!(of_member.plain.contains(", set in the configuration\n"), "{}", of_member.plain);
    assert!(!of_member.plain.contains("config.toml"), "{}", of_member.plain);
    for label in ["Quiet hours", "Gathering", "Time zone"] {
        let page = press(&testbed, &all, label);
        assert!(page.plain.contains("takes precedence"), "{label}: {}", page.plain);
        let labels: Vec<String> = page.buttons().into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["« Settings"], "{label}");
    }
    // Neither old buttons nor commands change anything.
    let refused = testbed.bring_and_wait(CHAT, Incoming::press(&page, old));
    assert!(refused.plain.starts_with("🔒 The quiet hours are set in "), "{}", refused.plain);
    for command in [quiet.as_str(), "/settings gather off", "/settings zone Tokyo"] {
        let refused = testbed.ask(command).plain;
        assert!(refused.starts_with("🔒 ") && refused.contains("takes precedence"), "{command}: {refused}");
    }
    assert_eq!(testbed.ask("/settings").plain.lines().nth(1), all.plain.lines().nth(1));
    testbed.api.assert_clean();
}

#[test]
fn in_a_group_who_gets_alerts_is_protected_and_the_reply_says_who_it_was() {
    let Some(testbed) = Testbed::start(Mode::Webhook, unset) else { return };
    const REFUSED: &str = "❌ Only admins of this group and the bot's owners can do that";
    let done = in_group(&testbed, BOB, "/settings quiet 22-7").plain;
    assert!(done.contains("22:00–07:00, set by Bob.") && done.ends_with("\nBy Bob"), "{done}");
    // What Bob set, only Bob and the admins change; and once Ann gets alerts, only admins delay them.
    for command in ["/settings quiet off", "/settings quiet 1-2"] {
        assert!(in_group(&testbed, ANN, command).plain.starts_with(REFUSED), "{command}");
    }
    assert!(in_group(&testbed, ANN, "/settings zone Tokyo").plain.ends_with("\nBy Ann"));
    assert!(in_group(&testbed, BOB, "/settings zone Berlin").plain.starts_with(REFUSED));
    in_group(&testbed, ANN, "/watch Depot");
    // Another zone moves the quiet hours.
    assert!(in_group(&testbed, BOB, "/settings zone Lima").plain.starts_with(REFUSED));
    let page = in_group(&testbed, BOB, "/settings gather");
    let by = |user, name: &str, label: &str| {
        let press = Incoming::press(&page, page.button(label)).by_user(user, name);
        testbed.bring_and_wait(GROUP, press)
    };
    assert!(by(BOB, "Bob", "5 min").plain.starts_with(REFUSED));
    testbed.api.make_admin(GROUP, BOB);
    // An answer of Telegram about admins holds for a minute, so an owner does it here.
    let done = by(CHAT, "Olga", "5 min");
    assert_eq!(done.method, "editMessageText");
    assert!(
        done.plain.contains(": 5 minutes, set by Olga.") && done.plain.ends_with("\nBy Olga"),
        "{}",
        done.plain
    );
    testbed.api.assert_clean();
}

#[test]
fn the_terminal_chooses_for_all_chats_that_choose_nothing() {
    let data = Data::street();
    let said = |input: &str| stdout(&data.run(&["chat"], input));
    let lines = "/settings quiet 22-7\n/settings gather 5m\n/settings zone Tokyo\n/settings\n/settings quiet\n/settings x\n";
    let said_first = without_clock(&said(lines));
    insta::assert_snapshot!(said_first.replace(data.path("").trim_end_matches('/'), "FOLDER"));
    // The choices are kept.
    assert!(said("/settings\n").contains("Quiet hours: 22:00–07:00\n"));
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| {
        unset(config).set("", "data_dir", &toml_string(&data.path("data")))
    }) else {
        return;
    };
    let all = testbed.ask("/settings").plain;
    assert!(all.contains("Quiet hours: 22:00–07:00, set at the terminal for all chats\n"), "{all}");
    testbed.ask("/settings quiet off");
    assert!(testbed.ask("/settings").plain.contains("Quiet hours: none\n"));
    let other = testbed.bring_and_wait(MEMBER, Incoming::text(MEMBER, "/settings")).plain;
    assert!(other.contains("Quiet hours: 22:00–07:00, set at the terminal for all chats\n"), "{other}");
    testbed.api.assert_clean();
}

#[test]
fn hostile_values_change_nothing() {
    let Some(testbed) = Testbed::start(Mode::Webhook, unset) else { return };
    let before = testbed.ask("/settings").plain;
    let lines = |text: &str| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    let long = "x".repeat(4000);
    for value in ["<b>Berlin</b>", "\u{202e}nilreB", "../../etc/passwd", "Europe/Berlin; UTC", &long] {
        let reply = testbed.ask(&format!("/settings zone {value}"));
        assert!(reply.plain.starts_with("❌ I know no time zone “"), "{}", reply.plain);
        assert!(reply.plain.encode_utf16().count() <= MESSAGE_LIMIT);
    }
    let message = testbed.ask("/settings");
    for data in
        ["set:quiet:9999-0000", "set:gather:4000000000", "set:zone:Nowhere", "first:zone:", "settings:x"]
    {
        testbed.bring(Incoming::press(&message, data));
    }
    assert_eq!(lines(&testbed.ask("/settings").plain), lines(&before));
    testbed.api.assert_clean();
}
