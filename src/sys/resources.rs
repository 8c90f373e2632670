//! What the process may use of the system.

use super::native;
use std::mem::MaybeUninit;

/// Raises the number of descriptors that may be open to what the administrator allows at most; returns the number in force afterwards,
/// None where the system does not say. Where raising is refused the old limit stays.
pub fn raise_descriptor_limit() -> Option<u64> {
    let mut limit = limit(libc::RLIMIT_NOFILE)?;
    let before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the call reads the limits, and keeps no pointer to them.
    let refused = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0;
    Some(if refused { before } else { limit.rlim_cur } as _)
}

/// How the C library names what is limited.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

/// The limits in force. Asked through the C library, where it may be refused: rustix takes for granted that it is not.
pub(super) fn limit(resource: Resource) -> Option<libc::rlimit> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the call writes the limits, unless it returns an error; only then they are not read.
    unsafe { (libc::getrlimit(resource, limit.as_mut_ptr()) == 0).then(|| limit.assume_init()) }
}

/// How many descriptors may be open. `None` where the system does not say.
pub fn descriptor_limit() -> Option<u64> {
    limit(libc::RLIMIT_NOFILE).map(|limit| limit.rlim_cur as _)
}

/// Lets waits of this thread, and of threads it starts, end when they are due, as far as the system lets them.
pub fn sharpen_waits() {
    native::sharpen_waits();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limit_reaches_the_hard_one() {
        let now = raise_descriptor_limit();
        let limit = limit(libc::RLIMIT_NOFILE).unwrap();
        assert_eq!(limit.rlim_cur, now.unwrap() as libc::rlim_t);
        assert_eq!(limit.rlim_cur, limit.rlim_max);
    }

    #[cfg(all(target_os = "linux", not(opentracker_portable)))]
    #[test]
    fn waits_are_sharp() {
        sharpen_waits();
        assert_eq!(rustix::thread::current_timer_slack(), Ok(1));
    }
}
