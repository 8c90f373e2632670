//! The statistics: a table of modes, and the page that each of them shows.

use super::http::{Answered, Content};
use super::pages::Page;
use super::{Now, Tracker};
use crate::features::{
    FULLLOG_NETWORKS, FULLSCRAPE, HAS_ACCESS_LIST, LOG_NUMWANT, METRICS, SPOT_WOODPECKER, SYNC_LIVE,
};
use crate::stats::counters::Counters;
use crate::stats::figures::{Figures, Form, Gauges, ListFigures, Peers, SyncSent};
use crate::stats::modes::{Format, Query};
use crate::stats::text::{self, Overview};
use crate::swarm::Families;
use crate::wire::http::Version::{self, Http10, Http11};
use crate::wire::http::{Client, Refusal};
use crate::wire::query::Scanner;

/// What a mode shows.
#[derive(Clone, Copy)]
enum Source<F: Families> {
    /// A text made of counters. The head of the reply has this version: 1.0 if the original builds the page in another thread. In
    /// the original's 1.0 line, and so where there are peers of both families, it is always 1.1.
    Text(Version, fn(&mut Vec<u8>, &Overview<'_>, &Counters)),
    /// A page that is built in slices.
    Walked(fn(&Tracker<F>, Now, Format, Client) -> Page<F>),
    /// Such a page of all torrents, which the operator may have turned off.
    Dumped(fn(&Tracker<F>, Now, Format, Client) -> Page<F>),
    /// All figures, in a form.
    Shown(Form),
    /// An error, because this build lacks the mode.
    Refused(Refusal),
}

use Source::{Dumped, Refused, Shown, Text, Walked};

impl<F: Families> Source<F> {
    /// The mode of a request that names none.
    const DEFAULT: Self = Text(Http10, |out, now, _| text::peers(out, now));

    /// All modes, by the original's names. A new one is a line here.
    const MODES: &[(&[u8], Self)] = &[
        (b"peer", Self::DEFAULT),
        (b"conn", Text(Http11, text::connections)),
        (b"scrp", Text(Http11, text::scrapes)),
        (b"udp4", Text(Http11, text::udp)),
        (b"tcp4", Text(Http11, text::tcp)),
        (b"busy", Refused(Refusal::Internal)),
        (b"torr", Text(Http10, |out, now, _| text::torrents(out, now))),
        (b"fscr", Text(Http11, |out, now, _| text::full_scrapes(out, now))),
        (b"s24s", Walked(|tracker, _, _, client| Page::networks(tracker.networks_memory, client))),
        (
            b"tpbs",
            Dumped(|_, now, format, client| Page::dump(now, format, client)).if_on(FULLSCRAPE, Refusal::Internal),
        ),
        (b"herr", Text(Http11, |out, _, counted| text::errors(out, counted))),
        (b"top10", Walked(|_, _, _, client| Page::top(10, client))),
        (b"top100", Walked(|_, _, _, client| Page::top(100, client))),
        (b"renew", Text(Http11, |out, _, counted| text::renewals(out, counted))),
        (b"syncs", Text(Http11, text::syncs)),
        (b"version", Text(Http11, |out, now, _| text::version(out, now))),
        (b"everything", Text(Http10, text::everything)),
        (
            b"statedump",
            Dumped(|_, now, _, client| Page::dump(now, Format::State, client)).if_on(FULLSCRAPE, Refusal::Internal),
        ),
        (b"fulllog", Walked(|_, _, _, client| Page::log(client)).if_on(FULLLOG_NETWORKS, Refusal::Internal)),
        (
            b"woodpeckers",
            Walked(|_, now, _, client| Page::woodpeckers(now.up, client)).if_on(SPOT_WOODPECKER, Refusal::Internal),
        ),
        (b"completed", Text(Http11, text::completed)),
        (
            b"numwants",
            Text(Http11, |out, _, counted| text::numwants(out, counted)).if_on(LOG_NUMWANT, Refusal::Parameter),
        ),
        (b"json", Shown(Form::Json)),
    ];

    /// Those that this build knows. To builds without `metrics` the last one is a word as any other.
    fn modes() -> &'static [(&'static [u8], Self)] {
        let without = Self::MODES.split_last().map_or(Self::MODES, |(_, others)| others);
        if METRICS { Self::MODES } else { without }
    }

    /// This mode in builds with its switch, and an error in others.
    const fn if_on(self, switch: bool, otherwise: Refusal) -> Self {
        if switch { self } else { Refused(otherwise) }
    }
}

impl<F: Families> Tracker<F> {
    /// Answers a request for the statistics.
    pub(super) fn statistics(&mut self, now: Now, scanner: &mut Scanner<'_>) -> Answered<F> {
        let mut client = Client::of(scanner.bytes());
        let query = Query::parse(scanner, Source::<F>::modes(), Source::DEFAULT, F::DUAL)?;
        if F::DUAL {
            client = client.after_query(scanner.rest());
        }
        match query.mode {
            Text(version, write) => {
                let mut body = std::mem::take(&mut self.body);
                write(&mut body, &self.overview(now), &self.counters);
                self.body = body;
                Ok(Content::Body(if F::DUAL { Http11 } else { version }))
            }
            Dumped(_) if !self.settings.full_scrape => Err(Refusal::Internal),
            Walked(page) | Dumped(page) => Ok(Content::Slices(page(self, now, query.format, client))),
            Shown(form) => Ok(Content::Figures(form)),
            Refused(refusal) => Err(refusal),
        }
    }

    fn overview(&self, now: Now) -> Overview<'_> {
        let totals = self.swarms.totals();
        Overview {
            torrents: totals.torrents,
            peers: totals.peers,
            seeders: totals.seeders,
            uptime: now.up.as_secs(),
            tracker_id: self.id,
            version: &self.settings.version,
            bytes_held: self.swarms.bytes_held(),
            ceiling: self.swarms.ceiling(),
            limits: self.swarms.limits(),
            at_limits: self.swarms.ceiling_counts(),
        }
    }

    /// All figures, the server's among them.
    pub(super) fn figures<'a>(&'a self, now: Now, gauges: &'a Gauges) -> Figures<'a> {
        let list = HAS_ACCESS_LIST.then(|| {
            let ((entries, changes), reads) = (self.access_list.lengths(), self.access_list.reads());
            ListFigures {
                entries,
                changes,
                reads: reads.count,
                failed_reads: reads.failed,
                is_current: reads.is_current,
                last_success: reads.last_success,
            }
        });
        let sent = self.outbox.sent();
        let sync = SyncSent { packets: sent.packets, records: sent.records, dropped: sent.dropped };
        Figures {
            overview: self.overview(now),
            started: now.unix.saturating_sub(now.up.as_secs()),
            counted: &self.counters,
            peers: self.peers_by_family(),
            list,
            sync: SYNC_LIVE.then_some(sync),
            gauges,
        }
    }

    /// The peers of IPv4 and of IPv6, of families that there are peers of.
    fn peers_by_family(&self) -> [Option<Peers>; 2] {
        let totals = self.swarms.totals();
        let all = Peers { peers: totals.peers, seeders: totals.seeders };
        let v6 = if F::V4 { Peers { peers: totals.v6_peers, seeders: totals.v6_seeders } } else { all };
        let v4 = Peers { peers: all.peers - v6.peers, seeders: all.seeders - v6.seeders };
        [F::V4.then_some(v4), F::V6.then_some(v6)]
    }
}
