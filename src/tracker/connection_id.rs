//! Connection ids of the UDP protocol (BEP 15): they prove that a sender receives what is sent to its address.
//!
//! An id is a keyed hash of the sender's address and of the hour. So no ids are stored, none can be forged, and all expire: those of
//! this hour and of the last one are valid.

use super::Now;
use crate::limits::CONNECTION_ID_LIFE;
use std::hash::{BuildHasher, RandomState};

/// Creates and checks connection ids.
#[derive(Default)]
pub struct ConnectionIds {
    /// SipHash under keys from the system's randomness.
    secret: RandomState,
}

impl ConnectionIds {
    /// The id for an address at this time.
    pub fn create<const N: usize>(&self, now: Now, address: &[u8; N]) -> u64 {
        self.of_period(period(now), address)
    }

    /// Whether the id is that of the address in this hour or the last one.
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
    fn ids_expire() {
        let ids = ConnectionIds::default();
        let id = ids.create(at(10), &[1, 2, 3, 4]);
        assert!(ids.check(at(3599), &[1, 2, 3, 4], id));
        assert!(ids.check(at(7199), &[1, 2, 3, 4], id));
        assert!(!ids.check(at(7200), &[1, 2, 3, 4], id));
        assert_ne!(ids.create(at(3600), &[1, 2, 3, 4]), id);
    }

    #[test]
    fn ids_belong_to_an_address_and_a_process() {
        let ids = ConnectionIds::default();
        let id = ids.create(at(0), &[1, 2, 3, 4]);
        assert!(!ids.check(at(0), &[1, 2, 3, 5], id));
        assert!(!ids.check(at(0), &[0; 16], id));
        assert!(!ConnectionIds::default().check(at(0), &[1, 2, 3, 4], id));
    }
}
