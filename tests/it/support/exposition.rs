//! A strict parser of Prometheus's text format 0.0.4. An error names the malformed line.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// A well-formed page.
#[derive(Debug)]
pub struct Exposition {
    series: BTreeMap<(String, Labels), f64>,
    kinds: BTreeMap<String, String>,
}

impl Exposition {
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        let mut page = Self { series: BTreeMap::new(), kinds: BTreeMap::new() };
        let (mut helped, mut family) = (BTreeSet::new(), String::new());
        for line in text.lines() {
            let wrong = |why: &str| Err(format!("{why}: {line}"));
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let Some((name, help)) = rest.split_once(' ') else { return wrong("no help") };
                if help.is_empty() || !is_name(name) || !helped.insert(name.to_owned()) {
                    return wrong("a bad or second HELP");
                }
                family = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let Some((name, kind)) = rest.split_once(' ') else { return wrong("no type") };
                if name != family || !["counter", "gauge", "histogram"].contains(&kind) {
                    return wrong("a TYPE that does not fit");
                }
                if (kind == "counter") != name.ends_with("_total") {
                    return wrong("counters alone end in _total");
                }
                if page.kinds.insert(name.to_owned(), kind.to_owned()).is_some() {
                    return wrong("a second TYPE");
                }
            } else {
                let (name, labels, value) = sample(line).ok_or(format!("no sample: {line}"))?;
                let parts: &[&str] = match page.kinds.get(&family).map(String::as_str) {
                    Some("histogram") => &["_bucket", "_sum", "_count"],
                    Some(_) => &[""],
                    None => return wrong("a sample before its TYPE"),
                };
                if !parts.iter().any(|part| name == format!("{family}{part}")) {
                    return wrong("a sample of another family");
                }
                if page.series.insert((name, labels), value).is_some() {
                    return wrong("a series twice");
                }
            }
        }
        page.check_histograms()?;
        Ok(page)
    }

    /// The value of a series. Panics if there is none.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} {labels:?} in {self:#?}"))
    }

    /// The value of a series, if there is one.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        self.series.get(&(name.to_owned(), labels)).copied()
    }

    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    fn check_histograms(&self) -> Result<(), String> {
        let counts = self.series.iter().filter_map(|((name, labels), count)| {
            let family = name.strip_suffix("_count")?;
            (self.kinds.get(family)? == "histogram").then_some((family, labels, *count))
        });
        for (family, labels, count) in counts {
            let mut buckets: Vec<(f64, f64)> = self
                .series
                .iter()
                .filter(|((name, _), _)| *name == format!("{family}_bucket"))
                .filter_map(|((_, with_bound), below)| {
                    let mut without = with_bound.clone();
                    let bound = without.remove("le")?.parse().ok()?;
                    (without == *labels).then_some((bound, *below))
                })
                .collect();
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            let grows = buckets.is_sorted_by(|one, other| one.1 <= other.1);
            if !grows || buckets.last() != Some(&(f64::INFINITY, count)) {
                return Err(format!("the buckets of {family} {labels:?} do not fit {count}: {buckets:?}"));
            }
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The name, the labels and the value of a line.
fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let (text, after) = quoted(after)?;
            if !is_name(label) || labels.insert(label.to_owned(), text).is_some() {
                return None;
            }
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}')?;
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ')?;
    is_name(name).then_some((name.to_owned(), labels, value.parse().ok()?))
}

/// The text before the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut read, mut chars) = (String::new(), text.char_indices());
    loop {
        match chars.next()? {
            (at, '"') => return Some((read, &text[at + 1..])),
            (_, '\\') => read.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            (_, c) => read.push(c),
        }
    }
}

#[test]
fn rejects_malformed_pages() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    let page = Exposition::parse(&format!("{head}a_total{{l=\"\\\"\\\\\\n,}}\"}} 3\n")).unwrap();
    assert_eq!(page.value("a_total", &[("l", "\"\\\n,}")]), 3.0);
    let histogram = "# HELP h H.\n# TYPE h histogram\n";
    for bad in [
        "a_total 3\n".to_owned(),
        format!("{head}a_total 3"),
        format!("{head}a_total 3\na_total 4\n"),
        format!("{head}{head}"),
        format!("{head}b_total 3\n"),
        format!("{head}a_total{{l=\"a\"b\"}} 3\n"),
        format!("{head}a_total{{l=\"a\\x\"}} 3\n"),
        format!("{head}a_total{{l=\"1\",l=\"2\"}} 3\n"),
        format!("{head}a_total three\n"),
        "# HELP a A.\n# TYPE a counter\n".to_owned(),
        format!("{histogram}h_bucket{{le=\"1\"}} 3\nh_bucket{{le=\"+Inf\"}} 2\nh_sum 1\nh_count 2\n"),
        format!("{histogram}h_bucket{{le=\"1\"}} 1\nh_sum 1\nh_count 1\n"),
    ] {
        assert!(Exposition::parse(&bad).is_err(), "{bad}");
    }
}
