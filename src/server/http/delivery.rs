//! One long answer on its way: made in pieces, compressed where that is wanted, and sent as its receiver takes it.
//!
//! Up to a bound the whole answer is made before its head goes out, so that the head can tell the length. A longer one is streamed
//! from then on: it is made only a little ahead of the receiver, and the end is told by a last chunk, or by closing.

use super::compressor::{Compressor, Job};
use crate::features::gzip::Encoder;
use crate::limits::{ANSWER_PIECE, ANSWER_SLICE_MAX, ANSWER_WHOLE_MAX, ANSWER_WINDOW, GZIP_MEMORY};
use crate::sys::socket;
use crate::tracker::Tracker;
use crate::tracker::pages::Page;
use crate::wire::http::{self, Framing};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;

/// Room kept before a piece: for the answer's head and the chunk's.
const ROOM: usize = 160;

/// Bytes behind which the next slice might not fit into a piece.
const FULL: usize = ANSWER_PIECE - ANSWER_SLICE_MAX;

/// What becomes of a delivery after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Step {
    /// It can go on at once.
    Again,
    /// It goes on when the receiver takes more, or a piece comes back.
    Wait,
    /// It goes on when the compressing thread has room for a piece.
    Held,
    /// It goes on when there is room for so many more bytes.
    Short(usize),
    /// The receiver has everything, or is gone.
    Over,
}

/// Where compression stands.
enum Packing {
    /// There is none, or it has not begun.
    None,
    /// The encoder is here.
    Here(Box<Encoder>),
    /// It is with the compressing thread,
    Away,
    /// and has the end of the page.
    Ending,
}

/// Bytes to be sent, and how many need not be (any more).
struct Piece {
    bytes: Vec<u8>,
    at: usize,
}

impl Piece {
    fn length(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Puts a head before the rest; there is room for it.
    fn put_before(&mut self, head: &[u8]) {
        let start = self.at.saturating_sub(head.len());
        if let Some(place) = self.bytes.get_mut(start..self.at) {
            place.copy_from_slice(head.get(head.len() - place.len()..).unwrap_or_default());
            self.at = start;
        }
    }

    /// Makes it a chunk of HTTP/1.1.
    fn frame(&mut self) {
        let length = self.length();
        if length == 0 {
            // that would be the last one
            return;
        }
        self.put_before(format!("{length:x}\r\n").as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// An empty piece to be filled, with room before it.
fn room(bytes: usize) -> Vec<u8> {
    let mut piece = Vec::with_capacity(ROOM + bytes);
    piece.resize(ROOM, 0);
    piece
}

/// A long answer.
pub(in crate::server) struct Delivery<const N: usize> {
    /// None when all of it is made.
    page: Option<Box<Page<N>>>,
    chunked: bool,
    gzip: bool,
    /// What is being made, with room before it.
    filling: Vec<u8>,
    /// To be filled next.
    spare: Vec<u8>,
    packing: Packing,
    pieces: VecDeque<Piece>,
    /// Bytes of the pieces.
    length: usize,
    /// The last piece is among them, or was.
    made: bool,
    /// The head is out: the rest follows as it is made.
    sending: bool,
    /// The receiver takes no more at the moment.
    pub(in crate::server) blocked: bool,
    /// It has been given room to begin with.
    pub(in crate::server) begun: bool,
    /// Bytes of the budget that it has.
    pub(in crate::server) reserved: usize,
    /// Whether it is in line for the next steps, or among those who wait for room, in the budget or at the compressing thread.
    pub(in crate::server) queued: bool,
}

impl<const N: usize> Delivery<N> {
    /// An answer of which nothing is made yet.
    pub(in crate::server) fn new(page: Box<Page<N>>) -> Self {
        Delivery {
            chunked: page.chunked,
            gzip: page.gzip,
            page: Some(page),
            filling: Vec::new(),
            spare: Vec::new(),
            packing: Packing::None,
            pieces: VecDeque::new(),
            length: 0,
            made: false,
            sending: false,
            blocked: false,
            begun: false,
            reserved: 0,
            queued: true,
        }
    }

    /// Whether its end was not reached, though the receiver cannot tell: no length was told, and no last chunk is missing.
    pub(in crate::server) fn is_cut_short(&self) -> bool {
        self.sending && !self.chunked && !self.made
    }

    /// Bytes that it takes beside finished pieces.
    fn beside(&self) -> usize {
        match (self.made, self.gzip) {
            (true, _) => 0,
            (false, false) => 2 * ANSWER_PIECE,
            (false, true) => 2 * ANSWER_PIECE + GZIP_MEMORY,
        }
    }

    /// Bytes of the budget to begin with.
    pub(in crate::server) fn estimate(&self, tracker: &Tracker<N>) -> usize {
        let page = self.page.as_ref().map_or(0, |page| page.estimate(tracker));
        page.min(ANSWER_WHOLE_MAX + ANSWER_PIECE) + self.beside()
    }

    /// Bytes of the budget that it needs no more.
    pub(in crate::server) fn spare(&mut self) -> usize {
        if !self.sending {
            return 0;
        }
        let ahead = if self.made { self.length } else { self.length.max(ANSWER_WINDOW) };
        let spare = self.reserved.saturating_sub(ahead + self.beside());
        self.reserved -= spare;
        spare
    }

    /// Sends a piece, or makes a slice. `whose` names it to the compressing thread.
    pub(in crate::server) fn step(
        &mut self,
        socket: BorrowedFd<'_>,
        tracker: &mut Tracker<N>,
        compressor: Option<&Compressor>,
        whose: u64,
    ) -> Step {
        if self.sending && !self.blocked && !self.pieces.is_empty() {
            return match self.send(socket) {
                Ok(()) => Step::Again,
                Err(_) => Step::Over,
            };
        }
        if self.made {
            return if self.pieces.is_empty() { Step::Over } else { Step::Wait };
        }
        if self.page.is_some() && self.filling.len() < FULL {
            if self.sending && self.length >= ANSWER_WINDOW {
                return Step::Wait;
            }
            let needed = self.length + self.beside();
            if needed > self.reserved {
                return Step::Short(needed - self.reserved + ANSWER_PIECE);
            }
            self.make(tracker);
        }
        if self.page.is_none() || self.filling.len() >= FULL {
            return self.finish_piece(compressor, whose);
        }
        Step::Again
    }

    fn make(&mut self, tracker: &mut Tracker<N>) {
        let Some(page) = &mut self.page else { return };
        if self.filling.is_empty() {
            self.filling = std::mem::take(&mut self.spare);
            if self.filling.capacity() == 0 {
                self.filling.reserve_exact(ROOM + page.estimate(tracker).min(ANSWER_PIECE));
            }
            self.filling.resize(ROOM, 0);
        }
        if page.slice(tracker, &mut self.filling) {
            self.page = None;
        }
    }

    /// What is to be done with a piece that is full, or the last.
    fn finish_piece(&mut self, compressor: Option<&Compressor>, whose: u64) -> Step {
        let last = self.page.is_none();
        if !self.gzip {
            let bytes = std::mem::take(&mut self.filling);
            self.add(Piece { bytes, at: ROOM }, last);
            return Step::Again;
        }
        let encoder = match std::mem::replace(&mut self.packing, Packing::None) {
            away @ (Packing::Away | Packing::Ending) => {
                self.packing = away;
                return Step::Wait;
            }
            Packing::Here(encoder) => encoder,
            Packing::None => Box::new(Encoder::new(room(ANSWER_PIECE))),
        };
        let piece = std::mem::take(&mut self.filling);
        // such a page is made only where there is a thread for it
        let Some(compressor) = compressor else { return Step::Over };
        match compressor.hand_over(Job { whose, encoder, piece, from: ROOM, last }) {
            Ok(()) => {
                self.packing = if last { Packing::Ending } else { Packing::Away };
                Step::Again
            }
            Err(Job { encoder, piece, .. }) => {
                self.packing = Packing::Here(encoder);
                self.filling = piece;
                Step::Held
            }
        }
    }

    /// Takes back what the compressing thread is done with.
    pub(in crate::server) fn take_back(&mut self, job: Job) {
        let Job { mut encoder, piece, last, .. } = job;
        self.spare = piece;
        let output = encoder.output();
        if last {
            let bytes = std::mem::take(output);
            self.packing = Packing::None;
            self.add(Piece { bytes, at: ROOM }, true);
            return;
        }
        if output.len() >= FULL {
            let bytes = std::mem::replace(output, room(ANSWER_PIECE));
            self.add(Piece { bytes, at: ROOM }, false);
        }
        self.packing = Packing::Here(encoder);
    }

    /// Adds a finished piece. It decides whether the head can go out.
    fn add(&mut self, mut piece: Piece, last: bool) {
        self.made = last;
        if self.sending && self.chunked {
            piece.frame();
        }
        self.length += piece.length();
        self.pieces.push_back(piece);
        if !self.sending && last && self.length <= ANSWER_WHOLE_MAX {
            self.put_head(Framing::Length(self.length));
        } else if !self.sending && self.length > ANSWER_WHOLE_MAX {
            self.put_head(if self.chunked { Framing::Chunked } else { Framing::Close });
        }
        if last && self.chunked {
            self.end_chunks();
        }
    }

    /// Writes the head; from here on pieces are sent.
    fn put_head(&mut self, framing: Framing) {
        let mut head = Vec::with_capacity(ROOM);
        http::long(&mut head, framing, self.gzip);
        if framing == Framing::Chunked {
            self.pieces.iter_mut().for_each(Piece::frame);
        } else {
            self.chunked = false;
        }
        if let Some(first) = self.pieces.front_mut() {
            first.put_before(&head);
        }
        self.length = self.pieces.iter().map(Piece::length).sum();
        self.sending = true;
    }

    fn end_chunks(&mut self) {
        let end = Piece { bytes: b"0\r\n\r\n".to_vec(), at: 0 };
        self.length += end.length();
        self.pieces.push_back(end);
    }

    /// Sends what is taken of the first piece.
    fn send(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let Some(piece) = self.pieces.front_mut() else { return Ok(()) };
        let rest = piece.bytes.get(piece.at..).unwrap_or_default();
        if !rest.is_empty() {
            match socket::send(socket, rest) {
                Ok(sent) => {
                    piece.at += sent;
                    self.length -= sent;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.blocked = true,
                Err(error) => return Err(error),
            }
        }
        if piece.length() == 0 {
            self.pieces.pop_front();
        }
        Ok(())
    }

    /// Frees some of what an answer that is given up has left. True when nothing is left.
    pub(in crate::server) fn discard(&mut self, pieces: usize) -> bool {
        let some = self.pieces.len().min(pieces);
        self.pieces.drain(..some);
        let page = self.page.as_mut().is_none_or(|page| page.discard());
        self.pieces.is_empty() && page
    }
}
