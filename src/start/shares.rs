//! Shares out the memory that the system leaves to the process.

use crate::limits::{
    ACCESS_CHANGE_BYTES, ACCESS_CHANGES_MAX, ACCESS_CHANGES_MIN, ANSWER_WHOLE_PART, ANSWERS_BUDGET, ANSWERS_BUDGET_MIN,
    CONNECTION_BYTES_MAX, CONNECTION_BYTES_MIN, MEMORY_BESIDE, NETWORKS_MEMORY,
};
use crate::server::Bounds;
use crate::swarm::Families;
use crate::tracker::Tracker;

/// Who may hold how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryShares {
    /// The state.
    pub state: usize,
    /// Long answers together.
    pub answers: usize,
    /// Waiting connections together.
    pub connections: usize,
    /// A page that counts networks, while it is built.
    pub networks: usize,
    /// By how many info hashes the access list may be changed.
    pub access_changes: usize,
}

impl MemoryShares {
    /// Shares out what the system has left for the process, if that has a limit. The state has what everything else does not need, and no
    /// more than the operator named. An access list is in memory twice while it is loaded again, and so are its changes, if there may be
    /// any.
    pub fn new(named: Option<u64>, headroom: Option<u64>, access_list: usize, changes: bool) -> Self {
        let left = headroom.map(|bytes| bytes.saturating_sub(2 * access_list as u64));
        let access_changes = access_changes(left);
        let changes = if changes { 2 * (access_changes * ACCESS_CHANGE_BYTES) as u64 } else { 0 };
        let left = left.map(|bytes| bytes.saturating_sub(changes));
        let beside = left.map_or(MEMORY_BESIDE, |bytes| MEMORY_BESIDE.min(bytes / 2));
        let state = named.into_iter().chain(left.map(|bytes| bytes - beside)).min();
        let of_beside = |part: u64| usize::try_from(beside / part).unwrap_or(usize::MAX);
        let answers = of_beside(2).clamp(ANSWERS_BUDGET_MIN, ANSWERS_BUDGET);
        MemoryShares {
            state: state.and_then(|bytes| bytes.try_into().ok()).unwrap_or(usize::MAX),
            answers,
            connections: of_beside(4).clamp(CONNECTION_BYTES_MIN, CONNECTION_BYTES_MAX),
            networks: NETWORKS_MEMORY.min(answers / ANSWER_WHOLE_PART),
            access_changes,
        }
    }

    /// Tells everybody what they may hold.
    pub fn impose<F: Families>(self, tracker: &mut Tracker<F>, bounds: &mut Bounds) {
        let MemoryShares { state, answers, connections, networks, access_changes } = self;
        tracker.set_memory_ceiling(state);
        tracker.set_networks_memory(networks);
        tracker.access_list().limit_changes(access_changes);
        (bounds.answer_bytes, bounds.waiting_bytes) = (answers, connections);
    }
}

/// By how many info hashes an access list may be changed where the process has so many bytes left: a thirty-second part is for these.
fn access_changes(left: Option<u64>) -> usize {
    left.map_or(ACCESS_CHANGES_MAX, |bytes| {
        let changes = usize::try_from(bytes / 32).unwrap_or(usize::MAX) / ACCESS_CHANGE_BYTES;
        changes.clamp(ACCESS_CHANGES_MIN, ACCESS_CHANGES_MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_leaves_room_for_everything_else() {
        const M: u64 = 1 << 20;
        let ceiling = |named, headroom, list| MemoryShares::new(named, headroom, list, false).state as u64 / M;
        assert_eq!(MemoryShares::new(None, None, 1, true).state, usize::MAX);
        assert_eq!(ceiling(Some(5 * M), None, 0), 5);
        assert_eq!(ceiling(None, Some(1024 * M), 0), 1024 - 128);
        assert_eq!(ceiling(None, Some(1024 * M), 100 << 20), 1024 - 200 - 128);
        assert_eq!(ceiling(None, Some(20 * M), 0), 10);
        assert_eq!(ceiling(None, Some(20 * M), 100 << 20), 0);
        let with_changes = MemoryShares::new(None, Some(1024 * M), 0, true);
        let changes = with_changes.access_changes * ACCESS_CHANGE_BYTES;
        assert_eq!(with_changes.state as u64, (1024 - 128) * M - 2 * changes as u64);
        assert_eq!((ceiling(Some(5 * M), Some(20 * M), 0), ceiling(Some(50 * M), Some(20 * M), 0)), (5, 10));
    }

    #[test]
    fn changes_of_the_list_take_a_small_part_of_the_memory() {
        assert_eq!(access_changes(None), ACCESS_CHANGES_MAX);
        for bytes in [0, 1 << 20, 32 << 20, 256 << 20, 1 << 40] {
            let changes = access_changes(Some(bytes));
            assert!((ACCESS_CHANGES_MIN..=ACCESS_CHANGES_MAX).contains(&changes));
            assert!((changes - ACCESS_CHANGES_MIN) as u64 * ACCESS_CHANGE_BYTES as u64 <= bytes / 32, "{bytes}");
        }
    }

    #[test]
    fn what_answers_and_connections_may_take_shrinks_with_the_memory() {
        const M: u64 = 1 << 20;
        for (headroom, answers, connections) in [
            (None, 64, 32),
            (Some(1024), 64, 32),
            (Some(128), 32, 16),
            (Some(32), 8, 4),
            (Some(8), 4, 1),
            (Some(0), 4, 1),
        ] {
            let shares = MemoryShares::new(None, headroom.map(|bytes| bytes * M), 0, false);
            assert_eq!(
                (shares.answers as u64 / M, shares.connections as u64 / M),
                (answers, connections),
                "{headroom:?}"
            );
        }
    }
}
