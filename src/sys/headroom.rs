//! How much memory the process may still take, as far as the system says: limits of the process and of its control groups.
//!
//! A control group's limit has to be known beforehand: the system refuses nothing there, it ends the process instead.

use std::fs;
use std::path::Path;

/// Where control groups are found, and the file with the limit: version 2, the same beside version 1 on systems that have both, and those of
/// version 1 that limit memory.
const HIERARCHIES: [(&str, &str); 3] = [
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/unified", "memory.max"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
];

/// Values from this one on stand for no limit: version 1 has no other way to say so.
const UNLIMITED: u64 = 1 << 60;

/// Bytes that the process may take beyond what it has, None where nothing limits it or the system does not say. What others in
/// the same control group take is not looked at.
///
/// To be called before the root directory changes, from where `/proc` and `/sys` may not be seen.
pub fn headroom() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let taken = |what| kilobytes(&status, what).map_or(0, |kilobytes| kilobytes << 10);
    let left = |limit: Option<u64>, what| limit.map(|limit| limit.saturating_sub(taken(what)));
    [
        left(limits::addresses(), "VmSize:"),
        left(limits::data(), "VmData:"),
        left(group_limit(Path::new("/"), &groups), "VmRSS:"),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// A number of `/proc/self/status`.
pub(super) fn kilobytes(status: &str, what: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    line.trim().trim_end_matches("kB").trim_end().parse().ok()
}

/// The least limit of the control groups that a process is in, in bytes: its own and those around it. `groups` is what
/// `/proc/self/cgroup` has. Where a group's own directory is out of sight, as in containers, the topmost one counts.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let file = match controllers {
            "" => "memory.max",
            some if some.split(',').any(|controller| controller == "memory") => "memory.limit_in_bytes",
            _ => continue,
        };
        for (hierarchy, _) in HIERARCHIES.iter().filter(|hierarchy| hierarchy.1 == file) {
            let top = root.join(hierarchy.trim_start_matches('/'));
            let inside = Path::new(path.trim_start_matches('/'));
            for group in inside.ancestors() {
                let limit = fs::read_to_string(top.join(group).join(file)).ok();
                let limit = limit.and_then(|text| text.trim().parse().ok()).filter(|limit| *limit < UNLIMITED);
                least = least.into_iter().chain(limit).min();
            }
        }
    }
    least
}

#[cfg(target_os = "linux")]
mod limits {
    use crate::sys::resources::limit;

    pub(super) fn addresses() -> Option<u64> {
        soft(limit(libc::RLIMIT_AS)?)
    }

    pub(super) fn data() -> Option<u64> {
        soft(limit(libc::RLIMIT_DATA)?)
    }

    fn soft(limit: libc::rlimit) -> Option<u64> {
        (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur as _)
    }
}

/// Elsewhere `/proc` does not show what is taken already.
#[cfg(not(target_os = "linux"))]
mod limits {
    pub(super) fn addresses() -> Option<u64> {
        None
    }

    pub(super) fn data() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_status() {
        let status = "Name:\tx\nVmSize:\t   10240 kB\nVmRSS:\t 12 kB\nVmData: x kB\n";
        assert_eq!(kilobytes(status, "VmSize:"), Some(10_240));
        assert_eq!(kilobytes(status, "VmRSS:"), Some(12));
        assert_eq!(kilobytes(status, "VmData:"), None);
        assert_eq!(kilobytes(status, "VmStk:"), None);
    }

    #[test]
    fn the_least_limit_of_all_groups_counts() {
        let root = std::env::temp_dir().join(format!("opentracker-groups-{}", std::process::id()));
        let put = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("sys/fs/cgroup/memory.max", "900\n");
        put("sys/fs/cgroup/a/memory.max", "300\n");
        put("sys/fs/cgroup/a/b/memory.max", "max\n");
        put("sys/fs/cgroup/other/memory.max", "1\n");
        put("sys/fs/cgroup/unified/u/memory.max", "200\n");
        put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        put("sys/fs/cgroup/memory/c/memory.limit_in_bytes", "100\n");
        let limit = |groups| group_limit(&root, groups);
        assert_eq!(limit("0::/a/b\n"), Some(300));
        assert_eq!(limit("0::/u\n"), Some(200));
        assert_eq!(limit("0::/of/another/view\n"), Some(900));
        assert_eq!(limit("3:cpu:/c\n5:hugetlb,memory:/c\n0::/a\n"), Some(100));
        assert_eq!(limit("5:memory:/d\n"), None);
        assert_eq!(limit(""), None);
        assert_eq!(limit("nonsense\n\n0:\n"), None);
        fs::remove_dir_all(root).unwrap();
    }
}
