//! The pages that are built from counters alone. Programs parse them, so every byte is the original's.

use super::counters::{Counters, Request};
use crate::swarm::{CeilingCounts, Limits};
use std::io::Write;

/// What the pages show besides the counters.
#[derive(Clone, Copy, Debug)]
pub struct Overview<'a> {
    /// Torrents.
    pub torrents: u64,
    /// Peers in all swarms.
    pub peers: u64,
    /// How many of them seed.
    pub seeders: u64,
    /// Seconds since the start.
    pub uptime: u64,
    /// The random id of this process.
    pub tracker_id: u32,
    /// Name, version and switches, a line each.
    pub version: &'a str,
    /// Bytes that the state holds.
    pub bytes_held: usize,
    /// Bytes that it may hold; `usize::MAX` if there is no limit.
    pub ceiling: usize,
    /// How many torrents and peers there may be,
    pub limits: Limits,
    /// and what came of that.
    pub at_limits: CeilingCounts,
}

/// `peer`: all peers, and the seeding ones.
pub fn peers(out: &mut Vec<u8>, now: &Overview<'_>) {
    two_and_torrents(out, now.peers, now.seeders, now);
}

/// `torr`: all torrents.
pub fn torrents(out: &mut Vec<u8>, now: &Overview<'_>) {
    two_and_torrents(out, now.torrents, 0, now);
}

fn two_and_torrents(out: &mut Vec<u8>, first: u64, second: u64, now: &Overview<'_>) {
    // writing to memory does not fail, here and below
    let _ = write!(out, "{first}\n{second}\nopentracker serving {} torrents\nopentracker", now.torrents);
}

/// The form of MRTG: two values, the time up, and a name with rates.
fn mrtg(out: &mut Vec<u8>, first: u64, second: u64, now: &Overview<'_>, name: &str) {
    let _ = write!(out, "{first}\n{second}\n{} seconds ({} hours)\n{name}", now.uptime, now.uptime / 3600);
}

/// `conn`: connections and datagrams, and those that were announces and connects answered.
pub fn connections(out: &mut Vec<u8>, now: &Overview<'_>, counted: &Counters) {
    let requests = counted.get(Request::Connection) + counted.get(Request::Datagram);
    requests_and_successes(
        out,
        now,
        "connections",
        requests,
        counted.get(Request::HttpAnnounce) + counted.udp_successes(),
    );
}

/// `tcp4`: connections, and announces that were answered.
pub fn tcp(out: &mut Vec<u8>, now: &Overview<'_>, counted: &Counters) {
    requests_and_successes(
        out,
        now,
        "tcp4 stats",
        counted.get(Request::Connection),
        counted.get(Request::HttpAnnounce),
    );
}

/// `udp4`: datagrams, and connects and announces that were answered.
pub fn udp(out: &mut Vec<u8>, now: &Overview<'_>, counted: &Counters) {
    requests_and_successes(out, now, "udp4 stats", counted.get(Request::Datagram), counted.udp_successes());
}

fn requests_and_successes(out: &mut Vec<u8>, now: &Overview<'_>, name: &str, requests: u64, successes: u64) {
    let seconds = now.uptime.max(1);
    let (rate, success_rate) = (requests / seconds, successes / seconds);
    let name = format!("opentracker {name}, {rate} conns/s :: {success_rate} success/s.");
    mrtg(out, requests, successes, now, &name);
}

/// `scrp`: scrapes over TCP and UDP.
pub fn scrapes(out: &mut Vec<u8>, now: &Overview<'_>, counted: &Counters) {
    let rate = (counted.get(Request::HttpScrape) + counted.get(Request::UdpScrape)) / now.uptime.max(1);
    let name = format!("opentracker scrape stats, {rate} scrape/s (tcp and udp)");
    mrtg(out, counted.get(Request::HttpScrape), counted.get(Request::UdpScrape), now, &name);
}

/// `fscr`: the original never counts its full scrapes, so this always shows 0.
pub fn full_scrapes(out: &mut Vec<u8>, now: &Overview<'_>) {
    mrtg(out, 0, 0, now, "opentracker full scrape stats, 0 conns/s :: 0 bytes/s.");
}

/// `completed`: downloads completed.
pub fn completed(out: &mut Vec<u8>, now: &Overview<'_>, counted: &Counters) {
    let rate = counted.completed / (now.uptime / 3600).max(1);
    mrtg(out, counted.completed, 0, now, &format!("opentracker, {rate} completed/h."));
}

/// `syncs`: records received from the other trackers of a cluster.
pub fn syncs(out: &mut Vec<u8>, now: &Overview<'_>, counted: &Counters) {
    let seconds = now.uptime.max(1);
    let connections = (counted.get(Request::Connection) + counted.get(Request::Datagram)) / seconds;
    let successes = (counted.get(Request::HttpAnnounce) + counted.udp_successes()) / seconds;
    let name = format!("opentracker connections, {connections} conns/s :: {successes} success/s.");
    mrtg(out, counted.sync_records, 0, now, &name);
}

/// `version`: name, version and switches, and the memory of the state.
pub fn version(out: &mut Vec<u8>, now: &Overview<'_>) {
    let Overview { bytes_held, ceiling, .. } = now;
    out.extend_from_slice(now.version.as_bytes());
    let _ = match *ceiling {
        usize::MAX => writeln!(out, "memory of torrents and peers: {bytes_held} bytes"),
        _ => writeln!(out, "memory of torrents and peers: {bytes_held} of {ceiling} bytes"),
    };
    if now.limits != Limits::NONE {
        ceilings(out, now);
    }
}

/// What came of the ceilings, where there are some: a line each.
fn ceilings(out: &mut Vec<u8>, now: &Overview<'_>) {
    let Overview { limits, at_limits, .. } = now;
    let rows = [
        ("max_torrents", limits.torrents, at_limits.torrents, at_limits.room_for_torrents),
        ("max_peers", limits.peers, at_limits.peers, at_limits.room_for_peers),
        ("max_peers_per_torrent", limits.peers_per_torrent, at_limits.peers_per_torrent, 0),
    ];
    for (name, limit, refused, made_room) in rows.iter().filter(|row| row.1 != u64::MAX) {
        let _ = writeln!(out, "{name} {limit}: {refused} announces not stored, {made_room} torrents made room");
    }
}

/// `renew`: announces of known peers by the minutes since their last one.
pub fn renewals(out: &mut Vec<u8>, counted: &Counters) {
    for (minutes, count) in counted.renewed.iter().enumerate() {
        let _ = writeln!(out, "{minutes:02} {count}");
    }
}

/// `numwants`: HTTP announces by the peers they wanted.
pub fn numwants(out: &mut Vec<u8>, counted: &Counters) {
    for (wanted, count) in counted.numwants.iter().enumerate() {
        let _ = writeln!(out, "{wanted:03} => {count}");
    }
}

/// `herr`: errors. The original has seven labels for nine counters; they stand before the first seven.
pub fn errors(out: &mut Vec<u8>, counted: &Counters) {
    const LABELS: [&str; 7] = ["302 RED", "400 ...", "400 PAR", "400 COM", "403 IP ", "404 INV", "500 SRV"];
    for (label, count) in LABELS.iter().zip(counted.errors()) {
        let _ = writeln!(out, "{label} {count}");
    }
}

/// `everything`: all of it, as XML.
pub fn everything(out: &mut Vec<u8>, now: &Overview<'_>, counted: &Counters) {
    let Overview { torrents, peers, seeders, uptime, tracker_id, version, .. } = now;
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<stats>\n  <tracker_id>{tracker_id}</tracker_id>\n  \
         <version>\n{version}  </version>\n  <uptime>{uptime}</uptime>\n  <torrents>\n    \
         <count_mutex>{torrents}</count_mutex>\n    <count_iterator>{torrents}</count_iterator>\n  </torrents>\n  \
         <peers>\n    <count>{peers}</count>\n  </peers>\n  <seeds>\n    <count>{seeders}</count>\n  </seeds>\n  \
         <completed>\n    <count>{}</count>\n  </completed>\n",
        counted.completed
    );
    everything_connections(out, counted);
    everything_debug(out, counted);
}

fn everything_connections(out: &mut Vec<u8>, counted: &Counters) {
    let _ = write!(
        out,
        "  <connections>\n    <tcp>\n      <accept>{}</accept>\n      <announce>{}</announce>\n      \
         <scrape>{}</scrape>\n    </tcp>\n    <udp>\n      <overall>{}</overall>\n      <connect>{}</connect>\n      \
         <announce>{}</announce>\n      <scrape>{}</scrape>\n      <missmatch>{}</missmatch>\n    </udp>\n    \
         <livesync>\n      <count>{}</count>\n    </livesync>\n  </connections>\n",
        counted.get(Request::Connection),
        counted.get(Request::HttpAnnounce),
        counted.get(Request::HttpScrape),
        counted.get(Request::Datagram),
        counted.get(Request::Connect),
        counted.get(Request::UdpAnnounce),
        counted.get(Request::UdpScrape),
        counted.udp_mismatches,
        counted.sync_records
    );
}

fn everything_debug(out: &mut Vec<u8>, counted: &Counters) {
    const CODES: [&str; 9] = [
        "302 Redirect",
        "400 Parse Error",
        "400 Invalid Parameter",
        "400 Invalid Parameter (compact=0)",
        "400 Not Modest",
        "402 Payment Required",
        "403 Access Denied",
        "404 Not found",
        "500 Internal Server Error",
    ];
    out.extend_from_slice(b"  <debug>\n    <renew>\n");
    for (minutes, count) in counted.renewed.iter().enumerate() {
        let _ = writeln!(out, "      <count interval=\"{minutes:02}\">{count}</count>");
    }
    out.extend_from_slice(b"    </renew>\n    <http_error>\n");
    for (code, count) in CODES.iter().zip(counted.errors()) {
        let _ = writeln!(out, "      <count code=\"{code}\">{count}</count>");
    }
    // one thread owns all state, so there is no lock to wait for
    out.extend_from_slice(
        b"    </http_error>\n    <mutex_stall>\n      <count>0</count>\n    </mutex_stall>\n  </debug>\n</stats>",
    );
}
