//! A log of whole requests from chosen networks (`fulllog-networks`).
//!
//! Unlike the original's, this log is bounded: the oldest requests are dropped when it is full. Only addresses that are blessed with
//! every permission may choose networks.

use crate::address::read_network;
use crate::limits::{FULLLOG_MAX, FULLLOG_NETWORKS};
use crate::wire::http::Refusal;
use ipnet::IpNet;
use std::collections::VecDeque;
use std::io::Write;
use std::net::IpAddr;

/// Bytes that an entry takes beside the request.
const ENTRY: usize = 64;

/// A request that was logged.
#[derive(Debug)]
struct Entry {
    unix: u64,
    from: IpAddr,
    request: Box<[u8]>,
}

/// Requests taken out of the log, to be written to a page.
#[derive(Debug, Default)]
pub(super) struct Requests(VecDeque<Entry>);

/// The log, and the networks whose requests are logged.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    networks: VecDeque<IpNet>,
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl RequestLog {
    /// Carries out a `lognet=`: `-` forgets all networks, anything else adds one. Returns the answer. In builds with IPv6 (`v6`) all
    /// networks are of IPv6, with IPv4 ones mapped; in others of IPv4.
    ///
    /// # Errors
    /// The value is no network of this build's family.
    pub(super) fn choose(&mut self, value: &[u8], v6: bool) -> Result<&'static [u8], Refusal> {
        if value.first() == Some(&b'-') {
            self.networks.clear();
            return Ok(b"Successfully removed.\n");
        }
        let network = read_network(value, v6).ok_or(Refusal::Parameter)?;
        if network.addr().is_ipv6() != v6 {
            return Err(Refusal::Parameter);
        }
        if !self.networks.contains(&network) {
            if self.networks.len() >= FULLLOG_NETWORKS {
                self.networks.pop_front();
            }
            self.networks.push_back(network);
        }
        Ok(b"Successfully added.\n")
    }

    /// Logs a request, if it comes from one of the networks. `from` is mapped where the networks are.
    pub(super) fn log(&mut self, unix: u64, from: IpAddr, request: &[u8]) {
        if self.networks.is_empty() {
            return;
        }
        if !self.networks.iter().any(|network| network.contains(&from)) {
            return;
        }
        self.bytes += ENTRY + request.len();
        self.entries.push_back(Entry { unix, from, request: request.into() });
        while self.bytes > FULLLOG_MAX {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= ENTRY + oldest.request.len();
        }
    }

    /// Bytes of all requests in the log.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Empties the log.
    pub(super) fn take(&mut self) -> Requests {
        self.bytes = 0;
        Requests(std::mem::take(&mut self.entries))
    }
}

impl Requests {
    /// Writes some of the requests: about so many bytes. Returns whether all are written.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, bytes: usize) -> bool {
        let end = out.len() + bytes;
        while out.len() < end {
            let Some(Entry { unix, from, request }) = self.0.pop_front() else { return true };
            // writing to memory does not fail
            let _ = writeln!(out, "{unix:08}: {}", from.to_canonical());
            out.extend_from_slice(&request);
            out.extend_from_slice(b"\n*\n\n");
        }
        false
    }

    /// Drops so many of the requests. Returns whether none are left.
    pub(super) fn discard(&mut self, requests: usize) -> bool {
        (0..requests).any(|_| self.0.pop_front().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(log: &mut RequestLog) -> String {
        let (mut requests, mut out) = (log.take(), Vec::new());
        while !requests.write(&mut out, 10) {}
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn requests_of_chosen_networks() {
        let mut log = RequestLog::default();
        log.log(5, [10, 0, 0, 1].into(), b"before");
        assert_eq!(log.choose(b"10.0.0.0/24", false), Ok(&b"Successfully added.\n"[..]));
        assert_eq!(log.choose(b"10.1.0.7xyz", false), Ok(&b"Successfully added.\n"[..]));
        log.log(5, [10, 0, 0, 255].into(), b"GET /a\n\n");
        log.log(5, [10, 0, 1, 0].into(), b"other");
        log.log(1_700_000_000, [10, 1, 0, 7].into(), b"GET /b\r\n\r\n");
        let text = "00000005: 10.0.0.255\nGET /a\n\n\n*\n\n1700000000: 10.1.0.7\nGET /b\r\n\r\n\n*\n\n";
        assert_eq!(read(&mut log), text);
        assert_eq!((read(&mut log), log.bytes()), (String::new(), 0));
        assert_eq!(log.choose(b"-", false), Ok(&b"Successfully removed.\n"[..]));
        log.log(5, [10, 1, 0, 7].into(), b"after");
        assert_eq!(read(&mut log), "");
    }

    #[test]
    fn values_that_are_no_network() {
        let mut log = RequestLog::default();
        for bad in [&b""[..], b"x", b"1.2.3", b"1.2.3.4/", b"1.2.3.4/33", b"1.2.3.4/x", b"2001:db8::1"] {
            assert_eq!(log.choose(bad, false), Err(Refusal::Parameter), "{bad:?}");
        }
        let mut log = RequestLog::default();
        assert!(log.choose(b"1.2.3.0/24", true).is_ok());
        log.log(0, std::net::Ipv4Addr::new(1, 2, 3, 9).to_ipv6_mapped().into(), b"x");
        assert_eq!(read(&mut log), "00000000: 1.2.3.9\nx\n*\n\n");
    }

    #[test]
    fn the_oldest_go_first() {
        let mut log = RequestLog::default();
        assert!(log.choose(b"0.0.0.0/0", false).is_ok());
        let request = [b'x'; 8000];
        for n in 0..2000 {
            log.log(n, [1, 2, 3, 4].into(), &request);
            assert!(log.bytes() <= FULLLOG_MAX);
        }
        let text = read(&mut log);
        assert!(text.len() > FULLLOG_MAX * 9 / 10 && text.len() <= FULLLOG_MAX);
        assert!(text.contains("00001999: 1.2.3.4\n") && !text.contains("00000000: "));
        (0..1000)
            .for_each(|n| assert!(log.choose(format!("10.{}.{}.0/24", n / 250, n % 250).as_bytes(), false).is_ok()));
        assert_eq!(log.networks.len(), FULLLOG_NETWORKS);
    }
}
