//! The differences of two states, row by row.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde_json::{Map, Value};

use super::model::State;
use super::snapshot::{PackedImage, SnapshotRow};
use super::table::{PackedRow, kind};
use super::totals::Totals;
use crate::event::Offset;
use dot11::MacAddr;

/// A row that differs between two states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What the row is about.
    pub subject: String,
    /// The fields that differ, as JSON, in the first state; `None` if it has no such row.
    pub one: Option<String>,
    /// The same in the second state.
    pub other: Option<String>,
}

/// The differences of two states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// The number of rows that differ.
    pub count: u64,
    /// The first of them, as many as were asked for.
    pub first: Vec<Difference>,
}

/// The number of a table, and the key of a row in it.
type TableKey = (usize, Box<[u8]>);

/// The first rows that differ, each with what the image has for it.
struct FirstRows {
    limit: usize,
    rows: BTreeMap<TableKey, Option<Box<[u8]>>>,
}

impl FirstRows {
    /// Adds a row unless it is there, or as many before it.
    fn add(&mut self, key: TableKey, theirs: Option<&[u8]>) {
        self.rows.entry(key).or_insert_with(|| theirs.map(Box::from));
        if self.rows.len() > self.limit {
            self.rows.pop_last();
        }
    }
}

impl State {
    /// Compares every row with those of `other`, and describes the first `limit` that differ.
    pub fn differences(&self, other: &Self, limit: usize) -> Differences {
        let mut found = Differences::of_heads((self.next, self.totals), (other.next, other.totals), limit);
        for ((kind, one), (_, other)) in self.tables().into_iter().zip(other.tables()) {
            let mut keys: Vec<Box<[u8]>> = Vec::new();
            one.rows(kind, &mut |row| {
                if other.row(row.key).as_deref() != row.row {
                    keys.push(Box::from(row.key));
                }
            });
            other.rows(kind, &mut |row| {
                if one.row(row.key).is_none() {
                    keys.push(Box::from(row.key));
                }
            });
            keys.sort_unstable();
            for key in keys {
                found.add(limit, || {
                    let [one, other] = [one, other].map(|table| {
                        let row = table.row(&key);
                        SnapshotRow::unpack(&PackedRow { kind, key: &key, row: row.as_deref() }).ok()
                    });
                    Difference::new(one.as_ref(), other.as_ref())
                });
            }
        }
        found
    }

    /// As [`State::differences`], with the state that `image` is a copy of. Equal rows are removed from this state as
    /// they are compared: no list of rows is needed, and the image need not be in memory.
    ///
    /// # Errors
    /// [`io::Error`] if the image cannot be read.
    pub fn differences_from(
        mut self,
        image: PackedImage<impl Read>,
        limit: usize,
    ) -> io::Result<Differences> {
        let theirs = (image.next_offset(), image.totals());
        let mut found = Differences::of_heads((self.next, self.totals), theirs, limit);
        let spill = self.devices.spill().cloned();
        spill.iter().for_each(|spill| spill.begin_comparison(limit));
        let mut tables = self.tables_mut();
        let mut first = FirstRows { limit, rows: BTreeMap::new() };
        // Rows of the image that this state has not.
        let mut missing = 0;
        image.for_each_row(|PackedRow { kind, key, row }| {
            if let (kind::DEVICE, Some(spill), Ok(address), Some(row)) = (kind, &spill, key.try_into(), row) {
                return spill.compare(MacAddr::new(address), row);
            }
            let Some(number) = tables.iter().position(|(known, _)| *known == kind) else { return };
            let (_, table) = &mut tables[number];
            let is_equal = table.row(key).as_deref() == row;
            // A row that cannot be removed counts as one that differs.
            if !is_equal || table.load(key, None).is_err() {
                missing += u64::from(table.row(key).is_none());
                first.add((number, Box::from(key)), row);
            }
        })?;
        let mut left = 0;
        for (number, (kind, table)) in tables.iter().enumerate() {
            table.rows(*kind, &mut |row| {
                left += 1;
                first.add((number, Box::from(row.key)), None);
            });
        }
        if let Some(spill) = &spill {
            let compared = spill.finish()?;
            (missing, left) = (missing + compared.missing, left + compared.left);
            let number = tables.iter().position(|(kind, _)| *kind == kind::DEVICE).unwrap_or(0);
            for (address, theirs) in compared.first {
                first.add((number, Box::from(address)), theirs.as_deref());
            }
        }
        for ((number, key), theirs) in &first.rows {
            found.add(limit, || {
                let (kind, table) = &tables[*number];
                let unpack =
                    |row: &[u8]| SnapshotRow::unpack(&PackedRow { kind: *kind, key, row: Some(row) }).ok();
                let ours = table.row(key).and_then(|row| unpack(&row));
                let theirs = theirs.as_deref().and_then(unpack);
                Difference::new(ours.as_ref(), theirs.as_ref())
            });
        }
        found.count += missing + left - first.rows.len() as u64;
        Ok(found)
    }
}

impl Differences {
    /// The differences of the offsets and totals, which are in no table.
    fn of_heads(one: (Offset, Totals), other: (Offset, Totals), limit: usize) -> Self {
        let mut found = Self::default();
        if one.0 != other.0 {
            let [one, other] = [one.0, other.0].map(|next| Some(format!("{{\"events\":{next}}}")));
            found.add(limit, || Some(Difference { subject: "events".to_owned(), one, other }));
        }
        if one.1 != other.1 {
            found.add(limit, || {
                Difference::new(Some(&SnapshotRow::Totals(one.1)), Some(&SnapshotRow::Totals(other.1)))
            });
        }
        found
    }

    fn add(&mut self, limit: usize, describe: impl FnOnce() -> Option<Difference>) {
        self.count += 1;
        if self.first.len() < limit {
            self.first.extend(describe());
        }
    }
}

impl Difference {
    fn new(one: Option<&SnapshotRow>, other: Option<&SnapshotRow>) -> Option<Self> {
        let subject = one.or(other)?.subject();
        let (one, other) = (one.map(fields), other.map(fields));
        let differing = |here: &Option<Map<String, Value>>, there: &Option<Map<String, Value>>| {
            let is_different = |name: &str, value: &Value| match there {
                Some(there) => there.get(name) != Some(value),
                None => true,
            };
            let here = here.as_ref()?.iter().filter(|(name, value)| is_different(name, value));
            let here: Map<String, Value> = here.map(|(name, value)| (name.clone(), value.clone())).collect();
            Some(Value::Object(here).to_string())
        };
        let (one, other) = (differing(&one, &other), differing(&other, &one));
        Some(Self { subject, one, other })
    }
}

/// The row's fields, without the one for its kind.
fn fields(row: &SnapshotRow) -> Map<String, Value> {
    match serde_json::to_value(row) {
        Ok(Value::Object(mut fields)) => {
            fields.remove("row");
            fields
        }
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::event::{ChatId, Event, EventKind, NamedBy, Probe, Timestamp};
    use dot11::{MacAddr, RequestedSsid, Ssid};

    /// A state of probes from these addresses, some of them named and some networks watched.
    fn state(sources: std::ops::Range<u8>, name: &str, networks: &[&str]) -> State {
        let mut state = State::default();
        let mut fold = |event: &Event| state.fold(state.next_offset(), event);
        for source in sources {
            let time = Timestamp::from_micros(i64::from(source));
            let address = MacAddr::new([0x02, 0, 0, 0, 0, source]);
            fold(&Event::from(Probe::example(address, RequestedSsid::Wildcard, i64::from(source))));
            fold(&Event::new(time, EventKind::Name { address, name: name.to_owned(), by: NamedBy::Chat }));
        }
        for network in networks {
            let ssid = Ssid::new(network.as_bytes());
            let (time, chat) = (Timestamp::from_micros(0), ChatId(1));
            fold(&Event::new(time, EventKind::Watch { chat, ssid, reason: None }));
        }
        state
    }

    #[test]
    fn an_image_differs_as_the_state_that_it_copies() {
        let states = [
            state(0..0, "", &[]),
            state(0..9, "Zoë", &["RNM0"]),
            state(0..9, "Alice", &["RNM0", "Depot"]),
            state(5..20, "Zoë", &["Depot"]),
        ];
        for one in &states {
            for other in &states {
                for limit in [0, 3, 1000] {
                    let expected = one.differences(other, limit);
                    let mut image = Vec::new();
                    let mut copied = other.clone();
                    let snapshot = copied.begin_cow_snapshot().unwrap();
                    snapshot.write_to(|| &copied, &mut image).unwrap().unwrap();
                    let found = one.clone().differences_from(PackedImage::open(&*image).unwrap(), limit);
                    assert_eq!(found.unwrap(), expected);
                    let cut = PackedImage::open(&image[..image.len() - 4]).unwrap();
                    assert!(one.clone().differences_from(cut, limit).is_err());
                    assert_eq!(expected.count == 0, one == other);
                }
            }
        }
    }
}
