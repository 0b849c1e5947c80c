//! Counts and timings of the requests to the Bot API, for `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use super::request_error::RequestError;
use crate::metrics::{Counts, Timings};

/// Durations of requests by method, and failures by method and reason. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct RequestMetrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    timings: Timings,
    errors: Counts,
}

impl RequestMetrics {
    /// Counts a request of this method with its duration and outcome.
    pub(super) fn record<T>(
        &self,
        method: &'static str,
        duration: Duration,
        outcome: &Result<T, RequestError>,
    ) {
        self.0.timings.observe(method, duration);
        if let Err(error) = outcome {
            self.0.errors.add([method, reason(error)]);
        }
    }

    /// The durations of requests, by method.
    pub fn timings(&self) -> &Timings {
        &self.0.timings
    }

    /// The number of failed requests, by method and reason.
    pub fn errors(&self) -> &Counts {
        &self.0.errors
    }
}

/// The value of the label `reason`.
fn reason(error: &RequestError) -> &'static str {
    match error {
        RequestError::ChatUnreachable(_)
        | RequestError::InvalidContent(_)
        | RequestError::NotEditable(_)
        | RequestError::Refused(_)
        | RequestError::TopicClosed(_) => "refused",
        RequestError::Conflict(_) => "conflict",
        RequestError::UnknownMethod => "unknown_method",
        RequestError::Token => "token",
        RequestError::Migrated(_) => "moved",
        RequestError::Temporary { retry_after: Some(_), .. } => "too_many",
        RequestError::Redirected(_) | RequestError::Temporary { retry_after: None, .. } => "out_of_reach",
    }
}
