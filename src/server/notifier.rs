//! What the service manager is told, and when: that the tracker serves, that it reads its access list again and has done so, that it
//! ends, a line with its figures once in a while, and in time that it is alive. All of it is sent from the loop, so a loop that hangs falls
//! silent.

use crate::limits::{NOTIFICATION_RETRY, NOTIFICATIONS_WAITING, STATUS_INTERVAL, WATCHDOG_MIN};
use crate::swarm::Families;
use crate::sys::service_manager::ServiceManager;
use crate::tracker::Tracker;
use std::collections::VecDeque;
use std::time::Duration;

/// Reports to a service manager.
#[derive(Debug)]
pub(super) struct Notifier {
    manager: ServiceManager,
    /// What the service manager had no room for.
    waiting: VecDeque<String>,
    /// It was told of a reload whose end it was not told of yet.
    is_reloading: bool,
    /// When the next sign of life is due, in time since the start.
    alive_due: Option<Duration>,
    /// When the next line of figures is due.
    status_due: Duration,
    /// Announces answered up to the last one, and when that was.
    last: (u64, Duration),
    /// When what waits is sent again.
    retry_due: Duration,
}

impl Notifier {
    pub(super) fn new(manager: ServiceManager) -> Self {
        let alive_due = manager.watchdog().map(|_| Duration::ZERO);
        Notifier {
            manager,
            waiting: VecDeque::new(),
            is_reloading: false,
            alive_due,
            status_due: Duration::ZERO,
            last: (0, Duration::ZERO),
            retry_due: Duration::ZERO,
        }
    }

    /// The sockets are bound, and what they receive is answered from now on.
    pub(super) fn ready(&mut self) {
        self.send("READY=1".into());
    }

    /// The tracker is about to end.
    pub(super) fn stopping(&mut self) {
        self.send("STOPPING=1".into());
    }

    /// A reload begins, `since` on the monotonic clock.
    pub(super) fn reloading(&mut self, since: Duration) {
        if self.waiting.len() < NOTIFICATIONS_WAITING {
            self.is_reloading = true;
            self.send(format!("RELOADING=1\nMONOTONIC_USEC={}", since.as_micros()));
        }
    }

    /// Sends what is due after a turn of the loop, with the figures of the tracker.
    pub(super) fn after_turn<F: Families>(&mut self, up: Duration, is_loading: bool, tracker: &Tracker<F>) {
        if self.is_reloading && !is_loading {
            self.is_reloading = false;
            self.send("READY=1".into());
        }
        self.send_waiting();
        self.retry_due = up + NOTIFICATION_RETRY;
        if self.alive_due.is_some_and(|due| up >= due) {
            let is_told = self.waiting.is_empty() && self.manager.notify("WATCHDOG=1");
            let half = self.manager.watchdog().map(|limit| (limit / 2).max(WATCHDOG_MIN));
            self.alive_due = half.map(|half| if is_told { up + half } else { self.retry_due });
        }
        if up >= self.status_due {
            self.status_due = up + STATUS_INTERVAL;
            let status = self.status(up, tracker);
            let _it_comes_again = self.waiting.is_empty() && self.manager.notify(&status);
        }
    }

    /// When something is due, in time since the start.
    pub(super) fn due(&self) -> Duration {
        let due = self.alive_due.map_or(self.status_due, |alive| alive.min(self.status_due));
        if self.waiting.is_empty() { due } else { due.min(self.retry_due) }
    }

    fn status<F: Families>(&mut self, up: Duration, tracker: &Tracker<F>) -> String {
        let (totals, announces) = (tracker.swarms().totals(), tracker.announces());
        let (before, then) = std::mem::replace(&mut self.last, (announces, up));
        let rate = (announces - before) / (up - then).as_secs().max(1);
        let (torrents, peers, seeders) = (totals.torrents, totals.peers, totals.seeders);
        format!("STATUS={torrents} torrents, {peers} peers, {seeders} of them seeders, {rate} announces per second")
    }

    fn send(&mut self, notification: String) {
        self.waiting.push_back(notification);
        self.send_waiting();
    }

    fn send_waiting(&mut self) {
        while self.waiting.front().is_some_and(|first| self.manager.notify(first)) {
            self.waiting.pop_front();
        }
    }
}
