//! `probewatch doctor`: looks at all that the service needs, and says what is wrong and what helps. It changes
//! nothing, and works while the service runs.
//!
//! Facts are gathered at the rim; what they mean is decided by pure functions, each of which gives a [`Finding`].

mod finding;
mod sources;
mod system;
mod telegram;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Deserialize;

use super::{CliError, Place, runtime};
use crate::capture::Source;
use crate::chat::reply::SensorStatus;
use crate::config::{self, Config, SYSTEM_FILE, Telegram};
use crate::control::{Answer, Command, Request, Screen, Unanswered};
use crate::event::{Offset, Timestamp};
use crate::telegram::look;
use finding::Finding;

/// What a running service says of itself.
#[derive(Deserialize)]
struct Service {
    process: u32,
    sensors: Vec<SensorStatus>,
    last_probe: Option<Timestamp>,
    disk_error: Option<String>,
}

pub(super) fn doctor(place: &Place, json: bool) -> Result<ExitCode, CliError> {
    let findings = examine(place)?;
    print(&findings, json).map_err(CliError::io("could not print what was found"))?;
    Ok(if findings.iter().any(Finding::is_broken) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(findings: &[Finding], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return writeln!(out, "{}", serde_json::to_string(findings)?);
    }
    findings.iter().try_for_each(|finding| writeln!(out, "{finding}"))
}

fn examine(place: &Place) -> Result<Vec<Finding>, CliError> {
    let named = place.config.config.as_deref();
    let config = match place.config() {
        Ok(config) => config,
        Err(error) => {
            let remedy = "mend it; all other looks need the configuration";
            return Ok(vec![Finding::broken("Configuration", error.to_string(), remedy)]);
        }
    };
    let file = match named {
        Some(file) => format!("{} is right", file.display()),
        None if std::path::Path::new(SYSTEM_FILE).exists() => format!("{SYSTEM_FILE} is right"),
        None => format!("there is no {SYSTEM_FILE}: the defaults and the environment hold"),
    };
    let (service, finding) = ask_service(&config);
    let mut findings = vec![Finding::fine("Configuration", file), finding];
    findings.push(rights(&config, service.as_ref()));
    let sensors = service.as_ref().map(|service| service.sensors.as_slice());
    findings.extend(sources::look(&config.capture.sources, sensors));
    findings.extend(disk_and_clock(&config, service.as_ref()));
    match &config.telegram {
        Some(settings) => findings.extend(ask_telegram(settings, service.is_some())?),
        None => findings.push(telegram::no_token()),
    }
    Ok(findings)
}

/// What the service says that has the data directory, if one does.
fn ask_service(config: &Config) -> (Option<Service>, Finding) {
    const CHECK: &str = "Service";
    let request = Request::new(Command::Status { json: true }, config.time_zone);
    let mut said = Vec::new();
    let asked = Answer::ask(&config.data_dir, &request, io::empty(), &mut Nobody)
        .and_then(|answer| Ok(answer.print(&mut said, &mut Nobody)?));
    let error = match asked.map(|_| serde_json::from_slice::<Service>(&said)) {
        Ok(Ok(service)) => {
            let finding = Finding::fine(CHECK, format!("it runs, as process {}", service.process));
            return (Some(service), finding);
        }
        Ok(Err(error)) => Unanswered::BrokenOff(error.into()),
        Err(error) => error,
    };
    let finding = match (error, system::holder(&config.data_dir)) {
        (Unanswered::NobodyListens, None) => {
            Finding::unknown(CHECK, "none runs; what follows was looked at without it")
        }
        (Unanswered::NobodyListens, Some(process)) => {
            let process = process.map_or(String::new(), |process| format!(" (process {process})"));
            let says = format!("another probewatch{process} has the data directory and takes no commands");
            Finding::unknown(CHECK, says).with_remedy("a service that is just starting does so in a moment")
        }
        (error @ Unanswered::NotPermitted, _) => {
            Finding::unknown(CHECK, "one runs, as another user").with_remedy(error.to_string())
        }
        (error, _) => {
            let remedy = "restart the service, and look into its log for why";
            Finding::broken(CHECK, error.to_string(), remedy)
        }
    };
    (None, finding)
}

fn rights(config: &Config, service: Option<&Service>) -> Finding {
    let is_interface = |source: &config::Source| matches!(source.origin, Source::Interface(_));
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
    };
    [
        system::data_dir(path, &system::DataDir::look(path), service.map(|service| &service.disk_error)),
        system::disk_space(system::free_bytes(path), may_grow, config.rotation.bytes),
        system::clock(&clock),
    ]
}

fn ask_telegram(settings: &Telegram, service_runs: bool) -> Result<Vec<Finding>, CliError> {
    Ok(match runtime()?.block_on(look(settings)) {
        Ok(found) => telegram::findings(settings, &found, Timestamp::now(), service_runs),
        Err(error) => vec![Finding::of_error("Telegram token", &error, "install the system's certificates")],
    })
}

/// What else a service has to say is of no interest here.
struct Nobody;

impl Screen for Nobody {
    fn tell(&mut self, _: &dyn Display) {}

    fn progress(&mut self, _: Offset, _: Offset) {}
}
