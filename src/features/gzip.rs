//! Compression of long answers (`compression-gzip`).

use crate::limits::GZIP_LEVEL;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Makes one gzip file, piece by piece, and lets its beginning be taken while the rest is still to come.
pub struct Encoder(GzEncoder<Vec<u8>>);

impl Encoder {
    /// Begins a file behind what `output` holds already.
    pub fn new(output: Vec<u8>) -> Encoder {
        Encoder(GzEncoder::new(output, Compression::new(GZIP_LEVEL)))
    }

    /// Adds a piece; `last` ends the file.
    pub fn press(&mut self, piece: &[u8], last: bool) {
        // writing to memory does not fail
        let _ = self.0.write_all(piece);
        if last {
            let _ = self.0.try_finish();
        }
    }

    /// What has been written and not been taken.
    pub fn output(&mut self) -> &mut Vec<u8> {
        self.0.get_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_file_in_pieces() {
        let mut encoder = Encoder::new(b"room".to_vec());
        let (mut plain, mut packed) = (Vec::new(), Vec::new());
        for n in 0..400_u32 {
            let piece: Vec<u8> = (0..997).map(|at| (at * n / 7 % 251) as u8).collect();
            encoder.press(&piece, n == 399);
            plain.extend(piece);
            packed.append(encoder.output());
        }
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(packed.strip_prefix(b"room").unwrap()).read_to_end(&mut read).unwrap();
        assert_eq!(read, plain);
    }
}
