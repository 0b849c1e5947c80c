//! The complete setup: the service with a radio, a Bot API server, and the owner's chat.

use std::time::Duration;

use super::DEADLINE;
use super::bot_api::{BotApi, Call, Incoming, SentMessage, Version};
use super::frames::ProbeRequestFrame;
use super::require;
use super::service::{Config, Service};
use super::tap_radio::TapRadio;
use super::wait::Wait;

/// The owner's chat.
pub const CHAT: i64 = 1001;

/// The group of [`Testbed::start_with_group`].
pub const GROUP: i64 = -200;

/// How updates reach the bot.
#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    Webhook,
    Polling,
}

/// The service with its radio and its Bot API server.
pub struct Testbed {
    pub api: BotApi,
    pub radio: TapRadio,
    pub service: Service,
    mode: Mode,
    sequence: u16,
}

impl Testbed {
    /// `None` after a skip was reported.
    pub fn start(mode: Mode, change: impl FnOnce(Config) -> Config) -> Option<Self> {
        Self::start_against(Version::default(), mode, change)
    }

    /// As [`Self::start`], with a server of this version. `None` after a skip was reported.
    pub fn start_against(
        version: Version,
        mode: Mode,
        change: impl FnOnce(Config) -> Config,
    ) -> Option<Self> {
        Self::start_with(BotApi::start_version(version), mode, change)
    }

    /// As [`Self::start`], with this Bot API server. `None` after a skip was reported.
    pub fn start_with(api: BotApi, mode: Mode, change: impl FnOnce(Config) -> Config) -> Option<Self> {
        if !require::tap_allowed() {
            return None;
        }
        let radio = TapRadio::unique("pwbot").unwrap();
        let config = Config::new(&api).sources(&[radio.name()]);
        let config = if mode == Mode::Polling { config.polling() } else { config };
        let service = Service::start_with(&api, change(config));
        let testbed = Self { api, radio, service, mode, sequence: 0 };
        testbed.wait_until_ready(1);
        Some(testbed)
    }

    /// A service for the owner and a group, which watches "Depot". `None` after a skip was reported.
    pub fn start_with_group() -> Option<Self> {
        let testbed = Self::start(Mode::Webhook, |config| config.chats(&[CHAT, GROUP]).cooldown_seconds(0))?;
        testbed.say(GROUP, "/watch Depot for the group");
        testbed.api.wait_for_message(|message| message.chat_id == GROUP);
        Some(testbed)
    }

    pub fn wait_until_ready(&self, start: usize) {
        self.service.wait_until_capturing(self.radio.name());
        match self.mode {
            Mode::Webhook => {
                self.api.webhook_number(start);
                self.service.wait_for_log_event("webhook_registered", &[]);
            }
            Mode::Polling => {
                self.service.wait_for_log_event("polling_started", &[]);
            }
        }
    }

    /// Kills the service with SIGKILL, restarts it, and waits until it is ready.
    pub fn kill_and_restart(&mut self) {
        self.kill_and_restart_after(|| ());
    }

    /// As [`Self::kill_and_restart`], and calls `meanwhile` before the restart.
    pub fn kill_and_restart_after(&mut self, meanwhile: impl FnOnce()) {
        let starts = self.api.webhook_history().len() + 1;
        self.service.kill();
        meanwhile();
        self.service.restart();
        self.wait_until_ready(starts);
    }

    pub fn say(&self, chat: i64, text: &str) {
        self.bring(Incoming::text(chat, text));
    }

    /// Delivers an update and returns the bot's first message to this chat in response.
    pub fn bring_and_wait(&self, chat: i64, incoming: Incoming) -> SentMessage {
        let seen = self.api.sent().len();
        self.bring(incoming);
        self.api.wait_for_message_after(seen, |message| message.chat_id == chat)
    }

    /// Delivers an update to the bot. In webhook mode it is handled when this returns.
    pub fn bring(&self, incoming: Incoming) {
        match self.mode {
            Mode::Webhook => assert_eq!(self.api.post(self.service.listen_address(), incoming), 200),
            Mode::Polling => self.api.push(incoming),
        }
    }

    /// The reply to a message from the owner.
    pub fn ask(&self, text: &str) -> SentMessage {
        let seen = self.api.sent().len();
        self.say(CHAT, text);
        let reply =
            self.api.wait_for_message_after(seen, |message| !is_alert(message) && !is_notice(message));
        assert_eq!(reply.chat_id, CHAT);
        if self.mode == Mode::Polling {
            // If the test killed the bot before it confirmed the update, it would receive and answer it again.
            self.api.wait_until_confirmed();
        }
        reply
    }

    /// Asks again until the reply contains this, since recording a frame takes time.
    pub fn ask_until(&self, text: &str, wanted: &str) -> SentMessage {
        let mut seen = String::new();
        let wait = Wait::start(DEADLINE, &format!("a reply to {text:?} with {wanted:?}"));
        while wait.left().is_some() {
            let reply = self.ask(text);
            if reply.plain.contains(wanted) {
                return reply;
            }
            seen = reply.plain;
        }
        wait.fail(&seen)
    }

    pub fn transmit(&mut self, source: &str, ssid: &str) {
        self.sequence += 1;
        let frame = ProbeRequestFrame::new(source).ssid(ssid).signal(-61).sequence(self.sequence);
        self.radio.transmit(&frame.build());
    }

    /// Sends frames until the log has such a line after the first `seen` lines of the run.
    pub fn transmit_until_line_after(&mut self, source: &str, seen: usize, wanted: &str) {
        let wait = Wait::start(DEADLINE, &format!("a line with {wanted:?} in the service's log"));
        while !self.service.has_line_after(seen, wanted, Duration::from_millis(5)) {
            if wait.left().is_none() {
                wait.fail("");
            }
            self.transmit(source, "Elsewhere");
        }
    }

    pub fn alerts(&self) -> Vec<SentMessage> {
        self.api.sent().into_iter().filter(is_alert).collect()
    }

    /// Waits for the alert of this number, counted from 1.
    pub fn wait_for_alert(&self, number: usize) -> SentMessage {
        let before: Vec<i64> = self.alerts().iter().take(number - 1).map(|alert| alert.message_id).collect();
        assert_eq!(before.len(), number - 1);
        self.api.wait_for_message(|message| is_alert(message) && !before.contains(&message.message_id))
    }
}

/// Whether this is a notice about the recording or a source.
pub fn is_notice(message: &SentMessage) -> bool {
    ["⚠️ ", "✅ "].iter().any(|start| message.plain.starts_with(start))
}

pub fn is_alert(message: &SentMessage) -> bool {
    message.plain.starts_with('📣')
}

/// Whether this call sends or edits an alert, be it accepted or not.
pub fn is_alert_call(call: &Call) -> bool {
    call.plain().starts_with('📣')
}
