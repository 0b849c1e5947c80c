//! What is configured before setup changes anything. It must be in order: nothing is built on a file that the service
//! would refuse.

use std::path::Path;

use capture::Source;
use chrono_tz::Tz;

use super::changes::{CONFIG, Machine, TOKEN};
use super::error::SetupError;
use crate::config::{Config, EditError, FileText, Secret, TokenPlace, ZoneOrigin, token_place};

/// Stands for the token where the configuration is checked, so that no file with a token is read for that.
const ANY_TOKEN: &str = "1:any";

/// What is configured already.
pub(super) struct Existing {
    /// The configuration file.
    pub(super) text: Option<String>,
    /// The interfaces among the sources.
    pub(super) interfaces: Vec<String>,
    pub(super) token_place: TokenPlace,
    /// The zone that the file names.
    pub(super) zone: Option<Tz>,
}

impl Existing {
    pub(super) fn read(machine: &Machine) -> Result<Self, SetupError> {
        let text = machine.read_text(CONFIG)?;
        let config = checked(text.as_deref())?;
        let interfaces = config.capture.sources.iter().filter_map(|source| match &source.origin {
            Source::Interface(name) => Some(name.clone()),
            _ => None,
        });
        let place = token_place(text.as_deref().unwrap_or_default()).map_err(of_config)?;
        let zone = (config.time_zone_origin == ZoneOrigin::Configuration).then_some(config.time_zone);
        Ok(Self { interfaces: interfaces.collect(), token_place: place, zone, text })
    }

    /// The token to use, if one is given or configured. The file that the unit gives to the service has it in the end.
    pub(super) fn token(
        &self,
        machine: &Machine,
        given: Option<Secret>,
    ) -> Result<Option<Secret>, SetupError> {
        let of_unit = || -> Result<Option<Secret>, SetupError> {
            let text = machine.read_text(TOKEN)?;
            Ok(text.and_then(|text| Secret::bot_token(&text)))
        };
        let (configured, key) = match &self.token_place {
            TokenPlace::Here(token) => (Some(token.clone()), "telegram.token"),
            TokenPlace::File(path) if path != Path::new(TOKEN) => {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                (Secret::bot_token(&text), "telegram.token_file")
            }
            // What it holds is replaced.
            TokenPlace::File(_) | TokenPlace::Unset => {
                return given.map_or_else(of_unit, |given| Ok(Some(given)));
            }
        };
        match (given, configured) {
            (Some(given), configured) if configured.as_ref() != Some(&given) => {
                Err(SetupError::OtherToken { key })
            }
            (_, configured) => Ok(configured),
        }
    }
}

pub(super) fn of_config(error: EditError) -> SetupError {
    SetupError::Edit { file: CONFIG, error }
}

/// The configuration in this text, whatever the token.
pub(super) fn checked(text: Option<&str>) -> Result<Config, SetupError> {
    configuration(text, Secret::bot_token(ANY_TOKEN).as_ref())
}

/// The configuration in this text, with this token if there is one.
pub(super) fn configuration(text: Option<&str>, token: Option<&Secret>) -> Result<Config, SetupError> {
    let file = text.map(|text| FileText { path: Path::new(CONFIG), text });
    Ok(Config::of_text(file, token)?)
}
