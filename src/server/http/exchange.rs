//! Reads requests and sends short answers: what can be done for a connection at once.

use super::connection::{Connection, State};
use super::requests::{Begins, Then, allows_more, look};
use super::{Http, log_full_scrape, pull};
use crate::features::KEEPALIVE;
use crate::limits::{LINGER_MAX, REQUEST_MAX, REQUESTS_A_TURN};
use crate::server::Context;
use crate::swarm::Families;
use crate::sys::socket;
use crate::tracker::http::Answer;
use crate::tracker::pages::Page;
use crate::wire::http::Version;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

/// How a connection goes on.
pub(super) enum Next<F: Families> {
    /// It is closed.
    Close,
    /// It waits, for what its state says.
    Wait,
    /// It waits for a long answer, which is built from this page.
    Make(Box<Page<F>>),
}

impl<F: Families> Http<F> {
    /// Reads, answers and sends what it can without waiting.
    pub(super) fn advance(&mut self, connection: &mut Connection, context: &mut Context<'_, F>) -> Next<F> {
        match &mut connection.state {
            State::Request(_) => self.read(connection, context),
            State::Long { .. } => Next::Wait,
            State::Sending(answer, sent) => wait_if(matches!(push_rest(&connection.socket, answer, sent), Ok(false))),
            State::Staying(answer, sent, requests) => match push_rest(&connection.socket, answer, sent) {
                Ok(false) => Next::Wait,
                Ok(true) => {
                    let length = requests.len();
                    if let Some(room) = self.request.get_mut(..length) {
                        room.copy_from_slice(requests);
                    }
                    connection.answered = true;
                    self.answer(connection, context, 0, length)
                }
                Err(_) => Next::Close,
            },
            State::Lingering(thrown) => match pull(&connection.socket, &mut self.request) {
                Ok(None) => Next::Wait,
                Ok(Some(0)) | Err(_) => Next::Close,
                Ok(Some(received)) => {
                    *thrown += received;
                    wait_if(*thrown < LINGER_MAX)
                }
            },
        }
    }

    /// Reads what there is of a request, and answers it if it is whole.
    fn read(&mut self, connection: &mut Connection, context: &mut Context<'_, F>) -> Next<F> {
        let State::Request(collected) = &mut connection.state else { return Next::Wait };
        let seen = collected.len();
        let Some((before, room)) = self.request.split_at_mut_checked(seen) else { return Next::Close };
        before.copy_from_slice(collected);
        match pull(&connection.socket, room) {
            Ok(None) => Next::Wait,
            Ok(Some(0)) | Err(_) => Next::Close,
            Ok(Some(received)) => self.answer(connection, context, seen, seen + received),
        }
    }

    /// Answers the requests in the first `length` bytes of the buffer in their order, each after the answer before it is sent. In the first
    /// `seen` bytes no head ends.
    fn answer(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_, F>,
        mut seen: usize,
        mut length: usize,
    ) -> Next<F> {
        let mut start = 0;
        for _ in 0..REQUESTS_A_TURN {
            let bytes = self.request.get_mut(start..length).unwrap_or_default();
            self.reply.clear();
            let (head, all, then) = match look(bytes, std::mem::take(&mut seen), KEEPALIVE) {
                Begins::Part => return keep_part(connection, bytes),
                Begins::TooLong => return self.refuse(connection, context),
                Begins::Whole { head, length, then } => (head, length, then),
            };
            connection.pipelined |= then == Then::Next;
            let request = bytes.get_mut(..all).unwrap_or_default();
            let more_may_come = connection.pipelined && allows_more(request.get(..head).unwrap_or_default());
            let version = match context.tracker.handle_http(context.now, connection.from, request, &mut self.reply) {
                Answer::InSlices(page) => {
                    if page.is_logged() {
                        log_full_scrape(context.now, connection.from);
                    }
                    connection.state = State::Long { blocked: false };
                    return Next::Make(page);
                }
                Answer::Whole(version) => version,
                Answer::Figures(form) => {
                    let gauges = context.monitor.gauges(self.connections.figures(), self.answers.figures());
                    context.tracker.show(context.now, form, &gauges, &mut self.reply)
                }
                // what was answered before must arrive
                Answer::Silence if connection.pipelined || connection.answered => return linger(connection),
                Answer::Silence => return Next::Close,
            };
            let stays = then != Then::Close && version == Version::Http11;
            match self.send_reply(connection, !stays && !more_may_come) {
                Ok(sent) if sent < self.reply.len() => {
                    let reply = self.reply.clone();
                    connection.state = match stays {
                        true => State::Staying(reply, sent, self.rest(start + head, length)),
                        false => State::Sending(reply, sent),
                    };
                    return Next::Wait;
                }
                Ok(_) if stays => {
                    connection.answered = true;
                    start += head;
                }
                Ok(_) if more_may_come && version == Version::Http11 => {
                    match pull(&connection.socket, &mut self.request) {
                        Ok(Some(received @ 1..)) => (start, length) = (0, received),
                        _ => return linger(connection),
                    }
                }
                // more may have arrived than was read: if the connection were closed now, the client could lose the answer
                Ok(_) if connection.pipelined || length > REQUEST_MAX => return linger(connection),
                _ => return Next::Close,
            }
        }
        // enough for this turn
        connection.state = State::Staying(Vec::new(), 0, self.rest(start, length));
        Next::Wait
    }

    /// Sends as much of the reply as the socket takes, perhaps nothing. `last`: nothing follows it.
    fn send_reply(&self, connection: &Connection, last: bool) -> io::Result<usize> {
        let send = if last { socket::send_last } else { socket::send };
        unless_blocked(send(connection.socket.as_fd(), &self.reply))
    }

    /// The requests in a part of the buffer, to be answered later.
    fn rest(&self, start: usize, length: usize) -> Vec<u8> {
        self.request.get(start..length).unwrap_or_default().to_vec()
    }

    /// Refuses a request that is too long, and shuts down the sending side.
    fn refuse(&mut self, connection: &mut Connection, context: &mut Context<'_, F>) -> Next<F> {
        context.tracker.refuse_internal(&mut self.reply);
        match self.send_reply(connection, false) {
            Ok(sent) if sent < self.reply.len() => {
                connection.state = State::Sending(self.reply.clone(), sent);
                Next::Wait
            }
            Ok(_) => linger(connection),
            Err(_) => Next::Close,
        }
    }
}

/// Keeps the received part of a request. If there is no memory for that the connection is closed.
fn keep_part<F: Families>(connection: &mut Connection, bytes: &[u8]) -> Next<F> {
    let mut part = Vec::new();
    if part.try_reserve_exact(bytes.len()).is_err() {
        return Next::Close;
    }
    part.extend_from_slice(bytes);
    connection.state = State::Request(part);
    Next::Wait
}

/// Shuts down the sending side of a connection whose client may still be sending. If it were closed now, the client could lose the answer.
fn linger<F: Families>(connection: &mut Connection) -> Next<F> {
    connection.state = State::Lingering(0);
    wait_if(socket::shutdown_write(connection.socket.as_fd()).is_ok())
}

fn wait_if<F: Families>(wait: bool) -> Next<F> {
    if wait { Next::Wait } else { Next::Close }
}

/// Sends as much of the rest of an answer as the socket takes. Returns whether that was all.
fn push_rest(socket: &OwnedFd, answer: &[u8], sent: &mut usize) -> io::Result<bool> {
    *sent += unless_blocked(socket::send(socket.as_fd(), answer.get(*sent..).unwrap_or_default()))?;
    Ok(*sent == answer.len())
}

/// Turns `WouldBlock` into 0 bytes.
fn unless_blocked(sent: io::Result<usize>) -> io::Result<usize> {
    match sent {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
