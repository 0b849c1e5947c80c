//! The time zone in which times are shown, if the configuration names none: as date(1) has it, from `TZ` (tzset(3)),
//! `/etc/localtime` or `/etc/timezone`, in this order.
//!
//! Times are computed with the zones of chrono-tz. A POSIX rule, or a file without a name, becomes the zone with the
//! same rules. A link whose name and content differ (somebody mounted another file over its target) counts as its
//! content.

mod rules;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;

use rules::{PosixRule, Rules};

/// The longest file with a zone that is read, in bytes; the longest of tzdata has 4 kB.
const FILE_LIMIT: u64 = 256 << 10;

const LOCALTIME: &str = "etc/localtime";
const TIMEZONE: &str = "etc/timezone";
const ZONEINFO: &str = "usr/share/zoneinfo";

/// A time zone, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeZone {
    pub(super) zone: Tz,
    /// What says so.
    pub(super) origin: ZoneOrigin,
}

/// Where a time zone comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZoneOrigin {
    /// `time_zone` in the configuration.
    Configuration,
    /// The environment variable `TZ`, with its value.
    Variable(String),
    /// UTC, because `TZ` has this value, which is no zone.
    UnknownVariable(String),
    /// The link `/etc/localtime`.
    Link,
    /// `/etc/timezone`.
    NameFile,
    /// The content of `/etc/localtime`, which names no zone: one with the same rules.
    Content,
    /// UTC, because `/etc/localtime` is no zone that is known, or there is none.
    Default,
}

/// The zone of the machine whose files are below `root`, without the environment, and where it comes from.
pub fn zone_of_machine(root: &Path) -> (Tz, ZoneOrigin) {
    let found = TimeZone::detect(None, root);
    (found.zone, found.origin)
}

impl TimeZone {
    /// The zone of this machine, with the value of `TZ` in the environment.
    pub(super) fn of_machine(variable: Option<&str>) -> Self {
        Self::detect(variable, Path::new("/"))
    }

    /// The zone that the configuration names.
    pub(super) const fn configured(zone: Tz) -> Self {
        Self { zone, origin: ZoneOrigin::Configuration }
    }

    fn detect(variable: Option<&str>, root: &Path) -> Self {
        if let Some(value) = variable {
            // An unknown zone is UTC for every other program, too.
            return match of_variable(value, root) {
                Some(zone) => Self { zone, origin: ZoneOrigin::Variable(value.to_owned()) },
                None => Self { zone: Tz::UTC, origin: ZoneOrigin::UnknownVariable(value.to_owned()) },
            };
        }
        let path = root.join(LOCALTIME);
        let linked = linked_zone(&path).map(|zone| Self { zone, origin: ZoneOrigin::Link });
        let named = named_zone(root).map(|zone| Self { zone, origin: ZoneOrigin::NameFile });
        Self::choose([linked, named].into_iter().flatten().collect(), Rules::of_file(&path))
            .unwrap_or(Self { zone: Tz::UTC, origin: ZoneOrigin::Default })
    }

    /// The first of the zones that are named whose rules are those of the content; if there is none, a zone with these
    /// rules. If that is not known either, the first that is named: the machine's data may be newer or older than this
    /// program's.
    fn choose(named: Vec<Self>, content: Option<Rules>) -> Option<Self> {
        let agrees = |named: &&Self| content.as_ref().is_none_or(|content| content.agrees_with(named.zone));
        let of_content = || Some(Self { zone: content.as_ref()?.zone()?, origin: ZoneOrigin::Content });
        named.iter().find(agrees).cloned().or_else(of_content).or_else(|| named.first().cloned())
    }
}

impl ZoneOrigin {
    /// What a person should do about it, if something is probably wrong.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::UnknownVariable(_) => Some(
                "set TZ to an IANA time zone such as Europe/Berlin, or set time_zone in the configuration",
            ),
            Self::Default => Some("set time_zone in the configuration, unless you want UTC"),
            _ => None,
        }
    }
}

/// A phrase: `from TZ=Europe/Berlin`.
impl std::fmt::Display for ZoneOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Configuration => f.write_str("from time_zone in the configuration"),
            Self::Variable(value) => write!(f, "from the environment, TZ={}", value.escape_debug()),
            Self::UnknownVariable(value) => {
                write!(f, "because TZ={} is no time zone that is known", value.escape_debug())
            }
            Self::Link => f.write_str("from the link /etc/localtime"),
            Self::NameFile => f.write_str("from /etc/timezone"),
            Self::Content => f.write_str("which has the rules in the file /etc/localtime"),
            Self::Default => {
                f.write_str("because neither TZ, /etc/localtime nor /etc/timezone names a zone that is known")
            }
        }
    }
}

/// The zone of a value of `TZ`: a name, a path, or a POSIX rule, the first two with or without a colon.
fn of_variable(value: &str, root: &Path) -> Option<Tz> {
    let name = value.strip_prefix(':').unwrap_or(value);
    if name.is_empty() {
        return Some(Tz::UTC);
    }
    if let Some(path) = name.strip_prefix('/') {
        let path = root.join(path);
        let named = zone_in_path(&path).or_else(|| linked_zone(&path));
        let named = named.map(|zone| TimeZone { zone, origin: ZoneOrigin::Variable(value.to_owned()) });
        return TimeZone::choose(named.into_iter().collect(), Rules::of_file(&path)).map(|found| found.zone);
    }
    let of_file = || {
        let is_below = !Path::new(name).components().any(|part| part == std::path::Component::ParentDir);
        Rules::of_file(&root.join(ZONEINFO).join(name)).filter(|_| is_below)?.zone()
    };
    zone_of_name(name).or_else(of_file).or_else(|| PosixRule::parse(name)?.zone())
}

/// The zone with this name in tzdata. Its variants with and without leap seconds show the same times.
fn zone_of_name(name: &str) -> Option<Tz> {
    let name = ["posix/", "right/"].iter().find_map(|variant| name.strip_prefix(variant)).unwrap_or(name);
    name.parse().ok()
}

/// The zone that a path below a folder `zoneinfo` names.
fn zone_in_path(path: &Path) -> Option<Tz> {
    let (_, name) = path.to_str()?.rsplit_once("zoneinfo/")?;
    zone_of_name(name)
}

/// The zone that the target of a link names. The target need not exist: the program has the rules itself.
fn linked_zone(path: &Path) -> Option<Tz> {
    let target = fs::read_link(path).ok()?;
    let resolved = || zone_in_path(&fs::canonicalize(path).ok()?);
    zone_in_path(&target).or_else(resolved)
}

/// The zone in `/etc/timezone`.
fn named_zone(root: &Path) -> Option<Tz> {
    let bytes = read(&root.join(TIMEZONE))?;
    let text = String::from_utf8(bytes).ok()?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    zone_of_name(line)
}

/// The content of a regular file; a device or a pipe might have no end.
fn read(path: &Path) -> Option<Vec<u8>> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut bytes = Vec::new();
    File::open::<PathBuf>(path.into()).ok()?.take(FILE_LIMIT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A TZif file of version 2 without transitions, whose footer is this rule (RFC 8536).
    fn tzif(rule: &str) -> Vec<u8> {
        let mut file = Vec::new();
        for _ in 0..2 {
            file.extend(b"TZif2");
            file.extend([0; 15]);
            // One type of local time with an offset of 0 and the abbreviation "UTC".
            for count in [0_u32, 0, 0, 0, 1, 4] {
                file.extend(count.to_be_bytes());
            }
            file.extend([0, 0, 0, 0, 0, 0]);
            file.extend(b"UTC\0");
        }
        file.extend(format!("\n{rule}\n").as_bytes());
        file
    }

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    struct Root(tempfile::TempDir);

    impl Root {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("etc")).unwrap();
            fs::create_dir_all(folder.path().join("usr/share/zoneinfo/Europe")).unwrap();
            Self(folder)
        }

        fn write(&self, path: &str, content: &[u8]) {
            fs::write(self.0.path().join(path), content).unwrap();
        }

        fn link(&self, target: &str) {
            symlink(target, self.0.path().join(LOCALTIME)).unwrap();
        }

        #[track_caller]
        fn check(&self, variable: Option<&str>, zone: Tz, origin: ZoneOrigin) {
            assert_eq!(TimeZone::detect(variable, self.0.path()), TimeZone { zone, origin }, "{variable:?}");
        }
    }

    #[test]
    fn the_variable_goes_before_files() {
        let root = Root::new();
        root.link("../usr/share/zoneinfo/Asia/Tokyo");
        root.write("usr/share/zoneinfo/Europe/Berlin", &tzif(BERLIN));
        let folder = root.0.path().display().to_string();
        for value in
            ["Europe/Berlin", ":Europe/Berlin", "posix/Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin"]
        {
            root.check(Some(value), Tz::Europe__Berlin, ZoneOrigin::Variable(value.into()));
        }
        for value in ["CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST,M3.5.0/2:00,M10.5.0/3:00:00"] {
            root.check(Some(value), Tz::Europe__Amsterdam, ZoneOrigin::Variable(value.into()));
        }
        for value in ["", ":", "UTC", "UTC0"] {
            let zone = if value == "UTC0" { Tz::Etc__UTC } else { Tz::UTC };
            root.check(Some(value), zone, ZoneOrigin::Variable(value.into()));
        }
        for value in ["Europe/Berlim", "/no/such/file", "../../etc/localtime", "X", "CET-1:17", &folder] {
            root.check(Some(value), Tz::UTC, ZoneOrigin::UnknownVariable(value.into()));
        }
    }

    #[test]
    fn a_link_names_its_zone_even_if_its_target_is_missing() {
        let root = Root::new();
        root.link("/usr/share/zoneinfo/Asia/Tokyo-none/../Tokyo");
        root.write(TIMEZONE, b"Europe/Berlin\n");
        root.check(None, Tz::Europe__Berlin, ZoneOrigin::NameFile);
        let root = Root::new();
        root.link("../nowhere/zoneinfo/Asia/Tokyo");
        root.write(TIMEZONE, b"Europe/Berlin\n");
        root.check(None, Tz::Asia__Tokyo, ZoneOrigin::Link);
    }

    /// `docker -v /etc/localtime:/etc/localtime` mounts the file over the target of the link.
    #[test]
    fn the_content_counts_if_the_name_differs() {
        let root = Root::new();
        root.write("usr/share/zoneinfo/UTC", &tzif(BERLIN));
        root.link("../usr/share/zoneinfo/UTC");
        root.write(TIMEZONE, b"Etc/UTC\n");
        root.check(None, Tz::Europe__Amsterdam, ZoneOrigin::Content);
        // The other file tells which of the zones with these rules it is.
        root.write(TIMEZONE, b"Europe/Berlin\n");
        root.check(None, Tz::Europe__Berlin, ZoneOrigin::NameFile);
    }

    #[test]
    fn a_file_without_a_name_is_known_by_its_rules() {
        let root = Root::new();
        root.write(LOCALTIME, &tzif("JST-9"));
        root.check(None, Tz::Asia__Tokyo, ZoneOrigin::Content);
        root.write(LOCALTIME, &tzif("UTC0"));
        root.check(None, Tz::Etc__UTC, ZoneOrigin::Content);
        root.write(LOCALTIME, b"no zone");
        root.check(None, Tz::UTC, ZoneOrigin::Default);
        root.write(TIMEZONE, b"# this\n\nEurope/Berlin\n");
        root.check(None, Tz::Europe__Berlin, ZoneOrigin::NameFile);
        // Rules of no zone.
        root.write(LOCALTIME, &tzif("ABC-1:17"));
        root.check(None, Tz::Europe__Berlin, ZoneOrigin::NameFile);
    }

    #[test]
    fn every_zone_of_the_machine_is_recognized() {
        let folder = Path::new("/usr/share/zoneinfo");
        for name in
            ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo"]
        {
            let Some(rules) = Rules::of_file(&folder.join(name)) else { continue };
            assert!(rules.agrees_with(name.parse().unwrap()), "{name}");
            let found = rules.zone().unwrap();
            assert!(rules.agrees_with(found), "{name}: {found}");
            assert!(!rules.agrees_with(Tz::Pacific__Auckland), "{name}");
        }
    }
}
