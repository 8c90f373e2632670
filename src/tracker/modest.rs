//! One full scrape in five minutes for each address (`modest-fullscrapes`).

use crate::limits::{MODEST_ADDRESSES, MODEST_INTERVAL};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// Expired addresses forgotten at each request: more than one, so that they do not accumulate.
const FORGOTTEN_AT_ONCE: usize = 4;

/// When each address had its last full scrape.
#[derive(Debug, Default)]
pub(super) struct Modest {
    served: BTreeMap<IpAddr, Duration>,
    /// The same, the oldest first.
    order: VecDeque<IpAddr>,
}

impl Modest {
    /// Whether an address may have a full scrape now. If so, its interval starts again; a refusal changes nothing.
    pub(super) fn allows(&mut self, up: Duration, from: IpAddr) -> bool {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let oldest = self.order.front().and_then(|oldest| self.served.get(oldest));
            if oldest.is_some_and(|served| up < *served + MODEST_INTERVAL) && self.order.len() < MODEST_ADDRESSES {
                break;
            }
            let Some(oldest) = self.order.pop_front() else { break };
            self.served.remove(&oldest);
        }
        if let Some(served) = self.served.get_mut(&from) {
            if up < *served + MODEST_INTERVAL {
                return false;
            }
            self.served.remove(&from);
            self.order.retain(|other| *other != from);
        }
        self.served.insert(from, up);
        self.order.push_back(from);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_in_five_minutes() {
        let mut modest = Modest::default();
        let at = Duration::from_secs;
        assert!(modest.allows(at(0), [1; 4].into()));
        assert!(!modest.allows(at(299), [1; 4].into()));
        assert!(modest.allows(at(100), [2; 4].into()));
        assert!(modest.allows(at(300), [1; 4].into()), "a refusal does not extend the time");
        assert!(!modest.allows(at(399), [2; 4].into()));
        assert!(modest.allows(at(400), [2; 4].into()));
        assert!(!modest.allows(at(599), [1; 4].into()));
        assert!(modest.allows(at(2000), [3; 4].into()));
        assert_eq!((modest.served.len(), modest.order.len()), (1, 1), "what has expired is forgotten");
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_are_too_many() {
        let mut modest = Modest::default();
        for n in 0..MODEST_ADDRESSES as u32 + 10 {
            assert!(modest.allows(Duration::ZERO, n.to_be_bytes().into()));
        }
        assert!(modest.served.len() <= MODEST_ADDRESSES && modest.order.len() == modest.served.len());
        assert!(modest.allows(Duration::ZERO, [0; 4].into()));
        assert!(!modest.allows(Duration::ZERO, (MODEST_ADDRESSES as u32).to_be_bytes().into()));
    }
}
