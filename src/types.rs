//! The types that all rooms share: torrents, peers, what an announce says, what a tracker answers with, the time.

use crate::limits::{INTERVAL_MIN, INTERVAL_SPREAD, MINUTE};
use std::io::{self, BufRead};
use std::time::Duration;

/// The name of a torrent: the SHA-1 hash of its info dictionary (BEP 3). Ordered by ascending bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

impl InfoHash {
    /// Digits of an info hash as text.
    pub const HEX_DIGITS: usize = 40;

    /// Reads exactly 40 hex digits, of either case.
    pub fn from_hex(digits: &[u8]) -> Option<InfoHash> {
        let digits: &[u8; Self::HEX_DIGITS] = digits.try_into().ok()?;
        let mut hash = [0; 20];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
            *byte = (digit(0)? << 4 | digit(1)?) as u8;
        }
        Some(InfoHash(hash))
    }
}

/// Where a peer listens: `N` bytes of address (4 or 16) and the port, both in network order, as on the wire (BEP 23, BEP 7).
///
/// The swarms order endpoints by a mix of all these bytes, so that neighbours in order are none on the network.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint<const N: usize> {
    /// The address, most significant byte first.
    pub address: [u8; N],
    /// The port, most significant byte first.
    pub port: [u8; 2],
}

impl<const N: usize> Endpoint<N> {
    /// Bytes of an endpoint in a reply.
    pub const SIZE: usize = N + 2;

    /// Writes the endpoint as on the wire, to the first [`SIZE`](Self::SIZE) bytes.
    pub fn write(&self, out: &mut [u8]) {
        let (address, rest) = out.split_at_mut(N);
        address.copy_from_slice(&self.address);
        rest[..2].copy_from_slice(&self.port);
    }
}

impl<const N: usize> Default for Endpoint<N> {
    fn default() -> Self {
        Self { address: [0; N], port: [0; 2] }
    }
}

/// Skips a byte order mark in UTF-8, which some editors put at the beginning of a file.
///
/// # Errors
/// Reading fails.
pub fn skip_byte_order_mark(reader: &mut impl BufRead) -> io::Result<()> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if reader.fill_buf()?.starts_with(MARK) {
        reader.consume(MARK.len());
    }
    Ok(())
}

/// What an announce says, whichever way it comes: over HTTP (BEP 3, 23), over UDP (BEP 15), from another tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The name that the client has chosen for itself. `None` of those that came over UDP: the
    /// system's log has none for them (as the original).
    pub peer_id: Option<[u8; 20]>,
    /// The port that the peer listens on, most significant byte first.
    pub port: [u8; 2],
    /// The peer has all of the torrent.
    pub seeding: bool,
    /// The peer has just completed its download.
    pub completed: bool,
    /// The peer leaves.
    pub stopped: bool,
    /// How many peers the client wants, at most [`NUMWANT_MAX`](crate::limits::NUMWANT_MAX).
    pub numwant: usize,
}

/// The way by which an announce came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client, over HTTP.
    Http,
    /// A client, over UDP.
    Udp,
    /// Another tracker of the cluster. There is no reply, and nothing is reported back to the cluster.
    Cluster,
}

/// What is counted of a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have all of it.
    pub seeders: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// Completed downloads.
    pub downloaded: u32,
}

/// Seconds until a client should announce again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(u32);

impl Interval {
    /// The interval for a random number: spread out, so that clients that came together do not stay together.
    pub fn from_random(random: u64) -> Interval {
        Interval(INTERVAL_MIN + (random % u64::from(INTERVAL_SPREAD)) as u32)
    }

    /// The interval in seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// The least time between two announces, in seconds.
    pub fn minimum(self) -> u32 {
        self.0 / 2
    }
}

/// The time that a request is answered at, on two clocks.
///
/// Ages run on a steady clock. What people read, and the minutes of a state file, follow the wall clock, which somebody may set
/// while the tracker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Seconds since the epoch, by the wall clock of the moment.
    pub unix: u64,
    /// Seconds on the steady clock, which began with the wall clock's time at the start.
    pub steady: u64,
    /// Time since the start.
    pub up: Duration,
}

impl Now {
    /// A time at which both clocks agree.
    pub fn agreed(unix: u64, up: Duration) -> Now {
        Now { unix, steady: unix, up }
    }

    /// Minutes on the steady clock: the unit of ages in swarms.
    pub fn minute(self) -> u32 {
        minutes(self.steady)
    }

    /// A swarm's minute by the wall clock, to be written to a state file.
    pub fn to_wall(self, minute: u32) -> u32 {
        // To the nearest minute: the clocks need not begin their minutes together, and are read a moment apart.
        let minute_seconds = i128::from(MINUTE);
        let seconds = i128::from(self.unix) - i128::from(self.steady) + minute_seconds / 2;
        let ahead = seconds.div_euclid(minute_seconds);
        u32::try_from((i128::from(minute) + ahead).max(0)).unwrap_or(u32::MAX)
    }

    /// A minute of a state file as the swarm's; one that is still to come by the wall clock is now.
    pub fn from_wall(self, minute: u32) -> u32 {
        let age = minutes(self.unix).saturating_sub(minute);
        self.minute().saturating_sub(age)
    }
}

fn minutes(seconds: u64) -> u32 {
    u32::try_from(seconds / MINUTE).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_follow_the_wall_clock_when_it_is_set() {
        let now = |unix, steady| Now { unix, steady, up: Duration::ZERO };
        let agreed = Now::agreed(1_700_000_039, Duration::ZERO);
        assert_eq!((agreed.minute(), agreed.to_wall(28_333_333)), (28_333_333, 28_333_333));
        assert_eq!((agreed.from_wall(28_333_300), agreed.from_wall(28_333_999)), (28_333_300, 28_333_333));
        // clocks that are read a moment apart
        for off in [1_700_000_038, 1_700_000_040] {
            assert_eq!(now(off, 1_700_000_039).to_wall(28_333_333), 28_333_333);
        }
        // started in 1970, set an hour later
        let late = now(1_700_000_000, 40_003_600);
        assert_eq!(late.to_wall(late.minute() - 10), 28_333_333 - 10);
        assert_eq!(late.from_wall(28_333_333 - 10), late.minute() - 10);
        assert_eq!(late.from_wall(0), 0);
        // set 50 years back, and to times before anything
        let early = now(1_700_000_000 - 1_576_800_000, 1_700_000_000);
        assert_eq!(early.to_wall(28_333_333), 2_053_333);
        assert_eq!(early.from_wall(28_333_333), 28_333_333);
        assert_eq!((now(0, 1_700_000_000).to_wall(28_333_000), now(u64::MAX, 0).to_wall(5)), (0, u32::MAX));
    }

    #[test]
    fn info_hashes_in_hex_digits() {
        let text = b"AEa0106a82f5a88ed922a63dc3ab60e1a6e465C0";
        let hash = InfoHash::from_hex(text).unwrap();
        assert_eq!(hash.0[..3], [0xae, 0xa0, 0x10]);
        assert_eq!(hash.0[19], 0xc0);
        assert_eq!(InfoHash::from_hex(&text[..39]), None);
        assert_eq!(InfoHash::from_hex(&[text, &b"0"[..]].concat()), None);
        assert_eq!(InfoHash::from_hex(&text.map(|digit| if digit == b'8' { b'g' } else { digit })), None);
    }

    #[test]
    fn intervals_are_spread() {
        assert_eq!(Interval::from_random(0).seconds(), 1620);
        assert_eq!(Interval::from_random(359).seconds(), 1979);
        assert_eq!(Interval::from_random(360).seconds(), 1620);
        assert_eq!(Interval::from_random(359).minimum(), 989);
    }
}
