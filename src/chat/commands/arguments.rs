//! Reads the arguments of commands.

use std::time::Duration;

use dot11::{Ssid, unhex};
use store::event::{ChatSetting, DailyHours, Pattern, Role};
use store::state::check_name;

use super::quotes::{in_single_quotes, is_quote, quoted};
use super::{Request, UsageError};
use crate::chat::model::chart::{ChartPeriod, ChartSubject};
use crate::chat::model::doorbell::DoorbellRequest;
use crate::chat::model::pagination::ListBy;
use crate::chat::model::phone::{NamedDevice, PHONE, phone_in_text};
use crate::chat::model::settings::{LONGEST_GATHER, SettingsPage, SettingsRequest};
use crate::chat::model::watch_target::WatchTarget;

/// The longest SSID, in bytes (IEEE 802.11-2020 §9.4.2.2).
pub(in crate::chat) const SSID_BYTES: usize = 32;

/// The longest pattern, in characters.
pub(in crate::chat) const PATTERN_LENGTH: usize = 64;

/// The longest reason of a watch, in characters; longer ones are cut.
const REASON_LENGTH: usize = 200;

/// The word by which `/devices` lists addresses.
pub(in crate::chat) const ADDRESSES: &str = "addresses";

/// How far back `/nearby` looks, in minutes: by default, and at most.
const NEARBY_MINUTES: u32 = 10;
pub(in crate::chat) const NEARBY_LIMIT: u32 = 10_080;

/// How long `/mute` mutes: by default, and at most.
const MUTE: Duration = Duration::from_secs(3600);
pub(in crate::chat) const LONGEST_MUTE: Duration = Duration::from_secs(30 * 86_400);

/// A device, by name, part of a name, or address.
pub(in crate::chat) fn device(arguments: &str) -> Result<String, UsageError> {
    match arguments {
        "" => Err(UsageError::MissingDevice),
        device => Ok(device.to_owned()),
    }
}

/// A page, which people count from 1.
pub(in crate::chat) fn page(arguments: &str) -> Result<u32, UsageError> {
    match arguments {
        "" => Ok(0),
        digits => digits
            .parse()
            .ok()
            .and_then(|page: u32| page.checked_sub(1))
            .ok_or_else(|| UsageError::InvalidPage(arguments.to_owned())),
    }
}

/// The pages of all devices or, after the word `addresses`, of all addresses.
pub(in crate::chat) fn devices(arguments: &str) -> Result<Request, UsageError> {
    let (word, rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    match word.eq_ignore_ascii_case(ADDRESSES) {
        true => page(rest.trim()).map(|page| Request::Devices(ListBy::Address, page)),
        false => page(arguments).map(|page| Request::Devices(ListBy::Device, page)),
    }
}

pub(in crate::chat) fn minutes(arguments: &str) -> Result<u32, UsageError> {
    let digits = arguments.strip_suffix("min").map_or(arguments, str::trim_end);
    match digits {
        "" if arguments.is_empty() => Ok(NEARBY_MINUTES),
        digits => digits
            .parse()
            .ok()
            .filter(|minutes| (1..=NEARBY_LIMIT).contains(minutes))
            .ok_or_else(|| UsageError::InvalidMinutes(arguments.to_owned())),
    }
}

pub(in crate::chat) fn chart(arguments: &str) -> Result<Request, UsageError> {
    // A last word that looks like a period is one, unless it is the only word.
    let last_word = arguments.rsplit_once(char::is_whitespace);
    let (what, period) = match last_word.and_then(|(what, word)| Some((what.trim_end(), word.parse().ok()?)))
    {
        Some((what, period)) if !what.eq_ignore_ascii_case("ssid") => (what, Some(period)),
        _ => (arguments, None),
    };
    let (word, rest) = what.split_once(char::is_whitespace).unwrap_or((what, ""));
    let subject = if word.eq_ignore_ascii_case("ssid") {
        let ssid = rest.trim();
        if let (None, Some((_, word))) = (period, ssid.rsplit_once(char::is_whitespace))
            && duration(word).is_some()
        {
            return Err(UsageError::InvalidPeriod(word.to_owned()));
        }
        ChartSubject::Network(ssid_alone(ssid)?)
    } else {
        ChartSubject::Device(device(what)?)
    };
    Ok(Request::Chart(subject, period.unwrap_or_default()))
}

/// 24 hours, which is the default, or 7 days.
pub(in crate::chat) fn recent_period(arguments: &str) -> Result<ChartPeriod, UsageError> {
    match arguments.parse() {
        _ if arguments.is_empty() => Ok(ChartPeriod::Day),
        Ok(period @ (ChartPeriod::Day | ChartPeriod::Week)) => Ok(period),
        _ => Err(UsageError::NeitherDayNorWeek(arguments.to_owned())),
    }
}

/// A range of time.
pub(in crate::chat) fn between(arguments: &str) -> Result<Request, UsageError> {
    arguments.parse().map(Request::Between).map_err(UsageError::Range)
}

/// A period, 24 hours by default.
pub(in crate::chat) fn count(arguments: &str) -> Result<Request, UsageError> {
    match arguments {
        "" => Ok(Request::Count(ChartPeriod::default())),
        period => match period.parse() {
            Ok(period) => Ok(Request::Count(period)),
            Err(_) => Err(UsageError::InvalidCountPeriod(period.to_owned())),
        },
    }
}

pub(in crate::chat) fn export(arguments: &str) -> Result<Request, UsageError> {
    match arguments {
        "" => Err(UsageError::MissingExport),
        networks if networks.eq_ignore_ascii_case("networks") => Ok(Request::ExportNetworks),
        device => Ok(Request::ExportDevice(device.to_owned())),
    }
}

pub(in crate::chat) fn watch(arguments: &str) -> Result<Request, UsageError> {
    let (target, reason) = watch_target_first(arguments)?;
    let reason: String =
        reason.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON_LENGTH).collect();
    Ok(Request::Watch { target, reason: Some(reason).filter(|reason| !reason.is_empty()) })
}

pub(in crate::chat) fn watch_target_alone(arguments: &str) -> Result<WatchTarget, UsageError> {
    alone(arguments, watch_target_of_word, WatchTarget::Network)
}

/// An SSID, never a pattern.
pub(in crate::chat) fn ssid_alone(arguments: &str) -> Result<Ssid, UsageError> {
    alone(arguments, |word| checked_ssid(word.as_bytes()), |ssid| ssid)
}

fn alone<T>(
    arguments: &str,
    of_word: impl Fn(&str) -> Result<T, UsageError>,
    of_ssid: impl Fn(Ssid) -> T,
) -> Result<T, UsageError> {
    match first(arguments, of_word, &of_ssid)? {
        (target, "") => Ok(target),
        // Nothing may follow, so spaces need no quotes here.
        _ if !is_quote(arguments.chars().next()) => checked_ssid(arguments.as_bytes()).map(of_ssid),
        (_, rest) => Err(UsageError::TrailingText(rest.to_owned())),
    }
}

/// The watch target at the start, and what follows it. A word may be a pattern; a quoted SSID never is.
fn watch_target_first(arguments: &str) -> Result<(WatchTarget, &str), UsageError> {
    first(arguments, watch_target_of_word, WatchTarget::Network)
}

/// The word, or the SSID in quotes or hex digits, at the start, and what follows it.
fn first<T>(
    arguments: &str,
    of_word: impl Fn(&str) -> Result<T, UsageError>,
    of_ssid: impl Fn(Ssid) -> T,
) -> Result<(T, &str), UsageError> {
    if arguments.is_empty() {
        return Err(UsageError::MissingSsid);
    }
    let exactly = |bytes: &[u8]| checked_ssid(bytes).map(of_ssid);
    if is_quote(arguments.chars().next()) {
        let (bytes, rest) = quoted(arguments).ok_or(UsageError::UnclosedQuote)?;
        return Ok((exactly(&bytes)?, rest.trim()));
    }
    if let Some((ssid, rest)) = in_single_quotes(arguments) {
        return Ok((exactly(ssid.as_bytes())?, rest.trim()));
    }
    let (word, rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let target = match word.strip_prefix("hex:") {
        Some(digits) => exactly(&unhex(digits).ok_or(UsageError::InvalidHex)?)?,
        None => of_word(word)?,
    };
    Ok((target, rest.trim()))
}

/// A pattern, or an SSID in which `\*` and `\?` stand for themselves.
fn watch_target_of_word(word: &str) -> Result<WatchTarget, UsageError> {
    let pattern = Pattern::new(word);
    if let Some(ssid) = pattern.as_literal() {
        return checked_ssid(ssid.as_bytes()).map(WatchTarget::Network);
    }
    if !pattern.has_literal() {
        return Err(UsageError::MatchesEveryNetwork);
    }
    match word.chars().count() {
        0..=PATTERN_LENGTH => Ok(WatchTarget::Pattern(pattern)),
        length => Err(UsageError::PatternTooLong(length)),
    }
}

fn checked_ssid(bytes: &[u8]) -> Result<Ssid, UsageError> {
    match bytes.len() {
        0 => Err(UsageError::WildcardSsid),
        1..=SSID_BYTES => Ok(Ssid::new(bytes)),
        length => Err(UsageError::SsidTooLong(length)),
    }
}

/// An address, or a phone as in `phone 3f2a`.
pub(in crate::chat) fn named_device(arguments: &str) -> Result<NamedDevice, UsageError> {
    if arguments.is_empty() {
        return Err(UsageError::MissingAddress);
    }
    match arguments.parse() {
        Ok(address) => Ok(NamedDevice::Address(address)),
        Err(_) => phone_in_text(arguments, true)
            .map(NamedDevice::Phone)
            .ok_or_else(|| UsageError::InvalidAddress(arguments.to_owned())),
    }
}

pub(in crate::chat) fn device_name(arguments: &str) -> Result<Request, UsageError> {
    let split = |text: &str| {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        (word.to_owned(), rest.trim_start().to_owned())
    };
    let (word, rest) = split(arguments);
    if word.eq_ignore_ascii_case(PHONE) {
        let (id, name) = split(&rest);
        return naming(named_device(format!("{word} {id}").trim_end())?, &name);
    }
    naming(named_device(&word)?, &rest)
}

pub(in crate::chat) fn naming(device: NamedDevice, name: &str) -> Result<Request, UsageError> {
    let name = match quoted(name.trim()) {
        Some((content, "")) if is_quote(name.trim().chars().next()) => {
            String::from_utf8_lossy(&content).into_owned()
        }
        _ => name.to_owned(),
    };
    let name = check_name(&name).map_err(UsageError::Name)?;
    Ok(Request::Name { device, name })
}

/// How long to mute, an hour by default.
pub(in crate::chat) fn mute_length(arguments: &str) -> Result<Duration, UsageError> {
    if arguments.is_empty() {
        return Ok(MUTE);
    }
    duration(arguments)
        .filter(|length| !length.is_zero() && *length <= LONGEST_MUTE)
        .ok_or_else(|| UsageError::InvalidMuteLength(arguments.to_owned()))
}

/// A number with its unit, from minutes to months.
fn duration(text: &str) -> Option<Duration> {
    let number_ends = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(number_ends)?;
    let seconds = match unit.trim().to_ascii_lowercase().as_str() {
        "m" | "min" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        "month" | "months" => 30 * 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(u64::from(number.parse::<u32>().ok()?) * seconds))
}

/// The signals that a doorbell can have as its limit, in dBm.
pub(in crate::chat) const DOORBELL_DBM: std::ops::RangeInclusive<i8> = -100..=-20;

/// How long a doorbell can wait.
const LONGEST_STAY: Duration = Duration::from_secs(3600);

/// The word that switches a doorbell on.
const ON: &str = "on";

/// The word that limits a doorbell to quiet hours.
const QUIET: &str = "quiet";

pub(in crate::chat) fn doorbell(arguments: &str) -> Result<DoorbellRequest, UsageError> {
    let invalid = |word: &str| UsageError::InvalidDoorbell(word.to_owned());
    let mut words = arguments.split_whitespace();
    let request = match words.next().map(str::to_ascii_lowercase).as_deref() {
        None => DoorbellRequest::Show,
        Some("off") => DoorbellRequest::Off,
        Some(ON) => {
            let (mut min_dbm, mut stay, mut only_in_quiet_hours) = (None, None, false);
            for word in words.by_ref() {
                match (signal(word), duration(word)) {
                    _ if !only_in_quiet_hours && word.eq_ignore_ascii_case(QUIET) => {
                        only_in_quiet_hours = true;
                    }
                    (Some(dbm), _) if min_dbm.is_none() => min_dbm = Some(dbm),
                    (_, Some(time)) if stay.is_none() && !time.is_zero() && time <= LONGEST_STAY => {
                        stay = Some(time);
                    }
                    _ => return Err(invalid(word)),
                }
            }
            DoorbellRequest::On { min_dbm, stay, only_in_quiet_hours }
        }
        Some(other) => return Err(invalid(other)),
    };
    words.next().map_or(Ok(request), |word| Err(invalid(word)))
}

/// A page of the settings, or the value of one.
pub(in crate::chat) fn settings(arguments: &str) -> Result<SettingsRequest, UsageError> {
    let (word, value) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let value = value.trim();
    let page = match word.to_ascii_lowercase().as_str() {
        "" => SettingsPage::All,
        "quiet" => SettingsPage::QuietHours,
        "gather" => SettingsPage::Gather,
        "doorbell" => SettingsPage::Doorbell,
        "zone" => SettingsPage::TimeZone,
        _ => return Err(UsageError::InvalidSetting(word.to_owned())),
    };
    Ok(match page {
        _ if value.is_empty() => SettingsRequest::Show(page),
        SettingsPage::All => SettingsRequest::Show(page),
        SettingsPage::QuietHours => SettingsRequest::Choose(ChatSetting::QuietHours(quiet_hours(value)?)),
        SettingsPage::Gather => SettingsRequest::Choose(ChatSetting::GatherSeconds(gather(value)?)),
        SettingsPage::Doorbell if value.eq_ignore_ascii_case(QUIET) => {
            doorbell(&[ON, QUIET].join(" ")).map(SettingsRequest::Doorbell)?
        }
        SettingsPage::Doorbell => doorbell(value).map(SettingsRequest::Doorbell)?,
        SettingsPage::TimeZone => SettingsRequest::FindZone(value.to_owned()),
    })
}

/// Two times of day such as `22:30-07:00` or `22-7`; none for the word `off`.
pub(in crate::chat) fn quiet_hours(text: &str) -> Result<Option<DailyHours>, UsageError> {
    if ["off", "none"].iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(None);
    }
    let words = text.split_whitespace().map(|word| if word == "to" { "-" } else { word });
    let plain = words.collect::<String>().replace(['–', '—'], "-");
    let times = plain.split('-').map(|time| match time.trim() {
        hour if !hour.is_empty() && hour.bytes().all(|byte| byte.is_ascii_digit()) => format!("{hour}:00"),
        time => time.replace('.', ":"),
    });
    let hours = times.collect::<Vec<_>>().join("-").parse();
    hours.map(Some).map_err(|_| UsageError::InvalidQuietHours(text.to_owned()))
}

/// For how many seconds to gather.
fn gather(text: &str) -> Result<u32, UsageError> {
    let invalid = || UsageError::InvalidGather(text.to_owned());
    if text.eq_ignore_ascii_case("off") {
        return Ok(0);
    }
    let ends = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(ends).ok_or_else(invalid)?;
    let seconds = match unit.trim().to_ascii_lowercase().as_str() {
        "s" | "sec" | "seconds" => number.parse().map_err(|_| invalid())?,
        _ => duration(text).and_then(|time| u32::try_from(time.as_secs()).ok()).ok_or_else(invalid)?,
    };
    if seconds <= LONGEST_GATHER { Ok(seconds) } else { Err(invalid()) }
}

/// A signal in dBm.
fn signal(word: &str) -> Option<i8> {
    let digits = word.strip_prefix(['-', '−'])?.trim_end_matches("dBm");
    let dbm = digits.parse().ok().map(|dbm: i8| -dbm)?;
    DOORBELL_DBM.contains(&dbm).then_some(dbm)
}

/// One of these words, or nothing.
pub(in crate::chat) fn one_of(
    arguments: &str,
    words: &'static [&'static str],
) -> Result<Option<&'static str>, UsageError> {
    let known = words.iter().find(|word| word.eq_ignore_ascii_case(arguments));
    match known {
        Some(word) => Ok(Some(word)),
        None if arguments.is_empty() => Ok(None),
        None => Err(UsageError::NoneOf(arguments.to_owned(), words)),
    }
}

/// The role that an invitation gives.
pub(in crate::chat) fn role(arguments: &str) -> Result<Role, UsageError> {
    match arguments {
        "" => Ok(Role::Member),
        "owner" => Ok(Role::Owner),
        other => Err(UsageError::UnknownRole(other.to_owned())),
    }
}
