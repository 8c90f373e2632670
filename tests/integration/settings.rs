//! What the operator sets about answers: intervals, how long peers stay, how many peers a reply has, full scrapes.

use crate::harness::bencode::Value;
use crate::harness::udp::Announce;
use crate::harness::{self, Starter, Tracker, built_with, clock_or_skip, eventually, hash, percent};

/// Seconds.
const MINUTE: i64 = 60;

/// A tracker with these lines in its config file.
fn with(lines: &str) -> Starter {
    Starter::new().allow((0..10).map(hash)).file("conf", lines.as_bytes()).args(["-f", "conf"])
}

fn announce(tracker: &Tracker, more: &str) -> Value {
    tracker.get(&format!("/announce?info_hash={}&port=1{more}", percent(&hash(1)))).bencode()
}

/// How many peers an HTTP reply has.
fn peers(tracker: &Tracker, more: &str) -> usize {
    let length = |list: &str, size: usize| match announce(tracker, more).find(list) {
        Some(Value::Bytes(bytes)) => bytes.len() / size,
        _ => 0,
    };
    length("peers", 6) + length("peers6", 18)
}

/// Lets walks over all torrents pass until none is left.
#[track_caller]
fn is_empty_in_the_end(tracker: &Tracker, what: &str) {
    eventually(what, || {
        tracker.advance(2 * MINUTE);
        tracker.get("/stats?mode=torr").text().contains("serving 0 torrents")
    });
}

#[test]
fn intervals_are_a_tenth_around_what_is_set() {
    for (seconds, shortest, longest) in [(300, 270, 329), (3600, 3240, 3959), (10_800, 9720, 11_879)] {
        let tracker = with(&format!("tracker.interval {seconds}\n")).start();
        let mut client = tracker.udp();
        let mut drawn = Vec::new();
        for _ in 0..40 {
            let answer = announce(&tracker, "");
            let interval = answer.get("interval").number();
            assert_eq!(answer.get("min interval").number(), interval / 2);
            drawn.extend([interval, i64::from(client.announce(&Announce::new(hash(1), 1)).interval)]);
        }
        let stopped = announce(&tracker, "&event=stopped").get("interval").number();
        assert!(drawn.iter().chain([&stopped]).all(|interval| (shortest..=longest).contains(interval)), "{drawn:?}");
        // they are spread: eighty of the same half are next to impossible
        assert!(drawn.iter().any(|interval| *interval < seconds) && drawn.iter().any(|interval| *interval > seconds));
    }
}

#[test]
fn peers_stay_as_long_as_is_set() {
    if !clock_or_skip() {
        return;
    }
    for (lines, minutes) in [
        ("tracker.interval 300\ntracker.peer_timeout 6\n", 6),
        ("tracker.peer_timeout 33\n", 33),
        ("tracker.peer_timeout 70\n", 70),
        ("tracker.interval 7200\n", 180),
        ("tracker.peer_timeout 720\n", 720),
    ] {
        let tracker = with(lines).start();
        tracker.udp().announce(&Announce::new(hash(1), 1));
        // an age is known to a forty-fifth of the time, and a tick has begun already
        let tick = minutes * MINUTE / 45 + 1;
        tracker.advance(minutes * MINUTE - 2 * tick);
        assert_eq!(tracker.udp().scrape(&[hash(1)]), [[0, 0, 1]], "{lines}");
        assert_eq!(tracker.udp().announce(&Announce::new(hash(1), 2)).leechers, 2, "{lines}");
        tracker.advance(3 * tick);
        eventually(lines, || tracker.udp().scrape(&[hash(1)]) == [[0, 0, 1]]);
        tracker.advance(minutes * MINUTE);
        is_empty_in_the_end(&tracker, lines);
    }
}

#[test]
fn a_torrent_is_remembered_for_a_day_however_long_peers_stay() {
    if !clock_or_skip() || !built_with("fullscrape") {
        return;
    }
    let build = harness::Build::under_test();
    if build.has("compression-gzip") && !build.has("compression-gzip-always") {
        return harness::for_another_build("needs a build that does not compress every dump");
    }
    for lines in ["tracker.interval 300\ntracker.peer_timeout 6\n", "tracker.peer_timeout 720\n"] {
        let tracker = with(lines).start();
        announce(&tracker, "&left=0&event=completed");
        let before = tracker.get("/stats?mode=statedump").text();
        let stored: i64 = before.trim_end().split(':').nth(1).and_then(|minute| minute.parse().ok()).expect("a minute");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs() as i64;
        assert!((now / MINUTE - stored).abs() <= 16, "{before}");
        announce(&tracker, "&left=0&event=stopped");
        for _ in 0..22 {
            tracker.advance(60 * MINUTE);
            tracker.nudge();
        }
        assert_eq!(tracker.udp().scrape(&[hash(1)]), [[0, 1, 0]], "{lines}");
        tracker.advance(3 * 60 * MINUTE);
        is_empty_in_the_end(&tracker, lines);
    }
}

#[test]
fn minutes_of_statistics_are_minutes_whatever_is_set() {
    if !clock_or_skip() {
        return;
    }
    let tracker = with("tracker.peer_timeout 180\n").start();
    tracker.udp().announce(&Announce::new(hash(1), 1));
    tracker.advance(100 * MINUTE);
    tracker.udp().announce(&Announce::new(hash(1), 1));
    let page = tracker.get("/stats?mode=renew").text();
    assert_eq!(page.lines().count(), 180);
    let counted: Vec<&str> = page.lines().filter(|line| !line.ends_with(" 0")).collect();
    assert!(matches!(counted[..], ["96 1" | "100 1"]), "{counted:?}");
}

#[test]
fn replies_have_as_many_peers_as_are_set() {
    let starter = with("tracker.numwant_max 1000\ntracker.numwant_default 300\n");
    let tracker = starter.start();
    let mut client = tracker.udp();
    // a torrent whose peers are an array, and one of many
    for (torrent, peers) in [(hash(1), 1200), (hash(2), 5000)] {
        (0..peers).for_each(|port| drop(client.announce(&Announce { numwant: 0, ..Announce::new(torrent, port + 1) })));
        let http = |more: &str| {
            let reply = tracker.get(&format!("/announce?info_hash={}&port=1{more}", percent(&torrent))).bencode();
            let lists = ["peers", "peers6"].map(|list| match reply.find(list) {
                Some(Value::Bytes(bytes)) => harness::udp::peers(bytes).unwrap_or_default(),
                _ => Vec::new(),
            });
            let mut all = lists.concat();
            let count = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count, "the same twice");
            count
        };
        assert_eq!([http(""), http("&numwant=-1"), http("&numwant=1001"), http("&numwant=7")], [300, 300, 1000, 7]);
        // a datagram has no room for more
        let mut asked = |numwant| client.announce(&Announce { numwant, ..Announce::new(torrent, 1) }).peers.len();
        assert_eq!([asked(-1), asked(1000), asked(7), asked(0)], [200, 200, 7, 0]);
    }

    let tracker = with("tracker.numwant_max 30\n").start();
    let mut client = tracker.udp();
    (0..100).for_each(|port| drop(client.announce(&Announce { numwant: 0, ..Announce::new(hash(1), port + 1) })));
    let mut asked = |numwant| client.announce(&Announce { numwant, ..Announce::new(hash(1), 1) }).peers.len();
    assert_eq!([asked(-1), asked(31), asked(29)], [30, 30, 29]);
    assert_eq!([peers(&tracker, ""), peers(&tracker, "&numwant=200")], [30, 30]);
}

#[test]
fn numwants_are_counted_up_to_what_is_set() {
    if !built_with("log-numwant") {
        return;
    }
    let tracker = with("tracker.numwant_max 500\n").start();
    announce(&tracker, "&numwant=400");
    announce(&tracker, "&numwant=4000");
    let page = tracker.get("/stats?mode=numwants").text();
    assert_eq!(page.lines().filter(|line| !line.ends_with(" 0")).collect::<Vec<_>>(), ["400 => 1", "500 => 1"]);
}

#[test]
fn full_scrapes_and_dumps_can_be_turned_off() {
    if !built_with("fullscrape") {
        return;
    }
    let pages = ["/scrape", "/stats?mode=tpbs&format=txt", "/stats?mode=statedump"];
    let codes = |lines: &str| {
        let tracker = with(lines).start();
        assert_eq!(tracker.get(&format!("/scrape?info_hash={}", percent(&hash(1)))).code(), 200);
        pages.map(|page| tracker.get(page).code())
    };
    // as in builds without them
    assert_eq!(codes("tracker.full_scrape off\n"), [400, 500, 500]);
    assert_eq!(codes("tracker.full_scrape off\ntracker.full_scrape on\n"), [200; 3]);
}

#[test]
fn what_is_out_of_range_is_a_parse_error_and_changes_nothing() {
    let mut wrong: Vec<String> = [
        "tracker.interval 299",
        "tracker.interval 10801",
        "tracker.interval 1800x",
        "tracker.interval 1800 # seconds",
        "tracker.interval -1800",
        "tracker.interval 4294969096",
        "tracker.peer_timeout 5",
        "tracker.peer_timeout 721",
        // not above the longest interval of 1979 seconds
        "tracker.peer_timeout 32",
        "tracker.numwant_default 0",
        "tracker.numwant_default 1001",
        "tracker.numwant_max 0",
        "tracker.numwant_max 1001",
        "tracker.numwant_max many",
    ]
    .map(str::to_owned)
    .to_vec();
    if harness::Build::under_test().has("fullscrape") {
        wrong.extend(["off ", "0", "Off", "no"].map(|value| format!("tracker.full_scrape x{value}")));
    }
    let lines = wrong.join("\n") + "\n";
    let tracker = with(&lines).start();
    let said: String = wrong.iter().map(|line| format!("Parse error in config file: {}\n", line.trim_end())).collect();
    assert_eq!(tracker.stderr(), said);
    assert!((1620..=1979).contains(&announce(&tracker, "").get("interval").number()));

    let late = "tracker.peer_timeout 33\ntracker.interval 3600\n";
    let tracker = with(late).start();
    assert_eq!(tracker.stderr(), "Parse error in config file: tracker.interval 3600\n");
    assert!((1620..=1979).contains(&announce(&tracker, "").get("interval").number()));
    assert_eq!(with("tracker.interval 3600\ntracker.peer_timeout 67\n").start().stderr(), "");
}
