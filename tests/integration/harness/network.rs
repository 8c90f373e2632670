//! A network of this machine's own: namespaces tied together by a bridge. It takes root to make one.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The addresses of a network's nodes.
pub fn address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, node as u8 + 1)
}

/// A network: a namespace for each node, tied together by a bridge in one more. It is removed when the value is dropped.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    /// How many nodes there are.
    pub nodes: usize,
}

impl Network {
    /// A network of so many nodes, or `None` where none can be made, which is noted as skipped.
    pub fn new(nodes: usize) -> Option<Network> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !super::root_or_skip() {
            return None;
        }
        let prefix = format!("ot{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let network = Network { prefix, nodes };
        if ip(&format!("netns add {}", network.hub())).is_err() {
            super::skipped("needs network namespaces");
            return None;
        }
        let made = network.make();
        assert_eq!(made, Ok(()), "a network between namespaces");
        network.wait_until_open();
        Some(network)
    }

    /// Waits until every node receives from every other one: the system opens links some time after the call, and drops what comes before.
    fn wait_until_open(&self) {
        /// All nodes of a network (RFC 1112), and a port that is not used otherwise.
        const PROBE: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 1), 9);
        let socket = |node, at| self.inside(node, || UdpSocket::bind(at).expect("a socket"));
        let receivers: Vec<_> = (0..self.nodes).map(|node| socket(node, (Ipv4Addr::UNSPECIFIED, PROBE.1))).collect();
        for node in 0..self.nodes {
            let sender = socket(node, (address(node), 0));
            sender.set_multicast_loop_v4(false).expect("no echo");
            for receiver in
                receivers.iter().enumerate().filter_map(|(other, receiver)| (other != node).then_some(receiver))
            {
                receiver.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout");
                super::eventually("a node receives from another", || {
                    let _ = sender.send_to(b"probe", PROBE);
                    receiver.recv_from(&mut [0; 8]).is_ok_and(|(_, from)| from.ip() == address(node))
                });
            }
        }
    }

    fn make(&self) -> Result<(), String> {
        let hub = self.hub();
        // without these two the bridge would at first hold back what it should pass on
        ip(&format!("-n {hub} link add bridge type bridge forward_delay 0 mcast_snooping 0"))?;
        ip(&format!("-n {hub} link set bridge up"))?;
        for node in 0..self.nodes {
            let name = self.name(node);
            ip(&format!("netns add {name}"))?;
            ip(&format!("link add plug netns {name} type veth peer name socket{node} netns {hub}"))?;
            ip(&format!("-n {hub} link set socket{node} master bridge up"))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} address add {}/24 dev plug", address(node)))?;
            ip(&format!("-n {name} link set plug up"))?;
        }
        Ok(())
    }

    fn hub(&self) -> String {
        format!("{}hub", self.prefix)
    }

    /// The namespace of a node.
    pub fn name(&self, node: usize) -> String {
        format!("{}n{node}", self.prefix)
    }

    /// Does something in a node's namespace. Sockets made there stay there.
    pub fn inside<T>(&self, node: usize, what: impl FnOnce() -> T) -> T {
        struct Back(File);
        impl Drop for Back {
            fn drop(&mut self) {
                enter(&self.0);
            }
        }
        let here = File::open("/proc/thread-self/ns/net").expect("this namespace");
        let there = File::open(format!("/run/netns/{}", self.name(node))).expect("a node's namespace");
        let _back = Back(here);
        enter(&there);
        what()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for node in 0..self.nodes {
            let _ = ip(&format!("netns delete {}", self.name(node)));
        }
        let _ = ip(&format!("netns delete {}", self.hub()));
    }
}

/// Moves this thread into a namespace.
fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("to enter a namespace");
}

/// Runs `ip` with these words.
pub fn ip(words: &str) -> Result<(), String> {
    let output = Command::new("ip").args(words.split(' ')).output().map_err(|why| why.to_string())?;
    if output.status.success() { Ok(()) } else { Err(format!("{words}: {}", String::from_utf8_lossy(&output.stderr))) }
}
