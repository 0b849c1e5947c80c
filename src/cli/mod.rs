//! The subcommands: what each is given, and what it prints and returns.
//!
//! Exit status: 0 where it went well, 1 where it did not or nothing was found, 2 for a wrong use.

mod check;
mod completions;
mod decode;
mod demo;
mod demo_data;
mod doctor;
mod export;
mod import;
mod output;
mod period;
mod progress;
mod rebuild;
mod remote;
mod replay;
mod status;

use std::borrow::Cow;
use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rustix::fs::{Access, Mode};
use rustix::process::umask;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::api::export::ExportError;
use crate::api::{self, Live};
use crate::capture::with_remedy;
use crate::chat::{Chat, console};
use crate::config::{Config, ConfigError};
use crate::control::{Client, ClientError};
use crate::recorder::{ImportError, OfflineDataDir, RecorderError};
use crate::service::{self, RunningRecorder, ServiceError, recorder_settings};

/// Hears which Wi-Fi networks the devices around ask for, keeps every probe request, and answers in
/// Telegram.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service: capture, record, answer, alert
    Run {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        fcs: FcsChoice,
    },
    /// Print each probe request of a capture file as a line of JSON
    Decode {
        /// A pcap or pcapng file, or - for standard input
        file: String,
        #[command(flatten)]
        fcs: FcsChoice,
    },
    /// Record capture files, as fast as possible and without alerts
    Replay {
        /// pcap or pcapng files, or - for standard input; a file that is replayed twice counts twice
        #[arg(required = true)]
        files: Vec<String>,
        #[command(flatten)]
        place: DataDirArgs,
        #[command(flatten)]
        fcs: FcsChoice,
    },
    /// Look a device up by its name, a part of it, or its address
    Lookup {
        /// Names or MAC addresses; each is answered, in order
        #[arg(required = true, value_name = "QUERY")]
        queries: Vec<String>,
        #[command(flatten)]
        place: DataDirArgs,
        /// Print an object instead of a text
        #[arg(long)]
        json: bool,
    },
    /// Chat on the terminal as in Telegram, a line a message; works from a pipe
    Chat {
        #[command(flatten)]
        place: DataDirArgs,
    },
    /// Tell how the service is doing; without one, what the data directory holds
    Status {
        #[command(flatten)]
        place: DataDirArgs,
        /// Print an object instead of a text
        #[arg(long)]
        json: bool,
        /// Print nothing; exit status 1 unless a service runs, records and captures
        #[arg(short, long, conflicts_with = "json")]
        quiet: bool,
    },
    /// Look at all that the service needs; exit status 1 where something is broken
    Doctor {
        #[command(flatten)]
        place: DataDirArgs,
        /// Print an array of objects instead of a list
        #[arg(long)]
        json: bool,
    },
    /// Make the state anew from the log
    Rebuild {
        #[command(flatten)]
        place: DataDirArgs,
    },
    /// Compare the state with the log, row by row; exit status 1 where they differ or the log is damaged
    Check {
        #[command(flatten)]
        place: DataDirArgs,
    },
    /// Write the whole state, the events or the devices to standard output or a file
    Export(export::Choice),
    /// Make a data directory of a state that was exported; recording goes on behind it
    Import {
        /// What `probewatch export` wrote, compressed or not, or - for standard input
        file: String,
        #[command(flatten)]
        place: DataDirArgs,
    },
    /// Print what completes the arguments in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man {
        /// A folder into which it is written in place, with a page for each subcommand
        folder: Option<PathBuf>,
    },
    /// Show it all on a made-up street: no token, no radio, no root
    Demo,
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration [default: /etc/probewatch/config.toml where it exists]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct DataDirArgs {
    /// The data directory, in place of the configured one
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Args, Clone, Copy)]
struct FcsChoice {
    /// Take frames whose checksum is wrong, too: their addresses may be wrong
    #[arg(long)]
    include_bad_fcs: bool,
}

impl DataDirArgs {
    fn config(&self) -> Result<Config, ConfigError> {
        let mut config = Config::load(self.config.config.as_deref())?;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        Ok(config)
    }

    /// The configuration, and its data directory, which must hold some data.
    fn stored(&self) -> Result<(Config, OfflineDataDir), CliError> {
        let config = self.config()?;
        let stored = stored(&config)?;
        Ok((config, stored))
    }
}

/// What whoever takes the data directory's lock needs.
const TO_WRITE: Access = Access::WRITE_OK.union(Access::EXEC_OK);

/// The data directory, which must hold some data.
fn stored(config: &Config) -> Result<OfflineDataDir, CliError> {
    remote::permit(&config.data_dir, TO_WRITE)?;
    if !["events", "snapshots"].iter().any(|folder| config.data_dir.join(folder).is_dir()) {
        return Err(CliError::NoData(config.data_dir.clone()));
    }
    Ok(OfflineDataDir::open(&config.data_dir)?)
}

/// What went wrong, for a person.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Capture(#[from] crate::capture::CaptureError),
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("could not write {file}: {error}")]
    Output { file: String, error: io::Error },
    #[error("could not read {file}: {error}")]
    Input { file: String, error: io::Error },
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("there is no data in {}: `probewatch run` or `probewatch replay` records some", .0.display())]
    NoData(PathBuf),
    #[error(
        "no service runs, and there is no data in {}: `probewatch run` or `probewatch replay` records some",
        .0.display()
    )]
    NoServiceAndNoData(PathBuf),
    #[error("no service runs on {}", .0.display())]
    NoService(PathBuf),
    #[error("the data directory {} belongs to another user: run this command with sudo, or as that user", .0.display())]
    NotPermitted(PathBuf),
    #[error("{what}: {error}")]
    Io { what: &'static str, error: io::Error },
    #[error("the replay was broken off: the disk took nothing more ({0}); what it took before is recorded")]
    Unrecorded(String),
    #[error("could not record: {0}")]
    Change(#[from] crate::recorder::ChangeError),
}

impl CliError {
    /// What the reader can do about it, where the error does not say so itself.
    fn remedy(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Capture(error) => error.remedy(),
            Self::Service(error) => error.remedy().map(Cow::from),
            Self::Config(error) => error.remedy(),
            Self::Client(error) => error.remedy().map(|remedy| remedy.to_owned().into()),
            Self::Recorder(error) => error.remedy().map(Cow::from),
            Self::Import(error) => error.remedy().map(Cow::from),
            _ => None,
        }
    }

    fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { what, error }
    }
}

/// Parses the arguments, runs the command, and tells how it went.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    start_logging();
    // What is recorded is for its owner alone, whatever the shell's mask; a man page is for all.
    if !matches!(command, Command::Man { .. }) {
        umask(Mode::RWXG | Mode::RWXO);
    }
    let outcome = match command {
        Command::Run { config, fcs } => run(config.config.as_deref(), fcs),
        Command::Decode { file, fcs } => decode::decode(&file, fcs),
        Command::Replay { files, place, fcs } => replay::replay(&files, &place, fcs),
        Command::Lookup { queries, place, json } => lookup(&queries, &place, json),
        Command::Chat { place } => chat(&place),
        Command::Doctor { place, json } => doctor::doctor(&place, json),
        Command::Status { place, quiet: true, .. } => status::health(&place),
        Command::Status { place, json, .. } => status::status(&place, json),
        Command::Rebuild { place } => rebuild::rebuild(&place),
        Command::Check { place } => check::check(&place),
        Command::Export(choice) => export::export(&choice),
        Command::Import { file, place } => import::import(&file, &place),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man { folder } => completions::man(folder.as_deref()),
        Command::Demo => demo::demo(),
    };
    match outcome {
        Ok(code) => code,
        // Whoever read our output has seen enough.
        Err(CliError::Io { error, .. }) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            report(&with_remedy(&error, error.remedy()));
            ExitCode::FAILURE
        }
    }
}

fn report(error: &dyn Display) {
    // Where standard error is gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "probewatch: {error}");
}

/// Libraries whose finer messages would write addresses with the bot's token into the log.
const SECRETIVE_TARGETS: [&str; 7] =
    ["reqwest", "hyper", "hyper_util", "h2", "rustls", "teloxide_core", "sled"];

/// Logs to standard error. `RUST_LOG` chooses levels, as in `debug` or `info,probewatch::telegram=trace`.
fn start_logging() {
    let chosen = env::var("RUST_LOG").ok().and_then(|levels| levels.parse().ok());
    let levels = chosen.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let levels = levels.with_targets(SECRETIVE_TARGETS.map(|target| (target, LevelFilter::WARN)));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry().with(lines.with_filter(levels)).init();
}

fn runtime() -> Result<Runtime, CliError> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::io("could not start the runtime"))
}

fn run(config: Option<&Path>, fcs: FcsChoice) -> Result<ExitCode, CliError> {
    let config = Config::load(config)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(service::run(config, fcs.include_bad_fcs));
    // A thread that waits for standard input cannot be waited for.
    runtime.shutdown_background();
    outcome?;
    Ok(ExitCode::SUCCESS)
}

/// Starts a recorder on data that exists already, gives `work` a look at it, and ends it.
fn with_recorder<T>(
    config: &Config,
    work: impl FnOnce(&Runtime, &RunningRecorder) -> Result<T, CliError>,
) -> Result<T, CliError> {
    remote::permit(&config.data_dir, TO_WRITE)?;
    let runtime = runtime()?;
    let recorder = RunningRecorder::start(
        config,
        recorder_settings(config),
        runtime.handle().clone(),
        CancellationToken::new(),
    )?;
    let outcome = work(&runtime, &recorder);
    let stopped = runtime.block_on(recorder.stop());
    let outcome = outcome?;
    stopped?;
    Ok(outcome)
}

fn lookup(queries: &[String], place: &DataDirArgs, json: bool) -> Result<ExitCode, CliError> {
    let config = place.config()?;
    let remote = |client: &Client| print_answers(queries, |query| Ok(client.look_up(query, json)?));
    remote::or_local(&config, remote, || lookup_here(queries, &config, json))
}

fn lookup_here(queries: &[String], config: &Config, json: bool) -> Result<ExitCode, CliError> {
    if !config.data_dir.join("events").is_dir() {
        return Err(CliError::NoData(config.data_dir.clone()));
    }
    with_recorder(config, |runtime, recorder| {
        let source = Live { recorder: recorder.handle().clone(), runtime: runtime.handle().clone() };
        print_answers(queries, |query| {
            let answer = api::lookup::answer(&source, query, json, config.time_zone);
            answer.map_err(CliError::io("could not answer"))
        })
    })
}

/// Prints the answer to each query in order; succeeds if each found a device.
fn print_answers(
    queries: &[String],
    mut answer: impl FnMut(&str) -> Result<api::lookup::Answer, CliError>,
) -> Result<ExitCode, CliError> {
    let mut all_found = true;
    for query in queries {
        let answer = answer(query)?;
        all_found &= answer.is_found;
        write!(io::stdout(), "{}", answer.text).map_err(CliError::io("could not print the answer"))?;
    }
    Ok(if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chat(place: &DataDirArgs) -> Result<ExitCode, CliError> {
    let config = place.config()?;
    let remote = |client: &Client| {
        talk(|message| client.chat(message).map_err(io::Error::other)).map_err(remote::or_client_error)?;
        Ok(ExitCode::SUCCESS)
    };
    remote::or_local(&config, remote, || chat_here(&config))
}

fn chat_here(config: &Config) -> Result<ExitCode, CliError> {
    with_recorder(config, |runtime, recorder| {
        let chat = Chat::new(recorder.handle().clone(), config.time_zone, Vec::new)
            .with_follow_silence(config.follow_silence);
        talk(|message| Ok(runtime.block_on(console::answer(&chat, message))))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The chat over standard input and output.
fn talk(answer: impl FnMut(&str) -> io::Result<String>) -> Result<(), CliError> {
    console::run(io::stdin().lock(), io::stdout().lock(), prompt(), answer)
        .map_err(CliError::io("the chat on the terminal ended"))
}

/// What is shown before each line that a person is to write.
fn prompt() -> Option<&'static str> {
    (io::stdin().is_terminal() && io::stdout().is_terminal()).then_some("> ")
}
