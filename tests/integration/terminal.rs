//! What a person at a terminal sees, and a service's log does not.

use std::fs::File;
use std::io::Read;

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcsetattr};

use crate::harness::{self, AT_ONCE, Build, SOON, Starter, Tracker, eventually, hash};

/// A terminal whose other side the test has.
struct Terminal {
    ours: File,
    /// Kept, so that reading does not fail before and after the tracker has it open.
    theirs: File,
    name: String,
}

impl Terminal {
    /// A terminal, or `None` where none can be made, which is noted as skipped.
    fn new() -> Option<Terminal> {
        let Ok(ours) = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC) else {
            harness::skipped("needs terminals: /dev/ptmx and /dev/pts");
            return None;
        };
        grantpt(&ours).expect("a terminal's owner");
        unlockpt(&ours).expect("a terminal's lock");
        let name = ptsname(&ours, Vec::new()).expect("a terminal's name").into_string().expect("a name");
        let theirs = File::options().read(true).write(true).open(&name).expect("a terminal");
        let mut attributes = tcgetattr(&theirs).expect("a terminal's attributes");
        attributes.output_modes.remove(OutputModes::OPOST);
        tcsetattr(&theirs, OptionalActions::Now, &attributes).expect("a terminal's attributes");
        rustix::io::ioctl_fionbio(&ours, true).expect("a terminal");
        Some(Terminal { ours: File::from(ours), theirs, name })
    }

    /// Starts a tracker whose stderr is this terminal.
    fn start(&self, starter: Starter) -> Tracker {
        starter.wrap(["sh", "-c", "exec \"$@\" 2>\"$0\"", &self.name]).start()
    }

    /// Waits until a text ends so, and returns it.
    #[track_caller]
    fn read_until(&self, end: &str) -> String {
        let mut text = Vec::new();
        eventually("the terminal shows it", || {
            let _nothing_yet = (&self.ours).read_to_end(&mut text);
            text.ends_with(end.as_bytes())
        });
        String::from_utf8(text).expect("a text")
    }
}

/// A starter, or `None`, and the reason is noted.
fn starter() -> Option<Starter> {
    if Build::under_test().has("v6") {
        harness::for_another_build("needs an IPv4 build");
        return None;
    }
    Some(Starter::new().allow([hash(1)]))
}

#[test]
fn a_person_is_told_what_it_does() {
    let Some(starter) = starter() else { return };
    if !harness::root_or_skip() {
        return;
    }
    let Some(terminal) = Terminal::new() else { return };
    let mut tracker = terminal.start(starter);
    let text = terminal.read_until("Ctrl-C ends it\n");
    let lines: Vec<_> = text.lines().collect();
    let [listens, identity, served, statistics, _] = lines[..] else { panic!("{text}") };
    let (tcp, udp) = (tracker.tcp_address(), tracker.udp_address());
    assert!(
        listens.starts_with("opentracker 0.") && listens.ends_with(&format!(" listens on {tcp} (TCP), {udp} (UDP)")),
        "{text}"
    );
    let root = tracker.scratch().path().display().to_string();
    assert_eq!(identity, format!("as nobody (user 65534), root directory {root}"));
    let build = tracker.build();
    let expected = match () {
        () if build.has("accesslist-white") => "closed: only the torrents listed in allowed are served",
        () if build.has("accesslist-black") => "open: every torrent is served but those listed in forbidden",
        () => "open: every torrent is served",
    };
    assert_eq!(served, expected);
    let who = if build.has("restrict-stats") { ", for blessed addresses only" } else { "" };
    assert_eq!(statistics, format!("statistics at http://{tcp}/stats{who}"));

    tracker.signal(Signal::INT);
    assert_eq!(tracker.wait(AT_ONCE).code(), Some(0));
    let end = terminal.read_until(" s\n");
    assert!(end.starts_with("opentracker ends, after 0 h 0 min "), "{end}");
}

#[test]
fn without_a_terminal_nothing_is_said() {
    let Some(starter) = starter() else { return };
    let mut tracker = starter.start();
    tracker.signal(Signal::INT);
    assert_eq!(tracker.wait(AT_ONCE).code(), Some(0));
    assert_eq!(tracker.stderr(), "");
}

#[test]
fn a_terminal_that_is_stopped_holds_nothing_up() {
    let Some(starter) = starter() else { return };
    let Some(terminal) = Terminal::new() else { return };
    rustix::termios::tcflow(&terminal.theirs, rustix::termios::Action::OOff).expect("a stopped terminal");
    let mut tracker = terminal.start(starter);
    tracker.signal(Signal::INT);
    assert_eq!(tracker.wait(SOON).code(), Some(0));
}
