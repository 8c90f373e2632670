//! Config files of arbitrary bytes: every line is understood or reported, and none makes the reader panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::config::file::ConfigFile;
use opentracker::config::{AccessList, Switches};

fuzz_target!(|data: &[u8]| {
    for (v6, dual_stack) in [(false, false), (true, false), (false, true)] {
        let switches = Switches {
            accesslist: Some(AccessList::White),
            dynamic_accesslist: true,
            sync_live: true,
            restrict_stats: true,
            ip_from_proxy: true,
            v6,
            dual_stack,
            v4_only: false,
        };
        for directive in ConfigFile::new(data, switches) {
            drop(directive.map_err(|problem| problem.message()));
        }
    }
});
