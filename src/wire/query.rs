//! The scanner of request lines: path, names and values, percent-decoded.
//!
//! Which bytes a token may have depends on its place. What ends a token, and what that means, is as in the original: clients depend on
//! every leniency. Tokens are decoded in place. Decoding only shortens them, so no request needs memory beside its own bytes.

use std::ops::Range;

/// The place of a token, which decides what bytes it may have and what may end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The path, after the first slashes of the request line.
    Path,
    /// A parameter's name.
    Name,
    /// A parameter's value.
    Value,
}

/// A scanned token. The ranges are indices into the scanned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A token, decoded; it may be empty.
    Text(Range<usize>),
    /// The end of the parameters, with nothing before it.
    End,
    /// A byte that is not allowed here, or a bad escape.
    Bad,
}

const PATH: u8 = 1;
const NAME: u8 = 2;
const VALUE: u8 = 4;

/// The contexts in which a byte continues a token.
const CONTINUES: [u8; 256] = continues();

const fn continues() -> [u8; 256] {
    let mut table = [0; 256];
    let mut c = 0;
    while c < 128 {
        let byte = c as u8;
        table[c] = match byte {
            b'?' => NAME | VALUE,
            b'=' | b'@' => VALUE,
            b'!' | b'%' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'-' | b'.' | b'/' | b':' | b';' | b'<' | b'>'
            | b'_' | b'~' => PATH | NAME | VALUE,
            _ if byte.is_ascii_alphanumeric() => PATH | NAME | VALUE,
            _ => 0,
        };
        c += 1;
    }
    table
}

impl Context {
    const fn bit(self) -> u8 {
        match self {
            Context::Path => PATH,
            Context::Name => NAME,
            Context::Value => VALUE,
        }
    }
}

/// A request that is being scanned.
pub struct Scanner<'a> {
    bytes: &'a mut [u8],
    at: usize,
    /// Whether a question mark ended the last token.
    question: bool,
}

impl<'a> Scanner<'a> {
    /// Starts at index `at`. The end of `bytes` is the end of the parameters.
    pub fn new(bytes: &'a mut [u8], at: usize) -> Self {
        Scanner { bytes, at, question: false }
    }

    /// The index where the next token starts.
    pub fn position(&self) -> usize {
        self.at
    }

    /// All bytes; those that were scanned are decoded in place.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// All bytes from the position on.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.position()..).unwrap_or_default()
    }

    /// The bytes of a token.
    pub fn text(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// Moves to the parameters: after the question mark that ended the path or, for clients that put a blank before it, after the next
    /// one of the request line. Returns false if there is none.
    pub fn enter_query(&mut self) -> bool {
        if self.question {
            return true;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match memchr::memchr2(b'?', b'\n', rest) {
            Some(offset) if rest[offset] == b'?' => {
                self.at += offset + 1;
                true
            }
            _ => false,
        }
    }

    /// The byte at the current index. NUL after the last one, which ends the parameters as it does in a request.
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Scans one token, and the byte that ends it if that belongs to the token.
    pub fn token(&mut self, context: Context) -> Token {
        let start = self.at;
        let mut write = start;
        loop {
            let mut c = self.peek();
            if CONTINUES[usize::from(c)] & context.bit() == 0 {
                break;
            }
            self.at += 1;
            if c == b'%' {
                let Some(decoded) = self.escape() else { return Token::Bad };
                c = decoded;
            }
            self.bytes[write] = c;
            write += 1;
        }
        self.question = false;
        let good = match (self.peek(), context) {
            (0 | b'\r' | b'\n' | b' ', _) if write == start => return Token::End,
            (0 | b'\r' | b'\n' | b' ', _) | (b'&', Context::Name) => true,
            (end @ b'?', Context::Path) | (end @ b'=', Context::Name) | (end @ b'&', Context::Value) => {
                self.question = end == b'?';
                self.at += 1;
                true
            }
            _ => false,
        };
        if good { Token::Text(start..write) } else { Token::Bad }
    }

    /// Reads the two hex digits after a percent sign.
    fn escape(&mut self) -> Option<u8> {
        let digits = self.bytes.get(self.at..self.at + 2)?;
        let high = char::from(digits[0]).to_digit(16)?;
        let low = char::from(digits[1]).to_digit(16)?;
        self.at += 2;
        Some((high << 4 | low) as u8)
    }

    /// Skips a value that is not needed, without decoding it.
    ///
    /// A stray byte after it is skipped too, unless it ends the parameters or is an error there: that is left for the next name.
    pub fn skip_value(&mut self) {
        while CONTINUES[usize::from(self.peek())] & VALUE != 0 {
            self.at += 1;
        }
        match self.peek() {
            0 | b'\r' | b'\n' | b' ' => {}
            b'&' | 0x01..=0x1f | 0x7f..=0xff => self.at += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(text: &[u8], context: Context) -> (Token, Vec<u8>, usize) {
        let mut bytes = text.to_vec();
        let mut scanner = Scanner::new(&mut bytes, 0);
        let token = scanner.token(context);
        let decoded = match &token {
            Token::Text(range) => scanner.text(range).to_vec(),
            _ => Vec::new(),
        };
        let at = scanner.position();
        (token, decoded, at)
    }

    #[test]
    fn characters_continue_where_the_table_says() {
        let everywhere = b"azAZ09!'()*+,-./:;<>_~";
        for c in 1..=255_u8 {
            let expect = match c {
                b'%' => continue,
                b'?' => [false, true, true],
                b'=' | b'@' => [false, false, true],
                c if c.is_ascii_alphanumeric() || everywhere.contains(&c) => [true; 3],
                _ => [false; 3],
            };
            for (context, expect) in [Context::Path, Context::Name, Context::Value].into_iter().zip(expect) {
                let (_, decoded, _) = scan(&[c, b' '], context);
                assert_eq!(decoded == [c], expect, "{:?} in {context:?}", char::from(c));
            }
        }
    }

    #[test]
    fn escapes_decode_and_bad_ones_are_errors() {
        assert_eq!(scan(b"%61%4E%00%ff ", Context::Value).1, [b'a', b'N', 0, 255]);
        for bad in [&b"%"[..], b"%4", b"%G1 ", b"%1G ", b"%-1 ", b"%+1 ", b"a% 1"] {
            assert_eq!(scan(bad, Context::Name).0, Token::Bad, "{bad:?}");
        }
    }

    #[test]
    fn what_ends_a_token() {
        use Context::*;
        for end in [0, b'\r', b'\n', b' '] {
            for context in [Path, Name, Value] {
                assert_eq!(scan(&[b'x', end], context).0, Token::Text(0..1));
                assert_eq!(scan(&[end], context).0, Token::End);
            }
        }
        assert_eq!(scan(b"x?y", Path), (Token::Text(0..1), b"x".to_vec(), 2));
        assert_eq!(scan(b"?y", Path), (Token::Text(0..0), vec![], 1));
        assert_eq!(scan(b"x=y", Path).0, Token::Bad);
        assert_eq!(scan(b"x&y", Path).0, Token::Bad);
        assert_eq!(scan(b"x=y", Name), (Token::Text(0..1), b"x".to_vec(), 2));
        assert_eq!(scan(b"x&y", Name), (Token::Text(0..1), b"x".to_vec(), 1), "the & stays for the value");
        assert_eq!(scan(b"x&y", Value), (Token::Text(0..1), b"x".to_vec(), 2));
        assert_eq!(scan(b"x=y ", Value).1, b"x=y");
        for c in b"\"#$[\\]^{|}`\x01\x7f\x80" {
            for context in [Path, Name, Value] {
                assert_eq!(scan(&[b'x', *c], context).0, Token::Bad);
            }
        }
    }

    #[test]
    fn parameters_begin_after_a_question_mark() {
        for (text, at) in
            [(&b"a?b"[..], Some(2)), (b"a ?b", Some(3)), (b"a x?b\n", Some(4)), (b"a \n?b", None), (b"a%3f b", None)]
        {
            let mut bytes = text.to_vec();
            let mut scanner = Scanner::new(&mut bytes, 0);
            scanner.token(Context::Path);
            assert_eq!(scanner.enter_query().then(|| scanner.position()), at, "{text:?}");
        }
    }

    #[test]
    fn skipping_a_value_skips_stray_bytes_but_no_ends_and_no_errors() {
        for (text, at) in [
            (&b"a=%zz@?&x"[..], 8),
            (b"a\x01x", 2),
            (b"a\x7fx", 2),
            (b"a\xffx", 2),
            (b"a x", 1),
            (b"a\rx", 1),
            (b"a\nx", 1),
            (b"a\0x", 1),
            (b"a#x", 1),
            (b"a`x", 1),
            (b"a", 1),
        ] {
            let mut bytes = text.to_vec();
            let mut scanner = Scanner::new(&mut bytes, 0);
            scanner.skip_value();
            assert_eq!(scanner.position(), at, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_scanned_forwards(mut bytes in prop::collection::vec(any::<u8>(), 0..200), steps in 1..50_usize) {
            let length = bytes.len();
            let mut scanner = Scanner::new(&mut bytes, 0);
            for step in 0..steps {
                let before = scanner.position();
                match step % 3 {
                    0 => drop(scanner.token(Context::Name)),
                    1 => drop(scanner.token(Context::Value)),
                    _ => scanner.skip_value(),
                }
                prop_assert!(scanner.position() >= before && scanner.position() <= length);
            }
        }
    }
}
