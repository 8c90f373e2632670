//! HTTP connections: most are accepted, read, answered and closed in one go; the others wait among the
//! [connections](super::connections).

use super::connections::{Connection, Name, State};
use super::udp::Served;
use super::{Server, Token};
use crate::limits::{ACCEPTS_A_TURN, LINGER_MAX, MINUTE, REQUEST_MAX};
use crate::sys::poller::Event;
use crate::sys::socket::{self, Accepted};
use crate::tracker::Now;
use crate::tracker::http::Answer;
use crate::wire::address::{from_ip, to_ip};
use crate::wire::http::{Version, head_end, success};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};

/// Room kept before the body of a page for the head, whose length is known only when the body's is.
const HEAD_ROOM: usize = 128;

impl<const N: usize> Server<N> {
    /// Takes new connections, as many as there is a turn for.
    pub(super) fn accept(&mut self, index: usize, now: Now) -> Served {
        let mut served = Served { requests: 0, drained: false };
        for _ in 0..ACCEPTS_A_TURN {
            let Some(listener) = self.listeners.get(index) else { break };
            match socket::accept(listener.as_fd()) {
                Ok(Accepted::Connection(socket, from)) => {
                    served.requests += 1;
                    self.tracker.accepted();
                    if let Some(from) = from_ip(from.ip()) {
                        // the request is usually there already
                        self.begin(Connection { socket, from, state: State::Request(Vec::new()) }, now);
                    }
                }
                Ok(Accepted::Lost) => {}
                Ok(Accepted::Empty) => {
                    served.drained = true;
                    break;
                }
                Ok(Accepted::Exhausted) | Err(_) => {
                    self.pause_accepting(now);
                    break;
                }
            }
        }
        served
    }

    fn begin(&mut self, mut connection: Connection<N>, now: Now) {
        if self.advance(&mut connection, now) {
            let making = matches!(connection.state, State::Making(..));
            let token = |name| Token::Connection(name).to_bits();
            match self.connections.add(connection, now.up, &mut self.poller, token) {
                Ok(name) if making => self.making.push_back(name),
                // where the poller has no room the connection is closed, which is all that can be done
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Goes on with a connection that the poller has news of.
    pub(super) fn connection_ready(&mut self, name: Name, event: &Event, now: Now) {
        if event.hangup && !event.readable {
            return self.close(name);
        }
        let Some(mut connection) = self.connections.lift(name) else { return };
        let was_making = matches!(connection.state, State::Making(..));
        let keep = if was_making { !event.hangup } else { self.advance(&mut connection, now) };
        if keep && !was_making && matches!(connection.state, State::Making(..)) {
            self.making.push_back(name);
        }
        self.settle(name, connection, keep, now);
    }

    /// Makes one more slice of the page whose turn it is.
    pub(super) fn make_slice(&mut self, now: Now) {
        let Some(name) = self.making.pop_front() else { return };
        let Some(mut connection) = self.connections.lift(name) else { return };
        let mut keep = true;
        if let State::Making(page, answer) = &mut connection.state {
            if page.slice(self.tracker.swarms(), answer) {
                let mut answer = std::mem::take(answer);
                let start = put_head(&mut answer);
                connection.state = State::Sending(answer, start);
                keep = self.advance(&mut connection, now);
            } else {
                self.making.push_back(name);
            }
        }
        self.settle(name, connection, keep, now);
    }

    /// Closes a connection without a word.
    pub(super) fn close(&mut self, name: Name) {
        if let Some(connection) = self.connections.lift(name) {
            self.connections.remove(name, connection, &mut self.poller);
            self.resume_accepting();
        }
    }

    fn settle(&mut self, name: Name, connection: Connection<N>, keep: bool, now: Now) {
        if keep {
            let token = Token::Connection(name).to_bits();
            // where the poller does not take the change the connection is closed, which is all that can be done
            let _ = self.connections.put_back(name, connection, now.up, &mut self.poller, token);
        } else {
            self.connections.remove(name, connection, &mut self.poller);
            self.resume_accepting();
        }
    }

    /// Does what can be done for a connection now. False when it is to be closed.
    fn advance(&mut self, connection: &mut Connection<N>, now: Now) -> bool {
        match &mut connection.state {
            State::Request(_) => self.read(connection, now),
            State::Making(..) => true,
            State::Sending(answer, sent) => {
                let rest = answer.get(*sent..).unwrap_or_default();
                let length = rest.len();
                match push(&connection.socket, rest) {
                    Ok(more) => {
                        *sent += more;
                        more < length
                    }
                    Err(_) => false,
                }
            }
            State::Lingering(thrown) => match pull(&connection.socket, &mut self.request) {
                Ok(None) => true,
                Ok(Some(0)) | Err(_) => false,
                Ok(Some(received)) => {
                    *thrown += received;
                    *thrown < LINGER_MAX
                }
            },
        }
    }

    /// Reads what there is of a request, and answers it if that is all.
    fn read(&mut self, connection: &mut Connection<N>, now: Now) -> bool {
        let State::Request(collected) = &mut connection.state else { return true };
        let seen = collected.len();
        let Some((before, room)) = self.request.split_at_mut_checked(seen) else { return false };
        before.copy_from_slice(collected);
        let length = match pull(&connection.socket, room) {
            Ok(None) => return true,
            Ok(Some(0)) | Err(_) => return false,
            Ok(Some(received)) => seen + received,
        };
        let bytes = self.request.get_mut(..length).unwrap_or_default();
        self.reply.clear();
        if length > REQUEST_MAX {
            self.tracker.too_long(&mut self.reply);
            let sent =
                push(&connection.socket, &self.reply).and_then(|_| socket::shutdown_write(connection.socket.as_fd()));
            // the client may still be sending: closed now, it would be cut off before it has read its answer
            connection.state = State::Lingering(0);
            return sent.is_ok();
        }
        if head_end(bytes, seen).is_none() {
            collected.extend_from_slice(bytes.get(seen..).unwrap_or_default());
            return true;
        }
        match self.tracker.handle_http(now, &connection.from, bytes, &mut self.reply) {
            Answer::InSlices(page) => {
                if page.is_logged() {
                    log_full_scrape(now, &connection.from);
                }
                connection.state = State::Making(page, vec![0; HEAD_ROOM]);
                true
            }
            Answer::Whole => match push(&connection.socket, &self.reply) {
                Ok(sent) if sent < self.reply.len() => {
                    connection.state = State::Sending(self.reply.clone(), sent);
                    true
                }
                _ => false,
            },
        }
    }
}

/// Sends as many bytes as are taken now, perhaps none.
fn push(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    match socket::send(socket.as_fd(), bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// Receives what is there: nothing yet, no bytes at the end, or some.
fn pull(socket: &OwnedFd, room: &mut [u8]) -> io::Result<Option<usize>> {
    match socket::receive(socket.as_fd(), room) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// Writes the head into the room kept for it before the body. Tells where it starts.
fn put_head(answer: &mut [u8]) -> usize {
    let mut head = Vec::with_capacity(HEAD_ROOM);
    success(&mut head, Version::Http10, answer.len().saturating_sub(HEAD_ROOM));
    let start = HEAD_ROOM.saturating_sub(head.len());
    if let Some(room) = answer.get_mut(start..start + head.len()) {
        room.copy_from_slice(&head);
    }
    start
}

/// Tells the log who asked for all torrents (as the original).
fn log_full_scrape<const N: usize>(now: Now, from: &[u8; N]) {
    let minutes = now.up.as_secs() / MINUTE;
    // nobody may be reading it
    let _ = writeln!(io::stderr(), "[{minutes:08}] scrp:  {} - FULL SCRAPE", to_ip(from).to_canonical());
}
