//! Where nothing is compressed: an encoder that nobody makes.

/// What would compress.
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// Begins behind what `output` holds already.
    pub fn new(output: Vec<u8>) -> Encoder {
        Encoder(output)
    }

    /// Adds a piece as it is.
    pub fn press(&mut self, piece: &[u8], _last: bool) {
        self.0.extend_from_slice(piece);
    }

    /// What has been added and not been taken.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}
