//! An open source: its capture, and the monitor interface that was set up for it.

use std::borrow::Cow;

use capture::monitor::{Monitor, MonitorError};
use capture::{Capture, CaptureError, CaptureSettings, StopHandle};
use tracing::{info, warn};

use crate::config::ConfiguredSource;

/// Why a source cannot be captured.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The capture failed.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Its interface could not be put into monitor mode.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
}

impl SourceError {
    /// What the reader can do about it, where that is known.
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Capture(error) => error.remedy(),
            Self::Monitor(error) => error.remedy(),
        }
    }
}

/// An open source.
pub(super) struct OpenSource {
    pub capture: Capture,
    /// Restores the interface when it is dropped.
    pub monitor: Option<Monitor>,
}

impl OpenSource {
    /// Opens a source, and first puts its interface into monitor mode if that is configured. `stop` ends the wait for
    /// the first bytes; `on_hopping` is told when the channel cannot be changed any more, and when it can be again.
    pub fn open(
        source: &ConfiguredSource,
        settings: &CaptureSettings,
        stop: &StopHandle,
        on_hopping: impl FnMut(Result<(), &MonitorError>) + Send + 'static,
    ) -> Result<Self, SourceError> {
        let monitor = match (&source.origin, &source.monitor) {
            (capture::Source::Interface(interface), Some(listening)) => {
                Monitor::set_up(interface, listening)?
            }
            _ => None,
        };
        let settings = &CaptureSettings { buffer_bytes: source.buffer_bytes, ..settings.clone() };
        let interface =
            monitor.as_ref().map(|monitor| capture::Source::Interface(monitor.interface().to_owned()));
        let name = source.name.clone();
        let log_line = move |line: &str| info!(event = "command_output", source = %name, line, "a command printed a line");
        let capture =
            Capture::open_with(interface.as_ref().unwrap_or(&source.origin), settings, stop, log_line)?;
        let monitor = match monitor {
            Some(monitor) => Some(start_hopping(monitor, &source.name, on_hopping)?),
            None => None,
        };
        Ok(Self { capture, monitor })
    }
}

fn start_hopping(
    mut monitor: Monitor,
    name: &str,
    mut on_hopping: impl FnMut(Result<(), &MonitorError>) + Send + 'static,
) -> Result<Monitor, MonitorError> {
    let channels: Vec<String> = monitor.channels().iter().map(ToString::to_string).collect();
    info!(
        event = "monitor_ready",
        source = %name,
        interface = %monitor.interface(),
        channels = %channels.join(", "),
        "a source listens in monitor mode"
    );
    let name = name.to_owned();
    monitor.start_hopping(move |change| {
        on_hopping(change);
        match change {
            Ok(()) => {
                info!(event = "channel_hopping_resumed", source = %name, "the channel can be changed again");
            }
            Err(error) => {
                let error = capture::with_remedy(error, error.remedy());
                warn!(event = "channel_hopping_failed", source = %name, %error, "could not change the channel");
            }
        }
    })?;
    Ok(monitor)
}
