//! What is measured.

use crate::http::Kind;
use crate::packets::Swarms;
use crate::random::Choice;
use crate::servers::Which;
use std::time::Duration;

/// What a row asks for.
#[derive(Clone, Copy)]
pub enum What {
    Announce(Choice),
    Connect,
    Scrape(usize),
    /// Announces, with one connect and one scrape of 10 in ten requests each.
    Mix,
}

/// How a row asks.
#[derive(Clone, Copy)]
pub enum Load {
    /// So many in flight.
    Closed(usize, What),
    /// So many a second.
    Open(f64),
    /// So many in flight over HTTP.
    Http(usize, Kind),
}

/// One line of the table.
pub struct Row {
    pub key: &'static str,
    pub title: &'static str,
    pub load: Load,
    pub servers: Vec<Which>,
}

/// Rows that share their swarms, and so the servers that hold them.
pub struct Group {
    pub swarms: Swarms,
    pub rows: Vec<Row>,
}

/// How long it may take.
#[derive(Clone, Copy)]
pub struct Effort {
    pub quick: bool,
    pub rounds: usize,
    pub time: Duration,
}

impl Effort {
    pub const QUICK: Effort = Effort { quick: true, rounds: 3, time: Duration::from_millis(300) };
    pub const FULL: Effort = Effort { quick: false, rounds: 7, time: Duration::from_millis(700) };
}

/// In flight at full load: fewer than overflow the smallest receive buffer (the original's holds some 250).
const WINDOW: usize = 192;
const HTTP_WINDOW: usize = 64;

fn row(key: &'static str, title: &'static str, load: Load, servers: &[Which]) -> Row {
    Row { key, title, load, servers: servers.to_vec() }
}

/// All groups of rows.
pub fn groups(effort: Effort) -> Vec<Group> {
    use Which::{
        Aquatic, Floor, Original, OriginalDual, OriginalWorkers, Other, Ours, OursDual, OursDualAny, OursKeepalive,
        OursWorkers,
    };
    let udp = [Floor, Ours, Other, Original, OriginalWorkers(1), Aquatic];
    let small = [Floor, Ours, Other, Original, OriginalWorkers(1)];
    let dual = [Ours, OursDual, OursDualAny, OriginalDual];
    let many = [Ours, OursWorkers(1), OursWorkers(2), OursWorkers(8), Original, OriginalWorkers(1), OriginalWorkers(2)];
    let few = [Ours, OursWorkers(1), OursWorkers(2), OursWorkers(8)];
    let announce = Load::Closed(WINDOW, What::Announce(Choice::Uniform));
    let zipf = Load::Closed(WINDOW, What::Announce(Choice::Zipf));
    let million = if effort.quick { 200_000 } else { 1_000_000 };
    let (title, zipf_title, dual_title) = if effort.quick {
        ("200k torrents x 1.5, numwant 30", "200k torrents x 1.5, Zipf", "both families, 200k torrents x 1.5")
    } else {
        ("1M torrents x 1.5, numwant 30", "1M torrents x 1.5, Zipf", "both families, 1M torrents x 1.5")
    };
    let mut groups = vec![
        Group {
            swarms: Swarms { torrents: 10_000, peers_twice: 10, numwant: 30 },
            rows: vec![
                row("udp-10k-5", "10k torrents x 5, numwant 30", announce, &udp),
                row("open-200", "open loop, 200/s", Load::Open(200.0), &small),
                row("open-20k", "open loop, 20,000/s", Load::Open(20_000.0), &udp),
                row("open-60k", "open loop, 60,000/s", Load::Open(60_000.0), &udp),
                row("open-120k", "open loop, 120,000/s", Load::Open(120_000.0), &udp),
                row("connect", "connect", Load::Closed(WINDOW, What::Connect), &udp),
                row("scrape-70", "scrape of 70 hashes", Load::Closed(64, What::Scrape(70)), &udp),
                row("mix", "announce, connect, scrape 8:1:1", Load::Closed(WINDOW, What::Mix), &udp),
                row("flight-4096", "4,096 in flight", Load::Closed(4096, What::Announce(Choice::Uniform)), &udp),
                row(
                    "http-once",
                    "HTTP, one connection each",
                    Load::Http(HTTP_WINDOW, Kind::Once),
                    &[Ours, Other, Original],
                ),
                row("http-kept", "HTTP, kept connections", Load::Http(HTTP_WINDOW, Kind::Kept), &[OursKeepalive]),
                row("dual-10k-5", "both families, 10k torrents x 5", announce, &dual),
            ],
        },
        Group {
            swarms: Swarms { torrents: million, peers_twice: 3, numwant: 30 },
            rows: vec![
                row("udp-1M-1.5", title, announce, &udp),
                row("udp-zipf", zipf_title, zipf, &udp),
                row("dual-1M-1.5", dual_title, announce, &dual),
            ],
        },
        Group {
            swarms: Swarms { torrents: 1, peers_twice: 200_000, numwant: 74 },
            rows: vec![row("udp-1-100k", "1 torrent x 100k, numwant 74", announce, &udp)],
        },
    ];
    if !effort.quick {
        groups.push(Group {
            swarms: Swarms { torrents: 10_000, peers_twice: 400, numwant: 74 },
            rows: vec![row("udp-10k-200", "10k torrents x 200, numwant 74", announce, &udp)],
        });
        groups.push(Group {
            swarms: Swarms { torrents: 10_000, peers_twice: 10, numwant: 30 },
            rows: vec![
                row("workers", "workers on all cores", announce, &many),
                row("workers-20k", "workers on all cores, 20,000/s", Load::Open(20_000.0), &few),
            ],
        });
    }
    groups
}
