//! The recorder on its own thread.

use std::sync::Arc;
use std::thread;

use store::event::{Event, EventKind, GroupingMode, Timestamp};
use store::event_log::OsVfs;
use store::recorder::{self, Recorder, RecorderError, RecorderHandle, Retention};
use store::state::{AlertPolicy, DEVICES_MEMORY_LIMIT, QuietHours};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::ServiceError;
use crate::BUILT_SECONDS;
use crate::config::Config;

/// The recorder's settings in `config`: alerts go to the chats that the bot serves.
/// Events are kept forever, unless the caller sets the retention, as `run` does.
pub fn recorder_settings(config: &Config) -> recorder::RecorderSettings {
    recorder::RecorderSettings {
        data_dir: config.data_dir.clone(),
        vfs: Arc::new(OsVfs),
        fsync_interval: config.fsync_interval,
        checkpoint_interval: config.checkpoint_interval,
        rotation: config.rotation,
        alerts: AlertPolicy {
            chats: config.telegram.as_ref().map(|telegram| telegram.chats.clone()).unwrap_or_default(),
            cooldown: config.alert_cooldown,
            max_age: config.alert_keep,
            capturing_since: None,
            quiet_hours: Some(QuietHours::new(config.chat_settings.clone())),
        },
        retention: Retention::default(),
        devices_memory_limit: DEVICES_MEMORY_LIMIT,
        built: Timestamp::from_micros(BUILT_SECONDS.saturating_mul(1_000_000)),
    }
}

/// A recorder that runs on its own thread.
pub struct RunningRecorder {
    handle: RecorderHandle,
    thread: thread::JoinHandle<Result<(), RecorderError>>,
}

impl RunningRecorder {
    /// Opens the data directory of `settings`, takes over the names in `config`, and starts recording. `ended` is
    /// cancelled when the recording ends, for whatever reason.
    ///
    /// # Errors
    /// [`ServiceError`] if the data directory cannot be used.
    pub fn start(
        config: &Config,
        settings: recorder::RecorderSettings,
        runtime: Handle,
        ended: CancellationToken,
    ) -> Result<Self, ServiceError> {
        let (mut recorder, handle) = Recorder::open(settings)?;
        if let Some(devices) = &config.devices
            && let Err(error) = recorder.set_configured_names(devices, handle.now())
        {
            // They hold from memory until writing works again, like everything recorded meanwhile.
            warn!(event = "configured_names_not_saved", %error, "the configuration's names are not on disk yet");
        }
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || {
            let _ended = ended.drop_guard();
            recorder.run(&runtime)
        })?;
        Ok(Self { handle, thread })
    }

    /// Takes probes and changes, and gives read access to the state.
    pub fn handle(&self) -> &RecorderHandle {
        &self.handle
    }

    /// Groups random addresses like this from here on.
    pub async fn set_grouping(&self, mode: GroupingMode) {
        if self.handle.state().grouping().mode() == mode {
            return;
        }
        let event = Event::new(self.handle.now(), EventKind::SetGrouping { mode });
        if let Err(error) = self.handle.change(event).await {
            warn!(event = "grouping_mode_not_saved", %error, "the mode of grouping is not on disk yet");
        }
    }

    /// Ends the recorder once it has written everything that it was given.
    ///
    /// # Errors
    /// [`ServiceError`] if that could not be written.
    pub async fn stop(self) -> Result<(), ServiceError> {
        self.handle.stop().await;
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        match joined {
            Ok(Ok(outcome)) => Ok(outcome?),
            _ => Err(ServiceError::Bug("recorder")),
        }
    }
}
