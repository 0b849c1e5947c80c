//! `probewatch setup --undo`: reverts what setup changed, the last change first.
//!
//! A change leaves the record when it is reverted, so an interrupted undo goes on where it stopped. What somebody has
//! changed since is told and stays.

use std::process::ExitCode;

use super::changes::{CONFIG, Machine, TOKEN, UNIT};
use super::error::SetupError;
use super::record::{Before, Change, PATH, hash};

/// What became of a change.
enum Outcome {
    Reverted,
    /// It was not there any more, or never made.
    NothingToDo,
    /// It stays, for this reason.
    Kept(String),
}

pub(super) fn undo(machine: &mut Machine) -> Result<ExitCode, SetupError> {
    let changes = machine.record.latest_first();
    if changes.is_empty() {
        machine.dialogue.say("Nothing to undo: setup has changed nothing on this machine.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_read_again = |change: &Change| match change {
        Change::File { path, .. } => [CONFIG, TOKEN].contains(&path.as_str()),
        _ => false,
    };
    let must_restart = changes.iter().any(is_read_again);
    let mut kept = 0;
    for change in changes {
        machine.dialogue.say(&format!("- {}", announcement(&change)))?;
        if machine.dialogue.dry_run {
            continue;
        }
        if !machine.dialogue.confirm("  Do it", true)? {
            machine.dialogue.say("  Left as it is.")?;
            kept += 1;
            continue;
        }
        match revert(machine, &change)? {
            Outcome::Reverted => {}
            Outcome::NothingToDo => machine.dialogue.say("  It is so already.")?,
            Outcome::Kept(why) => {
                machine.dialogue.say(&format!("  Left as it is: {why}."))?;
                kept += 1;
                continue;
            }
        }
        machine.record.remove(&change);
        machine.record.save(&machine.root)?;
    }
    if machine.dialogue.dry_run {
        machine.dialogue.say("Nothing was changed (--dry-run).")?;
        return Ok(ExitCode::SUCCESS);
    }
    // It ran before the first setup, and reads what was restored.
    if must_restart && machine.is_active(UNIT) {
        machine.run("systemctl", &["restart", "--no-block", UNIT])?;
    }
    if kept > 0 {
        machine.dialogue.say(&format!(
            "Some of it was left as it is. {PATH} has what is left; setup --undo tries it again."
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    machine
        .dialogue
        .say("Everything is as it was before setup. What was recorded stays, in the data directory.")?;
    Ok(ExitCode::SUCCESS)
}

/// What reverting the change does.
fn announcement(change: &Change) -> String {
    match change {
        Change::Folder { path } => format!("remove the folder {path}, if nothing is in it"),
        Change::File { path, before: None, .. } => format!("remove {path}"),
        Change::File { path, before: Some(_), .. } => format!("restore {path} as it was before"),
        Change::Renamed { from, to } => format!("rename {to} to {from}"),
        Change::Started { unit, was_enabled, was_active } => match (was_enabled, was_active) {
            (false, false) => format!("stop and disable {unit}"),
            (false, true) => format!("disable {unit}"),
            (true, false) => format!("stop {unit}"),
            (true, true) => format!("leave {unit} running, as it was"),
        },
        Change::Stopped { unit, was_enabled, was_active } => match (was_enabled, was_active) {
            (true, true) => format!("enable and start {unit}"),
            (true, false) => format!("enable {unit}"),
            (false, true) => format!("start {unit}"),
            (false, false) => format!("leave {unit} off, as it was"),
        },
    }
}

fn revert(machine: &mut Machine, change: &Change) -> Result<Outcome, SetupError> {
    Ok(match change {
        Change::Folder { path } => match machine.root.exists(path) {
            false => Outcome::NothingToDo,
            true if machine.root.remove_folder(path)? => Outcome::Reverted,
            // What others put there is theirs.
            true => {
                machine.dialogue.say("  Something is in it, so it stays.")?;
                Outcome::Reverted
            }
        },
        Change::File { path, before, written } => restore(machine, path, before.as_ref(), written)?,
        Change::Renamed { from, to } => {
            let exists = |name: &str| machine.root.exists(&format!("/sys/class/net/{name}"));
            match (exists(from), exists(to)) {
                (false, true) if machine.rename_now(to, from)? => Outcome::Reverted,
                (false, true) => {
                    machine
                        .dialogue
                        .say("  Plug the adapter out and in, or reboot: then it has its old name.")?;
                    Outcome::Reverted
                }
                _ => Outcome::NothingToDo,
            }
        }
        Change::Started { unit, was_enabled, was_active } => {
            let stopped = *was_active || machine.run("systemctl", &["stop", unit])?;
            let disabled = *was_enabled || machine.run("systemctl", &["disable", unit])?;
            done(stopped && disabled)
        }
        Change::Stopped { unit, was_enabled, was_active } => {
            let enabled = !*was_enabled || machine.run("systemctl", &["enable", unit])?;
            let started = !*was_active || machine.run("systemctl", &["start", "--no-block", unit])?;
            done(enabled && started)
        }
    })
}

fn done(is_done: bool) -> Outcome {
    if is_done { Outcome::Reverted } else { Outcome::Kept("systemctl has failed".to_owned()) }
}

fn restore(
    machine: &Machine,
    path: &str,
    before: Option<&Before>,
    written: &[String],
) -> Result<Outcome, SetupError> {
    // A link or a folder in its place is somebody's change, too.
    let found = match machine.root.read(path) {
        Ok(found) => found,
        Err(error) => return Ok(Outcome::Kept(error.to_string())),
    };
    machine.root.remove_leftover(path)?;
    let before = before.map(Before::to_file).transpose()?;
    if found == before {
        return Ok(Outcome::NothingToDo);
    }
    let is_ours = found.as_ref().is_some_and(|found| written.contains(&hash(&found.content)));
    match (is_ours, before) {
        (false, _) if found.is_none() => {
            return Ok(Outcome::Kept("somebody has removed it since".to_owned()));
        }
        (false, _) => return Ok(Outcome::Kept("somebody has changed it since".to_owned())),
        (true, Some(before)) => machine.root.write(path, &before)?,
        (true, None) => machine.root.remove(path)?,
    }
    machine.tell_readers(path)?;
    Ok(Outcome::Reverted)
}
