//! How requests to Telegram went, for whoever watches over the service.

use std::sync::Arc;
use std::time::Duration;

use super::api::RequestError;
use crate::metrics::{Counts, Timings};

/// Counts of requests by their method, and of those that failed by their reason too. Clones are the same counts.
#[derive(Debug, Clone, Default)]
pub struct RequestMetrics(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    timings: Timings,
    errors: Counts,
}

impl RequestMetrics {
    /// Counts a request of this method that took so long.
    pub(super) fn count<T>(&self, method: &'static str, took: Duration, outcome: &Result<T, RequestError>) {
        self.0.timings.observe(method, took);
        let reason = match outcome {
            Ok(_) => return,
            Err(RequestError::Never(_) | RequestError::Topic(_)) => "refused",
            Err(RequestError::Token) => "token",
            Err(RequestError::Moved(_)) => "moved",
            Err(RequestError::Later(Some(_), _)) => "too_many",
            Err(RequestError::Later(None, _)) => "out_of_reach",
        };
        self.0.errors.add([method, reason]);
    }

    /// How long they took, by method.
    pub fn timings(&self) -> &Timings {
        &self.0.timings
    }

    /// How many Telegram did not take, by method and reason.
    pub fn errors(&self) -> &Counts {
        &self.0.errors
    }
}
