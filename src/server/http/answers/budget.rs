//! The bytes that all long answers may take together, divided fairly.
//!
//! No address has more than a share of them. An answer for which there is no room waits. The answers of an address are served in the order
//! of their requests, the addresses in turn, so that an address with many waiting answers delays only its own. Of IPv6 a network of /64
//! counts as one address, because whoever has an address there has all of them.

use crate::limits::{ANSWER_SMALL_PART, ANSWER_WHOLE_PART, ANSWERS_KEPT_PART, ANSWERS_SHARE_PART, ANSWERS_WAITING_MAX};
use crate::server::http::connections::Name;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// Bytes asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// How many.
    pub(super) bytes: usize,
    /// What for.
    pub(super) class: Class,
}

/// What bytes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A large answer: it waits for those before it.
    Large,
    /// A small one: it does not wait for larger ones, and a part of the budget is reserved for these.
    Small,
}

/// The bits of an IPv6 address that name its network of /64.
const NETWORK: u128 = !(u64::MAX as u128);

/// Cancelled answers that may remain in the queues, in addition to as many as there are waiting ones.
const LEFT_MAX: usize = 64;

/// What counts as the address of a client when the budget is divided: its IPv4 address, mapped or not, or the first address of its /64.
pub(super) fn share_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        v4 => v4,
    }
}

/// The bytes that one address holds, and its waiting answers.
#[derive(Default)]
struct Share {
    taken: usize,
    waiting: VecDeque<(Name, Need)>,
    /// It is in the queue of addresses.
    in_line: bool,
}

/// The budget.
pub(super) struct Budget {
    total: usize,
    free: usize,
    shares: HashMap<IpAddr, Share>,
    /// The queue of addresses with waiting answers. Addresses that hold their whole share are not in it until they return some.
    line: VecDeque<IpAddr>,
    /// How many answers wait,
    waiting: usize,
    /// and how many were cancelled that stand among them.
    left: usize,
    /// Bytes were returned since the last time that nothing could be granted.
    eased: bool,
}

impl Budget {
    /// A budget of so many bytes.
    pub(super) fn new(total: usize) -> Self {
        Budget { total, free: total, shares: HashMap::new(), line: VecDeque::new(), waiting: 0, left: 0, eased: false }
    }

    /// Bytes up to which an answer is built whole.
    pub(super) fn whole_max(&self) -> usize {
        self.total / ANSWER_WHOLE_PART
    }

    /// Bytes up to which an answer is small.
    pub(super) fn small_max(&self) -> usize {
        self.total / ANSWER_SMALL_PART
    }

    /// Takes the bytes that an answer needs, or lets it wait for its [grant](Self::grant).
    pub(super) fn request(&mut self, name: Name, from: IpAddr, need: Need) -> bool {
        let is_next = need.class != Class::Large || self.line.is_empty();
        let granted = is_next && self.take(from, need);
        if !granted {
            self.shares.entry(from).or_default().waiting.push_back((name, need));
            self.waiting += 1;
            if self.is_within_share(&from, need) {
                self.stand_in_line(from);
            }
        }
        granted
    }

    /// The waiting answer to be given up because too many of its address wait: the oldest of these. `is_there` returns whether one was not
    /// cancelled.
    pub(super) fn beyond_waiting(&mut self, from: IpAddr, is_there: impl Fn(Name) -> bool) -> Option<Name> {
        let waiting = &mut self.shares.get_mut(&from)?.waiting;
        let length = waiting.len();
        if length <= ANSWERS_WAITING_MAX {
            return None;
        }
        waiting.retain(|(name, _)| is_there(*name));
        self.left -= length - waiting.len();
        waiting.front().filter(|_| waiting.len() > ANSWERS_WAITING_MAX).map(|(name, _)| *name)
    }

    /// The next waiting answer for which there is room, and the bytes that it was granted. `is_there` returns whether one was not cancelled.
    pub(super) fn grant(&mut self, is_there: impl Fn(Name) -> bool) -> Option<(Name, usize)> {
        while self.eased {
            let Some(from) = self.line.front().copied() else { break };
            let next = self.next_of(&from, &is_there);
            let granted = next.filter(|(_, need)| self.take(from, *need));
            if granted.is_none() && next.is_some_and(|(_, need)| self.is_within_share(&from, need)) {
                break;
            }
            self.line.pop_front();
            let Some(share) = self.shares.get_mut(&from) else { continue };
            share.in_line = false;
            if let Some((name, need)) = granted {
                share.waiting.pop_front();
                self.waiting -= 1;
                self.stand_in_line(from);
                return Some((name, need.bytes));
            }
            self.forget_if_empty(from);
        }
        self.eased = false;
        None
    }

    /// The next answer of an address that waits.
    fn next_of(&mut self, from: &IpAddr, is_there: &impl Fn(Name) -> bool) -> Option<(Name, Need)> {
        let waiting = &mut self.shares.get_mut(from)?.waiting;
        while let Some((name, need)) = waiting.front().copied() {
            if is_there(name) {
                return Some((name, need));
            }
            waiting.pop_front();
            self.left -= 1;
        }
        None
    }

    /// Returns bytes that an answer to this address held.
    pub(super) fn give_back(&mut self, from: IpAddr, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.free += bytes;
        self.eased = true;
        if let Some(share) = self.shares.get_mut(&from) {
            share.taken -= bytes.min(share.taken);
            self.stand_in_line(from);
        }
    }

    /// Bytes that are free.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.free
    }

    /// Bytes that are taken, and all bytes.
    pub(super) fn bytes(&self) -> (usize, usize) {
        (self.total - self.free, self.total)
    }

    /// How many answers wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether any answer waits.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Whether the next [grant](Self::grant) may succeed.
    pub(super) fn is_eased(&self) -> bool {
        self.eased && self.waiting > 0
    }

    /// Takes note that a waiting answer was cancelled. Looking for it is not worth it until there are many; `is_there` returns
    /// whether one was not.
    pub(super) fn cancelled(&mut self, is_there: impl Fn(Name) -> bool) {
        self.waiting -= 1;
        self.left += 1;
        if self.left > self.waiting + LEFT_MAX {
            self.left = 0;
            let line = &mut self.line;
            self.shares.retain(|_, share| {
                share.waiting.retain(|(name, _)| is_there(*name));
                share.taken > 0 || !share.waiting.is_empty()
            });
            line.retain(|from| self.shares.contains_key(from));
        }
    }

    fn is_within_share(&self, from: &IpAddr, need: Need) -> bool {
        let taken = self.shares.get(from).map_or(0, |share| share.taken);
        taken + need.bytes <= self.total / ANSWERS_SHARE_PART
    }

    fn take(&mut self, from: IpAddr, need: Need) -> bool {
        let kept = if need.class == Class::Large { self.total / ANSWERS_KEPT_PART } else { 0 };
        let enough = need.bytes + kept <= self.free && self.is_within_share(&from, need);
        if enough {
            self.free -= need.bytes;
            self.shares.entry(from).or_default().taken += need.bytes;
        }
        enough
    }

    /// Puts an address in line that has something waiting.
    fn stand_in_line(&mut self, from: IpAddr) {
        let Some(share) = self.shares.get_mut(&from) else { return };
        if !share.waiting.is_empty() && !share.in_line {
            share.in_line = true;
            self.line.push_back(from);
        }
        self.forget_if_empty(from);
    }

    fn forget_if_empty(&mut self, from: IpAddr) {
        if self.shares.get(&from).is_some_and(|share| share.taken == 0 && share.waiting.is_empty() && !share.in_line) {
            self.shares.remove(&from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    const TOTAL: usize = 64 << 20;
    const KEPT: usize = TOTAL / ANSWERS_KEPT_PART;
    // one is within a share, two are beyond it
    const LARGE: Need = Need { bytes: 17 << 20, class: Class::Large };
    const SMALL: Need = Need { bytes: 1 << 20, class: Class::Small };

    fn name(n: u64) -> Name {
        Name::from_bits(n)
    }

    #[test]
    fn an_address_has_no_more_than_its_share() {
        let mut budget = Budget::new(TOTAL);
        assert!(budget.request(name(0), HERE, LARGE));
        assert!(!budget.request(name(1), HERE, LARGE), "the second would be beyond it");
        assert!(budget.request(name(2), THERE, LARGE), "other addresses do not wait for it");
        assert!(budget.request(name(3), HERE, SMALL), "and what is small passes by");
        assert_eq!(budget.grant(|_| true), None);
        budget.give_back(HERE, LARGE.bytes);
        assert_eq!(budget.grant(|_| true), Some((name(1), LARGE.bytes)));
        assert!(!budget.has_waiting());
    }

    #[test]
    fn a_network_of_ipv6_has_the_share_of_one_address() {
        let of = |text: &str| share_of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("::ffff:10.0.0.1"), of("::ffff:10.0.0.2"));
    }

    #[test]
    fn addresses_have_their_turns() {
        let mut budget = Budget::new(TOTAL);
        let others: Vec<IpAddr> = (0..3).map(|n| [10, 0, 0, n].into()).collect();
        for (n, from) in others.iter().enumerate() {
            assert!(budget.request(name(n as u64), *from, LARGE));
        }
        for n in 10..13 {
            assert!(!budget.request(name(n), HERE, LARGE));
        }
        assert!(!budget.request(name(20), THERE, LARGE));
        let mut granted = Vec::new();
        for from in others {
            budget.give_back(from, LARGE.bytes);
            granted.extend(budget.grant(|_| true));
        }
        // the first of HERE; its next ones are beyond its share, so THERE is next
        assert_eq!(granted, [(name(10), LARGE.bytes), (name(20), LARGE.bytes)]);
        budget.give_back(HERE, LARGE.bytes);
        assert_eq!(budget.grant(|_| true), Some((name(11), LARGE.bytes)));
    }

    #[test]
    fn some_is_kept_for_small_ones() {
        let mut budget = Budget::new(TOTAL);
        let mut large = 0;
        while budget.request(name(large), [10, 0, 0, large as u8].into(), LARGE) {
            large += 1;
        }
        assert_eq!(large as usize, (TOTAL - KEPT) / LARGE.bytes);
        let mut small = 0;
        while budget.request(name(100 + small), [10, 0, 1, small as u8].into(), SMALL) {
            small += 1;
        }
        assert!(small as usize >= KEPT / SMALL.bytes, "{small}");
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let mut budget = Budget::new(TOTAL);
        for n in 0..100 {
            assert!(budget.request(name(n), [10, 0, 0, n as u8].into(), SMALL) || n > 50);
        }
        while budget.has_waiting() {
            budget.cancelled(|_| false);
        }
        for n in 0..100 {
            let taken = budget.shares.get(&[10, 0, 0, n].into()).map_or(0, |share| share.taken);
            budget.give_back([10, 0, 0, n].into(), taken);
        }
        assert_eq!(budget.grant(|_| false), None);
        assert_eq!((budget.shares.len(), budget.line.len(), budget.free), (0, 0, TOTAL));
    }
}
