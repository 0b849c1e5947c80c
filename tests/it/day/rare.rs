//! Replies and notices about full disks, damage and a missing log. The day does not produce them, so a chat in the
//! test's own process does.

use std::fs;
use std::time::Duration;

use dot11::{MacAddr, RequestedSsid, Ssid};
use probewatch::chat::views::{self, notices};
use probewatch::chat::{ButtonPress, Chat, PressReply, Progress, UserMessage};
use probewatch::status::{SourceState, SourceStatus};
use store::event::{ChatId, Event, EventKind, EvictionScope, Timestamp};
use store::recorder::{ChangeError, RecorderSettings};

use super::assert_scenes;
use crate::support::recorder::{CHATS, Input, Running, one_segment, probe, settings};
use crate::support::transcript::{Scene, masked};
use crate::support::wait;

const OWNER: ChatId = CHATS[0];

/// A radio that has seen better days.
fn old_radio() -> Vec<SourceStatus> {
    let status = |name: &str, condition: SourceState| SourceStatus {
        name: name.to_owned(),
        condition,
        remedy: None,
        last_frame: None,
        frames: 1,
        undecodable: 3,
        bad_fcs: 4,
        dropped: 5,
        restarts: 6,
        clock_is_behind: true,
        hopping_failure: None,
    };
    vec![
        status("mon0", SourceState::Capturing),
        status("street.pcap", SourceState::Ended),
        status("mon1", SourceState::Crashed),
        status("stdin", SourceState::Opening),
    ]
}

#[test]
fn rare_replies_and_notices() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(RecorderSettings { rotation: one_segment(), ..settings(folder.path()) });
    let now = Timestamp::now();
    let source = MacAddr::new([0, 0x23, 0xa7, 0, 0, 1]);
    let random = MacAddr::new([0xda, 0xa1, 0x19, 0, 0, 1]);
    let network = || RequestedSsid::Named(Ssid::from("Depot"));
    for address in [source, random] {
        running.record(&Input::Probe(probe(address, network(), now.as_micros())));
    }
    let addresses = EvictionScope::Random;
    let last_seen_before = now.saturating_add(Duration::from_secs(1));
    running.record(&Input::Change(Event::new(now, EventKind::Evict { addresses, last_seen_before })));
    // The next event completes the eviction.
    running.record(&Input::Change(Event::new(now, EventKind::Unmute { chat: OWNER })));
    running.sync();
    let chat = Chat::new(running.handle.clone(), chrono_tz::Tz::UTC, old_radio);
    let mut scenes = [
        ("Status after failures", String::new()),
        ("Without a log", String::new()),
        ("A full disk", String::new()),
    ];
    let entry = |what: &str, text: String| format!("▶ {what}\n{text}\n\n");
    let ask = |text: &str| {
        let message = UserMessage { chat: OWNER, person: None, text, in_reply_to: None, update: None };
        wait::block_on(&running.runtime, "an answer", chat.answer(message, &Progress::ignored()))
            .text
            .to_string()
    };
    let press = |data: &str| {
        let press = ButtonPress { chat: OWNER, person: None, data, update: None };
        match wait::block_on(
            &running.runtime,
            "the result of a press",
            chat.press(press, &Progress::ignored()),
        ) {
            PressReply::Edit(answer) | PressReply::Send(answer) => answer.text.to_string(),
            PressReply::Notify(text) | PressReply::NotifyAndEdit(text, _) => text,
        }
    };
    scenes[0].1 += &entry("/status after failures", ask("/status"));
    scenes[0].1 += &entry("/ssid after its devices were evicted", ask("/ssid Depot"));
    fs::remove_dir_all(folder.path().join("events")).unwrap();
    scenes[1].1 += &entry("/chart without a log", ask("/chart 00:23:a7:00:00:01"));
    scenes[1].1 += &entry("/export without a log", ask("/export 00:23:a7:00:00:01"));
    scenes[1].1 += &entry("Probes without a log", press("probes:0023a7000001"));
    running.stop();

    let full = "No space left on device (os error 28)";
    for error in
        [ChangeError::Disk(full.into()), ChangeError::NotOnDiskYet(full.into()), ChangeError::Stopped]
    {
        scenes[2].1 += &entry("a change that fails", views::change_failed(&error).to_string());
    }
    scenes[2].1 += &entry(
        "the disk is full",
        notices::recording_stopped(full, "free some space on the disk").to_string(),
    );
    for lost in [0, 1, 7] {
        scenes[2].1 += &entry(
            &format!("the disk works again, {lost} lost"),
            notices::recording_resumed(lost, 0).to_string(),
        );
    }
    scenes[2].1 += &entry("the data directory was deleted", notices::recording_resumed(0, 312).to_string());
    scenes[2].1 +=
        &entry("the log was deleted before the start", notices::history_lost_at_start(312).to_string());
    scenes[2].1 += &entry("a reply that takes long", views::in_progress(4).to_string());
    assert_scenes("rare", &scenes.map(|(title, text)| Scene { title, text: masked(text.trim_end()) }));
}
