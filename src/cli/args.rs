//! The command line: subcommands, arguments and their help.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::export::ExportArgs;
use super::setup::SetupArgs;
use crate::config::{Config, ConfigError, ZoneOrigin};

/// Records which Wi-Fi networks nearby devices look for, answers questions about them in Telegram, and sends alerts.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Run the service: capture, record, answer and alert
    Run {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        fcs: FcsArgs,
    },
    /// Print the probe requests of a capture file as JSON, one per line
    Decode {
        /// A pcap or pcapng file, or - for standard input
        file: String,
        #[command(flatten)]
        fcs: FcsArgs,
    },
    /// Group the random addresses in capture files by phone, and print each probe request as JSON, one per line
    Group {
        /// pcap or pcapng files, or - for standard input; they are taken together, in the order of their times
        #[arg(required = true)]
        files: Vec<String>,
        /// Print what was known that long after each frame, instead of at the end
        #[arg(long, value_name = "SECONDS")]
        after: Option<u64>,
    },
    /// Record capture files, as fast as possible and without alerts
    Replay {
        /// pcap or pcapng files, or - for standard input; a file that is replayed twice counts twice
        #[arg(required = true)]
        files: Vec<String>,
        #[command(flatten)]
        data: DataDirArgs,
        #[command(flatten)]
        fcs: FcsArgs,
    },
    /// Look up devices by name, part of a name, or address; exit with 1 if one is not found
    Lookup {
        /// Names or MAC addresses, answered in this order
        #[arg(required = true, value_name = "QUERY", value_parser = query)]
        queries: Vec<String>,
        #[command(flatten)]
        data: DataDirArgs,
        /// Print JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Chat on the terminal as in Telegram, one message per line; also from a pipe
    Chat {
        #[command(flatten)]
        data: DataDirArgs,
    },
    /// Show how the service is doing; without a service, what the data directory holds
    Status {
        #[command(flatten)]
        data: DataDirArgs,
        /// Print JSON instead of text
        #[arg(long)]
        json: bool,
        /// Print nothing; exit with 1 unless a service runs, records and captures
        #[arg(short, long, conflicts_with = "json")]
        quiet: bool,
    },
    /// Set everything up: adapter, bot, configuration and service; asks, and can be run again
    Setup(SetupArgs),
    /// Check everything that the service needs; exit with 1 if something is broken
    Doctor {
        #[command(flatten)]
        data: DataDirArgs,
        /// Print JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Rebuild the state from the event log
    Rebuild {
        #[command(flatten)]
        data: DataDirArgs,
    },
    /// Compare the state with the event log, row by row; exit with 1 if they differ or the log is damaged
    Check {
        #[command(flatten)]
        data: DataDirArgs,
    },
    /// Compare the state on standard input with the event log, for the service
    #[command(name = crate::api::check::IMAGE_SUBCOMMAND, hide = true)]
    CheckImage {
        /// The data directory
        data_dir: PathBuf,
    },
    /// Write the state, the events or the devices to standard output or a file
    Export(ExportArgs),
    /// Create a data directory from an exported state; recording continues from there
    Import {
        /// The output of `probewatch export`, compressed or not, or - for standard input
        file: String,
        #[command(flatten)]
        data: DataDirArgs,
    },
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man {
        /// Write the man pages, one per subcommand, to this folder instead
        folder: Option<PathBuf>,
    },
    /// Show everything on a simulated street; needs no token, no radio and no root
    Demo,
}

fn query(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("expected a name or an address") } else { Ok(text.to_owned()) }
}

#[derive(Args)]
pub(super) struct ConfigArgs {
    /// The configuration file [default: /etc/probewatch/config.toml if it exists]
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct DataDirArgs {
    /// The data directory, instead of the configured one
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

impl DataDirArgs {
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        let mut config = Config::load(self.config.config.as_deref())?;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        // A person who sets the variable expects its times.
        if let (origin @ ZoneOrigin::UnknownVariable(_), Some(remedy)) =
            (&config.time_zone_origin, config.time_zone_origin.remedy())
        {
            let zone = config.time_zone;
            let _ = writeln!(std::io::stderr(), "Times are shown in {zone}, {origin}; {remedy}.");
        }
        Ok(config)
    }
}

#[derive(Args, Clone, Copy)]
pub(super) struct FcsArgs {
    /// Include frames with a wrong checksum; their addresses may be wrong too
    #[arg(long)]
    pub(super) include_bad_fcs: bool,
}
