//! Waits end at their deadlines and say what they waited for.

use std::panic::catch_unwind;
use std::process::Command;
use std::sync::Barrier;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::wait::{self, WATCHDOG_VARIABLE};
use crate::support::{process, wait_at_most};

#[test]
fn a_failed_wait_says_what_it_waited_for() {
    let limit = Duration::from_millis(20);
    let failed = catch_unwind(|| wait_at_most(limit, "a sign", || None::<()>)).unwrap_err();
    let message = failed.downcast::<String>().unwrap();
    assert!(message.starts_with("timed out waiting for a sign"), "{message}");
    assert_eq!(wait_at_most(limit, "a sign", || Some(7)), 7);
}

#[test]
fn a_channel_without_a_sender_gives_nothing() {
    let (sender, receiver) = mpsc::channel();
    sender.send(7).unwrap();
    assert_eq!(wait::receive(&receiver, "a number"), 7);
    drop(sender);
    assert_eq!(wait::try_receive(&receiver, "a number"), None);
}

/// Hangs when the watchdog's test runs it, without a wait of the support code.
#[test]
fn hangs_for_the_watchdog() {
    if std::env::var_os(WATCHDOG_VARIABLE).is_some() {
        wait::watch_test();
        let barrier = Barrier::new(3);
        thread::scope(|scope| {
            scope.spawn(|| wait_at_most(Duration::from_secs(60), "a sign", || None::<()>));
            barrier.wait();
        });
    }
}

#[test]
fn the_watchdog_ends_a_test_that_hangs_and_names_it() {
    let hanging = "support_tests::wait::hangs_for_the_watchdog";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", hanging]).env(WATCHDOG_VARIABLE, "1");
    let output = process::output(&mut command);
    assert_eq!(output.status.code(), Some(101));
    let report = String::from_utf8_lossy(&output.stderr);
    for part in [hanging, "waited for a sign"] {
        assert!(report.contains(part), "{part}: {report}");
    }
}
