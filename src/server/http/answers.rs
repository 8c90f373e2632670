//! The long answers of all connections: whose turn it is, and how much memory they may take together.

use super::compressor::Compressor;
use super::connections::{Connection, Name, State};
use super::delivery::{Delivery, Step};
use super::pull;
use crate::features::COMPRESSION_GZIP;
use crate::limits::{ANSWER_SMALL, ANSWERS_BUDGET, ANSWERS_KEPT, ANSWERS_TURN, DISCARD_STEP};
use crate::server::Server;
use crate::sys::socket;
use crate::tracker::Now;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;

/// Names of connections that went while they waited for room: some are not worth looking for, more than there are connections are.
const WAITING_LEFT: usize = 64;

/// Reads of what a client sent behind its request.
const READS_AT_THE_END: usize = 8;

/// The bytes that all answers may take together, and who waits for some.
struct Budget {
    free: usize,
    /// Some came back since the first of those who wait was looked at.
    eased: bool,
    waiting: VecDeque<Name>,
}

impl Budget {
    /// Takes so many bytes, if they are free. Large answers leave some for small ones.
    fn take(&mut self, bytes: usize) -> bool {
        let kept = if is_small(bytes) { 0 } else { ANSWERS_KEPT };
        let enough = bytes + kept <= self.free;
        if enough {
            self.free -= bytes;
        }
        enough
    }

    fn give_back(&mut self, bytes: usize) {
        self.free += bytes;
        self.eased |= bytes > 0;
    }

    /// Whether one that asks for so many bytes may have them now, though others may be waiting: large answers pass by nobody.
    fn has_its_turn(&self, bytes: usize) -> bool {
        is_small(bytes) || self.waiting.is_empty()
    }
}

fn is_small(bytes: usize) -> bool {
    bytes <= ANSWER_SMALL
}

/// Long answers in the making and on their way. The answers themselves are with their connections.
pub(in crate::server) struct Answers<const N: usize> {
    /// Whose can go on, in turn.
    line: VecDeque<Name>,
    /// Whose go on when the compressing thread has room.
    held: Vec<Name>,
    budget: Budget,
    /// Answers that nobody waits for any more.
    given_up: VecDeque<Box<Delivery<N>>>,
    compressor: Option<Compressor>,
}

impl<const N: usize> Answers<N> {
    /// No answers yet. In builds that compress this starts a thread.
    pub(in crate::server) fn new() -> io::Result<Self> {
        Ok(Answers {
            line: VecDeque::new(),
            held: Vec::new(),
            budget: Budget { free: ANSWERS_BUDGET, eased: false, waiting: VecDeque::new() },
            given_up: VecDeque::new(),
            compressor: COMPRESSION_GZIP.then(Compressor::start).transpose()?,
        })
    }

    /// The compressing thread, where there is one.
    pub(in crate::server) fn compressor(&self) -> Option<&Compressor> {
        self.compressor.as_ref()
    }

    /// Puts an answer in line, whose delivery says that it is.
    pub(in crate::server) fn enqueue(&mut self, name: Name) {
        self.line.push_back(name);
    }

    /// Whether something can go on at once.
    pub(in crate::server) fn is_busy(&self) -> bool {
        !self.line.is_empty() || !self.given_up.is_empty() || self.budget.eased && !self.budget.waiting.is_empty()
    }

    /// Takes the answer, if there is one, from a connection that is about to be closed.
    pub(in crate::server) fn give_up(&mut self, connection: &mut Connection<N>) {
        let State::Long(_) = connection.state else { return };
        let State::Long(delivery) = std::mem::replace(&mut connection.state, State::Lingering(0)) else { return };
        if delivery.is_cut_short() {
            socket::cut_off_on_close(connection.socket.as_fd());
        }
        self.given_up.push_back(delivery);
    }

    /// Frees some of what was given up.
    fn discard(&mut self) {
        let Some(delivery) = self.given_up.front_mut() else { return };
        if delivery.discard(DISCARD_STEP) {
            self.budget.give_back(delivery.reserved);
            self.given_up.pop_front();
        }
    }

    /// Whose turn it is, and whether it comes from those who wait for room.
    fn next(&mut self) -> Option<(Name, bool)> {
        if self.budget.eased {
            if let Some(name) = self.budget.waiting.pop_front() {
                return Some((name, true));
            }
            self.budget.eased = false;
        }
        self.line.pop_front().map(|name| (name, false))
    }

    /// Lets one wait until there is room; one who waited before stays the first.
    fn wait(&mut self, name: Name, waited: bool) {
        if waited {
            self.budget.eased = false;
            self.budget.waiting.push_front(name);
        } else {
            self.budget.waiting.push_back(name);
        }
    }
}

impl<const N: usize> Server<N> {
    /// Makes and sends some of the long answers, each in turn, for a bounded time.
    pub(in crate::server) fn deliver(&mut self, now: Now) {
        self.answers.discard();
        let waiting = &mut self.answers.budget.waiting;
        if waiting.len() > 2 * self.connections.len() + WAITING_LEFT {
            waiting.retain(|name| self.connections.contains(*name));
        }
        let start = self.clock.now();
        while let Some((name, waited)) = self.answers.next() {
            self.deliver_some(name, waited, now);
            if self.clock.now().saturating_sub(start) >= ANSWERS_TURN {
                break;
            }
        }
    }

    fn deliver_some(&mut self, name: Name, waited: bool, now: Now) {
        let Some(mut connection) = self.connections.lift(name) else { return };
        let mut keep = true;
        if let State::Long(delivery) = &mut connection.state {
            let step = if delivery.begun {
                let compressor = self.answers.compressor.as_ref();
                delivery.step(connection.socket.as_fd(), &mut self.tracker, compressor, name.to_bits())
            } else {
                Step::Short(delivery.estimate(&self.tracker))
            };
            self.answers.budget.give_back(delivery.spare());
            match step {
                Step::Short(bytes)
                    if (waited || delivery.begun || self.answers.budget.has_its_turn(bytes))
                        && self.answers.budget.take(bytes) =>
                {
                    delivery.reserved += bytes;
                    delivery.begun = true;
                    self.answers.enqueue(name);
                }
                Step::Short(_) => self.answers.wait(name, waited),
                Step::Again => self.answers.enqueue(name),
                Step::Wait => delivery.queued = false,
                Step::Held => self.answers.held.push(name),
                Step::Over => keep = false,
            }
        }
        if !keep {
            self.read_away(&connection);
        }
        self.settle(name, connection, keep, now);
    }

    /// Takes what a client sent behind its request: closing on bytes that nobody read would cut it off from the end of its answer.
    fn read_away(&mut self, connection: &Connection<N>) {
        for _ in 0..READS_AT_THE_END {
            if !matches!(pull(&connection.socket, &mut self.request), Ok(Some(1..))) {
                return;
            }
        }
    }

    /// Goes on with the answers whose pieces the compressing thread is done with.
    pub(in crate::server) fn pieces_back(&mut self, now: Now) {
        if let Some(compressor) = &self.answers.compressor {
            compressor.waker().clear();
        }
        self.answers.line.extend(self.answers.held.drain(..));
        while let Some(job) = self.answers.compressor.as_ref().and_then(Compressor::take) {
            let name = Name::from_bits(job.whose);
            let Some(mut connection) = self.connections.lift(name) else { continue };
            if let State::Long(delivery) = &mut connection.state {
                delivery.take_back(job);
                if !std::mem::replace(&mut delivery.queued, true) {
                    self.answers.enqueue(name);
                }
            }
            self.settle(name, connection, true, now);
        }
    }
}
