//! The service manager that started this process, if it wants to know how it fares: the protocol of sd_notify(3), datagrams with a line
//! for each assignment, to the socket that the variable `NOTIFY_SOCKET` names. Where that is not set all of this does nothing.

use super::environment::{number, take};
use super::failure::reason;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// A connection to the service manager.
#[derive(Debug)]
pub struct ServiceManager {
    socket: UnixDatagram,
    /// The time without a sign of life after which the service manager ends this process.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Connects to the service manager that the environment names, and takes its variables out of there. Call it before there are other
    /// threads, and before the root directory changes.
    ///
    /// # Errors
    /// The message for the operator: there is no such socket.
    pub fn from_environment() -> Result<Option<ServiceManager>, String> {
        let [address, microseconds, process] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"].map(take);
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Ok(None) };
        let socket = connect(&address).map_err(|error| {
            format!("Warning: Can't notify the service manager at {}: {}.\n", address.to_string_lossy(), reason(&error))
        })?;
        let is_ours = process.is_none() || number(process.as_deref()) == Some(std::process::id());
        let microseconds = number(microseconds.as_deref()).filter(|microseconds| is_ours && *microseconds > 0);
        Ok(Some(ServiceManager { socket, watchdog: microseconds.map(Duration::from_micros) }))
    }

    /// The time without a sign of life after which the service manager ends this process; `None`: it does not look.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Sends assignments, a line each, without waiting. Returns false if the service manager has no room for them now.
    pub fn notify(&self, assignments: &str) -> bool {
        // one that has gone is told nothing, whatever the error
        !matches!(self.socket.send(assignments.as_bytes()), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

/// Connects to a path, or with `@` in front to an abstract address.
fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_bytes() {
        [b'@', name @ ..] => connect_abstract(&socket, name)?,
        [b'/', ..] => socket.connect(address)?,
        _ => return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    }
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn connect_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
}
