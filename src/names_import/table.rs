//! CSV (RFC 4180) with commas, semicolons or tabs. If the first row is a header, it says which columns hold addresses
//! and names. Otherwise a row names its first MAC address with its first field that is no number, no IP address and not
//! empty.
//!
//! A line that starts with `#` is a comment.

use std::net::IpAddr;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use dot11::MacAddr;

use super::{Facts, ImportedName, is_individual, mac};

/// Extensions of files that are tables, whatever their first line says.
const EXTENSIONS: [&str; 3] = ["csv", "tsv", "tab"];

const DELIMITERS: [char; 3] = [',', ';', '\t'];

/// Headers of columns with MAC addresses, in lower case, letters and digits only.
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

/// Headers of columns with names, as [`ADDRESS_HEADERS`]. Of several columns with a text, the first in this order
/// counts.
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

/// The columns with addresses and names, according to the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Columns {
    addresses: Vec<usize>,
    names: Vec<usize>,
}

impl Columns {
    /// The columns of a header; the row itself must name no device.
    fn of(row: &StringRecord) -> Option<Self> {
        let headers: Vec<String> = row.iter().map(bare).collect();
        let columns_of = |known: &[&str]| -> Vec<usize> {
            known.iter().filter_map(|name| headers.iter().position(|header| header == name)).collect()
        };
        let columns = Self { addresses: columns_of(&ADDRESS_HEADERS), names: columns_of(&NAME_HEADERS) };
        (columns != Self::default()).then_some(columns)
    }

    fn address(&self, row: &StringRecord) -> Option<MacAddr> {
        // In a column for addresses, twelve digits are one.
        let any = |field: &str| field.parse().ok().filter(|address| is_individual(*address));
        let mut fields = self.addresses.iter().filter_map(|column| row.get(*column)).map(unquoted);
        fields.find_map(|field| mac(field).or_else(|| any(field))).or_else(|| own_address(row))
    }

    fn name(&self, row: &StringRecord, facts: &mut Facts) -> Option<String> {
        if self.names.is_empty() {
            let name = row.iter().map(unquoted).find(|field| is_name(field));
            return name.and_then(|name| facts.parse_name(name));
        }
        let mut fields = self.names.iter().filter_map(|column| row.get(*column)).map(unquoted);
        fields.find_map(|field| facts.parse_name(field))
    }
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
        if let (Some(address), Some(name)) = (columns.address(&row), columns.name(&row, &mut facts)) {
            facts.names.push((address, ImportedName { name, is_lease: false }));
        }
    }
    facts
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

fn own_address(row: &StringRecord) -> Option<MacAddr> {
    row.iter().map(unquoted).find_map(mac)
}

fn is_name(field: &str) -> bool {
    !field.is_empty()
        && mac(field).is_none()
        && field.parse::<IpAddr>().is_err()
        && field.parse::<f64>().is_err()
}

/// A field without spaces around it, and without quotes that follow a space.
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

    #[test]
    fn only_a_hash_at_the_start_of_a_line_starts_a_comment() {
        check("# a,b;c;d;e\na4:83:e7:4e:39:15,Phone #2\n#00:23:a7:19:5c:03,x\n", &[(ALICE, "Phone #2")]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        check("\u{feff}a4:83:e7:4e:39:15,Phone\n", &[(ALICE, "Phone")]);
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
