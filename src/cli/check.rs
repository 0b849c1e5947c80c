//! `probewatch check`: whether the state in sled is what the log gives, row by row. It changes neither.

use std::io::{self, Write};
use std::process::ExitCode;

use super::progress::Progress;
use super::{CliError, Place};
use crate::dot11::write_printable;
use crate::recorder::Check;
use crate::state::Difference;

/// Differences and damages that are told one by one.
const TOLD: usize = 10;

pub(super) fn check(place: &Place) -> Result<ExitCode, CliError> {
    let (_, stored) = place.stored()?;
    let mut progress = Progress::new("checking", stored.log().next_offset());
    let check = stored.check(TOLD, &mut |offset| progress.at(offset))?;
    drop(progress);
    write!(io::stdout(), "{}", report(&check)).map_err(CliError::io("could not print what was found"))?;
    Ok(if is_well(&check) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_well(check: &Check) -> bool {
    check.checkpoint.is_ok() && check.differences.count == 0 && check.damaged == 0
}

fn report(check: &Check) -> String {
    let differences = &check.differences;
    let mut lines = check.damage.clone();
    lines.extend(more(check.damaged, check.damage.len(), "damaged places"));
    lines.extend(differences.first.iter().map(told));
    lines.extend(more(differences.count, differences.first.len(), "rows that differ"));
    lines.push(verdict(check));
    lines.join("\n") + "\n"
}

fn verdict(check: &Check) -> String {
    let count = check.differences.count;
    let is_damaged = check.damaged > 0;
    match &check.checkpoint {
        Err(why) => format!("There is no state to compare: {why}. `probewatch rebuild` makes it anew"),
        Ok(_) if count > 0 => {
            let rows = if count == 1 { "row" } else { "rows" };
            // What damage took from the log, sled may still have.
            let what_to_do = match is_damaged {
                true => "since the log or a snapshot is damaged, sled may be right",
                false => "`probewatch rebuild` makes sled anew from the log",
            };
            format!("The log and sled differ in {count} {rows}; {what_to_do}")
        }
        Ok(checkpoint) => {
            let behind = match *checkpoint < check.end {
                true => format!(", of which sled has {checkpoint}"),
                false => String::new(),
            };
            let damaged = if is_damaged { "; the log or a snapshot is damaged" } else { "" };
            format!(
                "The log and sled agree: {} events{behind}, {} devices{damaged}",
                check.end, check.devices
            )
        }
    }
}

fn more(count: u64, told: usize, what: &str) -> Option<String> {
    let left = count.saturating_sub(told as u64);
    (left > 0).then(|| format!("… and {left} more {what}"))
}

fn told(Difference { subject, one, other }: &Difference) -> String {
    let row = |row: &Option<String>| row.as_deref().map_or("no such row".to_owned(), on_one_line);
    format!("{subject}: the log gives {}, sled has {}", row(one), row(other))
}

/// JSON with what it leaves unescaped and a terminal would not show in its place.
fn on_one_line(json: &str) -> String {
    let mut line = String::new();
    for (number, part) in json.split('\\').enumerate() {
        if number > 0 {
            line.push('\\');
        }
        // A String takes whatever is written to it.
        let _ = write_printable(&mut line, part);
    }
    line
}
