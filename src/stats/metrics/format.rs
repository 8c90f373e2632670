//! Prometheus' text format, version 0.0.4: for each metric its description and type, then its samples.

use std::fmt::Display;
use std::io::Write;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts up to bounds.
    Histogram,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A label of a sample.
pub(super) type Label<'a> = (&'static str, &'a dyn Display);

/// A page while it is written.
pub(super) struct Page<'a> {
    out: &'a mut Vec<u8>,
    name: &'static str,
}

impl<'a> Page<'a> {
    /// A page that is appended to `out`.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Page { out, name: "" }
    }

    /// Begins a metric. `help` is one line without backslashes.
    pub(super) fn metric(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        self.name = name;
        // writing to memory does not fail, here and below
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
        self
    }

    /// A counter with one sample.
    pub(super) fn counter(&mut self, name: &'static str, value: impl Display, help: &str) {
        self.metric(name, Kind::Counter, help).sample(&[], value);
    }

    /// A gauge with one sample.
    pub(super) fn gauge(&mut self, name: &'static str, value: impl Display, help: &str) {
        self.metric(name, Kind::Gauge, help).sample(&[], value);
    }

    /// A gauge with one sample, left out if there is none.
    pub(super) fn gauge_if_known(&mut self, name: &'static str, value: Option<impl Display>, help: &str) {
        if let Some(value) = value {
            self.gauge(name, value, help);
        }
    }

    /// A sample of the metric.
    pub(super) fn sample(&mut self, labels: &[Label<'_>], value: impl Display) -> &mut Self {
        self.part("", labels, value)
    }

    /// A sample whose name is the metric's with an ending.
    pub(super) fn part(&mut self, ending: &str, labels: &[Label<'_>], value: impl Display) -> &mut Self {
        let _ = write!(self.out, "{}{ending}", self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.out, "{before}{name}=\"{}\"", escaped(&value.to_string()));
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
        self
    }
}

/// The value of a label with what it may not have as it is.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_metrics() {
        let mut out = Vec::new();
        let mut page = Page::new(&mut out);
        page.counter("a_total", 1_u64, "Help.");
        page.metric("b", Kind::Gauge, "Help.").sample(&[("x", &"1\"\\\n"), ("y", &2)], 0.5).part("_sum", &[], 3);
        page.gauge_if_known("c", None::<u64>, "Help.");
        let text = "# HELP a_total Help.\n# TYPE a_total counter\na_total 1\n\
                    # HELP b Help.\n# TYPE b gauge\nb{x=\"1\\\"\\\\\\n\",y=\"2\"} 0.5\nb_sum 3\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
