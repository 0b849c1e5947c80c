//! Promise: while Telegram is away, alerts wait in order, bounded by number and age, with the rest summed
//! up in one message; when it is back, each arrives once, within Telegram's limits. What it refuses for
//! good is taken out, a group is followed to its supergroup, and an update that comes twice acts once.

use std::path::Path;
use std::time::Duration;

use probewatch::dot11::{MacAddr, RequestedSsid, Ssid};
use probewatch::event::{ChatId, Event, EventKind, Offset, Timestamp};
use probewatch::recorder::Settings;
use probewatch::state::{AlertPolicy, OUTBOX_LIMIT, State};
use serde_json::json;

use crate::support::bot_api::{Call, Fault, Incoming, Outcome, SentMessage};
use crate::support::home::{CHAT, Home, Mode, is_alert};
use crate::support::recorder::{Input, Running, events, fold, probe, settings};
use crate::support::wait;

const GROUP: i64 = -200;
const SUPERGROUP: i64 = -100_200;
const STRANGER_GROUP: i64 = -666;

fn device(number: usize) -> String {
    format!("00:23:a7:00:{:02x}:{:02x}", number >> 8, number & 0xff)
}

/// The devices that the alerts are about, in the order in which they were sent.
fn devices(alerts: &[SentMessage]) -> Vec<String> {
    let device =
        |alert: &SentMessage| alert.plain.split("MAC address ").nth(1).map(|rest| rest[..17].to_owned());
    alerts.iter().filter_map(device).collect()
}

fn is_an_alert(call: &Call) -> bool {
    let text = call.params.get("text").and_then(serde_json::Value::as_str);
    text.is_some_and(|text| text.starts_with('📣'))
}

#[test]
fn alerts_arrive_in_order_and_once_after_every_way_of_being_away() {
    let Some(mut home) = Home::start(Mode::Webhook, |config| config) else { return };
    home.ask("/watch Depot");
    let faults =
        [Fault::Hang, Fault::ServerError(500), Fault::Close, Fault::TooManyRequests { retry_after: 1 }];
    for fault in &faults {
        home.api.fail_next("sendMessage", 1, fault.clone());
    }
    for number in 0..8 {
        home.transmit(&device(number), "Depot");
    }
    // The bot itself gives up on a server that says nothing.
    home.service.wait_for_line("there was no answer in time");
    home.wait_for_alert(1);
    home.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(devices(&home.alerts()), (0..8).map(device).collect::<Vec<_>>());
    let calls = home.api.calls();
    let failed = |call: &&Call| is_an_alert(call) && call.outcome != Outcome::Accepted;
    let seen: Vec<Outcome> = calls.iter().filter(failed).map(|call| call.outcome.clone()).collect();
    assert_eq!(seen, faults.map(Outcome::Faulted), "it did not hammer");
    home.api.assert_clean();
}

#[test]
fn what_telegram_refuses_for_good_is_taken_out_with_a_warning() {
    let Some(mut home) = Home::start(Mode::Webhook, |config| config) else { return };
    home.ask("/watch Depot");
    for (number, fault) in [Fault::Forbidden, Fault::BadRequest].into_iter().enumerate() {
        let seen = home.service.log_lines().len();
        home.api.fail_next("sendMessage", 1, fault);
        home.transmit(&device(number), "Depot");
        home.service.wait_for_log_event_after(seen, "alert_undeliverable", &[]);
    }
    home.transmit(&device(2), "Depot");
    home.wait_for_alert(1);
    home.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(devices(&home.alerts()), [device(2)]);
    home.api.assert_clean();
}

/// Records alerts for the owner's chat of probes that were captured so many seconds ago, each of another
/// device, as a run does while Telegram is away.
fn record_alerts(data_dir: &Path, probes: &[(i64, &str)]) {
    let alerts = AlertPolicy {
        chats: vec![ChatId(CHAT)],
        cooldown: Duration::ZERO,
        max_age: Duration::MAX,
        capturing_since: None,
    };
    let running = Running::start(Settings { alerts, ..settings(data_dir) });
    let now = Timestamp::now().as_micros();
    let mut watched: Vec<&str> = probes.iter().map(|(_, ssid)| *ssid).collect();
    watched.dedup();
    for ssid in watched {
        let (time, chat) = (Timestamp::now(), ChatId(CHAT));
        running.record(&Input::Change(Event::new(
            time,
            EventKind::Watch { chat, ssid: Ssid::from(ssid), reason: None },
        )));
    }
    for (number, (seconds_ago, ssid)) in probes.iter().enumerate() {
        let source: MacAddr = device(number).parse().unwrap();
        let ssid = RequestedSsid::Named(Ssid::from(*ssid));
        running.record(&Input::Probe(probe(source, ssid, now - seconds_ago * 1_000_000)));
    }
    running.sync();
    running.stop();
}

#[test]
fn after_a_day_away_the_newer_alerts_come_in_order_and_the_rest_as_one_message() {
    const HOUR: i64 = 3600;
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let old = (0..12).map(|number| (30 * HOUR - number * 10, if number < 6 { "Attic" } else { "Cellar" }));
    let newer = (0..24).map(|number| (2 * HOUR - number * 10, "Depot"));
    record_alerts(&data_dir, &old.chain(newer).collect::<Vec<_>>());
    let before = events(&data_dir).len();

    let set = |value: &Path| format!("{:?}", value.to_str().unwrap());
    let Some(mut home) = Home::start(Mode::Webhook, |config| config.set("", "data_dir", &set(&data_dir)))
    else {
        return;
    };
    let told = home.api.wait_for_message(|message| message.plain.starts_with("📣 … and "));
    assert!(told.plain.starts_with("📣 … and 12 more, for 2 networks: "), "{}", told.plain);
    home.ask_until("/status", "Alerts waiting for Telegram: 0");
    let alerts = home.alerts();
    assert_eq!(alerts.len(), 24 + 1);
    assert_eq!(alerts.last().unwrap().plain, told.plain, "it stands behind the others");
    assert_eq!(devices(&alerts), (12..36).map(device).collect::<Vec<_>>());
    // A burst of twenty, then one a second.
    let took = alerts[24].at - alerts[0].at;
    assert!(took >= Duration::from_millis(4_500), "{took:?}");
    assert!(home.service.terminate().success());
    let logged = events(&data_dir);
    let count = |is: fn(&Event) -> bool| logged[before..].iter().filter(|(_, event)| is(event)).count();
    assert_eq!(count(|event| matches!(event.kind, EventKind::AlertExpired { .. })), 12);
    assert_eq!(count(|event| matches!(event.kind, EventKind::Delivered { .. })), 24);
    assert_eq!(count(|event| matches!(event.kind, EventKind::OverflowReported { count: 12, .. })), 1);
    home.api.assert_clean();
}

#[test]
fn alerts_beyond_the_outbox_are_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let more = 312;
    // Ten in a minute, which is no flood by itself.
    let names: Vec<String> = (0..OUTBOX_LIMIT + more).map(|number| format!("net {}", number % 14)).collect();
    let ago = |number: usize| (names.len() - number) as i64 * 6;
    let probes: Vec<(i64, &str)> =
        names.iter().enumerate().map(|(number, name)| (ago(number), name.as_str())).collect();
    record_alerts(folder.path(), &probes);
    let state = fold(&events(folder.path()));
    let alerts = state.alerts();
    assert_eq!(alerts.waiting_for(ChatId(CHAT)).count(), OUTBOX_LIMIT);
    let overflow = alerts.overflow(ChatId(CHAT)).unwrap();
    assert_eq!((overflow.count(), overflow.networks()), (more as u64, 14));
    let text = probewatch::chat::views::alerts::overflow(overflow).to_string();
    assert!(text.contains("and 312 more, for 14 networks"), "{text}");
}

/// A home that serves the owner and a group, in which "Depot" is watched.
fn home_with_group() -> Option<Home> {
    let home = Home::start(Mode::Webhook, |config| config.chats(&[CHAT, GROUP]).cooldown_seconds(0))?;
    home.say(GROUP, "/watch Depot for the group");
    home.api.wait_for_message(|message| message.chat_id == GROUP);
    Some(home)
}

/// The group's alerts and replies go to its new number, and messages from there are answered.
fn assert_moved(home: &mut Home, number: usize) {
    home.transmit(&device(number), "Depot");
    let wanted = device(number);
    home.api.wait_for_message(|m| m.chat_id == SUPERGROUP && m.plain.contains(&wanted));
    let seen = home.api.sent().len();
    home.say(SUPERGROUP, "/watches");
    let reply = home.api.wait_for_message_after(seen, |message| message.chat_id == SUPERGROUP);
    assert!(reply.plain.contains("Depot: for the group"), "{}", reply.plain);
}

#[test]
fn a_group_that_became_a_supergroup_is_followed() {
    let Some(mut home) = home_with_group() else { return };
    // Telegram tells it in its answer to an alert.
    home.api.fail_next("sendMessage", 1, Fault::MigratedTo(SUPERGROUP));
    home.transmit(&device(0), "Depot");
    home.wait_for_alert(1);
    assert_moved(&mut home, 1);
    home.kill_and_restart();
    assert_moved(&mut home, 2);
    // The state, made anew from the log, knows it too.
    home.service.kill();
    std::fs::remove_dir_all(home.service.data_dir().join("state")).unwrap();
    home.kill_and_restart();
    assert_moved(&mut home, 3);
    assert!(home.alerts().iter().all(|alert| alert.chat_id == SUPERGROUP));
    assert_eq!(devices(&home.alerts()), (0..4).map(device).collect::<Vec<_>>(), "each alert went out once");
    // Others are not let in by that.
    let sent = home.api.sent().len();
    home.say(STRANGER_GROUP, "/watches");
    home.say(STRANGER_GROUP - 1, "/watches");
    home.ask("/help");
    assert_eq!(home.api.sent().len(), sent + 1);
    home.api.assert_clean();
}

#[test]
fn a_migration_is_learnt_from_a_reply_and_from_either_chats_service_message() {
    let say = |home: &Home, chat: i64, fields: serde_json::Value| {
        let incoming = Incoming::other(chat, fields);
        assert_eq!(home.api.post(home.service.listen_address(), incoming), 200);
    };
    let learn: [&dyn Fn(&Home); 3] = [
        &|home| {
            home.api.fail_next("sendMessage", 1, Fault::MigratedTo(SUPERGROUP));
            home.say(GROUP, "/help");
            home.api.wait_for_message(|message| message.chat_id == SUPERGROUP);
        },
        &|home| say(home, GROUP, json!({"migrate_to_chat_id": SUPERGROUP})),
        &|home| say(home, SUPERGROUP, json!({"migrate_from_chat_id": GROUP})),
    ];
    for learn in learn {
        let Some(mut home) = home_with_group() else { return };
        // A stranger's group says nothing about ours.
        say(&home, STRANGER_GROUP, json!({"migrate_to_chat_id": STRANGER_GROUP - 1}));
        learn(&home);
        assert_moved(&mut home, 0);
        assert!(home.service.terminate().success());
        let migrations = events(&home.service.data_dir());
        let migrations: Vec<_> = migrations
            .iter()
            .filter_map(|(_, event)| match &event.kind {
                EventKind::ChatMigrated { from, to } => Some((*from, *to)),
                _ => None,
            })
            .collect();
        assert_eq!(migrations, [(ChatId(GROUP), ChatId(SUPERGROUP))]);
        home.api.assert_clean();
    }
}

#[test]
fn two_chats_that_become_one_keep_what_either_had() {
    let (from, to) = (ChatId(GROUP), ChatId(SUPERGROUP));
    let mut state = State::default();
    let mut offset = Offset::default();
    let mut fold_in = |state: &mut State, event: Event| {
        state.fold(offset, &event);
        offset = offset.next();
    };
    let time = Timestamp::from_micros(0);
    let watch = |chat, ssid: &str, reason: &str| {
        Event::new(time, EventKind::Watch { chat, ssid: Ssid::from(ssid), reason: Some(reason.to_owned()) })
    };
    for event in
        [watch(from, "Both", "old"), watch(to, "Both", "new"), watch(from, "From", "x"), watch(to, "To", "y")]
    {
        fold_in(&mut state, event);
    }
    let cooldown = Duration::from_secs(60);
    let policy =
        AlertPolicy { chats: vec![from, to], cooldown, max_age: Duration::MAX, capturing_since: None };
    let heard = |state: &State, number: usize, ssid: &str, second: i64| {
        let ssid = RequestedSsid::Named(Ssid::from(ssid));
        let mut probe = probe(device(number).parse().unwrap(), ssid, second * 1_000_000);
        probe.alerts = state.decide_alerts(&probe, &policy);
        probe
    };
    for (number, ssid) in [(0, "From"), (1, "To"), (2, "Both"), (3, "From")] {
        let probe = heard(&state, number, ssid, number as i64);
        fold_in(&mut state, Event::from(probe));
    }
    // One of the alerts is told as a number only.
    fold_in(&mut state, Event::new(time, EventKind::AlertExpired { probe: Offset(7), chat: from }));
    fold_in(&mut state, Event::new(time, EventKind::ChatMigrated { from, to }));

    let watches: Vec<_> = state.watches().iter().collect();
    assert!(watches.iter().all(|(_, chat, _)| *chat == to));
    assert_eq!(watches.len(), 3);
    assert_eq!(state.watches().get(&Ssid::from("Both"), to).unwrap().reason.as_deref(), Some("new"));
    assert_eq!(state.alerts().waiting_for(from).count(), 0);
    let waiting: Vec<u64> = state.alerts().waiting_for(to).map(|(offset, _)| offset.0).collect();
    assert_eq!(waiting, [4, 5, 6], "in order, and what both waited for once");
    assert_eq!(state.alerts().overflow(to).unwrap().count(), 1);
    assert!(state.alerts().overflow(from).is_none());
    // The cool-down goes on, and one chat is alerted once.
    use probewatch::event::AlertDecision::{Raise, Suppress};
    assert!(matches!(heard(&state, 0, "From", 10).alerts[..], [Suppress { chat }] if chat == to));
    assert!(matches!(heard(&state, 9, "From", 10).alerts[..], [Raise { chat, .. }] if chat == to));
    // What was on its way when the chat moved is settled under its new number.
    fold_in(&mut state, Event::new(time, EventKind::Delivered { probe: Offset(4), chat: from }));
    assert_eq!(state.alerts().waiting_for(to).count(), 2);
}

#[test]
fn an_update_that_comes_again_after_a_kill_acts_once_by_webhook() {
    let Some(mut home) = Home::start(Mode::Webhook, |config| config) else { return };
    // Killed between the change and the acknowledgement: the reply hangs.
    home.api.fail_next("sendMessage", 1, Fault::Hang);
    let update = home.api.update(Incoming::text(CHAT, "/watch Depot once"));
    let (address, body) = (home.service.listen_address(), update.to_string());
    let webhook = home.api.webhook();
    let post = std::thread::spawn(move || {
        let secret = webhook.secret_token.clone().unwrap();
        let headers = [("x-telegram-bot-api-secret-token", secret.as_str())];
        crate::support::http::request(address, "POST", webhook.path(), &headers, body.as_bytes()).is_ok()
    });
    home.api.wait_for_call("sendMessage", |_| true);
    home.service.kill();
    assert!(!wait::join(post, "the end of a post"), "it was not acknowledged");
    home.api.clear_faults();
    home.service.restart();
    home.wait_until_ready(2);
    // The owner has changed their mind by the time at which Telegram delivers it again.
    home.ask("/unwatch Depot");
    home.kill_and_restart();
    let sent = home.api.sent().len();
    assert_eq!(home.api.post_update(home.service.listen_address(), &update), 200);
    assert!(home.ask("/watches").plain.contains("No network is watched"));
    assert_eq!(home.api.sent().len(), sent + 1, "there is no second reply");
    assert_acted_once(&mut home);
}

#[test]
fn an_update_that_comes_again_after_a_kill_acts_once_by_polling() {
    let Some(mut home) = Home::start(Mode::Polling, |config| config) else { return };
    home.api.fail_next("sendMessage", 1, Fault::Hang);
    home.say(CHAT, "/watch Depot once");
    home.api.wait_for_call("sendMessage", |_| true);
    home.service.kill();
    home.api.clear_faults();
    home.service.restart();
    home.wait_until_ready(1);
    home.api.wait_until_confirmed();
    assert_eq!(home.api.sent().len(), 0, "there is no second reply");
    assert!(home.ask("/watches").plain.contains("Depot: once"));
    assert_acted_once(&mut home);
}

/// The log has the watch once.
fn assert_acted_once(home: &mut Home) {
    assert!(home.service.terminate().success());
    let events = events(&home.service.data_dir());
    assert_eq!(events.iter().filter(|(_, event)| matches!(event.kind, EventKind::Watch { .. })).count(), 1);
    home.api.assert_clean();
}

#[test]
fn a_reply_does_not_wait_behind_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let probes: Vec<(i64, &str)> = (0..60).map(|number| (3600 - number * 10, "Depot")).collect();
    record_alerts(&data_dir, &probes);
    let set = format!("{:?}", data_dir.to_str().unwrap());
    let Some(home) = Home::start(Mode::Webhook, |config| config.set("", "data_dir", &set)) else { return };
    home.wait_for_alert(1);
    for _ in 0..5 {
        assert!(home.ask("/status").plain.contains("Alerts waiting for Telegram: "));
    }
    assert!(home.alerts().len() < 60, "the alerts take their time, the replies did not wait for it");
    assert!(home.alerts().iter().all(is_alert));
    home.api.assert_clean();
}
