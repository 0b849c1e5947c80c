//! While the bot polls, another program takes its updates: it sets a webhook, which the bot deletes, or polls as well.
//! The bot says so and what to do; alerts go out meanwhile.

use std::time::{Duration, Instant};

use crate::support::bot_api::Fault;
use crate::support::service::probewatch;
use crate::support::testbed::{CHAT, Mode, Testbed};
use crate::support::wait_until;

const VAN: &str = "00:23:a7:00:00:01";

fn deletions(testbed: &Testbed) -> usize {
    testbed.api.calls().iter().filter(|call| call.is("deleteWebhook")).count()
}

#[test]
fn a_webhook_of_another_program_is_deleted() {
    let Some(mut testbed) = Testbed::start(Mode::Polling, |config| config) else { return };
    testbed.ask("/watch Depot");
    testbed.api.set_webhook_of_another_program();
    testbed.service.wait_for_log_event("webhook_deleted", &[]);
    assert!(testbed.ask("/help").plain.contains("/status"), "it is answered again");
    let status = testbed.ask("/status");
    assert!(status.plain.contains("sets a webhook for this bot"), "{}", status.plain);
    // While it cannot be deleted, alerts go out.
    testbed.api.fail_next("deleteWebhook", usize::MAX, Fault::ServerError(500));
    testbed.api.set_webhook_of_another_program();
    testbed.transmit(VAN, "Depot");
    testbed.wait_for_alert(1);
    testbed.api.clear_faults();
    testbed.ask("/help");
    testbed.api.assert_clean();
}

#[test]
fn a_webhook_that_is_set_again_and_again_is_reported_once() {
    let Some(testbed) = Testbed::start(Mode::Polling, |config| config) else { return };
    let (before, start) = (deletions(&testbed), Instant::now());
    let warnings = || {
        let is_warning = |text: &str| text.starts_with("⚠️") && text.contains("sets a webhook");
        testbed.api.sent().iter().filter(|message| is_warning(&message.plain)).count()
    };
    wait_until("a warning in the chat", || {
        testbed.api.set_webhook_of_another_program();
        (warnings() > 0).then_some(())
    });
    let made = deletions(&testbed) - before;
    let most = 3 + start.elapsed().as_secs_f64().log2().max(0.0) as usize;
    assert!(made <= most, "{made} deletions in {:?}", start.elapsed());
    let warning =
        testbed.api.wait_for_message(|message| message.chat_id == CHAT && message.plain.starts_with("⚠️"));
    assert!(warning.plain.contains("@BotFather"), "{}", warning.plain);
    let config = testbed.service.config_path();
    let doctor = probewatch(&["doctor", "-c", config.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("sets a webhook for this bot"), "{doctor:?}");
    testbed.ask("/help");
    assert_eq!(warnings(), 1);
}

#[test]
fn another_program_that_polls_is_reported() {
    let Some(testbed) = Testbed::start(Mode::Polling, |config| config) else { return };
    let description =
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    let before = deletions(&testbed);
    testbed.api.fail_next("getUpdates", 3, Fault::Error { status: 409, description });
    // The poll that waits ends with an update.
    testbed.ask("/help");
    let warning = testbed.api.wait_for_message(|message| message.plain.starts_with("⚠️"));
    assert!(warning.plain.contains("polls with this bot's token"), "{}", warning.plain);
    assert_eq!(deletions(&testbed), before, "there is no webhook to delete");
    let waited = testbed.service.wait_for_line("event=\"updates_taken\"");
    assert!(waited.contains("@BotFather"), "{waited}");
    let status = testbed.ask_until("/status", "polls with this bot's token");
    assert!(status.at.elapsed() < Duration::from_secs(60));
    testbed.api.assert_clean();
}
