//! The parameters of an HTTP announce (BEP 3, 23).

use super::http::Refusal;
use super::number::Number;
use super::query::{Context, Scanner, Token};
use crate::address::read_ip;
use crate::types::{Announce, InfoHash, Numwant};
use std::net::IpAddr;
use std::ops::Range;

/// How parameters are read: those that only some builds know, and what the operator has set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras {
    /// `ip=` names the peer's address.
    pub ip: bool,
    /// It may be an IPv6 one.
    pub ip_v6: bool,
    /// `lognet=` names a network whose requests are logged.
    pub lognet: bool,
    /// How many peers a reply has.
    pub numwant: Numwant,
}

/// The parameters of an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// `info_hash`: 20 bytes. Clients do forget it.
    pub info_hash: Option<InfoHash>,
    /// `peer_id`: 20 bytes.
    pub peer_id: Option<[u8; 20]>,
    /// `port`: where the peer listens; 0 if it is missing.
    pub port: u16,
    /// `left` is 0: the peer has all of the torrent.
    pub seeding: bool,
    /// `event=completed`: it has just completed its download.
    pub completed: bool,
    /// `event=stopped`: it leaves.
    pub stopped: bool,
    /// `numwant`: how many peers the client wants, within the limits.
    pub numwant: usize,
    /// `ip`, where [`Extras::ip`] is set.
    pub ip: Option<IpAddr>,
    /// The value of `lognet`, where [`Extras::lognet`] is set. Nothing after it is read.
    pub lognet: Option<Range<usize>>,
}

impl Parameters {
    /// Reads the parameters after the question mark.
    ///
    /// # Errors
    /// A parameter is malformed, or asks for what this tracker does not do.
    pub fn parse(scanner: &mut Scanner<'_>, extras: Extras) -> Result<Self, Refusal> {
        let mut parameters = Parameters {
            info_hash: None,
            peer_id: None,
            port: 0,
            seeding: false,
            completed: false,
            stopped: false,
            numwant: extras.numwant.default,
            ip: None,
            lognet: None,
        };
        while parameters.lognet.is_none() {
            match scanner.token(Context::Name) {
                Token::End => return Ok(parameters),
                Token::Bad => return Err(Refusal::Parameter),
                Token::Text(name) => parameters.parameter(scanner, &name, extras)?,
            }
        }
        Ok(parameters)
    }

    /// The announce that they make. `None` without an info hash.
    pub fn announce(&self) -> Option<Announce> {
        let Parameters { info_hash, peer_id, port, seeding, completed, stopped, numwant, .. } = *self;
        let port = port.to_be_bytes();
        Some(Announce { info_hash: info_hash?, peer_id, port, seeding, completed, stopped, numwant })
    }

    fn parameter(&mut self, scanner: &mut Scanner<'_>, name: &Range<usize>, extras: Extras) -> Result<(), Refusal> {
        match scanner.text(name) {
            b"info_hash" if self.info_hash.is_some() => return Err(Refusal::Parameter),
            b"info_hash" => self.info_hash = Some(InfoHash(twenty_bytes(scanner)?)),
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
            b"numwant" => self.numwant = within_limits(number(scanner)?, extras.numwant),
            b"compact" | b"compact6" => {
                if number(scanner)?.is_zero() {
                    return Err(Refusal::Compact);
                }
            }
            b"lognet" if extras.lognet => self.lognet = Some(value(scanner)?),
            b"ip" if extras.ip => {
                let text = value(scanner)?;
                let address = read_ip(scanner.text(&text)).filter(|address| extras.ip_v6 || address.is_ipv4());
                self.ip = Some(address.ok_or(Refusal::Parameter)?);
            }
            _ => scanner.skip_value(),
        }
        Ok(())
    }
}

fn within_limits(wanted: Number, numwant: Numwant) -> usize {
    if wanted.negative && !wanted.is_zero() {
        return numwant.default;
    }
    usize::try_from(wanted.magnitude).map_or(numwant.max, |wanted| wanted.min(numwant.max))
}

/// The value of the name just read; empty where there is none.
///
/// # Errors
/// The value has a byte that no value may have.
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

    fn parse(query: &str) -> Result<Parameters, Refusal> {
        let mut bytes = format!("{query} HTTP/1.0\r\n\r\n").into_bytes();
        Parameters::parse(&mut Scanner::new(&mut bytes, 0), Extras::default())
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
        let extras = Extras { numwant: Numwant { default: 3, max: 7 }, ..Extras::default() };
        for (query, wanted) in [("port=1", 3), ("numwant=-1", 3), ("numwant=0", 0), ("numwant=7", 7), ("numwant=8", 7)]
        {
            let mut bytes = format!("{query} HTTP/1.0\r\n\r\n").into_bytes();
            let said = Parameters::parse(&mut Scanner::new(&mut bytes, 0), extras).unwrap();
            assert_eq!(said.numwant, wanted, "{query}");
        }
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
        let read_in = |ip_v6, query: &str| {
            let mut bytes = format!("{query} HTTP/1.0\r\n\r\n").into_bytes();
            let extras = Extras { ip: true, ip_v6, ..Extras::default() };
            Parameters::parse(&mut Scanner::new(&mut bytes, 0), extras).map(|said| said.ip)
        };
        let read = |query| read_in(false, query);
        assert_eq!(read_in(true, "ip=2001:db8::1"), Ok(Some("2001:db8::1".parse().unwrap())));
        assert_eq!(read_in(true, "ip=::ffff:1.2.3.4"), Ok(Some([1, 2, 3, 4].into())));
        assert_eq!(read("port=1&ip=%31.2.3.4"), Ok(Some([1, 2, 3, 4].into())));
        assert_eq!(read("ip=1.2.3.4&ip=5.6.7.8"), Ok(Some([5, 6, 7, 8].into())));
        assert_eq!(read("ip=nonsense&ip=5.6.7.8"), Err(Refusal::Parameter));
        assert_eq!(read("ip=2001:db8::1"), Err(Refusal::Parameter));
        assert_eq!(read("ip="), Err(Refusal::Parameter));
        assert_eq!(read("ip"), Err(Refusal::Parameter));
        assert_eq!(read("port=1"), Ok(None));
    }

    #[test]
    fn nothing_is_read_after_a_network_to_log() {
        let parse = |extras| {
            let mut bytes = b"port=1&lognet=1.2.3.4&port=x ".to_vec();
            let mut scanner = Scanner::new(&mut bytes, 0);
            let said = Parameters::parse(&mut scanner, extras)?;
            Ok(said.lognet.map(|lognet| scanner.text(&lognet).to_vec()))
        };
        assert_eq!(parse(Extras::default()), Err(Refusal::Parameter));
        let lognet = Extras { lognet: true, ..Extras::default() };
        assert_eq!(parse(lognet), Ok(Some(b"1.2.3.4".to_vec())));
    }
}
