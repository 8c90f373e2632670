//! HTTP requests and their answers.

use super::announce::{Origin, Outcome};
use super::pages::Page;
use super::{Now, Tracker};
use crate::address::read_storable;
use crate::config::Permissions;
use crate::features;
use crate::stats::counters::HttpError;
use crate::wire::announce::{Extras, Parameters};
use crate::wire::bencode;
use crate::wire::http::{self, Refusal, Version};
use crate::wire::query::{Context, Scanner, Token};

/// What becomes of a request.
pub enum Answer<const N: usize> {
    /// The whole reply has been written, in this version. A connection can stay behind one of 1.1; the others close it.
    Whole(Version),
    /// The reply is made in slices.
    InSlices(Box<Page<N>>),
}

/// What a good request is answered with.
pub(super) enum Content<const N: usize> {
    /// The body put together.
    Body(Version),
    /// A body that is made in slices.
    Slices(Page<N>),
    /// The page that is somewhere else.
    Elsewhere,
}

pub(super) type Answered<const N: usize> = Result<Content<N>, Refusal>;

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
            [b'a' | b'?', ..] => self.http_announce(now, &peer, lognet, &mut scanner),
            _ if everything && features::FULLSCRAPE => self.full_scrape(now, from, &scanner),
            [b's', b'c', ..] => self.http_scrape(now, &mut scanner),
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

    fn http_announce(&mut self, now: Now, from: &[u8; N], lognet: bool, scanner: &mut Scanner<'_>) -> Answered<N> {
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
        let Some(announce) = said.announce() else {
            self.body.extend_from_slice(bencode::NO_INFO_HASH);
            return Ok(Content::Body(Version::Http11));
        };
        let address = said.ip.unwrap_or(*from);
        let mut room = std::mem::take(&mut self.peers);
        let outcome = self.announce(now, Origin::Http, &address, &announce, &mut room);
        let interval = self.interval();
        let (body, v6) = (&mut self.body, N == 16);
        match outcome {
            Outcome::Forbidden => body.extend_from_slice(bencode::NOT_AUTHORIZED),
            Outcome::Stopped(counts) => bencode::stopped(body, counts, interval, v6),
            Outcome::Joined { counts, peers } => {
                bencode::announced(body, counts, interval, room.get(..peers).unwrap_or_default(), v6);
            }
        }
        self.peers = room;
        Ok(Content::Body(Version::Http11))
    }
}
