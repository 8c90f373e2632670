//! Signals that end the tracker: while it serves, while it starts, and as process 1 of a container.

use crate::harness::{self, AT_ONCE, Build, Starter, Tracker, eventually, proc};
use rustix::process::{Pid, Signal};
use std::ffi::CString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The signals that end a tracker.
const ENDING: [Signal; 2] = [Signal::INT, Signal::TERM];

/// The exit code or signal that a supervisor expects after one of these.
#[track_caller]
fn expect_end(status: ExitStatus, by: Signal) {
    let expected = if by == Signal::INT { (Some(0), None) } else { (None, Some(Signal::TERM.as_raw())) };
    assert_eq!((status.code(), status.signal()), expected);
}

/// Makes a named pipe in a tracker's directory.
fn make_pipe(starter: &Starter, name: &str) {
    let path = starter.scratch().path().join(name);
    let path = CString::new(path.to_str().expect("a path of text")).expect("a path without NUL");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o666));
    rustix::fs::mknodat(rustix::fs::CWD, path.as_c_str(), kind, mode, 0).expect("a pipe");
}

#[test]
fn sigterm_ends_it_as_cleanly_as_sigint() {
    for signal in ENDING {
        let mut tracker = Starter::new().start();
        let _idle = tracker.connect();
        tracker.get("/stats");
        tracker.signal(signal);
        expect_end(tracker.wait(AT_ONCE), signal);
        assert_eq!(tracker.stderr(), "");
    }
}

#[test]
fn process_1_of_a_container_ends_too() {
    if !harness::root_or_skip() {
        return;
    }
    for (signal, code) in [(Signal::INT, 0), (Signal::TERM, 143)] {
        // a process 1 has no default actions; `unshare` ends with its exit code
        let mut tracker = Starter::new().wrap(["unshare", "--pid", "--fork", "--kill-child"]).start();
        let [inside] = proc::children(tracker.pid())[..] else { panic!("one child") };
        let inside = Pid::from_raw(inside as i32).expect("a process");
        rustix::process::kill_process(inside, signal).expect("a signal");
        let status = tracker.wait(AT_ONCE);
        assert_eq!((status.code(), status.signal()), (Some(code), None));
    }
}

/// Waits until a tracker that starts has a file open, sends a signal, and expects its end.
#[track_caller]
fn end_while_reading(mut tracker: Tracker, file: &str, signal: Signal) {
    let path = tracker.scratch().path().join(file);
    let reads = |tracker: &Tracker| proc::open_files(tracker.pid()).contains(&path);
    eventually("the file is being read", || reads(&tracker) || tracker.exited().is_some());
    tracker.signal(signal);
    expect_end(tracker.wait(AT_ONCE), signal);
}

#[test]
fn a_signal_ends_a_start_that_reads_a_large_state_file() {
    for signal in ENDING {
        let starter = Starter::new().file("state", b"").args(["-l", "state"]);
        // one long line of nothing: it takes minutes to read, and no room
        let state = std::fs::File::options().write(true).open(starter.scratch().path().join("state"));
        state.and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
        end_while_reading(starter.spawn(), "state", signal);
    }
}

#[test]
fn a_signal_ends_a_start_that_reads_a_large_access_list() {
    let build = Build::under_test();
    let option = match (build.has("accesslist-white") || build.has("accesslist-any"), build.has("accesslist-black")) {
        (true, _) => "-w",
        (_, true) => "-b",
        _ => return harness::for_another_build("needs an access list"),
    };
    for signal in ENDING {
        let starter = Starter::new().own_list().file("list", b"").args([option, "list"]);
        // as large as is read at all
        let list = std::fs::File::options().write(true).open(starter.scratch().path().join("list"));
        list.and_then(|file| file.set_len(4 << 30)).expect("a sparse file");
        end_while_reading(starter.spawn(), "list", signal);
    }
}

#[test]
fn pipes_without_writers_do_not_hold_up_a_start() {
    let build = Build::under_test();
    let starter = Starter::new().args(["-l", "state"]);
    make_pipe(&starter, "state");
    let tracker = starter.start();
    assert_eq!(tracker.stderr(), "Warning: Can't open config file: state.");

    let option = if build.has("accesslist-white") { "-w" } else { "-b" };
    if build.has("accesslist-white") || build.has("accesslist-black") {
        let starter = Starter::new().own_list().args([option, "list"]);
        make_pipe(&starter, "list");
        let tracker = starter.start();
        assert!(tracker.stderr().starts_with("Warning: Can't open accesslist file: list "), "{}", tracker.stderr());
    }
}

#[test]
fn signals_count_also_where_the_process_was_started_without_them() {
    for (signal, wrap) in ENDING.into_iter().flat_map(|signal| {
        [vec!["nohup"], vec!["sh", "-c", "trap '' INT TERM HUP; exec \"$0\" \"$@\""]].map(|wrap| (signal, wrap))
    }) {
        let mut tracker = Starter::new().wrap(wrap).start();
        tracker.signal(Signal::HUP);
        tracker.nudge();
        tracker.signal(signal);
        expect_end(tracker.wait(AT_ONCE), signal);
    }
}
