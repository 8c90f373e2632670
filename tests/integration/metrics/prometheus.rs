//! The tools of Prometheus itself: promtool checks the page, and a server scrapes it.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::dashboard::queries;
use crate::harness::http::{exchange, get_request};
use crate::harness::{SOON, Scratch, Tracker, built_with, percent, skipped, within};

/// Whether a program is there. If not, notes that.
fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").stderr(Stdio::null()).output().is_ok();
    if !is_there {
        skipped(&format!("needs {program}"));
    }
    is_there
}

#[test]
fn promtool_finds_nothing_wrong() {
    if !built_with("metrics") || !is_installed("promtool") {
        return;
    }
    let page = Tracker::busy().get("/metrics");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    promtool.stdin.take().expect("its input").write_all(page.body()).expect("it reads");
    let output = promtool.wait_with_output().expect("its end");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert_eq!((output.status.code(), said), (Some(0), [String::new(), String::new()]));
}

/// A Prometheus that scrapes one tracker, ended when the value is dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    scratch: Scratch,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn scraping(tracker: &Tracker) -> Prometheus {
        let scratch = Scratch::new();
        let config = format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n  - job_name: opentracker\n    \
             static_configs:\n      - targets: ['{}']\n",
            tracker.tcp_address()
        );
        scratch.write("prometheus.yml", config.as_bytes());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let path = scratch.path().display();
        let log = std::fs::File::create(scratch.path().join("log")).expect("a file for its log");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={path}/prometheus.yml"))
            .arg(format!("--storage.tsdb.path={path}/data"))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("prometheus");
        Prometheus { child, address, scratch }
    }

    /// The answer to a query. `None`: there is none.
    fn answer(&self, query: &str) -> Option<String> {
        let request = get_request(&format!("/api/v1/query?query={}", percent(query.as_bytes())));
        Some(exchange(self.address, None, &request, Duration::from_secs(5)).ok()?.text())
    }

    /// The value of a query that yields one. `None`: there is none, or Prometheus does not answer.
    fn value(&self, query: &str) -> Option<String> {
        let text = self.answer(query)?;
        // the document ends with "value":[TIME,"VALUE"]}]}}
        let (_, value) = text.split_once("\"value\":[")?.1.split_once(",\"")?;
        value.split_once('"').map(|(value, _)| value.to_owned())
    }
}

#[test]
fn prometheus_scrapes_it() {
    if !built_with("metrics") || !is_installed("prometheus") {
        return;
    }
    let tracker = Tracker::busy();
    let prometheus = Prometheus::scraping(&tracker);
    let up = within(2 * SOON, || prometheus.value("up").filter(|value| value == "1"));
    let log = || std::fs::read_to_string(prometheus.scratch.path().join("log")).unwrap_or_default();
    assert!(up.is_some(), "{}", log());
    for (query, value) in [
        ("opentracker_torrents", "5"),
        ("sum(opentracker_peers)", "6"),
        ("sum(opentracker_announces_total)", "7"),
        ("count(opentracker_build_info)", "1"),
        ("opentracker_loop_turn_seconds_bucket{le=\"+Inf\"}>bool(0)", "1"),
    ] {
        // a scrape may come late on a busy machine, and there is no value until the next one
        let found = within(SOON, || prometheus.value(query).filter(|found| found == value));
        assert!(found.is_some(), "{query}: {:?}, {}", prometheus.answer(query), log());
    }
    for query in queries() {
        let instance = tracker.tcp_address().to_string();
        let filled =
            query.replace("$__rate_interval", "1m").replace("$job", "opentracker").replace("$instance", &instance);
        let answer = prometheus.answer(&filled).unwrap_or_default();
        assert!(answer.starts_with("{\"status\":\"success\""), "{query}: {answer}");
    }
}
