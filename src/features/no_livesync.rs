//! The face of [live sync](self) in builds without it: there are no sockets, and nothing is collected.

use crate::sys::failure::Failure;
use crate::wire::livesync::Record;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddrV4};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Nothing that anybody is told.
#[derive(Debug)]
pub struct Outbox<const N: usize>;

impl<const N: usize> Outbox<N> {
    /// Takes no note of the id.
    pub fn new(_tracker_id: u32) -> Self {
        Outbox
    }

    /// Tells nobody.
    pub fn tell(&mut self, _record: &Record<N>) {}

    /// Never.
    pub fn due(&self) -> Option<Duration> {
        None
    }

    /// Sends nothing.
    pub fn flush(&mut self, _up: Duration, _send: impl FnMut(&[u8]) -> bool) {}
}

/// Sockets that cannot be had.
#[derive(Debug)]
pub enum Sockets {}

impl Sockets {
    /// Is never asked for, as the words for it are not in this build's grammar.
    ///
    /// # Errors
    /// Always.
    pub fn join(_address: SocketAddrV4) -> Result<Sockets, Failure> {
        Err(Failure::new("live sync", ErrorKind::Unsupported))
    }

    /// There are no such sockets.
    pub fn ears(&self) -> BorrowedFd<'_> {
        match *self {}
    }

    /// There are no such sockets.
    pub fn receive(&mut self) -> Option<Option<(IpAddr, &[u8])>> {
        match *self {}
    }

    /// There are no such sockets.
    pub fn send(&self, _packet: &[u8]) -> bool {
        match *self {}
    }
}
