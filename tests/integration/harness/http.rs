//! An HTTP client that can be as odd as a test wants: raw bytes, in pieces, half-closed, from any loopback address.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// How a conversation over TCP ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The tracker closed the connection.
    Closed,
    /// The tracker reset it.
    Reset,
    /// It was still open when the client had waited long enough.
    Open,
}

/// All that came back, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Every byte received.
    pub bytes: Vec<u8>,
    /// How the conversation ended.
    pub end: End,
}

impl Reply {
    /// The status code, 0 where there is no status line.
    pub fn code(&self) -> u16 {
        let words = self.bytes.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
        words.and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// The head, without the empty line that ends it.
    pub fn head(&self) -> String {
        self.split().0
    }

    /// What follows the head.
    pub fn body(&self) -> &[u8] {
        self.split().1
    }

    /// The body as text, for statistics.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body()).into_owned()
    }

    /// The body as the bencoded value that it is; panics if it is none.
    #[track_caller]
    pub fn bencode(&self) -> super::bencode::Value {
        super::bencode::parse(self.body())
            .unwrap_or_else(|why| panic!("{why} in {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// Whether the body is as long as the head says.
    pub fn is_whole(&self) -> bool {
        let stated = self.head().lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
        stated == Some(self.body().len())
    }

    fn split(&self) -> (String, &[u8]) {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = match end {
            Some(end) => (&self.bytes[..end], &self.bytes[end + 4..]),
            None => (&self.bytes[..], &[][..]),
        };
        (String::from_utf8_lossy(head).into_owned(), body)
    }
}

/// One connection to a tracker.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects, from `source` if one is given.
    pub fn connect(to: SocketAddr, source: Option<IpAddr>) -> std::io::Result<Self> {
        Self::open(to, source, None)
    }

    /// Connects with a receive buffer of so many bytes: a client that lets much pile up at the other end.
    pub fn connect_with_window(to: SocketAddr, source: Option<IpAddr>, bytes: usize) -> std::io::Result<Self> {
        Self::open(to, source, Some(bytes))
    }

    fn open(to: SocketAddr, source: Option<IpAddr>, window: Option<usize>) -> std::io::Result<Self> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        if let Some(bytes) = window {
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
        }
        if let Some(source) = source {
            rustix::net::bind(&socket, &SocketAddr::new(source, 0))?;
        }
        rustix::net::connect(&socket, &to)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends bytes. A tracker that has closed already is no error here: what it answered can still be read.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends pieces, each with a pause before the next, so that they arrive as reads of their own.
    pub fn send_pieces(&mut self, pieces: &[Vec<u8>]) {
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
            self.send(piece);
        }
    }

    /// Says that nothing more will be sent, and still listens.
    pub fn half_close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads until the tracker closes, or nothing has come for `wait`.
    pub fn read_all(&mut self, wait: Duration) -> Reply {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 65536];
        let _ = self.stream.set_read_timeout(Some(wait));
        let end = loop {
            match super::uninterrupted(|| self.stream.read(&mut buffer)) {
                Ok(0) => break End::Closed,
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break End::Open,
                Err(_) => break End::Reset,
            }
        };
        Reply { bytes, end }
    }

    /// Reads until `enough` bytes are there or the connection ends or nothing comes for `wait`.
    pub fn read_some(&mut self, enough: usize, wait: Duration) -> Vec<u8> {
        let mut bytes = vec![0; enough];
        let mut have = 0;
        let end = Instant::now() + wait;
        while have < enough && Instant::now() < end {
            let _ = self.stream.set_read_timeout(Some(Duration::from_millis(50)));
            match super::uninterrupted(|| self.stream.read(&mut bytes[have..])) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        bytes.truncate(have);
        bytes
    }

    /// The connection itself, for tests that need more.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

/// `GET TARGET` with the shortest header that is one.
pub fn get_request(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.0\r\n\r\n").into_bytes()
}

/// Sends one request and reads the answer to its end.
pub fn exchange(to: SocketAddr, source: Option<IpAddr>, request: &[u8], wait: Duration) -> std::io::Result<Reply> {
    let mut client = Client::connect(to, source)?;
    client.send(request);
    Ok(client.read_all(wait))
}
