//! The keys of the config file: a table with a line for each, and the readers of their values.

use super::{AccessList, Directive, LIVE_SYNC_PORT, Permissions, Switches, TRACKER_PORT, Transport, always};
use crate::address::{is_space, read_ip, read_size, scan_endpoint, scan_network, scan_number};
use crate::limits::{INTERVALS, NUMWANTS, PEER_TIMEOUTS};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStringExt;

/// A value that its key does not accept.
#[derive(Debug)]
pub(super) struct BadValue;

/// What a value says.
pub(super) struct Reading {
    /// `None`: the line changes nothing, as a number without digits (as the original).
    pub(super) directive: Option<Directive>,
    /// What else is to be said of the line.
    pub(super) doubt: Option<Doubt>,
}

type Parsed = Result<Reading, BadValue>;

/// Why a line hardly means what its author meant. The original says nothing of such lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Something stands behind the value, and is ignored.
    Behind,
    /// That is another address.
    SecondAddress,
    /// The value has no digits, and is ignored.
    NoNumber,
    /// The value has a blank, as no such value has.
    Blank,
    /// The value has what looks like a comment.
    Comment,
    /// No request can ask for statistics at such a path.
    Path,
}

impl Doubt {
    /// The message for stderr, which comes before the line.
    pub(super) fn message(self) -> String {
        format!("Warning in config file, {}: ", self.what())
    }

    /// What is to be said.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Behind => "only the beginning of the value counts",
            Self::SecondAddress => "only the first address counts",
            Self::NoNumber => "the value is no number",
            Self::Blank => "blanks are part of the value",
            Self::Comment => "# begins no comment there",
            Self::Path => "no request can be for statistics at this path",
        }
    }
}

/// A key of the config file.
pub(super) struct Key {
    name: &'static str,
    /// Whether builds with these switches know the key.
    is_known: fn(&Switches) -> bool,
    read: fn(Value<'_>) -> Parsed,
}

/// All keys. A new one is a line here, a directive, and a paragraph each in the sample file and the manual page.
const KEYS: &[Key] = &[
    key("tracker.rootdir", always, |value| value.file(Directive::RootDirectory)),
    key("tracker.user", always, |value| value.word(Directive::User(OsString::from_vec(value.text().to_vec())))),
    key("tracker.max_memory", always, |value| value.size(Directive::MaxMemory)),
    key("tracker.max_torrents", always, |value| value.limit(ONE_OR_MORE, Directive::MaxTorrents)),
    key("tracker.max_peers", always, |value| value.limit(ONE_OR_MORE, Directive::MaxPeers)),
    key("tracker.max_peers_per_torrent", always, |value| value.limit(ONE_OR_MORE, Directive::MaxPeersPerTorrent)),
    key("tracker.redirect_url", always, |value| value.word(Directive::RedirectUrl(value.text().to_vec()))),
    key("tracker.max_connections", always, |value| value.number(Directive::MaxConnections)),
    key("tracker.coalesce_rate", always, |value| value.number(Directive::CoalesceRate)),
    key("tracker.interval", always, |value| value.limit(INTERVALS, Directive::Interval)),
    key("tracker.peer_timeout", always, |value| value.limit(PEER_TIMEOUTS, Directive::PeerTimeout)),
    key("tracker.numwant_default", always, |value| value.limit(NUMWANTS, Directive::NumwantDefault)),
    key("tracker.numwant_max", always, |value| value.limit(NUMWANTS, Directive::NumwantMax)),
    key("tracker.full_scrape", |build| build.fullscrape, |value| value.on_or_off(Directive::FullScrape)),
    key("listen.tcp_udp", always, |value| value.bind(Transport::TcpAndUdp)),
    key("listen.tcp", always, |value| value.bind(Transport::Tcp)),
    key("listen.udp", always, |value| value.bind(Transport::Udp)),
    key("listen.udp.workers", always, |value| value.number(Directive::UdpWorkers)),
    key(
        "access.whitelist",
        |build| build.lists(AccessList::White),
        |value| value.file(|file| Directive::AccessListFile(AccessList::White, file)),
    ),
    key(
        "access.blacklist",
        |build| build.lists(AccessList::Black),
        |value| value.file(|file| Directive::AccessListFile(AccessList::Black, file)),
    ),
    key("access.list_mode", |build| build.accesslist_any, |value| value.list_mode()),
    key("access.fifo_add", |build| build.dynamic_accesslist, |value| value.file(Directive::AddPipe)),
    key("access.fifo_delete", |build| build.dynamic_accesslist, |value| value.file(Directive::DeletePipe)),
    key(
        "access.udp_reject_interval",
        |build| build.has_list(),
        |value| value.limit(ONE_OR_MORE, Directive::UdpRejectInterval),
    ),
    key(
        "access.http_reject_interval",
        |build| build.has_list(),
        |value| value.limit(ONE_OR_MORE, Directive::HttpRejectInterval),
    ),
    key("access.reject_budget", |build| build.has_list(), |value| value.limit(0..=u32::MAX, Directive::RejectBudget)),
    key("access.min_port", always, |value| value.limit(0..=u32::from(u16::MAX), Directive::MinPort)),
    key("access.stats", |build| build.restrict_stats, |value| value.bless(Permissions::STATS)),
    key("access.stats_path", always, |value| value.path(Directive::StatsPath)),
    key("access.metrics_path", |build| build.metrics, |value| value.path(Directive::MetricsPath)),
    key("access.proxy", |build| build.ip_from_proxy, |value| value.bless(Permissions::PROXY)),
    key("livesync.cluster.node_ip", |build| build.sync_live, |value| value.bless(Permissions::SYNC)),
    key(
        "livesync.cluster.listen",
        |build| build.sync_live,
        |value| value.endpoint(LIVE_SYNC_PORT, Directive::LiveSyncListen),
    ),
];

/// Values of limits that make no sense as 0.
const ONE_OR_MORE: RangeInclusive<u32> = 1..=u32::MAX;

const fn key(name: &'static str, is_known: fn(&Switches) -> bool, read: fn(Value<'_>) -> Parsed) -> Key {
    Key { name, is_known, read }
}

/// The key with this name, in builds with these switches.
pub(super) fn find(name: &[u8], switches: &Switches) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.as_bytes() == name && (key.is_known)(switches))
}

/// The names of all keys, whatever the build.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.name)
}

impl Key {
    /// Reads what follows the key on its line: white space and a value, which is trimmed at its end.
    pub(super) fn read(&self, rest: &[u8], switches: &Switches) -> Parsed {
        (self.read)(Value { rest, v6: switches.v6 })
    }
}

/// What follows a key, with the white space before it.
#[derive(Clone, Copy)]
struct Value<'a> {
    rest: &'a [u8],
    v6: bool,
}

impl<'a> Value<'a> {
    fn text(self) -> &'a [u8] {
        skip_space(self.rest)
    }

    /// A directive of the beginning of `text`, which has this length.
    fn beginning(text: &[u8], length: usize, directive: Directive) -> Parsed {
        let rest = text.get(length..).unwrap_or_default();
        let mut words = rest.split(|byte| is_space(*byte) || *byte == b',').skip(1);
        let doubt = if words.any(|word| read_ip(word.strip_prefix(b"[").unwrap_or(word)).is_some()) {
            Some(Doubt::SecondAddress)
        } else {
            (!rest.is_empty()).then_some(Doubt::Behind)
        };
        Ok(Reading { directive: Some(directive), doubt })
    }

    fn file(self, directive: fn(OsString) -> Directive) -> Parsed {
        let looks_like_a_comment = |pair: &[u8]| matches!(pair, [space, b'#'] if is_space(*space));
        let doubt = self.text().windows(2).any(looks_like_a_comment).then_some(Doubt::Comment);
        Ok(Reading { directive: Some(directive(OsString::from_vec(self.text().to_vec()))), doubt })
    }

    /// A value in which a blank makes no sense, though it is part of it (as the original).
    fn word(self, directive: Directive) -> Parsed {
        let doubt = self.text().iter().any(|byte| is_space(*byte)).then_some(Doubt::Blank);
        Ok(Reading { directive: Some(directive), doubt })
    }

    /// The path of a page. The first letters of announces and scrapes decide what these are, and slashes before a path are
    /// skipped.
    fn path(self, directive: fn(Vec<u8>) -> Directive) -> Parsed {
        let path = self.text();
        let taken = [&b"a"[..], b"?", b"sc", b"/"].iter().any(|start| path.starts_with(start));
        let said = self.word(directive(path.to_vec()))?;
        Ok(Reading { doubt: if taken { Some(Doubt::Path) } else { said.doubt }, ..said })
    }

    fn number(self, directive: fn(u32) -> Directive) -> Parsed {
        match scan_number(self.text(), u32::MAX) {
            Some((number, length)) => Self::beginning(self.text(), length, directive(number)),
            None => Ok(Reading { directive: None, doubt: Some(Doubt::NoNumber) }),
        }
    }

    /// A number in a range, and nothing else: a wrong limit would do harm.
    fn limit(self, range: RangeInclusive<u32>, directive: fn(u32) -> Directive) -> Parsed {
        let number = scan_number(self.text(), u32::MAX).filter(|(_, length)| *length == self.text().len());
        let (number, _) = number.filter(|(number, _)| range.contains(number)).ok_or(BadValue)?;
        Ok(Reading { directive: Some(directive(number)), doubt: None })
    }

    fn size(self, directive: fn(u64) -> Directive) -> Parsed {
        let size = read_size(self.text()).ok_or(BadValue)?;
        Ok(Reading { directive: Some(directive(size)), doubt: None })
    }

    fn list_mode(self) -> Parsed {
        let mode = match self.text() {
            b"white" => Some(AccessList::White),
            b"black" => Some(AccessList::Black),
            b"open" => None,
            _ => return Err(BadValue),
        };
        Ok(Reading { directive: Some(Directive::ListMode(mode)), doubt: None })
    }

    fn on_or_off(self, directive: fn(bool) -> Directive) -> Parsed {
        let on = match self.text() {
            b"on" => true,
            b"off" => false,
            _ => return Err(BadValue),
        };
        Ok(Reading { directive: Some(directive(on)), doubt: None })
    }

    fn endpoint(self, default_port: u16, directive: fn(SocketAddr) -> Directive) -> Parsed {
        let (at, length) = scan_endpoint(self.text(), default_port).ok_or(BadValue)?;
        Self::beginning(self.text(), length, directive(at))
    }

    fn bind(self, transport: Transport) -> Parsed {
        let (at, length) = scan_endpoint(self.text(), TRACKER_PORT).ok_or(BadValue)?;
        Self::beginning(self.text(), length, Directive::Bind(transport, at))
    }

    /// Exactly one blank, then the address or network (as the original).
    fn bless(self, permissions: Permissions) -> Parsed {
        let text = self.rest.get(1..).unwrap_or_default();
        let (network, length) = scan_network(text, self.v6).ok_or(BadValue)?;
        Self::beginning(text, length, Directive::Bless(network, permissions))
    }
}

/// `text` from its first byte that is no white space on.
pub(super) fn skip_space(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_sample_and_the_manual_page() {
        let sample = include_str!("../../opentracker.conf.sample");
        let manual = include_str!("../../packaging/opentracker.conf.5");
        for Key { name, .. } in KEYS {
            assert!(sample.lines().any(|line| line.starts_with(&format!("#{name} "))), "{name}");
            assert!(manual.lines().any(|line| line.starts_with(&format!(".BI \"{name} \" "))), "{name}");
        }
        let settings = sample.lines().filter_map(|line| line.strip_prefix('#')?.split_once(' '));
        for (name, _) in settings.filter(|(name, _)| name.contains('.')) {
            assert!(KEYS.iter().any(|key| key.name == name), "{name}");
        }
        let manual_keys = manual.lines().filter_map(|line| line.strip_prefix(".BI \"")?.split_once(' '));
        for (name, _) in manual_keys {
            assert!(KEYS.iter().any(|key| key.name == name), "{name}");
        }
    }
}
