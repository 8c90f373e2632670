//! The seam: the only place, besides `lib.rs`, that asks for cargo features.
//!
//! A switch is a constant, and code that depends on it is a plain `if`, so that both sides always compile. The one exception is
//! the encoder of `compression-gzip`, which needs a library that other builds do not have: a module stands for it there.

use crate::config::{AccessList, Switches};

#[cfg(feature = "compression-gzip")]
#[path = "server/http/gzip.rs"]
pub mod gzip;
#[cfg(not(feature = "compression-gzip"))]
#[path = "server/http/no_gzip.rs"]
pub mod gzip;

/// A tracker for IPv6: peers of 18 bytes.
pub const V6: bool = cfg!(feature = "v6");

/// A tracker for both families of addresses.
pub const DUAL_STACK: bool = cfg!(feature = "dual-stack");

/// A tracker for both families listens on all addresses of IPv4 by default.
pub const V4_ONLY: bool = cfg!(feature = "v4-only");

#[cfg(not(any(feature = "v6", feature = "dual-stack")))]
pub use crate::swarm::V4 as Served;
#[cfg(all(feature = "v6", not(feature = "dual-stack")))]
pub use crate::swarm::V6 as Served;
/// The families of addresses that there are peers of.
#[cfg(feature = "dual-stack")]
pub type Served = crate::swarm::Dual<METRICS>;

/// `GET /scrape` without info hashes, and the dumps among the statistics.
pub const FULLSCRAPE: bool = cfg!(feature = "fullscrape");

/// Full scrapes compressed for clients that name gzip, dumps for all.
pub const COMPRESSION_GZIP: bool = cfg!(feature = "compression-gzip");

/// Dumps are compressed for clients that name gzip only.
pub const COMPRESSION_GZIP_ALWAYS: bool = cfg!(feature = "compression-gzip-always");

/// One full scrape in a while for each address.
pub const MODEST_FULLSCRAPES: bool = cfg!(feature = "modest-fullscrapes");

/// Announces are counted by their numwant.
pub const LOG_NUMWANT: bool = cfg!(feature = "log-numwant");

/// Networks that announce too often are counted.
pub const SPOT_WOODPECKER: bool = cfg!(feature = "spot-woodpecker");

/// Requests of chosen networks are logged.
pub const FULLLOG_NETWORKS: bool = cfg!(feature = "fulllog-networks");

/// Completed downloads are written to the system's log.
pub const SYSLOGS: bool = cfg!(feature = "syslogs");

/// The kind of list that decides which torrents are served. `None`: all are.
pub const ACCESS_LIST: Option<AccessList> = if cfg!(feature = "accesslist-white") {
    Some(AccessList::White)
} else if cfg!(feature = "accesslist-black") {
    Some(AccessList::Black)
} else {
    None
};

/// The list is of the kind that the operator says, or there is none.
pub const ACCESSLIST_ANY: bool = cfg!(feature = "accesslist-any");

/// There can be a list.
pub const HAS_ACCESS_LIST: bool = ACCESSLIST_ANY || ACCESS_LIST.is_some();

/// The access list can be changed while the tracker runs.
pub const DYNAMIC_ACCESSLIST: bool = cfg!(feature = "dynamic-accesslist");

/// The trackers of a cluster report their peers to each other.
pub const SYNC_LIVE: bool = cfg!(feature = "sync-live");

/// Statistics are for blessed addresses only.
pub const RESTRICT_STATS: bool = cfg!(feature = "restrict-stats");

/// `ip=` of an HTTP announce is believed.
pub const IP_FROM_QUERY_STRING: bool = cfg!(feature = "ip-from-query-string");

/// `X-Forwarded-For` is believed from blessed proxies.
pub const IP_FROM_PROXY: bool = cfg!(feature = "ip-from-proxy");

/// HTTP connections stay open for further requests where the client asks for that.
pub const KEEPALIVE: bool = cfg!(feature = "keepalive");

/// `GET /metrics`, and the statistics as JSON.
pub const METRICS: bool = cfg!(feature = "metrics");

/// What the command line and the config file may say in this build.
pub const SWITCHES: Switches = Switches {
    fullscrape: FULLSCRAPE,
    accesslist: ACCESS_LIST,
    accesslist_any: ACCESSLIST_ANY,
    dynamic_accesslist: DYNAMIC_ACCESSLIST,
    sync_live: SYNC_LIVE,
    restrict_stats: RESTRICT_STATS,
    ip_from_proxy: IP_FROM_PROXY,
    metrics: METRICS,
    v6: V6 || DUAL_STACK,
    dual_stack: DUAL_STACK,
    v4_only: DUAL_STACK && V4_ONLY,
};

/// Every switch, and whether it is compiled in, for people who ask for the version.
pub const COMPILED_IN: &[(&str, bool)] = &[
    ("fullscrape", FULLSCRAPE),
    ("v6", V6),
    ("dual-stack", DUAL_STACK),
    ("v4-only", V4_ONLY),
    ("compression-gzip", COMPRESSION_GZIP),
    ("compression-gzip-always", COMPRESSION_GZIP_ALWAYS),
    ("accesslist-black", cfg!(feature = "accesslist-black")),
    ("accesslist-white", cfg!(feature = "accesslist-white")),
    ("accesslist-any", ACCESSLIST_ANY),
    ("dynamic-accesslist", DYNAMIC_ACCESSLIST),
    ("sync-live", SYNC_LIVE),
    ("restrict-stats", RESTRICT_STATS),
    ("ip-from-query-string", IP_FROM_QUERY_STRING),
    ("ip-from-proxy", IP_FROM_PROXY),
    ("modest-fullscrapes", MODEST_FULLSCRAPES),
    ("log-numwant", LOG_NUMWANT),
    ("spot-woodpecker", SPOT_WOODPECKER),
    ("fulllog-networks", FULLLOG_NETWORKS),
    ("syslogs", SYSLOGS),
    ("keepalive", KEEPALIVE),
    ("metrics", METRICS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_is_described_in_the_order_of_the_table() {
        let readme = include_str!("../README.md");
        let features = include_str!("../features.md");
        let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| `") && line.contains("` | o")).collect();
        let tabled = rows.iter().flat_map(|row| row.split('|').nth(1).unwrap().trim().split(", "));
        let sections: Vec<_> =
            features.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
        let titled = sections.iter().flat_map(|(title, _)| title.split(", ")).map(|name| format!("`{name}`"));
        assert_eq!(tabled.collect::<Vec<_>>(), titled.collect::<Vec<_>>());
        for (name, _) in COMPILED_IN {
            let (_, text) = sections.iter().find(|(title, _)| title == name).unwrap();
            let parts: Vec<_> = text
                .lines()
                .filter_map(|line| line.strip_prefix("**")?.split_once(".**"))
                .map(|(part, _)| part)
                .collect();
            let form = ["What it does", "Options and keys", "Example", "Cost", "Caution", "Differences"];
            assert_eq!(parts, form, "{name}");
        }
    }
}
