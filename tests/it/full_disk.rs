//! Promise: a full disk stops neither hearing nor answering, nothing that was acknowledged is lost, a
//! person is told what was not saved, and it heals without a restart.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::support::frames::ProbeRequestFrame;
use crate::support::home::{Home, Mode};
use crate::support::require;

const ALICE: &str = "a4:83:e7:4e:39:15";
const VAN: &str = "00:23:a7:19:5c:02";

/// A file system of 8 MiB in memory, gone when this is dropped.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` after a skip was told.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = c_path(folder.path());
        // SAFETY: the pointers are to strings that outlive the call.
        let mounted = unsafe {
            libc::mount(c"none".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), 0, c"size=8m".as_ptr().cast())
        };
        if mounted != 0 {
            require::skip(&format!("no tmpfs (needs root): {}", io::Error::last_os_error()));
            return None;
        }
        Some(Self { folder })
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path = c_path(self.folder.path());
        // SAFETY: the pointer is to a string that outlives the call.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.to_str().unwrap()).unwrap()
}

#[test]
fn a_full_disk_heals_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data_dir = disk.folder.path().join("data");
    let home = Home::start(Mode::Webhook, |config| {
        config
            .set("", "data_dir", &format!("{:?}", data_dir.to_str().unwrap()))
            .set("record", "checkpoint_seconds", "1")
            .set("record", "fsync_milliseconds", "50")
    });
    let Some(mut home) = home else { return };
    home.ask("/watch Depot before");
    home.transmit(ALICE, "RNM0");
    home.ask_until(ALICE, "Probe count: 1\n");

    for round in 1..=2 {
        disk.fill();
        // Frames until the disk has no room in its last page either.
        let mut seen = 0;
        while !home.service.log_lines().iter().any(|line| line.contains("events wait in memory")) {
            seen += 1;
            home.radio.transmit(&ProbeRequestFrame::new(VAN).ssid("Elsewhere").build());
            home.ask_until(VAN, "Probe count: ");
            assert!(seen < 2000, "the disk is full, and nobody noticed");
        }
        // It goes on from memory: hearing, answering, alerting.
        home.transmit(ALICE, "RNM0");
        home.ask_until(ALICE, &format!("Probe count: {}\n", round + 1));
        let refused = home.ask("/watch Other after").plain;
        assert!(refused.starts_with("❌ That could not be saved: "), "{refused}");
        assert!(!home.ask("/watches").plain.contains("Other"));
        assert!(home.ask("/status").plain.contains("Nothing can be written"));
        assert!(home.ask("/watches").plain.contains("Depot"));

        let before = home.service.log_lines().len();
        disk.free();
        home.service.wait_for_line_after(before, "the disk takes events again");
        assert!(home.ask("/watch Third after").plain.contains("Third"));
        assert!(home.ask("/unwatch Third").plain.contains("No longer"));
        let counts = (home.ask(ALICE).plain, home.ask(VAN).plain);
        home.kill_and_restart();
        assert_eq!((home.ask(ALICE).plain, home.ask(VAN).plain), counts);
        assert!(home.ask("/watches").plain.contains("Depot"));
    }
    // A start on a full disk, with sled gone too, still answers.
    home.service.kill();
    fs::remove_dir_all(data_dir.join("state")).unwrap();
    disk.fill();
    home.kill_and_restart();
    assert!(home.ask("/watches").plain.contains("Depot"));
    disk.free();
    home.ask_until("/watch Fourth after", "Fourth");
    assert!(home.service.terminate().success());
    home.api.assert_clean();
}
