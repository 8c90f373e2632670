//! The parameters of an HTTP scrape (BEP 48).

use super::announce::twenty_bytes;
use super::http::Refusal;
use super::query::{Context, Scanner, Token};
use crate::limits::HTTP_SCRAPE_MAX;

/// Calls `visit` with the info hashes after the question mark, in their order, at most [`HTTP_SCRAPE_MAX`].
///
/// # Errors
/// A parameter is malformed, or there is no info hash. `visit` may have been called before.
pub fn parse(scanner: &mut Scanner<'_>, mut visit: impl FnMut([u8; 20])) -> Result<(), Refusal> {
    let mut asked = 0;
    loop {
        match scanner.token(Context::Name) {
            Token::End if asked == 0 => return Err(Refusal::Parameter),
            Token::End => return Ok(()),
            Token::Bad => return Err(Refusal::Parameter),
            Token::Text(name) if scanner.text(&name) == b"info_hash" => {
                let info_hash = twenty_bytes(scanner)?;
                asked += 1;
                if asked <= HTTP_SCRAPE_MAX {
                    visit(info_hash);
                }
            }
            Token::Text(_) => scanner.skip_value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(query: String) -> (Result<(), Refusal>, usize) {
        let mut bytes = (query + " HTTP/1.0\r\n\r\n").into_bytes();
        let mut hashes = 0;
        let result = parse(&mut Scanner::new(&mut bytes, 0), |_| hashes += 1);
        (result, hashes)
    }

    #[test]
    fn as_many_as_are_answered() {
        let hash = "info_hash=aaaaaaaaaaaaaaaaaaaa&";
        assert_eq!(scrape(hash.repeat(3)), (Ok(()), 3));
        assert_eq!(scrape(hash.repeat(65)), (Ok(()), 64));
        assert_eq!(scrape(hash.repeat(64) + "info_hash=short").0, Err(Refusal::Parameter));
        assert_eq!(scrape("x=%zz&".to_owned() + hash), (Ok(()), 1));
        assert_eq!(scrape("x=1".into()).0, Err(Refusal::Parameter));
        assert_eq!(scrape(String::new()).0, Err(Refusal::Parameter));
    }
}
