//! What the server knows of itself, for the metrics: its UDP sockets, the times of its turns, the process. Builds without `metrics` keep
//! nothing of that.

use super::Sockets;
use crate::stats::figures::{self, Connections, Gauges, LongAnswers, UdpSocket};
use crate::stats::histogram::Histogram;
use crate::sys::process::{Process, cpu_time};
use crate::sys::resources::descriptor_limit;
use crate::sys::socket::{local_address, receive_memory};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A socket to ask the system about.
#[derive(Debug)]
struct Watched {
    /// A second descriptor of it: the first one belongs to whoever receives from it.
    socket: OwnedFd,
    address: SocketAddr,
}

/// What is watched.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    udp: Vec<Watched>,
    sync: Option<Watched>,
    process: Option<Process>,
    /// Open descriptors besides connections.
    descriptors: Option<u64>,
    turns: Histogram,
}

impl Monitor {
    /// Watches these sockets and the process. What the system has no descriptor for is left out.
    pub(super) fn new(sockets: &Sockets, process: Option<Process>) -> Monitor {
        let udp = sockets.udp.iter().filter_map(|(socket, _)| Watched::new(socket.as_fd())).collect();
        let sync = sockets.cluster.as_ref().and_then(|cluster| Watched::new(cluster.receiver()));
        Monitor { udp, sync, process, ..Monitor::default() }
    }

    /// Takes note that everything is open that stays open.
    pub(super) fn all_is_open(&mut self) {
        self.descriptors = self.process.as_ref().and_then(Process::count_descriptors);
    }

    /// A turn is over.
    pub(super) fn turn_took(&mut self, time: Duration) {
        self.turns.add(time);
    }

    /// All of it as it is now, with what the connections know. One more connection is open: the one that asks.
    pub(super) fn gauges(&self, connections: Connections, answers: LongAnswers) -> Gauges {
        let waiting = connections.request + connections.short_answer + connections.long_answer + connections.close;
        let usage = self.process.as_ref().map(Process::usage).unwrap_or_default();
        Gauges {
            connections,
            answers,
            udp: self.udp.iter().filter_map(Watched::figures).collect(),
            sync: self.sync.as_ref().and_then(Watched::figures),
            turns: self.turns.clone(),
            process: figures::Process {
                cpu: cpu_time(),
                resident_bytes: usage.resident_bytes,
                virtual_bytes: usage.virtual_bytes,
                descriptors: self.descriptors.map(|own| own + waiting as u64 + 1),
                most_descriptors: descriptor_limit(),
            },
        }
    }
}

impl Watched {
    fn new(socket: BorrowedFd<'_>) -> Option<Watched> {
        Some(Watched { address: local_address(socket)?, socket: socket.try_clone_to_owned().ok()? })
    }

    /// `None` where the system does not say.
    fn figures(&self) -> Option<UdpSocket> {
        let memory = receive_memory(self.socket.as_fd())?;
        Some(UdpSocket {
            address: self.address,
            buffer_bytes: memory.size,
            waiting_bytes: memory.waiting,
            dropped: memory.dropped,
        })
    }
}
