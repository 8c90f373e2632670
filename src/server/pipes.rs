//! The pipes through which the access list changes (`dynamic-accesslist`), as the loop watches them.

use super::shortage::Shortage;
use super::{Token, watch};
use crate::access::{List, Pipe};
use crate::sys::failure::{Failure, reason};
use crate::sys::poller::Poller;
use crate::sys::stderr;
use std::os::fd::AsFd;
use std::time::Duration;

/// The pipes. None in builds whose lists do not change.
#[derive(Debug)]
pub(super) struct Pipes {
    /// `None`: off, since it failed.
    pipes: Vec<Option<Pipe>>,
    /// Changes that were dropped, since the start.
    dropped: u64,
    shortage: Shortage,
}

impl Pipes {
    /// Has the poller watch the pipes.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn new(pipes: Vec<Pipe>, poller: &mut Poller) -> Result<Pipes, Failure> {
        for (index, pipe) in pipes.iter().enumerate() {
            watch(poller, pipe.as_fd(), Token::Pipe(index))?;
        }
        let pipes = pipes.into_iter().map(Some).collect();
        Ok(Pipes { pipes, dropped: 0, shortage: Shortage::of_changes() })
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.pipes.is_empty()
    }

    /// Reads what is in the pipes.
    pub(super) fn fill(&mut self, poller: &mut Poller) {
        for place in &mut self.pipes {
            if let Some(Err(error)) = place.as_mut().map(Pipe::fill) {
                stderr::write_line(&format!("reading changes of the access list: {}\n", reason(&error)));
                switch_off(place, poller);
            }
        }
    }

    /// Makes the changes that were read.
    pub(super) fn make_changes(&mut self, list: &mut List, now: Duration) {
        self.dropped += self.pipes.iter_mut().flatten().map(|pipe| pipe.make_changes(list)).sum::<u64>();
        self.shortage.notice(self.dropped, now);
    }

    /// Goes on after the poller reported something of a pipe: where the last writer has gone, that would be reported for ever.
    pub(super) fn reported(&mut self, index: usize, poller: &mut Poller) {
        let Some(place) = self.pipes.get_mut(index) else { return };
        let Some(pipe) = place.as_mut().filter(|pipe| pipe.has_ended()) else { return };
        // a descriptor that is not watched any more is no matter
        let _ = poller.remove(pipe.as_fd());
        let goes_on = pipe.open_again().map(|()| watch(poller, pipe.as_fd(), Token::Pipe(index)));
        let message = match goes_on {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => format!("{failure}\n"),
            Err(message) => String::from_utf8_lossy(&message).into_owned(),
        };
        stderr::write_line(&message);
        switch_off(place, poller);
    }
}

/// Closes a pipe that failed.
fn switch_off(place: &mut Option<Pipe>, poller: &mut Poller) {
    if let Some(pipe) = place.take() {
        // it may not be watched any more
        let _ = poller.remove(pipe.as_fd());
    }
}
