//! JSON (RFC 8259) as it is written: objects and arrays one inside the other, a key or a value at a time.

use std::fmt::Display;
use std::io::Write;

/// An object or an array while it is written. It ends when it is dropped.
pub(super) struct Inside<'a> {
    out: &'a mut Vec<u8>,
    end: u8,
    is_empty: bool,
}

impl<'a> Inside<'a> {
    /// The object that a document is.
    pub(super) fn document(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Inside { out, end: b'}', is_empty: true }
    }

    /// A member that is an object.
    pub(super) fn object(&mut self, key: &str) -> Inside<'_> {
        self.key(key);
        Inside::document(self.out)
    }

    /// A member that is an array.
    pub(super) fn array(&mut self, key: &str) -> Inside<'_> {
        self.key(key);
        self.out.push(b'[');
        Inside { out: self.out, end: b']', is_empty: true }
    }

    /// A member that is a number.
    pub(super) fn number(&mut self, key: &str, number: impl Display) -> &mut Self {
        self.key(key);
        // writing to memory does not fail
        let _ = write!(self.out, "{number}");
        self
    }

    /// A member that is a number, or null.
    pub(super) fn number_or_null(&mut self, key: &str, number: Option<impl Display>) -> &mut Self {
        match number {
            Some(number) => self.number(key, number),
            None => self.number(key, "null"),
        }
    }

    /// A member that is null.
    pub(super) fn null(&mut self, key: &str) {
        self.number(key, "null");
    }

    /// A member that is true or false.
    pub(super) fn flag(&mut self, key: &str, flag: bool) -> &mut Self {
        self.number(key, flag)
    }

    /// A member that is a text.
    pub(super) fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.key(key);
        quote(self.out, text);
        self
    }

    /// An item of an array that is a number.
    pub(super) fn item(&mut self, number: impl Display) {
        self.separate();
        let _ = write!(self.out, "{number}");
    }

    /// An item of an array that is a text.
    pub(super) fn text_item(&mut self, text: &str) {
        self.separate();
        quote(self.out, text);
    }

    /// An item of an array that is an object.
    pub(super) fn object_item(&mut self) -> Inside<'_> {
        self.separate();
        Inside::document(self.out)
    }

    fn key(&mut self, key: &str) {
        self.separate();
        quote(self.out, key);
        self.out.push(b':');
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.out.push(self.end);
    }
}

/// Appends a text in quotes.
fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)),
            c => write!(out, "{c}"),
        };
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_arrays() {
        let mut out = Vec::new();
        let mut document = Inside::document(&mut out);
        document.number("a", 1).number_or_null("b", None::<u8>).flag("c", true).text("d", "\"\\\n\u{e4}");
        drop(document.object("e"));
        let mut items = document.array("f");
        items.item(0.5);
        items.text_item("x");
        items.object_item().number("g", 2);
        drop(items);
        drop(document);
        let text =
            "{\"a\":1,\"b\":null,\"c\":true,\"d\":\"\\\"\\\\\\u000a\u{e4}\",\"e\":{},\"f\":[0.5,\"x\",{\"g\":2}]}";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
