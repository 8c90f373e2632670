//! `--check-health`: asks a tracker for an answer, for containers and monitors. It has to be the first word of the command line; then
//! nothing else is read, bound or started.

use super::Exit;
use crate::address::scan_endpoint;
use crate::config::TRACKER_PORT;
use crate::features::V6;
use crate::limits::{HEALTH_ANSWER_MAX, HEALTH_TIMEOUT};
use crate::wire::udp::{self, MAGIC};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::ffi::OsStrExt;

/// The word that asks for it.
const WORD: &str = "--check-health";

/// A scrape of a torrent that is hardly there: it changes nothing, needs no permission, and any tracker answers it with 200.
const REQUEST: &[u8] =
    b"GET /scrape?info_hash=%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00 HTTP/1.0\r\n\r\n";

/// If a command line asks for it, asks the tracker at the address behind the word, or at the usual one, and returns with what to exit.
pub fn check(words: &[OsString]) -> Option<Exit> {
    let [_, first, rest @ ..] = words else { return None };
    if first != WORD {
        return None;
    }
    let address = match rest {
        [] => Some(SocketAddr::new(
            if V6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() },
            TRACKER_PORT,
        )),
        [address] => read_address(address.as_bytes()),
        _ => None,
    };
    let Some(address) = address else {
        let message = format!("Usage: opentracker {WORD} [ADDRESS[:PORT]]\n");
        return Some(Exit { code: 1, message: message.into_bytes() });
    };
    let outcome = over_tcp(address).or_else(|error| match error.kind() {
        // it may serve UDP alone
        ErrorKind::ConnectionRefused => over_udp(address).map_err(|_| error),
        _ => Err(error),
    });
    Some(match outcome {
        Ok(()) => Exit { code: 0, message: Vec::new() },
        Err(error) => {
            let message = format!("No tracker answers at {address}: {error}.\n");
            Exit { code: 1, message: message.into_bytes() }
        }
    })
}

/// An address with or without a port, and nothing behind it. Where a tracker listens on all addresses it is asked on this host.
fn read_address(text: &[u8]) -> Option<SocketAddr> {
    let (address, _) = scan_endpoint(text, TRACKER_PORT).filter(|(_, length)| *length == text.len())?;
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Some(SocketAddr::new(ip, address.port()))
}

fn over_tcp(address: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect_timeout(&address, HEALTH_TIMEOUT)?;
    connection.set_read_timeout(Some(HEALTH_TIMEOUT))?;
    connection.set_write_timeout(Some(HEALTH_TIMEOUT))?;
    connection.write_all(REQUEST)?;
    let mut answer = Vec::new();
    let read = connection.take(HEALTH_ANSWER_MAX).read_to_end(&mut answer);
    read.map_err(|error| if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error })?;
    let is_answer = answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"\r\n\r\nd5:filesdee");
    if is_answer { Ok(()) } else { Err(io::Error::other("what is there answers otherwise")) }
}

fn over_udp(address: SocketAddr) -> io::Result<()> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(HEALTH_TIMEOUT))?;
    let transaction = std::process::id().to_be_bytes();
    socket.send(&[&MAGIC.to_be_bytes()[..], &[0; 4], &transaction].concat())?;
    let mut reply = [0; udp::CONNECTED];
    let length = socket.recv(&mut reply)?;
    let is_reply = length == reply.len() && reply.starts_with(&[&[0; 4][..], &transaction].concat());
    if is_reply { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}
