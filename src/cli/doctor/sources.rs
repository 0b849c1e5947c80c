//! The sources: whether they exist, deliver 802.11 and have frames.

use std::ops::ControlFlow;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use capture::monitor::{Monitor, MonitorError};
use capture::{Capture, CaptureError, CaptureSettings, Counters, Source, StopHandle};
use store::event::Timestamp;

use super::finding::Finding;
use crate::config::ConfiguredSource;
use crate::status::{SourceState, SourceStatus};
use crate::text::format::age;

/// How long to wait for a frame. An access point sends about ten per second.
const FRAME_TIMEOUT: Duration = Duration::from_secs(5);

/// How often to check whether one came.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long the last line of a command's standard error may take to arrive.
const STDERR_TIMEOUT: Duration = Duration::from_secs(2);

/// In a command, the folder of files that systemd gives only to the service (systemd.exec(5)).
const CREDENTIALS: &str = "/run/credentials/";

/// How recent the last frame of a running service must be to need no check of our own.
const RECENT_FRAME: Duration = Duration::from_secs(60);

/// What our own check of a source saw.
#[derive(Debug)]
pub(super) enum Observation {
    /// It opened.
    Opened {
        link_type: String,
        has_frames: bool,
    },
    Failed(CaptureError),
    /// A command ended, or could not be run.
    CommandFailed {
        error: CaptureError,
        last_error_line: Option<String>,
    },
    /// A command ran and wrote nothing to standard output.
    Silent {
        last_error_line: Option<String>,
    },
    /// The service could not put it into monitor mode.
    Refused(MonitorError),
    /// The service will put it into monitor mode, or bring it up.
    Ready,
    /// A running probewatch made this monitor interface for it.
    Monitored {
        monitor: String,
    },
    /// It was not checked, for this reason.
    NotChecked(&'static str),
}

/// Checks all sources at once; `statuses` are those of a running service.
pub(super) fn check(sources: &[ConfiguredSource], statuses: Option<&[SourceStatus]>) -> Vec<Finding> {
    if sources.is_empty() {
        let remedy = "run sudo probewatch setup, or set capture.sources, for example to [\"mon0\"]";
        return vec![Finding::broken("Sources", "none is configured: nothing would be recorded", remedy)];
    }
    thread::scope(|scope| {
        let checks: Vec<_> = (0..sources.len())
            .zip(sources)
            .map(|(index, source)| {
                scope.spawn(move || match statuses {
                    None => {
                        explain(source, planned_change(source).unwrap_or_else(|| observe(&source.origin)))
                    }
                    Some(statuses) => check_with_service(source, status_of(index, sources, statuses)),
                })
            })
            .collect();
        let ended = |_| Finding::unknown("Sources", "a check ended unexpectedly; this is a bug");
        checks.into_iter().map(|check| check.join().unwrap_or_else(ended)).collect()
    })
}

/// The status of the source at this index of the configuration. A service that has not read a changed configuration
/// yet has it at another index: it is found by its name if that is unique.
fn status_of<'a>(
    index: usize,
    sources: &[ConfiguredSource],
    statuses: &'a [SourceStatus],
) -> Option<&'a SourceStatus> {
    let name = &sources.get(index)?.name;
    let at_index = statuses.get(index).filter(|status| status.name == *name);
    let mut of_name = statuses.iter().filter(|status| status.name == *name);
    let is_alone = sources.iter().filter(|source| source.name == *name).count() == 1;
    at_index.or_else(|| of_name.next().filter(|_| is_alone && of_name.next().is_none()))
}

/// Checks a source by its status in a running service, and itself if that does not say enough.
fn check_with_service(source: &ConfiguredSource, status: Option<&SourceStatus>) -> Finding {
    let Some(status) = status else {
        return Finding::broken(
            check_name(source),
            "the running service does not capture it",
            "restart the service, which then reads the changed configuration",
        );
    };
    let now = Timestamp::now();
    explain_status(source, status, now).unwrap_or_else(|| {
        let observation = match &source.origin {
            Source::Command(_) => Observation::NotChecked("the service already runs the command"),
            origin => match planned_change(source) {
                // The managed interface is down; the monitor interface that the service made for it is checked.
                Some(Observation::Monitored { monitor }) => {
                    return explain_hopping(source, status, now, observe(&Source::Interface(monitor)));
                }
                Some(other) => other,
                None => observe(origin),
            },
        };
        explain_idle(source, status, now, observation)
    })
}

fn check_name(source: &ConfiguredSource) -> String {
    format!("Source {}", source.name)
}

/// What the service will do about an interface before it captures on it; `None`: nothing.
fn planned_change(configured: &ConfiguredSource) -> Option<Observation> {
    let (Source::Interface(interface), Some(settings)) = (&configured.origin, &configured.monitor) else {
        return None;
    };
    let outcome = Monitor::would_change(interface, settings);
    let is_probewatch = outcome.as_ref().is_err_and(MonitorError::is_own_monitor_interface);
    match outcome {
        // It is checked as it is.
        Ok(false) => None,
        Ok(true) => Some(Observation::Ready),
        // One whose service this user may not ask.
        Err(MonitorError::AlreadyMonitored { monitor, .. }) if is_probewatch => {
            Some(Observation::Monitored { monitor })
        }
        Err(error) => Some(Observation::Refused(error)),
    }
}

/// Opens the source and waits for a frame of any kind. A command is run for that, and stopped.
fn observe(source: &Source) -> Observation {
    match source {
        Source::Stdin => return Observation::NotChecked("only `probewatch run` reads standard input"),
        Source::Command(command) if command.contains(CREDENTIALS) => {
            return Observation::NotChecked(
                "the command needs credentials that systemd gives only to the service: start that",
            );
        }
        Source::File(path) if is_pipe(path) => {
            return Observation::NotChecked(
                "it is a pipe: what this check read would be missing from the service",
            );
        }
        _ => {}
    }
    let (stop, counters, is_over) = (StopHandle::default(), OnceLock::new(), AtomicBool::new(false));
    let (sender, lines) = mpsc::channel();
    let observation = thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + FRAME_TIMEOUT;
            while !has_frames(&counters) && !is_over.load(Relaxed) && Instant::now() < deadline {
                thread::sleep(POLL_INTERVAL);
            }
            stop.stop();
        });
        let begun = Instant::now();
        let settings = CaptureSettings { all_frames: true, ..CaptureSettings::default() };
        // Nobody receives once the check has seen enough.
        let send_line = move |line: &str| drop(sender.send(line.to_owned()));
        let outcome = Capture::open_with(source, &settings, &stop, send_line).and_then(|capture| {
            let link_type = capture.link_type().to_string();
            let _ = counters.set(capture.counters());
            // The frame that ends it was counted.
            let ended = capture.run(|_| ControlFlow::Break(()));
            let has_frames = has_frames(&counters);
            if has_frames { Ok(()) } else { ended }.map(|()| Observation::Opened { link_type, has_frames })
        });
        is_over.store(true, Relaxed);
        outcome.map_err(|error| (error, begun.elapsed() >= FRAME_TIMEOUT))
    });
    match (observation, source) {
        (Ok(observation), _) => observation,
        (Err((_, true)), Source::Command(_)) => Observation::Silent { last_error_line: last_line(&lines) },
        (Err((error, false)), Source::Command(_)) => {
            Observation::CommandFailed { error, last_error_line: last_line(&lines) }
        }
        (Err((error, _)), _) => Observation::Failed(error),
    }
}

fn has_frames(counters: &OnceLock<Arc<Counters>>) -> bool {
    counters.get().is_some_and(|counters| counters.frames.load(Relaxed) > 0)
}

/// The last line that a command, which has ended, wrote to standard error.
fn last_line(lines: &Receiver<String>) -> Option<String> {
    let deadline = Instant::now() + STDERR_TIMEOUT;
    let next = || lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
    std::iter::from_fn(next).last()
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

/// What an observation means.
fn explain(source: &ConfiguredSource, observation: Observation) -> Finding {
    let (check, seconds) = (check_name(source), FRAME_TIMEOUT.as_secs());
    match (observation, &source.origin) {
        (Observation::Opened { link_type, has_frames: true }, Source::Command(_)) => Finding::ok(
            check,
            format!("delivers 802.11 frames ({link_type}); this check ran the command and stopped it"),
        ),
        (Observation::Opened { link_type, .. }, Source::Command(_)) => Finding::unknown(
            check,
            format!(
                "the command works ({link_type}), but delivered no frame in {seconds} s; that is normal if it lets \
                 only probe requests through"
            ),
        ),
        (Observation::Opened { link_type, has_frames: true }, _) => {
            Finding::ok(check, format!("delivers 802.11 frames ({link_type})"))
        }
        (Observation::Opened { link_type, .. }, Source::Interface(interface)) => Finding::broken(
            check,
            format!("opened ({link_type}), but delivered no frame in {seconds} s"),
            format!(
                "set a channel that is in use: sudo iw dev {interface} set channel 6; and keep \
                 NetworkManager away: sudo nmcli device set {interface} managed no"
            ),
        ),
        (Observation::Opened { link_type, .. }, _) => {
            Finding::broken(check, format!("contains no frames ({link_type})"), "use another capture file")
        }
        (Observation::CommandFailed { error, last_error_line }, _) => Finding::broken(
            check,
            format!("{error}{}", quoted(last_error_line)),
            "run the command by hand as the user of the service, and fix what it reports",
        ),
        (Observation::Silent { last_error_line }, _) => Finding::broken(
            check,
            format!("the command wrote nothing in {seconds} s{}", quoted(last_error_line)),
            "run it by hand: it may be waiting for a password or a host key; tcpdump needs -U to write at once",
        ),
        (Observation::Failed(error), _) => {
            let remedy = error.remedy().unwrap_or("fix capture.sources or the source".into());
            Finding::broken(check, error.to_string(), remedy)
        }
        (Observation::Refused(error), _) => {
            let remedy = error.remedy().unwrap_or("fix capture.sources or the interface".into());
            Finding::broken(check, error.to_string(), remedy)
        }
        (Observation::Ready, _) => Finding::unknown(
            check,
            "not tried: it is down or not in monitor mode, which the service will change",
        )
        .with_remedy("start the service, and run this command again"),
        (Observation::Monitored { .. }, _) => Finding::unknown(check, "a running probewatch captures on it"),
        (Observation::NotChecked(why), _) => Finding::unknown(check, why),
    }
}

/// What a command reports, to append to a summary.
fn quoted(last_error_line: Option<String>) -> String {
    last_error_line.map_or(String::new(), |line| format!("; it says: {line}"))
}

/// What the status in the service means, if that is enough.
fn explain_status(source: &ConfiguredSource, status: &SourceStatus, now: Timestamp) -> Option<Finding> {
    let check = check_name(source);
    if let Some(failure) = &status.hopping_failure {
        let remedy = failure.remedy.as_deref().unwrap_or(GENERAL_REMEDY);
        return Some(Finding::broken(check, format!("it stays on one channel: {}", failure.why), remedy));
    }
    match (&status.condition, &source.origin) {
        (SourceState::Capturing, _) => {
            let is_recent = status.last_frame.is_some_and(|last| last > now.saturating_sub(RECENT_FRAME));
            is_recent.then(|| Finding::ok(check, "the service receives frames, the last within a minute"))
        }
        (SourceState::Opening, _) => Some(Finding::unknown(check, "the service waits for its first bytes")),
        (SourceState::Ended, _) => Some(Finding::ok(check, "the service has read it to its end")),
        (SourceState::Failed(why), _) => {
            Some(Finding::broken(check, why, status.remedy.as_deref().unwrap_or(GENERAL_REMEDY)))
        }
        (SourceState::Crashed, _) => Some(Finding::broken(
            check,
            "capturing from it stopped because of a bug",
            "restart the service; its log may say why",
        )),
    }
}

const GENERAL_REMEDY: &str = "see the service's log, and remove the cause; the service retries by itself";

/// A source that the service captures, and that has delivered no frame for a while.
fn explain_idle(
    source: &ConfiguredSource,
    status: &SourceStatus,
    now: Timestamp,
    observation: Observation,
) -> Finding {
    let last = match status.last_frame {
        Some(last) => {
            format!("the service captures it; the last probe request came {}", age(last, now))
        }
        None => "the service captures it; there was no probe request yet".to_owned(),
    };
    match observation {
        Observation::Opened { has_frames: true, .. } => {
            Finding::ok(check_name(source), format!("{last}; other frames arrive"))
        }
        observation @ Observation::Opened { .. } => explain(source, observation),
        Observation::Failed(_)
        | Observation::CommandFailed { .. }
        | Observation::Silent { .. }
        | Observation::Refused(_)
        | Observation::Ready
        | Observation::Monitored { .. }
        | Observation::NotChecked(_) => Finding::unknown(check_name(source), last),
    }
}

/// A managed interface that has delivered no frame for a while; the observation is of its monitor interface.
fn explain_hopping(
    source: &ConfiguredSource,
    status: &SourceStatus,
    now: Timestamp,
    observation: Observation,
) -> Finding {
    let seconds = FRAME_TIMEOUT.as_secs();
    match observation {
        Observation::Opened { has_frames: false, .. } if status.frames == 0 => Finding::broken(
            check_name(source),
            format!("the service captures on it, but no frame has come yet, nor one within {seconds} s"),
            "let it listen to channels that are in use (capture.channels), and check its antenna and driver",
        ),
        // A round over all channels may take longer than this check.
        Observation::Opened { has_frames: false, .. } => {
            explain_idle(source, status, now, Observation::NotChecked(""))
        }
        Observation::Failed(CaptureError::NotPermitted { .. }) => {
            explain_idle(source, status, now, observation)
                .with_remedy("run this command with sudo, so that it can capture too")
        }
        observation => explain_idle(source, status, now, observation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::HoppingFailure;

    fn status(condition: SourceState, last_frame: Option<i64>) -> SourceStatus {
        let last_frame = last_frame.map(Timestamp::from_micros);
        SourceStatus { last_frame, frames: 7, ..SourceStatus::example("mon0", condition) }
    }

    fn configured(name: &str, origin: Source) -> ConfiguredSource {
        ConfiguredSource { origin, name: name.to_owned(), monitor: None, buffer_bytes: 8 << 20 }
    }

    fn opened(has_frames: bool) -> Observation {
        Observation::Opened { link_type: "radiotap".to_owned(), has_frames }
    }

    #[test]
    fn explains_what_was_observed_of_a_source() {
        let mon0 = &configured("mon0", Source::Interface("mon0".to_owned()));
        let attic = &configured("attic", Source::Command("ssh attic 'a; b'".to_owned()));
        let down = || CaptureError::InterfaceDown { interface: "mon0".to_owned() };
        let switched_off = MonitorError::SoftBlocked { interface: "mon0".to_owned() };
        let now = Timestamp::from_micros(1_000_000_000);
        let service =
            |condition, last_frame| explain_status(mon0, &status(condition, last_frame), now).unwrap();
        let quiet = |last_frame, observation| {
            let status = status(SourceState::Capturing, last_frame);
            assert_eq!(explain_status(mon0, &status, now), None);
            explain_idle(mon0, &status, now, observation)
        };
        let beside = |frames, observation| {
            let status = SourceStatus { frames, ..status(SourceState::Capturing, None) };
            explain_hopping(mon0, &status, now, observation)
        };
        let gone = SourceStatus {
            remedy: Some("is it plugged in?".to_owned()),
            ..status(SourceState::Failed("it is gone".to_owned()), None)
        };
        let stuck = SourceStatus {
            hopping_failure: Some(HoppingFailure {
                since: now,
                why: "cannot change the channel of mon0: wlan0 is up on the same radio".to_owned(),
                remedy: Some("take it down: ip link set wlan0 down".to_owned()),
            }),
            ..status(SourceState::Capturing, Some(990_000_000))
        };
        let findings = [
            explain(mon0, opened(true)),
            explain(mon0, opened(false)),
            explain(mon0, Observation::Failed(down())),
            explain(&configured("empty.pcap", Source::file("/tmp/empty.pcap")), opened(false)),
            explain(&configured("stdin", Source::Stdin), observe(&Source::Stdin)),
            explain(attic, opened(true)),
            explain(attic, opened(false)),
            explain(attic, Observation::Silent { last_error_line: None }),
            explain(
                attic,
                observe(&Source::Command("cat /run/credentials/probewatch.service/key".to_owned())),
            ),
            explain_status(
                attic,
                &status(SourceState::Failed("the command a; b ended".to_owned()), None),
                now,
            )
            .unwrap(),
            explain(mon0, Observation::Ready),
            explain(mon0, Observation::Refused(switched_off)),
            service(SourceState::Capturing, Some(990_000_000)),
            explain_status(mon0, &stuck, now).unwrap(),
            service(SourceState::Ended, None),
            explain_status(mon0, &gone, now).unwrap(),
            service(SourceState::Crashed, None),
            quiet(Some(100_000_000), opened(true)),
            quiet(None, opened(false)),
            quiet(None, Observation::Failed(down())),
            beside(0, opened(true)),
            beside(0, opened(false)),
            beside(7, opened(false)),
        ];
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        ✓ Source mon0: delivers 802.11 frames (radiotap)
        ✗ Source mon0: opened (radiotap), but delivered no frame in 5 s
            → set a channel that is in use: sudo iw dev mon0 set channel 6; and keep NetworkManager away: sudo nmcli device set mon0 managed no
        ✗ Source mon0: cannot capture on mon0: it is down
            → bring it up: ip link set mon0 up
        ✗ Source empty.pcap: contains no frames (radiotap)
            → use another capture file
        ! Source stdin: only `probewatch run` reads standard input
        ✓ Source attic: delivers 802.11 frames (radiotap); this check ran the command and stopped it
        ! Source attic: the command works (radiotap), but delivered no frame in 5 s; that is normal if it lets only probe requests through
        ✗ Source attic: the command wrote nothing in 5 s
            → run it by hand: it may be waiting for a password or a host key; tcpdump needs -U to write at once
        ! Source attic: the command needs credentials that systemd gives only to the service: start that
        ✗ Source attic: the command a; b ended
            → see the service's log, and remove the cause; the service retries by itself
        ! Source mon0: not tried: it is down or not in monitor mode, which the service will change
            → start the service, and run this command again
        ✗ Source mon0: the radio of mon0 is switched off
            → turn it on: sudo rfkill unblock wifi
        ✓ Source mon0: the service receives frames, the last within a minute
        ✗ Source mon0: it stays on one channel: cannot change the channel of mon0: wlan0 is up on the same radio
            → take it down: ip link set wlan0 down
        ✓ Source mon0: the service has read it to its end
        ✗ Source mon0: it is gone
            → is it plugged in?
        ✗ Source mon0: capturing from it stopped because of a bug
            → restart the service; its log may say why
        ✓ Source mon0: the service captures it; the last probe request came 15 min ago; other frames arrive
        ✗ Source mon0: opened (radiotap), but delivered no frame in 5 s
            → set a channel that is in use: sudo iw dev mon0 set channel 6; and keep NetworkManager away: sudo nmcli device set mon0 managed no
        ! Source mon0: the service captures it; there was no probe request yet
        ✓ Source mon0: the service captures it; there was no probe request yet; other frames arrive
        ✗ Source mon0: the service captures on it, but no frame has come yet, nor one within 5 s
            → let it listen to channels that are in use (capture.channels), and check its antenna and driver
        ! Source mon0: the service captures it; there was no probe request yet
        ");
    }
    #[test]
    fn sources_of_one_name_are_distinguished_by_their_index() {
        let file = |path: &str| configured("a.pcap", Source::file(path));
        let status = |name: &str, restarts| SourceStatus {
            name: name.to_owned(),
            restarts,
            ..status(SourceState::Ended, None)
        };
        let sources = [file("/one/a.pcap"), configured("mon0", Source::Stdin), file("/two/a.pcap")];
        let restarts = |index, statuses: &[SourceStatus]| {
            status_of(index, &sources, statuses).map(|status| status.restarts)
        };
        let all = [status("a.pcap", 1), status("mon0", 2), status("a.pcap", 3)];
        assert_eq!([0, 1, 2].map(|index| restarts(index, &all)), [Some(1), Some(2), Some(3)]);
        // The service runs with an older configuration.
        let older = [status("mon0", 2), status("a.pcap", 1)];
        assert_eq!([0, 1, 2].map(|index| restarts(index, &older)), [None, Some(2), None]);
    }

    #[test]
    fn runs_a_command_stops_it_and_shows_its_last_error_line() {
        let failing = "true; echo 'no such host; give up' >&2; echo garbage; exec sleep 1000";
        let failing = observe(&Source::Command(failing.to_owned()));
        let failing = explain(&configured("attic", Source::Command(String::new())), failing);
        let gone = observe(&Source::Command("echo 'no such host; give up' >&2; exit 3".to_owned()));
        let gone = explain(&configured("attic", Source::Command(String::new())), gone);
        insta::assert_snapshot!(format!("{failing}\n{gone}"), @r"
        ✗ Source attic: cannot read the output of true; echo 'no such: it is no capture file; it says: no such host; give up
            → run the command by hand as the user of the service, and fix what it reports
        ✗ Source attic: the command echo 'no such host; ended (exit status: 3); it says: no such host; give up
            → run the command by hand as the user of the service, and fix what it reports
        ");
    }
}
