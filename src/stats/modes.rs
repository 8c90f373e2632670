//! What can be asked of the statistics: modes, and the formats of dumps.

use crate::wire::announce::value;
use crate::wire::http::{Refusal, Version};
use crate::wire::query::{Context, Scanner, Token};

/// The pages (`mode=`), by the original's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as it is asked for")]
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
    /// The version in the head of its page: what the original makes in another thread goes out as 1.0.
    pub fn http_version(self) -> Version {
        match self {
            Mode::Peer | Mode::Torr | Mode::S24s | Mode::Top10 | Mode::Top100 | Mode::Everything => Version::Http10,
            Mode::Tpbs | Mode::Statedump | Mode::Fulllog | Mode::Woodpeckers => Version::Http10,
            _ => Version::Http11,
        }
    }
}

/// The forms that all torrents are dumped in (`format=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Bencoded, as a scrape.
    Ben,
    /// 28 bytes a torrent.
    Bin,
    /// Hash, seeders, leechers as text.
    Txt,
    /// The same with downloads.
    Txtp,
    /// As txt with the hash percent-escaped.
    Url,
    /// What `-l` reads back; asked for by a mode of its own.
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
pub struct Asked {
    /// The page.
    pub mode: Mode,
    /// The form, where the page is a dump.
    pub format: Format,
}

impl Asked {
    /// Reads the parameters. Of repeated ones the last counts.
    ///
    /// # Errors
    /// The answer to give to a request that is no good.
    pub fn parse(scanner: &mut Scanner<'_>) -> Result<Asked, Refusal> {
        let mut asked = Asked { mode: Mode::Peer, format: Format::Ben };
        loop {
            let name = match scanner.token(Context::Name) {
                Token::End => return Ok(asked),
                Token::Bad => return Err(Refusal::Parameter),
                Token::Text(name) => name,
            };
            match scanner.text(&name) {
                b"mode" => asked.mode = keyword(scanner, MODES)?,
                b"format" => asked.format = keyword(scanner, FORMATS)?,
                _ => scanner.skip_value(),
            }
        }
    }
}

fn keyword<T: Copy>(scanner: &mut Scanner<'_>, words: &[(&[u8], T)]) -> Result<T, Refusal> {
    let range = value(scanner)?;
    let said = scanner.text(&range);
    words.iter().find(|(word, _)| *word == said).map(|(_, meaning)| *meaning).ok_or(Refusal::Parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<(Mode, Format), Refusal> {
        let mut bytes = format!("{query} HTTP/1.0\r\n\r\n").into_bytes();
        Asked::parse(&mut Scanner::new(&mut bytes, 0)).map(|asked| (asked.mode, asked.format))
    }

    #[test]
    fn modes_and_formats() {
        assert_eq!(asked(""), Ok((Mode::Peer, Format::Ben)));
        assert_eq!(asked("mode=torr&mode=top10"), Ok((Mode::Top10, Format::Ben)));
        assert_eq!(asked("format=txt&x=1&mode=tpbs"), Ok((Mode::Tpbs, Format::Txt)));
        for bad in ["mode=", "mode", "mode=nope", "mode=Peer", "mode=tpbs&format=nope", "format=&mode=peer", "a^=1"] {
            assert_eq!(asked(bad), Err(Refusal::Parameter), "{bad}");
        }
    }
}
