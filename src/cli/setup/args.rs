//! The arguments of `probewatch setup`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(in crate::cli) struct SetupArgs {
    /// Revert what setup did
    #[arg(long, conflicts_with_all = ["adapter", "token_file", "time_zone"])]
    pub(super) undo: bool,
    /// Ask nothing: answer each question with what setup suggests
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The adapter that is to listen, by name or address
    #[arg(long, value_name = "NAME")]
    pub(super) adapter: Option<String>,
    /// A file with the bot's token, or - for standard input (every user can see the arguments of a program)
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// The time zone in which times are shown, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub(super) time_zone: Option<String>,
    /// How long to wait for the first frame, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, overrides_with = "wait")]
    #[arg(value_parser = clap::value_parser!(u64).range(..=3600))]
    pub(super) wait: u64,
    /// The folder that stands for `/`, for tests
    #[arg(long, hide = true, default_value = "/")]
    pub(super) root: PathBuf,
    /// A file with a list of adapters that stands for those of the machine, for tests
    #[arg(long, hide = true)]
    pub(super) adapters: Option<PathBuf>,
}
