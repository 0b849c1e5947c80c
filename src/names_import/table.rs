//! CSV (RFC 4180): fields between commas, semicolons or tabs, quoted where they have those. Where the first row is
//! a header, the columns for addresses and names are known by it. Otherwise the first field that is a MAC address and
//! the first other that is neither number, IP address nor empty belong together.
//!
//! A line that begins with `#` is a comment.

use std::net::IpAddr;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::{Facts, ImportedName, is_of_a_device, mac, usable};
use crate::dot11::MacAddr;

/// How a file's name ends that is a table, whatever its first line says.
const ENDS: [&str; 3] = ["csv", "tsv", "tab"];

const DELIMITERS: [char; 3] = [',', ';', '\t'];

/// Headers of MAC addresses, in lower case and without what is neither letter nor digit.
const ADDRESS_HEADERS: [&str; 15] = [
    "mac",
    "macaddress",
    "macaddr",
    "hwaddr",
    "hwaddress",
    "hardwareaddress",
    "physicaladdress",
    "ethernetaddress",
    "ether",
    "lladdr",
    "clientmac",
    "devicemac",
    "stationmac",
    "station",
    "address",
];

/// Headers of names, as [`ADDRESS_HEADERS`]; where there are several, the first here that has a text counts.
const NAME_HEADERS: [&str; 15] = [
    "name",
    "devicename",
    "friendlyname",
    "clientname",
    "displayname",
    "alias",
    "nickname",
    "label",
    "hostname",
    "host",
    "dhcphostname",
    "device",
    "client",
    "description",
    "comment",
];

/// Where a header says that addresses and names stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Columns {
    addresses: Vec<usize>,
    names: Vec<usize>,
}

impl Columns {
    /// The columns of a row that names no device itself, where it is a header.
    fn of(row: &StringRecord) -> Option<Self> {
        let headers: Vec<String> = row.iter().map(bare).collect();
        let places = |known: &[&str]| -> Vec<usize> {
            known.iter().filter_map(|name| headers.iter().position(|header| header == name)).collect()
        };
        let columns = Self { addresses: places(&ADDRESS_HEADERS), names: places(&NAME_HEADERS) };
        (columns != Self::default()).then_some(columns)
    }

    fn address(&self, row: &StringRecord) -> Option<MacAddr> {
        // In its own column twelve digits are an address.
        let any = |field: &str| field.parse().ok().filter(|address| is_of_a_device(*address));
        let mut told = self.addresses.iter().filter_map(|column| row.get(*column)).map(unquoted);
        told.find_map(|field| mac(field).or_else(|| any(field))).or_else(|| own_address(row))
    }

    fn name(&self, row: &StringRecord) -> Option<String> {
        if self.names.is_empty() {
            return row.iter().map(unquoted).find(|field| is_name(field)).and_then(usable);
        }
        let mut told = self.names.iter().filter_map(|column| row.get(*column)).map(unquoted);
        told.find_map(usable)
    }
}

/// Whether a file is a table, by its name or by its first line that is no comment.
pub(super) fn is_table(path: &Path, text: &str) -> bool {
    let end = path.extension().map(|end| end.to_ascii_lowercase());
    if end.is_some_and(|end| ENDS.iter().any(|known| end == *known)) {
        return true;
    }
    let first = first_line(text);
    let word = first.split_whitespace().next().unwrap_or_default();
    let is_of_words = mac(word).is_some() || word.parse::<IpAddr>().is_ok();
    !is_of_words && first.contains(DELIMITERS)
}

/// What the rows of `text` say.
pub(super) fn read(text: &str) -> Facts {
    let (delimiter, text) = delimiter(text);
    let mut rows = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let (mut columns, mut facts) = (None, Facts::default());
    for row in rows.records().map_while(Result::ok) {
        if columns.is_none() && own_address(&row).is_none() {
            columns = Columns::of(&row);
            continue;
        }
        let columns = columns.get_or_insert_default();
        if let (Some(address), Some(name)) = (columns.address(&row), columns.name(&row)) {
            facts.names.push((address, ImportedName { name, is_lease: false }));
        }
    }
    facts
}

/// What stands between fields, and the text behind the line in which some spreadsheets say so.
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
    // Of as many the first.
    let mark = DELIMITERS.into_iter().rev().max_by_key(|mark| count(*mark));
    (mark.map_or(b',', |mark| mark as u8), text)
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default()
}

fn own_address(row: &StringRecord) -> Option<MacAddr> {
    row.iter().map(unquoted).find_map(mac)
}

fn is_name(field: &str) -> bool {
    !field.is_empty()
        && mac(field).is_none()
        && field.parse::<IpAddr>().is_err()
        && field.parse::<f64>().is_err()
}

/// A field without the spaces around it, and without quotes behind such.
fn unquoted(field: &str) -> &str {
    let field = field.trim();
    if field.starts_with('"') { field.trim_matches('"').trim() } else { field }
}

fn bare(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let facts = Facts::read(Path::new("file"), text.as_bytes()).unwrap();
        assert!(facts.names.iter().all(|(_, name)| !name.is_lease));
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
    fn a_header_says_where_names_and_addresses_stand() {
        check("room,name,mac\nKitchen,Phone,a4:83:e7:4e:39:15\n", &[(ALICE, "Phone")]);
        check("Room;Host Name;MAC-Address\nKitchen;van;0023A7195C03\n", &[(VAN, "van")]);
        check("room\tdevice\thwaddr\nKitchen\tvan\t0023.a719.5c03\n", &[(VAN, "van")]);
        // Of several names the one that people choose, and another where that is empty.
        check(
            "hostname,address,name\nvan-7,00:23:a7:19:5c:03,Van\nphone-1,a4:83:e7:4e:39:15,\n",
            &[(VAN, "Van"), (ALICE, "phone-1")],
        );
        check("room,name,mac\nKitchen,,a4:83:e7:4e:39:15\n", &[]);
        check("address,mac,name\n10.0.0.1,a4:83:e7:4e:39:15,Phone\n", &[(ALICE, "Phone")]);
        check("Our devices,,\n\nroom,name,mac\nKitchen,Phone,a4:83:e7:4e:39:15\n", &[(ALICE, "Phone")]);
    }

    #[test]
    fn only_a_line_that_begins_with_a_hash_is_a_comment() {
        check("# a,b;c;d;e\na4:83:e7:4e:39:15,Phone #2\n#00:23:a7:19:5c:03,x\n", &[(ALICE, "Phone #2")]);
    }

    #[test]
    fn a_byte_order_mark_costs_no_row() {
        check("\u{feff}a4:83:e7:4e:39:15,Phone\n", &[(ALICE, "Phone")]);
        check("\u{feff}name,mac\r\nPhone,a4:83:e7:4e:39:15\r\n", &[(ALICE, "Phone")]);
    }

    #[test]
    fn a_file_is_a_table_by_its_name_or_its_first_line() {
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
