//! Promise: every text that a person sees in the chat reads well, in the conversation that it is part of. A day
//! ([`script`]) and an evening ([`evening`]) are played with the service as it runs, by webhook and by polling,
//! and both give the same conversation, word for word, which is kept as a snapshot to be read.
//!
//! After a text was changed, `INSTA_UPDATE=always cargo test --test it day::` writes the snapshots anew; nothing
//! else need be changed, and they are then to be read.
//!
//! What a live run cannot bring about, or not in a moment, others have:
//! - A change that is not saved, recording that stops and runs again, what `/status` says meanwhile:
//!   [`full_disk`](crate::full_disk).
//! - The line that says that an answer takes its time: [`bot_work`](crate::bot_work). In the day it would come
//!   only where the machine is slow, so that it is never shown.
//! - A digest that is cut: [`alerting`](crate::alerting).
//! - Damage and lost events in `/status`: [`log_damage`](crate::log_damage).

mod door;
mod evening;
mod rare;
mod script;
mod stage;

use crate::support::home::Mode;
use crate::support::require;
use crate::support::transcript::MASKS;
use crate::support::wait;

/// What was said is what the snapshot of this name has.
fn assert_said(name: &str, said: &str) {
    insta::with_settings!({ filters => MASKS.to_vec(), omit_expression => true }, {
        insta::assert_snapshot!(name, said);
    });
}

/// The code in a link.
fn code_in(text: &str) -> String {
    let after = text.split("start=").nth(1).unwrap_or_else(|| panic!("no link: {text}"));
    after.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn a_day_by_webhook() {
    a_day(Mode::Webhook);
}

#[test]
fn a_day_by_polling() {
    a_day(Mode::Polling);
}

fn a_day(mode: Mode) {
    if require::tap_allowed() {
        assert_said("a_day", &script::a_day(mode));
    }
}

/// Both at once: most of it is waiting.
#[test]
fn an_evening_by_webhook_and_by_polling() {
    let evening = |mode| std::thread::spawn(move || evening::an_evening(mode));
    for said in [Mode::Webhook, Mode::Polling].map(evening) {
        assert_said("an_evening", &wait::join(said, "the end of the evening"));
    }
}
