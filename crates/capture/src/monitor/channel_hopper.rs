//! From channel to channel, listening on each for a while.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::io::Errno;

use super::channel::Channel;
use super::netlink::RequestError;

/// Nothing is heard while a radio tunes, which takes some milliseconds.
const SHORTEST_DWELL: Duration = Duration::from_millis(10);

/// How long to wait after a round in which no channel could be tuned to.
const PAUSE: Duration = Duration::from_secs(2);

/// What hopping came to so far. Only the hopper writes; anyone may read while it runs.
#[derive(Debug, Default)]
pub struct HopCounters {
    /// Changes of channel.
    pub hops: AtomicU64,
    /// Changes of channel that the kernel refused.
    pub refused: AtomicU64,
    /// The channel listened to, as its centre; 0 before the first change.
    pub frequency_mhz: AtomicU16,
}

/// A round of channels.
pub(super) struct Round {
    pub channels: Vec<Channel>,
    pub dwell: Duration,
}

impl Round {
    /// Goes round until `stop` is sent to or closed, or the interface is gone.
    ///
    /// A channel that cannot be tuned to is passed over. If none of a round can be, `tell` hears the last
    /// refusal, and not again before a channel was tuned to.
    pub fn run(
        &self,
        stop: &Receiver<()>,
        counters: &HopCounters,
        mut tune: impl FnMut(Channel) -> Result<(), RequestError>,
        mut tell: impl FnMut(&RequestError),
    ) {
        let mut refused_in_a_row = 0;
        for channel in self.channels.iter().cycle() {
            let mut wait = self.dwell.max(SHORTEST_DWELL);
            match tune(*channel) {
                Ok(()) => {
                    counters.hops.fetch_add(1, Relaxed);
                    counters.frequency_mhz.store(channel.frequency_mhz(), Relaxed);
                    refused_in_a_row = 0;
                    if self.channels.len() == 1 {
                        // Tuning again would only interrupt.
                        let _ = stop.recv();
                        return;
                    }
                }
                Err(error) => {
                    counters.refused.fetch_add(1, Relaxed);
                    refused_in_a_row += 1;
                    let is_gone = error.errno() == Some(Errno::NODEV);
                    if is_gone || refused_in_a_row == self.channels.len() {
                        tell(&error);
                    }
                    if is_gone {
                        return;
                    }
                    let is_round = refused_in_a_row.is_multiple_of(self.channels.len());
                    wait = if is_round { PAUSE } else { Duration::ZERO };
                }
            }
            if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Runs a round over channels 1, 6 and 11, with these answers to tuning and then the end. Returns
    /// what was tuned to, what was told, and the counters.
    fn run(channels: &[u16], answers: &[Result<(), Errno>]) -> (Vec<u16>, Vec<Errno>, HopCounters) {
        let channels = channels.iter().map(|number| Channel::try_from(*number).unwrap()).collect();
        let (stop, stopped) = mpsc::channel();
        let mut stop = Some(stop);
        let mut answers = answers.iter();
        let (mut tuned, mut told) = (Vec::new(), Vec::new());
        let counters = HopCounters::default();
        let tune = |channel: Channel| {
            tuned.push(channel.number());
            let answer = *answers.next().unwrap();
            if answers.len() == 0 {
                stop = None;
            }
            answer.map_err(|errno| RequestError::Refused { errno, explanation: None })
        };
        let round = Round { channels, dwell: Duration::ZERO };
        round.run(&stopped, &counters, tune, |error| told.push(error.errno().unwrap()));
        (tuned, told, counters)
    }

    #[test]
    fn channels_follow_each_other_round_and_round() {
        let (tuned, told, counters) = run(&[1, 6, 11], &[Ok(()); 5]);
        assert_eq!(tuned, [1, 6, 11, 1, 6]);
        assert_eq!(told, []);
        assert_eq!((counters.hops.into_inner(), counters.refused.into_inner()), (5, 0));
        assert_eq!(counters.frequency_mhz.into_inner(), 2437);
    }

    #[test]
    fn a_refused_channel_is_passed_over() {
        let (tuned, told, counters) = run(&[1, 6, 11], &[Ok(()), Err(Errno::INVAL), Ok(()), Ok(())]);
        assert_eq!(tuned, [1, 6, 11, 1]);
        assert_eq!(told, []);
        assert_eq!((counters.hops.into_inner(), counters.refused.into_inner()), (3, 1));
    }

    /// The end of these answers comes before the first pause would.
    #[test]
    fn a_round_of_refusals_is_told() {
        let busy = Err(Errno::BUSY);
        let (_, told, _) = run(&[1, 6, 11], &[Ok(()), busy, busy, busy]);
        assert_eq!(told, [Errno::BUSY]);
        let (_, told, _) = run(&[1, 6], &[busy, Ok(()), busy, Ok(())]);
        assert_eq!(told, []);
    }

    #[test]
    fn an_interface_that_is_gone_ends_it() {
        let (tuned, told, _) = run(&[1, 6, 11], &[Ok(()), Err(Errno::NODEV), Ok(())]);
        assert_eq!(tuned, [1, 6]);
        assert_eq!(told, [Errno::NODEV]);
    }

    #[test]
    fn a_single_channel_is_tuned_to_once() {
        let (stop, stopped) = mpsc::channel();
        let round = Round { channels: vec![Channel::try_from(6).unwrap()], dwell: Duration::ZERO };
        stop.send(()).unwrap();
        let counters = HopCounters::default();
        round.run(&stopped, &counters, |_| Ok(()), |_| {});
        assert_eq!(counters.hops.into_inner(), 1);
    }
}
