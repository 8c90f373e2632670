//! Where a request ends, and whether another one follows.

use crate::limits::REQUEST_MAX;
use crate::wire::http::{KeepAlive, head_end, is_http11, keep_alive};

/// What the received bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// A request whose head has not ended yet.
    Part,
    /// A request of more than [`REQUEST_MAX`] bytes.
    TooLong,
    /// A whole request.
    Whole {
        /// Bytes of its head.
        head: usize,
        /// Bytes that belong to it: its head if another request follows, else all that were received.
        length: usize,
        /// What happens to the connection after the answer.
        then: Then,
    },
}

/// What happens to a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It is closed.
    Close,
    /// The next request has been received, at least in part.
    Next,
    /// It stays open, as the client asked for.
    Stay,
}

/// Finds the first request in `bytes`. No head ends within the first `seen` of them. `keepalive`: connections may stay open.
///
/// A client of HTTP/1.1 may pipeline requests without a `Connection` header (RFC 9112, 9.3.2). All that have been received are answered
/// then. Anything else after a head belongs to the request and is ignored.
pub(super) fn look(bytes: &[u8], seen: usize, keepalive: bool) -> Begins {
    let Some(head) = head_end(bytes, seen) else {
        return if bytes.len() > REQUEST_MAX { Begins::TooLong } else { Begins::Part };
    };
    let (text, rest) = bytes.split_at_checked(head).unwrap_or((bytes, &[]));
    let then = if keepalive && keep_alive(text) == KeepAlive::Keep {
        Then::Stay
    } else if begins_request(rest) && allows_more(text) {
        Then::Next
    } else {
        Then::Close
    };
    let length = if then == Then::Close { bytes.len() } else { head };
    if length > REQUEST_MAX { Begins::TooLong } else { Begins::Whole { head, length, then } }
}

/// Whether a request's head allows another one after it.
pub(super) fn allows_more(head: &[u8]) -> bool {
    is_http11(head) && keep_alive(head) != KeepAlive::Close
}

/// Whether another request begins with these bytes, as far as they go.
fn begins_request(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().zip(b"GET /").all(|(byte, wanted)| byte == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    const KEPT: &str = "GET /a HTTP/1.1\r\nConnection: keep-alive\r\n\r\n";
    const CLOSED: &str = "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n";
    const OLD: &str = "GET /a HTTP/1.0\r\n\r\n";

    fn whole(head: &str, length: usize, then: Then) -> Begins {
        Begins::Whole { head: head.len(), length, then }
    }

    #[test]
    fn one_request() {
        for head in [PLAIN, KEPT, CLOSED, OLD, "GET /a\n\n"] {
            for keepalive in [false, true] {
                let then = if keepalive && head == KEPT { Then::Stay } else { Then::Close };
                assert_eq!(look(head.as_bytes(), 0, keepalive), whole(head, head.len(), then), "{head}");
                let part = &head.as_bytes()[..head.len() - 1];
                assert_eq!(look(part, 0, keepalive), Begins::Part);
            }
        }
    }

    #[test]
    fn pipelined_requests() {
        for rest in ["G", "GET ", PLAIN, OLD, "GET /and so on"] {
            for (head, then) in [(PLAIN, Then::Next), (KEPT, Then::Next), (CLOSED, Then::Close), (OLD, Then::Close)] {
                let text = format!("{head}{rest}");
                let length = if then == Then::Close { text.len() } else { head.len() };
                assert_eq!(look(text.as_bytes(), 0, false), whole(head, length, then), "{text}");
                let then = if head == KEPT { Then::Stay } else { then };
                assert_eq!(look(text.as_bytes(), 0, true), whole(head, length, then), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_request_belongs_to_the_one_before() {
        for rest in ["\r\n", "POST /", "x", "get /", "GET  /"] {
            let text = format!("{PLAIN}{rest}");
            assert_eq!(look(text.as_bytes(), 0, false), whole(PLAIN, text.len(), Then::Close), "{rest}");
        }
    }

    #[test]
    fn the_longest() {
        let long = |length: usize| {
            let start = "GET /a HTTP/1.1\r\nX: ";
            format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
        };
        assert_eq!(look(long(REQUEST_MAX).as_bytes(), 0, false), whole(&long(REQUEST_MAX), REQUEST_MAX, Then::Close));
        assert_eq!(look(long(REQUEST_MAX + 1).as_bytes(), 0, false), Begins::TooLong);
        assert_eq!(look(&long(REQUEST_MAX + 1).as_bytes()[..REQUEST_MAX], 0, false), Begins::Part);
        assert_eq!(look(&[b'x'; REQUEST_MAX + 1], 0, false), Begins::TooLong);
        // what follows counts only where it is no request
        let behind = |rest: char| format!("{PLAIN}GET /{}", rest.to_string().repeat(REQUEST_MAX));
        assert_eq!(look(behind('x').as_bytes(), 0, false), whole(PLAIN, PLAIN.len(), Then::Next));
        assert_eq!(look(behind('x').replace("GET /x", "PUT /x").as_bytes(), 0, false), Begins::TooLong);
    }
}
