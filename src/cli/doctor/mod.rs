//! `probewatch doctor`: checks everything that the service needs, and says what is wrong and what to do.
//!
//! - It changes nothing that is stored or set, and works while the service runs.
//! - It runs a source that is a command for some seconds, as the user of this process.
//! - Facts are gathered first; pure functions then turn them into [`Finding`]s.

mod finding;
mod sources;
mod system;
mod telegram;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use capture::Source;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use serde::Deserialize;
use store::event::Timestamp;
use store::recorder::ClockDoubt;

use super::args::DataDirArgs;
use super::error::CliError;
use super::runtime;
use crate::config::{self, Config, SYSTEM_FILE, Telegram};
use crate::control::{Client, ClientError};
use crate::status::{RequestedWait, ShownTimeZone, SourceStatus, TelegramProblem};
use crate::telegram::{BotStatus, query_bot_status};
use finding::Finding;
use telegram::TokenOrigin;
pub(super) use telegram::{describe_failure, reachability_remedy};

/// The status of a running service, as far as the checks need it.
#[derive(Deserialize)]
struct Service {
    process: u32,
    #[serde(rename = "sensors")]
    sources: Vec<SourceStatus>,
    last_probe: Option<Timestamp>,
    disk_error: Option<String>,
    #[serde(default)]
    disk_remedy: Option<String>,
    #[serde(default)]
    lost_events: u64,
    #[serde(default)]
    clock_doubt: Option<ClockDoubt>,
    #[serde(default)]
    telegram_waits: Vec<RequestedWait>,
    #[serde(default)]
    telegram_problems: Vec<TelegramProblem>,
    #[serde(default)]
    time_zone: Option<ShownTimeZone>,
}

impl Service {
    /// Why it cannot write, and what helps.
    fn disk_failure(&self) -> Option<(&str, &str)> {
        let remedy = self.disk_remedy.as_deref().unwrap_or("free disk space or repair the disk");
        self.disk_error.as_deref().map(|why| (why, remedy))
    }
}

pub(super) fn doctor(data: &DataDirArgs, json: bool) -> Result<ExitCode, CliError> {
    let findings = examine(data)?;
    print(&findings, json).map_err(CliError::io("could not print the findings"))?;
    Ok(if findings.iter().any(Finding::is_broken) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(findings: &[Finding], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return writeln!(out, "{}", serde_json::to_string(findings)?);
    }
    findings.iter().try_for_each(|finding| writeln!(out, "{finding}"))
}

fn examine(data: &DataDirArgs) -> Result<Vec<Finding>, CliError> {
    let named = data.config.config.as_deref();
    let config = match data.config() {
        Ok(config) => config,
        Err(error) => {
            return Ok(vec![
                Finding::broken("Configuration", error.to_string(), error.remedy()),
                Finding::unknown("Other checks", "skipped: they need a valid configuration"),
            ]);
        }
    };
    let file = match named {
        Some(file) => format!("{} is valid", file.display()),
        None if Path::new(SYSTEM_FILE).exists() => format!("{SYSTEM_FILE} is valid"),
        None => format!("there is no {SYSTEM_FILE}; the defaults and the environment apply"),
    };
    let (service, finding) = ask_service(&config);
    let zone = system::time_zone(config.time_zone, &config.time_zone_origin, service.as_ref());
    let mut findings = vec![Finding::ok("Configuration", file), finding, zone];
    findings.push(capabilities(&config, service.as_ref()));
    let statuses = service.as_ref().map(|service| service.sources.as_slice());
    findings.extend(sources::check(&config.capture.sources, statuses));
    findings.extend(disk_and_clock(&config, service.as_ref()));
    let lost_events = service.as_ref().map_or(0, |service| service.lost_events);
    findings.extend(system::damage(&system::damaged_files(&config.data_dir), lost_events));
    findings.extend(match service {
        Some(service) => {
            let waits = service.telegram_waits.iter();
            let waits = waits.map(|wait| telegram::requested_wait(wait, config.time_zone));
            let problems = service.telegram_problems.iter();
            let problems = problems.map(|problem| telegram::problem(problem, config.time_zone));
            telegram_of_service(&config).into_iter().chain(waits).chain(problems).collect()
        }
        None => telegram_without_service(&config, named)?,
    });
    Ok(findings)
}

/// The status of the service that has the data directory open, if one does.
fn ask_service(config: &Config) -> (Option<Service>, Finding) {
    const CHECK: &str = "Service";
    if access(&config.data_dir, Access::EXEC_OK) == Err(Errno::ACCESS) {
        let summary = "cannot tell whether one runs: the data directory belongs to another user";
        return (None, Finding::unknown(CHECK, summary).with_remedy("run this command with sudo"));
    }
    let error = match client(config).and_then(|client| client.status_value::<Service>()) {
        Ok(service) => {
            let finding = Finding::ok(CHECK, format!("running as process {}", service.process));
            return (Some(service), finding);
        }
        Err(error) => error,
    };
    let finding = match (error, system::holder(&config.data_dir)) {
        (ClientError::NotRunning, None) => {
            Finding::unknown(CHECK, "not running; the following checks were made without it")
        }
        (ClientError::NotRunning, Some(process)) => {
            let process = process.map_or(String::new(), |process| format!(" (process {process})"));
            let summary =
                format!("another probewatch{process} has the data directory open and takes no commands");
            Finding::unknown(CHECK, summary).with_remedy("if it is just starting, try again in a moment")
        }
        (error @ (ClientError::NotPermitted | ClientError::Busy(_)), _) => {
            Finding::unknown(CHECK, error.to_string()).with_remedy_of(error.remedy())
        }
        (error, _) => Finding::broken(CHECK, error.to_string(), "restart the service; its log may say why")
            .with_remedy_of(error.remedy()),
    };
    (None, finding)
}

fn capabilities(config: &Config, service: Option<&Service>) -> Finding {
    let is_interface = |source: &config::ConfiguredSource| matches!(source.origin, Source::Interface(_));
    let has_interfaces = config.capture.sources.iter().any(is_interface);
    let (process, whose) = match service {
        Some(service) => (service.process.to_string(), "the service"),
        None => ("self".to_owned(), "this command"),
    };
    system::capabilities(system::capabilities_of(&process), whose, has_interfaces)
}

fn disk_and_clock(config: &Config, service: Option<&Service>) -> [Finding; 3] {
    let path = &config.data_dir;
    let last_probe = match service {
        Some(service) => service.last_probe,
        None => system::last_probe(path).unwrap_or_default(),
    };
    let log_bytes = system::log_bytes(path);
    let may_grow = config.retention.log_bytes.map(|limit| limit.saturating_sub(log_bytes));
    let clock = system::Clock {
        now: Timestamp::now(),
        is_synchronized: crate::service::is_synchronized(),
        last_probe,
        doubt: service.and_then(|service| service.clock_doubt),
        zone: config.time_zone,
    };
    [
        system::data_dir(path, &system::DataDir::inspect(path), service.map(Service::disk_failure)),
        system::disk_space(system::free_bytes(path), may_grow, config.rotation.bytes),
        system::clock(&clock),
    ]
}

/// Has the service ask Telegram: it alone may have the token.
fn telegram_of_service(config: &Config) -> Vec<Finding> {
    match client(config).and_then(|client| client.bot_status::<BotStatus>()) {
        Ok(Some(status)) => telegram::findings(&status, Timestamp::now(), TokenOrigin::Service),
        Ok(None) => vec![telegram::no_token(TokenOrigin::Service)],
        Err(error) => {
            vec![telegram::not_asked(&error.to_string()).with_remedy_of(error.remedy())]
        }
    }
}

/// Asks Telegram without a service, with the configured token or the one that systemd would give to the service.
fn telegram_without_service(config: &Config, named: Option<&Path>) -> Result<Vec<Finding>, CliError> {
    if let Some(settings) = &config.telegram {
        return ask_telegram(settings, TokenOrigin::Configured);
    }
    match Config::load_with_credentials(named, Path::new(telegram::UNIT_FOLDER)) {
        Ok(Config { telegram: Some(settings), .. }) => {
            ask_telegram(&settings, TokenOrigin::SystemdCredential)
        }
        Ok(_) => Ok(vec![telegram::no_token(TokenOrigin::SystemdCredential)]),
        Err(error) => {
            let is_permitted = access(telegram::UNIT_FILE, Access::READ_OK).is_ok();
            Ok(vec![telegram::unreadable_token(&error, is_permitted)])
        }
    }
}

fn ask_telegram(settings: &Telegram, origin: TokenOrigin) -> Result<Vec<Finding>, CliError> {
    Ok(match runtime()?.block_on(query_bot_status(settings)) {
        Ok(status) => telegram::findings(&status, Timestamp::now(), origin),
        Err(error) => {
            vec![
                Finding::broken(
                    "Telegram token",
                    error.to_string(),
                    "check telegram.token and telegram.api_url",
                )
                .with_remedy_of(error.remedy()),
            ]
        }
    })
}

fn client(config: &Config) -> Result<Client, ClientError> {
    Client::connect(&config.data_dir, config.time_zone)
}
