//! The UDP load: so many requests in flight (closed loop), or so many a second (open loop).
//!
//! One socket sends from many source addresses (IP_PKTINFO, 127/8) and never sleeps, so that no tracker pays for waking
//! its client: real clients are on other machines.

use crate::histogram::Histogram;
use crate::packets::{Request, SOURCES, source};
use crate::random::Random;
use crate::sys::{self, BATCH, Datagrams};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

/// An answer that takes longer is lost.
const LOST: Duration = Duration::from_millis(250);
/// Longest request: a scrape of 75.
const REQUEST_MAX: usize = 16 + 75 * 20;
const REPLY_MAX: usize = 2048;
/// In the transaction ids of connects, so that none is 0 and an echo of it is a connection id.
const MARK: u32 = 1 << 16;

/// What came of a load.
#[derive(Clone, Default)]
pub struct Outcome {
    pub sent: u64,
    pub answered: u64,
    /// Answers that say no: an error, or nothing but a head.
    pub refused: u64,
    pub bytes: u64,
    pub time: Duration,
    /// From the moment a request was due.
    pub latency: Histogram,
}

impl Outcome {
    /// Adds what came of the same load a moment later.
    pub fn add(&mut self, more: &Outcome) {
        self.sent += more.sent;
        self.answered += more.answered;
        self.refused += more.refused;
        self.bytes += more.bytes;
        self.time += more.time;
        self.latency.merge(&more.latency);
    }
}

/// A client of one tracker.
pub struct Client {
    socket: UdpSocket,
    server: Ipv4Addr,
    port: u16,
    connections: Vec<u64>,
    out: Datagrams,
    back: Datagrams,
    numwant: u32,
}

/// Requests that wait for their answers; a slot's number and age are the transaction id.
struct Slots {
    since: Vec<Option<Instant>>,
    ages: Vec<u8>,
    free: Vec<u32>,
}

impl Slots {
    fn new(count: usize) -> Slots {
        let free = (0..count as u32).rev().collect();
        Slots { since: vec![None; count], ages: vec![0; count], free }
    }

    fn take(&mut self, due: Instant) -> Option<u32> {
        let slot = self.free.pop()?;
        self.since[slot as usize] = Some(due);
        self.ages[slot as usize] = self.ages[slot as usize].wrapping_add(1);
        Some(slot | u32::from(self.ages[slot as usize]) << 24)
    }

    fn answered(&mut self, transaction: u32) -> Option<Instant> {
        let slot = (transaction & 0xff_ffff) as usize;
        if self.ages.get(slot) != Some(&((transaction >> 24) as u8)) {
            return None;
        }
        let since = self.since[slot].take()?;
        self.free.push(slot as u32);
        Some(since)
    }

    fn give_up(&mut self, now: Instant) {
        for (slot, since) in self.since.iter_mut().enumerate() {
            if since.is_some_and(|since| now.saturating_duration_since(since) > LOST) {
                *since = None;
                self.free.push(slot as u32);
            }
        }
    }

    fn waiting(&self) -> usize {
        self.since.len() - self.free.len()
    }
}

impl Client {
    pub fn new(server: Ipv4Addr, port: u16) -> io::Result<Client> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        sys::enlarge(&socket, 64 << 20);
        let connections = vec![0; SOURCES as usize];
        let (out, back) = (Datagrams::new(REQUEST_MAX), Datagrams::new(REPLY_MAX));
        Ok(Client { socket, server, port, connections, out, back, numwant: 50 })
    }

    pub fn set_numwant(&mut self, numwant: u32) {
        self.numwant = numwant;
    }

    /// Gets a connection id for each source. False when the tracker doesn't answer.
    pub fn connect(&mut self) -> bool {
        let mut next = 0..SOURCES;
        let deadline = Instant::now() + Duration::from_secs(2);
        self.connections.fill(0);
        while self.connections.contains(&0) && Instant::now() < deadline {
            if next.is_empty() {
                next = 0..SOURCES;
            }
            let some: Vec<_> =
                next.by_ref().filter(|source| self.connections[*source as usize] == 0).take(32).collect();
            for source in some {
                self.queue(Request::Connect(source), source | MARK);
            }
            self.out.send(&self.socket);
            self.out.clear();
            let patience = Instant::now() + Duration::from_millis(20);
            while Instant::now() < patience && self.back.receive(&self.socket, false) == 0 {}
            for index in 0..self.back.len() {
                let reply = self.back.get(index);
                if reply.len() >= 16 && number(reply, 0) == 0 {
                    let id = u64::from(number(reply, 8)) << 32 | u64::from(number(reply, 12));
                    if let Some(place) = self.connections.get_mut((number(reply, 4) & !MARK) as usize) {
                        *place = id;
                    }
                }
            }
        }
        while self.back.receive(&self.socket, false) > 0 {}
        !self.connections.contains(&0)
    }

    fn queue(&mut self, request: Request, transaction: u32) {
        let from = request.source();
        let (id, numwant) = (self.connections[from as usize], self.numwant);
        self.out.push(self.server, self.port, Some(source(from)), |room| request.write(id, transaction, numwant, room));
    }

    /// Sends at most a batch of requests, and takes what answers there are. What becomes of them does not matter.
    pub fn blast(&mut self, requests: impl IntoIterator<Item = Request>) {
        for request in requests.into_iter().take(BATCH) {
            self.queue(request, 1);
        }
        self.out.send(&self.socket);
        self.out.clear();
        while self.back.receive(&self.socket, false) > 0 {}
    }

    fn flush(&mut self, outcome: &mut Outcome) {
        outcome.sent += self.out.len() as u64;
        self.out.send(&self.socket);
        self.out.clear();
    }

    /// Takes the answers that have come; returns how many.
    fn collect(&mut self, slots: &mut Slots, outcome: &mut Outcome) -> usize {
        let count = self.back.receive(&self.socket, false);
        if count == 0 {
            return 0;
        }
        let now = Instant::now();
        for index in 0..count {
            let reply = self.back.get(index);
            if reply.len() < 8 {
                continue;
            }
            let Some(since) = slots.answered(number(reply, 4)) else { continue };
            outcome.answered += 1;
            outcome.bytes += reply.len() as u64;
            outcome.refused += u64::from(number(reply, 0) == 3 || reply.len() == 8);
            outcome.latency.add(now.saturating_duration_since(since));
        }
        count
    }

    /// Keeps `window` requests in flight until `next` has no more or the time is over.
    pub fn closed(&mut self, window: usize, time: Duration, mut next: impl FnMut() -> Option<Request>) -> Outcome {
        let mut outcome = Outcome::default();
        let mut slots = Slots::new(window);
        let start = Instant::now();
        let mut last = start;
        let mut more = true;
        while more || slots.waiting() > 0 {
            let now = Instant::now();
            more &= now - start < time;
            while more && self.out.len() < BATCH && !slots.free.is_empty() {
                match next() {
                    Some(request) => {
                        let transaction = slots.take(now).expect("a free slot");
                        self.queue(request, transaction);
                    }
                    None => more = false,
                }
            }
            self.flush(&mut outcome);
            if self.collect(&mut slots, &mut outcome) > 0 {
                last = now;
            } else if now - last > LOST / 4 {
                slots.give_up(now);
                last = now;
            }
        }
        outcome.time = start.elapsed();
        outcome
    }

    /// Sends `rate` requests a second at random moments, whether or not answers come. What came too late counts as lost.
    /// `between` is called again and again; it must be quick.
    pub fn open(
        &mut self,
        rate: f64,
        time: Duration,
        seed: u64,
        mut next: impl FnMut() -> Request,
        mut between: impl FnMut(),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        // as many as can be in flight before the first is given up
        let mut slots = Slots::new((rate * LOST.as_secs_f64() * 2.0) as usize + 1024);
        let mut random = Random::new(seed);
        let mut gap = move || Duration::from_secs_f64(-(1.0 - random.unit()).ln() / rate);
        let start = Instant::now();
        let mut due = start + gap();
        let mut checked = start;
        loop {
            let now = Instant::now();
            while due <= now && due < start + time && self.out.len() < BATCH {
                if let Some(transaction) = slots.take(due) {
                    self.queue(next(), transaction);
                }
                due += gap();
            }
            self.flush(&mut outcome);
            self.collect(&mut slots, &mut outcome);
            if now - checked > LOST / 2 {
                slots.give_up(now);
                checked = now;
            }
            between();
            if due >= start + time && slots.waiting() == 0 {
                break;
            }
        }
        outcome.time = start.elapsed();
        outcome
    }
}

/// Four bytes of a reply, as a number.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}
