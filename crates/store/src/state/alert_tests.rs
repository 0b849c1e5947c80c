//! What leaves the outbox, the overflow and the cool-downs: removed chats, reported alerts, groups that became supergroups.

use super::alerts::Alerts;
use super::cooldowns::{Cooldown, CooldownKey, Cooldowns};
use super::grouping::tests::{from_snapshot, reloaded};
use super::known_device_tests::{CHAT, Simulation, at, depot, invented, named};
use super::*;
use crate::event::{
    AlertDecision, ChatId, CodeHash, DeviceKey, EventKind, MessageId, Offset, Pattern, ProposedChange, Role,
};
use dot11::{ModelKey, RequestedSsid};

const OTHER: ChatId = ChatId(8);

/// Two chats with alerts that wait, an overflow, and a cool-down that has suppressed an alert, at 100 s.
fn two_chats() -> Simulation {
    let mut simulation = Simulation::new(false);
    simulation.policy.chats.push(OTHER);
    simulation.change(EventKind::Watch { chat: OTHER, ssid: depot(), reason: None });
    simulation.name(named(1), "Kitchen");
    (0..2).for_each(|_| drop(simulation.ask(named(1), 100)));
    for number in 0..ALERTS_PER_MINUTE as u32 + 3 {
        simulation.ask(invented(number * 2), 100);
    }
    simulation
}

/// What the chat gets, and for which alerts.
fn kept_for(alerts: &Alerts, chat: ChatId) -> impl PartialEq + std::fmt::Debug + use<> {
    let waiting: Vec<Offset> = alerts.waiting_for(chat).map(|(offset, _)| offset).collect();
    let cooldowns = alerts.cooldowns.rows.iter().filter(|((of, _, _), _)| *of == chat);
    let cooldowns: Vec<Cooldown> = cooldowns.map(|(_, cooldown)| cooldown.clone()).collect();
    (waiting, alerts.overflow(chat).cloned(), alerts.latest.get(&chat).cloned(), cooldowns)
}

#[test]
fn nothing_is_kept_for_a_removed_chat_and_everything_for_the_others() {
    let mut simulation = two_chats();
    let of_other = kept_for(&simulation.state.alerts, OTHER);
    assert_eq!(kept_for(&simulation.state.alerts, CHAT), of_other);
    simulation.change(EventKind::ChatRemoved { chat: CHAT, by: OTHER });
    let alerts = &simulation.state.alerts;
    assert_eq!(kept_for(alerts, CHAT), kept_for(&Alerts::default(), CHAT));
    assert_eq!(kept_for(alerts, OTHER), of_other);
    assert_eq!(alerts.chats_waiting().into_iter().collect::<Vec<_>>(), [OTHER]);
    // If it is paired again in the same minute, it begins anew.
    simulation.change(EventKind::Watch { chat: CHAT, ssid: depot(), reason: None });
    let raise = AlertDecision::Raise { chat: CHAT, pattern: None, reason: None, suppressed: 0 };
    assert_eq!(simulation.ask(named(1), 100), [raise.clone(), AlertDecision::Suppress { chat: OTHER }]);
    assert_eq!(simulation.ask(invented(0), 100)[0], raise);
}

/// A chat that has used all that the bot offers.
fn busy_chat() -> Simulation {
    let mut simulation = two_chats();
    let (code, expires, chat) = (CodeHash::of("code"), at(1_000), CHAT);
    simulation.change(EventKind::Invited { code, role: Role::Owner, expires, by: None });
    simulation.change(EventKind::Paired { chat, code, name: "Anna".to_owned() });
    simulation.change(EventKind::Invited { code, role: Role::Member, expires, by: Some(chat) });
    simulation.change(EventKind::WatchPattern { chat, pattern: Pattern::new("De*"), reason: None });
    let (device, members) = (DeviceKey::Address(invented(2)), Vec::new());
    let ignore = EventKind::Ignore { chat, device: DeviceKey::Address(invented(4)), members: Vec::new() };
    simulation.change(EventKind::Follow { chat, device, silence_seconds: 900, members });
    simulation.change(ignore);
    let doorbell = EventKind::Doorbell { chat, min_dbm: -100, stay_seconds: 60, only_in_quiet_hours: false };
    simulation.change(doorbell);
    simulation.receive(invented(6), RequestedSsid::Wildcard, 100_000_000);
    simulation.change(EventKind::Mute { chat, until: at(500) });
    // Addresses of one transmitter, which a cool-down suppresses.
    let model = || ModelKey::of(&[1]);
    (0..100).for_each(|_| simulation.state.floods.see(at(100), model(), Some(-60), [chat].into_iter()));
    assert!(simulation.state.floods.untold(chat).is_some());
    let message = Some(MessageId(5));
    simulation.change(EventKind::OverflowReported { chat, count: 1, flood: Some(at(100)), message });
    simulation
}

#[test]
fn a_restart_and_a_snapshot_forget_nothing_that_a_chat_has_used() {
    let mut simulation = busy_chat();
    let change = ProposedChange::Unname { device: DeviceKey::Address(named(1)) };
    simulation.change(EventKind::NameProposed { chat: OTHER, change });
    let state = &simulation.state;
    assert!(reloaded(state) == *state && from_snapshot(state) == *state);
}

/// In how many places the state knows of the chat.
fn mentions(state: &State, chat: ChatId) -> usize {
    format!("{state:?}").matches(&format!("{chat:?}")).count()
}

#[test]
fn the_state_has_forgotten_a_removed_chat() {
    let mut simulation = busy_chat();
    assert!(mentions(&simulation.state, CHAT) > 20);
    let of_other = mentions(&simulation.state, OTHER);
    simulation.change(EventKind::ChatRemoved { chat: CHAT, by: OTHER });
    assert_eq!((mentions(&simulation.state, CHAT), mentions(&simulation.state, OTHER)), (0, of_other));
}

#[test]
fn the_state_knows_a_group_that_became_a_supergroup_by_its_new_identifier() {
    let mut simulation = busy_chat();
    let (new, known) = (ChatId(-9), mentions(&simulation.state, CHAT));
    simulation.change(EventKind::ChatMigrated { from: CHAT, to: new });
    // What stays is where it went, and who made the invitation. The message about the flood has another number now.
    let (old, new) = (mentions(&simulation.state, CHAT), mentions(&simulation.state, new));
    assert_eq!((old, new), (2, known - 1));
    assert_eq!(simulation.state.floods.message(CHAT), None);
}

#[test]
fn a_report_takes_what_it_counted_out_of_the_overflow() {
    let mut simulation = two_chats();
    let of_other = kept_for(&simulation.state.alerts, OTHER);
    let count = |simulation: &Simulation| simulation.state.alerts.overflow(CHAT).map(Overflow::count);
    assert_eq!(count(&simulation), Some(3));
    // One more came while the message was under way, which reported the others.
    let report = |count, flood, message| EventKind::OverflowReported { chat: CHAT, count, flood, message };
    simulation.change(report(2, Some(at(100)), Some(MessageId(5))));
    assert_eq!(count(&simulation), Some(1));
    let message = simulation.state.floods.message(CHAT).unwrap();
    assert_eq!((message.since, message.message, message.reported.count()), (at(100), MessageId(5), 2));
    simulation.change(report(1, None, None));
    assert_eq!(count(&simulation), None);
    assert_eq!(kept_for(&simulation.state.alerts, OTHER), of_other);
    // The next overflow counts from one, since its own first alert.
    simulation.ask(invented(1_000), 101);
    let overflow = simulation.state.alerts.overflow(CHAT).unwrap();
    assert_eq!((overflow.count(), overflow.since()), (1, Some(at(101))));
}

#[test]
fn a_supergroup_keeps_the_cooldown_that_ends_later() {
    let cooldown =
        |seconds, suppressed, only_counted| Cooldown { since: at(seconds), suppressed, only_counted };
    let cases = [
        (cooldown(100, 1, false), Some(cooldown(50, 2, false)), cooldown(100, 1, false)),
        (cooldown(50, 1, false), Some(cooldown(100, 2, false)), cooldown(100, 2, false)),
        // An alert that was sent counts more than one that was not.
        (cooldown(100, 1, true), Some(cooldown(50, 2, false)), cooldown(50, 2, false)),
        (cooldown(50, 1, false), Some(cooldown(100, 2, true)), cooldown(50, 1, false)),
        // Of two alike, the supergroup's own.
        (cooldown(50, 1, false), Some(cooldown(50, 2, false)), cooldown(50, 2, false)),
        (cooldown(50, 1, false), None, cooldown(50, 1, false)),
    ];
    let key = |chat| -> CooldownKey { (chat, depot(), DeviceKey::Address(named(1))) };
    for (of_group, of_supergroup, kept) in cases {
        let mut cooldowns = Cooldowns::default();
        cooldowns.rows.insert(key(CHAT), of_group);
        if let Some(row) = of_supergroup {
            cooldowns.rows.insert(key(OTHER), row);
        }
        cooldowns.index();
        cooldowns.migrate(CHAT, OTHER);
        assert_eq!(cooldowns.rows.iter().collect::<Vec<_>>(), [(&key(OTHER), &kept)]);
        // The order by rank is that of the rows.
        let mut indexed = cooldowns.clone();
        indexed.index();
        assert_eq!(cooldowns, indexed);
    }
}

#[test]
fn a_supergroup_gets_what_waits_for_the_group_besides_its_own() {
    let mut simulation = two_chats();
    simulation.ask(named(2), 101);
    let waiting = |simulation: &Simulation, chat| simulation.state.alerts.waiting_for(chat).count();
    let (own, of_group) = (waiting(&simulation, OTHER), waiting(&simulation, CHAT));
    simulation.change(EventKind::Delivered { probe: Offset(u64::MAX), chat: CHAT, message: None });
    let first = simulation.state.alerts.waiting_for(OTHER).next().map(|(offset, _)| offset).unwrap();
    simulation.change(EventKind::Delivered { probe: first, chat: OTHER, message: None });
    simulation.change(EventKind::ChatMigrated { from: CHAT, to: OTHER });
    assert_eq!((waiting(&simulation, CHAT), waiting(&simulation, OTHER)), (0, of_group));
    assert_eq!(own, of_group);
    assert_eq!(simulation.state.alerts.overflow(OTHER).unwrap().count(), 2 * 3 + 2);
    assert_eq!(simulation.state.alerts.overflow(CHAT), None);
    // Both used their allowance.
    let decisions = simulation.ask(invented(5_000), 101);
    assert_eq!(decisions, [AlertDecision::Overflow { chat: OTHER }]);
}
