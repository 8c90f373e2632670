//! What is written for the metrics names none that is not there: the dashboard for Grafana, and the description.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::page::Page;
use crate::harness::{Tracker, built_with};

/// The dashboard.
pub fn dashboard() -> Value {
    serde_json::from_str(include_str!("../../../packaging/grafana-dashboard.json")).expect("the dashboard is JSON")
}

/// The queries of all panels.
pub fn queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect()
}

fn names_in(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(?:opentracker|process)_[a-z_]+").expect("a pattern");
    name.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

/// The metrics of all builds, by the source: no build has all of them.
fn all_metrics() -> BTreeSet<String> {
    let sources =
        [include_str!("../../../src/stats/metrics/mod.rs"), include_str!("../../../src/stats/metrics/server.rs")];
    let mut names = names_in(&sources.concat());
    for ending in ["_bucket", "_sum", "_count"] {
        names.insert(format!("opentracker_loop_turn_seconds{ending}"));
    }
    names
}

#[test]
fn every_metric_of_the_dashboard_is_there() {
    let (known, queries) = (all_metrics(), queries());
    assert!(queries.len() > 20, "{}", queries.len());
    let named = names_in(&queries.concat());
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_metric_is_described() {
    if !built_with("metrics") {
        return;
    }
    let page = Page::of(&Tracker::busy());
    let known = all_metrics();
    let description = include_str!("../../../features.md");
    for name in page.names() {
        assert!(known.contains(name), "{name}");
        let metric = ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
        let written = metric.strip_prefix("opentracker_").unwrap_or(metric);
        assert!(description.contains(&format!("`{written}`")), "{name}");
    }
}
