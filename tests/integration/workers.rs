//! UDP through worker threads (`listen.udp.workers`): the same answers, from threads that hold no privileges.

use crate::harness::udp::{Announce, Client, TRANSACTION};
use crate::harness::{self, Starter, Tracker, eventually, hash, proc};
use std::net::{IpAddr, SocketAddr};

/// A tracker whose UDP socket, on all addresses, is served by that many workers.
fn tracker(workers: usize) -> Tracker {
    let starter = Starter::new().on_all().allow((0..300).map(hash)).bare();
    let config = format!(
        "listen.tcp {}\nlisten.udp.workers {workers}\nlisten.udp {}\ntracker.rootdir {}\n",
        starter.tcp_address(),
        SocketAddr::new(starter.build().wildcard(), starter.udp_address().port()),
        starter.scratch().path().display()
    );
    let words = starter.words_of_the_build();
    starter.file("conf", config.as_bytes()).args(["-f", "conf"]).args(words).start()
}

/// The threads of a process.
fn threads(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the threads");
    tasks
        .map(|task| task.expect("a thread").file_name().into_string().expect("a number").parse().expect("a number"))
        .collect()
}

#[test]
fn workers_give_the_same_answers() {
    let tracker = tracker(2);
    let port = tracker.udp_address().port();
    // Connected sockets: from another address than the one asked they take nothing.
    let client = |n: u8| {
        let asked = IpAddr::from([127, 0, 0, 1 + n % 4]);
        Client::new(SocketAddr::new(asked, port), [127, 0, 10, n].into()).expect("a socket")
    };
    let mut clients: Vec<Client> = (0..20).map(client).collect();
    for round in 1..=10 {
        for (n, client) in clients.iter_mut().enumerate() {
            let answer = client.announce(&Announce::new(hash(round), 6881));
            assert_eq!(answer.leechers as usize, n + 1);
            assert_eq!(answer.peers.len(), n + 1);
        }
    }
    // Many at a time from one client: each is answered once, in whatever order.
    let id = clients[0].id();
    for n in 0..100 {
        clients[0].send(&Announce { numwant: 0, ..Announce::new(hash(100 + n), 1) }.packet(id));
    }
    for _ in 0..100 {
        let reply = clients[0].receive(harness::SOON).expect("an answer to each");
        assert_eq!((&reply[..4], &reply[4..8]), (&[0, 0, 0, 1][..], &TRANSACTION.to_be_bytes()[..]));
    }
    assert!(tracker.get("/stats?mode=torr").text().contains("serving 110 torrents"));
}

#[test]
fn workers_start_when_privileges_are_gone() {
    if !harness::root_or_skip() {
        return;
    }
    let tracker = tracker(3);
    eventually("all threads run", || threads(tracker.pid()).len() >= 4);
    for thread in threads(tracker.pid()) {
        for name in ["Uid", "Gid"] {
            let numbers = proc::status_numbers(thread, name);
            assert!(!numbers.is_empty() && !numbers.contains(&0), "{name} of thread {thread}: {numbers:?}");
        }
    }
}

#[test]
fn as_many_workers_as_are_any_use() {
    let tracker = tracker(1_000_000);
    assert!(threads(tracker.pid()).len() <= 80);
    assert_eq!(tracker.udp().connect().to_be_bytes().len(), 8);
}

#[test]
fn a_datagram_wakes_one_worker() {
    /// Datagrams, each sent when the one before is answered.
    const COUNT: u32 = 100;
    let tracker = tracker(8);
    // a sanitizer has a thread of its own beside them
    let is_worker = |thread: &u32| {
        let name = std::fs::read_to_string(format!("/proc/{thread}/comm"));
        name.is_ok_and(|name| name.starts_with("udp "))
    };
    let workers = || threads(tracker.pid()).into_iter().filter(is_worker);
    eventually("all workers run", || workers().count() == 8);
    let mut client = tracker.udp();
    client.connect();
    let sleeps = || -> Vec<u32> {
        workers().flat_map(|thread| proc::status_numbers(thread, "voluntary_ctxt_switches")).collect()
    };
    let before = sleeps();
    for n in 0..COUNT {
        client.announce(&Announce::new(hash(n.into()), 1));
    }
    let mut slept: Vec<u32> = sleeps().iter().zip(&before).map(|(after, before)| after - before).collect();
    slept.sort_unstable();
    // one sleeps once for a datagram, and once for the loop's answer; the others may just have been about to
    let busiest = slept.pop().expect("eight workers");
    assert!(busiest <= 4 * COUNT, "{busiest} sleeps for {COUNT} datagrams");
    assert!(slept.iter().all(|sleeps| *sleeps <= 2), "sleeps of the others: {slept:?}");
}
