//! The connections that have to wait: for the rest of a request, for a long answer, or for the client to receive an answer.
//!
//! Most connections never come here: their request has arrived when they are accepted, and is answered at once. The number of waiting
//! connections is bounded, and so are the bytes that they hold together. Beyond, the one whose request is unfinished for longest is closed.

use super::connection::{Connection, LINGER, LONG_ANSWER, REQUEST, SHORT_ANSWER};
use super::deadlines::Deadlines;
use crate::features::METRICS;
use crate::limits::{
    ANSWER_TIMEOUT, CONNECTION_BYTES, CONNECTION_BYTES_MIN, CONNECTIONS_LONG_PART, LINGER_TIMEOUT, REQUEST_TIMEOUT,
};
use crate::stats::figures::Connections as Figures;
use crate::sys::memory;
use crate::sys::poller::{Interest, Poller};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Identifies a connection. The name of a closed connection fits no later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    slot: u32,
    generation: u32,
}

impl Name {
    /// Bits of a name in a token.
    pub const BITS: u32 = 62;

    /// The slot in the table. A later connection may have the same one.
    pub fn slot(self) -> u32 {
        self.slot
    }

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

struct Slot {
    generation: u32,
    /// None while the connection is taken out, and while the slot is free.
    connection: Option<Connection>,
    /// What the poller waits for.
    interest: Interest,
}

/// The length of each kind of deadline.
const LENGTHS: [Duration; 4] = {
    let mut lengths = [ANSWER_TIMEOUT; 4];
    lengths[REQUEST] = REQUEST_TIMEOUT;
    lengths[LINGER] = LINGER_TIMEOUT;
    lengths
};

/// All waiting connections, with their deadlines and the poller's interest in them.
pub struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
    deadlines: Deadlines<4>,
    /// Bytes that all connections hold together.
    bytes: usize,
    most: usize,
    most_bytes: usize,
    /// How many may have long answers.
    most_long: usize,
    /// The slot of the connection that is taken out, in builds with `metrics`.
    taken: Option<u32>,
}

impl Connections {
    /// No connections yet. There may be `most` at a time, and they may hold `most_bytes` bytes together.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        let deadlines = Deadlines::new(LENGTHS);
        let most_long = (most.min(most_bytes / CONNECTION_BYTES) / CONNECTIONS_LONG_PART).max(1);
        Connections {
            slots: Vec::new(),
            free: Vec::new(),
            deadlines,
            bytes: 0,
            most,
            most_bytes,
            most_long,
            taken: None,
        }
    }

    /// The connection to close before one more may wait, if there is one.
    pub fn in_the_way(&self) -> Option<Name> {
        if self.len() < self.most { self.beyond_bytes() } else { self.first_to_go() }
    }

    /// The connection to close because all hold too many bytes.
    pub fn beyond_bytes(&self) -> Option<Name> {
        let most = if memory::is_short() { self.most_bytes.min(CONNECTION_BYTES_MIN) } else { self.most_bytes };
        if self.bytes <= most { None } else { self.first_to_go() }
    }

    /// The connection to close first: the one whose request is unfinished for longest, else the oldest that is about to close, else the
    /// oldest with a short answer. Those with long answers are closed only for others [of their kind](Self::beyond_long).
    pub fn first_to_go(&self) -> Option<Name> {
        let kinds = [REQUEST, LINGER, SHORT_ANSWER];
        let slot = kinds.into_iter().find_map(|kind| self.deadlines.first(kind))?;
        self.name(slot)
    }

    /// The connection to close because too many have long answers: the oldest of these.
    pub fn beyond_long(&self) -> Option<Name> {
        let [.., long] = self.deadlines.lengths();
        if *long <= self.most_long { None } else { self.name(self.deadlines.first(LONG_ANSWER)?) }
    }

    /// Whether one more may wait.
    pub fn has_room(&self) -> bool {
        self.len() < self.most
    }

    /// The socket of a connection that is there.
    pub fn socket(&self, name: Name) -> Option<BorrowedFd<'_>> {
        let slot = self.slots.get(name.slot as usize).filter(|slot| slot.generation == name.generation)?;
        slot.connection.as_ref().map(|connection| connection.socket.as_fd())
    }

    fn name(&self, slot: u32) -> Option<Name> {
        Some(Name { slot, generation: self.slots.get(slot as usize)?.generation })
    }

    /// Adds a connection. `token` turns its name into the token of its events.
    ///
    /// # Errors
    /// The poller refuses it. The connection is closed then.
    pub fn add(
        &mut self,
        mut connection: Connection,
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
        self.bytes += connection.state.bytes();
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

    /// How many there are, by what they wait for, and what they hold. One that is taken out does not wait.
    pub fn figures(&self) -> Figures {
        let mut waiting = *self.deadlines.lengths();
        if let Some(kind) = self.taken.and_then(|slot| self.deadlines.kind(slot)) {
            waiting[kind] -= 1;
        }
        let (request, close, short_answer) = (waiting[REQUEST], waiting[LINGER], waiting[SHORT_ANSWER]);
        let long_answer = waiting[LONG_ANSWER];
        let Connections { bytes, most, most_bytes, .. } = *self;
        Figures { request, short_answer, long_answer, close, most, bytes, most_bytes }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a connection out of the table, if it is still there, to be [put back](Self::put_back) or [removed](Self::remove).
    pub fn take(&mut self, name: Name) -> Option<Connection> {
        let slot = self.slots.get_mut(name.slot as usize)?;
        let connection = slot.connection.take_if(|_| slot.generation == name.generation)?;
        self.bytes -= connection.state.bytes();
        if METRICS {
            self.taken = Some(name.slot);
        }
        Some(connection)
    }

    /// Puts a connection back that was taken out. Its deadline stays, unless it now waits for something else or an answer has been
    /// sent.
    ///
    /// # Errors
    /// The poller refuses the change. The connection is returned, to be [removed](Self::remove).
    pub fn put_back(
        &mut self,
        name: Name,
        mut connection: Connection,
        now: Duration,
        poller: &mut Poller,
        token: u64,
    ) -> Result<(), Connection> {
        let Some(slot) = self.slots.get_mut(name.slot as usize) else { return Err(connection) };
        self.taken = None;
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
        self.bytes += connection.state.bytes();
        slot.connection = Some(connection);
        Ok(())
    }

    /// Closes a connection that was taken out.
    pub fn remove(&mut self, name: Name, connection: Connection, poller: &mut Poller) {
        // it was added, so this does not fail; if it did, closing the descriptor would remove it all the same
        let _ = poller.remove(connection.socket.as_fd());
        drop(connection);
        self.taken = None;
        self.deadlines.clear(name.slot);
        if let Some(slot) = self.slots.get_mut(name.slot as usize) {
            slot.generation = slot.generation.wrapping_add(1) & GENERATIONS;
            self.free.push(name.slot);
        }
    }

    /// The time of the next deadline.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.next()
    }

    /// A connection whose deadline has expired.
    pub fn overdue(&mut self, now: Duration) -> Option<Name> {
        let slot = self.deadlines.take_due(now)?;
        self.name(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::State;
    use super::*;
    use crate::limits::CONNECTION_BYTES;
    use std::os::unix::net::UnixStream;

    const SECOND: Duration = Duration::from_secs(1);

    /// A table with its poller, and the far ends of its connections.
    struct Table {
        connections: Connections,
        poller: Poller,
        far: Vec<UnixStream>,
    }

    impl Table {
        fn new(most: usize, most_bytes: usize) -> Table {
            Table { connections: Connections::new(most, most_bytes), poller: Poller::new(8).unwrap(), far: Vec::new() }
        }

        fn add(&mut self, state: State, now: Duration) -> Name {
            let (near, far) = UnixStream::pair().unwrap();
            self.far.push(far);
            let connection = Connection { state, ..Connection::new(near.into(), [127, 0, 0, 1].into()) };
            self.connections.add(connection, now, &mut self.poller, Name::to_bits).unwrap()
        }

        fn change(&mut self, name: Name, state: State, now: Duration) {
            let mut connection = self.connections.take(name).unwrap();
            connection.state = state;
            self.connections.put_back(name, connection, now, &mut self.poller, name.to_bits()).unwrap();
        }

        fn remove(&mut self, name: Name) {
            let connection = self.connections.take(name).unwrap();
            self.connections.remove(name, connection, &mut self.poller);
        }

        /// The names that the poller has events for now.
        fn ready(&mut self) -> Vec<Name> {
            let mut events = Vec::new();
            self.poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
            events.iter().map(|event| Name::from_bits(event.token)).collect()
        }
    }

    fn request(bytes: usize) -> State {
        State::Request(vec![b'x'; bytes])
    }

    #[test]
    fn the_name_of_one_that_was_closed_fits_no_other() {
        let mut table = Table::new(10, 3000);
        let first = table.add(request(0), SECOND);
        table.remove(first);
        let second = table.add(request(0), SECOND);
        assert_eq!((first.slot(), table.connections.len()), (second.slot(), 1));
        assert!(first != second && table.connections.socket(first).is_none());
        assert!(table.connections.take(first).is_none() && table.connections.socket(second).is_some());
    }

    #[test]
    fn the_poller_waits_for_what_the_connection_waits_for() {
        let mut table = Table::new(10, 3000);
        let name = table.add(request(0), SECOND);
        assert_eq!(table.ready(), []);
        table.change(name, State::Sending(Vec::new(), 0), SECOND);
        assert_eq!(table.ready(), [name]);
        table.change(name, State::Long { blocked: false }, SECOND);
        std::io::Write::write_all(&mut table.far[0], b"more").unwrap();
        assert_eq!(table.ready(), []);
        table.change(name, State::Long { blocked: true }, SECOND);
        assert_eq!(table.ready(), [name]);
        table.change(name, State::Lingering(0), SECOND);
        assert_eq!(table.ready(), [name]);
    }

    #[test]
    fn a_deadline_stays_while_a_connection_waits_for_the_same_thing() {
        let mut table = Table::new(10, 3000);
        let name = table.add(request(1), SECOND);
        table.change(name, request(2), 20 * SECOND);
        assert_eq!(table.connections.next_deadline(), Some(SECOND + REQUEST_TIMEOUT));
        assert_eq!(table.connections.overdue(30 * SECOND), None);
        let mut connection = table.connections.take(name).unwrap();
        connection.answered = true;
        table.connections.put_back(name, connection, 30 * SECOND, &mut table.poller, name.to_bits()).unwrap();
        assert_eq!(
            table.connections.next_deadline(),
            Some(30 * SECOND + REQUEST_TIMEOUT),
            "a new request's time begins"
        );
        table.change(name, State::Long { blocked: false }, 40 * SECOND);
        table.change(name, State::Long { blocked: true }, 50 * SECOND);
        assert_eq!(table.connections.next_deadline(), Some(40 * SECOND + ANSWER_TIMEOUT));
        assert_eq!(table.connections.overdue(40 * SECOND + ANSWER_TIMEOUT), Some(name));
    }

    #[test]
    fn the_oldest_unfinished_request_goes_first() {
        let mut table = Table::new(4, 3000);
        let long = table.add(State::Long { blocked: true }, SECOND);
        let answered = table.add(State::Sending(vec![0; 10], 0), SECOND);
        let first = table.add(request(3), SECOND);
        assert_eq!(table.connections.in_the_way(), None);
        let second = table.add(request(3), SECOND);
        for name in [first, second, answered] {
            assert_eq!(table.connections.in_the_way(), Some(name));
            table.remove(name);
            assert_eq!(table.connections.in_the_way(), None);
            table.add(State::Long { blocked: false }, SECOND);
        }
        assert!(!table.connections.has_room());
        assert_eq!(table.connections.in_the_way(), None, "long answers are kept");
        assert!(table.connections.socket(long).is_some());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut table = Table::new(10, 3000);
        let first = table.add(request(900), SECOND);
        let second = table.add(request(900), 2 * SECOND);
        assert_eq!(table.connections.beyond_bytes(), None);
        table.change(second, State::Staying(vec![0; 900], 0, vec![0; 900]), 2 * SECOND);
        assert_eq!(table.connections.beyond_bytes(), Some(first));
        table.remove(first);
        assert_eq!(table.connections.beyond_bytes(), None);
        table.change(second, State::Long { blocked: true }, 2 * SECOND);
        assert_eq!(table.connections.bytes, CONNECTION_BYTES);
        table.remove(second);
        assert_eq!(table.connections.bytes, 0);
    }
}
