//! Why a source gives no frames, and the remedy.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;

const LISTED: &str = "`ip link` lists them";
const RIGHT: &str = "run probewatch with sudo, or give it the right once: \
                     sudo setcap cap_net_raw,cap_net_admin+eip $(command -v probewatch)";
/// Setting the mode by hand could take the machine offline; probewatch looks whether it would.
const AUTO: &str = "leave out monitor = \"off\", and probewatch listens in monitor mode, unless the machine would be \
                    offline then";
const NAME_ONE: &str = "name a Wi-Fi interface in its place: `iw dev` lists them";
const LOST: &str = "is the interface still there, and up?";
const IN_THE_LOG: &str = "what it wrote to standard error stands in the log";
const CAPTURE_NEEDED: &str = "a pcap or pcapng file is needed";
const MONITOR_NEEDED: &str = "capture on an interface in monitor mode";

/// Why a source cannot be opened or read to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The interface does not exist.
    #[error("cannot capture on {interface}: there is no such interface")]
    NoSuchInterface { interface: String },
    /// The process may not capture.
    #[error("cannot capture on {interface}: not permitted")]
    NotPermitted { interface: String },
    /// The interface is not up.
    #[error("cannot capture on {interface}: it is down")]
    InterfaceDown { interface: String },
    /// The Wi-Fi interface is not in monitor mode.
    #[error("{interface} delivers {link_type}, not 802.11 frames: it is not in monitor mode")]
    NotMonitor { interface: String, link_type: String },
    /// The interface has no radio.
    #[error("{interface} is no Wi-Fi interface, it delivers {link_type}")]
    NoWifiInterface { interface: String, link_type: String },
    /// libpcap cannot open the interface for another reason.
    #[error("cannot capture on {interface}: {reason}")]
    Interface { interface: String, reason: String },
    /// A running capture ended by itself.
    #[error("the capture on {interface} ended: {reason}")]
    InterfaceLost { interface: String, reason: String },
    /// The system starts no shell for the command.
    #[error("cannot run the command {command}: {error}")]
    Command { command: String, error: io::Error },
    /// The command ended, which it is not to do.
    #[error("the command {command} ended ({how})")]
    CommandEnded { command: String, how: String },
    /// The operating system cannot open or read the file.
    #[error("cannot read {file}: {error}")]
    Read { file: String, error: io::Error },
    /// The file is something else than a capture.
    #[error("cannot read {file}: {reason}")]
    NotACapture { file: String, reason: String },
    /// The file has frames of another kind.
    #[error("cannot use {file}: it holds {link_types}, not 802.11 frames")]
    NotWifi { file: String, link_types: String },
    /// The file ends where a frame should go on.
    #[error("{file} ends in the middle of a record, the rest is missing (frames read: {frames})")]
    Cut { file: String, frames: u64 },
    /// The file's structure is broken.
    #[error("{file} is damaged: {reason} (frames read: {frames})")]
    Damaged { file: String, frames: u64, reason: String },
    /// The file cannot be written.
    #[error("cannot write {file}: {error}")]
    Write { file: String, error: io::Error },
}

impl CaptureError {
    /// What the reader can do about it, where that is known.
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::InterfaceDown { interface } => {
                return Some(format!("bring it up: ip link set {interface} up").into());
            }
            Self::NoSuchInterface { .. } => LISTED,
            Self::NotPermitted { .. } => RIGHT,
            Self::NotMonitor { .. } => AUTO,
            Self::NoWifiInterface { .. } => NAME_ONE,
            Self::InterfaceLost { .. } => LOST,
            Self::CommandEnded { .. } => IN_THE_LOG,
            Self::NotACapture { .. } => CAPTURE_NEEDED,
            Self::NotWifi { .. } => MONITOR_NEEDED,
            Self::Interface { .. }
            | Self::Command { .. }
            | Self::Read { .. }
            | Self::Cut { .. }
            | Self::Damaged { .. }
            | Self::Write { .. } => return None,
        }))
    }
}

/// An error as people read it: its sentence and, behind a semicolon, the remedy.
pub fn with_remedy(error: impl Display, remedy: Option<impl AsRef<str>>) -> String {
    match remedy {
        Some(remedy) => format!("{error}; {}", remedy.as_ref()),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_remedy_are_separate_whatever_the_source_is_called() {
        let file = "the output of echo garbage; exec sleep 1000".to_owned();
        let garbage = CaptureError::NotACapture { file, reason: "it is no capture file".to_owned() };
        assert_eq!(
            garbage.to_string(),
            "cannot read the output of echo garbage; exec sleep 1000: it is no capture file"
        );
        assert_eq!(garbage.remedy().as_deref(), Some("a pcap or pcapng file is needed"));
        let down = CaptureError::InterfaceDown { interface: "mon0".to_owned() };
        assert_eq!(
            with_remedy(&down, down.remedy()),
            "cannot capture on mon0: it is down; bring it up: ip link set mon0 up"
        );
        let cut = CaptureError::Cut { file: "a; b".to_owned(), frames: 7 };
        assert_eq!(with_remedy(&cut, cut.remedy()), cut.to_string());
    }
}
