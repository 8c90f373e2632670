//! The statistics: which page a `mode=` asks for.

use super::http::{Answered, Content};
use super::pages::Page;
use super::{Now, Tracker};
use crate::features;
use crate::stats::modes::{Format, Mode, Query};
use crate::stats::text::{self, Overview};
use crate::swarm::Families;
use crate::wire::http::{Client, Refusal};
use crate::wire::query::Scanner;

impl<F: Families> Tracker<F> {
    /// Answers a request for the statistics.
    pub(super) fn statistics(&mut self, now: Now, scanner: &mut Scanner<'_>) -> Answered<F> {
        let client = Client::of(scanner.bytes());
        let query = Query::parse(scanner)?;
        let page = match query.mode {
            Mode::Top10 => Page::top(10, client),
            Mode::Top100 => Page::top(100, client),
            Mode::S24s => Page::networks(client),
            Mode::Tpbs if features::FULLSCRAPE => Page::dump(now, query.format, client),
            Mode::Statedump if features::FULLSCRAPE => Page::dump(now, Format::State, client),
            Mode::Woodpeckers if features::SPOT_WOODPECKER => Page::woodpeckers(now.up, client),
            Mode::Fulllog if features::FULLLOG_NETWORKS => Page::log(client),
            Mode::Tpbs | Mode::Statedump | Mode::Busy | Mode::Fulllog | Mode::Woodpeckers => {
                return Err(Refusal::Internal);
            }
            Mode::Numwants if !features::LOG_NUMWANT => return Err(Refusal::Parameter),
            _ => {
                self.text(now, query.mode);
                return Ok(Content::Body(query.mode.http_version()));
            }
        };
        Ok(Content::Slices(page))
    }

    /// Writes a page that is made of counters alone.
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
            Mode::Version => {
                out.extend_from_slice(self.settings.version.as_bytes());
                text::memory(out, self.swarms.bytes_held(), self.swarms.ceiling());
            }
            Mode::Everything => text::everything(out, &overview, counted),
            _ => text::peers(out, &overview),
        }
    }
}
