//! What a look at one thing found, as a line of the list.

use std::fmt;

use serde::Serialize;

use crate::dot11::write_printable;

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    check: String,
    outcome: Outcome,
    /// What was seen, in words.
    says: String,
    /// What helps.
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Fine,
    Broken,
    /// It could not be looked at, or need not be wrong.
    Unknown,
}

impl Finding {
    pub(super) fn fine(check: impl Into<String>, says: impl Into<String>) -> Self {
        Self { check: check.into(), outcome: Outcome::Fine, says: says.into(), remedy: None }
    }

    pub(super) fn broken(
        check: impl Into<String>,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { outcome: Outcome::Broken, remedy: Some(remedy.into()), ..Self::fine(check, says) }
    }

    pub(super) fn unknown(check: impl Into<String>, says: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, ..Self::fine(check, says) }
    }

    pub(super) fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
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
        // Names of files and what servers say may hold anything.
        write_printable(f, &self.check)?;
        f.write_str(": ")?;
        write_printable(f, &self.says)?;
        if let Some(remedy) = &self.remedy {
            f.write_str("\n    → ")?;
            write_printable(f, remedy)?;
        }
        Ok(())
    }
}
