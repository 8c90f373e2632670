//! What a request for statistics can ask for: modes, and the formats of dumps.

use crate::wire::announce::value;
use crate::wire::http::{Refusal, Version};
use crate::wire::query::{Context, Scanner, Token};

/// The pages (`mode=`), by the original's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each has the name of its mode")]
pub enum Mode {
    Peer,
    Conn,
    Scrp,
    Udp4,
    Tcp4,
    Busy,
    Torr,
    Fscr,
    S24s,
    Tpbs,
    Herr,
    Top10,
    Top100,
    Renew,
    Syncs,
    Version,
    Everything,
    Statedump,
    Fulllog,
    Woodpeckers,
    Completed,
    Numwants,
}

const MODES: &[(&[u8], Mode)] = &[
    (b"peer", Mode::Peer),
    (b"conn", Mode::Conn),
    (b"scrp", Mode::Scrp),
    (b"udp4", Mode::Udp4),
    (b"tcp4", Mode::Tcp4),
    (b"busy", Mode::Busy),
    (b"torr", Mode::Torr),
    (b"fscr", Mode::Fscr),
    (b"s24s", Mode::S24s),
    (b"tpbs", Mode::Tpbs),
    (b"herr", Mode::Herr),
    (b"top10", Mode::Top10),
    (b"top100", Mode::Top100),
    (b"renew", Mode::Renew),
    (b"syncs", Mode::Syncs),
    (b"version", Mode::Version),
    (b"everything", Mode::Everything),
    (b"statedump", Mode::Statedump),
    (b"fulllog", Mode::Fulllog),
    (b"woodpeckers", Mode::Woodpeckers),
    (b"completed", Mode::Completed),
    (b"numwants", Mode::Numwants),
];

impl Mode {
    /// The version in the head of its page: 1.0 for those that the original makes in another thread.
    pub fn http_version(self) -> Version {
        match self {
            Mode::Peer | Mode::Torr | Mode::S24s | Mode::Top10 | Mode::Top100 | Mode::Everything => Version::Http10,
            Mode::Tpbs | Mode::Statedump | Mode::Fulllog | Mode::Woodpeckers => Version::Http10,
            _ => Version::Http11,
        }
    }
}

/// The formats of dumps (`format=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Bencoded, as a scrape.
    Ben,
    /// 28 bytes for each torrent: info hash, seeders, leechers, most significant byte first.
    Bin,
    /// A line for each torrent: `HASH:seeders:leechers`.
    Txt,
    /// The same with `:downloads`.
    Txtp,
    /// As `txt` with the hash percent-escaped.
    Url,
    /// The lines of a state file, `HASH:minute:downloads`; it has a mode of its own and no `format=`.
    State,
}

const FORMATS: &[(&[u8], Format)] = &[
    (b"bin", Format::Bin),
    (b"ben", Format::Ben),
    (b"url", Format::Url),
    (b"txt", Format::Txt),
    (b"txtp", Format::Txtp),
];

/// What a request for statistics asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The page.
    pub mode: Mode,
    /// The format, where the page is a dump.
    pub format: Format,
}

impl Query {
    /// Reads the parameters. Of repeated ones the last counts.
    ///
    /// # Errors
    /// A parameter is malformed, or a mode or format unknown.
    pub fn parse(scanner: &mut Scanner<'_>) -> Result<Query, Refusal> {
        let mut query = Query { mode: Mode::Peer, format: Format::Ben };
        loop {
            let name = match scanner.token(Context::Name) {
                Token::End => return Ok(query),
                Token::Bad => return Err(Refusal::Parameter),
                Token::Text(name) => name,
            };
            match scanner.text(&name) {
                b"mode" => query.mode = keyword(scanner, MODES)?,
                b"format" => query.format = keyword(scanner, FORMATS)?,
                _ => scanner.skip_value(),
            }
        }
    }
}

fn keyword<T: Copy>(scanner: &mut Scanner<'_>, words: &[(&[u8], T)]) -> Result<T, Refusal> {
    let range = value(scanner)?;
    let value = scanner.text(&range);
    words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning).ok_or(Refusal::Parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<(Mode, Format), Refusal> {
        let mut bytes = format!("{query} HTTP/1.0\r\n\r\n").into_bytes();
        Query::parse(&mut Scanner::new(&mut bytes, 0)).map(|query| (query.mode, query.format))
    }

    #[test]
    fn modes_and_formats() {
        assert_eq!(parse(""), Ok((Mode::Peer, Format::Ben)));
        assert_eq!(parse("mode=torr&mode=top10"), Ok((Mode::Top10, Format::Ben)));
        assert_eq!(parse("format=txt&x=1&mode=tpbs"), Ok((Mode::Tpbs, Format::Txt)));
        for bad in ["mode=", "mode", "mode=nope", "mode=Peer", "mode=tpbs&format=nope", "format=&mode=peer", "a^=1"] {
            assert_eq!(parse(bad), Err(Refusal::Parameter), "{bad}");
        }
    }
}
