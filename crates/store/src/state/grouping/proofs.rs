//! What proves that a group is several phones, hour by hour.
//!
//! - What was proven about an hour stays said about that hour, whatever is proven about others. A row for each hour and
//!   number of phones has the minutes of the proofs, so the order in which they come does not matter.
//! - A group keeps the latest [`ROWS_PER_GROUP`] rows. What is forgotten makes counts smaller, never greater.

use serde::{Deserialize, Serialize};

use super::group::Phones;
use super::seen_times::Span;
use crate::event::Timestamp;
use crate::state::hour::Hour;

/// Rows of one group: three weeks of hours if one number of phones was proven in each.
pub(super) const ROWS_PER_GROUP: usize = 512;

/// How many minutes before and after its own a proof holds: less than 120 seconds.
const HOLDS_MINUTES: i64 = 1;

/// All proofs of a group, in the order of their hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Proofs(Vec<Row>);

/// The proofs of so many phones in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    /// The time of the latest.
    #[serde(alias = "time")]
    last: Timestamp,
    phones: u32,
    /// Whether none of the phones can be of a group that is another phone.
    is_own: bool,
    /// A bit for each minute of the hour with a proof; earlier versions kept only the latest proof.
    #[serde(default)]
    minutes: u64,
}

impl Row {
    fn new(time: Timestamp, phones: u32, is_own: bool) -> Self {
        let row = Self { last: time, phones, is_own, minutes: 0 };
        Self { minutes: row.bit(time.minute()), ..row }
    }

    fn hour(&self) -> Hour {
        Hour::of(self.last)
    }

    fn key(&self) -> (Hour, u32, bool) {
        (self.hour(), self.phones, self.is_own)
    }

    fn first_minute(&self) -> i64 {
        self.hour().start().minute()
    }

    /// The bit of a minute; 0 if that is of another hour.
    fn bit(&self, minute: i64) -> u64 {
        match minute.saturating_sub(self.first_minute()) {
            place @ 0..60 => 1 << place,
            _ => 0,
        }
    }

    fn phones(&self) -> Phones {
        Phones { any: self.phones, own: if self.is_own { self.phones } else { 1 } }
    }

    /// The bits of all minutes with a proof.
    fn proven(&self) -> u64 {
        self.minutes | self.bit(self.last.minute())
    }

    fn holds_at(&self, time: Timestamp) -> bool {
        let near = -HOLDS_MINUTES..=HOLDS_MINUTES;
        near.map(|step| self.bit(time.minute().saturating_add(step))).any(|bit| self.proven() & bit != 0)
    }

    /// The proofs of these minutes, if there are any. Of the latest the minute is certain.
    fn only(&self, minutes: u64) -> Option<Self> {
        let minutes = self.proven() & minutes;
        let latest = i64::from(minutes.checked_ilog2()?).saturating_add(self.first_minute());
        let last = match latest == self.last.minute() {
            true => self.last,
            false => Timestamp::from_micros(latest.saturating_mul(Timestamp::MINUTE_MICROS)),
        };
        Some(Self { last, minutes, ..*self })
    }
}

impl Proofs {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a proof.
    pub(super) fn add(&mut self, time: Timestamp, phones: u32, is_own: bool) {
        self.insert(Row::new(time, phones, is_own));
    }

    fn insert(&mut self, row: Row) {
        match self.0.binary_search_by_key(&row.key(), Row::key) {
            Ok(place) => {
                if let Some(known) = self.0.get_mut(place) {
                    known.minutes = known.proven() | row.proven();
                    known.last = known.last.max(row.last);
                }
            }
            Err(place) => {
                self.0.insert(place, row);
                if self.0.len() > ROWS_PER_GROUP {
                    self.0.remove(0);
                }
            }
        }
    }

    /// What the proofs around this time prove.
    pub(super) fn at(&self, time: Timestamp) -> Phones {
        let hour = Hour::of(time);
        let near = self.of_hours(hour.plus(-1), hour.plus(1));
        Phones::proven_by(near.filter(|row| row.holds_at(time)).map(Row::phones))
    }

    /// What the proofs since then prove.
    pub(super) fn since(&self, since: Timestamp) -> Phones {
        let later = self.of_hours(Hour::of(since), Hour::of(Timestamp::from_micros(i64::MAX)));
        Phones::proven_by(later.filter(|row| row.last >= since).map(Row::phones))
    }

    /// What the proofs in this hour prove.
    pub(super) fn in_hour(&self, hour: Hour) -> Phones {
        Phones::proven_by(self.of_hours(hour, hour).map(Row::phones))
    }

    /// The hours with proofs from this one on, in order.
    pub(super) fn hours(&self, first: Hour) -> impl Iterator<Item = Hour> {
        self.of_hours(first, Hour::of(Timestamp::from_micros(i64::MAX))).map(Row::hour)
    }

    /// What all proofs prove.
    pub(super) fn all(&self) -> Phones {
        Phones::proven_by(self.0.iter().map(Row::phones))
    }

    fn of_hours(&self, from: Hour, to: Hour) -> impl Iterator<Item = &Row> {
        let first = self.0.partition_point(|row| row.hour() < from);
        self.0.iter().skip(first).take_while(move |row| row.hour() <= to)
    }

    /// One of the phones is known to be another, which was here then: what proved several in these minutes proves one less.
    /// What was proven before and after stands, but one of those phones may be the other one too.
    pub(super) fn lower(&mut self, span: Span) {
        let (first, last) = (span.first.minute(), span.last.minute());
        for row in std::mem::take(&mut self.0) {
            let in_span = (0..60)
                .filter(|place| (first..=last).contains(&row.first_minute().saturating_add(*place)))
                .fold(0, |minutes, place| minutes | 1 << place);
            let one_less = Row { phones: row.phones - 1, ..row };
            let one_less = (row.phones > 2).then_some(one_less);
            let others = row.only(!in_span).map(|row| Row { is_own: false, ..row });
            let lower = one_less.and_then(|row| row.only(if row.is_own { u64::MAX } else { in_span }));
            others.into_iter().chain(lower).for_each(|row| self.insert(row));
        }
    }

    /// Forgets the rows of which nothing was proven after this time. Returns how many.
    pub(super) fn forget_until(&mut self, time: Timestamp) -> usize {
        let before = self.0.len();
        self.0.retain(|row| row.last > time);
        before - self.0.len()
    }

    /// The time of the latest proof of each row.
    pub(super) fn times(&self) -> impl Iterator<Item = Timestamp> {
        self.0.iter().map(|row| row.last)
    }
}
