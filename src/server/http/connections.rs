//! The connections that have to wait: for the rest of a request, for an answer to be made, for the receiver to take it.
//!
//! Most connections never come here: their request is there when they are accepted, and is answered on the spot. How many there are
//! has a bound, and so have the bytes that they hold together; beyond it the one whose request is unfinished for longest goes.

use super::connection::{Connection, LINGER, REQUEST, SHORT_ANSWER};
use super::deadlines::Deadlines;
use crate::limits::{ANSWER_TIMEOUT, LINGER_TIMEOUT, REQUEST_TIMEOUT};
use crate::sys::poller::{Interest, Poller};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Names a connection for good: the name of one that was closed never fits another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    slot: u32,
    generation: u32,
}

impl Name {
    /// Bits of a name in a token.
    pub const BITS: u32 = 62;

    /// Its place among all connections. Another one may have it later.
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

/// How long each kind of deadline is.
const LENGTHS: [Duration; 4] = {
    let mut lengths = [ANSWER_TIMEOUT; 4];
    lengths[REQUEST] = REQUEST_TIMEOUT;
    lengths[LINGER] = LINGER_TIMEOUT;
    lengths
};

/// All waiting connections, with what the poller and the deadlines know of them.
pub struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
    deadlines: Deadlines<4>,
    /// Bytes that all hold together.
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl Connections {
    /// None yet, and at most `most` at a time, which hold `most_bytes` bytes of requests and short answers.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        let deadlines = Deadlines::new(LENGTHS);
        Connections { slots: Vec::new(), free: Vec::new(), deadlines, bytes: 0, most, most_bytes }
    }

    /// The connection that has to go before one more may wait, if there is one.
    pub fn in_the_way(&self) -> Option<Name> {
        if self.len() < self.most { self.beyond_bytes() } else { self.first_to_go() }
    }

    /// The connection that has to go because all hold too many bytes.
    pub fn beyond_bytes(&self) -> Option<Name> {
        if self.bytes <= self.most_bytes { None } else { self.first_to_go() }
    }

    /// The connection that can be spared most easily: one whose request is unfinished, the oldest of those; else one that has its answer, and
    /// so on. Long answers are never taken away.
    pub fn first_to_go(&self) -> Option<Name> {
        let kinds = [REQUEST, LINGER, SHORT_ANSWER];
        let slot = kinds.into_iter().find_map(|kind| self.deadlines.first(kind))?;
        self.name(slot)
    }

    /// Whether one more has a place.
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

    /// Lets a connection wait. Events for it come under the token that `token` makes of its name.
    ///
    /// # Errors
    /// The poller does not take it; then it is closed.
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a connection out, if it is still there, to be [put back](Self::put_back) or [removed](Self::remove).
    pub fn take(&mut self, name: Name) -> Option<Connection> {
        let slot = self.slots.get_mut(name.slot as usize)?;
        let connection = slot.connection.take_if(|_| slot.generation == name.generation)?;
        self.bytes -= connection.state.bytes();
        Some(connection)
    }

    /// Puts a connection back that was taken out. Its deadline stays, unless it now waits for another kind of thing or
    /// has got an answer.
    ///
    /// # Errors
    /// The poller does not take the change; then the connection comes back, to be [removed](Self::remove).
    pub fn put_back(
        &mut self,
        name: Name,
        mut connection: Connection,
        now: Duration,
        poller: &mut Poller,
        token: u64,
    ) -> Result<(), Connection> {
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
        self.bytes += connection.state.bytes();
        slot.connection = Some(connection);
        Ok(())
    }

    /// Closes a connection that was taken out.
    pub fn remove(&mut self, name: Name, connection: Connection, poller: &mut Poller) {
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
