//! A sequence counter: the addresses that one phone used one after the other.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;
use twox_hash::XxHash3_64;

use super::fixed_point::ONE;
use crate::event::{GroupId, Probe, Timestamp};
use dot11::{MacAddr, Signature};

/// Addresses that a counter remembers.
const ADDRESSES_PER_COUNTER: usize = 16;

/// Networks that a counter remembers.
const NETWORKS_PER_COUNTER: usize = 8;

/// The size of the space of sequence numbers (IEEE 802.11-2020 §9.2.4.4.2).
pub(super) const SEQUENCE_NUMBERS: i64 = 4096;

pub(super) const SECOND: i64 = 1_000_000;

/// Clocks of sensors differ by less. A frame that is older than a counter by more says nothing about where the counter is
/// now: it is of another file, or a clock was wrong.
pub(super) const LATE: i64 = 60 * SECOND;

/// Counters that take turns do so within this time of one another.
pub(super) const TURNS: i64 = 240 * SECOND;

/// One frame, as far as grouping depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) time: Timestamp,
    pub(super) source: MacAddr,
    pub(super) sequence: u16,
    pub(super) signature: Signature,
    pub(super) signal_dbm: Option<i8>,
    /// Identifies the radio on its channel.
    pub(super) radio: u32,
    /// Identifies the radio, and so the clock that `time` is of.
    pub(super) clock: u32,
    /// Identifies the network that it looks for by name, the first of several.
    pub(super) network: Option<u32>,
}

impl Frame {
    pub(super) fn of(probe: &Probe) -> Self {
        Self {
            time: probe.time,
            source: probe.source,
            sequence: probe.sequence,
            signature: probe.signature,
            signal_dbm: probe.signal_dbm,
            // The low half of a hash is as good as all of it.
            radio: XxHash3_64::oneshot_with_seed(
                u64::from(probe.frequency_mhz.unwrap_or(0)),
                probe.sensor.as_bytes(),
            ) as u32,
            clock: XxHash3_64::oneshot(probe.sensor.as_bytes()) as u32,
            network: probe.names().next().map(|ssid| XxHash3_64::oneshot(ssid.as_bytes()) as u32),
        }
    }
}

/// The latest items of a counter. Most counters have few, which need no memory of their own.
type Latest<T, const FEW: usize> = SmallVec<[T; FEW]>;

/// The form of [`Latest`] items for serde: that of a `Vec`.
mod sequence {
    use super::{Deserialize, Deserializer, Latest, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer, T: Serialize, const FEW: usize>(
        items: &Latest<T, FEW>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        items.as_slice().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>, const FEW: usize>(
        deserializer: D,
    ) -> Result<Latest<T, FEW>, D::Error> {
        Vec::deserialize(deserializer).map(Latest::from_vec)
    }
}

/// The addresses that one phone used one after the other while its sequence numbers continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    pub(super) group: GroupId,
    /// The first frame since the counter is remembered.
    pub(super) first: Timestamp,
    /// Whether it was forgotten before `first`, so that nobody knows when it began.
    pub(super) is_resumed: bool,
    pub(super) last: Timestamp,
    /// The clock that `first` is of.
    #[serde(default)]
    pub(super) first_clock: u32,
    /// The clock that the latest frame is of.
    #[serde(default)]
    pub(super) clock: u32,
    /// The number of addresses of the model when it was last seen.
    pub(super) seen_at: u64,
    pub(super) sequence: u16,
    /// The smoothed step from one address to the next, in fixed point.
    pub(super) step: i64,
    /// The smoothed signal in dBm, in fixed point.
    signal: Option<i64>,
    /// The radio that the signal is of.
    radio: u32,
    /// How often it lately alternated with another counter of its group.
    pub(super) alternations: u8,
    /// When it last did.
    alternated_at: Timestamp,
    /// Whether it continued since.
    has_continued: bool,
    /// The latest addresses, the newest last.
    #[serde(with = "sequence")]
    pub(super) addresses: Latest<MacAddr, 3>,
    /// The latest networks that they looked for, the newest last.
    #[serde(with = "sequence")]
    pub(super) networks: Latest<u32, 4>,
}

/// The steps from `from` forward to `to`.
pub(super) fn step(from: u16, to: u16) -> i64 {
    (i64::from(to) - i64::from(from)).rem_euclid(SEQUENCE_NUMBERS)
}

/// Makes `item` the newest, which is the last, of the latest items, of which at most `limit` are kept.
fn remember<T: PartialEq, const FEW: usize>(latest: &mut Latest<T, FEW>, item: T, limit: usize) {
    if latest.last() == Some(&item) {
        return;
    }
    latest.retain(|known| *known != item);
    if latest.len() >= limit {
        latest.remove(0);
    }
    latest.push(item);
}

pub(super) fn elapsed(from: Timestamp, to: Timestamp) -> i64 {
    to.as_micros().saturating_sub(from.as_micros())
}

impl Counter {
    pub(super) fn new(group: GroupId, frame: &Frame) -> Self {
        Self {
            group,
            first: frame.time,
            is_resumed: false,
            last: frame.time,
            first_clock: frame.clock,
            clock: frame.clock,
            seen_at: 0,
            sequence: frame.sequence,
            step: 0,
            signal: None,
            radio: frame.radio,
            alternations: 0,
            alternated_at: frame.time,
            has_continued: true,
            addresses: Latest::new(),
            networks: Latest::new(),
        }
    }

    /// A counter that was forgotten.
    pub(super) fn resumed(self) -> Self {
        Self { is_resumed: true, ..self }
    }

    /// Becomes the counter of one of its addresses in another group, which began at `first`.
    pub(super) fn separate(&mut self, address: MacAddr, group: GroupId, first: Timestamp) {
        (self.group, self.first) = (group, first);
        self.addresses.retain(|known| *known == address);
    }

    pub(super) fn follow(&mut self, frame: &Frame, seen_at: u64) {
        self.has_continued |= frame.sequence != self.sequence;
        self.last = self.last.max(frame.time);
        self.clock = frame.clock;
        self.sequence = frame.sequence;
        self.seen_at = seen_at;
        self.follow_signal(frame);
        remember(&mut self.addresses, frame.source, ADDRESSES_PER_COUNTER);
        if let Some(network) = frame.network {
            remember(&mut self.networks, network, NETWORKS_PER_COUNTER);
        }
    }

    /// Notes that it alternated with another counter of its group. That counts only if it continued since it last did:
    /// what stands still takes no turns. And only turns that follow each other soon count together: a counter that a phone
    /// left behind fits one of its frames now and then.
    pub(super) fn alternate(&mut self, now: Timestamp) {
        if !self.has_continued {
            return;
        }
        let is_soon = elapsed(self.alternated_at, now).abs() <= TURNS;
        self.alternations = if is_soon { self.alternations + 1 } else { 1 };
        (self.alternated_at, self.has_continued) = (now, false);
    }

    fn follow_signal(&mut self, frame: &Frame) {
        let Some(dbm) = frame.signal_dbm else { return };
        let dbm = i64::from(dbm) * ONE;
        let smoothed = self.signal.filter(|_| self.radio == frame.radio).map(|before| (4 * before + dbm) / 5);
        (self.signal, self.radio) = (Some(smoothed.unwrap_or(dbm)), frame.radio);
    }

    /// Whether `sequence` comes after this counter, at most `reach` steps on.
    pub(super) fn reaches(&self, sequence: u16, reach: i64) -> bool {
        let step = step(self.sequence, sequence);
        step > 0 && step * ONE <= reach
    }

    /// Whether the frame is one that another radio captured before, or that was sent before such a one: clocks differ, so
    /// it says nothing about the order of frames.
    pub(super) fn is_copied_by(&self, frame: &Frame, reach: i64) -> bool {
        self.clock != frame.clock
            && elapsed(self.last, frame.time).abs() <= LATE
            && (self.sequence == frame.sequence || self.is_reached_from(frame.sequence, reach))
    }

    /// Whether this counter comes after `sequence`.
    pub(super) fn is_reached_from(&self, sequence: u16, reach: i64) -> bool {
        let step = step(sequence, self.sequence);
        step > 0 && step * ONE <= reach
    }

    /// How badly the frame fits, in fixed point.
    pub(super) fn cost(&self, frame: &Frame) -> i64 {
        let gap = (step(self.sequence, frame.sequence) * ONE - self.step).abs() / 32;
        let time = elapsed(self.last, frame.time).saturating_mul(ONE / 300) / SECOND;
        let signal = match (self.signal, frame.signal_dbm) {
            (Some(signal), Some(dbm)) if self.radio == frame.radio => {
                (i64::from(dbm) * ONE - signal).abs() / 10
            }
            _ => 0,
        };
        gap + time + signal
    }

    /// Whether it was seen last between the last frame of `other` and `now`, as of the same group.
    pub(super) fn was_seen_since(&self, other: &Self, now: Timestamp) -> bool {
        self.group == other.group && other.last < self.last && self.last < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dot11::RequestedSsid;

    fn frame(second: i64, sequence: u16) -> Frame {
        let source = MacAddr::new([2, 0, 0, 0, 0, 1]);
        Frame::of(&Probe { sequence, ..Probe::example(source, RequestedSsid::Wildcard, second * SECOND) })
    }

    /// How often it alternated, if it alternates at each of these frames.
    fn alternations(frames: &[(i64, u16)]) -> u8 {
        let mut counter = Counter::new(GroupId(1), &frame(0, 0));
        for (second, sequence) in frames {
            counter.follow(&frame(*second, *sequence), 0);
            counter.alternate(frame(*second, *sequence).time);
        }
        counter.alternations
    }

    #[test]
    fn turns_count_together_only_if_they_follow_each_other_soon() {
        assert_eq!(alternations(&[(60, 5), (120, 10), (180, 15)]), 3);
        assert_eq!(alternations(&[(60, 5), (120, 10), (600, 15)]), 1);
    }

    #[test]
    fn a_counter_that_stands_still_takes_one_turn() {
        assert_eq!(alternations(&[(60, 5), (120, 5), (180, 5)]), 1);
    }

    #[test]
    fn a_frame_costs_as_much_as_it_is_off_in_number_time_and_signal() {
        let frame = |second, sequence| Frame { signal_dbm: Some(-60), ..frame(second, sequence) };
        let mut counter = Counter::new(GroupId(1), &frame(0, 4090));
        counter.follow(&frame(0, 4090), 0);
        counter.step = 20 * ONE;
        let cost = |frame: Frame| counter.cost(&frame);
        // The usual step, over the end of the numbers.
        let usual = frame(0, 14);
        assert_eq!(cost(usual), 0);
        for (number, cost_of_number) in [(46, ONE), (4094, ONE / 2), (78, 2 * ONE)] {
            assert_eq!(cost(frame(0, number)), cost_of_number, "{number}");
        }
        assert!((cost(frame(300, 14)) - ONE).abs() < ONE / 100);
        for (signal_dbm, of_signal) in [(Some(-70), ONE), (Some(-40), 2 * ONE), (None, 0)] {
            assert_eq!(cost(Frame { signal_dbm, ..usual }), of_signal);
        }
        // Signals of two radios are not compared.
        assert_eq!(cost(Frame { signal_dbm: Some(-70), radio: usual.radio ^ 1, ..usual }), 0);
    }

    #[test]
    fn a_number_continues_a_counter_within_its_reach_and_not_at_its_own() {
        let counter = Counter::new(GroupId(1), &frame(0, 4090));
        let reach = 16 * ONE;
        for (number, is_reached) in [(4090, false), (4091, true), (10, true), (11, false), (4089, false)] {
            assert_eq!(counter.reaches(number, reach), is_reached, "{number}");
        }
        for (number, is_reached) in [(4090, false), (4089, true), (4074, true), (4073, false), (4091, false)]
        {
            assert_eq!(counter.is_reached_from(number, reach), is_reached, "{number}");
        }
    }

    #[test]
    fn another_radio_copies_what_was_sent_a_moment_ago() {
        let mut counter = Counter::new(GroupId(1), &frame(100, 50));
        counter.follow(&frame(100, 50), 0);
        let other = |second, sequence| {
            let of = frame(second, sequence);
            Frame { clock: of.clock ^ 1, ..of }
        };
        let is_copied = |frame: Frame| counter.is_copied_by(&frame, 16 * ONE);
        for (second, sequence, is_copy) in [
            (100, 50, true),
            (160, 50, true),
            (161, 50, false),
            (40, 50, true),
            (39, 50, false),
            (100, 34, true),
            (100, 33, false),
            (100, 51, false),
        ] {
            assert_eq!(is_copied(other(second, sequence)), is_copy, "{second} {sequence}");
            assert!(!is_copied(frame(second, sequence)), "it is the same radio");
        }
    }

    #[test]
    fn a_counter_was_seen_since_another_of_its_group_only_between_its_last_frame_and_now() {
        let counter = |group, second| Counter::new(GroupId(group), &frame(second, 0));
        let other = counter(1, 100);
        for (group, second, is_since) in [(1, 150, true), (2, 150, false), (1, 100, false), (1, 200, false)] {
            assert_eq!(counter(group, second).was_seen_since(&other, frame(200, 0).time), is_since);
        }
    }

    #[test]
    fn a_counter_smooths_the_signal_of_one_radio() {
        let with = |dbm, radio| Frame { signal_dbm: dbm, radio, ..frame(0, 0) };
        let mut counter = Counter::new(GroupId(1), &with(None, 1));
        let mut after = |dbm, radio| {
            counter.follow(&with(dbm, radio), 0);
            (counter.signal.map(|signal| signal / ONE), counter.radio)
        };
        assert_eq!(after(None, 1), (None, 1));
        assert_eq!(after(Some(-60), 1), (Some(-60), 1));
        assert_eq!(after(Some(-80), 1), (Some(-64), 1));
        assert_eq!(after(None, 2), (Some(-64), 1));
        assert_eq!(after(Some(-80), 2), (Some(-80), 2));
    }

    #[test]
    fn a_counter_remembers_its_latest_addresses_and_networks() {
        let mut counter = Counter::new(GroupId(1), &frame(0, 0));
        let source = |number| MacAddr::new([2, 0, 0, 0, 0, number]);
        for number in 0..20 {
            counter.follow(&Frame { source: source(number), network: Some(number.into()), ..frame(0, 0) }, 0);
        }
        assert!(counter.addresses.iter().copied().eq((4..20).map(source)));
        assert!(counter.networks.iter().copied().eq(12..20));
        // One that comes back is the newest.
        counter.follow(&Frame { source: source(10), network: Some(15), ..frame(0, 0) }, 0);
        assert_eq!((counter.addresses.len(), counter.addresses.last()), (16, Some(&source(10))));
        assert_eq!((counter.networks.len(), counter.networks.last()), (8, Some(&15)));
    }
}
