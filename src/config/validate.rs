//! Turns the tables of the file into the [`Config`] of the program, with the rules that hold between keys.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use store::event::ChatId;
use store::event_log::Rotation;
use store::recorder::Retention;
use url::Url;

use super::error::ConfigError;
use super::model::{Config, Secret, Telegram, Tls, Updates, Webhook};
use super::schema::{self, Root};
use super::sources::capture;
use super::time_zone::{TimeZone, ZoneOrigin};
use super::tree::Tree;
use super::types::{
    BotToken, Chat, Owner, TOKEN_FORM, UpdateMode, WEBHOOK_URL_FORM, WebhookSecret, WebhookUrl,
};
use super::values::{Number, Text};
use crate::chat_settings::ConfiguredSettings;

/// The name of systemd's credential with the token.
const TOKEN_CREDENTIAL: &str = "telegram-token";

/// Where the webhook listens behind a proxy, unless configured.
const BEHIND_PROXY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080));

/// The fewest segments for which the log must have room: one that is written, one that is compressed meanwhile,
/// and one of each to keep.
const LOG_SEGMENTS: u32 = 4;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Checks `root`, which was read from `tree`. `credentials` is the folder of systemd's credentials, and
/// `time_zone_variable` the value of `TZ`.
///
/// # Errors
/// [`ConfigError`] names the key and what was expected.
pub(super) fn validate(
    root: Root,
    tree: &Tree,
    credentials: Option<&Path>,
    time_zone_variable: Option<&str>,
) -> Result<Config, ConfigError> {
    let Root { alerts, record, .. } = root;
    let silence = nonzero(MINUTE, alerts.silence_minutes.0);
    let TimeZone { zone, origin } = match root.time_zone {
        Some(Text(zone)) => TimeZone::configured(zone),
        None => TimeZone::of_machine(time_zone_variable),
    };
    Ok(Config {
        chat_settings: ConfiguredSettings {
            quiet_hours: alerts.quiet.map(|Text(value)| tree.configured("alerts.quiet", value)),
            gather: alerts
                .gather_seconds
                .map(|Number(count)| tree.configured("alerts.gather_seconds", seconds(count))),
            time_zone: (origin == ZoneOrigin::Configuration).then(|| tree.configured("time_zone", zone)),
            machine_zone: zone,
        },
        time_zone: zone,
        time_zone_origin: origin,
        capture: capture(root.capture, tree)?,
        telegram: telegram(root.telegram, silence, tree, credentials)?,
        alert_cooldown: seconds(alerts.cooldown_seconds.0),
        alert_keep: HOUR * alerts.keep_hours.0,
        follow_silence: MINUTE * alerts.follow_minutes.0,
        grouping: root.grouping.mode.into(),
        fsync_interval: Duration::from_millis(record.fsync_milliseconds.0.into()),
        checkpoint_interval: seconds(record.checkpoint_seconds.0),
        rotation: Rotation {
            bytes: u64::from(record.segment_mebibytes.0) << 20,
            age: HOUR * record.segment_hours.0,
        },
        retention: retention(&root.retention, record.segment_mebibytes.0, tree)?,
        monitoring: root.monitoring.listen.map(|Text(address)| address),
        name_files: root.names.import.0.into_iter().map(PathBuf::from).collect(),
        devices: root.devices.map(|devices| devices.0),
        data_dir: PathBuf::from(root.data_dir.0.0),
    })
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

/// Converts a count to a limit; 0 means none.
fn nonzero(unit: Duration, count: u32) -> Option<Duration> {
    (count > 0).then(|| unit * count)
}

fn retention(
    table: &schema::Retention,
    segment_mebibytes: u32,
    tree: &Tree,
) -> Result<Retention, ConfigError> {
    let log_mebibytes = table.log_mebibytes.0;
    let least = LOG_SEGMENTS * segment_mebibytes;
    if (1..least).contains(&log_mebibytes) {
        let problem = format!(
            "is {log_mebibytes}: expected 0, or at least {least}, {LOG_SEGMENTS} times record.segment_mebibytes"
        );
        return Err(tree.wrong("retention.log_mebibytes", problem));
    }
    Ok(Retention {
        log_age: nonzero(DAY, table.log_days.0),
        log_bytes: (log_mebibytes > 0).then_some(u64::from(log_mebibytes) << 20),
        random_addresses: nonzero(DAY, table.random_address_days.0),
    })
}

/// The bot; `None` without a token. The other keys are checked all the same.
fn telegram(
    table: schema::Telegram,
    silence: Option<Duration>,
    tree: &Tree,
    credentials: Option<&Path>,
) -> Result<Option<Telegram>, ConfigError> {
    let token = token(table.token, table.token_file.as_deref(), tree, credentials)?;
    let updates = match table.mode {
        UpdateMode::Polling => Updates::Polling,
        UpdateMode::Webhook => Updates::Webhook(webhook(table.webhook, tree)?),
    };
    let is_server = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let api_url = Url::parse(&table.api_url).ok().filter(is_server).ok_or_else(|| {
        let problem = "is no address of a Bot API server: expected one such as \"https://api.telegram.org\"";
        tree.wrong("telegram.api_url", problem)
    })?;
    let owners: BTreeSet<ChatId> = table.owners.0.into_iter().map(|Owner(chat)| chat).collect();
    let mut chats: BTreeSet<ChatId> = table.chats.0.into_iter().map(|Chat(chat)| chat).collect();
    chats.extend(&owners);
    let (owners, chats) = (owners.into_iter().collect(), chats.into_iter().collect());
    let members_may_name = table.members_may_name;
    Ok(token.map(|token| Telegram { token, owners, chats, members_may_name, api_url, updates, silence }))
}

/// The token of the configuration, of the file that it names, or of systemd's credential.
fn token(
    token: Option<Text<BotToken>>,
    file: Option<&str>,
    tree: &Tree,
    credentials: Option<&Path>,
) -> Result<Option<Secret>, ConfigError> {
    if let Some(Text(BotToken(token))) = token {
        return Ok(Some(token));
    }
    let key = "telegram.token_file";
    if file.and_then(BotToken::parse).is_some() {
        return Err(tree.wrong(key, "is a token: expected a file that holds it, or telegram.token"));
    }
    let credential = credentials.map(|folder| folder.join(TOKEN_CREDENTIAL)).filter(|path| path.exists());
    let Some(path) = file.map(PathBuf::from).or(credential) else { return Ok(None) };
    let shown = path.display();
    let text = fs::read_to_string(&path)
        .map_err(|error| tree.wrong(key, format!("names {shown}, which could not be read: {error}")))?;
    match BotToken::parse(&text) {
        Some(BotToken(token)) => Ok(Some(token)),
        None => Err(tree.wrong(key, format!("names {shown}, which holds no bot token: {TOKEN_FORM}"))),
    }
}

fn webhook(table: schema::Webhook, tree: &Tree) -> Result<Webhook, ConfigError> {
    let Some(Text(WebhookUrl { url, port })) = table.url else {
        return Err(tree.wrong("telegram.webhook.url", format!("is missing: {WEBHOOK_URL_FORM}")));
    };
    let listen = table.listen.map_or(
        match table.tls {
            Tls::Off => BEHIND_PROXY,
            // Telegram posts over IPv4 only.
            Tls::SelfSigned => (Ipv4Addr::UNSPECIFIED, port).into(),
        },
        |Text(address)| address,
    );
    let secret_token = table.secret_token.map(|Text(WebhookSecret(secret))| secret);
    let reserved_networks = table.reserved_networks.0.into_iter().map(|Text(network)| network).collect();
    Ok(Webhook { url, tls: table.tls, listen, secret_token, reserved_networks })
}
