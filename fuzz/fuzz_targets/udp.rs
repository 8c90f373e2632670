//! A conversation over UDP with one tracker while time passes: no bytes make it panic or answer more than fits, every reply names the
//! request's transaction, and all that was stored leaves in time.
//!
//! An operation is a byte for the time that passes, one for the client, one for the length, and the datagram. Half of the clients have a
//! good connection id in front of what they send.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::swarm::Dual;
use opentracker::wire::udp::reply_max;
use opentracker_fuzz::{Bytes, Clock, address, all_leaves, tracker};

/// The connection id of a connect request (BEP 15).
const MAGIC: u64 = 0x0417_2710_1980;

fuzz_target!(|data: &[u8]| {
    let (mut tracker, mut clock, mut bytes) = (tracker::<Dual>(), Clock::default(), Bytes(data));
    let mut reply = vec![0; reply_max(true)];
    while let (Some(step), Some(from), Some(length)) = (bytes.byte(), bytes.byte(), bytes.byte()) {
        let (now, address) = (clock.step(step), address(from));
        let connect = [&MAGIC.to_be_bytes()[..], &[0; 8]].concat();
        assert_eq!(tracker.handle_udp(now, address, &connect, &mut reply), 16);
        let id = if from % 4 < 2 { reply[8..16].to_vec() } else { Vec::new() };
        let packet = [&id, bytes.take(length.into())].concat();
        tracker.prefetch([&packet[..]].into_iter());
        let replied = tracker.handle_udp(now, address, &packet, &mut reply);
        assert!(replied == 0 || reply[..replied].get(4..8) == packet.get(12..16), "the transaction");
        tracker.expire(now);
        tracker.outbox().flush(now.up, |packet| packet.len() <= 1480);
        while tracker.observers().take_completion().is_some() {}
    }
    all_leaves(&mut tracker, &mut clock);
});
