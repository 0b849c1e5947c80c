//! Live capture through libpcap.
//!
//! - The kernel filters for probe requests, so a busy channel costs no time here. Frames are delivered at once
//!   (immediate mode), each cut to the configured snaplen, because in this mode every slot of the kernel's buffer is
//!   as long as the snaplen. Promiscuous mode stays off: monitor mode receives everything, and some drivers refuse
//!   promiscuous mode there.
//! - libpcap never waits here. In immediate mode its read timeout does not end a wait (seen with 1.10.3), and its
//!   breakloop loses the frame that it was about to deliver. Instead, a poll waits on libpcap's descriptor, with a
//!   timeout that keeps the drop counters current while no frames arrive, and on an eventfd that ends it at once.
//! - libpcap does not mark its socket close-on-exec, so every command that is a source would inherit it with its
//!   buffer. It is marked here once it is open.
//! - Taking an interface down, as rfkill does, gives no error (seen with 1.10.3). While no frames arrive, the
//!   interface is checked for being up.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dot11::LinkType;
use pcap::{Active, Inactive, Precision};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use crate::counters::{Counters, add};
use crate::error::{CaptureError, link_type_name};
use crate::record::{ReadOutcome, Record};
use crate::settings::CaptureSettings;
use crate::stop_handle::Wake;

const FILTER: &str = "type mgt subtype probe-req";

/// The length in bytes of a record header in a pcap file.
const RECORD_HEADER_BYTES: u64 = 16;

/// An interface that is being captured.
pub(crate) struct LiveCapture {
    interface: String,
    pcap: pcap::Capture<Active>,
    link_type: LinkType,
    counters: Arc<Counters>,
    /// libpcap's drop counters when they were last read: of the kernel and of the interface. They are 32 bits wide
    /// and wrap.
    dropped: (u32, u32),
    stats_read_at: Instant,
    stats_interval: Duration,
    /// The kernel's buffer was empty at the last read.
    is_drained: bool,
    /// The interface was down at the last check. An interface that is being removed is down for a moment first.
    was_down: bool,
    /// Readable once the capture is to wake up.
    waker: Arc<OwnedFd>,
}

impl LiveCapture {
    pub fn open(
        interface: &str,
        settings: &CaptureSettings,
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
        let link_type = LinkType::from_dlt(dlt).ok_or_else(|| {
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
                // Fails only if the eventfd's counter is full, and then the capture is awake already.
                let _ = rustix::io::write(&*waker, &1_u64.to_ne_bytes());
            }
        };
        let live = Self {
            interface: interface.to_owned(),
            pcap,
            link_type,
            counters,
            dropped: (0, 0),
            stats_read_at: Instant::now(),
            stats_interval: settings.stats_interval,
            is_drained: false,
            was_down: false,
            waker,
        };
        Ok((live, Arc::new(wake)))
    }

    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// The next frame; idle if none arrived for a while or the capture was woken.
    pub fn next(&mut self) -> Result<ReadOutcome<'_>, CaptureError> {
        let was_drained = std::mem::take(&mut self.is_drained);
        if was_drained {
            wait_for_frame(&self.pcap, &self.waker, self.stats_interval).map_err(|error| {
                CaptureError::InterfaceLost { interface: self.interface.clone(), reason: error.to_string() }
            })?;
        }
        if self.stats_read_at.elapsed() >= self.stats_interval {
            self.update_drop_counters();
            let is_down = was_drained && is_down(&self.interface);
            if std::mem::replace(&mut self.was_down, is_down) && is_down {
                return Err(CaptureError::InterfaceDown { interface: self.interface.clone() });
            }
        }
        match self.pcap.next_packet() {
            Ok(packet) => Ok(ReadOutcome::Record(Record {
                has_fcs: false,
                link_type: Some(self.link_type),
                time_us: packet
                    .header
                    .ts
                    .tv_sec
                    .saturating_mul(1_000_000)
                    .saturating_add(packet.header.ts.tv_usec),
                original_length: packet.header.len as usize,
                stored_bytes: RECORD_HEADER_BYTES + packet.data.len() as u64,
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

    /// Adds the frames dropped since the last call to the counters.
    pub fn update_drop_counters(&mut self) {
        self.stats_read_at = Instant::now();
        // An interface that was removed has no statistics.
        let Ok(stat) = self.pcap.stats() else { return };
        add(&self.counters.kernel_dropped, stat.dropped.wrapping_sub(self.dropped.0).into());
        add(&self.counters.interface_dropped, stat.if_dropped.wrapping_sub(self.dropped.1).into());
        self.dropped = (stat.dropped, stat.if_dropped);
    }
}

impl fmt::Debug for LiveCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveCapture")
            .field("interface", &self.interface)
            .field("link_type", &self.link_type)
            .finish_non_exhaustive()
    }
}

/// Waits until a frame arrives, the capture is woken, or `limit` has passed.
fn wait_for_frame(pcap: &pcap::Capture<Active>, waker: &OwnedFd, limit: Duration) -> rustix::io::Result<()> {
    let limit = Timespec::try_from(limit).map_err(|_| Errno::INVAL)?;
    let mut polled = [PollFd::new(pcap, PollFlags::IN), PollFd::new(waker, PollFlags::IN)];
    match poll(&mut polled, Some(&limit)) {
        // A signal does not end the capture.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the kernel's 802.11 stack has a radio for the interface.
fn has_radio(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).join("phy80211").exists()
}

/// Whether the interface exists and is not up.
fn is_down(interface: &str) -> bool {
    const IFF_UP: u32 = 1;
    let flags = std::fs::read_to_string(Path::new("/sys/class/net").join(interface).join("flags"));
    let flags =
        flags.ok().and_then(|flags| u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).ok());
    flags.is_some_and(|flags| flags & IFF_UP == 0)
}

/// libpcap's message without the prefix that the crate adds.
fn reason(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(reason) => reason.clone(),
        other => other.to_string(),
    }
}

/// Tells the causes apart by libpcap's messages: the crate does not pass its error codes on.
fn open_error(interface: &str, error: &pcap::Error) -> CaptureError {
    let reason = reason(error);
    let interface = interface.to_owned();
    let mentions = |phrases: &[&str]| phrases.iter().any(|phrase| reason.contains(phrase));
    // Without the right to capture, libpcap reports that for an interface that does not exist, too.
    let interfaces = Path::new("/sys/class/net");
    let is_missing = interfaces.is_dir() && !interfaces.join(&interface).exists() && interface != "any";
    if is_missing || mentions(&["No such device", "does not exist"]) {
        CaptureError::NoSuchInterface { interface }
    } else if mentions(&["ermission", "not permitted"]) {
        CaptureError::NotPermitted { interface }
    } else if mentions(&["is not up", "Network is down"]) {
        CaptureError::InterfaceDown { interface }
    } else {
        CaptureError::Interface { interface, reason }
    }
}
