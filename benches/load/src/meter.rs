//! What a process has used so far, from /proc.

use std::fs;
use std::time::Duration;

/// Totals over all threads of a process.
#[derive(Clone, Copy, Default, Debug)]
pub struct Usage {
    /// Time on a processor.
    pub processor: Duration,
    /// Times it went to sleep.
    pub voluntary: u64,
    /// Times it was put off its processor.
    pub involuntary: u64,
}

impl Usage {
    pub fn of(process: u32) -> Usage {
        let mut usage = Usage::default();
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return usage };
        for thread in threads.flatten() {
            let read = |file: &str| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
            let on: u64 = read("schedstat").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            usage.processor += Duration::from_nanos(on);
            for line in read("status").lines() {
                let value = |name: &str| line.strip_prefix(name).and_then(|rest| rest.trim().parse::<u64>().ok());
                usage.voluntary += value("voluntary_ctxt_switches:").unwrap_or(0);
                usage.involuntary += value("nonvoluntary_ctxt_switches:").unwrap_or(0);
            }
        }
        usage
    }

    pub fn since(&self, before: &Usage) -> Usage {
        Usage {
            processor: self.processor.saturating_sub(before.processor),
            voluntary: self.voluntary.saturating_sub(before.voluntary),
            involuntary: self.involuntary.saturating_sub(before.involuntary),
        }
    }
}

/// Bytes of a process that are in memory.
pub fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}
