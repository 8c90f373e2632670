//! The bencoded bodies of HTTP replies (BEP 3, 23, 48). Keys are in the original's order.

use crate::types::{Counts, Interval};
use std::io::Write;

/// The failure for an announce without an info hash (as the original).
pub const NO_INFO_HASH: &[u8] =
    b"d14:failure reason80:Your client forgot to send your torrent's info_hash. Please upgrade your client.e";

/// The failure for a torrent that the access list forbids (as the original).
pub const NOT_AUTHORIZED: &[u8] =
    b"d14:failure reason63:Requested download is not authorized for use with this tracker.e";

/// Appends the reply to an announce. The peers are endpoints of 6 bytes, or of 18 in a build for IPv6 (BEP 23, BEP 7).
pub fn announced(out: &mut Vec<u8>, counts: Counts, interval: Interval, peers: &[u8], v6: bool) {
    // writing to memory does not fail, here and below
    let _ = write!(out, "d8:completei{}e10:downloadedi{}e", counts.seeders, counts.downloaded);
    rest_of_announced(out, counts, interval, peers, v6);
}

/// Appends the reply to an announce of a peer that stops.
pub fn stopped(out: &mut Vec<u8>, counts: Counts, interval: Interval, v6: bool) {
    let _ = write!(out, "d8:completei{}e", counts.seeders);
    rest_of_announced(out, counts, interval, &[], v6);
}

fn rest_of_announced(out: &mut Vec<u8>, counts: Counts, interval: Interval, peers: &[u8], v6: bool) {
    let _ = write!(
        out,
        "10:incompletei{}e8:intervali{}e12:min intervali{}e{}{}:",
        counts.leechers,
        interval.seconds(),
        interval.minimum(),
        if v6 { "6:peers6" } else { "5:peers" },
        peers.len()
    );
    out.extend_from_slice(peers);
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

    const COUNTS: Counts = Counts { seeders: 1, leechers: 2, downloaded: 3 };

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bodies() {
        let interval = Interval::from_random(1);
        assert_eq!(
            text(|out| announced(out, COUNTS, interval, b"abcdef", false)),
            "d8:completei1e10:downloadedi3e10:incompletei2e8:intervali1621e12:min intervali810e5:peers6:abcdefe"
        );
        assert_eq!(
            text(|out| stopped(out, COUNTS, interval, true)),
            "d8:completei1e10:incompletei2e8:intervali1621e12:min intervali810e6:peers60:e"
        );
        assert_eq!(
            text(|out| scraped(out, b"abcdefghijklmnopqrst", COUNTS)),
            "20:abcdefghijklmnopqrstd8:completei1e10:downloadedi3e10:incompletei2ee"
        );
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
