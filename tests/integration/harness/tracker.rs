//! Starting a tracker in a scratch directory and on an address of its own, and stopping it again.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use seccompiler::BpfProgram;

use super::udp::{MAGIC, header};
use super::{Build, SOON, Scratch, http, udp};

/// How long the original refuses clients after it answers already, until a thread has read its access list.
const ORIGINAL_READS_ITS_LIST: Duration = Duration::from_millis(200);

/// How long a client waits for an answer that should come at once.
const ANSWER: Duration = SOON;

/// What a tracker is started with.
#[derive(Debug)]
pub struct Starter {
    build: Build,
    scratch: Scratch,
    /// Where it listens.
    listen: IpAddr,
    /// Where it is spoken to.
    address: IpAddr,
    tcp: u16,
    udp: u16,
    args: Vec<OsString>,
    bare: bool,
    wrap: Vec<OsString>,
    user: Option<u32>,
    /// Seconds that the wall clock is moved by at the start.
    wall: i64,
    filter: Option<BpfProgram>,
    allowed: Vec<[u8; 20]>,
    list_given: bool,
    cluster_given: bool,
    blessings_given: bool,
}

impl Starter {
    /// The tracker under test.
    pub fn new() -> Self {
        Self::of(Build::under_test())
    }

    /// Some other program.
    ///
    /// One that serves IPv4 listens on a loopback address of this process alone. One that serves IPv6 has no such choice: it listens on
    /// all addresses and is spoken to at `::1`, or over IPv4 by clients whose address a test chooses.
    pub fn of(build: Build) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let own = IpAddr::V4(own_address(std::process::id()));
        let (listen, address) = if build.v6() { (build.wildcard(), build.loopback()) } else { (own, own) };
        let place = if build.v6() { shared_place(2 * count) } else { 2 * count };
        Self {
            build,
            scratch: Scratch::new(),
            listen,
            address,
            tcp: free_port(listen, place),
            udp: free_port(listen, place + 1),
            args: Vec::new(),
            bare: false,
            wrap: Vec::new(),
            user: None,
            wall: 0,
            filter: None,
            allowed: Vec::new(),
            list_given: false,
            cluster_given: false,
            blessings_given: false,
        }
    }

    /// Listens on all addresses of its family.
    pub fn on_all(self) -> Self {
        let (wildcard, loopback) = (self.build.wildcard(), self.build.loopback());
        self.at(wildcard, loopback)
    }

    /// Listens on another address, and is spoken to there.
    pub fn on(self, address: IpAddr) -> Self {
        self.at(address, address)
    }

    fn at(mut self, listen: IpAddr, address: IpAddr) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        (self.listen, self.address) = (listen, address);
        let place = shared_place(COUNT.fetch_add(2, Ordering::Relaxed));
        self.tcp = free_port(listen, place);
        self.udp = free_port(listen, place + 1);
        self
    }

    /// TCP and UDP on the same port.
    pub fn same_port(mut self) -> Self {
        self.udp = self.tcp;
        self
    }

    /// More words for the command line, after the ones that every tracker gets.
    pub fn args<W: Into<OsString>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.args.extend(words.into_iter().map(Into::into));
        self
    }

    /// Only the words of `args`: no address, ports, directory and user.
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Words in front of the program: a wrapper that ends by becoming it.
    pub fn wrap<W: Into<OsString>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.wrap = words.into_iter().map(Into::into).collect();
        self
    }

    /// Starts it as an ordinary user and group of this number.
    pub fn run_by(mut self, id: u32) -> Self {
        self.user = Some(id);
        self
    }

    /// Starts it with a wall clock that is so many seconds off. Only for builds whose clock moves.
    pub fn wall_at_start(mut self, seconds: i64) -> Self {
        self.wall = seconds;
        self
    }

    /// Puts a filter around its system calls, and those of whatever wraps it.
    pub fn within(mut self, filter: BpfProgram) -> Self {
        self.filter = Some(filter);
        self
    }

    /// A file in the tracker's root directory.
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.scratch.write(name, content);
        self
    }

    /// Torrents to allow where the program was built with a whitelist; others take all anyway.
    pub fn allow(mut self, hashes: impl IntoIterator<Item = [u8; 20]>) -> Self {
        self.allowed.extend(hashes);
        self
    }

    /// The test brings its own access list.
    pub fn own_list(mut self) -> Self {
        self.list_given = true;
        self
    }

    /// The test brings its own address for live sync.
    pub fn own_cluster(mut self) -> Self {
        self.cluster_given = true;
        self
    }

    /// The test says itself who is blessed.
    pub fn own_blessings(mut self) -> Self {
        self.blessings_given = true;
        self
    }

    /// What it was built with.
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// The scratch directory.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Address and TCP port.
    pub fn tcp_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.tcp)
    }

    /// Address and UDP port.
    pub fn udp_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.udp)
    }

    /// The words that other builds need to behave as a default build does: a list of what is allowed, a blessing, an address for live
    /// sync, at which nobody blessed is heard.
    pub fn words_of_the_build(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        if self.build.has("accesslist-white") && !self.list_given {
            let lines: String = self.allowed.iter().map(|hash| super::hex(hash) + "\n").collect();
            self.scratch.write("allowed", lines.as_bytes());
            words.extend(["-w", "allowed"].map(OsString::from));
        }
        if self.build.has("accesslist-black") && !self.list_given {
            self.scratch.write("forbidden", b"");
            words.extend(["-b", "forbidden"].map(OsString::from));
        }
        if self.build.has("restrict-stats") && !self.blessings_given {
            words.extend(["-A".into(), self.build.loopback().to_string().into()]);
        }
        if !self.cluster_given {
            words.extend(self.cluster_words(if self.bare { self.build.wildcard() } else { self.listen }));
        }
        words
    }

    /// The words that a build with live sync does not start without. Behind them ports go to the address `back` again.
    pub fn cluster_words(&self, back: IpAddr) -> Vec<OsString> {
        if !self.build.has("sync-live") {
            return Vec::new();
        }
        let cluster = own_address(std::process::id()).to_string();
        ["-i", &cluster, "-s", "9696", "-i", &back.to_string()].map(OsString::from).to_vec()
    }

    /// The program with its whole command line.
    fn command(&self) -> Command {
        let mut words = self.wrap.clone();
        words.push(self.build.path.clone().into_os_string());
        if !self.bare {
            let (ip, tcp, udp) = (self.listen.to_string(), self.tcp.to_string(), self.udp.to_string());
            words.extend(["-i", &ip, "-p", &tcp, "-P", &udp, "-d"].map(OsString::from));
            words.push(self.scratch.path().into());
            words.extend(["-u", "nobody"].map(OsString::from));
            words.extend(self.words_of_the_build());
        }
        words.extend(self.args.iter().cloned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.scratch.path()).stdin(Stdio::null());
        command
    }

    /// Starts it without waiting for anything, for tests that expect it to fail or to listen elsewhere.
    pub fn spawn(self) -> Tracker {
        let log = self.scratch.path().join("stderr.log");
        let stderr = File::create(&log).expect("a file for stderr");
        let clock = Scratch::new();
        clock.write("offset", &[0i64.to_le_bytes(), self.wall.to_le_bytes()].concat());
        let mut command = self.command();
        command.stdout(stderr.try_clone().expect("a second handle")).stderr(stderr);
        command.env("OPENTRACKER_TEST_CLOCK", clock.path().join("offset"));
        if let Some(id) = self.user {
            // Makes the process drop its supplementary groups as well.
            command.uid(id).gid(id);
        }
        if let Some(filter) = self.filter.clone() {
            let apply = move || seccompiler::apply_filter(&filter).map_err(std::io::Error::other);
            // SAFETY: runs between fork and exec, where only system calls are safe: the filter is compiled already, and this makes two of
            // them. Only a failure, which ends the test, allocates.
            unsafe { command.pre_exec(apply) };
        }
        let child = loop {
            match command.spawn() {
                Ok(child) => break child,
                // A test beside this one was starting a program while the binary was copied, and still holds the copy open for writing
                // until its program has begun.
                Err(why) if why.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                Err(why) => panic!("{}: {why}", self.build.path.display()),
            }
        };
        Tracker { starter: self, child, clock }
    }

    /// Starts it and waits until it answers.
    #[track_caller]
    pub fn start(self) -> Tracker {
        let mut tracker = self.spawn();
        tracker.wait_until_ready();
        tracker
    }
}

/// A running tracker. It is killed when the value goes.
#[derive(Debug)]
pub struct Tracker {
    starter: Starter,
    child: Child,
    clock: Scratch,
}

impl Tracker {
    /// Starts the tracker under test with nothing special.
    #[track_caller]
    pub fn start() -> Self {
        Starter::new().start()
    }

    /// Waits for an answer over UDP. Exactly one connect is answered, so that statistics can be told in advance.
    #[track_caller]
    pub fn wait_until_ready(&mut self) {
        let to = self.udp_address();
        let end = Instant::now() + SOON;
        loop {
            assert!(self.exited().is_none(), "the tracker ended at its start: {}", self.stderr());
            assert!(Instant::now() < end, "the tracker does not answer: {}", self.stderr());
            let client = udp::Client::new(to, self.client_address()).expect("a socket");
            // Where nobody listens yet the system refuses at once; where a socket is bound, the datagram waits there.
            if client.exchange(&header(MAGIC, 0), SOON).is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.starter.build.original {
            std::thread::sleep(ORIGINAL_READS_ITS_LIST);
        }
    }

    /// What it was built with.
    pub fn build(&self) -> &Build {
        &self.starter.build
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
        &self.starter.scratch
    }

    /// All that it wrote so far, to stdout or stderr.
    pub fn stderr(&self) -> String {
        let bytes = std::fs::read(self.starter.scratch.path().join("stderr.log")).unwrap_or_default();
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

    /// Where clients come from unless told otherwise, in the tracker's family.
    pub fn client_address(&self) -> IpAddr {
        if self.starter.address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the tracker wrote:\n{}---", self.stderr());
        }
    }
}

/// Ports that tests look for a free one in: below the ones that systems give to clients.
const PORTS: u32 = 20_000;

/// Where to look for free ports of addresses that are not this process's own: other processes look at other places.
fn shared_place(count: u32) -> u32 {
    (std::process::id() * 16 + count) % PORTS
}

/// An address in 127/8 that belongs to a process, so that tests that run at once cannot meet. Trackers may share an
/// address and port with others by SO_REUSEPORT, so that a clash would not even be an error.
fn own_address(process: u32) -> Ipv4Addr {
    let [_, high, middle, low] = process.to_be_bytes();
    Ipv4Addr::new(127, 64 | (high & 63), middle, low)
}

/// A port free for TCP and UDP, the first one from a place in the range on.
fn free_port(address: IpAddr, place: u32) -> u16 {
    (place..place + PORTS)
        .map(|place| 10_000 + (place % PORTS) as u16)
        .find(|port| TcpListener::bind((address, *port)).is_ok() && UdpSocket::bind((address, *port)).is_ok())
        .expect("a free port")
}
