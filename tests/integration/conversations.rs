//! Conversations with the tracker, word by word: every file in `tests/conversations/` is a test of its own.
//!
//! A file names the switches that it needs; those for another build are skipped and listed. With `OPENTRACKER_BIN` set
//! the same conversations are held with another program, so that the original can be asked whether they are true.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::canonical::{self, Families, latin1};
use crate::harness::script::{self, Action, Script, Spelling, Step};
use crate::harness::{self, Build, SILENCE, SOON, Starter, Tracker, http, udp};
use rustix::process::Signal;

/// How long a connection is watched that must stay open.
const STAYS_OPEN: Duration = Duration::from_millis(600);

/// How long an HTTP answer may take.
const ANSWER: Duration = SOON;

macro_rules! conversations {
    ($($name:ident => $file:literal,)*) => {
        $(#[test] fn $name() { hold($file); })*
        const FILES: &[&str] = &[$($file),*];
    };
}

conversations! {
    access_list_black => "access-list-black",
    access_list_black_missing_file => "access-list-black-missing-file",
    access_list_white => "access-list-white",
    access_list_white_missing_file => "access-list-white-missing-file",
    command_line => "command-line",
    command_line_order => "command-line-order",
    config_file => "config-file",
    config_file_errors => "config-file-errors",
    config_file_values => "config-file-values",
    dual_access_list_white => "dual-access-list-white",
    dual_addresses_named => "dual-addresses-named",
    dual_command_line => "dual-command-line",
    dual_full_scrape => "dual-full-scrape",
    dual_gzip => "dual-gzip",
    dual_http => "dual-http",
    dual_one_address => "dual-one-address",
    dual_restricted_stats => "dual-restricted-stats",
    dual_state => "dual-state",
    dual_statistics => "dual-statistics",
    dual_udp => "dual-udp",
    full_scrape => "full-scrape",
    gzip => "gzip",
    gzip_always => "gzip-always",
    http_announce => "http-announce",
    http_announce_errors => "http-announce-errors",
    http_announce_values => "http-announce-values",
    http_request_forms => "http-request-forms",
    http_request_limits => "http-request-limits",
    http_routing => "http-routing",
    http_scanner => "http-scanner",
    http_scrape => "http-scrape",
    ip_from_proxy => "ip-from-proxy",
    keep_alive => "keep-alive",
    leave => "leave",
    log_numwant => "log-numwant",
    modest_full_scrapes => "modest-full-scrapes",
    no_full_scrape => "no-full-scrape",
    query_string_ip => "query-string-ip",
    redirect => "redirect",
    restricted_stats => "restricted-stats",
    saved_state => "saved-state",
    statistics => "statistics",
    stats_path => "stats-path",
    udp_protocol => "udp",
    udp_limits => "udp-limits",
    v6 => "v6",
    woodpeckers => "woodpeckers",
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations")
}

/// No file is forgotten above.
#[test]
fn every_file_is_a_test() {
    let files = std::fs::read_dir(directory()).expect("the conversations");
    for name in files.map(|file| file.expect("a file").file_name().into_string().expect("a name")) {
        let name = name.strip_suffix(".txt").unwrap_or_else(|| panic!("{name} is no conversation"));
        assert!(FILES.contains(&name), "{name}.txt is no test");
    }
}

fn for_another_build(script: &Script, build: &Build) -> Option<String> {
    let missing = script.needs.iter().find(|feature| !build.has(feature)).map(|feature| format!("needs {feature}"));
    // Without an access list means: of either kind.
    let wrong = script.without.iter().find(|feature| build.has(feature)).map(|feature| format!("not with {feature}"));
    // Addresses are of one family in a build, unless they are of both.
    let family = script.ipv6 != build.v6() && !script.dual;
    missing.or(wrong).or(family.then(|| "needs the other address family".to_string()))
}

/// Holds one conversation, and fails with everything that went otherwise.
fn hold(name: &str) {
    let build = Build::under_test();
    let script = Script::read(&directory().join(format!("{name}.txt")));
    if let Some(why) = for_another_build(&script, &build) {
        return harness::for_another_build(&why);
    }
    if script.root && !harness::root_or_skip() {
        return;
    }
    let mut stage = Stage::set(&script, build);
    let mut wrong = Vec::new();
    for step in &script.steps {
        if step.corrected && stage.build.original {
            continue;
        }
        if let Err((want, got)) = stage.play(step) {
            wrong.push(format!("{name}.txt:{}\n    want {want:?}\n    got  {got:?}", step.line));
        }
        if stage.tracker.as_mut().and_then(Tracker::exited).is_some() && !matches!(step.action, Action::Stop) {
            wrong.push(format!("{name}.txt:{}: the tracker died", step.line));
            break;
        }
    }
    assert!(wrong.is_empty(), "{} answers otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

/// The tracker that a conversation is held with, or the place where its `run` steps happen.
struct Stage {
    build: Build,
    tracker: Option<Tracker>,
    place: Option<Starter>,
    clients: HashMap<String, udp::Client>,
    ipv6: bool,
    families: Families,
}

impl Stage {
    fn set(script: &Script, build: Build) -> Self {
        let families = Families::of(script.dual, script.ipv6, build.has("dual-stack"));
        let mut starter = Starter::of(build.clone());
        if script.ipv6 {
            starter = starter.on(Ipv6Addr::LOCALHOST.into());
        }
        if script.dual {
            starter = starter.on_all();
        }
        if script.same_port {
            starter = starter.same_port();
        }
        if script.bare {
            starter = starter.bare();
        }
        if script.needs.iter().any(|feature| feature.starts_with("accesslist-")) {
            starter = starter.own_list();
        }
        if script.needs.iter().any(|feature| ["restrict-stats", "ip-from-proxy"].contains(&feature.as_str())) {
            starter = starter.own_blessings();
        }
        starter = starter.allow(script::all_hashes());
        for (name, content) in &script.files {
            let content = script::lines(content, &|word| value(&starter, word));
            starter = starter.file(name, &content);
        }
        let mut words = split_words(&script::expand(&script.args, Spelling::Hex, &|word| value(&starter, word)));
        if script.bare {
            words.extend(starter.words_of_the_build());
        }
        let starter = starter.args(words);
        let (tracker, place) = if script.no_server { (None, Some(starter)) } else { (Some(starter.start()), None) };
        Self { build, tracker, place, clients: HashMap::new(), ipv6: script.ipv6, families }
    }

    fn value(&self, word: &str) -> Option<String> {
        let of_tracker = |tracker: &Tracker| {
            Some(match word {
                "ip" => tracker.tcp_address().ip().to_string(),
                "tcp" => tracker.tcp_address().port().to_string(),
                "udp" => tracker.udp_address().port().to_string(),
                "dir" => tracker.scratch().path().display().to_string(),
                _ => return None,
            })
        };
        self.place.as_ref().map_or_else(|| self.tracker.as_ref().and_then(of_tracker), |place| value(place, word))
    }

    fn expand(&self, text: &str, spelling: Spelling) -> Vec<u8> {
        script::expand(text, spelling, &|word| self.value(word))
    }

    fn tracker(&mut self) -> &mut Tracker {
        self.tracker.as_mut().expect("a conversation with a tracker")
    }

    /// Plays a step; an error is what was wanted and what came.
    fn play(&mut self, step: &Step) -> Result<(), (String, String)> {
        let want = step.expect.as_ref().map(|(first, lines)| {
            let first = script::fill(first, Spelling::Hex, &|word| self.value(word));
            let body = latin1(&script::lines(lines, &|word| self.value(word)));
            let want = if body.is_empty() { first } else { format!("{first} {body}") };
            self.families.words(want)
        });
        let mut got = None;
        let ask = || {
            got = self.act(step, want.as_deref().unwrap_or("")).map(|answer| self.families.words(answer));
            (got == want).then_some(())
        };
        let limit = if step.until { SOON } else { Duration::ZERO };
        match harness::within(limit, ask) {
            Some(()) => Ok(()),
            None => Err((want.unwrap_or_default(), got.unwrap_or_default())),
        }
    }

    fn act(&mut self, step: &Step, want: &str) -> Option<String> {
        let is_v6 = self.ipv6 || self.source(step).is_ipv6();
        let options =
            canonical::Options { count_only: step.count, families: self.families, is_v6, mask_body: step.mask };
        match &step.action {
            Action::Http(pieces) => {
                let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| self.expand(piece, Spelling::Percent)).collect();
                let source = self.source(step);
                let to = at_family_of(source, self.tracker().tcp_address());
                let mut client = http::Client::connect(to, Some(source)).expect("a connection");
                client.send_pieces(&pieces);
                let reply = client.read_all(if want.starts_with("open") { STAYS_OPEN } else { ANSWER });
                Some(canonical::http(&reply, options))
            }
            Action::Udp(text) => {
                let wait = if want == "silence" { SILENCE } else { SOON };
                Some(canonical::udp(self.datagram(step, text, wait).as_deref(), options))
            }
            Action::Write(name, content) => {
                let content = script::lines(content, &|word| self.value(word));
                match (&self.tracker, &self.place) {
                    (Some(tracker), _) => tracker.scratch().write(name, &content),
                    (None, Some(place)) => place.scratch().write(name, &content),
                    (None, None) => {}
                }
                None
            }
            Action::Signal(name) => {
                assert_eq!(name, "HUP", "conversations send no other signal");
                self.tracker().signal(Signal::HUP);
                None
            }
            Action::Stop => {
                self.tracker().signal(Signal::INT);
                Some(outcome(self.tracker().wait(SOON)))
            }
            Action::Run(words) => Some(self.run(step, words)),
        }
    }

    fn source(&self, step: &Step) -> IpAddr {
        let usual = if self.ipv6 { "::1" } else { "127.0.0.1" };
        step.from.as_deref().unwrap_or(usual).parse().expect("an address")
    }

    /// Sends the datagram that a step describes, and waits for the answer.
    fn datagram(&mut self, step: &Step, text: &str, wait: Duration) -> Option<Vec<u8>> {
        let source = self.source(step);
        let to = at_family_of(source, self.tracker().udp_address());
        let text = String::from_utf8(self.expand(text, Spelling::Hex)).expect("a description");
        let client = self.clients.entry(source.to_string());
        let client = client.or_insert_with(|| udp::Client::new(to, source).expect("a socket"));
        let packet = packet(&text, client);
        client.exchange(&packet, wait)
    }

    /// What the program wrote, without the warning of builds with an access list that none was given.
    fn without_list_warning(&self, stderr: String) -> String {
        let lists = self.build.has("accesslist-white") || self.build.has("accesslist-black");
        match stderr.find("Warning: Can't open accesslist file: (null) ") {
            Some(at) if lists => stderr[..at].to_string(),
            _ => stderr,
        }
    }

    /// Starts the program by itself, and returns how it ended; where stderr is not as it should be, also that.
    fn run(&mut self, step: &Step, words: &str) -> String {
        let place = self.place.as_ref().expect("a conversation without a tracker");
        let words = split_words(&self.expand(words, Spelling::Hex));
        let directory = place.scratch().path();
        let program = directory.join("opentracker");
        if !program.exists() {
            std::os::unix::fs::symlink(&self.build.path, &program).expect("a link to the program");
        }
        let file = |name: &str| File::create(directory.join(name)).expect("a file for its output");
        let mut child = Command::new("./opentracker")
            .args(place.cluster_words(place.build().wildcard()))
            .args(&words)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(file("run.out"))
            .stderr(file("run.err"))
            .spawn()
            .expect("the program");
        // Either it ends by itself, or it answers: then it has written all that it writes.
        let ended = harness::within(SOON, || match child.try_wait().expect("its state") {
            Some(status) => Some(Some(status)),
            // a connection without an answer may be to a program that is about to end
            None => http::exchange(place.tcp_address(), None, b"GET / HTTP/1.0\r\n\r\n", ANSWER)
                .ok()
                .filter(|reply| reply.code() != 0)
                .map(|_| None),
        });
        let _ = child.kill();
        let _ = child.wait();
        let written = |name: &str| latin1(&std::fs::read(directory.join(name)).expect("its output"));
        let (stdout, stderr) = (written("run.out"), self.without_list_warning(written("run.err")));
        let mut outcome = match ended {
            Some(Some(status)) => outcome(status),
            Some(None) => "running".into(),
            None => "neither ends nor answers".into(),
        };
        let lines = script::lines(&step.stderr, &|word| self.value(word));
        let wanted = latin1(&lines);
        if stderr != wanted && (wanted != "<text>\n" || stderr.is_empty()) {
            outcome += &format!(", stderr {stderr:?} instead of {wanted:?}");
        }
        if !stdout.is_empty() {
            outcome += &format!(", stdout {stdout:?}");
        }
        outcome
    }
}

/// Where a client reaches a tracker that listens on all addresses: in its own family.
fn at_family_of(client: IpAddr, tracker: SocketAddr) -> SocketAddr {
    if client.is_ipv6() { SocketAddr::new(Ipv6Addr::LOCALHOST.into(), tracker.port()) } else { tracker }
}

fn outcome(status: std::process::ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit {code}"))
}

fn value(place: &Starter, word: &str) -> Option<String> {
    let minute = || std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs() / 60;
    Some(match word {
        "ip" => place.tcp_address().ip().to_string(),
        "tcp" => place.tcp_address().port().to_string(),
        "udp" => place.udp_address().port().to_string(),
        "dir" => place.scratch().path().display().to_string(),
        "minute" => minute().to_string(),
        _ => return None,
    })
}

fn split_words(text: &[u8]) -> Vec<OsString> {
    let words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    words.map(|word| OsString::from_vec(word.to_vec())).collect()
}

/// The bytes of a datagram: `connect`, `announce HASH`, `scrape HASH...` or `raw HEX`, and fields NAME=VALUE.
fn packet(text: &str, client: &mut udp::Client) -> Vec<u8> {
    let (fields, words): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|word| word.contains('='));
    let fields: HashMap<&str, &str> = fields.iter().filter_map(|field| field.split_once('=')).collect();
    let number = |name: &str, default: u64| {
        fields.get(name).map_or(default, |value| {
            value.parse::<i64>().map_or_else(|_| value.parse().expect("a number"), |n| n as u64)
        })
    };
    let hash = |word: &&str| <[u8; 20]>::try_from(harness::unhex(word)).expect("an info hash");
    let id = match (fields.get("id"), words[0]) {
        (Some(id), _) => u64::from_str_radix(id, 16).expect("a connection id"),
        (None, "connect" | "raw") => udp::MAGIC,
        (None, _) => client.id(),
    };
    let mut out = match words[0] {
        "connect" => udp::header(id, number("action", 0) as u32),
        "raw" => harness::unhex(words.get(1).unwrap_or(&"")),
        "scrape" => udp::scrape_packet(id, &words[1..].iter().map(hash).collect::<Vec<_>>()),
        "announce" => udp::Announce {
            downloaded: number("downloaded", 0),
            left: number("left", 1),
            uploaded: number("uploaded", 0),
            event: number("event", 0) as u32,
            ip: number("ip", 0) as u32,
            numwant: number("numwant", u64::MAX) as i32,
            ..udp::Announce::new(hash(&words[1]), number("port", 0) as u16)
        }
        .packet(id),
        other => panic!("no such datagram: {other}"),
    };
    out.extend(fields.get("tail").map_or_else(Vec::new, |tail| harness::unhex(tail)));
    out.truncate(number("cut", u64::MAX).try_into().unwrap_or(usize::MAX));
    out
}
