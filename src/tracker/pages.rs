//! Pages that walk all torrents, peers or networks: built in bounded slices, so that no announce waits for them.

use super::Tracker;
use super::request_log::Requests;
use crate::features::{COMPRESSION_GZIP, COMPRESSION_GZIP_ALWAYS};
use crate::limits::{ANSWER_PIECE, ANSWER_STEP};
use crate::stats::dump;
use crate::stats::modes::Format;
use crate::stats::networks::{Networks, Selection};
use crate::stats::top::Top;
use crate::stats::woodpeckers::WoodpeckerPage;
use crate::swarm::{Cursor, Families, PeerCursor};
use crate::types::{InfoHash, Now};
use crate::wire::http::{Client, Form, Style};
use std::time::Duration;

/// Bytes of a torrent in a dump at most: an info hash of twenty escapes, and three numbers.
const TORRENT_MAX: usize = 104;

/// A page while it is built, and how it is sent.
pub struct Page<F: Families> {
    builder: Builder<F>,
    logged: bool,
    /// How it is sent.
    pub style: Style,
}

/// What a page is built from, and how far it is.
enum Builder<F: Families> {
    Dump { format: Format, now: Now, cursor: Cursor, started: bool },
    Top { top: Top, cursor: Cursor },
    Networks { networks: Box<Networks>, cursor: PeerCursor<F>, counted: bool },
    Woodpeckers { page: WoodpeckerPage, up: Duration },
    Log(Option<Requests>),
}

impl<F: Families> Page<F> {
    /// All torrents as one scrape. It is logged, and compressed where the client names gzip.
    pub fn full_scrape(now: Now, client: Client) -> Self {
        let mut page = Self::dump(now, Format::Ben, client);
        page.logged = true;
        page.style.gzip = COMPRESSION_GZIP && client.gzip;
        page
    }

    /// All torrents in a format. Compressed for everybody, as the original does it, or in builds with
    /// `compression-gzip-always`, in spite of their name, where the client names gzip. So it is where there are peers of both families.
    pub fn dump(now: Now, format: Format, client: Client) -> Self {
        let is_for_all = !COMPRESSION_GZIP_ALWAYS && !F::DUAL;
        let mut page = Self::new(Builder::Dump { format, now, cursor: Cursor::default(), started: false }, client);
        page.style.gzip = COMPRESSION_GZIP && (is_for_all || client.gzip);
        page
    }

    /// The largest swarms.
    pub fn top(places: usize, client: Client) -> Self {
        Self::new(Builder::Top { top: Top::new(places, F::DUAL), cursor: Cursor::default() }, client)
    }

    /// The networks that most peers come from, counted within so many bytes.
    pub fn networks(memory: usize, client: Client) -> Self {
        let builder = Builder::Networks {
            networks: Box::new(Networks::new(F::V4, F::V6, memory)),
            cursor: PeerCursor::default(),
            counted: false,
        };
        Self::new(builder, client)
    }

    /// The networks that announce too often, as it is now.
    pub fn woodpeckers(up: Duration, client: Client) -> Self {
        Self::new(Builder::Woodpeckers { page: WoodpeckerPage::default(), up }, client)
    }

    /// The requests that were logged. The log is emptied with the first slice.
    pub fn log(client: Client) -> Self {
        Self::new(Builder::Log(None), client)
    }

    fn new(builder: Builder<F>, client: Client) -> Self {
        let form = match builder {
            Builder::Dump { .. } if F::DUAL => Form::Dump,
            _ if F::DUAL => Form::Statistics,
            _ => Form::Plain,
        };
        Page { builder, logged: false, style: Style { form, chunks: client.http11, gzip: false } }
    }

    /// Whether a request for this page is logged on stderr.
    pub fn is_logged(&self) -> bool {
        self.logged
    }

    /// Bytes that the page has at least, as it is sent. Info hashes are random bytes, which no compression makes less.
    pub fn least(&self, tracker: &Tracker<F>) -> usize {
        let Builder::Dump { format, .. } = &self.builder else { return 0 };
        let each = if self.style.gzip { size_of::<InfoHash>() } else { dump::torrent_min(*format) };
        usize::try_from(tracker.swarms().totals().torrents).unwrap_or(usize::MAX).saturating_mul(each)
    }

    /// An estimate of the bytes that the page and its builder take at most.
    pub fn estimate(&self, tracker: &Tracker<F>) -> usize {
        let totals = tracker.swarms().totals();
        let all = |each: usize| usize::try_from(totals.torrents).unwrap_or(usize::MAX).saturating_mul(each);
        ANSWER_PIECE
            + match &self.builder {
                Builder::Dump { .. } => all(TORRENT_MAX),
                Builder::Networks { networks, .. } => networks.memory(totals.peers),
                Builder::Log(_) => tracker.log.bytes(),
                Builder::Top { .. } | Builder::Woodpeckers { .. } => 0,
            }
    }

    /// Builds one more slice of the body, at most [`ANSWER_SLICE_MAX`](crate::limits::ANSWER_SLICE_MAX) bytes, and appends it to `body`.
    /// True when it is the last one.
    pub fn slice(&mut self, tracker: &mut Tracker<F>, body: &mut Vec<u8>) -> bool {
        let swarms = &tracker.swarms;
        match &mut self.builder {
            Builder::Dump { format, now, cursor, started } => {
                let timeout = tracker.settings.peer_timeout;
                if !std::mem::replace(started, true) {
                    dump::start(body, *format);
                }
                let end = swarms.walk(cursor, ANSWER_STEP, |hash, counts, tick| {
                    dump::torrent(body, *format, &hash.0, counts, timeout.to_wall(tick, *now));
                });
                if end {
                    dump::end(body, *format);
                }
                end
            }
            Builder::Top { top, cursor } => {
                let end = swarms.walk(cursor, ANSWER_STEP, |hash, counts, _| top.offer(&hash.0, counts));
                if end {
                    top.write(body);
                }
                end
            }
            Builder::Networks { networks, cursor, counted } => {
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
            Builder::Woodpeckers { page, up } => {
                let end = tracker.observers.woodpeckers.select(page, *up, ANSWER_STEP);
                if end {
                    tracker.observers.woodpeckers.write(page, body);
                }
                end
            }
            Builder::Log(requests) => {
                requests.get_or_insert_with(|| tracker.log.take()).write(body, ANSWER_STEP * TORRENT_MAX)
            }
        }
    }

    /// Frees one slice of a page that is no longer wanted. True when nothing is left of it.
    pub fn discard(&mut self) -> bool {
        match &mut self.builder {
            Builder::Networks { networks, .. } => networks.discard(ANSWER_STEP),
            Builder::Log(Some(requests)) => requests.discard(ANSWER_STEP),
            _ => true,
        }
    }
}
