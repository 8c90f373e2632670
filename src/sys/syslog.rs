//! The system's log: lines sent to a socket as the C library's `syslog` does, but never waiting for it.

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Where the log listens.
const PLACE: &str = if cfg!(any(target_os = "freebsd", target_os = "netbsd")) { "/var/run/log" } else { "/dev/log" };

/// Facility LOG_USER, severity LOG_INFO.
const PRIORITY: u8 = 1 << 3 | 6;

/// The name that lines are sent under.
const NAME: &str = "opentracker";

/// A connection to the log, if there is one.
#[derive(Debug)]
pub struct SystemLog {
    socket: Option<OwnedFd>,
}

impl SystemLog {
    /// Looks for the log. Call it before the root directory changes: the log is out of reach then, and so is the time zone.
    pub fn open() -> Self {
        Self::open_at(Path::new(PLACE))
    }

    fn open_at(place: &Path) -> Self {
        // SAFETY: sets the C library's time zone, which no other thread reads meanwhile: none has been started.
        unsafe { tzset() };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None);
        let address = SocketAddrUnix::new(place);
        let connected = socket.and_then(|socket| {
            rustix::net::connect(&socket, &address?)?;
            Ok(socket)
        });
        SystemLog { socket: connected.ok() }
    }

    /// Sends a line; false if it was lost, because there is no log or it does not keep up.
    pub fn send(&self, unix: u64, line: &str) -> bool {
        let Some(socket) = &self.socket else { return false };
        let stamp = format_time(unix, c"%h %e %T").unwrap_or_default();
        let message = format!("<{PRIORITY}>{stamp} {NAME}: {line}");
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::io::retry_on_intr(|| rustix::net::send(socket, message.as_bytes(), flags)).is_ok()
    }
}

/// A time of the system's time zone, as in ISO 8601.
pub fn iso_8601(unix: u64) -> String {
    format_time(unix, c"%Y-%m-%dT%H:%M:%S%z").unwrap_or_default()
}

fn format_time(unix: u64, format: &CStr) -> Option<String> {
    // of a type whose name the libc crate reserves the right to change
    let seconds = unix.try_into().ok()?;
    let mut broken_down = MaybeUninit::<libc::tm>::uninit();
    let mut text = [0_u8; 64];
    // SAFETY: the time is read and the result written, which is used only if the call says that it was filled in; strftime writes
    // at most as many bytes as the text has, and returns how many.
    let length = unsafe {
        if libc::localtime_r(&raw const seconds, broken_down.as_mut_ptr()).is_null() {
            return None;
        }
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), broken_down.as_ptr())
    };
    Some(String::from_utf8_lossy(text.get(..length)?).into_owned())
}

unsafe extern "C" {
    /// Of the C library; the libc crate does not name it everywhere.
    fn tzset();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn lines_arrive_or_are_lost_at_once() {
        let place = std::env::temp_dir().join(format!("opentracker-log-{}", std::process::id()));
        assert!(!SystemLog::open_at(&place).send(0, "no log there"));
        let log = UnixDatagram::bind(&place).unwrap();
        let mine = SystemLog::open_at(&place);
        std::fs::remove_file(&place).unwrap();
        assert!(mine.send(1_700_000_000, "first"));
        let mut buffer = [0; 200];
        let length = log.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(text.starts_with("<14>Nov 1") && text.ends_with(" opentracker: first"), "{text}");
        assert_eq!(text.len(), "<14>Nov 14 22:13:20 opentracker: first".len());
        let sent = (0..100_000).take_while(|_| mine.send(0, "more than it keeps")).count();
        assert!(sent < 100_000);
        drop(log);
        assert!(!mine.send(0, "gone"));
    }

    #[test]
    fn times_have_their_zone() {
        let text = iso_8601(1_700_000_000);
        assert_eq!(text.len(), "2023-11-14T22:13:20+0000".len());
        assert!(text.starts_with("2023-11-1") && (text.contains('+') || text.matches('-').count() == 3), "{text}");
    }
}
