//! Snapshots of whole conversations, so that a reviewer reads each text in context. A day ([`script`]), an evening and
//! three shorter plays ([`evening`]) run against the real service, once by webhook and once by polling. Both must give
//! the same conversation, word for word. Each scene has a snapshot in `day/snapshots`.
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

use crate::support::require;
use crate::support::testbed::Mode;
use crate::support::transcript::Scene;
use crate::support::wait::{self, TEST_LIMIT};

/// Each scene of a play equals its snapshot, and each snapshot has a scene.
#[track_caller]
fn assert_scenes(play: &str, scenes: &[Scene]) {
    let file = |(number, scene): (usize, &Scene)| {
        let title = scene.title.to_lowercase().replace(' ', "_");
        format!("{play}_{:02}_{title}", number + 1)
    };
    let is_other = |(name, scene): &(String, &Scene)| {
        let compare = || {
            insta::with_settings!({
                snapshot_path => "day/snapshots", prepend_module_to_snapshot => false, omit_expression => true
            }, {
                insta::assert_snapshot!(name.as_str(), scene.text);
            });
        };
        catch_unwind(compare).is_err()
    };
    let named: Vec<(String, &Scene)> = scenes.iter().enumerate().map(|at| (file(at), at.1)).collect();
    let differing: Vec<&str> =
        named.iter().filter(|scene| is_other(scene)).map(|(name, _)| name.as_str()).collect();
    assert!(differing.is_empty(), "scenes that differ from their snapshots: {differing:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/day/snapshots");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stored: BTreeSet<String> = files.filter(|file| file.starts_with(&format!("{play}_"))).collect();
    let expected: BTreeSet<String> = named.into_iter().map(|(name, _)| format!("{name}.snap")).collect();
    assert_eq!(stored, expected, "snapshots without a scene");
}

/// Plays by webhook and by polling at the same time, since most of it is waiting.
#[track_caller]
fn assert_plays_alike(name: &str, play: fn(Mode) -> Vec<Scene>) {
    let playing = [Mode::Webhook, Mode::Polling].map(|mode| thread::spawn(move || play(mode)));
    let [webhook, polling] = playing.map(|play| wait::join_within(TEST_LIMIT, play, "the end of the play"));
    for (webhook, polling) in webhook.iter().zip(&polling) {
        assert!(webhook == polling, "by webhook:\n{}\nby polling:\n{}", webhook.text, polling.text);
    }
    assert_eq!(webhook.len(), polling.len());
    assert_scenes(name, &webhook);
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
