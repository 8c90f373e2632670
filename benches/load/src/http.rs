//! The HTTP load: announces on a connection each, or on connections that are kept.

use crate::packets::http_announce;
use crate::packets::{Peer, source};
use crate::sys;
use crate::udp::Outcome;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// An answer that takes longer is lost.
const LOST: Duration = Duration::from_millis(500);

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// After one announce.
    Once,
    /// Not while the load lasts.
    Kept,
}

struct Slot {
    stream: Option<TcpStream>,
    since: Instant,
    got: Vec<u8>,
    /// A request is under way.
    busy: bool,
}

/// Keeps `window` announces under way for a time. Connections are looked after in the order they were opened, which is
/// the order in which trackers answer them; the load never sleeps.
pub fn closed(
    server: (Ipv4Addr, u16),
    kind: Kind,
    window: usize,
    time: Duration,
    numwant: u32,
    mut next: impl FnMut() -> Peer,
) -> Outcome {
    let mut outcome = Outcome::default();
    let start = Instant::now();
    let new = || Slot { stream: None, since: start, got: Vec::new(), busy: false };
    let mut slots: Vec<Slot> = (0..window).map(|_| new()).collect();
    let mut room = [0; 4096];
    let mut at = 0;
    let mut idle = 0;
    while start.elapsed() < time || idle < window {
        let over = start.elapsed() >= time;
        let slot = &mut slots[at];
        if !slot.busy && over {
            idle += 1;
            at = (at + 1) % window;
            continue;
        }
        idle = 0;
        if slot.busy {
            match slot.look(kind, &mut room, &mut outcome) {
                Look::Done => slot.busy = false,
                Look::Lost => *slot = new(),
                // answers come in order: the next ones aren't there either, unless this one is a straggler
                Look::Waits => {
                    if slot.since.elapsed() > Duration::from_millis(2) {
                        at = (at + 1) % window;
                    }
                    continue;
                }
            }
        }
        if !over {
            slot.begin(server, kind, numwant, &next(), &mut outcome);
        }
        at = (at + 1) % window;
    }
    outcome.time = start.elapsed();
    outcome
}

enum Look {
    Waits,
    Done,
    Lost,
}

impl Slot {
    fn begin(&mut self, server: (Ipv4Addr, u16), kind: Kind, numwant: u32, peer: &Peer, outcome: &mut Outcome) {
        self.since = Instant::now();
        self.got.clear();
        outcome.sent += 1;
        if self.stream.is_none() {
            self.stream = sys::connect(source(peer.source()), server.0, server.1).ok();
        }
        let request = http_announce(peer, numwant, kind == Kind::Kept);
        let written = self.stream.as_mut().is_some_and(|stream| stream.write_all(&request).is_ok());
        self.busy = written;
        if !written {
            self.stream = None;
        }
    }

    fn look(&mut self, kind: Kind, room: &mut [u8], outcome: &mut Outcome) -> Look {
        let Some(stream) = self.stream.as_mut() else { return Look::Lost };
        loop {
            let ended = match stream.read(room) {
                Ok(0) => true,
                Ok(count) => {
                    self.got.extend_from_slice(&room[..count]);
                    false
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return if self.since.elapsed() > LOST { Look::Lost } else { Look::Waits };
                }
                Err(_) => return Look::Lost,
            };
            let whole = is_whole(&self.got);
            if whole && (ended || kind == Kind::Kept) {
                outcome.answered += 1;
                outcome.bytes += self.got.len() as u64;
                outcome.refused += u64::from(!self.got.starts_with(b"HTTP/1.1 200") || contains(&self.got, b"failure"));
                outcome.latency.add(self.since.elapsed());
                if ended {
                    self.stream = None;
                }
                return Look::Done;
            }
            if ended {
                return Look::Lost;
            }
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether an answer has as many bytes after its head as the head says.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| bytes.len() >= end + 4 + length)
}
