//! Finds the time zone that somebody means.

use chrono::Offset as _;
use chrono_tz::{TZ_VARIANTS, Tz};
use store::event::Timestamp;

use crate::suggest::{MIN_SIMILARITY, similar_by, similarity};

/// Zones that are suggested at a time.
const SUGGESTIONS: usize = 4;

/// Zones beside the guess that are offered.
const NEIGHBOURS: usize = 5;

/// One zone for each part of the world that keeps a time of its own, with the city that most people know.
const WELL_KNOWN: [Tz; 27] = [
    Tz::Pacific__Honolulu,
    Tz::America__Anchorage,
    Tz::America__Los_Angeles,
    Tz::America__Denver,
    Tz::America__Chicago,
    Tz::America__New_York,
    Tz::America__Halifax,
    Tz::America__Sao_Paulo,
    Tz::Atlantic__Azores,
    Tz::UTC,
    Tz::Europe__London,
    Tz::Africa__Lagos,
    Tz::Europe__Berlin,
    Tz::Europe__Athens,
    Tz::Africa__Johannesburg,
    Tz::Europe__Istanbul,
    Tz::Europe__Moscow,
    Tz::Asia__Tehran,
    Tz::Asia__Dubai,
    Tz::Asia__Karachi,
    Tz::Asia__Kolkata,
    Tz::Asia__Dhaka,
    Tz::Asia__Bangkok,
    Tz::Asia__Shanghai,
    Tz::Asia__Tokyo,
    Tz::Australia__Sydney,
    Tz::Pacific__Auckland,
];

/// The zone that a text names: by its IANA name or by its city, in upper or lower case.
///
/// # Errors
/// Zones with similar names, the most similar first; none if nothing is similar.
pub fn find(text: &str) -> Result<Tz, Vec<Tz>> {
    let wanted: Vec<String> = text.split('/').map(|part| folded(part.trim())).collect();
    let wanted = wanted.join("/");
    let is_named = |zone: &&Tz| folded(zone.name()) == wanted;
    let of_city = || TZ_VARIANTS.iter().find(|zone| city(**zone) == wanted);
    if let Some(zone) = TZ_VARIANTS.iter().find(is_named).or_else(of_city) {
        return Ok(*zone);
    }
    let likeness = |zone: Tz| similarity(&folded(zone.name()), &wanted).max(similarity(&city(zone), &wanted));
    // Several names of one place are one suggestion.
    let mut found: Vec<Tz> = Vec::new();
    for zone in similar_by(TZ_VARIANTS, MIN_SIMILARITY, likeness) {
        if found.len() < SUGGESTIONS && !found.iter().any(|known| city(*known) == city(zone)) {
            found.push(zone);
        }
    }
    Err(found)
}

/// The guess, and behind it well-known zones: those of its continent whose clocks show about the same time, then others.
pub fn near(guess: Tz, now: Timestamp) -> Vec<Tz> {
    let offset = |zone: Tz| now.to_utc().with_timezone(&zone).offset().fix().local_minus_utc();
    let distance = |zone: Tz| (offset(zone) - offset(guess)).unsigned_abs();
    let mut others: Vec<Tz> = WELL_KNOWN.into_iter().filter(|zone| *zone != guess).collect();
    let is_elsewhere = |zone: Tz| continent(zone) != continent(guess);
    others.sort_by_key(|zone| (is_elsewhere(*zone), distance(*zone)));
    others.truncate(NEIGHBOURS);
    // From west to east, as on a map.
    others.sort_by_key(|zone| offset(*zone));
    [guess].into_iter().chain(others).collect()
}

fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join("_").to_lowercase()
}

/// The first part of a zone's name.
fn continent(zone: Tz) -> &'static str {
    zone.name().split('/').next().unwrap_or_default()
}

/// The last part of a zone's name.
fn city(zone: Tz) -> String {
    folded(zone.name().rsplit('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_zones_as_people_write_them() {
        for (text, zone) in [
            ("Europe/Berlin", Tz::Europe__Berlin),
            (" europe / berlin ", Tz::Europe__Berlin),
            ("Berlin", Tz::Europe__Berlin),
            ("new york", Tz::America__New_York),
            ("America/New York", Tz::America__New_York),
            ("utc", Tz::UTC),
            ("Kolkata", Tz::Asia__Kolkata),
        ] {
            assert_eq!(find(text), Ok(zone), "{text}");
        }
    }

    #[test]
    fn suggests_what_is_similar() {
        for (text, first) in [("Europe/Berlim", Tz::Europe__Berlin), ("Tokio", Tz::Asia__Tokyo)] {
            let similar = find(text).unwrap_err();
            assert_eq!(similar.first(), Some(&first), "{text}");
            assert!(similar.len() <= SUGGESTIONS);
        }
        for text in ["", "?", "12345", "Ünbekannt\u{0}"] {
            assert_eq!(find(text), Err(Vec::new()), "{text}");
        }
    }

    #[test]
    fn offers_the_guess_and_its_neighbours() {
        let winter = Timestamp::from_micros(1_768_080_600_000_000);
        let names: Vec<&str> = near(Tz::Europe__Vienna, winter).iter().map(|zone| zone.name()).collect();
        assert_eq!(
            names,
            [
                "Europe/Vienna",
                "Europe/London",
                "Europe/Berlin",
                "Europe/Athens",
                "Europe/Istanbul",
                "Europe/Moscow"
            ]
        );
        assert_eq!(near(Tz::UTC, winter).len(), 1 + NEIGHBOURS);
    }
}
