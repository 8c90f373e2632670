//! Config files of arbitrary bytes: every line is understood or reported, and none makes the reader panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::config::Switches;
use opentracker::config::file::ConfigFile;

fuzz_target!(|data: &[u8]| {
    for v6 in [false, true] {
        let switches = Switches { accesslist: None, sync_live: true, restrict_stats: true, ip_from_proxy: true, v6 };
        for directive in ConfigFile::new(data, switches) {
            drop(directive.map_err(|problem| problem.message()));
        }
    }
});
