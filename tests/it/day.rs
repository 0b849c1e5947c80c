//! Snapshots of whole conversations, so that a reviewer reads each text in context. A day ([`script`]), an evening and
//! three shorter plays ([`evening`]) run against the real service, once by webhook and once by polling. Both must give
//! the same conversation, word for word. Each scene has a snapshot in `day/snapshots`.
//!
//! They also run against a server that only knows the Bot API 7.0, where every message is classic. A scene that looks
//! different there has a second snapshot, in `day/snapshots/older`. The bot tries what such a server does not know once,
//! and breaks no rule with it.
//!
//! After a change of a text, `INSTA_UPDATE=always cargo test --test it day::` rewrites the snapshots; review their
//! diff. Nothing else has to change.
//!
//! These texts are covered elsewhere, since a live run cannot produce them quickly or reliably:
//! - A change that is not saved, recording that stops and resumes, and `/status` meanwhile:
//!   [`full_disk`](crate::full_disk).
//! - Progress messages: [`slow_replies`](crate::slow_replies). Whether the day has any depends on the machine's speed,
//!   so the transcript leaves them out.
//! - A digest that is cut: [`alerting`](crate::alerting).
//! - Damage and lost events in `/status`: [`log_damage`](crate::log_damage).

mod evening;
mod pairing;
mod rare;
mod scenario;
mod script;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::thread;

use scenario::Connection;

use crate::support::bot_api::Version;
use crate::support::require;
use crate::support::testbed::Mode;
use crate::support::transcript::Scene;
use crate::support::wait::{self, TEST_LIMIT};

/// The folder of the snapshots, below that of this file.
const SNAPSHOTS: &str = "day/snapshots";

/// The folder of the scenes that look different with an older server.
const OLDER_SNAPSHOTS: &str = "day/snapshots/older";

/// A name for the snapshot of each scene.
fn named<'a>(play: &str, scenes: &'a [Scene]) -> Vec<(String, &'a Scene)> {
    let name = |(number, scene): (usize, &'a Scene)| {
        let title = scene.title.to_lowercase().replace(' ', "_");
        (format!("{play}_{:02}_{title}", number + 1), scene)
    };
    scenes.iter().enumerate().map(name).collect()
}

/// Each scene of a play equals its snapshot, and each snapshot has a scene.
#[track_caller]
fn assert_scenes(play: &str, scenes: &[Scene]) {
    assert_snapshots(play, SNAPSHOTS, &named(play, scenes));
}

#[track_caller]
fn assert_snapshots(play: &str, folder: &str, named: &[(String, &Scene)]) {
    let is_other = |(name, scene): &(String, &Scene)| {
        let compare = || {
            insta::with_settings!({
                snapshot_path => folder, prepend_module_to_snapshot => false, omit_expression => true
            }, {
                insta::assert_snapshot!(name.as_str(), scene.text);
            });
        };
        catch_unwind(compare).is_err()
    };
    let differing: Vec<&str> =
        named.iter().filter(|scene| is_other(scene)).map(|(name, _)| name.as_str()).collect();
    assert!(differing.is_empty(), "scenes that differ from their snapshots: {differing:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(folder);
    let files = fs::read_dir(folder).into_iter().flatten();
    let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stored: BTreeSet<String> = files.filter(|file| file.starts_with(&format!("{play}_"))).collect();
    let expected: BTreeSet<String> = named.iter().map(|(name, _)| format!("{name}.snap")).collect();
    assert_eq!(stored, expected, "snapshots without a scene");
}

/// Plays by webhook and by polling, and against an older server, at the same time, since most of it is waiting.
#[track_caller]
fn assert_plays_alike(name: &str, play: fn(Connection) -> Vec<Scene>) {
    let (new, old) = (Version::V10_1, Version::V7_0);
    let connections = [(Mode::Webhook, new), (Mode::Polling, new), (Mode::Polling, old)];
    let playing =
        connections.map(|(mode, version)| thread::spawn(move || play(Connection { mode, version })));
    let [webhook, polling, older] =
        playing.map(|play| wait::join_within(TEST_LIMIT, play, "the end of the play"));
    for (webhook, polling) in webhook.iter().zip(&polling) {
        assert!(webhook == polling, "by webhook:\n{}\nby polling:\n{}", webhook.text, polling.text);
    }
    assert_eq!((webhook.len(), older.len()), (polling.len(), polling.len()));
    assert_scenes(name, &webhook);
    let older = named(name, &older).into_iter().zip(&webhook);
    let different: Vec<(String, &Scene)> =
        older.filter(|((_, older), new)| older != new).map(|(older, _)| older).collect();
    assert_snapshots(name, OLDER_SNAPSHOTS, &different);
}

/// The code in a link.
fn code_in(text: &str) -> String {
    let after = text.split("start=").nth(1).unwrap_or_else(|| panic!("no link: {text}"));
    after.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn a_day() {
    if require::tap_allowed() {
        assert_plays_alike("day", script::a_day);
    }
}

#[test]
fn an_evening() {
    assert_plays_alike("evening", evening::an_evening);
}

#[test]
fn a_followed_device() {
    assert_plays_alike("followed", evening::a_followed_device);
}

#[test]
fn a_stranger() {
    assert_plays_alike("stranger", evening::a_stranger);
}

#[test]
fn a_quiet_street() {
    assert_plays_alike("quiet", evening::a_quiet_street);
}
