//! The page of metrics (`GET /metrics`), for Prometheus. Names and labels follow its rules: seconds and bytes, `_total` at the end of
//! counters. Dashboards and alerts are written for them, so they stay as they are.

mod format;
mod server;

use super::counters::{Counters, Request};
use super::figures::{Figures, ListFigures, Peers, SyncSent};
use crate::features::COMPILED_IN;
use crate::swarm::CeilingCounts;
use crate::types::Origin;
use format::{Kind, Page};

/// Values of the label `family`.
const FAMILIES: [&str; 2] = ["ipv4", "ipv6"];

/// Writes all metrics.
pub fn write(out: &mut Vec<u8>, figures: &Figures<'_>) {
    let page = &mut Page::new(out);
    let Figures { counted, gauges, .. } = figures;
    build(page);
    swarms(page, figures);
    requests(page, counted);
    refusals(page, counted, &figures.overview.at_limits);
    server::connections(page, counted, gauges);
    server::answers(page, &gauges.answers);
    figures.list.iter().for_each(|list| access_list(page, list));
    figures.sync.iter().for_each(|sent| live_sync(page, counted, sent));
    server::sockets(page, gauges);
    server::turns(page, &gauges.turns);
    server::process(page, figures.started, &gauges.process);
}

fn build(page: &mut Page<'_>) {
    let switches: Vec<_> = COMPILED_IN.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    let labels: [(_, &dyn std::fmt::Display); 3] = [
        ("version", &env!("CARGO_PKG_VERSION")),
        ("commit", &env!("OPENTRACKER_COMMIT")),
        ("switches", &switches.join(" ")),
    ];
    page.metric("opentracker_build_info", Kind::Gauge, "The program: always 1.").sample(&labels, 1);
}

fn swarms(page: &mut Page<'_>, figures: &Figures<'_>) {
    let now = &figures.overview;
    page.gauge("opentracker_torrents", now.torrents, "Torrents, also those without peers.");
    let mut by_family = |name, help, count: fn(&Peers) -> u64| {
        page.metric(name, Kind::Gauge, help);
        for (family, peers) in FAMILIES.iter().zip(&figures.peers) {
            if let Some(peers) = peers {
                page.sample(&[("family", family)], count(peers));
            }
        }
    };
    by_family("opentracker_peers", "Peers of all torrents, seeders among them.", |peers| peers.peers);
    by_family("opentracker_seeders", "Peers that have all of their torrent.", |peers| peers.seeders);
    page.gauge("opentracker_state_bytes", now.bytes_held, "Memory of torrents and peers.");
    let ceiling = (now.ceiling != usize::MAX).then_some(now.ceiling);
    page.gauge_if_known("opentracker_state_limit_bytes", ceiling, "Memory that torrents and peers may take.");
    let completed = figures.counted.completed;
    page.counter("opentracker_downloads_completed_total", completed, "Downloads that peers completed.");
}

fn requests(page: &mut Page<'_>, counted: &Counters) {
    let samples = |page: &mut Page<'_>, protocol: Option<&str>, request| {
        for (family, count) in FAMILIES.iter().zip(counted.by_family(request)) {
            match &protocol {
                Some(protocol) => page.sample(&[("protocol", protocol), ("family", family)], count),
                None => page.sample(&[("family", family)], count),
            };
        }
    };
    let help = "Announces, stopped and unauthorized ones included.";
    page.metric("opentracker_announces_total", Kind::Counter, help);
    samples(page, Some("http"), Request::HttpAnnounce);
    samples(page, Some("udp"), Request::UdpAnnounce);
    page.metric("opentracker_scrapes_total", Kind::Counter, "Scrapes of some torrents.");
    samples(page, Some("http"), Request::HttpScrape);
    samples(page, Some("udp"), Request::UdpScrape);
    let full = counted.detail.full_scrapes;
    page.counter("opentracker_full_scrapes_total", full, "Scrapes of all torrents that were begun.");
    page.metric("opentracker_udp_datagrams_total", Kind::Counter, "Datagrams received.");
    samples(page, None, Request::Datagram);
    page.metric("opentracker_udp_connects_total", Kind::Counter, "Requests for a connection id that were answered.");
    samples(page, None, Request::Connect);
    page.metric("opentracker_http_connections_total", Kind::Counter, "HTTP connections accepted.");
    samples(page, None, Request::Connection);
    let help = "Announces of known peers, by whole minutes since their previous one.";
    page.metric("opentracker_renewals_total", Kind::Counter, help);
    for (minutes, count) in counted.renewed.iter().enumerate() {
        page.sample(&[("minutes", &minutes)], count);
    }
}

fn refusals(page: &mut Page<'_>, counted: &Counters, at_limits: &CeilingCounts) {
    let detail = &counted.detail;
    let help = "What was refused: torrents not listed, wrong connection ids, no request, peers not stored as memory is short \
                or a ceiling is reached, connections shed for others.";
    page.metric("opentracker_refused_total", Kind::Counter, help);
    for (protocol, origin) in [("http", Origin::Http), ("udp", Origin::Udp), ("livesync", Origin::Cluster)] {
        page.sample(&[("protocol", &protocol), ("reason", &"not_listed")], detail.not_listed(origin));
        page.sample(&[("protocol", &protocol), ("reason", &"not_stored")], detail.not_stored(origin));
    }
    for (protocol, reason, count) in [
        ("http", "malformed", counted.malformed_http()),
        ("http", "shed", detail.connections_shed),
        ("udp", "malformed", detail.malformed),
        ("udp", "connection_id", counted.udp_mismatches),
    ] {
        page.sample(&[("protocol", &protocol), ("reason", &reason)], count);
    }
    let help = "Announces for torrents not listed that were met with silence, beyond the budget of refusals.";
    page.counter("opentracker_silenced_total", counted.silenced, help);
    let help = "Announces whose peer is not stored because its port is too low.";
    page.counter("opentracker_low_ports_total", counted.low_ports, help);
    ceilings(page, at_limits);
    let [redirects, ..] = counted.errors();
    page.counter("opentracker_http_redirects_total", redirects, "Requests that were redirected.");
    page.metric("opentracker_http_errors_total", Kind::Counter, "HTTP requests answered with an error, by its code.");
    for (code, count) in counted.errors_by_code() {
        page.sample(&[("code", &code)], count);
    }
}

fn ceilings(page: &mut Page<'_>, at_limits: &CeilingCounts) {
    let CeilingCounts { torrents, peers, peers_per_torrent, room_for_torrents, room_for_peers } = at_limits;
    let help = "Announces whose peer is not stored because a ceiling is reached.";
    page.metric("opentracker_beyond_ceiling_total", Kind::Counter, help)
        .sample(&[("ceiling", &"torrents")], torrents)
        .sample(&[("ceiling", &"peers")], peers)
        .sample(&[("ceiling", &"peers_per_torrent")], peers_per_torrent);
    page.metric(
        "opentracker_made_room_total",
        Kind::Counter,
        "Torrents removed so that others have room below a ceiling.",
    )
    .sample(&[("ceiling", &"torrents")], room_for_torrents)
    .sample(&[("ceiling", &"peers")], room_for_peers);
}

fn access_list(page: &mut Page<'_>, list: &ListFigures) {
    page.gauge("opentracker_access_list_entries", list.entries, "Info hashes of the access list's file.");
    let help = "Info hashes added or deleted since the file was read.";
    page.gauge("opentracker_access_list_changes", list.changes, help);
    page.metric("opentracker_access_list_reads_total", Kind::Counter, "How often the file was read, by the outcome.")
        .sample(&[("outcome", &"success")], list.reads - list.failed_reads)
        .sample(&[("outcome", &"failure")], list.failed_reads);
    let help = "Whether the last read of the file yielded a list.";
    page.gauge("opentracker_access_list_last_read_successful", u8::from(list.is_current), help);
    let help = "When the file last yielded a list, in Unix time.";
    page.gauge_if_known("opentracker_access_list_last_success_timestamp_seconds", list.last_success, help);
}

fn live_sync(page: &mut Page<'_>, counted: &Counters, sent: &SyncSent) {
    let help = "Packets from and to the other trackers of the cluster.";
    page.metric("opentracker_livesync_packets_total", Kind::Counter, help)
        .sample(&[("direction", &"in")], counted.detail.sync_packets)
        .sample(&[("direction", &"out")], sent.packets);
    page.metric("opentracker_livesync_records_total", Kind::Counter, "Announces in these packets.")
        .sample(&[("direction", &"in")], counted.sync_records)
        .sample(&[("direction", &"out")], sent.records);
    let help = "Announces that were not sent because too many waited.";
    page.counter("opentracker_livesync_dropped_total", sent.dropped, help);
}
