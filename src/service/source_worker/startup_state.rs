//! How far a source has come since the service started.

use std::os::unix::fs::FileTypeExt;

use capture::CaptureError;
use capture::monitor::MonitorError;

use super::open_source::SourceError;

/// How far a source has come. A source that was open once counts as opened, whatever followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartupState {
    /// It was not tried yet.
    Untried,
    /// It may open without help: its first bytes may come, or an interface may be plugged in.
    Waiting,
    /// It cannot open until somebody repairs something and restarts the service.
    Refused,
    /// It was opened.
    Opened,
}

impl StartupState {
    /// The first state. A source that gives nothing until somebody writes to it is not waited for.
    pub fn of(origin: &capture::Source) -> Self {
        if waits_for_bytes(origin) { Self::Waiting } else { Self::Untried }
    }

    /// The state after a failure.
    pub fn after_attempt(self, origin: &capture::Source, error: &SourceError) -> Self {
        match self.timed_out() {
            Self::Refused if may_recover(origin, error) => Self::Waiting,
            start => start,
        }
    }

    /// The state if it is not tried again.
    pub fn timed_out(self) -> Self {
        if self == Self::Opened { Self::Opened } else { Self::Refused }
    }
}

/// Whether the source cannot open until somebody writes to it.
fn waits_for_bytes(origin: &capture::Source) -> bool {
    match origin {
        capture::Source::Stdin | capture::Source::Command(_) => true,
        capture::Source::File(path) => {
            std::fs::metadata(path).is_ok_and(|file| !(file.is_file() || file.is_dir()))
        }
        capture::Source::Interface(_) => false,
    }
}

/// Whether a source that failed like this may open later without help. A process never gets rights that it lacks.
fn may_recover(origin: &capture::Source, error: &SourceError) -> bool {
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

/// Whether the source is a file whose frames are those of the past: no pipe, device or terminal.
pub fn is_capture_file(origin: &capture::Source) -> bool {
    match origin {
        capture::Source::File(path) => std::fs::metadata(path).is_ok_and(|file| file.is_file()),
        capture::Source::Stdin => rustix::fs::fstat(std::io::stdin())
            .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()),
        capture::Source::Interface(_) | capture::Source::Command(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_at_once_for_a_source_that_is_not_a_regular_file() {
        // A device, like a serial port.
        assert_eq!(StartupState::of(&capture::Source::file("/dev/null")), StartupState::Waiting);
        for path in ["/proc/self/exe", "/dev", "/there/is/none.pcap"] {
            assert_eq!(StartupState::of(&capture::Source::file(path)), StartupState::Untried, "{path}");
        }
    }

    #[test]
    fn only_a_source_that_may_recover_is_waited_for() {
        let interface = capture::Source::Interface("wlan1".to_owned());
        let command = capture::Source::Command("ssh ap".to_owned());
        let gone = || CaptureError::NoSuchInterface { interface: "wlan1".to_owned() }.into();
        let forbidden = || CaptureError::NotPermitted { interface: "wlan1".to_owned() }.into();
        for (origin, error, expected) in [
            (&interface, gone(), StartupState::Waiting),
            (&interface, forbidden(), StartupState::Refused),
            (&command, gone(), StartupState::Waiting),
            (&capture::Source::file("/there/is/none.pcap"), gone(), StartupState::Refused),
            (&capture::Source::Stdin, gone(), StartupState::Refused),
        ] {
            assert_eq!(StartupState::of(origin).after_attempt(origin, &error), expected, "{origin}: {error}");
            assert_eq!(StartupState::Opened.after_attempt(origin, &error), StartupState::Opened);
        }
    }
}
