//! How a reply of peers of both families is shared out between them (as the original's 1.0 line).

/// Proportions are whole numbers of such parts.
const SCALE: u64 = 1024;

/// How many IPv4 and how many IPv6 peers are in a reply of so many at most, where there are `v4` and `v6` of them.
///
/// If not all fit, a quarter of the reply is each family's for sure, as far as it has peers, and the rest is shared out by how many
/// others each has. What rounding leaves, two at most, goes to both in turn, to IPv6 first.
pub(in crate::swarm) fn shares(v4: usize, v6: usize, wanted: usize) -> (usize, usize) {
    if v4 + v6 <= wanted {
        return (v4, v6);
    }
    let (sure_v4, sure_v6) = (v4.min(wanted / 4), v6.min(wanted / 4));
    let (others_v4, others_v6) = (v4 - sure_v4, v6 - sure_v6);
    let rest = wanted - sure_v4 - sure_v6;
    let all_others = (others_v4 + others_v6) as u64;
    let part = |others: usize| (rest as u64 * (others as u64 * SCALE / all_others) / SCALE) as usize;
    let (mut share_v4, mut share_v6) = (sure_v4 + part(others_v4), sure_v6 + part(others_v6));
    while share_v4 + share_v6 < wanted {
        share_v6 += usize::from(share_v6 < v6);
        share_v4 += usize::from(share_v4 < v4 && share_v4 + share_v6 < wanted);
    }
    (share_v4, share_v6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_are_the_originals() {
        // IPv4 peers, IPv6 peers, wanted, and the share of each
        let recorded = [
            // as its 1.0 line answered
            (60, 10, 50, (40, 10)),
            (60, 10, 20, (14, 6)),
            (60, 10, 3, (2, 1)),
            (60, 10, 1, (0, 1)),
            (60, 10, 70, (60, 10)),
            (60, 10, 69, (59, 10)),
            (60, 10, 40, (30, 10)),
            (90, 80, 50, (25, 25)),
            (90, 80, 200, (90, 80)),
            (90, 80, 7, (3, 4)),
            (90, 80, 11, (5, 6)),
            // where rounding leaves two, and in large swarms
            (1966, 328, 188, (129, 59)),
            (267, 565, 199, (79, 120)),
            (1556, 18, 68, (50, 18)),
            (39, 197, 126, (33, 93)),
            (28_023, 1280, 2, (1, 1)),
            (28_023, 1280, 200, (145, 55)),
            (25_438, 41, 126, (94, 32)),
        ];
        for (v4, v6, wanted, expected) in recorded {
            assert_eq!(shares(v4, v6, wanted), expected, "{v4}, {v6}, {wanted}");
        }
    }

    proptest! {
        #[test]
        fn a_reply_is_as_full_as_can_be(v4 in 0..3_000_000_usize, v6 in 0..300_usize, wanted in 0..201_usize, swapped: bool) {
            let (v4, v6) = if swapped { (v6, v4) } else { (v4, v6) };
            let (some_v4, some_v6) = shares(v4, v6, wanted);
            prop_assert!(some_v4 <= v4 && some_v6 <= v6);
            prop_assert_eq!(some_v4 + some_v6, wanted.min(v4 + v6));
            prop_assert!(some_v4 >= v4.min(wanted / 4) && some_v6 >= v6.min(wanted / 4));
        }
    }
}
