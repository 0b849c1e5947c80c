//! Growing waits between tries.

use std::time::Duration;

/// The shortest and the longest wait between two tries, unless Telegram asks for a longer one.
const MIN_WAIT: Duration = Duration::from_secs(1);
pub(super) const MAX_WAIT: Duration = Duration::from_secs(60);

/// The longest wait after refusals, whose cause somebody has to undo.
const MAX_REFUSED_WAIT: Duration = Duration::from_secs(600);

/// The longest wait that Telegram may ask for before a message is sent again.
pub(super) const MAX_MESSAGE_WAIT: Duration = Duration::from_secs(3600);

/// Waits that double from [`MIN_WAIT`] to [`MAX_WAIT`]. A server may ask for another wait, within bounds: a number of
/// seconds must not silence the bot for years.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    longest_asked: Duration,
}

impl Backoff {
    /// Waits of at most a minute: for updates, without which the bot hears nobody.
    pub(super) fn for_updates() -> Self {
        Self { failures: 0, longest_asked: MAX_WAIT }
    }

    /// Waits of at most [`MAX_MESSAGE_WAIT`], if Telegram asks for them.
    pub(super) fn for_messages() -> Self {
        Self { failures: 0, longest_asked: MAX_MESSAGE_WAIT }
    }

    /// The wait after one more failure: `retry_after` if Telegram named one, within the bounds.
    pub(super) fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let doubled = self.doubled(MAX_WAIT);
        retry_after.map_or(doubled, |wait| wait.clamp(MIN_WAIT, self.longest_asked))
    }

    /// The wait after one more refusal: it doubles up to [`MAX_REFUSED_WAIT`].
    pub(super) fn next_after_refusal(&mut self) -> Duration {
        self.doubled(MAX_REFUSED_WAIT)
    }

    fn doubled(&mut self, longest: Duration) -> Duration {
        let wait = (MIN_WAIT * (1 << self.failures.min(16))).min(longest);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Forgets the failures.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_unless_telegram_names_one() {
        let mut backoff = Backoff::for_messages();
        let ten_minutes = Duration::from_secs(600);
        let mut waited = Duration::ZERO;
        let tries = std::iter::repeat_with(|| backoff.next(None)).take_while(|wait| {
            waited += *wait;
            waited < ten_minutes
        });
        assert_eq!(tries.count(), 14);
        assert_eq!(backoff.next(None), MAX_WAIT);
        assert_eq!(backoff.next(Some(Duration::from_secs(300))), Duration::from_secs(300));
        assert_eq!(backoff.next(Some(Duration::ZERO)), MIN_WAIT);
        backoff.reset();
        assert_eq!(backoff.next(None), MIN_WAIT);
    }

    #[test]
    fn waits_after_refusals_grow_to_ten_minutes() {
        let mut backoff = Backoff::for_messages();
        let waits: Vec<u64> = (0..12).map(|_| backoff.next_after_refusal().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    }

    #[test]
    fn no_wait_that_a_server_asks_for_lasts_longer_than_its_bound() {
        let four_billion = Some(Duration::from_secs(4_000_000_000));
        assert_eq!(Backoff::for_updates().next(four_billion), Duration::from_secs(60));
        assert_eq!(Backoff::for_messages().next(four_billion), Duration::from_secs(3600));
    }
}
