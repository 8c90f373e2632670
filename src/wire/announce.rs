//! The parameters of an HTTP announce (BEP 3, 23) and the interval that announces are answered with.

use super::http::Refusal;
use super::number::Number;
use super::query::{Context, Scanner, Token};
use crate::limits::{INTERVAL_MIN, INTERVAL_SPREAD, NUMWANT_DEFAULT, NUMWANT_MAX};
use std::net::IpAddr;
use std::ops::Range;

/// Seconds until a client should announce again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(u32);

impl Interval {
    /// The interval that a random number stands for. Spread out, so that clients that came together don't stay together.
    pub fn from_draw(draw: u64) -> Interval {
        Interval(INTERVAL_MIN + (draw % u64::from(INTERVAL_SPREAD)) as u32)
    }

    /// The interval in seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// The least time between two announces, in seconds.
    pub fn minimum(self) -> u32 {
        self.0 / 2
    }
}

/// Reads an address that stands at the start of a text.
pub type ReadAddress = fn(&[u8]) -> Option<IpAddr>;

/// The parameters that only some builds know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras {
    /// `ip=` names the peer's address: reads it, where it is one that this build can store.
    pub ip: Option<ReadAddress>,
}

/// What a client said in its announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// Which torrent; clients do forget it.
    pub info_hash: Option<[u8; 20]>,
    /// How the client calls itself.
    pub peer_id: Option<[u8; 20]>,
    /// Where it takes connections; 0 if it did not say.
    pub port: u16,
    /// Whether it has everything.
    pub seeding: bool,
    /// Whether it has just got the last piece.
    pub completed: bool,
    /// Whether it leaves.
    pub stopped: bool,
    /// How many peers it wants, within the limits.
    pub numwant: usize,
    /// The address it names, where [`Extras::ip`] reads it.
    pub ip: Option<IpAddr>,
}

impl Announce {
    /// Reads the parameters behind the question mark.
    ///
    /// # Errors
    /// The answer to give to a request that is no good.
    pub fn parse(scanner: &mut Scanner<'_>, extras: Extras) -> Result<Announce, Refusal> {
        let mut said = Announce {
            info_hash: None,
            peer_id: None,
            port: 0,
            seeding: false,
            completed: false,
            stopped: false,
            numwant: NUMWANT_DEFAULT,
            ip: None,
        };
        loop {
            match scanner.token(Context::Name) {
                Token::End => return Ok(said),
                Token::Bad => return Err(Refusal::Parameter),
                Token::Text(name) => said.parameter(scanner, &name, extras)?,
            }
        }
    }

    fn parameter(&mut self, scanner: &mut Scanner<'_>, name: &Range<usize>, extras: Extras) -> Result<(), Refusal> {
        match scanner.text(name) {
            b"info_hash" if self.info_hash.is_some() => return Err(Refusal::Parameter),
            b"info_hash" => self.info_hash = Some(twenty_bytes(scanner)?),
            b"peer_id" => self.peer_id = Some(twenty_bytes(scanner)?),
            b"port" => self.port = number(scanner)?.as_port().ok_or(Refusal::Parameter)?,
            b"left" => {
                let left = value(scanner)?;
                if left.is_empty() {
                    return Err(Refusal::Parameter);
                }
                self.seeding |= Number::parse(scanner.text(&left)).is_none_or(Number::is_zero);
            }
            b"event" => {
                let event = value(scanner)?;
                self.completed |= scanner.text(&event) == b"completed";
                self.stopped |= scanner.text(&event) == b"stopped";
            }
            b"numwant" => self.numwant = within_limits(number(scanner)?),
            b"compact" | b"compact6" => {
                if number(scanner)?.is_zero() {
                    return Err(Refusal::Compact);
                }
            }
            b"ip" => match extras.ip {
                Some(read) => {
                    let text = value(scanner)?;
                    self.ip = Some(read(scanner.text(&text)).ok_or(Refusal::Parameter)?);
                }
                None => scanner.skip_value(),
            },
            _ => scanner.skip_value(),
        }
        Ok(())
    }
}

fn within_limits(wanted: Number) -> usize {
    if wanted.negative && !wanted.is_zero() {
        return NUMWANT_DEFAULT;
    }
    usize::try_from(wanted.magnitude).map_or(NUMWANT_MAX, |wanted| wanted.min(NUMWANT_MAX))
}

/// The value that belongs to the name just read; empty where there is none.
///
/// # Errors
/// The value holds what no value may.
pub fn value(scanner: &mut Scanner<'_>) -> Result<Range<usize>, Refusal> {
    match scanner.token(Context::Value) {
        Token::Text(range) => Ok(range),
        Token::End => Ok(scanner.position()..scanner.position()),
        Token::Bad => Err(Refusal::Parameter),
    }
}

/// A value of exactly 20 bytes: an info hash or a peer id.
pub(super) fn twenty_bytes(scanner: &mut Scanner<'_>) -> Result<[u8; 20], Refusal> {
    let range = value(scanner)?;
    scanner.text(&range).try_into().map_err(|_| Refusal::Parameter)
}

fn number(scanner: &mut Scanner<'_>) -> Result<Number, Refusal> {
    let range = value(scanner)?;
    Number::parse(scanner.text(&range)).ok_or(Refusal::Parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Announce, Refusal> {
        let mut bytes = format!("{query} HTTP/1.0\r\n\r\n").into_bytes();
        Announce::parse(&mut Scanner::new(&mut bytes, 0), Extras::default())
    }

    fn numwant(query: &str) -> usize {
        parse(query).unwrap().numwant
    }

    #[test]
    fn of_repeated_parameters_the_last_counts() {
        let said = parse("port=1&port=2&numwant=3&numwant=4").unwrap();
        assert_eq!((said.port, said.numwant), (2, 4));
        assert_eq!(parse("info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=aaaaaaaaaaaaaaaaaaaa"), Err(Refusal::Parameter));
        let said = parse("left=0&left=5&event=completed&event=stopped&event=started").unwrap();
        assert!(said.seeding && said.completed && said.stopped);
    }

    #[test]
    fn only_nothing_left_is_seeding() {
        for (left, seeding) in [("0", true), ("-", true), ("-0", true), ("abc", true), ("1x", true), ("1", false)] {
            assert_eq!(parse(&format!("left={left}")).unwrap().seeding, seeding, "{left}");
        }
        assert!(!parse("left=4294967296").unwrap().seeding, "a number of any size has its value");
        assert!(!parse("left=18446744073709551616").unwrap().seeding);
        assert!(!parse("left=-1").unwrap().seeding);
        assert!(!parse("port=1").unwrap().seeding);
        assert_eq!(parse("left="), Err(Refusal::Parameter));
    }

    #[test]
    fn numwant_within_limits() {
        assert_eq!(numwant("port=1"), 50);
        assert_eq!(numwant("numwant=0"), 0);
        assert_eq!(numwant("numwant=-"), 0);
        assert_eq!(numwant("numwant=-7"), 50);
        assert_eq!(numwant("numwant=200"), 200);
        assert_eq!(numwant("numwant=201"), 200);
        assert_eq!(numwant("numwant=99999999999999999999999"), 200);
        assert_eq!(parse("numwant="), Err(Refusal::Parameter));
        assert_eq!(parse("numwant=1x"), Err(Refusal::Parameter));
    }

    #[test]
    fn compact_is_the_only_form() {
        for query in ["compact=0", "compact6=0", "compact=-", "compact=-0"] {
            assert_eq!(parse(query), Err(Refusal::Compact), "{query}");
        }
        assert_eq!(parse("compact=x"), Err(Refusal::Parameter));
        assert_eq!(parse("compact="), Err(Refusal::Parameter));
        assert!(parse("compact=1&compact6=2&compact=-1").is_ok());
    }

    #[test]
    fn names_are_decoded_and_case_counts() {
        assert_eq!(parse("p%6frt=7").unwrap().port, 7);
        assert_eq!(parse("Port=7").unwrap().port, 0);
        assert_eq!(parse("p%zz=7"), Err(Refusal::Parameter));
        assert_eq!(parse("x=%zz&port=7").unwrap().port, 7);
        assert_eq!(parse("=1&&port=7&").unwrap().port, 7);
        assert_eq!(parse("port"), Err(Refusal::Parameter));
        assert_eq!(parse("port&x=1"), Err(Refusal::Parameter));
        assert_eq!(parse("unknown"), Ok(parse("").unwrap()));
        assert_eq!(parse("x=1\x01port=7").unwrap().port, 7);
        assert_eq!(parse("x=1#port=7"), Err(Refusal::Parameter));
    }

    #[test]
    fn the_address_is_read_only_where_it_is_believed() {
        assert_eq!(parse("ip=%zz").unwrap().ip, None);
        let read = |query: &str| {
            let mut bytes = format!("{query} HTTP/1.0\r\n\r\n").into_bytes();
            let ip = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
            Announce::parse(&mut Scanner::new(&mut bytes, 0), Extras { ip: Some(ip) }).map(|said| said.ip)
        };
        assert_eq!(read("port=1&ip=%31.2.3.4"), Ok(Some([1, 2, 3, 4].into())));
        assert_eq!(read("ip=1.2.3.4&ip=5.6.7.8"), Ok(Some([5, 6, 7, 8].into())));
        assert_eq!(read("ip=nonsense&ip=5.6.7.8"), Err(Refusal::Parameter));
        assert_eq!(read("ip="), Err(Refusal::Parameter));
        assert_eq!(read("ip"), Err(Refusal::Parameter));
        assert_eq!(read("port=1"), Ok(None));
    }

    #[test]
    fn intervals_are_spread() {
        assert_eq!(Interval::from_draw(0).seconds(), 1620);
        assert_eq!(Interval::from_draw(359).seconds(), 1979);
        assert_eq!(Interval::from_draw(360).seconds(), 1620);
        assert_eq!(Interval::from_draw(359).minimum(), 989);
    }
}
