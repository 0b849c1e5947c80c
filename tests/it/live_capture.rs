//! Promise: a live capture hears probe requests and nothing else, and stops at once, also while the
//! air is silent.
//!
//! The radio is a TAP device whose link type is set to radiotap: what is written to its file
//! descriptor, libpcap captures. It needs root (CAP_NET_ADMIN, CAP_NET_RAW) and /dev/net/tun.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use probewatch::capture::{Capture, CaptureError, Settings, Source};
use probewatch::dot11::{Fcs, LinkType};

use crate::support::require::skip;

const ARPHRD_IEEE80211_RADIOTAP: libc::c_ulong = 803;

/// A TAP device, gone when it is dropped.
struct Tap {
    file: File,
    name: String,
}

impl Tap {
    fn open(name: &str, link_type: Option<libc::c_ulong>) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/dev/net/tun")?;
        let mut request = request(name);
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: the requests read an ifreq, or a number, and `file` and `socket` are open.
        unsafe {
            check(libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &mut request))?;
            if let Some(link_type) = link_type {
                check(libc::ioctl(file.as_raw_fd(), libc::TUNSETLINK, link_type))?;
            }
        }
        let tap = Self { file, name: name.to_owned() };
        tap.set_up(true)?;
        Ok(tap)
    }

    fn set_up(&self, up: bool) -> io::Result<()> {
        let mut request = request(&self.name);
        request.ifr_ifru.ifru_flags = if up { libc::IFF_UP as libc::c_short } else { 0 };
        // SAFETY: the request reads an ifreq, and the socket is open.
        unsafe {
            let socket = check(libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
            let result = check(libc::ioctl(socket, libc::SIOCSIFFLAGS, &mut request));
            libc::close(socket);
            result.map(drop)
        }
    }

    fn source(&self) -> Source {
        Source::Interface(self.name.clone())
    }

    fn send(&self, frame: &[u8]) {
        (&self.file).write_all(frame).unwrap();
    }
}

fn request(name: &str) -> libc::ifreq {
    // SAFETY: an ifreq of zeros is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A TAP device of this name, or a reason why there is none here.
fn tap(name: &str, link_type: Option<libc::c_ulong>) -> Option<Tap> {
    Tap::open(name, link_type).inspect_err(|error| skip(&format!("no TAP device: {error}"))).ok()
}

fn frame(subtype: u8, sequence: u16) -> Vec<u8> {
    let mut frame = vec![0, 0, 10, 0, 0x22, 0, 0, 0, 0x00, 0xd6];
    frame.extend([subtype << 4, 0, 0, 0]);
    frame.extend([0xff; 6]);
    frame.extend([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
    frame.extend([0xff; 6]);
    frame.extend((sequence << 4).to_le_bytes());
    frame.extend(b"\0\x04RNM0");
    frame
}

#[test]
fn probe_requests_are_heard_and_an_idle_capture_stops_at_once() {
    let Some(tap) = tap("pwcap0", Some(ARPHRD_IEEE80211_RADIOTAP)) else { return };
    // Nothing else must wake it.
    let settings = Settings { sample_every: Duration::from_secs(60), ..Settings::default() };
    let capture = Capture::open(&tap.source(), &settings).unwrap();
    assert_eq!(capture.link_type(), LinkType::Radiotap);
    let (counters, stop) = (capture.counters(), capture.stop_handle());
    let (told, heard) = mpsc::channel();
    let run = thread::spawn(move || {
        capture.run(|frame| {
            let probe = frame.probe_request;
            told.send((frame.time_us, probe.sequence, probe.signal_dbm, probe.fcs)).unwrap();
            ControlFlow::Continue(())
        })
    });
    let start = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros() as i64;
    for (subtype, sequence) in [(8, 1), (4, 2), (5, 3), (4, 4)] {
        tap.send(&frame(subtype, sequence));
    }
    for sequence in [2, 4] {
        let (time_us, heard, signal_dbm, fcs) = heard.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!((heard, signal_dbm, fcs), (sequence, Some(-42), Fcs::Absent));
        assert!((time_us - start).abs() < 5_000_000);
    }
    assert_eq!(counters.probe_requests.load(Relaxed), 2);
    assert_eq!(counters.frames.load(Relaxed), 2);
    assert_eq!(counters.kernel_dropped.load(Relaxed), 0);

    thread::sleep(Duration::from_millis(700));
    let stopped = Instant::now();
    stop.stop();
    run.join().unwrap().unwrap();
    assert!(stopped.elapsed() < Duration::from_millis(150), "{:?}", stopped.elapsed());
}

/// The kernel drops what does not fit into its buffer, and the counter says how much.
#[test]
fn dropped_frames_are_counted() {
    let Some(tap) = tap("pwcap1", Some(ARPHRD_IEEE80211_RADIOTAP)) else { return };
    let settings = Settings { buffer_bytes: 64 << 10, ..Settings::default() };
    let capture = Capture::open(&tap.source(), &settings).unwrap();
    let (counters, stop) = (capture.counters(), capture.stop_handle());
    for sequence in 0..2000 {
        tap.send(&frame(4, sequence));
    }
    let run = thread::spawn(move || capture.run(|_| ControlFlow::Continue(())));
    // Sampled while the air is silent.
    let deadline = Instant::now() + Duration::from_secs(5);
    let total = || counters.probe_requests.load(Relaxed) + counters.kernel_dropped.load(Relaxed);
    while total() < 2000 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(counters.kernel_dropped.load(Relaxed) > 0, "{counters:?}");
    assert_eq!(total(), 2000);
    stop.stop();
    run.join().unwrap().unwrap();
}

#[test]
fn an_interface_that_goes_away_ends_the_capture_with_its_name() {
    let Some(tap) = tap("pwcap2", Some(ARPHRD_IEEE80211_RADIOTAP)) else { return };
    let capture = Capture::open(&tap.source(), &Settings::default()).unwrap();
    let run = thread::spawn(move || capture.run(|_| ControlFlow::Continue(())));
    thread::sleep(Duration::from_millis(100));
    drop(tap);
    let error = run.join().unwrap().unwrap_err();
    assert!(
        matches!(&error, CaptureError::InterfaceLost { interface, .. } if interface == "pwcap2"),
        "{error}"
    );
}

#[test]
fn an_interface_that_is_no_radio_says_so() {
    let Some(tap) = tap("pwcap3", None) else { return };
    let error = Capture::open(&tap.source(), &Settings::default()).unwrap_err();
    assert!(matches!(&error, CaptureError::NotMonitor { .. }), "{error}");
    assert!(error.to_string().contains("pwcap3 delivers EN10MB (1), not 802.11"), "{error}");
}

#[test]
fn an_interface_that_is_down_says_so() {
    let Some(tap) = tap("pwcap4", Some(ARPHRD_IEEE80211_RADIOTAP)) else { return };
    tap.set_up(false).unwrap();
    let outcome = Capture::open(&tap.source(), &Settings::default());
    assert!(matches!(&outcome, Err(CaptureError::InterfaceDown { .. })), "{outcome:?}");
}
