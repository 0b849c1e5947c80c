//! An evening with a configuration that lists the chats: limits, quiet hours and imported names. And two plays of a
//! minute each, the shortest silence that can be configured: a followed device leaves, and a source is silent. And one
//! of a stranger, whose alert is edited.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::Utc;
use dot11::{MacAddr, Ssid};
use store::event::{AlertOutcome, ChatId, DeviceKey, Event, EventKind, Pattern, Timestamp};
use store::recorder::RecorderSettings;

use super::scenario::{Connection, Frame, MINUTE, Person, Scenario};
use crate::support::bot_api::Incoming;
use crate::support::recorder::{Input, Running, one_segment, settings};
use crate::support::service::{Config, Service, probewatch_with_input, toml_string};
use crate::support::transcript::Scene;
use crate::support::wait;

const ANN: Person = Person::new("Ann", 1001);
const BOB: Person = Person::new("Bob", 2002);
const CHATS: [(i64, &str); 2] = [(1001, "Ann"), (2002, "Bob")];

const VAN: &str = "00:23:a7:19:5c:02";
const LAMP: &str = "00:23:a7:00:07:01";

/// The configured minute of silence, and the interval at which the service checks it.
const SILENCE: Duration = Duration::from_secs(70);

/// The service rereads files of names every 30 seconds.
const NAMES_RELOAD: Duration = Duration::from_secs(35);

pub fn an_evening(connection: Connection) -> Vec<Scene> {
    let folder = tempfile::tempdir().unwrap();
    let leases = folder.path().join("dhcp.leases");
    fs::write(&leases, format!("1767225600 {VAN} 192.168.1.7 delivery-van *\n")).unwrap();
    let mut scenario = Scenario::open(connection, &CHATS, None, subscribe_to_the_limit, |config| {
        config
            .chats(&[ANN.id, BOB.id])
            .set("", "time_zone", &toml_string("UTC"))
            .set("alerts", "gather_seconds", "1")
            .set("alerts", "silence_minutes", "1")
            .set("alerts", "quiet", &hours(-180, 60))
            .set("names", "import", &format!("[{}]", toml_string(leases.to_str().unwrap())))
    });
    scenario.skip_menus(3);
    without_an_owner(&mut scenario);
    limits_of_subscriptions(&mut scenario);
    quiet_hours(&mut scenario);
    chats_of_the_configuration(&mut scenario);
    a_long_card(&mut scenario);
    imported_names(&mut scenario, &leases);
    phones_with_random_addresses(&mut scenario);
    scenario.end()
}

/// A service with two imported names, whose devices can be followed.
fn street(connection: Connection, play: fn(&mut Scenario)) -> Vec<Scene> {
    let folder = tempfile::tempdir().unwrap();
    let leases = folder.path().join("dhcp.leases");
    let names = [(VAN, "delivery-van"), (LAMP, "kitchen-lamp")];
    let names = names.map(|(address, name)| format!("1767225600 {address} 192.168.1.7 {name} *\n"));
    fs::write(&leases, names.concat()).unwrap();
    let config = |config: Config| {
        config
            .chats(&[BOB.id])
            .set("telegram", "owners", &format!("[{}]", ANN.id))
            .set("", "time_zone", &toml_string("UTC"))
            .set("alerts", "gather_seconds", "1")
            .set("alerts", "silence_minutes", "1")
            .set("names", "import", &format!("[{}]", toml_string(leases.to_str().unwrap())))
    };
    let mut scenario = Scenario::open(connection, &CHATS, None, |_| {}, config);
    scenario.wait_for_event(|event| event["name"] == "kitchen-lamp");
    scenario.skip_menus(3);
    play(&mut scenario);
    scenario.end()
}

pub fn a_followed_device(connection: Connection) -> Vec<Scene> {
    street(connection, a_followed_device_leaves)
}

pub fn a_quiet_street(connection: Connection) -> Vec<Scene> {
    street(connection, a_silent_source)
}

pub fn a_stranger(connection: Connection) -> Vec<Scene> {
    let config = |config: Config| {
        let config = config.chats(&[]).set("telegram", "owners", &format!("[{}]", ANN.id));
        config.set("", "time_zone", &toml_string("UTC")).set("alerts", "gather_seconds", "1")
    };
    let mut scenario = Scenario::open(connection, &CHATS, None, |_| {}, config);
    scenario.skip_menus(2);
    a_stranger_stays_near(&mut scenario);
    scenario.end()
}

/// Gives Bob the maximum number of subscriptions of each kind.
fn subscribe_to_the_limit(data_dir: &Path) {
    let running = Running::start(RecorderSettings { rotation: one_segment(), ..settings(data_dir) });
    let (time, chat) = (Timestamp::now(), ChatId(BOB.id));
    let device = |number: u8| DeviceKey::Address(MacAddr::new([0, 0x23, 0xa7, 9, 9, number]));
    let networks = (0..200).map(|number| {
        let ssid = Ssid::from(format!("network {number}").as_str());
        Event::new(time, EventKind::Watch { chat, ssid, reason: None })
    });
    let patterns = (0..20).map(|number| {
        let pattern = Pattern::new(&format!("pattern {number}*"));
        Event::new(time, EventKind::WatchPattern { chat, pattern, reason: None })
    });
    let devices = (0..100).flat_map(|number| {
        let follow = Event::new(
            time,
            EventKind::Follow { chat, device: device(number), silence_seconds: 900, members: Vec::new() },
        );
        [follow, Event::new(time, EventKind::Ignore { chat, device: device(number), members: Vec::new() })]
    });
    let all = networks.chain(patterns).chain(devices).collect();
    wait::block_on(&running.runtime, "the changes to be on disk", running.handle.change_all(all)).unwrap();
    running.stop();
}

/// A value for `alerts.quiet`: from and to are minutes relative to now.
fn hours(from: i64, to: i64) -> String {
    let clock = |at: i64| (Utc::now() + chrono::TimeDelta::minutes(at)).format("%H:%M").to_string();
    toml_string(&format!("{}-{}", clock(from), clock(to)))
}

fn without_an_owner(scenario: &mut Scenario) {
    scenario.scene("Without an owner");
    scenario.note("the service starts, and its configuration names Ann's chat and Bob's");
    scenario.ask(ANN, "/invite");
}

fn limits_of_subscriptions(scenario: &mut Scenario) {
    scenario.scene("Limits of subscriptions");
    for text in [
        "/watch \"network 200\"",
        "/watch pattern*",
        &format!("/follow {VAN}"),
        &format!("/ignore {VAN}"),
        // An existing watch can still be changed.
        "/watch \"network 7\" after all",
    ] {
        scenario.ask(BOB, text);
    }
}

fn quiet_hours(scenario: &mut Scenario) {
    scenario.scene("Quiet hours");
    scenario.ask(ANN, "/watch Depot the van is here");
    scenario.wait_for_event(|event| event["type"] == "name" && event["by"] == "lease");
    let frames: Vec<Frame> = vec![
        scenario.probe(110 * MINUTE, VAN, "Depot", -61),
        scenario.probe(100 * MINUTE, "00:23:a7:00:05:01", "Depot", -62),
        scenario.probe(90 * MINUTE, VAN, "Depot", -63),
    ];
    scenario.record(frames);
    scenario.note("two devices look for Depot, one of them twice");
    let at_the_terminal = |service: &Service| {
        let config = service.config_path();
        let lines = "/watch Garage at night\n/follow 00:23:a7:00:08:01\n/ignore 00:23:a7:00:08:02\n";
        let output = probewatch_with_input(&["chat", "-c", config.to_str().unwrap()], lines.as_bytes());
        assert!(output.status.success(), "{output:?}");
    };
    scenario.restart(
        "the quiet hours end; meanwhile somebody watches, follows and ignores at the terminal, and the \
         configuration makes Ann the owner",
        3,
        at_the_terminal,
        |config: Config| {
            let owners = format!("[{}]", ANN.id);
            config.chats(&[BOB.id]).set("telegram", "owners", &owners).set(
                "alerts",
                "quiet",
                &hours(-180, -5),
            )
        },
    );
}

fn chats_of_the_configuration(scenario: &mut Scenario) {
    scenario.scene("Chats of the configuration");
    let list = scenario.ask(ANN, "/chats");
    let forged = |data: &str| Incoming::press(&list, data);
    let words = " forges a press that removes Bob";
    scenario.act(ANN, words, forged("access:remove:2002"));
    scenario.ask(BOB, "/invite");
    let bobs = scenario.ask(BOB, "/unmute");
    let words = " forges a press that lists the chats";
    scenario.act(BOB, words, Incoming::press(&bobs, "access:list"));
    scenario.ask(ANN, "/watches");
    scenario.ask(ANN, "/unwatch Garage");
}

fn a_long_card(scenario: &mut Scenario) {
    scenario.scene("A long card");
    scenario.ask(ANN, VAN);
    let mut frames = vec![
        scenario.probe(3 * 60 * MINUTE, LAMP, "", -50),
        scenario.probe(3 * 60 * MINUTE, "00:23:a7:00:0b:05", "Lights", -50),
    ];
    // More networks than the state keeps per address, and more than a message can hold.
    for number in 0..300 {
        let ssid = format!("one of its 300 networks {number:08}");
        frames.push(scenario.probe(4 * 60 * MINUTE - number, "00:23:a7:00:0c:01", &ssid, -55));
    }
    scenario.receive("a lamp, a bulb, and a device that tries every network there is", frames);
    scenario.ask(ANN, "00:23:a7:00:0c:01");
}

fn imported_names(scenario: &mut Scenario, leases: &Path) {
    scenario.scene("Imported names");
    // Twenty-two bulbs share one name.
    let mut names = fs::read_to_string(leases).unwrap();
    names.push_str(&format!("1767225600 {LAMP} 192.168.1.8 kitchen-lamp *\n"));
    (0..22).for_each(|number| names.push_str(&format!("00:23:a7:00:0b:{number:02x} Smart bulb\n")));
    fs::write(leases, names).unwrap();
    scenario.wait_for_late_event(NAMES_RELOAD, |event| event["name"] == "kitchen-lamp");
    scenario.note("the router has leased an address to the lamp, and names twenty-two bulbs");
    scenario.ask(ANN, "kitchen-lamp");
    scenario.ask(ANN, "smart bulb");
    scenario.ask(ANN, &format!("/name {LAMP} Lamp over the table"));
    scenario.ask(ANN, LAMP);
    scenario.ask(ANN, &format!("/unname {LAMP}"));
    scenario.ask(ANN, &format!("/unname {LAMP}"));
}

fn phones_with_random_addresses(scenario: &mut Scenario) {
    scenario.scene("Phones with random addresses");
    let address = |scan: u64| format!("5a:00:00:00:00:{scan:02x}");
    let frames =
        (0..8).map(|scan| scenario.probe((30 - 2 * scan) * MINUTE, &address(scan), "", -60)).collect();
    scenario.receive("a phone that changes its address every two minutes", frames);
    scenario.ask(ANN, "/nearby 60");
    let card = scenario.ask(ANN, &address(7));
    if let Some(choice) = scenario.press(ANN, &card, "split:") {
        scenario.press(ANN, &choice, "split:");
    }
    scenario.ask(ANN, &format!("/name {} Visitor", address(0)));
    scenario.ask(ANN, "/follow Visitor");
    let frame = scenario.probe(13 * MINUTE, &address(6), "Depot", -58);
    scenario.receive("the phone, from an address that it has used, looks for Depot", vec![frame]);
    scenario.ask(ANN, "visitor");
    scenario.ask(ANN, "/nearby 60");
    scenario.ask(ANN, "/devices addresses");
}

fn a_followed_device_leaves(scenario: &mut Scenario) {
    scenario.scene("A followed device leaves");
    scenario.ask(ANN, "/watch Depot the van is here");
    let frames = vec![scenario.probe_now(VAN, "", -60), scenario.probe_now(LAMP, "", -50)];
    scenario.receive("the van and the lamp", frames);
    scenario.ask(ANN, "/follow delivery-van 1");
    let calls = scenario.api.calls().len();
    scenario.send_probes_until(SILENCE, LAMP, |event| event["type"] == "left");
    scenario.settle();
    scenario.wait_for_messages(&[ANN.id], calls, 1);
    scenario.note("the lamp keeps sending; the van is silent for a minute");
    let frame = scenario.probe_now(VAN, "Depot", -60);
    scenario.receive("the van is back and looks for Depot", vec![frame]);
}

fn a_silent_source(scenario: &mut Scenario) {
    scenario.scene("A silent source");
    let frame = scenario.probe_now(LAMP, "", -50);
    scenario.receive("the lamp", vec![frame]);
    scenario.ask(ANN, "/follow kitchen-lamp 1");
    let calls = scenario.api.calls().len();
    scenario.wait_for_late_messages(SILENCE, &[BOB.id], calls, 1);
    scenario.wait_for_late_messages(SILENCE, &[ANN.id], calls, 2);
    scenario.note_unordered("no frame for a minute");
    let calls = scenario.api.calls().len();
    let frame = scenario.probe_now(LAMP, "", -50);
    scenario.record(vec![frame]);
    scenario.settle();
    scenario.wait_for_messages(&[BOB.id], calls, 1);
    scenario.wait_for_messages(&[ANN.id], calls, 2);
    scenario.note_unordered("the lamp sends again");
}

/// The doorbell rings for a frame of a minute ago, so the next frame makes its message change.
fn a_stranger_stays_near(scenario: &mut Scenario) {
    scenario.scene("A stranger stays near");
    scenario.ask(ANN, "/doorbell");
    scenario.ask(ANN, "/doorbell on -65 3m");
    let came = Timestamp::now().saturating_sub(Duration::from_secs(4 * MINUTE));
    let frames = [241, 180, 120, 61].map(|ago| scenario.probe_lately(ago, LAMP, "", -60));
    scenario.receive("a device that nobody knows, near for three minutes", frames.into());
    let calls = scenario.api.calls().len();
    let frame = scenario.probe_now(LAMP, "", -52);
    scenario.record(vec![frame]);
    scenario.wait_for_messages(&[ANN.id], calls, 1);
    scenario.note("it is still there a minute later, and nearer");
    scenario.ask(ANN, "/strangers");
    let data_dir = scenario.data_dir().to_owned();
    let has_left = move |_: &Service| {
        let running = Running::start(RecorderSettings { rotation: one_segment(), ..settings(&data_dir) });
        let source = LAMP.parse().unwrap();
        let left = EventKind::StrangerLeft {
            chat: ChatId(ANN.id),
            device: DeviceKey::Address(source),
            source,
            first: came,
            last_seen: Timestamp::now(),
            outcome: AlertOutcome::Raise,
        };
        running.record(&Input::Change(Event::new(Timestamp::now(), left)));
        running.stop();
    };
    scenario.restart("the service restarts; by then the stranger has left", 2, has_left, |config| config);
}
