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
use crate::text::document::{Column, Document, Table};
use crate::text::format::{
    age, live_age, pluralize, reason, short_time, shown_bytes, shown_duration, shown_time, time_and_age,
};
use crate::text::{Text, printable};
use crate::vendor;

/// For how long a flood that is over is shown.
const SHOWN_FLOOD: Duration = Duration::from_secs(86_400);

/// The text without a running service, on lines of its own.
pub fn offline_report(status: &Status, now: Timestamp, zone: Tz) -> Text {
    let report = Document::default()
        .table(time_zone(Table::of_facts(), status))
        .append(captured(status, now, zone))
        .append(log(status, now, zone))
        .append(alerts(status, now, zone));
    Text::plain(if status.time_zone.is_some() { "\n" } else { "\n\n" }).append_text(report.to_text())
}

/// The whole report: the program, its sources, probes, log and alerts.
pub fn full_report(status: &Status, now: Timestamp, zone: Tz) -> Document {
    program(status, now, zone)
        .append(sources(&status.sources, now))
        .append(captured(status, now, zone))
        .append(log(status, now, zone))
        .append(alerts(status, now, zone))
}

fn alerts(status: &Status, now: Timestamp, zone: Tz) -> Document {
    let counts = Table::of_counts()
        .fact("Watched networks", Text::plain(status.watches))
        .fact("Alerts waiting for Telegram", Text::plain(status.alerts_waiting));
    let waits = status.telegram_waits.iter();
    let waits = waits.map(|wait| Text::plain("⏳ ").append_text(requested_wait(wait, zone)));
    let problems = status.telegram_problems.iter().map(|problem| {
        let text = Text::plain("⚠️ ").append_text(problem.summary(zone));
        text.append(format_args!("; {}", problem.remedy()))
    });
    let recent_flood = status.flood.filter(|flood| now.abs_diff(flood.last) < SHOWN_FLOOD);
    Document::default()
        .heading(Text::plain("📣 Alerts"))
        .table(counts)
        .paragraphs(waits)
        .paragraphs(problems)
        .paragraphs(server_lacks(&status.telegram_server_lacks).map(Text::plain))
        .paragraphs(recent_flood.map(|found| flood(&found, now, zone)))
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

fn program(status: &Status, now: Timestamp, zone: Tz) -> Document {
    let uptime = shown_duration(status.uptime);
    let facts = Table::of_facts()
        .fact_as("Running for", Text::plain(&uptime), Text::plain(format_args!("Running for {uptime}")))
        .fact("Vendor registry", Text::plain(registry(vendor::registry_date(), now)));
    let disk = status.disk_error.as_ref().map(|why| {
        let remedy = status.disk_remedy.unwrap_or("see the log");
        Text::plain(format_args!("❌ Writing to disk fails: {}; {remedy}", reason(why)))
    });
    let lost = (status.lost_log_lines > 0).then(|| {
        Text::plain(format_args!("⚠️ Lines missing in the service's own log: {}", status.lost_log_lines))
    });
    let doubt = status.clock_doubt.as_ref();
    Document::default()
        .title(Text::plain(format_args!("📟 probewatch {}", env!("CARGO_PKG_VERSION"))))
        .table(time_zone(facts, status))
        .paragraphs(disk)
        .paragraphs(lost)
        .paragraphs(doubt.map(|doubt| Text::plain("⏰ ").append_text(clock_doubt(doubt, zone))))
}

fn time_zone(facts: Table, status: &Status) -> Table {
    match &status.time_zone {
        Some(zone) => {
            facts.fact("Time zone", Text::plain(format_args!("{}, {}", zone.name, printable(&zone.origin))))
        }
        None => facts,
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

fn sources(sources: &[SourceStatus], now: Timestamp) -> Document {
    if sources.is_empty() {
        return Document::default();
    }
    let columns =
        [Column::text("Source"), Column::text("State"), Column::text("Last frame"), Column::number("Frames")];
    let table = sources.iter().fold(Table::new(columns), |table, source| {
        let name = Text::plain(printable(&source.name));
        let last_frame = source.last_frame.map(|time| age(time, now));
        let (losses, warnings) = (losses(source), warnings(source, now));
        let all = (source.frames > 0).then(|| pluralize(source.frames, "frame", "frames"));
        let counts = all.into_iter().chain(losses.clone()).collect::<Vec<_>>().join(", ");
        let line = name.clone().append(format_args!(": {}\n   ", condition(source)));
        let line = match last_frame.clone() {
            Some(age) => line.append("last frame ").append_text(age),
            None => line.append("no frame yet"),
        };
        let further = Some(counts).filter(|counts| !counts.is_empty()).into_iter().chain(warnings.clone());
        let line = further.fold(line, |line, further| line.append(format_args!("\n   {further}")));
        let state: Vec<String> = std::iter::once(condition(source)).chain(losses).chain(warnings).collect();
        let last_frame = last_frame.unwrap_or_else(|| Text::plain("none yet"));
        table.row_as([name, Text::plain(state.join("; ")), last_frame, Text::plain(source.frames)], line)
    });
    Document::default().heading(Text::plain("👂 Sources")).table(table)
}

/// What is wrong with a source that captures.
fn warnings(source: &SourceStatus, now: Timestamp) -> Vec<String> {
    let stuck = source.hopping_failure.as_ref().map(|failure| {
        let (since, why) = (shown_duration(now.abs_diff(failure.since)), printable(&failure.to_string()));
        format!("⚠️ it has stayed on one channel for {since}: {why}")
    });
    let behind = "⏰ its clock is behind; until it is right, this machine's time counts";
    stuck.into_iter().chain(source.clock_is_behind.then(|| behind.to_owned())).collect()
}

/// The counts of lost frames by cause, and of restarts.
fn losses(source: &SourceStatus) -> Vec<String> {
    let SourceStatus { dropped, bad_fcs, undecodable, restarts, .. } = *source;
    let lost = [(dropped, "dropped"), (bad_fcs, "damaged in transmission"), (undecodable, "undecodable")];
    let lost =
        lost.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let restarts = (restarts > 0).then(|| format!("restarted {}", pluralize(restarts, "time", "times")));
    lost.chain(restarts).collect()
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

fn captured(status: &Status, now: Timestamp, zone: Tz) -> Document {
    let last_probe = match status.last_probe {
        Some(time) => time_and_age(time, now, zone),
        None => Text::plain("none yet"),
    };
    let probes = format!("{} ({} for any network)", status.probes, status.wildcard_probes);
    let addresses = format!("{} ({} random)", status.addresses, status.random_addresses);
    let counts = Table::of_counts()
        .fact("Probes", Text::plain(probes))
        .fact("Last probe", last_probe)
        .fact("Addresses", Text::plain(addresses));
    let devices = (status.devices.at_least > 0).then(|| Text::plain(status.devices.line()));
    let forgotten = (status.forgotten_addresses > 0).then(|| {
        Text::plain(format_args!("Forgotten after long silence: {} more", status.forgotten_addresses))
    });
    let mistaken = (status.mistaken_networks_percent > 0).then(|| {
        Text::plain(format_args!(
            "⚠️ Phones that return: {} % of new networks show none, because too many networks were forgotten",
            status.mistaken_networks_percent
        ))
    });
    let lost = (status.lost_probes > 0).then(|| {
        Text::plain(format_args!("⚠️ Probes lost: queue or log buffer was full: {}", status.lost_probes))
    });
    Document::default()
        .heading(Text::plain("📡 Captured"))
        .table(counts)
        .paragraphs(devices)
        .paragraphs(forgotten)
        .paragraphs(mistaken)
        .paragraphs(lost)
}

fn log(status: &Status, now: Timestamp, zone: Tz) -> Document {
    let mut counts = Table::of_counts().fact("Events", Text::plain(status.events));
    if let Some(LogSize { bytes, .. }) = status.log {
        counts = counts.fact("On disk", Text::plain(shown_bytes(bytes)));
    }
    if let Some(oldest) = status.log.and_then(|log| log.oldest) {
        counts = counts.fact("Since", time_and_age(oldest, now, zone));
    }
    if status.thinned_probes > 0 {
        let thinned = pluralize(status.thinned_probes, "probe", "probes");
        counts = counts
            .fact("Left out to make room", Text::plain(format_args!("{thinned} of invented addresses")));
    }
    if status.lost_events > 0 {
        counts = counts.fact("⚠️ Events lost from the log", Text::plain(status.lost_events));
    }
    let pending = status.pending_deletion.as_ref();
    Document::default()
        .heading(Text::plain("🗂 Log"))
        .table(counts)
        .paragraphs(pending.map(|pending| Text::plain("🗑 ").append_text(pending_deletion(pending, zone))))
}
