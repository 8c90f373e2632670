//! HTTP connections: most are accepted, read, answered and closed in one go; the others wait among the
//! [connections](super::connections).

use super::connections::{Connection, Name, State};
use super::delivery::Delivery;
use super::udp::Served;
use super::{Server, Token};
use crate::limits::{ACCEPTS_A_TURN, LINGER_MAX, MINUTE, REQUEST_MAX};
use crate::sys::poller::Event;
use crate::sys::socket::{self, Accepted};
use crate::tracker::Now;
use crate::tracker::http::Answer;
use crate::wire::address::{from_ip, to_ip};
use crate::wire::http::head_end;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};

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
            let long = matches!(connection.state, State::Long(_));
            let token = |name| Token::Connection(name).to_bits();
            match self.connections.add(connection, now.up, &mut self.poller, token) {
                Ok(name) if long => self.answers.enqueue(name),
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
        let keep = match &mut connection.state {
            State::Long(delivery) => {
                delivery.blocked &= !event.writable;
                if !delivery.blocked && !std::mem::replace(&mut delivery.queued, true) {
                    self.answers.enqueue(name);
                }
                !event.hangup
            }
            _ => {
                let keep = self.advance(&mut connection, now);
                if keep && matches!(connection.state, State::Long(_)) {
                    self.answers.enqueue(name);
                }
                keep
            }
        };
        self.settle(name, connection, keep, now);
    }

    /// Closes a connection without a word.
    pub(super) fn close(&mut self, name: Name) {
        if let Some(mut connection) = self.connections.lift(name) {
            self.answers.give_up(&mut connection);
            self.connections.remove(name, connection, &mut self.poller);
            self.resume_accepting();
        }
    }

    pub(super) fn settle(&mut self, name: Name, mut connection: Connection<N>, keep: bool, now: Now) {
        if keep {
            let token = Token::Connection(name).to_bits();
            // where the poller does not take the change the connection is closed, which is all that can be done
            let _ = self.connections.put_back(name, connection, now.up, &mut self.poller, token);
        } else {
            self.answers.give_up(&mut connection);
            self.connections.remove(name, connection, &mut self.poller);
            self.resume_accepting();
        }
    }

    /// Does what can be done for a connection now. False when it is to be closed.
    fn advance(&mut self, connection: &mut Connection<N>, now: Now) -> bool {
        match &mut connection.state {
            State::Request(_) => self.read(connection, now),
            State::Long(_) => true,
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
                connection.state = State::Long(Box::new(Delivery::new(page)));
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
pub(super) fn pull(socket: &OwnedFd, room: &mut [u8]) -> io::Result<Option<usize>> {
    match socket::receive(socket.as_fd(), room) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// Tells the log who asked for all torrents (as the original).
fn log_full_scrape<const N: usize>(now: Now, from: &[u8; N]) {
    let minutes = now.up.as_secs() / MINUTE;
    // nobody may be reading it
    let _ = writeln!(io::stderr(), "[{minutes:08}] scrp:  {} - FULL SCRAPE", to_ip(from).to_canonical());
}
