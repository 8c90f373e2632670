//! Filters around a tracker's system calls, as container runtimes and units of systemd put them.

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeSet;
use std::process::Command;

/// Numbers of system calls.
pub type Calls = BTreeSet<c_long>;

/// Refuses these calls with an error and lets all others pass.
pub fn refusing(calls: &Calls, error: i32) -> BpfProgram {
    filter(calls, SeccompAction::Allow, SeccompAction::Errno(error as u32))
}

/// Kills the process at any of these calls.
pub fn killing_at(calls: &Calls) -> BpfProgram {
    filter(calls, SeccompAction::Allow, SeccompAction::KillProcess)
}

/// Kills the process at any call but these.
pub fn killing_except_at(calls: &Calls) -> BpfProgram {
    filter(calls, SeccompAction::KillProcess, SeccompAction::Allow)
}

/// Lets all calls pass but those that make sockets of IPv6, which fail as on a machine without it.
pub fn without_ipv6() -> BpfProgram {
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a machine that has filters");
    let v6 = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, libc::AF_INET6 as u64);
    let rule = v6.and_then(|v6| SeccompRule::new(vec![v6])).expect("a rule");
    let rules = [(wide(libc::SYS_socket), vec![rule])].into();
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EAFNOSUPPORT as u32), arch)
        .and_then(BpfProgram::try_from)
        .expect("a filter")
}

fn filter(calls: &Calls, other: SeccompAction, these: SeccompAction) -> BpfProgram {
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a machine that has filters");
    let rules = calls.iter().map(|call| (wide(*call), vec![])).collect();
    SeccompFilter::new(rules, other, these, arch).and_then(BpfProgram::try_from).expect("a filter")
}

/// A call's number as filters have it: C's type for it is narrower on some machines.
fn wide(call: impl Into<i64>) -> i64 {
    call.into()
}

/// The calls in a set that systemd has a name for, and whatever sets it contains. None where that cannot be found out, and the reason is
/// said.
pub fn named_set(name: &str) -> Option<Calls> {
    let numbers = numbers()?;
    let mut calls = Calls::new();
    let mut sets = vec![name.to_owned()];
    while let Some(set) = sets.pop() {
        for word in systemd_analyze(&[&set])?.split_whitespace().skip(1) {
            if word.starts_with('@') {
                sets.push(word.to_owned());
            } else {
                // a call that this machine does not have is no matter
                calls.extend(numbers.iter().find(|(name, _)| name == word).map(|(_, number)| number));
            }
        }
    }
    Some(calls)
}

/// The names of all such sets, but for the one of all calls.
pub fn all_named_sets() -> Option<Vec<String>> {
    let listing = systemd_analyze(&[])?;
    let names = listing.lines().filter(|line| line.starts_with('@') && *line != "@known");
    Some(names.map(str::to_owned).collect())
}

/// What `systemd-analyze syscall-filter` says, without comments.
fn systemd_analyze(sets: &[&str]) -> Option<String> {
    let Ok(output) = Command::new("systemd-analyze").arg("syscall-filter").args(sets).output() else {
        super::skipped("needs systemd-analyze, from the package systemd");
        return None;
    };
    assert!(output.status.success(), "systemd-analyze knows no set {sets:?}");
    let lines = String::from_utf8(output.stdout).expect("text");
    Some(lines.lines().filter(|line| !line.trim().starts_with('#')).map(|line| format!("{line}\n")).collect())
}

/// Names and numbers of all calls of this machine, from the headers of the C library.
fn numbers() -> Option<Vec<(String, c_long)>> {
    let path = format!("/usr/include/{}-linux-gnu/asm/unistd_64.h", std::env::consts::ARCH);
    let Ok(header) = std::fs::read_to_string(path) else {
        super::skipped("needs the list of system calls, from the package linux-libc-dev");
        return None;
    };
    let define = |line: &str| {
        let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    };
    Some(header.lines().filter_map(define).collect())
}
