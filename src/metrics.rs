//! What is counted and timed for Prometheus, and the text in which it reads that (its exposition format 0.0.4).
//!
//! What must hold:
//! - What varies in a label is bounded: the names of sources come from the configuration, all else from the code.
//! - A label's value may hold anything; it never ends its line or its quotes.
//! - Counts begin at 0 with the process unless their help says otherwise.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The media type of a [`Page`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The upper bounds of the buckets into which durations are sorted, in seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// What a family of series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and begins anew with the process.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A page of metrics, written family by family.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins the family of this name, which stands on the page once; a counter's name ends in `_total`.
    pub fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.head(name, kind, help);
        Family { page: self, name }
    }

    /// Writes durations as a histogram, a series for each value of `label`.
    pub fn histogram(&mut self, name: &'static str, help: &str, label: &'static str, timings: &Timings) {
        self.head(name, "histogram", help);
        for (kind, histogram) in lock(&timings.0).iter() {
            let mut below = 0;
            for (bound, count) in BUCKETS.iter().zip(histogram.buckets) {
                below += count;
                self.line(format_args!("{name}_bucket"), &[(label, kind), ("le", &bound.to_string())], below);
            }
            self.line(format_args!("{name}_bucket"), &[(label, kind), ("le", "+Inf")], histogram.count);
            self.line(format_args!("{name}_sum"), &[(label, kind)], histogram.sum.as_secs_f64());
            self.line(format_args!("{name}_count"), &[(label, kind)], histogram.count);
        }
    }

    /// The text of the page.
    pub fn into_text(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: impl fmt::Display, labels: &[(&str, &str)], value: impl fmt::Display) {
        let _ = write!(self.0, "{name}");
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, Escaped(text));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// The series of one name.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Family<'_> {
    /// Writes the series with these labels, which are no other's of the family.
    pub fn series(&mut self, labels: &[(&'static str, &str)], value: impl fmt::Display) -> &mut Self {
        self.page.line(self.name, labels, value);
        self
    }
}

/// A label's value as it stands between its quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

/// How long things of several kinds took.
#[derive(Debug, Default)]
pub struct Timings(Mutex<BTreeMap<&'static str, Histogram>>);

#[derive(Debug, Default)]
struct Histogram {
    /// By the bound that is next above; what is beyond the last stands in `count` alone.
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: Duration,
}

impl Timings {
    /// Counts one of this kind that took so long.
    pub fn observe(&self, kind: &'static str, took: Duration) {
        let mut timings = lock(&self.0);
        let histogram = timings.entry(kind).or_default();
        let place = BUCKETS.iter().position(|bound| took.as_secs_f64() <= *bound);
        if let Some(count) = place.and_then(|place| histogram.buckets.get_mut(place)) {
            *count += 1;
        }
        histogram.count += 1;
        histogram.sum += took;
    }

    /// Does this, and counts how long it took.
    pub fn time<T>(&self, kind: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let outcome = work();
        self.observe(kind, start.elapsed());
        outcome
    }
}

/// How often something happened, by two labels.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<[&'static str; 2], u64>>);

impl Counts {
    /// Counts once.
    pub fn add(&self, labels: [&'static str; 2]) {
        *lock(&self.0).entry(labels).or_default() += 1;
    }

    /// Writes all counts into a family with labels of these names.
    pub fn write(&self, names: [&'static str; 2], family: &mut Family<'_>) {
        for ([one, other], count) in lock(&self.0).iter() {
            family.series(&[(names[0], one), (names[1], other)], count);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_head_and_a_line_a_series() {
        let mut page = Page::default();
        let mut family = page.family(Kind::Counter, "frames_total", "Frames captured.");
        family.series(&[("source", "a \"b\\c\"\nd"), ("cause", "x")], 7).series(&[], 0.5);
        let expected = "# HELP frames_total Frames captured.\n# TYPE frames_total counter\n\
                        frames_total{source=\"a \\\"b\\\\c\\\"\\nd\",cause=\"x\"} 7\nframes_total 0.5\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_histogram_counts_what_is_at_most_its_bounds() {
        let timings = Timings::default();
        for millis in [1, 2, 300, 61_000] {
            timings.observe("slow", Duration::from_millis(millis));
        }
        assert_eq!(timings.time("fast", || 3), 3);
        let mut page = Page::default();
        page.histogram("took_seconds", "How long.", "kind", &timings);
        let text = page.into_text();
        let value = |rest: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("took_seconds_{rest} ")));
            line.unwrap_or_else(|| panic!("{rest} in\n{text}")).to_owned()
        };
        let at_most = ["0.0005", "0.001", "0.005", "0.25", "0.5", "60", "+Inf"]
            .map(|bound| value(&format!("bucket{{kind=\"slow\",le=\"{bound}\"}}")));
        assert_eq!(at_most, ["0", "1", "2", "2", "3", "3", "4"]);
        assert_eq!(value("count{kind=\"slow\"}"), "4");
        assert_eq!(value("sum{kind=\"slow\"}"), "61.303");
        assert_eq!(value("count{kind=\"fast\"}"), "1");
    }

    #[test]
    fn counts_stand_by_their_labels() {
        let counts = Counts::default();
        for labels in [["sendMessage", "refused"], ["getUpdates", "later"], ["sendMessage", "refused"]] {
            counts.add(labels);
        }
        let mut page = Page::default();
        counts.write(["method", "reason"], &mut page.family(Kind::Counter, "errors_total", "Errors."));
        let text = page.into_text();
        let series: Vec<&str> = text.lines().skip(2).collect();
        let expected = [
            "errors_total{method=\"getUpdates\",reason=\"later\"} 1",
            "errors_total{method=\"sendMessage\",reason=\"refused\"} 2",
        ];
        assert_eq!(series, expected);
    }
}
