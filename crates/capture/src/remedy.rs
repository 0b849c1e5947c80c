//! Shows an error together with its remedy.

use std::fmt::Display;

/// Formats an error for people: its sentence and, after a semicolon, the remedy.
pub fn with_remedy(error: impl Display, remedy: Option<impl AsRef<str>>) -> String {
    match remedy {
        Some(remedy) => format!("{error}; {}", remedy.as_ref()),
        None => error.to_string(),
    }
}
