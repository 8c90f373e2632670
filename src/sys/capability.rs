//! Gives up the right to bind ports below 1024 that a unit hands to a tracker which is not root (`AmbientCapabilities=`). By then the ports
//! are bound, and whoever takes over the process is not to have that right.
//!
//! Filters that a unit was given for the original may end a process for the call, since the original does not make it. So a child tries
//! it first, and a tracker that may not give up the right keeps it.

use rustix::io;
use rustix::process::{DumpableBehavior, Pid, WaitOptions, set_dumpable_behavior, waitpid};
use rustix::thread::{CapabilitySet, capabilities, capability_is_in_ambient_set, set_capabilities};

/// Gives the right up, if it was handed to this process. Call it before threads start: each has rights of its own.
pub(super) fn give_up_low_ports() {
    let handed_over = capability_is_in_ambient_set(CapabilitySet::NET_BIND_SERVICE).unwrap_or(false);
    if handed_over && child_gives_up() {
        let _refused_is_harmless = give_up();
    }
}

fn give_up() -> io::Result<()> {
    let mut sets = capabilities(None)?;
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        set.remove(CapabilitySet::NET_BIND_SERVICE);
    }
    set_capabilities(None, sets)
}

/// Whether a child of this process lives through giving the right up.
fn child_gives_up() -> bool {
    // SAFETY: there is one thread, so the child finds no lock taken. It only makes system calls.
    match unsafe { libc::fork() } {
        0 => {
            // its end is nothing that anybody has to look into
            let _refused_is_harmless = set_dumpable_behavior(DumpableBehavior::NotDumpable);
            let code = i32::from(give_up().is_err());
            // SAFETY: ends the child at once, and runs nothing that is registered for the parent's end.
            unsafe { libc::_exit(code) }
        }
        child => Pid::from_raw(child)
            .filter(|_| child > 0)
            .and_then(|child| waitpid(Some(child), WaitOptions::empty()).ok().flatten())
            .is_some_and(|(_, status)| status.exit_status() == Some(0)),
    }
}
