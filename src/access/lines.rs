//! How info hashes are written: a line each, in a file and in a pipe.

use crate::types::{InfoHash, skip_byte_order_mark};
use std::io::{self, BufRead, Read};

/// Hex digits of an info hash.
const DIGITS: usize = InfoHash::HEX_DIGITS;

/// As many bytes of a line as decide what it has.
const DECISIVE: usize = DIGITS + 1;

/// What is left behind the last line feed of a text in UTF-16.
const END_OF_WIDE: &[u8] = b"\0";

/// The lines of a pipe, which come in parts of any size. Of a line that has no end yet, a few bytes are kept.
#[derive(Debug)]
pub(super) struct Lines {
    unfinished: [u8; DECISIVE],
    length: usize,
}

impl Lines {
    /// None yet.
    pub(super) const NONE: Lines = Lines { unfinished: [0; DECISIVE], length: 0 };

    /// Reads a part, and hands on the hash of each line that ends in it and has one. Lines are those of a file, but for the last one,
    /// which counts only once it has its line feed.
    pub(super) fn read(&mut self, part: &[u8], mut take: impl FnMut(InfoHash)) {
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            let (_, room) = self.unfinished.split_at_mut(self.length);
            let kept = piece.len().min(room.len());
            room[..kept].copy_from_slice(&piece[..kept]);
            self.length += kept;
            if piece.ends_with(b"\n") {
                let line = &self.unfinished[..std::mem::take(&mut self.length)];
                hash(line).map(&mut take);
            }
        }
    }

    /// Drops the line that has no end yet.
    pub(super) fn drop_unfinished(&mut self) {
        self.length = 0;
    }
}

/// What the lines of a file are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// The last line breaks off within a hash.
    pub(super) cut_short: bool,
    /// Lines that have a hash.
    counted: u64,
    /// Lines that have none, though they are neither empty nor a comment, nor cut short.
    ignored: u64,
    /// The number of the first of them.
    first_ignored: Option<u64>,
}

impl Report {
    /// Lines that count, and lines that are neither empty nor a comment.
    pub(super) fn lines(&self) -> (u64, u64) {
        (self.counted, self.counted + self.ignored + u64::from(self.cut_short))
    }

    /// What to tell the operator: where most lines are ignored the file is hardly a list.
    pub(super) fn doubt(&self) -> Option<String> {
        let Report { counted, ignored, first_ignored: Some(first), .. } = self else { return None };
        let counted = match counted {
            0 => "none".to_owned(),
            n if n < ignored => format!("only {n}"),
            _ => return None,
        };
        Some(format!(
            "{counted} of its {} lines count, line {first} is the first that does not: a line begins with 40 hex digits, and no other \
             digit follows them",
            self.counted + ignored
        ))
    }

    /// Takes note of a line, of which all is there that decides what it is.
    fn note(&mut self, number: u64, line: &[u8], has_hash: bool) {
        let text = line.trim_ascii();
        self.cut_short = line.len() < DIGITS && line.iter().all(u8::is_ascii_hexdigit);
        if has_hash {
            self.counted += 1;
        } else if !(matches!(text, b"" | END_OF_WIDE) || text.starts_with(b"#") || self.cut_short) {
            self.ignored += 1;
            self.first_ignored = self.first_ignored.or(Some(number));
        }
    }
}

/// Reads the hashes of a file: lines that begin with 40 hex digits, none after them; whatever else follows, and
/// all other lines, are ignored (as the original). A byte order mark before the first line is skipped.
///
/// # Errors
/// Reading fails.
pub(super) fn parse(mut reader: impl BufRead, hashes: &mut Vec<InfoHash>) -> io::Result<Report> {
    skip_byte_order_mark(&mut reader)?;
    let mut line = Vec::with_capacity(DECISIVE);
    let mut report = Report::default();
    for number in 1.. {
        line.clear();
        if reader.by_ref().take(DECISIVE as u64).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() > DIGITS && !line.ends_with(b"\n") {
            reader.skip_until(b'\n')?;
        }
        let hash = hash(&line);
        report.note(number, &line, hash.is_some());
        hashes.extend(hash);
    }
    Ok(report)
}

/// The hash that a line has.
fn hash(line: &[u8]) -> Option<InfoHash> {
    let (digits, rest) = line.split_at_checked(DIGITS)?;
    if rest.first().is_some_and(u8::is_ascii_hexdigit) {
        return None;
    }
    InfoHash::from_hex(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "aea0106a82f5a88ed922a63dc3ab60e1a6e465c0";
    const B: &str = "9f5ed997956395cded6184b261b87a09666fcc19";

    /// The first digits of the hashes read, and whether the end is cut_short.
    fn read(text: &[u8]) -> (Vec<u8>, bool) {
        let mut hashes = Vec::new();
        let Report { cut_short, .. } = parse(text, &mut hashes).unwrap();
        (hashes.iter().map(|hash| hash.0[0]).collect(), cut_short)
    }

    #[test]
    fn strange_files() {
        let (a, b) = (0xae, 0x9f);
        let long = format!("{A} {}\n{}\n{B}\n", "x".repeat(10 << 20), "0".repeat(10 << 20));
        let upper = A.to_uppercase();
        for (text, hashes, cut_short) in [
            (String::new(), vec![], false),
            (A.into(), vec![a], false),
            (format!("{A}\n"), vec![a], false),
            (format!("{A}\n{B}"), vec![a, b], false),
            (format!("{A}\r\n{B}\r\n"), vec![a, b], false),
            (format!("{upper}\t# name\n{B}x{A}\n"), vec![a, b], false),
            (format!("{A}0\n{A}{B}\n{A}f"), vec![], false),
            (format!(" {A}\n#{A}\n\n\n{}g\n{B}\n", &A[..39]), vec![b], false),
            (format!("\0{A}\n{A}\0{B}\n{B}\0"), vec![a, b], false),
            (format!("{}\0\n", &A[..39]), vec![], false),
            (format!("\0\0\0{B}\n\0"), vec![], false),
            (format!("{A}\n{}", &B[..39]), vec![a], true),
            (format!("{A}\n{}\n", &B[..39]), vec![a], false),
            (format!("{A}\n# {}", &B[..9]), vec![a], false),
            (format!("{A}\r{B}\n"), vec![a], false),
            (format!("\u{feff}{A}\n{B}\n"), vec![a, b], false),
            (format!("{A}\n\u{feff}{B}\n"), vec![a], false),
            (format!("\u{feff}{}", &B[..39]), vec![], true),
            (long, vec![a, b], false),
        ] {
            let start: String = text.chars().take(60).collect();
            assert_eq!(read(text.as_bytes()), (hashes, cut_short), "{start:?}");
        }
        assert_eq!(format!("{A}\n{B}").len(), 81);
    }

    #[test]
    fn a_file_of_which_most_lines_are_ignored_is_doubtful() {
        let doubt = |text: &str| parse(text.as_bytes(), &mut Vec::new()).unwrap().doubt();
        let wide = |text: &str| text.bytes().flat_map(|byte| [char::from(byte), '\0']).collect::<String>();
        for (text, counts) in [
            (wide(&format!("{A}\n{B}\n")), "none of its 2 lines count, line 1 is"),
            (format!("# mine\n\n  {A}\n"), "none of its 1 lines count, line 3 is"),
            (format!("magnet:?xt=urn:btih:{A}\n{A}\nx"), "only 1 of its 3 lines count, line 1 is"),
            (format!("{A}{}\n", &A[..24]), "none of its 1 lines count, line 1 is"),
        ] {
            assert!(doubt(&text).is_some_and(|said| said.starts_with(counts)), "{text:?}: {:?}", doubt(&text));
        }
        for text in [
            String::new(),
            "# nothing\n\n \r\n".into(),
            format!("{A}\n{}", &B[..39]),
            format!("# {A}\n#\n#\n{A}\n"),
            format!("one\n{A}\n"),
            B[..7].into(),
        ] {
            assert_eq!(doubt(&text), None, "{text:?}");
        }
    }

    /// The hashes that come of these parts.
    fn from_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<InfoHash> {
        let (mut lines, mut hashes) = (Lines::NONE, Vec::new());
        parts.into_iter().for_each(|part| lines.read(part, |hash| hashes.push(hash)));
        hashes
    }

    #[test]
    fn a_line_of_a_pipe_counts_when_it_ends() {
        let whole = InfoHash::from_hex(A.as_bytes()).unwrap();
        assert_eq!(from_parts([A.as_bytes()]), []);
        assert_eq!(from_parts([A.as_bytes(), b"\n"]), [whole]);
        assert_eq!(from_parts([&A.as_bytes()[..7], &A.as_bytes()[7..], b" name", b" of it\n"]), [whole]);
        assert_eq!(from_parts([A.as_bytes(), &[b'x'; 1 << 20], b"\n\n"]), [whole]);
        assert_eq!(from_parts([A.as_bytes(), b"0\n"]), []);
        assert_eq!(from_parts([&[b'a'; 1 << 20][..], A.as_bytes(), b"\n", A.as_bytes(), b"\r\n"]), [whole]);
        let mut lines = Lines::NONE;
        lines.read(&A.as_bytes()[..30], |_| panic!("it has no end"));
        lines.drop_unfinished();
        let mut hashes = Vec::new();
        lines.read(format!("{A}\n").as_bytes(), |hash| hashes.push(hash));
        assert_eq!(hashes, [whole]);
    }

    proptest! {
        #[test]
        fn parts_do_not_matter(text in "([0-9a-fA-F]{39,41}[ \r\n]{0,2}){0,6}\n", size in 1..60_usize) {
            let mut expect = Vec::new();
            parse(text.as_bytes(), &mut expect).unwrap();
            prop_assert_eq!(from_parts(text.as_bytes().chunks(size)), expect);
        }

        #[test]
        fn any_bytes_are_read(text: Vec<u8>, near in "([0-9a-fA-F]{39,41}[ \r\n]?){0,5}") {
            for text in [text.as_slice(), near.as_bytes()] {
                let expect = text.split(|c| *c == b'\n').filter_map(hash).collect::<Vec<_>>();
                let mut hashes = Vec::new();
                parse(text, &mut hashes).unwrap();
                prop_assert_eq!(hashes, expect);
            }
        }
    }
}
