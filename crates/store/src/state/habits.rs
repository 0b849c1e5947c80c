//! Habits: which models are usually here at which hour of the week, and how many phones of them at once.
//!
//! - A phone with random addresses cannot be recognised on another day, but its model can. A household's models come
//!   back at the same hours, a passer-by's do not.
//! - An hour counts once it is over. Until then its phones are listed, so that the hour is never compared with itself.
//! - How long habits were learned counts only while frames arrive: a gap of more than a day is no evidence of who is usual.
//! - The row of a model changes when one of its groups is first seen in an hour, or is proven to be more phones: not
//!   with each frame.
//! - At most [`HABIT_LIMIT`] models are remembered. If there are more, a quarter leaves: first those that were here in
//!   one hour only, the longest silent of them first. So a flood of invented models displaces itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use super::hour::{HOURS_PER_WEEK, Hour};
use crate::event::{GroupId, Timestamp};
use dot11::ModelKey;

/// Models whose habits are remembered.
pub const HABIT_LIMIT: usize = 4096;

/// Groups of one model that are counted in one hour.
const GROUPS_PER_HOUR: usize = 64;

/// An hour of the week in which a model was not here for this long is not usual any more.
const FORGET_HOURS: i64 = 8 * HOURS_PER_WEEK;

/// The weeks that are remembered of an hour of the week.
pub(super) const REMEMBERED_WEEKS: u64 = FORGET_HOURS.unsigned_abs() / HOURS_PER_WEEK.unsigned_abs();

/// A gap between frames in which nothing was learned, in hours, if it is longer.
const GAP_HOURS: i64 = 24;

/// What is less than half a week older belongs to the same week.
const SAME_WEEK_HOURS: i64 = HOURS_PER_WEEK / 2;

/// When a model was here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Habit {
    /// The first hour in which it was here.
    first: Hour,
    /// The latest hour in which it was here, which is not counted yet.
    latest: Hour,
    /// The groups seen in that hour.
    #[serde(default)]
    groups: Vec<GroupId>,
    /// The least number of phones that they are.
    #[serde(default)]
    least: u32,
    /// The hours of the week in which it was here before, in order.
    hours: Vec<UsualHour>,
}

/// An hour of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct UsualHour {
    hour_of_week: u8,
    /// In how many weeks the model was here then.
    weeks: u16,
    /// The most phones at once, in all weeks but the last of them.
    most: u32,
    /// The last of these hours.
    last: Hour,
    /// The phones then.
    last_phones: u32,
}

/// What is usual at an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usual {
    /// In how many earlier weeks the model was here at this hour of the week, or an hour before or after.
    pub(super) weeks: u16,
    /// The most phones of it at once.
    pub(super) phones: u32,
}

impl Habit {
    /// The first hour in which the model was here.
    pub(super) fn first(&self) -> Hour {
        self.first
    }

    fn see(&mut self, hour: Hour, group: GroupId, least: impl Fn(&mut Vec<GroupId>) -> u32) {
        if hour > self.latest {
            self.close_hour();
            self.latest = hour;
        }
        if !self.groups.contains(&group) && self.groups.len() < GROUPS_PER_HOUR {
            self.groups.push(group);
        }
        self.least = least(&mut self.groups);
    }

    /// Counts the latest hour.
    fn close_hour(&mut self) {
        let (last, hour_of_week) = (self.latest, self.latest.of_week());
        let last_phones = std::mem::take(&mut self.least);
        self.groups.clear();
        if last_phones == 0 {
            return;
        }
        let fresh = UsualHour { hour_of_week, weeks: 1, most: 0, last, last_phones };
        match self.hours.binary_search_by_key(&hour_of_week, |usual| usual.hour_of_week) {
            Ok(index) => {
                if let Some(usual) = self.hours.get_mut(index) {
                    *usual = match usual.is_forgotten(last) {
                        true => fresh,
                        false => UsualHour {
                            weeks: usual.weeks.saturating_add(1),
                            most: usual.most.max(usual.last_phones),
                            ..fresh
                        },
                    };
                }
            }
            Err(index) => self.hours.insert(index, fresh),
        }
    }

    /// What is usual at this hour of the week or an hour before or after, by earlier weeks.
    pub(super) fn usual(&self, hour: Hour) -> Usual {
        let near = [-1, 0, 1].map(|step| hour.plus(step).of_week());
        let near = self.hours.iter().filter(|usual| near.contains(&usual.hour_of_week));
        near.filter(|usual| !usual.is_forgotten(hour)).map(|usual| usual.before(hour)).fold(
            Usual::default(),
            |one, other| Usual { weeks: one.weeks.max(other.weeks), phones: one.phones.max(other.phones) },
        )
    }
}

impl UsualHour {
    fn is_forgotten(&self, now: Hour) -> bool {
        now.since(self.last) > FORGET_HOURS
    }

    /// What it says without the week of `hour` and what came after.
    fn before(&self, hour: Hour) -> Usual {
        if hour.since(self.last) > SAME_WEEK_HOURS {
            return Usual { weeks: self.weeks, phones: self.most.max(self.last_phones) };
        }
        Usual { weeks: self.weeks.saturating_sub(1), phones: self.most }
    }
}

/// For how long habits were learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Learning {
    /// The time of the first frame, moved on by each gap since.
    since: Timestamp,
    /// The first frame of the latest hour in which frames arrived; earlier versions did not keep it.
    #[serde(default)]
    latest: Option<Timestamp>,
}

impl Learning {
    /// The state after a frame, if that changes it.
    fn after(&self, time: Timestamp) -> Option<Self> {
        let Some(latest) = self.latest else { return Some(Self { since: self.since, latest: Some(time) }) };
        let hours = Hour::of(time).since(Hour::of(latest));
        let since = match hours.abs() > GAP_HOURS {
            // A gap, a clock that was wrong, or an older file: what was learned so far stays.
            true => Timestamp::from_micros(
                self.since.as_micros().saturating_add(time.as_micros()).saturating_sub(latest.as_micros()),
            ),
            false if hours > 0 => self.since,
            false => return None,
        };
        Some(Self { since, latest: Some(time) })
    }
}

/// The habits of all models.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Habits {
    pub(super) rows: DirtyMap<ModelKey, Habit>,
    /// For how long habits were learned; at most one row.
    pub(super) learning: DirtyMap<(), Learning>,
}

impl Habits {
    /// Notes that a frame arrived.
    pub(super) fn see_frame(&mut self, time: Timestamp) {
        let changed = match self.learning.get(&()) {
            None => Some(Learning { since: time, latest: Some(time) }),
            Some(learning) => learning.after(time),
        };
        if let Some(learning) = changed {
            self.learning.insert((), learning);
        }
    }

    /// How long habits had been learned at `time`.
    pub(super) fn learned(&self, time: Timestamp) -> Duration {
        let Some(Learning { since, latest }) = self.learning.get(&()) else { return Duration::ZERO };
        let is_gap = |latest: &Timestamp| Hour::of(time).since(Hour::of(*latest)) > GAP_HOURS;
        let end = latest.filter(is_gap).unwrap_or(time);
        if *since < end { end.abs_diff(*since) } else { Duration::ZERO }
    }

    pub(super) fn get(&self, model: ModelKey) -> Option<&Habit> {
        self.rows.get(&model)
    }

    /// Notes that a group of `model` was seen. `least` keeps those of the groups of this hour that are still there, and says
    /// how many phones they are at least.
    pub(super) fn learn(
        &mut self,
        model: ModelKey,
        group: GroupId,
        time: Timestamp,
        least: impl Fn(&mut Vec<GroupId>, Hour) -> u32,
    ) {
        let hour = Hour::of(time);
        match self.rows.get(&model) {
            // A frame that arrived late: its hour is counted already.
            Some(known) if hour < known.latest => return,
            Some(_) => {}
            None => self.rows.insert(model, Habit { first: hour, latest: hour, ..Habit::default() }),
        }
        self.rows.entry(model).see(hour, group, |groups| least(groups, hour));
        if self.rows.len() > HABIT_LIMIT {
            for key in self.rows.lowest_quarter(|_, row| Some((!row.hours.is_empty(), row.latest))) {
                self.rows.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dot11::Signature;

    fn model(number: u64) -> ModelKey {
        ModelKey::of_unknown_elements(Signature::from_u64(number))
    }

    fn at(hour: i64) -> Timestamp {
        Hour::default().plus(hour).start()
    }

    /// The habit of a model with these numbers of phones in these hours.
    fn habit(hours: &[(i64, u32)]) -> Habit {
        let mut habits = Habits::default();
        for (hour, phones) in hours {
            habits.learn(model(1), GroupId(1), at(*hour), |_, _| *phones);
        }
        habits.get(model(1)).unwrap().clone()
    }

    #[test]
    fn an_hour_is_usual_from_the_next_week_on() {
        let week = HOURS_PER_WEEK;
        let habit = habit(&[(10, 2), (11, 1), (week + 10, 3), (2 * week + 10, 1)]);
        let usual = |hour: i64| {
            let Usual { weeks, phones } = habit.usual(Hour::default().plus(hour));
            (weeks, phones)
        };
        assert_eq!(usual(10), (1, 2), "the first week is left out while no third has come");
        assert_eq!(usual(week + 10), (1, 2));
        assert_eq!(usual(2 * week + 10), (2, 3), "the current hour does not count");
        assert_eq!(usual(2 * week + 9), (2, 3), "an hour before");
        assert_eq!(usual(2 * week + 12), (1, 1), "an hour after 11");
        assert_eq!(usual(2 * week + 13), (0, 0));
        assert_eq!(usual(12 * week + 10), (0, 0), "forgotten");
    }

    /// For how many hours habits were learned after frames in these hours, at the latest of them.
    fn learned(hours: impl IntoIterator<Item = i64>) -> u64 {
        let mut habits = Habits::default();
        let mut latest = i64::MIN;
        for hour in hours {
            habits.see_frame(at(hour));
            latest = latest.max(hour);
        }
        habits.learned(at(latest)).as_secs() / 3600
    }

    #[test]
    fn only_time_with_frames_counts_as_learned() {
        let week = HOURS_PER_WEEK;
        assert_eq!(learned(0..=3 * week), 504);
        assert_eq!(learned((0..=3).map(|day| day * 24)), 72, "one frame a day");
        // Twenty weeks ago, then nothing until yesterday.
        assert_eq!(learned([0, 1, 20 * week, 20 * week + 23]), 1 + 23);
        // A clock that was wrong for a frame, and an older file.
        let mut habits = Habits::default();
        [0, 1, 2, 300_000, 3, 4, -90_000, -89_999, 5].into_iter().for_each(|hour| habits.see_frame(at(hour)));
        assert_eq!(habits.learned(at(5)).as_secs() / 3600, 4);
        // Nor is anything learned long after the last frame.
        assert_eq!(habits.learned(at(6)).as_secs() / 3600, 5);
        assert_eq!(habits.learned(at(9000)).as_secs() / 3600, 4);
    }

    #[test]
    fn what_an_earlier_version_had_learned_stays() {
        let old: Learning = serde_json::from_str("{\"since\":\"1970-01-01T00:00:00Z\"}").unwrap();
        let mut habits = Habits::default();
        habits.learning.insert((), old);
        habits.see_frame(at(5000));
        assert_eq!(habits.learned(at(5000)).as_secs() / 3600, 5000);
    }

    #[test]
    fn the_phones_of_the_groups_of_an_hour_count() {
        let mut habits = Habits::default();
        // The group 9 is gone by now.
        let least = |groups: &mut Vec<GroupId>, hour: Hour| {
            assert!(hour >= Hour::of(at(10)));
            groups.retain(|group| *group != GroupId(9));
            2 * groups.len() as u32
        };
        for group in [1, 2, 2, 1, 9] {
            habits.learn(model(1), GroupId(group), at(10), least);
        }
        habits.learn(model(1), GroupId(1), at(11), least);
        // Late frames change nothing.
        habits.learn(model(1), GroupId(7), at(10), least);
        let usual = habits.get(model(1)).unwrap().usual(Hour::default().plus(HOURS_PER_WEEK + 10));
        assert_eq!(usual, Usual { weeks: 1, phones: 4 });
    }

    #[test]
    fn a_flood_of_models_displaces_itself() {
        let mut habits = Habits::default();
        for week in 0..3 {
            habits.learn(model(1), GroupId(1), at(week * HOURS_PER_WEEK), |_, _| 1);
        }
        for number in 0..3 * HABIT_LIMIT as u64 {
            let hour = 3 * HOURS_PER_WEEK + number as i64 / 100;
            habits.learn(model(1000 + number), GroupId(2), at(hour), |_, _| 1);
            assert!(habits.rows.len() <= HABIT_LIMIT);
        }
        assert!(habits.get(model(1)).is_some());
    }

    #[test]
    fn up_to_the_limit_all_models_are_remembered() {
        let mut habits = Habits::default();
        let limit = HABIT_LIMIT as u64;
        let mut learn = |number: u64| {
            habits.learn(model(number), GroupId(1), at(number as i64), |_, _| 1);
            habits.rows.len()
        };
        assert_eq!((0..limit).map(&mut learn).last(), Some(HABIT_LIMIT));
        assert_eq!(learn(limit), HABIT_LIMIT + 1 - HABIT_LIMIT / 4);
        let is_there = |number| habits.get(model(number)).is_some();
        assert!(!is_there(limit / 4 - 1) && is_there(limit / 4) && is_there(limit));
    }
}
