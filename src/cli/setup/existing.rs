//! What is configured before setup changes anything. It must be in order: nothing is built on a file that the service
//! would refuse.

use std::io;
use std::path::Path;

use capture::Source;
use chrono_tz::Tz;

use super::changes::{CONFIG, Machine, TOKEN};
use super::error::SetupError;
use super::token;
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
    /// There is a token that this user may not read, in a dry run without root.
    pub(super) has_unread_token: bool,
    /// The zone that the file names.
    pub(super) zone: Option<Tz>,
}

impl Existing {
    pub(super) fn read(machine: &Machine) -> Result<Self, SetupError> {
        let text = machine.read_text(CONFIG)?;
        let config = checked(text.as_deref())?;
        let place = token_place(text.as_deref().unwrap_or_default()).map_err(of_config)?;
        if place == TokenPlace::Unset {
            // What is there in place of a token, the service would refuse.
            configuration(text.as_deref(), None)?;
        }
        let interfaces = config.capture.sources.iter().filter_map(|source| match &source.origin {
            Source::Interface(name) => Some(name.clone()),
            _ => None,
        });
        let is_denied = || machine.root.read(TOKEN).is_err_and(|error| error.is_denied());
        let has_unread_token = machine.dialogue.dry_run && is_denied();
        let zone = (config.time_zone_origin == ZoneOrigin::Configuration).then_some(config.time_zone);
        Ok(Self { interfaces: interfaces.collect(), token_place: place, has_unread_token, zone, text })
    }

    /// The token to use, if one is given or configured. The file that the unit gives to the service has it in the end.
    pub(super) fn token(
        &self,
        machine: &Machine,
        given: Option<Secret>,
    ) -> Result<Option<Secret>, SetupError> {
        let of_unit = || -> Result<Option<Secret>, SetupError> {
            if self.has_unread_token {
                return Ok(None);
            }
            let text = machine.read_text(TOKEN)?;
            Ok(text.and_then(|text| Secret::bot_token(&text)))
        };
        let Some(key) = self.token_key() else {
            // What the unit's file holds is replaced.
            return given.map_or_else(of_unit, |given| Ok(Some(given)));
        };
        let configured = match &self.token_place {
            TokenPlace::Here(token) => token.clone(),
            TokenPlace::File(path) => match token::read(path) {
                Ok(text) => token::parse(&text, format!("{} (`{key}`)", path.display()))?,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && machine.dialogue.dry_run => {
                    return Ok(given);
                }
                Err(error) => {
                    let origin = format!("{} (`{key}`)", path.display());
                    return Err(SetupError::UnreadToken { origin, error });
                }
            },
            TokenPlace::Unset => return Ok(given),
        };
        match given {
            Some(given) if given != configured => Err(SetupError::OtherToken { key }),
            _ => Ok(Some(configured)),
        }
    }

    /// The key that names another place of the token than the unit's file.
    pub(super) fn token_key(&self) -> Option<&'static str> {
        match &self.token_place {
            TokenPlace::Here(_) => Some("telegram.token"),
            TokenPlace::File(path) if path != Path::new(TOKEN) => Some("telegram.token_file"),
            TokenPlace::File(_) | TokenPlace::Unset => None,
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
