//! Known devices alert although invented addresses ask for the same network all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::frames::ProbeRequestFrame;
use crate::support::service::{Config, toml_string};
use crate::support::tap_radio::TapRadio;
use crate::support::testbed::{Mode, Testbed};

const NAMED: u8 = 12;
const FOLLOWED: u8 = 8;

fn named(number: u8) -> String {
    format!("a4:83:e7:00:01:{number:02x}")
}

fn followed(number: u8) -> String {
    format!("a4:83:e7:00:02:{number:02x}")
}

/// Sends frames from invented addresses, 20 a second, until it is stopped.
fn flood(radio: &TapRadio, is_over: &AtomicBool) {
    for number in 0..u16::MAX {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let [a, b] = number.to_be_bytes();
        let source = format!("00:23:a7:00:{a:02x}:{b:02x}");
        radio.transmit(&ProbeRequestFrame::new(&source).ssid("Depot").signal(-50).sequence(number).build());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_known_device_is_alerted_during_a_flood() {
    let change = |config: Config| {
        let names = (0..NAMED).fold(config, |config, number| {
            config.set("devices", &toml_string(&named(number)), &toml_string(&format!("Lamp {number}.")))
        });
        names.set("alerts", "gather_seconds", "5")
    };
    let Some(testbed) = Testbed::start(Mode::Webhook, change) else { return };
    testbed.ask("/watch Depot");
    for number in 0..FOLLOWED {
        testbed.ask(&format!("/follow {}", followed(number)));
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| flood(&testbed.radio, &is_over));
        // The others have used up their allowance.
        testbed.api.wait_for_message(|message| message.plain.contains("too many at once"));
        let sent = Instant::now();
        for number in 0..NAMED {
            testbed.radio.transmit(&ProbeRequestFrame::new(&named(number)).ssid("Depot").build());
        }
        for number in 0..FOLLOWED {
            testbed.radio.transmit(&ProbeRequestFrame::new(&followed(number)).ssid("").build());
        }
        let names = (0..NAMED).map(|number| format!("Lamp {number}."));
        for wanted in names.chain((0..FOLLOWED).map(followed)) {
            let alert = testbed.api.wait_for_message(|message| {
                message.plain.starts_with('📣') && message.plain.contains(&wanted)
            });
            println!("{wanted} after {:.1} s", (alert.at - sent).as_secs_f64());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    testbed.api.assert_clean();
}
