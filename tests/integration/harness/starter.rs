//! Starting a tracker in a scratch directory and on an address of its own.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use seccompiler::BpfProgram;

use super::{Build, Scratch, Tracker};

/// What a tracker is started with.
#[derive(Debug)]
pub struct Starter {
    build: Build,
    scratch: Scratch,
    /// Where it listens.
    pub(super) listen: IpAddr,
    /// Where clients reach it.
    pub(super) address: IpAddr,
    tcp: u16,
    udp: u16,
    args: Vec<OsString>,
    bare: bool,
    wrap: Vec<OsString>,
    user: Option<u32>,
    /// Seconds that the wall clock is moved by at the start.
    wall: i64,
    filter: Option<BpfProgram>,
    variables: Vec<(String, OsString)>,
    handed: Vec<OwnedFd>,
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
    /// all addresses and is reached at `::1`, or over IPv4 by clients whose address a test chooses.
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
            variables: Vec::new(),
            handed: Vec::new(),
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

    /// Listens on another address, and is reached there.
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

    /// A variable of its environment.
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Sockets that it has from its start, as the descriptors from 3 on, with the variables of a service manager that hands them over.
    pub fn hand_over(mut self, sockets: impl IntoIterator<Item = OwnedFd>) -> Self {
        let out_of_the_way = |socket: OwnedFd| rustix::io::fcntl_dupfd_cloexec(&socket, 100).expect("a descriptor");
        self.handed = sockets.into_iter().map(out_of_the_way).collect();
        let count = self.handed.len().to_string();
        self.wrap(["sh", "-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""]).variable("LISTEN_FDS", count)
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

    /// The test brings its own blessings.
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

    /// A config file: HTTP, UDP with so many workers, and the root directory.
    pub fn config_with_workers(&self, workers: usize) -> String {
        format!(
            "listen.tcp {}\nlisten.udp.workers {workers}\nlisten.udp {}\ntracker.rootdir {}\n",
            self.tcp_address(),
            self.udp_address(),
            self.scratch.path().display()
        )
    }

    /// The words that other builds need to behave as a default build does: a list of what is allowed, a blessing, an address for live
    /// sync, at which no sender is blessed.
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
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let handed: Vec<RawFd> = self.handed.iter().map(AsRawFd::as_raw_fd).collect();
        if !handed.is_empty() {
            let give = move || {
                let given = |(socket, number): (&RawFd, RawFd)| {
                    // SAFETY: a system call on descriptors alone. What the child has at these numbers is of no use to it.
                    if unsafe { libc::dup2(*socket, number) } < 0 {
                        Err(std::io::Error::last_os_error())
                    } else {
                        Ok(())
                    }
                };
                handed.iter().zip(3..).try_for_each(given)
            };
            // SAFETY: runs between fork and exec, where only system calls are safe: it makes nothing else.
            unsafe { command.pre_exec(give) };
        }
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
        Tracker::new(self, child, clock)
    }

    /// Starts it and waits until it answers.
    #[track_caller]
    pub fn start(self) -> Tracker {
        let mut tracker = self.spawn();
        tracker.wait_until_ready();
        tracker
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
