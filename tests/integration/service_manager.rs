//! What a service manager is told (sd_notify), and the sockets that it hands over (LISTEN_FDS).

use crate::harness::udp::Announce;
use crate::harness::{self, AT_ONCE, SILENCE, SOON, Scratch, Starter, Tracker, hash, percent, within};
use crate::process::sockets;
use rustix::process::Signal;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    /// What `NOTIFY_SOCKET` says.
    address: OsString,
    _directory: Scratch,
}

impl Manager {
    /// At a path outside of any tracker's root directory.
    fn at_a_path() -> Manager {
        let directory = Scratch::new();
        let path = directory.path().join("notify");
        Manager { socket: UnixDatagram::bind(&path).expect("a socket"), address: path.into(), _directory: directory }
    }

    /// At an abstract address.
    fn abstract_one() -> Manager {
        let directory = Scratch::new();
        let name = directory.path().to_str().expect("a path of text").to_owned();
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        Manager { socket, address: format!("@{name}").into(), _directory: directory }
    }

    fn starter(&self) -> Starter {
        Starter::new().allow([hash(1)]).variable("NOTIFY_SOCKET", &self.address)
    }

    /// The next datagram, if one comes within that time.
    fn next(&self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).expect("a time limit");
        let mut buffer = [0; 4096];
        let length = harness::uninterrupted(|| self.socket.recv(&mut buffer)).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).expect("text"))
    }

    /// Passes over what does not begin so, and returns what does.
    #[track_caller]
    fn expect(&self, start: &str) -> String {
        let end = Instant::now() + SOON;
        loop {
            let said = self.next(end.saturating_duration_since(Instant::now()).max(SILENCE));
            let said = said.unwrap_or_else(|| panic!("nothing that begins with {start}"));
            if said.starts_with(start) {
                return said;
            }
        }
    }
}

/// A whole life as the service manager hears of it.
#[track_caller]
fn live(manager: &Manager, starter: Starter) {
    let mut tracker = starter.start();
    assert_eq!(manager.next(SOON).as_deref(), Some("READY=1"));
    let figures = "STATUS=0 torrents, 0 peers, 0 of them seeders, 0 announces per second";
    assert_eq!(manager.next(SOON).as_deref(), Some(figures));

    let before = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    tracker.signal(Signal::HUP);
    let reloading = manager.next(SOON).expect("a reload");
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("its beginning");
    let since = Duration::from_micros(since.parse().expect("a number"));
    let before = Duration::new(before.tv_sec as u64, before.tv_nsec as u32);
    assert!(since + Duration::from_micros(1) >= before && since < before + SOON, "{since:?}, {before:?}");
    assert_eq!(manager.next(SOON).as_deref(), Some("READY=1"));

    tracker.signal(Signal::INT);
    assert_eq!(manager.next(SOON).as_deref(), Some("STOPPING=1"));
    assert_eq!(tracker.wait(AT_ONCE).code(), Some(0));
    assert!(!tracker.stderr().contains("service manager"), "{}", tracker.stderr());
}

#[test]
fn it_reports_its_life_also_from_another_root_directory() {
    for manager in [Manager::at_a_path(), Manager::abstract_one()] {
        live(&manager, manager.starter());
    }
}

#[test]
fn it_reports_its_life_where_workers_serve_udp() {
    let manager = Manager::at_a_path();
    let starter = manager.starter().bare();
    let config = starter.config_with_workers(2);
    let words = starter.words_of_the_build();
    live(&manager, starter.file("conf", config.as_bytes()).args(["-f", "conf"]).args(words));
}

#[test]
fn the_end_of_a_reload_is_reported_when_the_new_list_is_in_force() {
    let option = match harness::Build::under_test() {
        build if build.has("accesslist-white") || build.has("accesslist-any") => "-w",
        build if build.has("accesslist-black") => "-b",
        _ => return harness::for_another_build("needs an access list"),
    };
    let manager = Manager::at_a_path();
    let tracker = manager.starter().own_list().file("list", b"").args([option, "list"]).start();
    manager.expect("READY=1");
    let served = |tracker: &Tracker| {
        let mut client = tracker.udp();
        let packet = Announce::new(hash(1), 1).packet(client.id());
        client.exchange(&packet, SOON).expect("an answer").len() > 8
    };
    assert_eq!(served(&tracker), option == "-b");
    // it takes a moment to read
    let list = format!(
        "{}\n{}\n",
        harness::hex(&hash(1)),
        (2..200_000).map(|n| harness::hex(&hash(n)) + "\n").collect::<String>()
    );
    tracker.scratch().write("list", list.as_bytes());
    tracker.signal(Signal::HUP);
    manager.expect("RELOADING=1\n");
    manager.expect("READY=1");
    assert_eq!(served(&tracker), option == "-w");
}

#[test]
fn its_figures_come_once_a_minute() {
    if !harness::clock_or_skip() {
        return;
    }
    let manager = Manager::at_a_path();
    let tracker = manager.starter().start();
    manager.expect("STATUS=0 torrents");
    for _ in 0..200 {
        tracker.udp().announce(&Announce { left: 0, ..Announce::new(hash(1), 1) });
    }
    tracker.advance(100);
    let figures = manager.expect("STATUS=");
    assert!(figures.starts_with("STATUS=1 torrents, 1 peers, 1 of them seeders, "), "{figures}");
    let rate: u32 = figures.rsplit(", ").next().and_then(|rate| rate.split(' ').next()?.parse().ok()).expect("a rate");
    assert!((1..=2).contains(&rate), "{figures}");
    assert_eq!(manager.next(SILENCE), None);
}

#[test]
fn signs_of_life_come_at_half_the_time_asked_for() {
    let manager = Manager::at_a_path();
    let mut tracker = manager.starter().variable("WATCHDOG_USEC", "400000").start();
    assert_eq!(manager.next(SOON).as_deref(), Some("READY=1"));
    let begin = Instant::now();
    for _ in 0..6 {
        manager.expect("WATCHDOG=1");
    }
    // the first comes at once, the others 200 milliseconds apart; a busy machine may be late
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(6), "{took:?}");
    // a loop that does not run is silent
    tracker.signal(Signal::STOP);
    within(SOON, || manager.next(SILENCE).is_none().then_some(())).expect("silence");
    tracker.signal(Signal::CONT);
    manager.expect("WATCHDOG=1");
    tracker.signal(Signal::INT);
    manager.expect("STOPPING=1");
    tracker.wait(AT_ONCE);
}

#[test]
fn the_watchdog_of_another_process_is_left_alone() {
    for (name, value) in [("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "0"), ("WATCHDOG_USEC", "x")] {
        let manager = Manager::at_a_path();
        let _tracker = manager.starter().variable("WATCHDOG_USEC", "2000").variable(name, value).start();
        manager.expect("STATUS=");
        assert_eq!(manager.next(SILENCE), None, "{name}={value}");
    }
}

#[test]
fn a_service_manager_that_does_not_listen_is_not_waited_for() {
    let manager = Manager::at_a_path();
    let mut tracker = manager.starter().variable("WATCHDOG_USEC", "2000").start();
    // what the system keeps for the socket fills
    let other = UnixDatagram::unbound().expect("a socket");
    other.connect(&manager.address).expect("a connection");
    other.set_nonblocking(true).expect("a mode");
    within(SOON, || other.send(b"X=1").is_err().then_some(())).expect("no more room");
    for _ in 0..20 {
        tracker.signal(Signal::HUP);
        tracker.nudge();
        assert_eq!(tracker.get(&format!("/announce?info_hash={}&port=1", percent(&hash(1)))).code(), 200);
    }
    harness::proc::becomes_idle(tracker.pid());
    // what matters comes when there is room again
    manager.expect("RELOADING=1\n");
    manager.expect("READY=1");
    tracker.signal(Signal::INT);
    assert_eq!(tracker.wait(AT_ONCE).code(), Some(0));
}

#[test]
fn a_service_manager_that_is_not_there_is_named() {
    let nowhere = Scratch::new().path().join("notify");
    for (address, why) in [
        (nowhere.to_str().expect("a path"), "No such file or directory"),
        ("@opentracker-nobody-listens-here", "Connection refused"),
        ("vsock:2:1234", "Address family not supported by protocol"),
    ] {
        let tracker = Starter::new().variable("NOTIFY_SOCKET", address).start();
        assert_eq!(tracker.stderr(), format!("Warning: Can't notify the service manager at {address}: {why}.\n"));
    }
    assert_eq!(Starter::new().variable("NOTIFY_SOCKET", "").start().stderr(), "");
}

/// Where a tracker that is started so listens for TCP, and for UDP.
fn listens(starter: &Starter) -> [SocketAddr; 2] {
    [starter.tcp_address(), starter.udp_address()].map(|address| {
        let ip = if starter.build().v6() { starter.build().wildcard() } else { address.ip() };
        SocketAddr::new(ip, address.port())
    })
}

/// Sockets there that nobody else can bind: these do not share their addresses.
fn bound([tcp, udp]: [SocketAddr; 2]) -> [OwnedFd; 2] {
    [TcpListener::bind(tcp).expect("a listener").into(), UdpSocket::bind(udp).expect("a socket").into()]
}

/// Whether a tracker is served over both kinds of sockets, and does not spin.
#[track_caller]
fn serves(tracker: &Tracker) {
    assert_eq!(tracker.udp().announce(&Announce::new(hash(1), 1)).leechers, 1);
    assert_eq!(tracker.get(&format!("/announce?info_hash={}&port=1", percent(&hash(1)))).code(), 200);
    harness::proc::becomes_idle(tracker.pid());
    assert!(!tracker.stderr().contains("service manager"), "{}", tracker.stderr());
}

#[test]
fn sockets_that_are_handed_over_are_used_in_place_of_binding() {
    let starter = Starter::new().allow([hash(1)]);
    let sockets = bound(listens(&starter));
    serves(&starter.hand_over(sockets).start());
}

#[test]
fn sockets_that_are_handed_over_need_not_be_named() {
    for workers in [0, 2] {
        let starter = Starter::new().allow([hash(1)]).bare();
        let address = starter.tcp_address();
        let handed = bound(listens(&starter));
        let config = format!("tracker.rootdir {}\nlisten.udp.workers {workers}\n", starter.scratch().path().display());
        let words = starter.words_of_the_build();
        let starter = starter.file("conf", config.as_bytes()).args(["-f", "conf"]).args(words);
        let tracker = starter.hand_over(handed).start();
        serves(&tracker);
        // and the default port is left alone
        let bound = ["tcp", "udp"].map(|kind| sockets(tracker.pid(), kind, address));
        assert!(bound.iter().all(|some| !some.is_empty() && some.iter().all(|at| at.port() != 6969)), "{bound:?}");
    }
}

#[test]
fn descriptors_of_no_use_are_named() {
    let starter = Starter::new().allow([hash(1)]);
    let (pipe, _end) = rustix::pipe::pipe().expect("a pipe");
    let not_listening = std::os::unix::net::UnixStream::pair().expect("two sockets").0;
    let [tcp, udp] = bound(listens(&starter));
    let tracker = starter.hand_over([pipe, tcp, not_listening.into(), udp]).start();
    let lines = tracker.stderr();
    let begins = |n: u32| format!("Warning: descriptor {n}, which the service manager hands over, is of no use: ");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.lines().zip([3, 5]).all(|(line, n)| line.starts_with(&begins(n))), "{lines}");
    assert_eq!(tracker.udp().announce(&Announce::new(hash(1), 1)).leechers, 1);
}

#[test]
fn descriptors_for_another_process_are_left_alone() {
    for process in ["1", "x", ""] {
        let tracker = Starter::new().variable("LISTEN_FDS", "3").variable("LISTEN_PID", process).start();
        assert_eq!(tracker.stderr(), "");
    }
}

#[test]
fn a_socket_of_the_other_family_ends_the_start() {
    let build = harness::Build::under_test();
    if build.has("dual-stack") {
        return harness::for_another_build("needs a build for one family");
    }
    let (other, family) = if build.v6() { ("127.0.0.1:0", "V6") } else { ("[::1]:0", "V4") };
    let socket = TcpListener::bind(other).expect("a listener");
    let mut tracker = Starter::new().hand_over([socket.into()]).spawn();
    assert_eq!(tracker.wait(SOON).code(), Some(111));
    assert_eq!(tracker.stderr(), format!("{family} Tracker is {family} only!\n"));
}
