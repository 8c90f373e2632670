//! What the operator sets about intervals and numbers of peers, where one value limits another.

use crate::config::Directive;
use crate::limits::{INTERVAL, NUMWANT_DEFAULT, NUMWANT_MAX, PEER_TIMEOUT_MINUTES};
use crate::tracker::Settings;
use crate::types::{Intervals, Numwant, PeerTimeout};

/// What was said so far.
#[derive(Debug)]
pub(super) struct Answers {
    /// In seconds.
    interval: u32,
    /// In minutes; `None`: as the interval needs it.
    peer_timeout: Option<u32>,
    numwant: Numwant,
}

impl Default for Answers {
    fn default() -> Self {
        let numwant = Numwant { default: NUMWANT_DEFAULT, max: NUMWANT_MAX };
        Answers { interval: INTERVAL, peer_timeout: None, numwant }
    }
}

impl Answers {
    /// Whether a directive makes no sense beside those before it: all peers would leave before they announce again.
    pub(super) fn contradict(&self, directive: &Directive) -> bool {
        match *directive {
            Directive::Interval(seconds) => self.peer_timeout.is_some_and(|minutes| !outlasts(minutes, seconds)),
            Directive::PeerTimeout(minutes) => !outlasts(minutes, self.interval),
            _ => false,
        }
    }

    /// Takes note of a directive.
    pub(super) fn set(&mut self, directive: &Directive, settings: &mut Settings) {
        match *directive {
            Directive::Interval(seconds) => self.interval = seconds,
            Directive::PeerTimeout(minutes) => self.peer_timeout = Some(minutes),
            Directive::NumwantDefault(peers) => self.numwant.default = peers as usize,
            Directive::NumwantMax(peers) => self.numwant.max = peers as usize,
            _ => {}
        }
        settings.interval = Intervals::around(self.interval);
        settings.peer_timeout = PeerTimeout::of_minutes(self.peer_timeout.unwrap_or_else(|| timeout(self.interval)));
        let Numwant { default, max } = self.numwant;
        settings.numwant = Numwant { default: default.min(max), max };
    }
}

/// Whether a timeout is above the longest of the intervals.
fn outlasts(minutes: u32, interval: u32) -> bool {
    minutes * 60 > Intervals::around(interval).longest()
}

/// The timeout where none was named: half as long again as the interval, as by default, but no shorter than that.
fn timeout(interval: u32) -> u32 {
    (interval + interval / 2).div_ceil(60).max(PEER_TIMEOUT_MINUTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{INTERVALS, PEER_TIMEOUTS};

    fn set(directives: &[Directive]) -> Settings {
        let (mut answers, mut settings) = (Answers::default(), Settings::default());
        directives.iter().for_each(|directive| answers.set(directive, &mut settings));
        settings
    }

    #[test]
    fn a_timeout_that_nobody_named_suits_the_interval() {
        for (seconds, minutes) in [(300, 45), (1800, 45), (1801, 46), (3600, 90), (10_800, 270)] {
            assert_eq!(timeout(seconds), minutes);
        }
        for seconds in INTERVALS {
            assert!(outlasts(timeout(seconds), seconds) && PEER_TIMEOUTS.contains(&timeout(seconds)));
        }
        assert_eq!(set(&[Directive::Interval(3600)]).peer_timeout.minutes(), 90);
        assert_eq!(set(&[Directive::PeerTimeout(70), Directive::Interval(3600)]).peer_timeout.minutes(), 70);
        assert_eq!(set(&[Directive::Interval(300)]).interval.longest(), 329);
    }

    #[test]
    fn the_line_that_comes_second_is_the_wrong_one() {
        let (answers, mut settings) = (Answers::default(), Settings::default());
        // intervals are up to 1979 seconds
        assert!(answers.contradict(&Directive::PeerTimeout(32)) && !answers.contradict(&Directive::PeerTimeout(33)));
        assert!(!answers.contradict(&Directive::Interval(10_800)));
        let mut short = Answers::default();
        short.set(&Directive::Interval(300), &mut settings);
        assert!(!short.contradict(&Directive::PeerTimeout(6)));
        short.set(&Directive::PeerTimeout(6), &mut settings);
        assert!(!short.contradict(&Directive::Interval(327)) && short.contradict(&Directive::Interval(330)));
    }

    #[test]
    fn who_does_not_say_gets_no_more_than_the_most() {
        let numwant = |directives: &[Directive]| (set(directives).numwant.default, set(directives).numwant.max);
        assert_eq!(numwant(&[Directive::NumwantMax(30)]), (30, 30));
        assert_eq!(numwant(&[Directive::NumwantMax(30), Directive::NumwantMax(1000)]), (50, 1000));
        assert_eq!(numwant(&[Directive::NumwantDefault(1000)]), (200, 200));
        assert_eq!(numwant(&[Directive::NumwantDefault(1000), Directive::NumwantMax(500)]), (500, 500));
    }
}
