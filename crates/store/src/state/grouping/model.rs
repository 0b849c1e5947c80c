//! What is known of one device model: how its sequence numbers behave, and its phones that are in range.
//!
//! Some models restart their sequence numbers when they change the address, others continue them. Each new address is a
//! trial: does it continue any counter in range? A log-likelihood ratio weighs that against the chance that a counter
//! fits although it belongs to another phone; numbers that go backwards measure that chance.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::counter::{Counter, Frame, LATE, SECOND, SEQUENCE_NUMBERS, TURNS, elapsed, step};
use super::fixed_point::{ONE, ln, product, ratio};
use super::live_group::LiveGroup;
use super::seen_times::SeenTimes;
use super::variants::MainModel;
use crate::event::{GroupId, Timestamp};
use dot11::MacAddr;

/// Counters of one model that are remembered.
const COUNTERS_PER_MODEL: usize = 32;

/// Groups of one model that are in range at a time.
const GROUPS_PER_MODEL: usize = 32;

/// A counter that was not seen for longer is not continued.
const HORIZON: i64 = 1200 * SECOND;

/// Counters that were seen within this time are trials of whether a model continues its counters.
const LEARN: i64 = 300 * SECOND;

/// A new address that comes after this many others of its model is not compared with a counter.
const HORIZON_ADDRESSES: u64 = 64;

/// Counters that take part in a trial.
const TRIAL_COUNTERS: usize = 16;

/// A phone that comes back to an address within this time had it all the while.
pub(super) const OVERLAP: i64 = 60 * SECOND;

/// A group that was silent for longer may have changed its address.
const IDLE: i64 = 60 * SECOND;

/// The log-likelihood ratio from which on a model is taken to continue its sequence numbers.
const CONTINUES: i64 = 4 * ONE;

/// What it costs to continue a counter of a phone that did not look for the network of the frame, while another did: as
/// much as 64 numbers, or ten minutes.
const OTHER_NETWORK: i64 = 2 * ONE;

/// Alternations, one soon after the other, after which two counters are two phones.
const ALTERNATIONS: u8 = 4;

/// How one model behaves, and its phones in range.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct Model {
    /// The log-likelihood ratio of whether a new address continues a counter.
    continues: i64,
    /// The mean step from one address to the next, in fixed point.
    mean_step: i64,
    /// How often a counter went backwards, and the number of trials; both decay.
    backward: i64,
    trials: i64,
    /// Steps in the mean.
    steps: u16,
    /// New addresses so far.
    addresses: u64,
    /// In the order in which they began.
    counters: VecDeque<Counter>,
    groups: Vec<LiveGroup>,
    /// The model whose phones its new addresses are of, see [`super::variants`].
    #[serde(default)]
    pub(super) main: Option<MainModel>,
}

/// Whether nobody said that the address is not of this group, which is of the same model.
pub(super) type MayBelong<'a> = &'a dyn Fn(MacAddr, GroupId) -> bool;

/// Which group a new address joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// It continues a counter of this group.
    Continues(GroupId),
    /// It is of the same model as this group.
    SameModel(GroupId),
    /// It is of the same model as this group, and looks for the same network.
    SameNetwork(GroupId),
    /// None.
    None,
}

/// A change to groups that a frame caused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// At least this many phones of this group were in range at this time.
    AtLeast(GroupId, u32, Timestamp),
    /// The addresses of this counter are not of the phone `from`, but of `to`, or of a new one.
    Split { counter: usize, from: GroupId, to: Option<GroupId> },
}

impl Model {
    /// Whether its sequence numbers continue when it changes its address.
    pub(super) fn is_continuing(&self) -> bool {
        self.continues >= CONTINUES
    }

    /// When it was last seen.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.counters.iter().map(|counter| counter.last).max()
    }

    /// New addresses of it so far.
    pub(super) fn address_count(&self) -> u64 {
        self.addresses
    }

    /// The groups that were seen last, at most [`GROUPS_PER_MODEL`].
    pub(super) fn latest_groups(&self) -> impl Iterator<Item = GroupId> {
        self.groups.iter().map(|live| live.id)
    }

    /// The addresses that the counter remembers.
    pub(super) fn counter_addresses(&self, counter: usize) -> &[MacAddr] {
        self.counters.get(counter).map_or(&[], |counter| &counter.addresses)
    }

    /// The address whose counter the newest address of that counter continued.
    pub(super) fn continued_by(&self, newest: MacAddr) -> Option<MacAddr> {
        self.counters.iter().rev().find_map(|counter| match counter.addresses.as_slice() {
            [.., continued, last] if *last == newest => Some(*continued),
            _ => None,
        })
    }

    /// The counters that went on while this one did, by the clock of one radio: the group of each and its addresses. Those
    /// of other groups than `from` only if they went on lately, with other numbers.
    pub(super) fn beside(&self, counter: usize, from: GroupId) -> Vec<(GroupId, &[MacAddr])> {
        let Some(of) = self.counters.get(counter) else { return Vec::new() };
        let reach = self.reach();
        let is_beside =
            |other: &Counter| other.clock == of.clock && other.first <= of.last && of.first <= other.last;
        let is_other_phone = |other: &Counter| {
            other.first_clock == of.clock
                && elapsed(other.last, of.last).abs() <= TURNS
                && !other.reaches(of.sequence, reach)
                && !other.is_reached_from(of.sequence, reach)
        };
        let others = self.counters.iter().enumerate().filter(|(index, other)| {
            *index != counter && is_beside(other) && (other.group == from || is_other_phone(other))
        });
        others.map(|(_, other)| (other.group, &other.addresses[..])).collect()
    }

    /// Whether the frame's number continues the counter of its address.
    pub(super) fn is_continued_by(&self, frame: &Frame) -> bool {
        let own = self.counters.iter().rev().find(|counter| counter.addresses.contains(&frame.source));
        own.is_some_and(|counter| counter.reaches(frame.sequence, self.reach()))
    }

    /// The largest step that counts as continued, in fixed point.
    fn reach(&self) -> i64 {
        if self.steps >= 8 { (4 * self.mean_step).clamp(16 * ONE, 256 * ONE) } else { 128 * ONE }
    }

    /// Notes that a group was in range at `time`.
    fn touch(&mut self, group: GroupId, time: Timestamp) {
        match self.groups.iter_mut().find(|live| live.id == group) {
            Some(live) => live.see(time, self.addresses),
            None => {
                if self.groups.is_empty() {
                    self.groups.reserve_exact(1);
                }
                self.groups.push(LiveGroup::new(group, time, self.addresses));
            }
        }
        // In the order of arrival first: a time in the future must not stay for ever.
        if self.groups.len() > GROUPS_PER_MODEL
            && let Some(oldest) = position_of_min(self.groups.iter(), |live| (live.seen_at, live.last))
        {
            self.groups.remove(oldest);
        }
    }

    /// A further frame of an address of `group`. What it proves is added to `findings`. Returns whether it is a frame that
    /// no other radio captured before.
    pub(super) fn again(
        &mut self,
        group: GroupId,
        frame: &Frame,
        may_belong: MayBelong<'_>,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let found = self.counters.iter().rposition(|counter| counter.addresses.contains(&frame.source));
        let Some((mut own, counter)) = found.and_then(|own| Some((own, self.counters.get(own)?))) else {
            // Its counter was forgotten: nobody knows what came between.
            self.start(Counter::new(group, frame).resumed(), frame);
            return true;
        };
        if elapsed(counter.last, frame.time) < -LATE {
            self.touch(group, frame.time);
            return true;
        }
        if counter.is_copied_by(frame, self.reach()) {
            let last = counter.last;
            self.touch(group, last);
            return false;
        }
        if counter.sequence == frame.sequence && elapsed(counter.last, frame.time).abs() <= SECOND {
            if let Some(counter) = self.counters.get_mut(own) {
                counter.follow(frame, self.addresses);
            }
            self.touch(group, frame.time);
            return false;
        }
        let between: SmallVec<[usize; COUNTERS_PER_MODEL]> = self
            .counters
            .iter()
            .enumerate()
            .filter(|(other, seen)| *other != own && seen.was_seen_since(counter, frame.time))
            .map(|(other, _)| other)
            .collect();
        if !between.is_empty() && self.is_continuing() {
            let reach = self.reach();
            let continued = between.iter().copied().filter(|other| {
                self.counters.get(*other).is_some_and(|other| other.reaches(frame.sequence, reach))
            });
            if let Some(same) =
                first_max(continued, |other| self.counters.get(*other).map(|other| other.last))
            {
                if let Some(counter) = self.counters.get_mut(own) {
                    counter.addresses.retain(|address| *address != frame.source);
                }
                own = same;
            } else if counter.reaches(frame.sequence, reach) {
                self.alternate(own, &between, frame, may_belong, findings);
            }
        } else if elapsed(counter.last, frame.time) <= OVERLAP {
            self.prove_overlap(own, &between, frame, findings);
        }
        if let Some(counter) = self.counters.get_mut(own) {
            counter.follow(frame, self.addresses);
            let group = counter.group;
            self.touch(group, frame.time);
        }
        true
    }

    /// A phone uses one address at a time: what began while this counter was silent is another phone, unless its numbers
    /// lie between those of this counter, as if both were one. Only times by the clock of one radio are compared.
    fn prove_overlap(&self, own: usize, between: &[usize], frame: &Frame, findings: &mut Vec<Finding>) {
        if between.is_empty() {
            return;
        }
        let own_counter = self.counters.get(own).filter(|counter| counter.clock == frame.clock);
        let Some(counter) = own_counter else { return };
        let reach = self.reach();
        let is_other_phone = |other: &Counter| {
            !(counter.reaches(other.sequence, reach) && other.reaches(frame.sequence, reach))
        };
        let began = between.iter().filter_map(|other| self.counters.get(*other));
        let began = began.filter(|other| other.first_clock == frame.clock);
        let began = began.filter(|other| !other.is_resumed && is_other_phone(other)).map(|other| other.first);
        let in_use = |moment: Timestamp| {
            let others = self.counters.iter().enumerate().filter(|(other, seen)| {
                *other != own
                    && seen.group == counter.group
                    && [seen.first_clock, seen.clock] == [frame.clock; 2]
                    && (seen.first..=seen.last).contains(&moment)
                    && is_other_phone(seen)
            });
            others.count()
        };
        if let Some(most) = began.filter(|first| *first > counter.last).map(in_use).max() {
            // At most as many as there are counters.
            findings.push(Finding::AtLeast(counter.group, most as u32 + 1, frame.time));
        }
    }

    /// Two counters that continue by turns are two phones: the other counters each get a group of their own. Only the
    /// clock of one radio tells the turns.
    fn alternate(
        &mut self,
        own: usize,
        between: &[usize],
        frame: &Frame,
        may_belong: MayBelong<'_>,
        findings: &mut Vec<Finding>,
    ) {
        let own = self.counters.get(own).filter(|counter| counter.clock == frame.clock);
        let Some(from) = own.map(|counter| counter.group) else { return };
        for &index in between {
            let other = self.counters.get_mut(index).filter(|other| other.clock == frame.clock);
            let Some(other) = other else { continue };
            other.alternate(frame.time);
            if other.alternations < ALTERNATIONS {
                continue;
            }
            other.alternations = 0;
            let (first, last) = (other.first, other.last);
            let addresses = other.addresses.clone();
            let may_move = |group: GroupId| addresses.iter().all(|address| may_belong(*address, group));
            let is_silent =
                |group: GroupId| !self.counters.iter().any(|seen| seen.group == group && seen.last >= first);
            let free = self.groups.iter().filter(|live| {
                live.id != from && live.is_in_range(last) && is_silent(live.id) && may_move(live.id)
            });
            let to = first_max(free, |live| live.last).map(|live| live.id);
            findings.push(Finding::Split { counter: index, from, to });
            if let Some(to) = to {
                self.move_counter(index, to, last);
            }
        }
    }

    /// Moves a counter to the group `to`.
    pub(super) fn move_counter(&mut self, counter: usize, to: GroupId, last: Timestamp) {
        if let Some(counter) = self.counters.get_mut(counter) {
            counter.group = to;
        }
        self.touch(to, last);
    }

    /// The times of the first and the last frame of a counter.
    pub(super) fn counter_span(&self, counter: usize) -> Option<(Timestamp, Timestamp)> {
        self.counters.get(counter).map(|counter| (counter.first, counter.last))
    }

    /// The first frame of a new address: learns from it, and says which group it joins.
    pub(super) fn begin(
        &mut self,
        frame: &Frame,
        may_belong: MayBelong<'_>,
        findings: &mut Vec<Finding>,
    ) -> Joined {
        self.addresses += 1;
        let now = frame.time;
        let may_join = |group| may_belong(frame.source, group);
        let alive: SmallVec<[usize; COUNTERS_PER_MODEL]> = (self.counters.iter().enumerate())
            .filter(|(_, seen)| (-LATE..=HORIZON).contains(&elapsed(seen.last, now)))
            .filter(|(_, seen)| self.addresses - seen.seen_at <= HORIZON_ADDRESSES)
            .map(|(index, _)| index)
            .collect();
        let reach = self.reach();
        let is_forward =
            |index: &usize| self.counters.get(*index).is_some_and(|seen| seen.reaches(frame.sequence, reach));
        let forward: SmallVec<[usize; COUNTERS_PER_MODEL]> =
            alive.iter().copied().filter(is_forward).collect();
        self.learn(frame, &alive, &forward, reach);
        if self.is_continuing() {
            let looking = self.groups_looking(frame);
            let candidates = forward.iter().copied();
            let candidates =
                candidates.filter(|index| self.counters.get(*index).is_some_and(|seen| may_join(seen.group)));
            let cost = |seen: &Counter| {
                let is_other = !looking.is_empty() && !looking.contains(&seen.group);
                seen.cost(frame) + if is_other { OTHER_NETWORK } else { 0 }
            };
            let best = candidates.min_by_key(|index| self.counters.get(*index).map(cost));
            if let Some((best, counter)) = best.and_then(|best| Some((best, self.counters.get(best)?))) {
                if let Some(group) = self.silent_looking(counter.group, &looking, frame, may_join) {
                    self.begin_first(group, frame);
                    return Joined::SameNetwork(group);
                }
                return self.continue_counter(best, frame, (&alive, &forward), may_belong, findings);
            }
        }
        match self.group_in_range(now, may_join) {
            Some(group) => {
                self.begin_first(group, frame);
                Joined::SameModel(group)
            }
            None => Joined::None,
        }
    }

    /// The groups that lately looked for the network of this frame.
    fn groups_looking(&self, frame: &Frame) -> SmallVec<[GroupId; COUNTERS_PER_MODEL]> {
        let Some(network) = frame.network else { return SmallVec::new() };
        let looking = self.counters.iter().filter(|counter| counter.networks.contains(&network));
        let lately = looking.filter(|counter| elapsed(counter.last, frame.time) <= HORIZON);
        lately.map(|counter| counter.group).collect()
    }

    /// The group that a new address joins instead of continuing a counter of `group`: a silent one of those `looking` for
    /// the same network, if `group` looked only for others.
    fn silent_looking(
        &self,
        group: GroupId,
        looking: &[GroupId],
        frame: &Frame,
        may_join: impl Fn(GroupId) -> bool,
    ) -> Option<GroupId> {
        let mut own = self.counters.iter().filter(|counter| counter.group == group);
        if looking.contains(&group) || own.all(|counter| counter.networks.is_empty()) {
            return None;
        }
        let groups = self.groups.iter().filter(|live| looking.contains(&live.id) && may_join(live.id));
        let silent =
            groups.filter(|live| live.is_in_range(frame.time) && elapsed(live.last, frame.time) > IDLE);
        silent.min_by_key(|live| live.distance(frame.time)).map(|live| live.id)
    }

    /// Begins the counter of a new address of this group.
    pub(super) fn begin_first(&mut self, group: GroupId, frame: &Frame) {
        self.start(Counter::new(group, frame), frame);
    }

    /// Adds a counter with its first frame.
    fn start(&mut self, mut counter: Counter, frame: &Frame) {
        let group = counter.group;
        counter.follow(frame, self.addresses);
        self.begin_counter(counter);
        self.touch(group, frame.time);
    }

    /// Gives an address, and the counter that it continued, to another group, which was seen then.
    pub(super) fn separate(&mut self, address: MacAddr, to: GroupId, seen: SeenTimes) {
        if let Some(own) = self.counters.iter().rposition(|counter| counter.addresses.contains(&address))
            && let Some(counter) = self.counters.get_mut(own)
        {
            match counter.addresses.last() == Some(&address) {
                // Its number is that of the separated phone. What number the other one is at, nobody knows.
                true => counter.separate(address, to, seen.visit),
                false => counter.addresses.retain(|known| *known != address),
            }
        }
        self.touch(to, seen.last);
        self.set_seen(to, seen);
    }

    /// Corrects when a group was seen, if it was lately.
    pub(super) fn set_seen(&mut self, group: GroupId, seen: SeenTimes) {
        if let Some(live) = self.groups.iter_mut().find(|live| live.id == group) {
            live.set_seen(seen);
        }
    }

    /// Gives a group another identifier.
    pub(super) fn rename(&mut self, from: GroupId, to: GroupId) {
        for counter in self.counters.iter_mut().filter(|counter| counter.group == from) {
            counter.group = to;
        }
        self.groups.retain(|live| live.id != to);
        for live in self.groups.iter_mut().filter(|live| live.id == from) {
            live.id = to;
        }
    }

    /// Adds a counter in the place of the one that was silent longest if there are too many.
    fn begin_counter(&mut self, counter: Counter) {
        if self.counters.len() >= COUNTERS_PER_MODEL
            && let Some(oldest) = position_of_min(self.counters.iter(), |seen| (seen.seen_at, seen.last))
        {
            self.counters.remove(oldest);
        }
        if self.counters.is_empty() {
            // Most of many models have one counter.
            self.counters.reserve_exact(1);
        }
        self.counters.push_back(counter);
    }

    /// The trial of a new address.
    fn learn(&mut self, frame: &Frame, alive: &[usize], forward: &[usize], reach: i64) {
        let seen = |index: usize| self.counters.get(index).map(|seen| seen.last);
        let mut recent: SmallVec<[usize; COUNTERS_PER_MODEL]> = (alive.iter().copied())
            .filter(|index| seen(*index).is_some_and(|last| elapsed(last, frame.time).abs() <= LEARN))
            .collect();
        recent.sort_by_key(|index| std::cmp::Reverse(seen(*index)));
        recent.truncate(TRIAL_COUNTERS);
        if recent.is_empty() {
            return;
        }
        let is_backward = recent.iter().any(|index| {
            self.counters.get(*index).is_some_and(|seen| seen.is_reached_from(frame.sequence, reach))
        });
        self.backward = self.backward * 97 / 100 + i64::from(is_backward) * ONE;
        self.trials = self.trials * 97 / 100 + ONE;
        let misses = recent.iter().fold(ONE, |misses, _| product(misses, ONE - reach / SEQUENCE_NUMBERS));
        let by_chance = ONE - misses;
        let measured = ratio(self.backward + by_chance, self.trials + ONE);
        let chance = by_chance.max(measured).min(ONE * 85 / 100);
        let is_hit = recent.iter().any(|index| forward.contains(index));
        let weight = match is_hit {
            true => ln(ratio(ONE * 9 / 10, chance)),
            false => ln(ratio(ONE / 10, ONE - chance)),
        };
        self.continues = (self.continues + weight).clamp(-8 * ONE, 8 * ONE);
    }

    /// Continues the counter `best` with a new address.
    fn continue_counter(
        &mut self,
        best: usize,
        frame: &Frame,
        (alive, forward): (&[usize], &[usize]),
        may_belong: MayBelong<'_>,
        findings: &mut Vec<Finding>,
    ) -> Joined {
        let Some(counter) = self.counters.get(best) else { return Joined::None };
        let between: SmallVec<[usize; COUNTERS_PER_MODEL]> = (alive.iter().copied())
            .filter(|other| !forward.contains(other))
            .filter(|other| {
                self.counters.get(*other).is_some_and(|other| other.was_seen_since(counter, frame.time))
            })
            .collect();
        let has_stepped = counter.step != 0;
        self.alternate(best, &between, frame, may_belong, findings);
        let Some(counter) = self.counters.get_mut(best) else { return Joined::None };
        let step = step(counter.sequence, frame.sequence) * ONE;
        counter.step = if has_stepped { (7 * counter.step + 3 * step) / 10 } else { step };
        self.steps = self.steps.saturating_add(1);
        self.mean_step += (step - self.mean_step) / i64::from(self.steps.min(16));
        counter.follow(frame, self.addresses);
        let group = counter.group;
        self.touch(group, frame.time);
        Joined::Continues(group)
    }

    /// The group that a new address joins which continues no counter. That assumes the fewest phones: one that is
    /// silent if the model continues its counters, else the one that was seen at the nearest time.
    fn group_in_range(&self, now: Timestamp, may_join: impl Fn(GroupId) -> bool) -> Option<GroupId> {
        let groups = || self.groups.iter().filter(|live| live.is_in_range(now) && may_join(live.id));
        let silent = groups().filter(|live| self.is_continuing() && elapsed(live.last, now) > IDLE);
        let distance = |live: &&LiveGroup| live.distance(now);
        silent.min_by_key(distance).or_else(|| groups().min_by_key(distance)).map(|live| live.id)
    }
}

/// Of the items with the largest key the first.
fn first_max<T, K: Ord>(items: impl Iterator<Item = T>, key: impl Fn(&T) -> K) -> Option<T> {
    items.reduce(|best, item| if key(&item) > key(&best) { item } else { best })
}

fn position_of_min<'a, T: 'a, K: Ord>(
    items: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> K,
) -> Option<usize> {
    items.enumerate().min_by_key(|(_, item)| key(item)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests;
