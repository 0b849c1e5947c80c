//! A day with the bot, from the first start.

use serde_json::{Value, json};

use super::code_in;
use super::scenario::{Connection, DAY, Frame, HOUR, MINUTE, Person, Scenario};
use crate::support::bot_api::{Fault, Incoming};
use crate::support::frames::{Fcs, ProbeRequestFrame};
use crate::support::service::{Config, log_field};
use crate::support::tap_radio::TapRadio;
use crate::support::transcript::Scene;

const FAMILY: (i64, &str) = (-100_300, "Family");
const FAMILY_LATER: (i64, &str) = (-100_301, "Family");
const ANN: Person = Person::new("Ann", 1001);
const ANN_IN_FAMILY: Person = ANN.among(FAMILY);
const BOB: Person = Person::new("Bob", 2002);
const BOB_IN_FAMILY: Person = BOB.among(FAMILY);
const MALLORY: Person = Person::new("Mallory", 666);
const CHATS: [(i64, &str); 5] = [(1001, "Ann"), (2002, "Bob"), FAMILY, FAMILY_LATER, (666, "Mallory")];

const ALICE: &str = "a4:83:e7:4e:39:15";
const ALICE_AT_RANDOM: &str = "da:a1:19:00:00:0a";
const VAN: &str = "00:23:a7:19:5c:02";
const OTHER_VAN: &str = "00:23:a7:19:5c:03";
const RANDOM: &str = "da:a1:19:00:00:01";
const UNKNOWN_VENDOR: &str = "ec:ff:ff:19:5c:02";
const BOBS_PHONE: &str = "3c:22:fb:00:00:01";
const BOBS_TABLET: &str = "3c:22:fb:00:00:02";
const CHATTERBOX: &str = "00:23:a7:00:01:01";
const EVE: &str = "00:23:a7:66:66:66";

/// SSIDs that an attacker may choose.
const HOSTILE: [&[u8]; 6] = [
    b"<b>free</b> & \"wifi\"",
    b"two\nlines\r\n\x1b[31m",
    "\u{202e}moc.knab".as_bytes(),
    "🏴‍☠️🏴‍☠️🦜🦜".as_bytes(),
    b"\xff\xfe not UTF-8",
    b"=HYPERLINK(\"x\")",
];

pub fn a_day(connection: Connection) -> Vec<Scene> {
    let radio = TapRadio::unique("pwday").unwrap();
    let mut scenario = Scenario::open(
        connection,
        &CHATS,
        Some(radio),
        |_| {},
        |config: Config| {
            config.chats(&[]).set("alerts", "gather_seconds", "1").device(ALICE_AT_RANDOM, "Alice's phone")
        },
    );
    pairing(&mut scenario);
    before_the_first_frame(&mut scenario);
    lists_and_cards(&mut scenario);
    charts_and_exports(&mut scenario);
    names(&mut scenario);
    watching(&mut scenario);
    following(&mut scenario);
    muting_and_ignoring(&mut scenario);
    many_alerts_at_once(&mut scenario);
    unusual_messages(&mut scenario);
    usage_errors(&mut scenario);
    removing_chats(&mut scenario);
    a_failing_source(&mut scenario);
    scenario.end()
}

fn pairing(scenario: &mut Scenario) {
    scenario.scene("Pairing and invitations");
    scenario.note("the service starts without an owner");
    let line = scenario.service.wait_for_log_event("ownership_offered", &[]);
    let code = code_in(&line);
    scenario.note(&format!("its log has the link {}", log_field(&line, "link")));

    scenario.say(MALLORY, "hello?");
    scenario.act(MALLORY, " sends a photo", Incoming::other(MALLORY.id, photo(None)));
    scenario.say(MALLORY, "/start");
    scenario.say(MALLORY, "/start");
    scenario.say(MALLORY, "/start 0123456789abcdef");
    scenario.say(MALLORY, "/help");
    scenario.say(ANN_IN_FAMILY, &format!("/start@probewatch_test_bot {code}"));
    scenario.ask(ANN, &format!("/start {code}"));
    scenario.say(MALLORY, &format!("/start {code}"));
    scenario.ask(ANN, "/start");
    scenario.ask(ANN, "/help");

    let invitation = scenario.ask(ANN, "/invite");
    let code = code_in(&invitation.plain);
    scenario.ask(ANN_IN_FAMILY, &format!("/start@probewatch_test_bot {code}"));
    scenario.say(BOB, &format!("/start {code}"));
    scenario.ask(BOB_IN_FAMILY, "/invite");
    let invitation = scenario.ask(ANN, "/invite owner");
    scenario.ask(BOB, &format!("/start {}", code_in(&invitation.plain)));
    scenario.ask(ANN, "/invite Carol");
    let list = scenario.ask(ANN, "/chats");
    scenario.press(ANN, &list, "access:ask:2002");
    scenario.press(ANN, &list, "access:list");
    scenario.press(ANN, &list, "access:ask:2002");
    scenario.press(ANN, &list, "access:remove:2002");
    scenario.press(ANN, &list, "access:ask:1001");
    scenario.say(BOB, "/help");
    let invitation = scenario.ask(ANN, "/invite");
    scenario.ask(BOB, &format!("/start {}", code_in(&invitation.plain)));
    scenario.ask(BOB, "/help");
    scenario.ask(BOB, "/chats");
}

fn before_the_first_frame(scenario: &mut Scenario) {
    scenario.scene("Before the first frame");
    for text in
        ["/status", "/devices", "/nearby", "/nearby 1", "/top", "/networks", "/ssid Depot", "/watches", ALICE]
    {
        scenario.ask(ANN, text);
    }
    for text in ["Alicia", "nobody at all", "/chart Alicia", "/export networks", "/chart ssid Depot"] {
        scenario.ask(ANN, text);
    }
}

/// The frames of two days.
fn two_days_of_frames(scenario: &mut Scenario) -> Vec<Frame> {
    let mut frames = vec![
        scenario.probe(2 * DAY + 5 * HOUR, ALICE, "", -70),
        scenario.probe(26 * HOUR, ALICE, "Alice's home", -66),
        scenario.probe(3 * HOUR + 10 * MINUTE, ALICE, "RNM0", -48),
        scenario.probe(3 * HOUR + 9 * MINUTE, ALICE, "RNM0", -52),
        scenario.probe(3 * HOUR + 8 * MINUTE, ALICE_AT_RANDOM, "", -50),
        scenario.probe(3 * HOUR + 10 * MINUTE, VAN, "Depot", -61),
        scenario.frame(
            4 * HOUR + 10 * MINUTE,
            ProbeRequestFrame::new(OTHER_VAN).ssid("Depot 7").without_signal(),
        ),
        scenario.probe(26 * HOUR, RANDOM, "", -80),
        scenario.frame(30 * MINUTE, ProbeRequestFrame::new(UNKNOWN_VENDOR).without_ssid().signal(-77)),
        scenario.probe(5 * HOUR + 10 * MINUTE, BOBS_PHONE, "Bob's home", -71),
        scenario.probe(6 * HOUR + 10 * MINUTE, BOBS_TABLET, "Bob's home", -72),
    ];
    for second in 0..120 {
        frames.push(scenario.probe(20 * HOUR + 600 - second, CHATTERBOX, "", -83));
    }
    for neighbour in 1..=4_u8 {
        let source = format!("00:23:a7:00:02:{neighbour:02x}");
        let ago = 5 * MINUTE + u64::from(neighbour);
        frames.push(scenario.probe(ago, &source, "Neighbours", -60 - neighbour.cast_signed()));
    }
    for (number, ssid) in HOSTILE.into_iter().enumerate() {
        let frame = ProbeRequestFrame::new(EVE).ssid(ssid).signal(-40);
        frames.push(scenario.frame(4 * MINUTE - number as u64, frame));
    }
    let damaged = ProbeRequestFrame::new(VAN).ssid("Dep0t").fcs(Fcs::Bad).build();
    frames.push(scenario.noise(DAY, damaged));
    frames.push(scenario.noise(DAY, vec![0, 0, 40, 0, 1, 2, 3]));
    frames
}

fn lists_and_cards(scenario: &mut Scenario) {
    scenario.scene("Lists and cards");
    let frames = two_days_of_frames(scenario);
    scenario.receive("two days on the street", frames);
    scenario.ask(ANN, "/status");
    let list = scenario.ask(ANN, "/devices");
    scenario.press(ANN, &list, "devices:1");
    scenario.press(ANN, &list, "devices:0");
    scenario.press(ANN, &list, "card:");
    scenario.ask(ANN, "/devices 2");
    scenario.ask(ANN, "/nearby");
    scenario.ask(ANN, "/nearby 60");
    scenario.ask(ANN, "/top");
    let list = scenario.ask(ANN, "/networks");
    scenario.press(ANN, &list, "watch:");
    scenario.ask(ANN, "/networks");
    scenario.ask(ANN, "/unwatch Neighbours");
    let network = scenario.ask(ANN, "/ssid Neighbours");
    scenario.press(ANN, &network, "card:");
    scenario.ask(ANN, "/ssid \"Alice's home\"");
    for device in [ALICE, "ALICE", VAN, OTHER_VAN, RANDOM, UNKNOWN_VENDOR, EVE] {
        scenario.ask(ANN, device);
    }
}

fn charts_and_exports(scenario: &mut Scenario) {
    scenario.scene("Charts and exports");
    let card = scenario.ask(ANN, VAN);
    scenario.press(ANN, &card, "probes:");
    let chart = scenario.press(ANN, &card, "chart:").unwrap();
    scenario.press(ANN, &chart, ":7d");
    scenario.ask(ANN, "/chart alice 30d");
    scenario.ask(ANN, &format!("/chart {RANDOM}"));
    let network = scenario.ask(ANN, "/ssid Depot");
    scenario.press(ANN, &network, "charts:");
    scenario.ask(ANN, "/chart ssid Alice's home 7d");
    let card = scenario.ask(ANN, CHATTERBOX);
    let probes = scenario.press(ANN, &card, "probes:").unwrap();
    scenario.press(ANN, &probes, ":1");
    scenario.press(ANN, &probes, ":0");
    let card = scenario.ask(ANN, EVE);
    scenario.press(ANN, &card, "probes:");
    scenario.ask(ANN, &format!("/export {EVE}"));
    scenario.ask(ANN, "/export alice");
    scenario.ask(ANN, "/export networks");
}

fn names(scenario: &mut Scenario) {
    scenario.scene("Names");
    scenario.ask(ANN, &format!("/name {BOBS_PHONE} Bob's phone"));
    scenario.ask(ANN, &format!("/name {BOBS_TABLET} Bob's tablet"));
    let which = scenario.ask(ANN, "bob");
    scenario.press(ANN, &which, "card:3c22fb000002");
    let which = scenario.ask(ANN, "/chart bob");
    scenario.press(ANN, &which, "chart:3c22fb000001");
    let which = scenario.ask(ANN, "Bob's tabled");
    let card = scenario.press(ANN, &which, "card:").unwrap();
    let question = scenario.press(ANN, &card, "name:").unwrap();
    scenario.reply(ANN, &question, "/unmute");
    scenario.reply(ANN, &question, "   ");
    scenario.reply(ANN, &question, "Bob's phone");
    scenario.ask(ANN, "bob's phone");
    let card = scenario.ask(ANN, VAN);
    let question = scenario.press(ANN, &card, "name:").unwrap();
    scenario.reply(ANN, &question, "Delivery van 2");
    scenario.ask(ANN, "delivery");
    scenario.ask(ANN, &format!("/name {OTHER_VAN} \"Delivery van 2\""));
    scenario.ask(ANN, &format!("/unname {OTHER_VAN}"));
    scenario.ask(ANN, &format!("/unname {OTHER_VAN}"));
    scenario.ask(ANN, &format!("/unname {ALICE}"));
    scenario.ask(ANN, &format!("/name {ALICE} Alice (new)"));
    scenario.ask(ANN, &format!("/unname {ALICE}"));
    scenario.ask(ANN, &format!("/name {EVE} <b>Eve</b> & \u{202e}\"co\""));
    scenario.ask(ANN, EVE);
}

fn watching(scenario: &mut Scenario) {
    scenario.scene("Watching");
    scenario.ask(ANN, "/watch Depot the van is here");
    scenario.ask(ANN, "/watch \"Alice's home\"");
    scenario.ask(ANN, "/watch Dep*7 vans of the depot");
    scenario.ask(ANN, "/watch \"Dep*7\" a star in its name");
    scenario.ask(ANN, "/watch ☕🥐 breakfast");
    scenario.ask(ANN, "/watch hex:fffe206e6f74205554462d38");
    scenario.ask(ANN, "/watch hex:c3a9");
    scenario.ask(ANN, "/watch <b>free</b>* pirates");
    scenario.ask(ANN, "/watches");
    scenario.ask(ANN, "/unwatch \"Dep*7\"");
    scenario.ask(ANN, "/unwatch hex:c3a9");
    scenario.ask(ANN, "/unwatch é");

    let frame = scenario.probe(50 * MINUTE, VAN, "Depot", -58);
    let alert = scenario.receive("Delivery van 2 looks for Depot", vec![frame]).unwrap();
    scenario.press(ANN, &alert, "mute:");
    scenario.ask(ANN, "/unmute");
    let frames =
        vec![scenario.probe(49 * MINUTE, VAN, "Depot", -58), scenario.probe(48 * MINUTE, VAN, "Depot", -58)];
    scenario.receive("it asks twice more within the cool-down", frames);
    let frame = scenario.probe(35 * MINUTE, VAN, "Depot", -59);
    scenario.receive("it asks once more, later", vec![frame]);
    let frame = scenario.probe(34 * MINUTE, OTHER_VAN, "Depot 7", -64);
    let alert = scenario.receive("another van looks for Depot 7", vec![frame]).unwrap();
    let question = scenario.press(ANN, &alert, "name:").unwrap();
    scenario.reply(ANN, &question, "Delivery van 3");
    scenario.press(ANN, &alert, "ignore:");
    scenario.press(ANN, &alert, "unwatch:");
    scenario.press(ANN, &alert, "unwatch:");
    scenario.ask(ANN, "/unignore delivery van 3");
    let frame = scenario.frame(33 * MINUTE, ProbeRequestFrame::new(RANDOM).ssid("☕🥐").without_signal());
    scenario.receive("a random address asks for breakfast", vec![frame]);
    let frame = scenario.frame(32 * MINUTE, ProbeRequestFrame::new(EVE).ssid(HOSTILE[0]).signal(-40));
    scenario.receive("Eve asks for what looks like HTML", vec![frame]);
    let frame =
        scenario.frame(31 * MINUTE, ProbeRequestFrame::new(UNKNOWN_VENDOR).ssid(HOSTILE[4]).without_signal());
    scenario.receive("a device of an unknown vendor looks for an SSID that is not text", vec![frame]);
    scenario.ask(ANN, "/unwatch ☕🥐");
}

fn following(scenario: &mut Scenario) {
    scenario.scene("Following");
    let card = scenario.ask(ANN, VAN);
    scenario.press(ANN, &card, "follow:");
    scenario.ask(ANN, "/follow alice");
    scenario.ask(ANN, "/follow Bob's phone 30");
    scenario.ask(ANN, "/follow Bob's phone 0");
    scenario.ask(ANN, &format!("/follow {RANDOM}"));
    scenario.ask(ANN, "/follow carol");
    scenario.ask(ANN, "/follow bob's phon");
    scenario.ask(ANN, &format!("/name {RANDOM} Tablet"));
    scenario.ask(ANN, "/name da:a1:19:00:00:02 Tablet");
    scenario.ask(ANN, "/name da:a1:19:00:00:03 Tablet");
    scenario.ask(ANN, "/follow tablet");
    scenario.ask(ANN, "/follow 00:23:a7:00:03:01");
    scenario.ask(ANN, "/watches");
    let frame = scenario.probe_now(BOBS_PHONE, "", -55);
    scenario.receive("Bob's phone", vec![frame]);
    let frame = scenario.probe_now("00:23:a7:00:03:01", "Depot", -81);
    let alert = scenario.receive("a new device looks for Depot", vec![frame]).unwrap();
    scenario.press(ANN, &alert, "name:");
    scenario.press(ANN, &alert, "unwatch:");
    scenario.ask(ANN, "/watch Depot the van is here");
    let frame = scenario.probe_now(ALICE, "", -44);
    let alert = scenario.receive("Alice's phone", vec![frame]).unwrap();
    scenario.press(ANN, &alert, "unfollow:");
    scenario.press(ANN, &alert, "unfollow:");
    scenario.ask(ANN, "/unfollow Delivery van 2");
    scenario.ask(ANN, "/unfollow Delivery van 2");
    scenario.ask(ANN, "/follow bob's phone");
    scenario.ask(ANN, "/watches");
}

fn muting_and_ignoring(scenario: &mut Scenario) {
    scenario.scene("Muting and ignoring");
    scenario.ask(ANN, "/mute 2h");
    scenario.ask(ANN, "/watches");
    let frames =
        (0..3).map(|number| scenario.probe_now(&format!("00:23:a7:00:04:{number:02x}"), "Depot", -70));
    let frames = frames.collect();
    scenario.receive("three devices look for Depot while Ann is muted", frames);
    scenario.ask(ANN, "/unmute");
    scenario.ask(ANN, "/unmute");
    scenario.ask(ANN, "/mute");
    scenario.ask(ANN, "/unmute");
    scenario.ask(ANN, "/ignore bob's phone");
    scenario.ask(ANN, "/watches");
    let frame = scenario.probe_now(BOBS_PHONE, "Depot", -55);
    scenario.receive("Bob's phone looks for Depot and is ignored", vec![frame]);
    scenario.ask(ANN, "/unignore bob's phone");
    scenario.ask(ANN, "/unignore bob's phone");
    scenario.ask(ANN, "/ignore carol");
    scenario.ask(ANN, "/ignore deliverry");
}

fn many_alerts_at_once(scenario: &mut Scenario) {
    scenario.scene("Many alerts at once");
    scenario.ask(BOB, "/watch Depot* parcels");
    scenario.ask(BOB, "/watch Garage");
    scenario.ask(BOB, "/follow delivery van 2");
    let frames = vec![
        scenario.probe(15 * MINUTE, "00:23:a7:00:05:01", "Depot 8", -61),
        scenario.probe(14 * MINUTE, "00:23:a7:00:05:02", "Garage", -62),
        scenario.probe(13 * MINUTE, "00:23:a7:00:05:03", "Depot <9>", -63),
        scenario.probe(12 * MINUTE, RANDOM, "Garage", -64),
        scenario.probe(11 * MINUTE, VAN, "", -65),
        scenario
            .frame(10 * MINUTE, ProbeRequestFrame::new("00:23:a7:00:05:02").ssid("Depot 8").without_signal()),
    ];
    scenario.receive_before_delivery("six alerts for Bob at once", frames);
    let frames = (0..25)
        .map(|number| scenario.probe(8 * MINUTE, &format!("00:23:a7:00:06:{number:02x}"), "Garage", -70));
    let frames = frames.collect();
    scenario.receive_before_delivery("25 devices look for Garage within a minute", frames);
}

fn photo(caption: Option<&str>) -> Value {
    let file = json!({"file_id": "x", "file_unique_id": "x", "width": 1, "height": 1, "file_size": 1});
    match caption {
        Some(caption) => json!({"photo": [file], "caption": caption}),
        None => json!({"photo": [file]}),
    }
}

fn unusual_messages(scenario: &mut Scenario) {
    scenario.scene("Unusual messages");
    let (ann, family) = (ANN.id, FAMILY.0);
    let sticker = json!({"dice": {"emoji": "🎲", "value": 3}});
    scenario.act(ANN, " rolls a dice 🎲", Incoming::other(ann, sticker.clone()));
    scenario.act(ANN, " sends a photo", Incoming::other(ann, photo(None)));
    scenario.act(
        ANN,
        &format!(" sends a photo with the caption {ALICE}"),
        Incoming::other(ann, photo(Some(ALICE))),
    );
    let forwarded = json!({"forward_origin":
        {"type": "hidden_user", "sender_user_name": "Carol", "date": 1_500_000_000}});
    let passed_on = Incoming::text(BOB.id, "/watch Depot").with(forwarded);
    scenario.act(BOB, " forwards Carol's message: /watch Depot", passed_on);
    scenario.act(ANN, " edits a message: /unwatch Depot", Incoming::edited_text(ann, "/unwatch Depot"));
    let post = Incoming::channel_post(-100_900, "/status");
    scenario.act(ANN, " posts in a channel with the bot: /status", post);
    scenario.say(ANN, " \u{2060} ");
    let long = "🦜".repeat(2048);
    scenario.act(ANN, " writes 4,096 characters", Incoming::text(ann, long));
    scenario.say(ANN, "/wach Depot");
    scenario.say(ANN, "/frobnicate");
    scenario.say(ANN, "/help@some_other_bot");
    scenario.say(ANN, "<b>&amp;\n\u{202e}");
    let old = Incoming::press_under_old(ann, 5, "frobnicate:1");
    scenario.act(ANN, " presses a button under an old message", old);
    let old = Incoming::press_under_old(ann, 5, "devices:0");
    scenario.act(ANN, " presses ◀ under a message that is too old to be edited", old);

    scenario.say(BOB_IN_FAMILY, "has anyone seen Alice?");
    scenario.say(BOB_IN_FAMILY, "/help@some_other_bot");
    scenario.act(BOB_IN_FAMILY, " sends a photo", Incoming::other(family, photo(None)));
    let bob_in_topic = BOB_IN_FAMILY.in_topic(77);
    let which = scenario.ask(bob_in_topic, "@probewatch_test_bot delivery");
    scenario.press(bob_in_topic, &which, "card:");
    let answer = scenario.ask(bob_in_topic, "/ssid@probewatch_test_bot Garage");
    scenario.reply(bob_in_topic, &answer, UNKNOWN_VENDOR);
}

fn usage_errors(scenario: &mut Scenario) {
    scenario.scene("Usage errors");
    let (long_ssid, long_pattern, long_name) =
        ("x".repeat(33), format!("{}*", "x".repeat(64)), "x".repeat(65));
    for text in [
        "/devices none",
        "/devices 0",
        "/top -1",
        "/networks 1.5",
        "/nearby soon",
        "/nearby 99999999",
        "/ssid",
        "/ssid \"Depot",
        "/ssid \"Depot\" 7",
        "/chart",
        "/chart ssid",
        "/export",
        "/watch",
        "/watch *",
        "/watch \"\"",
        "/watch hex:xyz",
        &format!("/watch {long_ssid}"),
        &format!("/watch {long_pattern}"),
        "/unwatch",
        "/unwatch Attic",
        "/unwatch At*",
        "/follow",
        "/unfollow",
        "/unfollow carol",
        "/mute 400d",
        "/mute for ever",
        "/ignore",
        "/unignore",
        "/name",
        "/name Alice",
        &format!("/name {ALICE}"),
        &format!("/name {ALICE} {VAN}"),
        &format!("/name {ALICE} /help"),
        &format!("/name {ALICE} {long_name}"),
        "/unname",
        "/unname Alice",
        "/unname 00:23:a7:00:03:09",
    ] {
        scenario.ask(ANN, text);
    }
}

fn a_failing_source(scenario: &mut Scenario) {
    scenario.scene("A source that fails");
    let radio = scenario.radio.take().unwrap();
    let name = radio.name().to_owned();
    // The first error may be that the interface was lost or that it does not exist; later ones are the same in every
    // run. The first notice is sent with the error of its time, a retried one with the latest. So Ann's is made to
    // fail at first, and she is the only chat by now.
    let calls = scenario.api.calls().len();
    scenario.api.fail_next("sendMessage", 1, Fault::Hang);
    let seen = scenario.service.log_lines().len();
    drop(radio);
    scenario.service.wait_for_log_event_after(
        seen,
        "source_retry",
        &[("source", &name), ("wait_seconds", "2")],
    );
    scenario.wait_until_hanging(calls);
    scenario.api.clear_faults();
    scenario.wait_for_messages(&[ANN.id], calls, 1);
    scenario.note("the radio's stick is pulled out");
    scenario.ask(ANN, "/status");
    let calls = scenario.api.calls().len();
    scenario.radio = Some(TapRadio::open(&name).unwrap());
    scenario.wait_for_messages(&[ANN.id], calls, 1);
    scenario.note("the radio's stick is back");
}

fn removing_chats(scenario: &mut Scenario) {
    scenario.scene("Removing chats");
    let migrated = json!({"migrate_to_chat_id": FAMILY_LATER.0});
    scenario.act(ANN_IN_FAMILY, " makes it a supergroup", Incoming::other(FAMILY.0, migrated));
    scenario.say(BOB.among(FAMILY_LATER), "/watches");
    let list = scenario.ask(ANN, "/chats");
    let removal = format!("access:remove:{}", FAMILY_LATER.0);
    scenario.press(ANN, &list, &format!("access:ask:{}", FAMILY_LATER.0));
    scenario.press(ANN, &list, &removal);
    scenario.say(BOB.among(FAMILY_LATER), "/watches");
    scenario.press_stale(ANN, &list, &removal);
    let invitation = scenario.ask(ANN, "/invite owner");
    scenario.ask(BOB, &format!("/start {}", code_in(&invitation.plain)));
    let bobs = scenario.ask(BOB, "/chats");
    scenario.press(BOB, &bobs, "access:ask:2002");
    scenario.press(BOB, &bobs, "access:remove:2002");
    scenario.say(BOB, "/help");
    scenario.ask(ANN, "/status");
}
