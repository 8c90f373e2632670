//! Random histories, played to the swarms and to the model.

use super::super::{Dual, PeerState, Sizes, V4, V6};
use super::model::{Step, play};
use super::{same_prefix, spread};
use proptest::prelude::*;

fn what() -> impl Strategy<Value = PeerState> {
    (any::<bool>(), any::<bool>()).prop_map(|(seeding, completed)| PeerState { seeding, completed })
}

fn limit() -> impl Strategy<Value = u64> {
    prop_oneof![0..5u64, 0..400u64, Just(u64::MAX - 1)]
}

fn step() -> impl Strategy<Value = Step> {
    let torrent = 0..6u64;
    let peer = 0..900u32;
    prop_oneof![
        6 => (torrent.clone(), 0..8u32, what()).prop_map(|(t, p, w)| Step::Announce(t, p, w)),
        6 => (torrent.clone(), peer.clone(), what()).prop_map(|(t, p, w)| Step::Announce(t, p, w)),
        4 => (torrent.clone(), peer.clone(), 1..500u32, what()).prop_map(|(t, p, n, w)| Step::Burst(t, p, n, w)),
        2 => (0..1000u64, 1..400u64).prop_map(|(t, n)| Step::Many(t, n)),
        3 => (prop_oneof![torrent.clone(), 0..1000u64], 1..70u64).prop_map(|(t, n)| Step::Prefetch(t, n)),
        3 => (torrent.clone(), 0..8u32).prop_map(|(t, p)| Step::Stop(t, p)),
        2 => (torrent.clone(), peer, 1..700u32).prop_map(|(t, p, n)| Step::StopMany(t, p, n)),
        3 => torrent.clone().prop_map(Step::Scrape),
        2 => (torrent, 0..3000u32, 0..3u32).prop_map(|(t, m, d)| Step::Restore(t, m, d)),
        3 => (1..40usize).prop_map(Step::Expire),
        2 => Just(Step::ExpireAll),
        6 => prop_oneof![1..4u32, 10..20u32].prop_map(Step::Pass),
        3 => prop_oneof![43..48u32, 60..68u32, 127..130u32, 1439..1443u32, Just(1 << 20)].prop_map(Step::Pass),
        1 => (1..100u32).prop_map(Step::Back),
        2 => prop_oneof![0..3000usize, 0..60_000usize, Just(usize::MAX)].prop_map(Step::Refuse),
        2 => (limit(), limit(), limit()).prop_map(|(t, p, n)| Step::Limit(t, p, n + 1)),
        3 => Just(Step::FindCandidates),
    ]
}

/// Sizes as they are, and such that pages fill, share their items and go, chunks fill and are given up, all the time.
fn sizes() -> impl Strategy<Value = Sizes> {
    let small = (0..6000usize, 7..12usize, 7..20usize, 4..40usize);
    let small = small.prop_map(|(chunk, page, peer_page, array_max)| Sizes { chunk, page, peer_page, array_max });
    prop_oneof![1 => Just(Sizes::default()), 3 => small]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_of_ipv4_swarms_follows_the_rules(steps in prop::collection::vec(step(), 1..60), sizes in sizes()) {
        play::<V4>(&steps, sizes, spread);
    }

    #[test]
    fn any_history_of_ipv6_swarms_follows_the_rules(steps in prop::collection::vec(step(), 1..60), sizes in sizes()) {
        play::<V6>(&steps, sizes, spread);
    }

    #[test]
    fn any_history_of_swarms_of_both_families_follows_the_rules(steps in prop::collection::vec(step(), 1..60), sizes in sizes()) {
        play::<Dual>(&steps, sizes, spread);
    }

    #[test]
    fn any_history_of_torrents_with_chosen_names_follows_the_rules(steps in prop::collection::vec(step(), 1..60), sizes in sizes()) {
        play::<V4>(&steps, sizes, same_prefix);
    }
}
