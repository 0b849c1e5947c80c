//! `config.example.toml` and `docs/configuration.md` have exactly the keys that exist, with their defaults.

use std::collections::BTreeMap;

use super::*;

const REFERENCE: &str = include_str!("../../../docs/configuration.md");

/// The value of a dotted key in a TOML table, as JSON.
fn value_of(table: &toml::Table, key: &str) -> Option<serde_json::Value> {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let value = table.get(first)?;
    match value {
        toml::Value::Table(table) if !rest.is_empty() => value_of(table, rest),
        value => Some(serde_json::to_value(value).unwrap()),
    }
}

/// Keys outside the tables of sources.
fn file_keys() -> Vec<Key> {
    keys().into_iter().filter(|key| !key.name.starts_with("capture.sources.")).collect()
}

#[test]
fn the_example_has_every_key_once() {
    let mut table = String::new();
    let mut found = BTreeSet::new();
    for line in whole_example().lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            table = name.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            let key = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            let is_new = found.insert(if table == DEVICES { DEVICES.to_owned() } else { key.clone() });
            assert!(is_new || table == DEVICES, "{key} is there twice");
        }
    }
    assert_eq!(found, file_keys().into_iter().map(|key| key.name).collect());
}

#[test]
fn the_example_shows_every_default_and_comments_out_keys_without_one() {
    let example: toml::Table = EXAMPLE.parse().unwrap();
    for Key { name, default } in file_keys().into_iter().filter(|key| key.name != DEVICES) {
        assert_eq!(value_of(&example, &name), default, "{name}");
    }
}

#[test]
fn the_example_explains_the_keys_of_a_source() {
    for key in keys() {
        let Some(name) = key.name.strip_prefix("capture.sources.") else { continue };
        assert!(EXAMPLE.contains(&format!("{name} = ")), "{name}");
    }
}

/// The rows of the reference's tables by key, each as its cells.
fn documented() -> BTreeMap<String, Vec<&'static str>> {
    let mut rows = BTreeMap::new();
    for line in REFERENCE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> =
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        assert_eq!(cells.len(), 5, "{line}");
        assert!(rows.insert(cells[0].to_owned(), cells).is_none(), "{line} is there twice");
    }
    rows
}

#[test]
fn the_reference_has_exactly_the_keys_that_exist() {
    let names: BTreeSet<String> = keys().into_iter().map(|key| key.name).collect();
    assert_eq!(documented().into_keys().collect::<BTreeSet<_>>(), names);
}

#[test]
fn the_reference_gives_defaults_and_environment_variables() {
    let rows = documented();
    for Key { name, default } in keys() {
        let [_, _, shown_default, meaning, variable] = rows[&name][..] else { unreachable!() };
        let default = default.map_or("—".to_owned(), |default| default.to_string().replace(',', ", "));
        assert_eq!(shown_default, default, "{name}");
        assert!(!meaning.is_empty(), "{name}");
        let in_a_table = name.starts_with("capture.sources.") || name == DEVICES;
        let expected = format!("PROBEWATCH__{}", name.to_uppercase().replace('.', "__"));
        assert_eq!(variable, if in_a_table { "—" } else { &expected }, "{name}");
    }
}

#[test]
fn the_reference_gives_the_ranges_of_numbers() {
    for (name, cells) in documented() {
        let Some((least, most)) =
            cells[1].strip_prefix("integer, ").and_then(|range| range.split_once(" to "))
        else {
            continue;
        };
        let (table, key) = name.rsplit_once('.').unwrap();
        let beyond = most.parse::<i64>().unwrap() + 1;
        let text = match table {
            "capture.sources" => {
                format!("[capture]\nsources = [{{ interface = \"wlan1\", {key} = {beyond} }}]")
            }
            table => format!("[{table}]\n{key} = {beyond}"),
        };
        let error = load(&text, &[]).unwrap_err();
        assert!(error.ends_with(&format!(" is {beyond}: expected {least} to {most}")), "{name}: {error}");
    }
}
