//! Answers in a form that can be compared: what no two runs share is checked where it can be and replaced by a word.
//!
//! Peer lists become sorted sets of `ADDRESS#PORT`, the announce interval must lie in its range and the min interval
//! be its half, the content length must be that of the body. Times, rates, ids and the version's text are masked.

use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::http::{End, Reply};

/// What to do with an answer besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Count the peers instead of naming them: where the tracker chooses among more.
    pub count_only: bool,
    /// Which peers an answer over HTTP can have.
    pub families: Families,
    /// The client is of IPv6, so that an answer over UDP has such peers.
    pub is_v6: bool,
    /// Replace the whole body.
    pub mask_body: bool,
}

/// The families of the peers in an HTTP answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Families {
    /// `5:peers` alone.
    #[default]
    V4,
    /// `6:peers6` alone.
    V6,
    /// The same as V4, from a tracker for both families: an empty list may be missing.
    V4OfBoth,
    /// Either may be missing. The lists have their keys before them: `peers 127.0.0.1#1 peers6 ::1#1`.
    Both,
}

impl Families {
    /// Those of a conversation: of one for both families, of one at ::1, or of one for any build.
    pub fn of(dual: bool, ipv6: bool, build_is_dual: bool) -> Self {
        match (dual, ipv6, build_is_dual) {
            (true, ..) => Self::Both,
            (_, true, _) => Self::V6,
            (_, _, true) => Self::V4OfBoth,
            _ => Self::V4,
        }
    }

    /// An answer in the words of a conversation. Long answers of a tracker for both families have other heads, which its own conversations
    /// check; those for any build pass over that.
    pub fn words(self, answer: String) -> String {
        let long = ["page: ", "dump: ", "chunks: "].into_iter().find_map(|word| answer.strip_prefix(word));
        match long {
            Some(body) if self == Self::V4OfBoth => format!("ok: {body}"),
            _ => answer,
        }
    }
}

/// What was received over HTTP, answer by answer, each by [`answer`]; `open` in front if the tracker did not close.
pub fn http(reply: &Reply, options: Options) -> String {
    let mut out = Vec::new();
    let mut rest = reply.bytes.as_slice();
    while let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) {
        let (head, body) = rest.split_at(end);
        let head = latin1(head);
        let stated = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
        let length = stated.unwrap_or(body.len());
        let word = if length <= body.len() { "LENGTH" } else { "TOO-LONG" };
        let head = head.replace(&format!("Content-Length: {length}\r\n"), &format!("Content-Length: {word}\r\n"));
        let (body, more) = body.split_at(length.min(body.len()));
        out.push(answer(&head, body, options));
        rest = more;
    }
    if !rest.is_empty() {
        out.push(format!("then {:?}", latin1(rest)));
    }
    match reply.end {
        End::Closed => {}
        End::Open => out.insert(0, "open".into()),
        End::Reset if out.is_empty() => out.push("reset".into()),
        // A tracker that closes before it has read all of a request resets; what it answered came before that.
        End::Reset => {}
    }
    out.join(" ")
}

/// One answer: `404` and the like for errors spelled right to the byte, `redirect URL`, `ok:` and the body after the
/// head of a short answer, `page:` and `gzip page:` for a long one, `dump:`, `chunks:` and `gzip chunks:` for a dump of a dual-stack
/// build. Anything else is given in full.
fn answer(head: &str, body: &[u8], options: Options) -> String {
    const TYPE: &str = "Content-Type: text/plain\r\n";
    const BYTES: &str = "Content-Type: application/octet-stream\r\n";
    const LENGTH: &str = "Content-Length: LENGTH\r\n\r\n";
    const CHUNKS: &str = "Transfer-Encoding: chunked\r\n\r\n";
    const ERRORS: &[(&str, &str)] = &[
        ("400", "Invalid Request"),
        ("402", "Payment Required"),
        ("403", "Access Denied"),
        ("404", "Not Found"),
        ("500", "Internal Server Error"),
    ];
    for (code, text) in ERRORS {
        let wanted = format!("HTTP/1.0 {code} {text}\r\nContent-Type: text/html\r\n{LENGTH}");
        if head == wanted && body == format!("<title>{text}</title>\n").as_bytes() {
            return code.to_string();
        }
    }
    if let Some(url) = head.strip_prefix("HTTP/1.0 302 Found\r\nContent-Length: LENGTH\r\nLocation: ") {
        return format!("redirect {}", url.trim_end_matches("\r\n"));
    }
    let (word, body) = if head == format!("HTTP/1.1 200 OK\r\n{TYPE}{LENGTH}") {
        ("ok: ", body.to_vec())
    } else if head == format!("HTTP/1.0 200 OK\r\n{TYPE}{LENGTH}") {
        ("page: ", body.to_vec())
    } else if head == format!("HTTP/1.0 200 OK\r\n{TYPE}Content-Encoding: gzip\r\n{LENGTH}") {
        ("gzip page: ", gunzipped(body))
    } else if head == format!("HTTP/1.0 200 OK\r\n{BYTES}{LENGTH}") {
        ("dump: ", body.to_vec())
    } else if head == format!("HTTP/1.1 200 OK\r\n{BYTES}{CHUNKS}") {
        ("chunks: ", dechunked(body))
    } else if head == format!("HTTP/1.1 200 OK\r\n{BYTES}Content-Encoding: gzip\r\n{CHUNKS}") {
        ("gzip chunks: ", gunzipped(&dechunked(body)))
    } else {
        return format!("{head:?} {:?}", latin1(body));
    };
    if options.mask_body {
        return format!("{word}<body>");
    }
    (word.to_string() + &masked_body(&body, options)).trim_end_matches(' ').to_string()
}

/// A UDP answer, or its absence.
pub fn udp(reply: Option<&[u8]>, options: Options) -> String {
    let Some(reply) = reply else { return "silence".into() };
    if reply.len() < 8 {
        return format!("short {}", super::hex(reply));
    }
    let word = |at: usize| u32::from_be_bytes(reply[at..at + 4].try_into().expect("four bytes"));
    let (action, transaction) = (word(0), word(4));
    let mut out = match action {
        0 if reply.len() == 16 => "connected".to_string(),
        1 if reply.len() == 8 => "forbidden".to_string(),
        1 if reply.len() >= 20 => {
            let interval = word(8);
            let note = if (1620..=1979).contains(&interval) { String::new() } else { format!(" INTERVAL {interval}") };
            let peers = peers(&reply[20..], options.is_v6, options.count_only);
            format!("{} leeching, {} seeding{note}: {peers}", word(12), word(16)).trim_end().to_string()
        }
        2 if reply[8..].chunks_exact(12).remainder().is_empty() => {
            let counts = (8..reply.len()).step_by(12);
            let counts = counts.map(|at| format!(" {}/{}/{}", word(at), word(at + 4), word(at + 8)));
            format!("scraped{}", counts.collect::<String>())
        }
        _ => format!("action {action} {}", latin1(&reply[8..]).replace('\0', "\\0")),
    };
    if transaction != super::udp::TRANSACTION {
        out += &format!(" transaction {transaction:08x}");
    }
    out
}

/// A compact list of peers, sorted.
pub fn peers(bytes: &[u8], v6: bool, count_only: bool) -> String {
    let size = if v6 { 18 } else { 6 };
    if !bytes.chunks_exact(size).remainder().is_empty() {
        return format!("BAD PEER LIST LENGTH {}", bytes.len());
    }
    let name = |peer: &[u8]| {
        let port = u16::from_be_bytes([peer[size - 2], peer[size - 1]]);
        match <[u8; 16]>::try_from(&peer[..size - 2]) {
            Ok(address) => format!("{}#{port}", Ipv6Addr::from(address)),
            Err(_) => format!("{}#{port}", Ipv4Addr::new(peer[0], peer[1], peer[2], peer[3])),
        }
    };
    let mut all: Vec<String> = bytes.chunks_exact(size).map(name).collect();
    all.sort();
    let named = all.len();
    all.dedup();
    match (count_only, all.len() == named) {
        (_, false) => format!("SAME PEER TWICE {}", all.join(" ")),
        (true, true) => format!("{named} distinct peers"),
        (false, true) => all.join(" "),
    }
}

/// The body that chunks make; what is wrong with them is said.
fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let chunk = body.windows(2).position(|two| two == b"\r\n").and_then(|end| {
            let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?, 16).ok()?;
            let (chunk, rest) = body[end + 2..].split_at_checked(length)?;
            body = rest.strip_prefix(b"\r\n")?;
            Some(chunk)
        });
        match chunk {
            None => return format!("BAD CHUNKS after {} bytes", out.len()).into_bytes(),
            Some([]) if body.is_empty() => return out,
            Some([]) => return format!("{} BYTES BEHIND THE LAST CHUNK", body.len()).into_bytes(),
            Some(chunk) => out.extend_from_slice(chunk),
        }
    }
}

pub fn gunzipped(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out) {
        Ok(_) => out,
        Err(why) => format!("NO GZIP: {why}").into_bytes(),
    }
}

fn masked_body(body: &[u8], options: Options) -> String {
    if let Some(text) = announce(body, options).or_else(|| scrape(body)) {
        return text;
    }
    if !body.iter().all(|byte| (b' '..0x7f).contains(byte) || b"\n\t".contains(byte)) {
        return format!("hex {}", super::hex(body));
    }
    let text = latin1(body);
    let lines: Vec<String> = text.split('\n').map(masked_line).collect();
    let mut text = lines.join("\n");
    for (start, end, mask) in [("<version>", "</version>", "<V>"), ("<mutex_stall>", "</mutex_stall>", "<N>")] {
        if let (Some(from), Some(to)) = (text.find(start), text.find(end)) {
            text.replace_range(from + start.len()..to, mask);
        }
    }
    text
}

/// The body of a scrape: `files` and each torrent's hash with complete/downloaded/incomplete.
fn scrape(body: &[u8]) -> Option<String> {
    let mut rest = body.strip_prefix(b"d5:filesd")?;
    let mut out = String::from("files");
    while let Some(after) = rest.strip_prefix(b"20:") {
        let (hash, after) = after.split_at_checked(20)?;
        rest = after.strip_prefix(b"d8:completei")?;
        let complete = digits(&mut rest)?;
        rest = rest.strip_prefix(b"e10:downloadedi")?;
        let downloaded = digits(&mut rest)?;
        rest = rest.strip_prefix(b"e10:incompletei")?;
        let incomplete = digits(&mut rest)?;
        rest = rest.strip_prefix(b"ee")?;
        out += &format!(" {} {complete}/{downloaded}/{incomplete}", super::hex(hash));
    }
    (rest == b"ee").then_some(out)
}

/// Masks of statistics, line by line.
fn masked_line(line: &str) -> String {
    const MASKS: &[(&str, &str)] = &[
        ("# seconds (# hours)", "<T> seconds (<T> hours)"),
        ("# conns/s :: # success/s", "<R> conns/s :: <R> success/s"),
        ("# conns/s :: # bytes/s", "<R> conns/s :: <R> bytes/s"),
        ("# scrape/s", "<R> scrape/s"),
        ("# completed/h", "<R> completed/h"),
        ("<tracker_id>#<", "<tracker_id><ID><"),
        ("<uptime>#<", "<uptime><T><"),
    ];
    for (pattern, mask) in MASKS {
        if let Some((start, end)) = find(line, pattern) {
            return format!("{}{mask}{}", &line[..start], &line[end..]);
        }
    }
    // A line of a state dump: 40 digits, the minute, the downloads.
    match line.split(':').collect::<Vec<_>>()[..] {
        [hash, minute, downloads] if hash.len() == 40 && minute.len() >= 7 => format!("{hash}:<minutes>:{downloads}"),
        _ => line.to_string(),
    }
}

/// Where in `line` the pattern stands in which `#` is one or more digits.
fn find(line: &str, pattern: &str) -> Option<(usize, usize)> {
    let bytes = line.as_bytes();
    (0..bytes.len()).find_map(|start| {
        let mut at = start;
        for wanted in pattern.bytes() {
            let here = bytes.get(at..)?;
            at += match wanted {
                b'#' => here.iter().take_while(|byte| byte.is_ascii_digit()).count(),
                _ => usize::from(here.first() == Some(&wanted)),
            };
            if at == bytes.len() - here.len() {
                return None;
            }
        }
        Some((start, at))
    })
}

/// The body of a successful announce in words, `None` for anything else. Its keys must stand in the tracker's order.
fn announce(body: &[u8], options: Options) -> Option<String> {
    let mut rest = body.strip_prefix(b"d8:completei")?;
    let complete = digits(&mut rest)?;
    rest = rest.strip_prefix(b"e10:")?;
    let mut downloaded = String::new();
    if let Some(after) = rest.strip_prefix(b"downloadedi") {
        rest = after;
        downloaded = format!("{} downloaded, ", digits(&mut rest)?);
        rest = rest.strip_prefix(b"e10:")?;
    }
    rest = rest.strip_prefix(b"incompletei")?;
    let incomplete = digits(&mut rest)?;
    rest = rest.strip_prefix(b"e8:intervali")?;
    let interval = digits(&mut rest)?;
    rest = rest.strip_prefix(b"e12:min intervali")?;
    let minimum = digits(&mut rest)?;
    rest = rest.strip_prefix(b"e")?;
    let v4 = list(&mut rest, b"5:peers")?;
    let v6 = list(&mut rest, b"6:peers6")?;
    if rest != b"e" {
        return None;
    }
    let named = |list: &[u8], v6| peers(list, v6, options.count_only);
    let lists = match (options.families, v4, v6) {
        (Families::V4 | Families::V4OfBoth, Some(v4), None) => named(v4, false),
        (Families::V4OfBoth, None, None) => String::new(),
        (Families::V6, None, Some(v6)) => named(v6, true),
        (Families::Both, v4, v6) => {
            let v4 = v4.map(|list| format!("peers {}", named(list, false)));
            let v6 = v6.map(|list| format!("peers6 {}", named(list, true)));
            v4.into_iter().chain(v6).map(|list| list.trim_end().to_string()).collect::<Vec<_>>().join(" ")
        }
        _ => return None,
    };
    let good = (1620..=1979).contains(&interval) && minimum == interval / 2;
    let note = if good { String::new() } else { format!(" INTERVAL {interval}/{minimum}") };
    let words = format!("{complete} seeding, {downloaded}{incomplete} leeching{note}: {lists}");
    Some(words.trim_end().to_string())
}

/// The list of peers under a key, if that comes next. `None`: it is malformed.
fn list<'a>(rest: &mut &'a [u8], key: &[u8]) -> Option<Option<&'a [u8]>> {
    let Some(mut after) = rest.strip_prefix(key) else { return Some(None) };
    let length = usize::try_from(digits(&mut after)?).ok()?;
    let (list, after) = after.strip_prefix(b":")?.split_at_checked(length)?;
    *rest = after;
    Some(Some(list))
}

fn digits(rest: &mut &[u8]) -> Option<u64> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, after) = rest.split_at(length);
    *rest = after;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Bytes as text, a character each.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
