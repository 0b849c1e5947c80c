use capture::monitor;

use super::*;

/// Parses these keys of `[capture]`. Returns the sources or the error.
fn parsed(capture: &str) -> String {
    let describe = |source: &ConfiguredSource| {
        let ConfiguredSource { origin, name, monitor, .. } = source;
        let monitor = monitor.as_ref().map(|monitor::MonitorSettings { channels, bands, dwell, force }| {
            let channels: Vec<String> = channels.iter().map(ToString::to_string).collect();
            let bands: Vec<String> = bands.iter().map(ToString::to_string).collect();
            format!("{channels:?} {bands:?} {dwell:?} {force}")
        });
        format!("{name}: {origin:?}, {}", monitor.unwrap_or("as it is".to_owned()))
    };
    match load(&format!("[capture]\n{capture}"), &[]) {
        Ok(config) => config.capture.sources.iter().map(describe).collect::<Vec<_>>().join("\n"),
        Err(error) => error,
    }
}

#[test]
fn sources_are_texts_or_tables() {
    insta::assert_snapshot!(parsed(r#"
channels = [11]
sources = [
    "wlan1",
    "-",
    "/tmp/street.pcap",
    { interface = "wlan4" },
    { interface = "wlan2", name = "street", channels = [1, 36, 5955], bands = ["6", "2.4"], dwell_milliseconds = 10, force = true },
    { interface = "mon0", monitor = "off" },
    { file = "wlan3", name = " a file " },
    { command = "ssh root@ap tcpdump -i mon0 -U -w -" },
    { command = "cat pipe", name = "attic" },
]"#), @r##"
    wlan1: Interface("wlan1"), ["11 (2462 MHz)"] ["2.4 GHz", "5 GHz"] 250ms false
    stdin: Stdin, as it is
    street.pcap: File("/tmp/street.pcap"), as it is
    wlan4: Interface("wlan4"), ["11 (2462 MHz)"] ["2.4 GHz", "5 GHz"] 250ms false
    street: Interface("wlan2"), ["1 (2412 MHz)", "36 (5180 MHz)", "1 (5955 MHz)"] ["2.4 GHz", "6 GHz"] 10ms true
    mon0: Interface("mon0"), as it is
    a file: File("wlan3"), as it is
    ssh root@ap tcpdump: Command("ssh root@ap tcpdump -i mon0 -U -w -"), as it is
    attic: Command("cat pipe"), as it is
    "##);
    insta::assert_snapshot!(parsed(r#"
monitor = "off"
bands = ["5"]
dwell_milliseconds = 100
force = true
sources = ["wlan1", { interface = "wlan2", monitor = "auto" }, { interface = "wlan3", monitor = "auto", force = false }]"#), @r##"
    wlan1: Interface("wlan1"), as it is
    wlan2: Interface("wlan2"), [] ["5 GHz"] 100ms true
    wlan3: Interface("wlan3"), [] ["5 GHz"] 100ms false
    "##);
}

#[test]
fn interfaces_share_the_buffers_unless_they_have_their_own() {
    let buffers = |capture: &str| -> Vec<u32> {
        let config = load(&format!("[capture]\n{capture}"), &[]).unwrap();
        config.capture.sources.iter().map(|source| source.buffer_bytes >> 10).collect()
    };
    let many = |count: u32, more: &str| {
        let names: Vec<String> = (0..count).map(|number| format!("\"mon{number}\"")).collect();
        buffers(&format!("sources = [{}{more}]", names.join(", ")))
    };
    assert_eq!(many(1, ""), [8 << 10]);
    assert_eq!(many(8, ""), [8 << 10; 8]);
    assert_eq!(many(16, ""), [4 << 10; 16]);
    assert_eq!(many(100, ""), [655; 100]);
    assert_eq!(many(300, ""), [512; 300]);
    let own = ", \"./a.pcap\", { interface = \"wlan1\", buffer_mebibytes = 32 }, { interface = \"wlan2\" }";
    let mixed = many(15, own);
    assert_eq!((&mixed[..15], mixed[16], mixed[17]), (&[4 << 10; 15][..], 32 << 10, 4 << 10));
    let set = "buffer_mebibytes = 16\nsources = [\"wlan1\", { interface = \"wlan2\", buffer_mebibytes = 1 }]";
    assert_eq!(buffers(set), [16 << 10, 1 << 10]);
}

#[test]
fn rejects_invalid_sources() {
    let wrong = [
        "sources = 7",
        "sources = [7]",
        "sources = [{}]",
        "sources = [\"wlan1\", { name = \"x\" }]",
        "sources = [{ interface = \"wlan1\", file = \"x\" }]",
        "sources = [{ command = \" \" }]",
        "sources = [{ command = 7 }]",
        "sources = [{ comand = \"x\" }]",
        "sources = [{ command = \"x\", channels = [1] }]",
        "sources = [{ file = \"x\", force = false }]",
        "sources = [{ file = \"x\", buffer_mebibytes = 8 }]",
        "sources = [{ interface = \"wlan1\", name = \"\" }]",
        "sources = [{ interface = \"wlan1\", monitor = \"on\" }]",
        "sources = [{ interface = \"wlan1\", chanels = [1] }]",
        "sources = [{ interface = \"wlan1\", channels = \"one\" }]",
        "sources = [{ interface = \"wlan1\", channels = [15] }]",
        "sources = [{ interface = \"wlan1\", bands = [\"3\"] }]",
        "sources = [{ interface = \"wlan1\", force = 1 }]",
        "sources = [\"wlan1\", \"-\", { interface = \"wlan1\", name = \"street\" }]",
        "sources = [\"-\", \"wlan1\", \"-\"]",
        "sources = [\"./Cargo.toml\", { file = \"Cargo.toml\", name = \"other\" }]",
        "sources = [{ command = \"x\" }, { command = \"x\", name = \"other\" }]",
        "sources = [{ command = \"ssh root@ap tcpdump -i mon0\" }, { command = \"ssh root@ap tcpdump -i mon1\" }]",
        "sources = [\"a/day.pcap\", \"b/day.pcap\"]",
        "sources = [\"wlan1\", { interface = \"wlan2\", name = \"wlan1\" }]",
        "monitor = true",
        "monitor = \"on\"",
        "channels = [1, 2.5]",
        "channels = [-1]",
        "bands = [5]",
        "bands = []",
        "dwell_milliseconds = 9",
        "force = \"yes\"",
    ];
    let errors: Vec<String> = wrong.iter().map(|text| format!("{text}\n    {}", parsed(text))).collect();
    insta::assert_snapshot!(errors.join("\n"), @r##"
    sources = 7
        FILE: `capture.sources` is an integer: expected a list of sources such as ["wlan1", { command = "ssh root@ap …" }]
    sources = [7]
        FILE: `capture.sources` (entry 1) is an integer: expected a source such as "wlan1" or { command = "ssh root@ap …" }
    sources = [{}]
        FILE: `capture.sources` (entry 1) names no source: expected one of `interface`, `command` and `file`
    sources = ["wlan1", { name = "x" }]
        FILE: `capture.sources` (entry 2) names no source: expected one of `interface`, `command` and `file`
    sources = [{ interface = "wlan1", file = "x" }]
        FILE: `capture.sources` (entry 1) names several sources: expected one of `interface`, `command` and `file`
    sources = [{ command = " " }]
        FILE: `capture.sources` (entry 1) is empty: expected an interface such as "mon0"
    sources = [{ command = 7 }]
        FILE: `capture.sources.command` (entry 1) is an integer: expected a string
    sources = [{ comand = "x" }]
        FILE: unknown key `capture.sources.comand`; did you mean `capture.sources.command`?
    sources = [{ command = "x", channels = [1] }]
        FILE: `capture.sources` (entry 1) has `channels`, which only an `interface` can have
    sources = [{ file = "x", force = false }]
        FILE: `capture.sources` (entry 1) has `force`, which only an `interface` can have
    sources = [{ file = "x", buffer_mebibytes = 8 }]
        FILE: `capture.sources` (entry 1) has `buffer_mebibytes`, which only an `interface` can have
    sources = [{ interface = "wlan1", name = "" }]
        FILE: `capture.sources.name` (entry 1) is "": expected 1 to 64 characters, none of them a control character
    sources = [{ interface = "wlan1", monitor = "on" }]
        FILE: `capture.sources.monitor` (entry 1) is "on": expected "auto" or "off"
    sources = [{ interface = "wlan1", chanels = [1] }]
        FILE: unknown key `capture.sources.chanels`; did you mean `capture.sources.channels`?
    sources = [{ interface = "wlan1", channels = "one" }]
        FILE: `capture.sources.channels` (entry 1) is a string: expected an integer
    sources = [{ interface = "wlan1", channels = [15] }]
        FILE: `capture.sources.channels` (entry 1) does not fit: 15 is no channel: give a channel number of 2.4 GHz (1 to 14) or 5 GHz (32 to 177), or the centre frequency in MHz, which 6 GHz needs (5955 to 7115)
    sources = [{ interface = "wlan1", bands = ["3"] }]
        FILE: `capture.sources.bands` (entry 1) is "3": expected "2.4", "5" or "6"
    sources = [{ interface = "wlan1", force = 1 }]
        FILE: `capture.sources.force` (entry 1) is an integer: expected true or false
    sources = ["wlan1", "-", { interface = "wlan1", name = "street" }]
        FILE: `capture.sources` has the interface wlan1 twice, as entries 1 and 3: remove one of them
    sources = ["-", "wlan1", "-"]
        FILE: `capture.sources` has standard input twice, as entries 1 and 3: remove one of them
    sources = ["./Cargo.toml", { file = "Cargo.toml", name = "other" }]
        FILE: `capture.sources` has the file Cargo.toml twice, as entries 1 and 2: remove one of them
    sources = [{ command = "x" }, { command = "x", name = "other" }]
        FILE: `capture.sources` has the command "x" twice, as entries 1 and 2: remove one of them
    sources = [{ command = "ssh root@ap tcpdump -i mon0" }, { command = "ssh root@ap tcpdump -i mon1" }]
        FILE: `capture.sources` uses the name "ssh root@ap tcpdump" twice, in entries 1 and 2: give one of them another, as in { command = "…", name = "attic" }
    sources = ["a/day.pcap", "b/day.pcap"]
        FILE: `capture.sources` uses the name "day.pcap" twice, in entries 1 and 2: give one of them another, as in { file = "b/day.pcap", name = "attic" }
    sources = ["wlan1", { interface = "wlan2", name = "wlan1" }]
        FILE: `capture.sources` uses the name "wlan1" twice, in entries 1 and 2: give one of them another, as in { interface = "wlan2", name = "attic" }
    monitor = true
        FILE: `capture.monitor` is a boolean: expected "auto" or "off"
    monitor = "on"
        FILE: `capture.monitor` is "on": expected "auto" or "off"
    channels = [1, 2.5]
        FILE: `capture.channels` (entry 2) is a number with a fraction: expected an integer
    channels = [-1]
        FILE: `capture.channels` (entry 1) is -1, which is no channel
    bands = [5]
        FILE: `capture.bands` (entry 1) is an integer: expected a band: "2.4", "5" or "6", in GHz
    bands = []
        FILE: `capture.bands` is empty: expected bands such as "2.4", in GHz
    dwell_milliseconds = 9
        FILE: `capture.dwell_milliseconds` is 9: expected 10 to 60000
    force = "yes"
        FILE: `capture.force` is a string: expected true or false
    "##);
}

#[test]
fn the_environment_sets_the_keys_of_interfaces() {
    let variables = [
        ("PROBEWATCH__CAPTURE__SOURCES", "wlan1"),
        ("PROBEWATCH__CAPTURE__CHANNELS", "1,6"),
        ("PROBEWATCH__CAPTURE__BANDS", "2.4"),
        ("PROBEWATCH__CAPTURE__FORCE", "true"),
    ];
    let source = load("", &variables).unwrap().capture.sources.remove(0);
    let monitor = source.monitor.unwrap();
    let channels = [1, 6].map(|number| monitor::Channel::try_from(number).unwrap());
    assert_eq!((monitor.channels, monitor.force), (channels.to_vec(), true));
    assert_eq!(monitor.bands, BTreeSet::from([monitor::Band::Ghz2]));
    let error = load("", &[("PROBEWATCH__CAPTURE__FORCE", "yes")]).unwrap_err();
    assert_eq!(
        error,
        "the environment variable PROBEWATCH__CAPTURE__FORCE: `capture.force` is a string: expected true or false"
    );
}
