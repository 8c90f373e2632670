//! Batches over real sockets.

use super::*;
use crate::sys::poller::{Interest, Poller};
use crate::sys::socket::bind_udp;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(10);

fn server(address: &str) -> (OwnedFd, u16) {
    let socket = bind_udp(address.parse().unwrap(), 1 << 20).unwrap();
    let local = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
    (socket, local.port())
}

/// A client that receives only what comes from the address that it asks.
fn client(server: &str, port: u16) -> UdpSocket {
    let wildcard = if server.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
    let client = UdpSocket::bind(wildcard).unwrap();
    client.connect((server, port)).unwrap();
    client.set_read_timeout(Some(LONG)).unwrap();
    client
}

/// Receives until a batch holds something.
fn receive(batch: &mut Batch, socket: &OwnedFd) -> usize {
    let mut poller = Poller::new(1).unwrap();
    poller.add(socket.as_fd(), 0, Interest::READ).unwrap();
    poller.wait(&mut Vec::new(), Some(LONG)).unwrap();
    batch.receive(socket.as_fd()).unwrap()
}

/// Answers every datagram of the batch with its own bytes, backwards.
fn answer(batch: &mut Batch, count: usize) {
    for index in 0..count {
        let exchange = batch.exchange(index).unwrap();
        let length = exchange.request.len();
        exchange.reply[..length].copy_from_slice(exchange.request);
        exchange.reply[..length].reverse();
        batch.set_reply(index, length);
    }
}

#[test]
fn batches_of_questions_and_answers() {
    let (socket, port) = server("127.0.0.1:0");
    let mut batch = Batch::new(4, 64, 32);
    assert_eq!(batch.receive(socket.as_fd()).unwrap(), 0);
    assert!(batch.exchange(0).is_none());
    let clients: Vec<_> = (0..6).map(|_| client("127.0.0.1", port)).collect();
    for (number, client) in clients.iter().enumerate() {
        client.send(&[b'a', number as u8]).unwrap();
    }
    let mut asked = Vec::new();
    let mut sent = 0;
    while asked.len() < 6 {
        let count = receive(&mut batch, &socket);
        assert!((1..=4).contains(&count));
        answer(&mut batch, count);
        for index in 0..count {
            let exchange = batch.exchange(index).unwrap();
            let number = exchange.request[1];
            assert_eq!(exchange.from, clients[usize::from(number)].local_addr().unwrap());
            assert_eq!(exchange.request, [b'a', number]);
            assert_eq!(exchange.reply.len(), 32);
            asked.push(number);
            if number == 2 {
                batch.set_reply(index, 0);
            }
        }
        assert!(batch.exchange(count).is_none());
        batch.set_reply(count, 5);
        sent += batch.send(socket.as_fd());
        assert_eq!(batch.send(socket.as_fd()), 0);
    }
    asked.sort_unstable();
    assert_eq!(asked, [0, 1, 2, 3, 4, 5]);
    assert_eq!(sent, 5);
    for number in [0u8, 1, 3, 4, 5] {
        let mut reply = [0; 8];
        assert_eq!(clients[usize::from(number)].recv(&mut reply).unwrap(), 2);
        assert_eq!(reply[..2], [number, b'a']);
    }
}

#[test]
fn empty_and_too_long_datagrams_are_delivered() {
    let (socket, port) = server("127.0.0.1:0");
    let mut batch = Batch::new(4, 8, 8);
    let client = client("127.0.0.1", port);
    client.send(b"").unwrap();
    client.send(b"more than eight").unwrap();
    client.send(b"short").unwrap();
    let mut requests = Vec::new();
    while requests.len() < 3 {
        let count = receive(&mut batch, &socket);
        let first = requests.len();
        requests.extend((0..count).map(|index| batch.exchange(index).unwrap().request.to_vec()));
        assert!(batch.requests().eq(&requests[first..]));
    }
    assert_eq!(requests, [&b""[..], b"more tha", b"short"]);
    // No room for a ninth byte of reply.
    batch.set_reply(0, 9);
    assert_eq!(batch.send(socket.as_fd()), 1);
    assert_eq!(client.recv(&mut [0; 16]).unwrap(), 8);
}

#[test]
fn replies_leave_from_the_address_asked() {
    let several = [("0.0.0.0:0", "127.0.0.2"), ("[::]:0", "127.0.0.2"), ("[::]:0", "127.0.0.1"), ("[::]:0", "::1")];
    for (wildcard, asked) in several {
        let (socket, port) = server(wildcard);
        let client = client(asked, port);
        let mut batch = Batch::new(4, 64, 64);
        client.send(b"ab").unwrap();
        assert_eq!(receive(&mut batch, &socket), 1);
        let from = batch.exchange(0).unwrap().from;
        assert_eq!(from.is_ipv6(), wildcard.starts_with('['));
        assert_eq!(from.ip().to_canonical(), client.local_addr().unwrap().ip());
        answer(&mut batch, 1);
        assert_eq!(batch.send(socket.as_fd()), 1, "{wildcard} {asked}");
        let mut reply = [0; 8];
        assert_eq!(client.recv(&mut reply).unwrap(), 2, "{wildcard} {asked}");
        assert_eq!(&reply[..2], b"ba");
    }
}

#[test]
fn a_refused_reply_does_not_hold_up_the_others() {
    let (socket, port) = server("127.0.0.1:0");
    let mut batch = Batch::new(4, 64, 64);
    let clients: Vec<_> = (0..3).map(|_| client("127.0.0.1", port)).collect();
    clients.iter().for_each(|client| assert_eq!(client.send(b"ab").unwrap(), 2));
    let (mut received, mut sent) = (0, 0);
    while received < 3 {
        let count = receive(&mut batch, &socket);
        answer(&mut batch, count);
        for index in 0..count {
            if batch.exchange(index).unwrap().from == clients[1].local_addr().unwrap() {
                // Nothing can be sent to port 0.
                batch.names[index].v4.sin_port = 0;
            }
        }
        received += count;
        sent += batch.send(socket.as_fd());
    }
    assert_eq!(sent, 2);
    for answered in [&clients[0], &clients[2]] {
        assert_eq!(answered.recv(&mut [0; 8]).unwrap(), 2);
    }
}

#[test]
fn a_batch_can_go_to_another_thread() {
    let (socket, port) = server("127.0.0.1:0");
    let client = client("127.0.0.1", port);
    client.send(b"ab").unwrap();
    let mut batch = Batch::new(2, 8, 8);
    assert_eq!(receive(&mut batch, &socket), 1);
    let mut batch = std::thread::spawn(move || {
        answer(&mut batch, 1);
        batch
    })
    .join()
    .unwrap();
    assert_eq!(batch.send(socket.as_fd()), 1);
    assert_eq!(client.recv(&mut [0; 8]).unwrap(), 2);
}

#[test]
fn a_socket_of_no_use_is_an_error() {
    let listener = crate::sys::socket::listen_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    assert!(Batch::new(1, 8, 8).receive(listener.as_fd()).is_err());
}
