//! What can keep frames from coming, said so that the reader knows what to do.

use std::io;

/// Why a source cannot be opened or read to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The interface does not exist.
    #[error("cannot capture on {interface}: there is no such interface; `ip link` lists them")]
    NoSuchInterface { interface: String },
    /// The process may not capture.
    #[error(
        "cannot capture on {interface}: not permitted; run probewatch with sudo, or give it the right \
         once: sudo setcap cap_net_raw,cap_net_admin+eip $(command -v probewatch)"
    )]
    NotPermitted { interface: String },
    /// The interface is not up.
    #[error("cannot capture on {interface}: it is down; bring it up: ip link set {interface} up")]
    InterfaceDown { interface: String },
    /// The interface is not in monitor mode.
    #[error(
        "{interface} delivers {link_type}, not 802.11 frames; put it into monitor mode: \
         ip link set {interface} down; iw dev {interface} set type monitor; ip link set {interface} up"
    )]
    NotMonitor { interface: String, link_type: String },
    /// libpcap cannot open the interface for another reason.
    #[error("cannot capture on {interface}: {reason}")]
    Interface { interface: String, reason: String },
    /// A running capture ended by itself.
    #[error("the capture on {interface} ended: {reason}; is the interface still there, and up?")]
    InterfaceLost { interface: String, reason: String },
    /// The system starts no shell for the command.
    #[error("cannot run the command {command}: {error}")]
    Command { command: String, error: io::Error },
    /// The command ended, which it is not to do.
    #[error("the command {command} ended ({how}); what it wrote to standard error stands in the log")]
    CommandEnded { command: String, how: String },
    /// The operating system cannot open or read the file.
    #[error("cannot read {file}: {error}")]
    Read { file: String, error: io::Error },
    /// The file is something else than a capture.
    #[error("cannot read {file}: {reason}; a pcap or pcapng file is needed")]
    NotACapture { file: String, reason: String },
    /// The file has frames of another kind.
    #[error(
        "cannot use {file}: it holds {link_types}, not 802.11 frames; capture on an interface in \
         monitor mode"
    )]
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
