//! What the process takes of the system, as Linux says it in `/proc`. Its files are opened before the root directory changes, and read
//! again whenever somebody asks.

use super::headroom::kilobytes;
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::pread;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// More than the file with the sizes of memory has.
const STATUS_MAX: usize = 8192;

/// Where the system says it.
#[derive(Debug)]
pub struct Process {
    /// A text with the sizes of memory.
    status: OwnedFd,
    /// A directory with an entry for each descriptor.
    descriptors: OwnedFd,
}

/// What the process takes. `None`: the system does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in memory.
    pub resident_bytes: Option<u64>,
    /// Bytes of addresses.
    pub virtual_bytes: Option<u64>,
}

impl Process {
    /// `None` where there is no such `/proc`.
    pub fn open() -> Option<Process> {
        let open = |path: &str, flags| rustix::fs::open(path, flags | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        Some(Process {
            status: open("/proc/self/status", OFlags::empty()).ok()?,
            descriptors: open("/proc/self/fd", OFlags::DIRECTORY).ok()?,
        })
    }

    /// What the process takes now.
    pub fn usage(&self) -> Usage {
        let mut buffer = [0; STATUS_MAX];
        let length = pread(&self.status, &mut buffer, 0).unwrap_or(0);
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        let bytes = |what| kilobytes(&text, what).map(|kilobytes| kilobytes << 10);
        Usage { resident_bytes: bytes("VmRSS:"), virtual_bytes: bytes("VmSize:") }
    }

    /// Counts the open descriptors, which takes longer the more there are. `None`: the system does not say.
    pub fn count_descriptors(&self) -> Option<u64> {
        let entries = Dir::read_from(&self.descriptors).ok()?;
        let names =
            entries.filter(|entry| entry.as_ref().is_ok_and(|entry| !entry.file_name().to_bytes().starts_with(b".")));
        // one was open to read the directory
        (names.count() as u64).checked_sub(1)
    }
}

/// Time that the process was on a processor, for itself or in calls of the system. `None`: the system does not say.
pub fn cpu_time() -> Option<Duration> {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the call writes the usage, unless it returns an error; only then it is not read.
    let usage = unsafe { (libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) == 0).then(|| usage.assume_init())? };
    let time = |time: libc::timeval| {
        let seconds = Duration::from_secs(time.tv_sec.try_into().unwrap_or_default());
        seconds + Duration::from_micros(time.tv_usec.try_into().unwrap_or_default())
    };
    Some(time(usage.ru_utime) + time(usage.ru_stime))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_what_the_process_takes() {
        let process = Process::open().unwrap();
        let usage = process.usage();
        let (resident, virtual_bytes) = (usage.resident_bytes.unwrap(), usage.virtual_bytes.unwrap());
        assert!(resident > 1 << 20 && resident < virtual_bytes, "{usage:?}");
        assert!(cpu_time().is_some_and(|time| time > Duration::ZERO));
        // other tests open and close descriptors meanwhile
        assert!(process.count_descriptors().unwrap() >= 5);
    }
}
