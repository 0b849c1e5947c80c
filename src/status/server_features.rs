//! What the Bot API server does not know, as the status shows it. A refusal shows it once, and the bot does without it
//! until the next start.
//!
//! A server that has shown a feature before is taken to lack it at the second such refusal in a row: a proxy before it may
//! answer in its place for a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};

/// A part of the Bot API that older servers do not know, and without which the bot works, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerFeature {
    /// Buttons that copy a text.
    CopyTextButtons,
    /// Partial messages while a reply is made.
    Drafts,
    /// Times that each reader sees in their own zone.
    DateTimeEntities,
    /// Messages of blocks: tables, lists, details.
    RichMessages,
}

/// The features that the server is known to lack. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ServerFeatures(Arc<Bits>);

/// A bit for each feature.
#[derive(Debug, Default)]
struct Bits {
    lacking: AtomicU8,
    /// The server has shown it, and not refused it since.
    shown: AtomicU8,
}

impl ServerFeature {
    /// All of them, those of the oldest versions first.
    const ALL: [Self; 4] = [Self::CopyTextButtons, Self::Drafts, Self::DateTimeEntities, Self::RichMessages];

    /// The version of the Bot API that brought it, for every bot.
    pub fn since(self) -> &'static str {
        match self {
            Self::CopyTextButtons => "7.11",
            Self::Drafts | Self::DateTimeEntities => "9.5",
            Self::RichMessages => "10.1",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl ServerFeatures {
    /// Whether the server has the feature, as far as is known.
    pub fn has(&self, feature: ServerFeature) -> bool {
        self.0.lacking.load(Ordering::Relaxed) & feature.bit() == 0
    }

    /// Records that the server lacks the feature, unless it has shown it since it last refused it. Returns whether that
    /// is new.
    pub fn record_lacking(&self, feature: ServerFeature) -> bool {
        let was_shown = self.0.shown.fetch_and(!feature.bit(), Ordering::Relaxed) & feature.bit() != 0;
        !was_shown && self.0.lacking.fetch_or(feature.bit(), Ordering::Relaxed) & feature.bit() == 0
    }

    /// Records that the server has the feature.
    pub fn record_shown(&self, feature: ServerFeature) {
        self.0.shown.fetch_or(feature.bit(), Ordering::Relaxed);
    }

    /// The features that the server is known to lack, those of the oldest versions first.
    pub fn lacking(&self) -> Vec<ServerFeature> {
        ServerFeature::ALL.into_iter().filter(|feature| !self.has(*feature)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_recorded_by_itself() {
        let features = ServerFeatures::default();
        assert!(features.record_lacking(ServerFeature::RichMessages));
        assert!(!features.clone().record_lacking(ServerFeature::RichMessages));
        assert!(features.has(ServerFeature::Drafts) && !features.has(ServerFeature::RichMessages));
        features.record_lacking(ServerFeature::CopyTextButtons);
        assert_eq!(features.lacking(), [ServerFeature::CopyTextButtons, ServerFeature::RichMessages]);
    }

    #[test]
    fn a_feature_that_was_shown_is_lacking_at_the_second_refusal_in_a_row() {
        let features = ServerFeatures::default();
        for _ in 0..3 {
            features.record_shown(ServerFeature::Drafts);
            assert!(!features.record_lacking(ServerFeature::Drafts) && features.has(ServerFeature::Drafts));
        }
        assert!(features.record_lacking(ServerFeature::Drafts) && !features.has(ServerFeature::Drafts));
        assert!(features.record_lacking(ServerFeature::RichMessages), "it was never shown");
    }
}
