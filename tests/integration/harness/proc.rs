//! What /proc says of a running tracker: descriptors, processor time, identity; and its limits.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Clock ticks a second in /proc: 100 on every Linux, whatever the kernel's own rate.
const TICKS: f64 = 100.0;

/// Number of open descriptors.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the tracker's descriptors").count()
}

/// The files that are open, as far as descriptors have paths.
pub fn open_files(pid: u32) -> Vec<PathBuf> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect()
}

/// Its threads.
pub fn threads(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The processes that it started and that still run.
pub fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|child| child.parse().expect("a number")).collect()
}

/// Processor time used so far, in user and kernel mode, all threads.
pub fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the tracker's stat");
    // The name may hold blanks; the fields after its closing bracket are the third and on.
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name in brackets") + 1..].split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().map(|at| fields[*at].parse::<u64>().expect("ticks")).sum();
    Duration::from_secs_f64(ticks as f64 / TICKS)
}

/// Waits until the process does next to nothing for a while; panics where it never does.
#[track_caller]
pub fn becomes_idle(pid: u32) {
    /// Long enough that a process that spins gets a share of a busy machine.
    const PERIOD: Duration = Duration::from_secs(1);
    super::eventually("the tracker is idle", || {
        let before = processor_time(pid);
        std::thread::sleep(PERIOD);
        processor_time(pid) - before < PERIOD / 20
    });
}

/// The numbers after a name in /proc/PID/status: `Uid`, `Gid`, `Groups`.
pub fn status_numbers(pid: u32, name: &str) -> Vec<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the tracker's status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a status line");
    line.split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

/// Bytes of memory by one of the names in /proc/PID/status: `VmSize`, `VmData`, `VmRSS`.
pub fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the tracker's status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a status line");
    line.trim().strip_suffix("kB").expect("kilobytes").trim_end().parse::<u64>().expect("a number") << 10
}

/// The root directory of the process.
pub fn root(pid: u32) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/root")).expect("the tracker's root")
}

/// The working directory of the process.
pub fn working_directory(pid: u32) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/cwd")).expect("the tracker's working directory")
}

/// Sets the soft limit of a process that runs, by the option of `prlimit`. It is done as the process's own user: root may lack the right to.
pub fn set_limit(pid: u32, option: &str, most: &str) {
    let [user, group] = ["Uid", "Gid"].map(|kind| status_numbers(pid, kind)[0]);
    let mut command = Command::new("prlimit");
    command.args([format!("--pid={pid}"), format!("{option}={most}:")]).uid(user).gid(group);
    assert!(command.status().expect("prlimit").success());
}
