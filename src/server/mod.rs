//! The loop: one thread that owns the tracker and all sockets.
//!
//! `Server::turn` has the whole order of a turn. Each part of it is bounded, so that none keeps the others waiting for long.

mod cluster;
mod coalesce;
mod completions;
mod faults;
mod http;
mod monitor;
mod notifier;
mod pipes;
mod shortage;
mod udp;

use crate::access::{Loader, Pipe};
use crate::cluster::Sockets as ClusterSockets;
use crate::features::METRICS;
use crate::limits::EVENTS_A_TURN;
use crate::swarm::Families;
use crate::sys::clock::Clock;
use crate::sys::failure::Failure;
use crate::sys::poller::{Event, Interest, Poller};
use crate::sys::process::Process;
use crate::sys::service_manager::ServiceManager;
use crate::sys::signals::{Signal, Signals};
use crate::sys::syslog::SystemLog;
use crate::tracker::{Now, Tracker};
use cluster::Cluster;
use coalesce::Coalescing;
use completions::Completions;
pub use http::Bounds;
use http::{Http, Name};
use monitor::Monitor;
use notifier::Notifier;
use pipes::Pipes;
use shortage::{Ceilings, Shortage};
use std::io;
use std::ops::AddAssign;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// What an event is about, packed into the number that the poller hands back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Signals,
    Cluster,
    Udp(usize),
    Workers,
    Compressor,
    Loader,
    Pipe(usize),
    Listener(usize),
    Connection(Name),
}

impl Token {
    fn to_bits(self) -> u64 {
        let (kind, rest) = match self {
            Token::Signals => (0, 0),
            Token::Workers => (0, 1),
            Token::Cluster => (0, 2),
            Token::Loader => (0, 3),
            Token::Compressor => (0, 4),
            Token::Pipe(index) => (0, 5 + index as u64),
            Token::Udp(index) => (1, index as u64),
            Token::Listener(index) => (2, index as u64),
            Token::Connection(name) => (3, name.to_bits()),
        };
        kind << Name::BITS | rest
    }

    fn from_bits(bits: u64) -> Token {
        let rest = bits & ((1 << Name::BITS) - 1);
        match bits >> Name::BITS {
            0 if rest == 0 => Token::Signals,
            0 if rest == 1 => Token::Workers,
            0 if rest == 2 => Token::Cluster,
            0 if rest == 3 => Token::Loader,
            0 if rest == 4 => Token::Compressor,
            0 => Token::Pipe(rest as usize - 5),
            1 => Token::Udp(rest as usize),
            2 => Token::Listener(rest as usize),
            _ => Token::Connection(Name::from_bits(rest)),
        }
    }
}

/// The sockets that the tracker serves, bound and listening.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Those that take HTTP connections,
    pub listeners: Vec<OwnedFd>,
    /// and what these may take.
    pub connections: Bounds,
    /// Those of the UDP protocol, and how many workers receive and send for each; without any the loop does.
    pub udp: Vec<(OwnedFd, u32)>,
    /// Requests a second from which on they coalesce; 0: they never do.
    pub coalesce_rate: u32,
    /// Those that the trackers of a cluster talk through.
    pub cluster: Option<ClusterSockets>,
}

/// What was opened while the root directory was still that of the system.
#[derive(Debug, Default)]
pub struct Opened {
    /// The system's log, in builds with `syslogs`.
    pub log: Option<SystemLog>,
    /// What the system says of the process, in builds with `metrics`.
    pub process: Option<Process>,
}

/// What the parts of a turn have in common.
struct Context<'a, F: Families> {
    now: Now,
    tracker: &'a mut Tracker<F>,
    poller: &'a mut Poller,
    monitor: &'a Monitor,
}

/// What a turn did for one or more sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Served {
    /// Datagrams and connections taken.
    requests: u32,
    /// Whether none were left.
    drained: bool,
}

impl AddAssign for Served {
    fn add_assign(&mut self, other: Served) {
        self.requests += other.requests;
        self.drained &= other.drained;
    }
}

/// A tracker with its sockets.
pub struct Server<F: Families> {
    clock: Clock,
    signals: Signals,
    poller: Poller,
    tracker: Tracker<F>,
    loader: Option<Loader>,
    pipes: Pipes,
    http: Http<F>,
    udp: udp::Service,
    cluster: Option<Cluster>,
    completions: Completions,
    shortage: Shortage,
    ceilings: Ceilings,
    coalescing: Coalescing,
    monitor: Monitor,
    notifier: Option<Notifier>,
}

impl<F: Families> Server<F> {
    /// Takes the sockets, the tracker and what was opened for it, and starts the workers asked for.
    ///
    /// # Errors
    /// The system has no poller or thread to give, or takes not all sockets into the poller.
    pub fn new(
        clock: Clock,
        signals: Signals,
        sockets: Sockets,
        tracker: Tracker<F>,
        loader: Option<Loader>,
        pipes: Vec<Pipe>,
        opened: Opened,
    ) -> Result<Self, Failure> {
        let mut monitor = if METRICS { Monitor::new(&sockets, opened.process) } else { Monitor::default() };
        let mut poller = Poller::new(EVENTS_A_TURN).map_err(Failure::of("making a set of descriptors to wait for"))?;
        watch(&mut poller, signals.as_fd(), Token::Signals)?;
        if let Some(loader) = &loader {
            watch(&mut poller, loader.waker(), Token::Loader)?;
        }
        let pipes = Pipes::new(pipes, &mut poller)?;
        let http = Http::new(sockets.listeners, sockets.connections, &mut poller)?;
        let udp = udp::Service::new::<F>(clock.clone(), sockets.udp, sockets.coalesce_rate, &mut poller)?;
        if let Some(cluster) = &sockets.cluster {
            watch(&mut poller, cluster.receiver(), Token::Cluster)?;
        }
        signals.defer();
        let completions = Completions::new(opened.log);
        monitor.all_is_open();
        Ok(Server {
            clock,
            signals,
            poller,
            tracker,
            loader,
            pipes,
            http,
            udp,
            cluster: sockets.cluster.map(Cluster::new),
            completions,
            shortage: Shortage::of_memory(),
            ceilings: Ceilings::new(),
            coalescing: Coalescing::new(sockets.coalesce_rate, Arc::default()),
            monitor,
            notifier: None,
        })
    }

    /// Reports to the service manager, if there is one, how the tracker fares.
    #[must_use]
    pub fn report_to(mut self, manager: Option<ServiceManager>) -> Self {
        self.notifier = manager.map(Notifier::new);
        self
    }

    /// Serves until a signal ends it, which is returned.
    ///
    /// # Errors
    /// The poller failed, without which nothing goes on.
    pub fn run(mut self) -> Result<Signal, Failure> {
        let mut events = Vec::new();
        self.notifier.iter_mut().for_each(Notifier::ready);
        let signal = loop {
            if let Some(signal) = self.turn(&mut events).map_err(Failure::of("waiting for something to do"))? {
                break signal;
            }
        };
        self.notifier.iter_mut().for_each(Notifier::stopping);
        // the system takes the memory of millions of torrents back at once; one by one they would take a while
        std::mem::forget(self);
        Ok(signal)
    }

    /// One turn: wait, change the access list, answer what came, make and send some more of the long answers, close what took too long, let some time pass
    /// over the swarms, send the other trackers what is due, and under load let requests coalesce. Returns the signal by which it is time to end, if there
    /// is one.
    fn turn(&mut self, events: &mut Vec<Event>) -> io::Result<Option<Signal>> {
        let wait = self.time_to_wait();
        self.poller.wait(events, wait)?;
        let turn = self.clock.turn();
        let now = self.now();
        let mut served = Served { requests: 0, drained: events.len() < EVENTS_A_TURN };
        if let Some(signal) = self.change_access_list(now) {
            return Ok(Some(signal));
        }
        for event in events.iter() {
            match Token::from_bits(event.token) {
                Token::Signals => {
                    if let Some(signal) = self.carry_out_signals() {
                        return Ok(Some(signal));
                    }
                }
                Token::Pipe(index) => self.pipes.reported(index, &mut self.poller),
                Token::Cluster => served += self.receive_from_cluster(now),
                Token::Loader => {
                    if let Some(loader) = &mut self.loader {
                        loader.install(self.tracker.access_list(), now.unix);
                    }
                }
                token => served += self.serve(token, event, now),
            }
        }
        let (clock, http, mut context) = self.http(now);
        http.deliver(clock, &mut context);
        http.look_after_deadlines(&mut context);
        self.udp.look_after_pauses(now.up, &mut self.poller);
        self.completions.write(self.tracker.observers(), &self.clock);
        self.look_after_cluster(now);
        self.tracker.expire(now);
        self.shortage.notice(self.tracker.swarms().refusals(), now.up);
        self.notify(now);
        self.ceilings.notice(self.tracker.swarms().ceiling_counts(), now.up);
        turn.end();
        if METRICS {
            self.monitor.turn_took(self.clock.now().saturating_sub(now.up));
        }
        let drained = served.drained && !self.http.is_busy();
        self.coalescing.after_turn(&self.clock, now.up, served.requests, drained);
        Ok(None)
    }

    /// Makes changes of the access list that wait in the pipes. Each turn begins so, whatever was reported: what was written before a
    /// request was sent counts for it. Signals that came meanwhile are carried out between reading and changing: what was written
    /// after SIGHUP is not forgotten. Returns the signal that asks for the end.
    fn change_access_list(&mut self, now: Now) -> Option<Signal> {
        if self.pipes.is_empty() {
            return None;
        }
        self.pipes.fill(&mut self.poller);
        if self.signals.are_pending() {
            if let Some(signal) = self.carry_out_signals() {
                return Some(signal);
            }
        }
        self.pipes.make_changes(self.tracker.access_list(), now.up);
        None
    }

    /// Carries out what signals ask for. Returns the one that asks for the end.
    fn carry_out_signals(&mut self) -> Option<Signal> {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::Interrupt | Signal::Terminate => return Some(signal),
                Signal::Hangup => {
                    let list = self.tracker.access_list();
                    self.loader.iter_mut().for_each(|loader| loader.reload(list));
                    let since = self.clock.monotonic();
                    self.notifier.iter_mut().for_each(|notifier| notifier.reloading(since));
                }
            }
        }
        None
    }

    /// Tells the service manager what is due.
    fn notify(&mut self, now: Now) {
        let Some(notifier) = &mut self.notifier else { return };
        let is_loading = self.loader.as_ref().is_some_and(Loader::is_loading);
        notifier.after_turn(now.up, is_loading, &self.tracker);
    }

    /// Answers what came for UDP or HTTP.
    fn serve(&mut self, token: Token, event: &Event, now: Now) -> Served {
        let (_, http, mut context) = self.http(now);
        match token {
            Token::Listener(index) => http.accept(index, &mut context),
            Token::Connection(name) => {
                http.ready(name, event, &mut context);
                Served { requests: 1, drained: true }
            }
            Token::Compressor => {
                http.compressed();
                Served { requests: 0, drained: true }
            }
            Token::Udp(index) => self.udp.serve(index, now, &mut self.tracker, &mut self.poller),
            Token::Workers => {
                self.udp.serve_workers(now, &mut self.tracker);
                // theirs have coalesced already
                Served { requests: 0, drained: false }
            }
            Token::Signals | Token::Cluster | Token::Loader | Token::Pipe(_) => Served { requests: 0, drained: true },
        }
    }

    fn http(&mut self, now: Now) -> (&Clock, &mut Http<F>, Context<'_, F>) {
        let Server { clock, http, tracker, poller, monitor, .. } = self;
        (clock, http, Context { now, tracker, poller, monitor })
    }

    fn now(&self) -> Now {
        let up = self.clock.now();
        Now { unix: self.clock.unix_seconds(), steady: self.clock.steady_seconds(up), up }
    }

    /// How long nothing has to be done, unless something happens.
    fn time_to_wait(&mut self) -> Option<Duration> {
        if self.http.is_busy() || self.tracker.observers().is_waiting() {
            return Some(Duration::ZERO);
        }
        let due = [
            self.http.next_deadline(),
            self.udp.next_pause(),
            self.cluster.as_ref().and(self.tracker.outbox().due()),
            self.cluster.as_ref().and_then(Cluster::next_pause),
            Some(self.tracker.next_step()),
            self.notifier.as_ref().map(Notifier::due),
        ];
        let wait = due.into_iter().flatten().min()?.saturating_sub(self.clock.now());
        Some(self.clock.max_wait().map_or(wait, |longest| wait.min(longest)))
    }
}

/// Has the poller watch a descriptor for something to read.
fn watch(poller: &mut Poller, descriptor: BorrowedFd<'_>, token: Token) -> Result<(), Failure> {
    poller.add(descriptor, token.to_bits(), Interest::READ).map_err(Failure::of("waiting for a descriptor"))
}

/// Has the poller watch one of its descriptors for something else.
fn listen_for(poller: &mut Poller, descriptor: BorrowedFd<'_>, token: Token, interest: Interest) {
    // the poller has it already, so there is nothing that could be refused
    let _ = poller.modify(descriptor, token.to_bits(), interest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_were() {
        let names = [0, 1, (1 << Name::BITS) - 1].map(|bits| Token::Connection(Name::from_bits(bits)));
        let named = [Token::Signals, Token::Workers, Token::Cluster, Token::Loader, Token::Compressor];
        let numbered = [Token::Pipe(0), Token::Pipe(1), Token::Udp(0), Token::Udp(7), Token::Listener(9)];
        for token in named.into_iter().chain(numbered).chain(names) {
            assert_eq!(Token::from_bits(token.to_bits()), token);
        }
    }
}
