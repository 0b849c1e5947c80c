//! What a check of the state against the log found, in words.

use crate::dot11::write_printable;
use crate::recorder::CheckReport;
use crate::state::Difference;

/// Differences and damages that are told one by one.
pub const SHOWN_LIMIT: usize = 10;

/// What was compared with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The state in sled, while no service runs.
    Sled,
    /// The state in the memory of the service.
    Memory,
}

impl Compared {
    fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Memory => "the service's state",
        }
    }
}

/// Whether nothing is wrong with what was found.
pub fn is_well(check: &CheckReport) -> bool {
    check.checkpoint.is_ok() && check.differences.count == 0 && check.damaged == 0
}

/// What was found, in lines.
pub fn report(check: &CheckReport, compared: Compared) -> String {
    let differences = &check.differences;
    let mut lines = check.damage.clone();
    lines.extend(more(check.damaged, check.damage.len(), "damaged places"));
    lines.extend(differences.first.iter().map(|difference| told(difference, compared)));
    lines.extend(more(differences.count, differences.first.len(), "rows that differ"));
    lines.push(verdict(check, compared));
    lines.join("\n") + "\n"
}

fn verdict(check: &CheckReport, compared: Compared) -> String {
    let other = compared.name();
    let count = check.differences.count;
    let is_damaged = check.damaged > 0;
    match &check.checkpoint {
        Err(why) => format!("There is no state to compare: {why}. `probewatch rebuild` makes it anew"),
        Ok(_) if count > 0 => {
            let rows = if count == 1 { "row" } else { "rows" };
            // What damage took from the log, sled may still have.
            let what_to_do = match (is_damaged, compared) {
                (true, _) => format!("since the log or a snapshot is damaged, {other} may be right"),
                (false, Compared::Sled) => "`probewatch rebuild` makes sled anew from the log".to_owned(),
                (false, Compared::Memory) => {
                    "stop the service, run `probewatch rebuild`, and start it again".to_owned()
                }
            };
            format!("The log and {other} differ in {count} {rows}; {what_to_do}")
        }
        Ok(checkpoint) => {
            let behind = match *checkpoint < check.end {
                true => format!(", of which {other} has {checkpoint}"),
                false => String::new(),
            };
            let damaged = if is_damaged { "; the log or a snapshot is damaged" } else { "" };
            format!(
                "The log and {other} agree: {} events{behind}, {} devices{damaged}",
                check.end, check.devices
            )
        }
    }
}

fn more(count: u64, told: usize, what: &str) -> Option<String> {
    let left = count.saturating_sub(told as u64);
    (left > 0).then(|| format!("… and {left} more {what}"))
}

fn told(Difference { subject, one, other }: &Difference, compared: Compared) -> String {
    let row = |row: &Option<String>| row.as_deref().map_or("no such row".to_owned(), on_one_line);
    format!("{subject}: the log gives {}, {} has {}", row(one), compared.name(), row(other))
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
