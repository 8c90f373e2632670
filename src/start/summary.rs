//! The summary for an operator at a terminal: where the tracker listens, as which user it runs, which torrents it serves. It is printed
//! only if stderr is a terminal, so the log of a service stays as the original's.

use super::Start;
use crate::config::AccessList;
use crate::features::RESTRICT_STATS;
use crate::sys::privileges;
use crate::sys::socket::local_address;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

impl Start {
    /// A few lines for stderr. Call it when privileges are dropped.
    pub fn summary(&self) -> String {
        let addresses = |sockets: Vec<_>| sockets.into_iter().filter_map(local_address).collect::<Vec<_>>();
        let tcp = addresses(self.sockets.listeners.iter().collect());
        let udp = addresses(self.sockets.udp.iter().map(|(socket, _)| socket).collect());
        let stats_path = String::from_utf8_lossy(&self.settings.stats_path);
        [
            format!("opentracker {} listens on {}", env!("CARGO_PKG_VERSION"), listeners(&tcp, &udp)),
            self.identity(),
            served(self.access_list.kind(), self.access_list.file()),
            statistics(&tcp, &stats_path, RESTRICT_STATS),
            "Ctrl-C ends it\n".to_owned(),
        ]
        .join("\n")
    }

    /// The user that it runs as, and its directory.
    fn identity(&self) -> String {
        let number = privileges::effective_user();
        let directory = |otherwise: &str| self.root_directory.clone().unwrap_or_else(|| OsString::from(otherwise));
        if self.started_by_root {
            return format!("as {} (user {number}), root directory {}", shown(&self.user), shown(&directory("/")));
        }
        format!("as user {number}, which cannot change its root directory, in {}", shown(&directory(".")))
    }
}

/// The line that a terminal shows at the end.
pub fn last_line(up: Duration) -> String {
    let seconds = up.as_secs();
    format!("opentracker ends, after {} h {} min {} s\n", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A file's name, in quotes if it has a blank, a control character or bytes that are not UTF-8.
pub(super) fn shown(name: &OsStr) -> String {
    let plain = name.to_str().filter(|name| !name.contains(|c: char| c.is_control() || c == ' '));
    plain.map_or_else(|| format!("{name:?}"), str::to_owned)
}

pub(super) fn listeners(tcp: &[SocketAddr], udp: &[SocketAddr]) -> String {
    let both = tcp.iter().filter(|address| udp.contains(address)).map(|address| format!("{address} (TCP and UDP)"));
    let only = |ours: &[SocketAddr], theirs: &[SocketAddr], name: &str| {
        let rest = ours.iter().filter(|address| !theirs.contains(address));
        rest.map(|address| format!("{address} ({name})")).collect::<Vec<_>>()
    };
    let all: Vec<_> = both.chain(only(tcp, udp, "TCP")).chain(only(udp, tcp, "UDP")).collect();
    all.join(", ")
}

pub(super) fn served(list: Option<AccessList>, file: Option<&OsStr>) -> String {
    match (list, file.map(shown)) {
        (None, _) => "open: every torrent is served".to_owned(),
        (Some(AccessList::White), Some(file)) => format!("closed: only the torrents listed in {file} are served"),
        (Some(AccessList::White), None) => "closed, and no list is named: no torrent is served".to_owned(),
        (Some(AccessList::Black), Some(file)) => format!("open: every torrent is served but those listed in {file}"),
        (Some(AccessList::Black), None) => "open, since no list is named: every torrent is served".to_owned(),
    }
}

fn statistics(tcp: &[SocketAddr], path: &str, restricted: bool) -> String {
    let Some(first) = tcp.first() else { return "no statistics, since nothing listens on TCP".to_owned() };
    let here = match first.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let who = if restricted { ", for blessed addresses only" } else { "" };
    format!("statistics at http://{}/{path}{who}", SocketAddr::new(here, first.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn addresses_are_listed_once() {
        let [a, b, c] = ["0.0.0.0:6969", "127.0.0.1:1", "[::1]:2"].map(|text| text.parse::<SocketAddr>().unwrap());
        assert_eq!(listeners(&[a, b], &[a, c]), "0.0.0.0:6969 (TCP and UDP), 127.0.0.1:1 (TCP), [::1]:2 (UDP)");
        assert_eq!(statistics(&[a], "stats", false), "statistics at http://127.0.0.1:6969/stats");
        assert_eq!(statistics(&[c], "x", true), "statistics at http://[::1]:2/x, for blessed addresses only");
        assert!(statistics(&[], "x", true).starts_with("no statistics"));
    }

    #[test]
    fn lists_are_named() {
        let list = Some(OsStr::new("list"));
        assert_eq!(served(None, None), "open: every torrent is served");
        assert_eq!(served(Some(AccessList::White), list), "closed: only the torrents listed in list are served");
        assert!(served(Some(AccessList::White), None).ends_with("no torrent is served"));
        assert!(served(Some(AccessList::Black), list).ends_with("but those listed in list"));
        assert!(served(Some(AccessList::Black), None).starts_with("open"));
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        assert_eq!(shown(OsStr::new("/a/b")), "/a/b");
        assert_eq!(shown(OsStr::new("a b\x1b[2J")), "\"a b\\u{1b}[2J\"");
        assert_eq!(shown(OsStr::from_bytes(b"a\xff")), "\"a\\xFF\"");
    }

    #[test]
    fn the_last_line_has_the_time_up() {
        assert_eq!(last_line(Duration::from_secs(90_061)), "opentracker ends, after 25 h 1 min 1 s\n");
    }
}
