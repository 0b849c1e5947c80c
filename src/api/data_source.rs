//! Where the handlers read: a running service, or a data directory that no service uses.

use std::fmt::Display;

use store::event::Timestamp;
use store::event_log::{Entry, LogError};
use store::recorder::{OfflineDataDir, RecorderHandle};
use store::state::{State, StateImage};
use tokio::runtime::Handle;

/// A state, and the log that it follows from.
pub trait DataSource {
    /// Lets `read` see the state. It must be brief: recording may wait for it.
    fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> T;

    /// A copy of the state. Recording does not wait for it.
    fn image(&self) -> StateImage;

    /// The time.
    fn now(&self) -> Timestamp;

    /// The events of the log up to now, with the damaged places among them. Warns if events cannot be read yet.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be listed.
    fn events(
        &self,
        warn: &mut dyn FnMut(&dyn Display),
    ) -> Result<Box<dyn Iterator<Item = Entry> + '_>, LogError>;
}

/// A data directory that no service uses: this process has its lock.
pub struct Offline<'a> {
    /// The log.
    pub data_dir: &'a OfflineDataDir,
    /// The state at its end.
    pub state: State,
}

impl DataSource for Offline<'_> {
    fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state)
    }

    fn image(&self) -> StateImage {
        self.state.image()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn events(
        &self,
        _: &mut dyn FnMut(&dyn Display),
    ) -> Result<Box<dyn Iterator<Item = Entry> + '_>, LogError> {
        let log = self.data_dir.log();
        Ok(Box::new(log.read_from(log.first_offset())))
    }
}

/// The state and the log of a running recorder. Not for async code.
pub struct Live {
    /// The recorder.
    pub recorder: RecorderHandle,
    /// The runtime of the recorder.
    pub runtime: Handle,
}

impl DataSource for Live {
    fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.recorder.state())
    }

    fn image(&self) -> StateImage {
        self.recorder.image()
    }

    fn now(&self) -> Timestamp {
        self.recorder.now()
    }

    fn events(
        &self,
        warn: &mut dyn FnMut(&dyn Display),
    ) -> Result<Box<dyn Iterator<Item = Entry> + '_>, LogError> {
        let end = self.with_state(State::next_offset);
        if let Err(error) = self.runtime.block_on(self.recorder.sync()) {
            // What is on disk can still be read.
            warn(&format_args!("the newest events are missing: {error}"));
        }
        Ok(Box::new(self.recorder.history().events(None, end)?))
    }
}
