//! Stops a capture from another thread. A stopped capture stays stopped.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Ends a capture from another thread; clones end the same capture.
#[derive(Clone, Default)]
pub struct StopHandle {
    stopped: Arc<AtomicBool>,
    wake: Arc<Mutex<Option<Wake>>>,
}

/// Wakes a capture that waits for its source.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

impl StopHandle {
    /// Makes [`Capture::run`](crate::Capture::run) return `Ok` before the next frame, at once if it waits for one.
    pub fn stop(&self) {
        let wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        self.stopped.store(true, Relaxed);
        if let Some(wake) = &*wake {
            wake();
        }
    }

    /// Sets how [`StopHandle::stop`] wakes the capture; calls `wake` at once if the handle is already stopped.
    pub(crate) fn wake_with(&self, wake: Wake) {
        let mut current = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_stopped() {
            wake();
        }
        *current = Some(wake);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle").field("stopped", &self.stopped).finish_non_exhaustive()
    }
}
