//! A flood of invented addresses that ask for a watched network hides no device with a name and no followed one.

use std::time::Duration;

use super::*;
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, Event, EventKind, NamedBy, Offset, Probe, Timestamp,
};
use dot11::{MacAddr, RequestedSsid, Ssid};

pub(super) const CHAT: ChatId = ChatId(7);
const NAMED: u8 = 12;
const FOLLOWED: u8 = 8;

/// A state without a recorder, and a Telegram that takes every alert at once or none.
pub(super) struct Simulation {
    pub(super) state: State,
    pub(super) policy: AlertPolicy,
    is_delivering: bool,
    /// The senders of the alerts that were raised.
    alerted: Vec<MacAddr>,
}

impl Simulation {
    pub(super) fn new(is_delivering: bool) -> Self {
        let policy = AlertPolicy {
            chats: vec![CHAT],
            cooldown: Duration::from_secs(600),
            max_age: Duration::MAX,
            capturing_since: Some(at(0)),
            quiet_hours: None,
        };
        let mut simulation = Self { state: State::default(), policy, is_delivering, alerted: Vec::new() };
        simulation.change(EventKind::Watch { chat: CHAT, ssid: depot(), reason: None });
        simulation
    }

    fn fold(&mut self, event: &Event) {
        let offset = self.state.next_offset();
        self.state.fold(offset, event);
    }

    pub(super) fn change(&mut self, kind: EventKind) {
        self.fold(&Event::new(at(0), kind));
    }

    pub(super) fn name(&mut self, address: MacAddr, name: &str) {
        self.change(EventKind::Name { address, name: name.to_owned(), by: NamedBy::Chat });
    }

    pub(super) fn receive(
        &mut self,
        source: MacAddr,
        ssid: RequestedSsid,
        micros: i64,
    ) -> Vec<AlertDecision> {
        let offset = self.state.next_offset();
        let mut probe = Probe::example(source, ssid, micros);
        probe.alerts = self.state.decide_alerts(&probe, &self.policy);
        let decisions = probe.alerts.clone();
        self.fold(&Event::from(probe));
        if self.state.alerts.is_waiting(CHAT, offset) {
            self.alerted.push(source);
            if self.is_delivering {
                self.deliver(offset);
            }
        }
        decisions
    }

    fn deliver(&mut self, probe: Offset) {
        self.change(EventKind::Delivered { probe, chat: CHAT, message: None });
    }

    pub(super) fn ask(&mut self, source: MacAddr, seconds: i64) -> Vec<AlertDecision> {
        self.receive(source, RequestedSsid::Named(depot()), seconds * 1_000_000)
    }
}

pub(super) fn depot() -> Ssid {
    Ssid::from("Depot")
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

pub(super) fn named(number: u8) -> MacAddr {
    MacAddr::new([0xa4, 0x83, 0xe7, 0, 1, number])
}

fn followed(number: u8) -> MacAddr {
    MacAddr::new([0xa4, 0x83, 0xe7, 0, 2, number])
}

/// Every second one is a random address.
pub(super) fn invented(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr::new([if number.is_multiple_of(2) { 0x00 } else { 0x02 }, 0x11, a, b, c, d])
}

/// Runs a flood in which each known device comes once. Returns how many of them were alerted.
fn flood(frames: u32, micros_between: i64, is_delivering: bool) -> (usize, usize) {
    let mut simulation = Simulation::new(is_delivering);
    // Some frames before, so that the flood is on when the first device comes.
    let start = 3_600_000_000;
    for number in 0..NAMED {
        simulation.name(named(number), &format!("device {number}"));
    }
    for number in 0..FOLLOWED {
        let device = DeviceKey::Address(followed(number));
        simulation.change(EventKind::Follow {
            chat: CHAT,
            device,
            silence_seconds: 900,
            members: Vec::new(),
        });
    }
    let known = u32::from(NAMED + FOLLOWED);
    for number in 0..frames {
        let micros = start + i64::from(number) * micros_between;
        simulation.receive(invented(number), RequestedSsid::Named(depot()), micros);
        let (turn, rest) = ((number + 1) * known / frames, number * known / frames);
        if turn > rest && rest < known {
            match (rest as u8).checked_sub(NAMED) {
                None => {
                    simulation.receive(named(rest as u8), RequestedSsid::Named(depot()), micros + 1);
                }
                Some(number) => {
                    simulation.receive(followed(number), RequestedSsid::Wildcard, micros + 1);
                }
            }
        }
    }
    let count = |all: &mut dyn Iterator<Item = MacAddr>| {
        all.filter(|device| simulation.alerted.iter().filter(|alerted| *alerted == device).count() == 1)
            .count()
    };
    assert!(simulation.state.alerts.overflow(CHAT).is_none_or(|overflow| overflow.devices().len() == 0));
    (count(&mut (0..NAMED).map(named)), count(&mut (0..FOLLOWED).map(followed)))
}

#[test]
fn a_flood_at_any_rate_hides_no_known_device() {
    for is_delivering in [true, false] {
        for (frames, micros_between) in
            [(1200, 2_000_000), (1200, 1_000_000), (2400, 50_000), (20_000, 1_000)]
        {
            let alerted = flood(frames, micros_between, is_delivering);
            assert_eq!(alerted, (12, 8), "{micros_between} µs between frames, delivering: {is_delivering}");
        }
    }
}

#[test]
fn what_was_only_counted_alerts_once_there_is_room() {
    let mut simulation = Simulation::new(true);
    let stranger = invented(1_000_000);
    for number in 0..ALERTS_PER_MINUTE as u32 {
        simulation.ask(invented(number * 2), 100);
    }
    let overflow = AlertDecision::Overflow { chat: CHAT };
    assert_eq!(simulation.ask(stranger, 100), [overflow]);
    // It is not counted again with each frame.
    assert_eq!(simulation.ask(stranger, 140), [AlertDecision::Suppress { chat: CHAT }]);
    let raise = AlertDecision::Raise { chat: CHAT, pattern: None, reason: None, suppressed: 1 };
    assert_eq!(simulation.ask(stranger, 160), [raise]);
    assert_eq!(simulation.ask(stranger, 180), [AlertDecision::Suppress { chat: CHAT }]);
    assert_eq!(simulation.state.alerts.overflow(CHAT).unwrap().count(), 1);
}

#[test]
fn a_mute_counts_a_device_once_and_ends_with_its_next_frame() {
    let mut simulation = Simulation::new(true);
    simulation.change(EventKind::Mute { chat: CHAT, until: at(300) });
    assert_eq!(simulation.ask(named(1), 100), [AlertDecision::Mute { chat: CHAT }]);
    assert_eq!(simulation.ask(named(1), 101), [AlertDecision::Suppress { chat: CHAT }]);
    assert_eq!(simulation.state.mutes.get(CHAT).unwrap().suppressed, 1);
    let raise = AlertDecision::Raise { chat: CHAT, pattern: None, reason: None, suppressed: 1 };
    assert_eq!(simulation.ask(named(1), 300), [raise]);
}

#[test]
fn an_alert_that_expired_starts_no_cooldown() {
    let mut simulation = Simulation::new(false);
    simulation.name(named(1), "Kitchen");
    let probe = simulation.state.next_offset();
    simulation.ask(named(1), 100);
    assert_eq!(simulation.ask(named(1), 101), [AlertDecision::Suppress { chat: CHAT }]);
    simulation.change(EventKind::AlertExpired { probe, chat: CHAT });
    let addresses: Vec<MacAddr> = simulation.state.alerts.overflow(CHAT).unwrap().devices().collect();
    assert_eq!(addresses, [named(1)]);
    assert!(matches!(simulation.ask(named(1), 102)[..], [AlertDecision::Raise { .. }]));
}

#[test]
fn an_alert_that_telegram_refused_starts_no_cooldown() {
    let mut simulation = Simulation::new(false);
    let probe = simulation.state.next_offset();
    simulation.ask(named(1), 100);
    assert_eq!(simulation.ask(named(1), 101), [AlertDecision::Suppress { chat: CHAT }]);
    simulation.change(EventKind::Undeliverable { probe, chat: CHAT, reason: "Bad Request".to_owned() });
    assert!(matches!(simulation.ask(named(1), 102)[..], [AlertDecision::Raise { .. }]));
}

#[test]
fn a_flood_makes_the_chat_forget_no_alert_about_a_named_device() {
    let mut simulation = Simulation::new(true);
    simulation.name(named(1), "Kitchen");
    simulation.ask(named(1), 100);
    for number in 0..COOLDOWN_LIMIT as u32 + 100 {
        simulation.ask(invented(number * 2), 101);
    }
    assert_eq!(simulation.state.alerts.cooldowns.rows.len(), COOLDOWN_LIMIT);
    assert_eq!(simulation.ask(named(1), 102), [AlertDecision::Suppress { chat: CHAT }]);
    // Nor after the state was loaded.
    simulation.state.alerts.cooldowns.index();
    simulation.ask(invented(2_000_000), 103);
    assert_eq!(simulation.ask(named(1), 104), [AlertDecision::Suppress { chat: CHAT }]);
}

/// Somebody forges a named device and asks for ever new networks.
#[test]
fn a_forged_device_hides_no_other_and_is_named_in_the_summary() {
    let mut simulation = Simulation::new(false);
    let pattern = crate::event::Pattern::new("*");
    simulation.change(EventKind::WatchPattern { chat: CHAT, pattern, reason: None });
    simulation.name(named(0), "Kitchen");
    simulation.name(named(1), "Anna");
    // An hour long, while Telegram takes nothing.
    for second in 0..3600 {
        let ssid = RequestedSsid::from_element(format!("net {second}").as_bytes());
        simulation.receive(named(0), ssid, second * 1_000_000);
    }
    let of_forged = simulation.state.alerts.waiting();
    assert!((5..=50).contains(&of_forged), "{of_forged}");
    assert!(matches!(simulation.ask(named(1), 3600)[..], [AlertDecision::Raise { .. }]));
    assert!(matches!(simulation.ask(invented(1), 3600)[..], [AlertDecision::Raise { .. }]));
    let overflow = simulation.state.alerts.overflow(CHAT).unwrap().clone();
    assert_eq!(overflow.count(), 3600 - of_forged as u64);
    assert_eq!(overflow.devices().collect::<Vec<_>>(), [named(0)]);
}

#[test]
fn a_followed_device_that_arrives_and_leaves_uses_the_allowance_of_known_ones() {
    let mut simulation = Simulation::new(false);
    let device = DeviceKey::Address(followed(0));
    simulation.change(EventKind::Follow { chat: CHAT, device, silence_seconds: 60, members: Vec::new() });
    for number in 0..OUTBOX_LIMIT as i64 * 2 {
        simulation.ask(invented(number as u32 * 2), number * 4);
    }
    let now = OUTBOX_LIMIT as i64 * 8;
    let arrived = simulation.receive(followed(0), RequestedSsid::Wildcard, now * 1_000_000);
    assert!(matches!(arrived[..], [AlertDecision::Arrive { outcome: AlertOutcome::Raise, .. }]));
    let left = simulation.state.departures(at(now + 100), &simulation.policy);
    left.iter().for_each(|event| simulation.fold(event));
    let known = simulation.state.alerts.waiting_for(CHAT).filter(|(_, alert)| alert.is_known);
    assert_eq!(known.count(), 2);
    assert_eq!(simulation.state.alerts.waiting(), OUTBOX_LIMIT + 2);
}
