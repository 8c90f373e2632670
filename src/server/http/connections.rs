//! The connections that have to wait: for the rest of a request, for an answer to be made, for the receiver to take it.
//!
//! Most connections never come here: their request is there when they are accepted, and is answered on the spot.

use super::deadlines::Deadlines;
use super::delivery::Delivery;
use crate::limits::{ANSWER_TIMEOUT, LINGER_TIMEOUT, REQUEST_TIMEOUT};
use crate::sys::poller::{Interest, Poller};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What a connection waits for.
pub enum State<const N: usize> {
    /// The rest of its request; this much has come.
    Request(Vec<u8>),
    /// Its long answer to be made, and the receiver to take it.
    Long(Box<Delivery<N>>),
    /// The receiver, who has taken so many bytes of the answer.
    Sending(Vec<u8>, usize),
    /// The same, and behind the answer the connection stays; this much has come of further requests. They wait until the
    /// answer is taken, which makes it their turn also where there is nothing left to take.
    Staying(Vec<u8>, usize, Vec<u8>),
    /// The end of what the client sends, so many bytes of which were thrown away.
    Lingering(usize),
}

impl<const N: usize> State<N> {
    fn interest(&self) -> Interest {
        match self {
            State::Request(_) | State::Lingering(_) => Interest::READ,
            State::Long(delivery) if !delivery.blocked => Interest::NONE,
            State::Long(_) | State::Sending(..) | State::Staying(..) => Interest::WRITE,
        }
    }

    fn deadline(&self) -> usize {
        match self {
            State::Request(_) => 0,
            State::Long(_) | State::Sending(..) | State::Staying(..) => 1,
            State::Lingering(_) => 2,
        }
    }
}

/// A connection that waits.
pub struct Connection<const N: usize> {
    /// Its socket.
    pub socket: OwnedFd,
    /// Whom it comes from.
    pub from: [u8; N],
    /// What it waits for.
    pub state: State<N>,
    /// It has just got a whole answer and stays: the time for its next request begins.
    pub answered: bool,
}

/// Names a connection for good: the name of one that was closed never fits another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    slot: u32,
    generation: u32,
}

impl Name {
    /// Bits of a name in a token.
    pub const BITS: u32 = 62;

    /// The name as a number below 2^62.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The name that such a number stands for.
    pub fn from_bits(bits: u64) -> Name {
        Name { slot: bits as u32, generation: (bits >> 32) as u32 & GENERATIONS }
    }
}

/// Generations are counted in 30 bits: a stale name would have to wait for a billion connections in the same slot to fit again.
const GENERATIONS: u32 = (1 << (Name::BITS - 32)) - 1;

struct Slot<const N: usize> {
    generation: u32,
    /// None while the connection is lifted out, and while the slot is free.
    connection: Option<Connection<N>>,
    /// What the poller waits for.
    interest: Interest,
}

/// All waiting connections, with what the poller and the deadlines know of them.
pub struct Connections<const N: usize> {
    slots: Vec<Slot<N>>,
    free: Vec<u32>,
    deadlines: Deadlines<3>,
}

impl<const N: usize> Default for Connections<N> {
    fn default() -> Self {
        let deadlines = Deadlines::new([REQUEST_TIMEOUT, ANSWER_TIMEOUT, LINGER_TIMEOUT]);
        Connections { slots: Vec::new(), free: Vec::new(), deadlines }
    }
}

impl<const N: usize> Connections<N> {
    /// Lets a connection wait. Events for it come under the token that `token` makes of its name.
    ///
    /// # Errors
    /// The poller does not take it; then it is closed.
    pub fn add(
        &mut self,
        mut connection: Connection<N>,
        now: Duration,
        poller: &mut Poller,
        token: impl FnOnce(Name) -> u64,
    ) -> io::Result<Name> {
        connection.answered = false;
        let slot = self.free.last().copied().unwrap_or(self.slots.len() as u32);
        let generation = self.slots.get(slot as usize).map_or(0, |slot| slot.generation);
        let name = Name { slot, generation };
        let interest = connection.state.interest();
        poller.add(connection.socket.as_fd(), token(name), interest)?;
        self.deadlines.set(slot, connection.state.deadline(), now);
        let filled = Slot { generation, connection: Some(connection), interest };
        match self.slots.get_mut(slot as usize) {
            Some(place) => {
                self.free.pop();
                *place = filled;
            }
            None => self.slots.push(filled),
        }
        Ok(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether a connection is still there.
    pub fn contains(&self, name: Name) -> bool {
        let slot = self.slots.get(name.slot as usize);
        slot.is_some_and(|slot| slot.generation == name.generation && slot.connection.is_some())
    }

    /// Lifts a connection out, if it is still there, to be [put back](Self::put_back) or [removed](Self::remove).
    pub fn lift(&mut self, name: Name) -> Option<Connection<N>> {
        let slot = self.slots.get_mut(name.slot as usize)?;
        if slot.generation == name.generation { slot.connection.take() } else { None }
    }

    /// Puts a connection back that was lifted out. Its deadline stays, unless it now waits for another kind of thing or
    /// has got an answer.
    ///
    /// # Errors
    /// The poller does not take the change; then the connection comes back, to be [removed](Self::remove).
    pub fn put_back(
        &mut self,
        name: Name,
        mut connection: Connection<N>,
        now: Duration,
        poller: &mut Poller,
        token: u64,
    ) -> Result<(), Connection<N>> {
        let Some(slot) = self.slots.get_mut(name.slot as usize) else { return Err(connection) };
        let interest = connection.state.interest();
        if interest != slot.interest {
            if poller.modify(connection.socket.as_fd(), token, interest).is_err() {
                return Err(connection);
            }
            slot.interest = interest;
        }
        let answered = std::mem::take(&mut connection.answered);
        if answered || self.deadlines.kind(name.slot) != Some(connection.state.deadline()) {
            self.deadlines.set(name.slot, connection.state.deadline(), now);
        }
        slot.connection = Some(connection);
        Ok(())
    }

    /// Closes a connection that was lifted out.
    pub fn remove(&mut self, name: Name, connection: Connection<N>, poller: &mut Poller) {
        // it was added, so this does not fail; if it did, closing the descriptor would remove it all the same
        let _ = poller.remove(connection.socket.as_fd());
        drop(connection);
        self.deadlines.clear(name.slot);
        if let Some(slot) = self.slots.get_mut(name.slot as usize) {
            slot.generation = slot.generation.wrapping_add(1) & GENERATIONS;
            self.free.push(name.slot);
        }
    }

    /// The time at which the next connection has waited too long.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.next()
    }

    /// A connection that has waited too long.
    pub fn overdue(&mut self, now: Duration) -> Option<Name> {
        let slot = self.deadlines.take_due(now)?;
        let generation = self.slots.get(slot as usize)?.generation;
        Some(Name { slot, generation })
    }
}
