//! Times of frames in capture files that cannot be right: later than now, or before the year 2000.
//!
//! - Such a frame counts, at the time of the right one before it in the file. Those at the file's beginning wait for
//!   the first right one and count at its time.
//! - If no time in the file is right, nobody knows when it was captured. Its frames count from 1970 on, as if a sensor
//!   without a clock had counted from its start: in their order, before everything that is dated, and texts call that
//!   an unknown time.

use std::time::Duration;

use store::event::Timestamp;
use store::recorder::{CapturedProbe, RecorderHandle};

/// Frames at the beginning of a file that wait for a right time.
const WAITING_LIMIT: usize = 4096;

/// The times of the frames of one file.
#[derive(Debug, Default)]
pub struct FrameTimes {
    /// The last time that was right.
    last: Option<Timestamp>,
    /// Probes that wait for a right time.
    waiting: Vec<CapturedProbe>,
    /// The time of the first frame, if nobody knows when it was captured.
    unknown_since: Option<Timestamp>,
    impossible: u64,
}

impl FrameTimes {
    /// Takes the next probe of the file, and passes those that can be recorded now to `record`, with the times at which
    /// they count. Returns whether it accepted all.
    pub fn take(
        &mut self,
        probe: CapturedProbe,
        recorder: &RecorderHandle,
        record: impl FnMut(CapturedProbe) -> bool,
    ) -> bool {
        let now = recorder.now();
        // Of a clock in doubt nobody knows what it is ahead of.
        let is_known = probe.probe.time.is_possible_at(now) || recorder.clock_doubt().is_none();
        self.take_at(probe, is_known.then_some(now), record)
    }

    /// As [`FrameTimes::take`]. `now` is `None` if nobody knows the time.
    fn take_at(
        &mut self,
        probe: CapturedProbe,
        now: Option<Timestamp>,
        mut record: impl FnMut(CapturedProbe) -> bool,
    ) -> bool {
        let time = probe.probe.time;
        if now.is_none_or(|now| time.is_possible_at(now)) {
            self.last = Some(time);
            return self.release(|_| time, &mut record) && record(probe);
        }
        self.impossible += 1;
        if let Some(last) = self.last {
            return record(at(probe, last));
        }
        self.waiting.push(probe);
        match self.waiting.len() < WAITING_LIMIT && self.unknown_since.is_none() {
            true => true,
            false => self.rest(record),
        }
    }

    /// Passes on the probes that still wait at the end of the file: nobody knows when they were captured. Returns
    /// whether `record` accepted all.
    pub fn rest(&mut self, mut record: impl FnMut(CapturedProbe) -> bool) -> bool {
        let Some(first) = self.waiting.first() else { return true };
        let since = *self.unknown_since.get_or_insert(first.probe.time);
        self.release(|time| unknown(time, since), &mut record)
    }

    /// How many of the probes had an impossible time.
    pub fn impossible(&self) -> u64 {
        self.impossible
    }

    fn release(
        &mut self,
        counts_at: impl Fn(Timestamp) -> Timestamp,
        record: &mut impl FnMut(CapturedProbe) -> bool,
    ) -> bool {
        self.waiting.drain(..).all(|probe| {
            let time = counts_at(probe.probe.time);
            record(at(probe, time))
        })
    }
}

fn at(mut captured: CapturedProbe, time: Timestamp) -> CapturedProbe {
    captured.probe.time = time;
    captured
}

/// A time before the year 2000 for a frame of an unknown time: as long after the beginning of 1970 as it is after the
/// file's first frame. The times of a sensor without a clock are such already.
fn unknown(time: Timestamp, since: Timestamp) -> Timestamp {
    let begin = Timestamp::from_micros(0);
    if (begin..Timestamp::YEAR_2000).contains(&time) {
        return time;
    }
    let after = if time > since { time.abs_diff(since) } else { Duration::ZERO };
    begin.saturating_add(after).min(Timestamp::from_micros(Timestamp::YEAR_2000.as_micros() - 1))
}

#[cfg(test)]
mod tests {
    use dot11::{MacAddr, RequestedSsid};
    use store::event::Probe;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    /// The seconds at which frames of these seconds count.
    fn counted(seconds: &[i64]) -> Vec<i64> {
        let mut times = FrameTimes::default();
        let mut counted: Vec<CapturedProbe> = Vec::new();
        let now = Timestamp::from_micros(NOW * 1_000_000);
        for (number, second) in seconds.iter().enumerate() {
            let source = MacAddr::new([2, 0, 0, 0, (number >> 8) as u8, number as u8]);
            let probe = Probe::example(source, RequestedSsid::Wildcard, second * 1_000_000);
            let mut record = |probe| {
                counted.push(probe);
                true
            };
            assert!(times.take_at(CapturedProbe { probe, elements: None }, Some(now), &mut record));
        }
        assert!(times.rest(|probe| {
            counted.push(probe);
            true
        }));
        assert!(times.rest(|_| false), "no more wait");
        let order = (0_u8..)
            .zip(&counted)
            .all(|(number, probe): (u8, &CapturedProbe)| probe.probe.source.octets()[5] == number);
        assert!(order, "the order stays");
        counted.iter().map(|probe| probe.probe.time.as_micros().div_euclid(1_000_000)).collect()
    }

    #[test]
    fn a_frame_counts_at_the_right_time_before_it() {
        let past = NOW - 1000;
        assert_eq!(counted(&[past, past + 1]), [past, past + 1]);
        assert_eq!(counted(&[past, 4_294_967_295, past + 2]), [past, past, past + 2]);
        assert_eq!(counted(&[past, NOW + 61, NOW + 60, 5, -5]), [past, past, NOW + 60, NOW + 60, NOW + 60]);
        // A file out of order is no file of impossible times.
        assert_eq!(counted(&[past, past - 900, past]), [past, past - 900, past]);
    }

    #[test]
    fn frames_at_the_beginning_count_at_the_first_right_time() {
        let past = NOW - 1000;
        assert_eq!(counted(&[NOW + 3600, 5, past, past + 1]), [past, past, past, past + 1]);
    }

    #[test]
    fn frames_of_a_file_without_a_right_time_keep_their_distances() {
        let ahead = NOW + 86_400;
        assert_eq!(counted(&[ahead, ahead + 5, ahead - 3, ahead + 4000]), [0, 5, 0, 4000]);
        // A sensor without a clock.
        assert_eq!(counted(&[12, 15, 4000]), [12, 15, 4000]);
        assert_eq!(counted(&[-5, 4_294_967_295]), [0, Timestamp::YEAR_2000.as_micros() / 1_000_000 - 1]);
        assert_eq!(counted(&[]), [] as [i64; 0]);
    }

    #[test]
    fn few_frames_wait() {
        let mut times = FrameTimes::default();
        let now = Some(Timestamp::from_micros(NOW * 1_000_000));
        let probe = |second: i64| CapturedProbe {
            probe: Probe::example(MacAddr::new([2; 6]), RequestedSsid::Wildcard, second * 1_000_000),
            elements: None,
        };
        let mut ready = 0;
        for number in 0..2 * WAITING_LIMIT as i64 {
            times.take_at(probe(NOW + 1000 + number), now, |_| {
                ready += 1;
                true
            });
            assert!(times.waiting.len() < WAITING_LIMIT);
        }
        assert_eq!((ready, times.impossible()), (2 * WAITING_LIMIT, 2 * WAITING_LIMIT as u64));
        assert!(!times.take_at(probe(NOW), now, |_| false), "it is not accepted");
    }

    #[test]
    fn no_time_is_impossible_if_nobody_knows_the_time() {
        let probe = Probe::example(MacAddr::new([2; 6]), RequestedSsid::Wildcard, 5);
        let time = probe.time;
        let record = |taken: CapturedProbe| taken.probe.time == time;
        assert!(FrameTimes::default().take_at(CapturedProbe { probe, elements: None }, None, record));
    }
}
