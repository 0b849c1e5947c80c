//! While the machine's clock is in doubt, what lasts goes on by the time since the boot: cool-downs, the alerts of a
//! minute, mutes, and the presence of followed devices. So it does after a restart.

use std::path::Path;
use std::time::{Duration, Instant};

use dot11::MacAddr;
use store::event::{AlertDecision, ChatId, EventKind, Probe, Timestamp};
use store::state::ALERTS_PER_MINUTE;

use crate::clock::{ONE_YEAR, TEN_YEARS, set_clock};
use crate::support::http;
use crate::support::jumping_clock::JumpingClock;
use crate::support::recorder::events;
use crate::support::service::{Config, log_field};
use crate::support::testbed::{CHAT, Mode, Testbed};
use crate::support::wait_until;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The recorder searches for devices that have left more often.
const DEPARTURE_CHECKS: Duration = Duration::from_secs(6);

const FOLLOWED: MacAddr = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]);
const ALERTED: MacAddr = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 2]);

fn probes(data_dir: &Path) -> Vec<Probe> {
    let events = events(data_dir).into_iter();
    events
        .filter_map(|(_, event)| if let EventKind::Probe(probe) = event.kind { Some(probe) } else { None })
        .collect()
}

/// The service, with the devices that were not seen yet.
struct Street {
    testbed: Testbed,
    strangers: u8,
    /// How far the service's time is ahead of the right one.
    ahead: Duration,
}

impl Street {
    /// Has the device ask for the watched network, and returns what was recorded.
    fn hears(&mut self, source: MacAddr) -> Probe {
        let data_dir = self.testbed.service.data_dir();
        let of_it = || probes(&data_dir).into_iter().filter(|probe| probe.source == source);
        let (count, sent) = (of_it().count(), Timestamp::now());
        self.testbed.transmit(&source.to_string(), "RNM0");
        let probe = wait_until("the probe to be on disk", || of_it().nth(count));
        // This process has the right clock.
        let time = probe.corrected_time().saturating_sub(self.ahead);
        let (earliest, latest) = (sent.saturating_sub(SECOND), Timestamp::now().saturating_add(SECOND));
        assert!(earliest <= time && time <= latest, "{earliest} {time} {latest}");
        probe
    }

    fn hears_a_stranger(&mut self) -> Probe {
        self.strangers += 1;
        self.hears(MacAddr::new([0xa4, 0x83, 0xe7, 0, 1, self.strangers]))
    }

    /// Whether the decision about this probe follows from the alerts of the minute before.
    fn assert_allowed(&self, probe: &Probe) {
        let is_raised = |probe: &Probe| matches!(probe.alerts[..], [AlertDecision::Raise { .. }]);
        let mut recent = probes(&self.testbed.service.data_dir());
        recent.retain(|other| {
            let age = probe.corrected_time().abs_diff(other.corrected_time());
            ![FOLLOWED, probe.source].contains(&other.source) && is_raised(other) && age < MINUTE
        });
        match recent.len() < ALERTS_PER_MINUTE {
            true => assert!(is_raised(probe), "{probe:?}"),
            false => assert_eq!(probe.alerts, [AlertDecision::Overflow { chat: ChatId(CHAT) }]),
        }
    }

    /// The service's health says that the clock is in doubt, or not.
    fn wait_for_doubt(&self, is_doubted: bool) {
        let line = self.testbed.service.wait_for_log_event("monitoring_listening", &[]);
        let address = log_field(&line, "address").parse().unwrap();
        let health = || http::get(address, "/healthz").unwrap().text();
        wait_until("the service to notice the clock", || {
            (health().contains("clock is in doubt") == is_doubted).then_some(())
        });
    }
}

#[test]
fn what_lasts_goes_on_while_the_clock_jumps() {
    let Some(clock) = JumpingClock::build() else { return };
    let set_up = |config: Config| {
        // No time server.
        let config = clock.of(config).env("PATH", "/nonexistent").cooldown_seconds(3600);
        config.set("monitoring", "listen", "\"127.0.0.1:0\"")
    };
    let Some(testbed) = Testbed::start(Mode::Webhook, set_up) else { return };
    testbed.ask("/watch RNM0");
    testbed.ask(&format!("/follow {FOLLOWED}"));
    let mut street = Street { testbed, strangers: 0, ahead: Duration::ZERO };
    street.hears(FOLLOWED);
    assert!(matches!(street.hears(ALERTED).alerts[..], [AlertDecision::Raise { .. }]));
    for _ in 0..ALERTS_PER_MINUTE {
        let probe = street.hears_a_stranger();
        street.assert_allowed(&probe);
    }
    for ahead in [TEN_YEARS, 0, -ONE_YEAR, 0] {
        street.testbed.ask("/mute 1h");
        clock.set_ahead(ahead);
        let jumped = Instant::now();
        street.wait_for_doubt(ahead != 0);
        assert_eq!(street.hears_a_stranger().alerts, [AlertDecision::Mute { chat: ChatId(CHAT) }]);
        street.testbed.ask("/unmute");
        assert_eq!(street.hears(ALERTED).alerts, [AlertDecision::Suppress { chat: ChatId(CHAT) }]);
        let probe = street.hears_a_stranger();
        street.assert_allowed(&probe);
        if ahead == TEN_YEARS {
            wait_until("a search for devices that have left", || {
                (jumped.elapsed() > DEPARTURE_CHECKS).then_some(())
            });
        }
    }
    let data_dir = street.testbed.service.data_dir();
    let has_left = |kind: &EventKind| matches!(kind, EventKind::Left { .. });
    assert!(!events(&data_dir).iter().any(|(_, event)| has_left(&event.kind)));

    // An hour passes, all of it in doubt: the mute and the cool-down end.
    let starts = street.testbed.api.webhook_history().len() + 1;
    street.testbed.ask("/mute 1h");
    clock.set_ahead(TEN_YEARS);
    street.wait_for_doubt(true);
    assert!(street.testbed.service.terminate().success());
    set_clock(&data_dir, -3601);
    street.ahead = Duration::from_secs(3601);
    street.testbed.service.restart();
    street.testbed.wait_until_ready(starts);
    street.wait_for_doubt(true);
    assert!(matches!(street.hears(ALERTED).alerts[..], [AlertDecision::Raise { .. }]));
}
