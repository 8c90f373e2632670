//! Dumps: all torrents in one of the formats of a full scrape.

use super::modes::Format;
use crate::types::Counts;
use crate::wire::bencode;
use std::io::Write;

/// Appends what comes before the torrents.
pub fn start(out: &mut Vec<u8>, format: Format) {
    if format == Format::Ben {
        out.extend_from_slice(bencode::SCRAPE_START);
    }
}

/// Appends what comes after them.
pub fn end(out: &mut Vec<u8>, format: Format) {
    if format == Format::Ben {
        out.extend_from_slice(bencode::SCRAPE_END);
    }
}

/// Appends one torrent. `minute` is the one stored with it.
pub fn torrent(out: &mut Vec<u8>, format: Format, info_hash: &[u8; 20], counts: Counts, minute: u32) {
    let Counts { seeders, leechers, downloaded } = counts;
    // writing to memory does not fail
    let _ = match format {
        Format::Ben => {
            bencode::scraped(out, info_hash, counts);
            Ok(())
        }
        Format::Bin => {
            out.extend_from_slice(info_hash);
            out.extend_from_slice(&seeders.to_be_bytes());
            out.extend_from_slice(&leechers.to_be_bytes());
            Ok(())
        }
        Format::Txt => {
            hex(out, info_hash);
            writeln!(out, ":{seeders}:{leechers}")
        }
        Format::Txtp => {
            hex(out, info_hash);
            writeln!(out, ":{seeders}:{leechers}:{downloaded}")
        }
        Format::Url => {
            escape(out, info_hash);
            writeln!(out, ":{seeders}:{leechers}")
        }
        Format::State => {
            hex(out, info_hash);
            writeln!(out, ":{minute}:{downloaded}")
        }
    };
}

/// Bytes of the shortest entry of a torrent.
pub fn torrent_min(format: Format) -> usize {
    let mut entry = Vec::new();
    // letters, which need no escape
    torrent(&mut entry, format, &[b'a'; 20], Counts::default(), 0);
    entry.len()
}

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

fn digits(byte: u8, alphabet: &[u8; 16]) -> [u8; 2] {
    [alphabet[usize::from(byte >> 4)], alphabet[usize::from(byte & 15)]]
}

/// Appends bytes as pairs of upper-case hex digits.
pub fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    bytes.iter().for_each(|byte| out.extend_from_slice(&digits(*byte, UPPER)));
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'$' | b'-' | b'.' | b'/' | b'=' | b'_' | b'~' => out.push(*byte),
            _ if byte.is_ascii_alphanumeric() => out.push(*byte),
            _ => {
                out.push(b'%');
                out.extend_from_slice(&digits(*byte, LOWER));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_torrent_is_shorter_than_the_shortest() {
        let formats = [
            (Format::Ben, 70),
            (Format::Bin, 28),
            (Format::Txt, 45),
            (Format::Txtp, 47),
            (Format::Url, 25),
            (Format::State, 45),
        ];
        for (format, bytes) in formats {
            assert_eq!(torrent_min(format), bytes);
        }
    }

    #[test]
    fn every_format() {
        let hash = *b"+az09$-./=_~\x00\xff @%&AZ";
        let counts = Counts { seeders: 1, leechers: 2, downloaded: 3 };
        let line = |format| {
            let mut out = Vec::new();
            start(&mut out, format);
            torrent(&mut out, format, &hash, counts, 4);
            end(&mut out, format);
            out.escape_ascii().to_string()
        };
        let hex = "2B617A3039242D2E2F3D5F7E00FF20402526415A";
        assert_eq!(line(Format::Txt), format!("{hex}:1:2\\n"));
        assert_eq!(line(Format::Txtp), format!("{hex}:1:2:3\\n"));
        assert_eq!(line(Format::State), format!("{hex}:4:3\\n"));
        assert_eq!(line(Format::Url), "%2baz09$-./=_~%00%ff%20%40%25%26AZ:1:2\\n");
        assert_eq!(line(Format::Bin), format!("{}\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x02", hash.escape_ascii()));
        let entry = "d8:completei1e10:downloadedi3e10:incompletei2ee";
        assert_eq!(line(Format::Ben), format!("d5:filesd20:{}{entry}ee", hash.escape_ascii()));
    }
}
