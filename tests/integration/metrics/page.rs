//! A page of metrics, read.

use std::collections::BTreeSet;

use crate::harness::Tracker;

/// The samples of a page, in its order.
pub struct Page(Vec<Sample>);

struct Sample {
    name: String,
    /// As they stand between the braces.
    labels: String,
    value: f64,
}

impl Page {
    /// The page of a tracker. Every line of it must be a description, a type or a sample.
    #[track_caller]
    pub fn of(tracker: &Tracker) -> Page {
        let reply = tracker.get("/metrics");
        assert_eq!(reply.code(), 200);
        Page::read(&reply.text())
    }

    fn read(text: &str) -> Page {
        let sample = |line: &str| {
            let (key, value) = line.rsplit_once(' ')?;
            let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
            let labels = labels.strip_suffix('}')?.to_owned();
            Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
        };
        let lines = text.lines().filter(|line| !line.starts_with("# HELP ") && !line.starts_with("# TYPE "));
        Page(lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}"))).collect())
    }

    /// Whether there is such a metric.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|sample| sample.name == name)
    }

    /// All samples of a metric: labels and value.
    pub fn all(&self, name: &str) -> Vec<(String, f64)> {
        let samples = self.0.iter().filter(|sample| sample.name == name);
        samples.map(|sample| (sample.labels.clone(), sample.value)).collect()
    }

    /// The only sample of a metric without labels.
    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        self.at(name, &[])
    }

    /// The sample with these labels, in this order.
    #[track_caller]
    pub fn at(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let labels = labels.join(",");
        let found = self.0.iter().find(|sample| sample.name == name && sample.labels == labels);
        found.unwrap_or_else(|| panic!("no {name} with {labels:?}: {:?}", self.all(name))).value
    }

    /// The names of all samples.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.iter().map(|sample| sample.name.as_str()).collect()
    }

    /// The sum of the samples that a selector such as `name{label="value"}` selects.
    #[track_caller]
    pub fn sum_of(&self, selector: &str) -> f64 {
        let (name, wanted) = selector.split_once('{').unwrap_or((selector, "}"));
        let wanted: Vec<_> = wanted.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
        let selected = self.all(name).into_iter().filter(|(labels, _)| {
            let labels: Vec<_> = labels.split(',').collect();
            wanted.iter().all(|label| labels.contains(label))
        });
        let values: Vec<f64> = selected.map(|(_, value)| value).collect();
        assert!(!values.is_empty(), "nothing is selected by {selector}");
        values.iter().sum()
    }

    /// The sum of all samples of a metric, of which there must be some.
    #[track_caller]
    pub fn sum(&self, name: &str) -> f64 {
        assert!(self.has(name), "no {name}");
        self.all(name).iter().map(|(_, value)| value).sum()
    }
}

/// Where the UDP socket of a tracker is bound, which in builds for IPv6 is all addresses.
pub fn bound(tracker: &Tracker) -> String {
    let reached = tracker.udp_address();
    if tracker.build().v6() { format!("[::]:{}", reached.port()) } else { reached.to_string() }
}
