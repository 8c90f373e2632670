//! The bencoded bodies of HTTP replies (BEP 3, 23, 48). Keys are in the original's order.

use crate::address::Family;
use crate::types::{Counts, Interval};
use std::io::Write;

/// The failure for an announce without an info hash (as the original).
pub const NO_INFO_HASH: &[u8] =
    b"d14:failure reason80:Your client forgot to send your torrent's info_hash. Please upgrade your client.e";

/// The failure for a torrent that the access list forbids (as the original).
pub const NOT_AUTHORIZED: &[u8] =
    b"d14:failure reason63:Requested download is not authorized for use with this tracker.e";

/// Writes the failure for a torrent that the access list forbids, with the minutes after which the client may retry (BEP 31), if any.
pub fn not_authorized(out: &mut Vec<u8>, retry_in: Option<u32>) {
    match (retry_in, NOT_AUTHORIZED.strip_suffix(b"e")) {
        (Some(minutes), Some(failure)) => {
            out.extend_from_slice(failure);
            // writing to memory does not fail
            let _ = write!(out, "8:retry ini{minutes}ee");
        }
        _ => out.extend_from_slice(NOT_AUTHORIZED),
    }
}

/// The peers of a reply. A family that is `None` has no key in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerLists<'a> {
    /// `peers`: IPv4 endpoints of 6 bytes (BEP 23).
    pub v4: Option<&'a [u8]>,
    /// `peers6`: IPv6 endpoints of 18 bytes (BEP 7).
    pub v6: Option<&'a [u8]>,
}

impl PeerLists<'_> {
    /// No peers, with the key of a family.
    pub fn none_of(family: Family) -> Self {
        match family {
            Family::V4 => Self { v4: Some(&[]), v6: None },
            Family::V6 => Self { v4: None, v6: Some(&[]) },
        }
    }
}

/// Appends the reply to an announce.
pub fn announced(out: &mut Vec<u8>, counts: Counts, interval: Interval, peers: PeerLists<'_>) {
    // writing to memory does not fail, here and below
    let _ = write!(out, "d8:completei{}e10:downloadedi{}e", counts.seeders, counts.downloaded);
    rest_of_announced(out, counts, interval, peers);
}

/// Appends the reply to an announce of a peer that stops, with an empty key of its family.
pub fn stopped(out: &mut Vec<u8>, counts: Counts, interval: Interval, family: Family) {
    let _ = write!(out, "d8:completei{}e", counts.seeders);
    rest_of_announced(out, counts, interval, PeerLists::none_of(family));
}

fn rest_of_announced(out: &mut Vec<u8>, counts: Counts, interval: Interval, peers: PeerLists<'_>) {
    let _ = write!(
        out,
        "10:incompletei{}e8:intervali{}e12:min intervali{}e",
        counts.leechers,
        interval.seconds(),
        interval.minimum(),
    );
    for (key, peers) in [("5:peers", peers.v4), ("6:peers6", peers.v6)] {
        if let Some(peers) = peers {
            let _ = write!(out, "{key}{}:", peers.len());
            out.extend_from_slice(peers);
        }
    }
    out.push(b'e');
}

/// What comes before the torrents of a scrape.
pub const SCRAPE_START: &[u8] = b"d5:filesd";

/// What comes after them.
pub const SCRAPE_END: &[u8] = b"ee";

/// Appends one torrent of a scrape.
pub fn scraped(out: &mut Vec<u8>, info_hash: &[u8; 20], counts: Counts) {
    out.extend_from_slice(b"20:");
    out.extend_from_slice(info_hash);
    let _ = write!(
        out,
        "d8:completei{}e10:downloadedi{}e10:incompletei{}ee",
        counts.seeders, counts.downloaded, counts.leechers
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Intervals;

    const COUNTS: Counts = Counts { seeders: 1, leechers: 2, downloaded: 3 };

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bodies() {
        let interval = Intervals::around(1801).draw(0);
        assert_eq!(
            text(|out| announced(out, COUNTS, interval, PeerLists { v4: Some(b"abcdef"), v6: None })),
            "d8:completei1e10:downloadedi3e10:incompletei2e8:intervali1621e12:min intervali810e5:peers6:abcdefe"
        );
        let both = PeerLists { v4: Some(b"abcdef"), v6: Some(b"abcdefghijklmnopqr") };
        assert!(
            text(|out| announced(out, COUNTS, interval, both))
                .ends_with("e5:peers6:abcdef6:peers618:abcdefghijklmnopqre")
        );
        assert!(text(|out| announced(out, COUNTS, interval, PeerLists::default())).ends_with("min intervali810ee"));
        assert_eq!(
            text(|out| stopped(out, COUNTS, interval, Family::V6)),
            "d8:completei1e10:incompletei2e8:intervali1621e12:min intervali810e6:peers60:e"
        );
        assert_eq!(
            text(|out| scraped(out, b"abcdefghijklmnopqrst", COUNTS)),
            "20:abcdefghijklmnopqrstd8:completei1e10:downloadedi3e10:incompletei2ee"
        );
    }

    #[test]
    fn a_failure_may_name_the_minutes_until_a_retry() {
        let text = |retry_in| {
            let mut out = Vec::new();
            not_authorized(&mut out, retry_in);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(None).as_bytes(), NOT_AUTHORIZED);
        assert!(text(Some(30)).ends_with("with this tracker.8:retry ini30ee"));
    }

    #[test]
    fn failures_have_their_length() {
        for failure in [NO_INFO_HASH, NOT_AUTHORIZED] {
            let text = std::str::from_utf8(failure).unwrap().strip_prefix("d14:failure reason").unwrap();
            let (length, reason) = text.split_once(':').unwrap();
            assert_eq!(length.parse::<usize>().unwrap(), reason.len() - 1);
        }
    }
}
