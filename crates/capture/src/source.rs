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
    /// A command for `sh`, whose standard output is a capture file that never ends.
    Command(String),
}

/// How long a sensor's name may become that is made of a command's first words, in characters.
const COMMAND_NAME: usize = 20;

impl Source {
    /// The file at this path, whatever it looks like.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// The name under which its probes are recorded, unless it was given another.
    pub fn default_name(&self) -> String {
        match self {
            Self::Interface(interface) => interface.clone(),
            Self::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            Self::Stdin => "stdin".to_owned(),
            Self::Command(command) => first_words(command),
        }
    }

    /// Whether its frames are heard as they come, and have the times of a clock that should be right. A
    /// capture file's times are its own.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Interface(_) | Self::Command(_))
    }
}

/// As many words as fit, and at least a part of the first.
fn first_words(command: &str) -> String {
    let mut words = command.split_whitespace();
    let first = words.next().unwrap_or_default().chars().take(COMMAND_NAME).collect();
    words
        .fold((first, true), |(name, goes_on): (String, bool), word| {
            let longer = format!("{name} {word}");
            if goes_on && longer.chars().count() <= COMMAND_NAME { (longer, true) } else { (name, false) }
        })
        .0
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
    /// Writes what [`FromStr`] reads, or a command; `-` is spelled out as such, not as a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(interface) => f.write_str(interface),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("-"),
            Self::Command(command) => f.write_str(command),
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

    #[test]
    fn a_sensor_is_called_as_people_call_its_source() {
        let command = |command: &str| Source::Command(command.to_owned());
        for (source, name) in [
            (Source::Stdin, "stdin"),
            (Source::Interface("mon0".into()), "mon0"),
            (Source::file("/tmp/street.pcap"), "street.pcap"),
            (command("ssh root@ap tcpdump -i mon0 -U -w -"), "ssh root@ap tcpdump"),
            (command("  cat\n"), "cat"),
            (command("cat a-file-with-a-long-name b"), "cat"),
            (command("/usr/local/bin/frames-of-the-attic"), "/usr/local/bin/frame"),
            (command(""), ""),
        ] {
            assert_eq!(source.default_name(), name);
        }
    }
}
