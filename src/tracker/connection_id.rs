//! Connection ids of the UDP protocol (BEP 15): they show that a sender gets what is sent to its address.
//!
//! An id is a keyed hash of the sender's address and of the hour, so nothing needs to be remembered, nobody can make one up, and ids
//! really go out of use: this hour's and the last one's are taken.

use super::Now;
use crate::limits::CONNECTION_ID_LIFE;
use std::hash::{BuildHasher, RandomState};

/// Gives out and checks connection ids.
#[derive(Default)]
pub struct ConnectionIds {
    /// SipHash under keys from the system's randomness.
    secret: RandomState,
}

impl ConnectionIds {
    /// The id for an address at this time.
    pub fn give<const N: usize>(&self, now: Now, address: &[u8; N]) -> u64 {
        self.of_period(period(now), address)
    }

    /// Whether an id was given to that address in this period or the last one.
    pub fn check<const N: usize>(&self, now: Now, address: &[u8; N], id: u64) -> bool {
        let period = period(now);
        id == self.of_period(period, address) || id == self.of_period(period.wrapping_sub(1), address)
    }

    fn of_period<const N: usize>(&self, period: u64, address: &[u8; N]) -> u64 {
        self.secret.hash_one((period, address))
    }
}

fn period(now: Now) -> u64 {
    now.up.as_secs() / CONNECTION_ID_LIFE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Now {
        Now::agreed(1_700_000_000 + seconds, Duration::from_secs(seconds))
    }

    #[test]
    fn ids_go_out_of_use() {
        let ids = ConnectionIds::default();
        let id = ids.give(at(10), &[1, 2, 3, 4]);
        assert!(ids.check(at(3599), &[1, 2, 3, 4], id));
        assert!(ids.check(at(7199), &[1, 2, 3, 4], id));
        assert!(!ids.check(at(7200), &[1, 2, 3, 4], id));
        assert_ne!(ids.give(at(3600), &[1, 2, 3, 4]), id);
    }

    #[test]
    fn ids_belong_to_an_address_and_a_process() {
        let ids = ConnectionIds::default();
        let id = ids.give(at(0), &[1, 2, 3, 4]);
        assert!(!ids.check(at(0), &[1, 2, 3, 5], id));
        assert!(!ids.check(at(0), &[0; 16], id));
        assert!(!ConnectionIds::default().check(at(0), &[1, 2, 3, 4], id));
    }
}
