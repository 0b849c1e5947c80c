//! Why a source yields no frames, and the remedy.

use std::borrow::Cow;
use std::io;

use crate::decompress::WindowTooLarge;
use crate::other_format::OtherFormat;

/// Why a source cannot be opened or read to its end. [`CaptureError::remedy`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the parts of the sentence: an interface, a file, a reason")]
pub enum CaptureError {
    /// The interface does not exist.
    #[error("cannot capture on {interface}: there is no such interface")]
    NoSuchInterface { interface: String },
    /// The process lacks the right to capture.
    #[error("cannot capture on {interface}: not permitted")]
    NotPermitted { interface: String },
    /// The interface is not up.
    #[error("cannot capture on {interface}: it is down")]
    InterfaceDown { interface: String },
    /// The Wi-Fi interface is not in monitor mode.
    #[error("{interface} delivers {link_type}, not 802.11 frames: it is not in monitor mode")]
    NotMonitor { interface: String, link_type: String },
    /// The interface has no radio.
    #[error("{interface} is not a Wi-Fi interface: it delivers {link_type}")]
    NoWifiInterface { interface: String, link_type: String },
    /// libpcap cannot open the interface for another reason.
    #[error("cannot capture on {interface}: {reason}")]
    Interface { interface: String, reason: String },
    /// A running capture ended by itself.
    #[error("the capture on {interface} ended: {reason}")]
    InterfaceLost { interface: String, reason: String },
    /// The system cannot start a shell for the command.
    #[error("cannot run the command {command}: {error}")]
    Command { command: String, error: io::Error },
    /// The command ended, although it is expected to run forever.
    #[error("the command {command} ended ({how})")]
    CommandEnded { command: String, how: String },
    /// The operating system cannot open or read the file.
    #[error("cannot read {file}: {error}")]
    Read { file: String, error: io::Error },
    /// The file is not a capture file.
    #[error("cannot read {file}: {reason}")]
    NotACapture { file: String, reason: String },
    /// The file is of a format that is not read, and that another program unpacks or converts.
    #[error("cannot read {file}: it is {format}")]
    OtherFormat { file: String, format: &'static str, remedy: &'static str },
    /// The file holds frames of another kind.
    #[error("cannot use {file}: it holds {link_types}, not 802.11 frames")]
    NotWifi { file: String, link_types: String },
    /// The file ends within a record.
    #[error("{file} ends in the middle of a record, the rest is missing (frames read: {frames})")]
    Truncated { file: String, frames: u64 },
    /// The file's structure is broken.
    #[error("{file} is damaged: {reason} (frames read: {frames})")]
    Damaged { file: String, frames: u64, reason: String },
    /// The file cannot be written.
    #[error("cannot write {file}: {error}")]
    Write { file: String, error: io::Error },
}

impl CaptureError {
    /// What to do about it, if that is known.
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::InterfaceDown { interface } => {
                return Some(format!("bring it up: ip link set {interface} up").into());
            }
            Self::NoSuchInterface { .. } => "`ip link` lists the interfaces",
            Self::NotPermitted { .. } => {
                "run probewatch with sudo, or give it the right once: sudo setcap cap_net_raw,cap_net_admin+eip \
                 $(command -v probewatch)"
            }
            // Setting the mode by hand could take the machine offline; probewatch checks first.
            Self::NotMonitor { .. } => {
                "leave out monitor = \"off\": then probewatch turns monitor mode on, unless that would take the \
                 machine offline"
            }
            Self::NoWifiInterface { .. } => "name a Wi-Fi interface instead: `iw dev` lists them",
            Self::InterfaceLost { .. } => "check that the interface is still there, and up",
            Self::CommandEnded { .. } => "the log holds what it wrote to standard error",
            Self::OtherFormat { remedy, .. } => remedy,
            Self::NotACapture { .. } => "a pcap or pcapng file is needed",
            Self::NotWifi { .. } => "capture on an interface in monitor mode",
            Self::Interface { .. }
            | Self::Command { .. }
            | Self::Read { .. }
            | Self::Truncated { .. }
            | Self::Damaged { .. }
            | Self::Write { .. } => return None,
        }))
    }
}

/// An error in a capture file, before the file's name is added.
#[derive(Debug)]
pub(crate) enum ReadError {
    Io(io::Error),
    NotACapture(String),
    Other(OtherFormat),
    NotWifi(String),
    Truncated,
    Damaged(String),
}

impl ReadError {
    /// The error of the file of this name, of which `frames` were read before it.
    pub fn in_file(self, file: String, frames: u64) -> CaptureError {
        match self {
            Self::Io(error) => CaptureError::Read { file, error },
            Self::NotACapture(reason) => CaptureError::NotACapture { file, reason },
            Self::Other(OtherFormat { name, remedy }) => {
                CaptureError::OtherFormat { file, format: name, remedy }
            }
            Self::NotWifi(link_types) => CaptureError::NotWifi { file, link_types },
            Self::Truncated => CaptureError::Truncated { file, frames },
            Self::Damaged(reason) => CaptureError::Damaged { file, frames, reason },
        }
    }
}

impl From<io::Error> for ReadError {
    /// A decompressor's errors are those of the file that it unpacks.
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<WindowTooLarge>()) {
            return Self::Other(OtherFormat::LARGE_WINDOW);
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            io::ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

/// A link type as libpcap names it, such as `EN10MB (1)`.
pub(crate) fn link_type_name(dlt: i32) -> String {
    match pcap::Linktype(dlt).get_name() {
        Ok(name) => format!("{name} ({dlt})"),
        Err(_) => format!("link type {dlt}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::with_remedy;

    #[test]
    fn display_and_remedy_are_separate_for_any_source_name() {
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
        let truncated = CaptureError::Truncated { file: "a; b".to_owned(), frames: 7 };
        assert_eq!(with_remedy(&truncated, truncated.remedy()), truncated.to_string());
    }
}
