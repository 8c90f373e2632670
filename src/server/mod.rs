//! The loop: one thread that owns the tracker and all sockets.
//!
//! `Server::turn` has the whole order of a turn. Each part of it is bounded, so that none keeps the others waiting for long.

mod cluster;
mod coalesce;
mod completions;

mod http;

mod udp;

use crate::access::Loader;
use crate::cluster::Sockets as Cluster;
use crate::limits::{ACCEPT_PAUSE, CLOSES_A_TURN, EVENTS_A_TURN, REQUEST_MAX};
use crate::sys::clock::Clock;
use crate::sys::failure::Failure;
use crate::sys::poller::{Event, Interest, Poller};
use crate::sys::signals::{Signal, Signals};
use crate::sys::syslog::SystemLog;
use crate::tracker::{Now, Tracker};
use coalesce::Pace;
use http::connections::{Connections, Name};
use std::io;
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
            0 => Token::Compressor,
            1 => Token::Udp(rest as usize),
            2 => Token::Listener(rest as usize),
            _ => Token::Connection(Name::from_bits(rest)),
        }
    }
}

/// The sockets that the tracker serves, bound and listening.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Those that take HTTP connections.
    pub listeners: Vec<OwnedFd>,
    /// Those of the UDP protocol, and how many workers receive and send for each; without any the loop does.
    pub udp: Vec<(OwnedFd, u32)>,
    /// Those that the trackers of a cluster talk through.
    pub cluster: Option<Cluster>,
}

/// A tracker with its sockets.
pub struct Server<const N: usize> {
    clock: Clock,
    signals: Signals,
    poller: Poller,
    tracker: Tracker<N>,
    loader: Option<Loader>,
    listeners: Vec<OwnedFd>,
    /// Until when no connections are accepted, for want of descriptors.
    accepting_from: Option<Duration>,
    udp: udp::Service,
    cluster: Option<Cluster>,
    pace: Pace,
    connections: Connections<N>,
    answers: http::answers::Answers<N>,
    completions: completions::Completions,
    /// Where requests are received, one byte longer than the longest that is answered.
    request: Vec<u8>,
    /// Where replies are written.
    reply: Vec<u8>,
}

impl<const N: usize> Server<N> {
    /// Takes the sockets, the tracker and the system's log, and starts the workers asked for.
    ///
    /// # Errors
    /// The system has no poller or thread to give, or takes not all sockets into the poller.
    pub fn new(
        clock: Clock,
        signals: Signals,
        sockets: Sockets,
        tracker: Tracker<N>,
        loader: Option<Loader>,
        log: Option<SystemLog>,
    ) -> Result<Self, Failure> {
        let mut poller = Poller::new(EVENTS_A_TURN).map_err(Failure::of("making a set of descriptors to wait for"))?;
        let udp = udp::Service::new::<N>(clock.clone(), sockets.udp).map_err(Failure::of("making a pipe"))?;
        let answers = http::answers::Answers::new().map_err(Failure::of("making a pipe"))?;
        let mut watch = |descriptor: BorrowedFd<'_>, token: Token| {
            poller.add(descriptor, token.to_bits(), Interest::READ).map_err(Failure::of("waiting for a descriptor"))
        };
        watch(signals.as_fd(), Token::Signals)?;
        if let Some(loader) = &loader {
            watch(loader.waker(), Token::Loader)?;
        }
        for (index, listener) in sockets.listeners.iter().enumerate() {
            watch(listener.as_fd(), Token::Listener(index))?;
        }
        for (index, socket) in udp.sockets().enumerate() {
            watch(socket, Token::Udp(index))?;
        }
        watch(udp.workers().waker().as_fd(), Token::Workers)?;
        if let Some(compressor) = answers.compressor() {
            watch(compressor.waker().as_fd(), Token::Compressor)?;
        }
        if let Some(cluster) = &sockets.cluster {
            watch(cluster.receiver(), Token::Cluster)?;
        }
        signals.defer();
        Ok(Server {
            clock,
            signals,
            poller,
            tracker,
            loader,
            listeners: sockets.listeners,
            accepting_from: None,
            udp,
            cluster: sockets.cluster,
            pace: Pace::new(Arc::default()),
            connections: Connections::default(),
            answers,
            completions: completions::Completions::new(log),
            request: vec![0; REQUEST_MAX + 1],
            reply: Vec::new(),
        })
    }

    /// Serves until a signal ends it, which is returned.
    ///
    /// # Errors
    /// The poller failed, without which nothing goes on.
    pub fn run(mut self) -> Result<Signal, Failure> {
        let mut events = Vec::new();
        let signal = loop {
            if let Some(signal) = self.turn(&mut events).map_err(Failure::of("waiting for something to do"))? {
                break signal;
            }
        };
        // the system takes the memory of millions of torrents back at once; one by one they would take a while
        std::mem::forget(self);
        Ok(signal)
    }

    /// One turn: wait, answer what came, make and send some more of the long answers, close what took too long, let some time pass
    /// over the swarms, tell the other trackers, and under load let some requests gather. Returns the signal by which it is time to end, if there is one.
    fn turn(&mut self, events: &mut Vec<Event>) -> io::Result<Option<Signal>> {
        let wait = self.time_to_wait();
        self.poller.wait(events, wait)?;
        let turn = self.clock.turn();
        let now = self.now();
        let mut served = udp::Served { requests: 0, drained: events.len() < EVENTS_A_TURN };
        for event in events.iter() {
            match Token::from_bits(event.token) {
                Token::Signals => {
                    while let Some(signal) = self.signals.take() {
                        match signal {
                            Signal::Interrupt | Signal::Terminate => return Ok(Some(signal)),
                            Signal::Hangup => self.loader.iter_mut().for_each(Loader::reload),
                        }
                    }
                }
                Token::Cluster => served += self.hear_cluster(now),
                Token::Udp(index) => served += self.udp.serve(index, now, &mut self.tracker),
                Token::Loader => {
                    if let Some(loader) = &mut self.loader {
                        loader.install(self.tracker.access_list());
                    }
                }
                Token::Workers => {
                    // theirs have gathered already
                    served.drained = false;
                    self.udp.serve_workers(now, &mut self.tracker);
                }
                Token::Compressor => self.pieces_back(now),
                Token::Listener(index) => served += self.accept(index, now),
                Token::Connection(name) => {
                    served.requests += 1;
                    self.connection_ready(name, event, now);
                }
            }
        }
        self.deliver(now);
        self.completions.write(self.tracker.observers(), &self.clock);
        for _ in 0..CLOSES_A_TURN {
            let Some(name) = self.connections.overdue(now.up) else { break };
            self.close(name);
        }
        if self.accepting_from.is_some_and(|from| from <= now.up) {
            self.resume_accepting();
        }
        self.tell_cluster(now);
        self.tracker.expire(now);
        turn.end();
        let drained = served.drained && !self.answers.is_busy();
        self.pace.after_turn(&self.clock, now.up, served.requests, drained);
        Ok(None)
    }

    fn now(&self) -> Now {
        let up = self.clock.now();
        Now { unix: self.clock.unix_seconds(), steady: self.clock.steady_seconds(up), up }
    }

    /// How long nothing has to be done, unless something happens.
    fn time_to_wait(&mut self) -> Option<Duration> {
        if self.answers.is_busy() || self.tracker.observers().is_waiting() {
            return Some(Duration::ZERO);
        }
        let due = [
            self.connections.next_deadline(),
            self.accepting_from,
            self.cluster.as_ref().and(self.tracker.outbox().due()),
            Some(self.tracker.next_step()),
        ];
        let wait = due.into_iter().flatten().min()?.saturating_sub(self.clock.now());
        Some(self.clock.max_wait().map_or(wait, |longest| wait.min(longest)))
    }

    /// Leaves connections waiting in the system's queue while there are no descriptors for them.
    fn pause_accepting(&mut self, now: Now) {
        if self.accepting_from.replace(now.up + ACCEPT_PAUSE).is_none() {
            self.listen_for(Interest::NONE);
        }
    }

    fn resume_accepting(&mut self) {
        if self.accepting_from.take().is_some() {
            self.listen_for(Interest::READ);
        }
    }

    fn listen_for(&mut self, interest: Interest) {
        for (index, listener) in self.listeners.iter().enumerate() {
            // the poller has it already, so there is nothing that could be refused
            let _ = self.poller.modify(listener.as_fd(), Token::Listener(index).to_bits(), interest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_were() {
        let names = [0, 1, (1 << Name::BITS) - 1].map(|bits| Token::Connection(Name::from_bits(bits)));
        let named = [Token::Signals, Token::Workers, Token::Cluster, Token::Loader];
        let numbered = [Token::Udp(0), Token::Udp(7), Token::Listener(9)];
        for token in named.into_iter().chain(numbered).chain(names) {
            assert_eq!(Token::from_bits(token.to_bits()), token);
        }
    }
}
