//! Where less of the system is to be had: old kernels, and filters around the process.

use crate::harness::seccomp::{Calls, all_named_sets, killing_at, killing_except_at, named_set, refusing};
use crate::harness::udp::Announce;
use crate::harness::{self, SOON, Starter, Tracker, eventually, hash, proc};
use libc::{ENOSYS, EPERM, c_long};
use rustix::process::Signal;
use seccompiler::BpfProgram;
use std::os::unix::process::ExitStatusExt;

/// Calls that are newer than Linux 3.17, or that something can do without. All that trackers, the standard library and the C library make
/// of this kind.
const DISPENSABLE: [(&str, c_long); 19] = [
    ("accept4", libc::SYS_accept4),
    ("clone3", libc::SYS_clone3),
    ("epoll_pwait2", libc::SYS_epoll_pwait2),
    ("eventfd2", libc::SYS_eventfd2),
    ("getpriority", libc::SYS_getpriority),
    ("getrandom", libc::SYS_getrandom),
    ("madvise", libc::SYS_madvise),
    ("membarrier", libc::SYS_membarrier),
    ("mremap", libc::SYS_mremap),
    ("prctl", libc::SYS_prctl),
    ("prlimit64", libc::SYS_prlimit64),
    ("recvmmsg", libc::SYS_recvmmsg),
    ("rseq", libc::SYS_rseq),
    ("sched_getaffinity", libc::SYS_sched_getaffinity),
    ("sendmmsg", libc::SYS_sendmmsg),
    ("set_robust_list", libc::SYS_set_robust_list),
    ("setpriority", libc::SYS_setpriority),
    ("signalfd4", libc::SYS_signalfd4),
    ("statx", libc::SYS_statx),
];

/// The last call that Linux 3.17 has, by the numbers of most machines.
const LAST_OF_3_17: c_long = 317;

/// Behind all calls there are.
const NO_CALL: c_long = 600;

/// Sets of calls that no tracker can do without. For those after the first eight the original needs to be root.
const NEEDED: [&str; 11] = [
    "@basic-io",
    "@default",
    "@file-system",
    "@io-event",
    "@ipc",
    "@network-io",
    "@process",
    "@signal",
    "@mount",
    "@privileged",
    "@setuid",
];

/// The user and group that services run as, in these tests.
const ORDINARY: u32 = 65_534;

/// A tracker whose UDP is served by workers, with HTTP beside it.
fn with_workers() -> Starter {
    let starter = Starter::new().allow([hash(1)]).bare();
    let config = starter.config_with_workers(2);
    let words = starter.words_of_the_build();
    starter.file("conf", config.as_bytes()).file("state", b"").args(["-f", "conf", "-l", "state"]).args(words)
}

/// Both ways to serve UDP.
fn starters() -> [Starter; 2] {
    [Starter::new().allow([hash(1)]), with_workers()]
}

/// Has a tracker do everything it does, and end.
#[track_caller]
fn work(what: &str, mut tracker: Tracker) {
    let build = tracker.build().clone();
    for _ in 0..2 {
        assert!(tracker.udp().announce(&Announce::new(hash(1), 1)).leechers >= 1, "{what}");
        assert!(tracker.udp().scrape(&[hash(1)])[0][2] >= 1, "{what}");
        let announce = format!("/announce?info_hash={}&port=2&left=0&event=completed", harness::percent(&hash(1)));
        assert_eq!(tracker.get(&announce).code(), 200, "{what}");
        let mut pages = vec!["/stats?mode=everything", "/stats?mode=top10", "/nowhere"];
        if build.has("fullscrape") {
            pages.extend(["/scrape", "/stats?mode=statedump"]);
        }
        for page in pages {
            assert!(tracker.get(page).is_whole(), "{what}: {page}");
            let compressed = format!("GET {page} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
            assert!(tracker.http(compressed.as_bytes()).is_whole(), "{what}: {page}, compressed");
        }
        tracker.signal(Signal::HUP);
        tracker.nudge();
    }
    tracker.signal(Signal::INT);
    let ended = tracker.wait(SOON);
    assert_eq!((ended.code(), ended.signal()), (Some(0), None), "{what}");
}

/// Starts a tracker within a filter, and has it do everything.
#[track_caller]
fn work_within(what: &str, starter: Starter, filter: BpfProgram) {
    // shown where it does not start
    println!("{what}");
    let tracker = starter.within(filter).start();
    work(what, tracker);
}

#[test]
fn each_call_that_is_new_or_optional_may_be_refused() {
    for (name, call) in DISPENSABLE {
        for error in [ENOSYS, EPERM] {
            for starter in starters() {
                work_within(&format!("{name} refused with {error}"), starter, refusing(&Calls::from([call]), error));
            }
        }
    }
}

#[test]
fn all_calls_that_are_new_or_optional_may_be_refused_together() {
    let optional = DISPENSABLE.iter().map(|(_, call)| *call);
    let calls: Calls = optional.chain(LAST_OF_3_17 + 1..NO_CALL).collect();
    for error in [ENOSYS, EPERM] {
        for starter in starters() {
            work_within(&format!("all refused with {error}"), starter, refusing(&calls, error));
        }
    }
}

#[test]
fn what_ends_a_start_is_named() {
    let mut calls = vec![
        (libc::SYS_pipe2, "handling signals"),
        (libc::SYS_socket, "socket_bind6_reuse"),
        (libc::SYS_bind, "socket_bind6_reuse"),
        (libc::SYS_listen, "socket_listen"),
    ];
    if cfg!(not(opentracker_portable)) {
        calls.push((libc::SYS_epoll_create1, "making a set of descriptors to wait for"));
        calls.push((libc::SYS_epoll_ctl, "waiting for a descriptor"));
    }
    if harness::root_or_skip() {
        calls.push((libc::SYS_chroot, "Could not chroot to "));
        calls.push((libc::SYS_setuid, "Could not set uid to specified value"));
    }
    for (call, what) in calls {
        let mut tracker = Starter::new().within(refusing(&Calls::from([call]), EPERM)).spawn();
        assert_eq!(tracker.wait(SOON).code(), Some(111), "{what}: {}", tracker.stderr());
        let said = tracker.stderr();
        let is_named = said.starts_with(what) && said.trim_end().ends_with(": Operation not permitted");
        assert!(is_named, "{what}: {said}");
    }
}

#[test]
fn without_any_thread_the_loop_does_everything() {
    // the limit does not count for root, so the tracker is started as another user, which has no other processes
    if !harness::root_or_skip() {
        return;
    }
    let limited = ["prlimit", "--nproc=1"];
    for (starter, warns) in starters().into_iter().zip([false, true]) {
        let mut tracker = starter.run_by(4_000_000_000).wrap(limited).spawn();
        tracker.wait_until_ready();
        assert_eq!(proc::threads(tracker.pid()).len(), 1);
        assert_eq!(tracker.stderr().contains("Warning: Could not start more than 0 UDP workers: "), warns);
        work("without threads", tracker);
    }
}

#[test]
fn units_without_privileges_and_resources_serve() {
    if !harness::root_or_skip() {
        return;
    }
    let sets = ["@system-service", "@privileged", "@resources"].map(named_set);
    let [Some(mut allowed), Some(privileged), Some(resources)] = sets else { return };
    allowed.retain(|call| !privileged.contains(call) && !resources.contains(call));
    for starter in starters() {
        work_within("a hardened unit", starter.run_by(ORDINARY), killing_except_at(&allowed));
    }
}

#[test]
fn no_named_set_of_calls_is_needed_that_the_original_does_without() {
    if !harness::root_or_skip() {
        return;
    }
    let Some(names) = all_named_sets() else { return };
    for name in names.iter().filter(|name| *name != "@system-service") {
        let Some(calls) = named_set(name) else { return };
        for starter in starters() {
            if !NEEDED[..8].contains(&name.as_str()) {
                work_within(name, starter.run_by(ORDINARY), killing_at(&calls));
            }
        }
        for starter in starters() {
            if !NEEDED.contains(&name.as_str()) {
                work_within(&format!("{name}, as root"), starter, killing_at(&calls));
            }
        }
    }
}

/// A tracker that starts as root and without supplementary groups must not even ask to drop them.
#[test]
fn without_supplementary_groups_setgroups_is_not_called() {
    if !harness::root_or_skip() {
        return;
    }
    // started in this way it has no groups
    let starter = Starter::new().allow([hash(1)]).run_by(0);
    work_within("no groups", starter, killing_at(&Calls::from([libc::SYS_setgroups])));
}

#[test]
fn groups_that_could_have_been_dropped_end_the_start() {
    if !harness::root_or_skip() {
        return;
    }
    let powerless = ["setpriv", "--groups=4,27", "--bounding-set=-setgid", "--inh-caps=-setgid"];
    let mut tracker = Starter::new().wrap(powerless).spawn();
    assert_eq!(tracker.wait(SOON).code(), Some(111));
    assert_eq!(tracker.stderr(), "setgroups: Operation not permitted\n");
}

#[test]
fn groups_that_a_namespace_fixes_for_good_stay() {
    let namespace = "setpriv --groups=4,27 unshare --user";
    if !harness::root_or_skip() || !harness::namespaces_or_skip(&namespace.split(' ').collect::<Vec<_>>()) {
        return;
    }
    let wait = ["sh", "-c", "until [ -e mapped ]; do sleep 0.01; done; exec \"$0\" \"$@\""];
    let mut tracker = Starter::new().allow([hash(1)]).wrap(namespace.split(' ').chain(wait)).spawn();
    let of = |process: &str, file: &str| format!("/proc/{process}/{file}");
    let pid = tracker.pid().to_string();
    let namespace_of = |process| std::fs::read_link(of(process, "ns/user")).expect("a namespace");
    eventually("a new namespace", || namespace_of(&pid) != namespace_of("self"));
    for (file, content) in [("setgroups", "deny"), ("uid_map", "0 0 65536"), ("gid_map", "0 0 65536")] {
        std::fs::write(of(&pid, file), content).expect("to set up the namespace");
    }
    tracker.scratch().write("mapped", b"");
    tracker.wait_until_ready();
    assert_eq!(proc::status_numbers(tracker.pid(), "Groups"), [4, 27]);
    assert_eq!(proc::status_numbers(tracker.pid(), "Uid"), [ORDINARY; 4]);
    work("fixed groups", tracker);
}

/// As a unit with `User=` and `AmbientCapabilities=` starts it.
#[test]
fn the_right_to_bind_low_ports_is_given_up() {
    if cfg!(opentracker_portable) {
        return harness::for_another_build("the portable forms know of no such rights");
    }
    if !harness::root_or_skip() {
        return;
    }
    let handed_over = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all,+net_bind_service \
                       --ambient-caps=-all,+net_bind_service";
    let tracker = Starter::new().allow([hash(1)]).wrap(handed_over.split_whitespace()).start();
    let status = std::fs::read_to_string(format!("/proc/{}/status", tracker.pid())).expect("the tracker's status");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000\n")), "{set}: {status}");
    }
    work("no rights", tracker);
}
