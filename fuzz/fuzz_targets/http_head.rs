//! Requests that arrive in two pieces: where the head ends does not depend on the pieces, and nothing in it makes a reader panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::wire::http::{Client, head_end, header, path_start};

fuzz_target!(|data: &[u8]| {
    let Some((split, request)) = data.split_first() else { return };
    let (begun, _) = request.split_at(usize::from(*split).min(request.len()));
    let whole = head_end(request, 0);
    match head_end(begun, 0) {
        Some(end) => assert_eq!(whole, Some(end)),
        None => assert_eq!(whole, head_end(request, begun.len())),
    }
    let head = &request[..whole.unwrap_or(request.len())];
    assert!(path_start(head).is_ok_and(|start| start <= head.len()) || !head.starts_with(b"GET /"));
    for name in [&b"connection"[..], b"x-forwarded-for"] {
        assert!(header(head, name).is_none_or(|value| value.len() < head.len() && !value.contains(&b'\n')));
    }
    Client::of(request);
});
