//! Compression of long answers (`compression-gzip`).

use crate::limits::GZIP_LEVEL;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Compresses one answer piece by piece. The output so far can be taken before the last piece is compressed.
pub struct Encoder(GzEncoder<Vec<u8>>);

impl Encoder {
    /// Starts an answer. What is compressed is appended to `output`.
    pub fn new(output: Vec<u8>) -> Encoder {
        Encoder(GzEncoder::new(output, Compression::new(GZIP_LEVEL)))
    }

    /// Compresses one more piece; `last` ends the answer.
    pub fn compress(&mut self, piece: &[u8], last: bool) {
        // writing to memory does not fail
        let _ = self.0.write_all(piece);
        if last {
            let _ = self.0.try_finish();
        }
    }

    /// The compressed bytes that were not taken yet.
    pub fn output(&mut self) -> &mut Vec<u8> {
        self.0.get_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn an_answer_in_pieces() {
        let mut encoder = Encoder::new(b"room".to_vec());
        let (mut plain, mut packed) = (Vec::new(), Vec::new());
        for n in 0..400_u32 {
            let piece: Vec<u8> = (0..997).map(|at| (at * n / 7 % 251) as u8).collect();
            encoder.compress(&piece, n == 399);
            plain.extend(piece);
            packed.append(encoder.output());
        }
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(packed.strip_prefix(b"room").unwrap()).read_to_end(&mut read).unwrap();
        assert_eq!(read, plain);
    }
}
