//! Counts the outcomes of alerts since the start, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::event::{AlertDecision, AlertOutcome, Event, EventKind};

/// Counts of alerts by outcome. An alert for two chats counts twice.
#[derive(Debug, Default)]
pub struct AlertMetrics {
    raised: AtomicU64,
    suppressed: AtomicU64,
    overflowed: AtomicU64,
    muted: AtomicU64,
    delivered: AtomicU64,
    undeliverable: AtomicU64,
    expired: AtomicU64,
}

impl AlertMetrics {
    /// Counts the alerts of `event`.
    pub(super) fn count(&self, event: &Event) {
        let add = |counter: &AtomicU64| {
            counter.fetch_add(1, Relaxed);
        };
        let count_outcome = |outcome: AlertOutcome| match outcome {
            AlertOutcome::Raise => add(&self.raised),
            AlertOutcome::Overflow => add(&self.overflowed),
            AlertOutcome::Mute => add(&self.muted),
            AlertOutcome::Skip => {}
        };
        match &event.kind {
            EventKind::Probe(probe) => probe.alerts.iter().for_each(|decision| match decision.kind() {
                AlertDecision::Raise { .. } => add(&self.raised),
                AlertDecision::Suppress { .. } => add(&self.suppressed),
                AlertDecision::Overflow { .. } => add(&self.overflowed),
                AlertDecision::Mute { .. } => add(&self.muted),
                // `kind` looks into it.
                AlertDecision::Listed { .. } => {}
                AlertDecision::Arrive { outcome, .. } | AlertDecision::Ring { outcome, .. } => {
                    count_outcome(*outcome);
                }
            }),
            EventKind::Left { alerts, .. } => {
                alerts.iter().for_each(|decision| count_outcome(decision.outcome))
            }
            EventKind::StrangerLeft { outcome, .. } => count_outcome(*outcome),
            EventKind::Delivered { .. } => add(&self.delivered),
            EventKind::Undeliverable { .. } => add(&self.undeliverable),
            EventKind::AlertExpired { .. } => add(&self.expired),
            _ => {}
        }
    }

    /// The outcomes and their counts.
    pub fn outcomes(&self) -> [(&'static str, u64); 7] {
        [
            ("raised", &self.raised),
            ("swallowed", &self.suppressed),
            ("overflowed", &self.overflowed),
            ("muted", &self.muted),
            ("delivered", &self.delivered),
            ("undeliverable", &self.undeliverable),
            ("expired", &self.expired),
        ]
        .map(|(outcome, counter)| (outcome, counter.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ChatId, DeviceKey, LeaveDecision, Offset, Probe, StrangerReason, Timestamp};
    use dot11::{MacAddr, RequestedSsid};

    #[test]
    fn each_outcome_of_each_alert_is_counted() {
        use AlertOutcome::{Mute, Overflow, Raise, Skip};
        let (chat, source, time) = (ChatId(1), MacAddr::new([2; 6]), Timestamp::from_micros(0));
        let near_since = time;
        let reason = StrangerReason::NeverSeen;
        let alerts = vec![
            AlertDecision::Raise { chat, pattern: None, reason: None, suppressed: 0 },
            AlertDecision::Suppress { chat },
            AlertDecision::Overflow { chat },
            AlertDecision::Mute { chat },
            AlertDecision::Arrive { chat, silent_seconds: None, outcome: Mute },
            AlertDecision::Arrive { chat, silent_seconds: None, outcome: Skip },
            AlertDecision::Ring { chat, reason, near_since, outcome: Raise },
        ];
        let probe = Probe { alerts, ..Probe::example(source, RequestedSsid::Wildcard, 0) };
        let device = DeviceKey::Address(source);
        let left = [Raise, Overflow, Mute].map(|outcome| LeaveDecision { chat, outcome });
        let metrics = AlertMetrics::default();
        metrics.count(&Event::from(probe));
        for kind in [
            EventKind::Left { chat, device: device.clone(), source, last_seen: time, alerts: left.to_vec() },
            EventKind::StrangerLeft { chat, device, source, first: time, last_seen: time, outcome: Raise },
            EventKind::Delivered { probe: Offset(1), chat, message: None },
            EventKind::Undeliverable { probe: Offset(1), chat, reason: "Forbidden".to_owned() },
            EventKind::Undeliverable { probe: Offset(2), chat, reason: "Forbidden".to_owned() },
            EventKind::AlertExpired { probe: Offset(1), chat },
            EventKind::Unmute { chat },
        ] {
            metrics.count(&Event::new(time, kind));
        }
        let expected = [
            ("raised", 4),
            ("swallowed", 1),
            ("overflowed", 2),
            ("muted", 3),
            ("delivered", 1),
            ("undeliverable", 2),
            ("expired", 1),
        ];
        assert_eq!(metrics.outcomes(), expected);
    }
}
