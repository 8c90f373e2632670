//! The statistics as one JSON document (`stats?mode=json`), for programs other than Prometheus. Its keys stay as they are; further ones may
//! be added. `packaging/statistics.schema.json` describes it.

mod value;

use super::counters::{Counters, Request};
use super::figures::{Figures, Gauges, ListFigures, Process, SyncSent, UdpSocket};
use super::histogram::Histogram;
use crate::features::COMPILED_IN;
use crate::swarm::CeilingCounts;
use crate::types::Origin;
use std::time::Duration;
use value::Inside;

/// The number of this form of the document. One in which keys go, or change their meaning, has another.
const FORMAT: u32 = 1;

/// Writes the document.
pub fn write(out: &mut Vec<u8>, figures: &Figures<'_>) {
    let Figures { counted, gauges, .. } = figures;
    let mut document = Inside::document(out);
    document.number("format", FORMAT);
    program(&mut document, figures);
    swarms(&mut document, figures);
    requests(&mut document, counted);
    refusals(document.object("refused"), counted, &figures.overview.at_limits);
    http(document.object("http"), counted, gauges);
    match &figures.list {
        Some(list) => access_list(document.object("access_list"), list),
        None => document.null("access_list"),
    }
    match &figures.sync {
        Some(sent) => live_sync(document.object("livesync"), counted, sent, gauges),
        None => document.null("livesync"),
    }
    let mut sockets = document.array("udp_sockets");
    gauges.udp.iter().for_each(|socket| udp_socket(sockets.object_item(), socket));
    drop(sockets);
    turns(document.object("loop_turns"), &gauges.turns);
    process(document.object("process"), &gauges.process);
}

fn program(document: &mut Inside<'_>, figures: &Figures<'_>) {
    document.text("version", env!("CARGO_PKG_VERSION")).text("commit", env!("OPENTRACKER_COMMIT"));
    let mut switches = document.array("switches");
    COMPILED_IN.iter().filter(|(_, on)| *on).for_each(|(name, _)| switches.text_item(name));
    drop(switches);
    document.number("tracker_id", figures.overview.tracker_id);
    document.number("start_time_seconds", figures.started).number("uptime_seconds", figures.overview.uptime);
}

fn swarms(document: &mut Inside<'_>, figures: &Figures<'_>) {
    let now = &figures.overview;
    document.number("torrents", now.torrents);
    let mut peers = document.object("peers");
    peers.number("all", now.peers).number("seeders", now.seeders);
    for (family, count) in ["ipv4", "ipv6"].into_iter().zip(&figures.peers) {
        match count {
            Some(count) => {
                peers.object(family).number("all", count.peers).number("seeders", count.seeders);
            }
            None => peers.null(family),
        }
    }
    drop(peers);
    document.number("downloads_completed", figures.counted.completed);
    let limit = (now.ceiling != usize::MAX).then_some(now.ceiling);
    document.object("state").number("bytes", now.bytes_held).number_or_null("limit_bytes", limit);
}

fn requests(document: &mut Inside<'_>, counted: &Counters) {
    let kind = |protocol: &mut Inside<'_>, key, request| {
        let [v4, v6] = counted.by_family(request);
        protocol.object(key).number("ipv4", v4).number("ipv6", v6);
    };
    let mut requests = document.object("requests");
    let mut http = requests.object("http");
    kind(&mut http, "connections", Request::Connection);
    kind(&mut http, "announces", Request::HttpAnnounce);
    kind(&mut http, "scrapes", Request::HttpScrape);
    http.number("full_scrapes", counted.detail.full_scrapes);
    drop(http);
    let mut udp = requests.object("udp");
    kind(&mut udp, "datagrams", Request::Datagram);
    kind(&mut udp, "connects", Request::Connect);
    kind(&mut udp, "announces", Request::UdpAnnounce);
    kind(&mut udp, "scrapes", Request::UdpScrape);
    drop(udp);
    drop(requests);
    let mut renewals = document.array("renewals");
    counted.renewed.iter().for_each(|count| renewals.item(count));
}

fn refusals(mut refused: Inside<'_>, counted: &Counters, at_limits: &CeilingCounts) {
    let detail = &counted.detail;
    let announces = |protocol: &mut Inside<'_>, origin| {
        protocol.number("not_listed", detail.not_listed(origin)).number("not_stored", detail.not_stored(origin));
    };
    let mut http = refused.object("http");
    announces(&mut http, Origin::Http);
    http.number("malformed", counted.malformed_http()).number("shed", detail.connections_shed);
    drop(http);
    let mut udp = refused.object("udp");
    announces(&mut udp, Origin::Udp);
    udp.number("malformed", detail.malformed).number("connection_id", counted.udp_mismatches);
    drop(udp);
    announces(&mut refused.object("livesync"), Origin::Cluster);
    let CeilingCounts { torrents, peers, peers_per_torrent, room_for_torrents, room_for_peers } = *at_limits;
    let mut ceilings = refused.object("beyond_ceiling");
    ceilings.number("torrents", torrents).number("peers", peers).number("peers_per_torrent", peers_per_torrent);
    drop(ceilings);
    refused.object("made_room").number("torrents", room_for_torrents).number("peers", room_for_peers);
    refused.number("silenced", counted.silenced).number("low_ports", counted.low_ports);
}

fn http(mut http: Inside<'_>, counted: &Counters, gauges: &Gauges) {
    let mut errors = http.object("errors");
    counted.errors_by_code().iter().for_each(|(code, count)| {
        errors.number(&code.to_string(), count);
    });
    drop(errors);
    let [redirects, ..] = counted.errors();
    http.number("redirects", redirects).number("timeouts", counted.detail.connections_late);
    let waiting = &gauges.connections;
    let mut connections = http.object("connections");
    connections.number("request", waiting.request).number("answer", waiting.short_answer);
    connections.number("long_answer", waiting.long_answer).number("close", waiting.close);
    connections.number("limit", waiting.most).number("bytes", waiting.bytes).number("limit_bytes", waiting.most_bytes);
    drop(connections);
    let answers = &gauges.answers;
    let mut long = http.object("long_answers");
    long.number("count", answers.count).number("waiting", answers.waiting);
    long.number("bytes", answers.bytes).number("limit_bytes", answers.most_bytes);
}

fn access_list(mut object: Inside<'_>, list: &ListFigures) {
    object.number("entries", list.entries).number("changes", list.changes);
    object.object("reads").number("success", list.reads - list.failed_reads).number("failure", list.failed_reads);
    object.flag("last_read_successful", list.is_current);
    object.number_or_null("last_success_timestamp_seconds", list.last_success);
}

fn live_sync(mut object: Inside<'_>, counted: &Counters, sent: &SyncSent, gauges: &Gauges) {
    object.object("packets").number("in", counted.detail.sync_packets).number("out", sent.packets);
    object.object("records").number("in", counted.sync_records).number("out", sent.records);
    object.number("dropped", sent.dropped);
    match &gauges.sync {
        Some(socket) => udp_socket(object.object("socket"), socket),
        None => object.null("socket"),
    }
}

fn udp_socket(mut object: Inside<'_>, socket: &UdpSocket) {
    object.text("address", &socket.address.to_string()).number("dropped", socket.dropped);
    object.number("receive_buffer_bytes", socket.buffer_bytes).number("receive_queue_bytes", socket.waiting_bytes);
}

fn turns(mut object: Inside<'_>, turns: &Histogram) {
    object.number("count", turns.count()).number("sum_seconds", turns.sum().as_secs_f64());
    let mut buckets = object.array("buckets");
    for (micros, count) in turns.up_to_bounds() {
        buckets.object_item().number("up_to_seconds", micros as f64 / 1e6).number("count", count);
    }
}

fn process(mut object: Inside<'_>, process: &Process) {
    object.number_or_null("cpu_seconds", process.cpu.as_ref().map(Duration::as_secs_f64));
    object.number_or_null("resident_memory_bytes", process.resident_bytes);
    object.number_or_null("virtual_memory_bytes", process.virtual_bytes);
    object.number_or_null("open_fds", process.descriptors).number_or_null("max_fds", process.most_descriptors);
}
