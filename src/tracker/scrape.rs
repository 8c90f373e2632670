//! Scrapes: the counts of some torrents, or of all.

use super::http::{Answered, Content};
use super::pages::Page;
use super::{Now, Tracker};
use crate::features;
use crate::stats::counters::Request;
use crate::swarm::Families;
use crate::types::InfoHash;
use crate::wire::bencode;
use crate::wire::http::{Client, Refusal, Version};
use crate::wire::query::Scanner;
use crate::wire::scrape;
use crate::wire::udp::{self, Action, Prefix, Reply};
use std::net::IpAddr;

impl<F: Families> Tracker<F> {
    /// Answers a scrape over UDP (BEP 15): of up to 75 torrents, in the order asked.
    pub(super) fn udp_scrape(&mut self, now: Now, from: IpAddr, prefix: &Prefix, packet: &[u8], reply: &mut Reply<'_>) {
        self.counters.count(Request::UdpScrape, from);
        reply.action(Action::Scrape, prefix.transaction);
        let hashes = udp::scrape_hashes(packet);
        let tick = self.tick(now);
        self.swarms.scrape_each(tick, hashes, |known| reply.scraped(known.unwrap_or_default()));
    }

    /// Answers a scrape over HTTP (BEP 48): of up to 64 torrents, in the order asked. Unknown ones are left out.
    pub(super) fn http_scrape(&mut self, now: Now, from: IpAddr, scanner: &mut Scanner<'_>) -> Answered<F> {
        if !scanner.enter_query() {
            return Err(Refusal::Parameter);
        }
        self.body.extend_from_slice(bencode::SCRAPE_START);
        let tick = self.tick(now);
        scrape::parse(scanner, |hash| {
            if let Some(counts) = self.swarms.scrape(tick, &InfoHash(hash)) {
                bencode::scraped(&mut self.body, &hash, counts);
            }
        })?;
        self.body.extend_from_slice(bencode::SCRAPE_END);
        self.counters.count(Request::HttpScrape, from);
        Ok(Content::Body(Version::Http11))
    }

    /// Answers a scrape of all torrents.
    pub(super) fn full_scrape(&mut self, now: Now, from: IpAddr, scanner: &Scanner<'_>) -> Answered<F> {
        if features::MODEST_FULLSCRAPES && !self.modest.allows(now.up, from) {
            return Err(Refusal::NotModest);
        }
        self.counters.detail(|detail| detail.full_scrapes += 1);
        let mut client = Client::of(scanner.bytes());
        if F::DUAL {
            client = client.after_query(scanner.rest());
        }
        Ok(Content::Slices(Page::full_scrape(now, client)))
    }
}
