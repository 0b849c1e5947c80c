//! Captures 802.11 probe requests from a live interface, a capture file, standard input or a command's output.
//!
//! A [`Capture`] is opened on a [`Source`], gives out a [`StopHandle`] and its [`Counters`], and then runs to its
//! end on a thread of its own, passing every probe request to a closure:
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::sync::atomic::Ordering::Relaxed;
//!
//! use capture::{Capture, PcapWriter, CaptureSettings, Source};
//! use dot11::LinkType;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("street.pcap");
//! # let mut writer = PcapWriter::create(&path, LinkType::Ieee80211)?;
//! # writer.write(0, b"\x40\0\0\0\xff\xff\xff\xff\xff\xff\xa4\x83\xe7\x4e\x39\x15\xff\xff\xff\xff\xff\xff\0\0\0\x04Home")?;
//! # writer.finish()?;
//! let capture = Capture::open(&Source::file(path), &CaptureSettings::default())?;
//! let counters = capture.counters();
//! capture.run(|frame| {
//!     println!("{} looks for {:?}", frame.probe_request.source, frame.probe_request.ssid);
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!(counters.probe_requests.load(Relaxed), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Live frames come through libpcap with a kernel filter for probe requests. Files and standard input are read by
//! `pcap_file.rs` and `pcapng.rs`, because libpcap refuses pcapng files whose interfaces differ in link type or
//! snaplen, and cannot be woken while it waits for standard input. All inputs share one loop. What is compressed with
//! gzip or zstd is decompressed as it is read; files that follow each other in one are read one after the other.
//!
//! - A frame that cannot be decoded is counted and never ends a capture. A frame of a pcapng interface that does
//!   not deliver 802.11 is counted as a frame other than a probe request.
//! - [`StopHandle::stop`] ends the loop before the next frame. It wakes a live capture that waits for a frame, and
//!   one that waits for standard input, a named pipe or a command. A handle that was passed to
//!   [`Capture::open_with`] also ends the wait for the first bytes, which announce the file format, and the wait for a
//!   writer to open a named pipe.
//! - Errors say what failed; their `remedy()` says what to do about it. [`with_remedy`] joins both for people.
//!
//! [`monitor`] puts an interface into monitor mode, so that a capture can be opened on it.

#![deny(clippy::indexing_slicing)]

mod byte_order;
mod capture;
mod command;
mod counters;
mod decompress;
mod error;
mod file;
mod further_file;
mod interruptible_reader;
mod live;
pub mod monitor;
mod other_format;
mod pcap_file;
mod pcap_writer;
mod pcapng;
mod peek_reader;
mod record;
mod remedy;
mod settings;
mod source;
mod stop_handle;

pub use capture::{Capture, CapturedFrame};
pub use counters::Counters;
pub use error::CaptureError;
pub use pcap_writer::PcapWriter;
pub use remedy::with_remedy;
pub use settings::CaptureSettings;
pub use source::{ParseSourceError, Source};
pub use stop_handle::StopHandle;

#[cfg(test)]
mod tests;
