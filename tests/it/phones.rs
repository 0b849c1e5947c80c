//! Phones that change their random addresses are listed, looked up, named, followed, ignored and split as devices. The
//! texts say what is known, and no more.

use dot11::{MacAddr, RequestedSsid, Signature};
use probewatch::chat::views::alerts as words;
use probewatch::chat::{Button, ButtonPress, Chat, PressReply, Progress, Reply, UserMessage};
use probewatch::text::MESSAGE_LIMIT;
use store::event::{
    DeviceKey, Event, EventKind, EvictionScope, GroupId, GroupingMode, NamedBy, Offset, Probe, Timestamp,
};
use store::recorder::CapturedProbe;

use crate::support::bot_api::Incoming;
use crate::support::frames::ProbeRequestFrame;
use crate::support::recorder::{CHATS, Input, Running, events, fold, probe, settings};
use crate::support::testbed::{CHAT, Mode, Testbed};
use crate::support::wait;

const ZONE: chrono_tz::Tz = chrono_tz::Tz::UTC;
pub const LAPTOP: &str = "a4:83:e7:4e:39:15";
const PRINTER: &str = "00:23:a7:19:5c:02";

/// Models, by their signatures: one continues its sequence numbers, the other does not.
const COUNTING: u64 = 7;
pub const SCATTERING: u64 = 9;

/// The random address of this number.
pub fn random(number: u8) -> MacAddr {
    MacAddr::new([0xda, 0xa1, 0x19, 0, 0, number])
}

/// A frame this many seconds ago.
pub fn frame(seconds_ago: i64, source: MacAddr, ssid: &str, sequence: u16, model: u64) -> Probe {
    let time = Timestamp::now().as_micros() - seconds_ago * 1_000_000;
    Probe {
        sequence,
        signature: Signature::from_u64(model),
        signal_dbm: Some(-60),
        ..probe(source, RequestedSsid::from_element(ssid.as_bytes()), time)
    }
}

/// A phone that scanned every 18 seconds, each time with the next address, and continued its sequence numbers.
pub fn counting_phone() -> Vec<Probe> {
    let scan = |number: u8| {
        let ago = 18 * i64::from(31 - number);
        [0, 1, 2].map(|step| frame(ago, random(number), "", u16::from(number) * 12 + step, COUNTING))
    };
    (0..30).flat_map(scan).collect()
}

/// A phone that used three addresses, and sequence numbers that do not continue.
fn scattering_phone() -> Vec<Probe> {
    [(150, 3000), (100, 20), (50, 1500)]
        .into_iter()
        .zip(100..)
        .map(|((ago, sequence), number)| frame(ago, random(number), "Depot", sequence, SCATTERING))
        .collect()
}

fn street() -> Vec<Probe> {
    let mut probes = [counting_phone(), scattering_phone()].concat();
    probes.push(frame(30, LAPTOP.parse().unwrap(), "Depot", 1, 1));
    probes.push(frame(20, PRINTER.parse().unwrap(), "Depot", 1, 2));
    probes.sort_by_key(|probe| probe.time);
    probes
}

/// A chat over a recorder in this process.
pub struct Conversation {
    running: Running,
    chat: Chat,
    folder: tempfile::TempDir,
}

impl Conversation {
    pub fn new(mode: GroupingMode, probes: impl IntoIterator<Item = Probe>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(settings(folder.path()));
        let conversation = Self { chat: Chat::new(running.handle.clone(), ZONE, Vec::new), running, folder };
        conversation.change(EventKind::SetGrouping { mode });
        conversation.record(probes);
        conversation
    }

    pub fn change(&self, kind: EventKind) {
        self.running.record(&Input::Change(Event::new(Timestamp::now(), kind)));
    }

    /// Forgets all random addresses, as retention does.
    pub fn forget_random_addresses(&self) {
        let last_seen_before = Timestamp::now();
        self.change(EventKind::Evict { addresses: EvictionScope::Random, last_seen_before });
        // The next event waits until they are forgotten.
        self.record([frame(0, LAPTOP.parse().unwrap(), "", 1, 1)]);
    }

    pub fn record(&self, probes: impl IntoIterator<Item = Probe>) {
        for probe in probes {
            self.running.handle.record(CapturedProbe { probe, elements: None }).unwrap();
        }
        self.running.sync();
    }

    pub fn ask(&self, text: &str) -> Reply {
        self.reply(text, None)
    }

    fn reply(&self, text: &str, in_reply_to: Option<&str>) -> Reply {
        let message = UserMessage { chat: CHATS[0], person: None, text, in_reply_to, update: None };
        checked(wait::block_on(
            &self.running.runtime,
            "an answer",
            self.chat.answer(message, &Progress::ignored()),
        ))
    }

    pub fn say(&self, text: &str) -> String {
        self.ask(text).text.to_string()
    }

    pub fn press(&self, button: &Button) -> Reply {
        let press = ButtonPress { chat: CHATS[0], person: None, data: button.data().unwrap(), update: None };
        let progress = Progress::ignored();
        let pressed = self.chat.press(press, &progress);
        match wait::block_on(&self.running.runtime, "what a press does", pressed) {
            PressReply::Edit(reply) | PressReply::Send(reply) => checked(reply),
            other => panic!("no message: {other:?}"),
        }
    }

    pub fn phone_of(&self, address: MacAddr) -> GroupId {
        self.running.handle.state().grouping().group_of(address).unwrap()
    }

    /// Stops the recorder. The log, which is returned, gives the same groups.
    pub fn stop(self) -> Vec<(Offset, Event)> {
        let Self { running, folder, .. } = self;
        let handle = running.handle.clone();
        running.stop();
        let events = events(folder.path());
        assert_eq!(fold(&events).grouping(), handle.state().grouping());
        events
    }
}

/// The reply, which Telegram takes.
#[track_caller]
fn checked(reply: Reply) -> Reply {
    let limit = if reply.file.is_some() { 1024 } else { MESSAGE_LIMIT };
    assert!((1..=limit).contains(&reply.text.length()), "{}", reply.text);
    assert!(
        reply.buttons.iter().flatten().all(|button| button.data().is_none_or(|data| data.len() <= 64)),
        "{:?}",
        reply.buttons
    );
    reply
}

pub fn button(reply: &Reply, label: &str) -> Button {
    let mut buttons = reply.buttons.iter().flatten();
    buttons
        .find(|button| button.label.contains(label))
        .unwrap_or_else(|| panic!("{label}: {reply:?}"))
        .clone()
}

/// The text with its times masked.
fn masked(text: &str) -> String {
    let masks = [
        (r"\d+ (s|min) ago|just now", "[age]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time]"),
        (r"Busiest hour: mostly around \d\d:\d\d\n", ""),
    ];
    masks.iter().fold(text.to_owned(), |text, (pattern, mask)| {
        regex::Regex::new(pattern).unwrap().replace_all(&text, *mask).into_owned()
    })
}

/// Everything that is said about phones, read as a whole.
#[test]
fn a_conversation_about_phones() {
    let conversation = Conversation::new(GroupingMode::InRange, street());
    let (counting, scattering) = (conversation.phone_of(random(0)), conversation.phone_of(random(100)));
    conversation.say(&format!("/name {PRINTER} Printer"));
    let messages = [
        "/nearby".to_owned(),
        "/devices".to_owned(),
        "/devices addresses 2".to_owned(),
        "/top".to_owned(),
        "/ssid Depot".to_owned(),
        format!("phone {counting}"),
        format!("{scattering}"),
        random(101).to_string(),
        "phone 0000".to_owned(),
        format!("/chart phone {counting}"),
        format!("/export phone {counting}"),
        format!("/follow phone {counting} 5"),
        format!("/ignore phone {scattering}"),
        "/watches".to_owned(),
        format!("/name phone {counting} Alice's phone"),
        format!("/name {} Alice's tablet", random(102)),
        "/nearby".to_owned(),
        "alice's phone".to_owned(),
        "/watches".to_owned(),
        format!("/unname {}", random(29)),
        format!("/unname phone {counting}"),
        "/unname phone 0000".to_owned(),
        format!("/unfollow phone {counting}"),
        format!("/unfollow phone {counting}"),
        "/unignore alice's tablet".to_owned(),
    ];
    let said = messages.iter().map(|text| format!("> {text}\n{}\n", conversation.say(text)));
    let said: String = said.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(masked(&said));
    conversation.stop();
}

#[test]
fn phones_that_share_a_name_are_one_device_with_both_on_its_card() {
    let conversation = Conversation::new(GroupingMode::InRange, street());
    let [one, other] = [random(0), random(100)].map(|address| conversation.phone_of(address));
    conversation.say(&format!("/name phone {one} Zoë"));
    let named = conversation.say(&format!("/name phone {other} zoë"));
    assert!(named.contains("It is counted as one device with 30 other addresses of that name."), "{named}");
    let card = conversation.ask("Zoë");
    let text = card.text.to_string();
    let line = |id, addresses| format!("• phone {id}: {addresses} random addresses, last seen ");
    assert!(text.contains("\nPhones of this name:\n• phone "), "{text}");
    assert!(text.contains(&line(one, 30)) && text.contains(&line(other, 3)), "{text}");
    assert!(text.contains("\nProbe count: 93"), "{text}");
    button(&card, "Follow");
    let question = conversation.press(&button(&card, &format!("Rename phone {other}")));
    assert!(question.text.to_string().contains(&format!("a name for phone {other}.")), "{}", question.text);
    // Another name makes it another device.
    conversation.reply("Ann", Some(&question.text.to_string()));
    let text = conversation.say("Zoë");
    assert!(text.contains("Random addresses: 30") && !text.contains("Phones of this name"), "{text}");
    let refused = conversation.say(&format!("/name {LAPTOP} phone {one}"));
    let why = format!("❌ “phone {one}” looks like the ID that I give to a phone with random addresses.");
    assert!(refused.starts_with(&why), "{refused}");
    conversation.stop();
}

#[test]
fn a_name_of_an_old_log_does_not_hide_a_phone() {
    let conversation = Conversation::new(GroupingMode::InRange, street());
    let phone = conversation.phone_of(random(0));
    let (address, name) = (LAPTOP.parse().unwrap(), format!("phone {phone}"));
    conversation.change(EventKind::Name { address, name: name.clone(), by: NamedBy::Config });
    let card = conversation.say(&name);
    assert!(card.contains("Random addresses: 30") && !card.contains(LAPTOP), "{card}");
    assert!(conversation.say(LAPTOP).contains(LAPTOP));
    conversation.stop();
}

#[test]
fn the_buttons_of_a_phone_act() {
    let conversation = Conversation::new(GroupingMode::InRange, street());
    let phone = conversation.phone_of(random(0));
    let list = conversation.ask("/top");
    let card = conversation.press(&button(&list, "1"));
    assert_eq!(
        labels(&card),
        [
            "📈 Chart",
            "📋 Probes",
            "🚶 Follow",
            "✏️ Name it",
            "🙈 Ignore",
            "✂️ Not the same device",
            "📄 Copy address",
        ]
    );
    assert!(conversation.press(&button(&card, "Chart")).text.to_string().contains(&format!("phone {phone}")));
    let probes = conversation.press(&button(&card, "Probes")).text.to_string();
    assert!(probes.starts_with(&format!("📋 Newest probes of phone {phone}")), "{probes}");
    let followed = conversation.press(&button(&card, "Follow")).text.to_string();
    assert!(followed.starts_with(&format!("🚶 Following phone {phone}: ")), "{followed}");
    let question = conversation.press(&button(&card, "Name it"));
    assert_eq!(question.text.to_string(), format!("✏️ Reply with a name for phone {phone}."));
    let named = conversation.reply("Alice's phone", Some(&question.text.to_string())).text.to_string();
    assert!(named.starts_with(&format!("✏️ Phone {phone} is now called Alice's phone.")), "{named}");
    let ignored = conversation.press(&button(&card, "Ignore")).text.to_string();
    assert!(ignored.starts_with("🙈 No more alerts about Alice's phone."), "{ignored}");
    {
        let state = conversation.running.handle.state();
        let phone = DeviceKey::Phone(phone);
        assert!(state.follows().get(&phone, CHATS[0]).is_some(), "the name does not matter");
        assert!(state.mutes().ignored().get(&phone, CHATS[0]).is_some());
    }
    let card = conversation.ask("alice");
    assert!(button(&card, "Rename").data().unwrap().starts_with("name:"));
    assert!(!labels(&card).iter().any(|label| label.ends_with(" Follow") || label.ends_with(" Ignore")));
    let unfollowed = conversation.press(&button(&card, "✋ Unfollow")).text.to_string();
    assert!(unfollowed.starts_with("🚶 No longer following Alice's phone."), "{unfollowed}");
    let unignored = conversation.press(&button(&card, "👀 Unignore")).text.to_string();
    assert!(unignored.starts_with("🔔 Alerts about Alice's phone are on again."), "{unignored}");
    let card = conversation.ask("alice");
    assert!(
        labels(&card).contains(&"🚶 Follow".to_owned()) && labels(&card).contains(&"🙈 Ignore".to_owned())
    );
    conversation.stop();
}

fn labels(reply: &Reply) -> Vec<String> {
    reply.buttons.iter().flatten().map(|button| button.label.clone()).collect()
}

#[test]
fn the_card_of_a_fixed_address_shows_what_the_chat_follows_and_ignores() {
    let conversation = Conversation::new(GroupingMode::InRange, street());
    let expected =
        |buttons: &[&'static str]| [&["📈 Chart", "📋 Probes"], buttons, &["📄 Copy address"]].concat();
    assert_eq!(labels(&conversation.ask(LAPTOP)), expected(&["🚶 Follow", "✏️ Name it"]));
    conversation.say(&format!("/follow {LAPTOP}"));
    assert_eq!(labels(&conversation.ask(LAPTOP)), expected(&["✋ Unfollow", "✏️ Name it"]));
    conversation.say(&format!("/ignore {LAPTOP}"));
    let card = conversation.ask(LAPTOP);
    assert_eq!(labels(&card), expected(&["✋ Unfollow", "✏️ Name it", "👀 Unignore"]));
    conversation.press(&button(&card, "Unfollow"));
    conversation.press(&button(&card, "Unignore"));
    assert_eq!(labels(&conversation.ask(LAPTOP)), expected(&["🚶 Follow", "✏️ Name it"]));
    conversation.stop();
}

#[test]
fn an_address_that_is_split_off_stays_apart() {
    let conversation = Conversation::new(GroupingMode::InRange, street());
    let phone = conversation.phone_of(random(100));
    let card = conversation.ask(&format!("phone {phone}"));
    let choice = conversation.press(&button(&card, "Not the same device"));
    insta::assert_snapshot!(masked(&choice.text.to_string()));
    let split = conversation.press(&button(&choice, &random(101).to_string()));
    let other = conversation.phone_of(random(101));
    assert_ne!(other, phone);
    assert_eq!(
        split.text.to_string(),
        format!(
            "✂️ {} no longer belongs to phone {phone}. It is phone {other} from now on. I will not group the two again.",
            random(101)
        )
    );
    let card = conversation.press(&button(&split, "📇 Card"));
    assert!(card.text.to_string().contains("(you said so)"), "{}", card.text);
    assert!(card.buttons.iter().flatten().all(|button| !button.label.contains("Not the same")), "{card:?}");
    // The same press again changes nothing, and says so.
    let again = conversation.press(&button(&choice, &random(101).to_string())).text.to_string();
    assert_eq!(again, format!("✂️ {} does not belong to phone {phone}.", random(101)));
    conversation.record([frame(1, random(101), "Depot", 40, SCATTERING)]);
    assert_eq!(conversation.phone_of(random(101)), other);
    // Also if the log lost the address after which the phone was called.
    let mut log = conversation.stop();
    log.retain(|(_, event)| event.address() != Some(random(100)));
    let state = fold(&log);
    let groups = [101, 102].map(|number| state.grouping().group_of(random(number)).unwrap());
    assert_eq!((groups[0] != phone, groups[1]), (true, phone));
}

#[test]
fn alerts_name_the_phone() {
    let conversation = Conversation::new(GroupingMode::InRange, street());
    let phone = conversation.phone_of(random(100));
    conversation.say("/watch Depot vans");
    conversation.record([frame(0, random(103), "Depot", 900, SCATTERING)]);
    let alert = |conversation: &Conversation| {
        let state = conversation.running.handle.state();
        let (_, alert) = state.alerts().waiting_for(CHATS[0]).next().unwrap();
        words::alert(alert, words::AlertDevice::of(&state, alert.source), (alert.time, ZONE))
    };
    let shown = alert(&conversation);
    insta::assert_snapshot!(masked(&shown.text.to_string()).replace(&phone.to_string(), "[phone]"));
    let card = conversation.press(&button(&shown, "📇 Card"));
    assert!(
        card.text.to_string().starts_with(&format!("📡 Wi-Fi probe stats for phone {phone}")),
        "{}",
        card.text
    );
    // Another address of the same phone is no other device: it cools down.
    conversation.record([frame(0, random(104), "Depot", 100, SCATTERING)]);
    assert_eq!(conversation.running.handle.state().alerts().waiting(), 1);
    conversation.say(&format!("/name phone {phone} Van"));
    let shown = alert(&conversation);
    assert!(shown.text.to_string().contains("(Van) looked for"), "{}", shown.text);
    button(&shown, "📇 Card");
    conversation.stop();
}

#[test]
fn addresses_stand_alone_while_grouping_is_off() {
    let conversation = Conversation::new(GroupingMode::Off, street());
    let list = conversation.say("/nearby");
    assert!(
        list.contains("\nProbably at least 3 devices: 2 with a fixed address, 33 random addresses\n"),
        "{list}"
    );
    assert!(list.contains(&format!("{} (random address)", random(29))), "{list}");
    let card = conversation.ask(&random(5).to_string());
    assert!(card.text.to_string().contains("Vendor: random address"), "{}", card.text);
    let refused = conversation.say(&format!("/follow {}", random(5)));
    assert!(refused.starts_with(&format!("❌ {} is a random address: ", random(5))), "{refused}");
    let named = conversation.say(&format!("/name {} Tablet", random(5)));
    assert_eq!(named, format!("✏️ {} is now called Tablet.", random(5)));
    let refused = conversation.say("/follow tablet");
    assert!(
        refused.starts_with("❌ That name only has random addresses")
            || refused.starts_with(&format!("❌ {} is a random address: ", random(5))),
        "{refused}"
    );
    conversation.stop();
}

/// Groups that were there before are no longer shown.
#[test]
fn turning_grouping_off_lists_addresses_again() {
    let conversation = Conversation::new(GroupingMode::InRange, scattering_phone());
    assert!(conversation.say("/devices").contains("1 phone using random addresses (3 addresses)"));
    conversation.change(EventKind::SetGrouping { mode: GroupingMode::Off });
    let list = conversation.say("/devices");
    assert!(list.contains("\nAt least 1 device: 3 random addresses\n1. da:a1:19:00:00:66 "), "{list}");
    conversation.stop();
}

/// The pages of addresses are turned by their own buttons.
#[test]
fn addresses_have_pages() {
    let conversation = Conversation::new(GroupingMode::InRange, street());
    let mut pages = vec![conversation.ask("/devices addresses")];
    while let Some(next) = pages.last().unwrap().buttons.iter().flatten().find(|button| button.label == "▶")
    {
        let next = next.clone();
        pages.push(conversation.press(&next));
    }
    assert_eq!(pages.len(), 4);
    let text: String = pages.iter().map(|page| page.text.to_string()).collect();
    assert!((0..30).chain(100..103).all(|number| text.contains(&random(number).to_string())), "{text}");
    assert!(pages[0].text.to_string().starts_with("📱 Addresses, last seen first (page 1 of 4)"), "{text}");
    conversation.stop();
}

/// The status counts without a scan what the list counts by one.
#[test]
fn the_status_counts_devices_as_the_list_does() {
    let conversation = Conversation::new(GroupingMode::InRange, street());
    conversation.say(&format!("/name {PRINTER} Printer"));
    conversation.say(&format!("/name phone {} Alice's phone", conversation.phone_of(random(0))));
    let counts = "Probably at least 4 devices: 2 named, 1 with a fixed address, 1 phone using random addresses (3 addresses)";
    for question in ["/status", "/devices"] {
        let said = conversation.say(question);
        assert!(said.contains(counts), "{said}");
    }
    conversation.stop();
}

#[test]
fn phones_that_cannot_be_told_apart_are_counted_as_far_as_proven() {
    let at_once = [(50, 100), (45, 101), (40, 100), (35, 101)]
        .map(|(ago, number)| frame(ago, random(number), "", 37 * ago as u16 % 4096, SCATTERING));
    let conversation = Conversation::new(GroupingMode::InRange, at_once);
    let phone = conversation.phone_of(random(100));
    let list = conversation.say("/nearby");
    assert!(list.contains("\nAt least 2 devices: 2 phones using random addresses (2 addresses)\n"), "{list}");
    assert!(list.contains(&format!("1. phone {phone} (at least 2 phones, 2 addresses): ")), "{list}");
    let card = conversation.say(&format!("phone {phone}"));
    assert!(card.contains("\nAt least 2 phones of this model, which cannot be told apart.\n"), "{card}");
    conversation.stop();
}

#[test]
fn a_phone_that_returns_is_recognised_by_its_own_network_if_that_is_wanted() {
    let visits = || {
        let visit =
            |number: u8| frame(20_000 * (2 - i64::from(number)), random(number), "Attic", 7, SCATTERING);
        [visit(0), visit(1), visit(2)]
    };
    let conversation = Conversation::new(GroupingMode::Returns, visits());
    let phone = conversation.phone_of(random(0));
    let card = conversation.say(&random(2).to_string());
    assert!(card.starts_with(&format!("📡 Wi-Fi probe stats for phone {phone}\nIn range since: ")), "{card}");
    assert!(card.contains("\nVisits that I recognised: 3\n"), "{card}");
    assert!(card.contains(&format!("• {} (a network only it looks for)\n", random(2))), "{card}");
    let followed = conversation.say(&format!("/follow phone {phone}"));
    assert!(followed.contains("I know it only by a network that nobody else looks for."), "{followed}");
    conversation.stop();
    // By default it is a stranger each time.
    let conversation = Conversation::new(GroupingMode::InRange, visits());
    assert_ne!(conversation.phone_of(random(0)), conversation.phone_of(random(2)));
    let card = conversation.say(&random(0).to_string());
    assert!(card.contains("\nLast visit: "), "{card}");
    conversation.stop();
}

#[test]
fn a_followed_phone_arrives_with_another_address() {
    let conversation = Conversation::new(GroupingMode::InRange, [frame(300, random(100), "", 5, SCATTERING)]);
    let phone = conversation.phone_of(random(100));
    conversation.say(&format!("/follow {} 1", random(100)));
    conversation.record([frame(0, random(101), "", 900, SCATTERING)]);
    let state = conversation.running.handle.state();
    let (_, alert) = state.alerts().waiting_for(CHATS[0]).next().unwrap();
    let shown = words::alert(alert, words::AlertDevice::of(&state, alert.source), (alert.time, ZONE))
        .text
        .to_string();
    drop(state);
    let arrived = format!("phone {phone} (random address {}) has arrived after ", random(101));
    assert!(shown.contains(&arrived), "{shown}");
    conversation.stop();
}

/// Through the air, the real program and the bot.
#[test]
fn a_phone_is_named_through_the_bot() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.chats(&[CHAT])) else { return };
    let air = |testbed: &mut Testbed, address: &str, sequence: u16| {
        let frame = ProbeRequestFrame::new(address).ssid("Depot").signal(-61).sequence(sequence);
        testbed.radio.transmit(&frame.build());
    };
    air(&mut testbed, "da:a1:19:00:00:01", 10);
    air(&mut testbed, "da:a1:19:00:00:02", 3000);
    let list = testbed.ask_until("/nearby", "1 phone using random addresses (2 addresses)");
    let card = testbed.bring_and_wait(CHAT, Incoming::press(&list, list.button("1")));
    assert!(card.plain.contains("(same model, nothing tells it apart)"), "{}", card.plain);
    let question = testbed.bring_and_wait(CHAT, Incoming::press(&card, card.button("Name it")));
    assert_eq!(question.raw["reply_markup"]["force_reply"], true);
    testbed.bring_and_wait(CHAT, Incoming::reply(&question, "Alice's phone"));
    testbed.kill_and_restart();
    air(&mut testbed, "da:a1:19:00:00:03", 77);
    let list = testbed.ask_until("/nearby", "(3 addresses)");
    assert!(list.plain.contains("Alice's phone (3 addresses)"), "{}", list.plain);
    let watched = testbed.ask("/watch Depot");
    assert!(watched.plain.starts_with("👁 Watching"), "{}", watched.plain);
    air(&mut testbed, "da:a1:19:00:00:04", 1200);
    let alert = testbed.wait_for_alert(1);
    assert!(
        alert.plain.contains("MAC address da:a1:19:00:00:04 (Alice's phone) looked for"),
        "{}",
        alert.plain
    );
    let card = testbed.bring_and_wait(CHAT, Incoming::press(&alert, alert.button("📇 Card")));
    assert!(card.plain.starts_with("📡 Wi-Fi probe stats for Alice's phone"), "{}", card.plain);
    testbed.api.assert_clean();
}
