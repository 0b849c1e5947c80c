mod documentation;
mod sources;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use chrono_tz::Tz;
use store::event::{ChatId, GroupingMode};

use super::load::load_from;
use super::*;

const DEVICES: &str = "devices";
const EXAMPLE: &str = include_str!("../../config.example.toml");
const TOKEN: &str = "123456789:AAF-key_of_the_bot";
const KEY: &str = "AAF-key_of_the_bot";

fn variables(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads `text` from a file, with only these variables. `FILE` stands for the file's path and the line in an error.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    load_with_lines(text, environment).map_err(|error| match error.split_once("FILE, line ") {
        Some((before, after)) => {
            format!("{before}FILE{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => error,
    })
}

/// As [`load`]; an error has the line.
fn load_with_lines(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    load_from(Some(&path), variables(environment))
        .map_err(|error| with_suggestion(&error).replace(path.to_str().unwrap(), "FILE"))
}

/// An error with the key that it suggests. `remedies_say_what_to_correct_and_where` checks whole remedies.
fn with_suggestion(error: &ConfigError) -> String {
    let remedy = error.remedy();
    match error {
        ConfigError::UnknownKey { nearest: Some(_), .. } => {
            format!("{error}; {}", remedy.split_once(" (").unwrap().0)
        }
        _ => error.to_string(),
    }
}

/// The example with its commented-out keys uncommented.
fn whole_example() -> String {
    let uncommented = |line: &str| {
        let assignment = line.strip_prefix("# ")?;
        let (key, _) = assignment.split_once(" = ")?;
        (key.starts_with('"') || !key.contains(' ')).then(|| assignment.to_owned())
    };
    EXAMPLE.lines().map(|line| uncommented(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_example_gives_the_defaults() {
    let zone = [("PROBEWATCH__TIME_ZONE", "Asia/Tokyo")];
    let example = load(EXAMPLE, &zone).unwrap();
    // The table of devices is present and empty, so names that it once had are removed.
    let empty = load("[devices]", &zone).unwrap();
    assert_eq!(format!("{example:?}"), format!("{empty:?}"));
}

#[test]
fn grouping_has_three_modes() {
    for (value, mode) in
        [("off", GroupingMode::Off), ("in-range", GroupingMode::InRange), ("returns", GroupingMode::Returns)]
    {
        assert_eq!(load(&format!("[grouping]\nmode = \"{value}\""), &[]).unwrap().grouping, mode);
    }
    assert_eq!(load("", &[("PROBEWATCH__GROUPING__MODE", "off")]).unwrap().grouping, GroupingMode::Off);
    let error = load("[grouping]\nmode = \"always\"", &[]).unwrap_err();
    assert!(
        error.contains("grouping.mode") && error.contains("\"off\", \"in-range\" or \"returns\""),
        "{error}"
    );
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
    assert_eq!(
        (config.time_zone, &config.time_zone_origin),
        (Tz::Europe__Berlin, &ZoneOrigin::Configuration)
    );
    assert_eq!(config.monitoring, Some("127.0.0.1:9464".parse().unwrap()));
    let gather = config.chat_settings.gather.clone().unwrap();
    assert_eq!(gather.value.as_secs(), 60);
    let rest = Config {
        chat_settings: defaults.chat_settings.clone(),
        telegram: None,
        devices: None,
        monitoring: None,
        time_zone: defaults.time_zone,
        time_zone_origin: defaults.time_zone_origin.clone(),
        ..config
    };
    assert_eq!(format!("{rest:?}"), format!("{defaults:?}"));
    let webhook = load(&text.replace("mode = \"polling\"", "mode = \"webhook\""), &[]).unwrap();
    let Updates::Webhook(webhook) = webhook.telegram.unwrap().updates else { panic!("not a webhook") };
    assert_eq!(webhook.url.as_str(), "https://bot.example.org/");
    assert_eq!(webhook.secret_token.unwrap().reveal(), "something-long-and-random");
}

#[test]
fn what_chats_may_choose_says_where_it_is_set() {
    let unset = load("[alerts]\nkeep_hours = 3", &[]).unwrap().chat_settings;
    assert!(unset.quiet_hours.is_none() && unset.gather.is_none() && unset.time_zone.is_none());
    let text = "time_zone = \"Asia/Tokyo\"\n[alerts]\nquiet = \"22:30-07:00\"\ngather_seconds = 60";
    let set = load(text, &[("PROBEWATCH__ALERTS__GATHER_SECONDS", "0")]).unwrap().chat_settings;
    let (zone, quiet, gather) = (set.time_zone.unwrap(), set.quiet_hours.unwrap(), set.gather.unwrap());
    assert!(zone.origin.ends_with("config.toml, line 1"), "{}", zone.origin);
    assert!(quiet.origin.ends_with("config.toml, line 3"), "{}", quiet.origin);
    assert_eq!(gather.origin, "the environment variable PROBEWATCH__ALERTS__GATHER_SECONDS");
    assert_eq!((quiet.value.to_string().as_str(), gather.value.as_secs()), ("22:30-07:00", 0));
}

#[test]
fn the_webhook_listens_by_default_on_the_address_for_its_tls_mode() {
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

    check("data_dir = 5", "FILE: `data_dir` is an integer: expected a string");
    check("data_dir = \"\"", "FILE: `data_dir` is empty: expected a folder such as \"/var/lib/probewatch\"");
    check(
        "[alerts]\ncooldown_seconds = true",
        "FILE: `alerts.cooldown_seconds` is a boolean: expected an integer",
    );
    check(
        "[alerts]\ncooldown_seconds = 2.5",
        "FILE: `alerts.cooldown_seconds` is a number with a fraction: expected an integer",
    );
    check(
        "[alerts]\ncooldown_seconds = \"yes\"",
        "FILE: `alerts.cooldown_seconds` is a string: expected an integer",
    );
    check(
        "[capture]\nsources = [[\"mon0\"]]",
        "FILE: `capture.sources` (entry 1) is a list: expected a source such as \"wlan1\" or { command = \"ssh root@ap …\" }",
    );
    check(
        "[capture]\nsources = [\"\"]",
        "FILE: `capture.sources` (entry 1) is empty: expected an interface such as \"mon0\"",
    );
    check(
        "[telegram]\nchats = [1, \"me\"]",
        "FILE: `telegram.chats` (entry 2) is a string: expected an integer",
    );
    check(
        "[telegram]\nchats = [0]",
        "FILE: `telegram.chats` (entry 1) is 0: expected the ID of a Telegram chat",
    );
    check(
        "[telegram]\nowners = [-100123]",
        "FILE: `telegram.owners` (entry 1) is the ID of a group: an owner is a person; expected the ID of a \
         private chat with the bot",
    );
    check("telegram = 5", "FILE: `telegram` is an integer: expected a table [telegram]");
    check(
        "devices = \"phone\"",
        "FILE: `devices` is a string: expected a table [devices] of addresses and names",
    );

    check(
        "[alerts]\ncool_down_seconds = 5",
        "FILE: unknown key `alerts.cool_down_seconds`; did you mean `alerts.cooldown_seconds`?",
    );
    check("chats = [1]", "FILE: unknown key `chats`; did you mean `telegram.chats`?");
    check("[recrod]\nfsync_milliseconds = 5", "FILE: unknown key `recrod`; did you mean `record`?");
    check(
        "[telegram.webhok]\nurl = \"https://bot.example.org\"",
        "FILE: unknown key `telegram.webhok`; did you mean `telegram.webhook`?",
    );

    check(
        "time_zone = \"Europe/Berlim\"",
        "FILE: `time_zone` is \"Europe/Berlim\": expected an IANA time zone such as \"Europe/Berlin\"; did you mean \
         \"Europe/Berlin\"?",
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
    let address = "expected the public https address at which Telegram reaches this machine, such as \
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
        &webhook("url = \"https://bot.example.org\"\nreserved_networks = [\"149.154.160.0/33\"]"),
        "FILE: `telegram.webhook.reserved_networks` (entry 1) is \"149.154.160.0/33\": expected a network or an address such as \
         \"149.154.160.0/20\"",
    );
    check(
        &webhook("url = \"https://bot.example.org\"\nlisten = \"8080\""),
        "FILE: `telegram.webhook.listen` is \"8080\": expected an address and port such as \"127.0.0.1:8080\"",
    );
    check(
        &webhook("url = \"https://[2001:db8::1]:8443\""),
        "FILE: `telegram.webhook.url` is \"https://[2001:db8::1]:8443\": Telegram posts over IPv4 only; expected \
         a domain name or an IPv4 address",
    );
    check(
        &webhook("url = \"https://bot.example.org\"\ntls = \"on\""),
        "FILE: `telegram.webhook.tls` is \"on\": expected \"off\" or \"self-signed\"",
    );

    check(
        "[monitoring]\nlisten = \"9464\"",
        "FILE: `monitoring.listen` is \"9464\": expected an address and port such as \"127.0.0.1:8080\"",
    );
    check(
        "[devices]\n\"a4:83:e7:4e:39\" = \"phone\"",
        "FILE: `devices.\"a4:83:e7:4e:39\"` is no MAC address: expected one such as \"a4:83:e7:4e:39:15\"",
    );
    check(
        "[devices]\n\"a4:83:e7:4e:39:15\" = 5",
        "FILE: `devices.\"a4:83:e7:4e:39:15\"` is an integer: expected a string",
    );
    check(
        "[devices]\n\"a4:83:e7:4e:39:15\" = \"/phone\"",
        "FILE: `devices.\"a4:83:e7:4e:39:15\"` cannot be used: the name begins with a slash, as a command does; \
         expected a name such as \"Alice's phone\"",
    );
    check(
        "[devices]\n\"a4:83:e7:4e:39:15\" = \"Phone  3F2A\"",
        "FILE: `devices.\"a4:83:e7:4e:39:15\"` cannot be used: the name looks like the ID of a phone with random \
         addresses; expected a name such as \"Alice's phone\"",
    );
    check(
        "[devices]\n\"A483E74E3915\" = \"phone\"\n\"a4:83:e7:4e:39:15\" = \"tablet\"",
        "FILE: `devices` names a4:83:e7:4e:39:15 a second time: expected each address once",
    );
    check(
        "data_dir = ",
        "could not read the configuration FILE: line 1, column 12: string values must be quoted, \
         expected literal string",
    );
}

#[test]
fn a_missing_file_is_an_error() {
    let error = load_from(Some(Path::new("/no/such.toml")), HashMap::new()).unwrap_err().to_string();
    assert!(error.starts_with("could not read the configuration /no/such.toml: No such file"), "{error}");
}

#[test]
fn no_secret_is_in_an_error() {
    let check = |text: &str, environment: &[(&str, &str)]| {
        let error = load(text, environment).map(|_| "no error").expect_err(text);
        assert!(!error.contains("AAF"), "{text}\n{error}");
        assert!(error.contains("FILE") || error.contains("the environment variable "), "{text}\n{error}");
        error
    };
    let no_token =
        "`telegram.token` is no bot token: expected digits, a colon, and the key that @BotFather gave";
    let error = check("[telegram]\ntoken = \"bot123:AAF\"", &[]);
    assert_eq!(error, format!("FILE: {no_token}"));
    let error = check("", &[("PROBEWATCH__TELEGRAM__TOKEN", "AAF")]);
    assert_eq!(error, format!("the environment variable PROBEWATCH__TELEGRAM__TOKEN: {no_token}"));
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

    // Two that set the same key, in whatever order the system gives them.
    let both = [("probewatch__data_dir", "/tmp/lower"), ("PROBEWATCH__DATA_DIR", "/tmp/upper")];
    assert_eq!(load("", &both).unwrap().data_dir, Path::new("/tmp/upper"));
}

#[test]
fn errors_name_the_environment_variable() {
    let file = "[capture]\nsources = []\n[devices]\n\"a4:83:e7:4e:39:15\" = \"phone\"";
    let check = |name: &str, value: &str, expected: &str| {
        let expected = format!("the environment variable {name}: {expected}");
        for text in ["", file] {
            let error = load(text, &[(name, value)]).map(|_| "no error").unwrap_err();
            // A key like no other has some suggestion behind it.
            assert!(error.starts_with(&expected), "{text}: {error}");
        }
    };
    check("PROBEWATCH__TELEGRAM__CHATS", "1,me", "`telegram.chats` is a string: expected an integer");
    check("PROBEWATCH__TELEGRAM__TOKN", "x", "unknown key `telegram.tokn`; did you mean `telegram.token`?");
    check("PROBEWATCH__capture__x", "1", "unknown key `capture.x`");
    check("probewatch__Data-Dir", "/x", "unknown key `data-dir`; did you mean `data_dir`?");
    check("PROBEWATCH__DATA.DIR", "/x", "unknown key `\"data.dir\"`; did you mean `data_dir`?");
    check(
        "PROBEWATCH__CAPTURE__SNAPLEN[0]",
        "1",
        "unknown key `capture.\"snaplen[0]\"`; did you mean `capture.snaplen`?",
    );
    check("PROBEWATCH__CAPTURE__", "1", "unknown key `capture.\"\"`");
    check("PROBEWATCH__CAPTURE__SNAPLEN__X", "1", "`capture.snaplen` is a table: expected an integer");
    check("PROBEWATCH__CAPTURE", "mon0", "`capture` is a string: expected a table [capture]");
    check(
        "PROBEWATCH__DEVICES__A4:83",
        "Phone",
        "`devices.\"a4:83\"` is no MAC address: expected one such as \"a4:83:e7:4e:39:15\"",
    );
    // A table does not hide a value for itself.
    let both = [("PROBEWATCH__CAPTURE", "mon0"), ("PROBEWATCH__CAPTURE__SNAPLEN", "512")];
    let error = load("", &both).unwrap_err();
    assert!(
        error.starts_with("the environment variable PROBEWATCH__CAPTURE: `capture` is a string"),
        "{error}"
    );
}

#[test]
fn errors_name_the_line() {
    let check = |text: &str, expected: &str| {
        let error = load_with_lines(text, &[]).map(|_| "no error").expect_err(text);
        assert_eq!(error, expected, "{text}");
    };
    check("\n\n[capture]\nsnaplen = 5", "FILE, line 4: `capture.snaplen` is 5: expected 256 to 65535");
    for number in ["9223372036854775808", "-9223372036854775809", "0xffffffffffffffffff"] {
        check(
            &format!("[capture]\r\n\r\nsnaplen = {number}"),
            "FILE, line 3: `capture.snaplen` is an integer of more than 64 bits: expected an integer",
        );
    }
    check("# x\ntokn = 1e999", "FILE, line 2: unknown key `tokn`; did you mean `telegram.token`?");
    for table in ["capture", "telegram", "alerts", "record", "retention", "monitoring", "names"] {
        check(
            &format!("\n{table} = []"),
            &format!("FILE, line 2: `{table}` is a list: expected a table [{table}]"),
        );
    }
    check(
        "[telegram]\nwebhook = []",
        "FILE, line 2: `telegram.webhook` is a list: expected a table [telegram.webhook]",
    );
    check(
        "[capture]\nsources = [\n  { interface = \"mon0\", chanels = [1] },\n]",
        "FILE, line 2: unknown key `capture.sources.chanels`; did you mean `capture.sources.channels`?",
    );
    check(
        "[telegram]\nmode = \"webhook\"\n[telegram.webhook]\ntls = \"off\"",
        "FILE, line 3: `telegram.webhook.url` is missing: expected the public https address at which Telegram \
         reaches this machine, such as \"https://bot.example.org\"",
    );
    check(
        "[devices]\n\"a4:83\" = \"phone\"",
        "FILE, line 2: `devices.\"a4:83\"` is no MAC address: expected one such as \"a4:83:e7:4e:39:15\"",
    );
}

#[test]
fn remedies_say_what_to_correct_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let check = |text: &str, environment: &[(&str, &str)], expected: &str| {
        fs::write(&path, text).unwrap();
        let error = load_from(Some(&path), variables(environment)).unwrap_err();
        assert_eq!(error.remedy(), expected, "{error}");
    };
    let reference = "docs/configuration.md describes every key";
    check("\n[telegram]\ntokn = 1", &[], "did you mean `telegram.token`? (correct line 3)");
    check("\nxyzzy = 1", &[], "correct line 2; docs/configuration.md and config.example.toml list every key");
    check("\n[capture]\nsnaplen = 5", &[], &format!("correct line 3; {reference}"));
    check("data_dir = ", &[], &format!("correct the file, or name another with --config; {reference}"));
    let variable = "PROBEWATCH__CAPTURE__SNAPLEN";
    check("", &[(variable, "5")], &format!("correct or unset {variable}; {reference}"));
    let missing = load_from(Some(Path::new("/no/such.toml")), HashMap::new()).unwrap_err();
    assert_eq!(missing.remedy(), format!("correct the file, or name another with --config; {reference}"));
    let unpermitted = ConfigError::NotPermitted { file: "x".to_owned() };
    assert_eq!(unpermitted.remedy(), "run this command with sudo (or name a file that this user may read)");
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
