//! Metrics, and the text format in which Prometheus reads them (exposition format 0.0.4).
//!
//! Invariants:
//! - The number of label values is bounded: names of sources come from the configuration, all others from the code.
//! - A label value may contain anything; it never ends its line or its quotes.
//! - Counters start at 0 with the process, unless their help says otherwise.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The media type of a [`MetricsPage`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The upper bounds of histogram buckets, in seconds.
const BUCKET_BOUNDS: [f64; 12] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// The type of a family of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and starts at 0 with the process.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A page of metrics, written family by family.
#[derive(Debug, Default)]
pub struct MetricsPage(String);

impl MetricsPage {
    /// Starts a family. Its name is unique on the page; a counter's ends in `_total`.
    pub fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.header(name, kind, help);
        Family { page: self, name }
    }

    /// Writes durations as histograms, one for each value of `label`.
    pub fn histogram(&mut self, name: &'static str, help: &str, label: &'static str, timings: &Timings) {
        self.header(name, "histogram", help);
        for (kind, histogram) in lock(&timings.0).iter() {
            let mut cumulative = 0;
            for (bound, count) in BUCKET_BOUNDS.iter().zip(histogram.buckets) {
                cumulative += count;
                self.line(
                    format_args!("{name}_bucket"),
                    &[(label, kind), ("le", &bound.to_string())],
                    cumulative,
                );
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

    fn header(&mut self, name: &str, kind: &str, help: &str) {
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

/// The series with one name.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut MetricsPage,
    name: &'static str,
}

impl Family<'_> {
    /// Writes the series with these labels, which are unique in the family.
    pub fn series(&mut self, labels: &[(&'static str, &str)], value: impl fmt::Display) -> &mut Self {
        self.page.line(self.name, labels, value);
        self
    }
}

/// A label value as it is written between quotes.
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

/// Histograms of durations, by kind.
#[derive(Debug, Default)]
pub struct Timings(Mutex<BTreeMap<&'static str, Histogram>>);

#[derive(Debug, Default)]
struct Histogram {
    /// Counts by the next higher bound. Durations above the last bound are only in `count`.
    buckets: [u64; BUCKET_BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl Timings {
    /// Counts a duration of this kind.
    pub fn observe(&self, kind: &'static str, duration: Duration) {
        let mut timings = lock(&self.0);
        let histogram = timings.entry(kind).or_default();
        let bucket = BUCKET_BOUNDS.iter().position(|bound| duration.as_secs_f64() <= *bound);
        if let Some(count) = bucket.and_then(|bucket| histogram.buckets.get_mut(bucket)) {
            *count += 1;
        }
        histogram.count += 1;
        histogram.sum += duration;
    }

    /// Runs `work`, and counts its duration.
    pub fn time<T>(&self, kind: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let outcome = work();
        self.observe(kind, start.elapsed());
        outcome
    }
}

/// Counts by two labels.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<[&'static str; 2], u64>>);

impl Counts {
    /// Adds one.
    pub fn add(&self, labels: [&'static str; 2]) {
        *lock(&self.0).entry(labels).or_default() += 1;
    }

    /// Writes all counts as series of a family, with these label names.
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
    fn writes_a_family_with_its_header_and_one_line_per_series() {
        let mut page = MetricsPage::default();
        let mut family = page.family(Kind::Counter, "frames_total", "Frames captured.");
        family.series(&[("source", "a \"b\\c\"\nd"), ("cause", "x")], 7).series(&[], 0.5);
        let expected = "# HELP frames_total Frames captured.\n# TYPE frames_total counter\n\
                        frames_total{source=\"a \\\"b\\\\c\\\"\\nd\",cause=\"x\"} 7\nframes_total 0.5\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn histogram_buckets_are_cumulative() {
        let timings = Timings::default();
        for millis in [1, 2, 300, 61_000] {
            timings.observe("slow", Duration::from_millis(millis));
        }
        assert_eq!(timings.time("fast", || 3), 3);
        let mut page = MetricsPage::default();
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
    fn counts_are_kept_by_label() {
        let counts = Counts::default();
        for labels in [["sendMessage", "refused"], ["getUpdates", "later"], ["sendMessage", "refused"]] {
            counts.add(labels);
        }
        let mut page = MetricsPage::default();
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
