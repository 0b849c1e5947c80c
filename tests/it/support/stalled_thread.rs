//! One thread of a process, stopped while the others go on.

use std::fs;
use std::io;

use super::require;
use super::wait::wait_until;

/// Stops a thread until it is dropped, as a debugger does.
pub struct StalledThread(libc::pid_t);

impl StalledThread {
    /// Stops the thread of this name. `None` after a skip was reported, if that is not allowed here.
    pub fn stop(process: u32, name: &str) -> Option<Self> {
        let thread = Self::find(process, name);
        // SAFETY: both requests take no pointers.
        let stopped = unsafe {
            libc::ptrace(libc::PTRACE_SEIZE, thread, 0, 0) == 0
                && libc::ptrace(libc::PTRACE_INTERRUPT, thread, 0, 0) == 0
        };
        if !stopped {
            require::skip(&format!("no thread can be stopped here: {}", io::Error::last_os_error()));
            return None;
        }
        wait_until("the thread to stop", || (Self::state(process, thread) == 't').then_some(()));
        Some(Self(thread))
    }

    fn find(process: u32, name: &str) -> libc::pid_t {
        let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let ids = threads.map(|thread| thread.unwrap().file_name().to_str().unwrap().parse().unwrap());
        let is_meant = |id: &libc::pid_t| {
            fs::read_to_string(format!("/proc/{process}/task/{id}/comm")).unwrap().trim() == name
        };
        ids.into_iter().find(is_meant).unwrap_or_else(|| panic!("no thread {name}"))
    }

    /// The third field of `/proc/PID/task/TID/stat` (proc(5)).
    fn state(process: u32, thread: libc::pid_t) -> char {
        let stat = fs::read_to_string(format!("/proc/{process}/task/{thread}/stat")).unwrap();
        stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap()
    }
}

impl Drop for StalledThread {
    fn drop(&mut self) {
        // SAFETY: as above. A thread that has gone needs no detaching.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, 0, 0) };
    }
}
