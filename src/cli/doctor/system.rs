//! The machine: capabilities, the data directory, its disk, the clock.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono_tz::Tz;
use rustix::fs::{Access, access, statvfs};
use store::event::{EventKind, Timestamp};
use store::event_log::{ConcurrentReader, LineFilter, ListedSegment, LogError, OsVfs};
use store::recorder::ClockDoubt;

use super::Service;
use super::finding::Finding;
use crate::config::ZoneOrigin;
use crate::text::format::{pluralize, shown_time};
use crate::vendor;

/// Numbers of capabilities (linux/capability.h).
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;

/// Free space in bytes below which the service cannot work, whatever is configured.
const MIN_FREE_BYTES: u64 = 64 << 20;

/// How to grant the program both capabilities for good.
const GRANT: &str =
    "to grant both for good: sudo setcap cap_net_raw,cap_net_admin+eip $(command -v probewatch)";

/// The effective capabilities of a process, `self` or a number; `None` if they cannot be read.
pub(super) fn capabilities_of(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Whether the capabilities of `whose` suffice to capture on interfaces, if any is a source.
pub(super) fn capabilities(effective: Option<u64>, whose: &str, has_interfaces: bool) -> Finding {
    const CHECK: &str = "Capabilities";
    let Some(effective) = effective else {
        return Finding::unknown(CHECK, format!("cannot read those of {whose}"));
    };
    let has = |number: u32| effective >> number & 1 == 1;
    match (has(NET_RAW), has(NET_ADMIN)) {
        _ if !has_interfaces => Finding::ok(CHECK, "none needed: no source is an interface"),
        (true, true) => Finding::ok(CHECK, format!("{whose} has CAP_NET_RAW and CAP_NET_ADMIN")),
        (true, false) => Finding::unknown(CHECK, format!("{whose} has CAP_NET_RAW but not CAP_NET_ADMIN"))
            .with_remedy(format!(
                "it can capture, but not put an interface into monitor mode or change its channel; {GRANT}"
            )),
        (false, _) => Finding::broken(
            CHECK,
            format!("{whose} lacks CAP_NET_RAW, which capturing needs"),
            format!("use sudo or systemd; {GRANT}"),
        ),
    }
}

/// In which zone times are shown. The service may have another environment than this command.
pub(super) fn time_zone(zone: Tz, origin: &ZoneOrigin, service: Option<&Service>) -> Finding {
    const CHECK: &str = "Time zone";
    let of_service = service.and_then(|service| service.time_zone.as_ref());
    let summary = format!("{zone}, {origin}");
    let summary = match of_service {
        Some(of_service) if of_service.name != zone.name() => {
            let (name, origin) = (&of_service.name, &of_service.origin);
            return Finding::unknown(
                CHECK,
                format!("the service has {name}, {origin}; this command has {summary}"),
            )
            .with_remedy("set time_zone in the configuration, which holds for both");
        }
        _ => summary,
    };
    match origin.remedy() {
        Some(remedy) => Finding::unknown(CHECK, summary).with_remedy(remedy),
        None => Finding::ok(CHECK, summary),
    }
}

/// What is known about the data directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DataDir {
    Missing {
        can_create: bool,
    },
    /// This user may not read it.
    Unreadable(String),
    Unusable(String),
    Exists {
        owner: u32,
        is_writable: bool,
        /// Whether other users may read it.
        is_exposed: bool,
        /// A file of root in a directory of another user.
        root_owned: Option<PathBuf>,
    },
}

impl DataDir {
    pub(super) fn inspect(data_dir: &Path) -> Self {
        let can = |path: &Path, rights| access(path, rights).is_ok();
        let entries = match fs::read_dir(data_dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = nearest_existing(data_dir);
                return Self::Missing { can_create: can(parent, Access::WRITE_OK | Access::EXEC_OK) };
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Self::Unreadable(error.to_string());
            }
            Err(error) => return Self::Unusable(error.to_string()),
        };
        let (owner, mode) = match fs::metadata(data_dir) {
            Ok(facts) => (facts.uid(), facts.mode()),
            Err(error) => return Self::Unreadable(error.to_string()),
        };
        let is_root_owned = |path: &PathBuf| {
            fs::symlink_metadata(path).is_ok_and(|facts| facts.uid() != owner && facts.uid() == 0)
        };
        let inside = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let root_owned = inside.flat_map(with_entries).find(is_root_owned);
        let is_writable = can(data_dir, Access::WRITE_OK | Access::EXEC_OK);
        Self::Exists { owner, is_writable, is_exposed: mode & 0o077 != 0, root_owned }
    }
}

/// The path and, if it is a folder, its entries.
fn with_entries(path: PathBuf) -> Vec<PathBuf> {
    let inside = fs::read_dir(&path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let inside: Vec<PathBuf> = inside.collect();
    std::iter::once(path).chain(inside).collect()
}

/// The path, or its nearest ancestor that exists.
fn nearest_existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."))
}

/// Whether events can be recorded there. `service` is the disk error of a running service, if it has one.
pub(super) fn data_dir(path: &Path, found: &DataDir, service: Option<Option<(&str, &str)>>) -> Finding {
    const CHECK: &str = "Data directory";
    let shown = path.display();
    match (found, service) {
        (_, Some(Some((why, remedy)))) => Finding::broken(
            CHECK,
            format!("the service cannot write to {shown}: {why}"),
            format!("{remedy}; the service continues by itself"),
        ),
        (DataDir::Exists { root_owned: Some(file), owner, .. }, _) => Finding::broken(
            CHECK,
            format!("{} belongs to root, the directory to user {owner}", file.display()),
            format!("sudo chown -R --reference={shown} {shown}"),
        ),
        (DataDir::Exists { is_exposed: true, is_writable: true, .. }, _) => {
            Finding::unknown(CHECK, format!("other users of this machine can read {shown}"))
                .with_remedy(format!("to make the data private: chmod -R go= {shown}"))
        }
        (_, Some(None)) => Finding::ok(CHECK, format!("the service writes to {shown}")),
        (DataDir::Exists { is_writable: true, .. }, None) => {
            Finding::ok(CHECK, format!("{shown} exists and is writable"))
        }
        (DataDir::Exists { owner, .. }, None) => Finding::broken(
            CHECK,
            format!("{shown} belongs to user {owner}; this user may not write to it"),
            "run this command as that user or with sudo, or set data_dir to a folder of your own",
        ),
        (DataDir::Missing { can_create: true }, None) => {
            Finding::ok(CHECK, format!("{shown} will be created at the first start"))
        }
        (DataDir::Missing { .. }, None) => Finding::broken(
            CHECK,
            format!("{shown} does not exist, and this user may not create it"),
            "run this command with sudo, or set data_dir to a folder of your own",
        ),
        (DataDir::Unusable(why), None) => {
            let remedy = "set data_dir to a folder on a working disk";
            Finding::broken(CHECK, format!("{shown} cannot be used: {why}"), remedy)
        }
        (DataDir::Unreadable(why), None) => Finding::unknown(CHECK, format!("{shown} cannot be read: {why}"))
            .with_remedy("run this command with sudo"),
    }
}

/// The free bytes on the disk of the data directory, which need not exist yet.
pub(super) fn free_bytes(data_dir: &Path) -> io::Result<u64> {
    let found = statvfs(nearest_existing(data_dir))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether the disk has room for a log that may grow by `may_grow` bytes, in segments of `segment` bytes.
pub(super) fn disk_space(free: io::Result<u64>, may_grow: Option<u64>, segment: u64) -> Finding {
    const CHECK: &str = "Disk space";
    let free = match free {
        Ok(free) => free,
        Err(error) => return Finding::unknown(CHECK, format!("cannot be checked: {error}")),
    };
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    let shown = format!("{} free", mebibytes(free));
    match may_grow {
        _ if free < MIN_FREE_BYTES.max(2 * segment) => Finding::broken(
            CHECK,
            format!("only {shown}"),
            "free disk space, set data_dir to a larger disk, or lower retention.log_mebibytes",
        ),
        Some(bytes) if bytes > free => {
            Finding::unknown(CHECK, format!("{shown}, but the log may grow by {}", mebibytes(bytes)))
                .with_remedy("lower retention.log_mebibytes, or free disk space in time")
        }
        _ => Finding::ok(CHECK, shown),
    }
}

/// The files that were moved aside because a part of them could not be read, in order.
pub(super) fn damaged_files(data_dir: &Path) -> Vec<PathBuf> {
    let folders = ["events", "snapshots"].map(|folder| fs::read_dir(data_dir.join(folder)));
    let files = folders.into_iter().flatten().flatten().flatten().map(|entry| entry.path());
    let is_damaged =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(".damaged"));
    let mut damaged: Vec<PathBuf> = files.filter(is_damaged).collect();
    damaged.sort();
    damaged
}

/// What the disk, or a person, took from the log; `None` if nothing is known of any loss.
pub(super) fn damage(files: &[PathBuf], lost_events: u64) -> Option<Finding> {
    let lost = (lost_events > 0).then(|| pluralize(lost_events, "event was lost", "events were lost"));
    let aside = files.first().map(|first| match files.len() - 1 {
        0 => format!("a damaged file was moved to {}", first.display()),
        others => format!(
            "damaged files were moved to {} and {}",
            first.display(),
            pluralize(others as u64, "other", "others")
        ),
    });
    let summary = [lost, aside].into_iter().flatten().collect::<Vec<_>>().join("; ");
    let remedy = match files {
        [] => "if nobody removed files of the data directory, check the disk: sudo smartctl -a DEVICE",
        _ => {
            "check the disk: sudo smartctl -a DEVICE. What could be read is in the log; delete the files when you no \
              longer need them"
        }
    };
    (!summary.is_empty()).then(|| Finding::unknown("Log", summary).with_remedy(remedy))
}

/// What is known about the clock.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) now: Timestamp,
    /// Whether the system synchronizes it over the network; `None` if that is unknown.
    pub(super) is_synchronized: Option<bool>,
    /// The capture time of the latest probe.
    pub(super) last_probe: Option<Timestamp>,
    /// What the running service says of it.
    pub(super) doubt: Option<ClockDoubt>,
    /// The zone in which times are shown.
    pub(super) zone: Tz,
}

/// Whether the clock may be right.
pub(super) fn clock(found: &Clock) -> Finding {
    const CHECK: &str = "Clock";
    let (now, built) = (found.now, vendor::registry_date());
    let today = now.to_utc().date_naive();
    let set_it = "set it: sudo timedatectl set-ntp true, or install chrony";
    if let Some(doubt) = found.doubt {
        let [since, machine] = [doubt.since, doubt.machine].map(|time| shown_time(time, found.zone));
        let summary = format!("the service doubts it since {since}: it says {machine}");
        let remedy = format!("{set_it}. If it is right already, type /clock right into probewatch chat");
        return Finding::broken(CHECK, summary, remedy);
    }
    if built.parse().is_ok_and(|built: chrono::NaiveDate| today < built) {
        let summary = format!("it shows {today}, but this program was built on {built} or later");
        return Finding::broken(CHECK, summary, set_it);
    }
    let ahead = found.last_probe.filter(|last| last.saturating_sub(Timestamp::CLOCK_TOLERANCE) > now);
    if let Some(last) = ahead {
        let summary = format!("the latest probe is from {last}, but the clock shows {now}");
        return match found.is_synchronized {
            // It was wrong and is right now; the service handles that by itself.
            Some(true) => Finding::unknown(
                CHECK,
                format!("{summary}, which the network sets: it was ahead for a while"),
            ),
            _ => Finding::broken(
                CHECK,
                summary,
                format!("it was ahead when that probe was recorded, or is behind now; {set_it}"),
            ),
        };
    }
    match found.is_synchronized {
        Some(true) => Finding::ok(CHECK, "synchronized with the network"),
        Some(false) => Finding::broken(CHECK, "not synchronized with the network", set_it),
        None => {
            Finding::unknown(CHECK, "plausible, but cannot tell whether it is synchronized with the network")
        }
    }
}

/// The capture time of the latest probe in the newest segment that has one.
///
/// # Errors
/// [`LogError`] if the log cannot be read.
pub(super) fn last_probe(data_dir: &Path) -> Result<Option<Timestamp>, LogError> {
    let segments = ConcurrentReader::new(Arc::new(OsVfs), &data_dir.join("events")).segments()?;
    let mut last = None;
    for segment in segments.iter().rev() {
        let _ = segment.read(&LineFilter::any(), |_, event| {
            if let EventKind::Probe(probe) = event.kind {
                last = last.max(Some(probe.time));
            }
            ControlFlow::Continue(())
        })?;
        if last.is_some() {
            break;
        }
    }
    Ok(last)
}

/// The size of the log in bytes; 0 if it is unknown.
pub(super) fn log_bytes(data_dir: &Path) -> u64 {
    let segments = ConcurrentReader::new(Arc::new(OsVfs), &data_dir.join("events")).segments();
    segments.unwrap_or_default().iter().map(ListedSegment::bytes).sum()
}

/// The process that has the data directory open; `Some(None)` if it is unknown which.
pub(super) fn holder(data_dir: &Path) -> Option<Option<u32>> {
    let path = data_dir.join("lock");
    let lock = File::open(&path).ok()?;
    // A shared lock for a moment keeps nobody out.
    match lock.try_lock_shared() {
        Err(fs::TryLockError::WouldBlock) => {
            Some(fs::read_to_string(&path).ok().and_then(|owner| owner.lines().next()?.parse().ok()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros())
    }

    fn all(findings: &[Finding]) -> String {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn capabilities_suffice_or_say_how_to_get_them() {
        let both = 1 << NET_RAW | 1 << NET_ADMIN;
        insta::assert_snapshot!(all(&[
            capabilities(Some(both), "the service", true),
            capabilities(Some(1 << NET_RAW), "this command", true),
            capabilities(Some(1 << NET_ADMIN), "this command", true),
            capabilities(Some(0), "this command", false),
            capabilities(None, "the service", true),
        ]), @r"
        ✓ Capabilities: the service has CAP_NET_RAW and CAP_NET_ADMIN
        ! Capabilities: this command has CAP_NET_RAW but not CAP_NET_ADMIN
            → it can capture, but not put an interface into monitor mode or change its channel; to grant both for good: sudo setcap cap_net_raw,cap_net_admin+eip $(command -v probewatch)
        ✗ Capabilities: this command lacks CAP_NET_RAW, which capturing needs
            → use sudo or systemd; to grant both for good: sudo setcap cap_net_raw,cap_net_admin+eip $(command -v probewatch)
        ✓ Capabilities: none needed: no source is an interface
        ! Capabilities: cannot read those of the service
        ");
    }

    #[test]
    fn a_data_directory_is_writable_or_says_why_not() {
        let there = |is_writable, root_owned: Option<&str>| DataDir::Exists {
            owner: 900,
            is_writable,
            is_exposed: false,
            root_owned: root_owned.map(PathBuf::from),
        };
        let path = Path::new("/data");
        insta::assert_snapshot!(all(&[
            data_dir(path, &there(true, None), None),
            data_dir(path, &there(false, None), None),
            data_dir(path, &there(false, None), Some(None)),
            data_dir(path, &there(true, None), Some(Some(("No space left on device", "free some space on the disk")))),
            data_dir(path, &there(true, Some("/data/events")), None),
            data_dir(
                path,
                &DataDir::Exists { owner: 900, is_writable: true, is_exposed: true, root_owned: None },
                Some(None),
            ),
            data_dir(path, &DataDir::Missing { can_create: true }, None),
            data_dir(path, &DataDir::Missing { can_create: false }, None),
            data_dir(path, &DataDir::Unusable("Not a directory".to_owned()), None),
            data_dir(path, &DataDir::Unreadable("Permission denied".to_owned()), None),
        ]), @r"
        ✓ Data directory: /data exists and is writable
        ✗ Data directory: /data belongs to user 900; this user may not write to it
            → run this command as that user or with sudo, or set data_dir to a folder of your own
        ✓ Data directory: the service writes to /data
        ✗ Data directory: the service cannot write to /data: No space left on device
            → free some space on the disk; the service continues by itself
        ✗ Data directory: /data/events belongs to root, the directory to user 900
            → sudo chown -R --reference=/data /data
        ! Data directory: other users of this machine can read /data
            → to make the data private: chmod -R go= /data
        ✓ Data directory: /data will be created at the first start
        ✗ Data directory: /data does not exist, and this user may not create it
            → run this command with sudo, or set data_dir to a folder of your own
        ✗ Data directory: /data cannot be used: Not a directory
            → set data_dir to a folder on a working disk
        ! Data directory: /data cannot be read: Permission denied
            → run this command with sudo
        ");
    }

    #[test]
    fn disk_space_suffices_or_not() {
        let segment = 64 << 20;
        insta::assert_snapshot!(all(&[
            disk_space(Ok(10 << 30), Some(4 << 30), segment),
            disk_space(Ok(10 << 30), None, segment),
            disk_space(Ok(1 << 30), Some(4 << 30), segment),
            disk_space(Ok(100 << 20), None, segment),
            disk_space(Err(io::Error::other("no such device")), None, segment),
        ]), @r"
        ✓ Disk space: 10240 MiB free
        ✓ Disk space: 10240 MiB free
        ! Disk space: 1024 MiB free, but the log may grow by 4096 MiB
            → lower retention.log_mebibytes, or free disk space in time
        ✗ Disk space: only 100 MiB free
            → free disk space, set data_dir to a larger disk, or lower retention.log_mebibytes
        ! Disk space: cannot be checked: no such device
        ");
    }

    #[test]
    fn damage_of_the_log_is_told() {
        let files = |count| (0..count).map(|number| format!("/data/events/{number}.ndjson.damaged").into());
        let files = |count| files(count).collect::<Vec<PathBuf>>();
        assert!(damage(&[], 0).is_none());
        let found = [damage(&files(1), 12), damage(&files(3), 0), damage(&[], 1)];
        insta::assert_snapshot!(all(&found.map(Option::unwrap)), @r"
        ! Log: 12 events were lost; a damaged file was moved to /data/events/0.ndjson.damaged
            → check the disk: sudo smartctl -a DEVICE. What could be read is in the log; delete the files when you no longer need them
        ! Log: damaged files were moved to /data/events/0.ndjson.damaged and 2 others
            → check the disk: sudo smartctl -a DEVICE. What could be read is in the log; delete the files when you no longer need them
        ! Log: 1 event was lost
            → if nobody removed files of the data directory, check the disk: sudo smartctl -a DEVICE
        ");
    }

    #[test]
    fn a_clock_is_right_or_says_why_not() {
        let now = at("2099-11-22T12:00:00Z");
        let of = |now, is_synchronized, last_probe: Option<&str>| {
            let last_probe = last_probe.map(at);
            clock(&Clock { now, is_synchronized, last_probe, doubt: None, zone: Tz::UTC })
        };
        let of_1970 = of(at("1970-01-01T00:10:00Z"), Some(true), None).to_string();
        assert!(
            of_1970.starts_with("✗ Clock: it shows 1970-01-01, but this program was built on "),
            "{of_1970}"
        );
        insta::assert_snapshot!(all(&[
            of(now, Some(true), Some("2099-11-22T12:00:30Z")),
            of(now, Some(true), Some("2099-11-22T13:00:00Z")),
            of(now, None, Some("2099-11-22T13:00:00Z")),
            of(now, Some(false), None),
            of(now, None, None),
        ]), @r"
        ✓ Clock: synchronized with the network
        ! Clock: the latest probe is from 2099-11-22T13:00:00.000000Z, but the clock shows 2099-11-22T12:00:00.000000Z, which the network sets: it was ahead for a while
        ✗ Clock: the latest probe is from 2099-11-22T13:00:00.000000Z, but the clock shows 2099-11-22T12:00:00.000000Z
            → it was ahead when that probe was recorded, or is behind now; set it: sudo timedatectl set-ntp true, or install chrony
        ✗ Clock: not synchronized with the network
            → set it: sudo timedatectl set-ntp true, or install chrony
        ! Clock: plausible, but cannot tell whether it is synchronized with the network
        ");
    }
}
