//! A day with the bot, from the first start on.

use serde_json::{Value, json};

use super::code_in;
use super::stage::{DAY, Frame, HOUR, MINUTE, Person, Stage};
use crate::support::bot_api::{Fault, Incoming};
use crate::support::frames::{Fcs, ProbeRequestFrame};
use crate::support::home::Mode;
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
const NOBODYS: &str = "ec:ff:ff:19:5c:02";
const BOBS_PHONE: &str = "3c:22:fb:00:00:01";
const BOBS_TABLET: &str = "3c:22:fb:00:00:02";
const CHATTERBOX: &str = "00:23:a7:00:01:01";
const EVE: &str = "00:23:a7:66:66:66";

/// SSIDs as someone with bad intentions chooses them.
const HOSTILE: [&[u8]; 6] = [
    b"<b>free</b> & \"wifi\"",
    b"two\nlines\r\n\x1b[31m",
    "\u{202e}moc.knab".as_bytes(),
    "🏴‍☠️🏴‍☠️🦜🦜".as_bytes(),
    b"\xff\xfe not UTF-8",
    b"=HYPERLINK(\"x\")",
];

pub fn a_day(mode: Mode) -> Vec<Scene> {
    let radio = TapRadio::unique("pwday").unwrap();
    let mut stage = Stage::open(
        mode,
        &CHATS,
        Some(radio),
        |_| {},
        |config: Config| {
            config.chats(&[]).set("alerts", "gather_seconds", "1").device(ALICE_AT_RANDOM, "Alice's phone")
        },
    );
    pairing(&mut stage);
    before_the_first_frame(&mut stage);
    lists_and_cards(&mut stage);
    charts_and_exports(&mut stage);
    names(&mut stage);
    watching(&mut stage);
    following(&mut stage);
    muting_and_ignoring(&mut stage);
    many_alerts_at_once(&mut stage);
    unusual_messages(&mut stage);
    usage_errors(&mut stage);
    removing_chats(&mut stage);
    a_failing_source(&mut stage);
    stage.end()
}

fn pairing(stage: &mut Stage) {
    stage.scene("Pairing and invitations");
    stage.happens("the service starts, and nobody owns it");
    let line = stage.service.wait_for_log_event("ownership_offered", &[]);
    let code = code_in(&line);
    stage.happens(&format!("its log has the link {}", log_field(&line, "link")));

    stage.say(MALLORY, "hello?");
    stage.does(MALLORY, " sends a photo", Incoming::other(MALLORY.id, photo(None)));
    stage.say(MALLORY, "/start");
    stage.say(MALLORY, "/start");
    stage.say(MALLORY, "/start 0123456789abcdef");
    stage.say(MALLORY, "/help");
    stage.say(ANN_IN_FAMILY, &format!("/start@probewatch_test_bot {code}"));
    stage.ask(ANN, &format!("/start {code}"));
    stage.say(MALLORY, &format!("/start {code}"));
    stage.ask(ANN, "/start");
    stage.ask(ANN, "/help");

    let invitation = stage.ask(ANN, "/invite");
    let code = code_in(&invitation.plain);
    stage.ask(ANN_IN_FAMILY, &format!("/start@probewatch_test_bot {code}"));
    stage.say(BOB, &format!("/start {code}"));
    stage.ask(BOB_IN_FAMILY, "/invite");
    let invitation = stage.ask(ANN, "/invite owner");
    stage.ask(BOB, &format!("/start {}", code_in(&invitation.plain)));
    stage.ask(ANN, "/invite Carol");
    let list = stage.ask(ANN, "/chats");
    stage.press(ANN, &list, "access:ask:2002");
    stage.press(ANN, &list, "access:list");
    stage.press(ANN, &list, "access:ask:2002");
    stage.press(ANN, &list, "access:remove:2002");
    stage.press(ANN, &list, "access:ask:1001");
    stage.say(BOB, "/help");
    let invitation = stage.ask(ANN, "/invite");
    stage.ask(BOB, &format!("/start {}", code_in(&invitation.plain)));
    stage.ask(BOB, "/help");
    stage.ask(BOB, "/chats");
}

fn before_the_first_frame(stage: &mut Stage) {
    stage.scene("Before the first frame");
    for text in
        ["/status", "/devices", "/nearby", "/nearby 1", "/top", "/networks", "/ssid Depot", "/watches", ALICE]
    {
        stage.ask(ANN, text);
    }
    for text in ["Alicia", "nobody at all", "/chart Alicia", "/export networks", "/chart ssid Depot"] {
        stage.ask(ANN, text);
    }
}

/// Two days on the street.
fn two_days_of_frames(stage: &mut Stage) -> Vec<Frame> {
    let mut frames = vec![
        stage.probe(2 * DAY + 5 * HOUR, ALICE, "", -70),
        stage.probe(26 * HOUR, ALICE, "Alice's home", -66),
        stage.probe(3 * HOUR + 10 * MINUTE, ALICE, "RNM0", -48),
        stage.probe(3 * HOUR + 9 * MINUTE, ALICE, "RNM0", -52),
        stage.probe(3 * HOUR + 8 * MINUTE, ALICE_AT_RANDOM, "", -50),
        stage.probe(3 * HOUR + 10 * MINUTE, VAN, "Depot", -61),
        stage.frame(
            4 * HOUR + 10 * MINUTE,
            ProbeRequestFrame::new(OTHER_VAN).ssid("Depot 7").without_signal(),
        ),
        stage.probe(26 * HOUR, RANDOM, "", -80),
        stage.frame(30 * MINUTE, ProbeRequestFrame::new(NOBODYS).without_ssid().signal(-77)),
        stage.probe(5 * HOUR + 10 * MINUTE, BOBS_PHONE, "Bob's home", -71),
        stage.probe(6 * HOUR + 10 * MINUTE, BOBS_TABLET, "Bob's home", -72),
    ];
    for second in 0..120 {
        frames.push(stage.probe(20 * HOUR + 600 - second, CHATTERBOX, "", -83));
    }
    for neighbour in 1..=4_u8 {
        let source = format!("00:23:a7:00:02:{neighbour:02x}");
        let ago = 5 * MINUTE + u64::from(neighbour);
        frames.push(stage.probe(ago, &source, "Neighbours", -60 - neighbour.cast_signed()));
    }
    for (number, ssid) in HOSTILE.into_iter().enumerate() {
        let frame = ProbeRequestFrame::new(EVE).ssid(ssid).signal(-40);
        frames.push(stage.frame(4 * MINUTE - number as u64, frame));
    }
    let damaged = ProbeRequestFrame::new(VAN).ssid("Dep0t").fcs(Fcs::Bad).build();
    frames.push(stage.noise(DAY, damaged));
    frames.push(stage.noise(DAY, vec![0, 0, 40, 0, 1, 2, 3]));
    frames
}

fn lists_and_cards(stage: &mut Stage) {
    stage.scene("Lists and cards");
    let frames = two_days_of_frames(stage);
    stage.hears("two days on the street", frames);
    stage.ask(ANN, "/status");
    let list = stage.ask(ANN, "/devices");
    stage.press(ANN, &list, "devices:1");
    stage.press(ANN, &list, "devices:0");
    stage.press(ANN, &list, "card:");
    stage.ask(ANN, "/devices 2");
    stage.ask(ANN, "/nearby");
    stage.ask(ANN, "/nearby 60");
    stage.ask(ANN, "/top");
    let list = stage.ask(ANN, "/networks");
    stage.press(ANN, &list, "watch:");
    stage.ask(ANN, "/networks");
    stage.ask(ANN, "/unwatch Neighbours");
    let network = stage.ask(ANN, "/ssid Neighbours");
    stage.press(ANN, &network, "card:");
    stage.ask(ANN, "/ssid \"Alice's home\"");
    for device in [ALICE, "ALICE", VAN, OTHER_VAN, RANDOM, NOBODYS, EVE] {
        stage.ask(ANN, device);
    }
}

fn charts_and_exports(stage: &mut Stage) {
    stage.scene("Charts and exports");
    let card = stage.ask(ANN, VAN);
    stage.press(ANN, &card, "probes:");
    let chart = stage.press(ANN, &card, "chart:").unwrap();
    stage.press(ANN, &chart, ":7d");
    stage.ask(ANN, "/chart alice 30d");
    stage.ask(ANN, &format!("/chart {RANDOM}"));
    let network = stage.ask(ANN, "/ssid Depot");
    stage.press(ANN, &network, "charts:");
    stage.ask(ANN, "/chart ssid Alice's home 7d");
    let card = stage.ask(ANN, CHATTERBOX);
    let probes = stage.press(ANN, &card, "probes:").unwrap();
    stage.press(ANN, &probes, ":1");
    stage.press(ANN, &probes, ":0");
    let card = stage.ask(ANN, EVE);
    stage.press(ANN, &card, "probes:");
    stage.ask(ANN, &format!("/export {EVE}"));
    stage.ask(ANN, "/export alice");
    stage.ask(ANN, "/export networks");
}

fn names(stage: &mut Stage) {
    stage.scene("Names");
    stage.ask(ANN, &format!("/name {BOBS_PHONE} Bob's phone"));
    stage.ask(ANN, &format!("/name {BOBS_TABLET} Bob's tablet"));
    let which = stage.ask(ANN, "bob");
    stage.press(ANN, &which, "card:3c22fb000002");
    let which = stage.ask(ANN, "/chart bob");
    stage.press(ANN, &which, "chart:3c22fb000001");
    let which = stage.ask(ANN, "Bob's tabled");
    let card = stage.press(ANN, &which, "card:").unwrap();
    let question = stage.press(ANN, &card, "name:").unwrap();
    stage.reply(ANN, &question, "/unmute");
    stage.reply(ANN, &question, "   ");
    stage.reply(ANN, &question, "Bob's phone");
    stage.ask(ANN, "bob's phone");
    let card = stage.ask(ANN, VAN);
    let question = stage.press(ANN, &card, "name:").unwrap();
    stage.reply(ANN, &question, "Delivery van 2");
    stage.ask(ANN, "delivery");
    stage.ask(ANN, &format!("/name {OTHER_VAN} \"Delivery van 2\""));
    stage.ask(ANN, &format!("/unname {OTHER_VAN}"));
    stage.ask(ANN, &format!("/unname {OTHER_VAN}"));
    stage.ask(ANN, &format!("/unname {ALICE}"));
    stage.ask(ANN, &format!("/name {ALICE} Alice (new)"));
    stage.ask(ANN, &format!("/unname {ALICE}"));
    stage.ask(ANN, &format!("/name {EVE} <b>Eve</b> & \u{202e}\"co\""));
    stage.ask(ANN, EVE);
}

fn watching(stage: &mut Stage) {
    stage.scene("Watching");
    stage.ask(ANN, "/watch Depot the van is here");
    stage.ask(ANN, "/watch \"Alice's home\"");
    stage.ask(ANN, "/watch Dep*7 vans of the depot");
    stage.ask(ANN, "/watch \"Dep*7\" a star in its name");
    stage.ask(ANN, "/watch ☕🥐 breakfast");
    stage.ask(ANN, "/watch hex:fffe206e6f74205554462d38");
    stage.ask(ANN, "/watch hex:c3a9");
    stage.ask(ANN, "/watch <b>free</b>* pirates");
    stage.ask(ANN, "/watches");
    stage.ask(ANN, "/unwatch \"Dep*7\"");
    stage.ask(ANN, "/unwatch hex:c3a9");
    stage.ask(ANN, "/unwatch é");

    let frame = stage.probe(50 * MINUTE, VAN, "Depot", -58);
    let alert = stage.hears("Delivery van 2 asks for Depot", vec![frame]).unwrap();
    stage.press(ANN, &alert, "mute:");
    stage.ask(ANN, "/unmute");
    let frames =
        vec![stage.probe(49 * MINUTE, VAN, "Depot", -58), stage.probe(48 * MINUTE, VAN, "Depot", -58)];
    stage.hears("it asks twice more within the cool-down", frames);
    let frame = stage.probe(35 * MINUTE, VAN, "Depot", -59);
    stage.hears("it asks once more, later", vec![frame]);
    let frame = stage.probe(34 * MINUTE, OTHER_VAN, "Depot 7", -64);
    let alert = stage.hears("another van asks for Depot 7", vec![frame]).unwrap();
    let question = stage.press(ANN, &alert, "name:").unwrap();
    stage.reply(ANN, &question, "Delivery van 3");
    stage.press(ANN, &alert, "ignore:");
    stage.press(ANN, &alert, "unwatch:");
    stage.press(ANN, &alert, "unwatch:");
    stage.ask(ANN, "/unignore delivery van 3");
    let frame = stage.frame(33 * MINUTE, ProbeRequestFrame::new(RANDOM).ssid("☕🥐").without_signal());
    stage.hears("a random address asks for breakfast", vec![frame]);
    let frame = stage.frame(32 * MINUTE, ProbeRequestFrame::new(EVE).ssid(HOSTILE[0]).signal(-40));
    stage.hears("Eve asks for what looks like HTML", vec![frame]);
    let frame = stage.frame(31 * MINUTE, ProbeRequestFrame::new(NOBODYS).ssid(HOSTILE[4]).without_signal());
    stage.hears("a device of no known vendor asks for what is no text", vec![frame]);
    stage.ask(ANN, "/unwatch ☕🥐");
}

fn following(stage: &mut Stage) {
    stage.scene("Following");
    let card = stage.ask(ANN, VAN);
    stage.press(ANN, &card, "follow:");
    stage.ask(ANN, "/follow alice");
    stage.ask(ANN, "/follow Bob's phone 30");
    stage.ask(ANN, "/follow Bob's phone 0");
    stage.ask(ANN, &format!("/follow {RANDOM}"));
    stage.ask(ANN, "/follow carol");
    stage.ask(ANN, "/follow bob's phon");
    stage.ask(ANN, &format!("/name {RANDOM} Tablet"));
    stage.ask(ANN, "/name da:a1:19:00:00:02 Tablet");
    stage.ask(ANN, "/name da:a1:19:00:00:03 Tablet");
    stage.ask(ANN, "/follow tablet");
    stage.ask(ANN, "/follow 00:23:a7:00:03:01");
    stage.ask(ANN, "/watches");
    let frame = stage.probe_now(BOBS_PHONE, "", -55);
    stage.hears("Bob's phone", vec![frame]);
    let frame = stage.probe_now("00:23:a7:00:03:01", "Depot", -81);
    let alert = stage.hears("a device that was never heard before, and asks for Depot", vec![frame]).unwrap();
    stage.press(ANN, &alert, "name:");
    stage.press(ANN, &alert, "unwatch:");
    stage.ask(ANN, "/watch Depot the van is here");
    let frame = stage.probe_now(ALICE, "", -44);
    let alert = stage.hears("Alice's phone", vec![frame]).unwrap();
    stage.press(ANN, &alert, "unfollow:");
    stage.press(ANN, &alert, "unfollow:");
    stage.ask(ANN, "/unfollow Delivery van 2");
    stage.ask(ANN, "/unfollow Delivery van 2");
    stage.ask(ANN, "/follow bob's phone");
    stage.ask(ANN, "/watches");
}

fn muting_and_ignoring(stage: &mut Stage) {
    stage.scene("Muting and ignoring");
    stage.ask(ANN, "/mute 2h");
    stage.ask(ANN, "/watches");
    let frames = (0..3).map(|number| stage.probe_now(&format!("00:23:a7:00:04:{number:02x}"), "Depot", -70));
    let frames = frames.collect();
    stage.hears("three devices ask for Depot while Ann is muted", frames);
    stage.ask(ANN, "/unmute");
    stage.ask(ANN, "/unmute");
    stage.ask(ANN, "/mute");
    stage.ask(ANN, "/unmute");
    stage.ask(ANN, "/ignore bob's phone");
    stage.ask(ANN, "/watches");
    let frame = stage.probe_now(BOBS_PHONE, "Depot", -55);
    stage.hears("Bob's phone asks for Depot and is ignored", vec![frame]);
    stage.ask(ANN, "/unignore bob's phone");
    stage.ask(ANN, "/unignore bob's phone");
    stage.ask(ANN, "/ignore carol");
    stage.ask(ANN, "/ignore deliverry");
}

fn many_alerts_at_once(stage: &mut Stage) {
    stage.scene("Many alerts at once");
    stage.ask(BOB, "/watch Depot* parcels");
    stage.ask(BOB, "/watch Garage");
    stage.ask(BOB, "/follow delivery van 2");
    let frames = vec![
        stage.probe(15 * MINUTE, "00:23:a7:00:05:01", "Depot 8", -61),
        stage.probe(14 * MINUTE, "00:23:a7:00:05:02", "Garage", -62),
        stage.probe(13 * MINUTE, "00:23:a7:00:05:03", "Depot <9>", -63),
        stage.probe(12 * MINUTE, RANDOM, "Garage", -64),
        stage.probe(11 * MINUTE, VAN, "", -65),
        stage
            .frame(10 * MINUTE, ProbeRequestFrame::new("00:23:a7:00:05:02").ssid("Depot 8").without_signal()),
    ];
    stage.hears_at_once("six alerts for Bob at once", frames);
    let frames =
        (0..25).map(|number| stage.probe(8 * MINUTE, &format!("00:23:a7:00:06:{number:02x}"), "Garage", -70));
    let frames = frames.collect();
    stage.hears_at_once("25 devices ask for Garage within a minute", frames);
}

fn photo(caption: Option<&str>) -> Value {
    let file = json!({"file_id": "x", "file_unique_id": "x", "width": 1, "height": 1, "file_size": 1});
    match caption {
        Some(caption) => json!({"photo": [file], "caption": caption}),
        None => json!({"photo": [file]}),
    }
}

fn unusual_messages(stage: &mut Stage) {
    stage.scene("Unusual messages");
    let (ann, family) = (ANN.id, FAMILY.0);
    let sticker = json!({"dice": {"emoji": "🎲", "value": 3}});
    stage.does(ANN, " rolls a dice 🎲", Incoming::other(ann, sticker.clone()));
    stage.does(ANN, " sends a photo", Incoming::other(ann, photo(None)));
    stage.does(
        ANN,
        &format!(" sends a photo with the caption {ALICE}"),
        Incoming::other(ann, photo(Some(ALICE))),
    );
    let forwarded = json!({"forward_origin":
        {"type": "hidden_user", "sender_user_name": "Carol", "date": 1_500_000_000}});
    let passed_on = Incoming::text(BOB.id, "/watch Depot").with(forwarded);
    stage.does(BOB, " forwards Carol's message: /watch Depot", passed_on);
    stage.does(ANN, " edits a message: /unwatch Depot", Incoming::edited_text(ann, "/unwatch Depot"));
    let post = Incoming::channel_post(-100_900, "/status");
    stage.does(ANN, " posts in a channel with the bot: /status", post);
    stage.say(ANN, " \u{2060} ");
    let long = "🦜".repeat(2048);
    stage.does(ANN, " writes 4,096 characters", Incoming::text(ann, long));
    stage.say(ANN, "/wach Depot");
    stage.say(ANN, "/frobnicate");
    stage.say(ANN, "/help@some_other_bot");
    stage.say(ANN, "<b>&amp;\n\u{202e}");
    let old = Incoming::press_under_old(ann, 5, "frobnicate:1");
    stage.does(ANN, " presses a button of long ago", old);
    let old = Incoming::press_under_old(ann, 5, "devices:0");
    stage.does(ANN, " presses ◀ under a message that is too old to be edited", old);

    stage.say(BOB_IN_FAMILY, "has anyone seen Alice?");
    stage.say(BOB_IN_FAMILY, "/help@some_other_bot");
    stage.does(BOB_IN_FAMILY, " sends a photo", Incoming::other(family, photo(None)));
    let bob_in_topic = BOB_IN_FAMILY.in_topic(77);
    let which = stage.ask(bob_in_topic, "@probewatch_test_bot delivery");
    stage.press(bob_in_topic, &which, "card:");
    let answer = stage.ask(bob_in_topic, "/ssid@probewatch_test_bot Garage");
    stage.reply(bob_in_topic, &answer, NOBODYS);
}

fn usage_errors(stage: &mut Stage) {
    stage.scene("Usage errors");
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
        stage.ask(ANN, text);
    }
}

fn a_failing_source(stage: &mut Stage) {
    stage.scene("A source that fails");
    let radio = stage.radio.take().unwrap();
    let name = radio.name().to_owned();
    // What is told first, that it is lost or that it is not there, depends on the moment; what is told after a
    // failure is what lasts. So Ann is the only one who is served by now: nobody is told with her first.
    let calls = stage.api.calls().len();
    stage.api.fail_next("sendMessage", 1, Fault::Hang);
    let seen = stage.service.log_lines().len();
    drop(radio);
    stage.service.wait_for_log_event_after(seen, "source_retry", &[("source", &name), ("wait_seconds", "2")]);
    stage.wait_until_hanging(calls);
    stage.api.clear_faults();
    stage.wait_until_told(&[ANN.id], calls, 1);
    stage.happens("the radio's stick is pulled out");
    stage.ask(ANN, "/status");
    let calls = stage.api.calls().len();
    stage.radio = Some(TapRadio::open(&name).unwrap());
    stage.wait_until_told(&[ANN.id], calls, 1);
    stage.happens("the radio's stick is back");
}

fn removing_chats(stage: &mut Stage) {
    stage.scene("Removing chats");
    let migrated = json!({"migrate_to_chat_id": FAMILY_LATER.0});
    stage.does(ANN_IN_FAMILY, " makes it a supergroup", Incoming::other(FAMILY.0, migrated));
    stage.say(BOB.among(FAMILY_LATER), "/watches");
    let list = stage.ask(ANN, "/chats");
    let removal = format!("access:remove:{}", FAMILY_LATER.0);
    stage.press(ANN, &list, &format!("access:ask:{}", FAMILY_LATER.0));
    stage.press(ANN, &list, &removal);
    stage.say(BOB.among(FAMILY_LATER), "/watches");
    stage.press_stale(ANN, &list, &removal);
    let invitation = stage.ask(ANN, "/invite owner");
    stage.ask(BOB, &format!("/start {}", code_in(&invitation.plain)));
    let bobs = stage.ask(BOB, "/chats");
    stage.press(BOB, &bobs, "access:ask:2002");
    stage.press(BOB, &bobs, "access:remove:2002");
    stage.say(BOB, "/help");
    stage.ask(ANN, "/status");
}
