//! One HTTP connection, and what it waits for.

use crate::limits::CONNECTION_BYTES;
use crate::sys::poller::Interest;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// What a connection waits for.
#[derive(Debug)]
pub enum State {
    /// The rest of its request. This much has been received.
    Request(Vec<u8>),
    /// Its long answer: to be built, or to be received by the client.
    Long {
        /// The socket's send buffer is full.
        blocked: bool,
    },
    /// The client to receive the rest of a short answer, of which so many bytes are sent.
    Sending(Vec<u8>, usize),
    /// The same, and the connection stays open after the answer. This much of further requests has been received. They are answered when
    /// the answer is sent, at once if nothing is left of it.
    Staying(Vec<u8>, usize, Vec<u8>),
    /// The client to close. So many bytes that it sent meanwhile were discarded.
    Lingering(usize),
}

/// Kinds of deadlines, in the order in which connections are closed if there are too many.
pub(super) const REQUEST: usize = 0;
pub(super) const LINGER: usize = 1;
pub(super) const SHORT_ANSWER: usize = 2;
pub(super) const LONG_ANSWER: usize = 3;

impl State {
    /// The events that the poller waits for.
    pub(super) fn interest(&self) -> Interest {
        match self {
            State::Request(_) | State::Lingering(_) => Interest::READ,
            State::Long { blocked: false } => Interest::NONE,
            State::Long { blocked: true } | State::Sending(..) | State::Staying(..) => Interest::WRITE,
        }
    }

    /// The kind of deadline that it has.
    pub(super) fn deadline(&self) -> usize {
        match self {
            State::Request(_) => REQUEST,
            State::Lingering(_) => LINGER,
            State::Sending(..) | State::Staying(..) => SHORT_ANSWER,
            State::Long { .. } => LONG_ANSWER,
        }
    }

    /// Bytes that a connection in this state holds.
    pub(super) fn bytes(&self) -> usize {
        CONNECTION_BYTES
            + match self {
                State::Request(bytes) | State::Sending(bytes, _) => bytes.capacity(),
                State::Staying(answer, _, requests) => answer.capacity() + requests.capacity(),
                // a long answer has a budget
                State::Long { .. } | State::Lingering(_) => 0,
            }
    }
}

/// A connection that waits.
#[derive(Debug)]
pub struct Connection {
    /// Its socket.
    pub socket: OwnedFd,
    /// The client's address.
    pub from: IpAddr,
    /// What it waits for.
    pub state: State,
    /// A whole answer has just been sent, and it stays open: the time for its next request begins.
    pub answered: bool,
    /// The client has sent a request without waiting for the answer to the one before.
    pub pipelined: bool,
}

impl Connection {
    /// A new one, which has sent nothing yet.
    pub fn new(socket: OwnedFd, from: IpAddr) -> Self {
        Connection { socket, from, state: State::Request(Vec::new()), answered: false, pipelined: false }
    }
}
