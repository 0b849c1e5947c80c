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
            EventKind::Probe(probe) => probe.alerts.iter().for_each(|decision| match decision {
                AlertDecision::Raise { .. } => add(&self.raised),
                AlertDecision::Suppress { .. } => add(&self.suppressed),
                AlertDecision::Overflow { .. } => add(&self.overflowed),
                AlertDecision::Mute { .. } => add(&self.muted),
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
