//! A real server, asked over loopback: arbitrary bytes in arbitrary pieces, pauses, clients that half close or vanish, several at a time.
//! Whatever they do, it answers others afterwards, over UDP and HTTP.
//!
//! An operation is a byte: its low bits choose one of four connections, the others what is done with it. Some are followed by a length and
//! that many bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::limits::{ANSWERS_BUDGET, CONNECTION_BYTES_MAX, UDP_RECEIVE_BUFFER};
use opentracker::server::{Bounds, Opened, Server, Sockets};
use opentracker::swarm::Dual;
use opentracker::sys::clock::Clock;
use opentracker::sys::signals::Signals;
use opentracker::sys::socket::{bind_udp, listen_tcp, local_address};
use opentracker_fuzz::{Bytes, tracker};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::OnceLock;
use std::time::Duration;

/// How long an answer may take.
const SOON: Duration = Duration::from_secs(8);

/// How long a client pauses: the server has come by meanwhile, most of the time.
const PAUSE: Duration = Duration::from_micros(300);

/// Where the one server of this process is reached by HTTP and UDP.
fn server() -> [SocketAddr; 2] {
    static SERVER: OnceLock<[SocketAddr; 2]> = OnceLock::new();
    *SERVER.get_or_init(|| {
        let any = "127.0.0.1:0".parse().expect("an address");
        let tcp = listen_tcp(any).expect("a socket");
        let udp = bind_udp(any, UDP_RECEIVE_BUFFER).expect("a socket");
        let addresses = [&tcp, &udp].map(|socket| local_address(socket).expect("its address"));
        let connections = Bounds { waiting: 64, waiting_bytes: CONNECTION_BYTES_MAX, answer_bytes: ANSWERS_BUDGET };
        let sockets = Sockets { listeners: vec![tcp], connections, udp: vec![(udp, 0)], ..Sockets::default() };
        std::thread::spawn(move || {
            let (clock, signals) = (Clock::new().expect("a clock"), Signals::new().expect("signals"));
            let server = Server::new(clock, signals, sockets, tracker::<Dual>(), None, Vec::new(), Opened::default());
            server.expect("a server").run().expect("it goes on")
        });
        addresses
    })
}

fn open(to: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(to).expect("a connection");
    client.set_read_timeout(Some(SOON)).expect("a time");
    client.set_nodelay(true).expect("an option");
    client
}

/// The length of the next datagram. libFuzzer's own timer interrupts the wait.
fn receive(socket: &UdpSocket) -> usize {
    loop {
        match socket.recv(&mut [0; 100]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            received => return received.expect("an answer"),
        }
    }
}

/// Does what a byte says with a connection.
fn operate(kind: u8, client: &mut TcpStream, to: [SocketAddr; 2], bytes: &mut Bytes<'_>) {
    // a server that has closed the connection refuses all of this
    let mut send = |text: &[u8]| drop(client.write_all(text));
    match kind % 9 {
        0 | 1 => {
            let length = bytes.byte().unwrap_or_default();
            send(bytes.take(length.into()));
        }
        2 => send(b"GET /"),
        3 => send(b"\r\n\r\n"),
        4 => std::thread::sleep(PAUSE),
        5 => drop(client.shutdown(Shutdown::Write)),
        6 => *client = open(to[0]),
        7 => {
            client.set_nonblocking(true).expect("a mode");
            let _ = client.read(&mut [0; 4096]);
            client.set_nonblocking(false).expect("a mode");
        }
        _ => {
            let length = bytes.byte().unwrap_or_default();
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let _ = socket.send_to(bytes.take(length.into()), to[1]);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let to = server();
    let mut bytes = Bytes(data);
    let mut clients: [TcpStream; 4] = std::array::from_fn(|_| open(to[0]));
    while let Some(byte) = bytes.byte() {
        operate(byte / 4, &mut clients[usize::from(byte % 4)], to, &mut bytes);
    }
    drop(clients);

    let mut client = open(to[0]);
    client.write_all(b"GET /stats?mode=version HTTP/1.0\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.") && answer.ends_with(b"bytes\n"), "{}", answer.escape_ascii());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a time");
    socket.send_to(b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0mine", to[1]).expect("a request");
    assert_eq!(receive(&socket), 16);
});
