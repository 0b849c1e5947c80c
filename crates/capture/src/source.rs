//! Where frames come from: an interface, a file, standard input or a command.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A network interface in monitor mode.
    Interface(String),
    /// A capture file, or a named pipe or device that delivers one.
    File(PathBuf),
    /// A capture file on standard input.
    Stdin,
    /// A command for `sh` whose standard output is an endless capture file.
    Command(String),
}

/// The longest default name made of a command's first words, in characters.
const MAX_COMMAND_NAME_CHARS: usize = 20;

impl Source {
    /// The file at this path, whatever it looks like.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// The name under which its probe requests are recorded unless the configuration gives it another.
    pub fn default_name(&self) -> String {
        match self {
            Self::Interface(interface) => interface.clone(),
            Self::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            Self::Stdin => "stdin".to_owned(),
            Self::Command(command) => first_words(command),
        }
    }

    /// Whether its frames are captured now, with the time of a clock that should be right. The timestamps of a capture
    /// file may be of any time.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Interface(_) | Self::Command(_))
    }
}

/// As many of the first words as fit, and at least a part of the first.
fn first_words(command: &str) -> String {
    let mut words = command.split_whitespace();
    let first = words.next().unwrap_or_default().chars().take(MAX_COMMAND_NAME_CHARS).collect();
    words
        .fold((first, true), |(name, goes_on): (String, bool), word| {
            let longer = format!("{name} {word}");
            if goes_on && longer.chars().count() <= MAX_COMMAND_NAME_CHARS {
                (longer, true)
            } else {
                (name, false)
            }
        })
        .0
}

/// The text names no source, because it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no source: give an interface, a capture file, or - for standard input")]
pub struct ParseSourceError;

impl FromStr for Source {
    type Err = ParseSourceError;

    /// Reads `-` as standard input, a text with a slash or the name of an existing file as a file, and any other text
    /// as an interface.
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
    /// Writes what [`FromStr`] reads, or a command.
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
    fn parses_and_displays_sources() {
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
    fn default_names_are_short() {
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
