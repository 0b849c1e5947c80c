//! The number of probes in each hour of the day, in UTC. The view converts to local time.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

use crate::event::Timestamp;

/// Hours of a day.
pub(super) const HOURS: usize = 24;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Probes by the hour of the day in UTC. Counts saturate.
///
/// It is written as pairs of an hour and its count, in order, without the hours that have none: most addresses have
/// one or two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HourHistogram([u32; HOURS]);

impl HourHistogram {
    /// The hour of the day in UTC, 0 to 23.
    pub(super) fn hour_of(time: Timestamp) -> u8 {
        time.as_micros().div_euclid(HOUR_MICROS).rem_euclid(HOURS as i64) as u8
    }

    #[cfg(test)]
    pub(super) fn add(&mut self, time: Timestamp) {
        let probes = &mut self.0[usize::from(Self::hour_of(time))];
        *probes = probes.saturating_add(1);
    }

    #[must_use]
    pub(super) fn merge(mut self, other: &Self) -> Self {
        for (probes, more) in self.0.iter_mut().zip(other.0) {
            *probes = probes.saturating_add(more);
        }
        self
    }

    /// The hour of the day in UTC, 0 to 23, with the most probes; of several the first.
    pub fn busiest(&self) -> Option<u8> {
        let most = *self.0.iter().max().filter(|most| **most > 0)?;
        self.0.iter().position(|probes| *probes == most).map(|hour| hour as u8)
    }

    fn hours_with_probes(&self) -> impl Iterator<Item = (u8, u32)> {
        (0..).zip(self.0).filter(|(_, probes)| *probes > 0)
    }
}

impl Serialize for HourHistogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut pairs = serializer.serialize_seq(Some(self.hours_with_probes().count()))?;
        self.hours_with_probes().try_for_each(|pair| pairs.serialize_element(&pair))?;
        pairs.end()
    }
}

impl<'de> Deserialize<'de> for HourHistogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = HourHistogram;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("pairs of an hour from 0 to 23 and its probes, in order")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<HourHistogram, A::Error> {
                let mut hours = HourHistogram::default();
                let mut next = 0;
                while let Some((hour, probes)) = pairs.next_element::<(u8, u32)>()? {
                    match hours.0.get_mut(usize::from(hour)) {
                        Some(count) if hour >= next && probes > 0 => *count = probes,
                        _ => return Err(A::Error::custom("its hours are not in order, each once")),
                    }
                    next = hour + 1;
                }
                Ok(hours)
            }
        }
        deserializer.deserialize_seq(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(micros: &[i64], json: &str, busiest: Option<u8>) {
        let mut hours = HourHistogram::default();
        micros.iter().for_each(|micros| hours.add(Timestamp::from_micros(*micros)));
        assert_eq!(serde_json::to_string(&hours).unwrap(), json);
        assert_eq!(serde_json::from_str::<HourHistogram>(json).unwrap(), hours);
        let packed = postcard::to_stdvec(&hours).unwrap();
        assert_eq!(postcard::from_bytes::<HourHistogram>(&packed).unwrap(), hours);
        assert_eq!(hours.busiest(), busiest);
    }

    #[test]
    fn writes_only_hours_with_probes() {
        check(&[], "[]", None);
        check(&[0], "[[0,1]]", Some(0));
        check(&[-1, HOUR_MICROS - 1, HOUR_MICROS, 25 * HOUR_MICROS], "[[0,1],[1,2],[23,1]]", Some(1));
    }

    #[test]
    fn rejects_invalid_histograms() {
        for json in ["[[24,1]]", "[[1,1],[1,1]]", "[[2,1],[1,1]]", "[[1,0]]", "[[1]]", "7"] {
            assert!(serde_json::from_str::<HourHistogram>(json).is_err(), "{json}");
        }
    }
}
