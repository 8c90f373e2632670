//! The keys of the config file: a table with a line for each, and the readers of their values.

use super::{AccessList, Directive, LIVE_SYNC_PORT, Permissions, Switches, TRACKER_PORT, Transport, always};
use crate::address::{is_space, read_endpoint, read_network, read_number, read_size};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt;

/// A value that its key does not accept.
#[derive(Debug)]
pub(super) struct BadValue;

/// The directive of a value. `None`: the line changes nothing, as a number without digits (as the original).
type Parsed = Result<Option<Directive>, BadValue>;

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
    key("tracker.user", always, |value| value.file(Directive::User)),
    key("tracker.max_memory", always, |value| value.size(Directive::MaxMemory)),
    key("tracker.redirect_url", always, |value| value.bytes(Directive::RedirectUrl)),
    key("tracker.max_connections", always, |value| value.number(Directive::MaxConnections)),
    key("tracker.coalesce_rate", always, |value| value.number(Directive::CoalesceRate)),
    key("listen.tcp_udp", always, |value| value.bind(Transport::TcpAndUdp)),
    key("listen.tcp", always, |value| value.bind(Transport::Tcp)),
    key("listen.udp", always, |value| value.bind(Transport::Udp)),
    key("listen.udp.workers", always, |value| value.number(Directive::UdpWorkers)),
    key(
        "access.whitelist",
        |build| build.accesslist == Some(AccessList::White),
        |value| value.file(Directive::AccessListFile),
    ),
    key(
        "access.blacklist",
        |build| build.accesslist == Some(AccessList::Black),
        |value| value.file(Directive::AccessListFile),
    ),
    key("access.fifo_add", |build| build.dynamic_accesslist, |value| value.file(Directive::AddPipe)),
    key("access.fifo_delete", |build| build.dynamic_accesslist, |value| value.file(Directive::DeletePipe)),
    key("access.stats", |build| build.restrict_stats, |value| value.bless(Permissions::STATS)),
    key("access.stats_path", always, |value| value.bytes(Directive::StatsPath)),
    key("access.proxy", |build| build.ip_from_proxy, |value| value.bless(Permissions::PROXY)),
    key("livesync.cluster.node_ip", |build| build.sync_live, |value| value.bless(Permissions::SYNC)),
    key(
        "livesync.cluster.listen",
        |build| build.sync_live,
        |value| value.endpoint(LIVE_SYNC_PORT, Directive::LiveSyncListen),
    ),
];

const fn key(name: &'static str, is_known: fn(&Switches) -> bool, read: fn(Value<'_>) -> Parsed) -> Key {
    Key { name, is_known, read }
}

/// The key with this name, in builds with these switches.
pub(super) fn find(name: &[u8], switches: &Switches) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.as_bytes() == name && (key.is_known)(switches))
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

    fn bytes(self, directive: fn(Vec<u8>) -> Directive) -> Parsed {
        Ok(Some(directive(self.text().to_vec())))
    }

    fn file(self, directive: fn(OsString) -> Directive) -> Parsed {
        Ok(Some(directive(OsString::from_vec(self.text().to_vec()))))
    }

    fn number(self, directive: fn(u32) -> Directive) -> Parsed {
        Ok(read_number(self.text()).map(directive))
    }

    fn size(self, directive: fn(u64) -> Directive) -> Parsed {
        read_size(self.text()).map(|size| Some(directive(size))).ok_or(BadValue)
    }

    fn endpoint(self, default_port: u16, directive: fn(SocketAddr) -> Directive) -> Parsed {
        read_endpoint(self.text(), default_port).map(|at| Some(directive(at))).ok_or(BadValue)
    }

    fn bind(self, transport: Transport) -> Parsed {
        let at = read_endpoint(self.text(), TRACKER_PORT).ok_or(BadValue)?;
        Ok(Some(Directive::Bind(transport, at)))
    }

    /// Exactly one blank, then the address or network (as the original).
    fn bless(self, permissions: Permissions) -> Parsed {
        let text = self.rest.get(1..).unwrap_or_default();
        let network = read_network(text, self.v6).ok_or(BadValue)?;
        Ok(Some(Directive::Bless(network, permissions)))
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
