// One body of tests, included once for each form.

use super::{Event, Interest};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
const LONG: Option<Duration> = Some(Duration::from_secs(10));

fn wait(poller: &mut Poller, timeout: Option<Duration>) -> Vec<Event> {
    let mut events = Vec::new();
    poller.wait(&mut events, timeout).unwrap();
    events
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (ours, listener.accept().unwrap().0)
}

#[test]
fn readable_until_read() {
    let mut poller = Poller::new(8).unwrap();
    let (mut near, mut far) = UnixStream::pair().unwrap();
    poller.add(near.as_fd(), u64::MAX, Interest::READ).unwrap();
    assert_eq!(wait(&mut poller, AT_ONCE), []);
    far.write_all(b"x").unwrap();
    let readable = Event { token: u64::MAX, readable: true, writable: false, hangup: false };
    assert_eq!(wait(&mut poller, LONG), [readable]);
    assert_eq!(wait(&mut poller, LONG), [readable]);
    near.read_exact(&mut [0]).unwrap();
    assert_eq!(wait(&mut poller, AT_ONCE), []);
}

#[test]
fn interest_changes() {
    let mut poller = Poller::new(8).unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"x").unwrap();
    poller.add(near.as_fd(), 1, Interest::WRITE).unwrap();
    assert_eq!(wait(&mut poller, LONG), [Event { token: 1, readable: false, writable: true, hangup: false }]);
    poller.modify(near.as_fd(), 2, Interest { read: true, write: true }).unwrap();
    assert_eq!(wait(&mut poller, LONG), [Event { token: 2, readable: true, writable: true, hangup: false }]);
    poller.modify(near.as_fd(), 3, Interest::NONE).unwrap();
    assert_eq!(wait(&mut poller, AT_ONCE), []);
    poller.remove(near.as_fd()).unwrap();
    drop(far);
    assert_eq!(wait(&mut poller, AT_ONCE), []);
}

#[test]
fn strangers_and_doubles_are_refused() {
    let mut poller = Poller::new(8).unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    assert!(poller.modify(near.as_fd(), 1, Interest::READ).is_err());
    assert!(poller.remove(near.as_fd()).is_err());
    poller.add(near.as_fd(), 1, Interest::READ).unwrap();
    assert!(poller.add(near.as_fd(), 1, Interest::READ).is_err());
    poller.remove(near.as_fd()).unwrap();
    assert!(poller.remove(near.as_fd()).is_err());
    poller.add(near.as_fd(), 1, Interest::READ).unwrap();
}

#[test]
fn half_closed_is_no_hangup_but_a_reset_is() {
    let mut poller = Poller::new(8).unwrap();
    let (mut near, far) = tcp_pair();
    poller.add(near.as_fd(), 5, Interest::READ).unwrap();
    far.shutdown(Shutdown::Write).unwrap();
    let end_of_stream = Event { token: 5, readable: true, writable: false, hangup: false };
    assert_eq!(wait(&mut poller, LONG), [end_of_stream]);
    poller.modify(near.as_fd(), 5, Interest::NONE).unwrap();
    assert_eq!(wait(&mut poller, AT_ONCE), []);
    // Closing with unread bytes resets the connection.
    near.write_all(b"unread").unwrap();
    drop(far);
    let events = wait(&mut poller, LONG);
    assert!(matches!(events[..], [Event { token: 5, hangup: true, .. }]), "{events:?}");
}

#[test]
fn events_are_bounded_and_everybody_gets_a_turn() {
    let mut poller = Poller::new(3).unwrap();
    let pairs: Vec<_> = (0..10).map(|_| UnixStream::pair().unwrap()).collect();
    for (token, (near, _)) in pairs.iter().enumerate() {
        poller.add(near.as_fd(), token as u64, Interest::WRITE).unwrap();
    }
    let mut seen = [0; 10];
    for _ in 0..10 {
        let events = wait(&mut poller, LONG);
        assert_eq!(events.len(), 3);
        events.iter().for_each(|event| seen[event.token as usize] += 1);
    }
    assert_eq!(seen, [3; 10]);
}

#[test]
fn the_set_survives_removals_in_any_order() {
    let mut poller = Poller::new(64).unwrap();
    let pairs: Vec<_> = (0..16).map(|_| UnixStream::pair().unwrap()).collect();
    for (token, (near, _)) in pairs.iter().enumerate() {
        poller.add(near.as_fd(), token as u64, Interest::WRITE).unwrap();
    }
    let mut present: Vec<u64> = (0..16).collect();
    for gone in [0, 15, 7, 8, 1, 14, 3, 2, 4] {
        poller.remove(pairs[gone].0.as_fd()).unwrap();
        present.retain(|&token| token != gone as u64);
        let mut tokens: Vec<u64> = wait(&mut poller, LONG).iter().map(|event| event.token).collect();
        tokens.sort_unstable();
        assert_eq!(tokens, present);
    }
    poller.add(pairs[0].0.as_fd(), 100, Interest::WRITE).unwrap();
    poller.modify(pairs[13].0.as_fd(), 113, Interest::WRITE).unwrap();
    let tokens: Vec<u64> = wait(&mut poller, LONG).iter().map(|event| event.token).collect();
    assert!(tokens.contains(&100) && tokens.contains(&113) && !tokens.contains(&13));
}

#[test]
fn short_waits_are_short() {
    let mut poller = Poller::new(8).unwrap();
    // The best of many: a busy machine may be late, but not always.
    let waits = (0..50).map(|_| {
        let start = Instant::now();
        assert_eq!(wait(&mut poller, Some(Duration::from_micros(200))), []);
        start.elapsed()
    });
    let best = waits.min().unwrap();
    assert!(best >= Duration::from_micros(200), "{best:?}");
    assert!(best < Duration::from_millis(1), "{best:?}");
}

#[test]
fn a_wait_too_long_for_the_kernel_is_for_ever() {
    let mut poller = Poller::new(8).unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    poller.add(near.as_fd(), 1, Interest::WRITE).unwrap();
    assert_eq!(wait(&mut poller, Some(Duration::MAX)).len(), 1);
    assert_eq!(wait(&mut poller, None).len(), 1);
}
