//! The types that all rooms share: torrents, peers, what an announce says, what a tracker answers with, the time.

use crate::limits::{INTERVAL, MINUTE, NUMWANT_DEFAULT, NUMWANT_MAX, PEER_TIMEOUT_MINUTES, TORRENT_TIMEOUT_MINUTES};
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
    /// How many peers the client wants, at most [`Numwant::max`].
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
    /// The interval in seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// The least time between two announces, in seconds.
    pub fn minimum(self) -> u32 {
        self.0 / 2
    }
}

/// The announce intervals that a tracker answers with: spread out, so that clients that came together do not stay together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// The shortest, in seconds.
    shortest: u32,
    /// How many different ones there are.
    count: u32,
}

impl Intervals {
    /// Intervals that are up to a tenth shorter or longer than so many seconds.
    pub const fn around(seconds: u32) -> Intervals {
        Intervals { shortest: seconds - seconds / 10, count: seconds / 5 }
    }

    /// The interval for a random number.
    pub fn draw(self, random: u64) -> Interval {
        Interval(self.shortest + (((random >> 32) * u64::from(self.count)) >> 32) as u32)
    }

    /// The longest one, in seconds.
    pub fn longest(self) -> u32 {
        self.shortest + self.count.saturating_sub(1)
    }
}

impl Default for Intervals {
    fn default() -> Self {
        Intervals::around(INTERVAL)
    }
}

/// How many peers replies have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numwant {
    /// For a client that does not say how many it wants, over HTTP; no more than the most.
    pub default: usize,
    /// The most.
    pub max: usize,
}

impl Default for Numwant {
    fn default() -> Self {
        Numwant { default: NUMWANT_DEFAULT, max: NUMWANT_MAX }
    }
}

/// How long after its last announce a peer leaves its swarm.
///
/// Swarms measure time in ticks, of which this is [`PEER_TIMEOUT_MINUTES`] in any case. By default a tick is a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerTimeout {
    minutes: u32,
}

impl PeerTimeout {
    /// The default in minutes, as seconds and ticks are divided by it.
    const TICKS: u64 = PEER_TIMEOUT_MINUTES as u64;

    /// A timeout of so many minutes.
    pub fn of_minutes(minutes: u32) -> PeerTimeout {
        PeerTimeout { minutes: minutes.max(1) }
    }

    /// The timeout in minutes.
    pub fn minutes(self) -> u32 {
        self.minutes
    }

    /// The tick of a time on the steady clock.
    pub fn tick(self, now: Now) -> u32 {
        self.tick_of(now.steady)
    }

    fn tick_of(self, seconds: u64) -> u32 {
        let ticks = match self.minutes {
            // the usual case without a division by what is known at run time only
            PEER_TIMEOUT_MINUTES => seconds / MINUTE,
            minutes => seconds.saturating_mul(Self::TICKS) / (u64::from(minutes) * MINUTE),
        };
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// The whole minutes of an age in ticks.
    pub fn in_minutes(self, ticks: u32) -> u32 {
        (u64::from(ticks) * u64::from(self.minutes) / Self::TICKS) as u32
    }

    /// After how many ticks a torrent that has only its download count left is forgotten. It begins to age where its last peer could have
    /// announced last, and should be remembered for as long however long ago that is.
    pub fn torrent_ticks(self) -> u32 {
        PEER_TIMEOUT_MINUTES * (TORRENT_TIMEOUT_MINUTES - PEER_TIMEOUT_MINUTES + self.minutes) / self.minutes
    }

    /// A swarm's tick as a minute by the wall clock, to be written to a state file.
    pub fn to_wall(self, tick: u32, now: Now) -> u32 {
        // the first minute that begins with that tick or in it, so that the tick of a minute is that minute again
        let minute = (u64::from(tick) * u64::from(self.minutes)).div_ceil(Self::TICKS);
        now.to_wall(minute as u32)
    }

    /// A minute of a state file as the swarm's tick; one that is still to come by the wall clock is now.
    pub fn from_wall(self, minute: u32, now: Now) -> u32 {
        self.tick_of(u64::from(now.from_wall(minute)) * MINUTE).min(self.tick(now))
    }
}

impl Default for PeerTimeout {
    fn default() -> Self {
        PeerTimeout { minutes: PEER_TIMEOUT_MINUTES }
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
        let ends = |intervals: Intervals| (intervals.draw(0).seconds(), intervals.draw(u64::MAX).seconds());
        assert_eq!(ends(Intervals::default()), (1620, 1979));
        assert_eq!(Intervals::default().draw(u64::MAX).minimum(), 989);
        for (seconds, shortest, longest) in [(300, 270, 329), (301, 271, 330), (10_800, 9720, 11_879)] {
            let intervals = Intervals::around(seconds);
            assert_eq!((ends(intervals), intervals.longest()), ((shortest, longest), longest));
        }
        let drawn: std::collections::BTreeSet<_> =
            (0..360).map(|n: u128| Intervals::default().draw((((n * 2 + 1) << 63) / 360) as u64).seconds()).collect();
        assert_eq!(drawn.len(), 360, "all of them are equally likely");
    }

    #[test]
    fn a_timeout_has_as_many_ticks_however_long_it_is() {
        let begin = 1_700_000_040;
        for minutes in [6, 7, 44, 45, 46, 60, 64, 65, 240, 719, 720] {
            let timeout = PeerTimeout::of_minutes(minutes);
            let tick = |seconds| timeout.tick(Now::agreed(seconds, Duration::ZERO));
            let passed = |seconds: u64| tick(begin + seconds) - tick(begin);
            // up to the tick that has begun already
            let limit = u64::from(minutes) * 60;
            assert!(passed(limit) == 45 && passed(limit - limit / 45 - 1) < 45, "{minutes}");
            assert_eq!(timeout.in_minutes(45), minutes);
            assert!((0..45).all(|ticks| timeout.in_minutes(ticks) < minutes));
            let remembered = timeout.in_minutes(timeout.torrent_ticks() - 45);
            assert!((1395 - minutes.div_ceil(45)..=1395).contains(&remembered), "{minutes}: {remembered}");
            // a minute that is written and read again is the same, or as near as ticks are
            let now = Now::agreed(begin, Duration::ZERO);
            let fine = minutes <= 45;
            for minute in now.minute() - 3000..=now.minute() {
                let again = timeout.to_wall(timeout.from_wall(minute, now), now);
                let off = if fine { 0 } else { minutes / 45 };
                assert!(again <= minute && minute - again <= off, "{minutes}: {minute} as {again}");
            }
            assert_eq!(timeout.from_wall(u32::MAX, now), timeout.tick(now));
        }
        let default = PeerTimeout::default();
        assert_eq!((default.tick_of(u64::MAX), default.torrent_ticks()), (u32::MAX, 1440));
        assert_eq!(PeerTimeout::of_minutes(7).tick_of(u64::MAX), u32::MAX);
    }
}
