//! Access lists that change while the tracker runs, through named pipes: the switch `dynamic-accesslist`.

use std::fs::{File, Permissions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::time::{Duration, Instant};

use crate::harness::udp::Announce;
use crate::harness::{self, Build, SOON, Starter, Tracker, built_with, eventually, hash, hex, proc};
use rustix::process::Signal;

/// Changes that are kept.
const CHANGES_MAX: u64 = 1 << 21;

const ADD: &str = "run/adder.fifo";
const DELETE: &str = "run/deleter.fifo";

/// What is said where something else has a pipe's name.
const NO_PIPE: &str = "Error when starting dynamic accesslists: Found Non-FIFO file at run/adder.fifo.\n\
                       Please remove it and restart opentracker.\n";

/// A tracker with both pipes, and the first torrent on its list. `None`, and the reason is said, where the build has no such lists.
fn starter() -> Option<Starter> {
    built_with("dynamic-accesslist").then(|| with_pipes(ADD, DELETE))
}

fn with_pipes(add: &str, delete: &str) -> Starter {
    let kind = if Build::under_test().has("accesslist-white") { "white" } else { "black" };
    let config = format!("access.{kind}list list\naccess.fifo_add {add}\naccess.fifo_delete {delete}\n");
    let starter = Starter::new().own_list().file("list", hex(&hash(1)).as_bytes()).file("conf", config.as_bytes());
    // where the tracker's user may make pipes
    let place = starter.scratch().path().join("run");
    std::fs::create_dir(&place)
        .and_then(|()| std::fs::set_permissions(&place, Permissions::from_mode(0o777)))
        .expect("a directory");
    starter.args(["-f", "conf"])
}

/// A writer of a pipe.
fn writer(tracker: &Tracker, pipe: &str) -> File {
    File::options().write(true).open(tracker.scratch().path().join(pipe)).expect("a pipe that is read")
}

fn write(tracker: &Tracker, pipe: &str, text: &str) {
    writer(tracker, pipe).write_all(text.as_bytes()).expect("the pipe takes it");
}

fn line(torrent: u64) -> String {
    hex(&hash(torrent)) + "\n"
}

/// Which of some torrents are on the list, by whether they are served.
fn listed<const COUNT: usize>(tracker: &Tracker, torrents: [u64; COUNT]) -> [bool; COUNT] {
    let white = tracker.build().has("accesslist-white");
    torrents.map(|torrent| {
        let mut client = tracker.udp();
        let packet = Announce::new(hash(torrent), 1).packet(client.id());
        // a refusal has 8 bytes
        (client.exchange(&packet, SOON).expect("an answer to an announce").len() > 8) == white
    })
}

#[test]
fn a_change_counts_for_the_next_request() {
    let Some(starter) = starter() else { return };
    let tracker = starter.start();
    assert_eq!(listed(&tracker, [1, 2]), [true, false]);
    for _ in 0..20 {
        write(&tracker, ADD, &line(2));
        assert_eq!(listed(&tracker, [1, 2]), [true, true]);
        write(&tracker, DELETE, &(line(2) + &line(1)));
        assert_eq!(listed(&tracker, [1, 2]), [false, false]);
        write(&tracker, ADD, &line(1));
        assert_eq!(listed(&tracker, [1, 2]), [true, false]);
    }
    let upper = hex(&hash(3)).to_uppercase();
    write(&tracker, ADD, &format!("{upper} a name\r\n{}0\n\n#{}{}\n", hex(&hash(4)), line(5), &hex(&hash(6))[..39]));
    write(&tracker, ADD, &line(7));
    assert_eq!(listed(&tracker, [3, 4, 5, 6, 7]), [true, false, false, false, true]);
    let first = format!("/announce?info_hash={}&port=1", harness::percent(&hash(7)));
    let refused = tracker.get(&first).text().contains("not authorized");
    assert_eq!(refused, !tracker.build().has("accesslist-white"));
}

#[test]
fn all_that_a_pipe_holds_counts_for_the_next_request() {
    const LINES: u64 = (64 << 10) / 41;
    let Some(starter) = starter() else { return };
    let tracker = starter.start();
    for round in 1..=5 {
        let torrents = round * 10_000..round * 10_000 + LINES;
        let last = torrents.end - 1;
        write(&tracker, ADD, &torrents.map(line).collect::<String>());
        assert_eq!(listed(&tracker, [last]), [true]);
    }
}

#[test]
fn clients_that_take_all_descriptors_switch_no_pipe_off() {
    let Some(starter) = starter() else { return };
    let tracker = starter.wrap(["prlimit".to_owned(), "--nofile=40:40".to_owned()]).start();
    let address = tracker.tcp_address();
    for round in 0..50 {
        // more than there are descriptors for, none of which says anything
        let waiting: Vec<_> = (0..60).map_while(|_| TcpStream::connect(address).ok()).collect();
        write(&tracker, ADD, &line(2));
        write(&tracker, DELETE, &line(2));
        write(&tracker, ADD, &line(100 + round));
        assert_eq!(listed(&tracker, [2, 100 + round]), [false, true]);
        drop(waiting);
    }
    assert!(!tracker.stderr().contains("dynamic accesslists"), "{}", tracker.stderr());
}

#[test]
fn sighup_forgets_what_was_changed_before() {
    let Some(starter) = starter() else { return };
    let tracker = starter.start();
    for round in 0..10 {
        write(&tracker, ADD, &line(2));
        write(&tracker, DELETE, &line(1));
        assert_eq!(listed(&tracker, [1, 2]), [false, true]);
        // the file says in which round it was read
        tracker.scratch().write("list", (line(1) + &line(100 + round)).as_bytes());
        tracker.signal(Signal::HUP);
        write(&tracker, ADD, &line(3));
        eventually("the file was read again", || listed(&tracker, [100 + round]) == [true]);
        assert_eq!(listed(&tracker, [1, 2, 3]), [true, false, true], "what is changed after it stays");
    }
    // also where the file yields no list
    std::fs::remove_file(tracker.scratch().path().join("list")).expect("no list");
    write(&tracker, DELETE, &line(1));
    assert_eq!(listed(&tracker, [1]), [false]);
    tracker.signal(Signal::HUP);
    eventually("the change is forgotten", || listed(&tracker, [1]) == [true]);
}

#[test]
fn many_may_write_at_once_and_one_after_the_other() {
    let Some(starter) = starter() else { return };
    let tracker = starter.start();
    for round in 0..3 {
        let torrents = |writer: u64| (0..100).map(move |n| 1000 * (round + 1) + 100 * writer + n);
        std::thread::scope(|scope| {
            for number in 0..5 {
                let mut pipe = writer(&tracker, ADD);
                scope.spawn(move || torrents(number).for_each(|n| pipe.write_all(line(n).as_bytes()).expect("room")));
            }
        });
        for torrent in (0..5).flat_map(torrents) {
            assert_eq!(listed(&tracker, [torrent]), [true], "{torrent}");
        }
    }
    // with nobody there it waits in peace
    let used = proc::processor_time(tracker.pid());
    std::thread::sleep(Duration::from_secs(1));
    let used = proc::processor_time(tracker.pid()) - used;
    assert!(used < Duration::from_millis(250), "{used:?} of processor time in a second");
}

#[test]
fn a_line_that_nobody_will_finish_is_dropped() {
    let Some(starter) = starter() else { return };
    let tracker = starter.start();
    let (start, end) = (&hex(&hash(2))[..30], &hex(&hash(2))[30..]);
    write(&tracker, ADD, start);
    tracker.nudge();
    write(&tracker, ADD, &line(3));
    assert_eq!(listed(&tracker, [2, 3]), [false, true]);
    // as long as somebody has the pipe open it may be finished
    let mut other = writer(&tracker, ADD);
    write(&tracker, ADD, start);
    tracker.nudge();
    assert_eq!(listed(&tracker, [2]), [false]);
    writeln!(other, "{end}").expect("the pipe takes it");
    assert_eq!(listed(&tracker, [2]), [true]);
}

#[test]
fn floods_without_line_feeds_harm_nobody() {
    let Some(starter) = starter() else { return };
    let tracker = starter.start();
    let before = proc::memory(tracker.pid(), "VmRSS");
    let pipe = writer(&tracker, DELETE);
    let flood = std::thread::spawn(move || {
        let mut pipe = pipe;
        (0..512).for_each(|_| pipe.write_all(&[b'a'; 64 << 10]).expect("the pipe takes it"));
        pipe.write_all(format!("\n{}", line(1)).as_bytes()).expect("the pipe takes it");
    });
    while !flood.is_finished() {
        listed(&tracker, [1, 2]);
    }
    flood.join().expect("a flood");
    eventually("its last line counts", || listed(&tracker, [1]) == [false]);
    let more = proc::memory(tracker.pid(), "VmRSS").saturating_sub(before);
    assert!(more < 2 << 20, "{more} bytes more");
}

#[test]
fn millions_of_changes_do_not_hold_up_announces_and_end_somewhere() {
    let Some(starter) = starter() else { return };
    let tracker = starter.start();
    let before = proc::memory(tracker.pid(), "VmRSS");
    let pipe = writer(&tracker, ADD);
    let adding = std::thread::spawn(move || {
        let mut pipe = std::io::BufWriter::with_capacity(4100, pipe);
        (2..CHANGES_MAX + 100).for_each(|n| pipe.write_all(line(n).as_bytes()).expect("the pipe takes it"));
    });
    let mut client = tracker.udp();
    let packet = Announce::new(hash(1), 1).packet(client.id());
    let mut waits: Vec<Duration> = Vec::new();
    while !adding.is_finished() {
        let start = Instant::now();
        assert!(client.exchange(&packet, SOON).is_some());
        waits.push(start.elapsed());
    }
    adding.join().expect("all are written");
    waits.sort();
    let share = |percent: usize| waits.get(waits.len() * percent / 100);
    println!("{} announces meanwhile, half within {:?}, 99 of 100 within {:?}", waits.len(), share(50), share(99));
    let last = CHANGES_MAX + 99;
    assert_eq!(
        listed(&tracker, [2, 1_000_000, CHANGES_MAX + 1, CHANGES_MAX + 2, last]),
        [true, true, true, false, false]
    );
    let warning =
        "Warning: The access list has too many changes: further ones are dropped until its file is read again.\n";
    assert_eq!(tracker.stderr(), warning, "once");
    let bytes = proc::memory(tracker.pid(), "VmRSS") - before;
    println!("{:.1} bytes each", bytes as f64 / CHANGES_MAX as f64);
    assert!(bytes < 25 * CHANGES_MAX, "{bytes} bytes");
    // those that are there may still be changed, and a reload makes room
    write(&tracker, DELETE, &line(2));
    assert_eq!(listed(&tracker, [2]), [false]);
    tracker.signal(Signal::HUP);
    eventually("there is room", || {
        write(&tracker, ADD, &line(last));
        listed(&tracker, [2, last]) == [false, true]
    });
}

#[test]
fn little_memory_leaves_room_for_fewer_changes() {
    let Some(starter) = starter() else { return };
    let tracker = starter.wrap(["prlimit".to_owned(), format!("--data={}", 32 << 20)]).start();
    let mut pipe = std::io::BufWriter::new(writer(&tracker, ADD));
    // beyond a thirty-second part of the memory, at 24 bytes each
    (2..60_000).for_each(|n| pipe.write_all(line(n).as_bytes()).expect("the pipe takes it"));
    drop(pipe);
    eventually("some are dropped", || tracker.stderr().contains("The access list has too many changes"));
    assert_eq!(listed(&tracker, [2, 4000, 59_999]), [true, true, false]);
}

#[test]
fn a_writer_that_stalls_is_not_waited_for() {
    let Some(starter) = starter() else { return };
    let tracker = starter.start();
    let mut stalled = writer(&tracker, ADD);
    stalled.write_all(&line(2).as_bytes()[..20]).expect("the pipe takes it");
    for _ in 0..50 {
        assert_eq!(listed(&tracker, [1, 2]), [true, false]);
    }
    write(&tracker, DELETE, &line(1));
    assert_eq!(listed(&tracker, [1, 2]), [false, false]);
    stalled.write_all(&line(2).as_bytes()[20..]).expect("the pipe takes it");
    assert_eq!(listed(&tracker, [1, 2]), [false, true]);
}

#[test]
fn what_is_no_pipe_is_named_and_left_alone() {
    let Some(starter) = starter() else { return };
    std::fs::write(starter.scratch().path().join(ADD), "mine").expect("a file");
    let tracker = starter.start();
    assert_eq!(tracker.stderr(), NO_PIPE);
    assert_eq!(std::fs::read(tracker.scratch().path().join(ADD)).expect("a file"), b"mine");
    // it runs, and the other one works
    write(&tracker, DELETE, &line(1));
    assert_eq!(listed(&tracker, [1]), [false]);
    drop(tracker);

    let tracker = with_pipes("nowhere/adder", DELETE).start();
    let message = "Error when starting dynamic accesslists: Could not open nowhere/adder: No such file or directory.\n";
    assert_eq!(tracker.stderr(), message);
}

#[test]
fn pipes_are_made_in_the_root_directory() {
    if !built_with("dynamic-accesslist") {
        return;
    }
    for (umask, mode) in [("022", 0o755), ("077", 0o700)] {
        for prefix in if rustix::process::geteuid().is_root() { vec!["", "/"] } else { vec![""] } {
            let starter = with_pipes(&format!("{prefix}{ADD}"), &format!("{prefix}{DELETE}"));
            let tracker = starter.wrap(["sh", "-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).start();
            for pipe in [ADD, DELETE] {
                let metadata = std::fs::metadata(tracker.scratch().path().join(pipe)).expect("a pipe");
                assert!(metadata.file_type().is_fifo());
                assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{pipe} under {umask}");
            }
        }
    }
}

#[test]
fn pipes_that_are_there_are_taken() {
    let Some(starter) = starter() else { return };
    for pipe in [ADD, DELETE] {
        let path = starter.scratch().path().join(pipe);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o666)).expect("a pipe");
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("a mode");
    }
    let tracker = starter.start();
    write(&tracker, ADD, &line(2));
    assert_eq!(listed(&tracker, [1, 2]), [true, true]);
    // one that was removed is made again when its last writer has gone
    let (last, path) = (writer(&tracker, ADD), tracker.scratch().path().join(ADD));
    std::fs::remove_file(&path).expect("no pipe");
    drop(last);
    eventually("it is made again", || path.exists());
    write(&tracker, ADD, &line(3));
    assert_eq!(listed(&tracker, [1, 2, 3]), [true, true, true]);
}
