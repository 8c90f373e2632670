//! Access lists: which torrents are served.
//!
//! A [`List`] is what a file says, and what was changed since. The [`Loader`] makes a new one of the file whenever the operator asks for
//! that; [`Pipe`]s bring the changes.

mod changes;
mod hashes;
mod lines;
mod loader;
mod pipe;
mod set;
mod source;

pub use changes::Change;
pub use loader::{Loader, lines_that_count};
pub use pipe::Pipe;
pub use source::Source;

use crate::config::AccessList;
use crate::features::{ACCESS_LIST, ACCESSLIST_ANY, DYNAMIC_ACCESSLIST};
use crate::types::InfoHash;
use changes::{Changes, Full};
use hashes::Hashes;

/// What was read of a file, or of none where all torrents are served.
#[derive(Debug)]
struct Read {
    kind: Option<AccessList>,
    hashes: Hashes,
}

/// A list of info hashes.
#[derive(Debug, Default)]
pub struct List {
    /// Of builds in which it can change: whether torrents on the list are served, or those that are not, or all.
    kind: Option<AccessList>,
    file: Hashes,
    /// None in builds whose lists do not change.
    changes: Changes,
    reads: Reads,
}

/// What came of reading the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// How often it was read.
    pub count: u64,
    /// How often that yielded no list.
    pub failed: u64,
    /// The last read yielded a list.
    pub is_current: bool,
    /// Seconds since the epoch of the last read that yielded one. `None`: none did.
    pub last_success: Option<u64>,
}

impl Reads {
    fn note(&mut self, success: bool, unix: u64) {
        self.count += 1;
        self.failed += u64::from(!success);
        self.is_current = success;
        if success {
            self.last_success = Some(unix);
        }
    }
}

impl List {
    /// A list under which these torrents are served, for tests: a blacklist is empty.
    #[cfg(test)]
    pub fn serving(hashes: impl IntoIterator<Item = InfoHash>) -> List {
        let hashes = hashes.into_iter().filter(|_| ACCESS_LIST == Some(AccessList::White));
        List { file: Hashes::new(hashes.collect()).unwrap(), ..List::default() }
    }

    /// Sets by how many info hashes the list may be changed until its file is read again.
    pub fn limit_changes(&mut self, room: usize) {
        self.changes.limit(room);
    }

    /// Bytes that the hashes of the file take.
    pub fn bytes(&self) -> usize {
        self.file.bytes()
    }

    /// How many info hashes the file has, and how many were added or deleted since.
    pub fn lengths(&self) -> (usize, usize) {
        (self.file.len(), self.changes.len())
    }

    /// What came of reading the file.
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// Whether a torrent is served. Builds without access lists serve all. An empty whitelist serves none, an empty blacklist all.
    pub fn allows(&self, hash: &InfoHash) -> bool {
        match if ACCESSLIST_ANY { self.kind } else { ACCESS_LIST } {
            Some(AccessList::White) => self.contains(hash),
            Some(AccessList::Black) => !self.contains(hash),
            None => true,
        }
    }

    fn contains(&self, hash: &InfoHash) -> bool {
        let word = if DYNAMIC_ACCESSLIST { self.changes.word(hash) } else { None };
        word.unwrap_or_else(|| self.file.contains(hash))
    }

    /// Makes a change, in force from now on.
    fn change(&mut self, change: Change, hash: InfoHash) -> Result<(), Full> {
        self.changes.make(change, hash)
    }

    /// The file is to be read again: what was changed up to now is forgotten when that is done. Returns what is of no use any more.
    fn file_asked_for(&mut self) -> List {
        List { changes: self.changes.file_asked_for(), ..List::default() }
    }

    /// The file was read; `None`: it yields no list, and what it said before stays. `again`: it was asked for meanwhile and is read once
    /// more, so no changes are forgotten yet. `unix`: the time, in seconds since the epoch. Returns what is of no use any more.
    fn file_read(&mut self, read: Option<Read>, again: bool, unix: u64) -> List {
        self.reads.note(read.is_some(), unix);
        let mut useless = List::default();
        if let Some(Read { kind, hashes }) = read {
            (self.kind, useless.file) = (kind, std::mem::replace(&mut self.file, hashes));
        }
        if !again {
            useless.changes = self.changes.file_read();
        }
        useless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: InfoHash = InfoHash([1; 20]);
    const B: InfoHash = InfoHash([2; 20]);

    /// Whether a torrent that is on the list, or is not, is served.
    fn served(on_the_list: bool) -> bool {
        ACCESS_LIST.is_none_or(|kind| on_the_list == (kind == AccessList::White))
    }

    fn list() -> List {
        List { file: Hashes::new(vec![A]).unwrap(), ..List::default() }
    }

    #[test]
    fn the_kind_of_list_decides() {
        assert_eq!((list().allows(&A), list().allows(&B)), (served(true), served(false)));
    }

    #[test]
    fn changes_count_whatever_the_file_says() {
        if !DYNAMIC_ACCESSLIST {
            return;
        }
        let mut list = list();
        list.change(Change::Delete, A).unwrap();
        list.change(Change::Add, B).unwrap();
        assert_eq!((list.contains(&A), list.contains(&B)), (false, true));
        drop(list.file_asked_for());
        drop(list.file_read(Some(Read { kind: ACCESS_LIST, hashes: Hashes::new(vec![A]).unwrap() }), true, 5));
        assert_eq!((list.contains(&A), list.contains(&B)), (false, true), "it will be read again");
        drop(list.file_read(None, false, 6));
        assert_eq!((list.contains(&A), list.contains(&B)), (true, false));
        assert_eq!(list.reads(), Reads { count: 2, failed: 1, is_current: false, last_success: Some(5) });
    }
}
