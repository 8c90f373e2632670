//! Config files of arbitrary bytes: every line is understood or reported, with advice, and none makes the reader panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::config::file::ConfigFile;
use opentracker::config::{AccessList, Switches, advice};

fuzz_target!(|data: &[u8]| {
    for (v6, dual_stack, accesslist_any) in [(false, false, false), (true, false, true), (false, true, false)] {
        let switches = Switches {
            fullscrape: true,
            accesslist: Some(AccessList::White).filter(|_| !accesslist_any),
            accesslist_any,
            dynamic_accesslist: true,
            sync_live: true,
            restrict_stats: true,
            metrics: true,
            ip_from_proxy: true,
            v6,
            dual_stack,
            v4_only: false,
        };
        let mut file = ConfigFile::new(data, switches);
        while let Some(directive) = file.next() {
            drop(directive.map_err(|problem| (problem.message(), advice::of(&problem, &switches))));
            assert!(file.number() > 0 && file.line().len() <= 511);
        }
    }
});
