//! While Telegram is unreachable, alerts wait in order, limited by number and age; the rest is summarized in one
//! message. Afterwards each is delivered once, within Telegram's rate limits. Permanently refused alerts are dropped,
//! alerts follow a group to its supergroup, and a repeated update acts once.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use dot11::{MacAddr, RequestedSsid, Ssid};
use serde_json::json;
use store::event::{ChatId, Event, EventKind, Offset, Timestamp};
use store::recorder::RecorderSettings;
use store::state::{AlertPolicy, OUTBOX_LIMIT, State};

use crate::support::bot_api::{Call, Fault, Incoming, Outcome, SentMessage};
use crate::support::ndjson;
use crate::support::recorder::{Input, Running, events, fold, probe, settings};
use crate::support::testbed::{CHAT, GROUP, Mode, Testbed, is_alert, is_alert_call};
use crate::support::wait;

const SUPERGROUP: i64 = -100_200;
const STRANGER_GROUP: i64 = -666;

fn device(number: usize) -> String {
    format!("00:23:a7:00:{:02x}:{:02x}", number >> 8, number & 0xff)
}

/// The devices of the alerts, in the order in which the alerts were sent.
fn devices(alerts: &[SentMessage]) -> Vec<String> {
    let device =
        |alert: &SentMessage| alert.plain.split("MAC address ").nth(1).map(|rest| rest[..17].to_owned());
    alerts.iter().filter_map(device).collect()
}

#[test]
fn alerts_arrive_once_and_in_order_after_any_outage() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.ask("/watch Depot");
    let faults =
        [Fault::Hang, Fault::ServerError(500), Fault::Close, Fault::TooManyRequests { retry_after: 1 }];
    for fault in &faults {
        testbed.api.fail_next("sendMessage", 1, fault.clone());
    }
    for number in 0..8 {
        testbed.transmit(&device(number), "Depot");
    }
    // The bot's own timeout ends a request that gets no answer.
    let delayed = testbed.service.wait_for_log_event("alert_delayed", &[("chat", "1001")]);
    assert!(delayed.contains("there was no answer in time"), "{delayed}");
    testbed.wait_for_alert(1);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(devices(&testbed.alerts()), (0..8).map(device).collect::<Vec<_>>());
    let calls = testbed.api.calls();
    let failed = |call: &&Call| is_alert_call(call) && call.outcome != Outcome::Accepted;
    let seen: Vec<Outcome> = calls.iter().filter(failed).map(|call| call.outcome.clone()).collect();
    assert_eq!(seen, faults.map(Outcome::Faulted), "it did not hammer");
    testbed.api.assert_clean();
}

#[test]
fn no_redirect_is_followed_so_that_no_other_host_gets_the_token() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.ask("/watch Depot");
    let other_host = TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("http://{}/", other_host.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        testbed.api.fail_next("sendMessage", 1, Fault::Redirect { status, location: location.clone() });
        let seen = testbed.service.log_lines().len();
        testbed.transmit(&device(status.into()), "Depot");
        let delayed = testbed.service.wait_for_log_event_after(seen, "alert_delayed", &[("chat", "1001")]);
        assert!(delayed.contains(&format!("HTTP {status}")), "{delayed}");
        assert!(!delayed.contains(testbed.api.token()), "{delayed}");
        testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    }
    assert_eq!(testbed.alerts().len(), 5);
    other_host.set_nonblocking(true).unwrap();
    assert_eq!(other_host.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    testbed.api.assert_clean();
}

#[test]
fn an_endless_response_ends_at_eight_mebibytes() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.ask("/watch Depot");
    testbed.api.fail_next("sendMessage", 1, Fault::Endless);
    testbed.transmit(&device(0), "Depot");
    let delayed = testbed.service.wait_for_log_event("alert_delayed", &[("chat", "1001")]);
    assert!(delayed.contains("the server's answer is longer than 8 MiB"), "{delayed}");
    testbed.wait_for_alert(1);
    testbed.api.assert_clean();
}

#[test]
fn permanently_refused_alerts_are_dropped_with_a_warning() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.ask("/watch Depot");
    for (number, fault) in [Fault::Forbidden, Fault::BadRequest].into_iter().enumerate() {
        let seen = testbed.service.log_lines().len();
        testbed.api.fail_next("sendMessage", 1, fault);
        testbed.transmit(&device(number), "Depot");
        testbed.service.wait_for_log_event_after(seen, "alert_undeliverable", &[]);
        // The chat is back.
        testbed.ask("/help");
    }
    testbed.transmit(&device(2), "Depot");
    testbed.wait_for_alert(1);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(devices(&testbed.alerts()), [device(2)]);
    testbed.api.assert_clean();
}

/// Records alerts for the owner's chat, as a run does while Telegram is unreachable. Each probe has its age in seconds
/// and its network, and comes from a different device.
fn record_alerts(data_dir: &Path, probes: &[(i64, &str)]) {
    let alerts = AlertPolicy {
        chats: vec![ChatId(CHAT)],
        cooldown: Duration::ZERO,
        max_age: Duration::MAX,
        capturing_since: None,
        quiet_hours: None,
    };
    let running = Running::start(RecorderSettings { alerts, ..settings(data_dir) });
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
fn after_a_day_newer_alerts_arrive_in_order_and_the_rest_as_one_summary() {
    const HOUR: i64 = 3600;
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let old = (0..12).map(|number| (30 * HOUR - number * 10, if number < 6 { "Attic" } else { "Cellar" }));
    let newer = (0..24).map(|number| (2 * HOUR - number * 10, "Depot"));
    record_alerts(&data_dir, &old.chain(newer).collect::<Vec<_>>());
    let before = events(&data_dir).len();

    let set = |value: &Path| format!("{:?}", value.to_str().unwrap());
    let Some(mut testbed) =
        Testbed::start(Mode::Webhook, |config| config.set("", "data_dir", &set(&data_dir)))
    else {
        return;
    };
    let summary = testbed.api.wait_for_message(|message| message.plain.starts_with("📣 … and "));
    assert!(summary.plain.starts_with("📣 … and 12 more alerts, for 2 networks: "), "{}", summary.plain);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    let alerts = testbed.alerts();
    assert_eq!(alerts.len(), 24 + 1);
    assert_eq!(alerts.last().unwrap().plain, summary.plain, "it is sent after the others");
    assert_eq!(devices(&alerts), (12..36).map(device).collect::<Vec<_>>());
    // A burst of twenty, then one per second.
    let took = alerts[24].at - alerts[0].at;
    assert!(took >= Duration::from_millis(4_500), "{took:?}");
    assert!(testbed.service.terminate().success());
    let logged = events(&data_dir);
    let count = |is: fn(&Event) -> bool| logged[before..].iter().filter(|(_, event)| is(event)).count();
    assert_eq!(count(|event| matches!(event.kind, EventKind::AlertExpired { .. })), 12);
    assert_eq!(count(|event| matches!(event.kind, EventKind::Delivered { .. })), 24);
    assert_eq!(count(|event| matches!(event.kind, EventKind::OverflowReported { count: 12, .. })), 1);
    testbed.api.assert_clean();
}

#[test]
fn alerts_beyond_the_outbox_are_summarized() {
    let folder = tempfile::tempdir().unwrap();
    let more = 312;
    // Ten per minute, which is below the limit per minute.
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
    let text = probewatch::chat::views::alerts::overflow(
        overflow,
        &[],
        None,
        (Timestamp::now(), chrono_tz::Tz::UTC),
    )
    .to_string();
    assert!(text.contains("and 312 more alerts, for 14 networks"), "{text}");
}

/// Checks that the group's alerts and replies go to its new ID, and that messages from there are answered.
fn assert_moved(testbed: &mut Testbed, number: usize) {
    testbed.transmit(&device(number), "Depot");
    let wanted = device(number);
    testbed.api.wait_for_message(|m| m.chat_id == SUPERGROUP && m.plain.contains(&wanted));
    let seen = testbed.api.sent().len();
    testbed.say(SUPERGROUP, "/watches");
    let reply = testbed.api.wait_for_message_after(seen, |message| message.chat_id == SUPERGROUP);
    assert!(reply.plain.contains("Depot · for the group"), "{}", reply.plain);
}

/// Waits until the log has so many deliveries: after a kill, an alert whose delivery it lacks goes out again.
fn wait_until_logged_as_delivered(testbed: &Testbed, count: usize) {
    let events = testbed.service.data_dir().join("events");
    wait::wait_until("the deliveries to be in the log", || {
        let delivered =
            ndjson::events_so_far(&events).iter().filter(|event| event["type"] == "delivered").count();
        (delivered >= count).then_some(())
    });
}

#[test]
fn alerts_follow_a_group_to_its_supergroup() {
    let Some(mut testbed) = Testbed::start_with_group() else { return };
    // Telegram reports the migration in its answer to an alert.
    testbed.api.fail_next("sendMessage", 1, Fault::MigratedTo(SUPERGROUP));
    testbed.transmit(&device(0), "Depot");
    testbed.wait_for_alert(1);
    assert_moved(&mut testbed, 1);
    wait_until_logged_as_delivered(&testbed, 2);
    testbed.kill_and_restart();
    assert_moved(&mut testbed, 2);
    wait_until_logged_as_delivered(&testbed, 3);
    // The state that is rebuilt from the log has the migration too.
    testbed.service.kill();
    std::fs::remove_dir_all(testbed.service.data_dir().join("state")).unwrap();
    testbed.kill_and_restart();
    assert_moved(&mut testbed, 3);
    assert!(testbed.alerts().iter().all(|alert| alert.chat_id == SUPERGROUP));
    assert_eq!(
        devices(&testbed.alerts()),
        (0..4).map(device).collect::<Vec<_>>(),
        "each alert went out once"
    );
    // The migration gives no access to other chats.
    let sent = testbed.api.sent().len();
    testbed.say(STRANGER_GROUP, "/watches");
    testbed.say(STRANGER_GROUP - 1, "/watches");
    testbed.ask("/help");
    assert_eq!(testbed.api.sent().len(), sent + 1);
    testbed.api.assert_clean();
}

#[test]
fn a_migration_is_learned_from_errors_and_service_messages() {
    let say = |testbed: &Testbed, chat: i64, fields: serde_json::Value| {
        let incoming = Incoming::other(chat, fields);
        assert_eq!(testbed.api.post(testbed.service.listen_address(), incoming), 200);
    };
    let learn: [&dyn Fn(&Testbed); 3] = [
        &|testbed| {
            testbed.api.fail_next("sendMessage", 1, Fault::MigratedTo(SUPERGROUP));
            testbed.say(GROUP, "/help");
            testbed.api.wait_for_message(|message| message.chat_id == SUPERGROUP);
        },
        &|testbed| say(testbed, GROUP, json!({"migrate_to_chat_id": SUPERGROUP})),
        &|testbed| say(testbed, SUPERGROUP, json!({"migrate_from_chat_id": GROUP})),
    ];
    for learn in learn {
        let Some(mut testbed) = Testbed::start_with_group() else { return };
        // A message from a stranger's group does not move our group.
        say(&testbed, STRANGER_GROUP, json!({"migrate_to_chat_id": STRANGER_GROUP - 1}));
        learn(&testbed);
        assert_moved(&mut testbed, 0);
        assert!(testbed.service.terminate().success());
        let migrations = events(&testbed.service.data_dir());
        let migrations: Vec<_> = migrations
            .iter()
            .filter_map(|(_, event)| match &event.kind {
                EventKind::ChatMigrated { from, to } => Some((*from, *to)),
                _ => None,
            })
            .collect();
        assert_eq!(migrations, [(ChatId(GROUP), ChatId(SUPERGROUP))]);
        testbed.api.assert_clean();
    }
}

#[test]
fn merged_chats_keep_the_settings_of_both() {
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
    let policy = AlertPolicy {
        chats: vec![from, to],
        cooldown,
        max_age: Duration::MAX,
        capturing_since: None,
        quiet_hours: None,
    };
    let decided_probe = |state: &State, number: usize, ssid: &str, second: i64| {
        let ssid = RequestedSsid::Named(Ssid::from(ssid));
        let mut probe = probe(device(number).parse().unwrap(), ssid, second * 1_000_000);
        probe.alerts = state.decide_alerts(&probe, &policy);
        probe
    };
    for (number, ssid) in [(0, "From"), (1, "To"), (2, "Both"), (3, "From")] {
        let probe = decided_probe(&state, number, ssid, number as i64);
        fold_in(&mut state, Event::from(probe));
    }
    // One of the alerts is only counted in a summary.
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
    // The cool-down continues, and the merged chat gets one alert.
    use store::event::AlertDecision::{Raise, Suppress};
    assert!(matches!(decided_probe(&state, 0, "From", 10).alerts[..], [Suppress { chat }] if chat == to));
    assert!(matches!(decided_probe(&state, 9, "From", 10).alerts[..], [Raise { chat, .. }] if chat == to));
    // Alerts that were waiting during the migration are delivered under the new ID.
    fold_in(
        &mut state,
        Event::new(time, EventKind::Delivered { probe: Offset(4), chat: from, message: None }),
    );
    assert_eq!(state.alerts().waiting_for(to).count(), 2);
}

#[test]
fn a_repeated_update_acts_once_by_webhook() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    // The reply hangs, so the kill comes between the change and the acknowledgement.
    testbed.api.fail_next("sendMessage", 1, Fault::Hang);
    let update = testbed.api.update(Incoming::text(CHAT, "/watch Depot once"));
    let (address, body) = (testbed.service.listen_address(), update.to_string());
    let webhook = testbed.api.webhook();
    let post = std::thread::spawn(move || {
        let secret = webhook.secret_token.clone().unwrap();
        let headers = [("x-telegram-bot-api-secret-token", secret.as_str())];
        crate::support::http::request(address, "POST", webhook.path(), &headers, body.as_bytes()).is_ok()
    });
    testbed.api.wait_for_call("sendMessage", |_| true);
    testbed.service.kill();
    assert!(!wait::join(post, "the end of a post"), "it was not acknowledged");
    testbed.api.clear_faults();
    testbed.service.restart();
    testbed.wait_until_ready(2);
    // The owner removes the watch before Telegram delivers the update again.
    testbed.ask("/unwatch Depot");
    testbed.kill_and_restart();
    let sent = testbed.api.sent().len();
    assert_eq!(testbed.api.post_update(testbed.service.listen_address(), &update), 200);
    assert!(testbed.ask("/watches").plain.contains("No network is watched"));
    assert_eq!(testbed.api.sent().len(), sent + 1, "there is no second reply");
    assert_acted_once(&mut testbed);
}

#[test]
fn a_repeated_update_acts_once_by_polling() {
    let Some(mut testbed) = Testbed::start(Mode::Polling, |config| config) else { return };
    testbed.api.fail_next("sendMessage", 1, Fault::Hang);
    testbed.say(CHAT, "/watch Depot once");
    testbed.api.wait_for_call("sendMessage", |_| true);
    testbed.service.kill();
    testbed.api.clear_faults();
    testbed.service.restart();
    testbed.wait_until_ready(1);
    testbed.api.wait_until_confirmed();
    assert_eq!(testbed.api.sent().len(), 0, "there is no second reply");
    assert!(testbed.ask("/watches").plain.contains("Depot · once"));
    assert_acted_once(&mut testbed);
}

/// Checks that the log contains the watch once.
fn assert_acted_once(testbed: &mut Testbed) {
    assert!(testbed.service.terminate().success());
    let events = events(&testbed.service.data_dir());
    assert_eq!(events.iter().filter(|(_, event)| matches!(event.kind, EventKind::Watch { .. })).count(), 1);
    testbed.api.assert_clean();
}

#[test]
fn a_reply_does_not_wait_behind_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let probes: Vec<(i64, &str)> = (0..60).map(|number| (3600 - number * 10, "Depot")).collect();
    record_alerts(&data_dir, &probes);
    let set = format!("{:?}", data_dir.to_str().unwrap());
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| config.set("", "data_dir", &set)) else {
        return;
    };
    testbed.wait_for_alert(1);
    for _ in 0..5 {
        assert!(testbed.ask("/status").plain.contains("Alerts waiting for Telegram: "));
    }
    assert!(testbed.alerts().len() < 60, "the alerts take their time, the replies did not wait for it");
    assert!(testbed.alerts().iter().all(is_alert));
    testbed.api.assert_clean();
}
