//! Why a command failed.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use capture::CaptureError;
use store::recorder::{ChangeError, DiskError, ImportError, RecorderError};

use super::setup::SetupError;
use crate::api::export::ExportError;
use crate::config::ConfigError;
use crate::control::ClientError;
use crate::service::ServiceError;

#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("could not record: {0}")]
    Change(#[from] ChangeError),
    #[error("could not write {file}: {error}")]
    Output { file: String, error: io::Error },
    #[error("could not read {file}: {error}")]
    Input { file: String, error: io::Error },
    #[error("there is no data in {}", .0.display())]
    NoData(PathBuf),
    #[error("no service runs, and there is no data in {}", .0.display())]
    NoServiceAndNoData(PathBuf),
    #[error("no service runs on {}", .0.display())]
    NoService(PathBuf),
    #[error("the data directory {} belongs to another user", .0.display())]
    NotPermitted(PathBuf),
    #[error("the data directory {} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("{action}: {error}")]
    Io { action: &'static str, error: io::Error },
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The probes of a replay up to this error are recorded.
    #[error("the replay stopped: writing to disk failed ({}); the probes before that are recorded", .0.why)]
    ReplayStopped(DiskError),
}

impl CliError {
    /// For `map_err`: the error of an action, such as `could not print the answer`.
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { action, error }
    }

    /// What the reader can do about it, where the error does not say so itself.
    pub(super) fn remedy(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Config(error) => Some(error.remedy().into()),
            Self::Service(error) => error.remedy().map(Cow::from),
            Self::Capture(error) => error.remedy(),
            Self::Setup(error) => error.remedy().map(Cow::from),
            Self::Client(error) => error.remedy().map(|remedy| remedy.to_owned().into()),
            Self::NoData(_) | Self::NoServiceAndNoData(_) => {
                Some("`probewatch run` or `probewatch replay` records some".into())
            }
            Self::NoService(_) => Some("`probewatch run` starts it".into()),
            Self::NotPermitted(_) => Some("run this command with sudo, or as that user".into()),
            Self::NotADirectory(_) => Some("name a directory in --data-dir or data_dir".into()),
            Self::ReplayStopped(error) => Some(format!("{}, and replay the rest", error.remedy).into()),
            Self::Recorder(error) => error.remedy().map(Cow::from),
            Self::Import(error) => error.remedy().map(Cow::from),
            Self::Change(error) => error.remedy().map(Cow::from),
            Self::Export(error) => error.remedy().map(Cow::from),
            Self::Output { .. } | Self::Input { .. } | Self::Io { .. } => None,
        }
    }
}
