//! Access lists: which torrents are served.
//!
//! A [`List`] is a sorted array of info hashes, 20 bytes each, under a small index, so that a lookup takes a cache miss or two in a
//! list of millions. It never changes: the [`Loader`] makes a new one whenever the operator asks for that.

mod loader;

pub use loader::Loader;

use crate::config::AccessList;
use crate::features::ACCESS_LIST;
use crate::limits::{ACCESS_LIST_SHARE, ACCESS_LIST_STEP};
use crate::types::InfoHash;
use std::collections::TryReserveError;
use std::io::{self, BufRead, Read};

/// Hex digits of an info hash.
const DIGITS: usize = InfoHash::HEX_DIGITS;

/// A list of info hashes.
#[derive(Debug, Default)]
pub struct List {
    /// In ascending order, none twice.
    hashes: Vec<InfoHash>,
    /// For each value of the first `bits` bits, where its hashes start; one more for the end. Empty: no hashes.
    starts: Vec<u32>,
    bits: u32,
}

impl List {
    /// A list under which these torrents are served, for tests: a blacklist is empty.
    #[cfg(test)]
    pub fn serving(hashes: impl IntoIterator<Item = InfoHash>) -> List {
        let mut list = List::default();
        list.hashes.extend(hashes.into_iter().filter(|_| ACCESS_LIST == Some(AccessList::White)));
        list.arrange().unwrap();
        list
    }

    /// Sorts the hashes and makes the index.
    ///
    /// # Errors
    /// There is no memory for the index.
    fn arrange(&mut self) -> Result<(), TryReserveError> {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        release(&mut self.hashes);
        if self.hashes.is_empty() {
            return Ok(());
        }
        self.bits = (self.hashes.len() / ACCESS_LIST_SHARE).checked_ilog2().unwrap_or(0).min(u32::BITS - 1);
        self.starts.try_reserve_exact((1 << self.bits) + 1)?;
        for (at, hash) in self.hashes.iter().enumerate() {
            while self.starts.len() <= prefix(hash, self.bits) {
                self.starts.push(at as u32);
            }
        }
        self.starts.resize((1 << self.bits) + 1, self.hashes.len() as u32);
        Ok(())
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<InfoHash>() + self.starts.capacity() * size_of::<u32>()
    }

    /// Whether a torrent is served. Builds without access lists serve all. An empty whitelist serves none, an empty blacklist all.
    pub fn allows(&self, hash: &InfoHash) -> bool {
        match ACCESS_LIST {
            Some(AccessList::White) => self.contains(hash),
            Some(AccessList::Black) => !self.contains(hash),
            None => true,
        }
    }

    fn contains(&self, hash: &InfoHash) -> bool {
        let at = prefix(hash, self.bits);
        let Some([start, end]) = self.starts.get(at..at + 2) else { return false };
        self.hashes.get(*start as usize..*end as usize).is_some_and(|share| share.binary_search(hash).is_ok())
    }
}

impl Drop for List {
    fn drop(&mut self) {
        self.hashes.clear();
        release(&mut self.hashes);
    }
}

/// Frees the memory that the hashes do not need, in small steps: to free many megabytes at once would not only keep this thread busy,
/// but hold up every thread that touches the memory of the process.
fn release(hashes: &mut Vec<InfoHash>) {
    while hashes.capacity() > hashes.len() {
        let less = hashes.capacity().saturating_sub(ACCESS_LIST_STEP);
        hashes.shrink_to(less.max(hashes.len()));
    }
}

/// The first bits of a hash as a number.
fn prefix(hash: &InfoHash, bits: u32) -> usize {
    let [a, b, c, d, ..] = hash.0;
    (u64::from(u32::from_be_bytes([a, b, c, d])) >> (u32::BITS - bits)) as usize
}

/// Reads the hashes of a list: lines that begin with 40 hex digits, none after them; whatever else follows, and
/// all other lines, are ignored (as the original). Returns whether the last line is cut short within a hash.
///
/// # Errors
/// Reading fails.
fn parse(mut reader: impl BufRead, hashes: &mut Vec<InfoHash>) -> io::Result<bool> {
    let mut line = Vec::with_capacity(DIGITS + 1);
    let mut cut_short = false;
    loop {
        line.clear();
        if reader.by_ref().take(DIGITS as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(cut_short);
        }
        cut_short = line.len() < DIGITS && line.iter().all(u8::is_ascii_hexdigit);
        if line.len() > DIGITS && !line.ends_with(b"\n") {
            reader.skip_until(b'\n')?;
        }
        hashes.extend(hash(&line));
    }
}

fn hash(line: &[u8]) -> Option<InfoHash> {
    let (digits, rest) = line.split_at_checked(DIGITS)?;
    if rest.first().is_some_and(u8::is_ascii_hexdigit) {
        return None;
    }
    InfoHash::from_hex(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const A: &str = "aea0106a82f5a88ed922a63dc3ab60e1a6e465c0";
    const B: &str = "9f5ed997956395cded6184b261b87a09666fcc19";

    /// The first digits of the hashes read, and whether the end is cut_short.
    fn read(text: &[u8]) -> (Vec<u8>, bool) {
        let mut hashes = Vec::new();
        let cut_short = parse(text, &mut hashes).unwrap();
        (hashes.iter().map(|hash| hash.0[0]).collect(), cut_short)
    }

    #[test]
    fn strange_files() {
        let (a, b) = (0xae, 0x9f);
        let long = format!("{A} {}\n{}\n{B}\n", "x".repeat(10 << 20), "0".repeat(10 << 20));
        let upper = A.to_uppercase();
        for (text, hashes, cut_short) in [
            (String::new(), vec![], false),
            (A.into(), vec![a], false),
            (format!("{A}\n"), vec![a], false),
            (format!("{A}\n{B}"), vec![a, b], false),
            (format!("{A}\r\n{B}\r\n"), vec![a, b], false),
            (format!("{upper}\t# name\n{B}x{A}\n"), vec![a, b], false),
            (format!("{A}0\n{A}{B}\n{A}f"), vec![], false),
            (format!(" {A}\n#{A}\n\n\n{}g\n{B}\n", &A[..39]), vec![b], false),
            (format!("\0{A}\n{A}\0{B}\n{B}\0"), vec![a, b], false),
            (format!("{}\0\n", &A[..39]), vec![], false),
            (format!("\0\0\0{B}\n\0"), vec![], false),
            (format!("{A}\n{}", &B[..39]), vec![a], true),
            (format!("{A}\n{}\n", &B[..39]), vec![a], false),
            (format!("{A}\n# {}", &B[..9]), vec![a], false),
            (format!("{A}\r{B}\n"), vec![a], false),
            (long, vec![a, b], false),
        ] {
            let start: String = text.chars().take(60).collect();
            assert_eq!(read(text.as_bytes()), (hashes, cut_short), "{start:?}");
        }
        assert_eq!(format!("{A}\n{B}").len(), 81);
    }

    /// Whether a torrent that is on the list, or is not, is served.
    fn served(on_the_list: bool) -> bool {
        ACCESS_LIST.is_none_or(|kind| on_the_list == (kind == AccessList::White))
    }

    fn list(hashes: Vec<InfoHash>) -> List {
        let mut list = List::default();
        list.hashes = hashes;
        list.arrange().unwrap();
        list
    }

    #[test]
    fn what_is_on_the_list_is_found() {
        for count in [0_u32, 1, 2, 31, 32, 33, 5000] {
            let make = |n: u32| {
                let mut hash = [7; 20];
                hash[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
                InfoHash(hash)
            };
            let list = list((0..count).chain(0..count / 2).map(make).collect());
            assert_eq!(list.hashes.len(), count as usize);
            for n in 0..count {
                assert!(list.contains(&make(n)), "{n} of {count}");
                assert_eq!(list.allows(&make(n)), served(true));
            }
            for n in count..count + 100 {
                assert!(!list.contains(&make(n)), "{n} above {count}");
                assert_eq!(list.allows(&make(n)), served(false));
            }
            for hash in [InfoHash([0; 20]), InfoHash([255; 20])] {
                assert!(!list.contains(&hash) || count > 0 && hash == make(0));
            }
        }
    }

    #[test]
    fn a_million_hashes_take_little_more_than_their_bytes() {
        let mut random = crate::swarm::Random::new([3, 4]);
        let hashes = std::iter::repeat_with(|| {
            let mut hash = [0; 20];
            hash[..8].copy_from_slice(&random.next_u64().to_be_bytes());
            InfoHash(hash)
        });
        let list = list(hashes.take(1_000_000).collect());
        let bytes = list.hashes.capacity() * 20 + list.starts.capacity() * 4;
        assert!(bytes < 20_500_000, "{bytes}");
    }

    proptest! {
        #[test]
        fn as_a_set(hashes in prop::collection::vec(prop::array::uniform20(0..3_u8), 0..300), others in prop::collection::vec(prop::array::uniform20(0..3_u8), 50)) {
            let hashes: Vec<_> = hashes.into_iter().map(InfoHash).collect();
            let others: Vec<_> = others.into_iter().map(InfoHash).collect();
            let set: BTreeSet<_> = hashes.iter().copied().collect();
            let list = list(hashes);
            for hash in set.iter().chain(&others) {
                prop_assert_eq!(list.contains(hash), set.contains(hash));
            }
        }

        #[test]
        fn any_bytes_are_read(text: Vec<u8>, near in "([0-9a-fA-F]{39,41}[ \r\n]?){0,5}") {
            for text in [text.as_slice(), near.as_bytes()] {
                let expect = text.split(|c| *c == b'\n').filter_map(hash).collect::<Vec<_>>();
                let mut hashes = Vec::new();
                parse(text, &mut hashes).unwrap();
                prop_assert_eq!(hashes, expect);
            }
        }
    }
}
