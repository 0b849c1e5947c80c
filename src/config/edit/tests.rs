use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

fn edits(zone: Option<Tz>, interface: Option<&str>, replaces: Option<&str>) -> Edits {
    Edits { time_zone: zone, interface: interface.map(str::to_owned), replaces: replaces.map(str::to_owned) }
}

fn with_interface(text: &str) -> String {
    edit(text, &edits(None, Some("probe0"), Some("wlan1"))).unwrap()
}

fn with_zone(text: &str) -> String {
    edit(text, &edits(Some(Tz::Europe__Berlin), None, None)).unwrap()
}

#[test]
fn the_example_differs_in_two_lines() {
    let edited = edit(EXAMPLE, &edits(Some(Tz::Asia__Tokyo), Some("probe0"), None)).unwrap();
    let changed: Vec<_> = EXAMPLE.lines().zip(edited.lines()).filter(|(old, new)| old != new).collect();
    assert_eq!(
        changed,
        [
            ("# time_zone = \"Europe/Berlin\"", "time_zone = \"Asia/Tokyo\""),
            ("sources = []", "sources = [\"probe0\"]")
        ]
    );
    assert_eq!(EXAMPLE.lines().count(), edited.lines().count());
    assert_eq!(edit(&edited, &edits(Some(Tz::Asia__Tokyo), Some("probe0"), Some("wlan1"))).unwrap(), edited);
}

#[test]
fn an_interface_joins_the_other_sources() {
    for (text, edited) in [
        ("", "[capture]\nsources = [\"probe0\"]\n"),
        (
            "[capture]\nforce = true # so be it\n",
            "[capture]\nforce = true # so be it\nsources = [\"probe0\"]\n",
        ),
        ("capture.sources = [\"mon0\"] # street\n", "capture.sources = [\"mon0\", \"probe0\"] # street\n"),
        ("capture = { sources = [] }\n", "capture = { sources = [\"probe0\"] }\n"),
        ("[capture]\nsources = \"mon0, wlan1\"\n", "[capture]\nsources = [\"mon0\", \"probe0\"]\n"),
        // An earlier name.
        ("[capture]\nsources = [ 'wlan1' , \"x\"]\n", "[capture]\nsources = [ \"probe0\" , \"x\"]\n"),
        (
            "[capture]\nsources = [{ interface = \"wlan1\", name = \"street\" }] # s\n",
            "[capture]\nsources = [{ interface = \"probe0\", name = \"street\" }] # s\n",
        ),
        (
            "[[capture.sources]]\ninterface = \"wlan1\" # old\n",
            "[[capture.sources]]\ninterface = \"probe0\" # old\n",
        ),
        (
            "[[capture.sources]]\nfile = \"x\"\n\n[alerts]\n",
            "[[capture.sources]]\nfile = \"x\"\n\n[[capture.sources]]\ninterface = \"probe0\"\n\n[alerts]\n",
        ),
        // Several lines.
        (
            "[capture]\nsources = [\n  \"a\", # first\n  \"b\", # last\n]\n",
            "[capture]\nsources = [\n  \"a\", # first\n  \"b\", # last\n  \"probe0\",\n]\n",
        ),
        (
            "[capture]\nsources = [\n  # none yet\n]\n",
            "[capture]\nsources = [\n  # none yet\n\"probe0\"\n]\n",
        ),
    ] {
        assert_eq!(with_interface(text), edited, "{text}");
        assert_eq!(with_interface(edited), edited, "{text}");
    }
    for same in ["capture.sources=['probe0']", "[capture]\nsources = [{ interface = \"probe0\" }]"] {
        assert_eq!(with_interface(same), same);
    }
}

#[test]
fn the_time_zone_is_set_where_it_belongs() {
    for (text, edited) in [
        ("", "time_zone = \"Europe/Berlin\"\n"),
        ("data_dir = \"x\"\n[alerts]\n", "data_dir = \"x\"\ntime_zone = \"Europe/Berlin\"\n[alerts]\n"),
        ("time_zone = 'UTC' # for now\n", "time_zone = \"Europe/Berlin\" # for now\n"),
        ("#time_zone=\"UTC\"\n", "time_zone = \"Europe/Berlin\"\n"),
        // In another table it would be another key.
        (
            "[alerts]\n# time_zone = \"UTC\"\n",
            "time_zone = \"Europe/Berlin\"\n[alerts]\n# time_zone = \"UTC\"\n",
        ),
    ] {
        assert_eq!(with_zone(text), edited, "{text}");
        assert_eq!(with_zone(edited), edited, "{text}");
    }
    let text = "data_dir = \"\"\"\n# time_zone = 1\n\"\"\"\n";
    assert_eq!(with_zone(text), format!("{text}time_zone = \"Europe/Berlin\"\n"));
}

#[test]
fn line_endings_and_a_byte_order_mark_stay() {
    let text = "\u{feff}# first\r\ndata_dir = \"x\" # here\r\n[capture]\r\nsources = [] # none\r\n";
    let edited = edit(text, &edits(Some(Tz::Europe__Berlin), Some("probe0"), None)).unwrap();
    assert_eq!(
        edited,
        "\u{feff}# first\r\ndata_dir = \"x\" # here\r\ntime_zone = \"Europe/Berlin\"\r\n[capture]\r\nsources = \
         [\"probe0\"] # none\r\n"
    );
}

#[test]
fn what_is_no_configuration_is_refused_without_quoting_it() {
    let torn = edit("# fine\ntoken = \"secret", &edits(Some(Tz::UTC), None, None)).unwrap_err();
    assert!(matches!(torn, EditError::NotToml { line: 2, .. }), "{torn}");
    assert!(!torn.to_string().contains("secret"), "{torn}");
    for wrong in ["capture = 1", "[capture]\nsources = 7"] {
        let error = edit(wrong, &edits(None, Some("probe0"), None)).unwrap_err();
        assert!(matches!(error, EditError::WrongKind(_)), "{error}");
    }
}

/// A file of tables, each with keys and comments, as its lines.
fn files() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        "[a-z ]{0,12}".prop_map(|text| format!("# {text}")),
        Just(String::new()),
        ("[a-d]{1,2}", 0..99_u8, "[a-z #]{0,6}")
            .prop_map(|(key, number, text)| format!("{key}{number} = [{number}, \"{text}\"] # {key}")),
        ("[e-g]{1,2}", 0..99_u8).prop_map(|(key, number)| format!("  {key}{number}.x = {{ y = {number} }}")),
    ];
    let table = (prop_oneof![Just("capture"), Just("alerts"), Just("telegram")], any::<bool>());
    let lines = proptest::collection::vec(line, 0..8);
    (lines.clone(), proptest::collection::vec((table, lines), 0..3)).prop_map(|(root, tables)| {
        let mut all = root;
        for ((name, has_sources), lines) in tables {
            all.push(format!("[{name}] # {name}"));
            if name == "capture" && has_sources {
                all.push("sources = [ \"mon0\" ] # sources".to_owned());
            }
            all.extend(lines);
        }
        all
    })
}

proptest! {
    #[test]
    fn every_other_line_stays_as_it_was(lines in files(), is_dos in any::<bool>(), ends in any::<bool>()) {
        let end = if is_dos { "\r\n" } else { "\n" };
        let text = lines.join(end) + if ends { end } else { "" };
        // Most have a key twice in some table, which TOML forbids.
        prop_assume!(parse(&text).is_ok());
        let wanted = edits(Some(Tz::Europe__Berlin), Some("probe0"), Some("wlan1"));
        let edited = edit(&text, &wanted).unwrap();
        prop_assert_eq!(edit(&edited, &wanted).unwrap(), edited.clone());
        let document = parse(&edited.replace("\r\n", "\n")).unwrap();
        prop_assert_eq!(document["time_zone"].as_str(), Some("Europe/Berlin"));
        let sources = document["capture"]["sources"].as_array().unwrap();
        prop_assert!(sources.iter().any(|source| source.as_str() == Some("probe0")));
        // The lines without those that were edited or added.
        let is_ours = |line: &&str| line.starts_with("time_zone") || line.starts_with("sources")
            || *line == "[capture]";
        let old: Vec<&str> = text.lines().filter(|line| !is_ours(line)).collect();
        let new: Vec<&str> = edited.lines().filter(|line| !is_ours(line)).collect();
        let without_blank = |lines: Vec<&str>| lines.into_iter().filter(|line| !line.is_empty()).map(str::to_owned)
            .collect::<Vec<_>>();
        prop_assert_eq!(without_blank(old), without_blank(new));
        prop_assert!(!text.contains("\r\n") || edited.matches('\n').count() == edited.matches("\r\n").count());
    }
}
