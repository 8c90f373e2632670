//! Starts the servers of a group, fills them, and measures one after the other, round by round.

use crate::http;
use crate::meter::Usage;
use crate::packets::{Request, SOURCES, Swarms};
use crate::plan::{Effort, Group, Load, Row, What};
use crate::random::{Choice, Random};
use crate::servers::{Places, Result, Server, Which};
use crate::udp::Outcome;
use std::process;
use std::time::Duration;

/// Share of a measurement's time that goes before it uncounted.
const WARM_UP: u32 = 5;

/// One measurement of one server.
#[derive(Clone, Copy, Default)]
pub struct Sample {
    /// Microseconds of processor time for each answered request.
    pub cost: f64,
    /// Answers a second.
    pub rate: f64,
    /// Share of the time that the server was on a processor.
    pub busy: f64,
    /// Requests without an answer, of a million.
    pub lost: f64,
    pub refused: u64,
    /// Microseconds.
    pub p50: f64,
    pub p99: f64,
    pub longest: f64,
    /// Switches for each answered request.
    pub voluntary: f64,
    pub involuntary: f64,
    /// Bytes of the mean answer.
    pub bytes: f64,
    /// Share of the time that the load was on its core; it never sleeps.
    pub load: f64,
}

/// All measurements of one server in one row.
pub struct Cell {
    pub which: Which,
    pub samples: Vec<Sample>,
}

/// A row with its measurements.
pub struct Measured {
    pub key: &'static str,
    pub title: &'static str,
    pub cells: Vec<Cell>,
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Puts a load on a server for a time.
fn load(server: &mut Server, row: &Row, swarms: &Swarms, time: Duration, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let numwant = swarms.numwant;
    let mut announce = |choice: Choice| Request::Announce(swarms.pick(choice, &mut random));
    match row.load {
        Load::Closed(window, What::Announce(choice)) => server.client.closed(window, time, || Some(announce(choice))),
        Load::Open(rate) => server.client.open(rate, time, seed, || announce(Choice::Uniform), || ()),
        Load::Http(window, kind) => {
            http::closed(server.address, kind, window, time, numwant, || swarms.pick(Choice::Uniform, &mut random))
        }
        Load::Closed(window, what) => server.client.closed(window, time, || Some(other(what, swarms, &mut random))),
    }
}

fn other(what: What, swarms: &Swarms, random: &mut Random) -> Request {
    let connect = |random: &mut Random| Request::Connect(random.below(u64::from(SOURCES)) as u32);
    let scrape = |random: &mut Random, count: usize| {
        Request::Scrape(random.below(swarms.torrents.saturating_sub(count as u64).max(1)), count)
    };
    match what {
        What::Connect => connect(random),
        What::Scrape(count) => scrape(random, count),
        What::Announce(choice) => Request::Announce(swarms.pick(choice, random)),
        What::Mix => match random.below(10) {
            0 => connect(random),
            1 => scrape(random, 10),
            _ => Request::Announce(swarms.pick(Choice::Uniform, random)),
        },
    }
}

/// Measures one server once.
fn measure(server: &mut Server, row: &Row, swarms: &Swarms, time: Duration, seed: u64) -> Sample {
    load(server, row, swarms, time / WARM_UP, seed ^ 0x5eed);
    let (before, own) = (server.usage(), Usage::of(process::id()));
    let outcome = load(server, row, swarms, time, seed);
    let used = server.usage().since(&before);
    let own = Usage::of(process::id()).since(&own);
    let answered = outcome.answered.max(1) as f64;
    Sample {
        cost: micros(used.processor) / answered,
        rate: outcome.answered as f64 / outcome.time.as_secs_f64(),
        busy: used.processor.as_secs_f64() / outcome.time.as_secs_f64(),
        lost: outcome.sent.saturating_sub(outcome.answered) as f64 * 1e6 / outcome.sent.max(1) as f64,
        refused: outcome.refused,
        p50: micros(outcome.latency.quantile(0.5)),
        p99: micros(outcome.latency.quantile(0.99)),
        longest: micros(outcome.latency.longest()),
        voluntary: used.voluntary as f64 / answered,
        involuntary: used.involuntary as f64 / answered,
        bytes: outcome.bytes as f64 / answered,
        load: own.processor.as_secs_f64() / outcome.time.as_secs_f64(),
    }
}

/// Measures all rows of a group.
pub fn run(places: &Places, group: &Group, effort: Effort, only: Option<&str>) -> Result<Vec<Measured>> {
    let rows: Vec<&Row> = group.rows.iter().filter(|row| only.is_none_or(|key| row.key.starts_with(key))).collect();
    let mut servers: Vec<Server> = Vec::new();
    for which in rows.iter().flat_map(|row| &row.servers).copied() {
        if places.wants(which) && servers.iter().all(|server| server.which != which) {
            match Server::start(places, which, &group.swarms) {
                Ok(mut server) => {
                    if which != Which::Floor {
                        server.fill(group.swarms.all());
                    }
                    servers.push(server);
                }
                Err(error) => eprintln!("left out: {error}"),
            }
        }
    }
    let mut results = Vec::new();
    for row in rows {
        eprint!("{} ", row.title);
        let mut cells: Vec<Cell> = Vec::new();
        for round in 0..effort.rounds {
            for server in servers.iter_mut().filter(|server| row.servers.contains(&server.which)) {
                // connection ids may have changed since
                server.client.connect();
                let sample = measure(server, row, &group.swarms, effort.time, round as u64 + 1);
                match cells.iter_mut().find(|cell| cell.which == server.which) {
                    Some(cell) => cell.samples.push(sample),
                    None => cells.push(Cell { which: server.which, samples: vec![sample] }),
                }
            }
            eprint!(".");
        }
        eprintln!();
        if !cells.is_empty() {
            results.push(Measured { key: row.key, title: row.title, cells });
        }
    }
    Ok(results)
}
