//! A small bencode reader (BEP 3), so that tests can look into answers rather than at their spelling.

use std::collections::BTreeMap;

/// A bencoded value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `i42e`
    Number(i64),
    /// `4:spam`
    Bytes(Vec<u8>),
    /// `l...e`
    List(Vec<Value>),
    /// `d...e`
    Dict(BTreeMap<Vec<u8>, Value>),
}

impl Value {
    /// The entry of a dictionary; panics where there is none.
    #[track_caller]
    pub fn get(&self, key: &str) -> &Value {
        self.find(key).unwrap_or_else(|| panic!("no key {key} in {self:?}"))
    }

    /// The entry of a dictionary, if it is one and has it.
    pub fn find(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Dict(entries) => entries.get(key.as_bytes()),
            _ => None,
        }
    }

    /// The number that it is; panics on others.
    #[track_caller]
    pub fn number(&self) -> i64 {
        match self {
            Value::Number(n) => *n,
            other => panic!("no number: {other:?}"),
        }
    }
}

/// Reads exactly one value that takes all of `text`.
pub fn parse(text: &[u8]) -> Result<Value, String> {
    let mut at = 0;
    let value = value(text, &mut at)?;
    if at == text.len() { Ok(value) } else { Err(format!("bytes left over at {at} of {}", text.len())) }
}

fn value(text: &[u8], at: &mut usize) -> Result<Value, String> {
    match text.get(*at) {
        Some(b'i') => {
            *at += 1;
            Ok(Value::Number(number(text, at, b'e')?))
        }
        Some(b'l') => {
            *at += 1;
            let mut items = Vec::new();
            while text.get(*at) != Some(&b'e') {
                items.push(value(text, at)?);
            }
            *at += 1;
            Ok(Value::List(items))
        }
        Some(b'd') => {
            *at += 1;
            let mut entries = BTreeMap::new();
            while text.get(*at) != Some(&b'e') {
                let key = bytes(text, at)?;
                entries.insert(key, value(text, at)?);
            }
            *at += 1;
            Ok(Value::Dict(entries))
        }
        Some(b'0'..=b'9') => Ok(Value::Bytes(bytes(text, at)?)),
        other => Err(format!("unexpected {other:?} at {at}")),
    }
}

fn bytes(text: &[u8], at: &mut usize) -> Result<Vec<u8>, String> {
    let length = usize::try_from(number(text, at, b':')?).map_err(|_| "negative length".to_string())?;
    let end = at.checked_add(length).filter(|end| *end <= text.len()).ok_or("string longer than the text")?;
    let out = text[*at..end].to_vec();
    *at = end;
    Ok(out)
}

fn number(text: &[u8], at: &mut usize, end: u8) -> Result<i64, String> {
    let stop = text[*at..].iter().position(|byte| *byte == end).ok_or("number without an end")? + *at;
    let digits = std::str::from_utf8(&text[*at..stop]).map_err(|_| "number of odd bytes")?;
    *at = stop + 1;
    digits.parse().map_err(|_| format!("no number: {digits}"))
}
