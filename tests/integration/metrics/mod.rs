//! The figures for programs that collect them (`metrics`): `GET /metrics` as its bytes are, as promtool reads it, and as a real Prometheus
//! scrapes it; and the same as JSON.

mod dashboard;
mod json;
pub mod page;
mod prometheus;

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::udp::{Announce, header};
use crate::harness::{self, SOON, Starter, Tracker, built_with, clock_or_skip, eventually, hash, root_or_skip};
use page::Page;

/// What a Prometheus accepts (its exposition formats, text format 0.0.4).
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

fn tracker() -> Tracker {
    Starter::new().allow((0..10).map(hash)).start()
}

/// The family of the address that the harness asks from, as the label has it.
fn family(tracker: &Tracker) -> &'static str {
    if tracker.client_address().is_ipv4() { "ipv4" } else { "ipv6" }
}

#[test]
fn the_page_counts_what_happened() {
    if !built_with("metrics") {
        return;
    }
    let tracker = Tracker::busy();
    let page = Page::of(&tracker);
    assert_eq!(page.number("opentracker_torrents"), 5.0);
    assert_eq!(page.sum("opentracker_peers"), 6.0);
    assert_eq!(page.sum("opentracker_seeders"), 3.0);
    assert_eq!(page.number("opentracker_downloads_completed_total"), 3.0);
    let family = family(&tracker);
    for (metric, protocol, count) in [
        ("opentracker_announces_total", "udp", 6.0),
        ("opentracker_announces_total", "http", 1.0),
        ("opentracker_scrapes_total", "udp", 1.0),
        ("opentracker_scrapes_total", "http", 1.0),
    ] {
        assert_eq!(page.at(metric, &[("protocol", protocol), ("family", family)]), count, "{metric} {protocol}");
    }
    // one connect of the harness, one of the client
    assert_eq!(page.at("opentracker_udp_connects_total", &[("family", family)]), 2.0);
    assert_eq!(page.at("opentracker_udp_datagrams_total", &[("family", family)]), 9.0);
    assert_eq!(page.at("opentracker_http_connections_total", &[("family", family)]), 5.0);
    assert_eq!(page.at("opentracker_http_errors_total", &[("code", "400")]), 1.0);
    assert_eq!(page.at("opentracker_http_errors_total", &[("code", "404")]), 1.0);
    assert_eq!(page.at("opentracker_renewals_total", &[("minutes", "0")]), 1.0);
    assert!(page.number("opentracker_state_bytes") > 0.0);
    let other = if family == "ipv4" { "ipv6" } else { "ipv4" };
    assert_eq!(page.at("opentracker_announces_total", &[("protocol", "udp"), ("family", other)]), 0.0);
}

#[test]
fn the_page_has_the_head_that_prometheus_wants() {
    if !built_with("metrics") {
        return;
    }
    let tracker = tracker();
    let reply = tracker.get("/metrics");
    let head = reply.head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Type: {MEDIA_TYPE}\r\n")), "{head}");
    assert!(reply.is_whole(), "{head}");
}

#[test]
fn refusals_are_counted_by_reason() {
    if !built_with("metrics") {
        return;
    }
    let tracker = tracker();
    let mut udp = tracker.udp();
    udp.announce(&Announce::new(hash(1), 1));
    // a false connection id, a datagram that is too short, an unknown action
    udp.send(&Announce::new(hash(1), 1).packet(1));
    udp.send(b"none");
    udp.send(&header(1, 9));
    if tracker.build().has("accesslist-white") {
        let id = udp.id();
        udp.send(&Announce::new(hash(100), 1).packet(id));
    }
    eventually("the datagrams are counted", || {
        let page = Page::of(&tracker);
        let refused = |reason| page.at("opentracker_refused_total", &[("protocol", "udp"), ("reason", reason)]);
        let not_listed = f64::from(u8::from(tracker.build().has("accesslist-white")));
        (refused("connection_id"), refused("malformed"), refused("not_listed")) == (1.0, 2.0, not_listed)
    });
}

#[test]
fn what_a_ceiling_keeps_out_is_counted() {
    if !built_with("metrics") {
        return;
    }
    let starter = Starter::new().allow((0..10).map(hash));
    let tracker = starter.file("conf", b"tracker.max_peers_per_torrent 1\n").args(["-f", "conf"]).start();
    let mut udp = tracker.udp();
    (1..=3).for_each(|port| drop(udp.announce(&Announce::new(hash(1), port))));
    let page = Page::of(&tracker);
    assert_eq!(page.at("opentracker_beyond_ceiling_total", &[("ceiling", "peers_per_torrent")]), 2.0);
    assert_eq!(page.at("opentracker_beyond_ceiling_total", &[("ceiling", "torrents")]), 0.0);
    assert_eq!(page.at("opentracker_refused_total", &[("protocol", "udp"), ("reason", "not_stored")]), 2.0);
}

#[test]
fn the_path_can_be_chosen() {
    if !built_with("metrics") {
        return;
    }
    let tracker = Starter::new().file("conf", b"access.metrics_path figures/all\n").args(["-f", "conf"]).start();
    assert_eq!(tracker.get("/metrics").code(), 404);
    assert_eq!(tracker.get("/figures/all").code(), 200);
    assert_eq!(tracker.get("/stats").code(), 200, "the statistics stay where they are");
    assert_eq!(tracker.stderr(), "");
}

#[test]
fn builds_without_the_switch_have_neither_page_nor_key() {
    let tracker = Starter::new().file("conf", b"access.metrics_path figures\n").args(["-f", "conf"]).start();
    if tracker.build().has("metrics") {
        return harness::for_another_build("needs a build without metrics");
    }
    let answer = |target: &str| {
        let reply = tracker.get(target);
        (reply.head(), reply.text())
    };
    let refusal = answer("/nowhere");
    assert_eq!(answer("/metrics"), refusal);
    assert_eq!(answer("/figures"), refusal);
    for query in ["mode=", "mode=peer&mode=", "info_hash=x&mode="] {
        assert_eq!(answer(&format!("/stats?{query}json")), answer(&format!("/stats?{query}nothing")));
    }
    assert_eq!(answer("/stats?mode=json&mode=torr"), answer("/stats?mode=nothing&mode=torr"));
    assert_eq!(tracker.stderr(), "Unhandled line in config file: access.metrics_path figures\n");
}

#[test]
fn only_blessed_addresses_may_read_it() {
    if !built_with("metrics") || !built_with("restrict-stats") {
        return;
    }
    let tracker = Starter::new().own_blessings().start();
    assert_eq!((tracker.get("/stats").code(), tracker.get("/metrics").code()), (403, 403));
    assert_eq!(Tracker::busy().get("/metrics").code(), 200);
}

#[test]
fn connections_that_wait_are_counted_by_what_they_wait_for() {
    if !built_with("metrics") {
        return;
    }
    let tracker = tracker();
    let waiting = |state| Page::of(&tracker).at("opentracker_http_connections", &[("state", state)]);
    assert_eq!(waiting("request"), 0.0);
    let mut clients: Vec<_> = (0..3).map(|_| tracker.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(b"GET /announce"));
    eventually("unfinished requests are counted", || waiting("request") == 3.0);
    let descriptors = Page::of(&tracker).number("process_open_fds");
    drop(clients);
    eventually("closed ones are not", || waiting("request") == 0.0);
    let page = Page::of(&tracker);
    assert_eq!(page.number("process_open_fds"), descriptors - 3.0);
    assert!(page.number("opentracker_http_connections_limit") > 1000.0);
    assert_eq!(page.number("opentracker_long_answers"), 0.0);
    assert_eq!(page.number("opentracker_long_answer_bytes"), 0.0);
    // the connection that asked was open, too
    eventually("the system says the same", || page.number("process_open_fds") as usize == tracker.descriptors() + 1);
}

#[test]
fn connections_that_took_too_long_are_counted() {
    if !built_with("metrics") || !clock_or_skip() {
        return;
    }
    let tracker = tracker();
    let mut client = tracker.connect();
    client.send(b"GET /");
    eventually("the connection waits", || {
        Page::of(&tracker).at("opentracker_http_connections", &[("state", "request")]) == 1.0
    });
    tracker.advance(31);
    eventually("it is closed", || Page::of(&tracker).number("opentracker_http_timeouts_total") == 1.0);
}

#[test]
fn datagrams_that_the_system_dropped_are_counted() {
    if !built_with("metrics") {
        return;
    }
    let tracker = tracker();
    let before = Page::of(&tracker);
    let socket = [("socket", "0"), ("protocol", "tracker"), ("address", &page::bound(&tracker))];
    assert_eq!(before.at("opentracker_udp_dropped_total", &socket), 0.0);
    assert_eq!(before.at("opentracker_udp_receive_queue_bytes", &socket), 0.0);
    let buffer = before.at("opentracker_udp_receive_buffer_bytes", &socket);
    assert!(buffer >= 4096.0, "{buffer}");
    tracker.signal(Signal::STOP);
    let client = tracker.udp();
    // the system takes over 700 bytes for each
    let enough = buffer as usize / 700;
    (0..enough).for_each(|_| client.send(&[0; 64]));
    tracker.signal(Signal::CONT);
    eventually("the drops are counted", || Page::of(&tracker).at("opentracker_udp_dropped_total", &socket) > 0.0);
    eventually("the buffer is drained", || {
        Page::of(&tracker).at("opentracker_udp_receive_queue_bytes", &socket) == 0.0
    });
}

#[test]
fn the_process_is_described_from_within_another_root() {
    if !built_with("metrics") || !root_or_skip() {
        return;
    }
    let tracker = tracker();
    assert_eq!(harness::proc::root(tracker.pid()), tracker.scratch().path());
    let page = Page::of(&tracker);
    let resident = page.number("process_resident_memory_bytes");
    let peak = harness::proc::memory(tracker.pid(), "VmHWM") as f64;
    assert!(resident > 500e3 && resident <= peak, "{resident} of {peak}");
    assert!(page.number("process_virtual_memory_bytes") > resident);
    assert!(page.number("process_cpu_seconds_total") > 0.0);
    assert!(page.number("process_max_fds") >= page.number("process_open_fds"));
    let started = page.number("process_start_time_seconds");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(started <= now && now - started < SOON.as_secs_f64(), "{started} {now}");
}

#[test]
fn turns_of_the_loop_are_a_histogram() {
    if !built_with("metrics") {
        return;
    }
    let tracker = Tracker::busy();
    let page = Page::of(&tracker);
    let buckets = page.all("opentracker_loop_turn_seconds_bucket");
    assert!(buckets.iter().map(|(_, count)| count).is_sorted(), "{buckets:?}");
    let count = page.number("opentracker_loop_turn_seconds_count");
    assert!(count >= 9.0, "{count}");
    assert_eq!(buckets.last().map(|(labels, all)| (labels.as_str(), *all)), Some(("le=\"+Inf\"", count)));
    assert!(page.number("opentracker_loop_turn_seconds_sum") < Duration::from_secs(5).as_secs_f64());
}

#[test]
fn reading_the_list_again_is_counted() {
    let Some(option) = [("accesslist-white", "-w"), ("accesslist-black", "-b")]
        .into_iter()
        .find(|(switch, _)| harness::Build::under_test().has(switch))
    else {
        return harness::for_another_build("needs an access list");
    };
    if !built_with("metrics") {
        return;
    }
    let list = [harness::hex(&hash(1)), harness::hex(&hash(2)), String::new()].join("\n");
    let tracker = Starter::new().own_list().file("list", list.as_bytes()).args([option.1, "list"]).start();
    let reads = |page: &Page, outcome| page.at("opentracker_access_list_reads_total", &[("outcome", outcome)]);
    let page = Page::of(&tracker);
    assert_eq!((reads(&page, "success"), reads(&page, "failure")), (1.0, 0.0));
    assert_eq!(page.number("opentracker_access_list_entries"), 2.0);
    let first = page.number("opentracker_access_list_last_success_timestamp_seconds");
    assert!(first >= page.number("process_start_time_seconds"));
    std::fs::remove_file(tracker.scratch().path().join("list")).expect("the list is removed");
    tracker.signal(Signal::HUP);
    eventually("the failure is counted", || reads(&Page::of(&tracker), "failure") == 1.0);
    let page = Page::of(&tracker);
    assert_eq!(page.number("opentracker_access_list_entries"), 2.0, "it stays in force");
    assert_eq!(page.number("opentracker_access_list_last_read_successful"), 0.0);
    assert_eq!(page.number("opentracker_access_list_last_success_timestamp_seconds"), first);
}

#[test]
fn figures_of_a_cluster_are_there_in_builds_with_live_sync() {
    if !built_with("metrics") {
        return;
    }
    let tracker = tracker();
    let page = Page::of(&tracker);
    let names = ["opentracker_livesync_packets_total", "opentracker_livesync_dropped_total"];
    let sync = tracker.build().has("sync-live");
    assert_eq!(names.map(|name| page.has(name)), [sync; 2]);
    let list = ["accesslist-white", "accesslist-black", "accesslist-any"].iter().any(|list| tracker.build().has(list));
    assert_eq!(page.has("opentracker_access_list_entries"), list);
}
