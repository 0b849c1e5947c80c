//! The sources of frames: whether they are there, are 802.11, and give frames.

use std::ops::ControlFlow;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use super::finding::Finding;
use crate::capture::monitor::{Monitor, MonitorError};
use crate::capture::{Capture, CaptureError, Settings, Source};
use crate::chat::reply::{Condition, SensorStatus};
use crate::config;
use crate::event::Timestamp;

/// How long a frame is waited for. Access points send some ten a second each.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether one came.
const LOOK: Duration = Duration::from_millis(20);

/// How long ago the last frame of a running service may be to need no look of one's own.
const RECENT: Duration = Duration::from_secs(60);

/// What a look of one's own at a source saw.
#[derive(Debug)]
pub(super) enum Seen {
    /// It opened, delivers this, and had frames or not.
    Opened {
        link_type: String,
        has_frames: bool,
    },
    Failed(CaptureError),
    /// The service would not put it into monitor mode.
    Refused(MonitorError),
    /// The service will put it into monitor mode, or bring it up.
    Ready,
    /// It cannot be looked at without taking something away.
    Unseen(&'static str),
}

/// Looks at all sources at once; `sensors` are those of a running service.
pub(super) fn look(sources: &[config::Source], sensors: Option<&[SensorStatus]>) -> Vec<Finding> {
    if sources.is_empty() {
        let remedy = "set capture.sources, for example to [\"mon0\"]";
        return vec![Finding::broken("Sources", "there are none: nothing would be heard", remedy)];
    }
    thread::scope(|scope| {
        let looking: Vec<_> =
            sources.iter().map(|source| scope.spawn(move || look_at(source, sensors))).collect();
        let ended = |_| Finding::unknown("Sources", "looking at one ended unexpectedly; this is a bug");
        looking.into_iter().map(|look| look.join().unwrap_or_else(ended)).collect()
    })
}

fn look_at(configured: &config::Source, sensors: Option<&[SensorStatus]>) -> Finding {
    let source = &configured.origin;
    match sensors {
        None => unheard(source, prospect(configured).unwrap_or_else(|| see(source))),
        Some(sensors) => match sensors.iter().find(|sensor| sensor.name == configured.name) {
            Some(sensor) => {
                let now = Timestamp::now();
                heard(source, sensor, now).unwrap_or_else(|| silent(source, sensor, now, see(source)))
            }
            None => Finding::broken(
                about(source),
                "the service that runs does not hear it",
                "restart the service, so that it reads the configuration anew",
            ),
        },
    }
}

fn about(source: &Source) -> String {
    format!("Source {source}")
}

/// What will become of an interface that is not yet as the service wants it, or never can be.
fn prospect(configured: &config::Source) -> Option<Seen> {
    let (Source::Interface(interface), Some(settings)) = (&configured.origin, &configured.monitor) else {
        return None;
    };
    match Monitor::would_change(interface, settings) {
        // It is looked at as it is.
        Ok(false) => None,
        Ok(true) => Some(Seen::Ready),
        // One that this user may not ask.
        Err(error) if error.is_probewatch() => Some(Seen::Unseen("a probewatch that runs listens with it")),
        Err(error) => Some(Seen::Refused(error)),
    }
}

/// Opens the source and waits for a frame of any kind.
fn see(source: &Source) -> Seen {
    match source {
        Source::Stdin => return Seen::Unseen("standard input is looked at by `probewatch run` alone"),
        Source::Command(_) => return Seen::Unseen("a command is started by `probewatch run` alone"),
        Source::File(path) if is_pipe(path) => {
            return Seen::Unseen("it is a pipe: what is read from it would be missing later");
        }
        _ => {}
    }
    let capture = match Capture::open(source, &Settings { every_frame: true, ..Settings::default() }) {
        Ok(capture) => capture,
        Err(error) => return Seen::Failed(error),
    };
    let (counters, stop) = (capture.counters(), capture.stop_handle());
    let link_type = capture.link_type().to_string();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + PATIENCE;
            while counters.frames.load(Relaxed) == 0 && Instant::now() < deadline {
                thread::sleep(LOOK);
            }
            stop.stop();
        });
        capture.run(|_| ControlFlow::Break(()))
    });
    match outcome {
        Err(error) if counters.frames.load(Relaxed) == 0 => Seen::Failed(error),
        _ => Seen::Opened { link_type, has_frames: counters.frames.load(Relaxed) > 0 },
    }
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

/// What a look of one's own means.
fn unheard(source: &Source, seen: Seen) -> Finding {
    let about = about(source);
    match (seen, source) {
        (Seen::Opened { link_type, has_frames: true }, _) => {
            Finding::fine(about, format!("delivers 802.11 frames ({link_type})"))
        }
        (Seen::Opened { link_type, .. }, Source::Interface(interface)) => {
            let seconds = PATIENCE.as_secs();
            Finding::broken(
                about,
                format!("is open ({link_type}), and gave no frame within {seconds} s"),
                format!(
                    "set a channel that is in use: sudo iw dev {interface} set channel 6; and keep \
                     NetworkManager away: sudo nmcli device set {interface} managed no"
                ),
            )
        }
        (Seen::Opened { link_type, .. }, _) => {
            Finding::broken(about, format!("holds no frame ({link_type})"), "give another capture file")
        }
        (Seen::Failed(error), _) => Finding::of_error(about, &error, "mend capture.sources, or the source"),
        (Seen::Refused(error), _) => {
            Finding::of_error(about, &error, "mend capture.sources, or the interface")
        }
        (Seen::Ready, _) => Finding::fine(about, "the service can put it into monitor mode when it starts"),
        (Seen::Unseen(why), _) => Finding::unknown(about, why),
    }
}

/// What the service says of a source, where that is enough.
fn heard(source: &Source, sensor: &SensorStatus, now: Timestamp) -> Option<Finding> {
    let about = about(source);
    match &sensor.condition {
        Condition::Hearing => {
            let is_recent = sensor.last_frame.is_some_and(|last| last > now.earlier_by(RECENT));
            is_recent.then(|| Finding::fine(about, "the service hears it, a frame within the last minute"))
        }
        Condition::Opening => Some(Finding::unknown(about, "the service waits for its first bytes")),
        Condition::Over => Some(Finding::fine(about, "the service has read it to its end")),
        Condition::Failed(why) => {
            Some(Finding::of_error(about, why, "see to it; the service tries again by itself"))
        }
        Condition::Broken => Some(Finding::broken(
            about,
            "hearing it ended by a fault of the program",
            "restart the service, and look into its log for why",
        )),
    }
}

/// A source that the service hears, and that has given no frame for a while.
fn silent(source: &Source, sensor: &SensorStatus, now: Timestamp, seen: Seen) -> Finding {
    let last = match sensor.last_frame {
        Some(last) => {
            let seconds = (now.as_micros() - last.as_micros()).max(0) / 1_000_000;
            format!("the service hears it, and the last probe request was {seconds} s ago")
        }
        None => "the service hears it, and there was no probe request yet".to_owned(),
    };
    match seen {
        Seen::Opened { has_frames: true, .. } => {
            Finding::fine(about(source), format!("{last}; other frames come"))
        }
        seen @ Seen::Opened { .. } => unheard(source, seen),
        Seen::Failed(_) | Seen::Refused(_) | Seen::Ready | Seen::Unseen(_) => {
            Finding::unknown(about(source), last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensor(condition: Condition, last_frame: Option<i64>) -> SensorStatus {
        let json = serde_json::json!({
            "name": "mon0", "condition": condition, "last_frame": last_frame.map(Timestamp::from_micros),
            "frames": 7, "undecodable": 0, "bad_fcs": 0, "dropped": 0, "restarts": 0, "clock_is_behind": false,
        });
        serde_json::from_value(json).unwrap()
    }

    fn opened(has_frames: bool) -> Seen {
        Seen::Opened { link_type: "radiotap".to_owned(), has_frames }
    }

    #[test]
    fn what_was_seen_of_a_source_is_told() {
        let mon0 = &Source::Interface("mon0".to_owned());
        let down = || CaptureError::InterfaceDown { interface: "mon0".to_owned() };
        let switched_off = MonitorError::SoftBlocked { interface: "mon0".to_owned() };
        let now = Timestamp::from_micros(1_000_000_000);
        let service = |condition, last_frame| heard(mon0, &sensor(condition, last_frame), now).unwrap();
        let quiet = |last_frame, seen| {
            let sensor = sensor(Condition::Hearing, last_frame);
            assert_eq!(heard(mon0, &sensor, now), None);
            silent(mon0, &sensor, now, seen)
        };
        let findings = [
            unheard(mon0, opened(true)),
            unheard(mon0, opened(false)),
            unheard(mon0, Seen::Failed(down())),
            unheard(&Source::file("/tmp/empty.pcap"), opened(false)),
            unheard(&Source::Stdin, see(&Source::Stdin)),
            unheard(mon0, Seen::Ready),
            unheard(mon0, Seen::Refused(switched_off)),
            service(Condition::Hearing, Some(990_000_000)),
            service(Condition::Over, None),
            service(Condition::Failed("it is gone; is it plugged in?".to_owned()), None),
            service(Condition::Broken, None),
            quiet(Some(100_000_000), opened(true)),
            quiet(None, opened(false)),
            quiet(None, Seen::Failed(down())),
        ];
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        ✓ Source mon0: delivers 802.11 frames (radiotap)
        ✗ Source mon0: is open (radiotap), and gave no frame within 5 s
            → set a channel that is in use: sudo iw dev mon0 set channel 6; and keep NetworkManager away: sudo nmcli device set mon0 managed no
        ✗ Source mon0: cannot capture on mon0: it is down
            → bring it up: ip link set mon0 up
        ✗ Source /tmp/empty.pcap: holds no frame (radiotap)
            → give another capture file
        ! Source -: standard input is looked at by `probewatch run` alone
        ✓ Source mon0: the service can put it into monitor mode when it starts
        ✗ Source mon0: the radio of mon0 is switched off
            → turn it on: sudo rfkill unblock wifi
        ✓ Source mon0: the service hears it, a frame within the last minute
        ✓ Source mon0: the service has read it to its end
        ✗ Source mon0: it is gone
            → is it plugged in?
        ✗ Source mon0: hearing it ended by a fault of the program
            → restart the service, and look into its log for why
        ✓ Source mon0: the service hears it, and the last probe request was 900 s ago; other frames come
        ✗ Source mon0: is open (radiotap), and gave no frame within 5 s
            → set a channel that is in use: sudo iw dev mon0 set channel 6; and keep NetworkManager away: sudo nmcli device set mon0 managed no
        ! Source mon0: the service hears it, and there was no probe request yet
        ");
    }
}
