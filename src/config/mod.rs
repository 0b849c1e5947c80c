//! The configuration: a TOML file and the environment, read once into types that hold valid values only.
//!
//! - An environment variable overrides the file: `PROBEWATCH__TELEGRAM__TOKEN` is `telegram.token`.
//! - An unknown key is an error, and so is a value that does not fit. Errors name the line of the file or the
//!   variable.
//! - No message holds a secret, or a line of the file, which may contain one.
//!
//! `schema` alone lists the keys, with their types and defaults. `load` reads the file and the environment into a
//! `tree`, `deserialize` reads that as the schema's tables, and `validate` builds the `model` from them. `edit` changes keys of a file for `probewatch setup`.

mod deserialize;
mod edit;
mod error;
mod load;
mod model;
mod schema;
mod sources;
#[cfg(test)]
mod tests;
mod time_zone;
mod tree;
mod types;
mod validate;
mod values;

pub use edit::{EditError, Edits, TokenPlace, edit, token_place};
pub use error::{ConfigError, Origin};
pub use load::{FileText, SYSTEM_FILE};
pub use model::{Capture, Config, ConfiguredSource, Secret, Telegram, Tls, Updates, Webhook};
pub use schema::{Key, keys};
pub use time_zone::{ZoneOrigin, zone_of_machine};
pub use types::zone_named;
