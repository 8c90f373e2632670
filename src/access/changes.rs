//! What was changed of a list while the tracker runs (`dynamic-accesslist`): hashes that were added or deleted since the file was read,
//! whatever the file says of them. The last word on a hash counts.
//!
//! Reading the file again forgets all changes that were made before it was asked for. They stay in force until the new list is there, so
//! that no request in between sees the old list without them.

use super::set::Set;
use crate::limits::ACCESS_CHANGES_MAX;
use crate::sys::memory;
use crate::types::InfoHash;

/// A change of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A hash is on the list.
    Add,
    /// A hash is not on the list.
    Delete,
}

/// There is no room for another change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The changes.
#[derive(Debug)]
pub(super) struct Changes {
    /// How many there may be.
    room: usize,
    in_force: Words,
    /// Those since the file was asked for again, while it is read.
    since: Option<Words>,
}

impl Default for Changes {
    fn default() -> Self {
        Changes { room: ACCESS_CHANGES_MAX, in_force: Words::default(), since: None }
    }
}

impl Changes {
    /// Sets how many there may be.
    pub(super) fn limit(&mut self, room: usize) {
        self.room = room;
    }

    /// Makes a change.
    ///
    /// # Errors
    /// There are too many already, or there is no memory: this one is dropped.
    pub(super) fn make(&mut self, change: Change, hash: InfoHash) -> Result<(), Full> {
        let since = self.since.as_mut().map_or(Ok(()), |since| since.make(change, hash, self.room));
        self.in_force.make(change, hash, self.room).and(since)
    }

    /// How many hashes there is a word on.
    pub(super) fn len(&self) -> usize {
        self.in_force.added.len() + self.in_force.deleted.len()
    }

    /// Whether a hash is on the list by the last word on it, if there is one.
    pub(super) fn word(&self, hash: &InfoHash) -> Option<bool> {
        self.in_force.word(hash)
    }

    /// The file is to be read again. Returns the changes that are of no use any more.
    pub(super) fn file_asked_for(&mut self) -> Changes {
        let since = self.since.replace(Words::default());
        Changes { in_force: since.unwrap_or_default(), ..Changes::default() }
    }

    /// The file was read again. Returns the changes that are forgotten by that.
    pub(super) fn file_read(&mut self) -> Changes {
        let since = self.since.take().unwrap_or_default();
        Changes { in_force: std::mem::replace(&mut self.in_force, since), ..Changes::default() }
    }
}

/// The last words on some hashes. None is in both sets.
#[derive(Debug, Default)]
struct Words {
    added: Set,
    deleted: Set,
}

impl Words {
    fn make(&mut self, change: Change, hash: InfoHash, room: usize) -> Result<(), Full> {
        let (said, opposite) = match change {
            Change::Add => (&mut self.added, &mut self.deleted),
            Change::Delete => (&mut self.deleted, &mut self.added),
        };
        let is_known = said.contains(&hash) || opposite.contains(&hash);
        if !is_known && (said.len() + opposite.len() >= room || memory::is_short()) {
            return Err(Full);
        }
        said.insert(hash).map_err(|_| Full)?;
        opposite.remove(&hash);
        Ok(())
    }

    fn word(&self, hash: &InfoHash) -> Option<bool> {
        if self.added.contains(hash) {
            return Some(true);
        }
        self.deleted.contains(hash).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: InfoHash = InfoHash([1; 20]);
    const B: InfoHash = InfoHash([2; 20]);

    #[test]
    fn the_last_word_counts() {
        let mut changes = Changes::default();
        assert_eq!(changes.word(&A), None);
        for change in [Change::Delete, Change::Delete, Change::Add, Change::Add, Change::Delete, Change::Add] {
            assert_eq!(changes.make(change, A), Ok(()));
            assert_eq!((changes.word(&A), changes.word(&B)), (Some(change == Change::Add), None));
        }
    }

    #[test]
    fn reading_the_file_again_forgets_what_was_before_and_nothing_after() {
        let mut changes = Changes::default();
        changes.make(Change::Add, A).unwrap();
        changes.file_asked_for();
        changes.make(Change::Delete, B).unwrap();
        assert_eq!((changes.word(&A), changes.word(&B)), (Some(true), Some(false)), "in force until it is there");
        let forgotten = changes.file_read();
        assert_eq!((changes.word(&A), changes.word(&B)), (None, Some(false)));
        assert_eq!(forgotten.word(&A), Some(true));
        // asked for twice: what was between goes as well
        changes.file_asked_for();
        changes.make(Change::Add, A).unwrap();
        assert_eq!(changes.file_asked_for().word(&A), Some(true), "freed by who can take the time");
        changes.file_read();
        assert_eq!((changes.word(&A), changes.word(&B)), (None, None));
    }

    #[test]
    fn reading_the_file_again_leaves_the_limit() {
        let mut changes = Changes::default();
        changes.limit(1);
        for _ in 0..2 {
            changes.file_asked_for();
            changes.file_read();
            assert_eq!((changes.make(Change::Add, A), changes.make(Change::Add, B)), (Ok(()), Err(Full)));
        }
    }

    #[test]
    fn there_is_an_end_to_them() {
        let hash = |n: u32| InfoHash(std::array::from_fn(|at| *n.to_be_bytes().get(at).unwrap_or(&0)));
        let mut words = Words::default();
        for n in 0..10 {
            assert_eq!(words.make(Change::Add, hash(n), 10), Ok(()));
        }
        assert_eq!(words.make(Change::Add, hash(10), 10), Err(Full));
        assert_eq!(words.make(Change::Delete, hash(10), 10), Err(Full));
        assert_eq!(words.word(&hash(10)), None);
        // known ones may change all the same
        assert_eq!(words.make(Change::Add, hash(3), 10), Ok(()));
        assert_eq!(words.make(Change::Delete, hash(3), 10), Ok(()));
        assert_eq!(words.word(&hash(3)), Some(false));
    }
}
