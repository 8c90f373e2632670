//! Variables of the environment that are meant for this process alone.

use std::ffi::{OsStr, OsString};

/// Takes a variable out of the environment, so that nothing that is started from here takes it for its own. Call it before there are
/// other threads.
pub(super) fn take(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    // SAFETY: the process has one thread yet, so nothing else reads the environment. The name is not empty and has no `=` and no NUL.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// A decimal number, as the service manager writes them.
pub(super) fn number<T: std::str::FromStr>(value: Option<&OsStr>) -> Option<T> {
    value?.to_str()?.parse().ok()
}
