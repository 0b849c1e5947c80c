//! Reads the event log without the project's own code: files of JSON lines, compressed if their names end in `.zst`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::wait_until;

/// The log's files in the order of their events, each with the offset in its name. A segment that is being sealed may
/// have two files.
fn files(events: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(folder) = fs::read_dir(events) else { return Vec::new() };
    let paths = folder.filter_map(|entry| Some(entry.ok()?.path()));
    let is_segment = |path: &PathBuf| matches!(path.extension()?.to_str()?, "ndjson" | "zst").then_some(());
    let mut files: Vec<(u64, PathBuf)> = paths
        .filter(|path| is_segment(path).is_some())
        .map(|path| (path.file_name().unwrap().to_str().unwrap()[..20].parse().unwrap(), path))
        .collect();
    files.sort();
    files
}

/// The text of one of the log's files; `None` if it no longer exists.
fn text(path: &Path) -> Option<Vec<u8>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("zst") => Some(zstd::decode_all(&bytes[..]).unwrap()),
        _ => Some(bytes),
    }
}

/// The complete lines of the log's last file, with the offset in its name.
pub fn last_lines(events: &Path) -> Option<(u64, Vec<u8>)> {
    wait_until("a segment that is not just being sealed", || {
        let Some((base, path)) = files(events).pop() else { return Some(None) };
        let mut lines = text(&path)?;
        let whole = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        lines.truncate(whole);
        Some(Some((base, lines)))
    })
}

/// The events of a log that is being written. An incomplete last line is left out.
pub fn events_so_far(events: &Path) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for (_, path) in files(events) {
        let Some(text) = text(&path) else { continue };
        let whole = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        found.extend(whole.map(|line| serde_json::from_slice::<Value>(line).unwrap()));
    }
    // A segment that is being sealed may have two files.
    found.sort_by_key(|event| event["offset"].as_u64());
    found.dedup_by_key(|event| event["offset"].as_u64());
    found
}

/// The text of the file that begins with this offset. Panics if it does not exist.
pub fn lines_from(events: &Path, base: u64) -> Vec<u8> {
    let files = files(events).into_iter().filter(|(first, _)| *first == base);
    let mut texts = files.filter_map(|(_, path)| text(&path));
    texts.next().unwrap_or_else(|| panic!("no file of the log begins with {base}"))
}

/// Passes every event of a closed log to `take`. Panics unless each line is JSON and the offsets are 0, 1, 2, …
pub fn for_each(events: &Path, mut take: impl FnMut(&Value)) -> u64 {
    let mut next = 0;
    for (base, path) in files(events) {
        assert_eq!(base, next, "{}", path.display());
        let text = text(&path).unwrap();
        assert!(text.is_empty() || text.ends_with(b"\n"), "{}", path.display());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let event: Value = serde_json::from_slice(line)
                .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)));
            assert_eq!(event["offset"], next, "{event}");
            take(&event);
            next += 1;
        }
    }
    next
}
