//! Pages that take a look at every torrent or peer: made in bounded slices, so that no announce waits for them.

use crate::limits::WALK_SLICE;
use crate::stats::dump;
use crate::stats::modes::Format;
use crate::stats::networks::Networks;
use crate::stats::top::Top;
use crate::swarm::{Cursor, PeerCursor, Swarms};

/// A page in the making.
pub struct Page<const N: usize> {
    making: Making<N>,
    logged: bool,
}

enum Making<const N: usize> {
    Dump { format: Format, cursor: Cursor, started: bool },
    Top { top: Top, cursor: Cursor },
    Networks { networks: Networks<N>, cursor: PeerCursor<N>, counted: bool },
}

impl<const N: usize> Page<N> {
    /// All torrents as one scrape, which the log tells of.
    pub fn full_scrape() -> Self {
        Page { logged: true, ..Self::dump(Format::Ben) }
    }

    /// All torrents in a format.
    pub fn dump(format: Format) -> Self {
        Self::new(Making::Dump { format, cursor: Cursor::default(), started: false })
    }

    /// The largest swarms.
    pub fn top(places: usize) -> Self {
        Self::new(Making::Top { top: Top::new(places), cursor: Cursor::default() })
    }

    /// The networks that most peers come from.
    pub fn networks() -> Self {
        Self::new(Making::Networks { networks: Networks::default(), cursor: PeerCursor::default(), counted: false })
    }

    fn new(making: Making<N>) -> Self {
        Page { making, logged: false }
    }

    /// Whether the log tells who asked for this page.
    pub fn is_logged(&self) -> bool {
        self.logged
    }

    /// Makes one more slice of the body and appends it to `body`. True when it is the last one.
    pub fn slice(&mut self, swarms: &Swarms<N>, body: &mut Vec<u8>) -> bool {
        match &mut self.making {
            Making::Dump { format, cursor, started } => {
                if !std::mem::replace(started, true) {
                    dump::start(body, *format);
                }
                let end = swarms.walk(cursor, WALK_SLICE, |hash, counts, minute| {
                    dump::torrent(body, *format, &hash.0, counts, minute);
                });
                if end {
                    dump::end(body, *format);
                }
                end
            }
            Making::Top { top, cursor } => {
                let end = swarms.walk(cursor, WALK_SLICE, |hash, counts, _| top.torrent(&hash.0, counts));
                if end {
                    top.write(body);
                }
                end
            }
            Making::Networks { networks, cursor, counted } => {
                if !*counted {
                    *counted = swarms.walk_peers(cursor, WALK_SLICE, |address| networks.peer(address));
                    return false;
                }
                let end = networks.pick(WALK_SLICE);
                if end {
                    networks.write(body);
                }
                end
            }
        }
    }
}
