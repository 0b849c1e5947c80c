//! `probewatch setup`: everything between the installed program and the first alert. It asks first, then changes the
//! machine step by step, each of which says what it will do and can be declined.
//!
//! - A step does only what is not done yet. So a second run changes nothing, and an interrupted one goes on.
//! - Nothing is changed before the existing files were read and are in order, and all questions are answered.
//! - Each change is in the record before it is made (`record`); `undo` reverts it.
//! - The token is never an argument, never shown, and only in files that only root reads.

mod adapters;
mod args;
mod changes;
mod dialogue;
mod error;
mod existing;
mod files;
mod name;
mod network;
mod programs;
mod record;
mod service;
mod token;
mod undo;

use std::cell::Cell;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use capture::monitor::{self, NetworkDaemon};
use chrono_tz::Tz;
use rustix::process::geteuid;

use super::error::CliError;
use super::keep_out_of_core_dumps;
use crate::config::{Edits, Secret, TokenPlace, ZoneOrigin, edit, zone_named, zone_of_machine};
use crate::status::OwnershipState;
use adapters::Adapter;
pub(in crate::cli) use args::SetupArgs;
use changes::{Action, CONFIG, Machine, TOKEN, UNIT};
use dialogue::Dialogue;
pub(in crate::cli) use error::SetupError;
use existing::{Existing, checked, configuration, of_config};
use files::Root;
use record::Record;
use token::Check;

/// A new configuration is this file with a few values set.
const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// How many steps there are.
const STEPS: usize = 8;

/// How long NetworkManager may take to let go of the adapter.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

pub(super) fn setup(args: &SetupArgs) -> Result<ExitCode, CliError> {
    keep_out_of_core_dumps();
    let root = Root::new(&args.root);
    if root.is_machine() && !args.dry_run && !geteuid().is_root() {
        return Err(SetupError::NotRoot.into());
    }
    let dialogue = Dialogue::new(args.yes, args.dry_run);
    if !args.yes && !args.dry_run && !dialogue.can_ask() {
        return Err(SetupError::NoTerminal { missing: missing_flags(args, &root) }.into());
    }
    // A dry run is for every user, and changes nothing.
    let _lock = match args.dry_run {
        true => None,
        false => Some(root.lock().map_err(SetupError::File)?.ok_or(SetupError::Locked)?),
    };
    let record = match Record::load(&root) {
        Err(SetupError::File(error)) if error.is_denied() && args.dry_run && !args.undo => Record::default(),
        loaded => loaded?,
    };
    let mut machine = Machine {
        root,
        record,
        dialogue,
        has_changed: false,
        has_failed: Cell::new(false),
        is_start_refused: false,
    };
    if args.undo {
        return Ok(undo::undo(&mut machine)?);
    }
    let existing = Existing::read(&machine)?;
    let given = token::given(args.token_file.as_deref())?;
    let token = existing.token(&machine, given)?;
    if token.is_none() && !machine.dialogue.can_ask() && !args.dry_run {
        return Err(SetupError::MissingToken.into());
    }
    Setup { args, machine: &mut machine, existing }.run(token)
}

/// The flags that would answer everything.
fn missing_flags(args: &SetupArgs, root: &Root) -> Vec<&'static str> {
    let mut missing = vec!["--yes"];
    let has_token = args.undo || args.token_file.is_some() || root.exists(TOKEN);
    if !has_token {
        missing.push("--token-file FILE");
    }
    if args.undo {
        missing.insert(0, "--undo");
    }
    missing
}

/// A run of setup.
struct Setup<'a> {
    args: &'a SetupArgs,
    machine: &'a mut Machine,
    existing: Existing,
}

impl Setup<'_> {
    fn run(mut self, token: Option<Secret>) -> Result<ExitCode, CliError> {
        self.say("probewatch setup: asks first, and says before each change what it will do.")?;
        self.heading(1, "Adapter")?;
        let adapters = adapters::list(self.machine.root.folder(), self.args.adapters.as_deref())?;
        let wanted = self.args.adapter.as_deref();
        let adapter = adapters::choose(&adapters, &self.existing.interfaces, wanted, &self.machine.dialogue)?;
        self.say(&format!("  {} is to listen.", adapter.name))?;
        let adapter = &adapter.without_shared_address(&adapters);
        self.heading(2, "Bot")?;
        let token = self.checked_token(token)?;
        self.heading(3, "Time zone")?;
        let zone = self.time_zone()?;

        self.heading(4, "Keep other programs away from the adapter")?;
        let name = self.planned_name(adapter)?;
        self.keep_away(adapter, &name)?;
        self.heading(5, "A name that stays")?;
        let name = self.name(adapter, name)?;
        self.heading(6, "Configuration")?;
        let is_configured = self.configure(adapter, &name, zone, token.as_ref())?;
        self.heading(7, "Service")?;
        let is_started = is_configured && self.start()?;
        if !is_configured {
            self.say("  Not started: it needs the configuration and the token.")?;
        }
        self.heading(8, "First frame and owner")?;
        match (is_started, self.args.dry_run) {
            (true, _) => self.welcome(&name)?,
            (false, true) => {
                self.say("  Setup waits for the first frame, and shows the link for the owner.")?
            }
            (false, false) => self.say("  Left out, since the service was not started.")?,
        }
        match (self.args.dry_run, self.machine.has_changed) {
            (true, _) => self.say("\nNothing was changed (--dry-run).")?,
            (false, false) => self.say("\nEverything was set up already: nothing was changed.")?,
            (false, true) if self.machine.has_failed.get() => {
                self.say(
                    "\nNot all of it could be done: see the lines with ✗. When that is repaired, run setup again.",
                )?;
                return Ok(ExitCode::FAILURE);
            }
            (false, true) => self.say("\nDone. sudo probewatch setup --undo reverts it.")?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn say(&self, text: &str) -> Result<(), SetupError> {
        self.machine.dialogue.say(text)
    }

    fn heading(&self, number: usize, title: &str) -> Result<(), SetupError> {
        self.say(&format!("\n{number} of {STEPS}: {title}"))
    }

    /// A token that Telegram knows, or that is to be used without having been checked; `None` only in a dry run.
    fn checked_token(&self, mut token: Option<Secret>) -> Result<Option<Secret>, CliError> {
        let dialogue = &self.machine.dialogue;
        // One that is there already may stay while Telegram is out of reach.
        let stored = self.existing.token(self.machine, None)?;
        if token.is_none() && !dialogue.dry_run {
            dialogue.say(
                "  Make a bot: write /newbot to @BotFather in Telegram, and answer its two questions.",
            )?;
        }
        loop {
            let candidate = match token.take() {
                Some(token) => token,
                None if dialogue.dry_run && self.existing.has_unread_token => {
                    dialogue.say("  There is a token, which only root may read.")?;
                    return Ok(None);
                }
                None if dialogue.dry_run && !dialogue.can_ask() => {
                    dialogue.say("  The token is missing: --token-file FILE, or setup asks for it.")?;
                    return Ok(None);
                }
                None => {
                    let typed = token::ask(dialogue)?;
                    // One in the configuration would count instead.
                    self.existing.token(self.machine, Some(typed.clone()))?;
                    typed
                }
            };
            let config = configuration(self.existing.text.as_deref(), Some(&candidate))?;
            let Some(settings) = &config.telegram else { return Ok(Some(candidate)) };
            dialogue.say("  Asking Telegram …")?;
            let (problem, remedy) = match token::check(settings)? {
                Check::Bot(name) => {
                    dialogue.say(&format!("  The token is that of @{name}."))?;
                    return Ok(Some(candidate));
                }
                Check::Unknown if self.existing.token_key().is_some() => (
                    format!(
                        "Telegram does not know the token of the configuration (`{}`)",
                        self.existing.token_key().unwrap_or_default()
                    ),
                    "remove that key, and run setup again, which asks for the token".to_owned(),
                ),
                Check::Unknown if dialogue.can_ask() => {
                    dialogue.say(
                        "  Telegram does not know this token: it was mistyped or revoked. @BotFather shows it with \
                         /mybots, and makes a new one with /token.",
                    )?;
                    continue;
                }
                Check::Unknown => {
                    let remedy = "it was mistyped or revoked: get a new one from @BotFather with /token";
                    ("Telegram does not know the token".to_owned(), remedy.to_owned())
                }
                Check::Unchecked(problem, remedy) if dialogue.can_ask() => {
                    dialogue.say(&format!("  {problem}: {remedy}."))?;
                    if dialogue.confirm("  Try again", true)? {
                        token = Some(candidate);
                        continue;
                    }
                    if dialogue.confirm("  Use the token without the check", false)? {
                        return Ok(Some(candidate));
                    }
                    continue;
                }
                Check::Unchecked(problem, remedy) if stored.as_ref() == Some(&candidate) => {
                    dialogue.say(&format!("  {problem}: {remedy}. The token stays as it is."))?;
                    return Ok(Some(candidate));
                }
                Check::Unchecked(problem, remedy) => (problem, remedy),
            };
            return Err(SetupError::Unchecked { problem, remedy }.into());
        }
    }

    /// The zone to configure; `None` leaves it to the machine.
    fn time_zone(&self) -> Result<Option<Tz>, SetupError> {
        let dialogue = &self.machine.dialogue;
        let say = |zone: Tz| dialogue.say(&format!("  Times are shown in {zone}."));
        if let Some(wanted) = &self.args.time_zone {
            let zone = zone_named(wanted).map_err(SetupError::TimeZone)?;
            say(zone)?;
            return Ok(Some(zone));
        }
        if let Some(zone) = self.existing.zone {
            dialogue.say(&format!("  {zone}, as the configuration says."))?;
            return Ok(Some(zone));
        }
        let guess = self.guessed_zone();
        if !dialogue.can_ask() || dialogue.dry_run {
            match guess {
                Some(zone) => say(zone)?,
                None => dialogue
                    .say("  The machine does not say; times are shown in UTC. --time-zone sets it.")?,
            }
            return Ok(guess);
        }
        loop {
            let answer = dialogue.ask(
                "  The time zone, such as Europe/Berlin",
                Some(guess.map_or("UTC", |zone| zone.name())),
            )?;
            let chosen = match answer.as_str() {
                "" => Ok(guess.unwrap_or(Tz::UTC)),
                answer => zone_named(answer),
            };
            match chosen {
                Ok(zone) => {
                    say(zone)?;
                    return Ok(Some(zone));
                }
                Err(problem) => dialogue.say(&format!("  The time zone {problem}."))?,
            }
        }
    }

    fn guessed_zone(&self) -> Option<Tz> {
        let (zone, origin) = zone_of_machine(self.machine.root.folder());
        if origin != ZoneOrigin::Default {
            return Some(zone);
        }
        let shown = programs::run("timedatectl", &["show", "--property=Timezone", "--value"]);
        shown.stdout.trim().parse().ok().filter(|_| shown.is_success)
    }

    fn keep_away(&mut self, adapter: &Adapter, name: &str) -> Result<(), SetupError> {
        if let Some(problem) = adapter.stubborn_holder() {
            self.say(&format!("  ! {problem}."))?;
        }
        let machine = &*self.machine;
        let mut actions = Vec::new();
        if machine.root.is_folder(network::NETWORK_MANAGER_FOLDER) {
            let text = machine.read_text(network::NETWORK_MANAGER)?;
            if let Some(content) = network::network_manager(text.as_deref(), name, adapter.address) {
                let what = "NetworkManager leaves the adapter alone for good".to_owned();
                actions.push(Action::Write { path: network::NETWORK_MANAGER, content, mode: 0o644, what });
            }
        }
        if let Some(address) = adapter.address
            && machine.is_active("systemd-networkd.service")
        {
            let text = machine.read_text(network::NETWORKD)?;
            let is_ours = text.as_ref().is_none_or(|text| text.starts_with(network::MARK));
            match network::networkd(text.as_deref(), address) {
                Some(content) if is_ours => {
                    let what = "systemd-networkd leaves the adapter alone".to_owned();
                    actions.push(Action::Write { path: network::NETWORKD, content, mode: 0o644, what });
                }
                Some(_) => {
                    self.say(&format!("  {} is not of setup and stays as it is.", network::NETWORKD))?
                }
                None => {}
            }
        }
        if let Some(text) = machine.read_text(network::DHCPCD)? {
            let mut names = vec![adapter.name.as_str(), name];
            names.dedup();
            if let Some(content) = network::dhcpcd(&text, &names) {
                let what = "dhcpcd leaves the adapter alone".to_owned();
                actions.push(Action::Write { path: network::DHCPCD, content, mode: 0o644, what });
            }
        }
        let unit = format!("wpa_supplicant@{}.service", adapter.name);
        let is_usual = network::is_interface_name(&adapter.name);
        if is_usual && (machine.is_active(&unit) || machine.is_enabled(&unit)) {
            actions.push(Action::Stop { unit });
        }
        if adapter.has_default_route {
            self.say(
                "  ! It is a way to the internet now. That connection ends, and so does a session over it.",
            )?;
        }
        let has_actions = !actions.is_empty();
        let is_done = self.machine.carry_out(actions, "no program that setup knows takes the adapter")?;
        if has_actions && is_done && !self.args.dry_run { self.wait_until_released(adapter) } else { Ok(()) }
    }

    /// Waits until NetworkManager has let go of the adapter, so that it does not bring it up again meanwhile.
    fn wait_until_released(&self, adapter: &Adapter) -> Result<(), SetupError> {
        let root = self.machine.root.folder();
        let is_held = || {
            let daemon = monitor::daemon_using(root, &adapter.name, adapter.index);
            daemon == Some(NetworkDaemon::NetworkManager)
        };
        let deadline = Instant::now() + RELEASE_LIMIT;
        while is_held() {
            if Instant::now() >= deadline {
                return self.say(&format!(
                    "  ! NetworkManager still uses {}: another of its files may say so. nmcli device set {0} managed \
                     no takes it away until the next boot.",
                    adapter.name
                ));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Writes configuration and token. Returns whether both are there in the end.
    fn configure(
        &mut self,
        adapter: &Adapter,
        name: &str,
        zone: Option<Tz>,
        token: Option<&Secret>,
    ) -> Result<bool, SetupError> {
        let mut actions = Vec::new();
        let found = self.machine.root.read(CONFIG)?;
        let before = self.existing.text.as_deref();
        let replaces = Some(adapter.name.clone()).filter(|old| old != name);
        let edits = Edits { time_zone: zone, interface: Some(name.to_owned()), replaces };
        let content = edit(before.unwrap_or(EXAMPLE), &edits).map_err(of_config)?;
        // An edit that the service would refuse is not written.
        checked(Some(&content))?;
        let old_mode = found.as_ref().map(|found| found.mode);
        // The service's user must be able to read it; a token in it must stay private.
        let mode = match (&self.existing.token_place, old_mode) {
            (TokenPlace::Here(_), Some(mode)) => mode,
            (_, mode) => mode.unwrap_or(0o644) | 0o444,
        };
        if before != Some(content.as_str()) || old_mode != Some(mode) {
            let zone = zone.map_or(String::new(), |zone| format!(", the time zone is {zone}"));
            let kept = if before.is_some() { "; all else in it stays" } else { "" };
            let opened = match old_mode {
                Some(old) if old != mode => "; every user may read it, as the service must",
                _ => "",
            };
            let what = format!("{name} is a source{zone}{kept}{opened}");
            actions.push(Action::Write { path: CONFIG, content, mode, what });
        }
        if let Some(token) = token {
            let found = self.machine.root.read(TOKEN)?;
            let is_there = found.is_some_and(|found| {
                let text = String::from_utf8_lossy(&found.content).into_owned();
                let is_private = found.uid == geteuid().as_raw() && found.mode & 0o077 == 0;
                is_private && Secret::bot_token(&text).as_ref() == Some(token)
            });
            if !is_there {
                let content = format!("{}\n", token.reveal());
                let what = "the bot's token, which only root may read".to_owned();
                actions.push(Action::Write { path: TOKEN, content, mode: 0o600, what });
            }
        }
        self.machine.carry_out(actions, "the configuration and the token are there")?;
        let is_there = |path| self.machine.root.exists(path);
        Ok(self.args.dry_run || is_there(CONFIG) && is_there(TOKEN))
    }

    /// Enables and starts the service. Returns whether it runs.
    fn start(&mut self) -> Result<bool, SetupError> {
        if !self.machine.has_systemd() {
            self.say(&format!(
                "  There is no systemd here, which would start the service. Start it yourself, as root or with the \
                 capabilities\n  that docs/installation.md names:\n    \
                 PROBEWATCH__TELEGRAM__TOKEN_FILE={TOKEN} probewatch run -c {CONFIG}\n  Its log shows the link by \
                 which you become the owner."
            ))?;
            return Ok(false);
        }
        if !self.args.dry_run {
            programs::run("systemctl", &["daemon-reload"]);
        }
        if !self.args.dry_run && !programs::succeeds("systemctl", &["cat", UNIT]) {
            return Err(SetupError::Service {
                problem: format!("systemd does not know {UNIT}"),
                remedy: "install it: sudo make install in the source's folder, or the Debian package",
            });
        }
        let (is_enabled, is_active) = (self.machine.is_enabled(UNIT), self.machine.is_active(UNIT));
        let must_restart = is_active && self.machine.record.needs_restart;
        let mut actions = Vec::new();
        if !is_enabled || !is_active || must_restart {
            actions.push(Action::Serve { enable: !is_enabled, restart: must_restart });
        }
        let is_done = self.machine.carry_out(actions, "the service is enabled and runs")?;
        Ok(is_done && !self.args.dry_run && !self.machine.is_start_refused)
    }

    /// Waits for the first frame, and shows the link for the owner.
    fn welcome(&self, name: &str) -> Result<(), SetupError> {
        let text = self.machine.read_text(CONFIG)?;
        let config = checked(text.as_deref())?;
        let limit = Duration::from_secs(self.args.wait);
        if service::wait_for_frame(self.machine, &config, name, limit)? {
            self.say(&format!("  ✓ {name} receives: the first probe request is recorded."))?;
        } else {
            self.say(
                "  No frame yet. In a quiet place that takes a while; a phone that you unlock near it searches soon.\n  \
                 If none comes, sudo probewatch doctor says what is wrong.",
            )?;
        }
        match service::ownership(self.machine, &config, limit)? {
            OwnershipState::Owned => self.say("  The bot has an owner already, who lets others in with /invite."),
            OwnershipState::Offered { link } => service::show_link(self.machine, &link),
            OwnershipState::Unknown => self.say(
                "  The bot has not reached Telegram yet. When it does, its log shows the link by which you become its \
                 owner:\n  journalctl -u probewatch",
            ),
        }
    }
}
