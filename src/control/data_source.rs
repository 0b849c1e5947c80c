//! What commands look at: a data directory of which this process has the lock, or what a running service holds.

use std::fmt::Display;

use tokio::runtime::Handle;

use crate::event_log::{Entry, LogError};
use crate::recorder::{OfflineDataDir, RecorderHandle};
use crate::state::{State, StateImage};

/// A state, and the log that it follows from.
pub trait DataSource {
    /// Lets `look` see the state. It is to be brief, since recording may wait for it.
    fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T;

    /// A copy of the state. Recording does not wait for it.
    fn image(&self) -> StateImage;

    /// The events of the log up to now, with what is damaged among them. What keeps some from being read is
    /// told.
    ///
    /// # Errors
    /// [`LogError`] where the log cannot be listed.
    fn events(
        &self,
        tell: &mut dyn FnMut(&dyn Display),
    ) -> Result<Box<dyn Iterator<Item = Entry> + '_>, LogError>;
}

/// A data directory that no service uses.
pub struct Offline<'a> {
    /// The log.
    pub stored: &'a OfflineDataDir,
    /// The state at its end.
    pub state: State,
}

impl DataSource for Offline<'_> {
    fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state)
    }

    fn image(&self) -> StateImage {
        self.state.image()
    }

    fn events(
        &self,
        _: &mut dyn FnMut(&dyn Display),
    ) -> Result<Box<dyn Iterator<Item = Entry> + '_>, LogError> {
        let log = self.stored.log();
        Ok(Box::new(log.read_from(log.first_offset())))
    }
}

/// What a running recorder holds. Not for async code.
pub struct Live {
    /// The recorder.
    pub recorder: RecorderHandle,
    /// The runtime that it runs beside.
    pub runtime: Handle,
}

impl DataSource for Live {
    fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.recorder.state())
    }

    fn image(&self) -> StateImage {
        self.recorder.image()
    }

    fn events(
        &self,
        tell: &mut dyn FnMut(&dyn Display),
    ) -> Result<Box<dyn Iterator<Item = Entry> + '_>, LogError> {
        let end = self.with_state(State::next_offset);
        if let Err(error) = self.runtime.block_on(self.recorder.sync()) {
            // What is on disk can be read all the same.
            tell(&format_args!("the newest events are missing: {error}"));
        }
        Ok(Box::new(self.recorder.history().events(None, end)?))
    }
}
