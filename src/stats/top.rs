//! The torrents with the most peers, with the most seeders, and with the most leechers.

use super::best::Best;
use super::dump::hex;
use crate::types::Counts;
use std::io::Write;

/// A page of the largest swarms. Torrents are offered in ascending order of their info hashes.
#[derive(Debug)]
pub struct Top {
    peers: Best<[u8; 20]>,
    seeders: Best<[u8; 20]>,
    /// Listed by the original's 1.0 line only.
    leechers: Option<Best<[u8; 20]>>,
}

impl Top {
    /// A page with so many places in each of its lists, with one of leechers or without.
    pub fn new(places: usize, leechers: bool) -> Top {
        let list = || Best::new(places);
        Top { peers: list(), seeders: list(), leechers: leechers.then(list) }
    }

    /// Offers one torrent.
    pub fn offer(&mut self, info_hash: &[u8; 20], counts: Counts) {
        self.peers.offer(counts.seeders.saturating_add(counts.leechers), *info_hash);
        self.seeders.offer(counts.seeders, *info_hash);
        self.leechers.iter_mut().for_each(|list| list.offer(counts.leechers, *info_hash));
    }

    /// Writes the page.
    pub fn write(&self, out: &mut Vec<u8>) {
        let leechers = self.leechers.iter().map(|list| (list, "leechers"));
        for (best, what) in [(&self.peers, "peers"), (&self.seeders, "seeds")].into_iter().chain(leechers) {
            // writing to memory does not fail
            let _ = writeln!(out, "Top {} torrents by {what}:", best.places());
            for (count, info_hash) in best.list() {
                let _ = write!(out, "\t{count}\t");
                hex(out, info_hash);
                out.push(b'\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lists() {
        let mut top = Top::new(10, false);
        let mut out = Vec::new();
        top.write(&mut out);
        assert_eq!(out, b"Top 10 torrents by peers:\nTop 10 torrents by seeds:\n");
        top.offer(&[0x1a; 20], Counts { seeders: 0, leechers: 1, downloaded: 7 });
        top.offer(&[0x2b; 20], Counts { seeders: 2, leechers: 1, downloaded: 0 });
        out.clear();
        top.write(&mut out);
        let (a, b) = ("1A".repeat(20), "2B".repeat(20));
        let page = format!("Top 10 torrents by peers:\n\t3\t{b}\n\t1\t{a}\nTop 10 torrents by seeds:\n\t2\t{b}\n");
        assert_eq!(String::from_utf8(out).unwrap(), page);
    }
    #[test]
    fn three_lists_and_equals_in_the_order_of_their_info_hashes() {
        let mut top = Top::new(10, true);
        top.offer(&[0x1a; 20], Counts { seeders: 0, leechers: 1, downloaded: 7 });
        top.offer(&[0x2b; 20], Counts { seeders: 2, leechers: 1, downloaded: 0 });
        let mut out = Vec::new();
        top.write(&mut out);
        let (a, b) = ("1A".repeat(20), "2B".repeat(20));
        assert!(
            String::from_utf8(out).unwrap().ends_with(&format!("Top 10 torrents by leechers:\n\t1\t{a}\n\t1\t{b}\n"))
        );
    }
}
