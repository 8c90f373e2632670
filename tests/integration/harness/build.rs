//! The programs that are tested: our own, one that the environment names, and the original.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// What the original was built with where distributions package it.
const PACKAGED: &[&str] = &["fullscrape", "accesslist-white", "compression-gzip", "restrict-stats", "syslogs"];

/// A tracker program and what it was built with.
#[derive(Clone, Debug)]
pub struct Build {
    /// The program.
    pub path: PathBuf,
    /// The switches it was built with, as the package names them.
    pub features: Vec<String>,
    /// Whether it was built along with the tests.
    pub along: bool,
    /// Whether it is the original, with the faults that ours corrects.
    pub original: bool,
}

impl Build {
    /// The program under test.
    pub fn under_test() -> Self {
        match std::env::var_os("OPENTRACKER_BIN") {
            Some(path) => Self::named(PathBuf::from(path)),
            None => Self {
                path: PathBuf::from(env!("CARGO_BIN_EXE_opentracker")),
                features: own_features(),
                along: true,
                original: false,
            },
        }
    }

    /// The original, where it is installed.
    pub fn original() -> Option<Self> {
        Self::packaged(original_path(), &[])
    }

    /// The original's 1.0 line, which is for both families, where it was made.
    pub fn original_for_both_families() -> Option<Self> {
        Self::packaged(std::env::var_os("OPENTRACKER_ORIGINAL_DUAL")?.into(), &["dual-stack"])
    }

    /// A distribution's program, built with some switches besides the usual ones.
    fn packaged(path: PathBuf, switches: &[&str]) -> Option<Self> {
        let features = PACKAGED.iter().chain(switches).map(|word| word.to_string()).collect();
        path.exists().then_some(Self { path, features, along: false, original: true })
    }

    fn named(path: PathBuf) -> Self {
        let original = path == original_path();
        let features = match std::env::var("OPENTRACKER_FEATURES") {
            Ok(list) => list.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_string).collect(),
            Err(_) if original => PACKAGED.iter().map(|word| word.to_string()).collect(),
            Err(_) => own_features(),
        };
        Self { path, features, along: false, original }
    }

    /// Whether the program was built with a switch.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|have| have == feature)
    }

    /// Whether its peers are IPv6.
    pub fn v6(&self) -> bool {
        self.has("v6")
    }

    /// The loopback address of its family.
    pub fn loopback(&self) -> IpAddr {
        if self.v6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
    }

    /// The address that stands for all of its family. For IPv6 that includes IPv4.
    pub fn wildcard(&self) -> IpAddr {
        let v6 = self.v6() || self.has("dual-stack");
        if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
    }

    /// Whether tests can move the clock of this program: only our own debug builds look at it.
    pub fn clock_moves(&self) -> bool {
        self.along && cfg!(debug_assertions)
    }
}

fn original_path() -> PathBuf {
    std::env::var_os("OPENTRACKER_ORIGINAL").map_or_else(|| PathBuf::from("/usr/bin/opentracker"), PathBuf::from)
}

/// The switches that this package is being tested with.
fn own_features() -> Vec<String> {
    let switches: &[(&str, bool)] = &[
        ("fullscrape", cfg!(feature = "fullscrape")),
        ("v6", cfg!(feature = "v6")),
        ("dual-stack", cfg!(feature = "dual-stack")),
        ("v4-only", cfg!(feature = "v4-only")),
        ("compression-gzip", cfg!(feature = "compression-gzip")),
        ("compression-gzip-always", cfg!(feature = "compression-gzip-always")),
        ("accesslist-black", cfg!(feature = "accesslist-black")),
        ("accesslist-white", cfg!(feature = "accesslist-white")),
        ("accesslist-any", cfg!(feature = "accesslist-any")),
        ("dynamic-accesslist", cfg!(feature = "dynamic-accesslist")),
        ("sync-live", cfg!(feature = "sync-live")),
        ("restrict-stats", cfg!(feature = "restrict-stats")),
        ("ip-from-query-string", cfg!(feature = "ip-from-query-string")),
        ("ip-from-proxy", cfg!(feature = "ip-from-proxy")),
        ("modest-fullscrapes", cfg!(feature = "modest-fullscrapes")),
        ("log-numwant", cfg!(feature = "log-numwant")),
        ("spot-woodpecker", cfg!(feature = "spot-woodpecker")),
        ("fulllog-networks", cfg!(feature = "fulllog-networks")),
        ("syslogs", cfg!(feature = "syslogs")),
        ("keepalive", cfg!(feature = "keepalive")),
        ("metrics", cfg!(feature = "metrics")),
    ];
    switches.iter().filter(|(_, on)| *on).map(|(name, _)| name.to_string()).collect()
}
