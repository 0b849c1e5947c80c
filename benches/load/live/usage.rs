//! CPU, memory, threads and descriptors of a program and its child processes, from `/proc`.

use std::fs;
use std::time::Duration;

/// The resources that a program has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time, which the kernel counts in steps of 10 ms.
    pub cpu: Duration,
    pub resident_kib: u64,
    /// Peak resident memory.
    pub peak_kib: u64,
    pub threads: u64,
    pub descriptors: u64,
}

impl Usage {
    /// The usage of this process and all its descendants.
    pub fn of(process: u32) -> Self {
        let parents = parents();
        let mut family = vec![process];
        let mut next = 0;
        while let Some(&parent) = family.get(next) {
            family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| child));
            next += 1;
        }
        family.into_iter().map(Self::of_one).fold(Self::default(), Self::and)
    }

    /// The CPU time since `before`, in percent of one core.
    pub fn share_since(&self, before: &Self, elapsed: Duration) -> f64 {
        (self.cpu - before.cpu).as_secs_f64() / elapsed.as_secs_f64() * 100.0
    }

    /// The usage of one process, zero if it has ended.
    fn of_one(process: u32) -> Self {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        let (stat, status) = (read("stat"), read("status"));
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
        };
        let ticks: u64 = fields(&stat).skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum(); // utime, stime
        // SAFETY: a plain query of a system constant.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Self {
            cpu: Duration::from_secs_f64(ticks as f64 / per_second as f64),
            resident_kib: field("VmRSS"),
            peak_kib: field("VmHWM"),
            threads: field("Threads"),
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).map_or(0, |open| open.count() as u64),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            resident_kib: self.resident_kib + other.resident_kib,
            peak_kib: self.peak_kib + other.peak_kib,
            threads: self.threads + other.threads,
            descriptors: self.descriptors + other.descriptors,
        }
    }
}

/// The fields of `/proc/PID/stat` after the name in brackets. The name may contain any characters.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace()
}

/// All processes with their parents.
fn parents() -> Vec<(u32, u32)> {
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter_map(|process| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            let parent = fields(&stat).nth(1)?.parse().ok()?;
            Some((process, parent))
        })
        .collect()
}
