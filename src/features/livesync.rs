//! Live sync: the trackers of one network tell each other of their peers, so that clients of all of them meet.
//!
//! Two halves. The [`Outbox`] collects what the tracker has to tell and knows when it goes; it does no I/O, and time is an argument. The
//! [`Sockets`] belong to the server. Builds without the switch have the face in `no_livesync` instead.

use crate::config::LIVE_SYNC_PORT;
use crate::limits::{
    LIVESYNC_BACKLOG, LIVESYNC_DELAY, LIVESYNC_RECEIVE_MAX, LIVESYNC_RETRY, LIVESYNC_TTL, UDP_RECEIVE_BUFFER,
};
use crate::sys::datagram::Batch;
use crate::sys::failure::Failure;
use crate::sys::multicast;
use crate::wire::livesync::{GROUP, HEAD, Record, head};
use std::io;
use std::net::{IpAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Where packets are sent to, wherever this tracker itself listens (as the original).
const EVERYBODY: SocketAddrV4 = SocketAddrV4::new(GROUP, LIVE_SYNC_PORT);

/// What the others are still to be told.
#[derive(Debug)]
pub struct Outbox<const N: usize> {
    head: [u8; HEAD],
    /// Packets, one behind the other; all are full but the last one, perhaps.
    packets: Vec<u8>,
    /// When the last packet went, in time since the start.
    last: Duration,
    /// Until when no packet is tried, after one found no room.
    pause: Duration,
}

impl<const N: usize> Outbox<N> {
    /// Bytes of a full packet.
    const FULL: usize = HEAD + Record::<N>::A_PACKET * Record::<N>::SIZE;

    /// Nothing to tell yet. The id is the one that packets are marked with.
    pub fn new(tracker_id: u32) -> Self {
        // all the room it ever takes, so that announces need none for this
        let packets = Vec::with_capacity(LIVESYNC_BACKLOG * Self::FULL);
        Outbox { head: head(tracker_id), packets, last: Duration::ZERO, pause: Duration::ZERO }
    }

    /// Takes something to tell. It is lost where so much waits already that the system cannot be taking any of it.
    pub fn tell(&mut self, record: &Record<N>) {
        if self.packets.len() >= LIVESYNC_BACKLOG * Self::FULL {
            return;
        }
        if self.packets.len().is_multiple_of(Self::FULL) {
            self.packets.extend_from_slice(&self.head);
        }
        record.write(&mut self.packets);
    }

    /// When the next packet goes, in time since the start; None where there is nothing to tell.
    pub fn due(&self) -> Option<Duration> {
        let due = match self.packets.len() {
            0 => return None,
            length if length >= Self::FULL => Duration::ZERO,
            _ => self.last + LIVESYNC_DELAY,
        };
        Some(due.max(self.pause))
    }

    /// Sends what is due, packet by packet. `send` says whether there was room for one; if not, it is tried again later.
    pub fn flush(&mut self, up: Duration, mut send: impl FnMut(&[u8]) -> bool) {
        if self.due().is_none_or(|due| up < due) {
            return;
        }
        let mut gone = 0;
        while let Some(rest) = self.packets.get(gone..).filter(|rest| !rest.is_empty()) {
            let packet = rest.get(..Self::FULL).unwrap_or(rest);
            if packet.len() < Self::FULL && up < self.last + LIVESYNC_DELAY {
                break;
            }
            if !send(packet) {
                self.pause = up + LIVESYNC_RETRY;
                break;
            }
            self.last = up;
            gone += packet.len();
        }
        self.packets.drain(..gone);
    }
}

/// The sockets of the live sync, and a buffer for what comes.
#[derive(Debug)]
pub struct Sockets {
    ears: OwnedFd,
    mouth: OwnedFd,
    packet: Batch,
}

impl Sockets {
    /// Joins the group through the interface of this address, to hear at its port.
    ///
    /// # Errors
    /// The address is not this machine's, or its interface takes no part in multicast.
    pub fn join(address: SocketAddrV4) -> Result<Sockets, Failure> {
        Ok(Sockets {
            ears: multicast::receiver(GROUP, *address.ip(), address.port(), UDP_RECEIVE_BUFFER)?,
            mouth: multicast::sender(address, LIVESYNC_TTL)?,
            packet: Batch::new(1, LIVESYNC_RECEIVE_MAX, 0),
        })
    }

    /// The socket to watch: it is readable when others told something.
    pub fn ears(&self) -> BorrowedFd<'_> {
        self.ears.as_fd()
    }

    /// Takes one packet that has come, and who from. The inner None: it cannot be made out. The outer one: none has come.
    pub fn receive(&mut self) -> Option<Option<(IpAddr, &[u8])>> {
        match self.packet.receive(self.ears.as_fd()) {
            Ok(0) => return None,
            // news of a packet that did not arrive somewhere, and gone with the telling
            Err(_) => return Some(None),
            Ok(_) => {}
        }
        Some(self.packet.exchange(0).map(|exchange| (exchange.from.ip(), exchange.request)))
    }

    /// Tells the others. True where there was room for the packet.
    pub fn send(&self, packet: &[u8]) -> bool {
        let sent: io::Result<bool> = multicast::send_to(self.mouth.as_fd(), packet, EVERYBODY);
        // where the network is down the others cannot be told, now or later
        sent.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: u32 = 7;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn tell<const N: usize>(outbox: &mut Outbox<N>, count: usize) {
        for n in 0..count {
            outbox.tell(&Record {
                info_hash: [n as u8; 20],
                address: [1; N],
                port: [2; 2],
                seeding: true,
                completed: false,
                stopped: false,
            });
        }
    }

    /// Flushes; gives the records of each packet that went.
    fn flush<const N: usize>(outbox: &mut Outbox<N>, up: Duration) -> Vec<usize> {
        let mut went = Vec::new();
        outbox.flush(up, |packet| {
            assert_eq!(packet[..HEAD], head(ID));
            went.push(crate::wire::livesync::records::<N>(packet, ID + 1).count());
            true
        });
        went
    }

    #[test]
    fn a_packet_goes_15_seconds_after_the_last_one() {
        let mut outbox = Outbox::<4>::new(ID);
        assert_eq!(outbox.due(), None);
        assert_eq!(flush(&mut outbox, at(100_000)), [0; 0], "nothing is no packet");
        let mut outbox = Outbox::<4>::new(ID);
        tell(&mut outbox, 1);
        assert_eq!(outbox.due(), Some(at(15_000)), "counted from the start");
        assert_eq!(flush(&mut outbox, at(14_999)), [0; 0]);
        tell(&mut outbox, 2);
        assert_eq!(flush(&mut outbox, at(15_000)), [3]);
        assert_eq!(outbox.due(), None);
        tell(&mut outbox, 1);
        assert_eq!(outbox.due(), Some(at(30_000)));
        assert_eq!(flush(&mut outbox, at(29_999)), [0; 0]);
        assert_eq!(flush(&mut outbox, at(31_000)), [1]);
        // after a long silence it goes at once
        tell(&mut outbox, 1);
        assert_eq!(flush(&mut outbox, at(99_000)), [1]);
    }

    #[test]
    fn a_full_packet_goes_at_once() {
        let mut outbox = Outbox::<4>::new(ID);
        tell(&mut outbox, 51);
        assert_eq!(flush(&mut outbox, at(1000)), [0; 0]);
        tell(&mut outbox, 1);
        assert_eq!(outbox.due(), Some(Duration::ZERO));
        assert_eq!(flush(&mut outbox, at(1000)), [52]);
        // the others wait for 15 seconds from then on
        tell(&mut outbox, 52 + 52 + 3);
        assert_eq!(flush(&mut outbox, at(2000)), [52, 52]);
        assert_eq!(outbox.due(), Some(at(17_000)));
        assert_eq!(flush(&mut outbox, at(17_000)), [3]);
        let mut wide = Outbox::<16>::new(ID);
        tell(&mut wide, 40);
        assert_eq!(flush(&mut wide, at(0)), [36]);
    }

    #[test]
    fn what_finds_no_room_waits_a_little() {
        let mut outbox = Outbox::<4>::new(ID);
        tell(&mut outbox, 110);
        let mut tried = 0;
        outbox.flush(at(1000), |_| {
            tried += 1;
            tried == 1
        });
        assert_eq!((tried, outbox.due()), (2, Some(at(1010))));
        assert_eq!(flush(&mut outbox, at(1009)), [0; 0]);
        assert_eq!(flush(&mut outbox, at(1010)), [52]);
        assert_eq!(flush(&mut outbox, at(16_010)), [6]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut outbox = Outbox::<4>::new(ID);
        tell(&mut outbox, 52 * LIVESYNC_BACKLOG + 9);
        assert_eq!(flush(&mut outbox, at(0)), vec![52; LIVESYNC_BACKLOG]);
        tell(&mut outbox, 52);
        assert_eq!(flush(&mut outbox, at(0)), [52]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_early(steps in prop::collection::vec((0..120_usize, 0..9000_u64), 1..60)) {
            let mut outbox = Outbox::<4>::new(ID);
            let (mut told, mut went, mut up, mut last) = (0, 0, 0, 0);
            for (count, milliseconds) in steps {
                up += milliseconds;
                tell(&mut outbox, count);
                told += count;
                for records in flush(&mut outbox, at(up)) {
                    prop_assert!(records == 52 || up - last >= 15_000);
                    last = up;
                    went += records;
                }
                prop_assert!(told - went < 52 && (told == went || up - last < 15_000));
                prop_assert_eq!(outbox.due(), (told > went).then(|| at(last + 15_000)));
            }
        }
    }
}
