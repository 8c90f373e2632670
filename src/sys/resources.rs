//! What the process may use of the system.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::set_current_timer_slack;
use std::num::NonZeroU64;

/// The niceness of threads that step back.
const BACK: i32 = 10;

/// Raises the number of descriptors that may be open to what the administrator allows at most; returns the number
/// in force afterwards, None for unlimited. Where raising is refused the old limit stays.
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Lets waits of this thread, and of threads it starts, end when they are due: by default the kernel adds up to 50
/// microseconds. Where it is refused waits stay that bit longer.
pub fn sharpen_waits() {
    // The kernel's smallest slack: one nanosecond.
    let _refused_is_harmless = set_current_timer_slack(Some(NonZeroU64::MIN));
}

/// Lets the other threads of the process go first where processors are short; this one still gets a tenth of one. Never steps
/// forward, where the whole process was started to stand back further.
pub fn step_back() {
    // on Linux "this process" is the calling thread
    let niceness = rustix::process::getpriority_process(None).unwrap_or_default().max(BACK);
    let _refused_is_harmless = rustix::process::setpriority_process(None, niceness);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_steps_back_alone() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let stepped = std::thread::spawn(move || {
            step_back();
            niceness()
        });
        assert_eq!(stepped.join().unwrap(), before.max(10));
        assert_eq!(niceness(), before);
    }

    #[test]
    fn who_stands_back_further_does_not_step_forward() {
        let stepped = std::thread::spawn(|| {
            rustix::process::setpriority_process(None, 19).unwrap();
            step_back();
            rustix::process::getpriority_process(None).unwrap()
        });
        assert_eq!(stepped.join().unwrap(), 19);
    }

    #[test]
    fn soft_limit_reaches_the_hard_one() {
        let now = raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, now);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn waits_are_sharp() {
        sharpen_waits();
        assert_eq!(rustix::thread::current_timer_slack(), Ok(1));
    }
}
