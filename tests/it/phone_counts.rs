//! How many phones there are at least: as many as are known, in every list, and never more.

use std::time::Duration;

use store::event::{EventKind, GroupingMode, Timestamp};

use crate::commands::{Data, TIME, stderr, stdout};
use crate::phones::{Conversation, LAPTOP, SCATTERING, button, counting_phone, frame, random};
use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, write_pcap};

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;

type Packet = (u64, Vec<u8>);

/// A frame of the random address of this number.
fn packet(time: u64, number: u16, sequence: u16) -> Packet {
    let [high, low] = number.to_be_bytes();
    let address = [0xda, 0xa1, 0x19, 0, high, low];
    (time, ProbeRequestFrame::from_octets(address).sequence(sequence % 4096).signal(-60).build())
}

/// A phone that scans 60 times, each time from the next address, and goes on counting.
fn counting(first: u16, start: u16, interval: u64) -> Vec<Packet> {
    let scan = |number: u16| {
        let time = TIME + u64::from(number) * interval * SECOND;
        [0, 1, 2].map(|step| packet(time, first + number, start + number * 12 + step))
    };
    (0..60).flat_map(scan).collect()
}

/// Two addresses that are in use at the same time, for a minute.
fn at_once(time: u64, numbers: [u16; 2]) -> Vec<Packet> {
    let frame = |step: u16| {
        let place = step % 2;
        packet(time + u64::from(step) * 5 * SECOND, numbers[usize::from(place)], 2000 * place + step * 20)
    };
    (0..12).map(frame).collect()
}

fn in_order(mut packets: Vec<Packet>) -> Vec<Packet> {
    packets.sort_by_key(|(time, _)| *time);
    packets
}

/// What the terminal answers to each of these messages.
fn said(data: &Data, messages: &[&str]) -> Vec<String> {
    let say = |message: &&str| {
        let output = data.run(&["chat"], &format!("{message}\n"));
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    messages.iter().map(say).collect()
}

#[track_caller]
fn assert_all_contain(answers: &[String], text: &str) {
    for answer in answers {
        assert!(answer.to_lowercase().contains(text), "{answer}");
    }
}

#[test]
fn phones_whose_counters_told_them_apart_are_two_when_they_return() {
    let mut packets = [counting(0, 0, 40), counting(1000, 2048, 47)].concat();
    packets.extend([packet(TIME + DAY, 59, 3000), packet(TIME + DAY + HOUR, 1059, 500)]);
    let data = Data::new(&in_order(packets));
    let lists = ["/devices", "/status", "/between 2020-04-19 18:00 22:00", "/between 2020-04-18 18:00 22:00"];
    assert_all_contain(&said(&data, &lists), "at least 2 devices");
    let alone = said(&data, &["/between 2020-04-19 18:00 19:30"]);
    assert_all_contain(&alone, "at least 1 device");
}

/// The phone of the older file may be one of the two that the newer one proves.
#[test]
fn files_in_any_order_give_no_more_phones() {
    let older: Vec<Packet> =
        (0..4).map(|hour| packet(TIME + u64::from(hour) * HOUR, hour, hour * 500)).collect();
    let newer = at_once(TIME + 4 * HOUR, [10, 11]);
    for [first, second] in [[&older, &newer], [&newer, &older]] {
        let data = Data::new(first);
        let file = data.path("second.pcap");
        write_pcap(file.as_ref(), DLT_IEEE802_11_RADIO, second).unwrap();
        let output = data.run(&["replay", &file], "");
        assert!(output.status.success(), "{}", stderr(&output));
        let lists = ["/devices", "/status", "/between 2020-04-18 18:00 2020-04-19 02:00"];
        assert_all_contain(&said(&data, &lists), "at least 2 devices");
    }
}

/// Older files prove the same of earlier times.
#[test]
fn an_older_file_takes_no_proof_away() {
    let data = Data::new(&at_once(TIME + 600 * SECOND, [1, 2]));
    for (number, before) in (1..).zip([100, 200, 300]) {
        let file = data.path("older.pcap");
        let older = at_once(TIME + (600 - before) * SECOND, [number * 10, number * 10 + 1]);
        write_pcap(file.as_ref(), DLT_IEEE802_11_RADIO, &older).unwrap();
        assert!(data.run(&["replay", &file], "").status.success());
    }
    // From 19:14:27 on.
    assert_all_contain(&said(&data, &["/between 2020-04-18 19:14 19:20", "/devices"]), "at least 2 devices");
}

#[test]
fn a_list_says_that_a_named_phone_is_at_least_two() {
    let data = Data::new(&at_once(TIME, [1, 2]));
    let answers = said(&data, &["/name da:a1:19:00:00:01 Bob", "/devices", "/top"]);
    assert_all_contain(&answers[1..], "1. bob (at least 2 phones, 2 addresses): ");
}

#[test]
fn phones_that_a_person_split_are_two_when_they_return() {
    let day = 86_400;
    let probes = [frame(day + 60, random(1), "", 0, SCATTERING), frame(day, random(2), "", 2000, SCATTERING)];
    let conversation = Conversation::new(GroupingMode::InRange, probes);
    let phone = conversation.phone_of(random(1));
    assert_eq!(conversation.phone_of(random(2)), phone);
    let card = conversation.ask(&format!("phone {phone}"));
    let choice = conversation.press(&button(&card, "Not the same device"));
    conversation.press(&button(&choice, &random(2).to_string()));
    let again = [frame(1500, random(1), "", 0, SCATTERING), frame(1200, random(2), "", 2000, SCATTERING)];
    conversation.record(again);
    let lists = ["/nearby 60".to_owned(), "/devices".to_owned(), last_hour(), "/status".to_owned()];
    for list in lists.map(|text| conversation.say(&text)) {
        assert!(list.to_lowercase().contains("at least 2 devices"), "{list}");
    }
    // An address that joins one of them only for its model may be of the other.
    conversation.record([frame(1190, random(3), "", 1000, SCATTERING)]);
    assert_eq!(conversation.phone_of(random(3)), conversation.phone_of(random(2)));
    conversation
        .record([frame(60, random(1), "", 0, SCATTERING), frame(30, random(3), "", 1000, SCATTERING)]);
    let list = conversation.say("/nearby 5");
    assert!(list.contains("\nAt least 1 device: at least 1 phone using random addresses"), "{list}");
    assert!(conversation.say("/nearby 60").contains("\nAt least 2 devices: "));
    conversation.stop();
}

/// A split holds for ever, so what it needs stays when the addresses of its phone are forgotten. Nobody sees that.
#[test]
fn a_split_phone_of_which_nothing_is_known_any_more_is_not_there() {
    let probes = [(90, 1), (60, 2), (30, 3)]
        .map(|(ago, number)| frame(ago, random(number), "", u16::from(number) * 999, SCATTERING));
    let conversation = Conversation::new(GroupingMode::InRange, probes);
    let phone = conversation.phone_of(random(1));
    conversation.change(EventKind::SplitPhone { phone, address: random(3), evidence: None });
    assert!(conversation.say("/status").contains("2 phones using random addresses (3 addresses)"));
    conversation.forget_random_addresses();
    let card = "No device matches";
    for question in ["/status", "/devices"] {
        let said = conversation.say(question);
        assert!(!said.contains("random address") && !said.contains("named"), "{said}");
    }
    for question in [format!("/name phone {phone} Bob"), format!("/unname phone {phone}")] {
        let said = conversation.say(&question);
        assert!(said.starts_with(&format!("❌ I know no phone {phone}, or no longer.")), "{said}");
    }
    let said = conversation.say(&format!("phone {phone}"));
    assert!(said.contains(card), "{said}");
    // All are back, and stay apart.
    conversation.record(
        [(20, 3), (10, 2), (5, 1)]
            .map(|(ago, number)| frame(ago, random(number), "", u16::from(number) * 999 + 1, SCATTERING)),
    );
    assert_eq!(conversation.phone_of(random(1)), phone);
    assert_eq!(conversation.phone_of(random(2)), phone);
    assert_ne!(conversation.phone_of(random(3)), phone);
    for question in ["/status", "/devices"] {
        let said = conversation.say(question);
        assert!(
            said.contains("1 with a fixed address, 2 phones using random addresses (3 addresses)"),
            "{said}"
        );
    }
    conversation.stop();
}

/// A named phone that was forgotten is counted nowhere either, until it is back.
#[test]
fn a_named_phone_that_was_forgotten_is_counted_when_it_is_back() {
    let conversation = Conversation::new(GroupingMode::InRange, [frame(60, random(1), "", 1, SCATTERING)]);
    let phone = conversation.phone_of(random(1));
    conversation.say(&format!("/name phone {phone} Bob"));
    conversation.forget_random_addresses();
    for question in ["/status", "/devices"] {
        let said = conversation.say(question);
        assert!(!said.contains("1 named"), "{said}");
    }
    conversation.record([frame(10, random(1), "", 50, SCATTERING)]);
    for question in ["/status", "/devices"] {
        let said = conversation.say(question);
        assert!(said.contains("Probably at least 2 devices: 1 named, 1 with a fixed address"), "{said}");
    }
    conversation.stop();
}

#[test]
fn too_many_splits_of_one_phone_are_refused() {
    let probes = (0..40).map(|number| {
        frame(400 - i64::from(number) * 10, random(number), "", u16::from(number) * 999, SCATTERING)
    });
    let conversation = Conversation::new(GroupingMode::InRange, probes);
    let phone = conversation.phone_of(random(39));
    for number in 0..32 {
        conversation.change(EventKind::SplitPhone { phone, address: random(number), evidence: None });
    }
    let card = conversation.ask(&format!("phone {phone}"));
    let choice = conversation.press(&button(&card, "Not the same device"));
    let refused = conversation.press(&button(&choice, &random(38).to_string()));
    assert!(refused.text.to_string().contains(&format!("stays with phone {phone}: ")), "{}", refused.text);
    assert_eq!(conversation.phone_of(random(38)), phone);
    conversation.stop();
}

/// `/between` for the last hour.
fn last_hour() -> String {
    last_hours(1)
}

/// `/between` for so many hours up to now.
fn last_hours(hours: u64) -> String {
    let day = |ago: u64| {
        let time = Timestamp::now().saturating_sub(Duration::from_secs(ago)).to_utc();
        time.format("%F %H:%M").to_string()
    };
    format!("/between {} {}", day(hours * 3600), day(0))
}

#[test]
fn a_named_phone_that_is_proven_to_be_two_is_at_least_one_device() {
    let at_once = (0..10_u16).flat_map(|scan| {
        let ago = 1800 - i64::from(scan) * 20;
        [
            frame(ago, random(3), "", scan * 40, SCATTERING),
            frame(ago - 5, random(4), "", 2000 + scan * 40, SCATTERING),
        ]
    });
    let later = frame(1100, random(3), "", 1000, SCATTERING);
    let conversation = Conversation::new(GroupingMode::InRange, at_once.chain([later]));
    conversation.say(&format!("/name phone {} Bob", conversation.phone_of(random(3))));
    let card = conversation.say("Bob");
    let shared = "\nAt least 2 phones of this model share this name: nothing tells them apart.";
    assert!(card.contains(shared), "{card}");
    let who = conversation.say(&last_hour());
    assert!(who.contains("\nAt least 1 device: 1 named\n"), "{who}");
    let line = who.lines().last().unwrap();
    assert!(line.starts_with("• Bob (2 addresses): "), "{who}");
    assert!(line.ends_with(". At least 2 phones of one model share this name"), "{who}");
    let count = conversation.say("/count 7d");
    // Shortly after midnight, the frames are of yesterday.
    let today = ": at least 1 device: 1 named. Of these, at least 1 stayed for 2 minutes or longer.";
    assert!(count.contains(today) || count.contains("no devices so far"), "{count}");
    for list in ["/nearby 60", "/devices"].map(|text| conversation.say(text)) {
        assert!(
            list.contains("\nAt least 1 device: 1 named\n1. Bob (at least 2 phones, 2 addresses): "),
            "{list}"
        );
    }
    conversation.stop();
}

#[test]
fn a_phone_that_may_be_a_named_one_that_returned_is_no_further_device() {
    let before = frame(3 * 3600, random(1), "", 0, SCATTERING);
    let conversation = Conversation::new(GroupingMode::InRange, [before]);
    conversation.say(&format!("/name phone {} Bob", conversation.phone_of(random(1))));
    conversation.record([frame(60, random(2), "", 2000, SCATTERING)]);
    assert_ne!(conversation.phone_of(random(2)), conversation.phone_of(random(1)));
    let counts = "At least 1 device: 1 named, 1 random address that may be of a named device";
    for text in ["/nearby 300".to_owned(), "/devices".to_owned(), "/status".to_owned(), last_hours(4)] {
        let list = conversation.say(&text);
        assert!(list.to_lowercase().contains(&counts.to_lowercase()), "{text}: {list}");
    }
    let alone = conversation.say("/nearby 10");
    assert!(alone.contains("At least 1 device: 1 phone using random addresses (1 address)"), "{alone}");
    conversation.stop();
}

#[test]
fn a_name_for_a_fixed_and_a_random_address_may_be_several_devices() {
    let laptop = frame(0, LAPTOP.parse().unwrap(), "Depot", 2, 1);
    let conversation = Conversation::new(GroupingMode::InRange, counting_phone().into_iter().chain([laptop]));
    let phone = conversation.phone_of(random(0));
    conversation.say(&format!("/name phone {phone} Alice"));
    conversation.say(&format!("/name {LAPTOP} Alice"));
    for text in ["/nearby 60".to_owned(), "/devices".to_owned(), last_hour()] {
        let list = conversation.say(&text);
        assert!(list.contains("\nAt least 1 device: 1 named\n"), "{list}");
    }
    conversation.stop();
}

#[test]
fn random_addresses_are_one_device_at_least_while_grouping_is_off() {
    let probes =
        (0..6_u16).map(|scan| frame(1200 - i64::from(scan) * 60, random(1), "", scan * 3, SCATTERING));
    let conversation = Conversation::new(GroupingMode::Off, probes);
    let who = conversation.say(&last_hour());
    assert!(who.contains("\nAt least 1 device: 1 random address\n"), "{who}");
    assert!(who.contains("\nNo device is listed: ") && !who.contains("strongest signals"), "{who}");
    let count = conversation.say("/count 7d");
    let most = regex::Regex::new(r"\nMost in one hour: at least 1, from (\w{3} )?\d\d:00\.\n").unwrap();
    assert!(most.is_match(&count), "{count}");
    let others = "\nRandom addresses that are not grouped: 1. In an hour without other phones they count as one \
                  device.";
    assert!(count.contains(others), "{count}");
    // Shortly after midnight, the frames are of yesterday.
    let today = ": at least 1 device: 1 random address. Of these, at least 1 stayed for 2 minutes or longer.";
    assert!(count.contains(today) || count.contains("no devices so far"), "{count}");
    conversation.stop();
}

/// A phone that comes back hours later with another address may be the same: it is listed, not counted, twice.
#[test]
fn visits_of_one_model_are_not_counted_as_phones() {
    let visits = (0..3_u8).map(|visit| {
        frame(20_000 * (3 - i64::from(visit)), random(visit), "", 100 * u16::from(visit), SCATTERING)
    });
    let conversation = Conversation::new(GroupingMode::InRange, visits);
    let list = conversation.say("/devices");
    assert!(
        list.contains(
            "\nAt least 1 device: at least 1 phone using random addresses (3 addresses). \
             A phone that returned with another address may be listed again.\n1. phone "
        ),
        "{list}"
    );
    assert!(list.contains("\n3. phone "), "{list}");
    conversation.stop();
}

/// The groups of both models were there before two addresses showed that one phone sends both.
#[test]
fn models_that_one_phone_sends_are_not_counted_as_two_phones() {
    let frames = [(0, 1, 8), (1, 2, 9), (2, 3, 8), (3, 3, 9), (4, 5, 8), (5, 5, 9), (6, 4, 9)];
    let packets = frames.map(|(minute, number, vendor)| {
        let frame = ProbeRequestFrame::from_octets([0xda, 0xa1, 0x19, 0, 0, number]);
        let sequence = u16::from(number) * 700 + minute as u16;
        let frame = frame.sequence(sequence).element(221, [0x00, 0x50, 0xf2, vendor]);
        (TIME + minute * 60 * SECOND, frame.signal(-60).build())
    });
    let lists = ["/devices", "/status", "/between 2020-04-18 18:00 2020-04-19 02:00"];
    let before = Data::new(&packets[..2]);
    assert_all_contain(&said(&before, &lists), "2 devices");
    let after = Data::new(&packets);
    assert_all_contain(&said(&after, &lists), "at least 1 device");
    let lookup = stdout(&after.run(&["chat"], "da:a1:19:00:00:04\n"));
    assert!(lookup.contains("(a model that this phone sends too, nothing tells it apart)"), "{lookup}");
}
