//! The time. Nothing else in the tracker reads a clock.
//!
//! There are two clocks. The steady one only goes forward, and goes on while the machine sleeps: ages and deadlines use
//! it. The wall clock has the time that people read, and may be set at any time: a router that starts in 1970 learns the date later.
//! Both are read through the C library, so that programs that replace its clocks (faketime) have an effect.
//!
//! Debug builds let an integration test move the time of a running tracker: the environment variable
//! `OPENTRACKER_TEST_CLOCK` names a file whose first 8 bytes are an offset in seconds (signed, little-endian) of both clocks,
//! and whose next 8, where there are any, a further one of the wall clock. Release builds contain none of that.

use super::turns::{Turn, Turns};
use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The earliest time that the steady clock begins with. Minutes of a day before are then still positive, also where the wall clock begins
/// in 1970.
const BEGINNING: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A minute: the steady clock and the wall clock begin one together, until the latter is set.
const MINUTE: Duration = Duration::from_secs(60);

/// The clock that goes on while the machine sleeps, on systems that have one of this name.
#[cfg(not(target_os = "netbsd"))]
const THROUGH_SLEEP: libc::clockid_t = libc::CLOCK_BOOTTIME;
#[cfg(target_os = "netbsd")]
const THROUGH_SLEEP: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// The clocks. Each thread has its own.
#[derive(Clone, Debug)]
pub struct Clock {
    source: libc::clockid_t,
    /// What the source said last.
    last: Cell<Duration>,
    /// Time since the start, up to then.
    passed: Cell<Duration>,
    /// The steady clock's time at the start.
    beginning: Duration,
    turns: Turns,
    #[cfg(debug_assertions)]
    offset: Option<moved::Offset>,
}

impl Clock {
    /// Starts the clock. Fails only where the system has none, or where a test names an offset, or a bench a file, that can't be had.
    ///
    /// Call it before the root directory changes, so that a test's file is found.
    pub fn new() -> io::Result<Self> {
        // The first one is newer, and may be refused.
        let (source, last) = read_first([THROUGH_SLEEP, libc::CLOCK_MONOTONIC])?;
        let mut clock = Clock {
            source,
            last: Cell::new(last),
            passed: Cell::new(Duration::ZERO),
            beginning: Duration::ZERO,
            turns: Turns::from_environment()?,
            #[cfg(debug_assertions)]
            offset: moved::Offset::from_environment()?,
        };
        clock.last.set(clock.steady_source());
        clock.beginning = beginning(clock.wall());
        Ok(clock)
    }

    /// Time since the start. It never goes back.
    pub fn now(&self) -> Duration {
        let now = self.steady_source();
        // Where the source goes back after all, under a library that plays with time, it goes on from there.
        let passed = self.passed.get().saturating_add(now.saturating_sub(self.last.replace(now)));
        self.passed.set(passed);
        passed
    }

    /// Seconds on the steady clock at a time since the start. They are those since 1970 where the wall clock was right at
    /// the start and has not been set since.
    pub fn steady_seconds(&self, now: Duration) -> u64 {
        self.beginning.saturating_add(now).as_secs()
    }

    /// Seconds since 1970 on the wall clock.
    pub fn unix_seconds(&self) -> u64 {
        self.wall().as_secs()
    }

    /// What the system's monotonic clock says, to which service managers compare: it stops while the machine sleeps.
    pub fn monotonic(&self) -> Duration {
        read(libc::CLOCK_MONOTONIC).map_or(Duration::ZERO, |(_, time)| time)
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

    /// What the source of the steady clock says.
    fn steady_source(&self) -> Duration {
        let time = read(self.source).map_or(self.last.get(), |(_, time)| time);
        #[cfg(debug_assertions)]
        if let Some(offset) = &self.offset {
            return offset.steady().apply(time);
        }
        time
    }

    /// What the wall clock says; nothing is before 1970.
    fn wall(&self) -> Duration {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        #[cfg(debug_assertions)]
        if let Some(offset) = &self.offset {
            return offset.wall().apply(time);
        }
        time
    }
}

/// The steady clock's time at a start.
fn beginning(wall: Duration) -> Duration {
    if wall >= BEGINNING {
        return wall;
    }
    let within = wall.as_nanos() % MINUTE.as_nanos();
    BEGINNING + Duration::from_nanos(within as u64)
}

/// Reads the first of two clocks that there is, and returns it with the time.
fn read_first([best, other]: [libc::clockid_t; 2]) -> io::Result<(libc::clockid_t, Duration)> {
    let refused = |error: io::Error| io::Error::new(error.kind(), format!("clock_gettime: {error}"));
    read(best).or_else(|_| read(other)).map_err(refused)
}

/// Reads one of the C library's clocks, and returns it with the time.
fn read(source: libc::clockid_t) -> io::Result<(libc::clockid_t, Duration)> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the call writes a time to where it may, and the time is read only if the call says that it did.
    let time = unsafe {
        if libc::clock_gettime(source, time.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        time.assume_init()
    };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Ok((source, Duration::new(seconds, nanoseconds)))
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
    const MAPPED: usize = 2 * BYTES;
    pub(super) const MAX_WAIT: Duration = Duration::from_millis(20);

    /// A file's first 16 bytes, seen as they are at each moment; those that it does not have are zero.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Offset(&'static [AtomicI64; 2]);

    /// How far a clock is moved, in seconds.
    pub(super) struct Seconds(i64);

    impl Seconds {
        pub(super) fn apply(self, time: Duration) -> Duration {
            let distance = Duration::from_secs(self.0.unsigned_abs());
            if self.0 < 0 { time.saturating_sub(distance) } else { time.saturating_add(distance) }
        }
    }

    impl Offset {
        pub(super) fn from_environment() -> io::Result<Option<Self>> {
            std::env::var_os(VARIABLE).map(|path| Offset::open(&path)).transpose()
        }

        pub(super) fn open(path: &OsStr) -> io::Result<Self> {
            let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            if rustix::fs::fstat(&file)?.st_size < BYTES as i64 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a test clock has 8 bytes"));
            }
            // SAFETY: a new mapping at an address of the kernel's choice, so no memory of ours is touched. It is a page, the start of
            // which lies within the file (checked above; tests don't shorten it) and the rest of which is zero, it is aligned to
            // its size, it is never unmapped, and it is only read atomically.
            let value = unsafe {
                let page = rustix::mm::mmap(ptr::null_mut(), MAPPED, ProtFlags::READ, MapFlags::SHARED, &file, 0)?;
                &*page.cast::<[AtomicI64; 2]>().cast_const()
            };
            Ok(Offset(value))
        }

        pub(super) fn steady(self) -> Seconds {
            Seconds(self.at(0))
        }

        pub(super) fn wall(self) -> Seconds {
            Seconds(self.at(0).saturating_add(self.at(1)))
        }

        fn at(self, index: usize) -> i64 {
            i64::from_le(self.0[index].load(Ordering::Relaxed))
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
        assert!(clock.steady_seconds(first).abs_diff(wall) <= 1);
        while clock.now() == first {}
        assert!(clock.now() > first);
        assert_eq!(clock.max_wait(), None);
    }

    #[test]
    fn goes_on_where_its_source_goes_back() {
        let clock = Clock::new().unwrap();
        clock.passed.set(Duration::from_secs(3));
        clock.last.set(clock.last.get() + Duration::from_secs(1_000_000));
        let (before, first) = (std::time::Instant::now(), clock.now());
        assert_eq!(first, Duration::from_secs(3));
        while clock.now() == first {}
        assert!(clock.now() - first <= before.elapsed() + Duration::from_millis(1));
    }

    #[test]
    fn begins_far_from_zero_and_with_the_walls_minutes() {
        assert_eq!(beginning(Duration::from_millis(1_700_000_000_123)), Duration::from_millis(1_700_000_000_123));
        for (wall, within) in [(0, 0), (59_999, 59_999), (60_001, 1), (31_535_999_999, 59_999)] {
            assert_eq!(beginning(Duration::from_millis(wall)), BEGINNING + Duration::from_millis(within));
        }
    }

    #[test]
    fn what_the_system_does_not_know_is_refused() {
        assert_eq!(read(-1).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        assert!(read(libc::CLOCK_MONOTONIC).is_ok());
    }

    #[test]
    fn a_system_without_the_better_clock_has_another() {
        assert_eq!(read_first([THROUGH_SLEEP, -1]).unwrap().0, THROUGH_SLEEP);
        assert_eq!(read_first([-1, libc::CLOCK_MONOTONIC]).unwrap().0, libc::CLOCK_MONOTONIC);
        assert!(read_first([-1, -1]).unwrap_err().to_string().starts_with("clock_gettime: "));
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

        let move_to = |seconds: i64, wall: i64| {
            use std::os::unix::fs::FileExt;
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&[seconds.to_le_bytes(), wall.to_le_bytes()].concat(), 0).unwrap();
        };
        move_to(86_400, 0);
        assert!(clock.now() >= Duration::from_secs(86_400));
        assert!((86_400..86_460).contains(&(clock.unix_seconds() - before)));
        move_to(86_400, 3600);
        assert!(clock.now() < Duration::from_secs(86_460));
        assert!((90_000..90_060).contains(&(clock.unix_seconds() - before)));
        move_to(0, -3600);
        assert!((86_400..86_460).contains(&clock.now().as_secs()));
        assert!((3500..=3600).contains(&(before - clock.unix_seconds())));
        move_to(i64::MIN, i64::MIN);
        assert_eq!(clock.unix_seconds(), 0);
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
