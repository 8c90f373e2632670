//! Connection ids of the UDP protocol (BEP 15): they prove that a sender receives what is sent to its address.
//!
//! An id is a keyed hash of the sender's address and of the hour. So no ids are stored, none can be forged, and all expire: those of
//! this hour and of the last one are valid.

use super::Now;
use crate::limits::CONNECTION_ID_LIFE;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

/// Creates and checks connection ids.
#[derive(Default)]
pub struct ConnectionIds {
    /// SipHash under keys from the system's randomness.
    secret: RandomState,
}

impl ConnectionIds {
    /// The id for an address at this time.
    pub fn create(&self, now: Now, address: IpAddr) -> u64 {
        self.of_period(period(now), address)
    }

    /// Whether the id is that of the address in this hour or the last one.
    pub fn check(&self, now: Now, address: IpAddr, id: u64) -> bool {
        let period = period(now);
        id == self.of_period(period, address) || id == self.of_period(period.wrapping_sub(1), address)
    }

    fn of_period(&self, period: u64, address: IpAddr) -> u64 {
        match address {
            IpAddr::V4(v4) => self.secret.hash_one((period, v4.octets())),
            IpAddr::V6(v6) => self.secret.hash_one((period, v6.octets())),
        }
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
        let id = ids.create(at(10), [1, 2, 3, 4].into());
        assert!(ids.check(at(3599), [1, 2, 3, 4].into(), id));
        assert!(ids.check(at(7199), [1, 2, 3, 4].into(), id));
        assert!(!ids.check(at(7200), [1, 2, 3, 4].into(), id));
        assert_ne!(ids.create(at(3600), [1, 2, 3, 4].into()), id);
    }

    #[test]
    fn ids_belong_to_an_address_and_a_process() {
        let ids = ConnectionIds::default();
        let id = ids.create(at(0), [1, 2, 3, 4].into());
        assert!(!ids.check(at(0), [1, 2, 3, 5].into(), id));
        assert!(!ids.check(at(0), [0; 16].into(), id));
        assert!(!ConnectionIds::default().check(at(0), [1, 2, 3, 4].into(), id));
    }
}
