//! How long things took: buckets that are at most 3 % wide.

use std::time::Duration;

const FINE: u32 = 5;
const BUCKETS: usize = 64 << FINE;

/// Durations in buckets.
#[derive(Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: vec![0; BUCKETS], count: 0, longest: 0 }
    }
}

impl Histogram {
    /// Numbers that [`of`](Self::of) wants.
    pub const WORDS: usize = 1 + BUCKETS;

    /// One that somebody else took, with the same buckets: the longest time and the counts.
    pub fn of(words: &[u64]) -> Histogram {
        let mut histogram = Histogram { longest: words[0], ..Histogram::default() };
        histogram.buckets.copy_from_slice(&words[1..Self::WORDS]);
        histogram.count = histogram.buckets.iter().sum();
        histogram
    }

    /// The same numbers of this one.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.longest).chain(self.buckets.iter().copied())
    }

    pub fn add(&mut self, time: Duration) {
        let nanos = time.as_nanos() as u64;
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.longest = self.longest.max(nanos);
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (mine, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += more;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// The time that this share of all took at most.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += *count;
            if seen >= wanted && seen > 0 {
                return Duration::from_nanos(end_of(index).min(self.longest));
            }
        }
        self.longest()
    }

    /// The ends of the buckets that are not empty, in nanoseconds, and their counts.
    pub fn filled(&self) -> impl Iterator<Item = (u64, u64)> {
        let all = self.buckets.iter().enumerate().map(|(index, count)| (end_of(index), *count));
        all.filter(|(_, count)| *count > 0)
    }

    /// How many took longer than each of these times.
    pub fn longer_than(&self, times: &[Duration]) -> Vec<u64> {
        let beyond = |time: &Duration| {
            let first = bucket(time.as_nanos() as u64) + 1;
            self.buckets[first..].iter().sum()
        };
        times.iter().map(beyond).collect()
    }
}

fn bucket(nanos: u64) -> usize {
    let high = nanos.max(1 << FINE).ilog2();
    let fine = (nanos >> (high - FINE)) as usize & ((1 << FINE) - 1);
    if nanos < 1 << FINE { nanos as usize } else { (((high - FINE + 1) as usize) << FINE) | fine }
}

fn end_of(index: usize) -> u64 {
    if index < 1 << FINE {
        return index as u64;
    }
    let high = (index >> FINE) as u32 + FINE - 1;
    let fine = index as u64 & ((1 << FINE) - 1);
    ((1 << FINE | fine) + 1) << (high - FINE)
}
