//! The command line and the config file. Both yield [`Directive`]s, and the caller applies each before it asks for the next, so that
//! `-v -x` ends with the version and the bad option is never read.
//!
//! Nothing here prints, binds or looks anything up; only [`file::open`] calls the system. Which options and keys exist depends on
//! [`Switches`], an argument, so that one build can test those of all.

pub mod advice;
pub mod cli;
pub mod file;
pub mod help;
mod keys;
mod problem;

pub use keys::Doubt;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// The tracker's port by default (as the original).
pub const TRACKER_PORT: u16 = 6969;

/// The port of live sync by default (as the original).
pub const LIVE_SYNC_PORT: u16 = 9696;

/// The kind of access list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessList {
    /// Only torrents on the list are served: `-w`, `access.whitelist`.
    White,
    /// Torrents on the list are not served: `-b`, `access.blacklist`.
    Black,
}

/// The switches of this build that add options and keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// `tracker.full_scrape`.
    pub fullscrape: bool,
    /// The kind of access list, if there is one.
    pub accesslist: Option<AccessList>,
    /// It may be of either kind, as the operator says.
    pub accesslist_any: bool,
    /// `access.fifo_add` and `access.fifo_delete`.
    pub dynamic_accesslist: bool,
    /// `-s` and the `livesync.cluster` keys.
    pub sync_live: bool,
    /// `access.stats`.
    pub restrict_stats: bool,
    /// `access.proxy`.
    pub ip_from_proxy: bool,
    /// `access.metrics_path`.
    pub metrics: bool,
    /// There are IPv6 peers: the default address is `::`, and IPv4 blessings are kept mapped.
    pub v6: bool,
    /// There are peers of both families.
    pub dual_stack: bool,
    /// The default address is `0.0.0.0` all the same: by the switch of this name, or because the machine has no IPv6.
    pub v4_only: bool,
}

impl Switches {
    /// None of them.
    const NONE: Switches = Switches {
        fullscrape: false,
        accesslist: None,
        accesslist_any: false,
        dynamic_accesslist: false,
        sync_live: false,
        restrict_stats: false,
        ip_from_proxy: false,
        metrics: false,
        v6: false,
        dual_stack: false,
        v4_only: false,
    };

    /// Whether there may be an access list.
    fn has_list(&self) -> bool {
        self.accesslist_any || self.accesslist.is_some()
    }

    /// Whether the access list may be of this kind.
    fn lists(&self, kind: AccessList) -> bool {
        self.accesslist_any || self.accesslist == Some(kind)
    }

    /// The address that is bound by default.
    pub fn any_address(&self) -> IpAddr {
        if self.v6 && !self.v4_only { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
    }
}

/// The options and keys that every build has.
fn always(_: &Switches) -> bool {
    true
}

/// A set of what a blessed address may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u8);

impl Permissions {
    /// Read statistics where these are restricted.
    pub const STATS: Self = Self(1);
    /// Name the addresses of its clients in `X-Forwarded-For`.
    pub const PROXY: Self = Self(2);
    /// Send live sync packets.
    pub const SYNC: Self = Self(4);
    /// Everything: `-A`.
    pub const ALL: Self = Self(Self::STATS.0 | Self::PROXY.0 | Self::SYNC.0);

    /// Whether all of `wanted` are in this set.
    pub fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// The sockets that a directive opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP only.
    Tcp,
    /// BEP 15 only.
    Udp,
    /// Both at the same address, TCP first (as the original).
    TcpAndUdp,
}

/// One thing that the operator asks for. Addresses are of either family: an IPv4-mapped IPv6 address becomes the IPv4 address that it
/// stands for. Whether the build can bind an address is checked when it is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// The address of the default sockets. The ports that follow on the command line have it already.
    Address(IpAddr),
    /// Bind now.
    Bind(Transport, SocketAddr),
    /// Bless a network, or an address as a network of one. In builds with IPv6 peers it is always an IPv6 network.
    Bless(IpNet, Permissions),
    /// The directory to chroot to.
    RootDirectory(OsString),
    /// Bytes that the state may hold.
    MaxMemory(u64),
    /// Seconds between two announces of a peer.
    Interval(u32),
    /// Minutes after its last announce when a peer leaves.
    PeerTimeout(u32),
    /// Peers in a reply to a client that does not say how many it wants.
    NumwantDefault(u32),
    /// Peers in a reply at most.
    NumwantMax(u32),
    /// Whether full scrapes and dumps are answered.
    FullScrape(bool),
    /// The user to become.
    User(OsString),
    /// The URL that `GET /` redirects to.
    RedirectUrl(Vec<u8>),
    /// The state file that is read at the start.
    StateFile(OsString),
    /// The file of an access list of this kind, relative to the root directory.
    AccessListFile(AccessList, OsString),
    /// Which kind of list is in force, whatever file was named last; `None`: all torrents are served.
    ListMode(Option<AccessList>),
    /// The pipe that adds to the access list, relative to the root directory.
    AddPipe(OsString),
    /// The pipe that deletes from the access list, likewise.
    DeletePipe(OsString),
    /// The path of the statistics, without its leading slash.
    StatsPath(Vec<u8>),
    /// The path of the metrics, likewise.
    MetricsPath(Vec<u8>),
    /// Worker threads for each UDP socket bound from here on; 0: the event loop itself. As large as the operator wrote it: the server
    /// caps it.
    UdpWorkers(u32),
    /// Requests a second from which on they coalesce; 0: they never do.
    CoalesceRate(u32),
    /// HTTP connections that may wait for something at a time.
    MaxConnections(u32),
    /// Torrents that there may be.
    MaxTorrents(u32),
    /// Peers of all torrents that there may be.
    MaxPeers(u32),
    /// Peers of a torrent that there may be.
    MaxPeersPerTorrent(u32),
    /// Seconds until a client should announce again whose torrent the access list forbids, over UDP,
    UdpRejectInterval(u32),
    /// and over HTTP.
    HttpRejectInterval(u32),
    /// Such announces that are answered in a second.
    RejectBudget(u32),
    /// The lowest port of peers that are stored, 16 bits.
    MinPort(u32),
    /// The address and port of the live sync.
    LiveSyncListen(SocketAddr),
    /// Read this config file now.
    Include(OsString),
    /// Print [`help::help`] on stderr, exit 0.
    Help,
    /// Print the version on stderr, exit 0.
    Version,
    /// Say what a start would do, and do nothing.
    Check,
}
