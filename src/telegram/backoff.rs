//! Growing waits between tries.

use std::time::Duration;

/// The shortest and the longest wait between two tries, unless Telegram asks for a longer one.
const MIN_WAIT: Duration = Duration::from_secs(1);
pub(super) const MAX_WAIT: Duration = Duration::from_secs(60);

/// Waits that double from [`MIN_WAIT`] to [`MAX_WAIT`].
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: `retry_after` if Telegram named one, at least [`MIN_WAIT`].
    pub(super) fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let doubled = (MIN_WAIT * (1 << self.failures.min(6))).min(MAX_WAIT);
        self.failures += 1;
        retry_after.map_or(doubled, |wait| wait.max(MIN_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_unless_telegram_names_one() {
        let mut backoff = Backoff::default();
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
    }
}
