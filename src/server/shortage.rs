//! A line on stderr that says that something is short: at once, and then now and then as long as it lasts.

use crate::limits::{ACCESS_CHANGES_SILENCE, CEILING_SILENCE, MEMORY_SILENCE};
use crate::swarm::CeilingCounts;
use crate::sys::stderr;
use std::time::Duration;

/// What was reported of it.
#[derive(Debug)]
pub(super) struct Shortage {
    line: &'static str,
    /// Time after a line until the next one.
    silence: Duration,
    /// Refusals so far.
    refusals: u64,
    /// No further line before.
    silent_until: Option<Duration>,
}

impl Shortage {
    /// Memory is short.
    pub(super) fn of_memory() -> Shortage {
        Shortage::new("Warning: Memory is short: new peers are answered, but not stored.\n", MEMORY_SILENCE)
    }

    /// There are too many changes of the access list.
    pub(super) fn of_changes() -> Shortage {
        const LINE: &str =
            "Warning: The access list has too many changes: further ones are dropped until its file is read again.\n";
        Shortage::new(LINE, ACCESS_CHANGES_SILENCE)
    }

    fn new(line: &'static str, silence: Duration) -> Shortage {
        Shortage { line, silence, refusals: 0, silent_until: None }
    }

    /// Writes the line if something was refused since the last call. `refusals`: how often, since the start.
    pub(super) fn notice(&mut self, refusals: u64, now: Duration) {
        if self.is_worth_a_line(refusals, now) {
            stderr::write_line(self.line);
        }
    }

    fn is_worth_a_line(&mut self, refusals: u64, now: Duration) -> bool {
        let is_new = refusals != self.refusals;
        self.refusals = refusals;
        let is_due = is_new && self.silent_until.is_none_or(|until| until <= now);
        if is_due {
            self.silent_until = Some(now + self.silence);
        }
        is_due
    }
}

/// What is said of the ceilings.
#[derive(Debug)]
pub(super) struct Ceilings {
    torrents: Shortage,
    peers: Shortage,
    peers_per_torrent: Shortage,
}

impl Ceilings {
    /// Nothing yet.
    pub(super) fn new() -> Ceilings {
        const TORRENTS: &str = "Warning: tracker.max_torrents is reached: torrents with one peer or none make room for new ones. Where \
                                there are none, new torrents are answered, but not stored.\n";
        const PEERS: &str = "Warning: tracker.max_peers is reached: torrents with one peer make room for new peers. Where there are \
                             none, new peers are answered, but not stored.\n";
        const PEERS_PER_TORRENT: &str = "Warning: tracker.max_peers_per_torrent is reached: new peers of such torrents are answered, \
                                         but not stored.\n";
        let [torrents, peers, peers_per_torrent] =
            [TORRENTS, PEERS, PEERS_PER_TORRENT].map(|line| Shortage::new(line, CEILING_SILENCE));
        Ceilings { torrents, peers, peers_per_torrent }
    }

    /// Writes a line where a ceiling was in the way since the last call.
    pub(super) fn notice(&mut self, counts: CeilingCounts, now: Duration) {
        self.torrents.notice(counts.torrents + counts.room_for_torrents, now);
        self.peers.notice(counts.peers + counts.room_for_peers, now);
        self.peers_per_torrent.notice(counts.peers_per_torrent, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_at_once_and_then_now_and_then() {
        let mut shortage = Shortage::of_memory();
        let mut reported = |refusals, seconds| shortage.is_worth_a_line(refusals, Duration::from_secs(seconds));
        assert!(!reported(0, 1));
        assert!(reported(3, 2));
        assert!(!reported(3, 3));
        assert!(!reported(500, 601));
        assert!(!reported(500, 602));
        assert!(reported(501, 603));
    }
}
