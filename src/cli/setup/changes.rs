//! Carries out changes of the machine: says what it will do, asks, notes each change in the record, and makes it.

use std::cell::Cell;

use rustix::process::{getegid, geteuid};

use super::dialogue::Dialogue;
use super::error::SetupError;
use super::files::{Found, Root};
use super::network::{DHCPCD, LINKS, NETWORK_MANAGER, NETWORKD};
use super::programs;
use super::record::{Change, Record};

pub(super) const CONFIG: &str = "/etc/probewatch/config.toml";
pub(super) const TOKEN: &str = "/etc/probewatch/telegram-token";
pub(super) const UNIT: &str = "probewatch.service";

/// A change that a step makes.
pub(super) enum Action {
    /// Writes a file; what it is for follows the path when it is announced.
    Write { path: &'static str, content: String, mode: u32, what: String },
    /// Renames an interface.
    Rename { from: String, to: String },
    /// Disables and stops another unit.
    Stop { unit: String },
    /// Enables the service, and starts or restarts it.
    Serve { enable: bool, restart: bool },
}

impl Action {
    /// What it will do, as a line.
    fn announcement(&self) -> String {
        match self {
            Self::Write { path, what, .. } => format!("write {path}: {what}"),
            Self::Rename { from, to } => {
                format!(
                    "rename {from} to {to} now: ip link set dev {from} down; ip link set dev {from} name {to}"
                )
            }
            Self::Stop { unit } => format!("stop {unit} for good: systemctl disable --now {unit}"),
            Self::Serve { enable, restart } => {
                let verb = if *restart { "restart" } else { "start" };
                let enable = if *enable { format!("systemctl enable {UNIT}; ") } else { String::new() };
                format!("{verb} the service: {enable}systemctl {verb} {UNIT}")
            }
        }
    }
}

/// The machine that is changed.
pub(super) struct Machine {
    pub(super) root: Root,
    pub(super) record: Record,
    pub(super) dialogue: Dialogue,
    /// Whether anything was changed.
    pub(super) has_changed: bool,
    /// Whether a program has failed.
    pub(super) has_failed: Cell<bool>,
    /// Whether systemd was asked to start the service, and refused.
    pub(super) is_start_refused: bool,
}

impl Machine {
    pub(super) fn has_systemd(&self) -> bool {
        self.root.is_folder("/run/systemd/system")
    }

    /// Whether systemd has this unit running.
    pub(super) fn is_active(&self, unit: &str) -> bool {
        self.has_systemd() && programs::succeeds("systemctl", &["is-active", "--quiet", unit])
    }

    /// Whether systemd starts this unit at boot.
    pub(super) fn is_enabled(&self, unit: &str) -> bool {
        self.has_systemd() && programs::succeeds("systemctl", &["is-enabled", "--quiet", unit])
    }

    /// The file as a text; `None` if there is none.
    pub(super) fn read_text(&self, path: &'static str) -> Result<Option<String>, SetupError> {
        let found = self.root.read(path)?;
        let text = found.map(|found| String::from_utf8(found.content)).transpose();
        text.map_err(|_| SetupError::NotText { file: path })
    }

    /// Announces the actions, asks, and carries them out. Returns whether they are done, or nothing was to be done.
    pub(super) fn carry_out(&mut self, actions: Vec<Action>, nothing: &str) -> Result<bool, SetupError> {
        if actions.is_empty() {
            self.dialogue.say(&format!("  Nothing to do: {nothing}."))?;
            return Ok(true);
        }
        self.dialogue.say("  This will")?;
        for action in &actions {
            self.dialogue.say(&format!("  - {}", action.announcement()))?;
        }
        if self.dialogue.dry_run {
            return Ok(true);
        }
        if !self.dialogue.confirm("  Do it", true)? {
            self.dialogue.say("  Left as it is.")?;
            return Ok(false);
        }
        for action in actions {
            self.apply(action)?;
        }
        Ok(true)
    }

    fn apply(&mut self, action: Action) -> Result<(), SetupError> {
        match action {
            Action::Write { path, content, mode, .. } => self.write(path, content.as_bytes(), mode),
            Action::Rename { from, to } => self.rename(from, to),
            Action::Stop { unit } => {
                let (was_enabled, was_active) = (self.is_enabled(&unit), self.is_active(&unit));
                self.note(Change::Stopped { unit: unit.clone(), was_enabled, was_active })?;
                self.run("systemctl", &["disable", "--now", &unit]).map(drop)
            }
            Action::Serve { enable, restart } => self.serve(enable, restart),
        }
    }

    /// Replaces a file, or makes it, and tells the programs that read it.
    fn write(&mut self, path: &'static str, content: &[u8], mode: u32) -> Result<(), SetupError> {
        let found = self.root.read(path)?;
        // The token is root's, whoever had it before.
        let (uid, gid) = match &found {
            Some(found) if path != TOKEN => (found.uid, found.gid),
            _ => (geteuid().as_raw(), getegid().as_raw()),
        };
        // What setup does not make itself keeps its mode.
        let kept = found.as_ref().filter(|_| ![CONFIG, TOKEN].contains(&path)).map(|found| found.mode);
        let mode = kept.unwrap_or(mode);
        let missing = self.root.missing_folders(path);
        for folder in &missing {
            self.record.note(Change::Folder { path: folder.clone() });
        }
        self.record.note_file(path, found.as_ref(), content);
        self.record.needs_restart |= [CONFIG, TOKEN].contains(&path);
        self.record.save(&self.root)?;
        for folder in &missing {
            self.root.make_folder(folder)?;
        }
        self.root.write(path, &Found { content: content.to_owned(), mode, uid, gid })?;
        self.has_changed = true;
        self.tell_readers(path)
    }

    /// Has the program that reads this file read it again.
    pub(super) fn tell_readers(&self, path: &str) -> Result<(), SetupError> {
        let is_active = |unit: &str| self.is_active(unit);
        match path {
            NETWORK_MANAGER if is_active("NetworkManager.service") => {
                self.run("systemctl", &["reload", "NetworkManager.service"]).map(drop)
            }
            NETWORKD if is_active("systemd-networkd.service") => {
                self.run("networkctl", &["reload"]).map(drop)
            }
            path if LINKS.contains(&path) && self.has_systemd() => {
                self.run("udevadm", &["control", "--reload"]).map(drop)
            }
            DHCPCD if is_active("dhcpcd.service") => self
                .dialogue
                .say("  dhcpcd reads it when it is started again, at the next boot at the latest."),
            _ => Ok(()),
        }
    }

    fn rename(&mut self, from: String, to: String) -> Result<(), SetupError> {
        self.note(Change::Renamed { from: from.clone(), to: to.clone() })?;
        if !self.rename_now(&from, &to)? {
            self.dialogue.say(&format!(
                "  It keeps its name for now. Plug the adapter out and in, or reboot: then it is {to}."
            ))?;
        }
        Ok(())
    }

    /// Whether the interface could be renamed. It is down then: whoever uses it brings it up.
    pub(super) fn rename_now(&self, from: &str, to: &str) -> Result<bool, SetupError> {
        Ok(self.run("ip", &["link", "set", "dev", from, "down"])?
            && self.run("ip", &["link", "set", "dev", from, "name", to])?)
    }

    fn serve(&mut self, enable: bool, restart: bool) -> Result<(), SetupError> {
        let (was_enabled, was_active) = (self.is_enabled(UNIT), self.is_active(UNIT));
        self.note(Change::Started { unit: UNIT.to_owned(), was_enabled, was_active })?;
        if enable {
            self.run("systemctl", &["enable", UNIT])?;
        }
        // If it has failed too often, systemd starts it only after that; otherwise it fails and does not matter.
        programs::succeeds("systemctl", &["reset-failed", UNIT]);
        let verb = if restart { "restart" } else { "start" };
        if self.run("systemctl", &[verb, "--no-block", UNIT])? {
            self.record.needs_restart = false;
            self.record.save(&self.root)?;
        } else {
            self.is_start_refused = true;
        }
        Ok(())
    }

    fn note(&mut self, change: Change) -> Result<(), SetupError> {
        self.record.note(change);
        self.record.save(&self.root)?;
        self.has_changed = true;
        Ok(())
    }

    /// Whether a program ends with success; says what it says otherwise.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> Result<bool, SetupError> {
        let outcome = programs::run(program, arguments);
        if !outcome.is_success {
            let command = arguments.join(" ");
            self.has_failed.set(true);
            self.dialogue.say(&format!("  ✗ {program} {command} failed: {}", outcome.problem))?;
        }
        Ok(outcome.is_success)
    }
}
