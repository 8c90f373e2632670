//! What one address may have of all that there is for long answers.

use super::*;
use crate::limits::{ANSWERS_SHARE_PART, ANSWERS_WAITING_MAX};

#[test]
fn one_address_holds_up_itself_alone() {
    let mut play = Play::new();
    for n in 0..10 {
        play.begin_slow(n, 7, WHOLE, 0);
    }
    play.run();
    assert!(ANSWERS_BUDGET - play.answers.budget.free() <= ANSWERS_BUDGET / ANSWERS_SHARE_PART);
    play.begin(100, 100, WHOLE, true);
    play.run();
    assert_eq!(play.over, [100]);
    assert!(play.answers.budget.has_waiting());
}

#[test]
fn a_network_of_ipv6_holds_up_itself_alone() {
    let mut play = Play::new();
    for n in 0..10 {
        play.fake.room.insert(n, 0);
        let from = IpAddr::from([0x2001, 0xdb8, 0, 0, n as u16, 0, 0, n as u16]);
        play.answers.begin(name(n), from, WHOLE, style(true, false));
    }
    play.run();
    assert!(ANSWERS_BUDGET - play.answers.budget.free() <= ANSWERS_BUDGET / ANSWERS_SHARE_PART);
    play.begin(100, 100, WHOLE, true);
    play.run();
    assert_eq!(play.over, [100]);
}

#[test]
fn a_bounded_number_of_answers_to_one_address_waits() {
    let mut play = Play::new();
    let most = ANSWERS_WAITING_MAX as u32;
    for n in 0..most + 30 {
        play.begin_slow(n, 7, WHOLE, 0);
        play.run();
        if n % 3 == 2 && n < most {
            play.answers.cancel(name(n));
        }
    }
    assert!(play.displaced.is_empty(), "those that were cancelled are not counted");
    for n in 1000..1000 + 2 * most {
        play.begin_slow(n, 7, WHOLE, 0);
        play.run();
    }
    assert_eq!(play.answers.budget.waiting(), ANSWERS_WAITING_MAX);
    assert!(play.displaced.is_sorted() && play.displaced.len() > ANSWERS_WAITING_MAX, "the oldest first");
    play.begin(5000, 8, WHOLE, true);
    play.run();
    assert_eq!(play.over, [5000], "others do not wait for them");
    (0..1000 + 2 * most).for_each(|n| assert!(!play.answers.cancel(name(n))));
    play.run();
    assert_eq!(play.answers.budget.free(), ANSWERS_BUDGET);
}
