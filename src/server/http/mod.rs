//! HTTP connections: most are accepted, read, answered and closed in one go; the others wait among the
//! [connections].

pub(super) mod answers;
mod compressor;
pub(super) mod connections;
mod deadlines;
mod delivery;

use super::udp::Served;
use super::{Server, Token};
use crate::address::{from_ip, to_ip};
use crate::features::KEEPALIVE;
use crate::limits::{ACCEPTS_A_TURN, LINGER_MAX, MINUTE, REQUEST_MAX, REQUESTS_A_TURN};
use crate::sys::poller::Event;
use crate::sys::socket::{self, Accepted};
use crate::sys::stderr;
use crate::tracker::Now;
use crate::tracker::http::Answer;
use crate::wire::http::{Version, head_end, wants_to_stay};
use connections::{Connection, Name, State};
use delivery::Delivery;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

impl<const N: usize> Server<N> {
    /// Takes new connections, as many as there is a turn for.
    pub(in crate::server) fn accept(&mut self, index: usize, now: Now) -> Served {
        let mut served = Served { requests: 0, drained: false };
        for _ in 0..ACCEPTS_A_TURN {
            let Some(listener) = self.listeners.get(index) else { break };
            match socket::accept(listener.as_fd()) {
                Ok(Accepted::Connection(socket, from)) => {
                    served.requests += 1;
                    self.tracker.accepted();
                    if let Some(from) = from_ip(from.ip()) {
                        // the request is usually there already
                        self.begin(
                            Connection { socket, from, state: State::Request(Vec::new()), answered: false },
                            now,
                        );
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
    pub(in crate::server) fn connection_ready(&mut self, name: Name, event: &Event, now: Now) {
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
    pub(in crate::server) fn close(&mut self, name: Name) {
        if let Some(mut connection) = self.connections.lift(name) {
            self.answers.give_up(&mut connection);
            self.connections.remove(name, connection, &mut self.poller);
            self.resume_accepting();
        }
    }

    pub(in crate::server) fn settle(&mut self, name: Name, mut connection: Connection<N>, keep: bool, now: Now) {
        if keep {
            let token = Token::Connection(name).to_bits();
            // where the poller does not take the change the connection is closed, which is all that can be done
            match self.connections.put_back(name, connection, now.up, &mut self.poller, token) {
                Ok(()) => return,
                Err(refused) => connection = refused,
            }
        }
        self.answers.give_up(&mut connection);
        self.connections.remove(name, connection, &mut self.poller);
        self.resume_accepting();
    }

    /// Does what can be done for a connection now. False when it is to be closed.
    fn advance(&mut self, connection: &mut Connection<N>, now: Now) -> bool {
        match &mut connection.state {
            State::Request(_) => self.read(connection, now),
            State::Long(_) => true,
            State::Sending(answer, sent) => matches!(push_rest(&connection.socket, answer, sent), Ok(false)),
            State::Staying(answer, sent, requests) => match push_rest(&connection.socket, answer, sent) {
                Ok(false) => true,
                Ok(true) => {
                    let length = requests.len();
                    if let Some(room) = self.request.get_mut(..length) {
                        room.copy_from_slice(requests);
                    }
                    connection.answered = true;
                    self.answer(connection, now, 0, length)
                }
                Err(_) => false,
            },
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
        self.answer(connection, now, seen, length)
    }

    /// Answers the requests in the first `length` bytes of the buffer; in the first `seen` of them no head ends. All but the
    /// last are from clients that want the connection to stay, and are answered in their order: none before the answer to
    /// the one before it is taken.
    fn answer(&mut self, connection: &mut Connection<N>, now: Now, mut seen: usize, length: usize) -> bool {
        let mut start = 0;
        for _ in 0..REQUESTS_A_TURN {
            let bytes = self.request.get_mut(start..length).unwrap_or_default();
            let end = head_end(bytes, std::mem::take(&mut seen));
            let head = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
            let wants_to_stay = KEEPALIVE && end.is_some() && wants_to_stay(head);
            // what follows a request that stays is another one
            let collected = if wants_to_stay { head.len() } else { bytes.len() };
            self.reply.clear();
            if collected > REQUEST_MAX {
                self.tracker.refuse_internal(&mut self.reply);
                return self.send_and_linger(connection);
            }
            let Some(end) = end else {
                let mut begun = Vec::new();
                let has_room = begun.try_reserve_exact(bytes.len()).is_ok();
                if has_room {
                    begun.extend_from_slice(bytes);
                }
                connection.state = State::Request(begun);
                return has_room;
            };
            match self.tracker.handle_http(now, &connection.from, bytes, &mut self.reply) {
                Answer::InSlices(page) => {
                    if page.is_logged() {
                        log_full_scrape(now, &connection.from);
                    }
                    connection.state = State::Long(Box::new(Delivery::new(page)));
                    return true;
                }
                Answer::Whole(version) => {
                    let stays = wants_to_stay && version == Version::Http11;
                    let socket = connection.socket.as_fd();
                    let sent =
                        if stays { socket::send(socket, &self.reply) } else { socket::send_last(socket, &self.reply) };
                    match unless_blocked(sent) {
                        Ok(sent) if sent < self.reply.len() => {
                            let requests = self.request.get(start + end..length).unwrap_or_default();
                            connection.state = match stays {
                                true => State::Staying(self.reply.clone(), sent, requests.to_vec()),
                                false => State::Sending(self.reply.clone(), sent),
                            };
                            return true;
                        }
                        Ok(_) if stays => {
                            connection.answered = true;
                            start += end;
                        }
                        // more may have come than was read: closed now, the client would lose the answer
                        Ok(_) if length > REQUEST_MAX => return linger(connection),
                        _ => return false,
                    }
                }
            }
        }
        // enough for this turn; the rest has the next one
        let requests = self.request.get(start..length).unwrap_or_default();
        connection.state = State::Staying(Vec::new(), 0, requests.to_vec());
        true
    }

    /// Sends the reply just written and ends our side. False when the connection is to be closed.
    fn send_and_linger(&mut self, connection: &mut Connection<N>) -> bool {
        match push(&connection.socket, &self.reply) {
            Ok(sent) if sent < self.reply.len() => {
                connection.state = State::Sending(self.reply.clone(), sent);
                true
            }
            Ok(_) => linger(connection),
            Err(_) => false,
        }
    }
}

/// Ends our side of a connection whose client may still be sending: closed now, it would be cut off before it has read its answer.
fn linger<const N: usize>(connection: &mut Connection<N>) -> bool {
    connection.state = State::Lingering(0);
    socket::shutdown_write(connection.socket.as_fd()).is_ok()
}

/// Sends what is left of an answer, as much as is taken now. Tells whether that was all.
fn push_rest(socket: &OwnedFd, answer: &[u8], sent: &mut usize) -> io::Result<bool> {
    *sent += push(socket, answer.get(*sent..).unwrap_or_default())?;
    Ok(*sent == answer.len())
}

/// Sends as many bytes as are taken now, perhaps none.
fn push(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    unless_blocked(socket::send(socket.as_fd(), bytes))
}

/// No bytes, where there was no room for any.
fn unless_blocked(sent: io::Result<usize>) -> io::Result<usize> {
    match sent {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// Receives what is there: nothing yet, no bytes at the end, or some.
pub(in crate::server) fn pull(socket: &OwnedFd, room: &mut [u8]) -> io::Result<Option<usize>> {
    match socket::receive(socket.as_fd(), room) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// Tells the log who asked for all torrents (as the original).
fn log_full_scrape<const N: usize>(now: Now, from: &[u8; N]) {
    let minutes = now.up.as_secs() / MINUTE;
    stderr::write_line(&format!("[{minutes:08}] scrp:  {} - FULL SCRAPE\n", to_ip(from).to_canonical()));
}
