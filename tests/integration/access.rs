//! Who is served, and under which address: access lists, blessings, proxies, both families.

use crate::harness::bencode::Value;
use crate::harness::http::{Reply, exchange, get_request};
use crate::harness::{self, Build, SOON, Starter, Tracker, built_with, eventually, hash, hex, percent, udp};
use rustix::process::Signal;
use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};

fn v6() -> bool {
    Build::under_test().v6()
}

/// A tracker whose blessed addresses the tests choose.
fn starter() -> Starter {
    Starter::new().own_blessings()
}

/// The option that names the access list, if the build has one; whether torrents on the list are served.
fn list_option() -> Option<(&'static str, bool)> {
    let build = Build::under_test();
    if build.has("accesslist-white") || build.has("accesslist-any") {
        return Some(("-w", true));
    }
    if build.has("accesslist-black") {
        return Some(("-b", false));
    }
    harness::for_another_build("needs an access list");
    None
}

/// Whether announces for a torrent are answered; a refusal has 8 bytes.
fn served(tracker: &Tracker, torrent: [u8; 20]) -> bool {
    let mut client = tracker.udp();
    let packet = udp::Announce::new(torrent, 1).packet(client.id());
    client.exchange(&packet, SOON).expect("an answer to an announce").len() > 8
}

fn scrape(tracker: &Tracker, torrent: [u8; 20]) -> [u32; 3] {
    tracker.udp().scrape(&[torrent])[0]
}

#[test]
fn lists_of_every_shape_are_read_again() {
    let Some((option, white)) = list_option() else { return };
    let tracker = starter().own_list().file("list", b"").args([option, "list"]).start();
    let (a, b) = (hex(&hash(1)), hex(&hash(2)));
    let long = "x".repeat(10 << 20);
    let shapes: [(String, [bool; 2]); 9] = [
        (a.clone(), [true, false]),
        (format!("{a}\n{b}"), [true, true]),
        (String::new(), [false, false]),
        (format!("{a}\r\n\r\n{b}\r\n"), [true, true]),
        (format!("{long}\n{b} {long}\n{a}0"), [false, true]),
        (format!("\0{b}\n{}\0\n", a.to_uppercase()), [true, false]),
        ("\0".repeat(1000), [false, false]),
        (format!("{b}\n{}", &a[..39]), [false, true]),
        (format!("# {a}\n{a}\n{a}\n"), [true, false]),
    ];
    for (content, listed) in shapes {
        tracker.scratch().write("list", content.as_bytes());
        tracker.signal(Signal::HUP);
        let start: String = content.chars().take(50).collect();
        eventually(&format!("{start:?} counts"), || {
            [hash(1), hash(2)].map(|torrent| served(&tracker, torrent) == white) == listed
        });
    }
    assert!(tracker.stderr().contains("Warning: accesslist file list: its last line breaks off and was left out."));
}

#[test]
fn a_list_of_which_most_lines_are_ignored_says_so() {
    let Some((option, white)) = list_option() else { return };
    let tracker = starter().own_list().file("list", b"").args([option, "list"]).start();
    let (a, b) = (hex(&hash(1)), hex(&hash(2)));
    let wide: String = format!("{a}\r\n{b}\r\n").bytes().flat_map(|byte| [char::from(byte), '\0']).collect();
    let shapes: [(String, [bool; 2], Option<&str>); 6] = [
        (format!("\u{feff}{a}\n"), [true, false], None),
        (format!("# all of ours\n\n{b}\n"), [false, true], None),
        (format!("magnet:?xt=urn:btih:{a}\n{b}\nx"), [false, true], Some("only 1 of its 3 lines count, line 1 is ")),
        (format!("\t{a}\n {b}\n"), [false, false], Some("none of its 2 lines count, line 1 is ")),
        (
            format!("{b}\n{}\n{a}{}\n", &a[..39], &a[..24]),
            [false, true],
            Some("only 1 of its 3 lines count, line 2 is "),
        ),
        (wide, [false, false], Some("none of its 2 lines count, line 1 is ")),
    ];
    for (content, listed, said) in shapes {
        let before = tracker.stderr().len();
        tracker.scratch().write("list", content.as_bytes());
        tracker.signal(Signal::HUP);
        let news = || tracker.stderr()[before..].to_owned();
        eventually(&format!("{content:?} counts"), || {
            [hash(1), hash(2)].map(|torrent| served(&tracker, torrent) == white) == listed
                && news().lines().count() == usize::from(said.is_some())
        });
        let said = said.map(|said| format!("Warning: accesslist file list: {said}")).unwrap_or_default();
        assert!(news().starts_with(&said), "{content:?}: {}", news());
    }
}

#[test]
fn what_is_no_list_leaves_the_one_in_force() {
    let Some((option, white)) = list_option() else { return };
    let tracker = starter().own_list().file("list", hex(&hash(1)).as_bytes()).args([option, "list"]).start();
    let path = tracker.scratch().path().join("list");
    let unreadable = "Warning: Can't open accesslist file: list (but will try to create it later, if necessary and possible).\nPWD: ";
    let named = CString::new(path.to_str().expect("a path of text")).expect("a path without NUL");
    let faults: [(&dyn Fn(), &str); 4] = [
        (&|| {}, unreadable),
        (&|| std::fs::create_dir(&path).expect("a directory"), unreadable),
        (
            &|| {
                std::fs::remove_dir(&path).expect("no directory");
                let mode = rustix::fs::Mode::from_raw_mode(0o666);
                rustix::fs::mknodat(rustix::fs::CWD, named.as_c_str(), rustix::fs::FileType::Fifo, mode, 0)
                    .expect("a pipe");
            },
            unreadable,
        ),
        (
            &|| {
                std::fs::remove_file(&path).expect("no pipe");
                std::fs::File::create(&path).and_then(|file| file.set_len(5 << 30)).expect("a sparse file");
            },
            "Warning: accesslist file list: it is too large, the list in force stays.\n",
        ),
    ];
    std::fs::remove_file(&path).expect("no file");
    for (spoil, warning) in faults {
        spoil();
        let before = tracker.stderr().matches(warning).count();
        tracker.signal(Signal::HUP);
        eventually(warning, || tracker.stderr().matches(warning).count() > before);
        assert_eq!(served(&tracker, hash(1)), white, "{warning}");
        assert_eq!(served(&tracker, hash(2)), !white, "{warning}");
    }
}

#[test]
fn without_a_file_a_whitelist_forbids_all() {
    let Some((option, white)) = list_option() else { return };
    // without a word a build for either kind serves all
    let any = Build::under_test().has("accesslist-any");
    let unnamed = (!any).then_some((vec![], "(null)"));
    for (words, name) in unnamed.into_iter().chain([(vec![option, "nowhere"], "nowhere")]) {
        let tracker = starter().own_list().args(words).start();
        assert_eq!(served(&tracker, hash(1)), !white, "{name}");
        let directory = if rustix::process::geteuid().is_root() { "/\n" } else { "" };
        let warning = format!(
            "Warning: Can't open accesslist file: {name} (but will try to create it later, if necessary and possible).\n\
             PWD: {directory}"
        );
        assert!(tracker.stderr().contains(&warning), "{}", tracker.stderr());
    }
}

#[test]
fn torrents_that_are_forbidden_later_can_still_be_left() {
    let Some((option, white)) = list_option() else { return };
    let other = if white { String::new() } else { hex(&hash(1)) };
    let first = if white { hex(&hash(1)) } else { String::new() };
    let tracker = starter().own_list().file("list", first.as_bytes()).args([option, "list"]).start();
    assert!(served(&tracker, hash(1)));
    tracker.scratch().write("list", other.as_bytes());
    tracker.signal(Signal::HUP);
    eventually("it is forbidden", || !served(&tracker, hash(1)));
    assert_eq!(scrape(&tracker, hash(1)), [0, 0, 1]);
    let announce = format!("/announce?info_hash={}&port=1", percent(&hash(1)));
    assert_eq!(
        tracker.get(&announce).text(),
        "d14:failure reason63:Requested download is not authorized for use with this tracker.e"
    );
    assert!(tracker.get(&format!("{announce}&event=stopped")).text().starts_with("d8:completei0e10:incompletei0e"));
    assert_eq!(scrape(&tracker, hash(1)), [0, 0, 0]);
}

#[test]
fn lists_are_read_again_with_udp_workers() {
    let Some((option, white)) = list_option() else { return };
    let starter = starter().own_list().bare();
    let (tcp, udp, directory) = (starter.tcp_address(), starter.udp_address(), starter.scratch().path().to_owned());
    let config = format!(
        "listen.udp.workers 3\nlisten.udp {udp}\nlisten.tcp {tcp}\ntracker.rootdir {}\naccess.{}list list\n",
        directory.display(),
        if white { "white" } else { "black" }
    );
    let words = starter.words_of_the_build();
    let mut tracker =
        starter.file("conf", config.as_bytes()).file("list", b"").args(["-f", "conf"]).args(words).start();
    for round in 0..20 {
        tracker.scratch().write("list", hex(&hash(round)).as_bytes());
        tracker.signal(Signal::HUP);
        eventually("the new list counts", || served(&tracker, hash(round)) == white);
        assert_eq!(served(&tracker, hash(round + 100)), !white);
    }
    assert!(tracker.exited().is_none());
    tracker.signal(Signal::INT);
    assert_eq!(tracker.wait(SOON).code(), Some(0), "{option}");
}

#[test]
fn the_state_is_read_under_the_list() {
    let Some((option, white)) = list_option() else { return };
    let minute = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs() / 60;
    let state = format!("{}:{minute}:7\n{}:{minute}:8\n", hex(&hash(1)), hex(&hash(2)));
    let tracker = starter()
        .own_list()
        .file("list", hex(&hash(1)).as_bytes())
        .file("state", state.as_bytes())
        .args([option, "list", "-l", "state"])
        .start();
    let known = if white { [7, 0] } else { [0, 8] };
    assert_eq!([1, 2].map(|n| scrape(&tracker, hash(n))[1]), known);
}

fn ask(to: SocketAddr, source: IpAddr, request: &[u8]) -> Reply {
    exchange(to, Some(source), request, SOON).expect("a connection")
}

/// A tracker that listens on everything, so that clients come from any IPv4 loopback address, in an IPv6 build under mapped ones.
fn on_everything(config: &str) -> (Tracker, SocketAddr) {
    let starter = starter().on_all().allow((0..30).map(hash)).file("conf", config.as_bytes());
    let tracker = starter.args(["-f", "conf"]).start();
    let over_v4 = tracker.over_ipv4(tracker.tcp_address());
    (tracker, over_v4)
}

#[test]
fn statistics_are_for_the_blessed() {
    if !built_with("restrict-stats") {
        return;
    }
    let config =
        "access.stats 127.0.9.0/24\naccess.stats 127.0.8.1\naccess.stats 10.0.0.0/x\naccess.stats 2001:db8::/32\n";
    let (tracker, to) = on_everything(config);
    let code = |source: [u8; 4], target: &str| ask(to, source.into(), &get_request(target)).code();
    for (source, code_wanted) in [
        ([127, 0, 9, 0], 200),
        ([127, 0, 9, 255], 200),
        ([127, 0, 8, 1], 200),
        ([127, 0, 8, 2], 403),
        ([127, 0, 10, 0], 403),
    ] {
        assert_eq!(code(source, "/stats"), code_wanted, "{source:?}");
        assert_eq!(code(source, "/stats?mode=everything"), code_wanted, "{source:?}");
        // refused before its parameters are looked at, after its path is
        assert_eq!(code(source, "/stats?mode=nope"), if code_wanted == 403 { 403 } else { 400 }, "{source:?}");
        assert_eq!(code(source, "/nope"), 404, "{source:?}");
    }
    assert_eq!(tracker.stderr().matches("Parse error in config file: access.stats 10.0.0.0/x\n").count(), 1);
}

/// The peers that an announce is answered with, each as many bytes as it has in this build.
fn peers(reply: &Reply) -> Vec<Vec<u8>> {
    let name: &[u8] = if v6() { b"6:peers6" } else { b"5:peers" };
    let body = reply.body();
    let at = body.windows(name.len()).position(|bytes| bytes == name).expect("peers") + name.len();
    let start = at + body[at..].iter().position(|byte| *byte == b':').expect("a length") + 1;
    body[start..body.len() - 1].chunks(if v6() { 18 } else { 6 }).map(<[u8]>::to_vec).collect()
}

/// A peer's bytes.
fn peer(address: &str, port: u16) -> Vec<u8> {
    let bytes = match address.parse().expect("an address") {
        IpAddr::V4(v4) if v6() => v4.to_ipv6_mapped().octets().to_vec(),
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    [bytes, port.to_be_bytes().to_vec()].concat()
}

/// Announces with more parameters and header lines from an address; the peer's port is unique.
fn announce(to: SocketAddr, torrent: u64, more: &str, lines: &str) -> Reply {
    let target = format!("/announce?info_hash={}&port=7&left=1{more}", percent(&hash(torrent)));
    ask(to, [127, 0, 0, 1].into(), format!("GET {target} HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes())
}

#[test]
fn the_address_in_the_query() {
    if !built_with("ip-from-query-string") {
        return;
    }
    let (_tracker, to) = on_everything("");
    let own_family = if v6() { vec!["2001:db8::7", "::1"] } else { vec![] };
    for (n, ip) in ["10.1.2.3", "::ffff:10.1.2.3"].into_iter().chain(own_family).enumerate() {
        let reply = announce(to, n as u64, &format!("&ip={ip}"), "");
        assert_eq!(peers(&reply), [peer(ip.trim_start_matches("::ffff:"), 7)], "{ip}");
    }
    // the last one counts, anything may follow, all must be addresses
    assert_eq!(peers(&announce(to, 10, "&ip=10.9.9.9&ip=10.1.2.4.5", "")), [peer("10.1.2.4", 7)]);
    let other_family = if v6() || Build::under_test().has("dual-stack") { vec![] } else { vec!["2001:db8::7", "::1"] };
    for ip in ["", "nonsense", "1.2.3", "nonsense&ip=1.2.3.4"].into_iter().chain(other_family) {
        assert_eq!(announce(to, 11, &format!("&ip={ip}"), "").code(), 400, "{ip}");
    }
}

#[test]
fn the_address_that_a_proxy_names() {
    if !built_with("ip-from-proxy") {
        return;
    }
    let (_tracker, to) = on_everything("access.proxy 127.0.0.0/30\n");
    for (n, (lines, wanted)) in [
        ("X-Forwarded-For: 10.1.2.3\r\n", "10.1.2.3"),
        ("x-forwarded-FOR:10.1.2.4, 10.9.9.9\r\nX-Forwarded-For: 10.9.9.9\r\n", "10.1.2.4"),
        ("X-Forwarded-For: unknown, 10.9.9.9\r\n", "127.0.0.1"),
        ("X-Forwarded-For:\r\n", "127.0.0.1"),
        ("", "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(peers(&announce(to, n as u64, "", lines)), [peer(wanted, 7)], "{lines:?}");
    }
    // an IPv6 client is a peer where there are such, else it is told of the others, and the proxy is no peer in its place
    let reply = announce(to, 30, "", "X-Forwarded-For: 2001:db8::7\r\n");
    let key = if v6() || Build::under_test().has("dual-stack") { "peers6" } else { "peers" };
    let stored = if key == "peers6" { peer("2001:db8::7", 7) } else { Vec::new() };
    assert_eq!(reply.bencode().get(key), &Value::Bytes(stored));
    // what clients put into the query is not the proxy's word, even where it decodes to a header line
    let inside = "&%0d%0aX-Forwarded-For:%2010.6.6.6%0d%0a=1";
    assert_eq!(peers(&announce(to, 20, inside, "")), [peer("127.0.0.1", 7)]);
    assert_eq!(peers(&announce(to, 21, inside, "X-Forwarded-For: 10.1.2.3\r\n")), [peer("10.1.2.3", 7)]);
    // no other address is believed
    let target = format!("/announce?info_hash={}&port=7", percent(&hash(22)));
    let request = format!("GET {target} HTTP/1.1\r\nX-Forwarded-For: 10.1.2.3\r\n\r\n");
    let reply = ask(to, [127, 0, 0, 4].into(), request.as_bytes());
    assert_eq!(peers(&reply), [peer("127.0.0.4", 7)]);
}

#[test]
fn a_wildcard_serves_both_families() {
    if !built_with("v6") {
        return;
    }
    let (tracker, over_v4) = on_everything("");
    let over_v6 = SocketAddr::new("::1".parse().expect("an address"), over_v4.port());
    let request = get_request(&format!("/announce?info_hash={}&port=7", percent(&hash(1))));
    assert_eq!(peers(&ask(over_v4, "127.0.0.1".parse().expect("an address"), &request)), [peer("127.0.0.1", 7)]);
    let mut both = peers(&ask(over_v6, over_v6.ip(), &request));
    both.sort();
    assert_eq!(both, [peer("::1", 7), peer("127.0.0.1", 7)]);
    // over UDP too
    for (n, ip) in [(2, "127.0.0.1"), (3, "::1")] {
        let ip: IpAddr = ip.parse().expect("an address");
        let mut client = udp::Client::new(SocketAddr::new(ip, tracker.udp_address().port()), ip).expect("a socket");
        let packet = udp::Announce::new(hash(n), 9).packet(client.id());
        let reply = client.exchange(&packet, SOON).expect("an answer");
        assert_eq!(reply[20..], peer(&ip.to_string(), 9));
    }
    // the log of full scrapes has addresses as people write them
    if Build::under_test().has("fullscrape") {
        for (to, shown) in [(over_v4, "127.0.0.1"), (over_v6, "::1")] {
            assert_eq!(ask(to, to.ip(), &get_request("/scrape")).code(), 200);
            let line = format!("scrp:  {shown} - FULL SCRAPE\n");
            eventually(&line, || tracker.stderr().contains(&line));
        }
    }
}

#[test]
fn each_build_binds_its_family() {
    if Build::under_test().has("dual-stack") {
        return harness::for_another_build("one that serves one family");
    }
    let (other, text) =
        if v6() { ("127.0.0.1", "V6 Tracker is V6 only!\n") } else { ("::1", "V4 Tracker is V4 only!\n") };
    for words in [vec!["-i", other, "-p", "0"], vec!["-i", other, "-P", "0"], vec!["-f", "conf"]] {
        let config = format!("listen.tcp {other}\n");
        let mut tracker = Starter::new().bare().file("conf", config.as_bytes()).args(words).spawn();
        assert_eq!(tracker.wait(SOON).code(), Some(111));
        assert_eq!(tracker.stderr(), text);
    }
}
