//! The parameters of a request for statistics: its mode, and the format of dumps. Which modes there are is an argument.

use crate::wire::announce::value;
use crate::wire::http::Refusal;
use crate::wire::query::{Context, Scanner, Token};

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
pub struct Query<M> {
    /// The mode.
    pub mode: M,
    /// The format, for modes that are dumps.
    pub format: Format,
}

impl<M: Copy> Query<M> {
    /// Reads the parameters. `modes` has all modes by name. Of repeated parameters the last counts; without a mode it is `default`.
    /// An `info_hash` is ignored as other names are, or refused (as the original's 1.0 line).
    ///
    /// # Errors
    /// A parameter is malformed or refused, or a mode or format unknown.
    pub fn parse(
        scanner: &mut Scanner<'_>,
        modes: &[(&[u8], M)],
        default: M,
        refuses_info_hash: bool,
    ) -> Result<Query<M>, Refusal> {
        let mut query = Query { mode: default, format: Format::Ben };
        loop {
            let name = match scanner.token(Context::Name) {
                Token::End => return Ok(query),
                Token::Bad => return Err(Refusal::Parameter),
                Token::Text(name) => name,
            };
            match scanner.text(&name) {
                b"mode" => query.mode = keyword(scanner, modes)?,
                b"format" => query.format = keyword(scanner, FORMATS)?,
                b"info_hash" if refuses_info_hash => return Err(Refusal::Parameter),
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

    fn parse(query: &str) -> Result<(u8, Format), Refusal> {
        let modes: [(&[u8], u8); 3] = [(b"peer", 1), (b"torr", 2), (b"tpbs", 3)];
        let mut bytes = format!("{query} HTTP/1.0\r\n\r\n").into_bytes();
        Query::parse(&mut Scanner::new(&mut bytes, 0), &modes, 0, false).map(|query| (query.mode, query.format))
    }

    #[test]
    fn modes_and_formats() {
        assert_eq!(parse(""), Ok((0, Format::Ben)));
        assert_eq!(parse("mode=torr&mode=peer"), Ok((1, Format::Ben)));
        assert_eq!(parse("format=txt&x=1&mode=tpbs"), Ok((3, Format::Txt)));
        assert_eq!(parse("info_hash=x"), Ok((0, Format::Ben)));
        let mut bytes = b"info_hash=x ".to_vec();
        let refused = Query::parse(&mut Scanner::new(&mut bytes, 0), &[], 0, true);
        assert_eq!(refused.err(), Some(Refusal::Parameter));
        for bad in ["mode=", "mode", "mode=nope", "mode=Peer", "mode=tpbs&format=nope", "format=&mode=peer", "a^=1"] {
            assert_eq!(parse(bad), Err(Refusal::Parameter), "{bad}");
        }
    }
}
