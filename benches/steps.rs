//! How long the longest piece of work takes while torrents grow to ten million and all leave: `cargo bench --bench steps`.
//!
//! A machine that is shared takes milliseconds from any piece of work, and the host of a virtual one does when memory is touched
//! for the first time. Here the same work is done several times over, and the least that each piece took counts: what is
//! long every time is its own.
#![allow(missing_docs)] // nothing here is for others to call

use opentracker::limits::{ANSWER_PIECE, UDP_BATCH, WALK_SLICE};
use opentracker::swarm::{Endpoint, InfoHash, PeerState, Random, Swarms, V4};
use opentracker::sys::memory;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

const TORRENTS: u64 = 10_000_000;
const RUNS: u32 = 3;
const START: u32 = 29_000_000;

fn main() {
    memory::tune(ANSWER_PIECE);
    let (mut batches, mut walks) = (Pieces::default(), Pieces::default());
    for run in 0..RUNS {
        let mut swarms = Swarms::<V4>::new();
        let mut random = Random::new([1, 2]);
        for batch in 0..TORRENTS as usize / UDP_BATCH {
            let names: Vec<_> = (0..UDP_BATCH).map(|_| name(&mut random)).collect();
            batches.time(run, batch, || grow(&mut swarms, &names));
        }
        // in the first walk the peers are too old, and in the second the torrents that they leave behind
        let (mut piece, mut ends) = (0, 0);
        while ends < 2 {
            ends += u32::from(walks.time(run, piece, || swarms.expire(START + 46 * (ends + 1), WALK_SLICE)));
            piece += 1;
        }
        assert_eq!(swarms.totals().torrents, 0);
    }
    batches.print("announces of 64 new torrents");
    walks.print("steps of the walks in which all leave");
}

fn name(random: &mut Random) -> InfoHash {
    let mut bytes = [0; 20];
    bytes.chunks_exact_mut(4).for_each(|word| word.copy_from_slice(&(random.next_u64() as u32).to_le_bytes()));
    InfoHash(bytes)
}

fn grow(swarms: &mut Swarms<V4>, names: &[InfoHash]) {
    swarms.prefetch(names.iter().copied());
    for name in names {
        swarms.announce(START, name, &Endpoint { address: [10, 0, 0, 1], port: [26, 225] }, PeerState::default());
    }
}

/// Time that this thread was running.
fn running() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Pieces of work of one kind.
#[derive(Default)]
struct Pieces {
    /// The least that each took.
    least: Vec<Duration>,
    /// The longest of each run.
    longest: [Duration; RUNS as usize],
}

impl Pieces {
    fn time<T>(&mut self, run: u32, piece: usize, work: impl FnOnce() -> T) -> T {
        let start = running();
        let result = work();
        let took = running() - start;
        self.least.resize(self.least.len().max(piece + 1), Duration::MAX);
        self.least[piece] = took.min(self.least[piece]);
        let longest = &mut self.longest[run as usize];
        *longest = took.max(*longest);
        result
    }

    /// A bar has a mark for each doubling of the count.
    fn print(&mut self, title: &str) {
        self.least.sort_unstable();
        let (count, longest) = (self.least.len(), self.least[self.least.len() - 1]);
        println!("{title}: {count}, longest {longest:?} (in single runs {:?})", self.longest);
        let mut rest = &self.least[..];
        let mut upper = Duration::from_micros(8);
        while !rest.is_empty() {
            let (below, above) = rest.split_at(rest.partition_point(|took| *took < upper));
            if !below.is_empty() {
                println!("    below {upper:>6.0?} {:>9} {}", below.len(), "#".repeat(below.len().ilog2() as usize + 1));
            }
            (rest, upper) = (above, upper * 2);
        }
    }
}
