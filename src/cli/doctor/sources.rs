//! The sources of frames: whether they are there, are 802.11, and give frames.

use std::ops::ControlFlow;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::finding::Finding;
use crate::capture::monitor::{Monitor, MonitorError};
use crate::capture::{Capture, CaptureError, Counters, Settings, Source, StopHandle};
use crate::config::Source as Configured;
use crate::event::Timestamp;
use crate::status::{SourceState, SourceStatus};

/// How long a frame is waited for. Access points send some ten a second each.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether one came.
const LOOK: Duration = Duration::from_millis(20);

/// How long the last words of a command may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a command names that needs a file which systemd gives only to the service (systemd.exec(5)).
const CREDENTIALS: &str = "/run/credentials/";

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
    /// A command ended, or could not be run; with what it wrote last to standard error.
    CommandFailed {
        error: CaptureError,
        said: Option<String>,
    },
    /// A command ran, and gave nothing at all.
    Silent {
        said: Option<String>,
    },
    /// The service would not put it into monitor mode.
    Refused(MonitorError),
    /// The service will put it into monitor mode, or bring it up.
    Ready,
    /// A probewatch that runs made this monitor interface beside it.
    Monitored {
        monitor: String,
    },
    /// It cannot be looked at without taking something away.
    Unseen(&'static str),
}

/// Looks at all sources at once; `sensors` are those of a running service.
pub(super) fn look(sources: &[Configured], sensors: Option<&[SourceStatus]>) -> Vec<Finding> {
    if sources.is_empty() {
        let remedy = "set capture.sources, for example to [\"mon0\"]";
        return vec![Finding::broken("Sources", "there are none: nothing would be heard", remedy)];
    }
    thread::scope(|scope| {
        let looking: Vec<_> = (0..sources.len())
            .zip(sources)
            .map(|(place, source)| {
                scope.spawn(move || match sensors {
                    None => unheard(source, prospect(source).unwrap_or_else(|| see(&source.origin))),
                    Some(sensors) => of_service(source, sensor_of(place, sources, sensors)),
                })
            })
            .collect();
        let ended = |_| Finding::unknown("Sources", "looking at one ended unexpectedly; this is a bug");
        looking.into_iter().map(|look| look.join().unwrap_or_else(ended)).collect()
    })
}

/// The sensor of the source at this place of the configuration. A service that has not read a changed
/// configuration yet has it elsewhere: there it is found by its name, where only one is called so.
fn sensor_of<'a>(
    place: usize,
    sources: &[Configured],
    sensors: &'a [SourceStatus],
) -> Option<&'a SourceStatus> {
    let name = &sources.get(place)?.name;
    let at_place = sensors.get(place).filter(|sensor| sensor.name == *name);
    let mut of_name = sensors.iter().filter(|sensor| sensor.name == *name);
    let is_alone = sources.iter().filter(|source| source.name == *name).count() == 1;
    at_place.or_else(|| of_name.next().filter(|_| is_alone && of_name.next().is_none()))
}

/// What a running service tells of a source, and a look of one's own where that does not say enough.
fn of_service(source: &Configured, sensor: Option<&SourceStatus>) -> Finding {
    let Some(sensor) = sensor else {
        return Finding::broken(
            about(source),
            "the service that runs does not hear it",
            "restart the service, so that it reads the configuration anew",
        );
    };
    let now = Timestamp::now();
    heard(source, sensor, now).unwrap_or_else(|| {
        let seen = match &source.origin {
            Source::Command(_) => Seen::Unseen("the service runs the command already"),
            origin => match prospect(source) {
                // The managed interface is down; what the service made beside it is listened to.
                Some(Seen::Monitored { monitor }) => {
                    return hopped(source, sensor, now, see(&Source::Interface(monitor)));
                }
                Some(other) => other,
                None => see(origin),
            },
        };
        silent(source, sensor, now, seen)
    })
}

fn about(source: &Configured) -> String {
    format!("Source {}", source.name)
}

/// What will become of an interface that is not yet as the service wants it, or never can be.
fn prospect(configured: &Configured) -> Option<Seen> {
    let (Source::Interface(interface), Some(settings)) = (&configured.origin, &configured.monitor) else {
        return None;
    };
    let outcome = Monitor::would_change(interface, settings);
    let is_probewatch = outcome.as_ref().is_err_and(MonitorError::is_own_monitor_interface);
    match outcome {
        // It is looked at as it is.
        Ok(false) => None,
        Ok(true) => Some(Seen::Ready),
        // One that this user may not ask.
        Err(MonitorError::AlreadyMonitored { monitor, .. }) if is_probewatch => {
            Some(Seen::Monitored { monitor })
        }
        Err(error) => Some(Seen::Refused(error)),
    }
}

/// Opens the source and waits for a frame of any kind. A command is run for that, and ended.
fn see(source: &Source) -> Seen {
    match source {
        Source::Stdin => return Seen::Unseen("standard input is looked at by `probewatch run` alone"),
        Source::Command(command) if command.contains(CREDENTIALS) => {
            return Seen::Unseen("the command needs what systemd gives only to the service: start that");
        }
        Source::File(path) if is_pipe(path) => {
            return Seen::Unseen("it is a pipe: what is read from it would be missing later");
        }
        _ => {}
    }
    let (stop, counters, is_over) = (StopHandle::default(), OnceLock::new(), AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + PATIENCE;
            while !has_frames(&counters) && !is_over.load(Relaxed) && Instant::now() < deadline {
                thread::sleep(LOOK);
            }
            stop.stop();
        });
        let begun = Instant::now();
        let settings = Settings { all_frames: true, ..Settings::default() };
        // Who listens no longer has seen enough.
        let tell = move |line: &str| drop(tell.send(line.to_owned()));
        let outcome = Capture::open_with(source, &settings, &stop, tell).and_then(|capture| {
            let link_type = capture.link_type().to_string();
            let _ = counters.set(capture.counters());
            // A frame that ends it has been counted.
            let ended = capture.run(|_| ControlFlow::Break(()));
            let has_frames = has_frames(&counters);
            if has_frames { Ok(()) } else { ended }.map(|()| Seen::Opened { link_type, has_frames })
        });
        is_over.store(true, Relaxed);
        outcome.map_err(|error| (error, begun.elapsed() >= PATIENCE))
    });
    match (seen, source) {
        (Ok(seen), _) => seen,
        (Err((_, true)), Source::Command(_)) => Seen::Silent { said: last_line(&told) },
        (Err((error, false)), Source::Command(_)) => Seen::CommandFailed { error, said: last_line(&told) },
        (Err((error, _)), _) => Seen::Failed(error),
    }
}

fn has_frames(counters: &OnceLock<Arc<Counters>>) -> bool {
    counters.get().is_some_and(|counters| counters.frames.load(Relaxed) > 0)
}

/// What a command that has ended wrote last to standard error.
fn last_line(told: &Receiver<String>) -> Option<String> {
    let deadline = Instant::now() + LAST_WORDS;
    let next = || told.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
    std::iter::from_fn(next).last()
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

/// What a look of one's own means.
fn unheard(source: &Configured, seen: Seen) -> Finding {
    let (about, seconds) = (about(source), PATIENCE.as_secs());
    match (seen, &source.origin) {
        (Seen::Opened { link_type, has_frames: true }, Source::Command(_)) => Finding::fine(
            about,
            format!("delivers 802.11 frames ({link_type}); the command was run for this look, and ended"),
        ),
        (Seen::Opened { link_type, .. }, Source::Command(_)) => Finding::unknown(
            about,
            format!(
                "the command was run for {seconds} s and ended: it works ({link_type}), and gave no frame, which may be \
                 where it lets only probe requests through"
            ),
        ),
        (Seen::Opened { link_type, has_frames: true }, _) => {
            Finding::fine(about, format!("delivers 802.11 frames ({link_type})"))
        }
        (Seen::Opened { link_type, .. }, Source::Interface(interface)) => Finding::broken(
            about,
            format!("is open ({link_type}), and gave no frame within {seconds} s"),
            format!(
                "set a channel that is in use: sudo iw dev {interface} set channel 6; and keep \
                 NetworkManager away: sudo nmcli device set {interface} managed no"
            ),
        ),
        (Seen::Opened { link_type, .. }, _) => {
            Finding::broken(about, format!("holds no frame ({link_type})"), "give another capture file")
        }
        (Seen::CommandFailed { error, said }, _) => Finding::broken(
            about,
            format!("{error}{}", quoted(said)),
            "run the command by hand, as the user that the service runs as, and mend what it says",
        ),
        (Seen::Silent { said }, _) => Finding::broken(
            about,
            format!("the command was run for {seconds} s and ended, and gave nothing{}", quoted(said)),
            "run it by hand: it may wait for a password or to know a host; tcpdump needs -U, so that it writes at once",
        ),
        (Seen::Failed(error), _) => {
            let remedy = error.remedy().unwrap_or("mend capture.sources, or the source".into());
            Finding::broken(about, error.to_string(), remedy)
        }
        (Seen::Refused(error), _) => {
            let remedy = error.remedy().unwrap_or("mend capture.sources, or the interface".into());
            Finding::broken(about, error.to_string(), remedy)
        }
        (Seen::Ready, _) => Finding::unknown(
            about,
            "it was not listened to: it is not in monitor mode, or down; the service sees to that",
        )
        .with_remedy("start the service, and run this command again"),
        (Seen::Monitored { .. }, _) => Finding::unknown(about, "a probewatch that runs listens with it"),
        (Seen::Unseen(why), _) => Finding::unknown(about, why),
    }
}

/// What a command said, behind what is told of it.
fn quoted(said: Option<String>) -> String {
    said.map_or(String::new(), |said| format!("; it says: {said}"))
}

/// What the service says of a source, where that is enough.
fn heard(source: &Configured, sensor: &SourceStatus, now: Timestamp) -> Option<Finding> {
    let about = about(source);
    match (&sensor.condition, &source.origin) {
        (SourceState::Capturing, _) => {
            let is_recent = sensor.last_frame.is_some_and(|last| last > now.saturating_sub(RECENT));
            is_recent.then(|| Finding::fine(about, "the service hears it, a frame within the last minute"))
        }
        (SourceState::Opening, _) => Some(Finding::unknown(about, "the service waits for its first bytes")),
        (SourceState::Ended, _) => Some(Finding::fine(about, "the service has read it to its end")),
        (SourceState::Failed(why), _) => {
            Some(Finding::broken(about, why, sensor.remedy.as_deref().unwrap_or(SEE_TO_IT)))
        }
        (SourceState::Crashed, _) => Some(Finding::broken(
            about,
            "hearing it ended by a fault of the program",
            "restart the service, and look into its log for why",
        )),
    }
}

const SEE_TO_IT: &str = "see to it; the service tries again by itself";

/// A source that the service hears, and that has given no frame for a while.
fn silent(source: &Configured, sensor: &SourceStatus, now: Timestamp, seen: Seen) -> Finding {
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
        Seen::Failed(_)
        | Seen::CommandFailed { .. }
        | Seen::Silent { .. }
        | Seen::Refused(_)
        | Seen::Ready
        | Seen::Monitored { .. }
        | Seen::Unseen(_) => Finding::unknown(about(source), last),
    }
}

/// A managed interface that gave the service no frame for a while; `seen` is of the monitor interface beside it.
fn hopped(source: &Configured, sensor: &SourceStatus, now: Timestamp, seen: Seen) -> Finding {
    let seconds = PATIENCE.as_secs();
    match seen {
        Seen::Opened { has_frames: false, .. } if sensor.frames == 0 => Finding::broken(
            about(source),
            format!("the service listens with it, and there was no frame yet, nor any within {seconds} s"),
            "let it listen on channels that are in use (capture.channels), and look at its antenna and its driver",
        ),
        // A round over all channels may take longer than this look.
        Seen::Opened { has_frames: false, .. } => silent(source, sensor, now, Seen::Unseen("")),
        Seen::Failed(CaptureError::NotPermitted { .. }) => silent(source, sensor, now, seen)
            .with_remedy("run this command with sudo, so that it may listen too"),
        seen => silent(source, sensor, now, seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensor(condition: SourceState, last_frame: Option<i64>) -> SourceStatus {
        let json = serde_json::json!({
            "name": "mon0", "condition": condition, "last_frame": last_frame.map(Timestamp::from_micros),
            "frames": 7, "undecodable": 0, "bad_fcs": 0, "dropped": 0, "restarts": 0, "clock_is_behind": false,
        });
        serde_json::from_value(json).unwrap()
    }

    fn configured(name: &str, origin: Source) -> Configured {
        Configured { origin, name: name.to_owned(), monitor: None }
    }

    fn opened(has_frames: bool) -> Seen {
        Seen::Opened { link_type: "radiotap".to_owned(), has_frames }
    }

    #[test]
    fn what_was_seen_of_a_source_is_told() {
        let mon0 = &configured("mon0", Source::Interface("mon0".to_owned()));
        let attic = &configured("attic", Source::Command("ssh attic 'a; b'".to_owned()));
        let down = || CaptureError::InterfaceDown { interface: "mon0".to_owned() };
        let switched_off = MonitorError::SoftBlocked { interface: "mon0".to_owned() };
        let now = Timestamp::from_micros(1_000_000_000);
        let service = |condition, last_frame| heard(mon0, &sensor(condition, last_frame), now).unwrap();
        let quiet = |last_frame, seen| {
            let sensor = sensor(SourceState::Capturing, last_frame);
            assert_eq!(heard(mon0, &sensor, now), None);
            silent(mon0, &sensor, now, seen)
        };
        let beside = |frames, seen| {
            let sensor = SourceStatus { frames, ..sensor(SourceState::Capturing, None) };
            hopped(mon0, &sensor, now, seen)
        };
        let gone = SourceStatus {
            remedy: Some("is it plugged in?".to_owned()),
            ..sensor(SourceState::Failed("it is gone".to_owned()), None)
        };
        let findings = [
            unheard(mon0, opened(true)),
            unheard(mon0, opened(false)),
            unheard(mon0, Seen::Failed(down())),
            unheard(&configured("empty.pcap", Source::file("/tmp/empty.pcap")), opened(false)),
            unheard(&configured("stdin", Source::Stdin), see(&Source::Stdin)),
            unheard(attic, opened(true)),
            unheard(attic, opened(false)),
            unheard(attic, Seen::Silent { said: None }),
            unheard(attic, see(&Source::Command("cat /run/credentials/probewatch.service/key".to_owned()))),
            heard(attic, &sensor(SourceState::Failed("the command a; b ended".to_owned()), None), now)
                .unwrap(),
            unheard(mon0, Seen::Ready),
            unheard(mon0, Seen::Refused(switched_off)),
            service(SourceState::Capturing, Some(990_000_000)),
            service(SourceState::Ended, None),
            heard(mon0, &gone, now).unwrap(),
            service(SourceState::Crashed, None),
            quiet(Some(100_000_000), opened(true)),
            quiet(None, opened(false)),
            quiet(None, Seen::Failed(down())),
            beside(0, opened(true)),
            beside(0, opened(false)),
            beside(7, opened(false)),
        ];
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        ✓ Source mon0: delivers 802.11 frames (radiotap)
        ✗ Source mon0: is open (radiotap), and gave no frame within 5 s
            → set a channel that is in use: sudo iw dev mon0 set channel 6; and keep NetworkManager away: sudo nmcli device set mon0 managed no
        ✗ Source mon0: cannot capture on mon0: it is down
            → bring it up: ip link set mon0 up
        ✗ Source empty.pcap: holds no frame (radiotap)
            → give another capture file
        ! Source stdin: standard input is looked at by `probewatch run` alone
        ✓ Source attic: delivers 802.11 frames (radiotap); the command was run for this look, and ended
        ! Source attic: the command was run for 5 s and ended: it works (radiotap), and gave no frame, which may be where it lets only probe requests through
        ✗ Source attic: the command was run for 5 s and ended, and gave nothing
            → run it by hand: it may wait for a password or to know a host; tcpdump needs -U, so that it writes at once
        ! Source attic: the command needs what systemd gives only to the service: start that
        ✗ Source attic: the command a; b ended
            → see to it; the service tries again by itself
        ! Source mon0: it was not listened to: it is not in monitor mode, or down; the service sees to that
            → start the service, and run this command again
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
        ✓ Source mon0: the service hears it, and there was no probe request yet; other frames come
        ✗ Source mon0: the service listens with it, and there was no frame yet, nor any within 5 s
            → let it listen on channels that are in use (capture.channels), and look at its antenna and its driver
        ! Source mon0: the service hears it, and there was no probe request yet
        ");
    }
    #[test]
    fn sources_of_one_name_are_told_apart_by_their_places() {
        let file = |path: &str| configured("a.pcap", Source::file(path));
        let sensor = |name: &str, restarts| SourceStatus {
            name: name.to_owned(),
            restarts,
            ..sensor(SourceState::Ended, None)
        };
        let sources = [file("/one/a.pcap"), configured("mon0", Source::Stdin), file("/two/a.pcap")];
        let restarts = |place, sensors: &[SourceStatus]| {
            sensor_of(place, &sources, sensors).map(|sensor| sensor.restarts)
        };
        let all = [sensor("a.pcap", 1), sensor("mon0", 2), sensor("a.pcap", 3)];
        assert_eq!([0, 1, 2].map(|place| restarts(place, &all)), [Some(1), Some(2), Some(3)]);
        // A service that still has an older configuration.
        let older = [sensor("mon0", 2), sensor("a.pcap", 1)];
        assert_eq!([0, 1, 2].map(|place| restarts(place, &older)), [None, Some(2), None]);
    }

    #[test]
    fn a_command_is_run_and_ended_and_what_it_says_is_told() {
        let failing = "true; echo 'no such host; give up' >&2; echo garbage; exec sleep 1000";
        let failing = see(&Source::Command(failing.to_owned()));
        let failing = unheard(&configured("attic", Source::Command(String::new())), failing);
        let gone = see(&Source::Command("echo 'no such host; give up' >&2; exit 3".to_owned()));
        let gone = unheard(&configured("attic", Source::Command(String::new())), gone);
        insta::assert_snapshot!(format!("{failing}\n{gone}"), @r"
        ✗ Source attic: cannot read the output of true; echo 'no such: it is no capture file; it says: no such host; give up
            → run the command by hand, as the user that the service runs as, and mend what it says
        ✗ Source attic: the command echo 'no such host; ended (exit status: 3); it says: no such host; give up
            → run the command by hand, as the user that the service runs as, and mend what it says
        ");
    }
}
