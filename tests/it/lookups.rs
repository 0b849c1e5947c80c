//! Replies to look-ups fit into a message, if necessary in pages, and their buttons work. Charts and tables agree with
//! the log, also while it is being written.

use std::sync::{Arc, Mutex};

use chrono_tz::Tz;
use dot11::{MacAddr, RequestedSsid, Ssid};
use probewatch::chart::{self, Series};
use probewatch::chat::callbacks::Callback;
use probewatch::chat::{
    Button, ButtonAction, ButtonPress, ButtonStyle, Chat, File, PressReply, Progress, Reply, UserMessage,
};
use probewatch::text::MESSAGE_LIMIT;
use proptest::prelude::*;
use store::event::{Event, EventKind, NamedBy, Probe, Timestamp};
use store::recorder::ProbeFilter;

use crate::support::recorder::{CHATS, Input, Running, probe, settings};
use crate::support::wait;

/// A recorder with recorded probes, and a chat that uses it.
struct Fixture {
    recorder: Running,
    chat: Chat,
    _folder: tempfile::TempDir,
}

fn device(number: u32) -> MacAddr {
    let [_, a, b, c] = number.to_be_bytes();
    MacAddr::new([0xa4, 0x83, 0xe7, a, b, c])
}

fn network(ssid: &str) -> RequestedSsid {
    RequestedSsid::Named(ssid.into())
}

impl Fixture {
    fn new(probes: impl IntoIterator<Item = Probe>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Running::start(settings(folder.path()));
        for probe in probes {
            recorder.record(&Input::Probe(probe));
        }
        recorder.sync();
        let chat = Chat::new(recorder.handle.clone(), Tz::Europe__Berlin, Vec::new);
        Self { recorder, chat, _folder: folder }
    }

    fn ask(&self, text: &str) -> Reply {
        self.reply(text, None)
    }

    fn reply(&self, text: &str, in_reply_to: Option<&str>) -> Reply {
        let message = UserMessage { chat: CHATS[0], person: None, text, in_reply_to, update: None };
        checked(wait::block_on(
            &self.recorder.runtime,
            "an answer",
            self.chat.answer(message, &Progress::ignored()),
        ))
    }

    fn press(&self, button: &Button) -> PressReply {
        let press = ButtonPress { chat: CHATS[0], person: None, data: button.data().unwrap(), update: None };
        match wait::block_on(
            &self.recorder.runtime,
            "what a press does",
            self.chat.press(press, &Progress::ignored()),
        ) {
            PressReply::Edit(answer) => PressReply::Edit(checked(answer)),
            PressReply::Send(answer) => PressReply::Send(checked(answer)),
            PressReply::NotifyAndEdit(text, answer) => PressReply::NotifyAndEdit(text, checked(answer)),
            PressReply::Notify(text) => {
                assert!(text.chars().count() <= 200, "{text}");
                PressReply::Notify(text)
            }
        }
    }

    /// All pages of a list, following its buttons.
    fn pages(&self, text: &str) -> Vec<Reply> {
        let mut pages = vec![self.ask(text)];
        while let Some(next) = button(pages.last().unwrap(), "▶") {
            let PressReply::Edit(page) = self.press(&next) else { panic!("{next:?} turns the page") };
            let back = button(&page, "◀").expect("a way back");
            assert_eq!(self.press(&back), PressReply::Edit(pages.last().unwrap().clone()));
            pages.push(page);
        }
        pages
    }
}

/// Checks that Telegram would accept the reply, and returns it.
#[track_caller]
fn checked(answer: Reply) -> Reply {
    let limit = if answer.file.is_some() { 1024 } else { MESSAGE_LIMIT };
    assert!((1..=limit).contains(&answer.text.length()), "{}", answer.text);
    for button in answer.buttons.iter().flatten() {
        let is_valid = match &button.action {
            ButtonAction::Callback(data) => {
                (1..=64).contains(&data.len()) && Callback::decode(data).is_some()
            }
            ButtonAction::Copy(text) => (1..=256).contains(&text.encode_utf16().count()),
        };
        assert!(is_valid && !button.label.is_empty(), "{button:?}");
    }
    let is_primary = |button: &&Button| button.style == Some(ButtonStyle::Primary);
    assert!(answer.buttons.iter().flatten().filter(is_primary).count() <= 1, "{:?}", answer.buttons);
    assert!(answer.buttons.iter().all(|row| (1..=8).contains(&row.len())), "{:?}", answer.buttons);
    answer
}

fn button(answer: &Reply, label: &str) -> Option<Button> {
    answer.buttons.iter().flatten().find(|button| button.label == label).cloned()
}

fn drawn(pressed: PressReply) -> Reply {
    match pressed {
        PressReply::Edit(answer) if matches!(answer.file, Some(File::Picture { .. })) => answer,
        other => panic!("not a picture: {other:?}"),
    }
}

fn sent(pressed: PressReply) -> Reply {
    match pressed {
        PressReply::Send(answer) => answer,
        other => panic!("not a message: {other:?}"),
    }
}

fn seconds(count: i64) -> i64 {
    count * 1_000_000
}

#[test]
fn pages_list_every_device_once_and_in_order() {
    let fixture =
        Fixture::new((0..25).map(|number| probe(device(number), network("x"), seconds(number.into()))));
    let pages = fixture.pages("/devices");
    assert_eq!(pages.len(), 3);
    let text: String = pages.iter().map(|page| format!("{}\n", page.text)).collect();
    let shown: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(". ")?.1.split_whitespace().next()).collect();
    let expected: Vec<String> = (0..25).rev().map(|number| device(number).to_string()).collect();
    assert_eq!(shown, expected);
    let card = sent(fixture.press(&button(&pages[1], "11").unwrap()));
    assert!(card.text.to_string().starts_with(&format!("📡 Wi-Fi probe stats for {}", device(14))));
}

#[test]
fn hostile_names_are_shown_in_full() {
    let worst = |number: u8| {
        let mut ssid = vec![0x7f; 32];
        ssid[31] = number;
        probe(device(number.into()), RequestedSsid::Named(Ssid::new(&ssid)), 0)
    };
    let longer = probe(device(99), RequestedSsid::Named(Ssid::new(&[0x1b; 255])), 0);
    let fixture = Fixture::new((0..30).map(worst).chain([longer]));
    for number in 0..30 {
        let name = "\u{e0001}".repeat(63) + &number.to_string();
        let event = Event::new(
            Timestamp::now(),
            EventKind::Name { address: device(number), name, by: NamedBy::Chat },
        );
        fixture.recorder.record(&Input::Change(event));
    }
    let pages = fixture.pages("/networks");
    assert_eq!(pages.len(), 4);
    for number in 0..30_u8 {
        let mut ssid = vec![0x7f; 32];
        ssid[31] = number;
        let shown = Ssid::new(&ssid).to_string();
        assert!(pages.iter().any(|page| page.text.to_string().contains(&shown)), "{shown} is whole");
    }
    for list in ["/devices", "/top", "/nearby 10080"] {
        fixture.pages(list);
    }
}

#[test]
fn a_press_in_a_list_watches_its_network() {
    let fixture = Fixture::new([probe(device(1), network("RNM0"), 0), probe(device(1), network("<b>"), 1)]);
    let watch = button(&fixture.ask("/networks"), "👁 1").unwrap();
    let PressReply::NotifyAndEdit(notice, list) = fixture.press(&watch) else { panic!("no list") };
    assert_eq!(notice, "👁 Watching for \"<b>\".");
    assert_eq!(list.text, fixture.ask("/networks").text);
    let list = fixture.ask("/networks");
    assert!(list.text.to_string().contains("\n1. 👁 <b>: "), "{}", list.text);
    assert_eq!(button(&list, "👁 1"), None, "it is watched already");
    assert!(button(&list, "👁 2").is_some());
}

#[test]
fn a_reply_to_the_question_gives_the_name() {
    let fixture = Fixture::new([probe(device(1), network("x"), 0)]);
    let card = fixture.ask(&device(1).to_string());
    let question = sent(fixture.press(&button(&card, "✏️ Name it").unwrap()));
    assert!(question.asks_for.is_some());
    let question = question.text.to_string();
    let refused = fixture.reply("aa:bb:cc:dd:ee:ff", Some(&question));
    assert!(refused.text.to_string().contains("looks like a MAC address"), "{}", refused.text);
    let named = fixture.reply("Alice's phone", Some(&question));
    assert_eq!(named.text.to_string(), format!("✏️ {} is now called Alice's phone.", device(1)));
    assert!(fixture.reply("/status", Some(&question)).text.to_string().contains("probewatch"));
    let card = fixture.reply("alice", Some("some other message"));
    assert!(card.text.to_string().starts_with("📡 Wi-Fi probe stats for Alice's phone"));
    assert!(button(&card, "✏️ Rename").is_some());
}

#[test]
fn an_ambiguous_name_gives_buttons_to_choose_from() {
    let fixture = Fixture::new((1..3).map(|number| probe(device(number), network("x"), 0)));
    fixture.ask(&format!("/name {} Alice", device(1)));
    fixture.ask(&format!("/name {} Alina", device(2)));
    let which = fixture.ask("ali");
    let card = sent(fixture.press(&button(&which, "Alina").unwrap()));
    assert!(card.text.to_string().starts_with("📡 Wi-Fi probe stats for Alina"), "{}", card.text);
    let which = fixture.ask("/chart ali 7d");
    let chart = drawn(fixture.press(&button(&which, "Alice").unwrap()));
    assert!(chart.text.to_string().contains("the last 7 days"), "{}", chart.text);
}

#[test]
fn ssid_lists_devices_with_their_counts() {
    let times =
        |number: u32| (0..=number).map(move |second| probe(device(number), network("RNM0"), second.into()));
    let others = (20..40).map(|number| probe(device(number), network("RNM"), 0));
    let fixture = Fixture::new((0..12).flat_map(times).chain(others));
    let pages = fixture.pages("/ssid RNM0");
    let first = pages[0].text.to_string();
    assert!(
        first.contains("\nProbe count: 78\n12 devices requested it: 12 with a fixed address\n1. "),
        "{first}"
    );
    assert!(first.contains(&format!("1. {} (Apple): 12 times", device(11))), "{first}");
    assert!(pages[1].text.to_string().contains(&format!("12. {} (Apple): 1 time, ", device(0))));
    assert!(fixture.ask("/ssid RNM").text.to_string().contains("20 devices"));
}

/// The log has many small segments, most of them sealed.
#[test]
fn probe_lists_and_tables_agree_with_the_log() {
    let recent = Timestamp::now().as_micros() - seconds(3600);
    let of = |number: u32| {
        (0..150).map(move |place| Probe {
            signal_dbm: Some(-(place as i8 % 90)),
            ..probe(device(number), network(&format!("=net {place}")), recent + seconds(place))
        })
    };
    let fixture = Fixture::new((0..3).flat_map(of));
    let card = fixture.ask(&device(1).to_string());
    let first = sent(fixture.press(&button(&card, "📋 Probes").unwrap()));
    let mut pages = vec![first];
    while let Some(next) = button(pages.last().unwrap(), "▶") {
        let PressReply::Edit(page) = fixture.press(&next) else { panic!() };
        pages.push(page);
    }
    assert_eq!(pages.len(), 10);
    let text: String = pages.iter().map(|page| page.text.to_string()).collect();
    let shown: Vec<&str> = text.lines().filter_map(|line| line.split('"').nth(1)).collect();
    let expected: Vec<String> = (50..150).rev().map(|place| format!("=net {place}")).collect();
    assert_eq!(shown, expected);
    assert!(text.contains("Older ones: /export"), "{text}");

    let Some(File::Document { name, bytes, .. }) = fixture.ask(&format!("/export {}", device(1))).file else {
        panic!("no document")
    };
    assert_eq!(name, "probes-a483e7000001.csv");
    let table = String::from_utf8(bytes).unwrap();
    assert_eq!(table.lines().count(), 151);
    assert!(
        table.lines().skip(1).all(|line| line.contains(&device(1).to_string()) && line.contains(",'=net "))
    );

    let Some(File::Document { bytes, .. }) = fixture.ask("/export networks").file else {
        panic!("no document")
    };
    let table = String::from_utf8(bytes).unwrap();
    assert_eq!(table.lines().count(), 151);
    assert!(table.lines().nth(1).unwrap().ends_with(",false") && table.contains("\n'=net 7,"), "{table}");

    let of_device = fixture.ask(&format!("/chart {} 24h", device(1)));
    assert!(of_device.text.to_string().ends_with(": 150 probes in the last 24 hours"), "{}", of_device.text);
    let of_network = fixture.ask("/chart ssid =net 7");
    assert!(of_network.text.to_string().ends_with(": 3 probes in the last 24 hours"), "{}", of_network.text);
    let Some(File::Picture { png }) = of_network.file else { panic!("no picture") };
    assert!(png.starts_with(b"\x89PNG"));
}

#[test]
fn a_document_that_is_too_long_is_cut_after_a_row_and_says_so() {
    let of = |number: i64| probe(device(1), network(&format!("\"net\", {number:03}")), seconds(number));
    let mut fixture = Fixture::new((0..150).map(of));
    let whole =
        [format!("/export {}", device(1)), "/export networks".to_owned()].map(|ask| fixture.ask(&ask));
    fixture.chat = fixture.chat.clone().with_document_limit(4_000);
    let [probes, networks] =
        [format!("/export {}", device(1)), "/export networks".to_owned()].map(|ask| fixture.ask(&ask));
    let rows = |answer: &Reply| {
        let Some(File::Document { bytes, .. }) = &answer.file else { panic!("no document") };
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for (cut, whole) in [&probes, &networks].into_iter().zip(&whole) {
        let Some(File::Document { bytes, .. }) = &cut.file else { panic!("no document") };
        assert!((3_800..=4_000).contains(&bytes.len()), "{}", bytes.len());
        let (kept, all) = (rows(cut), rows(whole));
        assert!(kept.iter().all(|row| all.contains(row)), "{kept:?}");
        assert_eq!(kept[0], all[0], "the heading");
        let caption = cut.text.to_string();
        assert!(caption.contains("one document cannot hold"), "{caption}");
        assert!(caption.contains(&(kept.len() - 1).to_string()), "{caption}");
        assert!(!whole.text.to_string().contains("too many"));
    }
    assert_eq!(rows(&probes).last(), rows(&whole[0]).last(), "the newest probe");
    assert_eq!(rows(&networks)[1], rows(&whole[1])[1], "the most requested network");
}

#[test]
fn captions_fit_with_long_names() {
    for name in ["\u{1f47b}".repeat(64), "\u{e0001}".repeat(64), "<&>\"".repeat(16), "\\".repeat(64)] {
        let ssid = Ssid::new(name.as_bytes());
        let asked = [ssid, Ssid::new(&[0x1b; 255])]
            .map(|ssid| probe(device(1), RequestedSsid::Named(ssid), Timestamp::now().as_micros()));
        let fixture = Fixture::new(asked);
        let event = Event::new(
            Timestamp::now(),
            EventKind::Name { address: device(1), name: name.clone(), by: NamedBy::Chat },
        );
        fixture.recorder.record(&Input::Change(event));
        let card = fixture.ask(&device(1).to_string());
        let chart = drawn(fixture.press(&button(&card, "📈 Chart").unwrap()));
        assert!(chart.text.to_string().contains("2 probes"), "{}", chart.text);
        let export = fixture.ask(&format!("/export {}", device(1)));
        assert!(export.file.is_some() && export.text.to_string().contains("2 probes"), "{}", export.text);
        let action = Callback::ChartNetwork(Ssid::new(&[0x1b; 30]), Default::default());
        drawn(fixture.press(&action.button("x").unwrap()));
    }
}

/// The day on which the clocks go forward.
#[test]
fn a_chart_of_a_23_hour_day_shows_its_probes() {
    let zone = Tz::Europe__Berlin;
    let at = |text: &str| {
        Timestamp::from_micros(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros())
    };
    // From midnight to midnight local time, which is 23 hours.
    let (from, to) = (at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z"));
    let probes: Vec<Probe> = (-60..24 * 60)
        .step_by(20)
        .map(|minute| Probe {
            signal_dbm: Some(-60),
            ..probe(device(1), network("x"), from.as_micros() + seconds(60 * minute))
        })
        .collect();
    let mut expected = Series::new(from, to, zone);
    probes.iter().for_each(|probe| expected.add(probe.time, probe.signal_dbm));
    assert_eq!(expected.probes(), 23 * 3);

    let fixture = Fixture::new(probes);
    let mut series = Series::new(from, to, zone);
    let reported = Mutex::new(Vec::new());
    let go_on = |share| {
        reported.lock().unwrap().push(share);
        std::ops::ControlFlow::Continue(())
    };
    let sought = ProbeFilter::Addresses(vec![device(7), device(1)]);
    let history = fixture.recorder.handle.history();
    history
        .read(&sought, from..Timestamp::MAX, go_on, |_, probe| series.add(probe.time, probe.signal_dbm))
        .unwrap();
    let words =
        chart::Labels { title: "a", subtitle: "", per_hour: "", per_day: "", signal: "", nothing: "" };
    assert_eq!(chart::draw(&words, &series), chart::draw(&words, &expected));
    let reported = reported.into_inner().unwrap();
    assert!(reported.is_sorted() && reported.iter().all(|share| (0.0..=1.0).contains(share)), "{reported:?}");
}

#[test]
fn progress_of_reading_the_log_names_the_result() {
    let fixture = Fixture::new([probe(device(1), network("x"), 0)]);
    let steps = Arc::new(Mutex::new(Vec::new()));
    let progress = {
        let steps = Arc::clone(&steps);
        Progress::new(move |step| steps.lock().unwrap().push(format!("{:?}: {}", step.kind, step.text)))
    };
    for text in [format!("/chart {}", device(1)), format!("/export {}", device(1))] {
        let message =
            UserMessage { chat: CHATS[0], person: None, text: &text, in_reply_to: None, update: None };
        wait::block_on(&fixture.recorder.runtime, "an answer", fixture.chat.answer(message, &progress));
    }
    let steps = steps.lock().unwrap();
    assert_eq!(*steps, ["Picture: ⏳ Reading the log: 0 %", "Document: ⏳ Reading the log: 0 %"]);
}

#[test]
fn the_log_can_be_read_while_segments_are_added_and_sealed() {
    let fixture = Fixture::new([probe(device(1), network("x"), 0)]);
    let handle = fixture.recorder.handle.clone();
    let reader = std::thread::spawn(move || {
        let mut seen = 0;
        while seen < 2_000 {
            let mut count = 0;
            let sought = ProbeFilter::Addresses(vec![device(1)]);
            let go_on = |_| std::ops::ControlFlow::Continue(());
            handle
                .history()
                .read(&sought, Timestamp::from_micros(0)..Timestamp::MAX, go_on, |_, _| count += 1)
                .unwrap();
            assert!(count >= seen, "{count} of {seen} are left");
            seen = count;
        }
    });
    for place in 1..2_000 {
        fixture.recorder.record(&Input::Probe(probe(device(1), network("x"), seconds(place))));
    }
    fixture.recorder.sync();
    reader.join().unwrap();
}

#[test]
fn a_range_is_read_again_after_a_file_of_it_was_replayed() {
    let later = |place| probe(device(1), network("x"), seconds(place));
    let fixture = Fixture::new((86_400..86_700).map(later));
    let found = || {
        let (range, mut found) = (Timestamp::from_micros(0)..Timestamp::from_micros(seconds(86_400)), 0);
        let go_on = |_| std::ops::ControlFlow::Continue(());
        let history = fixture.recorder.handle.history();
        history.read(&ProbeFilter::All, range, go_on, |_, _| found += 1).unwrap();
        found
    };
    // The second time no sealed segment is read.
    assert_eq!((found(), found()), (0, 0));
    for place in (0..300).rev() {
        fixture.recorder.record(&Input::Probe(probe(device(2), network("x"), seconds(place))));
    }
    fixture.recorder.sync();
    assert_eq!((found(), found()), (300, 300));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_message_or_press_gets_a_reply(texts in prop::collection::vec(any::<String>(), 1..20)) {
        let fixture = Fixture::new([probe(device(1), network("x"), 0)]);
        for text in &texts {
            let commands = ["", "/devices ", "/nearby ", "/ssid ", "/chart ", "/chart ssid ", "/export "];
            for command in commands {
                fixture.ask(&format!("{command}{text}"));
            }
            let action = ButtonAction::Callback(text.clone());
            fixture.press(&Button { label: "x".to_owned(), action, style: None });
            fixture.reply(text, Some(text));
        }
    }
}

#[test]
fn each_address_of_a_name_can_be_renamed() {
    let fixture = Fixture::new((1..=4).map(|number| probe(device(number), network("x"), 0)));
    let name = |number: u32| drop(fixture.ask(&format!("/name {} Van", device(number))));
    (1..=3).for_each(name);
    let card = fixture.ask("Van");
    for number in 1..=3 {
        let rename = button(&card, &format!("✏️ Rename {}", device(number))).expect("a button");
        let question = sent(fixture.press(&rename));
        let renamed = fixture.reply(&format!("Bus {number}"), Some(&question.text.to_string()));
        assert!(renamed.text.to_string().contains(&format!("Bus {number}")), "{}", renamed.text);
        name(number);
    }
    // With more addresses than buttons, the card explains the command.
    name(4);
    let card = fixture.ask("Van");
    assert!(card.buttons.iter().flatten().all(|button| !button.label.contains("Rename")));
    let hint = format!("To rename one of them: /name {} NAME", device(1));
    assert!(card.text.to_string().contains(&hint), "{}", card.text);
}
