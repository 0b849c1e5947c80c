use std::collections::{BTreeSet, HashMap};
use std::fs;

use super::raw::KEYS;
use super::read::{ENVIRONMENT, load_from};
use super::*;

const EXAMPLE: &str = include_str!("../../config.example.toml");
const TOKEN: &str = "123456789:AAF-key_of_the_bot";
const KEY: &str = "AAF-key_of_the_bot";

fn variables(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads `text` from a file, with only these variables. `FILE` stands for the file's path in an error.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    load_from(Some(&path), variables(environment))
        .map_err(|error| error.to_string().replace(path.to_str().unwrap(), "FILE"))
}

/// The example with the line of every key that it leaves out.
fn whole_example() -> String {
    let uncommented = |line: &str| {
        let assignment = line.strip_prefix("# ")?;
        let (key, _) = assignment.split_once(" = ")?;
        (key.starts_with('"') || !key.contains(' ')).then(|| assignment.to_owned())
    };
    EXAMPLE.lines().map(|line| uncommented(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_example_has_every_key() {
    let mut table = String::new();
    let mut found = BTreeSet::new();
    for line in whole_example().lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            table = name.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            let key = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            let is_new = found.insert(if table == DEVICES { DEVICES.to_owned() } else { key.clone() });
            assert!(is_new || table == DEVICES, "{key} stands there twice");
        }
    }
    assert_eq!(found, KEYS.iter().map(|(key, _)| (*key).to_owned()).collect());
}

#[test]
fn the_example_gives_the_defaults() {
    let zone = [("PROBEWATCH__TIME_ZONE", "Asia/Tokyo")];
    let example = load(EXAMPLE, &zone).unwrap();
    // The table of devices is there and empty: names that were in it once are gone.
    let empty = load("[devices]", &zone).unwrap();
    assert_eq!(format!("{example:?}"), format!("{empty:?}"));
}

#[test]
fn the_whole_example_gives_the_defaults_and_what_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    fs::write(&token_file, TOKEN).unwrap();
    let text = whole_example().replace("/etc/probewatch/telegram-token", token_file.to_str().unwrap());
    let config = load(&text, &[]).unwrap();
    let defaults = Config::built_in().unwrap();
    let telegram = config.telegram.clone().unwrap();
    assert_eq!(telegram.token.reveal(), "123456789:the-key-that-BotFather-gave");
    assert_eq!(config.devices.clone().unwrap().len(), 2);
    let owned = load("[telegram]\ntoken = \"1:x\"\nowners = [7]\nchats = [-9, 7]", &[]).unwrap();
    let owned = owned.telegram.unwrap();
    assert_eq!((owned.owners, owned.chats), (vec![ChatId(7)], vec![ChatId(-9), ChatId(7)]));
    assert_eq!(config.time_zone, Tz::Europe__Berlin);
    assert_eq!(config.monitoring, Some("127.0.0.1:9464".parse().unwrap()));
    let rest =
        Config { telegram: None, devices: None, monitoring: None, time_zone: defaults.time_zone, ..config };
    assert_eq!(format!("{rest:?}"), format!("{defaults:?}"));
    let webhook = load(&text.replace("mode = \"polling\"", "mode = \"webhook\""), &[]).unwrap();
    let Updates::Webhook(webhook) = webhook.telegram.unwrap().updates else { panic!("not a webhook") };
    assert_eq!(webhook.url.as_str(), "https://bot.example.org/");
    assert_eq!(webhook.secret_token.unwrap().reveal(), "something-long-and-random");
}

#[test]
fn where_the_webhook_is_heard_follows_from_who_serves_tls() {
    let listen = |keys: &str| {
        let text =
            format!("[telegram]\ntoken = \"{TOKEN}\"\nmode = \"webhook\"\n[telegram.webhook]\n{keys}\n");
        let Updates::Webhook(webhook) = load(&text, &[]).unwrap().telegram.unwrap().updates else {
            panic!("not a webhook")
        };
        webhook.listen.to_string()
    };
    assert_eq!(listen("url = \"https://bot.example.org\""), "127.0.0.1:8080");
    let own = "tls = \"self-signed\"\nurl = \"https://203.0.113.7";
    assert_eq!(listen(&format!("{own}\"")), "0.0.0.0:443");
    assert_eq!(listen(&format!("{own}:8443\"")), "0.0.0.0:8443");
    assert_eq!(listen(&format!("{own}:88\"\nlisten = \"192.0.2.1:9443\"")), "192.0.2.1:9443");
}

#[test]
fn errors_name_file_key_and_expectation() {
    let check = |text: &str, expected: &str| {
        let error = load(text, &[]).map(|_| "no error").expect_err(text);
        assert_eq!(error, expected, "{text}");
    };
    let range = |key: &str, number: &str, limits: &str| {
        let (table, name) = key.split_once('.').unwrap();
        check(
            &format!("[{table}]\n{name} = {number}"),
            &format!("FILE: `{key}` is {number}: expected {limits}"),
        );
    };
    range("capture.snaplen", "255", "256 to 65535");
    range("capture.snaplen", "-1", "256 to 65535");
    range("capture.snaplen", "9223372036854775807", "256 to 65535");
    range("capture.buffer_mebibytes", "513", "1 to 512");
    range("alerts.cooldown_seconds", "31536001", "0 to 31536000");
    range("alerts.keep_hours", "0", "1 to 8760");
    range("record.fsync_milliseconds", "0", "1 to 60000");
    range("record.checkpoint_seconds", "3601", "1 to 3600");
    range("record.segment_mebibytes", "1025", "1 to 1024");
    range("record.segment_hours", "8761", "1 to 8760");

    check("data_dir = 5", "FILE: `data_dir` is a number: expected a text in quotes");
    check("data_dir = \"\"", "FILE: `data_dir` is empty: expected a folder such as \"/var/lib/probewatch\"");
    check(
        "[alerts]\ncooldown_seconds = true",
        "FILE: `alerts.cooldown_seconds` is true or false: expected a whole number",
    );
    check(
        "[alerts]\ncooldown_seconds = 2.5",
        "FILE: `alerts.cooldown_seconds` is a number with a fraction: expected a whole number",
    );
    check(
        "[alerts]\ncooldown_seconds = \"yes\"",
        "FILE: `alerts.cooldown_seconds` is a text: expected a whole number",
    );
    check(
        "[capture]\nsources = [[\"mon0\"]]",
        "FILE: `capture.sources` is a list of other things: expected a list of sources such as [\"wlan1\", { command = \"ssh root@ap …\" }]",
    );
    check(
        "[capture]\nsources = [\"\"]",
        "FILE: `capture.sources` has an empty name: expected interfaces such as \"mon0\"",
    );
    check(
        "[telegram]\nchats = [1, \"me\"]",
        "FILE: `telegram.chats` is a list of other things: expected a list of whole numbers such as [123456789]",
    );
    check(
        "[telegram]\nchats = [0]",
        "FILE: `telegram.chats` has a 0: expected the numbers of Telegram chats",
    );
    check(
        "[telegram]\nowners = [-100123]",
        "FILE: `telegram.owners` has the number of a group: an owner is a person, by the number of the private \
         chat with the bot",
    );
    check("telegram = 5", "FILE: `telegram` is a number: expected a table [telegram]");
    check(
        "devices = \"phone\"",
        "FILE: `devices` is a text: expected a table [devices] of addresses and names",
    );

    check(
        "[alerts]\ncool_down_seconds = 5",
        "FILE: there is no key `alerts.cool_down_seconds`; the nearest one is `alerts.cooldown_seconds`",
    );
    check("chats = [1]", "FILE: there is no key `chats`; the nearest one is `telegram.chats`");
    check("[recrod]\nfsync_milliseconds = 5", "FILE: there is no key `recrod`; the nearest one is `record`");
    check(
        "[telegram.webhok]\nurl = \"https://bot.example.org\"",
        "FILE: there is no key `telegram.webhok`; the nearest one is `telegram.webhook`",
    );

    check(
        "time_zone = \"Europe/Berlim\"",
        "FILE: `time_zone` is \"Europe/Berlim\": expected a name from the IANA time zone database such as \
         \"Europe/Berlin\"; the nearest one is \"Europe/Berlin\"",
    );
    check(
        "[telegram]\nmode = \"push\"",
        "FILE: `telegram.mode` is \"push\": expected \"polling\" or \"webhook\"",
    );
    check(
        "[telegram]\napi_url = \"api.telegram.org\"",
        "FILE: `telegram.api_url` is no address of a Bot API server: expected one such as \
         \"https://api.telegram.org\"",
    );
    let webhook = |keys: &str| format!("[telegram]\nmode = \"webhook\"\n[telegram.webhook]\n{keys}\n");
    let address = "expected the public https address under which Telegram reaches this box, such as \
                   \"https://bot.example.org\"";
    check(&webhook(""), &format!("FILE: `telegram.webhook.url` is missing: {address}"));
    check(
        &webhook("url = \"http://bot.example.org\""),
        &format!("FILE: `telegram.webhook.url` is \"http://bot.example.org\": {address}"),
    );
    check(
        &webhook("url = \"https://bot.example.org:8444\""),
        "FILE: `telegram.webhook.url` is \"https://bot.example.org:8444\": Telegram posts only to ports 443, \
         80, 88 and 8443",
    );
    check(
        &webhook("url = \"https://bot.example.org\"\nlisten = \"8080\""),
        "FILE: `telegram.webhook.listen` is \"8080\": expected an address and port such as \"127.0.0.1:8080\"",
    );
    check(
        &webhook("url = \"https://[2001:db8::1]:8443\""),
        "FILE: `telegram.webhook.url` is \"https://[2001:db8::1]:8443\": Telegram posts over IPv4 alone: expected \
         a domain name or an IPv4 address",
    );
    check(
        &webhook("url = \"https://bot.example.org\"\ntls = \"on\""),
        "FILE: `telegram.webhook.tls` is \"on\": expected \"off\" or \"self-signed\"",
    );

    check(
        "[monitoring]\nlisten = \"9464\"",
        "FILE: `monitoring.listen` is \"9464\": expected an address and port such as \"127.0.0.1:9464\"",
    );
    check(
        "[devices]\n\"a4:83:e7:4e:39\" = \"phone\"",
        "FILE: `devices.\"a4:83:e7:4e:39\"` is no MAC address: expected one such as \"a4:83:e7:4e:39:15\"",
    );
    check(
        "[devices]\n\"a4:83:e7:4e:39:15\" = 5",
        "FILE: `devices.\"a4:83:e7:4e:39:15\"` is a number: expected a text in quotes",
    );
    check(
        "[devices]\n\"a4:83:e7:4e:39:15\" = \"/phone\"",
        "FILE: `devices.\"a4:83:e7:4e:39:15\"` does not serve: the name begins with a slash, as a command does; \
         expected a name such as \"Alice's phone\"",
    );
    check(
        "[devices]\n\"A483E74E3915\" = \"phone\"\n\"a4:83:e7:4e:39:15\" = \"tablet\"",
        "FILE: `devices.\"a4:83:e7:4e:39:15\"` names an address for the second time: expected each address once",
    );
    check(
        "data_dir = ",
        "could not read the configuration FILE: TOML parse error at line 1, column 12: string values must be \
         quoted, expected literal string",
    );
}

#[test]
fn a_missing_file_is_told() {
    let error = load_from(Some(Path::new("/no/such.toml")), HashMap::new()).unwrap_err().to_string();
    assert!(error.starts_with("could not read the configuration /no/such.toml: No such file"), "{error}");
}

#[test]
fn no_secret_is_in_an_error() {
    let check = |text: &str, environment: &[(&str, &str)]| {
        let error = load(text, environment).map(|_| "no error").expect_err(text);
        assert!(!error.contains("AAF"), "{text}\n{error}");
        assert!(error.contains("FILE") || error.contains(ENVIRONMENT), "{text}\n{error}");
        error
    };
    let no_token =
        "`telegram.token` is no bot token: expected digits, a colon, and the key that @BotFather gave";
    let error = check("[telegram]\ntoken = \"bot123:AAF\"", &[]);
    assert_eq!(error, format!("FILE: {no_token}"));
    let error = check("", &[("PROBEWATCH__TELEGRAM__TOKEN", "AAF")]);
    assert_eq!(error, format!("the environment: {no_token}"));
    let error = check(&format!("[telegram]\ntoken_file = \"{TOKEN}\""), &[]);
    assert_eq!(
        error,
        "FILE: `telegram.token_file` is a token: expected a file that holds it, or telegram.token"
    );
    for value in [
        TOKEN.to_owned(),
        KEY.to_owned(),
        format!("\"{TOKEN}"),
        format!("'{TOKEN}"),
        format!("\"{TOKEN}\" \"{KEY}\""),
        format!("\"{TOKEN}\" {KEY}"),
        format!("\"\\{KEY}\""),
        format!("\"\"\"{TOKEN}\n{KEY}"),
        format!("[\"{TOKEN}\""),
        format!("[\"{TOKEN}\"]"),
        format!("{{ key = \"{TOKEN}\" }}"),
        format!("{{ {KEY} = \"{TOKEN}\""),
        format!("\"{TOKEN}\"\ntoken = \"{TOKEN}\""),
    ] {
        check(&format!("[telegram]\ntoken = {value}\n"), &[]);
    }
    check(&format!("telegram = \"{TOKEN}\""), &[]);
    check(&format!("[telegram]\ntokens = \"{TOKEN}\""), &[]);
    check(
        "[telegram]\nmode = \"webhook\"\n[telegram.webhook]\nurl = \"https://a.example\"\nsecret_token = \"AAF!\"",
        &[],
    );
    let config = load("", &[("PROBEWATCH__TELEGRAM__TOKEN", TOKEN)]).unwrap();
    assert!(!format!("{config:?}").contains("AAF"));
}

#[test]
fn the_environment_wins() {
    let check = |name: &str, value: &str, shown: &str| {
        let text = "[telegram]\ntoken = \"1:file\"\nchats = [7]\n[capture]\nsources = [\"file0\"]";
        let config = format!("{:?}", load(text, &[(name, value)]).unwrap());
        assert!(config.contains(shown), "{name}={value}: {config}");
    };
    check("PROBEWATCH__TELEGRAM__CHATS", "1,2", "chats: [ChatId(1), ChatId(2)]");
    check("PROBEWATCH__TELEGRAM__CHATS", "1", "chats: [ChatId(1)]");
    check("PROBEWATCH__TELEGRAM__CHATS", "-100123, 5", "chats: [ChatId(-100123), ChatId(5)]");
    check("PROBEWATCH__TELEGRAM__CHATS", "", "chats: [ChatId(7)]");
    check("PROBEWATCH__CAPTURE__SOURCES", "mon0,wlan1", "Interface(\"mon0\")");
    check("PROBEWATCH__CAPTURE__SOURCES", "mon0,wlan1", "Interface(\"wlan1\")");
    check("PROBEWATCH__CAPTURE__SNAPLEN", "512", "snaplen: 512");
    check("probewatch__data_dir", "/tmp/x", "data_dir: \"/tmp/x\"");
    check("PROBEWATCH__DEVICES__A483E74E3915", "Phone", "a4:83:e7:4e:39:15: \"Phone\"");
    check("OTHER__DATA_DIR", "/tmp/x", "data_dir: \"/var/lib/probewatch\"");

    let token = [("PROBEWATCH__TELEGRAM__TOKEN", TOKEN)];
    let config = load("[telegram]\ntoken = \"1:file\"", &token).unwrap();
    assert_eq!(config.telegram.unwrap().token.reveal(), TOKEN);
    assert_eq!(load("", &token).unwrap().telegram.unwrap().token.reveal(), TOKEN);

    let error = |name, value| load("", &[(name, value)]).map(|_| "no error").unwrap_err();
    assert_eq!(
        error("PROBEWATCH__TELEGRAM__CHATS", "1,me"),
        "the environment: `telegram.chats` is a text: expected a list of whole numbers such as [123456789]"
    );
    assert_eq!(
        error("PROBEWATCH__TELEGRAM__TOKN", "x"),
        "the environment: there is no key `telegram.tokn`; the nearest one is `telegram.token`"
    );
}

#[test]
fn the_token_comes_from_a_file_or_a_credential() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telegram-token");
    fs::write(&path, format!("{TOKEN}\n")).unwrap();
    let in_file = format!("[telegram]\ntoken_file = {path:?}");
    let credentials = [("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())];
    for config in [load(&in_file, &[]), load("", &credentials)] {
        assert_eq!(config.unwrap().telegram.unwrap().token.reveal(), TOKEN);
    }
    assert!(load("", &[("CREDENTIALS_DIRECTORY", "/no/such")]).unwrap().telegram.is_none());
    fs::write(&path, KEY).unwrap();
    for error in [load(&in_file, &[]), load("", &credentials)].map(|config| config.unwrap_err()) {
        assert!(error.contains("which holds no bot token: expected digits, a colon"), "{error}");
        assert!(!error.contains("AAF"), "{error}");
    }
    let error = load("[telegram]\ntoken_file = \"/no/such\"", &[]).unwrap_err();
    assert!(
        error.starts_with("FILE: `telegram.token_file` names /no/such, which could not be read: "),
        "{error}"
    );
}

/// What is wrong with `sources`, or how each reads.
fn of_sources(capture: &str) -> String {
    let told = |source: &Source| {
        let Source { origin, name, monitor } = source;
        let monitor = monitor.as_ref().map(|monitor::Settings { channels, bands, dwell, force }| {
            let channels: Vec<String> = channels.iter().map(ToString::to_string).collect();
            let bands: Vec<String> = bands.iter().map(ToString::to_string).collect();
            format!("{channels:?} {bands:?} {dwell:?} {force}")
        });
        format!("{name}: {origin:?}, {}", monitor.unwrap_or("as it is".to_owned()))
    };
    match load(&format!("[capture]\n{capture}"), &[]) {
        Ok(config) => config.capture.sources.iter().map(told).collect::<Vec<_>>().join("\n"),
        Err(error) => error,
    }
}

#[test]
fn sources_are_texts_or_tables() {
    insta::assert_snapshot!(of_sources(r#"
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
    insta::assert_snapshot!(of_sources(r#"
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
fn what_is_wrong_with_a_source_is_told() {
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
    let told: Vec<String> = wrong.iter().map(|text| format!("{text}\n    {}", of_sources(text))).collect();
    insta::assert_snapshot!(told.join("\n"), @r##"
    sources = 7
        FILE: `capture.sources` is a number: expected a list of sources such as ["wlan1", { command = "ssh root@ap …" }]
    sources = [7]
        FILE: `capture.sources` is a list of other things: expected a list of sources such as ["wlan1", { command = "ssh root@ap …" }]
    sources = [{}]
        FILE: `capture.sources` does not say where its source 1 is heard: expected one of `interface`, `command` and `file`
    sources = ["wlan1", { name = "x" }]
        FILE: `capture.sources` does not say where its source 2 is heard: expected one of `interface`, `command` and `file`
    sources = [{ interface = "wlan1", file = "x" }]
        FILE: `capture.sources` says more than once where its source 1 is heard: expected one of `interface`, `command` and `file`
    sources = [{ command = " " }]
        FILE: `capture.sources` has an empty name: expected interfaces such as "mon0"
    sources = [{ command = 7 }]
        FILE: `capture.sources.command` is a number: expected a text in quotes
    sources = [{ comand = "x" }]
        FILE: there is no key `capture.sources.comand`; the nearest one is `capture.sources.command`
    sources = [{ command = "x", channels = [1] }]
        FILE: `capture.sources` has `channels` in its source 1: only an `interface` takes that
    sources = [{ file = "x", force = false }]
        FILE: `capture.sources` has `force` in its source 1: only an `interface` takes that
    sources = [{ interface = "wlan1", name = "" }]
        FILE: `capture.sources.name` is "": expected 1 to 64 characters, none of them a control character
    sources = [{ interface = "wlan1", monitor = "on" }]
        FILE: `capture.sources.monitor` is "on": expected "auto" or "off"
    sources = [{ interface = "wlan1", chanels = [1] }]
        FILE: there is no key `capture.sources.chanels`; the nearest one is `capture.sources.channels`
    sources = [{ interface = "wlan1", channels = "one" }]
        FILE: `capture.sources.channels` is a text: expected a list of channels such as [1, 6, 11]
    sources = [{ interface = "wlan1", channels = [15] }]
        FILE: `capture.sources.channels` does not fit: 15 is no channel: give a channel number of 2.4 GHz (1 to 14) or 5 GHz (32 to 177), or the centre frequency in MHz, which 6 GHz needs (5955 to 7115)
    sources = [{ interface = "wlan1", bands = ["3"] }]
        FILE: `capture.sources.bands` has "3": expected "2.4", "5" and "6", in GHz
    sources = [{ interface = "wlan1", force = 1 }]
        FILE: `capture.sources.force` is a number: expected true or false
    sources = ["wlan1", "-", { interface = "wlan1", name = "street" }]
        FILE: `capture.sources` has the interface wlan1 twice, as its sources 1 and 3: leave one of them out
    sources = ["-", "wlan1", "-"]
        FILE: `capture.sources` has standard input twice, as its sources 1 and 3: leave one of them out
    sources = ["./Cargo.toml", { file = "Cargo.toml", name = "other" }]
        FILE: `capture.sources` has the file Cargo.toml twice, as its sources 1 and 2: leave one of them out
    sources = [{ command = "x" }, { command = "x", name = "other" }]
        FILE: `capture.sources` has the command "x" twice, as its sources 1 and 2: leave one of them out
    sources = [{ command = "ssh root@ap tcpdump -i mon0" }, { command = "ssh root@ap tcpdump -i mon1" }]
        FILE: `capture.sources` has two sources of the name "ssh root@ap tcpdump", 1 and 2: give one of them another, as in { command = "…", name = "attic" }
    sources = ["a/day.pcap", "b/day.pcap"]
        FILE: `capture.sources` has two sources of the name "day.pcap", 1 and 2: give one of them another, as in { file = "b/day.pcap", name = "attic" }
    sources = ["wlan1", { interface = "wlan2", name = "wlan1" }]
        FILE: `capture.sources` has two sources of the name "wlan1", 1 and 2: give one of them another, as in { interface = "wlan2", name = "attic" }
    monitor = true
        FILE: `capture.monitor` is true or false: expected a text in quotes
    monitor = "on"
        FILE: `capture.monitor` is "on": expected "auto" or "off"
    channels = [1, 2.5]
        FILE: `capture.channels` is a list of other things: expected a list of channels such as [1, 6, 11]
    channels = [-1]
        FILE: `capture.channels` has -1, which is no channel
    bands = [5]
        FILE: `capture.bands` is a list of other things: expected a list of bands such as ["2.4", "5"]
    bands = []
        FILE: `capture.bands` is empty: expected bands such as "2.4", in GHz
    dwell_milliseconds = 9
        FILE: `capture.dwell_milliseconds` is 9: expected 10 to 60000
    force = "yes"
        FILE: `capture.force` is a text: expected true or false
    "##);
}

#[test]
fn the_environment_says_how_interfaces_are_listened_with() {
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
    assert_eq!(error, "the environment: `capture.force` is a text: expected true or false");
}
