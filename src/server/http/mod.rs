//! HTTP connections: most are accepted, read, answered and closed in one go; the others wait among the [connections].

mod answers;
mod connection;
mod connections;
mod deadlines;
mod exchange;
mod requests;

pub(super) use connections::Name;

use super::faults::Faults;
use super::{Context, Served, Token, listen_for, watch};
use crate::limits::{ACCEPT_PAUSE, ACCEPTS_A_TURN, ANSWERS_TURN, CLOSES_A_TURN, MINUTE, REQUEST_MAX};
use crate::stats::counters::Request;
use crate::swarm::Families;
use crate::sys::clock::Clock;
use crate::sys::failure::Failure;
use crate::sys::poller::{Event, Interest, Poller};
use crate::sys::socket::{self, Accepted};
use crate::sys::stderr;
use crate::tracker::pages::Page;
use crate::tracker::{Now, Tracker};
use answers::{Answers, Io, Outcome, Size};
use connection::{Connection, State};
use connections::Connections;
use exchange::Next;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Reads of what a client sent after its request, before its connection is closed.
const READS_AT_THE_END: usize = 8;

/// What all connections together may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Connections that may wait at a time.
    pub waiting: usize,
    /// Bytes that these may hold: unfinished requests and short answers.
    pub waiting_bytes: usize,
    /// Bytes that long answers may have.
    pub answer_bytes: usize,
}

/// All of HTTP: listening sockets, waiting connections, long answers.
pub(super) struct Http<F: Families> {
    listeners: Vec<OwnedFd>,
    /// Accepting fails, or works.
    accepting: Faults,
    connections: Connections,
    answers: Answers<Box<Page<F>>>,
    /// Where requests are received, one byte longer than the longest that is answered.
    request: Vec<u8>,
    /// Where replies are written.
    reply: Vec<u8>,
}

impl<F: Families> Http<F> {
    /// Serves connections to these sockets within bounds, and has the poller watch the sockets.
    ///
    /// # Errors
    /// The system has no thread to give, or does not take all sockets into the poller.
    pub(super) fn new(listeners: Vec<OwnedFd>, bounds: Bounds, poller: &mut Poller) -> Result<Self, Failure> {
        for (index, listener) in listeners.iter().enumerate() {
            watch(poller, listener.as_fd(), Token::Listener(index))?;
        }
        let answers = Answers::new(bounds.answer_bytes).map_err(Failure::of("making a pipe"))?;
        if let Some(compressor) = answers.compressor() {
            watch(poller, compressor, Token::Compressor)?;
        }
        Ok(Http {
            listeners,
            accepting: Faults::new("accept", ACCEPT_PAUSE),
            connections: Connections::new(bounds.waiting, bounds.waiting_bytes),
            answers,
            request: vec![0; REQUEST_MAX + 1],
            reply: Vec::new(),
        })
    }

    /// Takes new connections, as many as there is a turn for.
    pub(super) fn accept(&mut self, index: usize, context: &mut Context<'_, F>) -> Served {
        let mut served = Served { requests: 0, drained: false };
        let mut shed = false;
        for _ in 0..ACCEPTS_A_TURN {
            let Some(listener) = self.listeners.get(index) else { break };
            let error = match socket::accept(listener.as_fd()) {
                Ok(Accepted::Connection(socket, from)) => {
                    served.requests += 1;
                    shed = false;
                    self.accepting.works(context.now.up);
                    let from = from.ip().to_canonical();
                    context.tracker.counters().count(Request::Connection, from);
                    // the request is usually there already
                    self.begin(Connection::new(socket, from), context);
                    continue;
                }
                Ok(Accepted::Lost) => continue,
                Ok(Accepted::Empty) => {
                    served.drained = true;
                    break;
                }
                // where closing one did not help, closing more would not: it is not a descriptor of its own that the process lacks
                Ok(Accepted::Exhausted(error)) => match self.connections.first_to_go().filter(|_| !shed) {
                    // it waits in the system's queue, and a descriptor is free for it now
                    Some(name) => {
                        self.shed(name, context);
                        shed = true;
                        continue;
                    }
                    None => error,
                },
                Err(error) => error,
            };
            if self.accepting.failed(context.now.up, &error) {
                self.listen_for(Interest::NONE, context.poller);
            }
            break;
        }
        served
    }

    fn begin(&mut self, mut connection: Connection, context: &mut Context<'_, F>) {
        let page = match self.advance(&mut connection, context) {
            Next::Close => return,
            Next::Wait => None,
            Next::Make(page) => Some(page),
        };
        while let Some(name) = self.connections.in_the_way() {
            self.shed(name, context);
        }
        if !self.connections.has_room() {
            return;
        }
        let from = connection.from;
        let token = |name| Token::Connection(name).to_bits();
        // where the poller has no room the connection is closed, which is all that can be done
        let Ok(name) = self.connections.add(connection, context.now.up, context.poller, token) else { return };
        if let Some(page) = page {
            self.begin_answer(name, from, page, context);
        }
    }

    fn begin_answer(&mut self, name: Name, from: IpAddr, page: Box<Page<F>>, context: &mut Context<'_, F>) {
        let style = page.style;
        if !self.answers.begin(name, from, page, style) {
            return self.shed(name, context);
        }
        while let Some(name) = self.connections.beyond_long() {
            self.shed(name, context);
        }
    }

    /// Goes on with a connection that the poller has news of.
    pub(super) fn ready(&mut self, name: Name, event: &Event, context: &mut Context<'_, F>) {
        if event.hangup && !event.readable {
            return self.close(name, context);
        }
        let Some(mut connection) = self.connections.take(name) else { return };
        if let State::Long { blocked } = &mut connection.state {
            if event.writable {
                *blocked = false;
                self.answers.writable(name);
            }
            return self.settle(name, connection, !event.hangup, context);
        }
        let next = self.advance(&mut connection, context);
        let from = connection.from;
        self.settle(name, connection, !matches!(next, Next::Close), context);
        if let Next::Make(page) = next {
            self.begin_answer(name, from, page, context);
        }
        while let Some(name) = self.connections.beyond_bytes() {
            self.shed(name, context);
        }
    }

    /// Makes and sends some of the long answers, each in turn, for a bounded time.
    pub(super) fn deliver(&mut self, clock: &Clock, context: &mut Context<'_, F>) {
        self.answers.discard(&mut Wire { connections: &self.connections, tracker: context.tracker });
        let start = clock.now();
        while self.answers.is_busy() {
            let mut wire = Wire { connections: &self.connections, tracker: context.tracker };
            match self.answers.step(context.now.up, &mut wire) {
                None => break,
                Some((_, Outcome::GoesOn)) => {}
                Some((name, Outcome::Displaced)) => self.shed(name, context),
                Some((name, outcome)) => self.after_step(name, outcome, context),
            }
            if clock.now().saturating_sub(start) >= ANSWERS_TURN {
                break;
            }
        }
    }

    fn after_step(&mut self, name: Name, outcome: Outcome, context: &mut Context<'_, F>) {
        let Some(mut connection) = self.connections.take(name) else { return };
        if outcome == Outcome::Over {
            self.read_away(&connection);
        }
        connection.state = State::Long { blocked: outcome == Outcome::Blocked };
        self.settle(name, connection, outcome != Outcome::Over, context);
    }

    /// Takes what a client sent after its request: closing on bytes that were not read would cut it off from the end of its answer.
    fn read_away(&mut self, connection: &Connection) {
        for _ in 0..READS_AT_THE_END {
            if !matches!(pull(&connection.socket, &mut self.request), Ok(Some(1..))) {
                return;
            }
        }
    }

    /// Goes on with the answers whose pieces the compressor is done with.
    pub(super) fn compressed(&mut self) {
        self.answers.compressed();
    }

    /// Closes what took too long, and accepts again after a pause.
    pub(super) fn look_after_deadlines(&mut self, context: &mut Context<'_, F>) {
        for _ in 0..CLOSES_A_TURN {
            let up = context.now.up;
            let Some(name) = self.connections.overdue(up).or_else(|| self.answers.stalled(up)) else { break };
            context.tracker.counters().detail(|detail| detail.connections_late += 1);
            self.close(name, context);
        }
        if self.accepting.is_over(context.now.up) {
            self.listen_for(Interest::READ, context.poller);
        }
    }

    /// Whether something can go on at once.
    pub(super) fn is_busy(&self) -> bool {
        self.answers.is_busy()
    }

    /// When [`look_after_deadlines`](Self::look_after_deadlines) has something to do.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let due = [self.connections.next_deadline(), self.answers.next_stall(), self.accepting.until()];
        due.into_iter().flatten().min()
    }

    /// Closes a connection to make room for others.
    fn shed(&mut self, name: Name, context: &mut Context<'_, F>) {
        context.tracker.counters().detail(|detail| detail.connections_shed += 1);
        self.close(name, context);
    }

    /// Closes a connection without a word.
    fn close(&mut self, name: Name, context: &mut Context<'_, F>) {
        if let Some(connection) = self.connections.take(name) {
            self.settle(name, connection, false, context);
        }
    }

    /// Puts a connection back that was taken out, or closes it.
    fn settle(&mut self, name: Name, mut connection: Connection, keep: bool, context: &mut Context<'_, F>) {
        if keep {
            let token = Token::Connection(name).to_bits();
            // where the poller does not take the change the connection is closed, which is all that can be done
            match self.connections.put_back(name, connection, context.now.up, context.poller, token) {
                Ok(()) => return,
                Err(refused) => connection = refused,
            }
        }
        if self.answers.cancel(name) {
            socket::cut_off_on_close(connection.socket.as_fd());
        }
        self.connections.remove(name, connection, context.poller);
        // a descriptor is free again
        if self.accepting.end() {
            self.listen_for(Interest::READ, context.poller);
        }
    }

    fn listen_for(&mut self, interest: Interest, poller: &mut Poller) {
        for (index, listener) in self.listeners.iter().enumerate() {
            listen_for(poller, listener.as_fd(), Token::Listener(index), interest);
        }
    }
}

/// The tracker that builds pages, and the connections that they are sent to.
struct Wire<'a, F: Families> {
    connections: &'a Connections,
    tracker: &'a mut Tracker<F>,
}

impl<F: Families> Io<Box<Page<F>>> for Wire<'_, F> {
    fn size(&self, page: &Box<Page<F>>) -> Size {
        Size { least: page.least(self.tracker), most: page.estimate(self.tracker) }
    }

    fn slice(&mut self, page: &mut Box<Page<F>>, body: &mut Vec<u8>) -> bool {
        page.slice(self.tracker, body)
    }

    fn discard(&mut self, page: &mut Box<Page<F>>) -> bool {
        page.discard()
    }

    fn send(&mut self, name: Name, bytes: &[u8]) -> io::Result<usize> {
        let socket: BorrowedFd<'_> = self.connections.socket(name).ok_or(ErrorKind::NotConnected)?;
        socket::send(socket, bytes)
    }
}

/// Receives what is there: nothing yet, no bytes at the end, or some.
fn pull(socket: &OwnedFd, room: &mut [u8]) -> io::Result<Option<usize>> {
    match socket::receive(socket.as_fd(), room) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// Says on stderr who asked for all torrents (as the original).
fn log_full_scrape(now: Now, from: IpAddr) {
    let minutes = now.up.as_secs() / MINUTE;
    stderr::write_line(&format!("[{minutes:08}] scrp:  {from} - FULL SCRAPE\n"));
}
