//! The tracker as a process: signals, privileges, descriptors, addresses.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::harness::http::{Client, get_request};
use crate::harness::{
    self, AT_ONCE, Build, SOON, Scratch, Starter, Tracker, eventually, hash, percent, proc, root_or_skip, udp, within,
};
use rustix::process::Signal;

/// Group and user for a name that does not exist.
const NO_SUCH_USER: u32 = u32::MAX - 1;

/// How many descriptors a tracker has that is to run out of them.
const DESCRIPTORS: usize = 40;

#[test]
fn sigint_ends_it_well_also_in_an_empty_root() {
    let empty = Scratch::new();
    let directory = empty.path().to_str().expect("a path");
    for args in [vec![], vec!["-d", directory]] {
        let mut tracker = Starter::new().args(args).start();
        // Connections of all kinds do not hold it up.
        let _idle = tracker.connect();
        tracker.get("/stats");
        tracker.signal(Signal::INT);
        assert_eq!(tracker.wait(AT_ONCE).code(), Some(0));
    }
}

#[test]
fn sighup_is_harmless() {
    for workers in ["0", "2"] {
        let starter = Starter::new().allow([hash(1)]).bare();
        let (address, directory) = (starter.tcp_address(), starter.scratch().path().display().to_string());
        let config = format!(
            "listen.udp.workers {workers}\nlisten.udp {}\nlisten.tcp {address}\ntracker.rootdir {directory}\n",
            starter.udp_address()
        );
        let words = starter.words_of_the_build();
        let mut tracker = starter.file("conf", config.as_bytes()).args(["-f", "conf"]).args(words).start();
        for _ in 0..20 {
            tracker.signal(Signal::HUP);
            tracker.nudge();
        }
        assert_eq!(tracker.udp().announce(&udp::Announce::new(hash(1), 1)).leechers, 1);
        assert!(tracker.get("/stats").is_whole());
        assert!(tracker.exited().is_none());
        tracker.signal(Signal::INT);
        assert_eq!(tracker.wait(AT_ONCE).code(), Some(0), "with {workers} workers");
    }
}

#[test]
fn standard_streams_may_be_closed_or_full() {
    for streams in ["<&- >&- 2>&-", "2>&-", ">/dev/full 2>/dev/full"] {
        let script = format!("exec \"$0\" \"$@\" {streams}");
        // with something to say
        let starter =
            Starter::new().allow([hash(1)]).file("conf", b"no.such key\n").args(["-f", "conf", "-l", "nowhere"]);
        let mut tracker = starter.wrap(["sh", "-c", &script]).start();
        assert_eq!(tracker.udp().announce(&udp::Announce::new(hash(1), 1)).leechers, 1, "{streams}");
        assert!(tracker.get("/stats").is_whole(), "{streams}");
        tracker.signal(Signal::INT);
        assert_eq!(tracker.wait(AT_ONCE).code(), Some(0), "{streams}");
    }
}

#[test]
fn it_lives_without_free_descriptors() {
    let limited = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"");
    let tracker = Starter::new().allow([hash(1)]).wrap(["sh", "-c", &limited]).start();
    let before = tracker.descriptors();

    // More connections than there are descriptors for, and none of them says anything.
    let holding: Vec<Client> = (0..2 * DESCRIPTORS).map(|_| tracker.connect()).collect();
    // A few may be kept for something else.
    eventually("the descriptors are in use", || tracker.descriptors() >= DESCRIPTORS - 4);

    proc::becomes_idle(tracker.pid());
    let mut client = tracker.udp();
    assert_eq!(client.announce(&udp::Announce::new(hash(1), 1)).leechers, 1);

    drop(holding);
    let request = get_request(&format!("/scrape?info_hash={}", percent(&hash(1))));
    eventually("connections are accepted again", || {
        harness::http::exchange(tracker.tcp_address(), None, &request, SOON).is_ok_and(|reply| reply.is_whole())
    });
    eventually("the connections' descriptors are closed", || tracker.descriptors() == before);
}

#[test]
fn connections_stay_where_closing_them_makes_no_descriptor_free() {
    const WAITING: usize = 40;
    if cfg!(opentracker_portable) {
        return harness::for_another_build("poll takes no more descriptors than the limit allows");
    }
    if !root_or_skip() {
        return;
    }
    let tracker = Tracker::start();
    let before = tracker.descriptors();
    let waiting: Vec<_> = (0..WAITING).map(|_| tracker.connect()).collect();
    eventually("all are accepted", || tracker.descriptors() == before + WAITING);
    proc::set_limit(tracker.pid(), "--nofile", "3");
    let more = tracker.connect();
    eventually("it says so", || tracker.stderr().contains("accept: Too many open files\n"));
    assert!(tracker.descriptors() > before + WAITING / 2, "few of them are closed to see whether that helps");
    assert!(tracker.udp().id() != 0, "the others go on");
    drop((waiting, more));
}

#[test]
fn two_trackers_may_share_an_address() {
    let first = Starter::new().on(Build::under_test().loopback()).start();
    let (tcp, udp) = (first.tcp_address(), first.udp_address());
    let place = |starter: Starter| {
        let words = ["-i", &tcp.ip().to_string(), "-p", &tcp.port().to_string(), "-P", &udp.port().to_string()]
            .map(str::to_string);
        let build = starter.words_of_the_build();
        starter.bare().args(words).args(["-d", "."]).args(build)
    };
    let mut second = place(Starter::new()).spawn();
    eventually("the second tracker has its sockets", || sockets(second.pid(), "tcp", tcp).contains(&tcp));
    drop(first);
    let answers = within(SOON, || {
        assert!(second.exited().is_none(), "{}", second.stderr());
        udp::Client::new(udp, second.client_address()).ok()?.exchange(&udp::header(udp::MAGIC, 0), SOON)
    });
    assert_eq!(answers.expect("an answer of the second tracker").len(), 16);
}

#[test]
fn answers_come_from_the_address_that_was_asked() {
    let tracker = Starter::new().on_all().allow([hash(1)]).start();
    let port = tracker.udp_address().port();
    for last in [1, 2, 77, 254] {
        let asked = IpAddr::from([127, 0, 0, last]);
        // The socket is connected: from anywhere else it takes nothing.
        let mut client = udp::Client::new(SocketAddr::new(asked, port), [127, 0, 9, 9].into()).expect("a socket");
        let answer = client.announce(&udp::Announce::new(hash(1), 9));
        assert_eq!(answer.peers, ["127.0.9.9:9".parse().expect("an address")], "asked at {asked}");
    }
}

#[test]
fn root_is_given_up_for_good() {
    if !harness::root_or_skip() {
        return;
    }
    let (uid, gid) = nobody();
    // It begins with groups besides its own.
    let tracker = Starter::new().wrap(["setpriv", "--groups=0,4,27"]).start();
    let pid = tracker.pid();
    assert_eq!(proc::status_numbers(pid, "Uid"), [uid; 4]);
    assert_eq!(proc::status_numbers(pid, "Gid"), [gid; 4]);
    assert_eq!(proc::status_numbers(pid, "Groups"), [0; 0]);
    assert_eq!(proc::root(pid), tracker.scratch().path());
    assert_eq!(proc::working_directory(pid), tracker.scratch().path());
    // All of its threads are alike.
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads") {
        let id = thread.expect("a thread").file_name().to_string_lossy().parse().expect("a number");
        assert_eq!(proc::status_numbers(id, "Uid"), [uid; 4]);
        assert_eq!(proc::status_numbers(id, "Groups"), [0; 0]);
    }
}

#[test]
fn workers_are_no_more_privileged() {
    if !harness::root_or_skip() {
        return;
    }
    let (uid, _) = nobody();
    let starter = Starter::new().bare().wrap(["setpriv", "--groups=0,4,27"]);
    let config = format!("listen.udp.workers 3\nlisten.udp {}\ntracker.user nobody\n", starter.udp_address());
    let directory = starter.scratch().path().display().to_string();
    let words = starter.words_of_the_build();
    let tracker = starter.file("conf", config.as_bytes()).args(["-f", "conf", "-d", &directory]).args(words).start();
    let threads = std::fs::read_dir(format!("/proc/{}/task", tracker.pid())).expect("its threads");
    let ids: Vec<u32> = threads
        .map(|thread| thread.expect("a thread").file_name().to_string_lossy().parse().expect("a number"))
        .collect();
    assert!(ids.len() >= 4, "three workers beside the loop: {}", ids.len());
    for id in ids {
        assert_eq!(proc::status_numbers(id, "Uid"), [uid; 4]);
        assert_eq!(proc::status_numbers(id, "Groups"), [0; 0]);
        assert_eq!(proc::root(id), tracker.scratch().path());
    }
}

#[test]
fn an_unknown_user_is_nobody_at_all() {
    if !harness::root_or_skip() {
        return;
    }
    let tracker = Starter::new().args(["-u", "no-such-user"]).start();
    assert_eq!(proc::status_numbers(tracker.pid(), "Uid"), [NO_SUCH_USER; 4]);
    assert_eq!(proc::status_numbers(tracker.pid(), "Gid"), [NO_SUCH_USER; 4]);
    assert!(
        tracker.stderr().starts_with("Warning: Could not get password entry for no-such-user. Reverting to uid -2.\n")
    );
}

#[test]
fn it_does_not_run_as_root() {
    if !harness::root_or_skip() {
        return;
    }
    let mut tracker = Starter::new().args(["-u", "root"]).spawn();
    assert_eq!(tracker.wait(SOON).code(), Some(111));
    assert!(tracker.stderr().contains("Still running with root privileges?!: Success\n"), "{}", tracker.stderr());
}

#[test]
fn an_ordinary_user_can_run_it() {
    if !harness::root_or_skip() {
        return;
    }
    // A copy, as that user may not be allowed to come to where it was built.
    let place = Scratch::new();
    let mut build = Build::under_test();
    let copy = place.path().join("opentracker");
    std::fs::copy(&build.path, &copy).expect("a copy of the program");
    build.path = copy;
    let starter = Starter::of(build).run_by(nobody().0);
    // It reads this directory only.
    let directory = starter.scratch().path().to_path_buf();
    let tracker = starter.start();
    assert_eq!(proc::root(tracker.pid()), Path::new("/"));
    assert_eq!(proc::working_directory(tracker.pid()), directory);
    assert!(tracker.get("/stats").code() != 0);
}

#[test]
fn without_any_address_it_takes_the_usual_port() {
    // In a network of its own, where no other process has that port.
    const NETWORK: [&str; 5] = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""];
    if !harness::root_or_skip() || !harness::namespaces_or_skip(&NETWORK) {
        return;
    }
    let (wildcard, loopback) = (Build::under_test().wildcard(), Build::under_test().loopback());
    let wildcard = if ["v4-only", "dual-stack"].iter().all(|switch| Build::under_test().has(switch)) {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    } else {
        wildcard
    };
    for (args, ip) in [(vec![], wildcard), (vec!["-i".to_string(), loopback.to_string()], loopback)] {
        let starter = Starter::new().bare().wrap(NETWORK);
        let words = starter.words_of_the_build();
        let at = SocketAddr::new(ip, 6969);
        let tracker = starter.args(["-d", "."]).args(words).args(args).spawn();
        eventually("TCP and UDP at port 6969", || {
            sockets(tracker.pid(), "tcp", at).contains(&at) && sockets(tracker.pid(), "udp", at).contains(&at)
        });
    }
}

/// User and group of nobody.
fn nobody() -> (u32, u32) {
    let passwd = std::fs::read_to_string("/etc/passwd").expect("the password file");
    let line = passwd.lines().find(|line| line.starts_with("nobody:")).expect("nobody");
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().expect("a user"), fields[3].parse().expect("a group"))
}

/// Local addresses of the sockets in a process's network that are its own and of the family of this one: `tcp` or `udp`.
pub fn sockets(pid: u32, kind: &str, of: SocketAddr) -> Vec<SocketAddr> {
    let family = if of.is_ipv6() { "6" } else { "" };
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/{kind}{family}")).unwrap_or_default();
    let own: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (ip, port) = fields.get(1)?.split_once(':')?;
            let inode = format!("socket:[{}]", fields.get(9)?);
            own.contains(&inode).then_some(SocketAddr::new(address_in_hex(ip)?, u16::from_str_radix(port, 16).ok()?))
        })
        .collect()
}

/// An address as /proc has it: numbers of 32 bits in the machine's byte order, one for IPv4, four for IPv6.
fn address_in_hex(digits: &str) -> Option<IpAddr> {
    let number = |at| Some(u32::from_str_radix(digits.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let bytes = (0..digits.len()).step_by(8).map(number).collect::<Option<Vec<_>>>()?.concat();
    let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from)).ok()
}
