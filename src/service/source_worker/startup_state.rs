//! How far a source has come since the start of the service.

use std::os::unix::fs::FileTypeExt;

use super::open_source::SourceError;
use crate::capture::monitor::MonitorError;
use crate::capture::{self, CaptureError};

/// How far a source has come. What was open once counts as opened, whatever followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartupState {
    /// It has not been tried yet.
    Untried,
    /// It is not open yet and may be by itself: its first bytes come, or an interface is plugged in.
    Awaited,
    /// It cannot be opened before somebody does something about it and starts the service anew.
    Refused,
    /// It was opened.
    Opened,
}

impl StartupState {
    /// Where a source begins. One that gives nothing before somebody writes to it is not waited for.
    pub fn of(origin: &capture::Source) -> Self {
        if waits_for_bytes(origin) { Self::Awaited } else { Self::Untried }
    }

    /// What it is after a failure.
    pub fn after(self, origin: &capture::Source, error: &SourceError) -> Self {
        match self.without_hope() {
            Self::Refused if may_heal(origin, error) => Self::Awaited,
            start => start,
        }
    }

    /// What it is where nobody will try it again.
    pub fn without_hope(self) -> Self {
        if self == Self::Opened { Self::Opened } else { Self::Refused }
    }
}

/// Whether the source cannot be opened before someone writes to it.
fn waits_for_bytes(origin: &capture::Source) -> bool {
    match origin {
        capture::Source::Stdin | capture::Source::Command(_) => true,
        capture::Source::File(path) => {
            std::fs::metadata(path).is_ok_and(|file| !(file.is_file() || file.is_dir()))
        }
        capture::Source::Interface(_) => false,
    }
}

/// Whether what failed so may be opened later as things are now. A process never gets rights that it lacks.
fn may_heal(origin: &capture::Source, error: &SourceError) -> bool {
    match (origin, error) {
        (
            _,
            SourceError::Capture(CaptureError::NotPermitted { .. })
            | SourceError::Monitor(MonitorError::NotPermitted { .. }),
        )
        | (capture::Source::Stdin, _) => false,
        (capture::Source::File(_), _) => is_named_pipe(origin),
        (capture::Source::Interface(_) | capture::Source::Command(_), _) => true,
    }
}

/// Whether the source is a named pipe.
pub fn is_named_pipe(origin: &capture::Source) -> bool {
    let capture::Source::File(path) = origin else { return false };
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_awaited_from_the_beginning() {
        // A device, as a serial port is.
        assert_eq!(StartupState::of(&capture::Source::file("/dev/null")), StartupState::Awaited);
        for path in ["/proc/self/exe", "/dev", "/there/is/none.pcap"] {
            assert_eq!(StartupState::of(&capture::Source::file(path)), StartupState::Untried, "{path}");
        }
    }

    #[test]
    fn only_what_heals_by_itself_is_waited_for() {
        let interface = capture::Source::Interface("wlan1".to_owned());
        let command = capture::Source::Command("ssh ap".to_owned());
        let gone = || CaptureError::NoSuchInterface { interface: "wlan1".to_owned() }.into();
        let forbidden = || CaptureError::NotPermitted { interface: "wlan1".to_owned() }.into();
        for (origin, error, expected) in [
            (&interface, gone(), StartupState::Awaited),
            (&interface, forbidden(), StartupState::Refused),
            (&command, gone(), StartupState::Awaited),
            (&capture::Source::file("/there/is/none.pcap"), gone(), StartupState::Refused),
            (&capture::Source::Stdin, gone(), StartupState::Refused),
        ] {
            assert_eq!(StartupState::of(origin).after(origin, &error), expected, "{origin}: {error}");
            assert_eq!(StartupState::Opened.after(origin, &error), StartupState::Opened);
        }
    }
}
