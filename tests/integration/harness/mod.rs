//! What the integration tests share: starting a tracker, talking to it over HTTP and UDP, and comparing answers.
//!
//! The tracker under test is our own build, unless `OPENTRACKER_BIN` names another one (then `OPENTRACKER_FEATURES`
//! may name what it was built with). The original, for comparison, is `/usr/bin/opentracker` or `OPENTRACKER_ORIGINAL`, and its 1.0 line
//! `OPENTRACKER_ORIGINAL_DUAL`.

pub mod bencode;
pub mod build;
pub mod canonical;
pub mod cluster;
pub mod draw;
pub mod http;
pub mod network;
pub mod proc;
pub mod script;
pub mod seccomp;
pub mod skip;
pub mod starter;
pub mod tracker;
pub mod udp;

use regex::bytes::Regex;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use build::Build;
pub use skip::{built_with, clock_or_skip, for_another_build, ipv4_or_skip, namespaces_or_skip, root_or_skip, skipped};
pub use starter::Starter;
pub use tracker::Tracker;

/// How long a test waits for something that should happen soon before it gives up.
pub const SOON: Duration = Duration::from_secs(30);

/// How soon a tracker must end after a signal: sooner than by any of its own deadlines, and late enough for a busy machine.
pub const AT_ONCE: Duration = Duration::from_secs(5);

/// How long a test listens before it concludes that nothing is coming.
pub const SILENCE: Duration = Duration::from_millis(400);

/// Asks until the answer is there, at most `limit` long.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks until `condition` holds; panics naming `what` if it does not do so soon.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    assert!(within(SOON, || condition().then_some(())).is_some(), "did not happen within {SOON:?}: {what}");
}

/// An info hash for tests: every `n` has its own, spread over the whole range.
pub fn hash(n: u64) -> [u8; 20] {
    let mut out = [0; 20];
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995_7f4a_7c15;
    for byte in &mut out {
        state = splitmix(&mut state);
        *byte = (state >> 56) as u8;
    }
    out
}

/// The result of a call, which is made again where it was interrupted: one that waits with a time limit is, without any signal to the
/// process, where all of it was stopped for a while.
pub fn uninterrupted<T>(mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// One step of the splitmix64 generator: good enough to draw test cases from, the same everywhere.
pub fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The numbers that a pattern captures of text that it matches whole; panics where it does not.
#[track_caller]
pub fn matches(page: &[u8], pattern: &str) -> Vec<u64> {
    let regex = Regex::new(&format!(r"\A{pattern}\z")).expect("a pattern");
    let found = regex.captures(page).unwrap_or_else(|| panic!("{pattern} in {}", page.escape_ascii()));
    let numbers = found.iter().skip(1).flatten().map(|group| std::str::from_utf8(group.as_bytes()).expect("digits"));
    numbers.map(|digits| digits.parse().expect("a number")).collect()
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that hexadecimal digits stand for; panics on anything else, as test data should be right.
pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len() & 1 == 0, "odd number of hexadecimal digits: {text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_else(|_| panic!("not hexadecimal: {text}")))
        .collect()
}

/// Bytes as a query string carries them, every one escaped.
pub fn percent(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}

/// A directory that is removed with everything in it when the value is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new empty directory that everybody may enter.
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("opentracker-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("scratch directory");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("scratch directory's mode");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it as editors do: a new one takes the name of the old.
    pub fn write(&self, name: &str, content: &[u8]) {
        let new = self.0.join(format!("{name}.new"));
        std::fs::write(&new, content).expect("a file in the scratch directory");
        std::fs::rename(&new, self.0.join(name)).expect("a file's name in the scratch directory");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
