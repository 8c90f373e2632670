//! The state of the tracker.
