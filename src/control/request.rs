//! What is asked of the service.

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{ClientError, export};

/// The program's version, which both sides must have.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a request may be, in bytes.
pub(super) const LIMIT: usize = 64 << 10;

/// A command, and how its answer is to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    version: String,
    /// The zone in which times are shown.
    #[serde(serialize_with = "zone_name", deserialize_with = "zone_of_name")]
    pub zone: Tz,
    /// What to do.
    pub command: Command,
}

/// What can be done beside the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Look devices up.
    Lookup {
        /// Names or addresses.
        queries: Vec<String>,
        /// Whether objects are printed in place of texts.
        json: bool,
    },
    /// Tell how everything is doing.
    Status {
        /// Whether an object is printed in place of the text.
        json: bool,
    },
    /// Tell only by the exit status whether the service records and captures.
    Health,
    /// Answer the lines that follow.
    Chat {
        /// Whether a prompt is shown before each.
        prompt: bool,
    },
    /// Export.
    Export(export::Wanted),
    /// Compare the state with the log.
    Check,
    /// Tell as an object what Telegram says of the bot, as `doctor` shows it; `null` where there is no bot.
    Telegram,
}

impl Command {
    /// Whether its answer comes at once, so that a service that is silent for long does not answer.
    pub(super) fn is_brief(&self) -> bool {
        matches!(self, Self::Lookup { .. } | Self::Status { .. } | Self::Health | Self::Telegram)
    }
}

impl Request {
    /// A request of this version.
    pub fn new(command: Command, zone: Tz) -> Self {
        Self { version: VERSION.to_owned(), zone, command }
    }

    /// The request as a line.
    ///
    /// # Errors
    /// [`ClientError::TooLong`].
    pub(super) fn to_line(&self) -> Result<Vec<u8>, ClientError> {
        let mut line = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        line.push(b'\n');
        if line.len() > LIMIT { Err(ClientError::TooLong) } else { Ok(line) }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// Why it cannot be answered, for the person who asked.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        if line.len() >= LIMIT && !line.ends_with(b"\n") {
            return Err(ClientError::TooLong.to_string());
        }
        let value: Value = serde_json::from_slice(line).map_err(|error| format!("no request: {error}"))?;
        match value.get("version").and_then(Value::as_str) {
            Some(VERSION) => {}
            Some(other) => {
                return Err(format!(
                    "this is probewatch {other}, and the service that runs is probewatch {VERSION}: \
                     restart the service so that both are the same"
                ));
            }
            None => return Err("no request: it tells no version".to_owned()),
        }
        serde_json::from_value(value).map_err(|error| format!("no request: {error}"))
    }
}

fn zone_name<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.name())
}

fn zone_of_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let lookup = Command::Lookup { queries: vec!["Zoë".to_owned()], json: true };
        let commands =
            [lookup, Command::Status { json: false }, Command::Chat { prompt: true }, Command::Check];
        for command in commands {
            let request = Request::new(command, Tz::Europe__Berlin);
            let line = request.to_line().unwrap();
            assert_eq!(Request::read(&line), Ok(request));
        }
    }

    #[test]
    fn what_is_too_long_is_told_as_such() {
        let of = |length| {
            Request::new(Command::Lookup { queries: vec!["x".repeat(length)], json: false }, Tz::UTC)
        };
        assert!(of(LIMIT / 2).to_line().is_ok());
        let long = of(LIMIT);
        let why = long.to_line().unwrap_err().to_string();
        assert_eq!(why, "this is longer than the service takes, 64 KiB: ask for less at a time");
        let line = serde_json::to_vec(&long).unwrap();
        assert_eq!(Request::read(&line[..LIMIT]), Err(why));
    }

    #[test]
    fn another_version_is_told_what_to_do() {
        let line = br#"{"version":"99.0.0","zone":7,"command":{"unheard_of":[]}}"#;
        let why = Request::read(line).unwrap_err();
        assert!(why.starts_with("this is probewatch 99.0.0, and the service that runs is"), "{why}");
        assert!(why.ends_with("restart the service so that both are the same"), "{why}");
        for line in ["", "GET / HTTP/1.1", "{}", "{\"version\":7}", "[]"] {
            let why = Request::read(line.as_bytes()).unwrap_err();
            assert!(why.starts_with("no request: "), "{line}: {why}");
        }
    }
}
