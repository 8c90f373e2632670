//! What of the system is set so that a busy tracker suffers: looked for once, at the start, and named on stderr.

use crate::limits::{CONNTRACK_MIN, DESCRIPTORS_MIN, UDP_RECEIVE_BUFFER};
use crate::server::Sockets;
use crate::sys::socket::receive_buffer;
use std::fs;
use std::path::Path;

/// Returns a line for each thing that is wrong. `descriptors`: how many may be open, where that is known. Call it before the root directory
/// changes.
pub fn warnings(sockets: &Sockets, descriptors: Option<u64>) -> Vec<String> {
    let buffer = sockets.udp.iter().filter_map(|(socket, _)| receive_buffer(socket)).min();
    let has_workers = sockets.udp.iter().any(|(_, workers)| *workers > 0);
    let root = Path::new("/");
    let queue = if has_workers { single_queue(root) } else { None };
    [buffer.and_then(small_buffer), descriptors.and_then(few_descriptors), small_conntrack(root), queue]
        .into_iter()
        .flatten()
        .map(|what| format!("Warning: {what}.\n"))
        .collect()
}

fn small_buffer(bytes: usize) -> Option<String> {
    (bytes < UDP_RECEIVE_BUFFER).then(|| {
        format!(
            "the receive buffer for UDP has {bytes} bytes in place of {UDP_RECEIVE_BUFFER}, so bursts of requests are lost; \
             raise it with sysctl net.core.rmem_max={UDP_RECEIVE_BUFFER}"
        )
    })
}

fn few_descriptors(limit: u64) -> Option<String> {
    (limit < DESCRIPTORS_MIN).then(|| {
        format!(
            "only {limit} descriptors may be open, one for each connection that waits; raise LimitNOFILE= or ulimit -n"
        )
    })
}

/// The table in which the kernel keeps track of connections, where it does and says so.
fn small_conntrack(root: &Path) -> Option<String> {
    let most: u64 = number(&root.join("proc/sys/net/netfilter/nf_conntrack_max"))?;
    (most < CONNTRACK_MIN).then(|| {
        format!(
            "the kernel keeps track of {most} connections, and each client is one for up to two minutes; raise \
             net.netfilter.nf_conntrack_max to {CONNTRACK_MIN} or more, or exempt the tracker's ports (notrack)"
        )
    })
}

/// The interfaces of the network, where all of them have one queue for what they receive, and one processor empties it.
fn single_queue(root: &Path) -> Option<String> {
    let mut names = Vec::new();
    for interface in fs::read_dir(root.join("sys/class/net")).ok()?.flatten() {
        let name = interface.file_name();
        // the loopback interface, and what is no interface (bonding_masters)
        let Ok(queues) = fs::read_dir(interface.path().join("queues")) else { continue };
        let is_down = fs::read(interface.path().join("operstate")).is_ok_and(|state| state.trim_ascii() == b"down");
        if name == "lo" || is_down {
            continue;
        }
        let queues: Vec<_> =
            queues.flatten().filter(|queue| queue.file_name().to_string_lossy().starts_with("rx-")).collect();
        let is_shared = |cpus: &Path| {
            fs::read(cpus).is_ok_and(|mask| mask.iter().any(|digit| matches!(digit, b'1'..=b'9' | b'a'..=b'f')))
        };
        if queues.len() != 1 || queues.iter().any(|queue| is_shared(&queue.path().join("rps_cpus"))) {
            return None;
        }
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    (!names.is_empty()).then(|| {
        format!(
            "one processor receives all for the workers of listen.udp.workers: {} has a single receive queue; spread it with \
             rps_cpus in /sys/class/net/{}/queues/rx-0",
            names.join(", "),
            names[0]
        )
    })
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Files below a directory of its own.
    fn files(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("opentracker-self-check-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (path, content) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn limits_are_named_where_they_are_low() {
        assert!(small_buffer(212_992).unwrap().contains("net.core.rmem_max=8388608"));
        assert_eq!(small_buffer(8 << 20), None);
        assert!(few_descriptors(1024).unwrap().starts_with("only 1024 descriptors"));
        assert_eq!(few_descriptors(4096), None);
    }

    #[test]
    fn a_small_table_of_connections_is_named_where_there_is_one() {
        const TABLE: &str = "proc/sys/net/netfilter/nf_conntrack_max";
        for (content, expected) in [("16384\n", true), ("65535\n", true), ("65536\n", false), ("x", false)] {
            let root = files("conntrack", &[(TABLE, content)]);
            assert_eq!(small_conntrack(&root).is_some(), expected, "{content}");
            fs::remove_dir_all(root).unwrap();
        }
        assert_eq!(small_conntrack(Path::new("/nonexistent")), None);
    }

    #[test]
    fn a_single_queue_is_named_unless_it_is_shared() {
        let lo = ("sys/class/net/lo/queues/rx-0/rps_cpus", "0");
        let one = ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,00000000\n");
        let sent = ("sys/class/net/eth0/queues/tx-0/x", "");
        let second = ("sys/class/net/eth0/queues/rx-1/rps_cpus", "0");
        let down = ("sys/class/net/eth0/operstate", "down\n");
        let shared = ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,0000000c\n");
        let no_interface = ("sys/class/net/bonding_masters", "");
        for (network, expected) in [
            (&[lo, one, sent, no_interface][..], true),
            (&[lo, one, second], false),
            (&[lo, shared], false),
            (&[lo, one, down], false),
            (&[lo], false),
        ] {
            let root = files("queues", network);
            assert_eq!(single_queue(&root).is_some(), expected, "{network:?}");
            fs::remove_dir_all(root).unwrap();
        }
        assert_eq!(single_queue(Path::new("/nonexistent")), None);
    }
}
