//! Carries out what the command line and the config files ask for, in their order.
//!
//! Sockets are bound as soon as they are named (as the original), so that a mistake after them has the same message and the same
//! effects before it.

mod answers;
mod bind;
mod check;
pub mod health;
pub mod self_check;
mod shares;
mod summary;

use crate::access::{Change, Pipe, Source};
use crate::config::cli::Cli;
use crate::config::file::{ConfigFile, Problem};
use crate::config::{Directive, Permissions, Switches, TRACKER_PORT, Transport, file, help};
use crate::features::{ACCESSLIST_ANY, DUAL_STACK, SWITCHES};
use crate::limits::{BLESSINGS_MAX, COALESCE_RATE, CONNECTIONS_MAX};
use crate::server::{Bounds, Sockets};
use crate::swarm::{Families, Limits};
use crate::sys::failure::{Failure, reason};
use crate::sys::file::open_regular;
use crate::sys::handed::Handed;
use crate::sys::privileges;
use crate::sys::socket::has_ipv6;
use crate::tracker::{Now, Settings, Tracker};
use answers::Answers;
use check::Plan;
use ipnet::IpNet;
pub use shares::MemoryShares;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
pub use summary::last_line;

/// Why the program exits before it serves: the message for stderr, and the exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Exit {
    /// 0 for help and version, 1 for a malformed command line, 111 for a failure (as the original).
    pub code: u8,
    /// The message, with its line feed.
    pub message: Vec<u8>,
}

impl Exit {
    /// A step of the start failed.
    pub fn fatal(message: impl Into<Vec<u8>>) -> Exit {
        Exit { code: 111, message: message.into() }
    }
}

impl From<Failure> for Exit {
    fn from(failure: Failure) -> Exit {
        Exit::fatal(format!("{failure}\n"))
    }
}

/// What the operator asked for, and the sockets bound so far.
#[derive(Debug)]
pub struct Start {
    /// The sockets bound.
    pub sockets: Sockets,
    /// What is set about the answers.
    pub settings: Settings,
    /// The state file of an earlier run.
    pub state_file: Option<OsString>,
    /// Where the access list comes from.
    pub access_list: Source,
    /// The paths of the pipes that change it, relative to the root directory, too.
    pub pipes: Vec<(Change, OsString)>,
    /// Bytes that the state may hold, where the operator named a number.
    pub max_memory: Option<u64>,
    /// The torrents and peers that there may be.
    pub limits: Limits,
    /// The networks that are allowed more than others.
    pub blessings: Vec<(IpNet, Permissions)>,
    /// Sockets that the service manager has bound, as far as they are not among the [`sockets`](Self::sockets) yet.
    handed: Vec<Handed>,
    answers: Answers,
    address: IpAddr,
    /// Workers for the UDP sockets bound from here on.
    udp_workers: u32,
    /// The workers were named, and no socket was bound for UDP since.
    idle_workers: bool,
    root_directory: Option<OsString>,
    user: OsString,
    /// The root directory and the identity can be changed.
    started_by_root: bool,
    /// What would be bound, where the operator only asks for that.
    plan: Option<Plan>,
}

/// The name, version, commit and switches of this program, a line each.
pub fn version() -> String {
    let switches: Vec<_> = crate::features::COMPILED_IN.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    let switches = if switches.is_empty() { "none".to_owned() } else { switches.join(" ") };
    format!(
        "opentracker {} (Rust)\ncommit {}\nswitches: {switches}\n",
        env!("CARGO_PKG_VERSION"),
        env!("OPENTRACKER_COMMIT")
    )
}

/// Writes to stderr. The tracker does not depend on that: stderr may be closed.
pub fn print_error(message: &[u8]) {
    let _ = io::stderr().write_all(message);
}

/// Restores the torrents of the state file, and warns of what is lost.
pub fn restore<F: Families>(tracker: &mut Tracker<F>, file: &OsStr, now: Now) {
    // the original uses the message of its config file here
    let Ok((reader, _)) = open_regular(file) else { return print_error(&file::cannot_open(file)) };
    match tracker.restore(BufReader::new(reader), now) {
        Ok(0) => {}
        Ok(damaged) => {
            print_error(format!("Warning: {damaged} damaged lines in the state file were left out.\n").as_bytes());
        }
        Err(error) => print_error(format!("Warning: The state file was not read to its end: {error}.\n").as_bytes()),
    }
}

impl Start {
    /// Carries out a command line and the config files that it names. The first word is the program's name. Sockets that the service
    /// manager hands over are used where the same addresses would be bound, and the others besides.
    ///
    /// # Errors
    /// The program exits here, with this code and message.
    pub fn from_command_line(words: impl IntoIterator<Item = OsString>, handed: Vec<Handed>) -> Result<Start, Exit> {
        let switches = Switches { v4_only: SWITCHES.v4_only || DUAL_STACK && !has_ipv6(), ..SWITCHES };
        let mut words = words.into_iter();
        let name = words.next().unwrap_or_else(|| "opentracker".into());
        let words: Vec<_> = words.collect();
        if check::is_asked(&words, switches) {
            return Err(check::check(&name, words, switches));
        }
        let mut start = Start::new(switches, handed);
        for directive in Cli::new(words, switches) {
            let Ok(directive) = directive else {
                return Err(Exit { code: 1, message: help::usage(&name, &SWITCHES) });
            };
            match directive {
                Directive::Include(file) => start.include(&file)?,
                Directive::Help => return Err(Exit { code: 0, message: help::help(&name, &SWITCHES) }),
                Directive::Version => return Err(Exit { code: 0, message: version().into_bytes() }),
                directive => start.apply(directive)?,
            }
        }
        if SWITCHES.sync_live && start.sockets.cluster.is_none() {
            return Err(Exit::fatal("No socket address for live sync specified.\n"));
        }
        start.serve_handed()?;
        if start.sockets.listeners.is_empty() && start.sockets.udp.is_empty() {
            start.bind(Transport::TcpAndUdp, SocketAddr::new(start.address, TRACKER_PORT))?;
        }
        if start.idle_workers {
            print_error(b"Warning: listen.udp.workers has no effect, since no address for UDP follows it.\n");
        }
        Ok(start)
    }

    /// Nothing said yet.
    fn new(switches: Switches, handed: Vec<Handed>) -> Start {
        let connections = Bounds { waiting: CONNECTIONS_MAX, ..Bounds::default() };
        Start {
            sockets: Sockets { connections, coalesce_rate: COALESCE_RATE, ..Sockets::default() },
            settings: Settings { version: version(), ..Settings::default() },
            state_file: None,
            access_list: Source::default(),
            pipes: Vec::new(),
            max_memory: None,
            limits: Limits::NONE,
            blessings: Vec::new(),
            handed,
            answers: Answers::default(),
            address: switches.any_address(),
            udp_workers: 0,
            idle_workers: false,
            root_directory: None,
            user: "nobody".into(),
            started_by_root: privileges::effective_user() == privileges::ROOT,
            plan: None,
        }
    }

    fn include(&mut self, name: &OsStr) -> Result<(), Exit> {
        let mut config = match file::open(name, SWITCHES) {
            Ok(config) => config,
            Err(error) => {
                match &mut self.plan {
                    Some(plan) => plan.problem(format!("{}: {}", name.to_string_lossy(), reason(&error))),
                    None => print_error(&file::cannot_open(name)),
                }
                return Ok(());
            }
        };
        let mut mode = None;
        while let Some(directive) = config.next() {
            match directive {
                Ok(Directive::ListMode(said)) => mode = Some(said),
                Ok(directive) if self.answers.contradict(&directive) => {
                    self.complain(name, &config, &Problem::Parse(config.line().to_vec()));
                }
                Ok(directive) => match (self.apply(directive), &mut self.plan) {
                    (Err(exit), Some(plan)) => plan.problem(check::place(name, &config) + &check::text(&exit)),
                    (outcome, _) => outcome?,
                },
                Err(problem) => self.complain(name, &config, &problem),
            }
        }
        if ACCESSLIST_ANY {
            if let Some(file) = config.into_regular_file() {
                self.access_list.name_config(name, file, mode);
            }
        }
        Ok(())
    }

    /// Says what is to be said of a line.
    fn complain<R: BufRead>(&mut self, name: &OsStr, config: &ConfigFile<R>, problem: &Problem) {
        match &mut self.plan {
            Some(plan) => plan.line(name, config, problem),
            None => print_error(&problem.message()),
        }
    }

    fn apply(&mut self, directive: Directive) -> Result<(), Exit> {
        match directive {
            Directive::Address(address) => self.address = address,
            Directive::Bind(transport, address) => self.bind(transport, address)?,
            Directive::Bless(network, permissions) => {
                if self.blessings.len() < BLESSINGS_MAX {
                    self.blessings.push((network, permissions));
                } else {
                    let message = format!(
                        "Warning: {network} is ignored, since {BLESSINGS_MAX} addresses are blessed already.\n"
                    );
                    print_error(message.as_bytes());
                }
            }
            Directive::RootDirectory(directory) => self.root_directory = Some(directory),
            Directive::User(user) => self.user = user,
            Directive::MaxMemory(bytes) => self.max_memory = Some(bytes),
            Directive::MaxTorrents(most) => self.limits.torrents = most.into(),
            Directive::MaxPeers(most) => self.limits.peers = most.into(),
            Directive::MaxPeersPerTorrent(most) => self.limits.peers_per_torrent = most.into(),
            Directive::UdpRejectInterval(seconds) => self.settings.refusing.udp_interval = Some(seconds),
            Directive::HttpRejectInterval(seconds) => self.settings.refusing.http_interval = Some(seconds),
            Directive::RejectBudget(most) => self.settings.refusing.budget = Some(most),
            Directive::MinPort(port) => self.settings.min_port = port.try_into().unwrap_or(u16::MAX),
            Directive::Interval(_)
            | Directive::PeerTimeout(_)
            | Directive::NumwantDefault(_)
            | Directive::NumwantMax(_) => {
                self.answers.set(&directive, &mut self.settings);
            }
            Directive::FullScrape(on) => self.settings.full_scrape = on,
            Directive::RedirectUrl(url) => self.settings.redirect_url = Some(url),
            Directive::LiveSyncListen(address) => self.join_cluster(address)?,
            Directive::AccessListFile(kind, file) => self.access_list.name_file(kind, file),
            Directive::AddPipe(path) => self.name_pipe(Change::Add, path),
            Directive::DeletePipe(path) => self.name_pipe(Change::Delete, path),
            Directive::StateFile(file) => self.state_file = Some(file),
            Directive::StatsPath(path) => self.settings.stats_path = path,
            Directive::MetricsPath(path) => self.settings.metrics_path = path,
            Directive::UdpWorkers(workers) => (self.udp_workers, self.idle_workers) = (workers, workers > 0),
            Directive::CoalesceRate(rate) => self.sockets.coalesce_rate = rate,
            Directive::MaxConnections(most) => self.sockets.connections.waiting = most as usize,
            // handled by the caller
            Directive::ListMode(_)
            | Directive::Include(_)
            | Directive::Help
            | Directive::Version
            | Directive::Check => {}
        }
        Ok(())
    }

    /// There is one pipe for each kind of change. The last path counts.
    fn name_pipe(&mut self, change: Change, path: OsString) {
        self.pipes.retain(|(other, _)| *other != change);
        self.pipes.push((change, path));
    }

    /// Opens the pipes that change the access list. One that cannot be opened is off, and a message says so.
    pub fn open_pipes(&mut self) -> Vec<Pipe> {
        let opened = std::mem::take(&mut self.pipes).into_iter().map(|(change, path)| Pipe::open(path, change));
        opened.filter_map(|pipe| pipe.map_err(|message| print_error(&message)).ok()).collect()
    }

    /// Changes to the root directory and to the user that the process keeps from then on.
    ///
    /// # Errors
    /// One of the two fails.
    pub fn drop_privileges(&mut self) -> Result<(), Exit> {
        let root = self.root_directory.as_deref().filter(|_| self.started_by_root);
        root.iter().for_each(|root| self.access_list.enter(root));
        let outcome = privileges::drop_to(&self.user, self.root_directory.as_deref());
        outcome.warning.iter().for_each(|warning| print_error(warning));
        outcome.failure.map_or(Ok(()), |failure| Err(Exit::fatal(failure)))
    }
}
