//! How long the turns of a loop take, for a bench: nothing, unless built with `RUSTFLAGS="--cfg opentracker_turns"`.
//!
//! Two forms with the same items. Tests build and run the one that measures; ordinary builds contain nothing of it.

#[cfg(any(test, opentracker_turns))]
mod measured;
#[cfg(not(opentracker_turns))]
mod unmeasured;

#[cfg(opentracker_turns)]
pub use measured::{Turn, Turns};
#[cfg(not(opentracker_turns))]
pub use unmeasured::{Turn, Turns};
