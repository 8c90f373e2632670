//! Random use against a model: each object is filled with a pattern of its own, which must still be there.

use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::mpsc;
use std::thread;

use super::Allocator;
use super::pages::{GRANULE, PAGE};

/// xorshift64*: reproducible, and good enough to pick sizes.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    /// Mostly small, sometimes around the border to mappings, sometimes well beyond it.
    fn size(&mut self) -> usize {
        1 + match self.below(100) {
            0..60 => self.below(600),
            60..85 => self.below(5_000),
            85..95 => self.below(40_000),
            95..98 => self.below(140_000),
            98 => 131_000 + self.below(140),
            _ => self.below(1_000_000),
        }
    }

    fn align(&mut self) -> usize {
        match self.below(10) {
            0..7 => 1 << self.below(5),
            7..9 => 1 << self.below(13),
            _ => 1 << self.below(18),
        }
    }
}

struct Object {
    start: NonNull<u8>,
    layout: Layout,
    seed: u8,
}

// SAFETY: the memory is the object's own, whichever thread it is on.
unsafe impl Send for Object {}

impl Object {
    fn new(allocator: &Allocator, layout: Layout, seed: u8, zeroed: bool) -> Self {
        // SAFETY: no layout in these tests is empty.
        let start = unsafe { if zeroed { allocator.alloc_zeroed(layout) } else { allocator.alloc(layout) } };
        let mut object = Self { start: NonNull::new(start).expect("memory"), layout, seed };
        assert_eq!(start.addr() % layout.align(), 0, "{layout:?}");
        if zeroed {
            assert!(object.bytes().iter().all(|&byte| byte == 0), "{layout:?} not zero");
        }
        object.fill(seed);
        object
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the allocator gave this much, and all of it has been written or zeroed where it is read.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.layout.size()) }
    }

    fn fill(&mut self, seed: u8) {
        self.seed = seed;
        for (at, byte) in self.bytes().iter_mut().enumerate() {
            *byte = pattern(seed, at);
        }
    }

    fn check(&mut self, len: usize) {
        let seed = self.seed;
        let wrong = self.bytes()[..len].iter().enumerate().position(|(at, &byte)| byte != pattern(seed, at));
        assert_eq!(wrong, None, "{:?} at {:?} was overwritten", self.layout, self.start);
    }

    fn resize(&mut self, allocator: &Allocator, size: usize) {
        self.check(self.layout.size());
        // SAFETY: the object is of this layout and the size is above zero.
        let start = unsafe { allocator.realloc(self.start.as_ptr(), self.layout, size) };
        self.start = NonNull::new(start).expect("memory");
        assert_eq!(start.addr() % self.layout.align(), 0);
        let kept = size.min(self.layout.size());
        self.layout = Layout::from_size_align(size, self.layout.align()).expect("a layout");
        self.check(kept);
        self.fill(self.seed.wrapping_add(1));
    }

    fn free(mut self, allocator: &Allocator) {
        self.check(self.layout.size());
        // SAFETY: made by this allocator with this layout, and gone with this call.
        unsafe { allocator.dealloc(self.start.as_ptr(), self.layout) };
    }
}

fn pattern(seed: u8, at: usize) -> u8 {
    seed ^ (at as u8).wrapping_mul(31) ^ (at >> 8) as u8
}

/// Panics where two objects share a byte.
fn check_overlap(objects: &[Object]) {
    let by_start: BTreeMap<usize, usize> =
        objects.iter().map(|object| (object.start.as_ptr().addr(), object.layout.size())).collect();
    assert_eq!(by_start.len(), objects.len());
    let mut end = 0;
    for (start, size) in by_start {
        assert!(end <= start, "overlap at {start:#x}");
        end = start + size;
    }
}

/// Random steps; `swap` may exchange an object with another thread.
fn churn(allocator: &Allocator, seed: u64, steps: usize, mut swap: impl FnMut(Object) -> Option<Object>) {
    let mut random = Random(seed);
    let mut objects = Vec::new();
    for step in 0..steps {
        // Grow for a while, shrink for a while, so that spans fill and become empty.
        let growing = step / 2_000 % 2 == 0;
        let choice = random.below(100);
        if objects.is_empty() || choice < if growing { 55 } else { 25 } {
            let layout = Layout::from_size_align(random.size(), random.align()).expect("a layout");
            objects.push(Object::new(allocator, layout, random.below(256) as u8, random.below(4) == 0));
            continue;
        }
        let at = random.below(objects.len());
        if choice < 70 {
            let old = objects[at].layout.size();
            let size = match random.below(3) {
                0 => random.size(),
                1 => old + old / 8 + 1,
                _ => old - old / 3,
            };
            objects[at].resize(allocator, size);
        } else {
            let object = objects.swap_remove(at);
            if choice < 75 { objects.extend(swap(object)) } else { object.free(allocator) }
        }
        if step % 1_000 == 0 {
            check_overlap(&objects);
        }
    }
    check_overlap(&objects);
    objects.into_iter().for_each(|object| object.free(allocator));
}

#[test]
fn every_size_and_alignment() {
    let allocator = Allocator::new();
    let mut objects = Vec::new();
    for size in (1..2_000).chain((2_000..140_000).step_by(977)) {
        let layout = Layout::from_size_align(size, 1 << (size % 19)).expect("a layout");
        objects.push(Object::new(&allocator, layout, size as u8, false));
    }
    check_overlap(&objects);
    objects.into_iter().for_each(|object| object.free(&allocator));
}

#[test]
fn random_use_of_one_thread() {
    for seed in 1..=4 {
        let allocator = Allocator::new();
        churn(&allocator, seed, 12_000, Some);
    }
}

#[test]
fn random_use_of_threads_that_exchange_objects() {
    let allocator = Allocator::new();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel::<Object>()).unzip();
    thread::scope(|scope| {
        for (number, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(number + 1) % senders.len()].clone();
            let allocator = &allocator;
            scope.spawn(move || {
                churn(allocator, 77 + number as u64, 6_000, |object| {
                    // A neighbour that is done takes no more: the object stays here then.
                    let kept = next.send(object).err().map(|back| back.0);
                    kept.or_else(|| receiver.try_recv().ok())
                });
                drop(next);
                receiver.try_iter().for_each(|object| object.free(allocator));
            });
        }
        drop(senders);
    });
}

#[test]
fn recycled_memory_is_zeroed_on_demand() {
    let allocator = Allocator::new();
    for size in [16, 48, 576, 4_096, 30_000, 131_072, 140_000, 1_000_000] {
        let layout = Layout::from_size_align(size, 8).expect("a layout");
        for _ in 0..3 {
            // Enough to empty more spans than are kept, so that both kinds are used again.
            let count = (4_000_000 / size).max(3);
            let objects: Vec<_> = (0..count).map(|_| Object::new(&allocator, layout, 0xA5, true)).collect();
            check_overlap(&objects);
            objects.into_iter().for_each(|object| object.free(&allocator));
        }
    }
}

#[test]
fn sizes_change_across_every_border() {
    let allocator = Allocator::new();
    for align in [1, 8, 64, PAGE, 2 * PAGE, 2 * GRANULE] {
        let first = Layout::from_size_align(1, align).expect("a layout");
        let mut object = Object::new(&allocator, first, 3, false);
        let mut sizes = vec![1];
        while sizes.last().is_some_and(|&last| last < 2_000_000) {
            let last = sizes.last().copied().unwrap_or(1);
            sizes.push(last + last / 8 + 1);
        }
        let down = sizes.clone().into_iter().rev();
        for size in sizes.into_iter().chain(down) {
            object.resize(&allocator, size);
        }
        object.free(&allocator);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let allocator = Allocator::new();
    for (size, align) in [(isize::MAX as usize, 1), (1 << 60, PAGE), (1 << 46, 1 << 21), (1, 1 << 62)] {
        let layout = Layout::from_size_align(size, align).expect("a layout");
        // SAFETY: not empty.
        assert!(unsafe { allocator.alloc(layout) }.is_null(), "{layout:?}");
    }
    for size in [100, 100_000] {
        let layout = Layout::from_size_align(size, 8).expect("a layout");
        let mut object = Object::new(&allocator, layout, 9, false);
        // SAFETY: the object is of this layout.
        let refused = unsafe { allocator.realloc(object.start.as_ptr(), layout, 1 << 60) };
        assert!(refused.is_null());
        object.check(size);
        object.free(&allocator);
    }
}
