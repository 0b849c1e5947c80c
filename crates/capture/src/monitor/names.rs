//! The name and the alias by which this program recognises its own changes to interfaces, also after a `kill -9`.

/// The prefix of the names of monitor interfaces that this program adds; a number follows.
pub(super) const MONITOR_NAME_PREFIX: &str = "pwmon";

/// The alias of a managed interface while this program keeps it down. `ip link` shows it, and the next start finds it
/// after a `kill -9`.
pub(super) const DOWN_ALIAS: &str = "taken down by probewatch";
