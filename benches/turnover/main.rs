//! What the state takes while torrents and peers come and go: `cargo bench --bench turnover`.
//!
//! Hours of turnover in a minute: the clock is an argument of the state, so it is moved. Each scenario runs in a process
//! of its own and measures that process from outside (its resident memory), so that what one leaves in memory hides nothing
//! of the next, and any form of the state compares with any other. Walks that expire run as in the server: one every two
//! minutes, a slice every four milliseconds, announces in between.
//!
//!     cargo bench --bench turnover                                 # all scenarios
//!     cargo bench --bench turnover -- torrents-v4 swarms-v4        # these
//!     cargo bench --bench turnover -- --scale 5 torrents-v4        # with five times as many torrents: 10 million
#![allow(missing_docs)] // a program, not a library

mod run;

use opentracker::limits::ANSWER_PIECE;
use opentracker::swarm::{Dual, Families, Random, V4, V6};
use opentracker::sys::memory;
use run::{Addresses, Run, heading, resident};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, ExitCode};

/// Set in the process that plays one scenario.
const CHILD: &str = "OPENTRACKER_TURNOVER";

/// Minutes of the first fill, in which no peer leaves yet.
const FILL: u32 = 45;

/// Minutes of turnover that follow.
const TURNOVER: u32 = 150;

/// Minutes for which a peer stays in the mean: 45, and until the walk comes by; where a fifth stop after 15, less.
const LIFE: f64 = 46.5;
const LIFE_WITH_STOPS: f64 = LIFE * 0.8 + 15.0 * 0.2;

/// The last minutes of the turnover: over them memory is averaged, and its highest value taken.
const STEADY: u32 = 47;

/// One thing to measure.
struct Scenario {
    name: &'static str,
    play: fn(scale: f64),
}

const SCENARIOS: [Scenario; 14] = [
    Scenario { name: "torrents-v4", play: |scale| turnover::<V4>(scaled(scale, 2_000_000), 1, v4) },
    Scenario { name: "torrents-v6", play: |scale| turnover::<V6>(scaled(scale, 2_000_000), 1, v6) },
    Scenario { name: "replaced-v4", play: |scale| replacement::<V4>(scaled(scale, 1_000_000), v4) },
    Scenario { name: "replaced-v6", play: |scale| replacement::<V6>(scaled(scale, 1_000_000), v6) },
    Scenario { name: "swarms-v4", play: |scale| turnover::<V4>(scaled(scale, 20_000), 100, v4) },
    Scenario { name: "swarms-v6", play: |scale| turnover::<V6>(scaled(scale, 20_000), 100, v6) },
    // ten, since one alone would measure the grain in which memory comes from the system
    Scenario { name: "huge-v4", play: |scale| turnover::<V4>(scaled(scale, 10), 100_000, v4) },
    Scenario { name: "huge-v6", play: |scale| turnover::<V6>(scaled(scale, 10), 100_000, v6) },
    // where there may be peers of both families: those of IPv4 alone, those of IPv6 alone, and a third of IPv6
    Scenario { name: "dual-v4", play: |scale| turnover::<Dual>(scaled(scale, 2_000_000), 1, v4) },
    Scenario { name: "dual-v6", play: |scale| turnover::<Dual>(scaled(scale, 2_000_000), 1, v6) },
    Scenario { name: "dual-pairs", play: |scale| turnover::<Dual>(scaled(scale, 1_000_000), 2, mixed) },
    Scenario { name: "dual-swarms-v4", play: |scale| turnover::<Dual>(scaled(scale, 20_000), 100, v4) },
    Scenario { name: "dual-swarms", play: |scale| turnover::<Dual>(scaled(scale, 20_000), 100, mixed) },
    Scenario { name: "dual-huge", play: |scale| turnover::<Dual>(scaled(scale, 10), 100_000, mixed) },
];

fn v4(random: &mut Random) -> IpAddr {
    Ipv4Addr::from_bits(random.next_u64() as u32).into()
}

fn v6(random: &mut Random) -> IpAddr {
    let [high, low] = [random.next_u64(), random.next_u64()].map(u128::from);
    Ipv6Addr::from_bits(high << 64 | low).into()
}

/// One in three is of IPv6.
fn mixed(random: &mut Random) -> IpAddr {
    if random.below(3) == 0 { v6(random) } else { v4(random) }
}

fn scaled(scale: f64, count: u64) -> u64 {
    (count as f64 * scale).ceil() as u64
}

fn main() -> ExitCode {
    memory::tune(ANSWER_PIECE);
    let mut scale = 1.0;
    let mut chosen = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo says so to every bench
            "--scale" => match arguments.next().and_then(|word| word.parse().ok()) {
                Some(factor) => scale = factor,
                None => return usage(),
            },
            name => match SCENARIOS.iter().find(|scenario| scenario.name == name) {
                Some(scenario) => chosen.push(scenario),
                None => return usage(),
            },
        }
    }
    if std::env::var_os(CHILD).is_some() {
        chosen.iter().for_each(|scenario| (scenario.play)(scale));
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        chosen = SCENARIOS.iter().collect();
    }
    heading();
    let all_went_well = chosen.iter().all(|scenario| play_in_child(scenario, scale));
    if all_went_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    eprintln!("turnover [--scale FACTOR] [{}]...", names.join("|"));
    ExitCode::FAILURE
}

fn play_in_child(scenario: &Scenario, scale: f64) -> bool {
    let child = std::env::current_exe().and_then(|program| {
        Command::new(program).args(["--scale", &scale.to_string(), scenario.name]).env(CHILD, "").status()
    });
    child.is_ok_and(|status| status.success())
}

/// So many swarms of so many peers fill up, then all peers are replaced every 47 minutes. Of swarms with several peers a
/// fifth say that they stop, a quarter of an hour after they came; all others just stay away.
fn turnover<F: Families>(swarms: u64, peers: u64, addresses: Addresses) {
    let mut run = Run::<F>::new(swarms, peers, addresses);
    let all = swarms * peers;
    run.minutes(FILL, all.div_ceil(u64::from(FILL)));
    let fill = run.sample();
    let each_minute = (all as f64 / if peers > 1 { LIFE_WITH_STOPS } else { LIFE }) as u64;
    run.stopping_ago = if peers > 1 { each_minute * 15 } else { u64::MAX };
    run.forget_times();
    let mut steady = Vec::new();
    for minute in 0..TURNOVER {
        run.minutes(1, each_minute);
        if minute >= TURNOVER - STEADY {
            steady.push(run.sample());
        }
    }
    run.finish(fill, &steady);
}

/// So many torrents with one peer, of which three in ten stop and are replaced, five times over.
fn replacement<F: Families>(torrents: u64, addresses: Addresses) {
    let mut run = Run::<F>::new(torrents, 1, addresses);
    let share = torrents * 3 / 10;
    let mut live: Vec<u32> = (0..torrents as u32).collect();
    let mut random = Random::new([3, 4]);
    run.baseline = resident();
    run.arrive(0..torrents);
    let fill = run.sample();
    run.forget_times();
    let mut steady = Vec::new();
    for round in 0..5 {
        for at in 0..share as usize {
            let other = at as u64 + random.below(torrents - at as u64);
            live.swap(at, other as usize);
            run.stop(u64::from(live[at]));
        }
        run.idle_minutes(4);
        let new = torrents + round * share;
        live.iter_mut().zip(new..new + share).for_each(|(slot, number)| *slot = number as u32);
        run.arrive(new..new + share);
        steady.push(run.sample());
    }
    run.finish(fill, &steady[4..]);
}
