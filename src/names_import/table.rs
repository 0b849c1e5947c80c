//! CSV (RFC 4180) with commas, semicolons or tabs. A line that starts with `#` is a comment.
//!
//! # Which column holds names
//! - If the first row is a header, it says so. If it calls no column a name, the table has no names.
//! - A table without a header has them in its only column with texts that are neither states, vendors nor dates. If
//!   there are several, they are in the one beside the first column with addresses, or nowhere.
//!
//! # Which values are names
//! - Not those that stand for "no name", the state of a device, or its vendor. Without a header, nothing tells a column
//!   of kinds of devices or of companies from one of names, so these are none either.
//! - Not one that several addresses of the table share: programs have defaults in any language, and strangers would
//!   become one device. Only in a table that people write for this program (`name,mac`, or two columns without a
//!   header) and in this program's own exports do addresses share a name.

mod header;
mod headless;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use dot11::MacAddr;
use store::state::fold_case;

use super::{Facts, Finding, Origin, is_individual, mac, words};
use header::Columns;

/// Extensions of files that are tables, whatever their first line says.
const EXTENSIONS: [&str; 3] = ["csv", "tsv", "tab"];

const DELIMITERS: [char; 3] = [',', ';', '\t'];

/// The longest header that a warning shows, in characters.
const SHOWN_HEADER_CHARS: usize = 80;

/// What stands above rows.
enum Header {
    Missing,
    /// It names no column that is known.
    Unknown(String),
    Known(Columns, String),
}

/// Rows below one header.
struct Section<'a> {
    header: Header,
    rows: Vec<&'a StringRecord>,
}

/// A name in a table.
#[derive(Debug, Clone)]
struct Name {
    text: String,
    /// Whether its column has it for another address, too.
    is_shared: bool,
}

/// Whether a file is a table, by its extension or its first line that is no comment.
pub(super) fn is_table(path: &Path, text: &str) -> bool {
    let end = path.extension().map(|end| end.to_ascii_lowercase());
    if end.is_some_and(|end| EXTENSIONS.iter().any(|known| end == *known)) {
        return true;
    }
    let first = first_line(text);
    let word = first.split_whitespace().next().unwrap_or_default();
    let is_of_words = mac(word).is_some() || word.parse::<IpAddr>().is_ok();
    !is_of_words && first.contains(DELIMITERS)
}

/// The facts in the rows of `text`.
pub(super) fn read(text: &str) -> Facts {
    let (delimiter, text) = delimiter(text);
    let reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let rows: Vec<StringRecord> = reader.into_records().map_while(Result::ok).collect();
    let (mut facts, mut of_program) = (Facts::default(), Vec::new());
    for section in sections(&rows) {
        let (names, is_own) = match &section.header {
            Header::Known(columns, _) if !columns.names.is_empty() => {
                (headed_names(columns, &section.rows, &mut facts), columns.is_own)
            }
            Header::Known(_, header) | Header::Unknown(header) => {
                facts.find(Finding::NoNameColumn(header.clone()));
                continue;
            }
            Header::Missing => headless::names(&section.rows, &mut facts),
        };
        match is_own {
            true => names
                .into_iter()
                .for_each(|(address, name)| facts.add_name(address, name.text, Origin::Written)),
            false => of_program.extend(names),
        }
    }
    let shared = shared(of_program.iter().map(|(address, name)| (*address, name.text.as_str())));
    let mut left_out: Vec<String> = Vec::new();
    for (address, name) in of_program {
        match name.is_shared || shared.contains(&fold_case(&name.text)) {
            true => left_out.push(name.text),
            false => facts.add_name(address, name.text, Origin::Written),
        }
    }
    if let Some((name, others)) = first_and_others(&left_out) {
        facts.find(Finding::Shared { name, others });
    }
    facts
}

/// The first of the texts, and how many different ones there are beside it, without case.
fn first_and_others<'a>(texts: impl IntoIterator<Item = &'a String>) -> Option<(String, usize)> {
    let mut texts = texts.into_iter();
    let first = texts.next()?;
    let others: BTreeSet<String> =
        texts.map(|text| fold_case(text)).filter(|text| *text != fold_case(first)).collect();
    Some((first.clone(), others.len()))
}

/// The rows with addresses, by header. Some programs put several tables into one file.
fn sections(rows: &[StringRecord]) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    let mut current = Section { header: Header::Missing, rows: Vec::new() };
    for row in rows {
        let has_address = match &current.header {
            Header::Known(columns, _) => address(columns, row).is_some(),
            Header::Missing | Header::Unknown(_) => false,
        };
        if has_address || own_addresses(row).next().is_some() {
            current.rows.push(row);
            continue;
        }
        let is_first = current.rows.is_empty();
        let header = match Columns::of(row) {
            Some(columns) if is_first || !columns.addresses.is_empty() => Header::Known(columns, shown(row)),
            _ if is_first && matches!(current.header, Header::Missing) && is_heading(row) => {
                Header::Unknown(shown(row))
            }
            _ => continue,
        };
        sections.push(std::mem::replace(&mut current, Section { header, rows: Vec::new() }));
    }
    sections.push(current);
    sections.retain(|section| !section.rows.is_empty());
    sections
}

/// Whether the row may be a header: a title above the table has one field.
fn is_heading(row: &StringRecord) -> bool {
    let fields: Vec<&str> = row.iter().map(unquoted).filter(|field| !field.is_empty()).collect();
    fields.len() > 1 && fields.iter().all(|field| is_text(field))
}

/// The names below a header. Of several columns, the first with a name of its own counts; if there is none, one that
/// addresses share, to be reported.
fn headed_names(columns: &Columns, rows: &[&StringRecord], facts: &mut Facts) -> Vec<(MacAddr, Name)> {
    let rows: Vec<(MacAddr, &StringRecord)> =
        rows.iter().filter_map(|row| Some((address(columns, row)?, *row))).collect();
    let shared: Vec<BTreeSet<String>> = columns
        .names
        .iter()
        .map(|column| shared(rows.iter().map(|(address, row)| (*address, cell(row, *column)))))
        .collect();
    let mut names = Vec::new();
    for (address, row) in &rows {
        let usable: Vec<Name> = columns
            .names
            .iter()
            .zip(&shared)
            .map(|(column, shared)| (cell(row, *column), shared))
            .filter(|(text, _)| {
                is_usable(text, *address, columns.is_own) && !is_attribute(text, columns, row)
            })
            .filter_map(|(text, shared)| {
                Some(Name { text: facts.parse_name(text)?, is_shared: shared.contains(&fold_case(text)) })
            })
            .collect();
        let name = usable.iter().find(|name| columns.is_own || !name.is_shared).or(usable.first());
        names.extend(name.map(|name| (*address, name.clone())));
    }
    names
}

/// Whether the text is what the row says of the device's vendor or kind: the name that a program gives it.
fn is_attribute(text: &str, columns: &Columns, row: &StringRecord) -> bool {
    let mut attributes = columns.attributes.iter().map(|column| cell(row, *column));
    attributes.any(|attribute| words::is_same(attribute, text))
}

fn cell(row: &StringRecord, column: usize) -> &str {
    row.get(column).map(unquoted).unwrap_or_default()
}

/// The names, without case, that several addresses have.
fn shared<'a>(names: impl Iterator<Item = (MacAddr, &'a str)>) -> BTreeSet<String> {
    let mut first: BTreeMap<String, MacAddr> = BTreeMap::new();
    let mut shared = BTreeSet::new();
    for (address, name) in names {
        let name = fold_case(name);
        if *first.entry(name.clone()).or_insert(address) != address {
            shared.insert(name);
        }
    }
    shared
}

/// Whether the text may be a name of the address. In a table that people write, all that is no address and does not
/// stand for "no name" is one.
fn is_usable(text: &str, address: MacAddr, is_own: bool) -> bool {
    let is_of_program = words::is_default_or_state(text) || words::is_vendor(text, address) || is_date(text);
    mac(text).is_none()
        && text.parse::<IpAddr>().is_err()
        && !words::is_no_name(text)
        && (is_own || !is_of_program)
}

/// The address that a row of a table with a header names.
fn address(columns: &Columns, row: &StringRecord) -> Option<MacAddr> {
    // In a column for addresses, twelve digits are one.
    let any = |field: &str| field.parse().ok().filter(|address| is_individual(*address));
    let mut fields = columns.addresses.iter().filter_map(|column| row.get(*column)).map(unquoted);
    if let Some(address) = fields.find_map(|field| mac(field).or_else(|| any(field))) {
        return Some(address);
    }
    // Other columns hold the address of an access point, too.
    let mut others = own_addresses(row);
    let only = others.next().filter(|first| others.all(|other| other == *first));
    only.filter(|_| !columns.has_mac)
}

/// The delimiter, and the text after the `sep=` line with which some spreadsheets start.
fn delimiter(text: &str) -> (u8, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(mark @ (b',' | b';' | b'\t')) = line.strip_prefix("sep=").and_then(|mark| mark.bytes().next())
    {
        return (mark, rest);
    }
    let line = first_line(text);
    let count = |mark: char| {
        let mut is_quoted = false;
        line.chars()
            .filter(|c| {
                is_quoted ^= *c == '"';
                !is_quoted && *c == mark
            })
            .count()
    };
    // Of several that are equally frequent, the first.
    let mark = DELIMITERS.into_iter().rev().max_by_key(|mark| count(*mark));
    (mark.map_or(b',', |mark| mark as u8), text)
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default()
}

/// The addresses with separators in a row.
fn own_addresses(row: &StringRecord) -> impl Iterator<Item = MacAddr> {
    row.iter().map(unquoted).filter_map(mac)
}

/// Whether a field is neither an address, a number, a time nor a word of dnsmasq's `dhcp-host`.
fn is_text(field: &str) -> bool {
    let is_marked = ["set:", "tag:", "id:"].iter().any(|mark| field.starts_with(mark));
    !field.is_empty()
        && !is_marked
        && mac(field).is_none()
        && field.parse::<IpAddr>().is_err()
        && field.parse::<f64>().is_err()
        && !is_date(field)
}

/// Whether a field is a date, a time or a duration: it has digits, and no letters but those of a month, a unit or a
/// zone.
fn is_date(field: &str) -> bool {
    const LETTERS: [&str; 38] = [
        "t", "z", "am", "pm", "utc", "gmt", "cet", "cest", "d", "h", "m", "s", "w", "y", "min", "sec",
        "mins", "days", "day", "hours", "hour", "ago", "jan", "feb", "mar", "apr", "may", "jun", "jul",
        "aug", "sep", "oct", "nov", "dec", "mon", "tue", "wed", "thu",
    ];
    let lower = field.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    let separators = lower.chars().filter(|c| matches!(c, ':' | '-' | '/' | '.')).count();
    let has_digits = lower.starts_with(|c: char| c.is_ascii_digit());
    has_digits
        && words.all(|word| LETTERS.contains(&word))
        && (separators > 1 || lower.ends_with(char::is_alphabetic))
}

/// A row as a warning shows it.
fn shown(row: &StringRecord) -> String {
    let text = row.iter().map(unquoted).collect::<Vec<_>>().join(",");
    match text.char_indices().nth(SHOWN_HEADER_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A field without spaces around it, and without quotes that follow a space.
fn unquoted(field: &str) -> &str {
    let field = field.trim();
    if field.starts_with('"') { field.trim_matches('"').trim() } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    pub(super) fn check(text: &str, expected: &[(&str, &str)]) {
        let facts = Facts::read(Path::new("file"), text.as_bytes()).unwrap();
        assert!(facts.names.iter().all(|(_, name)| name.origin != Origin::Lease));
        let names: Vec<(String, &str)> =
            facts.names.iter().map(|(address, name)| (address.to_string(), name.name.as_str())).collect();
        let names: Vec<_> = names.iter().map(|(address, name)| (address.as_str(), *name)).collect();
        assert_eq!(names, expected, "{text}");
    }

    const ALICE: &str = "a4:83:e7:4e:39:15";
    const VAN: &str = "00:23:a7:19:5c:03";

    #[test]
    fn quoted_fields_and_any_delimiter() {
        check("\"Smith, Alice\",a4:83:e7:4e:39:15\n", &[(ALICE, "Smith, Alice")]);
        check("\"Smith; \"\"Al\"\"\";a4:83:e7:4e:39:15\r\n", &[(ALICE, "Smith; \"Al\"")]);
        check("7;192.168.1.7;Kitchen tablet, big;a4:83:e7:4e:39:15\n", &[(ALICE, "Kitchen tablet, big")]);
        check("Kitchen tablet\ta4:83:e7:4e:39:15\n", &[(ALICE, "Kitchen tablet")]);
        check("sep=;\nTablet, 7\";a4:83:e7:4e:39:15\n", &[(ALICE, "Tablet, 7\"")]);
        check("a4:83:e7:4e:39:15, \"Alice's phone\"\n", &[(ALICE, "Alice's phone")]);
        check("a4:83:e7:4e:39:15,\n,,\na4:83:e7:4e:39:15\n", &[]);
    }

    #[test]
    fn a_header_names_the_columns() {
        check("room,name,mac\nKitchen,Phone,a4:83:e7:4e:39:15\n", &[(ALICE, "Phone")]);
        check("Room;Host Name;MAC-Address\nKitchen;van;0023A7195C03\n", &[(VAN, "van")]);
        check("room\tdevice\thwaddr\nKitchen\tvan\t0023.a719.5c03\n", &[(VAN, "van")]);
        // The name that people choose counts; another one if it is empty.
        check(
            "hostname,address,name\nvan-7,00:23:a7:19:5c:03,Van\nphone-1,a4:83:e7:4e:39:15,\n",
            &[(VAN, "Van"), (ALICE, "phone-1")],
        );
        check("room,name,mac\nKitchen,,a4:83:e7:4e:39:15\n", &[]);
        check("address,mac,name\n10.0.0.1,a4:83:e7:4e:39:15,Phone\n", &[(ALICE, "Phone")]);
        check("Our devices,,\n\nroom,name,mac\nKitchen,Phone,a4:83:e7:4e:39:15\n", &[(ALICE, "Phone")]);
    }

    pub(super) const COOK: &str = "a4:83:e7:10:00:34";

    #[track_caller]
    pub(super) fn check_found(text: &str, expected: &[Finding]) {
        let facts = Facts::read(Path::new("file"), text.as_bytes()).unwrap();
        assert_eq!((facts.names, facts.findings.as_slice()), (Vec::new(), expected), "{text}");
    }

    /// Tables of products: only the column with names counts, and their words for no name are none.
    #[test]
    fn tables_of_programs() {
        let netalertx = "\"devMac\",\"devName\",\"devOwner\",\"devType\",\"devVendor\",\"devComments\"\n\
             \"a4:83:e7:10:00:30\",\"(unknown)\",\"House\",\"\",\"Apple, Inc.\",\"found by a scan\"\n\
             \"a4:83:e7:10:00:31\",\"(name not found)\",\"House\",\"\",\"Apple, Inc.\",\"\"\n\
             \"a4:83:e7:10:00:34\",\"Kitchen tablet\",\"House\",\"\",\"Apple, Inc.\",\"\"\n\
             \"a4:83:e7:10:00:35\",\"\",\"\",\"\",\"Apple, Inc.\",\"the neighbour's\"\n";
        check(netalertx, &[(COOK, "Kitchen tablet")]);
        // Fing's table has no header.
        let fing = "192.168.1.1;;Up;2026/11/30 10:11:12;;router.lan;a4:83:e7:10:00:34;Apple\n\
             192.168.1.2;;Up;2026/11/30 10:11:13;;;a4:83:e7:4e:39:15;Apple\n\
             192.168.1.3;;Down;2026/11/30 10:11:14;;;00:23:a7:19:5c:03;Redpine Signals\n";
        check(fing, &[(COOK, "router.lan")]);
        let unifi = "Name,Hostname,MAC Address,IP Address,AP MAC,AP Name,Manufacturer,Status\n\
             iPhone,alices-iphone,a4:83:e7:10:00:34,10.0.0.2,00:23:a7:19:5c:01,Attic,Apple,Online\n\
             iPhone,,a4:83:e7:10:00:35,10.0.0.3,00:23:a7:19:5c:01,Attic,Apple,Online\n\
             ,,,10.0.0.4,00:23:a7:19:5c:01,Attic,Apple,Offline\n\
             Apple,-,a4:83:e7:10:00:36,10.0.0.5,00:23:a7:19:5c:01,Attic,Apple,Offline\n";
        check(unifi, &[(COOK, "alices-iphone")]);
        let router = "Gerätename;MAC-Adresse;Status;Hersteller\nUnbekanntes Gerät 1;a4:83:e7:10:00:33;Verbunden;Apple\n\
             Tablet Küche;a4:83:e7:10:00:34;Verbunden;Apple\n";
        check(router, &[(COOK, "Tablet Küche")]);
        let kismet = "kismet.device.base.macaddr,kismet.device.base.manuf,kismet.device.base.name\n\
             A4:83:E7:10:00:34,Apple,Tablet\nA4:83:E7:10:00:35,Apple,A4:83:E7:10:00:35\n";
        check(kismet, &[(COOK, "Tablet")]);
        let airodump = "BSSID, First time seen, ESSID\n00:23:a7:19:5c:03, 2026-11-30, Depot\n\n\
             Station MAC, First time seen, Power, BSSID, Probed ESSIDs\n\
             a4:83:e7:4e:39:15, 2026-11-30, -40, 00:23:a7:19:5c:03, Depot\n";
        check(airodump, &[]);
        let home_assistant = "entity_id,friendly_name,mac,state\ndevice_tracker.a,Tablet,a4:83:e7:10:00:34,home\n\
             device_tracker.b,,a4:83:e7:10:00:35,not_home\n";
        check(home_assistant, &[(COOK, "Tablet")]);
    }

    #[test]
    fn a_column_that_is_no_name_gives_none() {
        let header = |text: &str| Finding::NoNameColumn(text.into());
        check_found("mac,status\na4:83:e7:10:00:34,belegt\n", &[header("mac,status")]);
        check_found("mac,vendor\na4:83:e7:10:00:34,Apfel\n", &[header("mac,vendor")]);
        check_found(
            "Laitos;Osoite\na4:83:e7:10:00:34;Alice\n",
            &[header("Laitos;Osoite".replace(';', ",").as_str())],
        );
        check_found(
            "a4:83:e7:10:00:34,Apple\na4:83:e7:10:00:35,Apple Inc.\n",
            &[header("a4:83:e7:10:00:34,Apple")],
        );
        check_found(
            "1,one,p,a4:83:e7:10:00:34\n2,two,q,a4:83:e7:10:00:35\n",
            &[header("1,one,p,a4:83:e7:10:00:34")],
        );
        check(
            "a4:83:e7:10:00:34,Ann's tablet,Kitchen\na4:83:e7:4e:39:15,Bob's phone,Hall\n",
            &[(COOK, "Ann's tablet"), (ALICE, "Bob's phone")],
        );
        check(
            "a4:83:e7:10:00:34,Mobile,Tablet 1\na4:83:e7:4e:39:15,Mobile,Phone 2\n",
            &[(COOK, "Tablet 1"), (ALICE, "Phone 2")],
        );
        check("a4:83:e7:10:00:34,10.0.0.7,Ann's tablet,infinite\n", &[(COOK, "Ann's tablet")]);
    }

    /// In whatever language it is.
    #[test]
    fn a_value_that_addresses_share_is_no_name() {
        let shared = |name: &str, others| Finding::Shared { name: name.into(), others };
        let table = "mac,ip,name\na4:83:e7:10:00:30,10.0.0.1,Prazno\na4:83:e7:10:00:31,10.0.0.2,prazno\n\
             a4:83:e7:10:00:32,10.0.0.3,Gost\na4:83:e7:10:00:33,10.0.0.4,Gost\n";
        check_found(table, &[shared("Prazno", 1)]);
        check(
            &format!("{table}a4:83:e7:10:00:34,,Tablet\na4:83:e7:10:00:34,,Tablet\n"),
            &[(COOK, "Tablet"), (COOK, "Tablet")],
        );
        check_found("7;a4:83:e7:10:00:30;Prazno\n8;a4:83:e7:10:00:31;Prazno\n", &[shared("Prazno", 0)]);
        // People write names for several addresses of a device, and so do the exports of this program.
        for own in [
            "name,mac\nVan,00:23:a7:19:5c:03\nVan,a4:83:e7:4e:39:15\n",
            "00:23:a7:19:5c:03,Van\na4:83:e7:4e:39:15,Van\n",
            "address,name,random,probe_count\n00:23:a7:19:5c:03,Van,false,7\na4:83:e7:4e:39:15,Van,false,7\n",
        ] {
            check(own, &[(VAN, "Van"), (ALICE, "Van")]);
        }
    }

    /// Some programs name a device after its vendor or its kind until a person does.
    #[test]
    fn a_name_that_repeats_the_vendor_or_the_kind_is_none() {
        let table = "name,mac,Device Vendor,type\nAcme Labs,a4:83:e7:10:00:30,\"Acme Labs, Inc.\",\n\
             Toaster,a4:83:e7:10:00:31,Acme,toaster\nTablet,a4:83:e7:10:00:34,Acme,Toaster\n";
        check(table, &[(COOK, "Tablet")]);
    }

    #[test]
    fn dates_and_durations() {
        for text in [
            "2026/11/30 10:11:12",
            "2026-11-30T10:11:12Z",
            "12h",
            "3 days ago",
            "30.11.2026",
            "1 Nov 2026, 10:11:12",
        ] {
            assert!(is_date(text), "{text}");
        }
        for text in ["Tablet 7", "7", "2nd phone", "4711", "3m tape roll", "Alice"] {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn only_a_hash_at_the_start_of_a_line_starts_a_comment() {
        check("# a,b;c;d;e\na4:83:e7:4e:39:15,Phone #2\n#00:23:a7:19:5c:03,x\n", &[(ALICE, "Phone #2")]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        check("\u{feff}a4:83:e7:4e:39:15,Ann\n", &[(ALICE, "Ann")]);
        check("\u{feff}name,mac\r\nPhone,a4:83:e7:4e:39:15\r\n", &[(ALICE, "Phone")]);
    }

    #[test]
    fn a_table_is_known_by_its_extension_or_its_first_line() {
        for text in ["mac,name", "\n# x\nVan;00:23:a7:19:5c:03", "00:23:a7:19:5c:03,Van", "mac\tname"] {
            assert!(is_table(Path::new("names"), text), "{text}");
        }
        for text in
            ["", "00:23:a7:19:5c:03 Smith, Alice", "10.0.0.1\tvan", "0 00:23:a7:19:5c:03 10.0.0.1 van *"]
        {
            assert!(!is_table(Path::new("names"), text), "{text}");
            assert!(is_table(Path::new("names.CSV"), text), "{text}");
        }
    }
}
