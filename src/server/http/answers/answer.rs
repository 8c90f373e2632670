//! One long answer: built in pieces, perhaps compressed, and sent as its receiver takes it.
//!
//! ```text
//!  Waiting ---- room ----> Collecting ----- all built, so the length is known -----> Sending
//!     |                        |                                                        ^
//!     |                        | more than is built whole                               | all built
//!     |                        v                                                        |
//!     +---- more than is built whole, for certain ---> Streaming -----------------------+
//! ```
//!
//! Up to a bound the whole answer is built before its head is sent, so that the head can have the length. A longer one is streamed: it
//! is built a little ahead of the receiver, and a last chunk, or closing the connection, marks the end.

use super::budget::{Class, Need};
use super::compressor::{Compressor, Job};
use super::pieces::{Pieces, ROOM, empty_piece};
use super::{Io, Size};
use crate::features::gzip::Encoder;
use crate::limits::{ANSWER_PIECE, ANSWER_SLICE_MAX, ANSWER_WINDOW, GZIP_MEMORY};
use crate::server::http::connections::Name;
use crate::sys::memory;
use crate::wire::http::{self, Form, Framing, Style};
use std::io::ErrorKind;
use std::net::IpAddr;

/// A piece with more bytes is full: the next slice might not fit.
const FULL: usize = ANSWER_PIECE - ANSWER_SLICE_MAX;

/// The most bytes of a streamed answer that are built and not sent. The last piece may exceed the window.
const STREAMED_MAX: usize = ANSWER_WINDOW + ANSWER_PIECE;

/// The phase of an answer; see the diagram above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is built yet: there is no room in the budget.
    Waiting,
    /// It is built. Nothing is sent before its length is known.
    Collecting,
    /// The head is queued, the rest is sent as it is built. This marks the end.
    Streaming(Framing),
    /// All of it is built.
    Sending,
}

/// When the next step is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// At once.
    Again,
    /// When the receiver takes more, or the compressor returns a piece.
    Wait,
    /// When the receiver takes more: the send buffer is full since this step.
    Blocked,
    /// When the compressor has room for a piece.
    CompressorFull,
    /// When the budget grants so many more bytes.
    Short(Need),
    /// Never: the receiver has everything, or has closed the connection.
    Over,
}

/// Where an answer waits for its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In no queue: it waits for its receiver or for the compressor.
    None,
    /// Among those whose next step is possible.
    InLine,
    /// Among those that wait for room in the budget.
    ForRoom,
    /// Among those that wait for the compressor to have room.
    ForCompressor,
}

/// The state of an answer's compression.
enum Gzip {
    /// Not begun, or complete, or the answer is not compressed.
    Idle,
    /// The encoder is here.
    Ready(Box<Encoder>),
    /// The compressor has the encoder and a piece.
    Away,
    /// The compressor has the encoder and the last piece.
    Ending,
}

/// A long answer, made from a page `P`.
pub(super) struct Answer<P> {
    /// The connection that it goes to.
    pub(super) name: Name,
    /// Whose [share](super::budget::share_of) of the budget it takes.
    pub(super) to: IpAddr,
    /// Where it waits for its next step.
    pub(super) place: Place,
    /// The socket's send buffer is full.
    blocked: bool,
    phase: Phase,
    /// What is left to build; `None` when all is built.
    page: Option<P>,
    style: Style,
    encoder: Gzip,
    /// The piece that is being filled, with room before it.
    filling: Vec<u8>,
    /// An empty buffer for the next piece.
    spare: Vec<u8>,
    pieces: Pieces,
    /// Bytes of the budget that it holds.
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
    /// An answer of which nothing is built yet.
    pub(super) fn new(name: Name, to: IpAddr, page: P, style: Style, sizes: Sizes) -> Self {
        Answer {
            name,
            to,
            place: Place::None,
            blocked: false,
            phase: Phase::Waiting,
            page: Some(page),
            style,
            encoder: Gzip::Idle,
            filling: Vec::new(),
            spare: Vec::new(),
            pieces: Pieces::default(),
            reserved: 0,
            sizes,
        }
    }

    /// Whether it is incomplete and the receiver cannot see that, because there is neither a length nor a last chunk.
    pub(super) fn is_cut_short(&self) -> bool {
        self.phase == Phase::Streaming(Framing::Close)
    }

    /// The receiver takes more. Returns whether it did not before.
    pub(super) fn unblock(&mut self) -> bool {
        std::mem::take(&mut self.blocked)
    }

    /// Adds bytes that the budget has granted.
    pub(super) fn granted(&mut self, bytes: usize) {
        self.reserved += bytes;
    }

    /// Releases the bytes of the budget that it no longer needs, and returns how many.
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

    /// Bytes that building it takes besides finished pieces.
    fn aside(&self) -> usize {
        2 * ANSWER_PIECE + if self.style.gzip { GZIP_MEMORY } else { 0 }
    }

    /// Does a small part of the work that is left.
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

    /// Begins to build it, if the budget has granted what it needs.
    fn begin(&mut self, io: &mut impl Io<P>) -> Step {
        let Some(page) = &self.page else { return Step::Over };
        let Size { least, most } = io.size(page);
        let streamed = least > self.sizes.whole_max;
        let ahead = if streamed { STREAMED_MAX } else { most.min(self.sizes.whole_max + ANSWER_PIECE) };
        let bytes = ahead + self.aside();
        // more torrents may have come while it waited. If it waited for more now, all could hold bytes that the others wait for
        if self.reserved == 0 {
            let class = if !streamed && bytes <= self.sizes.small_max { Class::Small } else { Class::Large };
            return Step::Short(Need { bytes, class });
        }
        if streamed {
            self.stream()
        } else {
            self.phase = Phase::Collecting
        }
        Step::Again
    }

    /// Builds a slice, or finishes a full piece. Where memory is short the answer is given up.
    fn make(&mut self, io: &mut impl Io<P>, compressor: Option<&Compressor>) -> Step {
        if memory::is_short() {
            return Step::Over;
        }
        let aside = self.aside();
        let is_full = self.filling.len() >= FULL;
        let Some(page) = self.page.as_mut().filter(|_| !is_full) else { return self.finish_piece(compressor) };
        if matches!(self.phase, Phase::Streaming(_)) && self.pieces.length() >= ANSWER_WINDOW {
            return Step::Wait;
        }
        let needed = self.pieces.length() + aside;
        if needed > self.reserved {
            // it grew more than was estimated: what there is has to be sent before more is built
            if self.phase == Phase::Collecting {
                self.stream();
                return Step::Again;
            }
            return Step::Wait;
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

    /// Compresses or queues a piece that is full, or the last one.
    fn finish_piece(&mut self, compressor: Option<&Compressor>) -> Step {
        let last = self.page.is_none();
        if !self.style.gzip {
            let piece = std::mem::take(&mut self.filling);
            self.add(piece, last);
            return Step::Again;
        }
        let mut encoder = match std::mem::replace(&mut self.encoder, Gzip::Idle) {
            away @ (Gzip::Away | Gzip::Ending) => {
                self.encoder = away;
                return Step::Wait;
            }
            Gzip::Ready(encoder) => encoder,
            Gzip::Idle => Box::new(Encoder::new(Vec::new())),
        };
        if encoder.output().capacity() == 0 {
            // room for what is there and what compressing a full piece adds: the compressor asks for no memory
            *encoder.output() = empty_piece(2 * ANSWER_PIECE);
        }
        let piece = std::mem::take(&mut self.filling);
        // only builds with a compressor compress pages
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

    /// Takes an encoder and a piece back from the compressor.
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
            let bytes = std::mem::take(output);
            self.add(bytes, false);
        }
        self.encoder = Gzip::Ready(encoder);
    }

    /// Queues a finished piece. If nothing was sent yet, it may decide how the end is marked.
    fn add(&mut self, piece: Vec<u8>, last: bool) {
        self.pieces.push(piece, self.phase == Phase::Streaming(Framing::Chunked));
        if self.phase == Phase::Collecting {
            if self.pieces.length() > self.sizes.whole_max {
                self.stream();
            } else if last {
                self.put_head_of_whole();
            }
        }
        if last {
            if self.phase == Phase::Streaming(Framing::Chunked) {
                self.pieces.push_last_chunk();
            }
            self.phase = Phase::Sending;
        }
    }

    /// Puts the head before an answer that is made whole before it is sent.
    fn put_head_of_whole(&mut self) {
        if self.style.chunks && self.style.form == Form::Dump {
            self.put_head(Framing::Chunked);
            self.pieces.push_last_chunk();
        } else {
            self.put_head(Framing::Length(self.pieces.length()));
        }
    }

    /// Begins to send before the length is known.
    fn stream(&mut self) {
        let framing = if self.style.chunks { Framing::Chunked } else { Framing::Close };
        self.put_head(framing);
        self.phase = Phase::Streaming(framing);
    }

    fn put_head(&mut self, framing: Framing) {
        let mut head = Vec::with_capacity(ROOM);
        http::long(&mut head, self.style.form, framing, self.style.gzip);
        self.pieces.put_head(&head, framing == Framing::Chunked);
    }

    fn can_send(&self) -> bool {
        !self.blocked && !self.pieces.is_empty()
    }

    /// Sends as much of the first piece as the receiver takes.
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

    /// Frees some of the memory of a cancelled answer. True when nothing is left.
    pub(super) fn discard(&mut self, pieces: usize, io: &mut impl Io<P>) -> bool {
        let page = self.page.as_mut().is_none_or(|page| io.discard(page));
        self.pieces.discard(pieces) && page
    }

    /// Bytes of the budget that it holds.
    pub(super) fn reserved(&self) -> usize {
        self.reserved
    }
}
