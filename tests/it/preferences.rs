//! A chat sets, undoes and lists its alert preferences in the chat. Those set at the terminal apply to all chats and
//! are undone at the terminal.

use std::path::Path;

use dot11::{MacAddr, RequestedSsid, Ssid};
use probewatch::chat::views::alerts as words;
use probewatch::chat::{ButtonPress, Chat, File, PressReply, Progress, Reply, UserMessage};
use probewatch::chat_settings::{Configured, ConfiguredSettings};
use probewatch::text::MESSAGE_LIMIT;
use store::event::{ChatId, Probe};

use crate::support::recorder::{CHATS, Input, Running, probe, settings};
use crate::support::wait;

const VAN: &str = "00:23:a7:19:5c:02";
const ZONE: chrono_tz::Tz = chrono_tz::Tz::UTC;
const OWNER: ChatId = CHATS[0];
const OTHER: ChatId = CHATS[1];

fn minutes(count: i64) -> i64 {
    count * 60_000_000
}

fn asks(source: MacAddr, ssid: &str, micros: i64) -> Probe {
    probe(source, RequestedSsid::Named(Ssid::from(ssid)), micros)
}

/// A chat and a recorder in this process.
struct Conversation {
    running: Running,
    chat: Chat,
}

impl Conversation {
    fn new(folder: &Path) -> Self {
        let running = Running::start(settings(folder));
        let chat = Chat::new(running.handle.clone(), ZONE, Vec::new);
        Self { running, chat }
    }

    fn say(&self, text: &str) -> String {
        self.say_in(OWNER, text)
    }

    fn say_in(&self, chat: ChatId, text: &str) -> String {
        self.ask_in(chat, text).text.to_string()
    }

    fn ask_in(&self, chat: ChatId, text: &str) -> Reply {
        let message = UserMessage { chat, person: None, text, in_reply_to: None, update: None };
        wait::block_on(&self.running.runtime, "an answer", self.chat.answer(message, &Progress::ignored()))
    }

    fn pressed(&self, data: &str) -> PressReply {
        let press = ButtonPress { chat: OWNER, person: None, data, update: None };
        wait::block_on(
            &self.running.runtime,
            "what a press does",
            self.chat.press(press, &Progress::ignored()),
        )
    }

    fn press(&self, data: &str) -> String {
        match self.pressed(data) {
            PressReply::Edit(answer) | PressReply::Send(answer) => answer.text.to_string(),
            PressReply::Notify(text) | PressReply::NotifyAndEdit(text, _) => text,
        }
    }

    fn receive(&self, source: &str, ssid: &str) {
        let probe = asks(source.parse().unwrap(), ssid, minutes(29_000_000));
        self.running.record(&Input::Probe(probe));
        self.running.sync();
    }

    /// Receives a probe for this network and returns its alert.
    fn alert_of(&self, ssid: &str) -> Reply {
        self.receive(VAN, ssid);
        let state = self.running.handle.state();
        let (_, alert) = state.alerts().waiting_for(OWNER).next().unwrap();
        words::alert(alert, None.into(), (alert.time, ZONE))
    }

    /// The networks that are marked as watched in a chat's table.
    fn watched_in_table(&self, chat: ChatId) -> Vec<String> {
        let Some(File::Document { bytes, .. }) = self.ask_in(chat, "/export networks").file else {
            panic!("no document")
        };
        let table = String::from_utf8(bytes).unwrap();
        let watched = table.lines().filter(|line| line.ends_with(",true"));
        watched.map(|line| line.split(',').next().unwrap().to_owned()).collect()
    }
}

/// A snapshot of a whole conversation.
#[test]
fn changes_of_preferences_are_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let conversation = Conversation::new(folder.path());
    conversation.receive(VAN, "Depot");
    conversation.receive("da:a1:19:00:00:01", "Depot");
    let messages = [
        "/watch Depot* vans",
        "/watch \"Depot*\"",
        "/watch *",
        "/follow da:a1:19:00:00:01",
        "/name da:a1:19:00:00:01 Tablet",
        "/follow tablet",
        "/follow 00:23:a7:19:5c:02",
        "/name 00:23:a7:19:5c:02 Delivery van 2",
        "/follow delivery van 2",
        "/follow delivery van 2 30",
        "/follow delivery van 2 0",
        "/follow nobody",
        "/ignore tablet",
        "/mute 400d",
        "/watches",
        "/unwatch Depot*",
        "/unwatch Depot*",
        "/unfollow delivery van 2",
        "/unfollow delivery van 2",
        "/unignore tablet",
        "/unignore tablet",
        "/unmute",
        "/mute 2h",
        "/unmute",
    ];
    let said: Vec<String> =
        messages.iter().map(|text| format!("> {text}\n{}\n", conversation.say(text))).collect();
    insta::with_settings!({filters => vec![
        (r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "since [time]"),
        (r"last seen \d+ (days|weeks|months|years) ago", "last seen [days] ago"),
        (r"until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "until [time]"),
    ]}, {
        insta::assert_snapshot!(said.join("\n"));
    });
    conversation.running.stop();
}

#[test]
fn buttons_of_an_alert_act() {
    let folder = tempfile::tempdir().unwrap();
    let conversation = Conversation::new(folder.path());
    conversation.say("/watch Depot*");
    let alert = conversation.alert_of("Depot 7");
    insta::assert_snapshot!(alert.text);
    let labels: Vec<&str> = alert.buttons.iter().flatten().map(|button| button.label.as_str()).collect();
    assert_eq!(labels, ["🔕 Mute 1 h", "✏️ Name it", "🙈 Ignore device", "✋ Stop watching"]);
    let said: Vec<String> =
        alert.buttons.iter().flatten().map(|button| conversation.press(button.data().unwrap())).collect();
    assert!(said[0].starts_with("🔕 Muted until"), "{said:?}");
    assert!(said[1].starts_with(&format!("✏️ Reply with a name for {VAN}.")), "{said:?}");
    assert!(said[2].starts_with(&format!("🙈 No more alerts about {VAN}.")), "{said:?}");
    assert_eq!(said[3], "👁 No longer watching for Depot*.");
    assert_eq!(conversation.press(alert.buttons[1][1].data().unwrap()), "That is no longer watched.");
    assert!(conversation.press("follow:0023a7195c02").starts_with(&format!("🚶 Following {VAN}:")));
    assert_eq!(
        conversation.press("frobnicate"),
        "This button is too old. Send the command again for a new one."
    );
    conversation.running.stop();
}

#[test]
fn settings_of_the_terminal_are_undone_at_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let conversation = Conversation::new(folder.path());
    let at_the_terminal = |text: &str| conversation.say_in(ChatId::TERMINAL, text);
    let all = ["/watch Depot*", "/watch \"Depot 7\"", &format!("/follow {VAN}"), &format!("/ignore {VAN}")];
    all[..2].iter().for_each(|text| drop(at_the_terminal(text)));
    let alert = conversation.alert_of("Depot 7");
    all[2..].iter().for_each(|text| drop(at_the_terminal(text)));
    let undone =
        ["/unwatch Depot 7", "/unwatch Depot*", "/unfollow 00:23:a7:19:5c:02", "/unignore 00:23:a7:19:5c:02"];
    let mut said = Vec::new();
    // A watch that is not the chat's own remains.
    said.extend(undone.map(|text| format!("> {text}\n{}\n", conversation.say(text))));
    let button = alert.buttons.iter().flatten().last().unwrap().data().unwrap().to_owned();
    assert_eq!(conversation.press(&button), conversation.say("/unwatch Depot 7"), "buttons alike");
    {
        let state = conversation.running.handle.state();
        assert_eq!((state.watches().len(), state.follows().count(ChatId::TERMINAL)), (2, 1));
        assert_eq!(state.mutes().ignored().iter().count(), 1);
    }
    // If the watch is also set at the terminal, that one remains, and the reply says so.
    all.iter().for_each(|text| drop(conversation.say(text)));
    said.extend(undone.map(|text| format!("> {text}\n{}\n", conversation.say(text))));
    {
        let state = conversation.running.handle.state();
        assert!(state.watches().iter().all(|(_, by, _)| by == ChatId::TERMINAL));
        assert_eq!((state.follows().count(OWNER), state.follows().count(ChatId::TERMINAL)), (0, 1));
    }
    // The chat's own pattern still covers the network.
    undone.iter().for_each(|text| drop(at_the_terminal(text)));
    ["/watch Depot*", "/watch \"Depot 7\""].iter().for_each(|text| drop(conversation.say(text)));
    said.extend(["/unwatch Depot 7"; 2].map(|text| format!("> {text}\n{}\n", conversation.say(text))));
    insta::assert_snapshot!(said.join("\n"));
    conversation.running.stop();
}

#[test]
fn a_chat_does_not_see_watches_of_other_chats() {
    let folder = tempfile::tempdir().unwrap();
    let conversation = Conversation::new(folder.path());
    for ssid in ["Attic", "Cellar", "Depot 7", "Garage"] {
        conversation.receive(VAN, ssid);
    }
    conversation.say("/watch Attic");
    conversation.say("/watch Depot*");
    conversation.say_in(OTHER, "/watch Cellar");
    conversation.say_in(ChatId::TERMINAL, "/watch Gar*");
    assert_eq!(conversation.watched_in_table(OWNER), ["Attic", "Depot 7", "Garage"]);
    assert_eq!(conversation.watched_in_table(OTHER), ["Cellar", "Garage"]);
    // The list has the same marks.
    let marked = |text: &str| text.lines().filter(|line| line.contains(". 👁 ")).count();
    let list = conversation.say_in(OTHER, "/networks");
    assert!(list.contains("👁 Cellar") && list.contains("👁 Garage") && marked(&list) == 2, "{list}");
    // A press sets a watch and confirms it.
    let list = conversation.ask_in(OWNER, "/networks");
    assert_eq!(marked(&list.text.to_string()), 3);
    let button = &list.buttons[0];
    let [button] = button.as_slice() else { panic!("{button:?}") };
    let PressReply::NotifyAndEdit(notice, list) = conversation.pressed(button.data().unwrap()) else {
        panic!("no list")
    };
    assert_eq!(notice, "👁 Watching for \"Cellar\".");
    assert!(marked(&list.text.to_string()) == 4 && list.buttons.is_empty(), "{}", list.text);
    conversation.running.stop();
}

#[test]
fn every_preference_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let conversation = Conversation::new(folder.path());
    let reason = "long ".repeat(50);
    for number in 0..33 {
        conversation.say(&format!("/watch \"network {number:02}\" {reason}"));
    }
    for number in 0..7 {
        conversation.say(&format!("/follow 00:23:a7:00:00:{number:02}"));
        conversation.say(&format!("/ignore 00:23:a7:00:01:{number:02}"));
    }
    conversation.say("/mute 2h");
    let mut pages = vec![conversation.ask_in(OWNER, "/watches")];
    let turn = |page: &Reply| {
        page.buttons
            .iter()
            .flatten()
            .find(|button| button.label == "▶")
            .and_then(|button| Some(button.data()?.to_owned()))
    };
    while let Some(next) = turn(pages.last().unwrap()) {
        let PressReply::Edit(page) = conversation.pressed(&next) else { panic!("{next} turns the page") };
        pages.push(page);
    }
    assert_eq!(pages.len(), 5);
    assert!(pages.iter().all(|page| page.text.length() <= MESSAGE_LIMIT));
    let texts: Vec<String> = pages.iter().map(|page| page.text.to_string()).collect();
    assert!(texts.iter().all(|text| text.starts_with("🔕 Muted until ")), "{}", texts[0]);
    assert!(texts[0].contains("👁 Watched networks (page 1 of 5)\n• network 00: long"), "{}", texts[0]);
    let all = texts.concat();
    let entries = all.lines().filter(|line| line.starts_with("• ")).count();
    assert_eq!(entries, 33 + 7 + 7);
    assert!((0..33).all(|number| all.contains(&format!("• network {number:02}: "))));
    assert!(texts[3].contains("\n\n🚶 Followed devices\n• 00:23:a7:00:00:00"), "{}", texts[3]);
    assert!(texts[4].contains("• 00:23:a7:00:01:06"), "{}", texts[4]);
    // On a terminal, a page shows its number.
    assert_eq!(conversation.say("/watches 5"), texts[4]);
    conversation.running.stop();
}

#[test]
fn a_repeated_follow_says_so_and_a_replay_does_not_make_a_device_be_here() {
    let folder = tempfile::tempdir().unwrap();
    let conversation = Conversation::new(folder.path());
    let events = || conversation.running.handle.state().next_offset();
    conversation.say(&format!("/follow {VAN}"));
    let before = events();
    let again = conversation.say(&format!("/follow {VAN}"));
    assert!(again.starts_with(&format!("🚶 Already following {VAN}: I will tell you")), "{again}");
    assert_eq!(events(), before, "nothing changed");
    let other = conversation.say(&format!("/follow {VAN} 30"));
    assert!(other.starts_with(&format!("🚶 Following {VAN}: ")) && other.contains("30 min"), "{other}");
    let list = conversation.say("/watches");
    assert!(list.contains(&format!("• {VAN}: not seen yet (gone after 30 min of silence)")), "{list}");
    // A file from long ago is replayed.
    conversation.receive(VAN, "Depot");
    let list = conversation.say("/watches");
    let line = list.lines().find(|line| line.contains(VAN)).unwrap();
    assert!(line.starts_with(&format!("• {VAN}: last seen ")), "{line}");
    assert!(line.ends_with(" ago (gone after 30 min of silence)"), "{line}");
    conversation.say(&format!("/ignore {VAN}"));
    let again = conversation.say(&format!("/ignore {VAN}"));
    assert_eq!(
        again,
        format!("🙈 Already ignoring {VAN}. Use /unignore {VAN} to get alerts about it again.")
    );
}

#[test]
fn the_doorbell_says_how_it_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = Conversation::new(folder.path());
    let messages = [
        "/doorbell",
        "/doorbell on",
        "/doorbell on -70 5m",
        "/doorbell on quiet",
        "/doorbell quiet",
        "/doorbell off",
        "/doorbell off",
    ];
    let parts = [
        ("none", &messages[..]),
        ("22:30-07:00", &messages[..]),
        ("22:30-07:00", &["/doorbell on quiet"]),
        ("none", &["/doorbell"]),
    ];
    let mut said = String::new();
    for (quiet_hours, messages) in parts {
        let quiet_hours_set =
            quiet_hours.parse().ok().map(|value| Configured { value, origin: "a file".to_owned() });
        let unset = ConfiguredSettings::unset(conversation.chat.zone());
        conversation.chat =
            conversation.chat.with_settings(ConfiguredSettings { quiet_hours: quiet_hours_set, ..unset });
        said += &format!("Quiet hours: {quiet_hours}\n\n");
        for message in messages {
            said += &format!("> {message}\n{}\n\n", conversation.say(message));
        }
    }
    insta::assert_snapshot!(said);
}
