//! The form that measures: two histograms in a file that a bench reads, and clears, while the tracker runs.
//!
//! The environment variable `OPENTRACKER_TURNS` names the file. It is an array of numbers of 8 bytes (in the machine's order), all
//! zero at first: for the time on the wall the longest turn and [`BUCKETS`] counts, then the same for the time that the thread
//! was on a processor, in nanoseconds. A turn that was put off for another program is long by the first clock only.

use rustix::fs::{Mode, OFlags};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsStr;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

const VARIABLE: &str = "OPENTRACKER_TURNS";

/// Each power of two is divided into so many buckets, as a power of two: they are at most 3 % wide.
const FINE: u32 = 5;
const BUCKETS: usize = 64 << FINE;

/// The times of all turns by one clock.
#[repr(C)]
struct Histogram {
    longest: AtomicU64,
    counts: [AtomicU64; BUCKETS],
}

impl Histogram {
    /// One writer and a reader that may clear it: what it clears at this very moment may come back.
    fn add(&self, nanos: u64) {
        if nanos > self.longest.load(Ordering::Relaxed) {
            self.longest.store(nanos, Ordering::Relaxed);
        }
        if let Some(count) = self.counts.get(bucket(nanos)) {
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }
}

/// Below 2^FINE a bucket for each number, above as many for each power of two.
fn bucket(nanos: u64) -> usize {
    let power = (nanos | 1).ilog2();
    match power.checked_sub(FINE) {
        None => nanos as usize,
        Some(shift) => ((shift as usize) << FINE) + (nanos >> shift) as usize,
    }
}

/// Where the times go, if a bench wants them.
#[derive(Clone, Copy)]
pub struct Turns(Option<&'static [Histogram; 2]>);

/// A turn that began.
#[derive(Clone, Copy)]
pub struct Turn {
    turns: Turns,
    began: [u64; 2],
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Turns({})", self.0.is_some())
    }
}

impl Turns {
    /// The file that a bench named, if it did.
    ///
    /// # Errors
    /// It cannot be mapped, or is too short.
    pub fn from_environment() -> io::Result<Self> {
        std::env::var_os(VARIABLE).map_or(Ok(Turns(None)), |path| Turns::open(&path))
    }

    fn open(path: &OsStr) -> io::Result<Self> {
        const BYTES: usize = size_of::<[Histogram; 2]>();
        let file = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        if rustix::fs::fstat(&file)?.st_size < BYTES as i64 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file for the times of turns is longer"));
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice, so no memory of ours is touched. It is page-aligned, all of it
        // lies within the file (checked above; benches don't shorten it), it is never unmapped, and it is only accessed atomically.
        let histograms = unsafe {
            let pages = rustix::mm::mmap(ptr::null_mut(), BYTES, access, MapFlags::SHARED, &file, 0)?;
            &*pages.cast::<[Histogram; 2]>().cast_const()
        };
        Ok(Turns(Some(histograms)))
    }

    /// A turn begins.
    pub fn begin(self) -> Turn {
        Turn { turns: self, began: times() }
    }
}

impl Turn {
    /// The turn is over.
    pub fn end(self) {
        let Some(histograms) = self.turns.0 else { return };
        let ended = times();
        for ((histogram, began), ended) in histograms.iter().zip(self.began).zip(ended) {
            histogram.add(ended.saturating_sub(began));
        }
    }
}

/// Nanoseconds on the wall and on a processor.
fn times() -> [u64; 2] {
    [ClockId::Monotonic, ClockId::ThreadCPUTime].map(|clock| {
        let time = clock_gettime(clock);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn buckets_are_narrow_and_ascend() {
        let mut nanos = 0;
        while nanos < 1 << 40 {
            let wide = nanos >> FINE;
            assert!(bucket(nanos) <= bucket(nanos + 1) && bucket(nanos + 1) <= bucket(nanos) + 1, "{nanos}");
            assert!(bucket(nanos) < bucket(nanos + wide.max(1)), "{nanos}");
            nanos += 1 + nanos / 1000;
        }
        assert_eq!([0, 1, 31, 32, 63, 64, 65, 66].map(bucket), [0, 1, 31, 32, 63, 64, 64, 65]);
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn nothing_is_measured_where_no_file_is_named() {
        assert!(Turns::from_environment().unwrap().0.is_none());
    }

    #[test]
    fn a_turn_is_in_the_file_at_once() {
        let path = std::env::temp_dir().join(format!("opentracker-turns-{}", std::process::id()));
        std::fs::write(&path, vec![0; size_of::<[Histogram; 2]>() - 1]).unwrap();
        assert!(Turns::open(path.as_os_str()).is_err());
        std::fs::write(&path, vec![0; size_of::<[Histogram; 2]>()]).unwrap();
        let turn = Turns::open(path.as_os_str()).unwrap().begin();
        // on the wall, not on a processor
        std::thread::sleep(Duration::from_millis(20));
        turn.end();

        let bytes = std::fs::read(&path).unwrap();
        let words: Vec<u64> = bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect();
        std::fs::remove_file(&path).unwrap();
        let (wall, processor) = words.split_at(1 + BUCKETS);
        assert!(wall[0] >= 20_000_000 && processor[0] < 20_000_000);
        for half in [wall, processor] {
            assert_eq!(half[1..].iter().sum::<u64>(), 1);
            assert_eq!(half[1 + bucket(half[0])], 1);
        }
    }
}
