//! Access lists of arbitrary bytes: a list forbids exactly what a plain reading of its lines names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::access::{List, Loader, Source};
use opentracker::config::AccessList;
use opentracker::types::InfoHash;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

thread_local! {
    /// A file, and the loader that reads it.
    static FILE: RefCell<(PathBuf, Loader)> = RefCell::new({
        let path = std::env::temp_dir().join(format!("opentracker-fuzz-{}", std::process::id()));
        let mut source = Source::default();
        source.name_file(AccessList::Black, path.clone().into());
        let loader = Loader::start(source).expect("a thread");
        (path, loader)
    });
}

/// The hash that a line names: 40 hex digits, and none after them.
fn named(line: &[u8]) -> Option<[u8; 20]> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let text = std::str::from_utf8(line.get(..40).filter(|_| digits == 40)?).ok()?;
    let mut hash = [0; 20];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

fuzz_target!(|data: &[u8]| {
    let mut list = List::default();
    FILE.with_borrow_mut(|(path, loader)| {
        std::fs::write(&path, data).expect("a file");
        loader.load_first(&mut list, 0);
        let _ = std::fs::remove_file(&path);
    });
    let lines = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let names: BTreeSet<_> = lines.split(|byte| *byte == b'\n').filter_map(named).collect();
    for name in &names {
        assert!(!list.allows(&InfoHash(*name)), "on the list");
        let mut other = *name;
        other[19] ^= 1;
        assert_eq!(list.allows(&InfoHash(other)), !names.contains(&other));
    }
});
