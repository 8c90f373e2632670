//! Tests that do not run: the reason is printed, and written to the file that `OPENTRACKER_SKIPS` names, as `make test` lists it at its end.
//!
//! A line there is a word, the test's name and the reason, with tabs between: `here` where this machine lacks something,
//! `build` where another build runs the test.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use super::Build;

/// Notes why a test does not run here. Under CI, where everything that the tests need is there, that is a failure.
pub fn skipped(why: &str) {
    note("here", why);
    assert!(std::env::var_os("CI").is_none(), "under CI nothing may be skipped: {why}");
}

/// Notes that a test is for another build.
pub fn for_another_build(what: &str) {
    note("build", what);
}

/// Whether the tests run as root. If not, notes why.
pub fn root_or_skip() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped("needs root");
    }
    root
}

/// Whether a process can be started behind this wrapper, which gives it namespaces of its own. If not, notes why.
pub fn namespaces_or_skip(wrapper: &[&str]) -> bool {
    let output = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
    let can = output.is_ok_and(|output| output.status.success());
    if !can {
        skipped(&format!("needs namespaces: {}", wrapper.join(" ")));
    }
    can
}

/// Whether the clock of the tracker under test can be moved. If not, notes why.
pub fn clock_or_skip() -> bool {
    let moves = Build::under_test().clock_moves();
    if !moves {
        for_another_build("needs our own debug build, whose clock can be moved");
    }
    moves
}

/// Whether the program under test was built with a switch that a test needs to run. If not, notes why.
pub fn built_with(switch: &str) -> bool {
    let has = Build::under_test().has(switch);
    if !has {
        for_another_build(&format!("needs {switch}"));
    }
    has
}

/// Whether the program under test serves IPv4 peers. If not, notes why.
pub fn ipv4_or_skip() -> bool {
    let v4 = !Build::under_test().v6();
    if !v4 {
        for_another_build("needs an IPv4 build");
    }
    v4
}

/// One line to the file, in one write: other tests write there too.
fn note(kind: &str, why: &str) {
    println!("SKIPPED: {why}");
    let Some(path) = std::env::var_os("OPENTRACKER_SKIPS") else { return };
    let thread = std::thread::current();
    let line = format!("{kind}\t{}\t{why}\n", thread.name().unwrap_or("a test"));
    let file = File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of skipped tests");
}
