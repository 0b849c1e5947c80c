//! Where frames come from: `capture.sources`, whose entries are texts or tables, and what holds for those
//! that are interfaces.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use config::{Value, ValueKind};
use serde::Deserialize;

use super::raw::{Kind, List, RawCapture};
use super::validate::Validator;
use super::{Capture, ConfigError, Source};
use crate::capture;
use crate::capture::monitor::{self, Band, Channel};

/// What a table in the list of sources may have.
pub(super) const SOURCE_KEYS: [(&str, Kind); 9] = [
    ("interface", Kind::Text),
    ("command", Kind::Text),
    ("file", Kind::Text),
    ("name", Kind::Text),
    ("monitor", Kind::Text),
    ("channels", Kind::Channels),
    ("bands", Kind::Bands),
    ("dwell_milliseconds", Kind::Number),
    ("force", Kind::Flag),
];

/// How long a source's name may be, in characters.
const NAME_LENGTH: usize = 64;

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawSource {
    Text(String),
    Table(Box<RawTable>),
}

#[derive(Deserialize)]
pub(super) struct RawTable {
    interface: Option<String>,
    command: Option<String>,
    file: Option<String>,
    name: Option<String>,
    #[serde(flatten)]
    listening: RawListening,
}

/// How an interface is listened with, as far as its table says so.
#[derive(Deserialize)]
struct RawListening {
    monitor: Option<String>,
    channels: Option<List<i64>>,
    bands: Option<List<String>>,
    dwell_milliseconds: Option<i64>,
    force: Option<bool>,
}

impl FromStr for RawSource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::Text(text.to_owned()))
    }
}

impl RawListening {
    /// The keys that it has.
    fn keys(&self) -> impl Iterator<Item = &'static str> {
        [
            ("monitor", self.monitor.is_some()),
            ("channels", self.channels.is_some()),
            ("bands", self.bands.is_some()),
            ("dwell_milliseconds", self.dwell_milliseconds.is_some()),
            ("force", self.force.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_there)| is_there.then_some(key))
    }
}

impl Validator {
    /// Every key of the tables among the sources exists, and its value is of the right kind.
    pub(super) fn sources_are_known(&self, list: &str, sources: &Value) -> Result<(), ConfigError> {
        let ValueKind::Array(entries) = &sources.kind else { return Ok(()) };
        let tables = entries.iter().filter_map(|entry| match &entry.kind {
            ValueKind::Table(table) => Some(table),
            _ => None,
        });
        for (name, value) in tables.flatten() {
            let key = format!("{list}.{name}");
            match SOURCE_KEYS.iter().find(|(known, _)| known == name) {
                Some((_, kind)) => self.is_of_kind(&key, *kind, value)?,
                None => {
                    let likeness = |known: &str| strsim::jaro_winkler(known, name);
                    let nearest = SOURCE_KEYS
                        .iter()
                        .map(|(known, _)| *known)
                        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
                    let nearest = nearest
                        .map_or(String::new(), |nearest| format!("; the nearest one is `{list}.{nearest}`"));
                    return Err(ConfigError::UnknownKey { place: self.place_within(value), key, nearest });
                }
            }
        }
        Ok(())
    }

    pub(super) fn capture(&self, raw: RawCapture) -> Result<Capture, ConfigError> {
        let defaults = RawListening {
            monitor: Some(raw.monitor),
            channels: Some(raw.channels),
            bands: Some(raw.bands),
            dwell_milliseconds: Some(raw.dwell_milliseconds),
            force: Some(raw.force),
        };
        let usual = self.listening("capture", &defaults, &Listening::default())?;
        let sources = raw.sources.0.iter().enumerate();
        let sources: Vec<Source> = sources
            .map(|(place, source)| self.source(place + 1, source, &usual))
            .collect::<Result<_, _>>()?;
        self.sources_differ(&sources)?;
        Ok(Capture {
            sources,
            snaplen: self.within("capture.snaplen", raw.snaplen, 256, 65_535)?,
            buffer_bytes: self.within("capture.buffer_mebibytes", raw.buffer_mebibytes, 1, 512)? << 20,
        })
    }

    /// No source is there twice, which would record each probe request twice, and each has a name of its own.
    fn sources_differ(&self, sources: &[Source]) -> Result<(), ConfigError> {
        let mut places: HashMap<capture::Source, usize> = HashMap::new();
        let mut names: HashMap<&str, usize> = HashMap::new();
        for (source, place) in sources.iter().zip(1..) {
            if let Some(before) = places.insert(canonical(&source.origin), place) {
                let why = format!(
                    "has {} twice, as its sources {before} and {place}: leave one of them out",
                    called(&source.origin)
                );
                return Err(self.wrong("capture.sources", why));
            }
            if let Some(before) = names.insert(&source.name, place) {
                let why = format!(
                    "has two sources of the name {:?}, {before} and {place}: give one of them another, as in {}",
                    source.name,
                    with_name(&source.origin)
                );
                return Err(self.wrong("capture.sources", why));
            }
        }
        Ok(())
    }

    /// The source that stands at this place of the list, from 1.
    fn source(&self, place: usize, raw: &RawSource, usual: &Listening) -> Result<Source, ConfigError> {
        let key = "capture.sources";
        let empty = || self.wrong(key, "has an empty name: expected interfaces such as \"mon0\"");
        let table = match raw {
            RawSource::Text(text) => {
                let origin: capture::Source = text.parse().map_err(|_| empty())?;
                return Ok(Source { name: origin.default_name(), monitor: usual.of(&origin), origin });
            }
            RawSource::Table(table) => table,
        };
        let expected = "expected one of `interface`, `command` and `file`";
        let origin = match (&table.interface, &table.command, &table.file) {
            (Some(interface), None, None) => capture::Source::Interface(interface.clone()),
            (None, Some(command), None) => capture::Source::Command(command.clone()),
            (None, None, Some(file)) => capture::Source::file(file),
            (None, None, None) => {
                return Err(
                    self.wrong(key, format!("does not say where its source {place} is heard: {expected}"))
                );
            }
            _ => {
                let why = format!("says more than once where its source {place} is heard: {expected}");
                return Err(self.wrong(key, why));
            }
        };
        let text = [&table.interface, &table.command, &table.file].into_iter().flatten();
        if text.into_iter().any(|text| text.trim().is_empty()) {
            return Err(empty());
        }
        if !matches!(origin, capture::Source::Interface(_))
            && let Some(other) = table.listening.keys().next()
        {
            let why = format!("has `{other}` in its source {place}: only an `interface` takes that");
            return Err(self.wrong(key, why));
        }
        let listening = self.listening(key, &table.listening, usual)?;
        let name = match &table.name {
            Some(name) => self.source_name(name)?,
            None => origin.default_name(),
        };
        Ok(Source { name, monitor: listening.of(&origin), origin })
    }

    fn source_name(&self, name: &str) -> Result<String, ConfigError> {
        let name = name.trim();
        if (1..=NAME_LENGTH).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
            return Ok(name.to_owned());
        }
        let why =
            format!("is {name:?}: expected 1 to {NAME_LENGTH} characters, none of them a control character");
        Err(self.wrong("capture.sources.name", why))
    }

    /// What `raw` says under `table`, and else `usual`.
    fn listening(
        &self,
        table: &str,
        raw: &RawListening,
        usual: &Listening,
    ) -> Result<Listening, ConfigError> {
        let key = |name: &str| format!("{table}.{name}");
        let mut listening = usual.clone();
        if let Some(monitor) = &raw.monitor {
            listening.is_auto = match monitor.as_str() {
                "auto" => true,
                "off" => false,
                other => {
                    let why = format!("is {other:?}: expected \"auto\" or \"off\"");
                    return Err(self.wrong(&key("monitor"), why));
                }
            };
        }
        if let Some(channels) = &raw.channels {
            listening.monitor.channels = self.channels(&key("channels"), &channels.0)?;
        }
        if let Some(bands) = &raw.bands {
            listening.monitor.bands = self.bands(&key("bands"), &bands.0)?;
        }
        if let Some(dwell) = raw.dwell_milliseconds {
            let dwell = self.within(&key("dwell_milliseconds"), dwell, 10, 60_000)?;
            listening.monitor.dwell = Duration::from_millis(dwell.into());
        }
        listening.monitor.force = raw.force.unwrap_or(listening.monitor.force);
        Ok(listening)
    }

    fn channels(&self, key: &str, numbers: &[i64]) -> Result<Vec<Channel>, ConfigError> {
        let channel = |number: i64| match u16::try_from(number) {
            Ok(number) => {
                Channel::try_from(number).map_err(|why| self.wrong(key, format!("does not fit: {why}")))
            }
            Err(_) => Err(self.wrong(key, format!("has {number}, which is no channel"))),
        };
        numbers.iter().map(|number| channel(*number)).collect()
    }

    fn bands(&self, key: &str, names: &[String]) -> Result<BTreeSet<Band>, ConfigError> {
        let band = |name: &String| match name.trim() {
            "2.4" => Ok(Band::Ghz2),
            "5" => Ok(Band::Ghz5),
            "6" => Ok(Band::Ghz6),
            other => {
                Err(self.wrong(key, format!("has {other:?}: expected \"2.4\", \"5\" and \"6\", in GHz")))
            }
        };
        if names.is_empty() {
            return Err(self.wrong(key, "is empty: expected bands such as \"2.4\", in GHz"));
        }
        names.iter().map(band).collect()
    }
}

/// The same for what is the same, however its path is written.
fn canonical(origin: &capture::Source) -> capture::Source {
    match origin {
        capture::Source::File(path) => capture::Source::File(path.canonicalize().unwrap_or(path.clone())),
        origin => origin.clone(),
    }
}

fn called(origin: &capture::Source) -> String {
    match origin {
        capture::Source::Interface(interface) => format!("the interface {interface}"),
        capture::Source::File(path) => format!("the file {}", path.display()),
        capture::Source::Stdin => "standard input".to_owned(),
        capture::Source::Command(command) => format!("the command {command:?}"),
    }
}

/// A table in which a source has a name.
fn with_name(origin: &capture::Source) -> String {
    match origin {
        capture::Source::Interface(interface) => format!("{{ interface = {interface:?}, name = \"attic\" }}"),
        capture::Source::File(path) => format!("{{ file = {path:?}, name = \"attic\" }}"),
        capture::Source::Command(_) | capture::Source::Stdin => {
            "{ command = \"…\", name = \"attic\" }".to_owned()
        }
    }
}

/// How interfaces are listened with.
#[derive(Debug, Clone, Default)]
struct Listening {
    is_auto: bool,
    monitor: monitor::Settings,
}

impl Listening {
    /// What of it holds for this source.
    fn of(&self, origin: &capture::Source) -> Option<monitor::Settings> {
        let is_meant = self.is_auto && matches!(origin, capture::Source::Interface(_));
        is_meant.then(|| self.monitor.clone())
    }
}
