//! The time. Nothing else in the tracker reads a clock.
//!
//! Debug builds let an integration test move the time of a running tracker: the environment variable
//! `OPENTRACKER_TEST_CLOCK` names a file whose first 8 bytes are an offset in seconds (signed, little-endian).
//! Release builds contain none of that.

use super::turns::{Turn, Turns};
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that never jumps: the wall's time at the start, and what a monotonic clock counted since.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// Time since 1970 at the start.
    wall: Duration,
    turns: Turns,
    #[cfg(debug_assertions)]
    offset: Option<moved::Offset>,
}

impl Clock {
    /// Starts the clock. Fails only where a test names an offset, or a bench a file, that can't be had.
    ///
    /// Call it before the root directory changes, so that a test's file is found.
    pub fn new() -> io::Result<Self> {
        Ok(Clock {
            start: Instant::now(),
            wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            turns: Turns::from_environment()?,
            #[cfg(debug_assertions)]
            offset: moved::Offset::from_environment()?,
        })
    }

    /// Time since the start. It never goes back, unless a test moves it.
    pub fn now(&self) -> Duration {
        self.passed()
    }

    /// Seconds since 1970.
    pub fn unix_seconds(&self) -> u64 {
        self.wall.saturating_add(self.passed()).as_secs()
    }

    /// Begins a turn of the loop, whose time is taken where a bench wants to know it.
    pub fn turn(&self) -> Turn {
        self.turns.begin()
    }

    /// How long a wait may be at most, so that a test's new offset is noticed; None outside such tests.
    pub fn max_wait(&self) -> Option<Duration> {
        #[cfg(debug_assertions)]
        if self.offset.is_some() {
            return Some(moved::MAX_WAIT);
        }
        None
    }

    #[cfg(not(debug_assertions))]
    fn passed(&self) -> Duration {
        self.start.elapsed()
    }

    #[cfg(debug_assertions)]
    fn passed(&self) -> Duration {
        let passed = self.start.elapsed();
        match self.offset.map(|offset| offset.seconds()) {
            None => passed,
            Some(seconds) => {
                let distance = Duration::from_secs(seconds.unsigned_abs());
                if seconds < 0 { passed.saturating_sub(distance) } else { passed.saturating_add(distance) }
            }
        }
    }
}

/// The offset that tests move.
#[cfg(debug_assertions)]
mod moved {
    use rustix::fs::{Mode, OFlags};
    use rustix::mm::{MapFlags, ProtFlags};
    use std::ffi::OsStr;
    use std::io;
    use std::ptr;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    const VARIABLE: &str = "OPENTRACKER_TEST_CLOCK";
    const BYTES: usize = size_of::<i64>();
    pub(super) const MAX_WAIT: Duration = Duration::from_millis(20);

    /// A file's first 8 bytes, seen as they are at each moment.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Offset(&'static AtomicI64);

    impl Offset {
        pub(super) fn from_environment() -> io::Result<Option<Self>> {
            std::env::var_os(VARIABLE).map(|path| Offset::open(&path)).transpose()
        }

        pub(super) fn open(path: &OsStr) -> io::Result<Self> {
            let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            if rustix::fs::fstat(&file)?.st_size < BYTES as i64 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a test clock has 8 bytes"));
            }
            // SAFETY: a new mapping at an address of the kernel's choice, so no memory of ours is touched. It is
            // page-aligned, 8 bytes of it lie within the file (checked above; tests don't shorten it), it is never
            // unmapped, and it is only read atomically.
            let value = unsafe {
                let page = rustix::mm::mmap(ptr::null_mut(), BYTES, ProtFlags::READ, MapFlags::SHARED, &file, 0)?;
                &*page.cast::<AtomicI64>().cast_const()
            };
            Ok(Offset(value))
        }

        pub(super) fn seconds(self) -> i64 {
            i64::from_le(self.0.load(Ordering::Relaxed))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_wall_and_moves_on() {
        let clock = Clock::new().unwrap();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(clock.unix_seconds().abs_diff(wall) <= 1);
        let first = clock.now();
        assert!(first < Duration::from_secs(60));
        while clock.now() == first {}
        assert!(clock.now() > first);
        assert_eq!(clock.max_wait(), None);
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_test_moves_a_running_clock() {
        let path = std::env::temp_dir().join(format!("opentracker-clock-{}", std::process::id()));
        std::fs::write(&path, 0i64.to_le_bytes()).unwrap();
        let mut clock = Clock::new().unwrap();
        clock.offset = Some(moved::Offset::open(path.as_os_str()).unwrap());
        let before = clock.unix_seconds();
        assert!(clock.now() < Duration::from_secs(60));
        assert_eq!(clock.max_wait(), Some(Duration::from_millis(20)));

        let move_to = |seconds: i64| {
            use std::os::unix::fs::FileExt;
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&seconds.to_le_bytes(), 0).unwrap();
        };
        move_to(86_400);
        assert!(clock.now() >= Duration::from_secs(86_400));
        assert!((86_400..86_460).contains(&(clock.unix_seconds() - before)));
        move_to(-86_400);
        assert_eq!(clock.now(), Duration::ZERO);
        std::fs::remove_file(&path).unwrap();
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_short_file_is_refused() {
        let path = std::env::temp_dir().join(format!("opentracker-short-clock-{}", std::process::id()));
        std::fs::write(&path, [0u8; 7]).unwrap();
        assert!(moved::Offset::open(path.as_os_str()).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(moved::Offset::open(path.as_os_str()).is_err());
    }
}
