//! A full disk stops neither capturing nor replies. Nothing that was acknowledged is lost. A chat learns which change
//! was not saved, and gets one notice that recording stopped and one that it resumed. It resumes without a restart.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::support::bot_api::{Fault, SentMessage};
use crate::support::require;
use crate::support::service::log_event;
use crate::support::testbed::{CHAT, Mode, Testbed, is_notice};

const ALICE: &str = "a4:83:e7:4e:39:15";
const VAN: &str = "00:23:a7:19:5c:02";

/// A file system of 8 MiB in memory, unmounted on drop.
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` after a skip was reported.
    pub fn mount() -> Option<Self> {
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

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    pub fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    pub fn free(&self) {
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

/// A service that records onto a small disk. `None` after a skip was reported.
fn testbed_on_small_disk() -> Option<(SmallDisk, PathBuf, Testbed)> {
    let disk = SmallDisk::mount()?;
    let data_dir = disk.folder.path().join("data");
    let testbed = Testbed::start(Mode::Webhook, |config| {
        config
            .set("", "data_dir", &format!("{:?}", data_dir.to_str().unwrap()))
            .set("record", "checkpoint_seconds", "1")
            .set("record", "fsync_milliseconds", "50")
    })?;
    Some((disk, data_dir, testbed))
}

/// Fills the disk, and sends frames until its last page is full too.
fn fill(disk: &SmallDisk, testbed: &mut Testbed) {
    let before = testbed.service.log_lines().len();
    disk.fill();
    testbed.transmit_until_line_after(VAN, before, &log_event("disk_failed", &[]));
}

/// Frees the disk, and waits until writing works again.
fn free(disk: &SmallDisk, testbed: &Testbed) {
    let before = testbed.service.log_lines().len();
    disk.free();
    testbed.service.wait_for_log_event_after(before, "disk_recovered", &[]);
}

/// The notices so far: whether each made a sound, and its text.
fn notices(testbed: &Testbed) -> Vec<(bool, String)> {
    let is_loud = |message: &SentMessage| message.raw["disable_notification"] != true;
    testbed.api.sent().iter().filter(|m| is_notice(m)).map(|m| (is_loud(m), m.plain.clone())).collect()
}

const STOPPED: &str = "⚠️ Recording has stopped: writing to disk fails (No space left on device). New probes are \
                       kept in memory while there is room. To do: free some space on the disk.";
const RESUMED: &str = "✅ Recording works again. Nothing was lost.";

/// A device's card without relative times.
fn card_without_ages(testbed: &Testbed, device: &str) -> String {
    let card = testbed.ask(device).plain;
    card.lines().map(|line| line.split_once(" ago (").map_or(line, |(_, time)| time)).collect()
}

#[test]
fn recording_resumes_after_a_full_disk_without_loss() {
    let Some((disk, data_dir, mut testbed)) = testbed_on_small_disk() else { return };
    testbed.ask("/watch Depot before");
    testbed.transmit(ALICE, "RNM0");
    testbed.ask_until(ALICE, "Probe count: 1\n");

    for round in 1..=2 {
        fill(&disk, &mut testbed);
        // The service continues from memory: it captures, replies and alerts.
        testbed.transmit(ALICE, "RNM0");
        testbed.ask_until(ALICE, &format!("Probe count: {}\n", round + 1));
        let refused = testbed.ask("/watch Other after").plain;
        assert!(refused.starts_with("❌ That could not be saved: "), "{refused}");
        assert!(!testbed.ask("/watches").plain.contains("Other"));
        assert!(testbed.ask("/status").plain.contains("Writing to disk fails"));
        assert!(testbed.ask("/watches").plain.contains("Depot"));

        free(&disk, &testbed);
        assert!(testbed.ask("/watch Third after").plain.contains("Third"));
        assert!(testbed.ask("/unwatch Third").plain.contains("No longer"));
        let before = (card_without_ages(&testbed, ALICE), card_without_ages(&testbed, VAN));
        testbed.kill_and_restart();
        assert_eq!((card_without_ages(&testbed, ALICE), card_without_ages(&testbed, VAN)), before);
        assert!(testbed.ask("/watches").plain.contains("Depot"));
    }
    // A service that starts on a full disk without sled's files still replies.
    testbed.service.kill();
    fs::remove_dir_all(data_dir.join("state")).unwrap();
    disk.fill();
    testbed.kill_and_restart();
    assert!(testbed.ask("/watches").plain.contains("Depot"));
    disk.free();
    testbed.ask_until("/watch Fourth after", "Fourth");
    assert!(testbed.service.terminate().success());
    testbed.api.assert_clean();
}

#[test]
fn chats_are_notified_once_when_recording_stops_and_resumes() {
    let Some((disk, _, mut testbed)) = testbed_on_small_disk() else { return };
    testbed.transmit(VAN, "RNM0");
    // Alerts wait as long as Telegram demands. The notices do not wait behind them.
    testbed.ask("/watch Depot");
    testbed.api.fail_next("sendMessage", 1, Fault::TooManyRequests { retry_after: 600 });
    testbed.transmit(ALICE, "Depot");
    testbed.service.wait_for_log_event("alert_delayed", &[("chat", "1001"), ("wait_seconds", "600")]);

    // Telegram refuses the notice at first.
    testbed.api.fail_next("sendMessage", 1, Fault::ServerError(500));
    fill(&disk, &mut testbed);
    let stopped = testbed.api.wait_for_message(is_notice);
    assert_eq!((stopped.chat_id, stopped.plain.as_str()), (CHAT, STOPPED));
    free(&disk, &testbed);
    testbed.api.wait_for_message(|message| message.plain == RESUMED);
    assert_eq!(notices(&testbed), [(true, STOPPED.to_owned()), (false, RESUMED.to_owned())]);

    // If the disk fills up again soon, there is no further notice.
    fill(&disk, &mut testbed);
    assert!(testbed.ask("/status").plain.contains("Writing to disk fails"));
    free(&disk, &testbed);
    testbed.ask("/status");
    assert_eq!(notices(&testbed).len(), 2);
    testbed.api.assert_clean();
}

#[test]
fn a_failure_that_was_reported_before_a_restart_is_over_after_it() {
    let Some((disk, _, mut testbed)) = testbed_on_small_disk() else { return };
    testbed.transmit(VAN, "RNM0");
    fill(&disk, &mut testbed);
    testbed.api.wait_for_message(|message| message.plain == STOPPED);
    // It lasts over a restart, and nobody is told a second time.
    testbed.kill_and_restart();
    testbed.ask("/status");
    testbed.kill_and_restart_after(|| disk.free());
    testbed.transmit(VAN, "RNM0");
    let over = "✅ Recording works again since the restart.";
    testbed.api.wait_for_message(|message| message.plain == over);
    assert_eq!(notices(&testbed), [(true, STOPPED.to_owned()), (false, over.to_owned())]);
    // That is not said again after the next restart.
    testbed.kill_and_restart();
    testbed.transmit(VAN, "RNM0");
    testbed.ask("/status");
    assert_eq!(notices(&testbed).len(), 2);
    testbed.api.assert_clean();
}

#[test]
fn lost_probes_are_reported() {
    let text = |lost| probewatch::chat::views::notices::recording_resumed(lost, 0).to_string();
    assert_eq!(text(0), RESUMED);
    assert_eq!(text(1), "✅ Recording works again. 1 probe was lost meanwhile.");
    assert_eq!(text(312), "✅ Recording works again. 312 probes were lost meanwhile.");
}

#[test]
fn an_incident_that_ended_during_an_outage_is_not_reported() {
    let Some((disk, _, mut testbed)) = testbed_on_small_disk() else { return };
    testbed.transmit(VAN, "RNM0");
    testbed.api.set_down(true);
    fill(&disk, &mut testbed);
    testbed.service.wait_for_log_event("notice_delayed", &[("chat", "1001")]);
    free(&disk, &testbed);
    testbed.api.set_down(false);
    testbed.ask_until("/status", "capturing");
    assert_eq!(notices(&testbed), []);
    testbed.api.assert_clean();
}
