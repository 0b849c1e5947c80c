//! Live capture through libpcap.
//!
//! The kernel filters for probe requests, so that a busy channel costs nothing; frames come through
//! at once (immediate mode), each with at most the configured snaplen, since in this mode every slot
//! of the kernel's buffer is as long as that. Promiscuous mode is left off: monitor mode hears
//! everything, and some drivers refuse it there.
//!
//! In this mode libpcap's own read timeout never ends a wait for a frame (seen with 1.10.3), so that
//! a thread wakes it from time to time: the drop counters stay right while the air is silent.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use pcap::{Active, Inactive, Precision};

use super::file::link_type_name;
use super::{CaptureError, Counters, Heard, Record, Settings, Wake, add};
use crate::dot11::LinkType;

const FILTER: &str = "type mgt subtype probe-req";
/// What a capture file's record header would take.
const RECORD_HEADER: u64 = 16;

/// An interface that is being captured.
pub(super) struct Live {
    interface: String,
    pcap: pcap::Capture<Active>,
    link: LinkType,
    counters: Arc<Counters>,
    /// libpcap's drop counters as last seen; they are 32 bits wide and wrap.
    dropped: (u32, u32),
    sampled: Instant,
    sample_every: Duration,
    /// Ends the thread that wakes this capture by going away.
    _ticker: Sender<()>,
}

impl Live {
    pub fn open(
        interface: &str,
        settings: &Settings,
        counters: Arc<Counters>,
    ) -> Result<(Self, Wake), CaptureError> {
        let failed = |error: pcap::Error| open_error(interface, &error);
        let mut pcap = pcap::Capture::<Inactive>::from_device(interface)
            .map_err(failed)?
            .promisc(false)
            .immediate_mode(true)
            .precision(Precision::Micro)
            .snaplen(settings.snaplen.try_into().unwrap_or(i32::MAX))
            .buffer_size(settings.buffer_bytes.try_into().unwrap_or(i32::MAX))
            .timeout(settings.sample_every.as_millis().try_into().unwrap_or(i32::MAX))
            .open()
            .map_err(failed)?;
        let dlt = pcap.get_datalink().0;
        let link = LinkType::from_dlt(dlt).ok_or_else(|| CaptureError::NotMonitor {
            interface: interface.to_owned(),
            link_type: link_type_name(dlt),
        })?;
        pcap.filter(FILTER, true).map_err(failed)?;
        let breakloop = pcap.breakloop_handle();
        let ticker = tick(settings.sample_every, pcap.breakloop_handle()).map_err(|error| {
            CaptureError::Interface { interface: interface.to_owned(), reason: error.to_string() }
        })?;
        let live = Self {
            interface: interface.to_owned(),
            pcap,
            link,
            counters,
            dropped: (0, 0),
            sampled: Instant::now(),
            sample_every: settings.sample_every,
            _ticker: ticker,
        };
        Ok((live, Arc::new(move || breakloop.breakloop())))
    }

    pub fn link_type(&self) -> LinkType {
        self.link
    }

    /// The next frame, or none where the capture was woken.
    pub fn next(&mut self) -> Result<Heard<'_>, CaptureError> {
        if self.sampled.elapsed() >= self.sample_every {
            self.sample_drops();
        }
        match self.pcap.next_packet() {
            Ok(packet) => Ok(Heard::Record(Record {
                link: Some(self.link),
                time_us: packet
                    .header
                    .ts
                    .tv_sec
                    .saturating_mul(1_000_000)
                    .saturating_add(packet.header.ts.tv_usec),
                original_length: packet.header.len as usize,
                stored_bytes: RECORD_HEADER + packet.data.len() as u64,
                bytes: packet.data,
            })),
            Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => Ok(Heard::Idle),
            Err(error) => {
                Err(CaptureError::InterfaceLost { interface: self.interface.clone(), reason: reason(&error) })
            }
        }
    }

    /// Brings the counters of dropped frames up to date.
    pub fn sample_drops(&mut self) {
        self.sampled = Instant::now();
        // An interface that has gone away has nothing to say.
        let Ok(stat) = self.pcap.stats() else { return };
        add(&self.counters.kernel_dropped, stat.dropped.wrapping_sub(self.dropped.0).into());
        add(&self.counters.interface_dropped, stat.if_dropped.wrapping_sub(self.dropped.1).into());
        self.dropped = (stat.dropped, stat.if_dropped);
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("interface", &self.interface)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

/// Wakes a capture at every `period`, until what is returned is dropped.
fn tick(period: Duration, wake: pcap::BreakLoop) -> io::Result<Sender<()>> {
    let period = period.max(Duration::from_millis(10));
    let (alive, gone) = mpsc::channel::<()>();
    thread::Builder::new().name("capture-ticker".into()).spawn(move || {
        while gone.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
            wake.breakloop();
        }
    })?;
    Ok(alive)
}

/// libpcap's words without the crate's.
fn reason(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(reason) => reason.clone(),
        other => other.to_string(),
    }
}

/// libpcap's codes do not come through, only its words.
fn open_error(interface: &str, error: &pcap::Error) -> CaptureError {
    let reason = reason(error);
    let interface = interface.to_owned();
    let says = |words: &[&str]| words.iter().any(|words| reason.contains(words));
    // Without the right to capture, libpcap says so of an interface that does not exist, too.
    let known = Path::new("/sys/class/net");
    let missing = known.is_dir() && !known.join(&interface).exists() && interface != "any";
    if missing || says(&["No such device", "does not exist"]) {
        CaptureError::NoSuchInterface { interface }
    } else if says(&["ermission", "not permitted"]) {
        CaptureError::NotPermitted { interface }
    } else if says(&["is not up", "Network is down"]) {
        CaptureError::InterfaceDown { interface }
    } else {
        CaptureError::Interface { interface, reason }
    }
}
