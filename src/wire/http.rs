//! HTTP: finding the parts of requests that a tracker reads, and writing the heads of replies.

use std::io::Write;

/// Why a request is answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: the request does not begin with `GET /`.
    Request,
    /// 400: a parameter is malformed or missing.
    Parameter,
    /// 400: the client asks for peers in another form than the compact one.
    Compact,
    /// 402: a full scrape too soon after the last one.
    NotModest,
    /// 403: the client's address is not blessed for that.
    Denied,
    /// 404: no such page.
    NotFound,
    /// 500: too long, or not in this build.
    Internal,
}

impl Refusal {
    /// The status code and its text (as the original).
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Refusal::Request | Refusal::Parameter | Refusal::Compact => (400, "Invalid Request"),
            Refusal::NotModest => (402, "Payment Required"),
            Refusal::Denied => (403, "Access Denied"),
            Refusal::NotFound => (404, "Not Found"),
            Refusal::Internal => (500, "Internal Server Error"),
        }
    }
}

/// The protocol version that a reply's status line names.
///
/// The original writes 1.1 before what it answers at once and 1.0 before what it answers from another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Announces, scrapes, and statistics taken from counters.
    Http11,
    /// Full scrapes, statistics over all torrents, and errors.
    Http10,
}

/// The end of a request's head in `bytes`: the index after its empty line, if that has been received. The first `seen` bytes are known to
/// hold no end.
pub fn head_end(bytes: &[u8], seen: usize) -> Option<usize> {
    let start = seen.saturating_sub(3);
    for offset in memchr::memchr_iter(b'\n', bytes.get(start..)?) {
        let at = start + offset;
        match bytes.get(at + 1..) {
            Some([b'\n', ..]) => return Some(at + 2),
            Some([b'\r', b'\n', ..]) if at > 0 && bytes[at - 1] == b'\r' => return Some(at + 3),
            _ => {}
        }
    }
    None
}

/// The first bytes of a request line; the path follows.
const METHOD: &[u8] = b"GET /";

/// The index where the path of a request starts, without leading slashes.
///
/// # Errors
/// The request does not begin with `GET /`.
pub fn path_start(bytes: &[u8]) -> Result<usize, Refusal> {
    let rest = bytes.strip_prefix(METHOD).ok_or(Refusal::Request)?;
    let slashes = rest.iter().take_while(|c| **c == b'/').count();
    Ok(METHOD.len() + slashes)
}

/// The value of the first header with this name, in any case, and no blank before the colon. Blanks before the value and the carriage
/// return after it are cut.
pub fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let lines = head.split(|c| *c == b'\n').skip(1).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut values = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":").filter(|_| found.eq_ignore_ascii_case(name))?;
        let blanks = value.iter().take_while(|c| matches!(c, b' ' | b'\t')).count();
        value.get(blanks..)
    });
    values.next()
}

/// What a client's `Connection` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// Keep it open for further requests.
    Keep,
    /// Close it after the answer.
    Close,
    /// Nothing.
    Unsaid,
}

/// Reads the `Connection` header. Only the first letter of its value counts (as the original).
pub fn keep_alive(head: &[u8]) -> KeepAlive {
    match header(head, b"connection") {
        Some([b'k' | b'K', ..]) => KeepAlive::Keep,
        Some([b'c' | b'C', ..]) => KeepAlive::Close,
        _ => KeepAlive::Unsaid,
    }
}

/// Whether a request line ends with `HTTP/1.1`.
pub fn is_http11(request: &[u8]) -> bool {
    let line = memchr::memchr(b'\n', request).and_then(|end| request.get(..end)).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line).ends_with(b" HTTP/1.1")
}

/// The media type of almost all replies.
pub const TEXT: &str = "text/plain";

/// Appends the head of a 200 reply whose body, of this media type, has `length` bytes.
pub fn success(out: &mut Vec<u8>, version: Version, media_type: &str, length: usize) {
    out.extend_from_slice(match version {
        Version::Http11 => b"HTTP/1.1 200 OK\r\n",
        Version::Http10 => b"HTTP/1.0 200 OK\r\n",
    });
    // writing to memory does not fail, here and below
    let _ = write!(out, "Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n");
}

/// How the end of a body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By its length.
    Length(usize),
    /// By a last chunk.
    Chunked,
    /// By closing the connection.
    Close,
}

/// What the head of a long answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// That of the original: plain text, whose status line names 1.0 unless it is sent in chunks.
    Plain,
    /// Statistics as the original's 1.0 line sends them: the status line names 1.1 wherever there is a length.
    Statistics,
    /// A dump as that line sends it: bytes, always in chunks where the client understands these.
    Dump,
}

/// How a long answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// What its head looks like.
    pub form: Form,
    /// The client understands chunks.
    pub chunks: bool,
    /// It is compressed.
    pub gzip: bool,
}

/// Appends the head of a full scrape or of statistics over all torrents. The original's always has the length.
pub fn long(out: &mut Vec<u8>, form: Form, framing: Framing, gzip: bool) {
    let is_11 = match framing {
        Framing::Chunked => true,
        Framing::Length(_) => form == Form::Statistics,
        Framing::Close => false,
    };
    out.extend_from_slice(if is_11 { b"HTTP/1.1 200 OK\r\n" } else { b"HTTP/1.0 200 OK\r\n" });
    out.extend_from_slice(match form {
        Form::Plain | Form::Statistics => b"Content-Type: text/plain\r\n",
        Form::Dump => b"Content-Type: application/octet-stream\r\n",
    });
    if gzip {
        out.extend_from_slice(b"Content-Encoding: gzip\r\n");
    }
    match framing {
        Framing::Length(length) => {
            let _ = write!(out, "Content-Length: {length}\r\n\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
        Framing::Close => out.extend_from_slice(b"\r\n"),
    }
}

/// What a client understands beyond plain HTTP/1.0, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// It speaks HTTP/1.1, so it understands chunks.
    pub http11: bool,
    /// It accepts gzip. As the original: the word is anywhere in the bytes received but the last one.
    pub gzip: bool,
}

impl Client {
    /// Reads what a request says about its client.
    pub fn of(request: &[u8]) -> Client {
        let searched = request.split_last().map_or(request, |(_, rest)| rest);
        Client { http11: is_http11(request), gzip: memchr::memmem::find(searched, b"gzip").is_some() }
    }

    /// The same, but gzip counts only in `rest`, what follows the query (as the original's 1.0 line).
    pub fn after_query(self, rest: &[u8]) -> Client {
        Client { gzip: self.gzip && memchr::memmem::find(rest, b"gzip").is_some(), ..self }
    }
}

/// Appends the whole reply for a refusal.
pub fn refused(out: &mut Vec<u8>, refusal: Refusal) {
    let (code, text) = refusal.status();
    let length = "<title></title>\n".len() + text.len();
    let _ = write!(
        out,
        "HTTP/1.0 {code} {text}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n<title>{text}</title>\n"
    );
}

/// Appends a whole reply that redirects to this URL.
pub fn redirected(out: &mut Vec<u8>, url: &[u8]) {
    out.extend_from_slice(b"HTTP/1.0 302 Found\r\nContent-Length: 0\r\nLocation: ");
    out.extend_from_slice(url);
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_an_empty_line() {
        for (text, end) in [
            (&b"a\n\nb"[..], Some(3)),
            (b"a\r\n\nb", Some(4)),
            (b"a\r\n\r\nb", Some(5)),
            (b"\r\n\r\n", Some(4)),
            (b"\n\n", Some(2)),
            (b"a\n\r\n", None),
            (b"a\r\n", None),
            (b"a\r\n\r", None),
            (b"", None),
        ] {
            assert_eq!(head_end(text, 0), end, "{text:?}");
            for seen in 0..text.len() {
                if head_end(&text[..seen], 0).is_none() {
                    assert_eq!(head_end(text, seen), end, "{text:?} after {seen}");
                }
            }
        }
    }

    #[test]
    fn requests_begin_with_get() {
        assert_eq!(path_start(b"GET /a"), Ok(5));
        assert_eq!(path_start(b"GET ///a"), Ok(7));
        assert_eq!(path_start(b"GET /"), Ok(5));
        for bad in [&b"GET  /"[..], b"get /", b"HEAD /", b"GET http://", b"GET", b"", b"\r\n\r\n"] {
            assert_eq!(path_start(bad), Err(Refusal::Request), "{bad:?}");
        }
    }

    #[test]
    fn heads_of_long_answers() {
        let of = |form, framing, gzip| {
            let mut out = Vec::new();
            long(&mut out, form, framing, gzip);
            String::from_utf8(out).unwrap()
        };
        let head = |framing, gzip| of(Form::Plain, framing, gzip);
        let (plain, packed) =
            ("Content-Type: text/plain\r\n", "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n");
        let old = "HTTP/1.0 200 OK\r\n";
        assert_eq!(head(Framing::Length(7), false), format!("{old}{plain}Content-Length: 7\r\n\r\n"));
        assert_eq!(head(Framing::Length(7), true), format!("{old}{packed}Content-Length: 7\r\n\r\n"));
        assert_eq!(head(Framing::Close, false), format!("{old}{plain}\r\n"));
        let chunked = "Transfer-Encoding: chunked\r\n\r\n";
        assert_eq!(head(Framing::Chunked, true), format!("HTTP/1.1 200 OK\r\n{packed}{chunked}"));
        let length = "Content-Length: 7\r\n\r\n";
        assert_eq!(of(Form::Statistics, Framing::Length(7), false), format!("HTTP/1.1 200 OK\r\n{plain}{length}"));
        assert_eq!(of(Form::Statistics, Framing::Close, false), format!("{old}{plain}\r\n"));
        let bytes = "Content-Type: application/octet-stream\r\n";
        assert_eq!(of(Form::Dump, Framing::Length(7), false), format!("{old}{bytes}{length}"));
        assert_eq!(of(Form::Dump, Framing::Chunked, false), format!("HTTP/1.1 200 OK\r\n{bytes}{chunked}"));
    }

    #[test]
    fn what_clients_understand() {
        let of = |text: &str| {
            let Client { http11, gzip } = Client::of(text.as_bytes());
            (http11, gzip)
        };
        assert_eq!(of("GET /scrape HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n"), (true, true));
        assert_eq!(of("GET /scrape HTTP/1.1\n\n"), (true, false));
        assert_eq!(of("GET /scrape HTTP/1.0\r\nX: HTTP/1.1\r\n\r\n"), (false, false));
        assert_eq!(of("GET /scrape HTTP/1.0\r\nX: GZIP\r\n\r\n"), (false, false), "case counts");
        assert_eq!(of("GET /stats?x=gzip HTTP/1.0\r\n\r\n"), (false, true), "anywhere");
        assert_eq!(of("GET /scrape HTTP/1.0\r\n\r\ngzip"), (false, false), "but for the last byte");
        assert_eq!(of("GET /scrape HTTP/1.0\r\n\r\ngzip!"), (false, true));
        assert_eq!(of(""), (false, false));
    }

    #[test]
    fn headers_are_found_by_name() {
        let value = |head: &'static str| header(head.as_bytes(), b"x-forwarded-for");
        for head in [
            "GET / HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
            "GET / HTTP/1.1\nx-FORWARDED-fOR:\t 1.2.3.4\n\n",
            "GET /\r\nHost: x\r\nX-Forwarded-For :0\r\nX-Forwarded-For2: 0\r\nX-Forwarded-For:1.2.3.4\nX-Forwarded-For: 0\n\n",
        ] {
            assert_eq!(value(head), Some(&b"1.2.3.4"[..]), "{head:?}");
        }
        for head in [
            "",
            "GET /",
            "X-Forwarded-For: 1.2.3.4\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
            "GET / HTTP/1.1\r\n X-Forwarded-For: 1.2.3.4\r\n\r\n",
            "GET / HTTP/1.1\r\nX-Forwarded-For\r\n\r\n",
        ] {
            assert_eq!(value(head), None, "{head:?}");
        }
    }

    #[test]
    fn one_letter_says_what_becomes_of_a_connection() {
        let said = |line: &str| keep_alive(format!("GET / HTTP/1.1\r\nHost: k\r\n{line}\r\n\r\n").as_bytes());
        for line in
            ["Connection: keep-alive", "connection:Keep", "CONNECTION: \tk", "Connection : close\r\nConnection: k"]
        {
            assert_eq!(said(line), KeepAlive::Keep, "{line:?}");
        }
        for line in ["Connection: close", "connection:Close", "Connection: close\r\nConnection: k"] {
            assert_eq!(said(line), KeepAlive::Close, "{line:?}");
        }
        for line in ["Connection:", "Connection : k", "X: k", "Connection: upgrade", ""] {
            assert_eq!(said(line), KeepAlive::Unsaid, "{line:?}");
        }
    }

    #[test]
    fn refusals_have_their_length() {
        for refusal in [Refusal::Request, Refusal::NotModest, Refusal::Denied, Refusal::NotFound, Refusal::Internal] {
            let mut out = Vec::new();
            refused(&mut out, refusal);
            let text = String::from_utf8(out).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{text}");
        }
    }
}
