//! What a check found: a line of the list, and what to do.

use std::fmt;

use dot11::write_printable;
use serde::Serialize;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The subject of the check.
    check: String,
    outcome: Outcome,
    #[serde(rename = "says")]
    summary: String,
    /// What the reader can do about it.
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Fine,
    Broken,
    /// It could not be checked, or may be all right.
    Unknown,
}

impl Finding {
    pub(super) fn ok(check: impl Into<String>, summary: impl Into<String>) -> Self {
        Self { check: check.into(), outcome: Outcome::Fine, summary: summary.into(), remedy: None }
    }

    pub(super) fn broken(
        check: impl Into<String>,
        summary: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { outcome: Outcome::Broken, remedy: Some(remedy.into()), ..Self::ok(check, summary) }
    }

    pub(super) fn unknown(check: impl Into<String>, summary: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, ..Self::ok(check, summary) }
    }

    pub(super) fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Adds the remedy of an error, which may have none.
    pub(super) fn with_remedy_of(self, remedy: Option<impl Into<String>>) -> Self {
        Self { remedy: remedy.map(Into::into).or(self.remedy), ..self }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.outcome == Outcome::Broken
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.outcome {
            Outcome::Fine => '✓',
            Outcome::Broken => '✗',
            Outcome::Unknown => '!',
        };
        write!(f, "{sign} ")?;
        // File names and messages of servers may contain anything.
        write_printable(f, &self.check)?;
        f.write_str(": ")?;
        write_printable(f, &self.summary)?;
        if let Some(remedy) = &self.remedy {
            f.write_str("\n    → ")?;
            write_printable(f, remedy)?;
        }
        Ok(())
    }
}
