//! Query strings: the scanner gets to the end of any, and what it decodes is never longer than what it read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::wire::announce::{Extras, Parameters};
use opentracker::wire::query::{Context, Scanner, Token};
use opentracker::wire::scrape;

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    let mut scanner = Scanner::new(&mut bytes, 0);
    for context in [Context::Path, Context::Name, Context::Value].into_iter().cycle() {
        let start = scanner.position();
        let Token::Text(range) = scanner.token(context) else { break };
        assert!(range.start == start && range.end <= scanner.position());
        if context == Context::Path && !scanner.enter_query() || scanner.position() == start {
            break;
        }
    }
    for (lognet, ip_v6) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut bytes = data.to_vec();
        let _ = Parameters::parse(
            &mut Scanner::new(&mut bytes, 0),
            Extras { ip: true, ip_v6, lognet, ..Extras::default() },
        );
    }
    let mut bytes = data.to_vec();
    let mut hashes = 0;
    let _ = scrape::parse(&mut Scanner::new(&mut bytes, 0), |_| hashes += 1);
    assert!(hashes <= data.len() / 20);
});
