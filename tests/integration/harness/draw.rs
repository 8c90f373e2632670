//! Draws conversations with a tracker from a seed: announces, scrapes and statistics, many of them odd or malformed.
//!
//! What the original is known to do otherwise on purpose is never drawn; a comment stands where that is so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{hash, splitmix, udp};

/// Clients' addresses.
pub type Sources = [IpAddr; SOURCES];

/// How many there are.
const SOURCES: usize = 4;

/// Those of IPv4. Two of them share a network, for the statistics of networks.
pub const V4: Sources = [v4(127, 0, 0, 1), v4(127, 0, 0, 2), v4(127, 0, 3, 3), v4(127, 1, 0, 9)];

/// Those of both families: there is one loopback address of IPv6.
pub const BOTH: Sources = [v4(127, 0, 0, 1), v4(127, 0, 0, 2), IpAddr::V6(Ipv6Addr::LOCALHOST), v4(127, 1, 0, 9)];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// Torrents that are announced.
pub const TORRENTS: u64 = 24;

/// Torrents that are only stopped and scraped.
pub const NEVER_ANNOUNCED: u64 = 4;

/// Ports of a peer: few, so that peers return, and that all fit into an answer without numwant.
pub const PORTS: u64 = 8;

/// What is sent to both.
#[derive(Debug)]
pub enum Step {
    /// A request from one of the addresses.
    Http(usize, Vec<u8>),
    /// A datagram from one of them; its connection id is filled in by each side where it is to be right.
    Udp(usize, Vec<u8>, bool),
}

/// Draws the steps of a conversation.
#[derive(Debug)]
pub struct Draw(pub u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        splitmix(&mut self.0) % limit
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        match self.below(20) {
            0..=5 => self.http_announce(),
            6..=9 => self.udp_announce(),
            10..=11 => self.http_scrape(),
            12 => self.udp_scrape(),
            13 => self.udp_rubbish(),
            14..=16 => self.odd_request(),
            17 => self.rubbish(),
            _ => self.statistics(),
        }
    }

    fn source(&mut self) -> usize {
        self.below(SOURCES as u64) as usize
    }

    /// An info hash in one of its spellings.
    fn spelled(&mut self, hash: &[u8; 20]) -> String {
        let plain = self.one_in(2);
        let upper = self.one_in(4);
        hash.iter()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'~' if plain => char::from(*byte).to_string(),
                byte if upper => format!("%{byte:02X}"),
                byte => format!("%{byte:02x}"),
            })
            .collect()
    }

    fn http_announce(&mut self) -> Step {
        let source = self.source();
        let (before, hash, after) = self.announce_query();
        let path = self.of(&["/announce", "/a", "//announce", "/announce.php", "/%61", "/announce "]);
        Step::Http(source, self.request(&format!("{path}?{before}info_hash={hash}{after}")))
    }

    /// An announce's parameters before the info hash, the hash, and those after it.
    fn announce_query(&mut self) -> (String, String, String) {
        let event = self.below(8);
        // What is only stopped was never announced: the access list of the original would let nothing else in.
        let torrent =
            if event == 0 && self.one_in(4) { TORRENTS + self.below(NEVER_ANNOUNCED) } else { self.below(TORRENTS) };
        let hash = self.spelled(&hash(torrent));
        let mut parameters = vec![format!("port={}", 1 + self.below(PORTS))];
        match event {
            0 => parameters.push("event=stopped".into()),
            1 => parameters.push("event=completed".into()),
            2 => parameters.push("event=started".into()),
            3 => parameters.push("event=".into()),
            _ => {}
        }
        if !self.one_in(5) {
            let left = self.of(&["0", "0", "1", "77", "-1", "00", "x", "-", "2147483647"]);
            parameters.push(format!("left={left}"));
        }
        if self.one_in(3) {
            // Numbers beyond 32 bits are left out everywhere: there the original wraps.
            let numwant = self.of(&["0", "1", "5", "50", "200", "201", "-1", "-", "1000", "2147483647", "-2147483647"]);
            parameters.push(format!("numwant={numwant}"));
        }
        if self.one_in(3) {
            parameters.push("peer_id=-CC0001-abcdefghijkl".into());
        }
        if self.one_in(3) {
            let extra =
                self.of(&["compact=1", "compact=5", "key=AB", "x=%zz", "no_peer_id", "", "=", "a=b=c", "ip=9.9.9.9"]);
            parameters.push(extra.into());
        }
        let behind = parameters.split_off(self.below(parameters.len() as u64 + 1) as usize);
        let before = parameters.iter().map(|one| format!("{one}&")).collect();
        (before, hash, behind.iter().map(|one| format!("&{one}")).collect())
    }

    /// A request around a target, with more or less of a header.
    fn request(&mut self, target: &str) -> Vec<u8> {
        let header = self.of(&[
            " HTTP/1.0\r\n\r\n",
            " HTTP/1.1\r\nHost: x\r\n\r\n",
            " HTTP/1.1\r\nHost: x\r\nUser-Agent: y/1\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
            " HTTP/1.1\nHost: x\n\n",
            "\r\n\r\n",
            " HTTP/1.0\r\n\n",
        ]);
        format!("GET {target}{header}").into_bytes()
    }

    fn http_scrape(&mut self) -> Step {
        let source = self.source();
        let count = if self.one_in(10) { 60 + self.below(8) } else { 1 + self.below(4) };
        let query: Vec<String> = (0..count)
            .map(|_| {
                let n = self.below(TORRENTS + 2 * NEVER_ANNOUNCED);
                format!("info_hash={}", self.spelled(&hash(n)))
            })
            .collect();
        let path = self.of(&["/scrape", "/sc", "/scrape.php", "/%73crape", "/scrape "]);
        Step::Http(source, self.request(&format!("{path}?{}", query.join("&"))))
    }

    fn udp_announce(&mut self) -> Step {
        let stopped = self.one_in(5);
        let torrent = if stopped { self.below(TORRENTS + NEVER_ANNOUNCED) } else { self.below(TORRENTS) };
        let event = if stopped { 3 } else { *self.of(&[&0, &0, &1, &2, &4, &0x0300_0000, &u32::MAX]) };
        let announce = udp::Announce {
            left: *self.of(&[&0, &0, &1, &(1 << 32), &u64::MAX, &(1 << 63)]),
            downloaded: self.below(u64::MAX),
            event,
            ip: self.below(1 << 32) as u32,
            numwant: *self.of(&[&-1, &-1, &0, &1, &7, &200, &201, &i32::MIN, &i32::MAX]),
            ..udp::Announce::new(hash(torrent), (1 + self.below(PORTS)) as u16)
        };
        let mut packet = announce.packet(0);
        let right_id = !self.one_in(10);
        match self.below(10) {
            0 => packet.truncate(self.below(98) as usize),
            1 => packet.extend((0..self.below(60)).map(|n| n as u8)),
            // Another action; 2 would make it a scrape with part of an info hash, which the original reads beyond.
            2 => packet[8..12].copy_from_slice(&[0, 0, 0, *self.of(&[&0, &3, &255])]),
            _ => {}
        }
        Step::Udp(self.source(), packet, right_id)
    }

    fn udp_scrape(&mut self) -> Step {
        let count = if self.one_in(8) { 70 + self.below(8) } else { self.below(5) };
        let hashes: Vec<[u8; 20]> = (0..count).map(|_| hash(self.below(TORRENTS + 2 * NEVER_ANNOUNCED))).collect();
        let mut packet = udp::scrape_packet(0, &hashes);
        if self.one_in(8) {
            // Whole info hashes only: of others the original takes what its buffer held before.
            packet.truncate(self.below(16) as usize);
        }
        Step::Udp(self.source(), packet, !self.one_in(10))
    }

    fn udp_rubbish(&mut self) -> Step {
        let length = self.below(200) as usize;
        let mut packet: Vec<u8> = (0..length).map(|_| self.below(256) as u8).collect();
        if length >= 12 && self.one_in(2) {
            packet[8..12].copy_from_slice(&[0, 0, 0, self.below(4) as u8]);
        }
        if length >= 16 && self.one_in(4) {
            packet[..12].copy_from_slice(&udp::header(udp::MAGIC, 0)[..12]);
        }
        Step::Udp(self.source(), packet, false)
    }

    /// An announce or scrape with something wrong about it.
    fn odd_request(&mut self) -> Step {
        loop {
            let source = self.source();
            let (before, hash, after) = self.announce_query();
            let scrape = self.one_in(4);
            let mut head =
                format!("GET /{}?{before}info_hash=", if scrape { "scrape" } else { "announce" }).into_bytes();
            let mut hash = hash.into_bytes();
            let mut tail = format!("{after} HTTP/1.0\r\n\r\n").into_bytes();
            match self.below(8) {
                // Half an escape may be a byte as well: then it is another info hash, and a right one.
                0 => {
                    let _ = hash.drain(..1 + self.below(hash.len() as u64) as usize);
                    if decoded_length(&hash) == 20 {
                        continue;
                    }
                }
                1 => hash.extend(self.of(&["%41", "a", "%00", "%zz", "%4", "%", "&info_hash=x"]).bytes()),
                2..=4 => self.spoil(&mut head),
                // The end of the header stays, for without it there is no answer.
                _ => {
                    let end = tail.split_off(tail.len() - 4);
                    self.spoil(&mut tail);
                    tail.extend(end);
                }
            }
            let request = [head, hash, tail].concat();
            if !has_a_long_number(&request) {
                return Step::Http(source, request);
            }
        }
    }

    /// Changes one to three bytes. The info hash is never among them: the list that the original needs names only
    /// the right ones.
    fn spoil(&mut self, text: &mut Vec<u8>) {
        const BYTES: &[u8] = b"%%%&&==??  //+-.,:;@!\"#$[]\\^`{|}~<>'()*_09azAF\0\t\x01\x1b\x7f\x80\xff";
        for _ in 0..1 + self.below(3) {
            let at = self.below(text.len() as u64) as usize;
            let byte = BYTES[self.below(BYTES.len() as u64) as usize];
            match self.below(3) {
                0 => text.insert(at, byte),
                1 => text[at] = byte,
                _ if text.len() > 1 => drop(text.remove(at)),
                _ => {}
            }
        }
    }

    /// Requests that are hardly any.
    fn rubbish(&mut self) -> Step {
        let source = self.source();
        // Without its format the original never answers `tpbs`, so no spoiled request asks for that.
        let mut request = self
            .of(&[
                "GET / HTTP/1.0",
                "GET /favicon.ico HTTP/1.1\r\nHost: x",
                "POST /announce HTTP/1.0",
                "GET /announce",
                "GET /scrape?x",
                "GET /stats?mode=top10&format=txt",
                "GET /%3f?port=3",
                "HELO x",
                "",
            ])
            .as_bytes()
            .to_vec();
        if self.one_in(2) && !request.is_empty() {
            self.spoil(&mut request);
        }
        request.extend(b"\r\n\r\n");
        Step::Http(source, request)
    }

    fn statistics(&mut self) -> Step {
        // Not asked: `tpbs` without a format, which the original never answers, and `renew` and `everything`, whose
        // minutes two programs may count differently.
        let target = self.of(&[
            "/stats",
            "/stats?mode=peer",
            "/stats?mode=conn",
            "/stats?mode=scrp",
            "/stats?mode=udp4",
            "/stats?mode=tcp4",
            "/stats?mode=torr",
            "/stats?mode=fscr",
            "/stats?mode=herr",
            "/stats?mode=completed",
            "/stats?mode=top10",
            "/stats?mode=top100",
            "/stats?mode=syncs",
            "/stats?mode=s24s",
            "/stats?mode=version",
            "/stats?mode=busy",
            "/stats?mode=numwants",
            "/stats?mode=woodpeckers",
            "/stats?mode=fulllog",
            "/stats?mode=nonsense",
            "/stats?mode=top10&mode=peer",
            "/stats?mode=peer&format=txt",
            "/stats?format=nonsense",
            "/stats?mode=tpbs&format=ben",
            "/stats?mode=tpbs&format=txt",
            "/stats?mode=tpbs&format=txtp",
            "/stats?mode=tpbs&format=bin",
            "/stats?mode=tpbs&format=url",
            "/stats?mode=statedump",
            "/stats?x&mode=%70eer",
            "/scrape",
            "/",
            "/nothing",
        ]);
        Step::Http(self.source(), self.request(target))
    }
}

/// The number of bytes that a spelled info hash stands for.
fn decoded_length(text: &[u8]) -> usize {
    text.len() - 2 * text.iter().filter(|byte| **byte == b'%').count()
}

/// Whether there are more digits in a row than 32 bits hold, escaped ones included.
fn has_a_long_number(request: &[u8]) -> bool {
    let mut row = 0;
    let mut at = 0;
    while at < request.len() {
        let escaped = (request[at] == b'%').then(|| request.get(at + 1..at + 3)).flatten();
        let digit = match escaped {
            Some([b'3', low]) if low.is_ascii_digit() => {
                at += 2;
                true
            }
            _ => request[at].is_ascii_digit(),
        };
        row = if digit { row + 1 } else { 0 };
        if row > 10 {
            return true;
        }
        at += 1;
    }
    false
}
