//! The trackers that are compared: how each is started, found ready, filled.

use crate::meter::Usage;
use crate::packets::{PREFIXED, Request, Swarms, info_hash};
use crate::sys;
use crate::udp::{Client, Outcome};
use std::error::Error;
use std::fs;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What can go wrong here ends the bench with its text.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Requests in flight while a tracker is filled: fewer than overflow the smallest receive buffer.
const FILL_WINDOW: usize = 96;

/// A server that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    Floor,
    Ours,
    /// Another build of ours, to see what a change does.
    Other,
    OursWorkers(u8),
    OursKeepalive,
    /// The build with the switches of Debian's package of the original, and the same whitelist.
    OursListed,
    /// The build that takes the times of its turns,
    OursTimed,
    /// and the same with a clock that a file moves.
    OursExpiring,
    /// The build for both families, at the same address as the others,
    OursDual,
    /// and at its default address, which takes a socket for both families.
    OursDualAny,
    Original,
    OriginalWorkers(u8),
    /// The original's 1.0 line, for both families, at its default address.
    OriginalDual,
    Aquatic,
}

impl Which {
    pub fn title(self) -> String {
        match self {
            Which::Floor => "floor".into(),
            Which::Ours => "ours".into(),
            Which::Other => "other build".into(),
            Which::OursWorkers(n) => format!("ours, {n} workers"),
            Which::OursKeepalive => "ours, keepalive".into(),
            Which::OursDual => "ours, dual-stack".into(),
            Which::OursDualAny => "ours, dual-stack, at ::".into(),
            Which::OriginalDual => "original, 1.0, at ::".into(),
            Which::OursListed => "ours, whitelist".into(),
            Which::OursTimed => "ours, which times its turns".into(),
            Which::OursExpiring => "ours, which times its turns and has a movable clock".into(),
            Which::Original => "original".into(),
            Which::OriginalWorkers(1) => "original, 1 worker".into(),
            Which::OriginalWorkers(n) => format!("original, {n} workers"),
            Which::Aquatic => "aquatic_udp".into(),
        }
    }
}

/// Where the programs are, and where files may be written.
pub struct Places {
    pub ours: Option<PathBuf>,
    pub other: Option<PathBuf>,
    pub keepalive: Option<PathBuf>,
    pub listed: Option<PathBuf>,
    /// A build of ours that takes the times of its turns.
    pub turns: Option<PathBuf>,
    /// The same, with a clock that a file moves.
    pub clock: Option<PathBuf>,
    pub dual: Option<PathBuf>,
    pub original: Option<PathBuf>,
    pub original_dual: Option<PathBuf>,
    pub aquatic: Option<PathBuf>,
    /// Titles of the servers to measure; none: all.
    pub chosen: Vec<String>,
    pub scratch: PathBuf,
    /// The cores of servers, and those of the load.
    pub server_cores: Vec<usize>,
    pub all_cores: Vec<usize>,
}

impl Places {
    /// The program of a server; the echo server's is this one.
    fn program(&self, which: Which) -> Option<PathBuf> {
        match which {
            Which::Floor => std::env::current_exe().ok(),
            Which::Ours | Which::OursWorkers(_) => self.ours.clone(),
            Which::Other => self.other.clone(),
            Which::OursKeepalive => self.keepalive.clone(),
            Which::OursListed => self.listed.clone(),
            Which::OursTimed => self.turns.clone(),
            Which::OursExpiring => self.clock.clone(),
            Which::OursDual | Which::OursDualAny => self.dual.clone(),
            Which::Original | Which::OriginalWorkers(_) => self.original.clone(),
            Which::OriginalDual => self.original_dual.clone(),
            Which::Aquatic => self.aquatic.clone(),
        }
    }

    pub fn has(&self, which: Which) -> bool {
        self.program(which).is_some()
    }

    /// Whether a server is there and was asked for.
    pub fn wants(&self, which: Which) -> bool {
        self.has(which) && (self.chosen.is_empty() || self.chosen.contains(&which.title()))
    }

    fn whitelist(&self) -> PathBuf {
        self.scratch.join("whitelist")
    }

    /// Writes the info hashes of so many torrents as a whitelist, and of so many with one prefix.
    pub fn write_whitelist(&self, torrents: u64, prefixed: u64) -> Result<()> {
        let mut out = BufWriter::new(fs::File::create(self.whitelist())?);
        for torrent in (0..torrents).chain(PREFIXED..PREFIXED + prefixed) {
            for byte in info_hash(torrent) {
                write!(out, "{byte:02x}")?;
            }
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    fn config(&self, port: u16, text: &str) -> Result<PathBuf> {
        let path = self.scratch.join(format!("config-{port}"));
        fs::write(&path, text)?;
        Ok(path)
    }

    fn command(&self, which: Which, port: u16, reply_bytes: usize) -> Result<Command> {
        let program = self.program(which).ok_or_else(|| format!("{} is not there", which.title()))?;
        let mut command = Command::new(program);
        let number = port.to_string();
        let at = ["-i", "127.0.0.1", "-p", &number, "-P", &number];
        let workers = |n: u8| self.config(port, &format!("listen.udp.workers {n}\nlisten.tcp_udp 127.0.0.1:{port}\n"));
        match which {
            Which::Floor => command.args(["echo", &number, &reply_bytes.to_string()]),
            Which::Ours
            | Which::Other
            | Which::OursKeepalive
            | Which::OursTimed
            | Which::OursExpiring
            | Which::OursDual => command.args(at),
            Which::OursWorkers(n) => command.arg("-f").arg(workers(n)?),
            Which::OursDualAny => command.args(&at[2..]),
            Which::OriginalDual => command.args(&at[2..]).arg("-w").arg(self.whitelist()),
            Which::Original | Which::OursListed => command.args(at).arg("-w").arg(self.whitelist()),
            Which::OriginalWorkers(n) => command.arg("-f").arg(workers(n)?).arg("-w").arg(self.whitelist()),
            Which::Aquatic => command.arg("-c").arg(self.config(port, &aquatic_config(port))?),
        };
        Ok(command)
    }
}

/// One worker, and replies as long as those of the others.
fn aquatic_config(port: u16) -> String {
    format!(
        "socket_workers = 1\nlog_level = \"error\"\n[network]\naddress = \"127.0.0.1:{port}\"\n\
         socket_recv_buffer_size = 8000000\n[protocol]\nmax_response_peers = 200\nmax_scrape_torrents = 75\n\
         [access_list]\nmode = \"off\"\n"
    )
}

/// A server that runs, with a client of its own.
pub struct Server {
    pub which: Which,
    pub address: (Ipv4Addr, u16),
    pub client: Client,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a server on a free port and waits until it answers for the last of the torrents.
    pub fn start(places: &Places, which: Which, swarms: &Swarms) -> Result<Server> {
        Server::start_with(places, which, &[], swarms)
    }

    /// The same, with these variables in its environment, which name files.
    pub fn start_with(places: &Places, which: Which, variables: &[(&str, &Path)], swarms: &Swarms) -> Result<Server> {
        let port = free_port()?;
        let mut command = places.command(which, port, swarms.reply_bytes())?;
        command.envs(variables.iter().copied());
        let many = matches!(which, Which::OursWorkers(2..) | Which::OriginalWorkers(2..));
        let cores = if many { &places.all_cores } else { &places.server_cores };
        Server::launch(command, cores, which, port, swarms)
    }

    fn launch(mut command: Command, cores: &[usize], which: Which, port: u16, swarms: &Swarms) -> Result<Server> {
        sys::start_on(&mut command, cores);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{}: {error}", which.title()))?;
        let address = (Ipv4Addr::LOCALHOST, port);
        let mut client = Client::new(address.0, port)?;
        client.set_numwant(swarms.numwant);
        let mut server = Server { which, address, client, child };
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if server.client.connect() && server.serves_last(swarms) {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{} ended: {status}", which.title()).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("{} does not answer", which.title()).into())
    }

    /// Whether the last torrent is not refused: trackers that read a list begin before they have it.
    fn serves_last(&mut self, swarms: &Swarms) -> bool {
        let mut one = swarms.all().take(1).map(|mut peer| {
            peer.torrent = swarms.torrents - 1;
            Request::Announce(peer)
        });
        let outcome = self.client.closed(1, Duration::from_secs(1), || one.next());
        outcome.answered == 1 && outcome.refused == 0
    }

    /// Announces all of these peers once.
    pub fn fill(&mut self, peers: impl Iterator<Item = crate::packets::Peer>) -> Outcome {
        let mut requests = peers.map(Request::Announce);
        self.client.closed(FILL_WINDOW, Duration::from_secs(600), || requests.next())
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn usage(&self) -> Usage {
        Usage::of(self.process())
    }
}

/// A port that is free for HTTP and UDP. Clients of a server before may have one of them still.
fn free_port() -> Result<u16> {
    loop {
        let port = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))?.local_addr()?.port();
        if UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
}

/// A directory that the trackers can read after they gave up their privileges.
pub fn scratch() -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("tracker-bench-{}", std::process::id()));
    fs::create_dir_all(&path)?;
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
