//! The bytes of an answer that wait to be sent, in pieces.

use crate::limits::ANSWER_PIECE;
use std::collections::VecDeque;

/// Free bytes before the content of a piece: room for the answer's head and the chunk's.
pub(super) const ROOM: usize = 160;

/// An empty piece to be filled with so many bytes, with room before them.
pub(super) fn empty_piece(bytes: usize) -> Vec<u8> {
    let mut piece = Vec::with_capacity(ROOM + bytes);
    piece.resize(ROOM, 0);
    piece
}

struct Piece {
    bytes: Vec<u8>,
    /// Where the rest begins that is not sent. Before it are free bytes, and bytes that were sent.
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

    /// Turns it into a chunk of HTTP/1.1.
    fn frame(&mut self) {
        let length = self.length();
        // one without bytes would be the last
        if length > 0 {
            self.put_before(format!("{length:x}\r\n").as_bytes());
            self.bytes.extend_from_slice(b"\r\n");
        }
    }
}

/// Pieces in order.
#[derive(Default)]
pub(super) struct Pieces {
    pieces: VecDeque<Piece>,
    length: usize,
}

impl Pieces {
    /// Bytes of all pieces.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether nothing is left to send.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds an [empty piece](empty_piece) that has been filled. `chunk`: as a chunk.
    pub(super) fn push(&mut self, bytes: Vec<u8>, chunk: bool) {
        let mut piece = Piece { bytes, at: ROOM };
        if chunk {
            piece.frame();
        }
        self.length += piece.length();
        self.pieces.push_back(piece);
    }

    /// Adds the end of a body in chunks.
    pub(super) fn push_last_chunk(&mut self) {
        let end = Piece { bytes: b"0\r\n\r\n".to_vec(), at: 0 };
        self.length += end.length();
        self.pieces.push_back(end);
    }

    /// Puts the answer's head before everything. `chunks`: the pieces become chunks.
    pub(super) fn put_head(&mut self, head: &[u8], chunks: bool) {
        if chunks {
            self.pieces.iter_mut().for_each(Piece::frame);
        }
        match self.pieces.front_mut() {
            Some(first) => first.put_before(head),
            None => self.pieces.push_back(Piece { bytes: head.to_vec(), at: 0 }),
        }
        self.length = self.pieces.iter().map(Piece::length).sum();
    }

    /// The bytes to be sent next: all of the first piece that are left.
    pub(super) fn first(&self) -> &[u8] {
        self.pieces.front().and_then(|piece| piece.bytes.get(piece.at..)).unwrap_or_default()
    }

    /// Removes so many of [these](Self::first).
    pub(super) fn sent(&mut self, bytes: usize) {
        let Some(piece) = self.pieces.front_mut() else { return };
        let bytes = bytes.min(piece.length());
        piece.at += bytes;
        self.length -= bytes;
        if piece.length() == 0 {
            self.pieces.pop_front();
        }
    }

    /// Frees so many pieces, and returns whether none is left.
    pub(super) fn discard(&mut self, pieces: usize) -> bool {
        let some = self.pieces.len().min(pieces);
        self.pieces.drain(..some);
        self.pieces.is_empty()
    }
}

// the longest head, and the largest chunk's
static_assertions::const_assert!(ROOM >= 128 + "ffffffff\r\n".len());
static_assertions::const_assert!(ANSWER_PIECE <= 0xffff_ffff);

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str) -> Vec<u8> {
        let mut piece = empty_piece(text.len());
        piece.extend_from_slice(text.as_bytes());
        piece
    }

    /// Sends everything, some bytes at a time.
    fn send(mut pieces: Pieces, step: usize) -> String {
        let mut text = String::new();
        while !pieces.is_empty() {
            let first = pieces.first();
            let some = &first[..first.len().min(step)];
            text.push_str(std::str::from_utf8(some).unwrap());
            let length = some.len();
            pieces.sent(length);
        }
        assert_eq!(pieces.length(), 0);
        text
    }

    #[test]
    fn a_head_goes_before_everything() {
        for step in [1, 3, 100] {
            let mut pieces = Pieces::default();
            pieces.push(piece("one"), false);
            pieces.push(piece(""), false);
            pieces.push(piece("two"), false);
            pieces.put_head(b"head:", false);
            assert_eq!(pieces.length(), 11);
            assert_eq!(send(pieces, step), "head:onetwo");
        }
    }

    #[test]
    fn chunks_have_lengths_and_an_end() {
        for step in [1, 3, 100] {
            let mut pieces = Pieces::default();
            pieces.push(piece("eighteen bytes....."), false);
            pieces.put_head(b"head:", true);
            pieces.push(piece(""), true);
            pieces.push(piece("two"), true);
            pieces.push_last_chunk();
            assert_eq!(send(pieces, step), "head:13\r\neighteen bytes.....\r\n3\r\ntwo\r\n0\r\n\r\n");
        }
        let mut pieces = Pieces::default();
        pieces.put_head(b"head:", true);
        pieces.push_last_chunk();
        assert_eq!(send(pieces, 100), "head:0\r\n\r\n", "a head without anything behind it yet");
    }
}
