//! How people name what to capture from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A network interface in monitor mode.
    Interface(String),
    /// A capture file, or a named pipe that one comes through.
    File(PathBuf),
    /// A capture file on standard input.
    Stdin,
}

impl Source {
    /// The file at this path, whatever it looks like.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }
}

/// The text names no source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no source: give an interface, a capture file, or - for standard input")]
pub struct ParseSourceError;

impl FromStr for Source {
    type Err = ParseSourceError;

    /// Reads `-` as standard input, what contains a slash or is the name of something that exists as
    /// a file, and anything else as an interface.
    fn from_str(text: &str) -> Result<Self, ParseSourceError> {
        Ok(match text {
            "" => return Err(ParseSourceError),
            "-" => Self::Stdin,
            _ if text.contains('/') || Path::new(text).exists() => Self::file(text),
            _ => Self::Interface(text.to_owned()),
        })
    }
}

impl fmt::Display for Source {
    /// Writes what [`FromStr`] reads; `-` is spelled out as such, not as a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(interface) => f.write_str(interface),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_a_source() {
        for (text, source) in [
            ("-", Source::Stdin),
            ("mon0", Source::Interface("mon0".into())),
            ("wlan0.pcap", Source::Interface("wlan0.pcap".into())),
            ("./wlan0.pcap", Source::file("./wlan0.pcap")),
            ("/no/such/file", Source::file("/no/such/file")),
            ("Cargo.toml", Source::file("Cargo.toml")),
        ] {
            assert_eq!(text.parse(), Ok(source.clone()));
            assert_eq!(source.to_string(), text);
        }
        assert_eq!("".parse::<Source>(), Err(ParseSourceError));
    }
}
