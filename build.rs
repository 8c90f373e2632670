//! Tells the program what it was built from, for `-v`. Works without git and without its files too.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
    println!("cargo:rerun-if-env-changed=OPENTRACKER_COMMIT");
    println!("cargo:rustc-env=OPENTRACKER_COMMIT={}", commit());
}

/// The commit: as the packager says, as git says, or `release` where the source stands alone.
fn commit() -> String {
    let named = std::env::var("OPENTRACKER_COMMIT").ok().filter(|named| !named.is_empty());
    if let Some(named) = named {
        return named;
    }
    let top = env!("CARGO_MANIFEST_DIR");
    if !std::path::Path::new(top).join(".git").exists() {
        return "release".to_owned();
    }
    let output = Command::new("git").args(["-C", top, "rev-parse", "--short=12", "HEAD"]).output();
    let commit = output.ok().filter(|output| output.status.success());
    let commit = commit.and_then(|output| String::from_utf8(output.stdout).ok()).map(|text| text.trim().to_owned());
    commit.filter(|text| !text.is_empty()).unwrap_or_else(|| "release".to_owned())
}
