//! Pages that take a look at every torrent, peer or network: made in bounded slices, so that no announce waits for them.

use super::Tracker;
use super::request_log::Requests;
use crate::features::{COMPRESSION_GZIP, COMPRESSION_GZIP_ALWAYS};
use crate::limits::{ANSWER_PIECE, ANSWER_STEP};
use crate::stats::dump;
use crate::stats::modes::Format;
use crate::stats::networks::{Networks, Selection};
use crate::stats::top::Top;
use crate::stats::woodpeckers::WoodpeckerPage;
use crate::swarm::{Cursor, PeerCursor};
use crate::types::{InfoHash, Now};
use crate::wire::http::Client;
use std::time::Duration;

/// Bytes of a torrent in a dump at most: an info hash of twenty escapes, and three numbers.
const TORRENT_MAX: usize = 104;

/// A page in the making, and how its reader wants it.
pub struct Page<const N: usize> {
    making: Making<N>,
    logged: bool,
    /// The reader can be sent chunks.
    pub chunked: bool,
    /// It is to be compressed.
    pub gzip: bool,
}

enum Making<const N: usize> {
    Dump { format: Format, now: Now, cursor: Cursor, started: bool },
    Top { top: Top, cursor: Cursor },
    Networks { networks: Box<Networks<N>>, cursor: PeerCursor<N>, counted: bool },
    Woodpeckers { page: WoodpeckerPage<N>, up: Duration },
    Log(Option<Requests<N>>),
}

impl<const N: usize> Page<N> {
    /// All torrents as one scrape, which the log tells of. Compressed where the client names gzip.
    pub fn full_scrape(now: Now, client: Client) -> Self {
        let gzip = COMPRESSION_GZIP && client.gzip;
        Page { logged: true, gzip, ..Self::dump(now, Format::Ben, client) }
    }

    /// All torrents in a format. Compressed for everybody, as the original does it, or in builds with
    /// `compression-gzip-always`, in spite of their name, where the client names gzip.
    pub fn dump(now: Now, format: Format, client: Client) -> Self {
        let gzip = COMPRESSION_GZIP && (!COMPRESSION_GZIP_ALWAYS || client.gzip);
        Page { gzip, ..Self::new(Making::Dump { format, now, cursor: Cursor::default(), started: false }, client) }
    }

    /// The largest swarms.
    pub fn top(places: usize, client: Client) -> Self {
        Self::new(Making::Top { top: Top::new(places), cursor: Cursor::default() }, client)
    }

    /// The networks that most peers come from.
    pub fn networks(client: Client) -> Self {
        let making = Making::Networks { networks: Box::default(), cursor: PeerCursor::default(), counted: false };
        Self::new(making, client)
    }

    /// The networks that announce too often, as it is now.
    pub fn woodpeckers(up: Duration, client: Client) -> Self {
        Self::new(Making::Woodpeckers { page: WoodpeckerPage::default(), up }, client)
    }

    /// The requests that were logged. The log is emptied when the page begins to be made.
    pub fn log(client: Client) -> Self {
        Self::new(Making::Log(None), client)
    }

    fn new(making: Making<N>, client: Client) -> Self {
        Page { making, logged: false, chunked: client.http11, gzip: false }
    }

    /// Whether the log tells who asked for this page.
    pub fn is_logged(&self) -> bool {
        self.logged
    }

    /// Bytes that the page has at least, as it is sent. Info hashes are random bytes, which no compression makes less.
    pub fn least(&self, tracker: &Tracker<N>) -> usize {
        let Making::Dump { format, .. } = &self.making else { return 0 };
        let each = if self.gzip { size_of::<InfoHash>() } else { dump::torrent_min(*format) };
        usize::try_from(tracker.swarms().totals().torrents).unwrap_or(usize::MAX).saturating_mul(each)
    }

    /// Bytes that the page and what it is made with will hardly exceed.
    pub fn estimate(&self, tracker: &Tracker<N>) -> usize {
        let totals = tracker.swarms().totals();
        let all = |each: usize| usize::try_from(totals.torrents).unwrap_or(usize::MAX).saturating_mul(each);
        ANSWER_PIECE
            + match &self.making {
                Making::Dump { .. } => all(TORRENT_MAX),
                Making::Networks { .. } => Networks::<N>::memory(totals.peers),
                Making::Log(_) => tracker.log.bytes(),
                Making::Top { .. } | Making::Woodpeckers { .. } => 0,
            }
    }

    /// Makes one more slice of the body, a small part of a piece, and appends it to `body`. True when it is the last one.
    pub fn slice(&mut self, tracker: &mut Tracker<N>, body: &mut Vec<u8>) -> bool {
        let swarms = &tracker.swarms;
        match &mut self.making {
            Making::Dump { format, now, cursor, started } => {
                if !std::mem::replace(started, true) {
                    dump::start(body, *format);
                }
                let end = swarms.walk(cursor, ANSWER_STEP, |hash, counts, minute| {
                    dump::torrent(body, *format, &hash.0, counts, now.to_wall(minute));
                });
                if end {
                    dump::end(body, *format);
                }
                end
            }
            Making::Top { top, cursor } => {
                let end = swarms.walk(cursor, ANSWER_STEP, |hash, counts, _| top.offer(&hash.0, counts));
                if end {
                    top.write(body);
                }
                end
            }
            Making::Networks { networks, cursor, counted } => {
                if !*counted {
                    *counted = swarms.walk_peers(cursor, ANSWER_STEP, |address| networks.count(address));
                    return false;
                }
                match networks.select(ANSWER_STEP) {
                    Selection::Unfinished => false,
                    Selection::NextPass => {
                        (*cursor, *counted) = (PeerCursor::default(), false);
                        false
                    }
                    Selection::Done => {
                        networks.write(body);
                        true
                    }
                }
            }
            Making::Woodpeckers { page, up } => {
                let end = tracker.observers.woodpeckers.select(page, *up, ANSWER_STEP);
                if end {
                    page.write(body);
                }
                end
            }
            Making::Log(requests) => {
                requests.get_or_insert_with(|| tracker.log.take()).write(body, ANSWER_STEP * TORRENT_MAX)
            }
        }
    }

    /// Gives up a page that nobody waits for any more, in slices too. True when nothing is left of it.
    pub fn discard(&mut self) -> bool {
        match &mut self.making {
            Making::Networks { networks, .. } => networks.discard(ANSWER_STEP),
            Making::Log(Some(requests)) => requests.discard(ANSWER_STEP),
            _ => true,
        }
    }
}
