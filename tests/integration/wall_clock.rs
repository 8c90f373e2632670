//! A wall clock that is set while the tracker runs: ages do not follow, what people read does.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::udp::Announce;
use crate::harness::{self, Build, Starter, Tracker, eventually, hash};

/// Seconds.
const MINUTE: i64 = 60;

/// Seconds.
const HOUR: i64 = 60 * MINUTE;

/// Seconds, about.
const YEAR: i64 = 365 * 24 * HOUR;

/// Where Debian's package puts the library that plays with time.
const LIBFAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Whether the build has dumps that can be read as they are. If not, notes why.
fn dumps() -> bool {
    let build = Build::under_test();
    let dumps = build.has("fullscrape") && !build.has("compression-gzip") && !build.has("v6");
    if !dumps {
        harness::for_another_build("needs fullscrape without compression, and IPv4");
    }
    dumps
}

/// Seconds since 1970 by this machine.
fn seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

/// The minutes and counts that a dump has.
fn dump(tracker: &Tracker) -> Vec<(i64, u32)> {
    let text = tracker.get("/stats?mode=statedump").text();
    let line = |line: &str| {
        let mut fields = line.split(':').skip(1);
        let minute = fields.next()?.parse().ok()?;
        Some((minute, fields.next()?.parse().ok()?))
    };
    text.lines().map(|text| line(text).unwrap_or_else(|| panic!("{text}"))).collect()
}

/// A tracker with a torrent that somebody downloaded, announced just now.
fn announced(tracker: &Tracker, port: u16) {
    tracker.udp().announce(&Announce { left: 0, event: 1, ..Announce::new(hash(1), port) });
}

/// Whether a dump's only minute is this moment's, or the one before it: whole minutes begin elsewhere once a clock was set.
#[track_caller]
fn dumped_at(tracker: &Tracker, seconds: i64) {
    let dumped = dump(tracker);
    let expected = seconds.max(0) / MINUTE;
    assert!(
        matches!(dumped[..], [(minute, 1)] if (expected - 1..=expected + 1).contains(&minute)),
        "{dumped:?} at {expected}"
    );
}

#[test]
fn a_dump_is_right_after_a_step_and_peers_stay_as_long_as_ever() {
    if !dumps() || !harness::clock_or_skip() {
        return;
    }
    for step in [1, 59, HOUR, -HOUR + 7, 10 * YEAR, -50 * YEAR, -100 * YEAR, 500 * YEAR] {
        let tracker = Starter::new().allow([hash(1)]).start();
        announced(&tracker, 1);
        dumped_at(&tracker, seconds());
        tracker.step_wall(step);
        dumped_at(&tracker, seconds() + step);
        // neither lost
        tracker.advance(40 * MINUTE);
        assert_eq!(tracker.udp().scrape(&[hash(1)]), [[1, 1, 0]], "{step}");
        tracker.step_wall(-step);
        assert_eq!(tracker.udp().scrape(&[hash(1)]), [[1, 1, 0]], "{step}");
        tracker.step_wall(step);
        // nor immortal
        tracker.advance(7 * MINUTE);
        eventually("the peer has left", || tracker.udp().scrape(&[hash(1)]) == [[0, 1, 0]]);
        // and the count as long as it should
        tracker.advance(20 * HOUR);
        assert_eq!(tracker.udp().scrape(&[hash(1)]), [[0, 1, 0]], "{step}");
        tracker.advance(6 * HOUR);
        eventually("the torrent has left", || {
            tracker.advance(2 * MINUTE);
            dump(&tracker).is_empty()
        });
    }
}

#[test]
fn logged_requests_are_of_the_wall_clocks_second() {
    if !harness::built_with("fulllog-networks") || !harness::clock_or_skip() {
        return;
    }
    let tracker = Starter::new().allow([hash(1)]).args(["-A", "127.0.0.1"]).start();
    assert_eq!(tracker.get("/announce?lognet=127.0.3.0/24").text(), "Successfully added.\n");
    for step in [0, 1, HOUR, 10 * YEAR, -50 * YEAR, -100 * YEAR] {
        tracker.step_wall(step);
        let before = seconds() + step;
        tracker.get_from([127, 0, 3, 4], "/stats");
        let (log, after) = (tracker.get("/stats?mode=fulllog").text(), seconds() + step);
        let second = log.split(':').next().and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{log}"));
        assert!((before.max(0)..=after.max(0)).contains(&second), "{log} after {step}");
        tracker.step_wall(-step);
    }
}

#[test]
fn a_start_in_1970_loses_nothing() {
    if !dumps() || !harness::clock_or_skip() {
        return;
    }
    let now = seconds();
    let state = format!("{}:{}:7\n{}:5:8\n", harness::hex(&hash(1)), now / MINUTE - 30, harness::hex(&hash(2)));
    let starter = Starter::new().allow([hash(1), hash(2)]).file("state", state.as_bytes()).args(["-l", "state"]);
    let tracker = starter.wall_at_start(-now).start();
    // What is still to come counts as now, and what is of 1970 is of now as well.
    assert_eq!(dump(&tracker).len(), 2);
    tracker.step_wall(now);
    for (minute, _) in dump(&tracker) {
        assert!((seconds() / MINUTE - 6..=seconds() / MINUTE + 1).contains(&minute), "{minute}");
    }
    // The next start has all of it.
    let text = tracker.get("/stats?mode=statedump").text();
    let again = Starter::new().allow([hash(1), hash(2)]).file("state", text.as_bytes()).args(["-l", "state"]).start();
    assert_eq!(dump(&again).len(), 2);
}

/// A tracker with the C library's clocks replaced, and the file that says by how much; `None`, and the reason is noted, where
/// that cannot be.
struct Faked {
    tracker: Tracker,
    file: std::path::PathBuf,
}

impl Faked {
    fn start(monotonic_too: bool, offset: &str) -> Option<Faked> {
        if !dumps() || !harness::root_or_skip() {
            return None;
        }
        if !std::path::Path::new(LIBFAKETIME).exists() {
            harness::skipped("needs libfaketime");
            return None;
        }
        // The library opens its file by its name at every look, so the tracker must not change root.
        let starter = Starter::new().allow([hash(1)]).run_by(65_534).file("offset", offset.as_bytes());
        let file = starter.scratch().path().join("offset");
        let words = [
            "env".to_owned(),
            format!("LD_PRELOAD={LIBFAKETIME}"),
            format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            format!("FAKETIME_DONT_FAKE_MONOTONIC={}", u8::from(!monotonic_too)),
        ];
        Some(Faked { tracker: starter.wrap(words).start(), file })
    }

    /// Moves its clocks to this distance from the real ones.
    fn step(&self, offset: i64) {
        std::fs::write(&self.file, format!("{offset:+}")).expect("the clocks' file");
        self.tracker.nudge();
    }
}

#[test]
fn clocks_are_read_through_the_c_library() {
    let Some(faked) = Faked::start(false, "+0") else { return };
    announced(&faked.tracker, 1);
    dumped_at(&faked.tracker, seconds());
    for step in [HOUR, -50 * YEAR, 10 * YEAR, -10 * YEAR + 17] {
        faked.step(step);
        dumped_at(&faked.tracker, seconds() + step);
        assert_eq!(faked.tracker.udp().scrape(&[hash(1)]), [[1, 1, 0]], "{step}");
    }
}

#[test]
fn ages_go_on_where_all_clocks_are_set_back() {
    let Some(faked) = Faked::start(true, "+0") else { return };
    announced(&faked.tracker, 1);
    faked.step(-20 * YEAR);
    dumped_at(&faked.tracker, seconds() - 20 * YEAR);
    assert_eq!(faked.tracker.udp().scrape(&[hash(1)]), [[1, 1, 0]]);
    faked.step(-20 * YEAR + 40 * MINUTE);
    assert_eq!(faked.tracker.udp().scrape(&[hash(1)]), [[1, 1, 0]]);
    faked.step(-20 * YEAR + 47 * MINUTE);
    eventually("the peer has left", || faked.tracker.udp().scrape(&[hash(1)]) == [[0, 1, 0]]);
}
