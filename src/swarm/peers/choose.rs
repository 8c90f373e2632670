//! The choice of peers for a reply: distinct, every one equally likely, chosen anew for each reply. From a paged swarm they come in
//! runs of neighbours in an order that says nothing of them: ten runs at least, if so many peers are wanted.

use super::PeerSet;
use super::paged::{PageView, Paged};
use super::{ARRAY_MAX, Peers, Pool, Store, Stored};
use crate::limits::{NUMWANT_MAX, NUMWANTS, SWARM_PEER_PAGE};
use crate::swarm::{Endpoint, Random};
use smallvec::SmallVec;
use std::ops::Range;

/// A paged swarm is sampled if it has this many times the peers wanted; below that, repeated samples would be many.
const SAMPLE_LARGE: usize = 4;

/// Places for each peer that is there; where more than that are empty, samples would be many, so all pages are looked through.
const SAMPLE_SPARSE: usize = 64;

/// Samples taken at a time at most: about as many as the longest reply needs, since memory is only waited for once then.
const SAMPLES: usize = 40;

/// Samples taken beside those that would suffice on average.
const SAMPLES_SPARE: usize = 3;

/// Runs that a reply from a paged swarm is made of at least, if so many peers are wanted.
const RUNS_MIN: usize = 10;

/// Peers of a run at most: those of IPv4 are no longer than a line of the cache then.
const RUN_MAX: usize = 8;

/// Words of bits that tell which places were not chosen yet: in a swarm of up to 4096 places each has a bit of its own.
const WORDS: usize = 64;

/// Where chosen peers go: leechers from the front, seeders behind them, in any order.
struct Reply<'a> {
    out: &'a mut [u8],
    front: usize,
    back: usize,
}

impl<'a> Reply<'a> {
    /// A reply that will have exactly so many peers.
    fn new<const N: usize>(out: &'a mut [u8], peers: usize) -> Self {
        let back = peers * Endpoint::<N>::SIZE;
        Self { out, front: 0, back }
    }

    fn put<const N: usize>(&mut self, peer: &Stored<N>) {
        // No processor foresees who is seeding, so there is no branch on it: all bits of the mask are set for a seeder.
        let size = Endpoint::<N>::SIZE;
        let mask = usize::from(peer.seeding()).wrapping_neg();
        // what is wrong here is found below, where the bytes are taken
        self.back = self.back.wrapping_sub(size & mask);
        let at = self.front ^ ((self.front ^ self.back) & mask);
        self.front = self.front.wrapping_add(size & !mask);
        peer.endpoint.write(&mut self.out[at..at.wrapping_add(size)]);
    }
}

/// Writes `wanted` of the peers, or all if there are no more, and returns the number of bytes. `minute` is the base of
/// their ages; those too old at that time are none of them.
pub(in crate::swarm) fn choose<const N: usize>(
    peers: &Peers<N>,
    store: &Store<N>,
    minute: u32,
    wanted: usize,
    random: &mut Random,
    out: &mut [u8],
) -> usize {
    let wanted = wanted.min(out.len() / Endpoint::<N>::SIZE);
    let wanted = wanted.min(peers.counts(store).all() as usize);
    if wanted == 0 {
        return 0;
    }
    let mut reply = Reply::new::<N>(out, wanted);
    match peers {
        Peers::Inline(inline) => from_array(inline.read::<N>().peers(), wanted, random, &mut reply),
        Peers::Array(array) => from_array(array.peers(&store.pool), wanted, random, &mut reply),
        Peers::Paged(number) => {
            if let Some(paged) = store.paged(*number) {
                from_paged(paged, &store.pool, minute, wanted, random, &mut reply);
            }
        }
    }
    wanted * Endpoint::<N>::SIZE
}

/// Adds a guest to a reply of all peers, where there is room: before the leechers or behind the seeders. Returns the bytes of all.
pub(super) fn put_guest<const N: usize>(peer: &Endpoint<N>, seeding: bool, length: usize, out: &mut [u8]) -> usize {
    let size = Endpoint::<N>::SIZE;
    let Some(reply) = out.get_mut(..length + size) else { return length };
    let at = if seeding { length } else { 0 };
    reply.copy_within(at..length, at + size);
    peer.write(&mut reply[at..]);
    length + size
}

/// Shuffles numbers just as far as needed: from the lesser of those chosen and those left out.
fn from_array<const N: usize>(peers: &[Stored<N>], wanted: usize, random: &mut Random, reply: &mut Reply) {
    const IN_ORDER: [u8; ARRAY_MAX] = {
        let mut numbers = [0; ARRAY_MAX];
        let mut index = 0;
        while index < ARRAY_MAX {
            numbers[index] = index as u8;
            index += 1;
        }
        numbers
    };
    if wanted == peers.len() {
        return peers.iter().for_each(|peer| reply.put(peer));
    }
    let mut numbers = IN_ORDER;
    let shuffled = wanted.min(peers.len() - wanted);
    for index in 0..shuffled {
        let other = index + random.below((peers.len() - index) as u64) as usize;
        numbers.swap(index, other);
    }
    let chosen = if shuffled == wanted { &numbers[..wanted] } else { &numbers[shuffled..peers.len()] };
    for &number in chosen {
        reply.put(&peers[usize::from(number)]);
    }
}

fn from_paged<const N: usize>(
    paged: &Paged<N>,
    pool: &Pool<Stored<N>>,
    minute: u32,
    wanted: usize,
    random: &mut Random,
    reply: &mut Reply,
) {
    let there = paged.counts.all() as usize;
    let places = paged.tree.numbers() * SWARM_PEER_PAGE;
    let is_dense = there >= wanted.saturating_mul(SAMPLE_LARGE) && places <= there.saturating_mul(SAMPLE_SPARSE);
    match u32::try_from(places) {
        Ok(places) if is_dense && wanted <= *NUMWANTS.end() as usize => {
            let run = run_of(wanted);
            let sampling = Sampling { paged, pool, minute, run, left: wanted, taken: Taken::new() };
            sampling.sample(places, random, reply);
        }
        _ => pick(paged, pool, minute, wanted, random, reply),
    }
}

/// Peers of a run: the more, the less memory has to be fetched into the cache, which is most of the work, and the more often
/// the same peers are told of together.
pub(in crate::swarm) fn run_of(wanted: usize) -> usize {
    (wanted / RUNS_MIN).clamp(1, RUN_MAX)
}

/// What is known while a reply's peers are chosen from a paged swarm by samples.
struct Sampling<'a, const N: usize> {
    paged: &'a Paged<N>,
    pool: &'a Pool<Stored<N>>,
    minute: u32,
    /// Peers of a run.
    run: usize,
    left: usize,
    taken: Taken,
}

impl<'a, const N: usize> Sampling<'a, N> {
    /// Samples places at random, whether there is a peer or not, and takes a run of peers from each until there are enough. As every
    /// place is equally likely, every peer is: it has as many others before it that would bring it along.
    ///
    /// Many samples turn out empty and most lie in memory that is not in the cache, so they are taken by the dozen, sifted
    /// without a branch, and fetched before the first is looked at: a processor neither guesses which are empty nor waits for
    /// each in turn.
    fn sample(mut self, places: u32, random: &mut Random, reply: &mut Reply) {
        let (page, _) = self.paged.tree.page_at(0);
        let mut samples = [(page, 0); SAMPLES];
        while self.left > 0 {
            let mut some = 0;
            for _ in 0..self.likely_samples(places) {
                let place = random.below(places.into()) as u32;
                let (page, there) = self.paged.tree.page_at(place as usize / SWARM_PEER_PAGE);
                samples[some] = (page, place);
                some += usize::from(there & (place as usize % SWARM_PEER_PAGE < usize::from(page.len)));
            }
            for (page, place) in &samples[..some] {
                self.view(page).prefetch(*place as usize % SWARM_PEER_PAGE, self.run);
            }
            for (page, place) in &samples[..some] {
                if self.left == 0 {
                    return;
                }
                self.take(self.view(page), *place, reply);
            }
        }
    }

    #[inline]
    fn view(&self, page: &crate::swarm::index::Page) -> PageView<'a, N> {
        PageView::new(self.pool, page, self.minute)
    }

    /// How many samples are likely to suffice: now and then some more are needed, and few are taken in vain.
    fn likely_samples(&self, places: u32) -> usize {
        let runs = self.left.div_ceil(self.run) as u64;
        let there = self.paged.counts.all();
        SAMPLES.min((runs * u64::from(places) / u64::from(there)) as usize + SAMPLES_SPARE)
    }

    /// Takes a run of peers from a place on, if the one there is still in the swarm. Nearly always they all are, of one page, and
    /// new: then there is nothing to look out for.
    fn take(&mut self, page: PageView<'a, N>, place: u32, reply: &mut Reply) {
        let from = place as usize % SWARM_PEER_PAGE;
        let run = self.run.min(self.left);
        match page.alive_run(from, run) {
            Some(peers) if self.taken.add_run(place, run as u32) => {
                peers.iter().for_each(|peer| reply.put(peer));
                self.left -= run;
            }
            _ if page.alive_run(from, 1).is_some() => self.take_each(page, place, reply),
            _ => {}
        }
    }

    /// Takes the peer at a place and those who come next, all in a circle, but for those who were taken before.
    fn take_each(&mut self, mut page: PageView<'a, N>, place: u32, reply: &mut Reply) {
        let (mut number, mut from) = (place as usize / SWARM_PEER_PAGE, place as usize % SWARM_PEER_PAGE);
        let mut more = self.run;
        loop {
            for (index, stored) in page.alive(from) {
                if self.taken.add((number * SWARM_PEER_PAGE + index) as u32) {
                    reply.put(stored);
                    self.left -= 1;
                }
                more -= 1;
                if more == 0 || self.left == 0 {
                    return;
                }
            }
            number = self.paged.tree.next_number(number);
            page = self.view(self.paged.tree.page_at(number).0);
            from = 0;
        }
    }
}

/// Looks at all peers in order and takes each with the chance that makes all equally likely (Knuth's algorithm S).
fn pick<const N: usize>(
    paged: &Paged<N>,
    pool: &Pool<Stored<N>>,
    minute: u32,
    mut wanted: usize,
    random: &mut Random,
    reply: &mut Reply,
) {
    let mut there = paged.counts.all() as usize;
    for (_, peer) in paged.tree.iter().flat_map(|page| PageView::new(pool, page, minute).alive(0)) {
        if wanted == there || random.below(there as u64) < wanted as u64 {
            reply.put(peer);
            wanted -= 1;
            if wanted == 0 {
                return;
            }
        }
        there -= 1;
    }
}

/// Which peers were taken already, by the numbers of their places.
struct Taken {
    /// A bit that is not set tells that none of the places that share it was taken; one that is set tells nothing yet.
    bits: [u64; WORDS],
    /// Not more than peers are wanted, so adding one needs no memory, unless the operator allows for longer replies.
    runs: SmallVec<[Range<u32>; NUMWANT_MAX]>,
}

impl Taken {
    fn new() -> Self {
        Self { bits: [0; WORDS], runs: SmallVec::new() }
    }

    /// Adds a run from a place on, if a look at one word shows that none of it was taken.
    fn add_run(&mut self, place: u32, run: u32) -> bool {
        let bits = ((1 << run) - 1) << (place % u64::BITS);
        let word = &mut self.bits[(place / u64::BITS) as usize % WORDS];
        let is_in_word = place % u64::BITS <= u64::BITS - run;
        let is_new = is_in_word && *word & bits == 0;
        if is_new {
            *word |= bits;
            self.runs.push(place..place + run);
        }
        is_new
    }

    /// Adds a place, if it was not taken.
    fn add(&mut self, place: u32) -> bool {
        if self.add_run(place, 1) {
            return true;
        }
        let is_new = !self.runs.iter().any(|run| run.contains(&place));
        if is_new {
            self.runs.push(place..place + 1);
        }
        is_new
    }
}
