//! A table without a header: which column holds names, and which of its texts are vendors or kinds of devices.

use csv::StringRecord;
use dot11::MacAddr;
use store::state::fold_case;

use super::{Name, first_and_others, is_text, is_usable, own_addresses, shared, shown, unquoted};
use crate::names_import::{Facts, Finding, mac, words};

/// In how few rows no column is taken for states: a household may have two devices with two addresses each.
const FEWEST_STATES: usize = 5;

/// A column of a table without a header.
struct Candidate {
    column: usize,
    names: Vec<(MacAddr, String)>,
    /// The other texts, if they are vendors.
    vendors: Vec<String>,
}

impl Candidate {
    /// The column, if its texts may be names.
    fn of(column: usize, rows: &[(MacAddr, &StringRecord)], is_own: bool) -> Option<Self> {
        let texts: Vec<(MacAddr, String)> = rows
            .iter()
            .filter_map(|(address, row)| Some((*address, unquoted(row.get(column)?).to_owned())))
            .filter(|(_, text)| is_text(text) && !words::is_no_name(text))
            .collect();
        let is_vendor =
            |(address, text): &(MacAddr, String)| words::is_vendor(text, *address) || words::is_company(text);
        let total = texts.len();
        let (vendors, texts): (Vec<_>, Vec<_>) = texts.into_iter().partition(is_vendor);
        let is_name = |(address, text): &&(MacAddr, String)| is_usable(text, *address, false);
        let names: Vec<(MacAddr, String)> = texts.iter().filter(is_name).cloned().collect();
        let vendors: Vec<String> = vendors.into_iter().map(|(_, vendor)| vendor).collect();
        // In a person's table, a single vendor says nothing about the other rows.
        let is_mostly_names = match is_own && vendors.len() == 1 {
            true => names.len() * 2 > texts.len(),
            false => names.len() * 2 > total,
        };
        // What a person wrote stays a name, beside others.
        is_mostly_names.then_some(Self { column, names: if is_own { texts } else { names }, vendors })
    }

    fn is_attribute(&self) -> bool {
        !shared(self.names.iter().map(|(address, name)| (*address, name.as_str()))).is_empty()
            || self.names.iter().all(|(_, name)| words::is_kind(name))
    }
}

/// The names in the rows, and whether it is a table that people write for this program.
pub(super) fn names(rows: &[&StringRecord], facts: &mut Facts) -> (Vec<(MacAddr, Name)>, bool) {
    let addressed: Vec<(MacAddr, &StringRecord)> =
        rows.iter().filter_map(|row| Some((own_addresses(row).next()?, *row))).collect();
    let width = rows.iter().map(|row| row.len()).max().unwrap_or_default();
    let is_own = width == 2;
    let columns = 0..width;
    let mut candidates: Vec<Candidate> =
        columns.filter_map(|column| Candidate::of(column, &addressed, is_own)).collect();
    if candidates.len() > 1 {
        candidates.retain(|candidate| !candidate.is_attribute());
    }
    let at = |column: usize| candidates.iter().find(|candidate| candidate.column == column);
    let is_address = |column| rows.iter().all(|row| row.get(column).map(unquoted).and_then(mac).is_some());
    let chosen = match candidates.as_slice() {
        [] => None,
        [only] => Some(only),
        _ if is_address(0) => at(1),
        _ if is_address(1) => at(0),
        _ => None,
    };
    let has_names = |candidate: &&Candidate| candidate.names.iter().any(|(_, text)| !words::is_kind(text));
    let Some(Candidate { names, vendors, .. }) = chosen.filter(has_names) else {
        if let Some(row) = rows.first() {
            facts.find(Finding::NoNameColumn(shown(row)));
        }
        return (Vec::new(), is_own);
    };
    let (kinds, names): (Vec<_>, Vec<_>) = names.iter().partition(|(_, text)| words::is_kind(text));
    let left_out = vendors.iter().chain(kinds.iter().map(|(_, kind)| kind));
    if let Some((text, others)) = first_and_others(left_out) {
        facts.find(Finding::VendorOrKind { text, others });
    }
    let named =
        |text: &str, facts: &mut Facts| Some(Name { text: facts.parse_name(text)?, is_shared: false });
    let names = names.iter().filter_map(|(address, text)| Some((*address, named(text, facts)?)));
    let names: Vec<(MacAddr, Name)> = names.collect();
    let is_own = is_own && !is_mostly_shared(&names);
    (names, is_own)
}

/// Whether the names are rather states, in a language that is not known: of at least so many addresses, most share
/// theirs with others.
fn is_mostly_shared(names: &[(MacAddr, Name)]) -> bool {
    let shared = shared(names.iter().map(|(address, name)| (*address, name.text.as_str())));
    let sharing = names.iter().filter(|(_, name)| shared.contains(&fold_case(&name.text))).count();
    names.len() >= FEWEST_STATES && sharing * 2 > names.len()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{COOK, check, check_found};
    use super::*;

    #[test]
    fn vendors_and_kinds_without_a_header_are_no_names() {
        let rows = |texts: &[&str]| -> String {
            let row = |(text, row): (&&str, u8)| format!("a4:83:e7:10:00:{row:02x},\"{text}\"\n");
            texts.iter().zip(0..).map(row).collect()
        };
        for column in [
            &["Apple, Inc.", "Samsung Electronics Co.,Ltd", "Espressif Inc.", "Intel Corporate"][..],
            &["AVM GmbH", "Philips Lighting B.V.", "Somebody else", "Apple"],
            &["phone", "tablet", "printer"],
            &["Phone"],
            &["Smart TV", "Espressif Inc."],
        ] {
            let table = rows(column);
            let header = Finding::NoNameColumn(format!("a4:83:e7:10:00:00,{}", column[0]));
            check_found(&table, std::slice::from_ref(&header));
            // So it is if more columns have no names.
            let numbered: String =
                table.lines().zip(1..).map(|(line, number)| format!("{number},{line}\n")).collect();
            let facts = Facts::read(Path::new("file"), numbered.as_bytes()).unwrap();
            assert_eq!((facts.names.len(), facts.findings.len()), (0, 1), "{numbered}");
        }
        for left_out in ["Apple, Inc.", "printer", "AVM GmbH"] {
            let table = rows(&["Lamp", left_out, "Kitchen tablet"]);
            check(&table, &[("a4:83:e7:10:00:00", "Lamp"), ("a4:83:e7:10:00:02", "Kitchen tablet")]);
            let facts = Facts::read(Path::new("file"), table.as_bytes()).unwrap();
            assert_eq!(facts.findings, [Finding::VendorOrKind { text: left_out.into(), others: 0 }]);
        }
        check(&rows(&["Apple, Inc.", "Lamp"]), &[("a4:83:e7:10:00:01", "Lamp")]);
        // Below `name,mac`, they are what a person calls the device.
        check("mac,name\na4:83:e7:10:00:34,Printer\n", &[(COOK, "Printer")]);
    }

    #[test]
    fn states_in_two_columns_are_no_names() {
        let rows = |states: &[&str]| -> String {
            states.iter().zip(0..).map(|(state, row)| format!("a4:83:e7:10:00:{row:02x},{state}\n")).collect()
        };
        let taken = rows(&["zauzet", "slobodan", "zauzet", "zauzet", "slobodan"]);
        check_found(&taken, &[Finding::Shared { name: "zauzet".into(), others: 1 }]);
        // Names that people give to several addresses are fewer.
        let family = rows(&["Ann", "Bob", "Ann", "Cat", "Dan"]);
        assert_eq!(Facts::read(Path::new("a"), family.as_bytes()).unwrap().names.len(), 5);
    }
}
