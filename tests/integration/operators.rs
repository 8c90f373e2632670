//! The statistics, read as operators' tools read them: plugins for graphs, exporters, panels.

use crate::harness::canonical::gunzipped;
use crate::harness::udp::Announce;
use crate::harness::{self, Build, Starter, Tracker, built_with, hash, matches, percent};
use regex::bytes::Regex;
use std::net::IpAddr;

/// Seconds.
const MINUTE: i64 = 60;

fn tracker() -> Tracker {
    Starter::new().allow((0..10).map(hash)).start()
}

/// A page of statistics. Builds with `compression-gzip` compress the long ones.
fn page(tracker: &Tracker, mode: &str) -> Vec<u8> {
    let reply = tracker.get(&format!("/stats?mode={mode}"));
    assert_eq!(reply.code(), 200, "{mode}");
    let compressed = reply.head().contains("\r\nContent-Encoding: gzip");
    assert!(!compressed || tracker.build().has("compression-gzip"), "{mode}");
    if compressed { gunzipped(reply.body()) } else { reply.body().to_vec() }
}

#[test]
fn pages_of_numbers() {
    let tracker = Tracker::busy();
    let seconds = r"(\d+) seconds \((\d+) hours\)\n";
    let torrents = r"\nopentracker serving (\d+) torrents\nopentracker";
    assert_eq!(matches(&page(&tracker, "peer"), &format!(r"(\d+)\n(\d+){torrents}")), [6, 3, 5]);
    assert_eq!(matches(&page(&tracker, "torr"), &format!(r"(\d+)\n(\d+){torrents}")), [5, 0, 5]);
    let rates = r"(\d+) conns/s :: (\d+) success/s\.";
    let found = matches(&page(&tracker, "conn"), &format!(r"(\d+)\n(\d+)\n{seconds}opentracker connections, {rates}"));
    assert!(found[0] >= 16 && found[1] >= 9, "{found:?}");
    let found = matches(&page(&tracker, "tcp4"), &format!(r"(\d+)\n(\d+)\n{seconds}opentracker tcp4 stats, {rates}"));
    assert_eq!(found[..2], [8, 1]);
    let found = matches(&page(&tracker, "udp4"), &format!(r"(\d+)\n(\d+)\n{seconds}opentracker udp4 stats, {rates}"));
    assert_eq!(found[1], found[0] - 1, "the scrape is no success");
    let scrapes = format!(r"(\d+)\n(\d+)\n{seconds}opentracker scrape stats, (\d+) scrape/s \(tcp and udp\)");
    assert_eq!(matches(&page(&tracker, "scrp"), &scrapes)[..2], [1, 1]);
    let full = format!(r"(\d+)\n(\d+)\n{seconds}opentracker full scrape stats, (\d+) conns/s :: (\d+) bytes/s\.");
    assert_eq!(matches(&page(&tracker, "fscr"), &full)[..2], [0, 0]);
    let completed = format!(r"(\d+)\n(\d+)\n{seconds}opentracker, (\d+) completed/h\.");
    assert_eq!(matches(&page(&tracker, "completed"), &completed)[..2], [3, 0]);
}

#[test]
fn tables_of_numbers() {
    let tracker = Tracker::busy();
    let lines: String = (0..45).map(|minutes| format!(r"{minutes:02} (\d+)\n")).collect();
    let renewed = matches(&page(&tracker, "renew"), &lines);
    assert_eq!((renewed[0], renewed[1..].iter().sum::<u64>()), (1, 0));
    let labels = ["302 RED", r"400 \.\.\.", "400 PAR", "400 COM", "403 IP ", "404 INV", "500 SRV"];
    let lines: String = labels.iter().map(|label| format!(r"{label} (\d+)\n")).collect();
    assert_eq!(matches(&page(&tracker, "herr"), &lines), [0, 0, 1, 0, 0, 0, 0]);
    let networks = page(&tracker, "s24s");
    let table = |width, address| format!(r"Networks, limit /{width}:\n(?:\d{{8}}: {address}\n)*\n");
    let v4 = [28, 24].map(|width| table(width, r"\d+\.\d+\.\d+\.\d+")).concat();
    let v6 = [68, 48].map(|width| table(width, r"[0-9a-f:]+")).concat();
    let dual = Build::under_test().has("dual-stack");
    matches(
        &networks,
        &[if tracker.build().v6() { "" } else { &v4 }, if tracker.build().v6() || dual { &v6 } else { "" }].concat(),
    );
    let top = |places: u32, what| format!(r"Top {places} torrents by {what}:\n(?:\t\d+\t[A-F0-9]{{40}}\n)*");
    for places in [10, 100] {
        let leechers = if dual { top(places, "leechers") } else { String::new() };
        let lists = top(places, "peers") + &top(places, "seeds") + &leechers;
        matches(&page(&tracker, &format!("top{places}")), &lists);
    }
}

#[test]
fn everything_is_xml_in_a_fixed_order() {
    let tracker = Tracker::busy();
    let page = String::from_utf8(page(&tracker, "everything")).expect("text");
    let document = roxmltree::Document::parse(&page).expect("XML");
    let mut names = Vec::new();
    fn walk(node: roxmltree::Node<'_, '_>, depth: usize, names: &mut Vec<String>) {
        for child in node.children().filter(|child| child.is_element()) {
            let of = child.attributes().map(|a| format!("[{}={}]", a.name(), a.value())).collect::<String>();
            names.push(format!("{}{}{of}", " ".repeat(depth), child.tag_name().name()));
            walk(child, depth + 1, names);
        }
    }
    walk(document.root_element(), 0, &mut names);
    let mut expected: Vec<String> = "tracker_id\nversion\nuptime\ntorrents\n count_mutex\n count_iterator\npeers\n count\nseeds\n count\n\
        completed\n count\nconnections\n tcp\n  accept\n  announce\n  scrape\n udp\n  overall\n  connect\n  announce\n  scrape\n  \
        missmatch\n livesync\n  count\ndebug\n renew"
        .lines()
        .map(str::to_owned)
        .collect();
    expected.extend((0..45).map(|minutes| format!("  count[interval={minutes:02}]")));
    expected.push(" http_error".into());
    let codes = [
        "302 Redirect",
        "400 Parse Error",
        "400 Invalid Parameter",
        "400 Invalid Parameter (compact=0)",
        "400 Not Modest",
        "402 Payment Required",
        "403 Access Denied",
        "404 Not found",
        "500 Internal Server Error",
    ];
    expected.extend(codes.iter().map(|code| format!("  count[code={code}]")));
    expected.extend([" mutex_stall".into(), "  count".into()]);
    assert_eq!(names, expected);

    let number = |path: &[&str]| {
        let node = path.iter().fold(document.root_element(), |node, name| {
            node.children().find(|child| child.has_tag_name(*name)).unwrap_or_else(|| panic!("{path:?}"))
        });
        node.text().expect("text").trim().parse::<u64>().expect("a number")
    };
    assert_eq!(number(&["torrents", "count_mutex"]), 5);
    assert_eq!(number(&["torrents", "count_iterator"]), 5);
    assert_eq!((number(&["peers", "count"]), number(&["seeds", "count"])), (6, 3));
    assert_eq!((number(&["completed", "count"]), number(&["connections", "tcp", "announce"])), (3, 1));
    assert_eq!(number(&["connections", "udp", "announce"]), 6);
    assert_eq!(number(&["debug", "mutex_stall", "count"]), 0);
    let error = |code| {
        let found = document.descendants().find(|node| node.attribute("code") == Some(code)).expect("an error");
        found.text().expect("text").to_owned()
    };
    assert_eq!((error("404 Not found"), error("400 Invalid Parameter")), ("1".into(), "1".into()));
}

#[test]
fn dumps_are_lines() {
    if !built_with("fullscrape") {
        return;
    }
    let tracker = Tracker::busy();
    let line = r"(?:[A-F0-9]{40}:\d+:\d+\n)";
    assert_eq!(matches(&page(&tracker, "tpbs&format=txt"), &format!("{line}{{5}}")), [0; 0]);
    matches(&page(&tracker, "tpbs&format=txtp"), r"(?:[A-F0-9]{40}:\d+:\d+:\d+\n){5}");
    matches(&page(&tracker, "statedump"), r"(?:[A-F0-9]{40}:\d+:\d+\n){5}");
    matches(&page(&tracker, "tpbs&format=url"), r"(?:(?:%[0-9a-f]{2}|[A-Za-z0-9$./=_~-])+:\d+:\d+\n){5}");
    assert_eq!(page(&tracker, "tpbs&format=bin").len(), 5 * 28);
    assert_eq!(page(&tracker, "tpbs"), page(&tracker, "tpbs&format=ben"));
}

#[test]
fn a_restart_keeps_torrents_and_downloads() {
    if !built_with("fullscrape") {
        return;
    }
    let tracker = Tracker::busy();
    let state = page(&tracker, "statedump");
    let before = page(&tracker, "tpbs&format=txtp");
    let again = Starter::new().allow((0..10).map(hash)).file("state", &state).args(["-l", "state"]).start();
    assert_eq!(page(&again, "statedump"), state);
    assert_eq!(again.stderr(), "");
    let without_peers = Regex::new(r"(?m):\d+:\d+:(\d+)$").expect("a pattern");
    let dormant = without_peers.replace_all(&before, &b":0:0:$1"[..]).into_owned();
    assert_eq!(page(&again, "tpbs&format=txtp"), dormant);

    // a disk that was full, an editor that broke lines
    let mut damaged = state.clone();
    damaged.truncate(state.len() - 3);
    damaged.splice(60..62, *b"\n\n");
    let damaged = Starter::new().allow((0..10).map(hash)).file("state", &damaged).args(["-l", "state"]).start();
    let warning = damaged.stderr();
    let kept = page(&damaged, "statedump");
    let kept: Vec<_> = kept.split_inclusive(|c| *c == b'\n').collect();
    assert!(kept.iter().all(|line| state.split_inclusive(|c| *c == b'\n').any(|whole| whole == *line)), "{warning}");
    assert!(kept.len() >= 3, "{}", kept.len());
    assert_eq!(warning.matches("damaged lines").count(), 1, "{warning}");
}

#[test]
fn the_version_names_the_switches() {
    let tracker = tracker();
    let build = tracker.build().clone();
    if build.original {
        return harness::for_another_build("the original's version is another text");
    }
    let text = String::from_utf8(page(&tracker, "version")).expect("text");
    let output = std::process::Command::new(&build.path).arg("-v").output().expect("a version");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    // a running one says in addition what its torrents and peers take
    let (text, held) = text.split_at(text.find("memory of torrents").unwrap_or(text.len()));
    assert!(
        Regex::new(r"\Amemory of torrents and peers: \d+ bytes\n\z").expect("a pattern").is_match(held.as_bytes()),
        "{held}"
    );
    assert_eq!(String::from_utf8(output.stderr).expect("text"), text);
    let switches = if build.features.is_empty() { "none".to_owned() } else { build.features.join(" ") };
    let found =
        Regex::new(r"\Aopentracker \d+\.\d+\.\d+ \(Rust\)\ncommit [0-9a-z]+\nswitches: (.*)\n\z").expect("a pattern");
    let found = found.captures(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(String::from_utf8_lossy(&found[1]), switches);
}

#[test]
fn numwants_are_counted_within_their_limits() {
    if !built_with("log-numwant") {
        return;
    }
    let tracker = tracker();
    for query in ["numwant=7", "numwant=-7", "numwant=999", "numwant=0&event=stopped", "x=1", "numwant=x", "compact=0"]
    {
        tracker.get(&format!("/announce?info_hash={}&port=5&{query}", percent(&hash(2))));
    }
    tracker.get("/announce?numwant=7");
    let page = String::from_utf8(page(&tracker, "numwants")).expect("text");
    let counts = [(0, 1), (7, 2), (50, 2), (200, 1)];
    let count = |wanted| counts.iter().find(|(other, _)| *other == wanted).map_or(0, |(_, count)| *count);
    assert_eq!(page, (0..=200).map(|wanted| format!("{wanted:03} => {}\n", count(wanted))).collect::<String>());
}

#[test]
fn woodpeckers_are_counted_and_forgotten() {
    if !built_with("spot-woodpecker") || !harness::clock_or_skip() {
        return;
    }
    let tracker = tracker();
    let rest = if Build::under_test().has("dual-stack") { "Networks, limit /68:\n\n" } else { "" };
    let announce = |times: usize| {
        let mut udp = tracker.udp_from([127, 0, 3, 20]);
        (0..times).for_each(|_| drop(udp.announce(&Announce::new(hash(1), 1))));
    };
    announce(3);
    assert_eq!(page(&tracker, "woodpeckers"), format!("Networks, limit /28:\n\n{rest}").as_bytes());
    let mut counted = 0;
    for _ in 0..6 {
        tracker.advance(MINUTE);
        announce(2);
        counted += 1;
    }
    let text = String::from_utf8(page(&tracker, "woodpeckers")).expect("text");
    let found = matches(text.as_bytes(), &format!(r"Networks, limit /28:\n(\d{{8}}): 127\.0\.3\.16\n\n{rest}"));
    assert!((2..counted).contains(&found[0]), "{text}");
    tracker.advance(20 * MINUTE);
    announce(1);
    assert_eq!(page(&tracker, "woodpeckers"), format!("Networks, limit /28:\n\n{rest}").as_bytes());
}

#[test]
fn full_scrapes_are_modest() {
    if !built_with("modest-fullscrapes") || !harness::clock_or_skip() {
        return;
    }
    let tracker = tracker();
    let code = |last| tracker.get_from([127, 0, 0, last], "/scrape").code();
    assert_eq!([code(1), code(1), code(3)], [200, 402, 200]);
    tracker.advance(4 * MINUTE);
    assert_eq!(code(1), 402);
    tracker.advance(MINUTE + 5);
    assert_eq!([code(1), code(1), code(3)], [200, 402, 200], "a refusal does not extend the time");
    assert_eq!(tracker.get_from([127, 0, 0, 1], "/stats?mode=tpbs").code(), 200);
}

#[test]
fn requests_of_chosen_networks_are_logged() {
    if !built_with("fulllog-networks") {
        return;
    }
    let tracker = Starter::new().allow((0..10).map(hash)).args(["-A", "127.0.0.1"]).start();
    let announce = format!("/announce?info_hash={}&port=5", percent(&hash(2)));
    let log = || {
        let reply = tracker.get("/stats?mode=fulllog");
        assert!(reply.is_whole() && reply.head().starts_with("HTTP/1.0 200 OK"), "{}", reply.head());
        reply.text()
    };
    // for others the parameter is unknown
    let reply = tracker.get_from([127, 0, 0, 2], &format!("{announce}&lognet=127.0.0.0/8"));
    assert!(reply.text().starts_with("d8:complete"), "{}", reply.text());
    assert_eq!(log(), "");
    let reply = tracker.get(&format!("{announce}&lognet=127.0.3.0/24&port=x"));
    assert_eq!((reply.code(), reply.text()), (200, "Successfully added.\n".into()));
    assert_eq!(tracker.get("/announce?lognet=nowhere").code(), 400);

    tracker.get_from([127, 0, 3, 4], &announce);
    tracker.get_from([127, 0, 4, 4], &announce);
    tracker.get_from([127, 0, 3, 255], "/stats?mode=%70eer");
    let text = log();
    let first = format!(r"\d{{8,}}: 127\.0\.3\.4\nGET {} HTTP/1\.0\r\n\r\n\n\*\n\n", regex::escape(&announce));
    matches(
        text.as_bytes(),
        &format!(r"{first}\d{{8,}}: 127\.0\.3\.255\nGET /stats\?mode=%70eer HTTP/1\.0\r\n\r\n\n\*\n\n"),
    );
    assert_eq!(log(), "", "reading empties it");
    assert_eq!(tracker.get("/announce?lognet=-").text(), "Successfully removed.\n");
    tracker.get_from([127, 0, 3, 4], &announce);
    assert_eq!(log(), "");
}

#[test]
fn the_busiest_networks_as_the_original_lists_them() {
    let Some(original) = Build::original() else { return harness::skipped("the original is not installed") };
    if !harness::ipv4_or_skip() {
        return;
    }
    let ours = tracker();
    let original = Starter::of(original).allow((0..10).map(hash)).start();
    // more networks than are listed, many of them equal
    let mut state = 7;
    let sources: Vec<[u8; 4]> = (0..700)
        .map(|_| {
            let draw = harness::splitmix(&mut state);
            [127, 0, (draw % 50 * (draw >> 32 & 1)) as u8 + (draw >> 8) as u8 % 190, (draw >> 16) as u8 & 0xf3 | 1]
        })
        .collect();
    for tracker in [&ours, &original] {
        for (port, source) in sources.iter().enumerate() {
            if *source == [127, 0, 0, 1] {
                continue;
            }
            let mut udp = harness::udp::Client::new(tracker.udp_address(), IpAddr::from(*source)).expect("a socket");
            udp.announce(&Announce::new(hash(port as u64 % 10), 1 + port as u16 % 3));
        }
    }
    let (ours, original) = (ours.get("/stats?mode=s24s"), original.get("/stats?mode=s24s"));
    let no_v6 = "Networks, limit /68:\n\nNetworks, limit /48:\n\n";
    let rest = if Build::under_test().has("dual-stack") { no_v6 } else { "" };
    assert_eq!(ours.text(), format!("{}{rest}", original.text()));
    assert_eq!(original.text().lines().count(), 2 * (128 + 2));
}
