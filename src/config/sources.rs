//! What must hold of `capture.sources` as a whole: each entry names one origin, no two are the same, and each has
//! a name of its own.

use std::collections::HashMap;
use std::time::Duration;

use capture::monitor;

use super::error::ConfigError;
use super::model::{Capture, ConfiguredSource};
use super::schema;
use super::tree::Tree;
use super::types::{Band, Channel, MonitorMode, SourceName};
use super::values::{Flag, List, Number, Text};

const SOURCES: &str = "capture.sources";

/// What the kernel's buffers of all interfaces take together, unless the configuration sets their size.
const SHARED_BUFFER_BYTES: u32 = 64 << 20;

/// The largest and the smallest share of it. 1,000 frames a second, as on a busy channel, fill the smallest in half a
/// second.
const MAX_BUFFER_BYTES: u32 = 8 << 20;
const MIN_BUFFER_BYTES: u32 = 512 << 10;

/// What is captured, and how.
///
/// # Errors
/// [`ConfigError`] names the source by its number in the list, from 1.
pub(super) fn capture(table: schema::Capture, tree: &Tree) -> Result<Capture, ConfigError> {
    let Number(dwell) = table.dwell_milliseconds;
    let defaults = InterfaceSettings {
        mode: table.monitor,
        monitor: monitor::MonitorSettings {
            channels: channels(&table.channels),
            bands: table.bands.0.iter().map(|band| (*band).into()).collect(),
            dwell: Duration::from_millis(dwell.into()),
            force: table.force.0,
        },
        buffer_bytes: table.buffer_mebibytes.map_or_else(|| shared_buffer_bytes(&table.sources.0), bytes),
    };
    if table.bands.0.is_empty() {
        return Err(tree.wrong("capture.bands", NO_BANDS));
    }
    let sources = table.sources.0.into_iter().zip(1..);
    let sources: Vec<ConfiguredSource> =
        sources.map(|(source, number)| resolve(source, number, &defaults, tree)).collect::<Result<_, _>>()?;
    check_distinct(&sources, tree)?;
    Ok(Capture { sources, snaplen: table.snaplen.0 })
}

fn bytes(Number(mebibytes): schema::BufferMebibytes) -> u32 {
    mebibytes << 20
}

/// The share of each interface whose buffer has no size of its own.
fn shared_buffer_bytes(sources: &[schema::SourceSetting]) -> u32 {
    let shares = sources.iter().filter(|source| match source {
        schema::SourceSetting::Text(text) => {
            matches!(text.parse(), Ok(capture::Source::Interface(_)))
        }
        schema::SourceSetting::Table(table) => table.interface.is_some() && table.buffer_mebibytes.is_none(),
    });
    let shares = u32::try_from(shares.count().max(1)).unwrap_or(u32::MAX);
    (SHARED_BUFFER_BYTES / shares).clamp(MIN_BUFFER_BYTES, MAX_BUFFER_BYTES)
}

/// The source at this number in the list, from 1.
fn resolve(
    source: schema::SourceSetting,
    number: usize,
    defaults: &InterfaceSettings,
    tree: &Tree,
) -> Result<ConfiguredSource, ConfigError> {
    let wrong = |problem: &str| Err(tree.wrong(SOURCES, format!("(entry {number}) {problem}")));
    let table = match source {
        schema::SourceSetting::Text(text) => {
            let Ok(origin) = text.parse::<capture::Source>() else { return wrong(EMPTY_ORIGIN) };
            return Ok(ConfiguredSource {
                name: origin.default_name(),
                monitor: defaults.for_origin(&origin),
                buffer_bytes: defaults.buffer_bytes,
                origin,
            });
        }
        schema::SourceSetting::Table(table) => *table,
    };
    let texts = [&table.interface, &table.command, &table.file];
    let origin = match texts {
        [Some(interface), None, None] => capture::Source::Interface(interface.clone()),
        [None, Some(command), None] => capture::Source::Command(command.clone()),
        [None, None, Some(file)] => capture::Source::file(file),
        [None, None, None] => {
            return wrong("names no source: expected one of `interface`, `command` and `file`");
        }
        _ => return wrong("names several sources: expected one of `interface`, `command` and `file`"),
    };
    if texts.into_iter().flatten().any(|text| text.trim().is_empty()) {
        return wrong(EMPTY_ORIGIN);
    }
    if !matches!(origin, capture::Source::Interface(_))
        && let Some(key) = interface_keys(&table).next()
    {
        return wrong(&format!("has `{key}`, which only an `interface` can have"));
    }
    if table.bands.as_ref().is_some_and(|bands| bands.0.is_empty()) {
        return Err(tree.wrong("capture.sources.bands", format!("(entry {number}) {NO_BANDS}")));
    }
    let name = table.name.clone().map_or_else(|| origin.default_name(), |Text(SourceName(name))| name);
    let settings = defaults.with(&table);
    let (monitor, buffer_bytes) = (settings.for_origin(&origin), settings.buffer_bytes);
    Ok(ConfiguredSource { name, monitor, buffer_bytes, origin })
}

/// No source is there twice, which would record each probe request twice, and no two have the same name.
fn check_distinct(sources: &[ConfiguredSource], tree: &Tree) -> Result<(), ConfigError> {
    let mut numbers: HashMap<capture::Source, usize> = HashMap::new();
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (source, number) in sources.iter().zip(1..) {
        if let Some(before) = numbers.insert(canonical(&source.origin), number) {
            let origin = describe(&source.origin);
            let problem = format!("has {origin} twice, as entries {before} and {number}: remove one of them");
            return Err(tree.wrong(SOURCES, problem));
        }
        if let Some(before) = names.insert(&source.name, number) {
            let problem = format!(
                "uses the name {:?} twice, in entries {before} and {number}: give one of them another, as in {}",
                source.name,
                with_name(&source.origin)
            );
            return Err(tree.wrong(SOURCES, problem));
        }
    }
    Ok(())
}

const EMPTY_ORIGIN: &str = "is empty: expected an interface such as \"mon0\"";
const NO_BANDS: &str = "is empty: expected bands such as \"2.4\", in GHz";

/// The keys that only an interface can have, as far as the table has them.
fn interface_keys(table: &schema::SourceTable) -> impl Iterator<Item = &'static str> {
    let keys = [
        ("monitor", table.monitor.is_some()),
        ("channels", table.channels.is_some()),
        ("bands", table.bands.is_some()),
        ("dwell_milliseconds", table.dwell_milliseconds.is_some()),
        ("force", table.force.is_some()),
        ("buffer_mebibytes", table.buffer_mebibytes.is_some()),
    ];
    keys.into_iter().filter_map(|(key, is_there)| is_there.then_some(key))
}

fn channels(list: &List<Channel>) -> Vec<monitor::Channel> {
    list.0.iter().map(|Channel(channel)| *channel).collect()
}

/// How interfaces are captured on.
#[derive(Debug, Clone)]
struct InterfaceSettings {
    mode: MonitorMode,
    monitor: monitor::MonitorSettings,
    buffer_bytes: u32,
}

impl InterfaceSettings {
    /// These settings, with those of the table over them.
    fn with(&self, table: &schema::SourceTable) -> Self {
        let monitor = &self.monitor;
        Self {
            mode: table.monitor.unwrap_or(self.mode),
            monitor: monitor::MonitorSettings {
                channels: table.channels.as_ref().map_or_else(|| monitor.channels.clone(), channels),
                bands: match &table.bands {
                    Some(List(bands)) => bands.iter().map(|band: &Band| (*band).into()).collect(),
                    None => monitor.bands.clone(),
                },
                dwell: table
                    .dwell_milliseconds
                    .map_or(monitor.dwell, |Number(dwell)| Duration::from_millis(dwell.into())),
                force: table.force.map_or(monitor.force, |Flag(force)| force),
            },
            buffer_bytes: table.buffer_mebibytes.map_or(self.buffer_bytes, bytes),
        }
    }

    /// The settings for an interface that the service puts into monitor mode.
    fn for_origin(&self, origin: &capture::Source) -> Option<monitor::MonitorSettings> {
        let is_interface = matches!(origin, capture::Source::Interface(_));
        (is_interface && self.mode == MonitorMode::Auto).then(|| self.monitor.clone())
    }
}

/// One value for all ways to write the same path.
fn canonical(origin: &capture::Source) -> capture::Source {
    match origin {
        capture::Source::File(path) => capture::Source::File(path.canonicalize().unwrap_or(path.clone())),
        origin => origin.clone(),
    }
}

fn describe(origin: &capture::Source) -> String {
    match origin {
        capture::Source::Interface(interface) => format!("the interface {interface}"),
        capture::Source::File(path) => format!("the file {}", path.display()),
        capture::Source::Stdin => "standard input".to_owned(),
        capture::Source::Command(command) => format!("the command {command:?}"),
    }
}

/// An example of a table that gives the source a name.
fn with_name(origin: &capture::Source) -> String {
    match origin {
        capture::Source::Interface(interface) => format!("{{ interface = {interface:?}, name = \"attic\" }}"),
        capture::Source::File(path) => format!("{{ file = {path:?}, name = \"attic\" }}"),
        capture::Source::Command(_) | capture::Source::Stdin => {
            "{ command = \"…\", name = \"attic\" }".to_owned()
        }
    }
}
