//! Promise: a full disk stops neither hearing nor answering, nothing that was acknowledged is lost, a
//! person is told what was not saved, once that recording stopped and once that it runs again, and it
//! heals without a restart.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::support::bot_api::{Fault, SentMessage};
use crate::support::home::{CHAT, Home, Mode, is_notice};
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

/// A home that records onto a small disk. `None` after a skip was told.
fn home_on_small_disk() -> Option<(SmallDisk, PathBuf, Home)> {
    let disk = SmallDisk::mount()?;
    let data_dir = disk.folder.path().join("data");
    let home = Home::start(Mode::Webhook, |config| {
        config
            .set("", "data_dir", &format!("{:?}", data_dir.to_str().unwrap()))
            .set("record", "checkpoint_seconds", "1")
            .set("record", "fsync_milliseconds", "50")
    })?;
    Some((disk, data_dir, home))
}

/// Fills the disk, and sends frames until it has no room in its last page either.
fn fill(disk: &SmallDisk, home: &mut Home) {
    let before = home.service.log_lines().len();
    disk.fill();
    home.transmit_until_line_after(VAN, before, "events wait in memory");
}

/// Frees the disk, and waits until it is written to again.
fn free(disk: &SmallDisk, home: &Home) {
    let before = home.service.log_lines().len();
    disk.free();
    home.service.wait_for_line_after(before, "the disk takes events again");
}

/// The notices so far: whether each had a sound, and its text.
fn notices(home: &Home) -> Vec<(bool, String)> {
    let is_loud = |message: &SentMessage| message.raw["disable_notification"] != true;
    home.api.sent().iter().filter(|m| is_notice(m)).map(|m| (is_loud(m), m.plain.clone())).collect()
}

const STOPPED: &str = "⚠️ Recording has stopped: writing to disk fails (No space left on device). New probes are \
                       kept in memory while there is room. Free some space, or fix the disk.";
const RESUMED: &str = "✅ Recording works again. Nothing was lost.";

/// What is told of a device, without how long ago that was.
fn told_of(home: &Home, device: &str) -> String {
    let card = home.ask(device).plain;
    card.lines().map(|line| line.split_once(" ago (").map_or(line, |(_, time)| time)).collect()
}

#[test]
fn a_full_disk_heals_and_loses_nothing() {
    let Some((disk, data_dir, mut home)) = home_on_small_disk() else { return };
    home.ask("/watch Depot before");
    home.transmit(ALICE, "RNM0");
    home.ask_until(ALICE, "Probe count: 1\n");

    for round in 1..=2 {
        fill(&disk, &mut home);
        // It goes on from memory: hearing, answering, alerting.
        home.transmit(ALICE, "RNM0");
        home.ask_until(ALICE, &format!("Probe count: {}\n", round + 1));
        let refused = home.ask("/watch Other after").plain;
        assert!(refused.starts_with("❌ That could not be saved: "), "{refused}");
        assert!(!home.ask("/watches").plain.contains("Other"));
        assert!(home.ask("/status").plain.contains("Writing to disk fails"));
        assert!(home.ask("/watches").plain.contains("Depot"));

        free(&disk, &home);
        assert!(home.ask("/watch Third after").plain.contains("Third"));
        assert!(home.ask("/unwatch Third").plain.contains("No longer"));
        let known = (told_of(&home, ALICE), told_of(&home, VAN));
        home.kill_and_restart();
        assert_eq!((told_of(&home, ALICE), told_of(&home, VAN)), known);
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

#[test]
fn the_chat_says_once_that_recording_stopped_and_once_that_it_runs_again() {
    let Some((disk, _, mut home)) = home_on_small_disk() else { return };
    home.transmit(VAN, "RNM0");
    // Alerts wait, for as long as Telegram says: the notices do not wait behind them.
    home.ask("/watch Depot");
    home.api.fail_next("sendMessage", 1, Fault::TooManyRequests { retry_after: 600 });
    home.transmit(ALICE, "Depot");
    home.service.wait_for_log_event("alert_delayed", &[("chat", "1001"), ("wait_seconds", "600")]);

    // Telegram does not take the notice at first.
    home.api.fail_next("sendMessage", 1, Fault::ServerError(500));
    fill(&disk, &mut home);
    let stopped = home.api.wait_for_message(is_notice);
    assert_eq!((stopped.chat_id, stopped.plain.as_str()), (CHAT, STOPPED));
    free(&disk, &home);
    home.api.wait_for_message(|message| message.plain == RESUMED);
    assert_eq!(notices(&home), [(true, STOPPED.to_owned()), (false, RESUMED.to_owned())]);

    // A disk that comes and goes is not told of again at once.
    fill(&disk, &mut home);
    assert!(home.ask("/status").plain.contains("Writing to disk fails"));
    free(&disk, &home);
    home.ask("/status");
    assert_eq!(notices(&home).len(), 2);
    home.api.assert_clean();
}

#[test]
fn what_was_lost_is_told() {
    let text = |lost| probewatch::chat::views::notices::recording_resumed(lost).to_string();
    assert_eq!(text(0), RESUMED);
    assert_eq!(text(1), "✅ Recording works again. 1 probe was lost meanwhile.");
    assert_eq!(text(312), "✅ Recording works again. 312 probes were lost meanwhile.");
}

#[test]
fn what_was_over_before_telegram_could_be_told_is_not_told() {
    let Some((disk, _, mut home)) = home_on_small_disk() else { return };
    home.transmit(VAN, "RNM0");
    home.api.set_down(true);
    fill(&disk, &mut home);
    home.service.wait_for_log_event("notice_delayed", &[("chat", "1001")]);
    free(&disk, &home);
    home.api.set_down(false);
    home.ask_until("/status", "capturing");
    assert_eq!(notices(&home), []);
    home.api.assert_clean();
}
