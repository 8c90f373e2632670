//! All figures of a running tracker, for programs that collect them (`metrics`): what the tracker counts, and what the server knows of
//! its sockets, of the loop, and of the process.

use super::counters::Counters;
use super::histogram::Histogram;
use super::text::Overview;
use std::net::SocketAddr;
use std::time::Duration;

/// The forms that the figures are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Prometheus' text format.
    Prometheus,
    /// A JSON document.
    Json,
}

impl Form {
    /// The media type of the page.
    pub fn media_type(self) -> &'static str {
        match self {
            Form::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Form::Json => "application/json",
        }
    }
}

/// All figures at one moment.
#[derive(Debug)]
pub struct Figures<'a> {
    /// The same that other statistics show.
    pub overview: Overview<'a>,
    /// Seconds since the epoch when the tracker started.
    pub started: u64,
    /// What the tracker counts.
    pub counted: &'a Counters,
    /// Peers by family: of IPv4 and of IPv6. `None`: there are none of that family.
    pub peers: [Option<Peers>; 2],
    /// The access list, in builds that have one.
    pub list: Option<ListFigures>,
    /// What was sent to the other trackers, in builds with `sync-live`.
    pub sync: Option<SyncSent>,
    /// What the server knows.
    pub gauges: &'a Gauges,
}

/// Peers of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peers {
    /// All of them.
    pub peers: u64,
    /// Those that are seeding.
    pub seeders: u64,
}

/// The access list and its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListFigures {
    /// Info hashes of the file.
    pub entries: usize,
    /// Info hashes that were added or deleted since.
    pub changes: usize,
    /// How often the file was read.
    pub reads: u64,
    /// How often that yielded no list.
    pub failed_reads: u64,
    /// The last read yielded a list.
    pub is_current: bool,
    /// Seconds since the epoch of the last read that yielded one. `None`: none did.
    pub last_success: Option<u64>,
}

/// What was sent to the other trackers of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncSent {
    /// Packets.
    pub packets: u64,
    /// Records in them.
    pub records: u64,
    /// Records dropped because too many waited.
    pub dropped: u64,
}

/// What the server knows of its sockets, of the loop, and of the process.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// The HTTP connections that wait.
    pub connections: Connections,
    /// Long answers.
    pub answers: LongAnswers,
    /// The sockets of the UDP protocol.
    pub udp: Vec<UdpSocket>,
    /// The socket that receives from other trackers.
    pub sync: Option<UdpSocket>,
    /// The times of the loop's turns.
    pub turns: Histogram,
    /// The process.
    pub process: Process,
}

/// HTTP connections that wait, by what they wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// The rest of a request.
    pub request: usize,
    /// The client to take a short answer.
    pub short_answer: usize,
    /// A long answer, or the client to take it.
    pub long_answer: usize,
    /// The client to close.
    pub close: usize,
    /// How many there may be.
    pub most: usize,
    /// Bytes that they hold.
    pub bytes: usize,
    /// Bytes that they may hold.
    pub most_bytes: usize,
}

/// Long answers: full scrapes, and statistics over all torrents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LongAnswers {
    /// How many there are.
    pub count: usize,
    /// How many of them wait for room.
    pub waiting: usize,
    /// Bytes that they hold.
    pub bytes: usize,
    /// Bytes that they may hold.
    pub most_bytes: usize,
}

/// A UDP socket, as the system sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpSocket {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Bytes that its receive buffer can hold, overhead included.
    pub buffer_bytes: u32,
    /// Bytes of datagrams that wait in it, overhead included.
    pub waiting_bytes: u32,
    /// Datagrams dropped because it was full.
    pub dropped: u32,
}

/// The process. What the system does not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Time on a processor.
    pub cpu: Option<Duration>,
    /// Bytes in memory.
    pub resident_bytes: Option<u64>,
    /// Bytes of addresses.
    pub virtual_bytes: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// How many there may be.
    pub most_descriptors: Option<u64>,
}
