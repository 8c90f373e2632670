//! A histogram of times, as Prometheus wants them: counts up to fixed bounds, a sum, and a count of all.

use std::time::Duration;

/// The bounds, in microseconds. A turn of the loop takes some microseconds alone, some hundred under load, and a millisecond where it
/// changes a list or closes many connections.
pub const BOUNDS: [u64; 12] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 50_000, 250_000, 1_000_000];

/// Counts of times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Times of up to each bound that are above the one before. The last count is of those above all bounds.
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// Counts a time.
    pub fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // rounded down, so a time counts for a bound if it is less than a microsecond above it
        let at = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum += time;
    }

    /// For each bound, in microseconds, the times that do not exceed it.
    pub fn up_to_bounds(&self) -> impl Iterator<Item = (u64, u64)> {
        BOUNDS.iter().zip(&self.counts).scan(0, |all, (bound, count)| {
            *all += count;
            Some((*bound, *all))
        })
    }

    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all times.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let mut histogram = Histogram::default();
        for micros in [0, 10, 11, 400, 2_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        let counts: Vec<_> = histogram.up_to_bounds().map(|(_, count)| count).collect();
        assert_eq!(counts, [2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!((histogram.count(), histogram.sum()), (5, Duration::from_micros(2_000_421)));
        assert!(BOUNDS.is_sorted());
    }
}
