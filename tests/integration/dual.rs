//! Both families of addresses in one tracker (`dual-stack`).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::harness::network::{Network, ip};
use crate::harness::udp::{Announce, Client};
use crate::harness::{self, SOON, Starter, Tracker, built_with, eventually, hash, http, percent, seccomp};

/// Seconds that a packet of the cluster may wait.
const DELAY: i64 = 15;

/// Whether the program under test is for both families; if not, that is said.
fn dual_or_skip() -> bool {
    let is_dual = built_with("dual-stack");
    if !is_dual {
        harness::for_another_build("one for both families");
    }
    is_dual
}

/// The endpoints of a compact list of one family.
fn endpoints(list: &[u8], width: usize) -> BTreeSet<SocketAddr> {
    let of = |endpoint: &[u8]| {
        let (address, port) = endpoint.split_at(width);
        let v6 = <[u8; 16]>::try_from(address).map(IpAddr::from);
        let address = v6.unwrap_or_else(|_| <[u8; 4]>::try_from(address).expect("four bytes").into());
        SocketAddr::new(address, u16::from_be_bytes([port[0], port[1]]))
    };
    assert_eq!(list.len() % (width + 2), 0, "whole endpoints");
    list.chunks(width + 2).map(of).collect()
}

/// The peers of an announce over HTTP from this address of the machine, at the same address.
fn over_http(tracker: &Tracker, at: IpAddr, announce: &Announce) -> BTreeSet<SocketAddr> {
    let to = SocketAddr::new(at, tracker.tcp_address().port());
    let Announce { hash, port, left, .. } = announce;
    let target = format!("/announce?info_hash={}&port={port}&left={left}", percent(hash));
    let reply = http::exchange(to, Some(at), &http::get_request(&target), SOON).expect("an answer");
    let answer = reply.bencode();
    let list = |key: &str, width| match answer.find(key) {
        Some(harness::bencode::Value::Bytes(bytes)) => endpoints(bytes, width),
        _ => BTreeSet::new(),
    };
    &list("peers", 4) | &list("peers6", 16)
}

/// A client that asks at this address, from it, and takes nothing that comes from another one.
fn client(tracker: &Tracker, at: IpAddr) -> Client {
    Client::new(SocketAddr::new(at, tracker.udp_address().port()), at).expect("a socket")
}

/// The peers of an announce over UDP from this address.
fn over_udp(client: &mut Client, at: IpAddr, announce: &Announce) -> BTreeSet<SocketAddr> {
    let packet = announce.packet(client.id());
    let reply = client.exchange(&packet, SOON).expect("an answer");
    endpoints(&reply[20..], if at.is_ipv4() { 4 } else { 16 })
}

fn set<const N: usize>(endpoints: [&str; N]) -> BTreeSet<SocketAddr> {
    endpoints.map(|text| text.parse().expect("an endpoint")).into()
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn announce(port: u16) -> Announce {
    Announce::new(hash(1), port)
}

#[test]
fn one_socket_serves_both_families() {
    if !dual_or_skip() {
        return;
    }
    let tracker = Starter::new().on_all().allow([hash(1)]).start();
    assert_eq!(over_http(&tracker, V4, &announce(1)), set(["127.0.0.1:1"]));
    assert_eq!(over_udp(&mut client(&tracker, V6), V6, &announce(2)), set(["[::1]:2"]));
    assert_eq!(over_udp(&mut client(&tracker, V4), V4, &announce(3)), set(["127.0.0.1:1", "127.0.0.1:3"]));
    let all = set(["127.0.0.1:1", "127.0.0.1:3", "[::1]:2", "[::1]:4"]);
    assert_eq!(over_http(&tracker, V6, &announce(4)), all);
    assert_eq!(over_http(&tracker, V4, &announce(1)), all);
}

/// A kernel without IPv6 knows no such sockets.
#[test]
fn without_ipv6_all_addresses_are_those_of_ipv4() {
    if !dual_or_skip() || !harness::root_or_skip() {
        return;
    }
    let starter = Starter::new().on(Ipv4Addr::LOCALHOST.into()).allow([hash(1)]).bare();
    let (tcp, udp) = (starter.tcp_address().port().to_string(), starter.udp_address().port().to_string());
    let words = starter.words_of_the_build();
    let args = ["-d", ".", "-p", &tcp, "-P", &udp].map(Into::into).into_iter().chain(words);
    let tracker = starter.args::<std::ffi::OsString>(args).within(seccomp::without_ipv6()).start();
    assert_eq!(over_http(&tracker, V4, &announce(1)), set(["127.0.0.1:1"]));
    assert_eq!(over_udp(&mut client(&tracker, V4), V4, &announce(2)), set(["127.0.0.1:1", "127.0.0.1:2"]));
}

#[test]
fn replies_leave_from_the_address_asked_in_both_families() {
    if !dual_or_skip() {
        return;
    }
    let Some(network) = Network::new(1) else { return };
    let name = network.name(0);
    for address in ["2001:db8::1/64", "2001:db8::2/64", "10.78.0.1/24", "10.78.0.2/24"] {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        assert_eq!(ip(&format!("-n {name} address add {address} dev plug{nodad}")), Ok(()));
    }
    for workers in [0, 2] {
        let starter = Starter::new().on_all().allow([hash(1)]).bare();
        let config = format!(
            "listen.tcp {}\nlisten.udp.workers {workers}\nlisten.udp [::]:{}\ntracker.rootdir {}\n",
            starter.tcp_address(),
            starter.udp_address().port(),
            starter.scratch().path().display()
        );
        let words = starter.words_of_the_build();
        let starter = starter.file("conf", config.as_bytes()).args(["-f", "conf"]).args(words);
        let starter = starter.wrap(["ip", "netns", "exec", &name]);
        network.inside(0, || {
            let tracker = starter.start();
            // the system would answer from the first address, or from the client's own
            for (asked, from) in
                [("2001:db8::1", "2001:db8::2"), ("2001:db8::2", "2001:db8::1"), ("10.78.0.2", "10.78.0.1")]
            {
                let (asked, from): (IpAddr, IpAddr) = (asked.parse().unwrap(), from.parse().unwrap());
                let to = SocketAddr::new(asked, tracker.udp_address().port());
                let mut client = Client::new(to, from).expect("a socket");
                let peers = over_udp(&mut client, from, &announce(7));
                assert!(peers.contains(&SocketAddr::new(from, 7)), "{workers} workers, {asked}: {peers:?}");
            }
        });
    }
}

/// A tracker at a node of a network, on all addresses.
fn node(network: &Network, node: usize) -> Tracker {
    let name = network.name(node);
    let starter = Starter::new().on_all().allow((0..10).map(hash)).own_cluster();
    let config = network.cluster_config(node);
    let starter = starter.file("cluster.conf", config.as_bytes()).args(["-f", "cluster.conf"]);
    network.inside(node, || starter.wrap(["ip", "netns", "exec", &name]).start())
}

#[test]
fn trackers_report_peers_of_both_families_to_each_other() {
    if !dual_or_skip() || !built_with("sync-live") || !harness::clock_or_skip() {
        return;
    }
    let Some(network) = Network::new(2) else { return };
    let (first, second) = (node(&network, 0), node(&network, 1));
    network.inside(0, || {
        over_http(&first, V6, &announce(1));
        over_udp(&mut client(&first, V4), V4, &announce(2));
        first.advance(DELAY);
    });
    let all = set(["[::1]:1", "127.0.0.1:2", "[::1]:3"]);
    network.inside(1, || {
        eventually("peers of both families come", || over_http(&second, V6, &announce(3)) == all);
        second.advance(DELAY);
    });
    network.inside(0, || eventually("and go back", || over_http(&first, V4, &announce(2)) == all));
}

#[test]
fn each_family_has_packets_of_its_own_in_a_cluster() {
    if !dual_or_skip() || !built_with("sync-live") || !harness::clock_or_skip() {
        return;
    }
    let Some(network) = Network::new(2) else { return };
    let tracker = node(&network, 0);
    let receiver: UdpSocket = network.receiver(1).into_socket();
    receiver.set_read_timeout(Some(SOON)).expect("a timeout");
    network.inside(0, || {
        over_http(&tracker, V6, &announce(1));
        over_http(&tracker, V4, &announce(2));
        tracker.advance(DELAY);
    });
    let mut received = BTreeSet::new();
    for _ in 0..2 {
        let mut packet = [0; 1500];
        let (length, _) = harness::uninterrupted(|| receiver.recv_from(&mut packet)).expect("a packet");
        received.insert((packet[4..8].to_vec(), packet[28..length].to_vec()));
    }
    let v4 = (vec![0, 0, 0, 0], vec![127, 0, 0, 1, 0, 2, 0, 0]);
    let v6 = (vec![0, 0, 0, 1], [&Ipv6Addr::LOCALHOST.octets()[..], &[0, 1, 0, 0]].concat());
    assert_eq!(received, [v4.clone(), v6.clone()].into());

    drop(receiver);
    // what such packets say is taken in, of either type
    let other = node(&network, 1);
    let sender = network.sender(0, crate::harness::network::address(0));
    for ((kind, record), n) in [(v4, 5), (v6, 6)] {
        sender.send(&[&[9; 4][..], &kind, &hash(n), &record].concat());
        network.inside(1, || {
            let scraped = || client(&other, V4).scrape(&[hash(n)])[0] == [0, 0, 1];
            eventually("a peer comes", scraped);
        });
    }
}
