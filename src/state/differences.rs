//! Where two states differ, row by row.

use serde_json::{Map, Value};

use super::State;
use super::snapshot::Row;
use super::table::PackedRow;

/// A row that two states do not have in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What the row is about.
    pub subject: String,
    /// The fields that differ, as JSON, in the one state; `None` where it has no such row.
    pub one: Option<String>,
    /// The same in the other.
    pub other: Option<String>,
}

/// What two states do not have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Rows that differ.
    pub count: u64,
    /// The first of them, as many as were asked for.
    pub first: Vec<Difference>,
}

impl State {
    /// Compares every row with those of `other` and describes the first `limit` that differ.
    pub fn differences(&self, other: &Self, limit: usize) -> Differences {
        let mut found = Differences::default();
        if self.next != other.next {
            let [one, other] = [self, other].map(|state| Some(format!("{{\"events\":{}}}", state.next)));
            found.take(limit, || Some(Difference { subject: "events".to_owned(), one, other }));
        }
        if self.totals != other.totals {
            found.take(limit, || {
                Difference::new(Some(&Row::Totals(self.totals)), Some(&Row::Totals(other.totals)))
            });
        }
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
                found.take(limit, || {
                    let [one, other] = [one, other].map(|table| {
                        let row = table.row(&key);
                        Row::unpack(&PackedRow { kind, key: &key, row: row.as_deref() }).ok()
                    });
                    Difference::new(one.as_ref(), other.as_ref())
                });
            }
        }
        found
    }
}

impl Differences {
    fn take(&mut self, limit: usize, describe: impl FnOnce() -> Option<Difference>) {
        self.count += 1;
        if self.first.len() < limit {
            self.first.extend(describe());
        }
    }
}

impl Difference {
    fn new(one: Option<&Row>, other: Option<&Row>) -> Option<Self> {
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

/// The row's fields, without the one that says of which kind it is.
fn fields(row: &Row) -> Map<String, Value> {
    match serde_json::to_value(row) {
        Ok(Value::Object(mut fields)) => {
            fields.remove("row");
            fields
        }
        _ => Map::new(),
    }
}
