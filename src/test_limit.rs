//! The time limit of unit tests that wait. Tests of `tests/it` have their own, in `tests/it/support/wait.rs`.

use std::future::Future;
use std::time::Duration;

/// The limit of a wait for something that takes no time on an idle machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The output of a future that is ready within [`DEADLINE`]. The test fails otherwise, and says `what` it waited for.
#[track_caller]
pub fn in_time<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        tokio::time::timeout(DEADLINE, future)
            .await
            .unwrap_or_else(|_| panic!("timed out waiting for {what} ({caller})"))
    }
}
