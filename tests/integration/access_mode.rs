//! One build for open, white and black: the switch `accesslist-any`, and `access.list_mode`.

use crate::harness::http::get_request;
use crate::harness::{self, SOON, Starter, Tracker, built_with, eventually, hash, hex, udp};
use rustix::process::Signal;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// A torrent on the white list, one on the black list, one on none.
const TORRENTS: [u64; 3] = [1, 2, 3];

/// A starter with a file of each kind, or `None`, and the reason is noted.
fn starter() -> Option<Starter> {
    let line = |n| (hex(&hash(n)) + "\n").into_bytes();
    built_with("accesslist-any")
        .then(|| Starter::new().own_list().file("white.txt", &line(TORRENTS[0])).file("black.txt", &line(TORRENTS[1])))
}

/// Which of the torrents are served.
fn served(tracker: &Tracker) -> [bool; 3] {
    let mut client = tracker.udp();
    let id = client.id();
    TORRENTS.map(|n| {
        let packet = udp::Announce::new(hash(n), 1).packet(id);
        client.exchange(&packet, SOON).expect("an answer to an announce").len() > 8
    })
}

const OPEN: [bool; 3] = [true, true, true];
const WHITE: [bool; 3] = [true, false, false];
const BLACK: [bool; 3] = [true, false, true];

#[test]
fn the_list_named_last_decides() {
    let table: [(&[&str], &str, [bool; 3]); 8] = [
        (&[], "", OPEN),
        (&["-w", "white.txt"], "", WHITE),
        (&["-b", "black.txt"], "", BLACK),
        (&["-w", "white.txt", "-b", "black.txt"], "", BLACK),
        (&["-b", "black.txt", "-w", "white.txt"], "", WHITE),
        (&["-b", "black.txt", "-f", "conf"], "access.whitelist white.txt\n", WHITE),
        (&["-f", "conf", "-b", "black.txt"], "access.whitelist white.txt\n", BLACK),
        (&["-f", "conf"], "access.blacklist black.txt\naccess.whitelist white.txt\n", WHITE),
    ];
    for (args, config, expected) in table {
        let Some(starter) = starter() else { return };
        let tracker = starter.file("conf", config.as_bytes()).args(args).start();
        assert_eq!(served(&tracker), expected, "{args:?} {config}");
        assert_eq!(tracker.stderr(), "");
    }
}

#[test]
fn a_mode_decides_wherever_it_stands() {
    let files = "access.whitelist white.txt\naccess.blacklist black.txt\n";
    for (config, expected) in [
        (format!("access.list_mode white\n{files}"), WHITE),
        (format!("{files}access.list_mode open\n"), OPEN),
        (format!("{files}access.list_mode white\naccess.list_mode black\n"), BLACK),
    ] {
        let Some(starter) = starter() else { return };
        let tracker = starter.file("conf", config.as_bytes()).args(["-f", "conf"]).start();
        assert_eq!(served(&tracker), expected, "{config}");
        assert_eq!(tracker.stderr(), "");
    }
    let Some(starter) = starter() else { return };
    let tracker = starter.file("conf", b"access.list_mode gray\n").args(["-f", "conf"]).start();
    assert_eq!(tracker.stderr(), "Parse error in config file: access.list_mode gray\n");
    assert_eq!(served(&tracker), OPEN);
}

#[test]
fn a_white_list_that_is_not_there_serves_nothing() {
    for args in [["-w", "nowhere"], ["-f", "conf"]] {
        let Some(starter) = starter() else { return };
        let tracker = starter.file("conf", b"access.list_mode white\n").args(args).start();
        assert_eq!(served(&tracker), [false; 3]);
        assert!(tracker.stderr().starts_with("Warning: Can't open accesslist file: "), "{}", tracker.stderr());
    }
}

/// Has the tracker read its config file again, and waits until these torrents are served.
#[track_caller]
fn change_over(tracker: &Tracker, mode: &str, expected: [bool; 3]) {
    tracker.signal(Signal::HUP);
    eventually(mode, || served(tracker) == expected);
}

#[test]
fn a_running_tracker_changes_over() {
    let Some(starter) = starter() else { return };
    let files = "access.whitelist white.txt\naccess.blacklist black.txt\n";
    let config = |mode: &str| format!("{files}access.list_mode {mode}\n").into_bytes();
    // in the root directory, where it is found also if it is a new file
    let conf = starter.scratch().path().join("conf").display().to_string();
    let tracker = starter.file("conf", &config("open")).args(["-f", &conf]).start();
    assert_eq!(served(&tracker), OPEN);
    for (mode, expected) in [("white", WHITE), ("black", BLACK), ("open", OPEN), ("black", BLACK)] {
        tracker.scratch().write("conf", &config(mode));
        change_over(&tracker, mode, expected);
    }
    // without a mode the key named last decides, as at a start
    tracker.scratch().write("conf", b"access.whitelist elsewhere\n");
    change_over(&tracker, "none", BLACK);
    tracker.scratch().write("conf", &config("white"));
    change_over(&tracker, "white", WHITE);
    assert_eq!(tracker.stderr(), "");
    // what makes no sense is named, and changes nothing
    tracker.scratch().write("conf", b"access.list_mode gray\nno.such key\naccess.list_mode white\n");
    change_over(&tracker, "gray", WHITE);
    eventually("a message", || tracker.stderr() == "Parse error in config file: access.list_mode gray\n");
    // a list that cannot be read changes nothing either
    fs::remove_file(tracker.scratch().path().join("black.txt")).expect("a file");
    tracker.scratch().write("conf", &config("black"));
    tracker.signal(Signal::HUP);
    eventually("a message", || tracker.stderr().contains("Can't open accesslist file: black.txt"));
    assert_eq!(served(&tracker), WHITE);
    // and over HTTP it is the same
    let target = format!("/announce?info_hash={}&port=1", harness::percent(&hash(TORRENTS[2])));
    assert!(String::from_utf8_lossy(&tracker.http(&get_request(&target)).bytes).contains("not authorized"));
}

#[test]
fn a_config_file_out_of_reach_is_read_where_it_was_written_to() {
    let Some(starter) = starter() else { return };
    if !harness::root_or_skip() {
        return;
    }
    // only root may enter the directory
    let elsewhere = harness::Scratch::new();
    fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o700)).expect("a mode");
    let files = "access.whitelist white.txt\naccess.blacklist black.txt\n";
    let conf = elsewhere.path().join("conf");
    fs::write(&conf, format!("{files}access.list_mode white\n")).expect("a file");
    let tracker = starter.args(["-f", conf.to_str().expect("a path")]).start();
    assert_eq!(served(&tracker), WHITE);
    fs::write(&conf, format!("{files}access.list_mode black\n")).expect("a file");
    change_over(&tracker, "black", BLACK);
    assert_eq!(tracker.stderr(), "");
    elsewhere.write("conf", b"access.list_mode open\n");
    tracker.signal(Signal::HUP);
    let message = format!(
        "Warning: Can't read access.list_mode of config file {} again: it is replaced by a new file, which is out of reach \
         from the root directory.\n",
        conf.display()
    );
    eventually("a message", || tracker.stderr() == message);
    assert_eq!(served(&tracker), BLACK);
}
