//! A running tracker: what it is asked, its clock, its signals, its end.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::udp::{MAGIC, header};
use super::{Build, SOON, Scratch, Starter, hash, http, percent, udp};

/// How long the original refuses clients after it answers already, until a thread has read its access list.
const ORIGINAL_READS_ITS_LIST: Duration = Duration::from_millis(200);

/// How long a client waits for an answer that should come at once.
const ANSWER: Duration = SOON;

/// A running tracker. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Tracker {
    starter: Starter,
    child: Child,
    clock: Scratch,
}

impl Tracker {
    /// A process that has been started, and the directory with the file of its clock.
    pub(super) fn new(starter: Starter, child: Child, clock: Scratch) -> Self {
        Self { starter, child, clock }
    }

    /// Starts the tracker under test with nothing special.
    #[track_caller]
    pub fn start() -> Self {
        Starter::new().start()
    }

    /// One that has had requests of every kind, over HTTP and UDP.
    #[track_caller]
    pub fn busy() -> Self {
        let tracker = Starter::new().allow((0..10).map(hash)).start();
        let mut udp = tracker.udp();
        for n in 0..5 {
            udp.announce(&udp::Announce { left: n % 2, event: 1, ..udp::Announce::new(hash(n), 1) });
        }
        udp.announce(&udp::Announce::new(hash(1), 1));
        udp.scrape(&[hash(1)]);
        tracker.get(&format!("/announce?info_hash={}&port=5", percent(&hash(2))));
        tracker.get(&format!("/scrape?info_hash={}", percent(&hash(2))));
        tracker.get("/announce?info_hash=x");
        tracker.get("/nowhere");
        tracker
    }

    /// Waits for an answer over UDP. Exactly one connect is answered, so that statistics are known in advance.
    #[track_caller]
    pub fn wait_until_ready(&mut self) {
        let to = self.udp_address();
        let end = Instant::now() + SOON;
        loop {
            assert!(self.exited().is_none(), "the tracker ended at its start: {}", self.stderr());
            assert!(Instant::now() < end, "the tracker does not answer: {}", self.stderr());
            let client = udp::Client::new(to, self.client_address()).expect("a socket");
            // Where no socket is bound yet the system refuses at once; where a socket is bound, the datagram waits there.
            if client.exchange(&header(MAGIC, 0), SOON).is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.build().original {
            std::thread::sleep(ORIGINAL_READS_ITS_LIST);
        }
    }

    /// What it was built with.
    pub fn build(&self) -> &Build {
        self.starter.build()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Address and TCP port.
    pub fn tcp_address(&self) -> SocketAddr {
        self.starter.tcp_address()
    }

    /// Address and UDP port.
    pub fn udp_address(&self) -> SocketAddr {
        self.starter.udp_address()
    }

    /// Its root directory.
    pub fn scratch(&self) -> &Scratch {
        self.starter.scratch()
    }

    /// All that it wrote so far, to stdout or stderr.
    pub fn stderr(&self) -> String {
        let bytes = std::fs::read(self.scratch().path().join("stderr.log")).unwrap_or_default();
        super::canonical::latin1(&bytes)
    }

    /// How it ended, if it did.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the tracker's state")
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        super::within(limit, || self.exited()).unwrap_or_else(|| panic!("the tracker did not end within {limit:?}"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("a signal to the tracker");
    }

    /// Moves its clock onward, as if so many seconds had passed. Only for builds whose clock moves.
    #[track_caller]
    pub fn advance(&self, seconds: i64) {
        self.move_clock(0, seconds);
    }

    /// Sets its wall clock so many seconds onward or back. Only for builds whose clock moves.
    #[track_caller]
    pub fn step_wall(&self, seconds: i64) {
        self.move_clock(8, seconds);
    }

    #[track_caller]
    fn move_clock(&self, place: u64, seconds: i64) {
        assert!(self.build().clock_moves(), "this is a release build or not ours: its clock cannot be moved");
        let path = self.clock.path().join("offset");
        let file = File::options().read(true).write(true).open(path).expect("the clock's file");
        let mut offset = [0; 8];
        file.read_exact_at(&mut offset, place).expect("the clock's offset");
        let moved = i64::from_le_bytes(offset) + seconds;
        file.write_all_at(&moved.to_le_bytes(), place).expect("the clock's new offset");
        self.nudge();
    }

    /// A datagram that wakes the tracker and is answered: afterwards it has looked at its clock.
    pub fn nudge(&self) {
        self.udp().connect();
    }

    /// An HTTP request from the usual client, answered to its end.
    #[track_caller]
    pub fn http(&self, request: &[u8]) -> http::Reply {
        http::exchange(self.tcp_address(), Some(self.client_address()), request, ANSWER)
            .expect("a connection to the tracker")
    }

    /// `GET TARGET` from the usual client.
    #[track_caller]
    pub fn get(&self, target: &str) -> http::Reply {
        self.http(&http::get_request(target))
    }

    /// `GET TARGET` from some IPv4 loopback address.
    #[track_caller]
    pub fn get_from(&self, source: [u8; 4], target: &str) -> http::Reply {
        let (to, request) = (self.over_ipv4(self.tcp_address()), http::get_request(target));
        http::exchange(to, Some(IpAddr::from(source)), &request, ANSWER).expect("a connection")
    }

    /// An HTTP connection from the usual client.
    #[track_caller]
    pub fn connect(&self) -> http::Client {
        http::Client::connect(self.tcp_address(), Some(self.client_address())).expect("a connection to the tracker")
    }

    /// A UDP client at the usual address.
    pub fn udp(&self) -> udp::Client {
        udp::Client::new(self.udp_address(), self.client_address()).expect("a socket")
    }

    /// A UDP client at some IPv4 loopback address.
    pub fn udp_from(&self, source: [u8; 4]) -> udp::Client {
        udp::Client::new(self.over_ipv4(self.udp_address()), IpAddr::from(source)).expect("a socket")
    }

    /// Where IPv4 clients reach it: one that listens on all addresses of IPv6 serves them too.
    pub fn over_ipv4(&self, address: SocketAddr) -> SocketAddr {
        let all = self.starter.listen.is_unspecified();
        if all { SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())) } else { address }
    }

    /// Number of open descriptors.
    pub fn descriptors(&self) -> usize {
        super::proc::descriptors(self.pid())
    }

    /// The address of the usual client, in the tracker's family.
    pub fn client_address(&self) -> IpAddr {
        if self.starter.address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.stderr();
        if std::thread::panicking() {
            eprintln!("--- the tracker wrote:\n{said}---");
        } else {
            // of a build with a sanitizer, and of a process whose root directory has no place for its reports
            assert!(!said.contains("Sanitizer: "), "{said}");
        }
    }
}
