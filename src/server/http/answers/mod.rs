//! The long answers of all connections: building and sending them in turn, within a bound of memory.
//!
//! [`Answers`] owns the whole state of a long answer; its connection only knows that it has one. Sockets and the tracker are reached
//! through [`Io`].

mod answer;
mod budget;
mod compressor;
mod pieces;
#[cfg(test)]
mod tests;

use super::connections::Name;
use super::deadlines::Deadlines;
use crate::features::COMPRESSION_GZIP;
use crate::limits::{ANSWER_STALL, DISCARD_STEP};
use crate::stats::figures::LongAnswers;
use crate::wire::http::Style;
use answer::{Answer, Place, Sizes, Step};
use budget::{Budget, share_of};
use compressor::Compressor;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Where answers come from and where they go: the tracker that builds pages, and the sockets.
pub(super) trait Io<P> {
    /// Bytes of a page's body.
    fn size(&self, page: &P) -> Size;

    /// Builds one more slice of a page, and appends it to `body`. True when it is the last one.
    fn slice(&mut self, page: &mut P, body: &mut Vec<u8>) -> bool;

    /// Frees some of a cancelled page. True when nothing is left of it.
    fn discard(&mut self, page: &mut P) -> bool;

    /// Sends as many of these bytes as the connection takes, and returns how many.
    ///
    /// # Errors
    /// `WouldBlock`: it takes none at the moment. Others: the connection is lost.
    fn send(&mut self, name: Name, bytes: &[u8]) -> io::Result<usize>;
}

/// Bytes of a page's body as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// The least that it has.
    pub(super) least: usize,
    /// An estimate of the most that it and its builder take.
    pub(super) most: usize,
}

/// What a step means for the answer's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing.
    GoesOn,
    /// It takes no more at the moment. [`Answers::writable`] is to be called when it does.
    Blocked,
    /// The answer is complete or lost: the connection is to be closed, which cancels the answer.
    Over,
    /// Too many answers to its address wait, and it does so for longest: the connection is to be closed, as after `Over`.
    Displaced,
}

/// All long answers, from pages `P`.
pub(super) struct Answers<P> {
    /// The answers, by the slot of their connection.
    answers: HashMap<u32, Answer<P>>,
    /// The queue of answers whose next step is possible.
    line: VecDeque<Name>,
    /// The answers that wait for the compressor to have room.
    held: Vec<Name>,
    budget: Budget,
    /// The answers whose receivers take nothing.
    stalls: Deadlines<1>,
    /// Cancelled answers that are not freed yet.
    discarded: VecDeque<Answer<P>>,
    compressor: Option<Compressor>,
}

impl<P> Answers<P> {
    /// No answers yet, which may take so many bytes together. In builds that compress this starts a thread.
    ///
    /// # Errors
    /// The system has no thread or descriptor to give.
    pub(super) fn new(budget: usize) -> io::Result<Self> {
        Ok(Answers {
            answers: HashMap::new(),
            line: VecDeque::new(),
            held: Vec::new(),
            budget: Budget::new(budget),
            stalls: Deadlines::new([ANSWER_STALL]),
            discarded: VecDeque::new(),
            compressor: COMPRESSION_GZIP.then(Compressor::start).transpose()?,
        })
    }

    /// Becomes readable when [`compressed`](Self::compressed) is to be called, where something is compressed.
    pub(super) fn compressor(&self) -> Option<BorrowedFd<'_>> {
        self.compressor.as_ref().map(|compressor| compressor.waker().as_fd())
    }

    /// Begins an answer to a connection that has none. Returns false if there is no memory for one more.
    pub(super) fn begin(&mut self, name: Name, to: IpAddr, page: P, style: Style) -> bool {
        if self.answers.try_reserve(1).is_err() {
            return false;
        }
        let sizes = Sizes { whole_max: self.budget.whole_max(), small_max: self.budget.small_max() };
        self.answers.insert(name.slot(), Answer::new(name, share_of(to), page, style, sizes));
        self.enqueue(name);
        true
    }

    /// Goes on with the answer of a connection that takes more.
    pub(super) fn writable(&mut self, name: Name) {
        if self.get(name).is_some_and(Answer::unblock) {
            self.stalls.clear(name.slot());
            self.enqueue(name);
        }
    }

    /// Gives up the answer of a connection that is about to be closed, if it has one. Returns whether the end is missing and the receiver
    /// cannot see that.
    pub(super) fn cancel(&mut self, name: Name) -> bool {
        if self.get(name).is_none() {
            return false;
        }
        self.stalls.clear(name.slot());
        let Some(answer) = self.answers.remove(&name.slot()) else { return false };
        if answer.place == Place::ForRoom {
            self.budget.cancelled(is_there(&self.answers));
        }
        let cut_short = answer.is_cut_short();
        // one that holds no bytes is quickly freed, and there may be more of these in a turn than would be freed in one
        if answer.reserved() > 0 {
            self.discarded.push_back(answer);
        }
        cut_short
    }

    /// How many there are, and what they hold.
    pub(super) fn figures(&self) -> LongAnswers {
        let (bytes, most_bytes) = self.budget.bytes();
        LongAnswers { count: self.answers.len(), waiting: self.budget.waiting(), bytes, most_bytes }
    }

    /// Whether something can go on at once.
    pub(super) fn is_busy(&self) -> bool {
        !self.line.is_empty() || !self.discarded.is_empty() || self.budget.is_eased()
    }

    /// Frees some of what was given up.
    pub(super) fn discard(&mut self, io: &mut impl Io<P>) {
        let Some(answer) = self.discarded.front_mut() else { return };
        if answer.discard(DISCARD_STEP, io) {
            self.budget.give_back(answer.to, answer.reserved());
            self.discarded.pop_front();
        }
    }

    /// Lets the next answer whose turn it is do a small part of what it has to do. None: there is none that can.
    pub(super) fn step(&mut self, now: Duration, io: &mut impl Io<P>) -> Option<(Name, Outcome)> {
        self.grant();
        let name = self.line.pop_front()?;
        let compressor = self.compressor.as_ref();
        let Some(answer) = self.answers.get_mut(&name.slot()).filter(|answer| answer.name == name) else {
            return Some((name, Outcome::GoesOn));
        };
        answer.place = Place::None;
        let step = answer.step(io, compressor);
        self.budget.give_back(answer.to, answer.spare());
        match step {
            Step::Again => self.enqueue(name),
            Step::Wait => {}
            Step::Blocked => {
                self.stalls.set(name.slot(), 0, now);
                // more of it can be made
                self.enqueue(name);
                return Some((name, Outcome::Blocked));
            }
            Step::CompressorFull => {
                answer.place = Place::ForCompressor;
                self.held.push(name);
            }
            Step::Short(need) => {
                if self.budget.request(name, answer.to, need) {
                    answer.granted(need.bytes);
                    self.enqueue(name);
                } else {
                    answer.place = Place::ForRoom;
                    let to = answer.to;
                    let beyond = self.budget.beyond_waiting(to, is_there(&self.answers));
                    return Some(beyond.map_or((name, Outcome::GoesOn), |oldest| (oldest, Outcome::Displaced)));
                }
            }
            Step::Over => return Some((name, Outcome::Over)),
        }
        Some((name, Outcome::GoesOn))
    }

    /// Goes on with the answers whose pieces the compressor is done with.
    pub(super) fn compressed(&mut self) {
        let Some(compressor) = &self.compressor else { return };
        compressor.waker().clear();
        for name in std::mem::take(&mut self.held) {
            if let Some(answer) = self.get(name) {
                answer.place = Place::None;
                self.enqueue(name);
            }
        }
        while let Some(job) = self.compressor.as_ref().and_then(Compressor::take) {
            let name = Name::from_bits(job.whose);
            if let Some(answer) = self.get(name) {
                answer.take_back(job);
                self.enqueue(name);
            }
        }
    }

    /// An answer to be given up: others wait for room, and its receiver has taken nothing for so long. One at a time, since what it
    /// leaves may be enough.
    pub(super) fn stalled(&mut self, now: Duration) -> Option<Name> {
        if !self.budget.has_waiting() || !self.discarded.is_empty() {
            return None;
        }
        let slot = self.stalls.take_due(now)?;
        self.answers.get(&slot).map(|answer| answer.name)
    }

    /// When [`stalled`](Self::stalled) may have one.
    pub(super) fn next_stall(&self) -> Option<Duration> {
        self.stalls.next().filter(|_| self.budget.has_waiting())
    }

    fn get(&mut self, name: Name) -> Option<&mut Answer<P>> {
        self.answers.get_mut(&name.slot()).filter(|answer| answer.name == name)
    }

    fn enqueue(&mut self, name: Name) {
        let Some(answer) = self.get(name) else { return };
        if answer.place == Place::None {
            answer.place = Place::InLine;
            self.line.push_back(name);
        }
    }

    /// Lets the next of those who wait for room go on, if there is some.
    fn grant(&mut self) {
        let Some((name, bytes)) = self.budget.grant(is_there(&self.answers)) else { return };
        if let Some(answer) = self.get(name) {
            answer.granted(bytes);
            answer.place = Place::None;
            self.enqueue(name);
        }
    }
}

/// Whether a connection still has its answer.
fn is_there<P>(answers: &HashMap<u32, Answer<P>>) -> impl Fn(Name) -> bool {
    |name| answers.get(&name.slot()).is_some_and(|answer| answer.name == name)
}
