//! The text of the status report.

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use store::event::Timestamp;
use store::recorder::{ClockDoubt, LogSize, PendingDeletion};
use store::state::Flood;

use super::{
    RequestedWait, ServerFeature, SourceState, SourceStatus, Status, TelegramProblem, UpdateConflict,
    WaitsWith,
};
use crate::text::format::{
    age, live_age, pluralize, reason, short_time, shown_bytes, shown_duration, shown_time, time_and_age,
};
use crate::text::{Text, printable};
use crate::vendor;

/// For how long a flood that is over is shown.
const SHOWN_FLOOD: Duration = Duration::from_secs(86_400);

/// The text without a running service.
pub fn offline_report(status: &Status, now: Timestamp, zone: Tz) -> Text {
    let text = capture_section(time_zone(Text::default(), status), status, now, zone);
    alerts(log(text, status, now, zone), status, now, zone)
}

/// The whole text: the program, its sources, probes, log and alerts.
pub fn full_report(status: &Status, now: Timestamp, zone: Tz) -> Text {
    let text = program(status, now, zone);
    let text = sources(text, &status.sources, now);
    let text = capture_section(text, status, now, zone);
    alerts(log(text, status, now, zone), status, now, zone)
}

fn alerts(text: Text, status: &Status, now: Timestamp, zone: Tz) -> Text {
    let text = text
        .append("\n\n")
        .bold("📣 Alerts")
        .append(format_args!("\nWatched networks: {}", status.watches))
        .append(format_args!("\nAlerts waiting for Telegram: {}", status.alerts_waiting));
    let text = status
        .telegram_waits
        .iter()
        .fold(text, |text, wait| text.append("\n⏳ ").append_text(requested_wait(wait, zone)));
    let text = status.telegram_problems.iter().fold(text, |text, problem| {
        let text = text.append("\n⚠️ ").append_text(problem.summary(zone));
        text.append(format_args!("; {}", problem.remedy()))
    });
    let text = match server_lacks(&status.telegram_server_lacks) {
        Some(line) => text.append(format_args!("\n{line}")),
        None => text,
    };
    match status.flood.filter(|flood| now.abs_diff(flood.last) < SHOWN_FLOOD) {
        Some(found) => text.append("\n").append_text(flood(&found, now, zone)),
        None => text,
    }
}

/// That Telegram's server is older than what the bot uses, and how it does without.
fn server_lacks(lacking: &[ServerFeature]) -> Option<String> {
    let oldest = lacking.first()?;
    let without = lacking.iter().map(|feature| match feature {
        ServerFeature::RichMessages => "lists are sent as plain text",
        ServerFeature::DateTimeEntities => "times are in this machine's zone",
        ServerFeature::CopyTextButtons => "there are no buttons that copy",
        ServerFeature::Drafts => "progress is shown in messages",
    });
    let without: Vec<&str> = without.collect();
    Some(format!("Telegram's server is older than Bot API {}: {}", oldest.since(), without.join("; ")))
}

/// What the bot waits with because Telegram asked for it, and until when.
pub fn requested_wait(wait: &RequestedWait, zone: Tz) -> Text {
    let what = match wait.with {
        WaitsWith::Updates => "no messages are received",
        WaitsWith::Alerts(_) => "no alerts are sent to a chat",
        WaitsWith::Replies(_) => "no replies are sent to a chat",
    };
    let until = shown_time(wait.until, zone);
    let [asked, waits] = [wait.asked_seconds, wait.wait_seconds].map(Duration::from_secs).map(shown_duration);
    let text = match wait.asked_seconds > wait.wait_seconds {
        true => format!("Telegram asked for {asked}, more than the bot waits: {what} for {waits}, until "),
        false => format!("Telegram asked to wait: {what} until "),
    };
    Text::plain(text).append_text(until)
}

impl TelegramProblem {
    /// The problem as a sentence, with times in `zone`.
    pub fn summary(&self, zone: Tz) -> Text {
        match self {
            Self::ChatRefuses { since, reason, .. } => Text::plain("A chat takes no alerts since ")
                .append_text(shown_time(*since, zone))
                .append(format_args!(", so they wait. Telegram says: {}", printable(reason))),
            Self::UpdateConflict { by, since, times } => Text::plain(by.summary())
                .append(format_args!(": {} since ", pluralize(u64::from(*times), "time", "times")))
                .append_text(shown_time(*since, zone)),
            Self::ChatBlocks { since, reason, .. } => Text::plain("A chat gets no alerts since ")
                .append_text(shown_time(*since, zone))
                .append(format_args!(", because it blocked the bot or is gone: {}", printable(reason))),
        }
    }

    /// What helps.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::ChatRefuses { .. } => "let the bot send messages in this chat: /chats says which one it is",
            Self::UpdateConflict { by, .. } => by.remedy(),
            Self::ChatBlocks { .. } => {
                "unblock the bot there and write to it, or remove the chat: /chats says which one it is"
            }
        }
    }
}

impl UpdateConflict {
    /// What happens.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Webhook => {
                "Another program sets a webhook for this bot, which takes its messages; the bot deletes it"
            }
            Self::OtherPoller => {
                "Another program polls with this bot's token, and takes some of its messages"
            }
        }
    }

    /// What helps.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Webhook => {
                "stop the program that sets the webhook; if you do not know which it is, get a new token from @BotFather \
                 with /revoke, and give it to probewatch alone"
            }
            Self::OtherPoller => {
                "stop the other program, such as a second probewatch; if you do not know which it is, get a new token from \
                 @BotFather with /revoke, and give it to probewatch alone"
            }
        }
    }
}

/// A flood of invented addresses: since when, or from when to when, and how fast.
pub fn flood(flood: &Flood, now: Timestamp, zone: Tz) -> Text {
    let time = |time| short_time(time, now, zone);
    let when = match flood.is_over(now) {
        true => Text::plain("from ")
            .append_text(time(flood.since))
            .append(" to ")
            .append_text(time(flood.last).append_text(live_age(flood.last, now))),
        false => Text::plain("since ").append_text(time(flood.since)),
    };
    let rate = match flood.per_minute() {
        count @ ..60 => format!("{count} per minute"),
        count => format!("{} per second", (count + 30) / 60),
    };
    let text = Text::plain("🌊 Flood of invented addresses ").append_text(when);
    text.append(format_args!(", about {rate}"))
}

fn program(status: &Status, now: Timestamp, zone: Tz) -> Text {
    let text = Text::default()
        .bold(format_args!("📟 probewatch {}", env!("CARGO_PKG_VERSION")))
        .append(format_args!("\nRunning for {}", shown_duration(status.uptime)))
        .append(format_args!("\nVendor registry: {}", registry(vendor::registry_date(), now)));
    let text = time_zone(text, status);
    let text = match &status.disk_error {
        Some(why) => text.append(format_args!(
            "\n❌ Writing to disk fails: {}; {}",
            reason(why),
            status.disk_remedy.unwrap_or("see the log")
        )),
        None => text,
    };
    let text = match status.lost_log_lines {
        0 => text,
        count => text.append(format_args!("\n⚠️ Lines missing in the service's own log: {count}")),
    };
    match &status.clock_doubt {
        Some(doubt) => text.append("\n⏰ ").append_text(clock_doubt(doubt, zone)),
        None => text,
    }
}

fn time_zone(text: Text, status: &Status) -> Text {
    match &status.time_zone {
        Some(zone) => text.append(format_args!("\nTime zone: {}, {}", zone.name, printable(&zone.origin))),
        None => text,
    }
}

/// That the machine's clock is in doubt, since when, and what helps.
pub fn clock_doubt(doubt: &ClockDoubt, zone: Tz) -> Text {
    let [since, machine] = [doubt.since, doubt.machine].map(|time| shown_time(time, zone));
    let meanwhile = match doubt.is_estimate {
        true => "nobody knows for how long the machine was off, so times are estimates",
        false => "time goes on without it, and nothing is deleted because of its age",
    };
    Text::plain("The machine's clock is in doubt since ")
        .append_text(since)
        .append(": it says ")
        .append_text(machine)
        .append(format_args!(
            ". Until it is right, {meanwhile}. Set it from the network (timedatectl set-ntp true). If it is right already: \
             /clock right"
        ))
}

/// That old events will be deleted, from when on, and how to stop that.
pub fn pending_deletion(pending: &PendingDeletion, zone: Tz) -> Text {
    let [oldest, before, starts] =
        [pending.oldest, pending.before, pending.starts].map(|time| shown_time(time, zone));
    Text::plain("The log of ")
        .append_text(oldest)
        .append(" to ")
        .append_text(before)
        .append(" is older than retention.log_days. From ")
        .append_text(starts)
        .append(" on it is deleted, a day's worth an hour. To stop that: /history keep")
}

/// The date of the registry, with its age.
fn registry(day: &str, now: Timestamp) -> String {
    match day.parse::<NaiveDate>() {
        Ok(date) => {
            let days = (now.to_utc().date_naive() - date).num_days();
            format!("{} old (of {day})", pluralize(u64::try_from(days).unwrap_or(0), "day", "days"))
        }
        Err(_) => format!("of {day}"),
    }
}

fn sources(text: Text, sources: &[SourceStatus], now: Timestamp) -> Text {
    if sources.is_empty() {
        return text;
    }
    let lines = sources.iter().map(|source| {
        let last_frame = match source.last_frame {
            Some(time) => Text::plain("last frame ").append_text(age(time, now)),
            None => Text::plain("no frame yet"),
        };
        let text = Text::plain(format_args!("{}: {}", printable(&source.name), condition(source)));
        let text = text.append("\n   ").append_text(last_frame);
        let text = match frames(source) {
            counts if counts.is_empty() => text,
            counts => text.append(format_args!("\n   {}", counts.join(", "))),
        };
        let text = match &source.hopping_failure {
            Some(failure) => text.append(format_args!(
                "\n   ⚠️ it has stayed on one channel for {}: {}",
                shown_duration(now.abs_diff(failure.since)),
                printable(&failure.to_string())
            )),
            None => text,
        };
        match source.clock_is_behind {
            true => text.append("\n   ⏰ its clock is behind; until it is right, this machine's time counts"),
            false => text,
        }
    });
    text.append("\n\n").bold("👂 Sources").list(lines)
}

/// The counts of frames, of lost ones by cause, and of restarts.
fn frames(source: &SourceStatus) -> Vec<String> {
    let SourceStatus { frames, dropped, bad_fcs, undecodable, restarts, .. } = *source;
    let all = (frames > 0).then(|| pluralize(frames, "frame", "frames"));
    let lost = [(dropped, "dropped"), (bad_fcs, "damaged in transmission"), (undecodable, "undecodable")];
    let lost =
        lost.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let restarts = (restarts > 0).then(|| format!("restarted {}", pluralize(restarts, "time", "times")));
    all.into_iter().chain(lost).chain(restarts).collect()
}

fn condition(source: &SourceStatus) -> String {
    match &source.condition {
        SourceState::Opening => "opening".to_owned(),
        SourceState::Capturing => "capturing".to_owned(),
        SourceState::Ended => "ended".to_owned(),
        SourceState::Failed(_) => format!("❌ {}", printable(&source.failure().unwrap_or_default())),
        SourceState::Crashed => "❌ stopped by a bug in probewatch; restart the service".to_owned(),
    }
}

fn capture_section(text: Text, status: &Status, now: Timestamp, zone: Tz) -> Text {
    let text = text
        .append("\n\n")
        .bold("📡 Captured")
        .append(format_args!("\nProbes: {} ({} for any network)", status.probes, status.wildcard_probes))
        .append("\nLast probe: ")
        .append_text(match status.last_probe {
            Some(time) => time_and_age(time, now, zone),
            None => Text::plain("none yet"),
        })
        .append(format_args!("\nAddresses: {} ({} random)", status.addresses, status.random_addresses));
    let text = match status.devices.at_least {
        0 => text,
        _ => text.append(format_args!("\n{}", status.devices.line())),
    };
    let text = match status.forgotten_addresses {
        0 => text,
        count => text.append(format_args!("\nForgotten after long silence: {count} more")),
    };
    let text = match status.mistaken_networks_percent {
        0 => text,
        percent => text.append(format_args!(
            "\n⚠️ Phones that return: {percent} % of new networks show none, because too many networks were forgotten"
        )),
    };
    match status.lost_probes {
        0 => text,
        count => text.append(format_args!("\n⚠️ Probes lost: queue or log buffer was full: {count}")),
    }
}

fn log(text: Text, status: &Status, now: Timestamp, zone: Tz) -> Text {
    let text = text.append("\n\n").bold("🗂 Log").append(format_args!("\nEvents: {}", status.events));
    let text = match status.log {
        Some(LogSize { bytes, .. }) => text.append(format_args!("\nOn disk: {}", shown_bytes(bytes))),
        None => text,
    };
    let text = match status.log.and_then(|log| log.oldest) {
        Some(oldest) => text.append("\nSince: ").append_text(time_and_age(oldest, now, zone)),
        None => text,
    };
    let text = match status.thinned_probes {
        0 => text,
        count => text.append(format_args!(
            "\nLeft out to make room: {} of invented addresses",
            pluralize(count, "probe", "probes")
        )),
    };
    let text = match status.lost_events {
        0 => text,
        count => text.append(format_args!("\n⚠️ Events lost from the log: {count}")),
    };
    match &status.pending_deletion {
        Some(pending) => text.append("\n🗑 ").append_text(pending_deletion(pending, zone)),
        None => text,
    }
}
