//! A live capture yields probe requests and nothing else. It stops at once, also while it receives nothing.
//!
//! The radio is a TAP device whose link type is set to radiotap: libpcap captures the frames that are written to its
//! file descriptor. It needs root (CAP_NET_ADMIN, CAP_NET_RAW) and /dev/net/tun.

use std::ops::ControlFlow;
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use capture::{Capture, CaptureError, CaptureSettings, Source, with_remedy};
use dot11::{Fcs, LinkType};

use crate::support::frames::ProbeRequestFrame;
use crate::support::require;
use crate::support::tap_radio::TapRadio;
use crate::support::{process, wait, wait_until};

/// A radio, or `None` after a skip was reported.
fn radio() -> Option<TapRadio> {
    require::tap_allowed().then(|| TapRadio::unique("pwcap").unwrap())
}

fn source(radio: &TapRadio) -> Source {
    Source::Interface(radio.name().to_owned())
}

/// A probe request whose subtype is replaced.
fn frame(subtype: u8, sequence: u16) -> Vec<u8> {
    let probe_request = ProbeRequestFrame::new("a4:83:e7:4e:39:15").ssid("RNM0").signal(-42);
    let mut frame = probe_request.sequence(sequence).build();
    let header = usize::from(u16::from_le_bytes([frame[2], frame[3]]));
    frame[header] = subtype << 4;
    frame
}

#[test]
fn probe_requests_are_captured_and_an_idle_capture_stops_at_once() {
    let Some(radio) = radio() else { return };
    // So that the statistics do not wake the capture.
    let settings = CaptureSettings { stats_interval: Duration::from_secs(60), ..CaptureSettings::default() };
    let capture = Capture::open(&source(&radio), &settings).unwrap();
    assert_eq!(capture.link_type(), LinkType::Radiotap);
    let (counters, stop) = (capture.counters(), capture.stop_handle());
    let (sender, frames) = mpsc::channel();
    let run = thread::spawn(move || {
        capture.run(|frame| {
            let probe = frame.probe_request;
            sender.send((frame.time_us, probe.sequence, probe.signal_dbm, probe.fcs)).unwrap();
            ControlFlow::Continue(())
        })
    });
    assert_eq!(counters.last_frame_us(), None);
    let start = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros() as i64;
    for (subtype, sequence) in [(8, 1), (4, 2), (5, 3), (4, 4)] {
        radio.transmit(&frame(subtype, sequence));
    }
    let mut last_frame_us = None;
    for sequence in [2, 4] {
        let (time_us, received, signal_dbm, fcs) = wait::receive(&frames, "a frame");
        assert_eq!((received, signal_dbm, fcs), (sequence, Some(-42), Fcs::Absent));
        assert!((time_us - start).abs() < 5_000_000);
        last_frame_us = Some(time_us);
    }
    assert_eq!(counters.last_frame_us(), last_frame_us);
    assert_eq!(counters.probe_requests.load(Relaxed), 2);
    assert_eq!(counters.frames.load(Relaxed), 2);
    assert_eq!(counters.kernel_dropped.load(Relaxed), 0);

    // The wait is shorter than the minute after which the statistics would wake the capture.
    stop.stop();
    assert_eq!(wait::try_receive(&frames, "the end of the capture"), None);
    wait::join(run, "the end of the capture").unwrap();
}

/// The sockets that a child process inherits.
fn sockets_of_a_command() -> String {
    let mut find = Command::new("find");
    find.args(["/proc/self/fd", "-lname", "socket:*", "-printf", "%l\n"]);
    let found = process::output(&mut find);
    assert!(found.status.success(), "{found:?}");
    String::from_utf8(found.stdout).unwrap()
}

#[test]
fn a_command_does_not_inherit_the_socket_of_a_capture() {
    let Some(radio) = radio() else { return };
    let before = sockets_of_a_command();
    let _capture = Capture::open(&source(&radio), &CaptureSettings::default()).unwrap();
    assert_eq!(sockets_of_a_command(), before);
}

/// Reading the drop counters very often loses no frame.
#[test]
fn no_frame_of_a_steady_stream_is_lost() {
    let Some(radio) = radio() else { return };
    let settings = CaptureSettings { stats_interval: Duration::from_millis(1), ..CaptureSettings::default() };
    let capture = Capture::open(&source(&radio), &settings).unwrap();
    let (counters, stop) = (capture.counters(), capture.stop_handle());
    let (sender, frames) = mpsc::channel();
    let run = thread::spawn(move || {
        capture.run(|frame| {
            sender.send(frame.probe_request.sequence).unwrap();
            ControlFlow::Continue(())
        })
    });
    for sequence in 0..4000 {
        radio.transmit(&frame(4, sequence));
        assert_eq!(wait::receive(&frames, "a frame"), sequence, "{counters:?}");
    }
    assert_eq!(counters.kernel_dropped.load(Relaxed), 0);
    stop.stop();
    wait::join(run, "the end of the capture").unwrap();
}

/// The kernel drops frames that do not fit into its buffer, and the counter counts them.
#[test]
fn dropped_frames_are_counted() {
    let Some(radio) = radio() else { return };
    let settings = CaptureSettings { buffer_bytes: 64 << 10, ..CaptureSettings::default() };
    let capture = Capture::open(&source(&radio), &settings).unwrap();
    let (counters, stop) = (capture.counters(), capture.stop_handle());
    for sequence in 0..2000 {
        radio.transmit(&frame(4, sequence));
    }
    let run = thread::spawn(move || capture.run(|_| ControlFlow::Continue(())));
    // The capture reads the drop counter also while no frames arrive.
    let total = || counters.probe_requests.load(Relaxed) + counters.kernel_dropped.load(Relaxed);
    wait_until("every frame to be seen or dropped", || (total() >= 2000).then_some(()));
    assert!(counters.kernel_dropped.load(Relaxed) > 0, "{counters:?}");
    assert_eq!(total(), 2000);
    stop.stop();
    wait::join(run, "the end of the capture").unwrap();
}

#[test]
fn a_removed_interface_ends_the_capture_with_its_name() {
    let Some(radio) = radio() else { return };
    let capture = Capture::open(&source(&radio), &CaptureSettings::default()).unwrap();
    let (sender, frames) = mpsc::channel();
    let run = thread::spawn(move || {
        capture.run(|frame| {
            sender.send(frame.probe_request.sequence).unwrap();
            ControlFlow::Continue(())
        })
    });
    radio.transmit(&frame(4, 7));
    assert_eq!(wait::receive(&frames, "a frame"), 7);
    let name = radio.name().to_owned();
    drop(radio);
    let error = wait::join(run, "the end of the capture").unwrap_err();
    assert!(matches!(&error, CaptureError::InterfaceLost { interface, .. } if *interface == name), "{error}");
}

#[test]
fn an_interface_set_down_ends_the_capture() {
    let Some(radio) = radio() else { return };
    let capture = Capture::open(&source(&radio), &CaptureSettings::default()).unwrap();
    let run = thread::spawn(move || capture.run(|_| ControlFlow::Continue(())));
    radio.set_up(false).unwrap();
    wait_until("the capture ends", || run.is_finished().then_some(()));
    let error = wait::join(run, "the end of the capture").unwrap_err();
    assert!(matches!(error, CaptureError::InterfaceDown { .. }), "{error}");
}

#[test]
fn an_ethernet_interface_is_refused() {
    if !require::tap_allowed() {
        return;
    }
    let radio = TapRadio::unique_ethernet("pweth").unwrap();
    let error = Capture::open(&source(&radio), &CaptureSettings::default()).unwrap_err();
    assert!(matches!(&error, CaptureError::NoWifiInterface { .. }), "{error}");
    let message = with_remedy(&error, error.remedy());
    assert!(
        message.contains(&format!("{} is not a Wi-Fi interface: it delivers EN10MB", radio.name())),
        "{message}"
    );
    // The interface may be the machine's only way to the internet, so the remedy must not take it down.
    assert!(!message.contains("ip link set"), "{message}");
}

#[test]
fn an_interface_that_is_down_is_refused() {
    let Some(radio) = radio() else { return };
    radio.set_up(false).unwrap();
    let outcome = Capture::open(&source(&radio), &CaptureSettings::default());
    assert!(matches!(&outcome, Err(CaptureError::InterfaceDown { .. })), "{outcome:?}");
}

#[test]
fn idle_capture_loop_iterates() {
    let Some(radio) = radio() else { return };
    let capture = Capture::open(&source(&radio), &CaptureSettings::default()).unwrap();
    let (counters, stop) = (capture.counters(), capture.stop_handle());
    let run = thread::spawn(move || capture.run(|_| ControlFlow::Continue(())));
    let begun =
        wait_until("the first iteration", || counters.loop_iterations().filter(|iterations| *iterations > 0));
    wait_until("further iterations", || {
        counters.loop_iterations().filter(|iterations| *iterations > begun + 2)
    });
    stop.stop();
    wait::join(run, "the end of the capture").unwrap();
}
