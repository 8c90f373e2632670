//! One long answer: made in pieces, compressed where that is wanted, and sent as its receiver takes it.
//!
//! ```text
//!  Waiting ---- room ----> Collecting ----- all made, so the length is known ------> Sending
//!     |                        |                                                        ^
//!     |                        | more than is made whole                                | all made
//!     |                        v                                                        |
//!     +---- more than is made whole, for certain ----> Streaming -----------------------+
//! ```
//!
//! Up to a bound the whole answer is made before its head goes out, so that the head can say its length. A longer one is
//! streamed: it is made only a little ahead of the receiver, and a last chunk, or closing, marks the end.

use super::budget::{Class, Need};
use super::compressor::{Compressor, Job};
use super::pieces::{Pieces, ROOM, empty_piece};
use super::{Io, Size};
use crate::features::gzip::Encoder;
use crate::limits::{ANSWER_PIECE, ANSWER_SLICE_MAX, ANSWER_WINDOW, GZIP_MEMORY};
use crate::server::http::connections::Name;
use crate::wire::http::{self, Framing};
use std::io::ErrorKind;
use std::net::IpAddr;

/// Bytes behind which the next slice might not fit into a piece.
const FULL: usize = ANSWER_PIECE - ANSWER_SLICE_MAX;

/// Bytes that a streamed answer has made and not sent at most: the last piece may go beyond the window.
const STREAMED_MAX: usize = ANSWER_WINDOW + ANSWER_PIECE;

/// Where an answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is made, for want of room.
    Waiting,
    /// It is being made, and nothing is sent before its length is known.
    Collecting,
    /// The head is out, the rest follows as it is made; this marks the end.
    Streaming(Framing),
    /// All of it is made.
    Sending,
}

/// What it goes on with, after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It can go on at once.
    Again,
    /// It goes on when the receiver takes more, or a piece comes back from the compressor.
    Wait,
    /// It has just found that the receiver takes no more.
    Blocked,
    /// It goes on when the compressor has room for a piece.
    CompressorFull,
    /// It goes on when it is granted so many more bytes.
    Short(Need),
    /// The receiver has everything, or has closed the connection.
    Over,
}

/// Where an answer waits for its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In no line: its receiver takes more, or a piece comes back, before it can go on.
    None,
    /// Among those that can go on.
    InLine,
    /// Among those that wait for room in the budget.
    ForRoom,
    /// Among those that wait for room at the compressor.
    ForCompressor,
}

/// Where the compression of an answer stands.
enum Gzip {
    /// It has not begun, or is done, or there is none.
    Idle,
    /// The encoder is here.
    Ready(Box<Encoder>),
    /// It is with the compressor, with a piece.
    Away,
    /// It is with the compressor, with the last piece.
    Ending,
}

/// A long answer, made from a page `P`.
pub(super) struct Answer<P> {
    /// The connection that it goes to.
    pub(super) name: Name,
    /// Where to.
    pub(super) to: IpAddr,
    /// Where it waits for its next step.
    pub(super) place: Place,
    /// The receiver takes no more at the moment.
    blocked: bool,
    phase: Phase,
    /// What is left to be made; none when all is.
    page: Option<P>,
    /// The receiver can read chunks.
    chunks: bool,
    gzip: bool,
    encoder: Gzip,
    /// The piece in the making, with room before it.
    filling: Vec<u8>,
    /// To be filled next.
    spare: Vec<u8>,
    pieces: Pieces,
    /// Bytes of the budget that it has.
    reserved: usize,
    sizes: Sizes,
}

/// What is done depends on these, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// Up to so many an answer is built whole.
    pub(super) whole_max: usize,
    /// Up to so many an answer is small.
    pub(super) small_max: usize,
}

impl<P> Answer<P> {
    /// An answer of which nothing is made yet, to a receiver that can perhaps read chunks.
    pub(super) fn new(name: Name, to: IpAddr, page: P, chunks: bool, gzip: bool, sizes: Sizes) -> Self {
        Answer {
            name,
            to,
            place: Place::None,
            blocked: false,
            phase: Phase::Waiting,
            page: Some(page),
            chunks,
            gzip,
            encoder: Gzip::Idle,
            filling: Vec::new(),
            spare: Vec::new(),
            pieces: Pieces::default(),
            reserved: 0,
            sizes,
        }
    }

    /// Whether its end is missing and the receiver cannot see that: the head says no length, and there is no last chunk.
    pub(super) fn is_cut_short(&self) -> bool {
        self.phase == Phase::Streaming(Framing::Close)
    }

    /// Takes note that the receiver takes more. Returns whether it had not.
    pub(super) fn unblock(&mut self) -> bool {
        std::mem::take(&mut self.blocked)
    }

    /// Adds bytes that the budget has granted.
    pub(super) fn granted(&mut self, bytes: usize) {
        self.reserved += bytes;
    }

    /// Bytes of the budget that it needs no more; all when it is over.
    pub(super) fn spare(&mut self) -> usize {
        let needed = match self.phase {
            Phase::Waiting | Phase::Collecting => self.reserved,
            Phase::Streaming(_) => self.pieces.length().max(STREAMED_MAX) + self.aside(),
            Phase::Sending => self.pieces.length(),
        };
        let spare = self.reserved.saturating_sub(needed);
        self.reserved -= spare;
        spare
    }

    /// Bytes that making it takes beside finished pieces.
    fn aside(&self) -> usize {
        2 * ANSWER_PIECE + if self.gzip { GZIP_MEMORY } else { 0 }
    }

    /// Does a small part of what is left to do.
    pub(super) fn step(&mut self, io: &mut impl Io<P>, compressor: Option<&Compressor>) -> Step {
        match self.phase {
            Phase::Waiting => self.begin(io),
            Phase::Collecting => self.make(io, compressor),
            Phase::Streaming(_) if self.can_send() => self.send(io),
            Phase::Streaming(_) => self.make(io, compressor),
            Phase::Sending if self.can_send() => self.send(io),
            Phase::Sending if self.pieces.is_empty() => Step::Over,
            Phase::Sending => Step::Wait,
        }
    }

    /// Begins it, where it has been granted what it needs for that.
    fn begin(&mut self, io: &mut impl Io<P>) -> Step {
        let Some(page) = &self.page else { return Step::Over };
        let Size { least, most } = io.size(page);
        let streamed = least > self.sizes.whole_max;
        let ahead = if streamed { STREAMED_MAX } else { most.min(self.sizes.whole_max + ANSWER_PIECE) };
        let bytes = ahead + self.aside();
        if self.reserved < bytes {
            let class = if !streamed && bytes <= self.sizes.small_max { Class::Small } else { Class::Large };
            return Step::Short(Need { bytes: bytes - self.reserved, class });
        }
        if streamed {
            self.stream()
        } else {
            self.phase = Phase::Collecting
        }
        Step::Again
    }

    /// Makes a slice, or is done with a piece.
    fn make(&mut self, io: &mut impl Io<P>, compressor: Option<&Compressor>) -> Step {
        let aside = self.aside();
        let is_full = self.filling.len() >= FULL;
        let Some(page) = self.page.as_mut().filter(|_| !is_full) else { return self.finish_piece(compressor) };
        if matches!(self.phase, Phase::Streaming(_)) && self.pieces.length() >= ANSWER_WINDOW {
            return Step::Wait;
        }
        let needed = self.pieces.length() + aside;
        if needed > self.reserved {
            return Step::Short(Need { bytes: needed - self.reserved + ANSWER_PIECE, class: Class::More });
        }
        if self.filling.is_empty() {
            self.filling = std::mem::take(&mut self.spare);
            if self.filling.capacity() == 0 {
                self.filling.reserve_exact(ROOM + io.size(page).most.min(ANSWER_PIECE));
            }
            self.filling.resize(ROOM, 0);
        }
        if io.slice(page, &mut self.filling) {
            self.page = None;
        }
        Step::Again
    }

    /// What is to be done with a piece that is full, or the last.
    fn finish_piece(&mut self, compressor: Option<&Compressor>) -> Step {
        let last = self.page.is_none();
        if !self.gzip {
            let piece = std::mem::take(&mut self.filling);
            self.add(piece, last);
            return Step::Again;
        }
        let encoder = match std::mem::replace(&mut self.encoder, Gzip::Idle) {
            away @ (Gzip::Away | Gzip::Ending) => {
                self.encoder = away;
                return Step::Wait;
            }
            Gzip::Ready(encoder) => encoder,
            Gzip::Idle => Box::new(Encoder::new(empty_piece(ANSWER_PIECE))),
        };
        let piece = std::mem::take(&mut self.filling);
        // such a page is made only where there is a thread for it
        let Some(compressor) = compressor else { return Step::Over };
        match compressor.hand_over(Job { whose: self.name.to_bits(), encoder, piece, from: ROOM, last }) {
            Ok(()) => {
                self.encoder = if last { Gzip::Ending } else { Gzip::Away };
                Step::Again
            }
            Err(Job { encoder, piece, .. }) => {
                self.encoder = Gzip::Ready(encoder);
                self.filling = piece;
                Step::CompressorFull
            }
        }
    }

    /// Takes back what the compressor is done with.
    pub(super) fn take_back(&mut self, job: Job) {
        let Job { mut encoder, piece, last, .. } = job;
        self.spare = piece;
        let output = encoder.output();
        if last {
            let bytes = std::mem::take(output);
            self.encoder = Gzip::Idle;
            self.add(bytes, true);
            return;
        }
        if output.len() >= FULL {
            let bytes = std::mem::replace(output, empty_piece(ANSWER_PIECE));
            self.add(bytes, false);
        }
        self.encoder = Gzip::Ready(encoder);
    }

    /// Adds a finished piece. It may decide what the head says.
    fn add(&mut self, piece: Vec<u8>, last: bool) {
        self.pieces.push(piece, self.phase == Phase::Streaming(Framing::Chunked));
        if self.phase == Phase::Collecting {
            if self.pieces.length() > self.sizes.whole_max {
                self.stream();
            } else if last {
                self.put_head(Framing::Length(self.pieces.length()));
            }
        }
        if last {
            if self.phase == Phase::Streaming(Framing::Chunked) {
                self.pieces.push_last_chunk();
            }
            self.phase = Phase::Sending;
        }
    }

    /// Lets the head out before the length is known.
    fn stream(&mut self) {
        let framing = if self.chunks { Framing::Chunked } else { Framing::Close };
        self.put_head(framing);
        self.phase = Phase::Streaming(framing);
    }

    fn put_head(&mut self, framing: Framing) {
        let mut head = Vec::with_capacity(ROOM);
        http::long(&mut head, framing, self.gzip);
        self.pieces.put_head(&head, framing == Framing::Chunked);
    }

    fn can_send(&self) -> bool {
        !self.blocked && !self.pieces.is_empty()
    }

    /// Sends what the receiver takes of the first piece.
    fn send(&mut self, io: &mut impl Io<P>) -> Step {
        let bytes = self.pieces.first();
        let sent = if bytes.is_empty() { Ok(0) } else { io.send(self.name, bytes) };
        match sent {
            Ok(sent) => {
                self.pieces.sent(sent);
                Step::Again
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.blocked = true;
                Step::Blocked
            }
            Err(_) => Step::Over,
        }
    }

    /// Frees some of what an answer that is given up has left. True when nothing is left.
    pub(super) fn discard(&mut self, pieces: usize, io: &mut impl Io<P>) -> bool {
        let page = self.page.as_mut().is_none_or(|page| io.discard(page));
        self.pieces.discard(pieces) && page
    }

    /// Bytes of the budget that one that is given up leaves.
    pub(super) fn reserved(&self) -> usize {
        self.reserved
    }
}
