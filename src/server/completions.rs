//! Completed downloads, written to the system's log (`syslogs`).

use crate::limits::SYSLOG_LINES_A_TURN;
use crate::stats::dump::hex;
use crate::sys::clock::Clock;
use crate::sys::syslog::{SystemLog, iso_8601};
use crate::tracker::observers::{Completion, Observers};

/// The log, and how many lines it lost.
pub(in crate::server) struct Completions {
    log: Option<SystemLog>,
    lost: u64,
}

impl Completions {
    pub(in crate::server) fn new(log: Option<SystemLog>) -> Completions {
        Completions { log, lost: 0 }
    }

    /// Writes some of the downloads that wait to be written.
    pub(in crate::server) fn write(&mut self, observers: &mut Observers, clock: &Clock) {
        if !observers.is_waiting() {
            return;
        }
        self.lost += observers.take_missed();
        let Some(log) = &self.log else { return };
        for _ in 0..SYSLOG_LINES_A_TURN {
            let Some(completion) = observers.take_completion() else { return };
            if !log.send(completion.unix, &line(&completion)) {
                self.lost += 1;
            } else if self.lost > 0 && log.send(clock.unix_seconds(), &format!("{} lines were lost", self.lost)) {
                self.lost = 0;
            }
        }
    }
}

/// A completed download as the original words it.
fn line(completion: &Completion) -> String {
    let Completion { unix, info_hash, peer_id, address } = completion;
    let mut digits = Vec::new();
    hex(&mut digits, info_hash);
    digits.extend_from_slice(b" peer_id=");
    peer_id.iter().for_each(|peer_id| hex(&mut digits, peer_id));
    let digits = String::from_utf8_lossy(&digits);
    let (time, ip) = (iso_8601(*unix), address.to_canonical());
    format!("time={time} event=completed info_hash={digits} ip={ip}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_original() {
        let mut completion =
            Completion { unix: 0, info_hash: [0xab; 20], peer_id: None, address: [127, 0, 0, 1].into() };
        let time = iso_8601(0);
        let hash = "AB".repeat(20);
        let start = format!("time={time} event=completed info_hash={hash} peer_id=");
        assert_eq!(line(&completion), format!("{start} ip=127.0.0.1"));
        completion.peer_id = Some(*b"-CC0001-abcdefghijkl");
        assert_eq!(line(&completion), format!("{start}2D4343303030312D6162636465666768696A6B6C ip=127.0.0.1"));
    }
}
