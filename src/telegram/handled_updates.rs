//! Remembers the latest updates, so that one that Telegram repeats acts once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// How many updates are remembered.
const LIMIT: usize = 1024;

/// Set once an update is handled.
type Handled = Arc<OnceCell<()>>;

/// The latest updates of this run.
#[derive(Debug, Default)]
pub(super) struct HandledUpdates(Mutex<VecDeque<(u32, Handled)>>);

impl HandledUpdates {
    /// Handles an update unless it is handled already. If it is being handled, waits for that, and takes over if that
    /// is cancelled.
    pub(super) async fn handle_once<W: Future<Output = ()>>(&self, id: u32, handle: impl FnOnce() -> W) {
        self.get(id).get_or_init(handle).await;
    }

    fn get(&self, id: u32) -> Handled {
        let mut updates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, handled)) = updates.iter().find(|(known, _)| *known == id) {
            return Arc::clone(handled);
        }
        if updates.len() >= LIMIT {
            updates.pop_front();
        }
        let handled = Handled::default();
        updates.push_back((id, Arc::clone(&handled)));
        handled
    }
}
