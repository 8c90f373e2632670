//! Long answers to sockets and from pages that are none.

mod shares;

use super::*;
use crate::limits::{
    ANSWER_PIECE, ANSWER_SMALL_PART, ANSWER_WHOLE_PART, ANSWER_WINDOW, ANSWERS_BUDGET, ANSWERS_KEPT_PART,
};
use crate::wire::http::Form;
use std::io::ErrorKind;
use std::net::IpAddr;

/// Bytes of a slice.
const SLICE: usize = 10_000;

/// A page of so many slices.
#[derive(Clone, Copy)]
struct Page {
    slices: usize,
    /// Its bytes are known beforehand.
    known: bool,
    /// Slices that have come since it was asked for, which no estimate knows of.
    grown: usize,
}

const SHORT: Page = Page { slices: 2, known: false, grown: 0 };
const WHOLE_MAX: usize = ANSWERS_BUDGET / ANSWER_WHOLE_PART;
const WHOLE: Page = Page { slices: WHOLE_MAX / SLICE, known: false, grown: 0 };
const LONG: Page = Page { slices: 2 * WHOLE_MAX / SLICE, known: true, grown: 0 };

/// Sockets, and what came through them.
#[derive(Default)]
struct Fake {
    /// Bytes that each takes before it blocks; others take all.
    room: HashMap<u32, usize>,
    lost: Vec<u32>,
    received: HashMap<u32, Vec<u8>>,
    discarded: usize,
}

impl Io<Page> for Fake {
    fn size(&self, page: &Page) -> Size {
        let most = page.slices * SLICE;
        Size { least: if page.known { most } else { 0 }, most }
    }

    fn slice(&mut self, page: &mut Page, body: &mut Vec<u8>) -> bool {
        page.slices += std::mem::take(&mut page.grown);
        page.slices -= 1;
        body.resize(body.len() + SLICE, b'0' + (page.slices % 10) as u8);
        page.slices == 0
    }

    fn discard(&mut self, _: &mut Page) -> bool {
        self.discarded += 1;
        true
    }

    fn send(&mut self, name: Name, bytes: &[u8]) -> io::Result<usize> {
        if self.lost.contains(&name.slot()) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room = self.room.get(&name.slot()).copied().unwrap_or(usize::MAX);
        let taken = bytes.len().min(room);
        if taken == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room.entry(name.slot()).and_modify(|room| *room -= taken);
        self.received.entry(name.slot()).or_default().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn name(n: u32) -> Name {
    Name::from_bits(n.into())
}

fn address(n: u32) -> IpAddr {
    n.to_be_bytes().into()
}

fn style(chunks: bool, gzip: bool) -> Style {
    Style { form: Form::Plain, chunks, gzip }
}

struct Play {
    answers: Answers<Page>,
    fake: Fake,
    now: Duration,
    over: Vec<u32>,
    displaced: Vec<u32>,
    blocked: Vec<u32>,
}

impl Play {
    fn new() -> Play {
        let answers = Answers::new(ANSWERS_BUDGET).unwrap();
        Play {
            answers,
            fake: Fake::default(),
            now: SECOND,
            over: Vec::new(),
            displaced: Vec::new(),
            blocked: Vec::new(),
        }
    }

    fn begin(&mut self, n: u32, from: u32, page: Page, chunks: bool) {
        self.begin_as(n, from, page, style(chunks, false));
    }

    fn begin_as(&mut self, n: u32, from: u32, page: Page, style: Style) {
        self.answers.begin(name(n), address(from), page, style);
    }

    /// A receiver that takes so many bytes and then no more.
    fn begin_slow(&mut self, n: u32, from: u32, page: Page, takes: usize) {
        self.fake.room.insert(n, takes);
        self.begin(n, from, page, true);
    }

    /// Goes on until nothing can; answers that are over are done with.
    fn run(&mut self) {
        while self.answers.is_busy() {
            self.answers.discard(&mut self.fake);
            match self.answers.step(self.now, &mut self.fake) {
                Some((name, Outcome::Over)) => {
                    self.over.push(name.slot());
                    self.answers.cancel(name);
                }
                Some((name, Outcome::Displaced)) => {
                    self.displaced.push(name.slot());
                    self.answers.cancel(name);
                }
                Some((name, Outcome::Blocked)) => self.blocked.push(name.slot()),
                Some((_, Outcome::GoesOn)) | None => {}
            }
        }
    }

    fn received(&self, n: u32) -> usize {
        self.fake.received.get(&n).map_or(0, Vec::len)
    }

    /// The head and the body that a receiver got.
    fn reply(&self, n: u32) -> (String, Vec<u8>) {
        let bytes = &self.fake.received[&n];
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end..].to_vec())
    }
}

fn body(page: Page) -> Vec<u8> {
    (0..page.slices).rev().flat_map(|slice| vec![b'0' + (slice % 10) as u8; SLICE]).collect()
}

/// The body that chunks make.
fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
        if size == 0 {
            assert!(rest.is_empty());
            return body;
        }
    }
}

#[test]
fn up_to_the_bound_the_length_is_known() {
    let mut play = Play::new();
    for (n, page) in [(1, SHORT), (2, WHOLE)] {
        play.begin(n, n, page, true);
        play.run();
        let (head, got) = play.reply(n);
        let length = format!("Content-Length: {}\r\n\r\n", page.slices * SLICE);
        assert!(head.starts_with("HTTP/1.0 200 OK\r\n") && head.ends_with(&length), "{head}");
        assert!(got == body(page));
    }
    assert_eq!((play.over, play.blocked), (vec![1, 2], vec![]));
}

#[test]
fn beyond_the_bound_it_is_streamed_by_what_the_receiver_reads() {
    for known in [false, true] {
        let mut play = Play::new();
        let page = Page { known, ..LONG };
        for (n, chunks) in [(1, false), (2, true)] {
            play.begin(n, n, page, chunks);
            play.run();
        }
        let (head, got) = play.reply(1);
        assert_eq!(head, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n");
        assert!(got == body(page));
        let (head, got) = play.reply(2);
        assert_eq!(head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(dechunk(&got) == body(page));
    }
}

#[test]
fn a_dump_is_in_chunks_however_short_it_is() {
    let mut play = Play::new();
    let page = Page { slices: 3, known: false, grown: 0 };
    for (n, chunks) in [(1, false), (2, true)] {
        play.begin_as(n, n, page, Style { form: Form::Dump, ..style(chunks, false) });
        play.run();
    }
    let bytes = "200 OK\r\nContent-Type: application/octet-stream\r\n";
    let (head, got) = play.reply(1);
    assert_eq!(head, format!("HTTP/1.0 {bytes}Content-Length: {}\r\n\r\n", got.len()));
    assert!(got == body(page));
    let (head, got) = play.reply(2);
    assert_eq!(head, format!("HTTP/1.1 {bytes}Transfer-Encoding: chunked\r\n\r\n"));
    assert!(dechunk(&got) == body(page));
}

#[test]
fn what_is_known_to_be_long_is_made_a_window_ahead_from_the_start() {
    let mut play = Play::new();
    play.begin_slow(1, 1, LONG, 0);
    play.run();
    let answer = &play.answers.answers[&1];
    assert!(answer.reserved() < ANSWER_WINDOW + 4 * ANSWER_PIECE);
    assert_eq!((play.received(1), play.blocked.len()), (0, 1));
    for _ in 0..2 * LONG.slices {
        play.fake.room.insert(1, 100_000);
        play.answers.writable(name(1));
        play.run();
        let answer = play.answers.answers.get(&1).map_or(0, Answer::reserved);
        assert!(answer < ANSWER_WINDOW + 4 * ANSWER_PIECE, "{answer}");
    }
    assert_eq!(play.over, [1]);
    assert!(dechunk(&play.reply(1).1) == body(LONG));
}

#[test]
fn forty_that_never_read_hold_up_nobody() {
    let mut play = Play::new();
    for n in 0..40 {
        play.begin_slow(n, n, LONG, 200_000);
    }
    play.run();
    play.begin(100, 100, LONG, true);
    play.begin(101, 101, WHOLE, true);
    play.run();
    play.over.sort_unstable();
    assert_eq!(play.over, [100, 101]);
}

/// Receivers that take nothing, from different addresses, until nothing is left for large answers.
fn fill(play: &mut Play) -> u32 {
    let mut n = 0;
    while !play.answers.budget.has_waiting() {
        n += 1;
        play.begin_slow(n, n, WHOLE, 0);
        play.run();
    }
    n
}

#[test]
fn a_receiver_that_takes_nothing_is_given_up_when_others_wait() {
    let mut play = Play::new();
    let last = fill(&mut play);
    assert_eq!(last as usize, (ANSWERS_BUDGET - ANSWERS_BUDGET / ANSWERS_KEPT_PART) / (WHOLE.slices * SLICE) + 1);
    play.begin(100, 100, SHORT, true);
    play.run();
    assert_eq!(play.over, [100], "what is small passes by those who wait");
    let due = play.now + ANSWER_STALL;
    assert_eq!(play.answers.next_stall(), Some(due));
    // one of them takes something
    play.now += 30 * SECOND;
    play.fake.room.insert(1, 10);
    play.answers.writable(name(1));
    play.run();
    assert_eq!(play.answers.stalled(due - SECOND), None);
    assert_eq!(play.answers.stalled(due), Some(name(2)));
    assert!(!play.answers.cancel(name(2)), "the length was announced");
    assert_eq!(play.answers.stalled(due), None, "what it leaves may be enough");
    play.run();
    assert!(!play.answers.budget.has_waiting() && play.fake.discarded == 0);
    assert_eq!((play.answers.stalled(due), play.answers.next_stall()), (None, None), "others do not wait any more");
}

#[test]
fn who_waits_is_cancelled_like_others() {
    let mut play = Play::new();
    let last = fill(&mut play);
    for n in 0..1000 {
        play.begin(1000 + n, 1000 + n % 3, WHOLE, true);
        play.run();
    }
    for n in 0..1000 {
        play.answers.cancel(name(1000 + n));
    }
    play.answers.cancel(name(last));
    assert!(!play.answers.budget.has_waiting());
    assert!(play.answers.discarded.is_empty(), "those of which nothing was made are gone at once");
    (1..last).for_each(|n| assert!(!play.answers.cancel(name(n))));
    play.run();
    assert_eq!(play.answers.budget.free(), ANSWERS_BUDGET);
}

#[test]
fn answers_that_grew_do_not_wait_for_each_other() {
    let mut play = Play::new();
    let grown = Page { grown: WHOLE.slices / 4, ..Page { slices: WHOLE.slices / 2, ..WHOLE } };
    for n in 0..20 {
        play.begin(n, n, grown, n % 2 == 0);
    }
    play.run();
    assert_eq!((play.over.len(), play.answers.budget.free()), (20, ANSWERS_BUDGET));
    for n in 0..20 {
        let body = play.fake.received[&n].len();
        assert!(body > (grown.slices + grown.grown) * SLICE, "{n}: {body} bytes");
    }
}

#[test]
fn a_lost_receiver_is_over() {
    let mut play = Play::new();
    play.fake.lost = vec![1, 2];
    play.begin(1, 1, LONG, false);
    play.begin(2, 2, SHORT, false);
    play.run();
    assert_eq!((play.over.len(), play.answers.budget.free()), (2, ANSWERS_BUDGET));
}

#[test]
fn an_end_that_is_missing_can_be_seen() {
    for (chunks, cut_short) in [(true, false), (false, true)] {
        let mut play = Play::new();
        play.fake.room.insert(1, 1000);
        play.begin(1, 1, LONG, chunks);
        play.run();
        assert_eq!(play.answers.cancel(name(1)), cut_short);
        assert!(!play.answers.cancel(name(1)), "there is none any more");
    }
}

#[test]
fn compressed_pieces_come_back() {
    let mut play = Play::new();
    let Some(waiting) = play.answers.compressor().map(|fd| fd.try_clone_to_owned().unwrap()) else { return };
    let packed = Page { slices: 100, known: false, grown: 0 };
    for n in 0..10 {
        play.begin_as(n, n, packed, style(true, true));
    }
    play.begin_as(50, 50, packed, style(true, true));
    play.run();
    play.answers.cancel(name(50));
    while play.over.len() < 10 {
        crate::sys::socket::wait_readable(waiting.as_fd()).unwrap();
        play.answers.compressed();
        play.run();
    }
    for n in 0..10 {
        let (head, got) = play.reply(n);
        assert!(head.contains("Content-Encoding: gzip\r\n"), "{head}");
        let mut plain = Vec::new();
        io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&got[..]), &mut plain).unwrap();
        assert!(plain == body(packed));
    }
}

// a short answer passes by those that wait
static_assertions::const_assert!(2 * SLICE + 2 * ANSWER_PIECE <= ANSWERS_BUDGET / ANSWER_SMALL_PART);
