//! What the operator is told of a line of a config file.

use super::keys::Doubt;

/// What is to be said of a line: leading white space kept, trailing white space cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The key is not known in this build, or has no value.
    Unhandled(Vec<u8>),
    /// The value cannot be read.
    Parse(Vec<u8>),
    /// The line says something that has no effect. What else it says counts.
    Doubtful(Doubt, Vec<u8>),
}

impl Problem {
    /// The message for stderr, with its line feed (that of a skipped line as the original). Print it and go on.
    pub fn message(&self) -> Vec<u8> {
        let (what, line) = match self {
            Self::Unhandled(line) => ("Unhandled line in config file: ".to_owned(), line),
            Self::Parse(line) => ("Parse error in config file: ".to_owned(), line),
            Self::Doubtful(doubt, line) => (doubt.message(), line),
        };
        [what.as_bytes(), line, b"\n"].concat()
    }
}
