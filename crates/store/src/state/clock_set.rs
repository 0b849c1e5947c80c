//! What follows when the time becomes another one at once ([`EventKind::ClockSet`]): nothing may hang on a time that will
//! not come for years.
//!
//! - What lasts for minutes (cool-downs, the alerts of the last minute, what waits in the outbox, visits) moves with the
//!   time: what was a minute ago still is.
//! - Of devices, networks and phones, what seems to be later than now counts as now. Earlier times stay: they are what was
//!   recorded.
//!
//! [`EventKind::ClockSet`]: crate::event::EventKind::ClockSet

use super::chats::Invitation;
use super::clock_step::ClockStep;
use super::dirty_map::DirtyMap;
use super::model::State;
use crate::event::Timestamp;

/// Changes the rows that `is_changed` accepts.
fn change<K: Ord + Clone, V>(
    rows: &mut DirtyMap<K, V>,
    is_changed: impl Fn(&V) -> bool,
    change: impl Fn(&mut V),
) {
    let keys: Vec<K> = rows.iter().filter(|(_, row)| is_changed(row)).map(|(key, _)| key.clone()).collect();
    for key in keys {
        rows.get_mut(&key).into_iter().for_each(&change);
    }
}

impl State {
    /// Folds in that the time became another one.
    pub(super) fn step_clock(&mut self, step: ClockStep) {
        self.alerts.cooldowns.move_times(step);
        let moves = |time: &Timestamp| step.moved(*time) != *time;
        change(
            &mut self.alerts.outbox,
            |alert| moves(&alert.time),
            |alert| alert.time = step.moved(alert.time),
        );
        change(&mut self.alerts.latest, |_| true, |latest| latest.move_times(step));
        change(&mut self.alerts.overflow, |_| true, |overflow| overflow.move_times(step));
        change(
            &mut self.doorbells.visitors,
            |visitor| moves(&visitor.last),
            |visitor| visitor.move_times(step),
        );
        self.floods.move_times(step);
        let ends_later = |end: Timestamp| step.moved_end(end) != end;
        change(
            &mut self.mutes.mutes,
            |mute| ends_later(mute.until),
            |mute| mute.until = step.moved_end(mute.until),
        );
        let expires = |invitation: &Invitation| ends_later(invitation.expires);
        change(&mut self.chats.invitations, expires, |invitation| {
            invitation.expires = step.moved_end(invitation.expires);
        });
        if step.to < step.from {
            self.forget_times_after(step.to);
        }
    }

    /// What seems to be later than `now` counts as now.
    fn forget_times_after(&mut self, now: Timestamp) {
        self.devices.limit_times(now);
        self.networks.limit_times(now);
        change(
            &mut self.grouping.groups,
            |group| group.last > now,
            |group| {
                for time in [&mut group.first, &mut group.visit, &mut group.last] {
                    *time = (*time).min(now);
                }
            },
        );
        let totals = &mut self.totals;
        for time in [
            &mut totals.last_probe,
            &mut totals.last_event,
            &mut totals.last_mark,
            &mut totals.elements_removed,
        ] {
            *time = time.map(|time| time.min(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{ChatId, DeviceKey, Event, EventKind, Probe};
    use crate::state::AlertPolicy;
    use dot11::{MacAddr, RequestedSsid, Ssid};

    const CHAT: ChatId = ChatId(7);
    const YEARS: i64 = 10 * 365 * 86_400;
    const NOW: i64 = 1_795_341_600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn address(number: u8) -> MacAddr {
        MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, number])
    }

    fn policy(since: i64) -> AlertPolicy {
        AlertPolicy {
            chats: vec![CHAT],
            cooldown: Duration::from_secs(600),
            max_age: Duration::from_secs(86_400),
            capturing_since: Some(at(since)),
            quiet_hours: None,
        }
    }

    fn fold(state: &mut State, seconds: i64, kind: EventKind) {
        state.fold(state.next_offset(), &Event::new(at(seconds), kind));
    }

    /// Records a probe for the watched network, as the recorder does; returns how many alerts it raised.
    fn probe(state: &mut State, number: u8, seconds: i64, since: i64) -> u64 {
        let ssid = RequestedSsid::Named("Depot".into());
        let mut probe = Probe::example(address(number), ssid, seconds * 1_000_000);
        probe.alerts = state.decide_alerts(&probe, &policy(since));
        let waiting = state.alerts().waiting();
        state.fold(state.next_offset(), &Event::from(probe));
        (state.alerts().waiting() - waiting) as u64
    }

    fn watching() -> State {
        let mut state = State::default();
        let chat = CHAT;
        fold(&mut state, NOW, EventKind::Watch { chat, ssid: Ssid::from("Depot"), reason: None });
        let device = DeviceKey::Address(address(1));
        fold(&mut state, NOW, EventKind::Follow { chat, device, silence_seconds: 300, members: Vec::new() });
        state
    }

    #[test]
    fn nothing_hangs_on_a_time_in_the_future() {
        let mut state = watching();
        let late = NOW + YEARS;
        assert_eq!(probe(&mut state, 1, late, late - 1000), 1);
        for number in 2..21 {
            assert_eq!(probe(&mut state, number, late + 1, late - 1000), 1, "{number}");
        }
        let until = at(late + 3600);
        fold(&mut state, late + 2, EventKind::Mute { chat: CHAT, until });
        fold(&mut state, NOW, EventKind::ClockSet { from: at(late + 60), since: None });
        assert_eq!(state.newest_time(), Some(at(NOW)));
        // The cool-down and the minute went on, and the mute does.
        assert_eq!(state.mutes().get(CHAT).unwrap().until, at(NOW + 3600 - 60));
        fold(&mut state, NOW + 1, EventKind::Unmute { chat: CHAT });
        assert_eq!(probe(&mut state, 2, NOW + 1, NOW), 0, "its cool-down has not ended");
        assert_eq!(probe(&mut state, 30, NOW + 1, NOW), 1, "a minute has passed");
        assert_eq!(probe(&mut state, 2, NOW + 600, NOW), 1);
        // The followed device was here a minute ago, and leaves after its silence.
        assert_eq!(state.device(address(1)).unwrap().last_probe, at(NOW));
        assert!(state.departures(at(NOW + 299), &policy(NOW)).is_empty());
        let left = state.departures(at(NOW + 300), &policy(NOW));
        assert!(matches!(left[..], [Event { kind: EventKind::Left { .. }, .. }]), "{left:?}");
        fold(&mut state, NOW + 300, left[0].kind.clone());
        assert_eq!(probe(&mut state, 1, NOW + 301, NOW), 1, "and arrives again");
        // The alerts that wait are as old as they were.
        let waiting = state.alerts().waiting();
        assert!(state.alerts().expired(|_| at(NOW - 61)).is_empty());
        assert_eq!(state.alerts().expired(|_| at(NOW + 3600)).len(), waiting);
    }

    #[test]
    fn no_time_is_later_than_now_after_a_step_back() {
        let mut state = watching();
        let late = NOW + YEARS;
        let mut probe = Probe::example(address(9), RequestedSsid::Wildcard, late * 1_000_000);
        probe.signal_dbm = Some(-50);
        probe.source = MacAddr::new([0x02, 0, 0, 0, 0, 9]);
        state.fold(state.next_offset(), &Event::from(probe.clone()));
        fold(&mut state, NOW, EventKind::ClockSet { from: at(late), since: None });
        let device = state.device(probe.source).unwrap();
        assert_eq!((device.first_probe, device.last_probe), (at(NOW), at(NOW)));
        assert_eq!((state.totals().last_probe, state.newest_time()), (Some(at(NOW)), Some(at(NOW))));
        let group =
            state.grouping().group_of(probe.source).and_then(|id| state.grouping().group(id)).unwrap();
        assert_eq!((group.first, group.last), (at(NOW), at(NOW)));
        // Of two signals the later one is the last.
        probe.time = at(NOW + 1);
        probe.signal_dbm = Some(-70);
        state.fold(state.next_offset(), &Event::from(probe.clone()));
        assert_eq!(state.device(probe.source).unwrap().signal.unwrap().last_dbm, -70);
    }

    #[test]
    fn a_step_forward_ages_only_what_is_older_than_the_doubt() {
        let mut state = watching();
        probe(&mut state, 2, NOW, NOW);
        probe(&mut state, 3, NOW + 50, NOW);
        fold(&mut state, NOW + YEARS, EventKind::ClockSet { from: at(NOW + 100), since: Some(at(NOW + 50)) });
        assert_eq!(state.alerts().expired(|_| at(NOW + YEARS - 60)).len(), 1);
        assert_eq!(state.alerts().oldest_waiting(), Some(at(NOW)));
        assert_eq!(probe(&mut state, 3, NOW + YEARS + 500, NOW), 0, "its cool-down has not ended");
        assert_eq!(state.device(address(3)).unwrap().first_probe, at(NOW + 50));
    }

    #[test]
    fn a_mute_does_not_outlast_a_step_forward() {
        let mut state = watching();
        fold(&mut state, NOW, EventKind::Mute { chat: CHAT, until: at(NOW + 3600) });
        fold(&mut state, NOW + 7200, EventKind::ClockSet { from: at(NOW + 60), since: Some(at(NOW)) });
        assert!(!state.mutes().is_muted(CHAT, at(NOW + 7200)));
        assert_eq!(probe(&mut state, 2, NOW + 7200, NOW), 1);
    }
}
