//! The face that ordinary builds have: no times are taken.

use std::io;

/// Measures nothing.
#[derive(Clone, Copy, Debug)]
pub struct Turns;

/// A turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn;

impl Turns {
    pub fn from_environment() -> io::Result<Self> {
        Ok(Turns)
    }

    pub fn begin(self) -> Turn {
        Turn
    }
}

impl Turn {
    /// The turn is over.
    pub fn end(self) {}
}
