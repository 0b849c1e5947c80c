//! Tunes a radio from channel to channel and stays on each for a while. Only a stop or the interface's removal ends
//! it; a channel that the kernel refuses is skipped.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::io::Errno;

use super::channel::Channel;
use super::netlink::NetlinkError;

/// A radio receives nothing while it tunes, which takes some milliseconds.
const MIN_DWELL: Duration = Duration::from_millis(10);

/// How long to wait after a round in which no channel could be tuned to.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// How often a single channel is tuned to again: another program may have changed it, or hold the radio.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// What channel hopping has counted so far. Only the hopper writes; any thread may read while it runs.
#[derive(Debug, Default)]
pub struct HopCounters {
    /// Changes of channel.
    pub hops: AtomicU64,
    /// Changes of channel that the kernel refused.
    pub refused: AtomicU64,
    /// The centre frequency of the current channel; 0 before the first change.
    pub frequency_mhz: AtomicU16,
}

/// Changes from channel to channel and stays on each for a while.
pub(super) struct ChannelHopper {
    pub channels: Vec<Channel>,
    pub dwell: Duration,
    /// Usually [`RETRY_INTERVAL`].
    pub retry_interval: Duration,
    /// Usually [`CHECK_INTERVAL`].
    pub check_interval: Duration,
}

impl ChannelHopper {
    /// Cycles through the channels until `stop` receives a message or is closed, or the interface is gone.
    ///
    /// A channel that cannot be tuned to is skipped. If all channels of a round were refused, `on_change` receives the
    /// last refusal, and then nothing before a channel could be tuned to, which it is told, too.
    pub fn run(
        &self,
        stop: &Receiver<()>,
        counters: &HopCounters,
        mut tune: impl FnMut(Channel) -> Result<(), NetlinkError>,
        mut on_change: impl FnMut(Result<(), &NetlinkError>),
    ) {
        let mut consecutive_refusals = 0;
        let mut is_failing = false;
        for channel in self.channels.iter().cycle() {
            let mut wait = self.dwell.max(MIN_DWELL);
            match tune(*channel) {
                Ok(()) => {
                    let before = counters.frequency_mhz.swap(channel.frequency_mhz(), Relaxed);
                    if before != channel.frequency_mhz() {
                        counters.hops.fetch_add(1, Relaxed);
                    }
                    consecutive_refusals = 0;
                    if std::mem::take(&mut is_failing) {
                        on_change(Ok(()));
                    }
                    if self.channels.len() == 1 {
                        // The kernel does nothing if it is still tuned to.
                        wait = wait.max(self.check_interval);
                    }
                }
                Err(error) => {
                    counters.refused.fetch_add(1, Relaxed);
                    consecutive_refusals += 1;
                    let is_gone = error.errno() == Some(Errno::NODEV);
                    if is_gone || consecutive_refusals == self.channels.len() {
                        is_failing = true;
                        on_change(Err(&error));
                    }
                    if is_gone {
                        return;
                    }
                    let is_whole_round = consecutive_refusals.is_multiple_of(self.channels.len());
                    wait = if is_whole_round { self.retry_interval } else { Duration::ZERO };
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

    /// Hops over these channels with these replies to tuning, then stops. Returns the channels tuned to, the reported
    /// changes, and the counters.
    fn run(
        channels: &[u16],
        replies: &[Result<(), Errno>],
    ) -> (Vec<u16>, Vec<Result<(), Errno>>, HopCounters) {
        let channels = channels.iter().map(|number| Channel::try_from(*number).unwrap()).collect();
        let (stop, stopped) = mpsc::channel();
        let mut stop = Some(stop);
        let mut replies = replies.iter();
        let (mut tuned, mut reported) = (Vec::new(), Vec::new());
        let counters = HopCounters::default();
        let tune = |channel: Channel| {
            tuned.push(channel.number());
            let reply = *replies.next().unwrap();
            if replies.len() == 0 {
                stop = None;
            }
            reply.map_err(|errno| NetlinkError::Refused { errno, explanation: None })
        };
        let hopper = ChannelHopper {
            channels,
            dwell: Duration::ZERO,
            retry_interval: Duration::ZERO,
            check_interval: Duration::ZERO,
        };
        hopper.run(&stopped, &counters, tune, |change| {
            reported.push(change.map_err(|error| error.errno().unwrap()));
        });
        (tuned, reported, counters)
    }

    #[test]
    fn hops_over_the_channels_in_a_cycle() {
        let (tuned, reported, counters) = run(&[1, 6, 11], &[Ok(()); 5]);
        assert_eq!(tuned, [1, 6, 11, 1, 6]);
        assert_eq!(reported, []);
        assert_eq!((counters.hops.into_inner(), counters.refused.into_inner()), (5, 0));
        assert_eq!(counters.frequency_mhz.into_inner(), 2437);
    }

    #[test]
    fn skips_a_refused_channel() {
        let (tuned, reported, counters) = run(&[1, 6, 11], &[Ok(()), Err(Errno::INVAL), Ok(()), Ok(())]);
        assert_eq!(tuned, [1, 6, 11, 1]);
        assert_eq!(reported, []);
        assert_eq!((counters.hops.into_inner(), counters.refused.into_inner()), (3, 1));
    }

    /// The replies end before the first wait of a retry interval.
    #[test]
    fn reports_a_round_of_refusals_once() {
        let busy = Err(Errno::BUSY);
        let (_, reported, _) = run(&[1, 6, 11], &[Ok(()), busy, busy, busy]);
        assert_eq!(reported, [busy]);
        let (_, reported, _) = run(&[1, 6], &[busy, Ok(()), busy, Ok(())]);
        assert_eq!(reported, []);
    }

    #[test]
    fn reports_that_it_hops_again() {
        let busy = Err(Errno::BUSY);
        let (tuned, reported, _) = run(&[1], &[busy, Ok(())]);
        assert_eq!((tuned.as_slice(), reported.as_slice()), (&[1, 1][..], &[busy, Ok(())][..]));
    }

    #[test]
    fn stops_when_the_interface_is_gone() {
        let (tuned, reported, _) = run(&[1, 6, 11], &[Ok(()), Err(Errno::NODEV), Ok(())]);
        assert_eq!(tuned, [1, 6]);
        assert_eq!(reported, [Err(Errno::NODEV)]);
    }

    /// Another program may hold the radio meanwhile.
    #[test]
    fn a_single_channel_is_checked_again() {
        let busy = Err(Errno::BUSY);
        let (tuned, reported, counters) = run(&[6], &[Ok(()), Ok(()), busy, busy, Ok(())]);
        assert_eq!((tuned.as_slice(), reported.as_slice()), (&[6; 5][..], &[busy, Ok(())][..]));
        assert_eq!(counters.hops.into_inner(), 1);
    }
}
