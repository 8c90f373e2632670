//! HTTP requests: the rule for each path, and the replies that are written at once.

use super::announce::Outcome;
use super::pages::Page;
use super::{Now, Tracker};
use crate::address::read_ip;
use crate::config::Permissions;
use crate::features;
use crate::stats::figures::{Form, Gauges};
use crate::stats::{json, metrics};
use crate::swarm::{Chosen, Families};
use crate::types::Origin;
use crate::wire::announce::{Extras, Parameters};
use crate::wire::bencode::{self, PeerLists};
use crate::wire::http::{self, Refusal, Version};
use crate::wire::query::{Context, Scanner, Token};
use std::net::IpAddr;

/// The answer to a request.
pub enum Answer<F: Families> {
    /// The whole reply has been written, in this version. A connection can stay open after a reply of 1.1; others close it.
    Whole(Version),
    /// The reply is a page that is built in slices.
    InSlices(Box<Page<F>>),
    /// The reply needs figures that the server has: [`Tracker::show`] writes it.
    Figures(Form),
    /// There is no reply: refusals are too many to be sent.
    Silence,
}

/// What a request that is not refused is answered with.
pub(super) enum Content<F: Families> {
    /// The body that has been written.
    Body(Version),
    /// A body that is built in slices.
    Slices(Page<F>),
    /// All figures, in a form.
    Figures(Form),
    /// A redirection, for the empty path.
    Redirect,
    /// Nothing at all.
    Silence,
}

pub(super) type Answered<F> = Result<Content<F>, Refusal>;

impl<F: Families> Tracker<F> {
    /// Answers one request. `request` starts at its first byte and reaches to the end of its head at least; it is decoded in place. The
    /// reply is appended to `out`, unless it is built in slices.
    pub fn handle_http(&mut self, now: Now, from: IpAddr, request: &mut [u8], out: &mut Vec<u8>) -> Answer<F> {
        self.body.clear();
        if features::FULLLOG_NETWORKS {
            // on a connection that stays open the next requests may follow
            let end = if features::KEEPALIVE { http::head_end(request, 0) } else { None };
            self.log.log(now.unix, F::widened(from), request.get(..end.unwrap_or(request.len())).unwrap_or_default());
        }
        match self.route(now, from, request) {
            Ok(Content::Body(version)) => {
                http::success(out, version, http::TEXT, self.body.len());
                out.extend_from_slice(&self.body);
                return Answer::Whole(version);
            }
            Ok(Content::Figures(form)) => return Answer::Figures(form),
            Ok(Content::Slices(page)) => return Answer::InSlices(Box::new(page)),
            Ok(Content::Redirect) => self.redirect(out),
            Ok(Content::Silence) => return Answer::Silence,
            Err(refusal) => self.refuse(refusal, out),
        }
        Answer::Whole(Version::Http10)
    }

    /// Answers a request for all figures, with the server's.
    pub fn show(&mut self, now: Now, form: Form, gauges: &Gauges, out: &mut Vec<u8>) -> Version {
        self.body.clear();
        let mut body = std::mem::take(&mut self.body);
        let figures = self.figures(now, gauges);
        match form {
            Form::Prometheus => metrics::write(&mut body, &figures),
            Form::Json => json::write(&mut body, &figures),
        }
        http::success(out, Version::Http11, form.media_type(), body.len());
        out.extend_from_slice(&body);
        self.body = body;
        Version::Http11
    }

    /// Refuses a request that is too long, or that there is no memory for, with 500.
    pub fn refuse_internal(&mut self, out: &mut Vec<u8>) {
        self.refuse(Refusal::Internal, out);
    }

    fn refuse(&mut self, refusal: Refusal, out: &mut Vec<u8>) {
        self.counters.refused(refusal);
        http::refused(out, refusal);
    }

    fn redirect(&mut self, out: &mut Vec<u8>) {
        match &self.settings.redirect_url {
            Some(url) => {
                self.counters.redirected();
                http::redirected(out, url);
            }
            None => self.refuse(Refusal::NotFound, out),
        }
    }

    fn route(&mut self, now: Now, from: IpAddr, request: &mut [u8]) -> Answered<F> {
        // before decoding: decoded bytes could look like a header
        let peer = if features::IP_FROM_PROXY { self.behind_proxy(from, request) } else { from };
        // both: all clients of a proxy share its address, and any client can name another one's
        let lognet =
            features::FULLLOG_NETWORKS && self.allows(from, Permissions::ALL) && self.allows(peer, Permissions::ALL);
        let start = http::path_start(request)?;
        let everything = request.get(start..).is_some_and(|path| path.starts_with(b"scrape HTTP/"));
        let mut scanner = Scanner::new(request, start);
        let path = match scanner.token(Context::Path) {
            Token::Text(path) => path,
            Token::End => return Ok(Content::Redirect),
            Token::Bad => return Err(Refusal::NotFound),
        };
        match scanner.text(&path) {
            [b'a' | b'?', ..] => self.http_announce(now, peer, lognet, &mut scanner),
            _ if everything && features::FULLSCRAPE && self.settings.full_scrape => {
                self.full_scrape(now, from, &scanner)
            }
            [b's', b'c', ..] => self.http_scrape(now, peer, &mut scanner),
            path if path == self.settings.stats_path => {
                self.check_may_read(from)?;
                self.statistics(now, &mut scanner)
            }
            path if features::METRICS && path == self.settings.metrics_path => {
                self.check_may_read(from)?;
                Ok(Content::Figures(Form::Prometheus))
            }
            _ => Err(Refusal::NotFound),
        }
    }

    /// Whether this address may read statistics and metrics.
    fn check_may_read(&self, from: IpAddr) -> Result<(), Refusal> {
        let may = !features::RESTRICT_STATS || self.allows(from, Permissions::STATS);
        if may { Ok(()) } else { Err(Refusal::Denied) }
    }

    /// The client's address: the first one in `X-Forwarded-For`, if the sender is a blessed proxy.
    fn behind_proxy(&self, from: IpAddr, head: &[u8]) -> IpAddr {
        let named = http::header(head, b"x-forwarded-for").filter(|_| self.allows(from, Permissions::PROXY));
        named.and_then(read_ip).unwrap_or(from)
    }

    fn http_announce(&mut self, now: Now, from: IpAddr, lognet: bool, scanner: &mut Scanner<'_>) -> Answered<F> {
        if !scanner.enter_query() {
            return Err(Refusal::Parameter);
        }
        let extras =
            Extras { ip: features::IP_FROM_QUERY_STRING, ip_v6: F::V6, lognet, numwant: self.settings.numwant };
        let said = Parameters::parse(scanner, extras)?;
        if let Some(network) = said.lognet {
            self.body.extend_from_slice(self.log.choose(scanner.text(&network), F::V6)?);
            return Ok(Content::Body(Version::Http11));
        }
        if features::LOG_NUMWANT {
            self.counters.numwant(said.numwant);
        }
        let Some(announce) = said.announce() else {
            self.body.extend_from_slice(bencode::NO_INFO_HASH);
            return Ok(Content::Body(Version::Http11));
        };
        let address = said.ip.unwrap_or(from);
        let mut room = std::mem::take(&mut self.peers);
        let outcome = self.announce(now, Origin::Http, address, &announce, &mut room);
        let interval = self.interval();
        let body = &mut self.body;
        match outcome {
            Outcome::Forbidden => bencode::not_authorized(body, self.settings.refusing.http_minutes()),
            Outcome::Silenced => {}
            Outcome::Stopped(counts) => bencode::stopped(body, counts, interval, F::family(address)),
            Outcome::Joined { counts, peers } => {
                bencode::announced(body, counts, interval, lists::<F>(&room, peers));
            }
        }
        self.peers = room;
        Ok(if outcome == Outcome::Silenced { Content::Silence } else { Content::Body(Version::Http11) })
    }
}

/// The lists of a reply, of which the chosen peers are the beginning of `room`. Where swarms have peers of both families, a list without
/// peers is left out.
fn lists<F: Families>(room: &[u8], chosen: Chosen) -> PeerLists<'_> {
    let (v4, rest) = room.split_at_checked(chosen.v4).unwrap_or_default();
    let v6 = rest.get(..chosen.v6).unwrap_or_default();
    PeerLists {
        v4: (F::V4 && !(F::V6 && v4.is_empty())).then_some(v4),
        v6: (F::V6 && !(F::V4 && v6.is_empty())).then_some(v6),
    }
}
