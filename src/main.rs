//! The steps of a start, top to bottom.
fn main() {}
