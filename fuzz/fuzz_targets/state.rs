//! Arbitrary histories of the state, compared step by step with the naive model of its unit tests.
//!
//! The first byte chooses how large the parts of the state are: pages then fill and chunks are given up all the time. A step is a byte
//! for its kind and some for its numbers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::swarm::model::{Step, play_small};
use opentracker::swarm::{Dual, PeerState, V4, V6};
use opentracker_fuzz::Bytes;

/// Steps that are played at most: more take long and find nothing new.
const STEPS: usize = 60;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let Some(choice) = bytes.byte().map(usize::from) else { return };
    let sizes = [(choice % 24) * 256, 7 + choice % 5, 7 + choice % 13, 4 + choice % 36];
    let steps: Vec<_> = std::iter::from_fn(|| step(&mut bytes)).take(STEPS).collect();
    match choice / 86 {
        0 => play_small::<V4>(&steps, sizes),
        1 => play_small::<V6>(&steps, sizes),
        _ => play_small::<Dual>(&steps, sizes),
    }
});

fn step(bytes: &mut Bytes<'_>) -> Option<Step> {
    let kind = bytes.byte()?;
    let mut number = |below: u32| Some((u32::from(bytes.byte()?) << 8 | u32::from(bytes.byte()?)) % below);
    let what = PeerState { seeding: kind & 0x40 != 0, completed: kind & 0x80 != 0 };
    Some(match kind % 15 {
        0 => Step::Announce(number(6)?.into(), number(8)?, what),
        1 => Step::Announce(number(6)?.into(), number(300)?, what),
        2 => Step::Burst(number(6)?.into(), number(300)?, number(90)?, what),
        3 => Step::Many(number(300)?.into(), number(90)?.into()),
        4 => Step::Prefetch(number(300)?.into(), number(70)?.into()),
        5 => Step::Stop(number(6)?.into(), number(300)?),
        6 => Step::StopMany(number(6)?.into(), number(300)?, number(120)?),
        7 => Step::Scrape(number(6)?.into()),
        8 => Step::Restore(number(6)?.into(), number(3000)?, number(3)?),
        9 => Step::Expire(1 + number(39)? as usize),
        10 => Step::ExpireAll,
        11 if kind & 0x40 != 0 => Step::Back(number(100)?),
        11 => Step::Pass(number(1500)?),
        12 => Step::Refuse(number(60_000)? as usize),
        13 => Step::Limit(number(400)?.into(), number(400)?.into(), 1 + u64::from(number(400)?)),
        _ => Step::FindCandidates,
    })
}
