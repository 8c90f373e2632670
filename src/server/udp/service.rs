//! UDP sockets: received, answered and sent in batches, by the loop itself or through workers.

use super::workers::{Pool, Shared};
use crate::limits::{UDP_BATCH, UDP_PAUSE, UDP_REQUEST_MAX, UDP_WORKERS_MAX};
use crate::server::faults::Faults;
use crate::server::{Served, Token, listen_for, watch};
use crate::swarm::Families;
use crate::sys::clock::Clock;
use crate::sys::datagram::Batch;
use crate::sys::failure::{Failure, reason};
use crate::sys::poller::{Interest, Poller};
use crate::sys::socket;
use crate::sys::stderr;
use crate::tracker::{Now, Tracker};
use crate::wire::udp::reply_max;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A socket that the loop serves itself.
struct Socket {
    socket: Arc<OwnedFd>,
    batch: Batch,
    receiving: Faults,
}

/// The UDP sockets, and the buffers or workers by which they are served.
pub(in crate::server) struct Service {
    /// Those that the loop serves itself.
    sockets: Vec<Socket>,
    workers: Pool,
}

impl Service {
    /// Serves these sockets to peers of these families, each by so many workers, and has the poller watch those that have none. Where the
    /// system has no threads to give there are fewer workers, and a socket that has none is served by the loop.
    ///
    /// # Errors
    /// There are no descriptors left, or a socket cannot be watched.
    pub(in crate::server) fn new<F: Families>(
        clock: Clock,
        sockets: Vec<(OwnedFd, u32)>,
        coalesce_rate: u32,
        poller: &mut Poller,
    ) -> Result<Service, Failure> {
        let mut workers = Pool::new(clock, coalesce_rate).map_err(Failure::of("making a pipe"))?;
        watch(poller, workers.waker().as_fd(), Token::Workers)?;
        let mut own = Vec::new();
        for (socket, threads) in sockets {
            if threads > 0 {
                // where that is refused they wait with poll
                let _ = socket::set_blocking(socket.as_fd());
            }
            let socket = Arc::new(socket);
            let shared = Shared::new(Arc::clone(&socket));
            let mut start = || workers.start(shared.clone(), reply_max(F::V4));
            let refused = (0..threads.min(UDP_WORKERS_MAX)).find_map(|started| Some((started, start().err()?)));
            if let Some((started, error)) = &refused {
                let why = reason(error);
                stderr::write_line(&format!("Warning: Could not start more than {started} UDP workers: {why}.\n"));
            }
            if threads == 0 || refused.is_some_and(|(started, _)| started == 0) {
                watch(poller, socket.as_fd(), Token::Udp(own.len()))?;
                let batch = Batch::new(UDP_BATCH, UDP_REQUEST_MAX, reply_max(F::V4));
                own.push(Socket { socket, batch, receiving: Faults::new("recvmmsg", UDP_PAUSE) });
            }
        }
        Ok(Service { sockets: own, workers })
    }

    /// Answers one batch of a socket; one, so that others need not wait for long. If receiving fails, the socket pauses.
    pub(in crate::server) fn serve<F: Families>(
        &mut self,
        index: usize,
        now: Now,
        tracker: &mut Tracker<F>,
        poller: &mut Poller,
    ) -> Served {
        let nothing = Served { requests: 0, drained: false };
        let Some(Socket { socket, batch, receiving }) = self.sockets.get_mut(index) else { return nothing };
        match batch.receive(socket.as_fd()) {
            Ok(received) => {
                receiving.works(now.up);
                answer(batch, received, now, tracker);
                batch.send(socket.as_fd());
                Served { requests: received as u32, drained: !batch.is_full() }
            }
            Err(error) => {
                if receiving.failed(now.up, &error) {
                    listen_for(poller, socket.as_fd(), Token::Udp(index), Interest::NONE);
                }
                nothing
            }
        }
    }

    /// Receives again from sockets whose pause is over.
    pub(in crate::server) fn look_after_pauses(&mut self, now: Duration, poller: &mut Poller) {
        for (index, Socket { socket, receiving, .. }) in self.sockets.iter_mut().enumerate() {
            if receiving.is_over(now) {
                listen_for(poller, socket.as_fd(), Token::Udp(index), Interest::READ);
            }
        }
    }

    /// When the next pause is over.
    pub(in crate::server) fn next_pause(&self) -> Option<Duration> {
        self.sockets.iter().filter_map(|socket| socket.receiving.until()).min()
    }

    /// Answers the batches that workers have handed over: at most one from each.
    pub(in crate::server) fn serve_workers<F: Families>(&mut self, now: Now, tracker: &mut Tracker<F>) {
        self.workers.waker().clear();
        let mut left = self.workers.count();
        while let Some(mut job) = self.workers.take() {
            answer(&mut job.batch, job.received, now, tracker);
            self.workers.give_back(job);
            left = left.saturating_sub(1);
            if left == 0 {
                // more may wait already: look again in the next turn
                self.workers.waker().wake();
                break;
            }
        }
    }
}

/// Writes the replies to a batch.
fn answer<F: Families>(batch: &mut Batch, received: usize, now: Now, tracker: &mut Tracker<F>) {
    tracker.prefetch(batch.requests());
    for at in 0..received {
        let Some(exchange) = batch.exchange(at) else { continue };
        let from = exchange.from.ip().to_canonical();
        let length = tracker.handle_udp(now, from, exchange.request, exchange.reply);
        batch.set_reply(at, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EVENTS_A_TURN;
    use crate::swarm::V4;
    use crate::sys::socket::bind_udp;
    use crate::tracker::Settings;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(10);

    struct Loop {
        service: Service,
        poller: Poller,
        tracker: Tracker<V4>,
        now: Now,
    }

    impl Loop {
        fn new(sockets: Vec<(OwnedFd, u32)>) -> Loop {
            let mut poller = Poller::new(EVENTS_A_TURN).unwrap();
            let service = Service::new::<V4>(Clock::new().unwrap(), sockets, 0, &mut poller).unwrap();
            let settings = Settings::default();
            let tracker = Tracker::new(settings, [1, 2]);
            Loop {
                service,
                poller,
                tracker,
                now: Now { unix: 1_000_000, steady: 1_000_000, up: Duration::from_secs(1) },
            }
        }

        /// Waits for something to serve, and serves it.
        fn turn(&mut self, wait: Duration) -> Vec<Served> {
            let mut events = Vec::new();
            self.poller.wait(&mut events, Some(wait)).unwrap();
            let mut served = Vec::new();
            for event in events {
                match Token::from_bits(event.token) {
                    Token::Udp(index) => {
                        served.push(self.service.serve(index, self.now, &mut self.tracker, &mut self.poller));
                    }
                    Token::Workers => self.service.serve_workers(self.now, &mut self.tracker),
                    other => panic!("{other:?}"),
                }
            }
            served
        }
    }

    fn bound() -> (OwnedFd, SocketAddr) {
        let socket = bind_udp("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap();
        let address = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
        (socket, address)
    }

    /// A client, and its request for a connection id.
    fn client(to: SocketAddr) -> (UdpSocket, [u8; 16]) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(to).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let mut connect = [0; 16];
        connect[..8].copy_from_slice(&0x0417_2710_1980_u64.to_be_bytes());
        connect[12..].copy_from_slice(b"mine");
        (socket, connect)
    }

    fn is_answered(client: &UdpSocket) -> bool {
        let mut reply = [0; 100];
        let length = client.recv(&mut reply).unwrap();
        length == 16 && &reply[4..8] == b"mine"
    }

    #[test]
    fn requests_are_answered_in_batches() {
        let (socket, address) = bound();
        let mut serving = Loop::new(vec![(socket, 0)]);
        let (client, connect) = client(address);
        for count in [1, 5, 2 * UDP_BATCH] {
            (0..count).for_each(|_| assert_eq!(client.send(&connect).unwrap(), 16));
            let (mut answered, mut drained) = (0, false);
            while answered < count || !drained {
                for served in serving.turn(SOON) {
                    assert!(served.requests as usize <= UDP_BATCH);
                    answered += served.requests as usize;
                    drained = served.drained;
                }
                if answered == count && !drained {
                    // the last batch was full by chance: nothing is left
                    break;
                }
            }
            (0..count).for_each(|_| assert!(is_answered(&client)));
        }
    }

    #[test]
    fn an_error_that_stays_pauses_its_socket_and_no_other() {
        let (socket, address) = bound();
        let (reading_end, writing_end) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writing_end, b"x").unwrap();
        let mut serving = Loop::new(vec![(reading_end, 0), (socket, 0)]);
        assert_eq!(serving.turn(SOON), [Served { requests: 0, drained: false }], "no socket, so it fails");
        assert_eq!(serving.service.next_pause(), Some(serving.now.up + UDP_PAUSE));
        assert_eq!(serving.turn(Duration::ZERO), [], "it is left alone");
        let (client, connect) = client(address);
        client.send(&connect).unwrap();
        assert_eq!(serving.turn(SOON).len(), 1);
        assert!(is_answered(&client));
        serving.service.look_after_pauses(serving.now.up, &mut serving.poller);
        assert_eq!(serving.turn(Duration::ZERO), []);
        serving.now.up += UDP_PAUSE;
        serving.service.look_after_pauses(serving.now.up, &mut serving.poller);
        assert_eq!((serving.turn(SOON).len(), serving.service.next_pause()), (1, Some(serving.now.up + UDP_PAUSE)));
    }

    #[test]
    fn workers_hand_over_and_send() {
        let (socket, address) = bound();
        let mut serving = Loop::new(vec![(socket, 3)]);
        let clients: Vec<_> = (0..20).map(|_| client(address)).collect();
        for _ in 0..10 {
            clients.iter().for_each(|(client, connect)| assert_eq!(client.send(connect).unwrap(), 16));
            let done = std::thread::scope(|scope| {
                let answered = scope.spawn(|| clients.iter().all(|(client, _)| is_answered(client)));
                while !answered.is_finished() {
                    serving.turn(Duration::from_millis(1));
                }
                answered.join().unwrap()
            });
            assert!(done);
        }
    }

    #[test]
    fn full_batches_wake_more_workers() {
        const WORKERS: usize = 3;
        let (socket, address) = bound();
        let (client, connect) = client(address);
        // a worker takes 8, 16, 32, then as many as there is room for
        (0..WORKERS * 2 * UDP_BATCH).for_each(|_| assert_eq!(client.send(&connect).unwrap(), 16));
        let mut serving = Loop::new(vec![(socket, WORKERS as u32)]);
        let (mut events, mut full) = (Vec::new(), Vec::new());
        while full.len() < WORKERS {
            serving.poller.wait(&mut events, Some(SOON)).unwrap();
            assert!(!events.is_empty(), "{} full batches", full.len());
            serving.service.workers.waker().clear();
            while let Some(job) = serving.service.workers.take() {
                if job.received == UDP_BATCH { full.push(job.worker) } else { serving.service.workers.give_back(job) }
            }
        }
        full.sort_unstable();
        assert_eq!(full, [0, 1, 2], "each has one");
    }
}
