//! Keeps the imported names as the files that they come from have them: looks every half minute whether one
//! has changed, and hands the changes to the recorder.
//!
//! A name goes when its line goes while this runs, but for leases, which end by themselves. Where no file is
//! configured any more, all go. A file that cannot be read changes nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::dot11::MacAddr;
use crate::event::{Event, NamedBy, Timestamp};
use crate::names_import::{ImportedName, parse};
use crate::recorder::RecorderHandle;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// What is read of a file at most, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// A file of names, as it was when it was read.
struct Source {
    path: PathBuf,
    /// When it was written last, and its length.
    version: Option<(SystemTime, u64)>,
    names: BTreeMap<MacAddr, ImportedName>,
    is_unreadable: bool,
}

impl Source {
    /// Reads it anew where it has changed; the addresses that lost their names in it, or nothing where it has
    /// not.
    fn look(&mut self) -> Option<Vec<MacAddr>> {
        let read = match version(&self.path) {
            Ok(version) if self.version == Some(version) => return None,
            Ok(version) => read(&self.path).map(|text| (version, text)),
            Err(error) => Err(error),
        };
        match read {
            Ok((version, text)) => {
                let names = parse(&text);
                let before = std::mem::replace(&mut self.names, names);
                (self.version, self.is_unreadable) = (Some(version), false);
                let gone = before
                    .into_iter()
                    .filter(|(address, name)| !name.is_lease && !self.names.contains_key(address));
                Some(gone.map(|(address, _)| address).collect())
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_unreadable, true) {
                    warn!(
                        "{} could not be read for names: {error}; it will be tried again",
                        self.path.display()
                    );
                }
                None
            }
        }
    }
}

fn version(path: &Path) -> io::Result<(SystemTime, u64)> {
    let file = fs::metadata(path)?;
    Ok((file.modified()?, file.len()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Imports the names of `files` until `stop`; of two files that name an address, the first counts.
pub(super) async fn import(files: Vec<PathBuf>, recorder: RecorderHandle, stop: CancellationToken) {
    let source = |path| Source { path, version: None, names: BTreeMap::new(), is_unreadable: false };
    let mut sources: Vec<Source> = files.into_iter().map(source).collect();
    loop {
        let gone: Vec<MacAddr> = sources.iter_mut().filter_map(Source::look).flatten().collect();
        let changes = changes(&sources, &gone, &recorder);
        if !changes.is_empty() {
            info!("{} imported names of devices have changed", changes.len());
            if let Err(error) = recorder.change_all(changes).await {
                warn!("imported names: {error}");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What makes the imported names those of the files.
fn changes(sources: &[Source], gone: &[MacAddr], recorder: &RecorderHandle) -> Vec<Event> {
    let (time, by) = (Timestamp::now(), NamedBy::Import);
    let mut wanted: BTreeMap<MacAddr, &str> = BTreeMap::new();
    for (address, name) in sources.iter().rev().flat_map(|source| &source.names) {
        wanted.insert(*address, &name.name);
    }
    let state = recorder.state();
    let known: BTreeMap<MacAddr, &str> =
        state.names().imported().map(|(address, name, _)| (address, name)).collect();
    let leaves = |address: &MacAddr| sources.is_empty() || gone.contains(address);
    let gone = known.keys().filter(|address| leaves(address) && !wanted.contains_key(address));
    let new = wanted.iter().filter(|(address, name)| known.get(address) != Some(name));
    gone.map(|&address| Event::Unname { time, address, by })
        .chain(new.map(|(&address, &name)| Event::Name { time, address, name: name.to_owned(), by }))
        .collect()
}
