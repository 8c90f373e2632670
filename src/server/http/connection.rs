//! One HTTP connection, and what it waits for.

use crate::limits::CONNECTION_BYTES;
use crate::sys::poller::Interest;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// What a connection waits for.
#[derive(Debug)]
pub enum State {
    /// The rest of its request; this much has come.
    Request(Vec<u8>),
    /// Its long answer to be made, or the receiver to take more of it.
    Long {
        /// The receiver takes no more at the moment.
        blocked: bool,
    },
    /// The receiver, who has taken so many bytes of the answer.
    Sending(Vec<u8>, usize),
    /// The same, and after the answer the connection stays; this much has come of further requests. They wait until the
    /// answer is taken, which makes it their turn also where there is nothing left to take.
    Staying(Vec<u8>, usize, Vec<u8>),
    /// The end of what the client sends, so many bytes of which were thrown away.
    Lingering(usize),
}

/// Kinds of deadlines, in the order in which connections go where there are too many.
pub(super) const REQUEST: usize = 0;
pub(super) const LINGER: usize = 1;
pub(super) const SHORT_ANSWER: usize = 2;
const LONG_ANSWER: usize = 3;

impl State {
    /// What the poller is to wait for.
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
    /// Whom it comes from.
    pub from: IpAddr,
    /// What it waits for.
    pub state: State,
    /// It has just got a whole answer and stays: the time for its next request begins.
    pub answered: bool,
    /// It has sent a request after another one, without waiting for the answer.
    pub pipelined: bool,
}

impl Connection {
    /// A new one, which has sent nothing yet.
    pub fn new(socket: OwnedFd, from: IpAddr) -> Self {
        Connection { socket, from, state: State::Request(Vec::new()), answered: false, pipelined: false }
    }
}
