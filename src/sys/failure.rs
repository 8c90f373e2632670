//! What the operating system refused while the tracker started, in the words of the original.

use std::fmt;
use std::io;

/// A step of the start that failed. Prints as `what: reason`, the form of the original's messages.
#[derive(Debug)]
pub struct Failure {
    /// The step, as the original calls it.
    pub what: &'static str,
    /// The system's answer.
    pub error: io::Error,
}

impl Failure {
    /// The failed step `what`, refused with `error`.
    pub fn new(what: &'static str, error: impl Into<io::Error>) -> Self {
        Failure { what, error: error.into() }
    }

    /// Names the step that an error ended, for `map_err`.
    pub fn of<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Failure {
        move |error| Failure::new(what, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, reason(&self.error))
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// The reason of `error` as C programs print it: strerror's text, without the number that Rust adds.
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => strerror(number),
        None => error.to_string(),
    }
}

fn strerror(number: i32) -> String {
    let mut text = [0u8; 128];
    // SAFETY: the buffer is ours and writable for the length given; strerror_r keeps nothing of it.
    let refused = unsafe { libc::strerror_r(number, text.as_mut_ptr().cast(), text.len()) };
    let length = text.iter().position(|&byte| byte == 0).unwrap_or(0);
    match text.get(..length) {
        Some(known) if refused == 0 || length > 0 => String::from_utf8_lossy(known).into_owned(),
        _ => format!("Unknown error {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_the_original() {
        let failure = Failure::new("socket_bind6_reuse", io::Error::from_raw_os_error(libc::EADDRNOTAVAIL));
        assert_eq!(failure.to_string(), "socket_bind6_reuse: Cannot assign requested address");
    }

    #[test]
    fn errors_without_a_number_speak_for_themselves() {
        assert_eq!(reason(&io::Error::other("odd")), "odd");
        assert!(!strerror(123_456).is_empty());
    }
}
