//! Conversations with a tracker as text: what is sent, and what the answer must be. `tests/conversations/` holds them.
//!
//! A line's first word says what it is; `#` begins a comment line, empty lines mean nothing.
//!
//! ```text
//! needs FEATURE...      without FEATURE...   which builds this is for
//! args WORDS            bare                 command line; bare: without address, ports, directory and user
//! no-server   ipv6      same-port            no tracker but the ones that `run` starts; listens on ::1; UDP = TCP port
//! dual                                       listens on all addresses of both families; IPv6 clients ask at ::1
//! root                                       what it says is so for root only
//! file NAME             and | lines          a file in the tracker's root directory
//!
//! get TARGET                                 GET TARGET HTTP/1.0 and an empty line
//! http                  and > lines          any bytes; each > line is sent by itself, a + line continues the last
//! udp connect | announce HASH | scrape HASH... | raw HEX       and fields as NAME=VALUE
//! write NAME            and | lines          replaces a file
//! signal HUP            stop                 a signal; SIGINT and the exit code
//! run WORDS             and ! lines          starts the program by itself; ! lines are what it must write to stderr
//! = ANSWER              and | lines          what the answer must be, in canonical form; | lines continue its body
//! ```
//!
//! Behind the verb `[from ADDRESS, count, until, mask, corrected]` may stand: the client's address; peers are counted
//! only; ask again until the answer is this; the body does not matter; the original has a fault here.
//! A `|` line ends in a line feed, a `|-` line does not, `|0..9| text {n}` is ten lines (`{nn}`, `{nnn}` with zeros).
//! In braces: `{A}` to `{H}`, `{U}` and `{1}`, `{2}`... are info hashes, `{peer}` a peer id, `{ip}`, `{tcp}`, `{udp}`,
//! `{dir}`, `{minute}` what the tracker was started with, `{TEXT*N}` is TEXT N times. `\r \n \t \0 \\ \xNN` are bytes.

use std::path::Path;

/// Info hashes with a name: `{A}` to `{H}`, and `{U}`, which no conversation announces.
const NAMED: &[(&str, &str)] = &[
    ("A", "aea0106a82f5a88ed922a63dc3ab60e1a6e465c0"),
    ("B", "9f5ed997956395cded6184b261b87a09666fcc19"),
    ("C", "e5b0b1295e11f3576ccaee63db5b43abc8ba7fab"),
    ("D", "82a47717863ea6889393e3e0182a747e1f04cf1c"),
    ("E", "2b8aa269ee504c7a460cda34646d8fd0809eea98"),
    ("F", "4365f3e4d94e3de2a61557b0a0cf52b9ccc4c0b1"),
    ("G", "b7daab7a92f7788c215dd4b06f27a12dce2830da"),
    ("H", "3a8bffdfa9e35c7154f42e9a5c294f1f49766f60"),
    ("U", "6044629358f8dde0d300898a3ea9e9c139d6ae33"),
];

/// Info hashes of plain letters, for conversations about what need not be escaped.
const PLAIN: [[u8; 20]; 3] = [*b"0123456789abcdefghij", *b"!'()*+,-./:;<>_~AzZ0", *b"?=@'()*+,-./:;<>_~Az"];

/// One conversation.
#[derive(Debug, Default)]
pub struct Script {
    /// Switches that it needs.
    pub needs: Vec<String>,
    /// Switches with which it would go otherwise.
    pub without: Vec<String>,
    /// Words for the command line, not yet expanded.
    pub args: String,
    /// Without the usual words.
    pub bare: bool,
    /// No tracker runs beside the `run` steps.
    pub no_server: bool,
    /// What it says is so for root only.
    pub root: bool,
    /// Listens on ::1.
    pub ipv6: bool,
    /// Listens on all addresses of both families.
    pub dual: bool,
    /// One port for both.
    pub same_port: bool,
    /// Files, by name.
    pub files: Vec<(String, Vec<String>)>,
    /// What happens.
    pub steps: Vec<Step>,
}

/// One thing that happens in a conversation.
#[derive(Debug)]
pub struct Step {
    /// Where it stands in the file.
    pub line: usize,
    /// What happens.
    pub action: Action,
    /// Where the client is, if not at the usual place.
    pub from: Option<String>,
    /// Peers are counted, not named.
    pub count: bool,
    /// Ask until the answer is right.
    pub until: bool,
    /// The body does not matter.
    pub mask: bool,
    /// The original does otherwise, and should not.
    pub corrected: bool,
    /// The answer, where one is expected: its first line, and the lines of its body.
    pub expect: Option<(String, Vec<String>)>,
    /// What a `run` must write to stderr.
    pub stderr: Vec<String>,
}

/// What happens in a step. Texts are not yet expanded.
#[derive(Debug)]
pub enum Action {
    /// An HTTP request in pieces.
    Http(Vec<String>),
    /// A datagram, described.
    Udp(String),
    /// A file with its lines.
    Write(String, Vec<String>),
    /// A signal.
    Signal(String),
    /// SIGINT, and the end.
    Stop,
    /// A start of its own.
    Run(String),
}

/// Where the lines that begin with `|` belong.
enum Lines {
    Nowhere,
    File,
    Write,
    Answer,
}

impl Script {
    /// Reads a conversation. Panics with the line where it is not understood.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let mut script = Self::default();
        let mut lines = Lines::Nowhere;
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let understood = script.take_line(line, index + 1, &mut lines);
            understood.unwrap_or_else(|| panic!("{}:{}: not understood: {line}", path.display(), index + 1));
        }
        script
    }

    fn take_line(&mut self, line: &str, number: usize, lines: &mut Lines) -> Option<()> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words = || rest.split_whitespace().map(str::to_string);
        match verb {
            _ if verb.starts_with('|') => match lines {
                Lines::Nowhere => return None,
                Lines::File => self.files.last_mut()?.1.push(line.into()),
                Lines::Write => match &mut self.steps.last_mut()?.action {
                    Action::Write(_, content) => content.push(line.into()),
                    _ => return None,
                },
                Lines::Answer => self.steps.last_mut()?.expect.as_mut()?.1.push(line.into()),
            },
            "needs" => self.needs.extend(words()),
            "without" => self.without.extend(words()),
            "args" => self.args = rest.into(),
            "bare" => self.bare = true,
            "no-server" => self.no_server = true,
            "root" => self.root = true,
            "ipv6" => self.ipv6 = true,
            "dual" => self.dual = true,
            "same-port" => self.same_port = true,
            "file" => {
                self.files.push((rest.into(), Vec::new()));
                *lines = Lines::File;
            }
            ">" => self.pieces()?.push(rest.into()),
            "+" => self.pieces()?.last_mut()?.push_str(rest),
            "=" => {
                self.steps.last_mut()?.expect = Some((rest.into(), Vec::new()));
                *lines = Lines::Answer;
            }
            "!" | "!-" => self.steps.last_mut()?.stderr.push(line.into()),
            _ => {
                *lines = if verb == "write" { Lines::Write } else { Lines::Nowhere };
                self.steps.push(Step::read(verb, rest, number)?);
            }
        }
        Some(())
    }

    fn pieces(&mut self) -> Option<&mut Vec<String>> {
        match &mut self.steps.last_mut()?.action {
            Action::Http(pieces) => Some(pieces),
            _ => None,
        }
    }
}

impl Step {
    fn read(verb: &str, rest: &str, line: usize) -> Option<Self> {
        let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((options, rest)) => (options, rest.trim_start()),
            None => ("", rest),
        };
        let action = match verb {
            "get" => Action::Http(vec![format!("GET {rest} HTTP/1.0\\r\\n\\r\\n")]),
            "http" => Action::Http(Vec::new()),
            "udp" => Action::Udp(rest.into()),
            "write" => Action::Write(rest.into(), Vec::new()),
            "signal" => Action::Signal(rest.into()),
            "stop" => Action::Stop,
            "run" => Action::Run(rest.into()),
            _ => return None,
        };
        let mut step = Self {
            line,
            action,
            from: None,
            count: false,
            until: false,
            mask: false,
            corrected: false,
            expect: None,
            stderr: Vec::new(),
        };
        for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            match option.split_once(' ').unwrap_or((option, "")) {
                ("from", address) => step.from = Some(address.into()),
                ("count", _) => step.count = true,
                ("until", _) => step.until = true,
                ("mask", _) => step.mask = true,
                ("corrected", _) => step.corrected = true,
                _ => return None,
            }
        }
        Some(step)
    }
}

/// Every info hash that conversations announce, for builds with a whitelist.
pub fn all_hashes() -> Vec<[u8; 20]> {
    let named = NAMED.iter().map(|(_, digits)| super::unhex(digits).try_into().expect("20 bytes"));
    named.chain(PLAIN).chain((0..100).map(super::hash)).collect()
}

/// How an info hash is spelled where it stands in braces.
#[derive(Debug, Clone, Copy)]
pub enum Spelling {
    /// `%ae%a0...`, in requests.
    Percent,
    /// `aea0...`, everywhere else.
    Hex,
}

/// Fills in braces and then backslashes: the bytes that a text stands for.
pub fn expand(text: &str, spelling: Spelling, known: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
    unescape(&fill(text, spelling, known))
}

/// Fills in what stands in braces.
pub fn fill(text: &str, spelling: Spelling, known: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, after) = rest.split_at(open);
        out.push_str(before);
        let Some(close) = closing(after) else { panic!("no closing brace: {text}") };
        out.push_str(&filled(&after[1..close], spelling, known));
        rest = &after[close + 1..];
    }
    out + rest
}

/// Where the brace is closed that the text begins with.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn filled(word: &str, spelling: Spelling, known: &dyn Fn(&str) -> Option<String>) -> String {
    if let Some((text, count)) = word.rsplit_once('*') {
        let count = count.parse().unwrap_or_else(|_| panic!("how many times? {word}"));
        return fill(text, spelling, known).repeat(count);
    }
    if word == "peer" {
        return "-CC0001-abcdefghijkl".into();
    }
    let named = NAMED.iter().find(|(name, _)| *name == word).map(|(_, digits)| super::unhex(digits));
    let hash = named.or_else(|| word.parse().ok().map(|n| super::hash(n).to_vec()));
    match (hash, spelling) {
        (Some(hash), Spelling::Percent) => super::percent(&hash),
        (Some(hash), Spelling::Hex) => super::hex(&hash),
        (None, _) => known(word).unwrap_or_else(|| panic!("not known: {{{word}}}")),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let (value, taken) = match (byte, after.first()) {
            (b'\\', Some(b'r')) => (b'\r', 1),
            (b'\\', Some(b'n')) => (b'\n', 1),
            (b'\\', Some(b't')) => (b'\t', 1),
            (b'\\', Some(b'0')) => (0, 1),
            (b'\\', Some(b'\\')) => (b'\\', 1),
            (b'\\', Some(b'x')) => {
                let digits = std::str::from_utf8(&after[1..3]).expect("two hexadecimal digits");
                (u8::from_str_radix(digits, 16).expect("two hexadecimal digits"), 3)
            }
            (b'\\', _) => panic!("unknown escape in {text}"),
            (byte, _) => (*byte, 0),
        };
        out.push(value);
        rest = &after[taken..];
    }
    out
}

/// The text of lines that begin with a mark: `| text`, `|- text`, `|0..9| text {n}`.
pub fn lines(lines: &[String], known: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        let (mark, text) = line.split_once(' ').unwrap_or((line, ""));
        match mark[1..].trim_end_matches('|').split_once("..") {
            Some((from, to)) => {
                let (from, to): (u32, u32) = (from.parse().expect("a number"), to.parse().expect("a number"));
                for n in from..=to {
                    let counting = |word: &str| match word {
                        "n" | "nn" | "nnn" => Some(format!("{n:0width$}", width = word.len())),
                        _ => known(word),
                    };
                    out.extend(expand(text, Spelling::Hex, &counting));
                    out.push(b'\n');
                }
            }
            None => {
                out.extend(expand(text, Spelling::Hex, known));
                out.extend((!mark.ends_with('-')).then_some(b'\n'));
            }
        }
    }
    out
}
