//! The state file: torrents and download counts of an earlier run, as `mode=statedump` writes them.

use super::{Now, Tracker};
use crate::limits::STATE_LINE_MAX;
use crate::swarm::Families;
use crate::types::InfoHash;
use std::io::{self, BufRead, ErrorKind, Read};

impl<F: Families> Tracker<F> {
    /// Takes in the torrents of a state file. Returns how many lines are damaged.
    ///
    /// # Errors
    /// Reading fails, or the state finds no memory. The lines read before it stay.
    pub fn restore(&mut self, mut reader: impl BufRead, now: Now) -> io::Result<u64> {
        let mut damaged = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.by_ref().take(STATE_LINE_MAX).read_until(b'\n', &mut line)? == 0 {
                return Ok(damaged);
            }
            if line.len() as u64 == STATE_LINE_MAX && line.last() != Some(&b'\n') {
                reader.skip_until(b'\n')?;
            }
            let line = line.trim_ascii_end();
            match parse(line) {
                // of duplicates the first counts
                Some((hash, ..)) if !self.access_list.allows(&hash) => {}
                Some((hash, minute, downloaded)) => {
                    let refusals = self.swarms.refusals();
                    let tick = self.settings.peer_timeout.from_wall(minute, now);
                    self.swarms.restore(&hash, tick, downloaded);
                    if self.swarms.refusals() != refusals {
                        return Err(ErrorKind::OutOfMemory.into());
                    }
                }
                None => damaged += u64::from(!line.is_empty()),
            }
        }
    }
}

/// Reads a line: the info hash in hex digits, the minute stored with the torrent, its completed downloads, with colons between.
fn parse(line: &[u8]) -> Option<(InfoHash, u32, u32)> {
    let (digits, rest) = line.split_at_checked(InfoHash::HEX_DIGITS)?;
    let rest = std::str::from_utf8(rest.strip_prefix(b":")?).ok()?;
    let (minute, downloaded) = rest.split_once(':')?;
    Some((InfoHash::from_hex(digits)?, number(minute)?, number(downloaded)?))
}

/// Reads decimal digits. A number beyond 32 bits counts as the largest of them.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::List;
    use crate::swarm::V4;
    use crate::tracker::Settings;
    use std::time::Duration;

    fn restore(text: &[u8]) -> (Vec<(u8, u32, u32)>, u64) {
        let settings = Settings::default();
        let mut tracker = Tracker::<V4>::new(settings, [1, 2]);
        *tracker.access_list() = List::serving((0..6).map(|last| {
            let (hash, ..) = parse(format!("AEA0106A82F5A88ED922A63DC3AB60E1A6E4650{last}:1:1").as_bytes()).unwrap();
            hash
        }));
        let damaged = tracker.restore(text, Now::agreed(30_000_000 * 60, Duration::ZERO)).unwrap();
        let mut torrents = Vec::new();
        let mut cursor = crate::swarm::Cursor::default();
        tracker.swarms().walk(&mut cursor, 1000, |hash, counts, minute| {
            torrents.push((hash.0[19], minute, counts.downloaded));
        });
        (torrents, damaged)
    }

    #[test]
    fn only_damaged_lines_are_left_out() {
        let hash = |last: &str| "AeA0106A82F5A88ED922A63DC3AB60E1A6E465".to_owned() + last;
        let long = "x".repeat(3000);
        let lines = [
            hash("01") + ":29999990:5",
            hash("02") + ":30000009:7", // of the future
            hash("01") + ":29999991:9", // again
            hash("03") + ":x:1",
            hash("03") + ":1",
            hash("03") + ":1:-1",
            hash("03") + ":1:1x",
            hash("0g") + ":1:1",
            String::new(),
            "short".into(),
            long + ":1:1",
            hash("04") + ":29999992:99999999999\r",
            hash("05") + ":29999993:0",
        ];
        let (torrents, damaged) = restore(lines.join("\n").as_bytes());
        let expect = [(1, 29_999_990, 5), (2, 30_000_000, 7), (4, 29_999_992, u32::MAX), (5, 29_999_993, 0)];
        assert_eq!(torrents, expect);
        assert_eq!(damaged, 7);
        assert_eq!(restore(b"\xff\xfe\0\n\n"), (vec![], 1));
    }
}
