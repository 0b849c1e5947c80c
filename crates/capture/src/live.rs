//! Live capture through libpcap.
//!
//! The kernel filters for probe requests, so that a busy channel costs nothing; frames come through
//! at once (immediate mode), each with at most the configured snaplen, since in this mode every slot
//! of the kernel's buffer is as long as that. Promiscuous mode is left off: monitor mode hears
//! everything, and some drivers refuse it there.
//!
//! libpcap never waits here. Its read timeout does not end a wait in immediate mode (seen with
//! 1.10.3), and its breakloop loses the frame that it was about to hand over: what waits is a poll on
//! its descriptor, with a time-out so that the drop counters stay right while the air is silent, and
//! on an eventfd that ends it at once.
//!
//! libpcap does not mark its socket to be closed when another program begins, so that each command that is a
//! source would hold it and its buffer: it is marked here, once it is open.
//!
//! An interface that is taken down, as rfkill does, gives no error (seen with 1.10.3): while no frames come it is
//! looked whether it is still up.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pcap::{Active, Inactive, Precision};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use super::file::link_type_name;
use super::{CaptureError, Counters, ReadOutcome, Record, Settings, Wake, add};
use dot11::LinkType;

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
    stats_interval: Duration,
    /// The kernel's buffer had no frame when it was last looked into.
    is_drained: bool,
    /// It was down when the counters were sampled last. One that is about to go away is so for a moment.
    was_down: bool,
    /// Readable once the capture is to be woken.
    waker: Arc<OwnedFd>,
}

impl Live {
    pub fn open(
        interface: &str,
        settings: &Settings,
        counters: Arc<Counters>,
    ) -> Result<(Self, Wake), CaptureError> {
        let failed = |error: pcap::Error| open_error(interface, &error);
        let system_failed = |error: Errno| CaptureError::Interface {
            interface: interface.to_owned(),
            reason: error.to_string(),
        };
        let mut pcap = pcap::Capture::<Inactive>::from_device(interface)
            .map_err(failed)?
            .promisc(false)
            .immediate_mode(true)
            .precision(Precision::Micro)
            .snaplen(settings.snaplen.try_into().unwrap_or(i32::MAX))
            .buffer_size(settings.buffer_bytes.try_into().unwrap_or(i32::MAX))
            .open()
            .map_err(failed)?;
        fcntl_setfd(&pcap, FdFlags::CLOEXEC).map_err(system_failed)?;
        let dlt = pcap.get_datalink().0;
        let link = LinkType::from_dlt(dlt).ok_or_else(|| {
            let (interface, link_type) = (interface.to_owned(), link_type_name(dlt));
            if has_radio(&interface) {
                CaptureError::NotMonitor { interface, link_type }
            } else {
                CaptureError::NoWifiInterface { interface, link_type }
            }
        })?;
        if !settings.all_frames {
            pcap.filter(FILTER, true).map_err(failed)?;
        }
        let pcap = pcap.setnonblock().map_err(failed)?;
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(system_failed)?;
        let waker = Arc::new(waker);
        let wake = {
            let waker = Arc::clone(&waker);
            move || {
                // A counter that is full has woken the capture already.
                let _ = rustix::io::write(&*waker, &1_u64.to_ne_bytes());
            }
        };
        let live = Self {
            interface: interface.to_owned(),
            pcap,
            link,
            counters,
            dropped: (0, 0),
            sampled: Instant::now(),
            stats_interval: settings.stats_interval,
            is_drained: false,
            was_down: false,
            waker,
        };
        Ok((live, Arc::new(wake)))
    }

    pub fn link_type(&self) -> LinkType {
        self.link
    }

    /// The next frame, or none where there was none for a while or the capture was woken.
    pub fn next(&mut self) -> Result<ReadOutcome<'_>, CaptureError> {
        let was_drained = std::mem::take(&mut self.is_drained);
        if was_drained {
            wait(&self.pcap, &self.waker, self.stats_interval).map_err(|error| {
                CaptureError::InterfaceLost { interface: self.interface.clone(), reason: error.to_string() }
            })?;
        }
        if self.sampled.elapsed() >= self.stats_interval {
            self.sample_drops();
            let is_down = was_drained && is_down(&self.interface);
            if std::mem::replace(&mut self.was_down, is_down) && is_down {
                return Err(CaptureError::InterfaceDown { interface: self.interface.clone() });
            }
        }
        match self.pcap.next_packet() {
            Ok(packet) => Ok(ReadOutcome::Record(Record {
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
            Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => {
                self.is_drained = true;
                Ok(ReadOutcome::Idle)
            }
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

/// Waits until there is a frame, the capture is woken, or `limit` is over.
fn wait(pcap: &pcap::Capture<Active>, waker: &OwnedFd, limit: Duration) -> rustix::io::Result<()> {
    let limit = Timespec::try_from(limit).map_err(|_| Errno::INVAL)?;
    let mut waited_for = [PollFd::new(pcap, PollFlags::IN), PollFd::new(waker, PollFlags::IN)];
    match poll(&mut waited_for, Some(&limit)) {
        // A signal is no reason to stop hearing.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether an interface belongs to a radio, as the kernel's 802.11 stack says.
fn has_radio(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).join("phy80211").exists()
}

/// Whether an interface is there, and not up.
fn is_down(interface: &str) -> bool {
    const IFF_UP: u32 = 1;
    let flags = std::fs::read_to_string(Path::new("/sys/class/net").join(interface).join("flags"));
    let flags =
        flags.ok().and_then(|flags| u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).ok());
    flags.is_some_and(|flags| flags & IFF_UP == 0)
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
