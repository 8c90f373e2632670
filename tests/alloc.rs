//! The allocator at work for a whole process: memory goes back as it becomes free, and no call takes long.
//!
//! One test only: it measures the process.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::{Duration, Instant};

use opentracker::sys::alloc::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator::new();

/// Arrays that are grown, some hundred megabytes in all.
const PAGES: usize = 200_000;

/// An operation this long would be one that does not stay small: the bounded ones take microseconds, but a busy machine
/// may hold any of them up for some milliseconds.
const LONGEST: Duration = Duration::from_millis(250);

type Entry = [u8; 48];

/// Resident bytes of the process.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: usize = text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a number");
    pages * 4096
}

fn timed(longest: &mut Duration, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    *longest = start.elapsed().max(*longest);
}

#[test]
fn memory_goes_back_in_small_steps() {
    let mut pages: Vec<Vec<Entry>> = vec![Vec::new(); PAGES];
    let empty = resident();
    let (mut growing, mut freeing) = (Duration::ZERO, Duration::ZERO);
    let mut at = 0;
    for step in 0..PAGES * 12 {
        // A stride that is no divisor visits the pages in an order of its own, each twelve times.
        at = (at + 77_777) % PAGES;
        let page = &mut pages[at];
        if page.len() == page.capacity() {
            timed(&mut growing, || page.reserve_exact(page.len() / 8 + 1));
        }
        page.push([step as u8; 48]);
    }
    let held: usize = pages.iter().map(|page| page.capacity() * size_of::<Entry>()).sum();
    let full = resident() - empty;
    println!("{} kB for {} kB held; longest growth {growing:?}", full / 1024, held / 1024);
    assert!(full > held && full < held + held / 4, "{full} for {held}");

    for _ in 0..PAGES {
        at = (at + 54_321) % PAGES;
        let page = std::mem::take(&mut pages[at]);
        timed(&mut freeing, || drop(page));
    }
    assert!(pages.iter().all(|page| page.capacity() == 0));
    let rest = resident().saturating_sub(empty);
    println!("{} kB afterwards; longest free {freeing:?}", rest / 1024);
    assert!(rest < full / 20, "{rest} of {full} bytes are still there");

    // A big one goes back slice by slice, with the calls that follow.
    let big = vec![1_u8; 64 << 20];
    let with_big = resident();
    timed(&mut freeing, || drop(big));
    for _ in 0..1_500 {
        timed(&mut freeing, || drop(std::hint::black_box(vec![1_u8; 100])));
    }
    println!("longest of all frees {freeing:?}");
    assert!(resident() + (60 << 20) < with_big);
    assert!(growing < LONGEST && freeing < LONGEST);
}
