//! HTTP requests and their answers.

use super::livesync::{tell_announce, tell_stop};
use super::pages::Page;
use super::{Now, Tracker, count};
use crate::address::read_storable;
use crate::config::Permissions;
use crate::features;
use crate::limits::NUMWANT_MAX;
use crate::stats::counters::HttpError;
use crate::stats::modes::{Asked, Format, Mode};
use crate::stats::text::{self, Overview};
use crate::swarm::{self, Endpoint, InfoHash};
use crate::wire::announce::{Extras, Parameters};
use crate::wire::bencode;
use crate::wire::http::{self, Client, Refusal, Version};
use crate::wire::query::{Context, Scanner, Token};
use crate::wire::scrape;

/// What becomes of a request.
pub enum Answer<const N: usize> {
    /// The whole reply has been written, in this version. A connection can stay behind one of 1.1; the others close it.
    Whole(Version),
    /// The reply is made in slices.
    InSlices(Box<Page<N>>),
}

/// What a good request is answered with.
enum Content<const N: usize> {
    /// The body put together.
    Body(Version),
    /// A body that is made in slices.
    Slices(Page<N>),
    /// The page that is somewhere else.
    Elsewhere,
}

type Answered<const N: usize> = Result<Content<N>, Refusal>;

impl<const N: usize> Tracker<N> {
    /// Answers one request, given from its first byte to the end of its head at least; it is decoded in place. The reply is
    /// appended to `out`, unless it is made in slices.
    pub fn handle_http(&mut self, now: Now, from: &[u8; N], request: &mut [u8], out: &mut Vec<u8>) -> Answer<N> {
        self.body.clear();
        if features::FULLLOG_NETWORKS {
            // a connection that stays may have brought the next requests along
            let end = if features::KEEPALIVE { http::head_end(request, 0) } else { None };
            self.log.note(now.unix, from, request.get(..end.unwrap_or(request.len())).unwrap_or_default());
        }
        match self.route(now, from, request) {
            Ok(Content::Body(version)) => {
                http::success(out, version, self.body.len());
                out.extend_from_slice(&self.body);
                return Answer::Whole(version);
            }
            Ok(Content::Slices(page)) => return Answer::InSlices(Box::new(page)),
            Ok(Content::Elsewhere) => self.redirect(out),
            Err(refusal) => self.refuse(refusal, out),
        }
        Answer::Whole(Version::Http10)
    }

    /// Refuses a request that is longer than what is collected, or that there is no memory for.
    pub fn refuse_internal(&mut self, out: &mut Vec<u8>) {
        self.refuse(Refusal::Internal, out);
    }

    fn refuse(&mut self, refusal: Refusal, out: &mut Vec<u8>) {
        self.counters.error(HttpError::from(refusal));
        http::refused(out, refusal);
    }

    fn redirect(&mut self, out: &mut Vec<u8>) {
        match &self.settings.redirect_url {
            Some(url) => {
                self.counters.error(HttpError::Redirect);
                http::redirected(out, url);
            }
            None => self.refuse(Refusal::NotFound, out),
        }
    }

    fn route(&mut self, now: Now, from: &[u8; N], request: &mut [u8]) -> Answered<N> {
        // before decoding: what is decoded could look like a header
        let peer = if features::IP_FROM_PROXY { self.behind_proxy(from, request) } else { *from };
        // both: everybody comes through a proxy's address, and anybody may name another's
        let lognet =
            features::FULLLOG_NETWORKS && self.allows(from, Permissions::ALL) && self.allows(&peer, Permissions::ALL);
        let start = http::path_start(request)?;
        let everything = request.get(start..).is_some_and(|path| path.starts_with(b"scrape HTTP/"));
        let mut scanner = Scanner::new(request, start);
        let path = match scanner.token(Context::Path) {
            Token::Text(path) => path,
            Token::End => return Ok(Content::Elsewhere),
            Token::Bad => return Err(Refusal::NotFound),
        };
        match scanner.text(&path) {
            [b'a' | b'?', ..] => self.announce(now, &peer, lognet, &mut scanner),
            _ if everything && features::FULLSCRAPE => self.full_scrape(now, from, &scanner),
            [b's', b'c', ..] => self.scrape(now, &mut scanner),
            path if path == self.settings.stats_path => {
                if features::RESTRICT_STATS && !self.allows(from, Permissions::STATS) {
                    return Err(Refusal::Denied);
                }
                self.statistics(now, &mut scanner)
            }
            _ => Err(Refusal::NotFound),
        }
    }

    /// Whom a request comes from: where a blessed proxy passed it on, the first address that it names.
    fn behind_proxy(&self, from: &[u8; N], head: &[u8]) -> [u8; N] {
        let named = http::header(head, b"x-forwarded-for").filter(|_| self.allows(from, Permissions::PROXY));
        named.and_then(read_storable).unwrap_or(*from)
    }

    fn announce(&mut self, now: Now, from: &[u8; N], lognet: bool, scanner: &mut Scanner<'_>) -> Answered<N> {
        if !scanner.enter_query() {
            return Err(Refusal::Parameter);
        }
        let extras = Extras { ip: features::IP_FROM_QUERY_STRING, lognet };
        let said = Parameters::parse(scanner, extras)?;
        if let Some(network) = said.lognet {
            self.body.extend_from_slice(self.log.follow(scanner.text(&network))?);
            return Ok(Content::Body(Version::Http11));
        }
        if features::LOG_NUMWANT {
            self.counters.numwant(said.numwant);
        }
        let Some(info_hash) = said.info_hash else {
            self.body.extend_from_slice(bencode::NO_INFO_HASH);
            return Ok(Content::Body(Version::Http11));
        };
        let address = said.ip.unwrap_or(*from);
        let peer = Endpoint { address, port: said.port.to_be_bytes() };
        if !said.stopped && self.turns_away(&info_hash, &peer) {
            return Err(Refusal::Internal);
        }
        self.counters.tcp_announces += 1;
        let interval = self.interval();
        let v6 = N == 16;
        if said.stopped {
            let counts = self.swarms.stop(&info_hash, &peer).map(|(_, counts)| counts).unwrap_or_default();
            tell_stop(&mut self.outbox, &info_hash, &peer, said.seeding);
            bencode::stopped(&mut self.body, counts, interval, v6);
            return Ok(Content::Body(Version::Http11));
        }
        if !self.access_list.allows(&info_hash.0) {
            self.body.extend_from_slice(bencode::NOT_AUTHORIZED);
            return Ok(Content::Body(Version::Http11));
        }
        let what = swarm::Announce { seeding: said.seeding, completed: said.completed };
        let (announced, torrent) = self.swarms.announce(now.minute(), &info_hash, &peer, what);
        count(&mut self.counters, &announced);
        self.observers.announced(now, &peer.address, &info_hash, said.peer_id, &announced);
        tell_announce(&mut self.outbox, &info_hash, &peer, what, &announced);
        self.peers.resize(NUMWANT_MAX * size_of::<Endpoint<N>>(), 0);
        let length = torrent.choose(said.numwant, &mut self.random, &mut self.peers);
        let peers = self.peers.get(..length).unwrap_or_default();
        bencode::announced(&mut self.body, torrent.counts(), interval, peers, v6);
        Ok(Content::Body(Version::Http11))
    }

    fn scrape(&mut self, now: Now, scanner: &mut Scanner<'_>) -> Answered<N> {
        if !scanner.enter_query() {
            return Err(Refusal::Parameter);
        }
        self.body.extend_from_slice(bencode::SCRAPE_START);
        scrape::parse(scanner, |hash| {
            if let Some(counts) = self.swarms.scrape(now.minute(), &InfoHash(hash)) {
                bencode::scraped(&mut self.body, &hash, counts);
            }
        })?;
        self.body.extend_from_slice(bencode::SCRAPE_END);
        self.counters.tcp_scrapes += 1;
        Ok(Content::Body(Version::Http11))
    }

    fn full_scrape(&mut self, now: Now, from: &[u8; N], scanner: &Scanner<'_>) -> Answered<N> {
        if features::MODEST_FULLSCRAPES && !self.modest.allows(now.up, from) {
            return Err(Refusal::NotModest);
        }
        Ok(Content::Slices(Page::full_scrape(Client::of(scanner.bytes()))))
    }

    fn statistics(&mut self, now: Now, scanner: &mut Scanner<'_>) -> Answered<N> {
        let client = Client::of(scanner.bytes());
        let asked = Asked::parse(scanner)?;
        let page = match asked.mode {
            Mode::Top10 => Page::top(10, client),
            Mode::Top100 => Page::top(100, client),
            Mode::S24s => Page::networks(client),
            Mode::Tpbs if features::FULLSCRAPE => Page::dump(asked.format, client),
            Mode::Statedump if features::FULLSCRAPE => Page::dump(Format::State, client),
            Mode::Woodpeckers if features::SPOT_WOODPECKER => Page::woodpeckers(now.up, client),
            Mode::Fulllog if features::FULLLOG_NETWORKS => Page::log(client),
            Mode::Tpbs | Mode::Statedump | Mode::Busy | Mode::Fulllog | Mode::Woodpeckers => {
                return Err(Refusal::Internal);
            }
            Mode::Numwants if !features::LOG_NUMWANT => return Err(Refusal::Parameter),
            _ => {
                self.text(now, asked.mode);
                return Ok(Content::Body(asked.mode.http_version()));
            }
        };
        Ok(Content::Slices(page))
    }

    /// The pages that counters are enough for.
    fn text(&mut self, now: Now, mode: Mode) {
        let totals = self.swarms.totals();
        let overview = Overview {
            torrents: totals.torrents,
            peers: totals.peers,
            seeders: totals.seeders,
            uptime: now.up.as_secs(),
            tracker_id: self.id,
            version: &self.settings.version,
        };
        let (out, counted) = (&mut self.body, &self.counters);
        let (tcp, tcp_good) = (counted.tcp_accepted, counted.tcp_announces);
        let (udp, udp_good) = (counted.udp_received, counted.udp_successes());
        match mode {
            Mode::Conn => text::requests(out, &overview, "connections", tcp + udp, tcp_good + udp_good),
            Mode::Tcp4 => text::requests(out, &overview, "tcp4 stats", tcp, tcp_good),
            Mode::Udp4 => text::requests(out, &overview, "udp4 stats", udp, udp_good),
            Mode::Scrp => text::scrapes(out, &overview, counted),
            Mode::Torr => text::torrents(out, &overview),
            Mode::Fscr => text::full_scrapes(out, &overview),
            Mode::Herr => text::errors(out, counted),
            Mode::Renew => text::renewals(out, counted),
            Mode::Syncs => text::syncs(out, &overview, counted),
            Mode::Numwants => text::numwants(out, counted),
            Mode::Completed => text::completed(out, &overview, counted),
            Mode::Version => out.extend_from_slice(self.settings.version.as_bytes()),
            Mode::Everything => text::everything(out, &overview, counted),
            _ => text::peers(out, &overview),
        }
    }
}
