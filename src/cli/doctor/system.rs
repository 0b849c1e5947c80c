//! The machine: rights, the data directory, its disk, the clock.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Access, access, statvfs};

use super::finding::Finding;
use crate::event::{EventKind, Timestamp};
use crate::event_log::{ConcurrentReader, LineFilter, ListedSegment, LogError, OsVfs};
use crate::vendor;

/// The numbers of the capabilities (linux/capability.h).
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;

/// Free space with which nothing can go on, whatever the configuration says, in bytes.
const LEAST_FREE: u64 = 64 << 20;

/// How far an event may be ahead of the clock.
const AHEAD: Duration = Duration::from_secs(60);

/// The capabilities in effect of a process, `self` or a number; `None` where that cannot be read.
pub(super) fn capabilities_of(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Whether `whose` capabilities serve to capture on interfaces, where any are sources.
pub(super) fn capabilities(effective: Option<u64>, whose: &str, has_interfaces: bool) -> Finding {
    const CHECK: &str = "Capabilities";
    let Some(effective) = effective else {
        return Finding::unknown(CHECK, format!("those of {whose} cannot be read"));
    };
    let has = |number: u32| effective >> number & 1 == 1;
    match (has(NET_RAW), has(NET_ADMIN)) {
        _ if !has_interfaces => Finding::fine(CHECK, "none are needed: no interface is a source"),
        (true, true) => Finding::fine(CHECK, format!("{whose} has CAP_NET_RAW and CAP_NET_ADMIN")),
        (true, false) => Finding::unknown(CHECK, format!("{whose} has CAP_NET_RAW, and not CAP_NET_ADMIN"))
            .with_remedy(
                "it can capture, and cannot put an interface into monitor mode or change its channel",
            ),
        (false, _) => Finding::broken(
            CHECK,
            format!("{whose} lacks CAP_NET_RAW, without which nobody may capture"),
            "use sudo, run it under systemd, or give the program the right once: \
             sudo setcap cap_net_raw,cap_net_admin+eip $(command -v probewatch)",
        ),
    }
}

/// What is known of the data directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DataDir {
    Missing {
        is_makeable: bool,
    },
    /// This user may not look at it.
    Closed(String),
    Unusable(String),
    There {
        owner: u32,
        is_writable: bool,
        /// Whether other users may look into it.
        is_open: bool,
        foreign: Option<PathBuf>,
    },
}

impl DataDir {
    pub(super) fn look(data_dir: &Path) -> Self {
        let can = |path: &Path, rights| access(path, rights).is_ok();
        let entries = match fs::read_dir(data_dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = existing(data_dir);
                return Self::Missing { is_makeable: can(parent, Access::WRITE_OK | Access::EXEC_OK) };
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Self::Closed(error.to_string());
            }
            Err(error) => return Self::Unusable(error.to_string()),
        };
        let (owner, mode) = match fs::metadata(data_dir) {
            Ok(facts) => (facts.uid(), facts.mode()),
            Err(error) => return Self::Closed(error.to_string()),
        };
        let is_foreign = |path: &PathBuf| {
            fs::symlink_metadata(path).is_ok_and(|facts| facts.uid() != owner && facts.uid() == 0)
        };
        let inside = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let foreign = inside.flat_map(with_entries).find(is_foreign);
        let is_writable = can(data_dir, Access::WRITE_OK | Access::EXEC_OK);
        Self::There { owner, is_writable, is_open: mode & 0o077 != 0, foreign }
    }
}

/// The path, and what is in it where it is a folder.
fn with_entries(path: PathBuf) -> Vec<PathBuf> {
    let inside = fs::read_dir(&path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let inside: Vec<PathBuf> = inside.collect();
    std::iter::once(path).chain(inside).collect()
}

/// The path, or the nearest folder above it that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."))
}

/// Whether it can be recorded there; a running service has the right, or says why not.
pub(super) fn data_dir(path: &Path, found: &DataDir, service: Option<&Option<String>>) -> Finding {
    const CHECK: &str = "Data directory";
    let shown = path.display();
    match (found, service) {
        (_, Some(Some(why))) => Finding::broken(
            CHECK,
            format!("the service cannot write to {shown} at the moment: {why}"),
            "make room, or mend the disk; the service goes on by itself",
        ),
        (DataDir::There { foreign: Some(file), owner, .. }, _) => Finding::broken(
            CHECK,
            format!("{} belongs to root, the directory to user {owner}", file.display()),
            format!("sudo chown -R --reference={shown} {shown}"),
        ),
        (DataDir::There { is_open: true, is_writable: true, .. }, _) => {
            Finding::unknown(CHECK, format!("{shown} can be looked into by other users of this machine"))
                .with_remedy(format!("if they are not to know who was near: chmod -R go= {shown}"))
        }
        (_, Some(None)) => Finding::fine(CHECK, format!("the service writes to {shown}")),
        (DataDir::There { is_writable: true, .. }, None) => {
            Finding::fine(CHECK, format!("{shown} is there and can be written"))
        }
        (DataDir::There { owner, .. }, None) => Finding::broken(
            CHECK,
            format!("{shown} belongs to user {owner}, and this user may not write to it"),
            "run this command as that user or with sudo, or set data_dir to a folder of your own",
        ),
        (DataDir::Missing { is_makeable: true }, None) => {
            Finding::fine(CHECK, format!("{shown} will be made at the first start"))
        }
        (DataDir::Missing { .. }, None) => Finding::broken(
            CHECK,
            format!("{shown} is not there, and this user may not make it"),
            "run this command with sudo, or set data_dir to a folder of your own",
        ),
        (DataDir::Unusable(why), None) => {
            let remedy = "set data_dir to a folder on a disk that works";
            Finding::broken(CHECK, format!("{shown} does not serve: {why}"), remedy)
        }
        (DataDir::Closed(why), None) => {
            Finding::unknown(CHECK, format!("{shown} cannot be looked at: {why}"))
                .with_remedy("run this command with sudo")
        }
    }
}

/// The bytes that are free where the data directory lies, or will.
pub(super) fn free_bytes(data_dir: &Path) -> io::Result<u64> {
    let found = statvfs(existing(data_dir))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether there is room for a log that may grow by so many bytes, in segments of so many.
pub(super) fn disk_space(free: io::Result<u64>, may_grow: Option<u64>, segment: u64) -> Finding {
    const CHECK: &str = "Disk space";
    let free = match free {
        Ok(free) => free,
        Err(error) => return Finding::unknown(CHECK, format!("it cannot be looked at: {error}")),
    };
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    let shown = format!("{} are free", mebibytes(free));
    match may_grow {
        _ if free < LEAST_FREE.max(2 * segment) => Finding::broken(
            CHECK,
            format!("only {shown}"),
            "make room, set data_dir to a larger disk, or retention.log_mebibytes to a smaller log",
        ),
        Some(bytes) if bytes > free => {
            Finding::unknown(CHECK, format!("{shown}, and the log may grow by {}", mebibytes(bytes)))
                .with_remedy("set retention.log_mebibytes lower, or make room in time")
        }
        _ => Finding::fine(CHECK, shown),
    }
}

/// What is known of the clock.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) now: Timestamp,
    /// Whether the system says that it is set by the network.
    pub(super) is_synchronized: Option<bool>,
    /// The capture time of the latest probe.
    pub(super) last_probe: Option<Timestamp>,
}

/// Whether the clock can be right.
pub(super) fn clock(found: &Clock) -> Finding {
    const CHECK: &str = "Clock";
    let (now, built) = (found.now, vendor::registry_date());
    let today = now.to_utc().date_naive();
    let set_it = "set it: sudo timedatectl set-ntp true, or install chrony";
    if built.parse().is_ok_and(|built: chrono::NaiveDate| today < built) {
        let says = format!("it says {today}, and this program is of {built} or later");
        return Finding::broken(CHECK, says, set_it);
    }
    let ahead = found.last_probe.filter(|last| last.saturating_sub(AHEAD) > now);
    if let Some(last) = ahead {
        let says = format!("the latest probe is of {last}, and the clock says {now}");
        return match found.is_synchronized {
            // Then it was wrong and is right, which the service sees by itself.
            Some(true) => {
                Finding::unknown(CHECK, format!("{says}, which a time server sets: it was ahead for a while"))
            }
            _ => Finding::broken(
                CHECK,
                says,
                format!("it was ahead when that was recorded, or is behind now; {set_it}"),
            ),
        };
    }
    match found.is_synchronized {
        Some(true) => Finding::fine(CHECK, "it is set by the network"),
        Some(false) => Finding::broken(CHECK, "the system says that no time server sets it", set_it),
        None => Finding::unknown(CHECK, "it seems right; whether a time server sets it cannot be told"),
    }
}

/// The capture time of the latest probe among the log's newest.
///
/// # Errors
/// [`LogError`] where the log cannot be read.
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

/// What the log takes, in bytes; nothing where that cannot be told.
pub(super) fn log_bytes(data_dir: &Path) -> u64 {
    let segments = ConcurrentReader::new(Arc::new(OsVfs), &data_dir.join("events")).segments();
    segments.unwrap_or_default().iter().map(ListedSegment::bytes).sum()
}

/// The process that has the data directory, `Some(None)` where it cannot be told which.
pub(super) fn holder(data_dir: &Path) -> Option<Option<u32>> {
    let path = data_dir.join("lock");
    let lock = File::open(&path).ok()?;
    // Shared, and for a moment only.
    match lock.try_lock_shared() {
        Err(fs::TryLockError::WouldBlock) => {
            Some(fs::read_to_string(&path).ok().and_then(|id| id.trim().parse().ok()))
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
    fn rights_serve_or_are_told_how_to_get() {
        let both = 1 << NET_RAW | 1 << NET_ADMIN;
        insta::assert_snapshot!(all(&[
            capabilities(Some(both), "the service", true),
            capabilities(Some(1 << NET_RAW), "this command", true),
            capabilities(Some(1 << NET_ADMIN), "this command", true),
            capabilities(Some(0), "this command", false),
            capabilities(None, "the service", true),
        ]), @r"
        ✓ Capabilities: the service has CAP_NET_RAW and CAP_NET_ADMIN
        ! Capabilities: this command has CAP_NET_RAW, and not CAP_NET_ADMIN
            → it can capture, and cannot put an interface into monitor mode or change its channel
        ✗ Capabilities: this command lacks CAP_NET_RAW, without which nobody may capture
            → use sudo, run it under systemd, or give the program the right once: sudo setcap cap_net_raw,cap_net_admin+eip $(command -v probewatch)
        ✓ Capabilities: none are needed: no interface is a source
        ! Capabilities: those of the service cannot be read
        ");
    }

    #[test]
    fn a_data_directory_can_be_written_or_is_told_why_not() {
        let there = |is_writable, foreign: Option<&str>| DataDir::There {
            owner: 900,
            is_writable,
            is_open: false,
            foreign: foreign.map(PathBuf::from),
        };
        let path = Path::new("/data");
        insta::assert_snapshot!(all(&[
            data_dir(path, &there(true, None), None),
            data_dir(path, &there(false, None), None),
            data_dir(path, &there(false, None), Some(&None)),
            data_dir(path, &there(true, None), Some(&Some("No space left on device".to_owned()))),
            data_dir(path, &there(true, Some("/data/events")), None),
            data_dir(
                path,
                &DataDir::There { owner: 900, is_writable: true, is_open: true, foreign: None },
                Some(&None),
            ),
            data_dir(path, &DataDir::Missing { is_makeable: true }, None),
            data_dir(path, &DataDir::Missing { is_makeable: false }, None),
            data_dir(path, &DataDir::Unusable("Not a directory".to_owned()), None),
            data_dir(path, &DataDir::Closed("Permission denied".to_owned()), None),
        ]), @r"
        ✓ Data directory: /data is there and can be written
        ✗ Data directory: /data belongs to user 900, and this user may not write to it
            → run this command as that user or with sudo, or set data_dir to a folder of your own
        ✓ Data directory: the service writes to /data
        ✗ Data directory: the service cannot write to /data at the moment: No space left on device
            → make room, or mend the disk; the service goes on by itself
        ✗ Data directory: /data/events belongs to root, the directory to user 900
            → sudo chown -R --reference=/data /data
        ! Data directory: /data can be looked into by other users of this machine
            → if they are not to know who was near: chmod -R go= /data
        ✓ Data directory: /data will be made at the first start
        ✗ Data directory: /data is not there, and this user may not make it
            → run this command with sudo, or set data_dir to a folder of your own
        ✗ Data directory: /data does not serve: Not a directory
            → set data_dir to a folder on a disk that works
        ! Data directory: /data cannot be looked at: Permission denied
            → run this command with sudo
        ");
    }

    #[test]
    fn room_is_enough_or_not() {
        let segment = 64 << 20;
        insta::assert_snapshot!(all(&[
            disk_space(Ok(10 << 30), Some(4 << 30), segment),
            disk_space(Ok(10 << 30), None, segment),
            disk_space(Ok(1 << 30), Some(4 << 30), segment),
            disk_space(Ok(100 << 20), None, segment),
            disk_space(Err(io::Error::other("no such device")), None, segment),
        ]), @r"
        ✓ Disk space: 10240 MiB are free
        ✓ Disk space: 10240 MiB are free
        ! Disk space: 1024 MiB are free, and the log may grow by 4096 MiB
            → set retention.log_mebibytes lower, or make room in time
        ✗ Disk space: only 100 MiB are free
            → make room, set data_dir to a larger disk, or retention.log_mebibytes to a smaller log
        ! Disk space: it cannot be looked at: no such device
        ");
    }

    #[test]
    fn a_clock_can_be_right_or_not() {
        let now = at("2099-11-22T12:00:00Z");
        let of = |now, is_synchronized, last_probe: Option<&str>| {
            clock(&Clock { now, is_synchronized, last_probe: last_probe.map(at) })
        };
        let of_1970 = of(at("1970-01-01T00:10:00Z"), Some(true), None).to_string();
        assert!(of_1970.starts_with("✗ Clock: it says 1970-01-01, and this program is of "), "{of_1970}");
        insta::assert_snapshot!(all(&[
            of(now, Some(true), Some("2099-11-22T12:00:30Z")),
            of(now, Some(true), Some("2099-11-22T13:00:00Z")),
            of(now, None, Some("2099-11-22T13:00:00Z")),
            of(now, Some(false), None),
            of(now, None, None),
        ]), @r"
        ✓ Clock: it is set by the network
        ! Clock: the latest probe is of 2099-11-22T13:00:00.000000Z, and the clock says 2099-11-22T12:00:00.000000Z, which a time server sets: it was ahead for a while
        ✗ Clock: the latest probe is of 2099-11-22T13:00:00.000000Z, and the clock says 2099-11-22T12:00:00.000000Z
            → it was ahead when that was recorded, or is behind now; set it: sudo timedatectl set-ntp true, or install chrony
        ✗ Clock: the system says that no time server sets it
            → set it: sudo timedatectl set-ntp true, or install chrony
        ! Clock: it seems right; whether a time server sets it cannot be told
        ");
    }
}
