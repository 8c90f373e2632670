//! What programs read that watch the original: two exporters for Prometheus that query `stats?mode=everything`, and a plugin of Munin. Their
//! queries find numbers here, and the metrics that stand for them in `features.md` have the same ones.

use std::collections::BTreeMap;
use std::process::Command;

use crate::harness::udp::Announce;
use crate::harness::{Starter, Tracker, built_with, hash, percent, skipped};
use crate::metrics::page::Page;

/// XPath queries of sbruder's exporter, from the root element, and PromQL for the same number.
const QUERIES: &[(&str, &str)] = &[
    ("torrents/count_mutex", "opentracker_torrents"),
    ("peers/count", "opentracker_peers"),
    ("seeds/count", "opentracker_seeders"),
    ("completed/count", "opentracker_downloads_completed_total"),
    ("connections/tcp/accept", "opentracker_http_connections_total"),
    ("connections/tcp/announce", "opentracker_announces_total{protocol=\"http\"}"),
    ("connections/tcp/scrape", "opentracker_scrapes_total{protocol=\"http\"}"),
    ("connections/udp/overall", "opentracker_udp_datagrams_total"),
    ("connections/udp/connect", "opentracker_udp_connects_total"),
    ("connections/udp/announce", "opentracker_announces_total{protocol=\"udp\"}"),
    ("connections/udp/scrape", "opentracker_scrapes_total{protocol=\"udp\"}"),
    ("connections/udp/missmatch", "opentracker_refused_total{protocol=\"udp\",reason=\"connection_id\"}"),
    ("connections/livesync/count", "opentracker_livesync_records_total{direction=\"in\"}"),
];

/// Elements that Kloenk's exporter takes for the inner ones; any other is an outer one.
const INNER: &[&str] = &["count", "accept", "announce", "scrape", "overall", "connect", "missmatch"];

/// The pairs of an outer and an inner element whose text it reads.
const PAIRS: &[(&str, &str)] = &[
    ("peers", "count"),
    ("seeds", "count"),
    ("completed", "count"),
    ("mutex_stall", "count"),
    ("tcp", "accept"),
    ("tcp", "announce"),
    ("tcp", "scrape"),
    ("udp", "overall"),
    ("udp", "connect"),
    ("udp", "announce"),
    ("udp", "scrape"),
    ("udp", "missmatch"),
    ("http_error", "count"),
];

/// A tracker with different numbers everywhere.
fn tracker() -> Tracker {
    let tracker = Starter::new().allow((0..10).map(hash)).start();
    let mut udp = tracker.udp();
    for n in 0..7 {
        udp.announce(&Announce { left: n % 3, event: 1, ..Announce::new(hash(n), 1) });
    }
    (0..3).for_each(|_| drop(udp.scrape(&[hash(1)])));
    udp.exchange(&Announce::new(hash(1), 1).packet(1), crate::harness::SOON);
    for port in [5, 6] {
        tracker.get(&format!("/announce?info_hash={}&port={port}", percent(&hash(2))));
    }
    tracker.get(&format!("/scrape?info_hash={}", percent(&hash(2))));
    tracker.get("/nowhere");
    tracker
}

/// Evaluates an XPath expression with libxml2, the library of the exporter in Python.
fn xpath(document: &std::path::Path, expression: &str) -> String {
    let output = Command::new("xmllint").args(["--xpath", expression]).arg(document).output().expect("xmllint");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{expression}: {error}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn queries_of_exporters_find_numbers() {
    if Command::new("xmllint").arg("--version").output().is_err() {
        return skipped("needs xmllint");
    }
    let tracker = tracker();
    let file = tracker.scratch().path().join("everything.xml");
    std::fs::write(&file, tracker.get("/stats?mode=everything").body()).expect("the document is kept");
    let number = |query: &str| {
        let text = xpath(&file, &format!("string(/stats/{query}/text())"));
        text.parse::<u64>().unwrap_or_else(|_| panic!("{query}: {text}"))
    };
    for (query, _) in QUERIES.iter().copied().chain([("uptime", ""), ("debug/mutex_stall/count", "")]) {
        number(query);
    }
    assert_eq!(xpath(&file, "count(/stats/debug/renew/count[@interval])"), "45");
    assert_eq!(xpath(&file, "count(/stats/debug/http_error/count[@code])"), "9");
    assert_eq!(xpath(&file, "string(/stats/debug/http_error/count[@code='404 Not found'])"), "1");
    assert_eq!(
        [number("peers/count"), number("connections/udp/announce"), number("connections/tcp/announce")],
        [9, 7, 2]
    );
}

#[test]
fn an_exporter_that_reads_element_by_element_finds_its_pairs() {
    let page = tracker().get("/stats?mode=everything").text();
    let document = roxmltree::Document::parse(&page).expect("XML");
    let (mut outer, mut inner) = ("", "");
    let mut found = BTreeMap::new();
    for node in document.descendants().filter(|node| node.is_element() || node.is_text()) {
        if node.is_element() {
            let name = node.tag_name().name();
            *if INNER.contains(&name) { &mut inner } else { &mut outer } = name;
        } else if let Some(text) = node.text().filter(|text| !text.trim().is_empty()) {
            found.insert((outer, inner), text.to_owned());
        }
    }
    let number = |pair: (&str, &str)| found.get(&pair).and_then(|text| text.parse::<u64>().ok());
    for pair in PAIRS {
        assert!(number(*pair).is_some(), "{pair:?} in {found:?}");
    }
    assert_eq!((number(("peers", "count")), number(("udp", "announce"))), (Some(9), Some(7)));
    for outer in ["tracker_id", "uptime", "count_mutex", "count_iterator"] {
        let text = found.iter().find(|((name, _), _)| *name == outer).map(|(_, text)| text);
        assert!(text.is_some_and(|text| text.parse::<u64>().is_ok()), "{outer} in {found:?}");
    }
}

#[test]
fn the_plugin_of_munin_finds_its_three_numbers() {
    let page = tracker().get("/stats").text();
    let mut lines = page.lines();
    let mut number = || lines.next().map(str::to_owned).unwrap_or_default();
    let (peers, seeders, torrents) = (number(), number(), number());
    let torrents = torrents.split_ascii_whitespace().nth(2).map(str::to_owned);
    assert_eq!((peers.as_str(), seeders.as_str(), torrents.as_deref()), ("9", "3", Some("7")));
}

#[test]
fn metrics_have_the_numbers_of_the_queries_that_they_stand_for() {
    if !built_with("metrics") {
        return;
    }
    let tracker = tracker();
    let everything = tracker.get("/stats?mode=everything").text();
    let document = roxmltree::Document::parse(&everything).expect("XML");
    let page = Page::of(&tracker);
    let table = include_str!("../../features.md");
    for (query, promql) in QUERIES {
        if query.contains("livesync") && !tracker.build().has("sync-live") {
            continue;
        }
        let node = query.split('/').fold(document.root_element(), |node, name| {
            node.children().find(|child| child.has_tag_name(name)).unwrap_or_else(|| panic!("{query}"))
        });
        // the page of metrics is itself one connection later
        let later = f64::from(u8::from(query.ends_with("accept")));
        let number = node.text().and_then(|text| text.parse::<f64>().ok()).expect("a number");
        assert_eq!(page.sum_of(promql), number + later, "{query}");
        assert!(table.contains(promql), "{promql} is in no table");
    }
}
